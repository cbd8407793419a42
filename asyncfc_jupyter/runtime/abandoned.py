"""Abandoned attempts whose functions still work; the next calls are kept out of their clean-up.

A call that timed out or was cancelled has settled, and the calls after it may start. Its coroutine was cancelled and may still
be busy: an ``except`` or a ``finally`` that undoes something takes its time. A call that touches the same state waits until
that is done. A process is ended, which takes a moment. What runs in a thread or in an executor of the user's own cannot be
stopped, and is not waited for.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asyncfc_jupyter.core.effects import hazards
from asyncfc_jupyter.core.events import ResultDiscarded
from asyncfc_jupyter.runtime.attempt import Attempt
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.outcome import Outcome, Raised
from asyncfc_jupyter.values.describe import label

#: Seconds that a coroutine has for its clean-up before others start without it: enough to roll back over a network, and a short
#: wait for a coroutine that ignores its cancellation.
CLEAN_UP_S = 5.0


class Abandoned:
    """The abandoned attempts of one conversation that have not ended."""

    def __init__(self) -> None:
        #: Each with its call, and the loop's time until which it may keep others waiting.
        self._left: dict[Attempt, tuple[ToolCall, float]] = {}

    def add(self, call: ToolCall, attempt: Attempt) -> None:
        """Remember an attempt until it ends, and log the late result that it may have then."""
        log = call.lease.log  # which the call itself returns when it settles

        def over(late: Outcome | None) -> None:
            self._left.pop(attempt, None)
            if late is not None:
                summary = late.message if isinstance(late, Raised) else label(late.value)
                raised = isinstance(late, Raised)
                log.record(ResultDiscarded(future=call.name, summary=summary, raised=raised))

        self._left[attempt] = call, asyncio.get_running_loop().time() + CLEAN_UP_S
        attempt.when_over(over)

    def calls(self) -> tuple[ToolCall, ...]:
        """Return the calls whose functions still work."""
        return tuple(dict.fromkeys(call for call, _ in self._left.values()))

    def stopping(self) -> tuple[asyncio.Task[Any], ...]:
        """Return the coroutines that were cancelled and have not ended."""
        return tuple(attempt.stopping for attempt in self._left if attempt.stopping is not None)

    def clean_ups_before(self, call: ToolCall) -> dict[asyncio.Task[Any], float]:
        """Return the coroutines that are to end before a call begins, each with the time until which it is waited for."""
        if not self._left:
            return {}
        loop = asyncio.get_running_loop()
        return {
            task: until
            for attempt, (other, until) in self._left.items()
            if (task := attempt.stopping) is not None
            and task.get_loop() is loop  # that of an earlier run may have ended with its clean-ups
            and loop.time() < until
            and hazards(other.effects, call.effects)
        }

    async def wait_for_clean_ups(self, call: ToolCall) -> None:
        """Return when a call may begin."""
        while stopping := self.clean_ups_before(call):
            left_s = min(stopping.values()) - asyncio.get_running_loop().time()
            await asyncio.wait(stopping, timeout=left_s)
