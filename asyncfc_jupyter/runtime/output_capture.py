"""The output of tools, captured for the call that prints it: noted beside where it goes, or kept from going there.

Theory of operation
-------------------
While calls run, the ``write`` of ``sys.stdout`` and ``sys.stderr`` is replaced by one that notes the text for the call that a
context variable names, and then calls the old one, unless the run has a `Sink` that takes the text. The variable is set for the
function alone, so that the output of observers of the log never counts as a tool's. The context goes with the function: into
the coroutines that it awaits and starts, and into the thread that it runs in.

The method of the stream is replaced and not ``sys.stdout``: logging handlers and others that hold the stream are captured too,
``isatty``, ``fileno`` and ``encoding`` stay the stream's own, and a tool that redirects its output gets it for itself. A stream
whose methods cannot be replaced is left as it is, and nothing is noted.

For a run with sinks, the output of a function in another process is sent back with its outcome, and printed here then.

Not noted: what a subprocess or an extension writes to the file descriptors, what runs in another process without a sink, and
what threads print that the tool itself starts, which carry no context.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

from asyncfc_jupyter.runtime.output_buffer import Stream
from asyncfc_jupyter.runtime.printed import Printed

_PRINTING: contextvars.ContextVar[Printed | None] = contextvars.ContextVar("asyncfc_printing", default=None)


def current_sink() -> Sink | None:
    """Return the sink of the call that this code runs for; None outside of tools, and for calls without a sink."""
    printed = _PRINTING.get()
    return None if printed is None else printed.sink


def context_of(printed: Printed | None) -> contextvars.Context:
    """Return a copy of the current context in which output is noted in ``printed``, or nowhere."""
    context = contextvars.copy_context()
    context.run(_PRINTING.set, printed)
    return context


class _Listener:
    """Replaces the methods of the streams for as long as functions run whose output is noted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listening = 0
        self._restore: list[Callable[[], None]] = []

    def begin(self) -> None:
        with self._lock:
            self._listening += 1
            if self._listening == 1:
                restore = (_replace(sys.stdout, "stdout"), _replace(sys.stderr, "stderr"))
                self._restore = [each for each in restore if each is not None]

    def end(self) -> None:
        with self._lock:
            self._listening -= 1
            if self._listening == 0:
                for restore in self._restore:
                    restore()


#: One for this process, as the streams are.
LISTENER = _Listener()


def _replace(stream: TextIO | None, name: Stream) -> Callable[[], None] | None:
    """Let a stream's ``write`` note what it writes; return the function that undoes this, or None where it cannot be done."""
    original = getattr(stream, "write", None)
    own = getattr(stream, "__dict__", {}).get("write")
    if original is None or getattr(original, "_notes_what_tools_print", False):
        return None

    def write(text: Any, /) -> int:
        printed = _PRINTING.get()
        # Anything but text is refused by the stream itself.
        if printed is not None and isinstance(text, str) and printed.note(text, name):
            return len(text)
        written: int = original(text)
        return written

    write._notes_what_tools_print = True  # type: ignore[attr-defined] # noqa: SLF001 - a mark of this package

    def restore() -> None:
        if stream.__dict__.get("write") is not write:
            return  # replaced again by others, who call this one; it notes nothing while no call runs
        if own is None:
            del stream.__dict__["write"]
        else:
            stream.__dict__["write"] = own

    try:
        stream.__dict__["write"] = write
    except AttributeError:
        return None
    return restore
