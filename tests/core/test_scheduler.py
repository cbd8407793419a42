"""The scheduler by example: each test is a list of events and the commands that follow."""

import pytest

from asyncfc_jupyter.core.commands import HoldCall, ResolveArguments, SkipCall, StartCall
from asyncfc_jupyter.core.effects import PURE, UNDECLARED, Effects, Hazard
from asyncfc_jupyter.core.events import (
    ArgumentsResolved,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallIssued,
    Limit,
    RunStarted,
)
from asyncfc_jupyter.core.futures import CallId, FutureName, State
from asyncfc_jupyter.core.scheduler import Scheduler
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.errors import InvariantBroken
from tests.core.invariants import check


def path(text):
    return tuple(text.split("/"))


def effects(reads=(), writes=()):
    return Effects(reads=tuple(map(path, reads)), writes=tuple(map(path, writes)))


class Driver:
    """Feeds a scheduler, resolves arguments immediately unless they are held, and checks every rule after every event."""

    def __init__(self, limit=16, narrow=None, limits=None):
        self.scheduler = Scheduler(limit=limit)
        self.narrow, self.limits = narrow or {}, limits or {}
        self.effects = {}
        self.count = 0

    def issue(self, *, needs=(), reads=(), writes=(), declared=None):
        self.count += 1
        name = FutureName(f"f{self.count}")
        self.effects[name] = declared if declared is not None else effects(reads, writes)
        return self.feed(
            CallIssued(
                future=name,
                call=CallId(f"c{self.count}"),
                turn=1,
                tool="t",
                arguments="{}",
                needs=tuple(needs),
                references=tuple(f"${n}" for n in needs),
                effects=self.effects[name],
            )
        )

    def feed(self, event):
        seen = []
        todo = [event]
        while todo:
            for command in self.scheduler.handle(todo.pop(0)):
                check(self.scheduler)
                if isinstance(command, ResolveArguments):
                    exact = self.narrow.get(command.future, self.effects[command.future])
                    limits = self.limits.get(command.future, ())
                    todo.append(ArgumentsResolved(future=command.future, effects=exact, limits=limits))
                else:
                    seen.append(command)
            check(self.scheduler)
        return seen

    def finish(self, name):
        return self.feed(CallFinished(future=FutureName(name)))

    def fail(self, name):
        return self.feed(CallFailed(future=FutureName(name), kind="error", message="boom"))


def test_a_pure_call_starts_at_once() -> None:
    assert Driver().issue(declared=PURE) == [StartCall("f1")]


def test_a_write_waits_for_every_read_before_it_and_reads_overlap() -> None:
    driver = Driver()
    assert driver.issue(reads=["db"]) == [StartCall("f1")]
    assert driver.issue(reads=["db"]) == [StartCall("f2")]
    held = Wait(kind="hazard", on=("f2",), hazard=Hazard.WAR, path=("db",))
    assert driver.issue(writes=["db"]) == [HoldCall("f3", held)]
    assert driver.finish("f2") == [HoldCall("f3", Wait(kind="hazard", on=("f1",), hazard=Hazard.WAR, path=("db",)))]
    assert driver.finish("f1") == [StartCall("f3")]


def test_a_read_waits_for_a_write_of_the_place_above_it() -> None:
    driver = Driver()
    driver.issue(writes=["orders"])
    (held,) = driver.issue(reads=["orders/42/lines"])
    assert str(held.wait) == "f1 writes orders/42/lines (RAW)"


def test_a_wait_says_only_what_is_known_of_the_earlier_call() -> None:
    known, wide = ("orders", "1"), ("stock",)
    driver = Driver(narrow={"f2": effects(writes=["orders/1", "stock/7"])})
    driver.issue(declared=PURE)
    driver.issue(needs=["f1"], declared=Effects(writes=(known, wide), widened=(wide,)))
    (sure,) = driver.issue(reads=["orders"])
    (perhaps,) = driver.issue(writes=["stock/7/x"])
    (other,) = driver.issue(writes=["stock/8"])
    assert str(sure.wait) == "f2 writes orders (RAW)"
    assert str(perhaps.wait) == "f2 may write stock/...: its path is not known yet"
    assert str(other.wait) == "f2 may write stock/...: its path is not known yet"
    narrowed = driver.finish("f1")
    waits = {command.future: str(command.wait) for command in narrowed if isinstance(command, HoldCall)}
    assert waits == {"f3": "f2 writes orders (RAW)", "f4": "f2 writes stock/7/x (WAW)"}
    assert StartCall("f5") in narrowed


def test_writes_of_different_places_overlap() -> None:
    driver = Driver()
    driver.issue(writes=["orders/1"])
    assert driver.issue(writes=["orders/2"]) == [StartCall("f2")]


def test_an_undeclared_call_runs_alone_except_with_pure_ones() -> None:
    driver = Driver()
    driver.issue(reads=["db"])
    (held,) = driver.issue(declared=UNDECLARED)
    assert str(held.wait) == "f1 goes first: no effects declared (WAR)"
    assert driver.issue(declared=PURE) == [StartCall("f3")]
    assert isinstance(driver.issue(reads=["elsewhere"])[0], HoldCall)
    assert driver.finish("f1") == [StartCall("f2")]
    assert driver.finish("f2") == [StartCall("f4")]


def test_a_call_waits_for_the_value_it_takes() -> None:
    driver = Driver()
    driver.issue(declared=PURE)
    (held,) = driver.issue(declared=PURE, needs=["f1"])
    assert held == HoldCall("f2", Wait(kind="data", on=("f1",), detail="$f1"))
    assert driver.finish("f1") == [StartCall("f2")]


