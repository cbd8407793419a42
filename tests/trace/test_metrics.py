"""The measures of a run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.core.effects import UNDECLARED, Effects, hazards
from asyncfc_jupyter.core.events import AwaitAnswered, AwaitOpened, RunEnded, RunStarted
from asyncfc_jupyter.core.futures import CallId, FutureName, State
from asyncfc_jupyter.trace.analysis.critical_path import critical_path
from asyncfc_jupyter.trace.analysis.metrics import Metrics, metrics
from asyncfc_jupyter.trace.fold.future_rows import Row, Segment
from asyncfc_jupyter.trace.trace import Trace
from tests.lines_run import lines_run
from tests.trace.sample_traces import Log, fan_out, interrupted, travel, until


def test_an_empty_trace_has_times_of_zero_and_ratios_of_one() -> None:
    nothing = Metrics(makespan_s=0, decode_s=0, tool_s=0, critical_path_s=0, bound=1, speedup=1)
    assert metrics(Trace(())) == nothing
    assert nothing.share == 1


def test_the_measures_of_a_run_equal_those_computed_by_hand() -> None:
    found = metrics(travel())
    running = 2.38 + 1.46 + 0.35 + 1.1 + 2.1 + 1.2 + 0.9
    turns = 1.5 + (3.05 - 1.52) + (4.4 - 3.08) + (8.3 - 6.12)
    assert found.makespan_s == 8.3
    assert found.decode_s == pytest.approx(turns + (5.0 - 4.42))
    assert found.tool_s == pytest.approx(running)
    assert found.critical_path_s == pytest.approx(2.38 + 1.1 + 1.2), "f1, f4, f6"
    assert found.speedup == pytest.approx((turns + running) / 8.3), "without the turn that ended too early"
    assert found.bound == pytest.approx((turns + running) / turns)


def test_a_turn_that_only_awaits_results_counts_as_decoding() -> None:
    """It does not count as a turn of the sequential run."""
    log = Log()
    log.turn(1, 0.0, 0.2, 1.0, calls=1)
    log.call("f1", "work", turn=1, opened=0.2, closed=1.0)
    log.run("f1", 1.0, 4.0, "ok")
    log.turn(2, 1.0, 1.3, 2.0, calls=1)
    log.call("wait", "await_future", turn=2, opened=1.3, closed=1.9)
    log.add(2.0, AwaitOpened(turn=2, call=CallId("call_wait"), futures=(FutureName("f1"),)))
    log.add(4.0, AwaitAnswered(call=CallId("call_wait")))
    log.turn(3, 4.0, 4.3, 5.0, text="done")
    found = metrics(log.trace())
    assert found.decode_s == pytest.approx(3.0)
    assert found.speedup == pytest.approx((2.0 + 3.0) / 5.0)


def test_an_undisturbed_chain_one_by_one_gains_nothing() -> None:
    log = Log()
    log.turn(1, 0.0, 0.5, 1.0, calls=1)
    log.call("f1", "work", turn=1, opened=0.5, closed=1.0)
    log.run("f1", 1.0, 3.0, "ok")
    log.turn(2, 3.0, 3.5, 4.0, text="done")
    assert metrics(log.trace()).speedup == pytest.approx(1.0)


@pytest.mark.parametrize("trace", [travel(), fan_out(8), interrupted()])
def test_no_run_beats_its_bound_at_any_moment(trace: Trace) -> None:
    for at in range(1, 84):
        found = metrics(until(trace, at / 10))
        assert found.speedup <= found.bound * (1 + 1e-9)
        assert 0 <= found.share <= 1 + 1e-9


def test_shared_state_makes_a_path_even_if_neither_call_waited() -> None:
    log = Log()
    log.add(0.0, RunStarted(prompt="p", model="m", mode="sequential"))
    first, second = Effects(writes=(("orders",),)), Effects(reads=(("orders", "42"),))
    log.turn(1, 0.0, 0.1, 0.3, calls=1)
    log.call("f1", "write", turn=1, opened=0.1, closed=0.3, effects=first)
    log.run("f1", 0.3, 1.3, "ok")
    log.turn(2, 1.3, 1.4, 1.6, calls=1)
    log.call("f2", "read", turn=2, opened=1.4, closed=1.6, effects=second)
    log.run("f2", 1.6, 2.6, "ok")
    log.add(2.6, RunEnded(outcome="answered"))
    assert metrics(log.trace()).critical_path_s == pytest.approx(2.0)


paths = st.lists(st.sampled_from("ab"), max_size=3).map(tuple)
effects = st.builds(
    Effects, reads=st.lists(paths, max_size=2).map(tuple), writes=st.lists(paths, max_size=2).map(tuple)
)


@settings(max_examples=300)
@given(st.lists(st.tuples(effects | st.just(UNDECLARED), st.integers(1, 9), st.integers(0, 7)), max_size=8))
def test_the_critical_path_equals_that_of_a_search_of_every_pair(calls: list[tuple[Effects, int, int]]) -> None:
    rows, longest = [], [0.0]
    lengths: list[float] = []
    for number, (touched, seconds, needed) in enumerate(calls):
        needs = (FutureName(f"f{needed}"),) if needed < number else ()
        row = Row(future=FutureName(f"f{number}"), state=State.DONE, effects=touched, needs=needs)
        row.run = Segment(kind="done", start=0.0, end=float(seconds))
        before = [lengths[earlier] for earlier in range(number) if hazards(calls[earlier][0], touched)]
        before += [lengths[needed]] if needs else []
        lengths.append(seconds + max(before, default=0.0))
        rows.append(row)
        longest.append(max(lengths))
    chain = critical_path(rows, 9.0)
    assert (chain.length_s if chain else 0.0) == longest[-1]


def test_the_work_for_calls_that_touch_nothing_grows_linearly() -> None:
    def work(calls: int) -> int:
        trace = fan_out(calls)
        return lines_run(lambda: metrics(trace))

    assert work(2000) < 9 * work(250)


def test_a_chain_of_ten_thousand_undeclared_calls_is_one_path() -> None:
    rows = []
    for number in range(10_000):
        row = Row(future=FutureName(f"f{number}"), effects=UNDECLARED)
        row.run = Segment(kind="done", start=0.0, end=1.0)
        rows.append(row)
    chain = critical_path(rows, 9.0)
    assert chain is not None
    assert chain.length_s == 10_000.0
    assert len(chain.futures()) == 10_000
