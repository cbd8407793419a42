"""What tools print, noted for the call that prints it: beside where it goes, or kept from going there.

Theory of operation
-------------------
While calls run, the ``write`` of ``sys.stdout`` and ``sys.stderr`` is replaced by one that notes the text for the call that the
code runs for, and then calls the old one, unless the run has a `Sink` that takes the text. A call is current for its function
alone, so that the output of observers of the log never counts as a tool's.

The method of the stream is replaced and not ``sys.stdout``: logging handlers and others that hold the stream are captured too,
``isatty``, ``fileno`` and ``encoding`` stay the stream's own, and a tool that redirects its output gets it for itself. A stream
that code outside of calls sets meanwhile, such as a cell that redirects its own output while a run continues in the background,
is treated the same. A stream whose methods cannot be replaced is left as it is, and nothing is noted.

For a run with sinks, the output of a function in another process is sent back with its outcome, and printed here then.

Not noted: what a subprocess or an extension writes to the file descriptors, and what runs in another process without a sink.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any, TextIO

from asyncfc_jupyter.runtime.output_buffer import Stream
from asyncfc_jupyter.runtime.running_call import running_call


class Streams:
    """Notes what is written to the standard streams while calls run."""

    def __init__(self) -> None:
        #: By the stream's name, how to restore the one from the beginning and the latest that was set since.
        self._restore: dict[Stream, list[Callable[[], None]]] = {"stdout": [], "stderr": []}

    def begin(self) -> None:
        """Replace the methods of the streams."""
        for name in self._restore:
            self.assigned(name, getattr(sys, name))

    def assigned(self, name: str, stream: TextIO | None) -> None:
        """Replace the methods of a new value of ``sys.stdout`` or ``sys.stderr``; for other names, do nothing."""
        for each, restore in self._restore.items():
            if each == name:
                while len(restore) > 1:
                    restore.pop()()
                undo = _replace(stream, each)
                restore.extend([] if undo is None else [undo])

    def end(self) -> None:
        """Restore the methods."""
        for restore in self._restore.values():
            while restore:
                restore.pop()()

    @staticmethod
    def report(text: str) -> None:
        """Write a note on the current call where it would write itself."""
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # it may be closed, and the note is no reason to fail
                sys.stderr.write(text)


def _replace(stream: TextIO | None, name: Stream) -> Callable[[], None] | None:
    """Let a stream's ``write`` note what it writes; return the function that undoes this, or None where it cannot be done."""
    original = getattr(stream, "write", None)
    own = getattr(stream, "__dict__", {}).get("write")
    if original is None or getattr(original, "_notes_what_tools_print", False):
        return None

    def write(text: Any, /) -> int:
        call = running_call()
        printed = None if call is None else call.printed
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
