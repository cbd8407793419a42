"""Which parameters are closed: their checks look at nothing but the value."""

import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import pydantic
import pytest
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PrivateAttr, field_validator
from typing_extensions import TypedDict

from asyncfc_jupyter.tools.definition import make_tool


class Plain(BaseModel):
    type: int = 1
    tags: list[str] = Field(default_factory=list)


class Tree(BaseModel):
    children: list["Tree"] = Field(default_factory=list)


class Checked(BaseModel):
    x: int

    @field_validator("x")
    @classmethod
    def check(cls, value: int) -> int:
        return value


class CheckedTree(BaseModel):
    children: list["CheckedTree"] = Field(default_factory=list)
    leaf: Checked | None = None


class Prepared(Plain):
    def model_post_init(self, context: Any) -> None:
        """Look at the world."""


class Private(BaseModel):
    _made: int = PrivateAttr(default_factory=lambda: 1)


class OwnInit(BaseModel):
    x: int

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


class Shares(BaseModel):
    tags: list[str] = []


@dataclasses.dataclass
class Point:
    x: int
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class PreparedPoint:
    x: int

    def __post_init__(self) -> None:
        """Look at the world."""


class Colour(enum.Enum):
    RED = 1


class Day(enum.Enum):
    FIRST = dt.date(2026, 1, 1)


class Guessed(enum.Enum):
    RED = 1

    @classmethod
    def _missing_(cls, value: object) -> "Guessed":
        return cls.RED


class Row(TypedDict):
    type: str


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Meta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return False


class Strange(metaclass=Meta):
    """Decides by itself what its instances are."""


class Usual:
    """A class like any other."""


CLOSED = (
    *(str, int, float, bool, bytes, complex, object, Any, None, dict, list, set[int], tuple[int, str]),
    *(pathlib.Path, pathlib.Path | None, dt.date, dt.datetime, dt.timedelta, decimal.Decimal, uuid.UUID),
    *(pydantic.HttpUrl, pydantic.Json, Literal["a", 1], Colour, Day, int | str | None, list[dict[str, Any]]),
    *(Sequence[int], Mapping[str, int], Iterable[int], Plain, Tree, Point, Row, list[Plain], Usual),
    *(
        Annotated[int, Field(ge=1)],
        Annotated[str, Field(pattern="a+")],
        Annotated[Cat | Dog, Field(discriminator="kind")],
    ),
)
OPEN = (
    *(Annotated[str, AfterValidator(str.lower)], Annotated[str, BeforeValidator(str.lower)], list[Checked]),
    *(pydantic.FilePath, pydantic.DirectoryPath, pydantic.NewPath, pydantic.PastDate, pydantic.FutureDatetime),
    *(Checked, CheckedTree, Prepared, Private, OwnInit, Shares, PreparedPoint, Guessed, Strange, Callable[[], int]),
    *(Annotated[str, AfterValidator({"a": "b"}.__getitem__)], dict[str, Annotated[int, AfterValidator(abs)]]),
)


def opened(hint: Any, **options: Any) -> bool:
    def take(x):
        """Take it."""

    take.__annotations__["x"] = hint
    return bool(make_tool(take, **options).parameters_of.open)


@pytest.mark.parametrize("hint", CLOSED, ids=str)
def test_a_check_that_looks_at_the_value_alone_is_closed(hint) -> None:
    assert not opened(hint)


@pytest.mark.parametrize("hint", OPEN, ids=lambda hint: str(hint).split(" at 0x")[0])
def test_a_check_that_may_look_at_the_world_is_open(hint) -> None:
    assert opened(hint)


SHARED = [1]


def defaults(  # noqa: PLR0917 - one of each kind
    constant: int = 3,
    given: int = Field(3),
    made: list[int] = Field(default_factory=list),  # noqa: B008
    mutable: list[int] = SHARED,
    # The rest is open.
    asked: int = Field(default_factory=lambda: 3),
    copied: list[int] = Field(SHARED),  # noqa: B008
    checked: int = Field(3, validate_default=True),
    renamed: Annotated[str, AfterValidator(str.lower)] = Field("a", alias="name"),
) -> None:
    """Take defaults."""


def test_a_default_is_closed_if_it_is_the_same_for_each_call() -> None:
    assert make_tool(defaults).parameters_of.open == {"asked", "copied", "checked", "renamed"}
