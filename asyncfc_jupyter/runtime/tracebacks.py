"""Tracebacks of tools as their authors know them: without the frames of this package."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from types import TracebackType

from asyncfc_jupyter.errors import AsyncFCError, InvariantBroken
from asyncfc_jupyter.foreign_code import ForeignCode, traceback_of

#: The packages between a call and its function. A package that holds tools, such as `demo`, counts as the user's code.
_OURS = tuple(str(Path(__file__).parents[1] / room) for room in ("runtime", "tools", "values", "agent", "jupyter"))
#: The code that calls a coroutine on a new event loop.
_LOOPS = str(Path(asyncio.__file__).parent)


def own_frames(error: BaseException) -> BaseException:
    """Remove the frames of this package from an exception's traceback, and return the exception.

    Removed are the frames above the tool's function, and those below it in which a helper of this package raised. A traceback
    with no other frames shows a bug of this package, and stays whole, unless this package raised on purpose: then the message
    says it all.
    """
    frames: list[TracebackType] = []
    step = traceback_of(error)
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        calls_the_function = file.startswith(_OURS) or (not frames and file.startswith(_LOOPS))
        if not calls_the_function:
            frames.append(step)
        step = step.tb_next
    if not frames:
        on_purpose = issubclass(type(error), AsyncFCError) and not issubclass(type(error), InvariantBroken)
        return BaseException.with_traceback(error, None) if on_purpose else error
    below: TracebackType | None = None
    for frame in reversed(frames):
        below = TracebackType(below, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return BaseException.with_traceback(error, below)


def note_traceback(error: BaseException | None) -> None:
    """Write an exception's traceback into its notes before it is sent to another process, which loses its frames."""
    if error is not None and traceback_of(error) is not None:
        lines = traceback.format_tb(traceback_of(own_frames(error)))
        with ForeignCode():  # an exception may have no notes
            BaseException.add_note(error, f"In its own process, most recent call last:\n{''.join(lines).rstrip()}")
