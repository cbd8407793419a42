"""Calls from any thread that reach the event loop at a bounded rate."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import threading
import time
from collections.abc import Callable


class Throttle:
    """Calls a function soon after each request, but at most once per interval.

    The function is called on an event loop, in a copy of a context. Without an event loop it is called in the thread that
    requests it, or not at all while the interval lasts.

    Args:
        function: Called without arguments.
        interval_s: Seconds between two calls.
        loop: The event loop; by default the running one, if there is one.
        context: The context; by default that in which the throttle is made.
    """

    __slots__ = ("_called_s", "_context", "_due", "_function", "_interval_s", "_lock", "_loop")

    def __init__(
        self,
        function: Callable[[], None],
        interval_s: float,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        context: contextvars.Context | None = None,
    ) -> None:
        self._function, self._interval_s = function, interval_s
        self._loop = loop
        if loop is None:
            with contextlib.suppress(RuntimeError):
                self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context() if context is None else context
        self._lock = threading.Lock()
        self._called_s = -math.inf
        #: Whether the event loop has a call scheduled.
        self._due = False

    def request(self) -> None:
        """Have the function called, if a call is not scheduled already. May be called from any thread."""
        with self._lock:
            if self._due:
                return
            wait_s = self._called_s + self._interval_s - self._now_s()
            self._due = self._loop is not None
        if self._loop is None:
            if wait_s <= 0:
                self._call()
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all who listened
            context = self._context.copy()
            if wait_s > 0:
                self._loop.call_soon_threadsafe(self._loop.call_later, wait_s, self._call, context=context)
            else:
                self._loop.call_soon_threadsafe(self._call, context=context)

    def _call(self) -> None:
        with self._lock:
            self._due = False
            self._called_s = self._now_s()
        self._function()

    def _now_s(self) -> float:
        return time.monotonic() if self._loop is None else self._loop.time()
