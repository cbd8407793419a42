"""Requests that were retracted, alone or in a race: their time, their pictures, and what the model saw."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.core.events import (
    AwaitOpened,
    CallOpened,
    FirstTokenArrived,
    ReasoningStreamed,
    RequestRetracted,
    RunEnded,
    RunStarted,
    TextStreamed,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.trace.analysis.certificate import certify
from asyncfc_jupyter.trace.analysis.metrics import metrics
from asyncfc_jupyter.trace.fold.decode_lane import DecodeSpan
from asyncfc_jupyter.trace.fold.spans import fold
from asyncfc_jupyter.trace.render.svg.document import render_svg
from asyncfc_jupyter.trace.render.text import render_text
from asyncfc_jupyter.trace.render.timeline import Timeline
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.legend import LOOKS
from asyncfc_jupyter.trace.view.view import LiveTimeline, timeline_view
from tests.trace.hedged_traces import defended, failed_beside, overtaken, retracted, undecided
from tests.trace.sample_traces import Log, travel, until

RUNS = [retracted(), overtaken(), defended(), undecided(), failed_beside()]
NAMES = ["retracted", "overtaken", "defended", "undecided", "failed_beside"]
hedged = pytest.mark.parametrize("trace", RUNS, ids=NAMES)


def abandoned(trace: Trace) -> list[tuple[float, float | None, str, str]]:
    spans = fold(trace.events).lane.spans.values()
    return [(span.start, span.end, span.half, span.label) for span in spans if span.kind == "abandoned"]


# -- the decode lane -------------------------------------------------------------------------------------------------


def test_a_retracted_request_is_one_span_with_the_reason() -> None:
    asked = "request 2 was abandoned: all values came before its reply showed a call; request 3 asks the same with them"
    assert abandoned(retracted()) == [(1.0, 1.7, "", asked)]


def test_of_two_requests_that_race_the_loser_is_one_thin_span() -> None:
    lost = "request 2 was abandoned: request 3 asks the same with the values, and that one was kept"
    assert abandoned(overtaken()) == [(1.0, 2.3, "upper", lost)]
    second = "request 3 was abandoned: it asked the same as request 2, with the values, and request 2 was kept"
    assert abandoned(defended()) == [(1.7, 2.2, "lower", second)]
    assert abandoned(failed_beside()) == [(1.7, 2.25, "lower", second)]
    assert abandoned(undecided()) == []


def test_replies_that_race_have_half_of_the_lane_until_one_is_left() -> None:
    spans = fold(overtaken().events).lane.spans.values()
    second = [(span.kind, span.start, span.end, span.half) for span in spans if 1.7 <= span.start < 2.8]
    assert second == [
        ("first_token", 1.7, 2.0, "lower"),
        ("text", 2.0, 2.3, "lower"),
        ("text", 2.3, 2.5, ""),
        ("call", 2.5, 2.8, ""),
    ]


def test_a_call_that_outlasts_a_race_is_named_in_both_parts() -> None:
    spans = fold(failed_beside().events).lane.spans.values()
    call = [(span.label, span.start, span.end, span.half) for span in spans if span.label == "f3"]
    assert call == [("f3", 2.1, 2.25, "upper"), ("f3", 2.25, 2.5, "")]
    arguments = fold(failed_beside().events).futures.rows[FutureName("f3")].segments[0]
    assert (arguments.kind, arguments.start, arguments.end) == ("arguments", 2.1, 2.5)


def test_a_call_whose_opening_decides_a_race_is_drawn_in_one_part() -> None:
    log = Log()
    log.add(0.0, TurnStarted(turn=1))
    log.add(1.0, TurnStarted(turn=2, instead_of=1))
    log.add(2.0, CallOpened(turn=1, call=CallId("c"), tool="t"))
    log.add(2.0, RequestRetracted(turn=2, by=1))
    spans = fold(log.trace().events)
    assert [(span.start, span.end, span.half) for span in spans.lane.spans.values() if span.kind == "call"] == [
        (2.0, None, "")
    ]
    assert spans.lane.name_call(CallId("c"), "f1") == 2.0


def overlapping(spans: list[DecodeSpan]) -> list[tuple[DecodeSpan, DecodeSpan]]:
    """Return the neighbours, in order of their ids, of which the second begins before the first ends."""
    return [(one, other) for one, other in pairwise(spans) if one.end is None or one.end > other.start + 1e-9]


@hedged
def test_within_each_half_of_the_lane_no_two_spans_overlap_at_any_moment(trace: Trace) -> None:
    for seq in range(len(trace) + 1):
        spans = list(fold(trace.events[:seq]).lane.spans.values())
        assert overlapping([span for span in spans if span.half == "lower"]) == []
        assert overlapping([span for span in spans if span.half != "lower"]) == []


def test_what_comes_after_the_retraction_changes_nothing() -> None:
    def last(*late: object) -> object:
        log = Log()
        log.add(0.0, TurnStarted(turn=1))
        log.add(1.0, RequestRetracted(turn=1, by=2))
        for event in late:
            log.add(2.0, event)  # type: ignore[arg-type]
        spans = fold(log.trace().events)
        return list(spans.lane.spans.values()), spans.lane.turns, spans.lane.streaming

    late = (
        FirstTokenArrived(turn=1),
        TextStreamed(turn=1, text="late"),
        ReasoningStreamed(turn=1, text="late"),
        CallOpened(turn=1, call=CallId("c"), tool="t"),
        AwaitOpened(turn=1, call=CallId("c"), futures=(), by_layer=True),
        TurnEnded(turn=1, reason="stop", calls=1),
        RequestRetracted(turn=1, by=7),
    )
    assert last(*late) == last()


def test_a_third_request_ends_the_one_that_it_does_not_name() -> None:
    log = Log()
    for turn, first in ((1, None), (2, 1), (3, 1)):
        log.add(float(turn), TurnStarted(turn=turn, instead_of=first))
    lane = fold(log.trace().events).lane
    assert list(lane.streaming) == [1, 3]
    assert lane.turns[2].end == 3.0


def test_a_request_may_name_itself_or_one_that_is_unknown() -> None:
    for first in (1, 99, 0, -1):
        log = Log()
        log.add(0.0, TurnStarted(turn=1, instead_of=first))
        log.add(1.0, RequestRetracted(turn=first, by=1))
        log.add(2.0, RunEnded(outcome="failed"))
        lane = fold(log.trace().events).lane
        assert lane.turns[1].end == (1.0 if first == 1 else 2.0)
        assert "</svg>" in render_svg(timeline_view(log.trace()))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_cut_or_shuffled_hedged_run_can_be_folded_and_drawn(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([*RUNS, travel()])).events
    kept = data.draw(st.lists(st.sampled_from(whole), max_size=30)) if data.draw(st.booleans()) else list(whole)
    trace = Trace(tuple(kept[data.draw(st.integers(0, len(kept))) :]))
    found, spans = metrics(trace), fold(trace.events)
    assert 0 <= found.decode_s <= found.makespan_s + 1e-9
    assert all(span.end is None or span.end >= span.start for span in spans.lane.spans.values())
    assert all(span.id == key for key, span in spans.lane.spans.items())
    view = timeline_view(trace)
    assert render_svg(view).endswith("</svg>")
    assert render_text(view).startswith(view["title"])


# -- figures ---------------------------------------------------------------------------------------------------------


def test_a_retracted_request_is_no_decoding_of_one_by_one_calling() -> None:
    """The turns that count are 1, 3 and the answer: 1.0, 0.7 and 0.9 s; the functions ran for 1.63 s."""
    found = metrics(retracted())
    assert found.speedup == pytest.approx((1.0 + 0.7 + 0.9 + 1.63) / 3.8)
    assert found.bound == pytest.approx((2.6 + 1.63) / 2.6)
    assert found.decode_s == pytest.approx(1.0 + 0.7 + 0.7 + 0.9), "of the run itself it is part"


def test_of_a_race_the_turn_that_is_used_counts_and_its_time_once() -> None:
    found = metrics(overtaken())
    assert found.speedup == pytest.approx((1.0 + 1.1 + 0.9 + 1.63) / 4.2)
    assert found.decode_s == pytest.approx(2.8 + 0.9)
    found = metrics(defended())
    assert found.speedup == pytest.approx((1.0 + 1.6 + 0.9 + 1.63) / 4.0)
    assert found.decode_s == pytest.approx(2.6 + 0.9)


def test_until_a_race_is_decided_the_shorter_request_counts() -> None:
    assert metrics(undecided()).speedup == pytest.approx((1.0 + 0.5 + 0.75 + 0.38) / 2.2)


def test_a_retracted_request_that_asked_or_drafted_is_not_counted_twice() -> None:
    """It neither counts itself nor makes its replacement a turn that only waited."""
    spans = fold(overtaken().events)
    assert spans.lane.turns[2].only_waits
    assert [turn.turn for turn in spans.lane.used_turns()] == [1, 3, 4]


@hedged
def test_no_hedged_run_beats_its_bound_at_any_moment(trace: Trace) -> None:
    for tenth in range(1, 44):
        found = metrics(until(trace, tenth / 10))
        assert found.speedup <= found.bound * (1 + 1e-9)


@hedged
def test_the_certificate_is_that_of_the_calls_alone(trace: Trace) -> None:
    certificate = certify(trace)
    assert certificate.holds
    assert [(str(pair.earlier), str(pair.later)) for pair in certificate.overlapped] == [("f1", "f2")]


def test_a_retracted_request_counts_as_a_turn_and_the_heading_says_so() -> None:
    assert timeline_view(retracted())["subtitle"].startswith("answered in 4 turns (1 abandoned), 3 futures")
    assert timeline_view(undecided())["subtitle"].startswith("interrupted after 3 turns, 2 futures")


def test_the_title_of_a_rehearsed_run_is_from_a_reply_that_is_used() -> None:
    log = Log()
    log.add(0.0, RunStarted(prompt="x = 1", model="rehearsal", mode="async"))
    log.add(0.0, TurnStarted(turn=1))
    log.add(0.1, TextStreamed(turn=1, text="The answer"))
    log.add(0.2, TurnStarted(turn=2, instead_of=1))
    log.add(0.3, TextStreamed(turn=2, text="Another one"))
    log.add(0.4, RequestRetracted(turn=2, by=1))
    log.add(0.5, TurnEnded(turn=1, reason="stop", calls=0))
    log.add(0.5, RunEnded(outcome="answered"))
    assert timeline_view(log.trace())["title"] == "The answer"


# -- what the model saw ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trace", "seen"),
    [
        (retracted(), {"f1": 1.7, "f2": 1.7, "f3": 2.9}),
        (overtaken(), {"f1": 1.7, "f2": 1.7, "f3": 3.3}),
        (defended(), {"f1": 1.0, "f2": None, "f3": 3.1}),
        (until(retracted(), 1.5), {"f1": 1.0, "f2": None}),
    ],
    ids=["retracted", "overtaken", "defended", "before"],
)
def test_a_result_is_seen_with_the_request_that_is_used(trace: Trace, seen: dict[str, float | None]) -> None:
    assert {row["future"]: row["seen"] for row in timeline_view(trace)["rows"]} == pytest.approx(seen)


def test_a_live_picture_is_sent_the_rows_whose_request_was_retracted() -> None:
    timeline, first = LiveTimeline(), len(until(retracted(), 1.65))
    for stamped in retracted().events[:first]:
        timeline.apply(stamped)
    assert {row["future"]: row["seen"] for row in timeline.changes()["rows"]} == {"f1": 1.0, "f2": None}
    seen = []
    for stamped in retracted().events[first:]:
        timeline.apply(stamped)
        seen += [(row["future"], row["seen"]) for row in timeline.changes()["rows"] if row["future"] == "f1"]
    assert seen == [("f1", None), ("f1", 1.7)]


def test_a_live_picture_is_sent_what_becomes_of_the_lane_when_a_race_ends() -> None:
    timeline = LiveTimeline()
    for stamped in until(defended(), 2.1):
        timeline.apply(stamped)
    timeline.changes()
    for stamped in defended().events[len(until(defended(), 2.1)) :]:
        timeline.apply(stamped)
        if isinstance(stamped.event, RequestRetracted):
            break
    changes = timeline.changes()
    assert changes["rows"] == []
    assert [(span["kind"], span.get("half")) for span in changes["decode"]] == [
        ("text", "upper"),
        ("text", None),
        ("abandoned", "lower"),
    ]
    assert len(changes["gone"]) == 1, "the text of the second request"


# -- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trace", "drawn"), [(retracted(), True), (overtaken(), True), (travel(), False)])
def test_the_legend_has_abandoned_requests_only_where_there_are_some(trace: Trace, drawn: bool) -> None:
    timeline = Timeline(trace)
    assert (">abandoned request</text>" in timeline.svg()) == drawn
    assert (f"{LOOKS['abandoned'].cell} abandoned request" in timeline.text()) == drawn
    assert (3 * LOOKS["abandoned"].cell in timeline.text()) == drawn


def test_a_text_has_a_second_line_for_the_second_of_two_requests() -> None:
    for trace, raced in ((retracted(), False), (overtaken(), True), (defended(), True), (undecided(), True)):
        assert ("\n  raced " in Timeline(trace).text()) == raced


def test_a_picture_says_why_a_request_was_abandoned() -> None:
    assert "<title>request 2 was abandoned: all values came" in Timeline(retracted()).svg()


def test_no_boundary_is_drawn_where_a_request_begins_beside_another() -> None:
    assert timeline_view(retracted())["turns"] == [0.0, 1.0, 1.7, 2.9]
    assert timeline_view(defended())["turns"] == pytest.approx([0.0, 1.0, 3.1])
