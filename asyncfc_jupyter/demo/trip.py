"""The tools of the demonstration: a small travel office with a real SQLite file.

Some are async, some plain and blocking, one always fails. Each takes about as long as a web service would. Their results depend
on their arguments and the database alone, so every mode must give the same answer.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from asyncfc_jupyter.tools.definition import Tool, make_tool

_FLIGHTS = {
    "LIS": [{"id": "LIS-481", "price": 82}, {"id": "LIS-903", "price": 119}],
    "OPO": [{"id": "OPO-117", "price": 64}, {"id": "OPO-552", "price": 97}],
}
_SKIES = {"LIS": "sunny", "OPO": "windy"}


class TravelOffice:
    """Tools that share one database file."""

    def __init__(self, database: Path) -> None:
        self._database = database
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, flight TEXT, traveller TEXT, state TEXT)")

    def tools(self) -> list[Tool]:
        """Return the tools with what they read and write."""
        return [
            make_tool(self.search_flights, reads="flights/{city}"),
            make_tool(self.get_weather, pure=True),
            make_tool(self.exchange_rate, pure=True),
            make_tool(self.hold_seat, writes="orders"),
            make_tool(self.confirm, writes="orders/{order}"),
            make_tool(self.list_orders, reads="orders"),
        ]

    async def search_flights(self, city: str) -> list[dict[str, Any]]:
        """Find flights to a city, cheapest first.

        Args:
            city: Destination, as an IATA code.
        """
        await asyncio.sleep(1.1 if city == "LIS" else 1.4)
        return sorted(_FLIGHTS[city], key=lambda flight: flight["price"])

    def get_weather(self, city: str) -> dict[str, str]:
        """Look up tomorrow's weather, by a client that blocks.

        Args:
            city: The city, as an IATA code.
        """
        time.sleep(1.6)
        return {"city": city, "sky": _SKIES[city]}

    async def exchange_rate(self, currency: str) -> float:
        """Look up what one euro buys. The service is down.

        Args:
            currency: Three letters.
        """
        await asyncio.sleep(0.5)
        raise ConnectionError(f"no rate for {currency}: the service is down")

    def hold_seat(self, flight: str, traveller: str) -> dict[str, Any]:
        """Hold a seat, which makes an order.

        Args:
            flight: The flight's id.
            traveller: Who flies.
        """
        time.sleep(0.7)
        order = self._execute("INSERT INTO orders (flight, traveller, state) VALUES (?, ?, 'held')", flight, traveller)
        return {"order": order, "flight": flight}

    def confirm(self, order: int) -> dict[str, Any]:
        """Confirm a held order.

        Args:
            order: The order's number.
        """
        time.sleep(0.6)
        self._execute("UPDATE orders SET state = 'confirmed' WHERE id = ?", order)
        return {"order": order, "state": "confirmed"}

    def list_orders(self) -> list[dict[str, Any]]:
        """List all orders with their state."""
        time.sleep(0.4)
        return [dict(row) for row in self.rows()]

    def rows(self) -> list[sqlite3.Row]:
        """Return what the database holds."""
        with closing(sqlite3.connect(self._database)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute("SELECT id, flight, traveller, state FROM orders ORDER BY id").fetchall()

    def _execute(self, statement: str, *values: Any) -> int:
        with closing(sqlite3.connect(self._database)) as connection, connection:
            return connection.execute(statement, values).lastrowid or 0
