"""The table of readings: every combination of index, id, name and arguments with a call that came before."""

from __future__ import annotations

import itertools

import pytest

from asyncfc_jupyter.models.accumulator import Accumulator, CallClosedPart, CallMalformedPart
from asyncfc_jupyter.models.base import CallDelta, Finish
from asyncfc_jupyter.models.readings import READINGS, Mark, Reading, State
from tests.suite.expected import Compare

#: The arguments of the first delta, by the state in which they leave the call.
BEFORE = {State.UNBEGUN: None, State.OPEN: '{"x"', State.CLOSED: '{"x": 1}'}
#: The arguments of the second delta.
AFTER = {"none": None, "the rest": ": 1}", "the same": '{"x": 1}', "others": '{"x": 2}'}
ONE, TWO, OTHER = ("get", {"x": 1}), ("get", {"x": 2}), ("put", {"x": 1})


def outcome(marks: tuple[Mark, Mark, Mark, State], after: str | None) -> tuple[list[tuple[str, dict]], list[str]]:
    """The calls, and the names of those that cannot be read, of a delta that has these marks and one before it."""
    index, call_id, name, state = marks
    first = CallDelta(
        index=None if index is Mark.MISSING else 0,
        call_id=None if call_id is Mark.MISSING else "a",
        name="get",
        arguments=BEFORE[state],
    )
    second = CallDelta(
        index={Mark.SAME: 0, Mark.NEW: 1, Mark.MISSING: None}[index],
        call_id={Mark.SAME: "a", Mark.NEW: "b", Mark.MISSING: None}[call_id],
        name={Mark.SAME: "get", Mark.NEW: "put", Mark.MISSING: None}[name],
        arguments=after,
    )
    accumulator = Accumulator("made_", tools={"get": True, "put": True})
    parts = [part for delta in (first, second, Finish(reason="tool_calls")) for part in accumulator.feed(delta)]
    parts += accumulator.finish().parts
    calls = [(part.name, part.arguments) for part in parts if isinstance(part, CallClosedPart)]
    return calls, [part.name for part in parts if isinstance(part, CallMalformedPart)]


def test_every_combination_that_can_come_has_one_reading() -> None:
    """A new index without the id of a known call has no known call."""
    can_come = {
        (index, call_id, name, state)
        for index, call_id, name, state in itertools.product(Mark, Mark, Mark, State)
        if index is not Mark.NEW or call_id is Mark.SAME
    }
    assert set(READINGS) == can_come


def test_every_reading_of_every_combination_is_the_expected_one(expected: Compare) -> None:
    lines = []
    for marks, (words, after) in itertools.product(READINGS, AFTER.items()):
        index, call_id, name, state = (mark.value for mark in marks)
        calls, malformed = outcome(marks, after)
        read = "; ".join(
            [*(f"{tool} {arguments}" for tool, arguments in calls), *(f"{n or '?'} ???" for n in malformed)]
        )
        lines.append(f"index {index}, id {call_id}, name {name}, call {state}, then {words}: {read}")
    expected("readings.txt", "\n".join(lines))


@pytest.mark.parametrize("marks", READINGS, ids=lambda marks: " ".join(mark.value for mark in marks))
def test_a_delta_that_begins_no_call_makes_none_run_twice(marks: tuple[Mark, Mark, Mark, State]) -> None:
    reading, state = READINGS[marks], marks[-1]
    calls, malformed = outcome(marks, AFTER["the same"])
    if reading is not Reading.BEGINS and state is not State.OPEN:
        assert (calls, malformed) == ([ONE], [])
    elif reading is not Reading.BEGINS:
        assert calls in ([], [ONE]), "an object in the middle of another makes neither run"
    else:
        own = ONE if marks[2] is Mark.SAME else OTHER
        assert calls[-1] == own, "a call of its own runs, whatever came of the one before it"


@pytest.mark.parametrize("marks", READINGS, ids=lambda marks: " ".join(mark.value for mark in marks))
def test_more_after_the_end_of_a_call_is_another_call_or_is_reported(marks: tuple[Mark, Mark, Mark, State]) -> None:
    calls, malformed = outcome(marks, AFTER["others"])
    if marks[-1] is State.CLOSED:
        assert calls[0] == ONE
        assert len(calls) + len(malformed) == 2, "what was more is neither lost nor added to the call"


@pytest.mark.parametrize("marks", READINGS, ids=lambda marks: " ".join(mark.value for mark in marks))
def test_the_rest_of_arguments_completes_the_call_that_is_open(marks: tuple[Mark, Mark, Mark, State]) -> None:
    calls, malformed = outcome(marks, AFTER["the rest"])
    if marks[-1] is State.OPEN and READINGS[marks] is not Reading.BEGINS:
        assert (calls, malformed) == ([ONE], [])
    else:
        before = [[ONE], [("get", {})]] if marks[2] is Mark.NEW else [[ONE]]
        assert calls in ([], *before), "only the call before it may run, which had ended where another name begins"
        assert malformed
