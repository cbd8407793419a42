"""Annotations that pydantic by itself reads otherwise than they are meant."""

import pickle
import typing
from collections.abc import Generator, Iterable, Sequence
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, Field

from asyncfc_jupyter.core.errors import ArgumentMismatch
from asyncfc_jupyter.runtime.fitting import fitted
from asyncfc_jupyter.runtime.tools import make_tool
from asyncfc_jupyter.testing import Calls, Says
from tests.agent.talk import play


def tool_of(hint, **options):
    def function(x: hint) -> None:
        """Do."""

    return make_tool(function, **options)


def bound(hint, value):
    """What the function gets."""
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
        (Iterable[int] | None, [1], [1]),
        (typing.Optional[Iterable[int]], None, None),  # noqa: UP045 - every spelling
        (Annotated[Iterable[int], Field(min_length=1)], [1], [1]),
        (Annotated[Iterable[int], AfterValidator(total)], [1, 2], 3),
        (list[Iterable[int]], [[1], [2]], [[1], [2]]),
        (typing.Dict[str, Iterable[Iterable[int]]], {"a": [["1"]]}, {"a": [[1]]}),  # noqa: UP006 - every spelling
        (tuple[Iterable[int], ...], [[1]], ([1],)),
        (Sequence[int], [1], [1]),
    ],
    ids=str,
)
def test_an_iterable_of_what_is_there_as_a_whole_is_a_list(hint, given, got) -> None:
    value = bound(hint, given)
    assert value == got
    assert pickle.loads(pickle.dumps(value)) == got


def test_the_items_of_an_iterable_are_checked_before_the_call_and_named() -> None:
    with pytest.raises(ArgumentMismatch, match=r"'x.1': input should be a valid integer.*, not 'soon'"):
        bound(Iterable[int], [1, "soon"])
    with pytest.raises(ArgumentMismatch, match=r"'x.a.0': input should be a valid integer"):
        bound(dict[str, Iterable[int]], {"a": ["soon"]})


def test_a_limit_on_an_iterable_holds_and_stands_in_its_schema() -> None:
    hint = Annotated[Iterable[int], Field(min_length=1, description="Some")]
    schema = tool_of(hint).parameters["properties"]["x"]
    assert schema == {"type": "array", "items": {"type": "integer"}, "minItems": 1, "description": "Some"}
    with pytest.raises(ArgumentMismatch, match="at least 1 item"):
        bound(hint, [])


def test_an_iterator_that_a_tool_returned_is_gone_through_as_it_comes() -> None:
    began = []

    def numbers():
        began.append(True)
        yield from ("1", "2")

    value = bound(Iterable[int], numbers())
    assert not began
    assert list(value) == [1, 2]
    assert next(bound(Generator[int, None, None], [1])) == 1


def test_a_second_attempt_finds_in_an_iterable_what_the_first_one_found() -> None:
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


def test_an_iterable_names_the_same_place_however_often_it_is_asked() -> None:
    made = tool_of(Iterable[int], writes="w/{x}")
    assert made.parameters_of.canonical({"x": ["1"]}) == {"x": [1]}


@pytest.mark.parametrize("hint", [int, list[int], Annotated[int, Field(ge=1)], int | None, dict[str, Any], tuple[()]])
def test_an_annotation_that_means_what_pydantic_reads_is_left_as_it_is(hint) -> None:
    assert fitted(hint) is hint
