"""What a trace proves about every pair of calls, even if the scheduler was wrong."""

import asyncio
from dataclasses import replace

import pytest

from asyncfc_jupyter import Agent, make_tool
from asyncfc_jupyter.core.effects import UNDECLARED, Effects, Hazard, hazards
from asyncfc_jupyter.core.events import (
    ArgumentsResolved,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallHeld,
    CallIssued,
    CallRetried,
    CallSkipped,
    CallStarted,
    ResultDiscarded,
    Stamped,
)
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, run_virtually
from asyncfc_jupyter.trace.analysis import certificate as module
from asyncfc_jupyter.trace.analysis.certificate import certify
from asyncfc_jupyter.trace.trace import Trace

READS = Effects(reads=(("orders",),))
WRITES = Effects(writes=(("orders", "42"),))
ELSEWHERE = Effects(writes=(("stock",),))


def log(*events):
    return Trace(tuple(Stamped(seq=n, at_s=float(n), event=event) for n, event in enumerate(events)))


def issued(name, effects, **more):
    name = FutureName(name)
    call = CallIssued(future=name, call=CallId(name), turn=1, tool="t", arguments="{}", effects=effects, **more)
    return call, ArgumentsResolved(future=name, effects=effects)


def started(name):
    return CallStarted(future=FutureName(name))


def finished(name):
    return CallFinished(future=FutureName(name))


def both_at_once(first, second, **more):
    return log(
        *issued("f1", first),
        *issued("f2", second, **more),
        started("f1"),
        started("f2"),
        finished("f1"),
        finished("f2"),
    )


def test_two_conflicting_calls_that_overlapped_are_a_violation() -> None:
    certificate = certify(both_at_once(WRITES, READS))
    assert not certificate.holds
    assert [str(pair) for pair in certificate.violations] == ["f1, f2: both touch orders/42 (RAW)"]
    assert certificate.ordered == ()
    assert "does NOT hold" in str(certificate)


def test_two_conflicting_calls_in_the_wrong_order_are_a_violation() -> None:
    trace = log(
        *issued("f1", WRITES), *issued("f2", READS), started("f2"), finished("f2"), started("f1"), finished("f1")
    )
    assert [str(pair) for pair in certify(trace).violations] == ["f1, f2: both touch orders/42 (RAW)"]


def test_a_call_that_overlapped_one_whose_value_it_takes_is_a_violation() -> None:
    trace = both_at_once(Effects(), Effects(), needs=(FutureName("f1"),), references=("$f1.id", "$f10"))
    assert [str(pair) for pair in certify(trace).violations] == ["f1, f2: f2 takes $f1.id"]


def test_an_irreversible_call_beside_an_earlier_one_is_a_violation() -> None:
    assert not certify(both_at_once(ELSEWHERE, WRITES, irreversible=True)).holds


def test_each_reason_why_a_pair_may_overlap_has_its_sentence() -> None:
    def reason(first, second):
        certificate = certify(both_at_once(first, second))
        assert certificate.holds
        return certificate.overlapped[0].reason

    assert reason(Effects(), Effects()) == "neither touches any state"
    assert reason(WRITES, Effects()) == "f2 touches no state"
    assert reason(READS, READS) == "both only read"
    assert reason(WRITES, ELSEWHERE) == ("f1 writes orders/42, f2 writes stock: neither writes what the other touches")


def test_an_order_is_reported_with_its_reason() -> None:
    def reason(first, second, **more):
        events = [*issued("f1", first), *issued("f2", second, **more)]
        certificate = certify(log(*events, started("f1"), finished("f1"), started("f2"), finished("f2")))
        assert certificate.holds
        return [pair.reason for pair in certificate.ordered]

    assert reason(READS, WRITES) == ["both touch orders/42 (WAR)"]
    assert reason(UNDECLARED, WRITES) == ["f1 declares no effects (WAW)"]
    assert reason(ELSEWHERE, WRITES, irreversible=True) == ["f2 is irreversible and waits for every call before it"]
    assert reason(READS, READS) == []
    assert reason(Effects(), Effects(), same_as=FutureName("f1")) == [
        "f2 is the same call and waited to share its outcome"
    ]


def test_a_pair_kept_apart_while_a_path_was_unknown_is_reported_too() -> None:
    wait = Wait(kind="hazard", on=(FutureName("f1"),), hazard=Hazard.WAW, path=("orders",))
    held = CallHeld(future=FutureName("f2"), wait=wait)
    trace = log(
        *issued("f1", ELSEWHERE),
        *issued("f2", WRITES),
        held,
        started("f1"),
        finished("f1"),
        started("f2"),
        finished("f2"),
    )
    assert [pair.reason for pair in certify(trace).ordered] == [
        "f1 writes orders (WAW), as far as the arguments were known"
    ]


