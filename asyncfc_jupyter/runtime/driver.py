"""The driver: gives each call its future, reports events to the scheduler and carries out its commands.

One driver lives as long as its conversation: futures are numbered per conversation, and a later run may use the results of an
earlier one. A run lends it a log and an approver. A call keeps those of the run that issued it, so that a detached call that
ends after its run is logged in the right place. All methods are called on the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from asyncfc_jupyter.core import commands, events
from asyncfc_jupyter.core.futures import CallId, FutureName, State, future_name
from asyncfc_jupyter.core.malformed_references import Situation
from asyncfc_jupyter.core.references import Reference
from asyncfc_jupyter.core.scheduler import Scheduler
from asyncfc_jupyter.defaults import DEFAULT_LIMIT
from asyncfc_jupyter.errors import AgentInterrupted, CallError
from asyncfc_jupyter.foreign_code import ForeignCode, text_of
from asyncfc_jupyter.runtime import binding
from asyncfc_jupyter.runtime.approval import declined, question
from asyncfc_jupyter.runtime.attempt import Attempt, still_running
from asyncfc_jupyter.runtime.call import Approval, Lease, ShareKey, ToolCall
from asyncfc_jupyter.runtime.durations import RECENT
from asyncfc_jupyter.runtime.exception_text import show_exception
from asyncfc_jupyter.runtime.outcome import Outcome, Raised, Returned, raised
from asyncfc_jupyter.runtime.retry import Runner
from asyncfc_jupyter.runtime.settling import end_of, settled, why_skipped
from asyncfc_jupyter.tools.definition import Tool
from asyncfc_jupyter.values.snapshot import MOST_ON_LOOP, TooLarge

#: Seconds for which a tool may keep the event loop to itself before the user is warned: a pause that one can see.
_NOTICEABLE_BLOCK_S = 0.2
#: Seconds of processor time, or of waiting for other calls, from which a call's figures are logged. Less cannot be seen in a
#: picture, depends on chance, and would be an event for each of a thousand calls that return at once.
_NOTICEABLE_USE_S = 0.05
#: Seconds that a cancelled coroutine has for its clean-up before the run ends without it: an interrupt must feel like one.
UNWIND_S = 0.05


class Driver:
    """Issues, runs, waits for and cancels the calls of one conversation."""

    def __init__(self, *, limit: int = DEFAULT_LIMIT) -> None:
        self.scheduler = Scheduler(limit=limit)
        self.calls: dict[FutureName, ToolCall] = {}
        self._values = binding.Values(self.calls)
        #: The same, in order of emission.
        self.issued: list[ToolCall] = []
        self._pending: dict[FutureName, ToolCall] = {}
        #: Pending calls whose outcome another call may share, by what the two must have in common.
        self._shareable: dict[ShareKey, FutureName] = {}
        #: What the latest calls of this conversation took, of all tools, in seconds.
        self._latest_s: deque[float] = deque(maxlen=RECENT)
        #: Tools of this run that kept the event loop to themselves, with the longest stretch in seconds.
        self.blocked_s: dict[str, float] = {}
        #: Tasks that ask the user or wait for the time of an attempt.
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner = Runner(spawn=self._spawn, measure=self._measured, conclude=self._conclude)
        self._lease: Lease | None = None

    def lend(self, lease: Lease) -> None:
        """Use a run's log, context, approver and sinks for output from now on."""
        self._lease = lease
        self.blocked_s = {}

    def take_back(self) -> None:
        """Drop what the run has lent: it has ended. Calls that have not ended keep theirs."""
        self._lease = None

    @property
    def lease(self) -> Lease:
        """The log and the approver of the current run."""
        if self._lease is None:
            raise AssertionError("a driver is lent a log before it is used")
        return self._lease

    def report(self, event: events.TurnStarted | events.TurnEnded | events.ResultShown) -> None:
        """Log an event that is not about the execution of one call, and carry out the commands that follow from it."""
        self.lease.log.record(event)
        self._obey(self.scheduler.handle(event))

    # -- issuing -----------------------------------------------------------------------------------------------------

    def issue(
        self,
        *,
        call_id: CallId,
        turn: int,
        name: str,
        tool: Tool | None,
        arguments: Mapping[str, Any],
        references: bool = True,
        problem: CallError | None = None,
    ) -> ToolCall:
        """Give a tool call its future and start it as soon as possible.

        A call that cannot be made gets a future too, a failed one: the model counts its calls. A call that repeats a pending
        one of a repeatable tool is not made, and takes the outcome of that one.

        Args:
            call_id: The id that the model's server gave the call.
            turn: The turn whose reply holds it.
            name: The tool's name as the model wrote it.
            tool: The tool; None only together with a problem.
            arguments: The model's arguments, by name.
            references: Whether strings such as ``$f1`` are references; in the plain modes they are text.
            problem: Why the call cannot be made, when that is known already.
        """
        if (too_deep := binding.check_depth(arguments)) is not None:
            arguments, problem = {}, too_deep
        found: tuple[Reference, ...] = ()
        if references and problem is None:
            try:
                found = self._references_in(tool, arguments)
            except CallError as error:
                problem = error
        able = tool if problem is None else None
        effects = binding.effects_of(able, arguments, found, self._values if references else None)
        key = binding.share_key(able, arguments, references=references)
        earlier = None if key is None else self._shareable.get(key)
        call = ToolCall(
            name=future_name(len(self.calls) + 1),
            call_id=call_id,
            tool=name,
            arguments=arguments,
            lease=self.lease,
            references=references,
            found=found,
            function=tool,
            problem=problem,
            share_key=key,
        )
        if earlier is not None and self.scheduler.may_share(earlier, effects):
            call.repeat(self.calls[earlier])
        elif key is not None:
            self._shareable[key] = call.name
        self.calls[call.name] = self._pending[call.name] = call
        self.issued.append(call)
        self._feed(binding.issued(call, turn, effects))
        return call

    def _references_in(self, tool: Tool | None, arguments: Mapping[str, Any]) -> tuple[Reference, ...]:
        situation = Situation(
            known=self.calls,
            pending=self._pending,
            results=lambda: ((each.name, each.value) for each in reversed(self.issued) if each.state is State.DONE),
            **({} if tool is None else {"meant": tool.parameters_of.mentions}),
        )
        return binding.references_in(tool, arguments, situation)

    # -- commands of the scheduler -------------------------------------------------------------------------------------

    def _feed(self, event: events.Event) -> None:
        self._record(event)
        self._obey(self.scheduler.handle(event))

    def _obey(self, orders: Iterable[commands.Command]) -> None:
        # A command may cause further events. Their commands wait their turn, so that events are logged in the order in which
        # they happened.
        todo = deque([orders])
        while todo:
            for command in todo.popleft():
                event = self._carry_out(command)
                if event is not None:
                    self._record(event)
                    todo.append(self.scheduler.handle(event))

    def _carry_out(self, command: commands.Command) -> events.Event | None:
        """Carry out a command; return the event that it causes at once, if any."""
        call = self.calls[command.future]
        match command:
            case commands.ResolveArguments():
                # Settled already when, of two calls to resolve, the first failed and the second is irreversible.
                return None if self.scheduler.state(call.name).settled else self._resolve(call)
            case commands.BindArguments():
                if self.scheduler.state(call.name).settled:
                    return None
                if self._runner.abandoned.clean_ups_before(call):
                    call.delay(self._spawn(call, self._bind_after_clean_ups(call)))
                elif isinstance(bound := self._bind(call), events.Event):
                    return bound
                else:
                    call.delay(self._spawn(call, self._bind_large(call, bound)))
                return events.BindingDelayed(future=call.name)
            case commands.StartCall():
                self._record(events.CallStarted(future=call.name))
                call.start()
                self._runner.start(call)
            case commands.HoldCall(wait=wait):
                self._record(events.CallHeld(future=call.name, wait=wait))
            case commands.AskApproval():
                asked = question(call)
                self._record(events.ApprovalAsked(future=call.name, arguments=asked.shown))
                call.delay(self._spawn(call, self._ask(call, asked)))
            case commands.SkipCall(because=because):
                self._settle(call, State.SKIPPED, error=why_skipped(None if because is None else self.calls[because]))
                self._record(end_of(call, because=because))
            case commands.CopyOutcome(of=of):
                other = self.calls[of]
                outcome = {
                    "value": other.value,
                    "mixed": other.mixed,
                    "error": other.error,
                    "exception": other.exception,
                }
                self._settle(call, other.state, timed_out=other.timed_out, **outcome)
                self._record(end_of(call, because=of))
        return None

    def _resolve(self, call: ToolCall) -> events.Event:
        call.run_itself()
        if binding.is_known(call, self._values) and isinstance(bound := self._bind(call), events.Event):
            return bound
        with ForeignCode() as ran:
            effects = binding.late_effects(call, self._values)
            call.resolve(effects)
            return events.EffectsResolved(future=call.name, effects=effects)
        return self._misfit(call, ran.error)

    async def _bind_after_clean_ups(self, call: ToolCall) -> None:
        await self._runner.abandoned.wait_for_clean_ups(call)
        if call.settled:
            return
        bound = self._bind(call)
        if isinstance(bound, events.Event):
            self._feed(bound)
        else:
            await self._bind_large(call, bound)

    def _bind(self, call: ToolCall) -> events.Event | list[Any]:
        """Bind a call's arguments; return what its references find, and bind nothing, if that is too large for the loop."""
        found: list[Any] = []
        with ForeignCode() as ran:  # of values and of validators
            found += binding.find_values(call, self._values)
            context = call.open_context(partial(self._progressed, call))
            return self._bound(call, binding.bind(call, self._values, context, found, most=MOST_ON_LOOP))
        return found if found and isinstance(ran.error, TooLarge) else self._misfit(call, ran.error)

    async def _bind_large(self, call: ToolCall, found: list[Any]) -> None:
        context = call.open_context(partial(self._progressed, call))
        outcome = await binding.bind_in_thread(call, self._values, context, found)
        if call.settled:
            return
        if isinstance(outcome, Raised):
            self._feed(self._misfit(call, outcome.error))
        else:
            self._feed(self._bound(call, outcome.value, large=True))

    def _bound(self, call: ToolCall, bound: binding.Bound, *, large: bool = False) -> events.Event:
        arguments, effects, limits = bound
        call.resolve(effects, arguments, large=large)
        return events.ArgumentsResolved(future=call.name, effects=effects, limits=limits)

    def _misfit(self, call: ToolCall, error: BaseException | None) -> events.Event:
        is_ours = error is not None and issubclass(type(error), CallError)
        message = text_of(error) if is_ours and error is not None else show_exception(error)
        self._settle(call, State.FAILED, error=message)
        return events.CallFailed(future=call.name, kind="arguments", message=message)

    def _progressed(self, call: ToolCall, fraction: float | None, text: str) -> None:
        if not call.settled:
            self._record(events.CallProgressed(future=call.name, fraction=fraction, text=text))

    def _record(self, event: events.Event) -> None:
        call = self.calls[event.future]  # type: ignore[attr-defined]
        call.lease.log.record(event)
        if call.settled:
            call.return_lease()

    # -- running -----------------------------------------------------------------------------------------------------

    def _spawn(self, call: ToolCall, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(
            work, name=f"asyncfc {call.name} {call.tool}", context=call.lease.context.copy()
        )
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if call.settled:
                return
            if task.cancelled():
                self._conclude(call, None)
            elif (error := task.exception()) is not None:
                self._conclude(call, raised(error))  # a bug of this package must not leave the run waiting for ever

        task.add_done_callback(ended)
        return task

    async def _ask(self, call: ToolCall, asked: Approval) -> None:
        no = await declined(call, asked)
        if call.settled:
            return
        if no is None:
            self._feed(events.ApprovalGiven(future=call.name))
        else:
            self._settle(call, State.SKIPPED, error=no)
            self._feed(end_of(call))

    def _conclude(self, call: ToolCall, outcome: Outcome | None) -> None:
        """Settle a call with its outcome; None stands for a cancellation from outside, such as by the event loop's end."""
        if outcome is None:
            self._cancelled(call, "cancelled from outside")
            return
        if isinstance(outcome, Raised) and issubclass(type(outcome.error), AgentInterrupted):
            # An interrupt is the user's, and no failure of the function that it happened to hit.
            self._cancelled(call, outcome.message)
            return
        if call.function is not None and (elapsed_s := call.elapsed_s) is not None:
            waited_s = call.used_s[1] if call.lease.log.keeps_real_time else 0.0
            # What it waited for others says nothing of the next call. Less than can be noticed is the hop to a thread.
            own_s = elapsed_s if waited_s < _NOTICEABLE_USE_S else max(0.0, elapsed_s - waited_s)
            call.lease.durations.note(call.function, own_s)
            self._latest_s.append(own_s)
            self._measured(call)
        if isinstance(outcome, Returned):
            if outcome.mixed is None:
                raise AssertionError("a result is kept before its call settles")
            if outcome.blocked_s >= _NOTICEABLE_BLOCK_S:
                self.blocked_s[call.tool] = max(outcome.blocked_s, self.blocked_s.get(call.tool, 0.0))
            self._settle(call, State.DONE, value=outcome.value, mixed=outcome.mixed)
            self._feed(end_of(call))
        else:
            timed_out = outcome.kind == "timeout"
            self._settle(call, State.FAILED, error=outcome.message, exception=outcome.error, timed_out=timed_out)
            self._feed(end_of(call, still_running=outcome.still_running))

    def _measured(self, call: ToolCall, attempt: Attempt | None = None) -> None:
        """Log what a call has used, with its attempt that still runs, if there is one."""
        if (
            (elapsed_s := call.elapsed_s) is None
            or call.settled
            or (attempt is not None and (attempt.over or attempt.abandoned))
        ):
            return
        used_s = call.used_s if attempt is None else call.used_with(attempt)
        # By the log's clock a test may take no time at all.
        cpu_s, waited_s = (min(each, elapsed_s) for each in used_s)
        if max(cpu_s, waited_s) >= _NOTICEABLE_USE_S:
            in_thread = call.function is not None and call.function.run_in == "thread"
            self._record(
                events.CallMeasured(
                    future=call.name, cpu_s=round(cpu_s, 4), waited_s=round(waited_s, 4), in_thread=in_thread
                )
            )

    def _cancelled(self, call: ToolCall, error: str, *, still_running: bool = False) -> None:
        self._measured(call)
        self._settle(call, State.CANCELLED, error=error)
        self._feed(end_of(call, still_running=still_running))

    def _settle(self, call: ToolCall, state: State, **outcome: Any) -> None:
        if call.share_key is not None and self._shareable.get(call.share_key) == call.name:
            del self._shareable[call.share_key]
        self._pending.pop(call.name, None)
        call.settle(state, **outcome)

    # -- waiting and cancelling --------------------------------------------------------------------------------------

    def pending(self) -> Collection[ToolCall]:
        """Return the futures that have not settled, in order: a view, which changes as they do."""
        return self._pending.values()

    def expected_s(self, call: ToolCall) -> Sequence[float]:
        """Return what a call may take, in seconds, each as likely as any other; empty where nothing is known.

        Calls of its tool count, else what the tool's author expects, else all calls of the conversation: many tools are called
        once, and an agent's tools often use one service.
        """
        tool = call.function
        measured = () if tool is None else call.lease.durations.of(tool).recent_s
        expected = () if tool is None or tool.expected_s is None else (tool.expected_s,)
        return measured or expected or self._latest_s

    async def wait(
        self, names: Iterable[FutureName], *, mode: Literal["all", "any"] = "all", timeout_s: float | None = None
    ) -> None:
        """Return when all, or any, of these futures have settled, or the time is up."""
        await settled([self.calls[name] for name in dict.fromkeys(names)], mode=mode, timeout_s=timeout_s)

    def cancel(self, name: FutureName) -> None:
        """Cancel a call. Its dependents are skipped; what its function still returns is discarded.

        A call whose function has returned is done, even if nothing has been notified of it yet: its effects cannot be undone.
        """
        call = self.calls[name]
        if call.settled:
            return
        if (outcome := call.outcome_now()) is not None:
            self._conclude(call, outcome)
            return
        goes_on = self._runner.cancel(call)
        error = f"cancelled. {still_running(call.function)}" if goes_on and call.function is not None else "cancelled"
        if call.task is not None:
            call.task.cancel()
        self._cancelled(call, error, still_running=goes_on)

    def cancel_pending(self) -> tuple[ToolCall, ...]:
        """Cancel every pending call: first those that have not begun, so that no cancellation starts a call.

        Detached calls that run are not cancelled: nothing waits for them.
        """
        pending = tuple(call for call in self.pending() if not (call.detached and call.state is State.RUNNING))
        for call in sorted(pending, key=lambda call: call.state is State.RUNNING):
            self.cancel(call.name)
        return pending

    def lingering(self) -> tuple[ToolCall, ...]:
        """Return the calls that were abandoned and whose functions still work."""
        return self._runner.abandoned.calls()

    async def unwound(self, timeout_s: float = UNWIND_S) -> None:
        """Return when nothing that was cancelled is left on the loop, or the time is up."""
        stopping = [*(task for task in self._tasks if task.cancelling()), *self._runner.abandoned.stopping()]
        if stopping:
            await asyncio.wait(stopping, timeout=timeout_s)
