"""Calls that were given up and are not over yet, and keeping the next ones out of their clean-up.

A call that ran out of time or was taken back has settled, and the calls behind it may start. Its coroutine was told to stop
and may still be at it: an ``except`` or a ``finally`` that puts things back takes its time. A call that touches the same waits
until that is done; what runs in a thread or in another process cannot be told to stop, and is not waited for.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asyncfc_jupyter.core.effects import hazards
from asyncfc_jupyter.runtime.attempt import Attempt
from asyncfc_jupyter.runtime.call import ToolCall

#: Seconds that a coroutine has for its clean-up before others go on without it: enough to roll back over a network, and soon
#: over where a coroutine does not mind being cancelled.
CLEAN_UP_S = 5.0


class GivenUp:
    """The attempts of one conversation that were given up and are not over."""

    def __init__(self) -> None:
        #: Each with its call, and until when it may keep others waiting, by the loop's time.
        self._left: dict[Attempt, tuple[ToolCall, float]] = {}

    def note(self, entry: ToolCall, attempt: Attempt) -> None:
        """Keep an attempt in mind until nothing of it is left."""
        self._left[attempt] = entry, asyncio.get_running_loop().time() + CLEAN_UP_S
        attempt.when_over(lambda: self._left.pop(attempt, None))

    def entries(self) -> tuple[ToolCall, ...]:
        """Return the calls whose functions are still at work."""
        return tuple(dict.fromkeys(entry for entry, _ in self._left.values()))

    def stopping(self) -> tuple[asyncio.Task[Any], ...]:
        """Return what was told to stop, and is to be waited for."""
        return tuple(attempt.stopping for attempt in self._left if attempt.stopping is not None)

    def in_the_way(self, entry: ToolCall) -> dict[asyncio.Task[Any], float]:
        """Return what is to stop before a call begins, each with the time until which it is waited for."""
        if not self._left:
            return {}
        loop = asyncio.get_running_loop()
        return {
            task: until
            for attempt, (other, until) in self._left.items()
            if (task := attempt.stopping) is not None
            and task.get_loop() is loop  # that of an earlier run may have ended with its clean-ups
            and loop.time() < until
            and hazards(other.effects, entry.effects)
        }

    async def out_of_the_way(self, entry: ToolCall) -> None:
        """Return when nothing is in a call's way any more."""
        while stopping := self.in_the_way(entry):
            left_s = min(stopping.values()) - asyncio.get_running_loop().time()
            await asyncio.wait(stopping, timeout=left_s)
