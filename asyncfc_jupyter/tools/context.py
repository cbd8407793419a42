"""What a running tool may know of its own call, and say about it.

A function that has a parameter annotated `ToolContext` is given one; a model never sees that parameter::

    def fetch(pages: int, context: ToolContext) -> list[str]:
        texts = []
        for page in range(pages):
            context.check()
            texts.append(read(page))
            context.progress((page + 1) / pages, f"page {page + 1} of {pages}")
        return texts

It may be used from any thread. What it reports goes through the event loop that it was made on, so whoever listens is only ever
called there, and in the order in which the reports were made.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import threading
import time
from collections.abc import Callable
from typing import NoReturn, SupportsFloat

from asyncfc_jupyter.errors import NotAFraction, ToolCancelled
from asyncfc_jupyter.text import shorten

#: Seconds between two reports that go through: 20 a second is more than an eye follows, and a loop over a million rows that
#: reports each of them must not fill the log.
REPORT_INTERVAL_S = 0.05
#: What is kept of a report's text, in characters: one line beside a bar.
_TEXT_CHARACTERS = 200


def _ignore(_fraction: float | None, _text: str) -> None:
    """Take no notice of a report."""


class ToolContext:
    """One call, as the function that carries it out sees it.

    Made without arguments it reports to nobody and is never cancelled: what a test passes to call a tool directly.

    Args:
        call_id: The id that the model's server gave the call.
        future: The future's name, such as ``f3``.
        tool: The tool's name.
        report: Called with each report that goes through. On the event loop, if the context is made on one; else in the thread
            that reports.
        cancelled: Set by whoever gives the call up.
    """

    __slots__ = (
        "_cancelled",
        "_context",
        "_due",
        "_lock",
        "_loop",
        "_open",
        "_report",
        "_sent_s",
        "_unsent",
        "call_id",
        "future",
        "tool",
    )

    def __init__(
        self,
        *,
        call_id: str = "",
        future: str = "",
        tool: str = "",
        report: Callable[[float | None, str], None] = _ignore,
        cancelled: threading.Event | None = None,
    ) -> None:
        self.call_id, self.future, self.tool = call_id, future, tool
        self._report = report
        self._cancelled = cancelled or threading.Event()
        self._loop = _running_loop()
        #: Whoever listens is called in this one: in the tool's own, what they print would count as the tool's.
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._unsent: tuple[float | None, str] | None = None
        self._sent_s = -math.inf
        #: Whether the event loop is to send what is unsent.
        self._due = False
        self._open = True

    def progress(self, fraction: float | None, text: str = "") -> None:
        """Report how far the call is.

        Reports may come as often as they like: about 20 a second go through, and of those in between the latest. The last one
        always goes through, before the result does. Those after the call was given up go nowhere.

        Args:
            fraction: From 0 to 1; None where it is not known.
            text: What the call is at, such as ``page 4 of 10``.

        Raises:
            NotAFraction: The fraction is no number from 0 to 1.
        """
        if fraction is not None:
            fraction = _checked(self.tool, fraction)
        with self._lock:
            if not self._open:
                return
            self._unsent = (fraction, shorten(str(text), _TEXT_CHARACTERS))
            if self._due:
                return
            now_s = time.monotonic() if self._loop is None else self._loop.time()
            wait_s = max(0.0, self._sent_s + REPORT_INTERVAL_S - now_s)
            self._due = self._loop is not None
        if self._loop is not None:
            self._send_on_loop(self._loop, wait_s)
        elif wait_s <= 0:
            self._send()

    @property
    def cancelled(self) -> bool:
        """Whether the call was cancelled or ran out of time, so that nobody waits for its result."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Go on if somebody still waits for the result.

        A function in a thread cannot be stopped from outside; one that calls this now and then stops by itself.

        Raises:
            ToolCancelled: The call was cancelled or ran out of time.
        """
        if self.cancelled:
            raise ToolCancelled(self.future, self.tool)

    def close(self) -> None:
        """Send what is still unsent, and take no further reports: for whoever made the context, when the call is over."""
        self._send()
        with self._lock:
            self._open = False

    def renewed(self, cancelled: threading.Event) -> ToolContext:
        """Close this one and return one like it, for one more attempt at the same call."""
        self.close()
        ids = {"call_id": self.call_id, "future": self.future, "tool": self.tool}
        return ToolContext(**ids, report=self._report, cancelled=cancelled)

    def _send_on_loop(self, loop: asyncio.AbstractEventLoop, wait_s: float) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it everybody who listened
            context = self._context.copy()
            if wait_s > 0:
                loop.call_soon_threadsafe(loop.call_later, wait_s, self._send, context=context)
            else:
                loop.call_soon_threadsafe(self._send, context=context)

    def _send(self) -> None:
        with self._lock:
            report, self._unsent = self._unsent, None
            self._due = False
            if report is None:
                return
            self._sent_s = time.monotonic() if self._loop is None else self._loop.time()
        self._report(*report)

    def __repr__(self) -> str:
        return f"<ToolContext of {self.future or 'no call'}{f' ({self.tool})' if self.tool else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a ToolContext stays in its process: a tool that takes one cannot run in another")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _checked(tool: str, fraction: object) -> float:
    if not isinstance(fraction, bool) and isinstance(fraction, SupportsFloat) and 0 <= float(fraction) <= 1:
        return float(fraction)
    raise NotAFraction(tool, fraction)
