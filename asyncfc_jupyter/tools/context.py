"""What a running tool may ask about its own call, and report about it.

A function with a parameter annotated `ToolContext` is given one; a model never sees that parameter::

    def fetch(pages: int, context: ToolContext) -> list[str]:
        texts = []
        for page in range(pages):
            context.check()
            texts.append(read(page))
            context.progress((page + 1) / pages, f"page {page + 1} of {pages}")
        return texts

It may be used from any thread. Reports go through the event loop that it was made on, in the order in which they were made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn, SupportsFloat

from asyncfc_jupyter.errors import NotAFraction, ToolCancelled
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.throttle import Throttle

#: Seconds between two reports: 20 a second is more than an eye follows, and a loop that reports each of a million rows must not
#: fill the log.
REPORT_INTERVAL_S = 0.05
#: Characters of a report's text: one line beside a bar.
_TEXT_CHARACTERS = 200


class ToolContext:
    """One call, as seen by the function that it runs.

    Made without arguments, its reports are ignored and it is never cancelled: a test can pass it to call a tool directly.

    Args:
        call_id: The id that the model's server gave the call.
        future: The future's name, such as ``f3``.
        tool: The tool's name.
        report: Called with each report that goes through. On the event loop, if the context is made on one; else in the thread
            that reports.
        cancelled: Set when the call is abandoned.
    """

    __slots__ = ("_cancelled", "_lock", "_open", "_report", "_throttle", "_unsent", "call_id", "future", "tool")

    def __init__(
        self,
        *,
        call_id: str = "",
        future: str = "",
        tool: str = "",
        report: Callable[[float | None, str], None] = lambda _fraction, _text: None,
        cancelled: threading.Event | None = None,
    ) -> None:
        self.call_id, self.future, self.tool = call_id, future, tool
        self._report = report
        self._cancelled = cancelled or threading.Event()
        self._throttle = Throttle(self._send, REPORT_INTERVAL_S)
        self._lock = threading.Lock()
        self._unsent: tuple[float | None, str] | None = None
        self._open = True

    def progress(self, fraction: float | None, text: str = "") -> None:
        """Report how far the call is.

        Reports may be made at any rate: about 20 a second go through, of those in between the latest. The last one always
        goes through, before the result does. Those made after the call was abandoned are ignored.

        Args:
            fraction: From 0 to 1; None where it is not known.
            text: What the call is doing, such as ``page 4 of 10``.

        Raises:
            NotAFraction: The fraction is not a number from 0 to 1.
        """
        if fraction is not None:
            given: object = fraction
            if isinstance(given, bool) or not isinstance(given, SupportsFloat) or not 0 <= float(given) <= 1:
                raise NotAFraction(self.tool, given)
            fraction = float(given)
        with self._lock:
            if not self._open:
                return
            self._unsent = (fraction, shorten(str(text), _TEXT_CHARACTERS))
        self._throttle.request()

    @property
    def cancelled(self) -> bool:
        """Whether the call was cancelled or ran out of time, so that its result is not waited for."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Return if the result is still waited for.

        A function in a thread cannot be stopped from outside. One that calls this now and then stops by itself.

        Raises:
            ToolCancelled: The call was cancelled or ran out of time.
        """
        if self.cancelled:
            raise ToolCancelled(self.future, self.tool)

    def close(self) -> None:
        """Send the last report if it is unsent, and ignore further ones. Called by the context's owner when the call ends."""
        self._send()
        with self._lock:
            self._open = False

    def abandon(self) -> None:
        """Let the function know that its result is not waited for any more. Called by the context's owner."""
        self._cancelled.set()

    def renewed(self) -> ToolContext:
        """Close this one and return another like it, for the next attempt of the same call."""
        self.close()
        return ToolContext(call_id=self.call_id, future=self.future, tool=self.tool, report=self._report)

    def _send(self) -> None:
        with self._lock:
            report, self._unsent = self._unsent, None
        if report is not None:
            self._report(*report)

    def __repr__(self) -> str:
        return f"<ToolContext of {self.future or 'no call'}{f' ({self.tool})' if self.tool else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a ToolContext stays in its process: a tool that takes one cannot run in another")
