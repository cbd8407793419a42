"""What the folds make of single events: events that contradict one another, and the results exactly at a limit."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from asyncfc_jupyter.core.effects import PURE, UNDECLARED, Effects, Hazard
from asyncfc_jupyter.core.events import (
    ApprovalAsked,
    ApprovalGiven,
    ArgumentsResolved,
    AwaitAnswered,
    AwaitOpened,
    CallCancelled,
    CallClosed,
    CallFailed,
    CallFinished,
    CallHeld,
    CallIssued,
    CallOpened,
    CallPrinted,
    CallRetried,
    CallSkipped,
    CallStarted,
    Event,
    FirstTokenArrived,
    ReasoningStreamed,
    RequestRetried,
    ResultDiscarded,
    ResultShown,
    RunEnded,
    RunStarted,
    Stamped,
    TextStreamed,
    TextWithdrawn,
    TokensCounted,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId, FutureName, State
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.trace.analysis.certificate import Certificate, Pair, certify
from asyncfc_jupyter.trace.analysis.critical_path import critical_path
from asyncfc_jupyter.trace.analysis.metrics import Metrics, metrics
from asyncfc_jupyter.trace.analysis.why import explain_wait
from asyncfc_jupyter.trace.fold.decode_lane import TEXT_KEPT, Turn
from asyncfc_jupyter.trace.fold.future_rows import PRINTS_KEPT, RETRIES_KEPT, WAITS_KEPT, Row, Segment
from asyncfc_jupyter.trace.fold.spans import OVERLAP_SLACK_S, Spans, fold
from asyncfc_jupyter.trace.render.comparison import compare
from asyncfc_jupyter.trace.trace import Trace, TraceFileError
from asyncfc_jupyter.trace.view.headline import LiveBound, subtitle, title
from asyncfc_jupyter.trace.view.view import LiveTimeline, timeline_view

F1, F2, F3 = FutureName("f1"), FutureName("f2"), FutureName("f3")
CALL = CallId("c1")


def log(*events: Event | tuple[float, Event]) -> Trace:
    """Return a log of events, one a second unless times are given."""
    timed = [event if isinstance(event, tuple) else (float(n), event) for n, event in enumerate(events)]
    return Trace(tuple(Stamped(seq=n, at_s=at_s, event=event) for n, (at_s, event) in enumerate(timed)))


def issued(name: FutureName = F1, **more: Any) -> CallIssued:
    return CallIssued(future=name, call=CallId(f"c{name}"), turn=1, tool="t", arguments="{}", **more)


def row(*events: Event | tuple[float, Event], name: FutureName = F1) -> Row:
    return fold(log(*events)).futures.rows[name]


def stretches(*events: Event | tuple[float, Event]) -> list[tuple[str, float, float | None]]:
    return [(each.kind, each.start, each.end) for each in row(*events).segments]


def spans(*events: Event | tuple[float, Event]) -> list[tuple[str, float, float | None, str]]:
    return [(each.kind, each.start, each.end, each.label) for each in fold(log(*events)).lane.spans.values()]


# -- rows ------------------------------------------------------------------------------------------------------------


def limit(detail: str) -> CallHeld:
    return CallHeld(future=F1, wait=Wait(kind="limit", detail=detail))


def test_a_call_without_events_after_its_issue_is_queued() -> None:
    assert stretches(issued()) == [("queued", 0.0, None)]
    opened = CallOpened(turn=1, call=CallId("cf1"), tool="t")
    assert stretches(opened, issued()) == [("arguments", 0.0, 1.0), ("queued", 1.0, None)]
    assert stretches((1.0, opened), (1.0, issued())) == [("queued", 1.0, None)]
    assert stretches(issued(), issued()) == [("queued", 0.0, None)]
    assert row(issued(irreversible=True, detached=True)).marks == ("irreversible", "detached")
    assert row((3.0, issued())).issued == 3.0


def test_a_time_in_the_queue_without_length_is_left_out() -> None:
    assert stretches((1.0, issued()), (1.0, CallStarted(future=F1))) == [("running", 1.0, None)]
    assert stretches((1.0, issued()), (1.5, CallStarted(future=F1))) == [("queued", 1.0, 1.5), ("running", 1.5, None)]


def test_the_same_reason_reported_again_is_one_wait() -> None:
    assert stretches(limit("a"), limit("a")) == [("limit", 0.0, None)]
    assert stretches(limit("a"), limit("b")) == [("limit", 0.0, 1.0), ("limit", 1.0, None)]
    approval = CallHeld(future=F1, wait=Wait(kind="approval"))
    assert stretches(limit("a"), approval, limit("a")) == [
        ("limit", 0.0, 1.0),
        ("approval", 1.0, 2.0),
        ("limit", 2.0, None),
    ]
    assert stretches(limit("a"), CallStarted(future=F1), limit("b")) == [("limit", 0.0, 1.0), ("running", 1.0, None)]


@pytest.mark.parametrize("kind", ["hazard", "irreversible", "same", "data", "limit"])
def test_the_reason_of_a_hold_is_kept_unless_it_is_there_already(kind: Any) -> None:
    held = row(CallHeld(future=F2, wait=Wait(kind=kind, on=(F1,), hazard=Hazard.RAW)), name=F2)
    assert held.after == ((F1,) if kind in {"hazard", "irreversible", "same"} else ())


def test_above_a_number_of_waits_a_new_reason_replaces_the_last() -> None:
    waits = [limit(f"no. {n}") for n in range(WAITS_KEPT + 3)]
    assert len(row(*waits[: WAITS_KEPT - 1]).segments) == WAITS_KEPT - 1
    assert len(row(*waits[:WAITS_KEPT]).segments) == WAITS_KEPT == 24
    full = row(*waits).segments
    assert (len(full), full[-1].reason, full[-1].start) == (WAITS_KEPT, "no. 26", 23.0)


def test_known_arguments_end_a_wait_for_values_and_no_other() -> None:
    data = CallHeld(future=F1, wait=Wait(kind="data", detail="$f0"))
    resolved = ArgumentsResolved(future=F1, effects=UNDECLARED)
    assert stretches(data, resolved) == [("data", 0.0, 1.0), ("queued", 1.0, None)]
    assert stretches(limit("a"), resolved) == [("limit", 0.0, None)]
    assert row(data, resolved).effects == UNDECLARED
    assert row(resolved).segments == []


def test_a_yes_ends_a_wait_for_approval_and_no_other() -> None:
    approval = CallHeld(future=F1, wait=Wait(kind="approval"))
    asked, given = ApprovalAsked(future=F1, arguments="euros=5"), ApprovalGiven(future=F1)
    assert stretches(approval, asked, given) == [("approval", 0.0, 2.0), ("queued", 2.0, None)]
    assert stretches(limit("a"), given) == [("limit", 0.0, None)]
    assert (row(asked).asks, row(asked).question, row(asked, given).asks) == (True, "euros=5", False)
    assert row(issued(), ApprovalAsked(future=F1)).question == "{}"
    assert not row(asked, CallSkipped(future=F1, because=None, message="no")).asks
    assert row(given).segments == []


def test_a_call_settles_once() -> None:
    """Later events change nothing."""
    started, finished = CallStarted(future=F1), CallFinished(future=F1, summary="ok")
    failed = CallFailed(future=F1, kind="error", message="no")
    futures = fold(log(started, finished, failed, started)).futures
    assert (futures.rows[F1].state, futures.rows[F1].outcome, futures.settled) == (State.DONE, "ok", 1)
    assert (futures.running, futures.tool_s(9.0)) == ({}, 1.0)
    assert [each.reason for each in row(started, finished).segments] == [""]
    assert [each.reason for each in row(started, failed).segments] == ["no"]
    assert stretches(failed) == [("failed", 0.0, 0.0)]
    assert [each.reason for each in row(failed).segments] == ["no"]


def test_a_running_time_is_counted_up_to_the_present() -> None:
    started, finished = CallStarted(future=F1), CallFinished(future=F1)
    running = row((1.0, started))
    assert running.run is not None
    assert [running.running_s(now) for now in (0.5, 1.0, 3.0)] == [0.0, 0.0, 2.0]
    done = row((1.0, started), (2.0, finished))
    assert [done.running_s(now) for now in (0.5, 1.5, 2.0, 3.0)] == [0.0, 0.5, 1.0, 1.0]
    never = row(issued())
    assert (never.run, never.running_s(9.0)) == (None, 0.0)
    futures = fold(log((1.0, started), (2.0, finished), (2.0, CallStarted(future=F2)))).futures
    assert (futures.tool_s(3.5), futures.running) == (2.5, {F2: 2.0})


@pytest.mark.parametrize(
    ("events", "reason", "segments"),
    [
        (
            (CallStarted(future=F1), CallCancelled(future=F1, still_running=True)),
            "still running",
            [("cancelled", 0.0, 1.0), ("discarded", 1.0, None)],
        ),
        (
            (
                CallStarted(future=F1),
                CallCancelled(future=F1, still_running=True),
                ResultDiscarded(future=F1, summary="3"),
            ),
            "returned too late, discarded: 3",
            [("cancelled", 0.0, 1.0), ("discarded", 1.0, 2.0)],
        ),
        (
            (
                CallStarted(future=F1),
                CallFailed(future=F1, kind="timeout", message="long"),
                ResultDiscarded(future=F1, summary="3", raised=True),
            ),
            "raised too late, discarded: 3",
            [("failed", 0.0, 1.0), ("discarded", 1.0, 2.0)],
        ),
        (
            (CallSkipped(future=F1, because=None, message="no"), ResultDiscarded(future=F1, summary="3")),
            "returned too late, discarded: 3",
            [("skipped", 0.0, 0.0), ("discarded", 1.0, 1.0)],
        ),
        ((CallStarted(future=F1), ResultDiscarded(future=F1, summary="3")), "", [("running", 0.0, None)]),
        ((CallStarted(future=F1), CallCancelled(future=F1)), "cancelled", [("cancelled", 0.0, 1.0)]),
    ],
)
def test_a_function_that_outlives_its_abandoned_call_has_its_own_segment(
    events: tuple[Event, ...], reason: str, segments: list[object]
) -> None:
    assert row(*events).segments[-1].reason == reason
    assert stretches(*events) == segments


def test_prints_and_attempts_are_kept_up_to_a_bound() -> None:
    prints = [CallPrinted(future=F1, text="a" * PRINTS_KEPT), CallPrinted(future=F1, text="b")]
    assert row(*prints).prints == "a" * 1199 + "b"
    retries = [CallRetried(future=F1, attempt=n, message=str(n), pause_s=0.0) for n in range(RETRIES_KEPT + 1)]
    assert [retry.message for retry in row(*retries).retries] == [str(n) for n in range(12)]
    assert [retry.at for retry in row(*retries).retries][:2] == [0.0, 1.0]


def test_only_changed_rows_are_sent_again() -> None:
    timeline = LiveTimeline()
    for stamped in log(RunStarted(prompt="x", model="m", mode="async"), issued(), issued(F2), CallStarted(future=F2)):
        timeline.apply(stamped)
    assert {item["future"] for item in timeline.changes()["rows"]} == {"f1", "f2"}
    timeline.apply(Stamped(seq=4, at_s=4.0, event=CallFinished(future=F2)))
    assert [item["future"] for item in timeline.changes()["rows"]] == ["f2"]
    for seq in (5, 6):
        timeline.apply(Stamped(seq=seq, at_s=float(seq), event=ResultShown(future=F2, turn=2)))
        seen = [item["seen"] for item in timeline.changes()["rows"]]
        assert seen == ([5.0] if seq == 5 else [])
    timeline.apply(Stamped(seq=7, at_s=7.0, event=ResultShown(future=F3, turn=2)))
    assert timeline.changes()["rows"] == []


# -- the decode lane -------------------------------------------------------------------------------------------------

TURN, FIRST = TurnStarted(turn=1), FirstTokenArrived(turn=1)
TEXT = TextStreamed(turn=1, text="a")
OPENED, CLOSED = CallOpened(turn=1, call=CALL, tool="search"), CallClosed(turn=1, call=CALL)


def ended(calls: int = 0) -> TurnEnded:
    return TurnEnded(turn=1, reason="stop", calls=calls)


def test_a_reply_is_its_first_token_then_its_parts() -> None:
    assert spans(TURN, FIRST, ReasoningStreamed(turn=1, text="r"), TEXT, TEXT, OPENED, TEXT, CLOSED, ended()) == [
        ("first_token", 0.0, 1.0, ""),
        ("reasoning", 2.0, 3.0, ""),
        ("text", 3.0, 5.0, ""),
        ("call", 5.0, 7.0, "search"),
    ]
    assert spans(TURN, FIRST, FIRST)[0] == ("first_token", 0.0, 1.0, "")
    assert spans(TEXT, FIRST) == [("text", 0.0, None, "")]
    assert spans(TURN, TEXT) == [("first_token", 0.0, 1.0, ""), ("text", 1.0, None, "")]
    assert spans(OPENED, OPENED, CLOSED) == [("call", 0.0, 1.0, "search"), ("call", 1.0, 2.0, "search")]
    other = CallClosed(turn=1, call=CallId("another"))
    assert spans(OPENED, other) == [("call", 0.0, None, "search")]


def test_text_that_was_reasoning_is_decoded_as_reasoning() -> None:
    withdrawn = TextWithdrawn(turn=1)
    assert spans(TURN, FIRST, TEXT, withdrawn, TEXT, ended()) == [
        ("first_token", 0.0, 1.0, ""),
        ("reasoning", 2.0, 4.0, ""),
        ("text", 4.0, 5.0, ""),
    ]
    assert spans(TURN, FIRST, OPENED, withdrawn, CLOSED)[1:] == [("call", 2.0, 4.0, "search")]
    assert fold(log(TURN, TEXT, withdrawn, TextStreamed(turn=1, text="b"))).lane.turns[1].text == "b"


def test_a_retried_request_shows_which_attempt_failed_and_how() -> None:
    again = RequestRetried(turn=1, attempt=2, message="overloaded", pause_s=1.0)
    assert spans(TURN, again, FIRST) == [
        ("first_token", 0.0, 1.0, ""),
        ("retry", 1.0, 2.0, "attempt 2 failed: overloaded"),
    ]


def test_between_turns_is_one_wait_with_its_reason() -> None:
    opened = AwaitOpened(turn=1, call=CALL, futures=(F1, F2))
    assert spans(TURN, ended(1))[1:] == [("await", 1.0, None, "waiting for results")]
    assert spans(TURN, ended(0)) == [("first_token", 0.0, 1.0, "")]
    assert spans(TURN, ended(1), opened, AwaitAnswered(call=CALL))[1:] == [("await", 1.0, 3.0, "waiting for f1, f2")]
    assert spans(TURN, opened, ended(1), TurnStarted(turn=2))[1] == ("await", 2.0, 3.0, "waiting for f1, f2")
    assert spans(opened) == [("await", 0.0, None, "waiting for f1, f2")]
    assert spans(CallFinished(future=F1), opened)[0][3] == "waiting for f2"
    settled = (CallFinished(future=F1), CallFinished(future=F2), opened)
    assert spans(*settled)[0][3] == "waiting for results"
    assert spans(TURN, ended(1), RunEnded(outcome="stopped"))[1][2] == 2.0


def test_a_turn_that_only_asks_for_values_is_marked() -> None:
    turns = [
        Turn(turn=1, start=0.0, calls=calls, awaits=awaits, gated=gated)
        for calls, awaits, gated in (
            (0, 0, False),
            (1, 1, False),
            (2, 1, False),
            (0, 0, True),
            (1, 0, True),
            (2, 2, True),
        )
    ]
    assert [turn.only_waits for turn in turns] == [False, True, False, True, False, True]
    waits = CallOpened(turn=1, call=CALL, tool="await_future")
    folded = fold(log(TURN, waits, OPENED)).lane.turns[1]
    assert (folded.calls, folded.awaits, folded.gated) == (2, 1, False)
    assert spans(waits)[0][3] == "await"
    assert fold(log(TURN, AwaitOpened(turn=1, call=CALL, futures=(), by_layer=True))).lane.turns[1].gated
    assert not fold(log(TURN, AwaitOpened(turn=1, call=CALL, futures=()))).lane.turns[1].gated


def test_the_head_of_a_reply_is_kept() -> None:
    long = TextStreamed(turn=1, text="b" * 1000)
    text = fold(log(TURN, TEXT, long, TEXT)).lane.turns[1].text
    assert text == "a" + "b" * 399
    assert len(text) == TEXT_KEPT


def test_decoded_text_is_sent_again_when_it_changes() -> None:
    timeline, batches = LiveTimeline(), []
    named = CallIssued(future=F1, call=CALL, turn=1, tool="t", arguments="{}")
    opened, answered = AwaitOpened(turn=1, call=CALL, futures=(F1,)), AwaitAnswered(call=CALL)
    counted = TokensCounted(turn=1, input_tokens=1, output_tokens=1)
    events = (TURN, FIRST, OPENED, CLOSED, named, ended(1), opened, answered, counted)
    for stamped in log(*events):
        timeline.apply(stamped)
        batches.append([(item["id"], item["label"]) for item in timeline.changes()["decode"]])
    assert batches == [
        [("d1", "")],
        [("d1", "")],
        [("d2", "search")],
        [("d2", "search")],
        [("d2", "f1")],
        [("d3", "waiting for results")],
        [("d3", "waiting for f1")],
        [("d3", "waiting for f1")],
        [],
    ]


# -- overlap, ends and figures ---------------------------------------------------------------------------------------


def test_a_pause_shorter_than_the_slack_does_not_end_the_overlap() -> None:
    def overlap(pause_s: float) -> list[tuple[float, float | None]]:
        return fold(
            log(
                *((0.0, TURN), (1.0, CallStarted(future=F1)), (2.0, ended())),
                *((2.0 + pause_s, TurnStarted(turn=2)), (4.0, CallFinished(future=F1))),
            )
        ).overlap

    assert overlap(OVERLAP_SLACK_S - 0.001) == [(1.0, 4.0)]
    assert overlap(OVERLAP_SLACK_S + 0.001) == [(1.0, 2.0), (2.051, 4.0)]
    assert OVERLAP_SLACK_S == 0.05


def test_the_overlap_ends_with_the_run() -> None:
    found = fold(log(TURN, CallStarted(future=F1), RunEnded(outcome="answered"), CallStarted(future=F2)))
    assert found.overlap == [(1.0, 2.0)]
    assert (found.end_s, found.last_s) == (2.0, 3.0)
    assert fold(log(TURN, CallStarted(future=F1))).overlap == [(1.0, None)]
    assert fold(log(CallStarted(future=F1))).overlap == fold(log(TURN)).overlap == []


def test_time_does_not_run_backwards() -> None:
    found = fold(log((2.0, TURN), (1.0, CallStarted(future=F1))))
    assert (found.last_s, found.end_s, found.futures.running) == (2.0, 2.0, {F1: 2.0})


def test_a_live_view_is_at_the_later_of_the_clock_and_the_last_event() -> None:
    timeline = LiveTimeline()
    assert timeline.snapshot()["now"] == 0.0
    timeline.apply(log(TURN).events[0])
    timeline.apply(Stamped(seq=1, at_s=3.0, event=FIRST))
    assert [timeline.snapshot(at)["now"] for at in (None, 2.0, 3.00006)] == [3.0, 3.0, 3.0001]
    assert (timeline.live, timeline.last_s) == (True, 3.0)
    timeline.close()
    assert (timeline.live, timeline.snapshot(9.0)["now"], timeline.snapshot()["live"]) == (False, 3.0, False)


def test_the_axis_ends_at_most_a_quarter_after_the_run() -> None:
    def span(late_s: float) -> float:
        return timeline_view(
            log((0.0, CallStarted(future=F1)), (4.0, RunEnded(outcome="answered")), (late_s, CallFinished(future=F1)))
        )["span"]

    assert [span(late_s) for late_s in (4.0, 4.5, 5.0, 5.1, 90.0)] == [4.0, 4.5, 5.0, 5.0, 5.0]


def test_the_bound_of_a_live_run_is_measured_again_when_it_is_due() -> None:
    events = [TURN, *(CallStarted(future=FutureName(f"f{n}")) for n in range(500))]
    few, many = Spans(), Spans()
    for at_s, event in ((0.0, TURN), (1.0, CallStarted(future=F1)), (1.0, CallStarted(future=F2))):
        few.apply(Stamped(seq=0, at_s=at_s, event=event))
    bound = LiveBound()
    assert bound.at(few, 2.0) == pytest.approx((2.0 + 2.0) / 2.0)
    assert bound.at(few, 2.499) == pytest.approx(2.0), "half a second has not passed"
    assert bound.at(few, 2.5) == pytest.approx((2.5 + 3.0) / 2.5)
    for event in events:
        many.apply(Stamped(seq=0, at_s=0.0, event=event))
    bound = LiveBound()
    bound.at(many, 1.0)
    for stamped in log((1.0, ended())):
        many.apply(stamped)
    assert bound.at(many, 1.999) == pytest.approx(501.0), "of 500 rows it looks once a second"
    assert bound.at(many, 2.0) == pytest.approx((1.0 + 1000.0) / 2.0)
    assert LiveBound().at(Spans(), 0.0) == 1.0


def of(prompt: str, model: str = "m", answer: str = "", *, over: bool = True) -> str:
    events: list[Event] = [RunStarted(prompt=prompt, model=model, mode="async")]
    events += [TURN, TextStreamed(turn=1, text=answer)] if answer else []
    events += [RunEnded(outcome="answered")] if over else []
    return title(fold(log(*events)))


def test_a_title_is_the_first_line_with_text() -> None:
    assert of("\n  \n Two\nThree") == "Two"
    assert of("") == of(" \n") == title(Spans()) == "A run"
    assert of("# Two") == "# Two"
    assert of("\n" * 4000 + "late") == "A run"
    assert of("x" * 91) == "x" * 89 + "…"


def test_a_plan_is_titled_by_its_comment_its_answer_or_its_first_line() -> None:
    assert of("## Two", "rehearsal", "an answer") == "Two"
    assert of("a = 1", "rehearsal", "\n# **An** `answer`\nmore") == "An answer"
    assert of("a = 1", "rehearsal", "**The key** *** and *** its twin") == "The key *** and *** its twin"
    assert of("a = 1", "rehearsal") == "a = 1"
    assert of("a = 1", "rehearsal", "early", over=False) == "a = 1"


def test_the_line_of_a_run_shows_its_progress_or_its_end() -> None:
    start = RunStarted(prompt="p", model="luna", mode="async")
    batch = dataclasses.replace(start, mode="batch")

    def line(*events: Event, live: bool = False) -> str:
        return subtitle(fold(log(*events)), live=live)

    assert line(live=True) == "asking"
    assert line(start, live=True) == "asking, luna"
    assert line(start, TURN, issued(), CallFinished(future=F2), live=True) == "turn 1, 1 of 2 futures done, luna"
    assert line(start, TURN, issued(), live=True) == "turn 1, 0 of 1 future done, luna"
    assert line() == "cut off after 0 turns"
    assert line(batch, TURN, issued()) == "cut off after 1 turn, 1 future, luna, batch calling"
    assert line(start, TURN, RunEnded(outcome="answered")) == "answered in 1 turn, luna"
    assert line(start, RunEnded(outcome="failed", detail="no\nkey")) == "failed after 0 turns, luna: no key"


def figures(*events: Event | tuple[float, Event], now: float | None = None) -> list[tuple[str, str]]:
    timeline = LiveTimeline()
    for stamped in log(*events):
        timeline.apply(stamped)
    return [(each["value"], each["label"]) for each in timeline.snapshot(now)["figures"]]


def test_the_figures_of_a_live_run_need_a_call_and_some_time() -> None:
    assert figures((0.0, issued())) == [("0 ms", "elapsed")]
    assert figures((0.0, TURN), (2.0, FIRST)) == [("2.0 s", "elapsed")]
    assert figures((0.0, issued()), now=2.0) == [
        ("2.0 s", "elapsed"),
        ("0 ms", "overlapped"),
        ("1.00x", "over one by one, so far"),
        ("1.00x", "possible at most"),
    ]
    batch = RunStarted(prompt="p", model="m", mode="batch")
    assert [label for _, label in figures((0.0, batch), (1.0, issued()))] == [
        "elapsed",
        "overlapped",
        "over one by one, so far",
    ]


def test_the_share_is_the_gain_over_the_possible_gain() -> None:
    found = Metrics(makespan_s=1, decode_s=1, tool_s=1, critical_path_s=1, bound=4.0, speedup=3.0)
    assert found.share == 0.75
    assert metrics(log((0.0, TURN), (0.0, ended()))).speedup == 1.0


# -- the critical path -----------------------------------------------------------------------------------------------


def ran(number: int, seconds: float, effects: Effects = PURE, *needs: int) -> Row:
    segment = Segment(kind="done", start=0.0, end=seconds)
    return Row(
        future=FutureName(f"f{number}"),
        effects=effects,
        needs=tuple(FutureName(f"f{need}") for need in needs),
        run=segment,
    )


def reads(*path: str) -> Effects:
    return Effects(reads=(path,))


def writes(*path: str) -> Effects:
    return Effects(writes=(path,))


@pytest.mark.parametrize(
    ("rows", "path", "length"),
    [
        ([ran(1, 2), ran(2, 3)], "f2", 3.0),
        ([ran(1, 2), ran(2, 2)], "f1", 2.0),
        ([ran(1, 2), ran(2, 1), ran(3, 1, PURE, 1, 2)], "f1 f3", 3.0),
        ([ran(1, 2, writes("a")), ran(2, 1, reads("a", "b"))], "f1 f2", 3.0),
        ([ran(1, 2, writes("a", "b")), ran(2, 1, reads("a"))], "f1 f2", 3.0),
        ([ran(1, 2, reads("a")), ran(2, 1, reads("a"))], "f1", 2.0),
        ([ran(1, 2, reads("a")), ran(2, 1, writes("a", "b"))], "f1 f2", 3.0),
        ([ran(1, 2, reads("a", "b")), ran(2, 1, writes("a"))], "f1 f2", 3.0),
        ([ran(1, 2, writes("a", "b")), ran(2, 1, writes("a", "c"))], "f1", 2.0),
        ([ran(1, 2, writes("a")), ran(2, 5, writes("b")), ran(3, 1, reads("a"))], "f2", 5.0),
        ([ran(1, 2, writes("a")), ran(2, 1, UNDECLARED), ran(3, 1, reads("b"))], "f1 f2 f3", 4.0),
        (
            [ran(1, 1, writes("a")), ran(2, 3, reads("a")), ran(3, 2, reads("a")), ran(4, 1, writes("a"))],
            "f1 f2 f4",
            5.0,
        ),
        ([Row(future=F1), ran(2, 1, PURE, 1)], "f2", 1.0),
    ],
)
def test_the_longest_chain_goes_through_values_and_shared_state(rows: list[Row], path: str, length: float) -> None:
    chain = critical_path(rows, 9.0)
    assert chain is not None
    assert (" ".join(chain.futures()), chain.length_s) == (path, length)
    assert critical_path([Row(future=F1)], 9.0) is None


# -- certificates, reasons and files ---------------------------------------------------------------------------------


def started(name: FutureName) -> CallStarted:
    return CallStarted(future=name)


def finished(name: FutureName) -> CallFinished:
    return CallFinished(future=name)


def test_a_certificate_shows_forty_of_each_list() -> None:
    def shown(pairs: int) -> list[str]:
        pair = Pair(earlier=F1, later=F2, explain=lambda one, other: f"{one} before {other}")
        certificate = Certificate(overlapped=(), ordered=(pair,) * pairs, violations=(), notes=())
        return str(certificate).splitlines()

    assert shown(40)[-1] == "  f1, f2: f1 before f2"
    assert shown(41)[-1] == "  ... and 1 more"
    assert len(shown(41)) == len(shown(40)) + 1
    assert shown(0)[2:] == ["Overlapped (0)", "  none", "", "Ordered (0)", "  none"]


def test_calls_that_touch_in_time_are_ordered_by_their_events() -> None:
    """Two events may have the same time."""
    apart = [(0.0, event) for event in (issued(), issued(F2), started(F1), finished(F1), started(F2), finished(F2))]
    assert certify(log(*apart)).overlapped == ()
    at_once = [(0.0, event) for event in (issued(), issued(F2), started(F1), started(F2))]
    assert [str(pair) for pair in certify(log(*at_once)).overlapped] == ["f1, f2: neither touches any state"]
    never = certify(log(issued(), issued(F2), started(F1), CallSkipped(future=F2, because=None, message="no")))
    assert never.overlapped == never.ordered == never.violations == ()


def resolved(name: FutureName, effects: Effects) -> ArgumentsResolved:
    return ArgumentsResolved(future=name, effects=effects)


def test_pairs_are_in_the_order_of_their_calls() -> None:
    events = [issued(), issued(F2), issued(F3), started(F3), started(F2), started(F1)]
    assert [(pair.earlier, pair.later) for pair in certify(log(*events)).overlapped] == [(F1, F2), (F1, F3), (F2, F3)]


def test_an_irreversible_call_follows_earlier_ones_and_no_pure_one() -> None:
    events = [issued(), issued(F2, irreversible=True), issued(F3)]
    one_by_one = [event for name in (F1, F2, F3) for event in (started(name), finished(name))]
    assert [str(pair) for pair in certify(log(*events, *one_by_one)).ordered] == [
        "f1, f2: f2 is irreversible and waits for every call before it"
    ]


def test_references_of_another_call_are_not_listed_as_inputs() -> None:
    def takes(*references: str) -> str:
        later = issued(F2, needs=(F1,), references=references)
        (pair,) = certify(log(issued(), later)).ordered
        return pair.reason

    assert takes("$f1.id", "$f12", "$f1") == "f2 takes $f1.id, $f1"
    assert takes("$f12") == takes() == "f2 takes $f1"


def test_calls_without_declared_effects_are_listed_as_such() -> None:
    events = [issued(), issued(F2), resolved(F1, UNDECLARED), resolved(F2, UNDECLARED)]
    run_ = [started(F1), finished(F1), started(F2), finished(F2)]
    (pair,) = certify(log(*events, *run_)).ordered
    assert pair.reason == "f1 and f2 declare no effects (WAW)"
    pure = [issued(), issued(F2), resolved(F1, UNDECLARED), started(F1), started(F2)]
    assert [str(pair) for pair in certify(log(*pure)).overlapped] == ["f1, f2: f2 touches no state"]


def test_a_wait_is_reported_from_a_millisecond_on() -> None:
    def sentence(seconds: float) -> str:
        return explain_wait(log((0.0, issued()), (0.0, limit("limit 1")), (seconds, started(F1))), F1)

    assert sentence(0.001) == "f1 (t) waited 1 ms: limit 1"
    assert sentence(0.0009) == "f1 (t) did not wait"


@pytest.mark.parametrize(
    ("events", "explanation"),
    [
        ((issued(), CallCancelled(future=F1)), "f1 (t) did not wait; it never ran: cancelled"),
        ((issued(), started(F1), CallCancelled(future=F1)), "f1 (t) did not wait"),
        ((issued(), CallFailed(future=F1, kind="arguments", message="no")), "f1 (t) did not wait"),
        ((issued(), limit("a")), "f1 (t) did not wait"),
    ],
)
def test_the_waits_of_a_call_that_never_ran_end_with_the_reason(events: tuple[Event, ...], explanation: str) -> None:
    assert explain_wait(log(*events), F1) == explanation


def test_a_wait_that_has_not_ended_is_reported_up_to_the_present() -> None:
    assert explain_wait(log(issued(), limit("a")), F1, now_s=3.0) == "f1 (t) waited 2.0 s: a"
    assert explain_wait(log(issued()), F3) == "f3 was not issued in this run"


def test_a_trace_is_a_sequence_of_events_and_has_a_known_file_form() -> None:
    trace = log((0.0, TURN), (2.5, FIRST), (2.0, TEXT))
    assert (len(trace), list(trace), trace.end_s) == (3, list(trace.events), 2.5)
    assert repr(trace) == "<Trace of 3 events in 2.5 s>"
    assert trace.to_json().splitlines() == [
        '{"format": "asyncfc-trace", "version": 1, "events": [',
        '{"seq": 0, "at_s": 0.0, "type": "TurnStarted", "data": {"turn": 1, "instead_of": null}},',
        '{"seq": 1, "at_s": 2.5, "type": "FirstTokenArrived", "data": {"turn": 1}},',
        '{"seq": 2, "at_s": 2.0, "type": "TextStreamed", "data": {"turn": 1, "text": "a"}}',
        "]}",
    ]


OUTCOMES = "it should be 'answered', 'failed', 'interrupted' or 'stopped'"
GOOD: dict[str, Any] = {"seq": 0, "at_s": 0, "type": "AwaitAnswered", "data": {"call": "c1"}}


def changed(**fields: Any) -> dict[str, Any]:
    return {**GOOD, **fields}


def held(**wait: Any) -> dict[str, Any]:
    return changed(type="CallHeld", data={"future": "f1", "wait": wait})


@pytest.mark.parametrize(
    ("event", "place", "problem"),
    [
        ({"seq": 0, "at_s": 0, "type": "AwaitAnswered"}, "", "an event has seq, at_s, type and data"),
        ([], "", "an event has seq, at_s, type and data"),
        (changed(type="Event"), "", "the class of events 'Event' is unknown"),
        (changed(at_s=True), ".at_s", "it should be a valid number, and is True"),
        (changed(at_s="x" * 99), ".at_s", f"it should be a valid number, and is '{'x' * 59}"),
        (changed(seq=0.0), ".seq", "it should be a valid integer, and is 0.0"),
        (changed(data={}), ".AwaitAnswered.call", "this field is missing"),
        (changed(data={"call": "c", "b": 1, "a": 1}), ".AwaitAnswered.b", "this field is unknown"),
        (changed(type="RunEnded", data={"outcome": "x" * 99}), ".RunEnded.outcome", f"{OUTCOMES}, and is '{'x' * 59}"),
        (held(kind="data", on=["f1", 2]), ".CallHeld.wait.on[1]", "it should be a valid string, and is 2"),
        (
            held(kind="hazard", hazard="RWA"),
            ".CallHeld.wait.hazard",
            "it should be 'RAW', 'WAR' or 'WAW', and is 'RWA'",
        ),
        (
            changed(type="CallStarted", data={"future": None}),
            ".CallStarted.future",
            "it should be a valid string, and is None",
        ),
        (
            changed(type="AwaitOpened", data={"turn": 1, "call": "c", "futures": "f1"}),
            ".AwaitOpened.futures",
            "it should be a valid tuple, and is 'f1'",
        ),
        (changed(type="AwaitOpened", data={"turn": 1, "call": "c"}), ".AwaitOpened.futures", "this field is missing"),
    ],
)
def test_the_error_of_a_broken_event_names_its_line(event: object, place: str, problem: str) -> None:
    text = json.dumps({"format": "asyncfc-trace", "version": 1, "events": [GOOD, event]})
    with pytest.raises(TraceFileError) as caught:
        Trace.from_json(text, where="a.json")
    error = caught.value
    newer = "unknown" in problem
    remedy = "update asyncfc-jupyter" if newer else "pass a file that Trace.save wrote"
    assert (error.where, error.problem, error.args) == (f"a.json, event 1{place}", problem, (str(error),))
    assert str(error) == f"a.json, event 1{place} is not a readable trace: {problem}; {remedy}."
    with pytest.raises(TraceFileError, match=r"^the text, event 1"):
        Trace.from_json(text)


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_a_trace_of_another_version_is_refused(version: object) -> None:
    text = json.dumps({"format": "asyncfc-trace", "version": version, "events": []})
    with pytest.raises(TraceFileError) as caught:
        Trace.from_json(text)
    assert caught.value.problem == f"it has version {version!r}, this reads version 1"
    assert caught.value.remedy == "update asyncfc-jupyter"


def test_numbers_without_a_point_are_read_as_times() -> None:
    (stamped,) = Trace.from_json(json.dumps({"format": "asyncfc-trace", "version": 1, "events": [GOOD]}))
    assert (stamped, type(stamped.at_s)) == (Stamped(seq=0, at_s=0.0, event=AwaitAnswered(call=CALL)), float)


@dataclasses.dataclass
class Ran:
    trace: Trace


def test_runs_that_are_compared_have_a_name_each() -> None:
    def named(*modes: str | None) -> list[str]:
        traces = [log(*([RunStarted(prompt="p", model="m", mode=mode)] if mode else [])) for mode in modes]
        return [run["name"] for run in compare(*traces).view()["runs"]]

    assert named("async") == ["async"]
    assert named("async", "batch", "async", "async") == ["async 1", "batch", "async 2", "async 3"]
    assert named(None, None) == ["run 1", "run 2"]
    assert compare(Ran(log(TURN)), names=["x" * 41]).view()["runs"][0]["name"] == "x" * 39 + "…"
    with pytest.raises(UsageError, match=r"was given 1 run and 2 names; pass one for each\.$"):
        compare(log(TURN), names=("a", "b"))


@pytest.mark.parametrize(("saved_s", "note"), [(0.0006, "saved 1 ms"), (0.0004, ""), (1.5, "saved 1.5 s"), (0.0, "")])
def test_saved_time_is_reported_from_half_a_millisecond_on(saved_s: float, note: str) -> None:
    slow, quick = (log((0.0, TURN), (at_s, RunEnded(outcome="answered"))) for at_s in (2.0, 2.0 - saved_s))
    shown = compare(slow, quick).view()["runs"][1]["note"]
    assert shown == ", ".join(filter(None, (note, "answered in 1 turn")))
