"""What an exception says on one line: its text, its notes, what a group holds and what led to it."""

from __future__ import annotations

import asyncio
import pickle
import traceback

import pytest

from asyncfc_jupyter.errors import ArgumentMismatch
from asyncfc_jupyter.runtime.exception_text import show_exception
from asyncfc_jupyter.runtime.tracebacks import note_traceback, own_frames
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import attempt_at, ended


def noted(error, *notes):
    for note in notes:
        error.add_note(note)
    return error


def led_to(error, *, cause=None, context=None):
    error.__cause__, error.__context__ = cause, context
    error.__suppress_context__ = cause is not None
    return error


class Rude(Exception):
    def __str__(self):
        raise RuntimeError("no")


class Lies(ExceptionGroup):
    """Says that it holds itself, and that something else led to it."""

    @property
    def exceptions(self):
        return (self,)

    @property
    def __cause__(self):
        raise RuntimeError("no")


def test_an_exception_is_shown_on_one_line_of_two_thousand_characters() -> None:
    assert show_exception(ValueError("a\n b")) == "ValueError: a b"
    assert show_exception(ValueError()) == "ValueError"
    assert show_exception(Rude()) == "Rude: its text raised RuntimeError"
    assert show_exception(ValueError("x" * 2_000)) == "ValueError: " + "x" * 2_000
    assert show_exception(ValueError("x" * 2_001)) == "ValueError: " + "x" * 1_999 + "…"
    assert show_exception(None) == "no exception"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (noted(ValueError("not a mark"), "allowed are\n1 to 6"), "ValueError: not a mark (allowed are 1 to 6)"),
        (noted(ValueError(), "a", "b"), "ValueError (a; b)"),
        (ExceptionGroup("failed", [KeyError("x")]), "ExceptionGroup: failed (1 sub-exception): KeyError: 'x'"),
        (
            ExceptionGroup("failed", [KeyError("x"), ExceptionGroup("in it", [noted(ValueError("y"), "z"), Rude()])]),
            (
                "ExceptionGroup: failed (2 sub-exceptions): (1) KeyError: 'x'; (2) ValueError: y (z); "
                "(3) Rude: its text raised RuntimeError"
            ),
        ),
        (
            led_to(RuntimeError("no city"), cause=KeyError("x")),
            "RuntimeError: no city (caused by KeyError: 'x')",
        ),
        (
            led_to(RuntimeError("no city"), context=led_to(KeyError("x"), cause=OSError())),
            "RuntimeError: no city (while handling KeyError: 'x' (caused by OSError))",
        ),
        (led_to(RuntimeError("no city 'x'"), cause=KeyError("x")), "RuntimeError: no city 'x'"),
        (
            ExceptionGroup("failed", [led_to(ValueError("y"), cause=KeyError("x"))]),
            "ExceptionGroup: failed (1 sub-exception): ValueError: y (caused by KeyError: 'x')",
        ),
    ],
    ids=[
        "a note",
        "notes alone",
        "one leaf",
        "nested groups",
        "a cause",
        "a chain",
        "a cause that is said",
        "in a leaf",
    ],
)
def test_what_an_exception_holds_is_part_of_its_line(error, line) -> None:
    assert show_exception(error) == line


def test_what_led_to_an_exception_and_is_hidden_stays_hidden() -> None:
    error = led_to(ValueError("y"), context=KeyError("secret"))
    error.__suppress_context__ = True
    assert show_exception(error) == "ValueError: y"


def test_many_and_long_parts_are_counted_and_cut() -> None:
    group = ExceptionGroup("failed", [noted(ValueError(n, "x" * 9_999), "y" * 9_999) for n in range(10_000)])
    line = show_exception(group)
    assert line.endswith("; and 9996 more")
    assert len(line) < 5_000
    chain = ValueError("0")
    for n in range(1, 10_000):
        chain = led_to(ValueError(str(n) * 100), context=chain)
    assert len(show_exception(chain)) < 5_000
    assert show_exception(type("N" * 10_000, (Exception,), {})("z")) == "N" * 99 + "…: z"


def test_hostile_exceptions_are_read_without_their_own_code() -> None:
    inner = KeyError("x")
    assert show_exception(Lies("said", [inner])) == "Lies: said (1 sub-exception): KeyError: 'x'"
    circle = led_to(ValueError("a"), cause=None)
    led_to(circle, cause=led_to(KeyError("b"), context=circle))
    assert show_exception(circle) == "ValueError: a (caused by KeyError: 'b')"
    shared = ExceptionGroup("deep", [inner])
    for _ in range(200):
        shared = ExceptionGroup("deep", [shared, shared, ExceptionGroup("beside", [shared])])
    assert show_exception(shared) == "ExceptionGroup: deep (3 sub-exceptions): KeyError: 'x'"
    odd = ValueError("y")
    odd.__notes__ = [1, "fine", object()]
    assert show_exception(odd) == "ValueError: y (fine)"
    odd.__notes__ = "text"
    assert show_exception(odd) == "ValueError: y"


def test_leaves_and_causes_lose_the_frames_of_this_package_too() -> None:
    def look(x: int) -> None:
        """Look."""

    def misfit():
        make_tool(look).parameters_of.bind({})

    error = None
    try:
        try:
            misfit()
        except ArgumentMismatch as inner:
            raise LookupError("outer") from inner
    except LookupError as outer:
        error = outer
    own_frames(ExceptionGroup("failed", [error]))
    assert [frame.name for frame in traceback.extract_tb(error.__cause__.__traceback__)][1:] == ["misfit"]


def test_what_an_exception_loses_on_its_way_is_in_its_notes() -> None:
    try:
        try:
            raise KeyError("x")
        except KeyError as inner:
            raise ValueError("y") from inner
    except ValueError as error:
        group = ExceptionGroup("failed", [error])
    note_traceback(group)
    arrived = pickle.loads(pickle.dumps(group))
    assert (
        show_exception(arrived) == "ExceptionGroup: failed (1 sub-exception): ValueError: y (caused by KeyError: 'x')"
    )
    caused, frames_note = arrived.exceptions[0].__notes__
    assert caused == "caused by KeyError: 'x'"
    assert 'raise ValueError("y") from inner' in frames_note


def test_a_call_whose_tasks_failed_says_how_each_of_them_failed() -> None:
    async def fail(city):
        raise noted(LookupError(f"no city {city}"), "use an IATA code")

    async def weather():
        """Ask two services at once."""
        async with asyncio.TaskGroup() as group:
            group.create_task(fail("Rome"))
            group.create_task(fail("Oslo"))

    async def main():
        return await ended(attempt_at(make_tool(weather)))

    said = "unhandled errors in a TaskGroup (2 sub-exceptions): (1) LookupError: no city Rome (use an IATA code); (2) "
    assert run_virtually(main()).message.startswith(f"ExceptionGroup: {said}")