def test_a_call_that_needs_a_finished_future_does_not_wait() -> None:
    driver = Driver()
    driver.issue(declared=PURE)
    driver.finish("f1")
    assert driver.issue(declared=PURE, needs=["f1"]) == [StartCall("f2")]


def test_an_unknown_argument_blocks_its_family_until_it_is_known() -> None:
    """Until then the effects of its call are widened to the whole family."""
    driver = Driver(narrow={"f2": effects(writes=["orders/1"])})
    driver.issue(declared=PURE)
    driver.issue(writes=["orders"], needs=["f1"])
    assert isinstance(driver.issue(reads=["orders/2"])[0], HoldCall)
    assert isinstance(driver.issue(reads=["orders/1"])[0], HoldCall)
    assert driver.finish("f1") == [
        HoldCall("f4", Wait(kind="hazard", on=("f2",), hazard=Hazard.RAW, path=("orders", "1"))),
        StartCall("f2"),
        StartCall("f3"),
    ]


def test_a_failure_skips_its_dependents_and_theirs_and_no_other_call() -> None:
    driver = Driver()
    driver.issue(writes=["a"])
    driver.issue(declared=PURE, needs=["f1"])
    driver.issue(declared=PURE, needs=["f2"])
    driver.issue(reads=["a"])
    assert driver.fail("f1") == [SkipCall("f2", because="f1"), SkipCall("f3", because="f2"), StartCall("f4")]
    assert driver.scheduler.state(FutureName("f3")) is State.SKIPPED


def test_a_call_that_needs_a_failed_future_is_skipped_at_once() -> None:
    driver = Driver()
    driver.issue(declared=PURE)
    driver.fail("f1")
    assert driver.issue(declared=PURE, needs=["f1"]) == [SkipCall("f2", because="f1")]


def test_a_chain_of_ten_thousand_dependents_is_skipped_in_one_event() -> None:
    driver = Scheduler()
    for number in range(10_000):
        needs = (FutureName(f"f{number}"),) if number else ()
        driver.handle(
            CallIssued(
                future=FutureName(f"f{number + 1}"), call=CallId("c"), turn=1, tool="t", arguments="{}", needs=needs
            )
        )
    skipped = driver.handle(CallFailed(future=FutureName("f1"), kind="error", message="boom"))
    assert len([c for c in skipped if isinstance(c, SkipCall)]) == 9_999


def test_places_are_taken_in_the_order_of_calls_and_within_the_limit() -> None:
    driver = Driver(limit=1)
    assert driver.issue(declared=PURE) == [StartCall("f1")]
    limit = Wait(kind="limit", detail="limit 1 on the run")
    assert driver.issue(declared=PURE) == [HoldCall("f2", limit)]
    assert driver.issue(declared=PURE) == [HoldCall("f3", limit)]
    assert driver.finish("f1") == [StartCall("f2")]


def test_a_call_that_names_one_limit_twice_takes_one_place() -> None:
    driver = Driver(limits={name: (Limit(name="db", places=2),) * 2 for name in ("f1", "f2")})
    assert driver.issue(declared=PURE) == [StartCall("f1")]
    assert driver.issue(declared=PURE) == [StartCall("f2")]


def test_a_call_obeys_its_own_number_if_a_limit_has_two() -> None:
    one, two = (Limit(name="db", places=places) for places in (1, 2))
    driver = Driver(limits={"f1": (two,), "f2": (two,), "f3": (one,), "f4": (two,)})
    for _ in range(4):
        driver.issue(declared=PURE)
    assert driver.finish("f1") == [StartCall("f4")]
    assert driver.finish("f2") == []
    assert driver.finish("f4") == [StartCall("f3")]


def test_a_cancelled_call_skips_its_dependents_and_frees_its_place() -> None:
    driver = Driver(limit=1)
    driver.issue(declared=PURE)
    driver.issue(declared=PURE, needs=["f1"])
    driver.issue(declared=PURE)
    assert driver.feed(CallCancelled(future=FutureName("f1"))) == [SkipCall("f2", because="f1"), StartCall("f3")]


def test_a_queued_call_that_is_cancelled_never_starts() -> None:
    driver = Driver(limit=1)
    driver.issue(declared=PURE)
    driver.issue(declared=PURE)
    driver.feed(CallCancelled(future=FutureName("f2")))
    assert driver.finish("f1") == []


def test_a_broken_rule_raises_with_the_story_of_the_call() -> None:
    driver = Driver()
    driver.issue(declared=PURE)
    driver.finish("f1")
    with pytest.raises(
        InvariantBroken, match=r"done is never followed by done.*f1 \(t\), done: issued, then arguments resolved"
    ):
        driver.finish("f1")


def test_an_event_that_schedules_nothing_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="only events that it schedules by"):
        Scheduler().handle(RunStarted(prompt="", model="m", mode="async"))


def test_an_event_about_an_unknown_future_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="was issued"):
        Scheduler().handle(CallFinished(future=FutureName("f9")))


def test_a_call_that_waits_for_many_values_is_reported_by_halves() -> None:
    """The last few values are reported one by one."""
    driver = Driver(limit=100)
    for _ in range(40):
        driver.issue(declared=PURE)
    names = [FutureName(f"f{number}") for number in range(1, 41)]
    (first,) = driver.issue(declared=PURE, needs=names)
    assert len(first.wait.on) == 40
    reported = [len(command.wait.on) for name in names[:-1] for command in driver.finish(name)]
    assert reported == [20, 10, 8, 7, 6, 5, 4, 3, 2, 1]
    assert driver.finish(names[-1]) == [StartCall("f41")]
