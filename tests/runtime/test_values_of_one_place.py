"""Values that a function may take for one place have paths that meet; values of different places keep theirs apart.

The square: all values, under all annotations, with all others. `places` is the table of what functions make of a value.
"""

import collections
import decimal
import enum
import functools
import itertools
import json
import math
import ntpath
import posixpath
import unicodedata
import uuid
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal, NewType, Optional

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from asyncfc_jupyter.core.effects import meet
from asyncfc_jupyter.errors import CallError
from asyncfc_jupyter.runtime import binding
from asyncfc_jupyter.tools.definition import make_tool
from tests.random_programs import share
from tests.runtime.made import call_of


class Colour(enum.Enum):
    RED = "red"
    ONE = 1
    NUMBER = "1.0"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 42


class Town(enum.StrEnum):
    ROME = "Rome"


class OldTown(str, enum.Enum):  # noqa: UP042 - not the same: its text is that of the member
    ROME = "Rome"


class AnyCase(str):
    """A text that is equal to itself in any case."""

    def __eq__(self, other):
        return isinstance(other, str) and self.lower() == other.lower()

    def __hash__(self):
        return hash(self.lower())


class Dressed(str):
    """A text that prints otherwise than it compares."""

    def __str__(self):
        return f"<{self.lower()}>"

    def __format__(self, form):
        return f"[{self.lower()}]"


class Modulo(int):
    """A number that counts up to ten."""

    def __eq__(self, other):
        return int(self) % 10 == other

    def __hash__(self):
        return int(self) % 10


class Key:
    """An object that is equal to others by a rule of its own."""

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return isinstance(other, Key) and self.text.strip("x") == other.text.strip("x")

    def __hash__(self):
        return hash(self.text.strip("x"))

    def __str__(self):
        return self.text


OrderId = NewType("OrderId", int)
#: What a model may write.
WRITTEN = (
    *(None, True, False, 0, 1, -1, 42, 2**53, 2**53 + 1, 2**60, 10**25),
    *(0.0, -0.0, 1.0, 0.5, 1e3, 1e16, 2.0**53, 2.0**60, float("inf"), float("nan"), 1e-7, 42.0),
    *(
        "0",
        "1",
        "-0",
        "1.0",
        "01",
        " 1 ",
        "1e3",
        "1000",
        "1_000",
        "1000.0",
        "0.50",
        ".5",
        "1e-7",
        "42",
        "1e16",
        "1e400",
    ),
    *(
        "True",
        "true",
        "TRUE",
        "false",
        "None",
        "null",
        "",
        " ",
        ".",
        "..",
        "...",
        "nan",
        "inf",
        "\u0661",
        "9007199254740993",
    ),
    *("a", "A", "a.txt", "A.TXT", "a.txt.", "a.txt ", " a.txt", "./a.txt", "x/../a.txt", "b.txt", "a\0b", "a\x00"),
    *("a/b", "a\\b", "/a/b", "a//b", "a/./b", "a/b/", "A/B", "a /b", "a./b", "red", "RED", "Colour.RED", "colour.red"),
    *(
        "Rome",
        "rome",
        "ROME ",
        "Town.ROME",
        "OldTown.ROME",
        "Caf\u00e9",
        "Cafe\u0301",
        "CAF\u00c9",
        "Stra\u00dfe",
        "STRASSE",
    ),
    *("2024-05-01", "2024-05-01T00:00:00", "2024-05-01 00:00:00", "08:00:00", "08:00", "2024-05-01T00:00:00Z"),
    *("00000000-0000-0000-0000-0000000000AB", "00000000-0000-0000-0000-0000000000ab", "1/2", "[1]"),
    *("[rome]", "<rome>", "**********", [1], [1.0], {"a": 1}, {"a": True}),
)
#: What may be passed by reference.
PASSED = (
    *(Colour.RED, Colour.ONE, Colour.NUMBER, Level.LOW, Level.HIGH, Town.ROME, OldTown.ROME),
    *(AnyCase("Rome"), AnyCase("ROME"), AnyCase("x"), Dressed("Rome"), Modulo(1), Modulo(11), Key("a"), Key("xa")),
    *(decimal.Decimal(1), decimal.Decimal("1.00"), decimal.Decimal("1E+3"), decimal.Decimal("0.5"), Fraction(1, 2)),
    *(Fraction(1), complex(1), np.int64(1), np.float64(1), np.float64(0.5), np.float32(0.1), np.True_, np.str_("Rome")),
    *(np.datetime64("2024-05-01"), pd.Timestamp("2024-05-01"), pd.Timestamp("2024-05-01", tz="UTC")),
    *(date(2024, 5, 1), datetime(2024, 5, 1), datetime(2024, 5, 1, tzinfo=UTC), time(8), timedelta(1)),  # noqa: DTZ001
    *(uuid.UUID(int=0xAB), Path("a/b"), PurePosixPath("A/b"), PureWindowsPath("A/b"), PureWindowsPath("a\\B")),
    *(SecretStr("a"), SecretStr("b"), b"a", (1,), frozenset([1]), bytearray(b"a")),
)
ANNOTATIONS = (
    *(
        Any,
        object,
        bool,
        int,
        float,
        str,
        int | str,
        str | int,
        bool | int,
        int | bool,
        bool | str,
        float | str,
        str | float,
    ),
    *(int | float, float | int, Optional[int], Optional[str], bool | int | float | str | None, decimal.Decimal | str),  # noqa: UP045
    *(
        Literal[1, "1", True, "a"],
        Literal["Rome", "rome"],
        Colour,
        Level,
        Town,
        OldTown,
        Colour | str,
        Level | int,
        str | Town,
    ),
    *(decimal.Decimal, date, datetime, time, uuid.UUID, uuid.UUID | str, Path, PurePath, Path | str, SecretStr, bytes),
    *(date | str, datetime | date, timedelta, list[int], dict[str, int], OrderId, Annotated[int, Field(ge=0)]),
    *(
        Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True)],
        Annotated[str, AfterValidator(str.title)],
    ),
)


