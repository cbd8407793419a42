"""The output of one call: kept, reported to the log, and passed to the sink of its run."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Protocol

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.masking import StreamMask, mask
from asyncfc_jupyter.runtime.event_log import dropped
from asyncfc_jupyter.runtime.output_buffer import Kept, Piece, Stream, merged
from asyncfc_jupyter.tools.throttle import Throttle

#: Characters of a call's output that are kept: more than a user reads, and little beside a notebook's own memory.
PRINTED_CHARACTERS = 10_000_000
#: Characters of it that the log holds, from its beginning: several screens. A trace is saved and drawn as a whole.
LOGGED_CHARACTERS = 20_000
#: Seconds between two reports of one call: a loop that prints a hundred thousand lines must not fill the log.
NOTE_INTERVAL_S = 0.05


class Sink(Protocol):
    """Takes the output of one call, instead of the streams. Its methods may be called from any thread."""

    def write(self, text: str, stream: Stream) -> bool:
        """Take what the function prints, also after its call was abandoned; return whether to keep it from the stream."""

    def raised(self, error: BaseException) -> None:
        """Take the exception that the call failed with, with the traceback of the function's own frames."""


#: Makes a sink for a call, from the names of its future and its tool.
Capture = Callable[[FutureName, str], Sink]
#: Held while a text is added or read. One for all calls: most print nothing, and a settled call stays for a conversation.
_LOCK = threading.Lock()
#: Whether this thread is noting a text. The garbage collector may run meanwhile, and with it a finalizer that prints: it would
#: wait for ever for a lock that its own thread holds.
_NOTING = threading.local()


class Noted:
    """All that one call has printed, to both streams, in order; of a very long text, its beginning and its end."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: Kept | None = None

    def add(self, text: str, stream: Stream) -> None:
        """Append what was printed."""
        with _LOCK:
            if self._kept is None:
                self._kept = Kept(PRINTED_CHARACTERS)
            self._kept.add(text, stream)

    @property
    def text(self) -> str:
        """What is kept, as one text."""
        with _LOCK:
            return "" if self._kept is None else self._kept.text


class Printed:
    """Takes the output of one call. Made on the event loop; written to from any thread.

    Args:
        report: Called on the event loop with each piece, some lines long and at most `LOGGED_CHARACTERS` in all, and with the
            stream that it was written to. The last piece, and a note of what was cut, is reported before `close` returns.
        sink: Takes the text instead of the stream; None for the stream.
    """

    def __init__(self, report: Callable[[str, Stream], None], sink: Sink | None = None) -> None:
        self._report = report
        self.sink = sink
        #: Where reports are made.
        self._loop, self._context = asyncio.get_running_loop(), contextvars.copy_context()
        #: Made when first needed, as the masks are: most calls print nothing.
        self._throttle: Throttle | None = None
        #: The output so far. It outlives this, which holds the sink and all that the sink shows.
        self.noted = Noted()
        self._lock = threading.Lock()
        self._unreported: list[Piece] = []
        self._left = LOGGED_CHARACTERS
        self._cut = 0
        self._open = True
        self._masks: defaultdict[Stream, StreamMask] = defaultdict(StreamMask)

    def note(self, text: str, stream: Stream) -> bool:
        """Note what was printed, until the call ends, and return whether a sink has taken it.

        The sink and the log get it with keys masked. What a finalizer prints while its thread notes another text is left to the
        stream.
        """
        if getattr(_NOTING, "text", False):
            return False
        try:
            _NOTING.text = True
            return self._note(text, stream)
        finally:
            _NOTING.text = False

    def _note(self, text: str, stream: Stream) -> bool:
        with self._lock:
            shown = self._masks[stream].feed(text) if self._open else mask(text)
        taken = self._given(partial(_write, shown, stream)) is True
        with self._lock:
            if self._open or taken:
                self.noted.add(text, stream)
            logged = self._open and self._log(shown, stream)
            if logged and self._throttle is None:
                self._throttle = Throttle(self._flush, NOTE_INTERVAL_S, loop=self._loop, context=self._context)
            throttle = self._throttle if logged else None
        if throttle is not None:
            throttle.request()
        return taken

    def _log(self, shown: str, stream: Stream) -> bool:
        """Take what the log has room for, and return whether that is anything."""
        logged = shown[: self._left]
        self._left -= len(logged)
        self._cut += len(shown) - len(logged)
        if logged:
            self._unreported.append((logged, stream))
        return bool(logged)

    def raised(self, error: BaseException | None) -> None:
        """Pass the exception that the call failed with to the sink."""
        if error is not None:
            self._given(lambda sink: sink.raised(error))

    def _given(self, give: Callable[[Sink], object]) -> object:
        """Give the sink something; a sink that raises is dropped, and output goes to the streams from then on."""
        sink = self.sink
        if sink is None:
            return None
        with ForeignCode() as ran:
            return give(sink)
        self.sink = None
        if ran.error is not None:
            dropped("the sink for output", sink, ran.error)
        return None

    def close(self) -> None:
        """Report the rest, and nothing more: the call has ended."""
        with self._lock:
            if not self._open:
                return
            held = [(text, stream) for stream, each in self._masks.items() if (text := each.flush())]
            for text, stream in held:
                self._log(text, stream)
            self._open = False
            self._throttle = None  # they hold each other, which would leave them to the garbage collector
        for text, stream in held:
            self._given(partial(_write, text, stream))
        self._flush()
        if self._cut:
            self._report(f"\n[{self._cut:,} more characters were printed and are not in the log]\n", "stdout")

    def _flush(self) -> None:
        with self._lock:
            unreported, self._unreported = self._unreported, []
        for text, stream in merged(unreported):
            self._report(text, stream)


def _write(text: str, stream: Stream, sink: Sink) -> bool:
    return sink.write(text, stream)
