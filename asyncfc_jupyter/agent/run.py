"""A run, as the user holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from typing import Any, Literal

from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.future import Future, Futures
from asyncfc_jupyter.core.events import CallIssued, FirstTokenArrived, TurnStarted
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.models.base import ChatRequest
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.text import count
from asyncfc_jupyter.trace.analysis.certificate import Certificate, certify
from asyncfc_jupyter.trace.analysis.metrics import Metrics, metrics
from asyncfc_jupyter.trace.render.timeline import Timeline
from asyncfc_jupyter.trace.trace import Trace

Ended = Literal["answered", "failed", "interrupted", "stopped"]
Outcome = Literal["running"] | Ended


class Run:
    """One prompt, its answer and its tool calls. Made by `Agent.start` and `Agent.run`."""

    def __init__(self, *, prompt: str, model: str, mode: str, conversation: Conversation, log: EventLog) -> None:
        self.prompt, self.model, self.mode = prompt, model, mode
        #: Pass it to another run to continue from here.
        self.conversation = conversation
        #: The text of the last reply; empty until the model has answered.
        self.answer = ""
        #: What the user should know of the answer, such as that the server cut it off; empty when all is well.
        self.note = ""
        self.outcome: Outcome = "running"
        #: The exception that ended the run, if one did.
        self.error: BaseException | None = None
        self.futures: Mapping[str, Future] = Futures(conversation.driver)
        #: The latest request, with system text, tools and messages, before an adapter writes it in the form of its API.
        self.request: ChatRequest | None = None
        self._log = log
        self._running: asyncio.Task[None] | None = None

    @property
    def trace(self) -> Trace:
        """The events so far, in order."""
        return Trace(tuple(self._log.events))

    @property
    def metrics(self) -> Metrics:
        """The figures of the run: times in seconds, and ratios."""
        return metrics(self.trace)

    @property
    def turns(self) -> int:
        """Requests to the model so far."""
        return sum(isinstance(stamped.event, TurnStarted) for stamped in self._log.events)

    @property
    def refused(self) -> bool:
        """Whether it failed before any reply arrived: the server refused the request, or the plan is invalid."""
        said = any(isinstance(stamped.event, FirstTokenArrived) for stamped in self._log.events)
        return self.outcome == "failed" and not said

    @property
    def elapsed_s(self) -> float:
        """Seconds from the start to the end, or to now."""
        return self._log.now_s() if self.outcome == "running" else self.trace.end_s

    def done(self) -> bool:
        """Return whether the run has ended, with or without an answer."""
        return self.outcome != "running"

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that it runs on."""
        return None if self._running is None else self._running.get_loop()

    async def wait(self) -> Run:
        """Return the run after it has ended.

        Cancelling this does not cancel the run; `cancel` does.

        Raises:
            AsyncFCError: The run ended without an answer; finished results are kept in `futures`.
        """
        await self.ended()
        if self.error is not None:
            raise self.error
        return self

    def __await__(self) -> Generator[Any, None, Run]:
        """Wait for the end, as `wait` does."""
        return self.wait().__await__()

    async def ended(self) -> None:
        """Return after the run has ended, with or without an answer, and its task with it."""
        if self._running is not None:
            await asyncio.wait([self._running])

    def cancel(self) -> None:
        """Stop the run: finished results are kept, pending calls are cancelled, the conversation stays usable."""
        if self._running is not None:
            self._running.cancel()

    def forget_observers(self) -> None:
        """Let go of those who watched the run, which has ended: the user may keep it for as long as the kernel lives."""
        self._log = self._log.without_observers()

    def why(self, future: str) -> str:
        """Return one sentence on why a future waited, or that it did not."""
        return self.futures[future].why()

    def certificate(self) -> Certificate:
        """Return which calls overlapped and why they were allowed to, and which were ordered and by what."""
        return certify(self.trace)

    def timeline(self) -> Timeline:
        """Return the picture of the run; a notebook shows it, and it can be saved as HTML or SVG."""
        return Timeline(self.trace)

    def __repr__(self) -> str:
        own = sum(isinstance(stamped.event, CallIssued) for stamped in self._log.events)
        model = mask(self.model)
        return (
            f"<Run {self.outcome} in {self.elapsed_s:.1f} s: {count(own, 'future')}, model {model}, mode {self.mode}>"
        )
