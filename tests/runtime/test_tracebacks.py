"""Tracebacks without the frames of this package."""

import asyncio
import traceback

from asyncfc_jupyter.runtime.approval import question
from asyncfc_jupyter.runtime.tracebacks import note_traceback, own_frames
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import (
    attempt_at,
    call_of,
    ended,
    fails,
)


def caught(function, *args):
    try:
        function(*args)
    except LookupError as error:
        return error
    except AssertionError as error:
        return error
    raise AssertionError("it was to fail")


def places(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_frames_of_the_package_are_left_out_of_a_traceback() -> None:
    error = caught(fails)
    assert own_frames(error) is error
    assert places(error) == ["caught", "fails"]

    async def main():
        return await ended(attempt_at(make_tool(fails)))

    outcome = run_virtually(main())
    assert places(outcome.error) == ["fails"]


def test_a_traceback_with_frames_of_the_package_only_stays_whole() -> None:
    error = caught(question, call_of())
    error.__traceback__ = error.__traceback__.tb_next
    assert places(own_frames(error)) == ["question"]


def test_the_frames_of_a_loop_of_its_own_are_left_out() -> None:
    async def later():
        fails()

    error = caught(asyncio.run, later())
    error.__traceback__ = error.__traceback__.tb_next
    assert places(own_frames(error)) == ["later", "fails"]


def test_a_traceback_that_travels_is_written_into_the_notes() -> None:
    error = caught(fails)
    note_traceback(error)
    first, *lines = error.__notes__[0].split("\n")
    assert first == "In its own process, most recent call last:"
    assert lines[-1].strip() == 'raise LookupError("no")'
    assert len(error.__notes__) == 1
    bare = LookupError("never raised")
    note_traceback(bare)
    note_traceback(None)
    assert not hasattr(bare, "__notes__")
