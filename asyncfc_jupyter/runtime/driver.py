"""The driver: gives each call its future, tells the machine what happened and carries out what it orders.

One driver lives as long as its conversation, since futures are numbered per conversation and a later run may take an earlier
run's results. A run lends it a log and a task group while it lasts. All methods are called on the event loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Literal

from asyncfc_jupyter.core.commands import Command, HoldCall, ResolveArguments, SkipCall, StartCall
from asyncfc_jupyter.core.effects import PURE, Effects
from asyncfc_jupyter.core.errors import CallError, UnknownFuture
from asyncfc_jupyter.core.events import (
    ArgumentsResolved,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallHeld,
    CallIssued,
    CallSkipped,
    CallStarted,
    Event,
)
from asyncfc_jupyter.core.futures import CallId, FutureName, State, future_name
from asyncfc_jupyter.core.machine import DEFAULT_LIMIT, Machine
from asyncfc_jupyter.core.references import (
    Reference,
    find_references,
    nested_deeper_than,
    reject_look_alikes,
    substitute,
)
from asyncfc_jupyter.runtime import executor
from asyncfc_jupyter.runtime.log import EventLog
from asyncfc_jupyter.runtime.tools import Tool
from asyncfc_jupyter.runtime.values import describe, shorten, snapshot

#: What the log keeps of a call's arguments, in characters: enough to recognise the call by.
_ARGUMENTS_SHOWN = 400
#: Levels of nesting in a call's arguments: far beyond any real one, far below where recursion ends.
_DEEPEST = 64
#: Seconds for which a tool may keep the event loop to itself before the person is told: a hiccup that one can see.
_NOTICEABLE_BLOCK_S = 0.2
#: Calls of one tool that its expected duration is taken from: recent enough to follow a service that slows down.
_RECENT = 9

Status = Literal["pending", "done", "failed", "timeout", "cancelled", "skipped"]


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One future, with the values that the machine does not hold."""

    name: FutureName
    call: CallId
    tool: str
    #: As the model wrote them: references are still text.
    arguments: Mapping[str, Any]
    status: Status = "pending"
    value: Any = None
    error: str = ""
    #: The exception the tool raised, if any, for the person to look at.
    exception: BaseException | None = None
    started_s: float | None = None
    references: bool = True
    function: Tool | None = None
    problem: CallError | None = None
    bound: inspect.BoundArguments | None = None
    running: asyncio.Task[None] | None = None
    settled: list[Callable[[], None]] = field(default_factory=list)


