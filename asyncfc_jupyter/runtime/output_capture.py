"""What tools print, each piece for the call that printed it: noted beside where it goes, or kept from going there.

Theory of operation
-------------------
While calls run, the ``write`` of ``sys.stdout`` and ``sys.stderr`` is replaced by one that notes the text for the call that a
context variable names, and then calls the old one, unless the run has a `Sink` that takes it. The variable is set for the
function alone, so what observers of the log print is never taken for a tool's, and the context goes with it: into the
coroutines that it awaits and starts, and into the thread it runs in.

The method of the stream is replaced and not ``sys.stdout``: logging handlers and others that took hold of the stream before are
heard too, ``isatty``, ``fileno`` and ``encoding`` are its own, and a tool that redirects its output gets it for itself. A
stream whose methods cannot be replaced is left as it is, and nothing is noted.

For a run with sinks, what a function prints in another process is sent back with its outcome, and printed here then.

Not noted: what a subprocess or an extension writes to the file descriptors, what runs in another process without a sink, and
what threads print that the tool itself starts, which carry no context.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.runtime.output_buffer import Kept, Stream

#: What is kept of a call's output, in characters: more than anybody reads, and little beside a notebook's own memory.
PRINTED_CHARACTERS = 10_000_000
#: What the log holds of it, from its beginning: several screens. A trace is saved and drawn as a whole.
LOGGED_CHARACTERS = 20_000
#: Seconds between two notes of one call: a loop that prints a hundred thousand lines must not fill the log.
NOTE_INTERVAL_S = 0.05


class Sink(Protocol):
    """Takes what one call puts out, in the place of the streams. Its methods may be called from any thread."""

    def write(self, text: str, stream: Stream) -> bool:
        """Take what the function prints, also after its call was given up; return whether the stream need not show it."""

    def raised(self, error: BaseException) -> None:
        """Take the exception that the call failed with, with the traceback of the function's own frames."""


#: Makes a sink for a call, of its future's name and its tool's.
Capture = Callable[[FutureName, str], Sink]

_PRINTING: contextvars.ContextVar[Printed | None] = contextvars.ContextVar("asyncfc_printing", default=None)


class Printed:
    """What one call has printed so far. Made on the event loop; written to from any thread.

    Args:
        tell: Called on the event loop with each piece, some lines long and at most `LOGGED_CHARACTERS` in all, and with the
            stream it went to. The last piece, and a note of what was cut, is told before `close` returns.
        sink: What takes the text in the place of the stream, if anything does.
    """

    def __init__(self, tell: Callable[[str, Stream], None], sink: Sink | None = None) -> None:
        self._tell = tell
        self.sink = sink
        self._loop = asyncio.get_running_loop()
        #: Whoever is told must not be taken for the tool that printed.
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._kept = Kept(PRINTED_CHARACTERS)
        self._untold: list[tuple[str, Stream]] = []
        self._left = LOGGED_CHARACTERS
        self._cut = 0
        #: Whether the event loop is to tell what is untold, and how soon it may.
        self._due = False
        self._told_s = float("-inf")
        self._open = True

    @property
    def text(self) -> str:
        """All that was printed so far, to both streams, in order; of a flood, its beginning and its end."""
        with self._lock:
            return self._kept.text

    def note(self, text: str, stream: Stream) -> bool:
        """Note what was printed, for as long as the call is not over, and return whether a sink has taken it."""
        taken = self.sink is not None and self.sink.write(text, stream)
        with self._lock:
            if self._open or taken:
                self._kept.add(text, stream)
            wait_s = self._until_told(text, stream)
        if wait_s is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it everybody who is told
                if wait_s > 0:
                    self._loop.call_soon_threadsafe(self._later, wait_s, context=self._context.copy())
                else:
                    self._loop.call_soon_threadsafe(self._flush, context=self._context.copy())
        return taken

    def _until_told(self, text: str, stream: Stream) -> float | None:
        """Put text with what is untold; return in how many seconds to tell it, or None when nobody need be asked to."""
        if not self._open:
            return None
        logged = text[: self._left]
        self._left -= len(logged)
        self._cut += len(text) - len(logged)
        if not logged:
            return None
        self._untold.append((logged, stream))
        if self._due:
            return None
        self._due = True
        return self._told_s + NOTE_INTERVAL_S - self._loop.time()

    def raised(self, error: BaseException | None) -> None:
        """Tell the sink what the call failed with."""
        if error is not None and self.sink is not None:
            self.sink.raised(error)

    def close(self) -> None:
        """Tell the rest, and nothing more: the call is over."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        self._flush()
        if self._cut:
            self._tell(f"\n[{self._cut:,} more characters were printed and are not in the log]\n", "stdout")

    def _later(self, wait_s: float) -> None:
        self._loop.call_later(wait_s, self._flush, context=self._context.copy())

    def _flush(self) -> None:
        with self._lock:
            untold, self._untold = self._untold, []
            self._due = False
            self._told_s = self._loop.time()
        while untold:
            stream = untold[0][1]
            end = next((at for at, piece in enumerate(untold) if piece[1] != stream), len(untold))
            self._tell("".join(text for text, _ in untold[:end]), stream)
            untold = untold[end:]


def current_sink() -> Sink | None:
    """Return what takes the output of the call that this code runs for; None outside of tools, and where nothing takes it."""
    printed = _PRINTING.get()
    return None if printed is None else printed.sink


def context_of(printed: Printed | None) -> contextvars.Context:
    """Return a copy of the current context in which what is printed is noted there, or nowhere."""
    context = contextvars.copy_context()
    context.run(_PRINTING.set, printed)
    return context


class _Listener:
    """Holds the replaced methods for as long as a function is at work whose prints are to be noted."""

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


#: The one of this process: the streams are the process's.
LISTENER = _Listener()


def _replace(stream: TextIO | None, name: Stream) -> Callable[[], None] | None:
    """Let a stream's ``write`` note what it writes; return what undoes it, or None where that cannot be done."""
    original = getattr(stream, "write", None)
    own = getattr(stream, "__dict__", {}).get("write")
    if original is None or getattr(original, "_notes_what_tools_print", False):
        return None

    def write(text: Any, /) -> int:
        printed = _PRINTING.get()
        # What is no text the stream itself refuses.
        if printed is not None and isinstance(text, str) and printed.note(text, name):
            return len(text)
        written: int = original(text)
        return written

    write._notes_what_tools_print = True  # type: ignore[attr-defined] # noqa: SLF001 - our own mark

    def restore() -> None:
        if stream.__dict__.get("write") is not write:
            return  # somebody replaced it once more, and calls this one, which notes nothing when no call runs
        if own is None:
            del stream.__dict__["write"]
        else:
            stream.__dict__["write"] = own

    try:
        stream.__dict__["write"] = write
    except AttributeError:
        return None
    return restore
