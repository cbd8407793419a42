"""The machine against a brute-force oracle: random programs, random interleavings, every rule checked after every event.

The oracle knows nothing of watching, indexes or gates. It holds the list of all calls and says, from the definition alone,
which of them may run now: its values are there, no earlier unsettled call conflicts, and a place is free for it.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.core.commands import ResolveArguments, SkipCall, StartCall
from asyncfc_jupyter.core.effects import UNDECLARED, Effects, hazards
from asyncfc_jupyter.core.events import ArgumentsResolved, CallCancelled, CallFailed, CallFinished, CallIssued
from asyncfc_jupyter.core.futures import CallId, future_name
from asyncfc_jupyter.core.machine import Machine


@dataclass
class Planned:
    """A call of a random program: what it needs, and what it touches before and after its arguments are known."""

    needs: tuple[int, ...]
    wide: Effects
    exact: Effects


@dataclass
class Oracle:
    """Every call, in order, with what has become of it."""

    limit: int
    calls: list[Planned] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def issue(self, call):
        self.calls.append(call)
        self.states.append("pending")
        self.spread()

    def settle(self, number, state):
        self.states[number] = state
        self.spread()

    def spread(self):
        """Skip what needs a call that did not succeed, then start all that may start."""
        for number, call in enumerate(self.calls):
            if self.states[number] == "pending" and any(
                self.states[n] in ("failed", "cancelled", "skipped") for n in call.needs
            ):
                self.states[number] = "skipped"
        for number in range(len(self.calls)):
            if self.states.count("running") < self.limit and self.may_start(number):
                self.states[number] = "running"

    def may_start(self, number):
        call = self.calls[number]
        return (
            self.states[number] == "pending"
            and all(self.states[n] == "done" for n in call.needs)
            and not any(
                self.states[n] in ("pending", "running") and hazards(self.effects(n), call.exact) for n in range(number)
            )
        )

    def effects(self, number):
        call = self.calls[number]
        return call.exact if all(self.states[n] == "done" for n in call.needs) else call.wide


paths = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(tuple)


@st.composite
def planned(draw, number):
    needs = tuple(sorted(draw(st.sets(st.integers(0, number - 1), max_size=2)))) if number else ()
    kind = draw(st.sampled_from(["pure", "undeclared", "effects", "effects"]))
    if kind == "pure":
        return Planned(needs, Effects(), Effects())
    if kind == "undeclared":
        return Planned(needs, UNDECLARED, UNDECLARED)
    exact = Effects(reads=tuple(draw(st.lists(paths, max_size=2))), writes=tuple(draw(st.lists(paths, max_size=2))))
    cut = draw(st.integers(0, 3)) if needs else 3
    wide = Effects(reads=tuple(p[:cut] for p in exact.reads), writes=tuple(p[:cut] for p in exact.writes))
    return Planned(needs, wide, exact)


class Pair:
    """A machine and its oracle, told the same things."""

    def __init__(self, limit):
        self.machine, self.oracle = Machine(limit=limit), Oracle(limit)
        self.started, self.skipped = set(), set()

    def feed(self, event):
        todo = [event]
        while todo:
            for command in self.machine.handle(todo.pop(0)):
                number = int(command.future[1:]) - 1
                if isinstance(command, ResolveArguments):
                    todo.append(ArgumentsResolved(future=command.future, effects=self.oracle.calls[number].exact))
                elif isinstance(command, StartCall):
                    self.started.add(number)
                elif isinstance(command, SkipCall):
                    self.skipped.add(number)
            self.machine.check()

    def issue(self, call):
        number = len(self.oracle.calls)
        self.oracle.issue(call)
        needs = tuple(future_name(n + 1) for n in call.needs)
        effects = call.wide if call.needs else call.exact
        event = CallIssued(
            future=future_name(number + 1),
            call=CallId("c"),
            turn=1,
            tool="t",
            arguments="{}",
            needs=needs,
            effects=effects,
        )
        self.feed(event)
        self.compare()

    def settle(self, number, state):
        self.oracle.settle(number, state)
        name = future_name(number + 1)
        events = {
            "done": CallFinished(future=name),
            "failed": CallFailed(future=name, kind="error", message="boom"),
            "cancelled": CallCancelled(future=name),
        }
        self.feed(events[state])
        self.compare()

    def compare(self):
        states = [self.machine.state(future_name(n + 1)).value for n in range(len(self.oracle.calls))]
        assert states == self.oracle.states
        assert self.skipped == {n for n, state in enumerate(states) if state == "skipped"}


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_each_call_starts_at_the_first_moment_it_may_and_never_before(data) -> None:
    pair = Pair(limit=data.draw(st.integers(1, 4)))
    total = data.draw(st.integers(1, 12))
    while True:
        running = [n for n, state in enumerate(pair.oracle.states) if state == "running"]
        moves = ["settle"] * bool(running) + ["issue"] * (len(pair.oracle.calls) < total)
        if not moves:
            break
        if data.draw(st.sampled_from(moves)) == "issue":
            pair.issue(data.draw(planned(len(pair.oracle.calls))))
        else:
            pair.settle(
                data.draw(st.sampled_from(running)),
                data.draw(st.sampled_from(["done", "done", "done", "failed", "cancelled"])),
            )
    assert set(pair.oracle.states) <= {"done", "failed", "cancelled", "skipped"}, "a call was left waiting for ever"