def held_for_an_unknown_path(*replies):
    async def name() -> str:
        """Look up a name, slowly."""
        await asyncio.sleep(1)
        return "a"

    async def write(name: str, seconds: float = 1) -> None:
        """Write a place."""
        await asyncio.sleep(seconds)

    tools = [make_tool(name, pure=True), make_tool(write, writes="x/{name}")]
    return run_virtually(Agent(ScriptedModel(*replies, [Says("x")], [Says("done")]), tools=tools).run("go"))


def test_a_pair_whose_later_call_ran_first_is_not_called_ordered() -> None:
    """The wait of the later call names the unknown path."""
    run = held_for_an_unknown_path(
        [
            Calls("name"),
            Calls("write", {"name": "a", "seconds": 5}),
            Calls("write", {"name": "$f1"}),
            Calls("write", {"name": "b"}),
        ]
    )
    certificate = run.certificate()
    assert certificate.holds
    assert [str(pair) for pair in certificate.ordered] == ["f1, f3: f3 takes $f1", "f2, f3: both touch x/a (WAW)"]
    assert run.why("f4") == "f4 (write) waited 1.0 s: f3 may write x/...: its path is not known yet"


def test_a_pair_ordered_by_an_unknown_path_is_reported_with_that_reason() -> None:
    trace = log(
        *issued("f1", ELSEWHERE),
        *issued("f2", WRITES),
        CallHeld(
            future=FutureName("f2"),
            wait=Wait(kind="hazard", on=(FutureName("f1"),), hazard=Hazard.WAR, path=(), widened=True),
        ),
        started("f1"),
        finished("f1"),
        started("f2"),
        finished("f2"),
    )
    assert [pair.reason for pair in certify(trace).ordered] == [
        "f2 waited: f1 may read anything: its path is not known yet"
    ]


def test_a_pair_of_which_one_never_ran_is_not_called_ordered_by_a_wait() -> None:
    held = CallHeld(
        future=FutureName("f2"),
        wait=Wait(kind="hazard", on=(FutureName("f1"),), hazard=Hazard.WAW, path=("orders",), widened=True),
    )
    skipped = CallSkipped(future=FutureName("f1"), because=None, message="no")
    trace = log(*issued("f1", ELSEWHERE), *issued("f2", WRITES), held, skipped, started("f2"), finished("f2"))
    assert certify(trace).ordered == ()


def test_cases_outside_the_guarantee_are_named() -> None:
    trace = log(
        *issued("f1", WRITES),
        started("f1"),
        CallCancelled(future=FutureName("f1"), still_running=True),
        ResultDiscarded(future=FutureName("f1"), summary="late"),
    )
    assert certify(trace).notes == (
        "f1 was cancelled and its function ran on; what it did then is not ordered",
        "f1 was abandoned and its function ran on until 4.0 s",
    )


def test_a_function_that_outlives_the_trace_is_named_in_the_certificate() -> None:
    failed = CallFailed(future=FutureName("f1"), kind="timeout", message="too long", still_running=True)
    retried = CallRetried(future=FutureName("f1"), attempt=1, message="too long", pause_s=0.2, still_running=True)
    assert certify(log(*issued("f1", WRITES), started("f1"), retried, failed)).notes == (
        "f1 ran out of time in attempt 1, which ran on; what it did then is not ordered",
        "f1 ran out of time and its function ran on; what it did then is not ordered",
    )
    assert not certify(log(*issued("f1", WRITES), started("f1"), replace(failed, still_running=False))).notes


def test_a_real_run_is_certified_and_long_lists_are_cut_in_text_only() -> None:
    async def read(number: int) -> int:
        """Read."""
        await asyncio.sleep(1)
        return number

    calls = [Calls("read", {"number": number}) for number in range(12)]
    model = ScriptedModel(calls, [Says("x")], [Says("done")])
    certificate = run_virtually(Agent(model, tools=[make_tool(read, reads="all")]).run("go")).certificate()
    assert certificate.holds
    assert len(certificate.overlapped) == 12 * 11 // 2
    assert "... and 26 more" in str(certificate)
    assert certificate.ordered == ()


@pytest.mark.parametrize(("effects", "compared"), [(UNDECLARED, 0), (WRITES, 60 * 59 // 2)])
def test_only_the_pairs_that_are_shown_are_described(effects, compared, monkeypatch) -> None:
    """A call that declares nothing is compared with no other."""
    called = []

    def counted(*arguments):
        called.append(arguments)
        return hazards(*arguments)

    monkeypatch.setattr(module, "hazards", counted)
    names = [f"f{number}" for number in range(1, 61)]
    one_by_one = [event for name in names for event in (*issued(name, effects), started(name), finished(name))]
    certificate = certify(log(*one_by_one))
    assert len(certificate.ordered) == 60 * 59 // 2
    assert len(called) == compared
    assert f"... and {60 * 59 // 2 - 40} more" in str(certificate)
    assert len(called) == compared + 40


def test_the_list_grows_with_calls_that_touch_state_not_with_pure_ones() -> None:
    events = [event for number in range(1, 3000) for event in issued(f"f{number}", Effects())]
    assert certify(log(*events)).ordered == ()
