"""Runs the demonstration's plan in every mode and compares the outcomes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncfc_jupyter.agent import Agent, Mode, Run
from asyncfc_jupyter.core.events import CallFailed, CallFinished, CallSkipped, Stamped, TurnEnded, TurnStarted
from asyncfc_jupyter.demo.trip import TravelOffice

PLAN = """\
# Two seats, the weather, one service down
lisbon = search_flights(city="LIS")
porto = search_flights(city="OPO")
weather = get_weather(city="LIS")
rate = exchange_rate(currency="XAU")

out = hold_seat(flight=lisbon[0].id, traveller="Ada")
back = hold_seat(flight=porto[0].id, traveller="Ada")

first = confirm(order=out.order)
second = confirm(order=back.order)
orders = list_orders()

f"Ada flies {orders[0].flight} (order {first.order}, {orders[0].state}) and {orders[1].flight} (order {second.order}, \
{orders[1].state}); Lisbon will be {weather.sky}. The rate of gold: {rate}."
"""

#: As fast as the small hosted models of the large vendors.
_MODEL_OPTIONS = {"ttft_ms": 250, "tokens_per_s": 80}
#: A shorter pause between two turns, in seconds, is the layer's own work.
_NOTICEABLE_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """A pause between two turns, in which the model waited for results."""

    seconds: float
    #: The futures that settled in it, in that order.
    futures: tuple[str, ...]

    def __str__(self) -> str:
        numbers = sorted(int(future.removeprefix("f")) for future in self.futures)
        consecutive = len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1
        names = f"f{numbers[0]}-f{numbers[-1]}" if consecutive else " ".join(f"f{number}" for number in numbers)
        return f"{names} ({self.seconds:.1f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The plan in one mode."""

    mode: Mode
    run: Run
    #: The rows of the database afterwards.
    database: list[dict[str, Any]]

    @property
    def stalls(self) -> list[Stall]:
        """The pauses in which nothing was decoded, because the next turn waited for results."""
        stalls: list[Stall] = []
        since_s, settled = 0.0, list[str]()
        for stamped in self.run.trace:
            match stamped.event:
                case TurnEnded():
                    since_s, settled = stamped.at_s, []
                case CallFinished(future=future) | CallFailed(future=future) | CallSkipped(future=future):
                    settled.append(future)
                case TurnStarted(instead_of=None) if stamped.at_s - since_s > _NOTICEABLE_S and settled:
                    stalls.append(Stall(seconds=stamped.at_s - since_s, futures=tuple(settled)))
        return stalls


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The plan in every mode."""

    played: Sequence[Played]

    def of(self, mode: Mode) -> Played:
        """Return the outcome in one mode."""
        return next(played for played in self.played if played.mode is mode)

    @property
    def speedup(self) -> float:
        """The measured speed-up: seconds in the sequential mode over seconds in the async mode."""
        return self.of(Mode.SEQUENTIAL).run.metrics.makespan_s / self.of(Mode.ASYNC).run.metrics.makespan_s

    @property
    def bound(self) -> float:
        """AsyncFC's upper bound on the speed-up, from the async run: only its trace records which call needs which."""
        return self.of(Mode.ASYNC).run.metrics.bound

    @property
    def agree(self) -> bool:
        """Whether every mode gave the same answer and left the same database."""
        first = self.played[0]
        return all((p.run.answer, p.database) == (first.run.answer, first.database) for p in self.played)

    def as_json(self) -> dict[str, Any]:
        """Return the figures as plain data; times in seconds."""
        return {
            "modes": {
                played.mode.value: {
                    "makespan_s": played.run.metrics.makespan_s,
                    "answer": played.run.answer,
                    "turns": played.run.turns,
                }
                for played in self.played
            },
            "speedup": self.speedup,
            "bound": self.bound,
        }


async def play_all(watch: Callable[[Mode], Callable[[Stamped], None]]) -> Comparison:
    """Run the plan in every mode, one after the other, each with a database of its own.

    Args:
        watch: Called with each mode when it begins; returns the observer of that run's events.
    """
    played = []
    for mode in Mode:
        with tempfile.TemporaryDirectory(prefix="asyncfc-demo-") as folder:
            office = TravelOffice(Path(folder) / "orders.sqlite")
            agent = Agent(
                model="rehearsal", tools=office.tools(), mode=mode, model_options=_MODEL_OPTIONS, remember="off"
            )
            run = await agent.run(PLAN, observers=[watch(mode)])
            played.append(Played(mode=mode, run=run, database=[dict(row) for row in office.rows()]))
    return Comparison(played=played)
