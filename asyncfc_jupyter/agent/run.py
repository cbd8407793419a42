"""A run and its futures, as the person holds them."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from asyncfc_jupyter.core.events import CallIssued, FirstTokenArrived, TurnStarted
from asyncfc_jupyter.core.futures import FutureName, State
from asyncfc_jupyter.errors import NoSuchFuture, ToolFailed, ToolSkipped, UsageError
from asyncfc_jupyter.models.base import ChatRequest
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.trace.analysis.certificate import Certificate, certify
from asyncfc_jupyter.trace.analysis.metrics import Metrics, metrics
from asyncfc_jupyter.trace.analysis.why import explain_wait
from asyncfc_jupyter.trace.render.timeline import Timeline
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.clean_text import clean
from asyncfc_jupyter.values.snapshot import describe

if TYPE_CHECKING:
    from asyncfc_jupyter.agent.conversation import Conversation
    from asyncfc_jupyter.agent.turn import Turns

Ended = Literal["answered", "failed", "interrupted", "stopped"]
Outcome = Literal["running"] | Ended
#: Characters of an outcome in a future's ``repr``.
_REPR_CHARACTERS = 300


class Future:
    """The result of one tool call, now or later. Awaiting it gives the value."""

    def __init__(self, entry: ToolCall, driver: Driver) -> None:
        self._entry, self._driver = entry, driver

    @property
    def name(self) -> str:
        """Its name, such as ``f1``."""
        return self._entry.name

    @property
    def tool(self) -> str:
        """The name of the tool."""
        return self._entry.tool

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments as the model wrote them, references included."""
        return dict(self._entry.arguments)

    @property
    def state(self) -> State:
        """What has become of it."""
        return self._driver.scheduler.state(self._entry.name)

    @property
    def printed(self) -> str:
        """What its function has printed so far, to stdout and stderr: all of it, up to ten million characters.

        Of more than that, the beginning and the end are kept. What subprocesses print, and threads that the tool itself
        started, is not in it.
        """
        return "" if self._entry.printed is None else self._entry.printed.text

    def cancel(self) -> None:
        """Take it back, if it has not settled: its dependents are skipped, and what its function still returns is discarded."""
        self._driver.cancel(self._entry.name)

    def done(self) -> bool:
        """Return whether it has settled, in whatever way."""
        return self._entry.status != "pending"

    def why(self) -> str:
        """Return one sentence on why it waited, or that it did not; in whichever run of the conversation it was issued."""
        log = self._entry.lease.log
        if not log.events:
            return f"{self.name} ({self.tool}) came with its outcome from a fork or a file, and not with its wait"
        return explain_wait(Trace(tuple(log.events)), self._entry.name, now_s=None if self.done() else log.now_s())

    def result(self) -> Any:
        """Return the very object that the tool returned; plain data as it was when the call finished.

        Raises:
            ToolFailed: The tool raised, timed out or could not take its arguments; the cause is chained.
            ToolSkipped: The call was not made, or was cancelled.
            UsageError: It has not settled yet; await it instead.
        """
        entry = self._entry
        match entry.status:
            case "done":
                return entry.value
            case "pending":
                raise UsageError(
                    f"{self.name} ({self.tool}) has no result yet; write `await` before the future to wait for it."
                )
            case "failed" | "timeout":
                raise ToolFailed(self.name, self.tool, entry.error) from entry.exception
            case _:
                raise ToolSkipped(self.name, self.tool, entry.error)

    def __await__(self) -> Generator[Any, None, Any]:
        yield from self._driver.wait([self._entry.name]).__await__()
        return self.result()

    def __repr__(self) -> str:
        outcome = clean(
            describe(self._entry.value) if self._entry.status == "done" else self._entry.error, _REPR_CHARACTERS
        )
        return f"<Future {self.name} {self.tool}: {self.state}{': ' + outcome if outcome else ''}>"


class Futures(Mapping[str, Future]):
    """The futures of a conversation by name, in order of emission."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __getitem__(self, name: str) -> Future:
        entry = self._driver.calls.get(FutureName(str(name).removeprefix("$")))
        if entry is None:
            raise NoSuchFuture(str(name), known=tuple(self._driver.calls))
        return Future(entry, self._driver)

    def __iter__(self) -> Iterator[str]:
        return iter(self._driver.calls)

    def __len__(self) -> int:
        return len(self._driver.calls)

    def __repr__(self) -> str:
        return "\n".join(repr(future) for future in self.values()) or "no futures yet"


class Run:
    """One request of the person and all that came of it. Made by `Agent.start` and `Agent.run`."""

    def __init__(self, *, prompt: str, model: str, mode: str, conversation: Conversation, log: EventLog) -> None:
        self.prompt, self.model, self.mode = prompt, model, mode
        #: Pass it to another run to go on from here.
        self.conversation = conversation
        #: The text of the last reply; empty until the model has answered.
        self.answer = ""
        #: What to know of the answer, such as that the server cut it off; empty when all is well.
        self.note = ""
        self.outcome: Outcome = "running"
        #: The exception that ended the run, if one did.
        self.error: BaseException | None = None
        self.futures: Mapping[str, Future] = Futures(conversation.driver)
        self._log = log
        self._running: asyncio.Task[None] | None = None
        self._turns: Turns | None = None

    @property
    def request(self) -> ChatRequest | None:
        """The latest request: all that the model was given, system text, tools and messages; None before the first.

        Each server's adapter writes it in the form of its API.
        """
        return None if self._turns is None else self._turns.request

    @property
    def trace(self) -> Trace:
        """All that has happened so far, in order."""
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
        """Whether it failed before the model said a thing: a request that was refused, a plan that cannot be read."""
        said = any(isinstance(stamped.event, FirstTokenArrived) for stamped in self._log.events)
        return self.outcome == "failed" and not said

    @property
    def elapsed_s(self) -> float:
        """Seconds from the start to the end, or to now."""
        return self._log.now_s() if self.outcome == "running" else self.trace.end_s

    def done(self) -> bool:
        """Return whether the run has ended, in whatever way."""
        return self.outcome != "running"

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that it runs on."""
        return None if self._running is None else self._running.get_loop()

    async def wait(self) -> Run:
        """Return the run once it has ended.

        Cancelling this does not cancel the run: call `cancel` for that.

        Raises:
            AsyncFCError: What ended the run without an answer; finished results are kept in `futures`.
        """
        await self.ended()
        if self.error is not None:
            raise self.error
        return self

    def __await__(self) -> Generator[Any, None, Run]:
        """Wait for the end, as `wait` does."""
        return self.wait().__await__()

    async def ended(self) -> None:
        """Return once the run has ended, in whatever way, and nothing of it is left on the loop."""
        if self._running is not None:
            await asyncio.wait([self._running])

    def cancel(self) -> None:
        """Stop the run: what has finished is kept, what is pending is cancelled, the conversation stays usable."""
        if self._running is not None:
            self._running.cancel()

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
        futures = "1 future" if own == 1 else f"{own} futures"
        return f"<Run {self.outcome} in {self.elapsed_s:.1f} s: {futures}, model {self.model}, mode {self.mode}>"
