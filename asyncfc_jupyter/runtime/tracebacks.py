"""Tracebacks of tools as their authors know them: without the frames of this package."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from types import TracebackType

from asyncfc_jupyter.errors import AsyncFCError, InvariantBroken
from asyncfc_jupyter.foreign_code import ForeignCode, traceback_of
from asyncfc_jupyter.runtime.exception_text import TRACEBACK_NOTE, chain_of, leaves_of, origin_of, show_exception

#: The packages between a call and its function. A package that holds tools, such as `demo`, counts as the user's code.
_OURS = tuple(str(Path(__file__).parents[1] / room) for room in ("runtime", "tools", "values", "agent", "jupyter"))
#: The code that calls a coroutine on a new event loop.
_LOOPS = str(Path(asyncio.__file__).parent)


def own_frames(error: BaseException) -> BaseException:
    """Remove the frames of this package from an exception's traceback, and return the exception.

    The same is done for the exceptions that led to it, and for those that a group holds.

    Removed are the frames above the tool's function, and those below it in which a helper of this package raised. A traceback
    with no other frames shows a bug of this package, and stays whole, unless this package raised on purpose: then the message
    says it all.
    """
    inside = {id(one): one for each in (error, *leaves_of(error)) for one in chain_of(each)}
    for one in inside.values():
        _remove_ours(one)
    return error


def _remove_ours(error: BaseException) -> None:
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
        if on_purpose:
            BaseException.with_traceback(error, None)
        return
    below: TracebackType | None = None
    for frame in reversed(frames):
        below = TracebackType(below, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    BaseException.with_traceback(error, below)


def note_traceback(error: BaseException | None) -> None:
    """Write into an exception's notes what it loses on its way to another process: its frames, and what led to it."""
    if error is None:
        return
    own_frames(error)
    for each in (error, *leaves_of(error)):
        origin, words = origin_of(each)
        lines = traceback.format_tb(traceback_of(each))
        with ForeignCode():  # an exception may have no notes
            if origin is not None:
                BaseException.add_note(each, f"{words} {show_exception(origin)}")
            if lines:
                BaseException.add_note(each, f"{TRACEBACK_NOTE}\n{''.join(lines).rstrip()}")
