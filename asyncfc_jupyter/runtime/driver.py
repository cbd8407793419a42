"""The driver: gives each call its future, tells the scheduler what happened and carries out what it orders.

One driver lives as long as its conversation, since futures are numbered per conversation and a later run may take an earlier
run's results. A run lends it a log and a person to ask; a call keeps those of the run that issued it, so that a detached call
that ends after its run is told in the right place. All methods are called on the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Collection, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Literal

from asyncfc_jupyter.core.commands import (
    AskApproval,
    Command,
    CopyOutcome,
    HoldCall,
    ResolveArguments,
    SkipCall,
    StartCall,
)
from asyncfc_jupyter.core.effects import Effects
from asyncfc_jupyter.core.events import (
    ApprovalAsked,
    ApprovalGiven,
    ArgumentsResolved,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallHeld,
    CallProgressed,
    CallSkipped,
    CallStarted,
    Event,
    ResultShown,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId, FutureName, State, future_name
from asyncfc_jupyter.core.malformed_references import Situation
from asyncfc_jupyter.core.protocol import Status
from asyncfc_jupyter.core.references import Reference
from asyncfc_jupyter.core.scheduler import DEFAULT_LIMIT, Scheduler
from asyncfc_jupyter.errors import AgentInterrupted, CallError
from asyncfc_jupyter.runtime import binding
from asyncfc_jupyter.runtime.abandoned import GivenUp
from asyncfc_jupyter.runtime.approval import APPROVAL_TIMEOUT_S, declined, question
from asyncfc_jupyter.runtime.attempt import Outcome, Raised, Returned, raised, show_exception, still_running
from asyncfc_jupyter.runtime.call import Approval, Approver, Lease, ToolCall
from asyncfc_jupyter.runtime.durations import Durations
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.runtime.output_capture import Capture
from asyncfc_jupyter.runtime.retry import begin_call, begin_printing, came_to, give_up, make_call, note_error
from asyncfc_jupyter.runtime.settling import same_end, settled, why_skipped
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import Tool
from asyncfc_jupyter.values.snapshot import describe, snapshot

#: Seconds for which a tool may keep the event loop to itself before the person is told: a hiccup that one can see.
_NOTICEABLE_BLOCK_S = 0.2
#: Seconds that a cancelled coroutine has for its clean-up before the run ends without it: an interrupt must feel like one.
UNWIND_S = 0.05


class Driver:
    """Issues, runs, waits for and cancels the calls of one conversation."""

    def __init__(self, *, limit: int = DEFAULT_LIMIT) -> None:
        self.scheduler = Scheduler(limit=limit)
        self.calls: dict[FutureName, ToolCall] = {}
        #: The same, in order of emission.
        self.issued: list[ToolCall] = []
        self._pending: dict[FutureName, ToolCall] = {}
        #: Pending calls that another may share, by what makes two calls the same.
        self._shareable: dict[str, FutureName] = {}
        #: What calls took, by tool.
        self.durations = Durations()
        #: Tools of this run that kept the event loop to themselves, with the longest stretch in seconds.
        self.blocked_s: dict[str, float] = {}
        #: What is left on the loop: calls under way, and what was given up and has not stopped yet.
        self._tasks: set[asyncio.Task[None]] = set()
        self._given_up = GivenUp()
        self._lease: Lease | None = None

    def lend(
        self,
        log: EventLog,
        *,
        approver: Approver | None = None,
        approval_timeout_s: float = APPROVAL_TIMEOUT_S,
        capture: Capture | None = None,
    ) -> None:
        """Use a run's log, context, person to ask and sinks for output from here on."""
        self._lease = Lease(log=log, approver=approver, approval_timeout_s=approval_timeout_s, capture=capture)
        self.blocked_s = {}

    @property
    def lease(self) -> Lease:
        """What the current run lends."""
        if self._lease is None:
            raise AssertionError("a driver is lent a log before it is used")
        return self._lease

    def tell(self, event: TurnStarted | TurnEnded | ResultShown) -> None:
        """Log a fact that is not about one call's execution, and let the scheduler draw its conclusions."""
        self.lease.log.record(event)
        self._obey(self.scheduler.handle(event))

    # -- issuing -----------------------------------------------------------------------------------------------------

    def issue(
        self,
        *,
        call: CallId,
        turn: int,
        name: str,
        tool: Tool | None,
        arguments: Mapping[str, Any],
        references: bool = True,
        problem: CallError | None = None,
    ) -> ToolCall:
        """Give a tool call its future and start it as soon as it may.

        A call that cannot be made gets a future all the same, which has failed: the model counts its calls. So does one that
        repeats a pending call of a tool that may be repeated: it is not made, and takes that one's outcome.

        Args:
            call: The id the model's server gave the call.
            turn: The turn whose reply holds it.
            name: The tool's name as the model wrote it.
            tool: The tool; None only together with a problem.
            arguments: The model's arguments, by name.
            references: Whether strings such as ``$f1`` are references; in the plain modes they are text.
            problem: Why the call cannot be made, when that is known already.
        """
        if (too_deep := binding.check_depth(arguments)) is not None:
            arguments, problem = {}, too_deep
        entry = ToolCall(
            name=future_name(len(self.calls) + 1),
            call=call,
            tool=name,
            arguments=arguments,
            lease=self.lease,
            references=references,
            function=tool,
            problem=problem,
        )
        found = self._references(entry)
        effects = binding.effects_of(entry)
        entry.same_as = self._share(entry, effects)
        self.calls[entry.name] = self._pending[entry.name] = entry
        self.issued.append(entry)
        self._feed(binding.issued(entry, turn, found, effects))
        return entry

    def _references(self, entry: ToolCall) -> tuple[Reference, ...]:
        tool = entry.function
        situation = Situation(
            known=self.calls,
            pending=self._pending,
            results=lambda: ((each.name, each.value) for each in reversed(self.issued) if each.status == "done"),
            **({} if tool is None else {"meant": tool.parameters_of.mentions}),
        )
        try:
            return binding.references_in(entry, situation)
        except CallError as error:
            entry.problem = error
            return ()

    def _share(self, entry: ToolCall, effects: Effects) -> FutureName | None:
        tool = entry.function
        if tool is None or not tool.repeatable or entry.problem is not None:
            return None
        entry.same_call = binding.same_call(tool, entry.arguments)
        earlier = self._shareable.get(entry.same_call)
        if earlier is not None and self.scheduler.may_share(earlier, effects):
            return earlier
        self._shareable[entry.same_call] = entry.name
        return None

    # -- the scheduler's orders ----------------------------------------------------------------------------------------

    def _feed(self, event: Event) -> None:
        self._record(event)
        self._obey(self.scheduler.handle(event))

    def _obey(self, commands: Iterable[Command]) -> None:
        # Orders may bring further events at once; they wait their turn, so that facts are logged in the order they became so.
        todo = deque([commands])
        while todo:
            for command in todo.popleft():
                event = self._carry_out(command)
                if event is not None:
                    self._record(event)
                    todo.append(self.scheduler.handle(event))

    def _carry_out(self, command: Command) -> Event | None:
        entry = self.calls[command.future]
        match command:
            case ResolveArguments():
                # Settled already when, of two calls to resolve, the first failed and the second is irreversible.
                return None if self.scheduler.state(entry.name).settled else self._resolve(entry)
            case StartCall():
                self._record(CallStarted(future=entry.name))
                entry.started_s = entry.lease.log.now_s()
                entry.printed = begin_printing(entry)
                self._start(entry)
            case HoldCall(wait=wait):
                self._record(CallHeld(future=entry.name, wait=wait))
            case AskApproval():
                asked = question(entry)
                self._record(ApprovalAsked(future=entry.name, arguments=asked.shown))
                entry.task = self._spawn(entry, self._ask(entry, asked))
            case SkipCall(because=because):
                message = why_skipped(None if because is None else self.calls[because])
                self._record(CallSkipped(future=entry.name, because=because, message=message))
                self._settle(entry, "skipped", error=message)
            case CopyOutcome(of=of):
                self._copy(entry, self.calls[of])
        return None

    def _resolve(self, entry: ToolCall) -> Event:
        tool = entry.function
        if tool is not None and tool.parameters_of.takes_context:
            entry.given_up = threading.Event()
            entry.context = ToolContext(
                call_id=entry.call,
                future=entry.name,
                tool=entry.tool,
                report=lambda fraction, text: self._progressed(entry, fraction, text),
                cancelled=entry.given_up,
            )
        try:
            entry.bound, entry.effects, limits = binding.resolve(entry, self._value_of, entry.context)
        except Exception as error:  # noqa: BLE001 - values and validators are the user's, and may raise anything
            message = str(error) if isinstance(error, CallError) else show_exception(error)
            self._settle(entry, "failed", error=message)
            return CallFailed(future=entry.name, kind="arguments", message=message)
        return ArgumentsResolved(future=entry.name, effects=entry.effects, limits=limits)

    def _value_of(self, reference: Reference) -> Any:
        # Plain data is copied once more, or what one tool does to its argument would reach another, and the result itself.
        return snapshot(reference.resolve(self.calls[reference.future].value))

    def _copy(self, entry: ToolCall, of: ToolCall) -> None:
        entry.exception = of.exception
        self._record(same_end(entry, of))
        self._settle(entry, of.status, value=of.value, error=of.error)

    # -- running -----------------------------------------------------------------------------------------------------

    def _spawn(self, entry: ToolCall, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(
            work, name=f"asyncfc {entry.name} {entry.tool}", context=entry.lease.context.copy()
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda task: self._ended(entry, task))
        return task

    def _ended(self, entry: ToolCall, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._reached(entry, None)
        elif entry.status == "pending" and (error := task.exception()) is not None:
            self._reached(entry, raised(error))  # a fault of ours must not leave the run waiting for ever

    async def _ask(self, entry: ToolCall, asked: Approval) -> None:
        no = await declined(entry, asked)
        if entry.status != "pending":
            return
        if no is None:
            self._feed(ApprovalGiven(future=entry.name))
        else:
            self._settle(entry, "skipped", error=no)
            self._feed(CallSkipped(future=entry.name, because=None, message=no))

    def _start(self, entry: ToolCall) -> None:
        if (entry.function is not None and entry.function.retries) or self._given_up.in_the_way(entry):
            entry.task = self._spawn(entry, self._run(entry))
        else:
            begin_call(entry, self._given_up, partial(self._reached, entry))

    async def _run(self, entry: ToolCall) -> None:
        self._reached(entry, await make_call(entry, self._given_up))

    def _reached(self, entry: ToolCall, outcome: Outcome | None) -> None:
        if entry.status != "pending":
            return  # cancelled meanwhile: whatever came of it is discarded
        if outcome is None:  # by somebody else than `cancel`, such as the end of the event loop
            self._cancelled(entry, "cancelled from outside")
        else:
            self._conclude(entry, outcome)

    def _cancelled(self, entry: ToolCall, error: str, *, still_running: bool = False) -> None:
        self._settle(entry, "cancelled", error=error)
        self._feed(CallCancelled(future=entry.name, still_running=still_running))

    def _conclude(self, entry: ToolCall, outcome: Outcome) -> None:
        if isinstance(outcome, Raised) and isinstance(outcome.error, AgentInterrupted):
            # An interrupt is the person's, and no failure of the function that it happened to hit.
            self._cancelled(entry, outcome.message)
            return
        if (elapsed_s := entry.elapsed_s) is not None:
            self.durations.note(entry.tool, elapsed_s)
        if isinstance(outcome, Returned):
            if outcome.blocked_s >= _NOTICEABLE_BLOCK_S:
                self.blocked_s[entry.tool] = max(outcome.blocked_s, self.blocked_s.get(entry.tool, 0.0))
            self._settle(entry, "done", value=outcome.value)
            self._feed(CallFinished(future=entry.name, summary=describe(outcome.value)))
        else:
            note_error(entry, outcome.error)
            self._settle(entry, "timeout" if outcome.kind == "timeout" else "failed", error=outcome.message)
            self._feed(
                CallFailed(
                    future=entry.name,
                    kind=outcome.kind,
                    message=outcome.message,
                    still_running=outcome.still_running,
                )
            )

    def _progressed(self, entry: ToolCall, fraction: float | None, text: str) -> None:
        if entry.status == "pending":
            self._record(CallProgressed(future=entry.name, fraction=fraction, text=text))

    def _settle(self, entry: ToolCall, status: Status, *, value: Any = None, error: str = "") -> None:
        if self._shareable.get(entry.same_call) == entry.name:
            del self._shareable[entry.same_call]
        entry.let_go()
        entry.status, entry.value, entry.error = status, value, error
        self._pending.pop(entry.name, None)
        waiting, entry.settled = entry.settled, []
        for wake in waiting:
            wake()

    # -- waiting and cancelling --------------------------------------------------------------------------------------

    def pending(self) -> Collection[ToolCall]:
        """Return the futures that have not settled, in order: a view, which changes as they do."""
        return self._pending.values()

    async def wait(
        self, names: Iterable[FutureName], *, mode: Literal["all", "any"] = "all", timeout_s: float | None = None
    ) -> None:
        """Return when all, or any, of these futures have settled, or the time is up."""
        await settled([self.calls[name] for name in dict.fromkeys(names)], mode=mode, timeout_s=timeout_s)

    def cancel(self, name: FutureName) -> None:
        """Take a future back. Its dependents are skipped; what its function still returns is discarded.

        A call whose function has returned is done, although nobody may have been told yet: what it did cannot be undone.
        """
        entry = self.calls[name]
        if entry.status != "pending":
            return
        if (outcome := came_to(entry)) is not None:
            self._conclude(entry, outcome)
            return
        goes_on = give_up(entry, self._given_up)
        error = f"cancelled. {still_running(entry.function)}" if goes_on and entry.function is not None else "cancelled"
        if entry.task is not None:
            entry.task.cancel()
        self._cancelled(entry, error, still_running=goes_on)

    def cancel_pending(self) -> tuple[ToolCall, ...]:
        """Take back every future that has not settled: first what has not begun, so that no cancellation starts a call.

        Detached calls that run go on: nobody waits for them.
        """
        running = {e.name for e in self.pending() if self.scheduler.state(e.name) is State.RUNNING}
        pending = tuple(entry for entry in self.pending() if not (entry.detached and entry.name in running))
        for entry in sorted(pending, key=lambda entry: entry.name in running):
            self.cancel(entry.name)
        return pending

    def lingering(self) -> tuple[ToolCall, ...]:
        """Return the calls that were given up and whose functions are still at work."""
        return self._given_up.entries()

    async def unwound(self, timeout_s: float = UNWIND_S) -> None:
        """Return when nothing that was given up is left on the loop, or the time is up."""
        stopping = [*(task for task in self._tasks if task.cancelling()), *self._given_up.stopping()]
        if stopping:
            await asyncio.wait(stopping, timeout=timeout_s)

    def _record(self, event: Event) -> None:
        self.calls[event.future].lease.log.record(event)  # type: ignore[attr-defined]
