"""One tool call of a conversation and its future, with the values that the scheduler does not hold."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from asyncfc_jupyter.core.effects import PURE, Effects
from asyncfc_jupyter.core.events import CallPrinted
from asyncfc_jupyter.core.futures import CallId, FutureName, State, Status, future_number, status_of
from asyncfc_jupyter.core.references import Reference
from asyncfc_jupyter.errors import CallError
from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.runtime.attempt import Attempt
from asyncfc_jupyter.runtime.durations import Durations
from asyncfc_jupyter.runtime.event_log import EventLog, dropped
from asyncfc_jupyter.runtime.outcome import Outcome, Raised
from asyncfc_jupyter.runtime.output_buffer import Stream
from asyncfc_jupyter.runtime.printed import Capture, Noted, Printed
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import Tool
from asyncfc_jupyter.values.plain import finds_plain
from asyncfc_jupyter.values.release import release_all
from asyncfc_jupyter.values.snapshot import snapshot
from asyncfc_jupyter.values.summarize import value_fields

#: Seconds that the user has for an answer: long enough to read and think, short enough that a forgotten run ends.
APPROVAL_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question to the user: may this call be made?"""

    future: FutureName
    tool: str
    #: As the function will get them: references are replaced.
    arguments: Mapping[str, Any]
    #: The same as text, such as ``euros=5``, bounded however large the values are.
    shown: str
    #: The tool's own description.
    description: str

    def __str__(self) -> str:
        return mask(f"{self.future}: {self.tool}({self.shown})")


#: Answers an approval. A plain function is called in a thread, so that it may ask at a terminal.
Approver = Callable[[Approval], bool | Awaitable[bool]]


@dataclass(frozen=True, kw_only=True)
class Lease:
    """What a run lends the driver: its calls keep it until they end, also when they outlive the run."""

    log: EventLog
    approver: Approver | None = None
    #: Seconds that the user has for an answer.
    approval_timeout_s: float = APPROVAL_TIMEOUT_S
    #: Makes a sink for the output of each call; None leaves the output to the streams.
    capture: Capture | None = None
    #: What is known of how long calls take, and learns of them.
    durations: Durations = field(default_factory=Durations)
    #: The run's own context: a call must not inherit that of the tool whose end let it start.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    @functools.cached_property
    def returned(self) -> Lease:
        """What a call keeps of it after its end: the events, and nothing that shows them or that asks the user."""
        return Lease(log=self.log.without_observers(), context=contextvars.Context())


#: The tool, whether references are replaced, and the arguments as text.
ShareKey = tuple[Tool, bool, str]


