"""The scheduler as a value machine: events in, commands out.

Theory of operation
-------------------
A call passes four gates, in this order, and starts at the first moment when all are open:

1. **data**: every future that its arguments name is done. One that did not succeed settles the call as skipped.
2. **arguments**: the driver replaces the references and checks the values (`ResolveArguments`).
3. **hazards**: no earlier unsettled call conflicts with it (`core.effects`). While an earlier call's own arguments are
   unknown its paths are widened, so the test errs on the side of waiting; effects only ever narrow, so a gate that has
   opened never closes again.
4. **limit**: fewer than ``limit`` calls run. Calls take places in order of emission.

At the hazard gate a call *watches* one blocker, the latest earlier call that conflicts, and looks again when that one
settles or narrows; when it finds no other it goes on. Waking everybody at each event, or keeping an edge for each
conflicting pair, would cost the square of the number of calls.

The machine has no clock, no loop, no values and no randomness: what it decides depends on the order of events alone. It
lives as long as its conversation.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from asyncfc_jupyter.core.accesses import Accesses
from asyncfc_jupyter.core.commands import Command, HoldCall, ResolveArguments, SkipCall, StartCall
from asyncfc_jupyter.core.effects import Effects, hazards
from asyncfc_jupyter.core.errors import InvariantBroken
from asyncfc_jupyter.core.events import (
    ArgumentsResolved,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallIssued,
    Event,
    Wait,
)
from asyncfc_jupyter.core.futures import TRANSITIONS, FutureName, State

#: Enough to keep a few slow services busy at once, few enough not to look like an attack to any one of them.
DEFAULT_LIMIT = 16


class Gate(Enum):
    """Which gate a pending call stands before."""

    DATA = auto()
    ARGUMENTS = auto()
    HAZARD = auto()
    LIMIT = auto()
    OPEN = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class Record:
    """What the machine knows of one call."""

    future: FutureName
    #: Place in the order of emission, from 0.
    order: int
    tool: str
    effects: Effects
    references: tuple[str, ...]
    state: State = State.PENDING
    gate: Gate = Gate.DATA
    #: Futures whose values are still missing.
    missing: set[FutureName] = field(default_factory=set)
    #: Calls that take this one's value.
    dependents: list[Record] = field(default_factory=list)
    #: Calls at the hazard gate that look again when this one settles or narrows.
    watchers: list[Record] = field(default_factory=list)
    story: list[str] = field(default_factory=list)


class Machine:
    """Decides when each call of a conversation may start."""

    def __init__(self, *, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self._records: dict[FutureName, Record] = {}
        self._by_order: list[Record] = []
        self._accesses = Accesses()
        self._ready: list[int] = []
        #: Came to the limit's gate during this event: told so only if no place is free.
        self._arrived: list[Record] = []
        self._running = 0
        #: Calls whose arguments the driver was asked to resolve and has not answered for.
        self._resolving = 0
        self._handlers: dict[type[Event], Callable[[Any], Iterator[Command]]] = {
            CallIssued: self._issued,
            ArgumentsResolved: self._resolved,
            CallFinished: lambda event: self._settle(self._find(event), State.DONE),
            CallFailed: lambda event: self._settle(self._find(event), State.FAILED),
            CallCancelled: lambda event: self._settle(self._find(event), State.CANCELLED),
        }

    def handle(self, event: Event) -> tuple[Command, ...]:
        """Take in one fact and return what is to be done about it, in order.

        A call that fails fails nobody but its dependents, which are skipped with theirs; all others go on.

        Raises:
            InvariantBroken: The event cannot follow what happened before; the error tells the call's story.
        """
        handler = self._handlers.get(type(event))
        if handler is None:
            raise InvariantBroken("the machine was told of something it does not schedule", repr(event))
        return (*handler(event), *self._fill_places())

    def state(self, future: FutureName) -> State:
        """Return the state of a future of this conversation."""
        return self._records[future].state

    def story(self, future: FutureName) -> str:
        """Return all that happened to a call, in order, for a bug report."""
        record = self._records[future]
        return f"{future} ({record.tool}), {record.state}: " + ", then ".join(record.story)

    # -- the gates ---------------------------------------------------------------------------------------------------

    def _issued(self, event: CallIssued) -> Iterator[Command]:
        if event.future in self._records:
            raise InvariantBroken("a future is issued once", self.story(event.future))
        unknown = [name for name in event.needs if name not in self._records]
        if unknown:
            raise InvariantBroken("a call needs futures issued before it", f"{event.future} needs {unknown}")
        record = Record(
            future=event.future,
            order=len(self._by_order),
            tool=event.tool,
            effects=event.effects,
            references=event.references,
            story=["issued"],
        )
        self._records[event.future] = record
        self._by_order.append(record)
        self._accesses.add(record.order, record.effects)
        yield from self._await_data(record, event.needs)

    def _await_data(self, record: Record, needs: tuple[FutureName, ...]) -> Iterator[Command]:
        for name in needs:
            needed = self._records[name]
            if needed.state is State.DONE:
                continue
            if needed.state.settled:
                yield SkipCall(record.future, because=name)
                yield from self._settle(record, State.SKIPPED)
                return
            record.missing.add(name)
            needed.dependents.append(record)
        if record.missing:
            yield self._hold(record, self._data_wait(record))
        else:
            yield self._resolve(record)

    def _resolve(self, record: Record) -> Command:
        record.gate = Gate.ARGUMENTS
        self._resolving += 1
        return ResolveArguments(record.future)

    def _resolved(self, event: ArgumentsResolved) -> Iterator[Command]:
        record = self._find(event)
        if record.gate is not Gate.ARGUMENTS:
            raise InvariantBroken("arguments are resolved when they were asked for", self.story(record.future))
        self._resolving -= 1
        record.story.append("arguments resolved")
        if event.effects != record.effects:
            self._accesses.remove(record.order, record.effects)
            record.effects = event.effects
            self._accesses.add(record.order, record.effects)
            yield from self._wake_watchers(record)
        yield from self._look_for_hazards(record)

    def _look_for_hazards(self, record: Record) -> Iterator[Command]:
        conflict = self._accesses.latest_before(record.order, record.effects)
        if conflict is None:
            record.gate = Gate.LIMIT
            heapq.heappush(self._ready, record.order)
            self._arrived.append(record)
            return
        record.gate = Gate.HAZARD
        blocker = self._by_order[conflict.order]
        blocker.watchers.append(record)
        yield self._hold(
            record,
            Wait(
                kind="hazard",
                on=(blocker.future,),
                hazard=conflict.hazard,
                path=conflict.path,
                declared=blocker.effects.declared and record.effects.declared,
            ),
        )

    def _fill_places(self) -> Iterator[Command]:
        if self._resolving:
            return  # one of them may come first in order; the driver answers before anything else happens
        while self._ready and self._running < self.limit:
            record = self._by_order[heapq.heappop(self._ready)]
            if record.state.settled:
                continue
            self._move(record, State.RUNNING)
            record.gate = Gate.OPEN
            self._running += 1
            yield StartCall(record.future)
        arrived, self._arrived = self._arrived, []
        for record in arrived:
            if record.state is State.PENDING:
                yield self._hold(record, Wait(kind="limit", detail=f"limit {self.limit} on the run"))

    # -- the end of a call -------------------------------------------------------------------------------------------

    def _settle(self, record: Record, state: State) -> Iterator[Command]:
        # A work list, not recursion: a chain of ten thousand dependents is skipped at once.
        self._leave(record, state)
        settled = deque([record])
        while settled:
            record = settled.popleft()
            for dependent in record.dependents:
                if dependent.state.settled:
                    continue
                if record.state is State.DONE:
                    yield self._feed(dependent, record)
                else:
                    yield SkipCall(dependent.future, because=record.future)
                    self._leave(dependent, State.SKIPPED)
                    settled.append(dependent)
            yield from self._wake_watchers(record)

    def _leave(self, record: Record, state: State) -> None:
        if record.gate is Gate.ARGUMENTS and record.state is State.PENDING:
            self._resolving -= 1
        if record.state is State.RUNNING:
            self._running -= 1
        self._move(record, state)
        self._accesses.remove(record.order, record.effects)

    def _feed(self, dependent: Record, needed: Record) -> Command:
        dependent.missing.discard(needed.future)
        if dependent.missing:
            return self._hold(dependent, self._data_wait(dependent))
        return self._resolve(dependent)

    def _wake_watchers(self, record: Record) -> Iterator[Command]:
        woken, record.watchers = record.watchers, []
        for watcher in woken:
            if not watcher.state.settled:
                yield from self._look_for_hazards(watcher)

    def _move(self, record: Record, state: State) -> None:
        if state not in TRANSITIONS[record.state]:
            raise InvariantBroken(f"{record.state} is never followed by {state}", self.story(record.future))
        record.state = state
        record.story.append(state.value)

    # -- small things ------------------------------------------------------------------------------------------------

    def _hold(self, record: Record, wait: Wait) -> Command:
        record.story.append(f"held: {wait}")
        return HoldCall(record.future, wait)

    def _data_wait(self, record: Record) -> Wait:
        missing = tuple(sorted(record.missing, key=lambda name: self._records[name].order))
        waiting = [text for text in record.references if any(_refers(text, name) for name in missing)]
        return Wait(kind="data", on=missing, detail=", ".join(waiting) or ", ".join(f"${name}" for name in missing))

    def _find(self, event: Any) -> Record:
        try:
            return self._records[event.future]
        except KeyError:
            raise InvariantBroken("an event concerns a future that was issued", repr(event)) from None

    def check(self) -> None:
        """Check every rule by brute force: for tests, where it runs after every event.

        Raises:
            InvariantBroken: A rule does not hold; the error tells the call's story.
        """
        alive = [record for record in self._by_order if not record.state.settled]
        running = [record for record in alive if record.state is State.RUNNING]
        if len(running) != self._running or self._running > self.limit:
            raise InvariantBroken("running calls are counted and limited", f"{self._running} of {len(running)}")
        for record in alive:
            blocked = any(e.order < record.order and hazards(e.effects, record.effects) for e in alive)
            rule = {
                Gate.DATA: bool(record.missing) and all(not self.state(name).settled for name in record.missing),
                Gate.ARGUMENTS: not record.missing,
                Gate.HAZARD: not record.missing and blocked,
                Gate.LIMIT: not record.missing and not blocked and (self._running == self.limit or self._resolving > 0),
                Gate.OPEN: not record.missing and not blocked and record.state is State.RUNNING,
            }
            if not rule[record.gate]:
                raise InvariantBroken(
                    f"a call stands before the right gate, not {record.gate}", self.story(record.future)
                )


def _refers(reference: str, name: FutureName) -> bool:
    head = f"${name}"
    return reference.startswith(head) and not reference[len(head) : len(head) + 1].isdigit()
