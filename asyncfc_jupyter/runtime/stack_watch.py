"""Hearing that a task is done or that its time is up, whichever comes first, without a task that waits for it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any


class Watch:
    """Tells once that a task is done or that the time is up.

    No closures: two that know of each other would be garbage that only the collector finds, with all that a call holds.
    """

    __slots__ = ("_tell", "_timer", "_work")

    def __init__(
        self,
        work: asyncio.Task[Any],
        timeout_s: float | None,
        tell: Callable[[], None],
        context: contextvars.Context | None,
    ) -> None:
        self._work, self._tell = work, tell
        work.add_done_callback(self._over, context=context)
        self._timer: asyncio.TimerHandle | None = None
        if timeout_s is not None:
            self._timer = asyncio.get_running_loop().call_later(timeout_s, self._over, context=context)

    def stop(self) -> None:
        """Tell nothing any more."""
        self._work.remove_done_callback(self._over)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self, _: object = None) -> None:
        self.stop()
        self._tell()
