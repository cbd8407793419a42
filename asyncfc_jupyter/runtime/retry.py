"""Runs the calls that may start, each with the retries that its tool allows. Late results are logged and discarded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from asyncfc_jupyter.core.events import CallRetried
from asyncfc_jupyter.foreign_code import ForeignCode, delivered_by_signal, traceback_of
from asyncfc_jupyter.retry_policy import tool_attempts
from asyncfc_jupyter.runtime.abandoned import Abandoned
from asyncfc_jupyter.runtime.attempt import Attempt, in_thread
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.outcome import Outcome, Raised, raised


class Runner:
    """Runs calls: attempts, the pauses between them, and their outcomes.

    An attempt reports its end by a callback. A task is made only for a wait: for a pause, or for an earlier call's clean-up.

    Args:
        spawn: Makes a task for a call, in a copy of its run's context. An exception of the task concludes the call.
        measure: Called on the event loop while an attempt runs that has waited for a good while longer for other calls.
        conclude: Called once with a call's outcome; with None when the call was cancelled from outside, such as by the end of
            the event loop.
    """

    def __init__(
        self,
        *,
        spawn: Callable[[ToolCall, Coroutine[Any, Any, None]], asyncio.Task[None]],
        measure: Callable[[ToolCall, Attempt], None],
        conclude: Callable[[ToolCall, Outcome | None], None],
    ) -> None:
        self._spawn, self._measure, self._conclude = spawn, measure, conclude
        self.abandoned = Abandoned()

    def start(self, call: ToolCall) -> None:
        """Begin the first attempt, now or after the clean-ups that it would disturb."""
        # Copying the arguments for an attempt that may be followed by another runs code of the user, which may raise.
        if (call.function is not None and call.function.retries) or self.abandoned.clean_ups_before(call):
            call.delay(self._spawn(call, self._begin_later(call, 1, pause_s=0)))
        else:
            self._begin(call, 1, call.own_arguments)

    def cancel(self, call: ToolCall) -> bool:
        """Stop a call, as far as it can be stopped. Its late result is discarded.

        Returns:
            Whether its function still runs.
        """
        attempt = call.abandon()
        if attempt is None:
            return False
        if not attempt.abandoned:  # else its time was up, and the call was to be retried
            self.abandoned.add(call, attempt)
        return attempt.abandon()

    def _begin(self, call: ToolCall, number: int, arguments: Callable[[], dict[str, Any]]) -> None:
        context = call.lease.context.copy()
        with ForeignCode() as ran:  # that of the arguments, of which there are copies for each attempt
            attempt = context.run(call.begin_attempt, arguments())
            if call.function is not None and call.function.run_in != "loop":
                loop = asyncio.get_running_loop()
                attempt.share.report = partial(loop.call_soon_threadsafe, self._measure, call, attempt)
            attempt.when_reached(partial(self._reached, call, attempt, number), context)
            return
        self._conclude(call, raised(ran.error))

    async def _begin_later(self, call: ToolCall, number: int, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        await self.abandoned.wait_for_clean_ups(call)
        if not call.large:
            self._begin(call, number, call.own_arguments)
            return
        outcome = await in_thread(call.own_arguments)
        if call.settled:
            return
        if isinstance(outcome, Raised):
            self._conclude(call, outcome)
        else:
            self._begin(call, number, lambda: outcome.value)

    def _reached(self, call: ToolCall, attempt: Attempt, number: int) -> None:
        """Retry or conclude a call, now that its attempt has ended or its time is up."""
        if call.settled:
            return  # cancelled at the moment at which its function returned
        try:
            outcome = call.end_attempt(attempt)
            if not attempt.over:
                self.abandoned.add(call, attempt)
            if not self._retry(call, outcome, number):
                self._conclude(call, outcome)
        except asyncio.CancelledError:
            self._conclude(call, None)
        except BaseException as error:
            if call.settled:
                raise
            # Neither a bug of this package nor an interrupt may leave the run waiting for ever.
            self._conclude(call, raised(error))
            if delivered_by_signal(error, traceback_of(error)):
                raise

    def _retry(self, call: ToolCall, outcome: Outcome, number: int) -> bool:
        """Begin another attempt after a pause, if there may be one; return whether there will be."""
        if call.function is None or not isinstance(outcome, Raised):
            return False
        pause_s = tool_attempts(call.function.retries).pause_s(number, outcome.error)
        if pause_s is None:
            return False
        call.lease.log.record(
            CallRetried(
                future=call.name,
                attempt=number,
                message=outcome.message,
                pause_s=round(pause_s, 3),
                still_running=outcome.still_running,
            )
        )
        call.delay(self._spawn(call, self._begin_later(call, number + 1, pause_s)))
        return True
