"""Schedulers in whole scripts: every command, every story, every broken rule, word for word."""

import pytest

from asyncfc_jupyter.core.call_record import Gate
from asyncfc_jupyter.core.commands import BindArguments, CopyOutcome, ResolveArguments
from asyncfc_jupyter.core.effects import PURE, UNDECLARED, Effects, Hazard
from asyncfc_jupyter.core.events import (
    ApprovalGiven,
    ArgumentsResolved,
    BindingDelayed,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallIssued,
    CallSkipped,
    CallStarted,
    EffectsResolved,
    Limit,
    ResultShown,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import TRANSITIONS, CallId, FutureName, State
from asyncfc_jupyter.core.limits import Places, tightest
from asyncfc_jupyter.core.scheduler import Scheduler
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.defaults import DEFAULT_LIMIT
from asyncfc_jupyter.errors import InvariantBroken
from tests.core.invariants import check

A, B = ("a",), ("b",)
READS_A, WRITES_A, WRITES_B = Effects(reads=(A,)), Effects(writes=(A,)), Effects(writes=(B,))
#: A family of places of which the one is not known yet.
SOME_A = Effects(writes=(A,), widened=(A,))
WRITES_A_1 = Effects(writes=(("a", "1"),))


class Script:
    """Passes events to a scheduler, resolves arguments unless they are held, and logs it all in short words."""

    def __init__(self, limit=16):
        self.scheduler, self.lines, self.exact, self.limits = Scheduler(limit=limit), [], {}, {}
        self.count, self.held, self.checked = 0, [], True
        #: What calls touch that are bound late, and those of them that are delayed.
        self.late, self.delayed = {}, []

    def feed(self, event, words):
        self.lines.append(f"- {words}")
        todo = [event]
        while todo:
            for command in self.scheduler.handle(todo.pop(0)):
                detail = f": {command.wait}" if hasattr(command, "wait") else ""
                for name in ("because", "of"):
                    detail += f" {name} {getattr(command, name)}" if hasattr(command, name) else ""
                self.lines.append(f"    {type(command).__name__} {command.future}{detail}")
                if isinstance(command, ResolveArguments | BindArguments):
                    self.answer(command, todo)
        if self.checked:
            check(self.scheduler)

    def answer(self, command, todo):
        name = command.future
        if name in self.held:
            self.checked = False
        elif name in self.late and isinstance(command, ResolveArguments):
            todo.append(EffectsResolved(future=name, effects=self.late[name]))
        elif name in self.delayed:
            todo.append(BindingDelayed(future=name))
        elif not self.scheduler.state(name).settled:
            todo.append(ArgumentsResolved(future=name, effects=self.exact[name], limits=self.limits.get(name, ())))

    def issue(self, effects=PURE, *, exact=None, limits=(), needs="", references=None, **more):
        self.count += 1
        name = FutureName(f"f{self.count}")
        self.exact[name], self.limits[name] = exact or effects, limits
        names = tuple(map(FutureName, needs.split()))
        event = CallIssued(
            future=name,
            call=CallId(f"c{self.count}"),
            turn=1,
            tool="tool",
            arguments="{}",
            needs=names,
            references=tuple(f"${each}.x" for each in names) if references is None else references,
            effects=effects,
            **more,
        )
        marks = [f"{key}={value}" for key, value in more.items()]
        self.feed(event, " ".join([f"issue {name}", *([f"needs {needs}"] if needs else []), *marks]))

    def done(self, *names):
        for name in names:
            self.feed(CallFinished(future=name), f"{name} returned")

    def made_an_object(self, name):
        self.feed(CallFinished(future=name, shareable=False), f"{name} returned an object")

    def bound(self, name):
        limits = self.limits.get(name, ())
        self.feed(ArgumentsResolved(future=name, effects=self.exact[name], limits=limits), f"{name} was bound")

    def failed(self, name):
        self.feed(CallFailed(future=name, kind="error", message="boom"), f"{name} failed")

    def cancelled(self, name):
        self.feed(CallCancelled(future=name), f"{name} was cancelled")

    def declined(self, name):
        self.feed(CallSkipped(future=name, because=None, message="no"), f"{name} was declined")

    def approved(self, name):
        self.feed(ApprovalGiven(future=name), f"{name} was approved")

    def shown(self, name):
        self.feed(ResultShown(future=name, turn=2), f"{name} was shown")

    def begin(self):
        self.feed(TurnStarted(turn=1), "a reply began")

    def end(self, reason="stop"):
        self.feed(TurnEnded(turn=1, reason=reason, calls=1), f"the reply ended: {reason}")

    def text(self):
        stories = [record.story for record in self.scheduler.records()]
        gates = [f"{record.future} at {record.gate.name}" for record in self.scheduler.records()]
        return "\n".join([*self.lines, "", *stories, ", ".join(gates)])


def data(script):
    script.issue()
    script.issue()
    script.issue(needs="f1 f2")
    script.issue(needs="f3 f1", references=("$f1.y", "$f3[0]", "text"))
    script.issue(needs="f2", references=())
    script.done("f2", "f1")
    script.failed("f3")
    script.issue(needs="f1")
    script.issue(needs="f3")
    script.done("f5", "f6")


def many_needs(script):
    """Nine or more missing inputs are reported at each halving; eight or fewer at each arrival."""
    script.scheduler.limit_run(30)
    names = [f"f{number}" for number in range(1, 25)]
    for _ in names:
        script.issue()
    script.issue(needs=" ".join(names))
    script.issue(needs=" ".join(names[:9]))
    for name in reversed(names):
        script.done(name)


def conflicts(script):
    script.issue(WRITES_A)
    script.issue(READS_A)
    script.issue(READS_A)
    script.issue(WRITES_A)
    script.issue(WRITES_B)
    script.issue(UNDECLARED)
    script.issue(READS_A)
    for name in ("f1", "f3", "f2", "f5", "f4", "f6", "f7"):
        script.done(name)


def widened(script):
    script.issue()
    script.issue(SOME_A, exact=Effects(writes=(("a", "1"),)), needs="f1")
    script.issue(Effects(writes=(("a", "2"),)))
    script.issue(Effects(reads=(("a", "1"),)))
    script.issue(Effects(reads=(A,), widened=(A,)), exact=Effects(reads=(("a", "3"),)), needs="f3")
    script.issue(Effects(writes=(("a", "3", "x"),)))
    script.done("f1", "f3", "f2", "f4", "f5", "f6")


def irreversible(script):
    script.begin()
    script.issue()
    script.issue(irreversible=True)
    script.issue(irreversible=True)
    script.done("f1")
    script.end()
    script.done("f2", "f3")
    script.begin()
    script.issue()
    script.issue(irreversible=True)
    script.issue()
    script.issue(irreversible=True, needs="f6")
    script.end("tool_calls")
    script.failed("f4")
    script.done("f6")
    script.issue(irreversible=True)
    script.shown("f4")
    script.issue(irreversible=True)
    for name in ("f5", "f7", "f8", "f9"):
        script.shown(name)
    script.issue(irreversible=True)
    script.done("f10")


def broken_reply(script):
    for reason in ("length", "stop"):
        script.begin()
        script.issue(irreversible=True)
        script.issue(WRITES_A)
        script.issue(WRITES_A, irreversible=True)
        script.end(reason)
        script.issue(irreversible=True)
        for number in (script.count - 3, script.count - 2, script.count - 1, script.count):
            if script.scheduler.state(f"f{number}") is State.RUNNING:
                script.done(f"f{number}")
        for number in range(1, script.count + 1):
            script.shown(f"f{number}")


def irreversible_and_conflict(script):
    script.begin()
    script.issue(WRITES_A)
    script.issue(WRITES_B)
    script.issue(WRITES_A, irreversible=True)
    script.end("stop")
    script.done("f1")
    script.done("f2")
    script.cancelled("f3")


def approval(script):
    script.issue(WRITES_A)
    script.issue(WRITES_A, approve=True)
    script.issue(WRITES_A)
    script.done("f1")
    script.approved("f2")
    script.done("f2", "f3")
    script.issue(approve=True)
    script.issue(needs="f4")
    script.declined("f4")


def limits(script):
    one, two = Limit(name="tool", places=1), Limit(name="tool", places=2)
    script.scheduler.limit_run(3)
    for limit in ((one,), (two,), (one, two), (), (), (Limit(name="other", places=1),)):
        script.issue(limits=limit)
    script.done("f4", "f1")
    script.cancelled("f3")
    script.done("f2", "f5", "f6")


def resolving(script):
    """While arguments are resolved no place is given: one of these calls may come first in order."""
    script.held = ["f1", "f3"]
    script.issue()
    script.issue()
    script.issue()
    script.feed(ArgumentsResolved(future="f1", effects=PURE), "f1 resolved")
    script.cancelled("f3")
    script.done("f1", "f2")


def same(script):
    script.issue(WRITES_A)
    script.issue(WRITES_A, same_as=FutureName("f1"))
    script.issue(WRITES_A, same_as=FutureName("f1"))
    script.issue(needs="f2")
    script.issue(WRITES_A)
    script.cancelled("f3")
    script.failed("f1")
    script.issue(WRITES_A, same_as=FutureName("f1"))
    script.done("f5")
    script.issue(same_as=FutureName("f5"))


def late(script):
    """Arguments that may change are bound after the calls that may change them, and before the user is asked."""
    only = (Limit(name="only", places=1),)
    script.late = {"f2": SOME_A, "f3": PURE, "f5": SOME_A, "f7": PURE}
    script.delayed = ["f5", "f7"]
    script.issue(UNDECLARED)
    script.issue(SOME_A, exact=WRITES_A_1, needs="f1", approve=True)
    script.issue(READS_A, exact=PURE, limits=only)
    script.issue(Effects(writes=(("a", "2"),)))
    script.done("f1")
    script.approved("f2")
    script.issue(SOME_A, exact=WRITES_A_1, limits=only)
    script.issue(limits=only)
    script.done("f4", "f2")
    script.bound("f5")
    script.done("f3", "f5")
    script.issue(irreversible=True)
    script.done("f6")
    script.failed("f7")


def objects(script):
    """A repeat runs itself if the result is an object; what conflicts with it has waited."""
    script.issue(WRITES_A)
    script.issue(WRITES_A, same_as=FutureName("f1"))
    script.issue(WRITES_A, same_as=FutureName("f1"))
    script.issue(WRITES_A, same_as=FutureName("f1"))
    script.issue(READS_A)
    script.cancelled("f3")
    script.made_an_object("f1")
    script.done("f2", "f4", "f5")


def chain(script):
    script.issue()
    script.issue(WRITES_A, needs="f1")
    script.issue(WRITES_A, needs="f2")
    script.issue(READS_A)
    script.issue(needs="f3 f2")
    script.cancelled("f1")
    script.done("f4")


SCRIPTS = (
    *(data, many_needs, conflicts, widened, irreversible, broken_reply, irreversible_and_conflict, approval, limits),
    *(resolving, same, late, objects, chain),
)


def test_every_script_gives_its_listed_commands_and_stories(expected) -> None:
    texts = []
    for write in SCRIPTS:
        script = Script()
        write(script)
        texts.append(f"== {write.__name__}\n{script.text()}")
    expected("stories.txt", "\n\n".join(texts))


# -- what cannot follow ----------------------------------------------------------------------------------------------


def scheduler(*, approve=False, running=False, late=False, delayed=False, limit=16):
    """A scheduler with one call, before its arguments are resolved or after."""
    made = Scheduler(limit=limit)
    made.handle(issued("f1", approve=approve))
    if running or approve:
        made.handle(ArgumentsResolved(future=FutureName("f1"), effects=PURE))
    if late:
        made.handle(EffectsResolved(future=FutureName("f1"), effects=PURE))
    if delayed:
        made.handle(BindingDelayed(future=FutureName("f1")))
    return made


def issued(name, **more):
    return CallIssued(future=FutureName(name), call=CallId("c"), turn=1, tool="tool", arguments="{}", **more)


IMPOSSIBLE = (
    (scheduler(), CallStarted(future="f1")),
    (scheduler(), issued("f1")),
    (scheduler(), issued("f2", needs=("f1", "f7", "f8"))),
    (scheduler(), issued("f2", same_as="f9")),
    (scheduler(), CallFinished(future="f2")),
    (scheduler(running=True), ArgumentsResolved(future="f1", effects=PURE)),
    (scheduler(), ApprovalGiven(future="f1")),
    (scheduler(running=True), ApprovalGiven(future="f1")),
    (scheduler(running=True), EffectsResolved(future="f1", effects=PURE)),
    (scheduler(late=True), EffectsResolved(future="f1", effects=PURE)),
    (scheduler(), BindingDelayed(future="f1")),
    (scheduler(late=True, delayed=True), BindingDelayed(future="f1")),
)


def test_what_cannot_follow_is_refused_with_the_story(expected) -> None:
    lines = []
    for made, event in IMPOSSIBLE:
        with pytest.raises(InvariantBroken) as broken:
            made.handle(event)
        lines.append(f"{broken.value.rule}. {broken.value.story}")
    expected("impossible.txt", "\n".join(lines))


@pytest.mark.parametrize("end", [CallFinished, CallCancelled])
def test_a_settled_call_is_not_settled_again(end) -> None:
    made = scheduler(running=True)
    made.handle(CallFinished(future=FutureName("f1")))
    with pytest.raises(InvariantBroken, match="done is never followed by"):
        made.handle(end(future=FutureName("f1")))


def test_an_approval_that_comes_after_the_end_is_refused() -> None:
    made = scheduler(approve=True)
    made.handle(CallCancelled(future=FutureName("f1")))
    with pytest.raises(InvariantBroken, match="an approval follows a question"):
        made.handle(ApprovalGiven(future=FutureName("f1")))


def test_only_what_the_table_allows_may_follow_a_state() -> None:
    for before in State:
        for after in State:
            made = scheduler()
            record = made.records()[0]
            record.state = before
            if after in TRANSITIONS[before]:
                record.move(after)
                assert (record.state, record.steps[-1]) == (after, after.value)
            else:
                with pytest.raises(InvariantBroken, match=f"{before} is never followed by {after}"):
                    record.move(after)


# -- the checks of tests ---------------------------------------------------------------------------------------------


def three(*, effects=PURE, needs=(), late=False, **more):
    """Two calls that run, and a third."""
    made = Scheduler()
    for name in ("f1", "f2", "f3"):
        third = name == "f3"
        made.handle(issued(name, effects=effects, needs=needs if third else (), **(more if third else {})))
        if not (third and needs):
            known = EffectsResolved if third and late else ArgumentsResolved
            made.handle(known(future=FutureName(name), effects=effects))
    return made


def spoiled():
    """Schedulers with one wrong detail each, and its description."""
    kinds = (
        ("runs", Gate.OPEN, {}),
        ("lacks a value", Gate.DATA, {"needs": (FutureName("f1"),)}),
        ("conflicts", Gate.HAZARD, {"effects": WRITES_A}),
        ("is irreversible", Gate.IRREVERSIBLE, {"irreversible": True}),
        ("is to be approved", Gate.APPROVAL, {"approve": True}),
        ("is not bound", Gate.BINDING, {"late": True}),
    )
    for what, right, options in kinds:
        for gate in Gate:
            made = three(**options)
            made.records()[2].gate = gate
            yield f"{what}, and waits at {gate.name}{' (right)' if gate is right else ''}", made
    made = three()
    for record in made.records():
        record.limits = (Limit(name="one", places=1),)
    yield "three run where one may", made
    made = three()
    for record, places in zip(made.records(), (1, 2, 1), strict=True):
        record.limits = (Limit(name="other", places=9), Limit(name="one", places=places))
    yield "three run where two may at most", made
    made = three(same_as=FutureName("f1"), needs=(FutureName("f1"),))
    made.records()[0].state = State.DONE
    yield "repeats a call that has settled", made


def verdict(made):
    try:
        check(made)
    except InvariantBroken as broken:
        return f"{broken.rule}. {broken.story}"
    return "fine"


def test_a_rule_that_is_broken_on_purpose_is_reported(expected) -> None:
    """Only a call whose arguments are being resolved may be late: its later gates are not checked yet."""
    lines = [f"{what}: {verdict(made)}" for what, made in spoiled()]
    expected("broken_rules.txt", "\n".join(lines))


def test_a_full_limit_is_a_reason_to_wait_and_a_free_one_is_not() -> None:
    made = Scheduler(limit=2)
    for name in ("f1", "f2", "f3"):
        made.handle(issued(name))
        made.handle(ArgumentsResolved(future=FutureName(name), effects=PURE))
    assert [record.gate for record in made.records()] == [Gate.OPEN, Gate.OPEN, Gate.LIMIT]
    check(made)
    made.records()[2].limits = (Limit(name="the run", places=3),)
    with pytest.raises(InvariantBroken, match="a call waits at the right gate"):
        check(made)


# -- small things ----------------------------------------------------------------------------------------------------


def test_a_conversation_runs_sixteen_calls_at_a_time_by_default() -> None:
    assert DEFAULT_LIMIT == 16
    made = Scheduler()
    for number in range(1, 18):
        made.handle(issued(f"f{number}"))
        made.handle(ArgumentsResolved(future=FutureName(f"f{number}"), effects=PURE))
    assert sum(record.state is State.RUNNING for record in made.records()) == 16


def test_a_call_may_share_an_outcome_that_nothing_touches_in_between() -> None:
    script = Script()
    script.issue(WRITES_A)
    assert script.scheduler.may_share("f1", WRITES_A)
    assert script.scheduler.may_share("f1", PURE)
    script.issue(WRITES_B)
    assert script.scheduler.may_share("f1", WRITES_A)
    assert not script.scheduler.may_share("f1", WRITES_B)
    script.issue(READS_A)
    assert not script.scheduler.may_share("f1", WRITES_A)
    assert script.scheduler.may_share("f1", READS_A)
    script.done("f1")
    assert not script.scheduler.may_share("f1", PURE)


def test_a_record_begins_as_issued_and_watches_no_call() -> None:
    made = Scheduler()
    made.handle(issued("f1", effects=WRITES_A))
    made.handle(issued("f2", effects=WRITES_A))
    first, second = made.records()
    assert (first.order, first.gate, first.state, first.reported, first.in_open_reply) == (
        0,
        Gate.ARGUMENTS,
        State.PENDING,
        0,
        False,
    )
    assert not first.watches
    assert made.resolving
    for name in ("f1", "f2"):
        made.handle(ArgumentsResolved(future=FutureName(name), effects=WRITES_A))
    assert not made.resolving
    assert second.watches
    assert made._watchers == {first.future: [second]}
    made.handle(CallFinished(future=FutureName("f1")))
    assert not second.watches
    assert made._watchers == {}


def test_a_call_that_gets_its_last_values_at_once_is_not_held_again() -> None:
    """A call and its repeat settle by the same event, and a third call takes the value of both."""
    made = scheduler()
    made.handle(issued("f2", same_as=FutureName("f1")))
    made.handle(issued("f3", needs=(FutureName("f1"), FutureName("f2"))))
    commands = made.handle(CallFinished(future=FutureName("f1")))
    assert commands == (CopyOutcome(FutureName("f2"), of=FutureName("f1")), ResolveArguments(FutureName("f3")))


def test_the_index_of_places_is_empty_when_all_calls_have_settled() -> None:
    """A place that no call uses any more takes no memory, at any depth."""
    made = Scheduler()
    effects = Effects(reads=(("a", "b", "c"), ("a",)), writes=(("a", "b"), ("d",)))
    for name in ("f1", "f2"):
        made.handle(issued(name, effects=effects))
        made.handle(ArgumentsResolved(future=FutureName(name), effects=effects))
    root = made._accesses._tree._root
    assert sorted(root.children) == ["a", "d"]
    place = root.children["a"]
    assert (place.here.reads, place.below.reads, place.below.writes) == ([0, 1],) * 3
    made.handle(CallFinished(future=FutureName("f1")))
    made.handle(CallFinished(future=FutureName("f2")))
    assert not root.below
    assert root.children == {}


def test_the_latest_conflict_is_named_with_its_kind() -> None:
    """Of two hazards with the same call, a RAW is named rather than a WAW."""
    script = Script()
    script.issue(Effects(reads=(A,), writes=(A,)))
    script.issue(Effects(reads=(A,), writes=(A,)))
    wait = next(line for line in script.lines if "HoldCall" in line)
    assert "(RAW)" in wait
    assert str(Wait(kind="hazard", on=(FutureName("f1"),), hazard=Hazard.RAW, path=A)) in wait


def test_the_least_of_limits_with_one_name_counts() -> None:
    a1, a2, b = Limit(name="a", places=1), Limit(name="a", places=2), Limit(name="b", places=1)
    assert tightest((a2, b, a1)) == (a1, b)
    assert tightest((a1, b, a2)) == (a1, b)
    assert tightest(()) == ()


def test_places_are_taken_in_order_and_returned() -> None:
    one, both = (Limit(name="a", places=1),), (Limit(name="a", places=1), Limit(name="b", places=1))
    places = Places()
    assert not places.changed
    for order, limits in ((3, one), (1, both), (2, one), (4, one)):
        places.arrive(order, limits)
    assert places.changed
    assert list(places.grant()) == [(1, None), (2, one[0]), (3, one[0]), (4, one[0])]
    assert not places.changed
    assert (places.full(one), places.full(both[1:]), places.full(())) == (one[0], both[1], None)
    places.withdraw(2)
    places.leave(both)
    assert places.changed
    assert list(places.grant()) == [(3, None)]
    assert places.full(both[1:]) is None
    places.leave(one)
    assert list(places.grant()) == [(4, None)]
    assert list(places.grant()) == []
    places.leave(one)
    assert places.full(one) is None
    assert list(places.grant()) == []
    assert not places.changed
