"""A parameter of each kind that has its own form in a schema."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import inspect
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from asyncfc_jupyter.tools.definition import Tool, make_tool


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Address(BaseModel):
    """Where somebody lives."""

    street: str
    number: int
    country: Literal["PT", "ES"] = "PT"


@dataclasses.dataclass
class Room:
    """A room in a hotel."""

    beds: int
    extras: list[str] = dataclasses.field(default_factory=list)


class Meal(TypedDict):
    """A meal in that hotel."""

    at: dt.time
    price: float


class Frame:
    """Stands for a DataFrame: it has no form in JSON, so its schema allows only a reference."""


#: Each with a default.
KINDS: dict[str, tuple[Any, Any]] = {
    "text": (str, "here"),
    "count": (int, 3),
    "share": (float, 0.5),
    "yes": (bool, False),
    "seat": (Literal["window", "aisle"], "aisle"),
    "colour": (Colour, Colour.RED),
    "perhaps": (int | None, None),
    "either": (int | list[str], 1),
    "numbers": (list[int], [1]),
    "pair": (tuple[int, str], (1, "a")),
    "prices": (dict[str, float], {}),
    "address": (Address, Address(street="Rua", number=1)),
    "addresses": (list[Address], []),
    "room": (Room, Room(beds=2)),
    "meal": (Meal, None),
    "day": (dt.date, dt.date(2026, 5, 1)),
    "moment": (dt.datetime, None),
    "short": (Annotated[str, Field(max_length=30)], "a"),
    "bounded": (Annotated[int, Field(ge=1, le=9)], 5),
    "anything": (Any, None),
    "frame": (Frame, None),
}


def tool_of_all_kinds() -> Tool:
    """Return a tool with a parameter of each kind, every second of which may be left out."""

    def take(**_: Any) -> str:
        """Take the values."""
        return "taken"

    take.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                kind,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=hint,
                default=default if place % 2 else inspect.Parameter.empty,
            )
            for place, (kind, (hint, default)) in enumerate(KINDS.items())
        ]
    )
    take.__annotations__ = {kind: hint for kind, (hint, _) in KINDS.items()}
    return make_tool(take, pure=True)
