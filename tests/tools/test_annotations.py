"""Annotations that pydantic alone reads in another way than they are meant."""

import dataclasses
import datetime as dt
import enum
import pickle
import re
import typing
from collections.abc import Generator, Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from pydantic import AfterValidator, Field

from asyncfc_jupyter.errors import ArgumentMismatch
from asyncfc_jupyter.testing import Calls, Says
from asyncfc_jupyter.tools.annotations import fitted
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import play


def shown(value) -> str:
    """Return a parameter as text without addresses: a test's name is the same in every process."""
    return re.sub(r" at 0x\w+", "", str(value))


def tool_of(hint, **options):
    def function(x: hint) -> None:
        """Do."""

    return make_tool(function, **options)


def bound(hint, value):
    """The arguments that the function gets."""
    return tool_of(hint).parameters_of.bind({"x": value}).arguments["x"]


def total(numbers):
    assert type(numbers) is list
    return sum(numbers)


@pytest.mark.parametrize(
    ("hint", "given", "got"),
    [
        (Iterable[int], ["1", 2], [1, 2]),
        (typing.Iterable[int], (1, 2), [1, 2]),
        (Iterable, [1, "x"], [1, "x"]),
        (Iterable[int], {1}, [1]),
        (Iterable[str], {"a": 1}, ["a"]),
        (Iterable[str], "ab", ["a", "b"]),
        (Iterable[int] | str, "ab", "ab"),
        (Iterable[int] | None, [1], [1]),
        (typing.Optional[Iterable[int]], None, None),  # noqa: UP045 - every spelling
        (Annotated[Iterable[int], Field(min_length=1)], [1], [1]),
        (Annotated[Iterable[int], AfterValidator(total)], [1, 2], 3),
        (list[Iterable[int]], [[1], [2]], [[1], [2]]),
        (typing.Dict[str, Iterable[Iterable[int]]], {"a": [["1"]]}, {"a": [[1]]}),  # noqa: UP006 - every spelling
        (tuple[Iterable[int], ...], [[1]], ([1],)),
        (Sequence[int], [1], [1]),
    ],
    ids=shown,
)
def test_an_iterable_whose_items_all_exist_is_a_list(hint, given, got) -> None:
    value = bound(hint, given)
    assert value == got
    assert pickle.loads(pickle.dumps(value)) == got


def test_the_items_of_an_iterable_are_checked_before_the_call_and_named() -> None:
    with pytest.raises(ArgumentMismatch, match=r"'x.1': input should be a valid integer.*, not 'soon'"):
        bound(Iterable[int], [1, "soon"])
    with pytest.raises(ArgumentMismatch, match=r"'x.a.0': input should be a valid integer"):
        bound(dict[str, Iterable[int]], {"a": ["soon"]})
    with pytest.raises(ArgumentMismatch, match=r"'x.0': input should be a valid integer.*, not 's'"):
        bound(Iterable[int], "soon")


def test_a_limit_on_an_iterable_holds_and_is_in_its_schema() -> None:
    hint = Annotated[Iterable[int], Field(min_length=1, description="Some")]
    schema = tool_of(hint).parameters["properties"]["x"]
    assert schema == {"type": "array", "items": {"type": "integer"}, "minItems": 1, "description": "Some"}
    with pytest.raises(ArgumentMismatch, match="at least 1 item"):
        bound(hint, [])


def test_an_iterator_that_a_tool_returned_is_consumed_lazily() -> None:
    began = []

    def numbers():
        began.append(True)
        yield from ("1", "2")

    value = bound(Iterable[int], numbers())
    assert not began
    assert list(value) == [1, 2]
    assert next(bound(Generator[int, None, None], [1])) == 1


def test_a_second_attempt_gets_the_items_of_an_iterable_again() -> None:
    attempts = []

    def add(numbers: Iterable[int]) -> int:
        """Add, but not at once."""
        attempts.append(sum(numbers))
        if len(attempts) == 1:
            raise ConnectionError("not yet")
        return sum(numbers)

    tools = [make_tool(add, pure=True, retries=1)]
    run, _ = play([Calls("add", {"numbers": [1, 2]})], [Says("a")], [Says("b")], tools=tools)
    assert (attempts, run.futures["f1"].result()) == ([3, 3], 3)


def test_an_iterable_always_names_the_same_place() -> None:
    made = tool_of(Iterable[int], writes="w/{x}")
    assert made.parameters_of.canonical({"x": ["1"]}) == {"x": [1]}


class Colour(enum.Enum):
    RED, BLUE = "red", "blue"


class Mixed(enum.Enum):
    TEXT, DAY, SHAPE = "2026-05-14", dt.date(2026, 5, 14), (2, 3)


class Day(enum.Enum):
    FIRST = dt.date(2026, 1, 1)


