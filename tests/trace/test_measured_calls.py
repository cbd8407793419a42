"""What a call waited for others while it ran is no running time: not in one-by-one calling, the bound or the critical path."""

import pytest

from asyncfc_jupyter.core.events import CallMeasured, CallStarted, RunEnded
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.trace.analysis.metrics import metrics
from asyncfc_jupyter.trace.fold.spans import fold
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import LiveTimeline, timeline_view
from tests.trace.sample_traces import fan_out

CALLS = 8


def crowded(*, waited_s: float, running_s: float = 8.0) -> Trace:
    """Return a run of calls that computed at once, of which each kept the others waiting."""
    events = []
    for stamped in fan_out(CALLS, running_s=running_s).events:
        name = getattr(stamped.event, "future", None)
        events.append(stamped)
        if isinstance(stamped.event, CallStarted):
            measured = CallMeasured(future=name, cpu_s=1.0, waited_s=waited_s, in_thread=True)
            events.append(type(stamped)(seq=0, at_s=stamped.at_s + running_s / 2, event=measured))
    return Trace(tuple(sorted(events, key=lambda each: each.at_s)))


def test_calls_that_waited_for_each_other_gain_nothing_over_one_by_one() -> None:
    before, after = metrics(fan_out(CALLS, running_s=8.0)), metrics(crowded(waited_s=7.0))
    assert before.tool_s == pytest.approx(64.0)
    assert after.tool_s == pytest.approx(8.0)
    assert after.speedup == pytest.approx((after.speedup * after.makespan_s) / before.makespan_s)
    assert after.speedup == pytest.approx(before.speedup - 56.0 / before.makespan_s)


def test_the_critical_path_and_the_bound_count_a_call_as_it_runs_by_itself() -> None:
    before, after = metrics(fan_out(CALLS, running_s=8.0)), metrics(crowded(waited_s=7.0))
    assert (before.critical_path_s, after.critical_path_s) == (pytest.approx(8.0), pytest.approx(1.0))
    assert after.bound == pytest.approx(after.speedup * after.makespan_s / max(after.decode_s, 1.0))


def test_a_live_picture_claims_no_more_than_the_final_one() -> None:
    trace, live = crowded(waited_s=7.0), LiveTimeline()
    for stamped in trace.events:
        if isinstance(stamped.event, RunEnded):
            break
        live.apply(stamped)
    claimed = [figure["value"] for figure in live.snapshot()["figures"] if "over one by one" in figure["label"]]
    final = [figure["value"] for figure in timeline_view(trace)["figures"] if "over one by one" in figure["label"]]
    assert claimed == final


def test_a_later_measure_of_a_call_replaces_the_earlier() -> None:
    spans = fold(crowded(waited_s=7.0).events)
    row = spans.futures.rows[FutureName("f1")]
    assert (row.cpu_s, row.waited_s, row.alone_s(99.0), row.running_s(99.0)) == (1.0, 7.0, 1.0, 8.0)
    assert spans.futures.tool_s(99.0) == pytest.approx(8.0)


def test_a_call_cannot_have_waited_longer_than_it_ran() -> None:
    assert metrics(crowded(waited_s=1e6)).tool_s == 0.0


def test_the_picture_says_in_words_what_a_call_used() -> None:
    used = {row.get("used") for row in timeline_view(crowded(waited_s=7.0))["rows"]}
    assert used == {"computed for 1.0 s, waited 7.0 s for other calls"}
    assert all("used" not in row for row in timeline_view(fan_out(CALLS))["rows"])