@functools.cache
def writer(number, template):
    """Return a tool that writes the place of its argument, which has the annotation of this number."""

    def put(key, other=7):
        """Put."""

    put.__annotations__ = {"key": ANNOTATIONS[number], "other": int}
    return make_tool(put, writes=template, limit={template: 1})


def call(template, number, value):
    """Return what a function gets for an argument, its paths and the names of its limits; None if the value does not fit."""
    try:
        resolved = call_of(function=writer(number, template), arguments={"key": value})
        bound, effects, limits = binding.bind(resolved, binding.Values({}), None)
    except CallError:
        return None
    return bound.arguments["key"], effects.writes, [limit.name for limit in limits]


def texts(value):
    """Yield what functions make of a value as text."""
    yield from (str(value), f"{value}")
    if isinstance(value, str):
        yield str.__str__(value)
    else:
        with suppress(TypeError, ValueError):
            yield json.dumps(value)
    if isinstance(value, date | time):
        yield value.isoformat()
    if isinstance(value, enum.Enum):
        yield value.name
        yield from texts(value.value)
    if isinstance(value, SecretStr):
        yield value.get_secret_value()


def spellings(text):
    """Yield what functions and file systems make of a text."""
    changes = (
        *(str.strip, str.lower, str.casefold, str.upper, lambda each: each.rstrip(" ."), posixpath.normpath),
        *(lambda each: posixpath.normpath(f"/{each}").strip("/"), lambda each: ntpath.normpath(ntpath.normcase(each))),
        *(functools.partial(unicodedata.normalize, form) for form in ("NFC", "NFD")),
        lambda each: unicodedata.normalize("NFD", unicodedata.normalize("NFD", each).casefold()),
    )
    yield text
    yield from (change(text) for change in changes)
    yield from (change(text.strip().casefold()) for change in changes)


def numbers(text):
    """Yield what a function reads from a text."""
    for read in (int, float, json.loads):
        with suppress(ValueError, ArithmeticError, RecursionError):
            yield read(text)
            return


def places(value, around="{}"):
    """Return the keys that functions may use for a value: the object itself, texts of it, numbers read from them."""
    made = {spelling for text in texts(value) for spelling in spellings(text)}
    read = {number for text in made for number in numbers(text) if isinstance(number, int | float)}
    made |= {str(int(number)) if math.isfinite(number) and number == int(number) else str(number) for number in read}
    keys = {spelling for text in made for spelling in spellings(around.replace("{}", text))}
    if around == "{}":
        keys |= read
        with suppress(TypeError):
            keys.add(value)
    return keys


def one_place(one, other):
    return any(meet(path, another) for path in one for another in other)


def square(template):
    """Return all values that a function may get, each once, with their paths and limits."""
    made = (call(template, *each) for each in itertools.product(range(len(ANNOTATIONS)), (*WRITTEN, *PASSED)))
    return {described(each): each for each in made if each is not None}.values()


def described(made):
    value, paths, *_ = made
    inside = (
        value.text if isinstance(value, Key) else value.get_secret_value() if isinstance(value, SecretStr) else value
    )
    return f"{type(value).__name__} {inside!a} at {paths}"


TEMPLATES = pytest.mark.parametrize(
    ("template", "around"), [("k/{key}", "{}"), ("k/a-{key}", "a-{}"), ("k/{key}.txt/{other}", "{}.txt/7")]
)