class Price(enum.Enum):
    LOW = Decimal("1.50")
    NONE = None


class Tax(Decimal, enum.Enum):
    FULL = "0.19"


class Size(tuple, enum.Enum):
    WIDE = (16, 9)


class Raw(bytes, enum.Enum):
    MARK = b"PK"


@dataclasses.dataclass(frozen=True)
class Point:
    x: int


class Corner(enum.Enum):
    ORIGIN = Point(0)
    BOTH = frozenset({Point(1)})


class Word(enum.StrEnum):
    YES = "yes"


class Rank(enum.IntEnum):
    FIRST = 1


class Text(str, enum.Enum):  # noqa: UP042 - another spelling
    NO = "no"


class Rights(enum.Flag):
    READ, WRITE = 1, 2


class Ratio(enum.Enum):
    HALF, YES = 0.5, True


@pytest.mark.parametrize(
    ("hint", "given", "got"),
    [
        (Literal[Colour.RED], "red", Colour.RED),
        (Literal[Colour.RED, "blue", None], "red", Colour.RED),
        (Literal[Colour.RED, "blue", None], "blue", "blue"),
        (Literal["red", Colour.RED], "red", "red"),
        (Literal[b"a", 3], "a", b"a"),
        (Literal[Word.YES, Rank.FIRST, Text.NO], "yes", Word.YES),
        (Literal[Word.YES, Rank.FIRST, Text.NO], 1, Rank.FIRST),
        (Literal[Word.YES, Rank.FIRST, Text.NO], "no", Text.NO),
        (Colour, "red", Colour.RED),
        (Mixed, "2026-05-14", Mixed.TEXT),
        (Mixed, [2, 3], Mixed.SHAPE),
        (Day, "2026-01-01", Day.FIRST),
        (Price, "1.50", Price.LOW),
        (Price, None, Price.NONE),
        (Tax, "0.19", Tax.FULL),
        (Size, [16, 9], Size.WIDE),
        (Raw, "PK", Raw.MARK),
        (Corner, {"x": 0}, Corner.ORIGIN),
        (Corner, [{"x": 1}], Corner.BOTH),
        (Word, "yes", Word.YES),
        (Rank, 1, Rank.FIRST),
        (Text, "no", Text.NO),
        (Rights, 2, Rights.WRITE),
        (Ratio, 0.5, Ratio.HALF),
        (Ratio, True, Ratio.YES),
        (Day | None, "2026-01-01", Day.FIRST),
        (Day | None, None, None),
        (list[Day], ["2026-01-01"], [Day.FIRST]),
        (Iterable[Day], ["2026-01-01"], [Day.FIRST]),
        (dict[str, Literal[Colour.RED] | int], {"a": "red", "b": 3}, {"a": Colour.RED, "b": 3}),
        (dict[Day, int], {"2026-01-01": 1}, {Day.FIRST: 1}),
        (Annotated[Day, Field(description="When")], "2026-01-01", Day.FIRST),
        (Annotated[Day, AfterValidator(lambda day: day.value)], "2026-01-01", Day.FIRST.value),
    ],
    ids=shown,
)
def test_a_value_that_a_schema_lists_is_accepted_as_such_or_as_its_object(hint, given, got) -> None:
    """Its object is, for example, the member of an enum."""
    for references in (False, True):
        schema = tool_of(hint).definition(references=references)["function"]["parameters"]
        assert Draft202012Validator(schema).is_valid({"x": given})
    value = bound(hint, given)
    assert value == got
    assert type(value) is type(got)
    if not isinstance(got, dt.date):
        assert bound(hint, got) == got


@pytest.mark.parametrize(
    ("hint", "given"),
    [
        (Literal[Colour.RED], "blue"),
        (Literal[Colour.RED], Colour.BLUE),
        (Literal[b"a"], "b"),
        (Day, "2026-01-02"),
        (Size, [16, 10]),
        (Size, [np.zeros(2), 9]),
        (Price, np.zeros(2)),
        (Raw, ["PK"]),
    ],
    ids=shown,
)
def test_what_a_schema_does_not_list_is_refused(hint, given) -> None:
    with pytest.raises(ArgumentMismatch, match="'x': input should be"):
        bound(hint, given)


def test_a_listed_form_names_the_place_of_the_member_that_it_stands_for() -> None:
    canonical = tool_of(Day, writes="w/{x}").parameters_of.canonical
    assert canonical({"x": "2026-01-01"}) == canonical({"x": Day.FIRST}) == {"x": Day.FIRST}


@pytest.mark.parametrize(
    "hint", [int, list[int], Annotated[int, Field(ge=1)], int | None, dict[str, Any], tuple[()], Colour, Rank, Word]
)
def test_an_annotation_that_means_what_pydantic_reads_is_left_as_it_is(hint) -> None:
    assert fitted(hint) is hint
