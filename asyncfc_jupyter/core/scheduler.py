"""The scheduler as a value machine: events in, commands out.

Theory of operation
-------------------
A call passes seven gates, in this order, and starts at the first moment when all are open:

1. **data**: every future that its arguments name is done. If one did not succeed, the call is skipped.
2. **arguments**: the driver says what the call touches (`ResolveArguments`).
3. **hazards**: no earlier unsettled call conflicts with it (`core.effects`). While an earlier call's own arguments are
   unknown its paths are widened, so the test errs on the side of waiting; effects only ever narrow, so a gate that has
   opened never closes again.
4. **irreversible**: for calls marked so, the reply that holds the call has ended well and every earlier call has settled. The
   call is skipped as soon as an earlier one does not succeed, unless the model saw that before it wrote the call.
5. **binding**: the driver replaces the references and checks the values (`BindArguments`). Nothing can change them any more:
   each earlier call that could has settled, and each later one waits for this call.
6. **approval**: for calls marked so, the user has approved (`AskApproval`).
7. **limit**: there is a place for it under each limit (`core.limits`).

What decides when a call may start, its effects, must be known early. What its function receives must not be read early: a
shared object may still be changed by an earlier call, and the code that checks an argument or makes its default may look at
the world. Arguments that are the same whenever they are read are bound at the second gate already, so that one that does not
fit is refused at once.

At the gates of hazards and irreversible calls a call *watches* one blocker: the latest earlier call that holds it. When the
blocker settles or narrows, the call is checked again, and finds another blocker or passes the gate. To check every call at each
event, or to keep an edge for each conflicting pair, would cost the square of the number of calls.

A call that repeats a pending one (`CallIssued.same_as`) passes no gate: it settles as that one does. But if the result is an
object that is passed as it is, two calls would have made two objects, which later calls may change one by one. Then the repeat
runs, too. In case it has to, it holds its places in order from the beginning.

The scheduler has no clock, no loop, no values and no randomness: what it decides depends on the order of events alone. It
lives as long as its conversation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from asyncfc_jupyter.core.call_record import Gate, Record, future_of, hazard_wait, limit_wait
from asyncfc_jupyter.core.commands import (
    AskApproval,
    BindArguments,
    Command,
    CopyOutcome,
    HoldCall,
    ResolveArguments,
    SkipCall,
    StartCall,
)
from asyncfc_jupyter.core.effects import Effects
from asyncfc_jupyter.core.events import (
    BROKEN_ENDS,
    ApprovalGiven,
    ArgumentsResolved,
    BindingDelayed,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallIssued,
    CallSkipped,
    EffectsResolved,
    Event,
    Limit,
    ResultShown,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import FutureName, State
from asyncfc_jupyter.core.limits import Places, tightest
from asyncfc_jupyter.core.path_index import Accesses
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.defaults import DEFAULT_LIMIT
from asyncfc_jupyter.errors import InvariantBroken

#: Up to this many missing values, report each arrival; above it, report each halving only, so that 1,000 values are not
#: reported 1,000 times.
_REPORT_EACH = 8
_SETTLED_STATE: dict[type[Event], State] = {
    CallFinished: State.DONE,
    CallFailed: State.FAILED,
    CallSkipped: State.SKIPPED,
    CallCancelled: State.CANCELLED,
}


class Scheduler:
    """Decides when each call of a conversation may start."""

    def __init__(self, *, limit: int = DEFAULT_LIMIT) -> None:
        self.limit_run(limit)
        self._records: dict[FutureName, Record] = {}
        self._by_order: list[Record] = []
        self._accesses = Accesses()
        self._places = Places()
        #: Orders of the calls that have not settled, ascending.
        self._unsettled: list[int] = []
        #: For a pending call, those that take its value, those that repeat it, and those that are checked again when it settles
        #: or narrows. Most calls have none.
        self._dependents: defaultdict[FutureName, list[Record]] = defaultdict(list)
        self._repeats: defaultdict[FutureName, list[Record]] = defaultdict(list)
        self._watchers: defaultdict[FutureName, list[Record]] = defaultdict(list)
        #: Pending irreversible calls by order.
        self._irreversible: dict[int, Record] = {}
        #: Calls that did not succeed, and whose outcome the model has not seen.
        self._unseen_failures: dict[FutureName, Record] = {}
        #: Number of calls whose arguments the driver is resolving.
        self._resolving = 0
        #: Whether a reply is being streamed, and whether the last one was cut off.
        self._reply_open, self._reply_broken = False, False

    def limit_run(self, places: int) -> None:
        """Let so many calls run at the same time, of those whose arguments are resolved from now on."""
        self._run_limit = (Limit(name="the run", places=places),)

    def handle(self, event: Event) -> tuple[Command, ...]:
        """Take in one fact and return what is to be done about it, in order.

        If a call fails, its dependents are skipped with theirs, and so are the irreversible calls after it. No other call is
        affected.

        Raises:
            InvariantBroken: The event cannot follow what happened before; the error has the call's story.
        """
        commands = list(self._react(event))
        if self._places.changed:
            commands += self._fill_places()
        return tuple(commands)

    def _react(self, event: Event) -> Iterable[Command]:
        match event:
            case CallIssued():
                return self._issued(event)
            case EffectsResolved() | ArgumentsResolved():
                return self._resolved(event)
            case BindingDelayed():
                record = self._find(event)
                if record.gate is not Gate.BINDING or not record.resolving:
                    raise InvariantBroken("arguments are delayed when the scheduler asked for them", record.story)
                record.steps.append("delayed")
                self._answered(record)
            case CallFinished(shareable=False):
                record = self._find(event)
                repeats = self._repeats.pop(record.future, [])
                return chain(self._release(repeats), self._settle(record, State.DONE))
            case CallFinished() | CallFailed() | CallSkipped() | CallCancelled():
                return self._settle(self._find(event), _SETTLED_STATE[type(event)])
            case TurnEnded():
                return self._reply_ended(event)
            case TurnStarted():
                self._reply_open, self._reply_broken = True, False
            case ApprovalGiven():
                record = self._find(event)
                if record.gate is not Gate.APPROVAL or record.state.settled:
                    raise InvariantBroken("an approval follows a question", record.story)
                record.steps.append("approved")
                self._arrive(record)
            case ResultShown():
                self._unseen_failures.pop(event.future, None)
            case _:
                raise InvariantBroken("the scheduler gets only events that it schedules by", repr(event))
        return ()

    def state(self, future: FutureName) -> State:
        """Return the state of a future of this conversation."""
        return self._records[future].state

    def may_share(self, earlier: FutureName, effects: Effects) -> bool:
        """Return whether a call issued now may take the outcome of an earlier pending one that is the same.

        It may not if a call in between writes what they read: run one by one, the second would have another result. Another
        repeat in between is no such call.
        """
        record = self._records[earlier]
        conflict = self._accesses.latest_before(len(self._by_order), effects)
        if record.state.settled or conflict is None:
            return not record.state.settled
        return conflict.order <= record.order or self._by_order[conflict.order].same_as == earlier

    def records(self) -> tuple[Record, ...]:
        """Return what is known of every call, in order of emission."""
        return tuple(self._by_order)

    @property
    def resolving(self) -> bool:
        """Whether arguments are being resolved. No call starts meanwhile."""
        return self._resolving > 0

    # -- the gates ---------------------------------------------------------------------------------------------------

    def _issued(self, event: CallIssued) -> Iterator[Command]:
        if event.future in self._records:
            raise InvariantBroken("a future is issued once", self._records[event.future].story)
        unknown = [name for name in (*event.needs, event.same_as) if name is not None and name not in self._records]
        if unknown:
            raise InvariantBroken("a call needs futures issued before it", f"{event.future} needs {unknown}")
        record = Record(
            issued=event,
            order=len(self._by_order),
            effects=event.effects,
            in_open_reply=self._reply_open,
            same_as=event.same_as,
        )
        self._records[event.future] = record
        self._by_order.append(record)
        self._unsettled.append(record.order)
        self._accesses.add(record.order, record.effects)
        if event.same_as is not None:
            yield from self._repeat(record, self._records[event.same_as])
        elif event.irreversible and (self._unseen_failures or (self._reply_broken and not self._reply_open)):
            yield SkipCall(record.future, because=next(iter(self._unseen_failures), None))
            yield from self._settle(record, State.SKIPPED)
        else:
            if event.irreversible:
                self._irreversible[record.order] = record
            yield from self._await_data(record, event.needs)

    def _repeat(self, record: Record, primary: Record) -> Iterator[Command]:
        if primary.state.settled:
            yield CopyOutcome(record.future, of=primary.future)
            yield from self._settle(record, primary.state)
        else:
            self._repeats[primary.future].append(record)
            yield self._hold(record, Wait(kind="same", on=(primary.future,)))

    def _release(self, repeats: list[Record]) -> Iterator[Command]:
        """Let calls run that could take the outcome of another only if that can be shared."""
        for repeat in repeats:
            if not repeat.state.settled:
                repeat.same_as = None
                repeat.steps.append("runs itself")
                yield from self._await_data(repeat, repeat.issued.needs)

    def _await_data(self, record: Record, needs: tuple[FutureName, ...]) -> Iterator[Command]:
        for name in needs:
            needed = self._records[name]
            if needed.state is State.DONE:
                continue
            if needed.state.settled:
                yield SkipCall(record.future, because=name)
                yield from self._settle(record, State.SKIPPED)
                return
            record.missing += 1
            self._dependents[name].append(record)
        if record.missing:
            yield self._hold_for_data(record, self._missing(record))
        else:
            yield self._resolve(record, Gate.ARGUMENTS)

    def _resolve(self, record: Record, gate: Gate) -> Command:
        record.gate, record.resolving = gate, True
        self._resolving += 1
        return (ResolveArguments if gate is Gate.ARGUMENTS else BindArguments)(record.future)

    def _answered(self, record: Record) -> None:
        if record.resolving:
            record.resolving = False
            self._resolving -= 1

    def _resolved(self, event: EffectsResolved | ArgumentsResolved) -> Iterator[Command]:
        record = self._find(event)
        bound = isinstance(event, ArgumentsResolved)
        if record.gate is not Gate.ARGUMENTS and not (bound and record.gate is Gate.BINDING):
            raise InvariantBroken("arguments are resolved after the scheduler asked for it", record.story)
        self._answered(record)
        if isinstance(event, ArgumentsResolved):
            record.bound = True
            record.limits = tightest((*self._run_limit, *event.limits)) if event.limits else self._run_limit
            record.steps.append("arguments resolved")
        else:
            record.steps.append("effects resolved")
        if event.effects != record.effects:
            self._accesses.remove(record.order, record.effects)
            record.effects = event.effects
            self._accesses.add(record.order, record.effects)
            yield from self._wake_watchers(record)
        yield from self._check(record)

    def _check(self, record: Record) -> Iterator[Command]:
        """Check the gates after that of arguments. If an earlier call holds this one, watch it."""
        blocker: Record | None = None
        wait: Wait | None = None
        record.gate = Gate.HAZARD
        conflict = self._accesses.latest_before(record.order, record.effects)
        if conflict is not None:
            blocker = self._by_order[conflict.order]
            wait = hazard_wait(conflict, blocker, record)
        elif record.issued.irreversible:
            record.gate = Gate.IRREVERSIBLE
            blocker, wait = self._unsafe(record)
        if wait is not None:
            record.watches = blocker is not None
            if blocker is not None:
                self._watchers[blocker.future].append(record)
            yield self._hold(record, wait)
        elif not record.bound:
            yield self._resolve(record, Gate.BINDING)
        elif record.issued.approve:
            record.gate = Gate.APPROVAL
            yield AskApproval(record.future)
            yield self._hold(record, Wait(kind="approval"))
        else:
            self._arrive(record)

    def _unsafe(self, record: Record) -> tuple[Record | None, Wait | None]:
        """Return why an irreversible call has to wait: for the latest earlier unsettled call, or for the end of its reply."""
        at = bisect_left(self._unsettled, record.order)
        if at:
            blocker = self._by_order[self._unsettled[at - 1]]
            return blocker, Wait(kind="irreversible", on=(blocker.future,))
        return None, Wait(kind="irreversible") if record.in_open_reply else None

    def _arrive(self, record: Record) -> None:
        record.gate = Gate.LIMIT
        self._places.arrive(record.order, record.limits)

    def _fill_places(self) -> Iterator[Command]:
        if self._resolving:
            return  # a call that is being resolved may come first in order; the driver answers before anything else happens
        for order, full in self._places.grant():
            record = self._by_order[order]
            if full is None:
                record.move(State.RUNNING)
                record.gate = Gate.OPEN
                self._irreversible.pop(order, None)
                yield StartCall(record.future)
            else:
                yield self._hold(record, limit_wait(full))

    def _reply_ended(self, event: TurnEnded) -> Iterator[Command]:
        self._reply_open, self._reply_broken = False, event.reason in BROKEN_ENDS
        for record in list(self._irreversible.values()):
            if not record.in_open_reply or record.state.settled:
                continue
            record.in_open_reply = False
            if self._reply_broken:
                yield SkipCall(record.future, because=None)
                yield from self._settle(record, State.SKIPPED)
            elif record.gate is Gate.IRREVERSIBLE and not record.watches:
                yield from self._check(record)

    # -- the end of a call -------------------------------------------------------------------------------------------

    def _settle(self, record: Record, state: State) -> Iterator[Command]:
        # A work list, not recursion: a chain of ten thousand dependents is skipped in one go.
        self._leave(record, state)
        settled = [record]
        for each in settled:  # the list grows
            for other, command, outcome in self._follow(each):
                if command is not None:
                    yield command
                if outcome is not None:
                    self._leave(other, outcome)
                    settled.append(other)
        # Only now: a call that is checked again must not pass a gate and be skipped by the same event.
        for each in settled:
            yield from self._wake_watchers(each)

    def _follow(self, record: Record) -> Iterator[tuple[Record, Command | None, State | None]]:
        """Yield the consequences of a settled call for others: the call, the command, and its state if it settles too."""
        for repeat in self._repeats.pop(record.future, ()):
            if not repeat.state.settled:
                yield repeat, CopyOutcome(repeat.future, of=record.future), record.state
        for dependent in self._dependents.pop(record.future, ()):
            if dependent.state.settled:
                continue
            if record.state is State.DONE:
                yield dependent, self._feed(dependent), None
            else:
                yield dependent, SkipCall(dependent.future, because=record.future), State.SKIPPED
        if record.state is not State.DONE:
            for order in [order for order in self._irreversible if order > record.order]:
                other = self._irreversible[order]
                yield other, SkipCall(other.future, because=record.future), State.SKIPPED

    def _feed(self, dependent: Record) -> Command | None:
        """Give a call one of the values that it needs; return the command that follows, if any."""
        dependent.missing = left = dependent.missing - 1
        if not left:
            return self._resolve(dependent, Gate.ARGUMENTS)
        if _REPORT_EACH < left > dependent.reported // 2:
            return None
        missing = self._missing(dependent)  # none if the last ones settle by the same event
        return self._hold_for_data(dependent, missing) if missing else None

    def _leave(self, record: Record, state: State) -> None:
        """Settle one call, and release all that it holds."""
        self._answered(record)
        if record.state is State.PENDING:
            if record.gate is Gate.LIMIT:
                self._places.withdraw(record.order)
        elif record.state is State.RUNNING:
            self._places.leave(record.limits)
        record.move(state)
        self._accesses.remove(record.order, record.effects)
        del self._unsettled[bisect_left(self._unsettled, record.order)]
        self._irreversible.pop(record.order, None)
        if state is not State.DONE:
            self._unseen_failures[record.future] = record

    def _wake_watchers(self, record: Record) -> Iterator[Command]:
        for watcher in self._watchers.pop(record.future, ()):
            watcher.watches = False
            if watcher.state is State.PENDING:
                yield from self._check(watcher)

    # -- used by several ---------------------------------------------------------------------------------------------

    def _hold(self, record: Record, wait: Wait) -> Command:
        record.steps.append(wait)
        return HoldCall(record.future, wait)

    def _missing(self, record: Record) -> tuple[FutureName, ...]:
        needed = sorted((self._records[name] for name in record.issued.needs), key=lambda each: each.order)
        return tuple(each.future for each in needed if each.state is not State.DONE)

    def _hold_for_data(self, record: Record, missing: tuple[FutureName, ...]) -> Command:
        record.reported, names = record.missing, set(missing)
        texts = [text for text in record.issued.references if future_of(text) in names]
        detail = ", ".join(texts or [f"${name}" for name in missing])
        return self._hold(record, Wait(kind="data", on=missing, detail=detail))

    def _find(self, event: Any) -> Record:
        try:
            return self._records[event.future]
        except KeyError:
            raise InvariantBroken("an event concerns a future that was issued", repr(event)) from None