@TEMPLATES
def test_values_that_a_function_may_take_for_one_have_paths_that_meet(template, around) -> None:
    users = collections.defaultdict(list)
    for made in square(template):
        for place in places(made[0], around):
            users[place].append(made)
    pairs = ((place, pair) for place, sharing in users.items() for pair in itertools.combinations(sharing, 2))
    split = {
        f"{place!r}: {described(one)}, {described(other)}"
        for place, (one, other) in pairs
        if not one_place(one[1], other[1])
    }
    assert split == set()


@TEMPLATES
def test_values_that_no_function_takes_for_one_have_paths_that_do_not_meet(template, around) -> None:
    """Only values that name one place each: not a family, and nothing below a place that may be another's."""
    named = [made for made in square(template) if made[1] != (("k",),) and not set("/\\") & set(str(made[0]))]
    exact = [(made, places(made[0], around)) for made in named]
    assert len(exact) > 100
    merged = {
        f"{described(one)}, {described(other)}"
        for (one, mine), (other, others) in itertools.combinations(exact, 2)
        if one_place(one[1], other[1]) and not mine & others
    }
    assert merged == set()


@TEMPLATES
def test_calls_at_one_place_share_a_limit_unless_one_stands_for_all(template, around) -> None:
    users = collections.defaultdict(list)
    for made in square(template):
        if made[1] != (("k",),):
            for place in places(made[0], around):
                users[place].append(made)
    pairs = ((place, pair) for place, sharing in users.items() for pair in itertools.combinations(sharing, 2))
    apart = {
        f"{place!r}: {described(one)}, {described(other)}"
        for place, (one, other) in pairs
        if not set(one[2]) & set(other[2])
    }
    assert apart == set()


#: Texts that are full of what may be spelled in several ways.
tricky = st.text(st.sampled_from("aAbB019eE.-+_ /\\\t\u0301\u00e9\u00df\u212a\u0130i\u0660\ufb01"), max_size=6)
values = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.integers(-3, 3), st.floats(), st.integers(-3, 3).map(float)),
    *(st.text(max_size=4), tricky, st.decimals(allow_nan=False), st.dates(), st.times(), st.datetimes(), st.uuids()),
    *(tricky.map(PurePosixPath), tricky.map(Dressed), tricky.map(AnyCase), st.sampled_from(PASSED)),
)


@share(5)
@given(st.data())
def test_random_values_that_may_be_taken_for_one_have_paths_that_meet(data) -> None:
    template, around = data.draw(st.sampled_from([("k/{key}", "{}"), ("{key}/x", "{}"), ("k/a-{key}", "a-{}")]))

    def drawn(value):
        fits = [made for number in range(len(ANNOTATIONS)) if (made := call(template, number, value)) is not None]
        return data.draw(st.sampled_from(fits))

    one = drawn(data.draw(values))
    keys = places(one[0], around)
    again = sorted((key for key in keys if isinstance(key, str | int | float)), key=repr)
    other = drawn(data.draw(st.sampled_from(again) if again else values))
    if keys & places(other[0], around):
        assert one_place(one[1], other[1])


distinct = st.text(st.sampled_from("abcdefgh0123456789-_"), min_size=1, max_size=8)


@share(5)
@given(distinct, distinct)
def test_distinct_words_have_paths_of_their_own(one, other) -> None:
    anything, text = ANNOTATIONS.index(Any), ANNOTATIONS.index(str)
    assume(not set(numbers(one)) & set(numbers(other)) and one != other)
    for template in ("k/{key}", "k/{key}.txt", "k/{key}/x"):
        for annotation in (anything, text):
            assert not one_place(call(template, annotation, one)[1], call(template, text, other)[1])


@pytest.mark.parametrize(
    ("annotation", "value", "paths"),
    [
        (str, "42", [("k", "42")]),
        (int, 42, [("k", "42")]),
        (int, "42", [("k", "42")]),
        (Any, 42, [("k", "42")]),
        (str, "src/main.py", [("k", "src", "main.py")]),
        (str, "10.0.0.10", [("k", "10.0.0.10")]),
        (str, "Rome", [("k", "rome")]),
        (int, 2**60 + 1, [("k", str(2**60 + 1))]),
        (str, "9007199254740993", [("k", "9007199254740993")]),
        (float, 0.5, [("k", "0.5")]),
        (float, 42, [("k", "42.0"), ("k", "42")]),
        (bool, True, [("k", "1"), ("k", "true")]),
        (Literal["Rome", "rome"], "Rome", [("k", "rome")]),
        (Colour, "red", [("k", "red"), ("k", "colour.red")]),
        (date, "2024-05-01", [("k", "2024-05-01")]),
        (str, "..", [("k",)]),
        (SecretStr, "hush", [("k",)]),
    ],
)
def test_an_ordinary_value_has_the_paths_of_its_texts(annotation, value, paths) -> None:
    number = next(n for n, each in enumerate(ANNOTATIONS) if each is annotation or each == annotation)
    assert call("k/{key}", number, value)[1] == tuple(paths)