class Driver:
    """Issues, runs, waits for and cancels the calls of one conversation."""

    def __init__(self, *, limit: int = DEFAULT_LIMIT) -> None:
        self.machine = Machine(limit=limit)
        self.entries: dict[FutureName, Entry] = {}
        #: The same, in order of emission.
        self.issued: list[Entry] = []
        self._pending: dict[FutureName, Entry] = {}
        self._durations: dict[str, deque[float]] = {}
        #: Tools of this run that kept the event loop to themselves, with the longest stretch in seconds.
        self.blocked_s: dict[str, float] = {}
        self._log: EventLog | None = None
        self._group: asyncio.TaskGroup | None = None
        #: The run's own context: a call must not inherit that of the tool whose end let it start.
        self._context = contextvars.Context()

    def lend(self, log: EventLog, group: asyncio.TaskGroup) -> None:
        """Use a run's log and task group from here on."""
        self._log, self._group = log, group
        self.blocked_s = {}
        self._context = contextvars.copy_context()

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
    ) -> Entry:
        """Give a tool call its future and start it as soon as it may.

        A call that cannot be made gets a future all the same, which has failed: the model counts its calls.

        Args:
            call: The id the model's server gave the call.
            turn: The turn whose reply holds it.
            name: The tool's name as the model wrote it.
            tool: The tool; None only together with a problem.
            arguments: The model's arguments, by name.
            references: Whether strings such as ``$f1`` are references; in the plain modes they are text.
            problem: Why the call cannot be made, when that is known already.
        """
        if nested_deeper_than(_DEEPEST, arguments):
            arguments, problem = {}, CallError(f"the arguments are nested deeper than {_DEEPEST} levels; pass less.")
        entry = Entry(
            name=future_name(len(self.entries) + 1),
            call=call,
            tool=name,
            arguments=arguments,
            references=references,
            function=tool,
            problem=problem,
        )
        found = self._references(entry)
        effects = self._effects(entry)
        self.entries[entry.name] = self._pending[entry.name] = entry
        self.issued.append(entry)
        self._feed(
            CallIssued(
                future=entry.name,
                call=call,
                turn=turn,
                tool=name,
                arguments=_shown(arguments),
                needs=tuple(dict.fromkeys(reference.future for reference in found)),
                references=tuple(map(str, found)),
                effects=effects,
            )
        )
        return entry

    def _references(self, entry: Entry) -> tuple[Reference, ...]:
        if entry.problem is not None or not entry.references:
            return ()
        found = tuple(find_references(dict(entry.arguments)))
        try:
            for reference in found:
                if reference.future not in self.entries:
                    raise UnknownFuture(reference.future, known=tuple(self.entries))
            listed = entry.function.parameters_of.listed if entry.function is not None else {}
            reject_look_alikes(
                {name: value for name, value in entry.arguments.items() if value not in listed.get(name, ())},
                self.entries,
            )
        except CallError as error:
            entry.problem = error
            return ()
        return found

    def _effects(self, entry: Entry) -> Effects:
        if entry.function is None or entry.problem is not None:
            return PURE
        if not entry.references:
            return self._expand(entry.function, entry.arguments)
        known = {n: v for n, v in entry.arguments.items() if next(find_references(v), None) is None}
        unresolved = entry.arguments.keys() - known.keys()
        return self._expand(entry.function, substitute(known, lambda reference: reference), unresolved)

    @staticmethod
    def _expand(tool: Tool, arguments: Mapping[str, Any], unresolved: Set[str] = frozenset()) -> Effects:
        # An argument becomes the same text whenever it is asked, so a path only grows longer when a future resolves.
        wanted = tool.effects.arguments
        known = {name: value for name, value in {**tool.parameters_of.defaults, **arguments}.items() if name in wanted}
        return tool.effects.expand(tool.parameters_of.canonical(known), unresolved)

    # -- the machine's orders ----------------------------------------------------------------------------------------

    def _feed(self, event: Event) -> None:
        # Orders may bring further events at once; they wait their turn, so that facts are logged in the order they became so.
        events = deque([event])
        while events:
            current = events.popleft()
            self._record(current)
            for command in self.machine.handle(current):
                further = self._carry_out(command)
                if further is not None:
                    events.append(further)

    def _carry_out(self, command: Command) -> Event | None:
        entry = self.entries[command.future]
        match command:
            case ResolveArguments():
                return self._resolve(entry)
            case StartCall():
                self._record(CallStarted(future=entry.name))
                self._start(entry)
            case HoldCall(wait=wait):
                self._record(CallHeld(future=entry.name, wait=wait))
            case SkipCall(because=because):
                cause = self.entries[because]
                # Of a chain of skipped calls only the first cause is told: told again at each link, it would grow without end.
                told = f"{because} ({cause.tool}) {cause.status}: {cause.error}"
                message = cause.error if cause.status == "skipped" else told
                self._record(CallSkipped(future=entry.name, because=because, message=message))
                self._settle(entry, "skipped", error=message)
        return None

    def _resolve(self, entry: Entry) -> Event:
        try:
            if entry.problem is not None or entry.function is None:
                raise entry.problem or CallError(f"there is no tool {entry.tool!r}")
            given = dict(entry.arguments)
            arguments = substitute(given, self._value_of) if entry.references else snapshot(given)
            entry.bound = entry.function.parameters_of.bind(arguments)
            effects = self._expand(entry.function, arguments)
        except Exception as error:  # noqa: BLE001 - values and validators are the user's, and may raise anything
            message = str(error) if isinstance(error, CallError) else executor.show_exception(error)
            self._settle(entry, "failed", error=message)
            return CallFailed(future=entry.name, kind="arguments", message=message)
        return ArgumentsResolved(future=entry.name, effects=effects)

    def _value_of(self, reference: Reference) -> Any:
        # Plain data is copied once more, or what one tool does to its argument would reach another, and the result itself.
        return snapshot(reference.resolve(self.entries[reference.future].value))

    def _start(self, entry: Entry) -> None:
        if self._group is None or self._log is None:
            raise AssertionError("a driver is lent a log and a task group before it is used")
        entry.started_s = self._log.now_s()
        entry.running = self._group.create_task(
            self._run(entry), name=f"asyncfc {entry.name} {entry.tool}", context=self._context.copy()
        )

    async def _run(self, entry: Entry) -> None:
        if entry.function is None or entry.bound is None:
            raise AssertionError("a call starts with its tool and its arguments")
        try:
            outcome = _kept(await executor.call(entry.function, entry.bound))
        except asyncio.CancelledError:
            if self.machine.state(entry.name) is State.RUNNING:  # by somebody else than `cancel`
                self._settle(entry, "cancelled", error="cancelled from outside")
                self._feed(CallCancelled(future=entry.name))
            raise
        if self.machine.state(entry.name) is not State.RUNNING:
            return  # cancelled meanwhile: whatever came of it is discarded
        entry.bound = None
        self._note_duration(entry)
        if isinstance(outcome, executor.Returned):
            if outcome.blocked_s >= _NOTICEABLE_BLOCK_S:
                self.blocked_s[entry.tool] = max(outcome.blocked_s, self.blocked_s.get(entry.tool, 0.0))
            self._settle(entry, "done", value=outcome.value)
            self._feed(CallFinished(future=entry.name, summary=describe(outcome.value)))
        else:
            entry.exception = outcome.error
            self._settle(entry, "timeout" if outcome.kind == "timeout" else "failed", error=outcome.message)
            self._feed(CallFailed(future=entry.name, kind=outcome.kind, message=outcome.message))

    def _settle(self, entry: Entry, status: Status, *, value: Any = None, error: str = "") -> None:
        entry.status, entry.value, entry.error = status, value, error
        self._pending.pop(entry.name, None)
        waiting, entry.settled = entry.settled, []
        for wake in waiting:
            wake()

    # -- waiting and cancelling --------------------------------------------------------------------------------------

    def pending(self) -> tuple[Entry, ...]:
        """Return the futures that have not settled, in order."""
        return tuple(self._pending.values())

    async def wait(
        self, names: Iterable[FutureName], *, mode: Literal["all", "any"] = "all", timeout_s: float | None = None
    ) -> None:
        """Return when all, or any, of these futures have settled, or the time is up."""
        entries = [self.entries[name] for name in dict.fromkeys(names)]
        missing = [entry for entry in entries if entry.status == "pending"]
        if not missing or (mode == "any" and len(missing) < len(entries)):
            return
        reached = asyncio.get_running_loop().create_future()
        left = 1 if mode == "any" else len(missing)

        def wake() -> None:
            nonlocal left
            left -= 1
            if left == 0 and not reached.done():
                reached.set_result(None)

        for entry in missing:
            entry.settled.append(wake)
        try:
            async with asyncio.timeout(timeout_s):
                await reached
        except TimeoutError:
            return
        finally:
            for entry in missing:
                if wake in entry.settled:
                    entry.settled.remove(wake)

    def cancel(self, name: FutureName) -> None:
        """Take a future back. Its dependents are skipped; what its function still returns is discarded."""
        entry = self.entries[name]
        if entry.status != "pending":
            return
        in_thread = entry.running is not None and entry.function is not None and not entry.function.is_async
        error = "cancelled" + ("; still running in its thread, the result will be discarded" if in_thread else "")
        if entry.running is not None:
            entry.running.cancel()
        self._settle(entry, "cancelled", error=error)
        self._feed(CallCancelled(future=name, still_running=in_thread))

    def cancel_pending(self) -> tuple[Entry, ...]:
        """Take back every future that has not settled: first what has not begun, so that no cancellation starts a call."""
        pending = self.pending()
        for entry in sorted(pending, key=lambda entry: entry.running is not None):
            self.cancel(entry.name)
        return pending

    # -- durations ---------------------------------------------------------------------------------------------------

    def expected_rest_s(self, entry: Entry) -> float | None:
        """Return how much longer a running call is expected to take, in seconds; None when there is nothing to go by."""
        recent = self._durations.get(entry.tool)
        if recent is None or entry.started_s is None or self._log is None:
            return None
        return median(recent) - (self._log.now_s() - entry.started_s)

    def _note_duration(self, entry: Entry) -> None:
        if entry.started_s is not None and self._log is not None:
            recent = self._durations.setdefault(entry.tool, deque(maxlen=_RECENT))
            recent.append(self._log.now_s() - entry.started_s)

    def _record(self, event: Event) -> None:
        if self._log is None:
            raise AssertionError("a driver is lent a log before it is used")
        self._log.record(event)


def _kept(outcome: executor.Returned | executor.Raised) -> executor.Returned | executor.Raised:
    if isinstance(outcome, executor.Raised):
        return outcome
    try:
        return replace(outcome, value=snapshot(outcome.value))
    except RecursionError as error:
        message = "RecursionError: the result holds itself, or is nested too deeply, to be kept as it is now"
        return executor.Raised(kind="error", message=message, error=error)


def _shown(arguments: Mapping[str, Any]) -> str:
    return shorten(json.dumps(arguments, ensure_ascii=False, default=str), _ARGUMENTS_SHOWN)
