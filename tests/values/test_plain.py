"""Plain data, which is the same whenever it is read."""

import datetime as dt
from collections import OrderedDict, defaultdict, namedtuple
from decimal import Decimal
from enum import Enum
from pathlib import Path

import pytest

from asyncfc_jupyter.core.references import parse_reference
from asyncfc_jupyter.values.plain import finds_plain, is_constant, is_plain
from asyncfc_jupyter.values.snapshot import keep


class Text(str):
    __slots__ = ()


class Hostile(type):
    def __hash__(cls) -> int:
        raise SystemExit("hashed")

    def __eq__(cls, other: object) -> bool:
        raise SystemExit("compared")


class Odd(metaclass=Hostile):
    """Its class cannot even be looked up."""


class Level(Enum):
    LOW = 1
    MANY = [1]  # noqa: RUF012 - a member that can change


Pair = namedtuple("Pair", "one two")
CONSTANT = (1, 1.5, True, None, "a", b"a", Decimal(1), dt.date(2026, 1, 1), Path("a"), (1, ("a",)), frozenset({1}))
PLAIN = ([1, [2, {"a": (3,)}]], {1, 2}, {}, {"a": {"b": None}}, {(1, 2): [dt.timedelta(1)]})
NOT_PLAIN = (
    *(Text("a"), bytearray(b"a"), object(), Level.LOW, Pair(1, 2), OrderedDict(a=1), defaultdict(int), Odd(), int),
    *([object()], {"a": Text("b")}, {Text("a"): 1}, ({"a": [Odd()]},), iter([1])),
)


@pytest.mark.parametrize("value", [*CONSTANT, *PLAIN])
def test_numbers_texts_times_and_containers_of_them_are_plain(value) -> None:
    assert is_plain(value)


@pytest.mark.parametrize("value", NOT_PLAIN, ids=lambda value: type(value).__name__)
def test_an_object_of_any_other_class_is_not_plain(value) -> None:
    assert not is_plain(value)


def test_only_what_cannot_change_is_constant() -> None:
    assert all(map(is_constant, (*CONSTANT, Level.LOW)))
    assert not any(map(is_constant, (*PLAIN, Level.MANY, Text("a"), Odd(), ([],), object())))


class Record:
    rows = (1, 2)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("$f1", False),
        ("$f1.n", True),
        ("$f1.list[0]", True),
        ("$f1.list", False),
        ("$f1.list[1].rows", False),
        ("$f1.pair[0]", True),
        ("$f1.nothing", True),
        ("$f1.n.real", False),
        ("$f1.odd.a", False),
        ("$f1.odd", False),
    ],
)
def test_a_reference_is_plain_if_all_on_its_way_is_plain_and_its_end(text, plain) -> None:
    result = {"n": 1, "list": [1, Record()], "pair": (1, Record()), "odd": {Text("a"): 1}}
    reference = parse_reference(text)
    assert reference is not None
    kept = keep(result)
    assert finds_plain(reference, kept.value, kept.mixed) is plain
