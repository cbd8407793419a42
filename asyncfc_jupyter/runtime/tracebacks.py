"""Tracebacks of tools as their authors know them: without the frames of whoever called them."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

#: The rooms that stand between a call and its function. A room with tools in it is a user of ours like any other.
_OURS = tuple(str(Path(__file__).parents[1] / room) for room in ("runtime", "tools", "values", "agent", "jupyter"))
#: Where a coroutine that is run on a loop of its own is called from.
_LOOPS = str(Path(asyncio.__file__).parent)


def own_frames(error: BaseException) -> BaseException:
    """Take the frames of this layer out of an exception's traceback, and return the exception.

    The frames above the tool's function go, and so do those below it in which a helper of ours raised. A traceback that has
    nothing else in it is a fault of ours, and stays whole.
    """
    frames = [frame for frame in _frames(error.__traceback__) if not _file(frame).startswith(_OURS)]
    while frames and _file(frames[0]).startswith(_LOOPS):
        frames.pop(0)
    if not frames:
        return error
    below: TracebackType | None = None
    for frame in reversed(frames):
        below = TracebackType(below, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return BaseException.with_traceback(error, below)


def note_traceback(error: BaseException | None) -> None:
    """Write an exception's traceback into its notes, for it is about to travel to another process, which keeps no frames."""
    if error is not None and error.__traceback__ is not None:
        lines = traceback.format_tb(own_frames(error).__traceback__)
        error.add_note(f"In its own process, most recent call last:\n{''.join(lines).rstrip()}")


def _frames(first: TracebackType | None) -> Iterator[TracebackType]:
    while first is not None:
        yield first
        first = first.tb_next


def _file(frame: TracebackType) -> str:
    return frame.tb_frame.f_code.co_filename
