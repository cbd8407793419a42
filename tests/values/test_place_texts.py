"""The texts of a value in a path."""

import datetime as dt
import enum
import pathlib
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter.core.effects import PathTemplate, meet
from asyncfc_jupyter.values.place_texts import place_texts


class Colour(enum.Enum):
    RED = "red"
    DEEP = 2
    SEVERAL = ("a", "b")


class Size(enum.IntEnum):
    S = 1


class Tag(enum.StrEnum):
    NEW = "New"


class Rude:
    """A value that raises when it is converted to text."""

    def __str__(self):
        raise RuntimeError("no text")


class Named:
    """A value with a text and an idea of equality that is not known."""

    def __str__(self):
        return "named"


class Modulo(int):
    """A number that is equal to all with its last digit."""

    def __eq__(self, other):
        return int(self) % 10 == int(other) % 10

    def __hash__(self):
        return int(self) % 10


class Alike(enum.Enum):
    """Members that are equal by a rule of their own."""

    A = 1
    B = 2

    def __eq__(self, other):
        return isinstance(other, Alike)

    __hash__ = None


NOON = dt.datetime(2024, 5, 1, 12, 0)  # noqa: DTZ001 - one without a time zone, which has no others
VALUES = (
    *(
        "42",
        "042",
        "1.0",
        " 1 ",
        "1e3",
        "1e16",
        "1e400",
        "nan",
        "true",
        "None",
        "",
        " ",
        "a",
        "A b",
        "10.0.0.1",
        "1_000",
    ),
    *(
        42,
        0,
        -1,
        42.0,
        -0.0,
        1.5,
        1e-7,
        2.0**53,
        2.0**53 - 1,
        -(2.0**53),
        10**20,
        float("nan"),
        float("inf"),
        True,
        False,
    ),
    *(
        None,
        Colour.RED,
        Colour.DEEP,
        Colour.SEVERAL,
        Size.S,
        Tag.NEW,
        [1],
        (1,),
        {"a": 1},
        {1},
        b"a",
        1j,
        Fraction(1, 2),
    ),
    *(Decimal("1.50"), Decimal(2), Decimal("1E+3"), Decimal("NaN"), Decimal("sNaN"), Decimal("1e99999999999")),
    *(UUID(int=5), dt.date(2024, 5, 1), NOON, dt.time(12), NOON.replace(tzinfo=dt.UTC), dt.time(12, tzinfo=dt.UTC)),
    *(dt.timedelta(1), pathlib.PurePosixPath("a/B"), pathlib.PureWindowsPath("a/B")),
)


def test_values_have_these_texts(expected) -> None:
    expected("place_texts.txt", "\n".join(f"{value!r}: {', '.join(map(repr, place_texts(value)))}" for value in VALUES))


@pytest.mark.parametrize(
    "value", [Rude(), Named(), Modulo(11), Alike.A, object(), 10**5000], ids=lambda value: type(value).__name__
)
def test_a_value_whose_equality_is_not_known_has_no_text(value) -> None:
    assert place_texts(value) == ()


@given(
    st.one_of(st.integers(), st.floats(allow_nan=False), st.decimals(allow_nan=False), st.fractions(), st.booleans())
)
def test_equal_numbers_are_one_place_whatever_their_type(number) -> None:
    template = PathTemplate.parse("k/{x}")
    for kind in (int, float, Decimal, Fraction):
        try:
            other = kind(number)
        except (ArithmeticError, TypeError, ValueError):
            continue
        if other == number:
            paths, others = (template.expand({"x": place_texts(each)}) for each in (number, other))
            assert any(meet(path, another) for path in paths for another in others)


def test_one_moment_in_two_time_zones_stands_for_every_place() -> None:
    there = NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert place_texts(there) == place_texts(there.astimezone(dt.UTC)) == ()
