"""Events become intervals, whichever event is missing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.core.events import (
    AwaitOpened,
    CallCancelled,
    CallClosed,
    CallFinished,
    CallHeld,
    CallOpened,
    CallStarted,
    Event,
    FirstTokenArrived,
    RequestRetried,
    ResultShown,
    RunEnded,
    Stamped,
    TextStreamed,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId, FutureName, State
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.trace.analysis.metrics import measure
from asyncfc_jupyter.trace.fold.future_rows import WAITS_KEPT
from asyncfc_jupyter.trace.fold.spans import fold
from asyncfc_jupyter.trace.render.html import render_html
from asyncfc_jupyter.trace.render.svg.document import render_svg
from asyncfc_jupyter.trace.render.text import render_text
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import timeline_view
from tests.trace.sample_traces import Log, interrupted, travel, until

F1, F2 = FutureName("f1"), FutureName("f2")


def stamped(*events: Event) -> list[Stamped]:
    """Return a log with one event a second."""
    return [Stamped(seq=index, at_s=float(index), event=event) for index, event in enumerate(events)]


def kinds(name: str) -> list[tuple[str, float, float | None]]:
    row = fold(travel().events).futures.rows[FutureName(name)]
    return [(segment.kind, segment.start, segment.end) for segment in row.segments]


def test_a_future_streams_arguments_waits_for_values_then_state_then_runs() -> None:
    assert kinds("f6") == [("arguments", 2.82, 3.04), ("data", 3.04, 4.2), ("hazard", 4.2, 4.9), ("done", 4.9, 6.1)]


def test_a_new_reason_begins_where_the_old_one_ends() -> None:
    assert kinds("f4")[1:3] == [("data", 2.43, 2.6), ("data", 2.6, 3.1)]


def test_a_call_that_never_ran_ends_in_a_segment_without_length() -> None:
    assert kinds("f8") == [("arguments", 3.9, 4.38), ("data", 4.38, 5.2), ("skipped", 5.2, 5.2)]
    assert not fold(travel().events).futures.rows[FutureName("f8")].run


def test_a_failed_call_keeps_its_error_and_its_running_time() -> None:
    row = fold(travel().events).futures.rows[FutureName("f7")]
    assert (row.state, row.outcome) == (State.FAILED, "ConnectionError: rooms.example.org refused the connection")
    assert row.running_s(99.0) == pytest.approx(0.9)


def test_the_lane_names_calls_by_future_and_waits_by_what_is_pending() -> None:
    spans = fold(travel().events).lane.spans.values()
    assert [span.label for span in spans if span.kind == "call"] == [f"f{n}" for n in range(1, 9)]
    waits = [(span.label, span.start, span.end) for span in spans if span.kind == "await"]
    assert waits[-1] == ("waiting for f6, f7, f8", 5.0, 6.1), "f5 had settled before"


def test_the_lane_is_one_sequence_without_overlaps() -> None:
    spans = list(fold(travel().events).lane.spans.values())
    assert all(one.end is not None and one.end <= other.start for one, other in pairwise(spans))


def test_overlap_is_the_time_of_decoding_while_a_call_runs() -> None:
    """It includes the pause between turns."""
    assert fold(travel().events).overlap == [(0.72, 5.0)]


def test_a_model_that_asks_inside_its_reply_waits_only_after_the_reply() -> None:
    log = Log()
    log.turn(1, 0.0, 0.3, 2.0, calls=1)
    log.call("await", "await_future", turn=1, opened=0.3, closed=0.9)
    log.add(1.0, AwaitOpened(turn=1, call=CallId("call_await"), futures=(F1,)))
    spans = fold(log.trace().events).lane.spans.values()
    assert [(span.kind, span.start) for span in spans] == [("first_token", 0.0), ("call", 0.3), ("await", 2.0)]


def test_text_beside_the_arguments_of_a_call_does_not_end_them() -> None:
    call = CallId("c")
    events = (TurnStarted(turn=1), CallOpened(turn=1, call=call, tool="t"), TextStreamed(turn=1, text="so"))
    lane = fold(stamped(*events, CallClosed(turn=1, call=call))).lane
    assert [(span.kind, span.start, span.end) for span in lane.spans.values()] == [
        ("first_token", 0.0, 1.0),
        ("call", 1.0, 3.0),
    ]


def test_a_retried_request_lasts_until_its_first_token() -> None:
    retried = RequestRetried(turn=1, attempt=1, message="overloaded", pause_s=1.0)
    events = (TurnStarted(turn=1), retried, FirstTokenArrived(turn=1), TextStreamed(turn=1, text="Hi"))
    lane = fold(stamped(*events)).lane
    assert [(span.kind, span.start, span.end) for span in lane.spans.values()] == [
        ("first_token", 0.0, 1.0),
        ("retry", 1.0, 2.0),
        ("text", 3.0, None),
    ]


def test_a_result_that_comes_after_the_cancellation_changes_nothing() -> None:
    log = stamped(CallStarted(future=F1), CallCancelled(future=F1), CallFinished(future=F1, summary="late"))
    row = fold(log).futures.rows[F1]
    assert (row.state, row.outcome, row.segments[-1].end) == (State.CANCELLED, "cancelled", 1.0)


def test_a_result_of_an_earlier_run_gets_no_row_when_it_is_shown() -> None:
    assert fold(stamped(TurnStarted(turn=1), ResultShown(future=F1, turn=1))).futures.rows == {}


def test_the_row_of_a_call_that_waits_for_ten_thousand_others_is_bounded() -> None:
    waits = (CallHeld(future=F1, wait=Wait(kind="limit", detail=f"reason {n}")) for n in range(10_000))
    segments = fold(stamped(*waits)).futures.rows[F1].segments
    assert len(segments) == WAITS_KEPT
    assert segments[-1].reason == "reason 9999"


def test_the_end_of_a_run_closes_the_turn_but_not_running_calls() -> None:
    spans = fold(stamped(TurnStarted(turn=1), CallStarted(future=F1), RunEnded(outcome="failed")))
    assert spans.lane.turns[1].end == 2.0
    assert spans.futures.rows[F1].segments[-1].end is None
    assert spans.overlap == [(1.0, 2.0)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_cut_or_shuffled_run_can_be_folded_measured_and_drawn(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([travel(), interrupted()])).events
    kept = data.draw(st.lists(st.sampled_from(whole), max_size=30)) if data.draw(st.booleans()) else list(whole)
    trace = Trace(tuple(kept[data.draw(st.integers(0, len(kept))) :]))
    figures = measure(fold(trace.events))
    assert figures.makespan_s >= 0
    view = timeline_view(trace)
    for row in view["rows"]:
        for segment in row["segments"]:
            assert segment["end"] is None or segment["end"] >= segment["start"]
    assert render_svg(view).endswith("</svg>")
    assert render_html(view).startswith("<!DOCTYPE html>")
    assert render_text(view).startswith(view["title"])


def test_a_run_that_has_just_begun_can_be_folded() -> None:
    spans = fold(until(travel(), 0.0))
    assert [span.kind for span in spans.lane.spans.values()] == ["first_token"]
