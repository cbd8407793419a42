"""A random program, given to a scheduler and to its oracle, which must agree after every event."""

from dataclasses import replace

from asyncfc_jupyter.core.commands import AskApproval, BindArguments, CopyOutcome, ResolveArguments, SkipCall, StartCall
from asyncfc_jupyter.core.effects import UNDECLARED, Effects
from asyncfc_jupyter.core.events import (
    ApprovalGiven,
    ArgumentsResolved,
    BindingDelayed,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallIssued,
    CallSkipped,
    EffectsResolved,
    Limit,
    ResultShown,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId, future_name
from asyncfc_jupyter.core.scheduler import Scheduler
from tests.core.invariants import check
from tests.core.oracle import LOST, Oracle, Planned
from tests.random_programs import Choices

#: Decisions that the longest program takes, about.
SIZE = 160
LIMITS = tuple(Limit(name=name, places=places) for name, places in (("a", 1), ("b", 1), ("b", 2), ("c", 2)))
PATHS = (("a",), ("b",), ("a", "a"), ("a", "b"), ("b", "a"), ("a", "a", "a"), ("a", "a", "b"))


class Pair:
    """A scheduler and its oracle, which get the same events."""

    def __init__(self, limit, scheduler=Scheduler):
        self.scheduler, self.oracle = scheduler(limit=limit), Oracle(limit)
        self.started, self.skipped, self.asked, self.awaited = set(), set(), set(), set()

    def feed(self, event):
        """Pass an event to the scheduler, and carry out its commands as the driver does: immediately, in order."""
        todo = [self.scheduler.handle(event)]
        starts = []
        while todo:
            for command in todo.pop(0):
                number = int(command.future[1:]) - 1
                match command:
                    case ResolveArguments() | BindArguments():
                        if not self.scheduler.state(command.future).settled:
                            todo.append(self.scheduler.handle(self.resolved(command, number)))
                    case StartCall():
                        assert number not in self.started, "a call was started twice"
                        self.started.add(number)
                        starts.append(number)
                    case SkipCall():
                        self.skipped.add(number)
                    case CopyOutcome():
                        assert self.oracle.calls[number].same_as == int(command.of[1:]) - 1
                    case AskApproval():
                        self.asked.add(number)
        check(self.scheduler)
        assert starts == sorted(starts), "places were given against the order of emission"
        self.compare()

    def resolved(self, command, number):
        call, future = self.oracle.calls[number], command.future
        if isinstance(command, ResolveArguments) and call.late:
            return EffectsResolved(future=future, effects=call.known)
        if isinstance(command, BindArguments) and call.delayed:
            self.awaited.add(number)
            return BindingDelayed(future=future)
        return self.bound(future, call)

    def bound(self, future, call):
        if call.misfit:
            return CallFailed(future=future, kind="arguments", message="do not fit")
        return ArgumentsResolved(future=future, effects=call.exact, limits=call.limits)

    def issue(self, call):
        number = len(self.oracle.calls)
        self.oracle.issue(call)
        self.feed(
            CallIssued(
                future=future_name(number + 1),
                call=CallId("c"),
                turn=1,
                tool="t",
                arguments="{}",
                needs=tuple(future_name(n + 1) for n in call.needs),
                effects=_as_issued(call),
                irreversible=call.irreversible,
                approve=call.approve,
                same_as=None if call.same_as is None else future_name(call.same_as + 1),
            )
        )

    def settle(self, number, state, *, shareable=True):
        self.oracle.settle(number, state, shareable=shareable)
        name = future_name(number + 1)
        events = {
            "done": CallFinished(future=name, shareable=shareable),
            "failed": CallFailed(future=name, kind="error", message="boom"),
            "cancelled": CallCancelled(future=name),
            "skipped": CallSkipped(future=name, because=None, message="the user said no"),
        }
        if state == "skipped":
            self.skipped.add(number)
        self.feed(events[state])

    def bind(self, number):
        self.oracle.bind(number)
        self.feed(self.bound(future_name(number + 1), self.oracle.calls[number]))

    def approve(self, number):
        self.oracle.approve(number)
        self.feed(ApprovalGiven(future=future_name(number + 1)))

    def show(self, number):
        self.oracle.shown.add(number)
        self.feed(ResultShown(future=future_name(number + 1), turn=1))

    def begin_reply(self):
        self.oracle.begin_reply()
        self.feed(TurnStarted(turn=1))

    def end_reply(self, end):
        self.oracle.end_reply(end)
        self.feed(TurnEnded(turn=1, reason="length" if end == "broken" else "tool_calls", calls=0))

    def may_share(self, earlier, call):
        """Return the scheduler's answer, which may be yes only if the oracle agrees."""
        yes = self.scheduler.may_share(future_name(earlier + 1), _as_issued(call))
        assert not yes or self.oracle.may_share(earlier, call), "an outcome was shared across a conflicting call"
        return yes

    def compare(self):
        oracle = self.oracle
        states = [self.scheduler.state(future_name(n + 1)).value for n in range(len(oracle.calls))]
        assert states == oracle.states
        asked = {number for number in oracle.asked if number not in self.asked}
        assert not asked, "the user was not asked in time"
        assert self.asked <= oracle.asked, "the user was asked too early"
        assert self.awaited == oracle.awaited, (
            "arguments are bound at the first moment at which nothing can change them"
        )
        copies = {number for number, call in enumerate(oracle.calls) if call.same_as is not None}
        assert self.skipped - copies == {n for n, state in enumerate(states) if state == "skipped"} - copies


def _as_issued(call):
    """Return what is known of a call as it is issued."""
    if call.needs:
        return call.wide
    return call.known if call.late else call.exact


def play(data, scheduler=Scheduler):
    """Play one random program to its end; raise as soon as the scheduler and its oracle differ."""
    choices = Choices(data)
    pair = Pair(choices.pick((4, 1, 2, 3)), scheduler)
    oracle, total = pair.oracle, 1 + choices.below(11)
    while True:
        moves = _moves(choices, pair, total)
        if not moves:
            break
        choices.pick(moves)()
    if oracle.ends[-1] == "open":
        pair.end_reply("good")
    _finish(choices, pair)
    assert not oracle.alive(), "calls were left waiting for ever"


def _moves(choices, pair, total):
    """Return the possible next steps; none when only running calls are left of the program."""
    oracle, moves = pair.oracle, []
    if len(oracle.calls) < total:
        moves += [lambda: pair.issue(_call(choices, pair))] * 3
    elif not _active(oracle):
        return []
    moves += [lambda: _act(choices, pair)] * (2 * bool(_active(oracle)))
    if oracle.ends[-1] == "open":
        moves.append(lambda: pair.end_reply(choices.pick(("good", "good", "broken"))))
    elif len(oracle.calls) < total:
        moves.append(pair.begin_reply)
    unseen = [n for n, state in enumerate(oracle.states) if state in LOST and n not in oracle.shown]
    if unseen and len(oracle.calls) < total:
        moves.append(lambda: pair.show(choices.pick(unseen)))
    alive = oracle.alive()
    if alive and choices.once_in(6):
        moves.append(lambda: pair.settle(choices.pick(alive), "cancelled"))
    return moves


def _active(oracle):
    """Return the calls that may still get an event from outside: they run, or wait for the user or the driver."""
    waiting = {n for n in oracle.asked if n not in oracle.approved} | (oracle.awaited - oracle.bound)
    pending = sorted(n for n in waiting if oracle.states[n] == "pending")
    return [n for n, state in enumerate(oracle.states) if state == "running"] + pending


def _act(choices, pair):
    number = choices.pick(_active(pair.oracle))
    if pair.oracle.states[number] == "running":
        state = choices.pick(("done", "done", "done", "done", "failed"))
        pair.settle(number, state, shareable=state != "done" or not choices.once_in(3))
    elif number not in pair.oracle.asked:
        pair.bind(number)
    elif choices.once_in(3):
        pair.settle(number, "skipped")
    else:
        pair.approve(number)


def _finish(choices, pair):
    while _active(pair.oracle):
        _act(choices, pair)


def _call(choices, pair):
    oracle = pair.oracle
    number = len(oracle.calls)
    if number and choices.once_in(6):
        earlier = choices.below(number)
        original = oracle.calls[earlier]
        first = earlier if original.same_as is None else original.same_as
        twin = oracle.calls[first]
        if not twin.irreversible and pair.may_share(first, twin):
            return replace(twin, approve=False, misfit=False, limits=(), same_as=first)
    needs = tuple(sorted({choices.below(number) for _ in range(choices.below(3))})) if number else ()
    late = choices.once_in(3)
    wide, known, exact = _effects(choices, widened=bool(needs), late=late)
    return Planned(
        needs=needs,
        wide=wide,
        known=known,
        exact=exact,
        late=late,
        delayed=choices.once_in(3),
        irreversible=choices.once_in(5),
        approve=choices.once_in(6),
        misfit=choices.once_in(10),
        limits=tuple(choices.pick(LIMITS) for _ in range(choices.pick((0, 0, 1, 2)))),
    )


def _effects(choices, *, widened, late):
    kind = choices.pick(("effects", "pure", "effects", "effects", "undeclared"))
    if kind == "pure":
        return Effects(), Effects(), Effects()
    if kind == "undeclared":
        return UNDECLARED, UNDECLARED, UNDECLARED
    reads = tuple(choices.pick(PATHS) for _ in range(choices.below(3)))
    writes = tuple(choices.pick(PATHS) for _ in range(choices.below(3)))
    most = choices.below(3) if late else 3
    least = choices.below(most + 1) if widened else most
    wide, known = (
        Effects(reads=tuple(p[:cut] for p in reads), writes=tuple(p[:cut] for p in writes)) for cut in (least, most)
    )
    return wide, known, Effects(reads=reads, writes=writes)
