"""A clock that jumps: the timers of an event loop are due immediately, without a real wait on a busy machine."""

from __future__ import annotations

import asyncio


def skip_s(seconds: float) -> None:
    """Let the clock of the running event loop jump by so many seconds; all timers that end before then are due."""
    loop = asyncio.get_running_loop()
    clock = loop.time
    loop.time = lambda: clock() + seconds  # type: ignore[method-assign]