@dataclass(slots=True, kw_only=True, eq=False)
class ToolCall:
    """One tool call and its future.

    All may read the fields. They change only through the methods, each of which is one transition: a call is resolved, starts,
    begins an attempt or several, and settles.
    """

    name: FutureName
    #: The id that the model's server gave the call.
    call_id: CallId
    #: The tool's name as the model wrote it.
    tool: str
    #: As the model wrote them: references are still text.
    arguments: Mapping[str, Any]
    lease: Lease
    #: Whether strings such as ``$f1`` are references.
    references: bool = True
    #: The references in its arguments, in order.
    found: tuple[Reference, ...] = ()
    #: The tool; None for an unknown name.
    function: Tool | None = None
    #: Why the call cannot be made, when that is known before its arguments are.
    problem: CallError | None = None
    #: The call that this one repeats, whose outcome it takes; None if it runs.
    same_as: FutureName | None = None
    #: Whether another call repeats this one.
    repeated: bool = False
    #: Equal for all calls that may share one outcome; None where the tool does not allow that, and once settled.
    share_key: ShareKey | None = None

    state: State = State.PENDING
    #: Whether it failed because its time was up.
    timed_out: bool = False
    value: Any = None
    #: Where its value holds anything but plain data (`values.snapshot`).
    mixed: Set[int] = frozenset()
    #: What messages show of a value that is an object, as that was when the call ended.
    summary: dict[str, Any] | None = None
    error: str = ""
    #: The exception that the tool raised, if any, for the user.
    exception: BaseException | None = None

    bound: inspect.BoundArguments | None = None
    #: Whether its arguments are so large that they are copied and freed in threads.
    large: bool = False
    #: What it touches, as far as that is known; nothing before its needs are there.
    effects: Effects = PURE
    #: For a function that takes one: what it may ask, and report.
    context: ToolContext | None = None
    started_s: float | None = None
    #: What its function has printed, from when it starts.
    printed: Noted | None = None
    #: Takes what it prints, until the call settles; a function that runs on keeps it for itself.
    prints: Printed | None = None
    attempt: Attempt | None = None
    #: Of its attempts so far: seconds of processor time, and of waiting for other calls.
    used_s: tuple[float, float] = (0.0, 0.0)
    #: Asks the user, or waits for the time of the next attempt.
    task: asyncio.Task[None] | None = None
    #: Called when the call settles.
    waiters: tuple[Callable[[], None], ...] = ()

    @property
    def order(self) -> int:
        """Its number in the order of emission, from 1."""
        return future_number(self.name)

    @property
    def detached(self) -> bool:
        """Whether the end of its run does not wait for it."""
        return self.function is not None and self.function.detached

    @property
    def elapsed_s(self) -> float | None:
        """For how long it has been running, in seconds; None when it has not started."""
        return None if self.started_s is None else self.lease.log.now_s() - self.started_s

    @property
    def status(self) -> Status:
        """The word for its state in messages to the model."""
        return status_of(self.state, timed_out=self.timed_out)

    @property
    def settled(self) -> bool:
        """Whether its outcome is final."""
        return self.state.settled

    # -- repeated ----------------------------------------------------------------------------------------------------

    def repeat(self, other: ToolCall) -> None:
        """Take the outcome of another call, unless that is an object."""
        self.same_as, other.repeated = other.name, True

    @property
    def shareable(self) -> bool:
        """Whether the calls that repeat it may take its value. Of an object, each of them would have made its own."""
        return not self.repeated or not self.mixed

    def run_itself(self) -> None:
        """Run, although it repeats another call: the value of that one cannot be shared."""
        self.same_as = None

    # -- resolved ----------------------------------------------------------------------------------------------------

    def open_context(self, report: Callable[[float | None, str], None]) -> ToolContext | None:
        """Make the context that the function takes; return None where it takes none.

        Args:
            report: Called on the event loop with each report of progress.
        """
        if self.function is not None and self.function.parameters_of.takes_context:
            self.context = ToolContext(call_id=self.call_id, future=self.name, tool=self.tool, report=report)
        return self.context

    def resolve(self, effects: Effects, bound: inspect.BoundArguments | None = None, *, large: bool = False) -> None:
        """Take what the call touches, and the arguments with the references replaced, once they may be read."""
        self.bound, self.effects, self.large = bound, effects, large

    def delay(self, task: asyncio.Task[None]) -> None:
        """Wait for a task: for the user's approval, or for the time of the next attempt."""
        self.task = task

    # -- running -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to run: its time counts, and its output goes into the run's log and to the run's sink, if it has one."""
        self.state = State.RUNNING
        log, name, capture = self.lease.log, self.name, self.lease.capture
        self.started_s = log.now_s()

        def report(text: str, stream: Stream) -> None:
            log.record(CallPrinted(future=name, text=text, stream=stream))

        prints = Printed(report)
        with ForeignCode() as ran:
            prints = prints if capture is None else Printed(report, capture(name, self.tool))
        if ran.error is not None:
            dropped("the capture of output", capture, ran.error)
        self.prints, self.printed = prints, prints.noted

    def own_arguments(self) -> dict[str, Any]:
        """Return the arguments for an attempt: a copy of plain data if there may be several.

        The attempt before may have changed its own. An object is the same for all, as when it is passed on.
        """
        if self.function is None or self.bound is None:
            raise AssertionError("a call starts with its tool and its arguments")
        arguments = self.bound.arguments
        if not self.function.retries:
            return arguments
        return {name: each if isinstance(each, ToolContext) else snapshot(each) for name, each in arguments.items()}

    def begin_attempt(self, arguments: dict[str, Any]) -> Attempt:
        """Call the function, in the current context.

        If there may be several attempts, each has its own context: the one before may still use its own.

        Args:
            arguments: From `own_arguments`.
        """
        if self.function is None or self.bound is None:
            raise AssertionError("a call starts with its tool and its arguments")
        if self.function.retries and self.context is not None:
            self.context = self.context.renewed()
            arguments |= {name: self.context for name, each in arguments.items() if isinstance(each, ToolContext)}
        if self.large and self.attempt is not None:
            release_all(self.attempt.arguments)
        bound = inspect.BoundArguments(self.bound.signature, OrderedDict(arguments))
        self.attempt = Attempt(self.function, bound, self.prints, future=self.name)
        return self.attempt

    def end_attempt(self, attempt: Attempt) -> Outcome:
        """Return the outcome of an attempt whose function has ended or whose time is up; in the latter case abandon it.

        Raises:
            asyncio.CancelledError: The attempt was cancelled from outside.
        """
        outcome = attempt.result()
        self.used_s = self.used_with(attempt)
        if not attempt.over and self.context is not None:
            self.context.abandon()
        return outcome

    def outcome_now(self) -> Outcome | None:
        """Return the outcome at this moment, even if it has not been reported yet; None while it may change."""
        outcome = None if self.attempt is None else self.attempt.outcome_now()
        if isinstance(outcome, Raised) and self.function is not None and self.function.retries:
            return None
        if self.attempt is not None and outcome is not None:
            self.used_s = self.used_with(self.attempt)
        return outcome

    def abandon(self) -> Attempt | None:
        """Let the function know that its result is not waited for; return its attempt if something of it is left."""
        if self.context is not None:
            self.context.abandon()
        attempt, self.attempt = self.attempt, None
        if attempt is not None and not attempt.abandoned:
            self.used_s = self.used_with(attempt)
        return None if attempt is None or attempt.over else attempt

    def used_with(self, attempt: Attempt) -> tuple[float, float]:
        """Return what its attempts up to this one have used: seconds of processor time, and of waiting for other calls."""
        return self.used_s[0] + attempt.share.cpu_s, self.used_s[1] + attempt.share.waited_s()

    # -- settled -----------------------------------------------------------------------------------------------------

    def gives_plain(self, reference: Reference) -> bool:
        """Return whether it is done and a reference to it gives plain data: the same, whenever it is read."""
        return self.state is State.DONE and (not self.mixed or finds_plain(reference, self.value, self.mixed))

    @property
    def shown(self) -> dict[str, Any]:
        """The fields of a message that show its value. A later call may have changed an object since the call ended."""
        return value_fields(self.value, self.name) if self.summary is None else self.summary

    def when_settled(self, wake: Callable[[], None]) -> None:
        """Have a function called when the call, which is pending, settles."""
        self.waiters += (wake,)

    def wait_no_more(self, wake: Callable[[], None]) -> None:
        """Do not call that function any more."""
        self.waiters = tuple(each for each in self.waiters if each is not wake)

    def settle(
        self,
        state: State,
        *,
        value: Any = None,
        mixed: Set[int] = frozenset(),
        error: str = "",
        exception: BaseException | None = None,
        timed_out: bool = False,
    ) -> None:
        """Take the outcome, drop what only a pending call needs, and wake all who wait for it.

        A conversation keeps its calls for as long as it lasts, so that what a settled one holds is never freed.

        An interrupt may come while the value is shown, which runs its own code: then the call is as pending as before.
        """
        if state is State.DONE:
            self.summary = value_fields(value, self.name) if mixed else None
        if self.prints is not None:
            self.prints.raised(exception)
        for open_to_the_tool in (self.context, self.prints):
            if open_to_the_tool is not None:
                open_to_the_tool.close()
        if self.large and self.bound is not None:
            attempts = [] if self.attempt is None else self.attempt.arguments
            release_all([*self.bound.arguments.values(), *attempts])
        self.bound = self.attempt = self.prints = None
        self.share_key = None
        self.state, self.timed_out = state, timed_out
        self.value, self.mixed, self.error, self.exception = value, mixed, error, exception
        waiters, self.waiters = self.waiters, ()
        for wake in waiters:
            wake()

    def return_lease(self) -> None:
        """Keep of the run only what a call in the past needs: its end has been logged."""
        self.lease = self.lease.returned
