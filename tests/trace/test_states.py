"""What the timeline shows besides waiting and running: approval, progress, retries, prints, and late results."""

from __future__ import annotations

from typing import Any

import pytest

from asyncfc_jupyter.core.events import (
    ApprovalAsked,
    CallFinished,
    CallPrinted,
    CallProgressed,
    CallRetried,
    CallStarted,
    Event,
    ResultShown,
    RunEnded,
    RunStarted,
    Stamped,
)
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.trace.analysis.metrics import metrics
from asyncfc_jupyter.trace.fold.future_rows import PRINTS_KEPT, RETRIES_KEPT
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import LiveTimeline, timeline_view
from tests.trace.sample_traces import everything, until


def row(name: str, at_s: float = 99.0) -> dict[str, Any]:
    view = timeline_view(until(everything(), at_s))
    return next(dict(row) for row in view["rows"] if row["future"] == name)


def stretches(name: str) -> list[tuple[str, float, float | None]]:
    return [(segment["kind"], segment["start"], segment["end"]) for segment in row(name)["segments"]]


def test_a_call_asks_for_approval_until_the_user_answers() -> None:
    assert row("f6", 5.2).get("asks") is None
    assert row("f6", 6.0)["asks"] == row("f6", 6.0)["arguments"]
    assert "asks" not in row("f6", 6.4)
    assert stretches("f6") == [
        ("arguments", 3.5, 3.9),
        ("irreversible", 3.9, 5.3),
        ("approval", 5.3, 6.4),
        ("done", 6.4, 7.1),
    ]
    assert "asks" not in row("f9")
    assert stretches("f9")[-1] == ("skipped", 6.0, 6.0)


def test_a_running_call_shows_its_progress_and_its_prints() -> None:
    running = row("f1", 3.1)
    assert (running["progress"], running["activity"]) == (0.5, "page 5 of 10")
    assert running["prints"] == "opening ledger\n128 entries"


def test_a_failed_attempt_is_a_mark_on_a_bar_that_continues() -> None:
    assert row("f3")["retries"] == [{"at": 2.8, "message": "timed out"}]
    assert stretches("f3")[-1] == ("done", 2.2, 3.9)


F1 = FutureName("f1")


def after(*events: Event) -> dict[str, Any]:
    """Return the row of a call after these events, one a second."""
    timeline = LiveTimeline()
    for seq, event in enumerate(events):
        timeline.apply(Stamped(seq=seq, at_s=float(seq), event=event))
    return dict(timeline.snapshot()["rows"][0])


def test_a_call_reports_its_activity_and_a_retry_resets_its_progress() -> None:
    begun = (CallStarted(future=F1), CallProgressed(future=F1, fraction=0.4, text="page 4"))
    assert after(*begun, CallProgressed(future=F1, fraction=0.5, text=""))["activity"] == "page 4"
    assert "progress" not in after(*begun, CallRetried(future=F1, attempt=1, message="timed out", pause_s=0.1))


@pytest.mark.parametrize(("fraction", "shown"), [(-1.0, 0.0), (0.25, 0.25), (7.0, 1.0)])
def test_progress_stays_between_0_and_1(fraction: float, shown: float) -> None:
    assert after(CallStarted(future=F1), CallProgressed(future=F1, fraction=fraction, text=""))["progress"] == shown


def test_a_call_that_fails_or_prints_for_ever_stays_a_row_of_bounded_size() -> None:
    failures = [CallRetried(future=F1, attempt=n, message=f"no. {n}", pause_s=0.1) for n in range(1, 100)]
    assert len(after(CallStarted(future=F1), *failures)["retries"]) == RETRIES_KEPT
    lines = [CallPrinted(future=F1, text=f"line {n}\n") for n in range(1000)]
    timeline = LiveTimeline()
    for seq, event in enumerate((CallStarted(future=F1), *lines)):
        timeline.apply(Stamped(seq=seq, at_s=0.0, event=event))
    assert timeline.snapshot()["rows"][0]["prints"].endswith("line 999")
    assert len(timeline._spans.futures.rows[F1].prints) <= PRINTS_KEPT


def test_an_approval_is_asked_only_of_a_call_that_has_not_started() -> None:
    """The question ends when the call starts."""
    asked, started = ApprovalAsked(future=F1), CallStarted(future=F1)
    assert "asks" in after(asked)
    assert "asks" not in after(asked, started)
    assert "asks" not in after(started, asked)


def test_the_model_saw_a_result_when_it_was_shown_first() -> None:
    shown = [ResultShown(future=F1, turn=turn) for turn in (1, 2)]
    assert after(CallStarted(future=F1), CallFinished(future=F1, summary="ok"), *shown)["seen"] == 2.0


@pytest.mark.parametrize(("name", "hazard"), [("f2", "WAR"), ("f7", "RAW")])
def test_a_wait_for_shared_state_names_its_hazard(name: str, hazard: str) -> None:
    (segment,) = [segment for segment in row(name)["segments"] if segment["kind"] == "hazard"]
    assert segment["hazard"] == hazard


def test_a_late_result_is_drawn_after_the_call_and_counts_for_nothing() -> None:
    assert stretches("f5")[-2:] == [("failed", 2.9, 5.0), ("discarded", 5.0, 8.6)]
    assert row("f5")["segments"][-1]["reason"] == "returned too late, discarded: 3 findings"
    assert row("f5")["label"] == "no result within 2.1 s"


def test_a_retried_request_and_reasoning_are_on_the_decode_lane() -> None:
    kinds = [(span["kind"], span["start"], span["end"]) for span in timeline_view(everything())["decode"][:4]]
    assert kinds == [("first_token", 0.0, 0.3), ("retry", 0.3, 0.9), ("reasoning", 0.9, 1.3), ("call", 1.3, 1.6)]


def test_the_makespan_is_the_end_of_the_run_even_if_calls_run_longer() -> None:
    view = timeline_view(everything())
    assert (view["now"], view["span"]) == (8.2, 9.9)
    found = metrics(everything())
    assert found.makespan_s == 8.2
    # Of the call that ran longer, only the time within the run.
    assert found.tool_s == pytest.approx(2.8 + 0.9 + 1.7 + 2.1 + 0.7 + 1.1 + (8.2 - 5.3))


def test_a_call_that_runs_long_after_the_run_does_not_squeeze_the_picture() -> None:
    facts = (
        RunStarted(prompt="x", model="m", mode="async"),
        CallStarted(future=FutureName("f1")),
        RunEnded(outcome="answered"),
        CallFinished(future=FutureName("f1"), summary="ok"),
    )
    times = (0.0, 1.0, 4.0, 400.0)
    events = (Stamped(seq=n, at_s=at, event=fact) for n, (at, fact) in enumerate(zip(times, facts, strict=True)))
    view = timeline_view(Trace(tuple(events)))
    assert (view["now"], view["span"]) == (4.0, 5.0)


def test_after_the_end_a_live_timeline_still_takes_events() -> None:
    timeline = LiveTimeline()
    for stamped in everything():
        timeline.apply(stamped)
        if isinstance(stamped.event, RunEnded):
            timeline.changes()
    assert {row["future"] for row in timeline.changes()["rows"]} == {"f5", "f8"}
    assert timeline.snapshot() == timeline_view(everything())
