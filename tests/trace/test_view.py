"""The view model: the data that the front end and the static pictures get."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.core.events import (
    CallFinished,
    CallIssued,
    RunEnded,
    RunStarted,
    Stamped,
    TextStreamed,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.trace.view.view import Changes, LiveTimeline, View, show_arguments, timeline_view, wait_reasons
from tests.trace.hedged_traces import defended, overtaken
from tests.trace.sample_traces import fan_out, interrupted, travel, until

HOSTILE = "\x00\x1b[31m<b>&\"'\u202e\u2066\ud800\ufffe\n\tend" + "x" * 1_000_000


def patched(view: View, changes: Changes) -> dict[str, Any]:
    """Apply changes as a front end does."""
    result: dict[str, Any] = {**view, **changes}
    gone = result.pop("gone")
    for name, key in (("decode", "id"), ("rows", "future")):
        items = {item[key]: item for item in view[name]} | {item[key]: item for item in changes[name]}
        result[name] = [item for item in items.values() if item.get("id") not in gone]
    for name in ("turns", "overlap"):
        result[name] = [*view[name][: changes[name]["first"]], *changes[name]["items"]]
    return result


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=12), st.sampled_from([travel(), fan_out(6), overtaken(), defended()]))
def test_a_front_end_that_applies_every_batch_holds_the_snapshot(cuts: list[int], trace: Any) -> None:
    timeline = LiveTimeline()
    view: Any = timeline.snapshot()
    position = 0
    for cut in [*sorted(cuts), len(trace)]:
        for stamped in trace.events[position:cut]:
            timeline.apply(stamped)
        position = max(position, cut)
        view = patched(view, timeline.changes())
    assert view == timeline.snapshot()


def test_a_view_is_plain_json_and_is_read_back_equal() -> None:
    view = timeline_view(travel())
    assert json.loads(json.dumps(view, allow_nan=False)) == view


def test_a_batch_after_no_news_is_small_and_only_moves_the_clock() -> None:
    timeline = LiveTimeline()
    for stamped in until(travel(), 4.0):
        timeline.apply(stamped)
    timeline.changes()
    changes = timeline.changes(4.5)
    assert (changes["rows"], changes["decode"], changes["now"]) == ([], [], 4.5)
    assert len(json.dumps(changes)) < 600


def test_batches_of_200_futures_stay_far_below_a_list_sent_every_time() -> None:
    timeline, sent = LiveTimeline(), 0
    for index, stamped in enumerate(fan_out(200)):
        timeline.apply(stamped)
        if index % 20 == 19:
            sent += len(json.dumps(timeline.changes()))
    assert sent < 250_000


def test_a_live_view_counts_what_has_settled_and_what_was_gained_so_far() -> None:
    timeline = LiveTimeline()
    for stamped in until(travel(), 3.0):
        timeline.apply(stamped)
    elapsed, overlapped, gained, most = timeline.snapshot(3.0)["figures"]
    assert elapsed == {"value": "3.0 s", "label": "elapsed", "clock": True}
    assert overlapped == {"value": "2.3 s", "label": "overlapped"}
    assert most["label"] == "possible at most"
    assert float(most["value"].removesuffix("x")) >= float(gained["value"].removesuffix("x"))
    assert timeline.snapshot(3.0)["subtitle"] == "turn 2, 2 of 5 futures done, gpt-6-luna"
    running = 2.28 + 1.46 + 0.35 + 0.2
    assert gained["value"] == f"{(1.5 + 1.48 + running) / 3.0:.2f}x"


def test_the_view_of_an_ended_run_reports_gain_bound_and_share() -> None:
    """The clock stays at the end of the run."""
    timeline = LiveTimeline()
    for stamped in travel():
        timeline.apply(stamped)
    view = timeline.snapshot(99.0)
    assert (view["live"], view["now"]) == (False, 8.3)
    assert [f"{figure['value']} {figure['label']}" for figure in view["figures"]] == [
        "8.3 s elapsed",
        "1.93x over one by one",
        "2.45x possible at most",
        "79% of what was possible",
    ]
    assert view["subtitle"] == "answered in 5 turns, 8 futures, gpt-6-luna"


def test_without_futures_no_bound_is_reported() -> None:
    """Dependencies are unknown then."""
    first, *rest = fan_out(3).events
    timeline = LiveTimeline()
    timeline.apply(replace(first, event=RunStarted(prompt="p", model="m", mode="sequential")))
    for stamped in rest:
        timeline.apply(stamped)
    assert [figure["label"] for figure in timeline.snapshot()["figures"]] == ["elapsed", "over one by one"]


def test_a_run_without_calls_shows_only_its_time() -> None:
    events = (RunStarted(prompt="Hi", model="m", mode="async"), TurnStarted(turn=1), RunEnded(outcome="answered"))
    timeline = LiveTimeline()
    for seq, event in enumerate(events):
        timeline.apply(Stamped(seq=seq, at_s=float(seq), event=event))
    assert timeline.snapshot()["figures"] == [{"value": "2.0 s", "label": "elapsed"}]


def test_a_critical_path_is_marked_unless_calls_only_ran_side_by_side() -> None:
    assert [row["future"] for row in timeline_view(travel())["rows"] if row["critical"]] == ["f1", "f4", "f6"]
    assert not any(row["critical"] for row in timeline_view(fan_out(5))["rows"])


def test_an_interrupted_run_shows_the_outcomes_of_its_calls() -> None:
    view = timeline_view(interrupted())
    assert view["subtitle"].startswith("interrupted after 1 turn, 2 futures")
    assert view["rows"][0]["label"] == "still running in its thread; the result will be discarded"


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("# Two flights\na = search(city='LIS')", "Two flights"),
        ("a = search(city='LIS')\n'Booked.'", "Booked."),
    ],
)
def test_a_plan_is_titled_by_its_opening_comment_or_by_its_answer(prompt: str, title: str) -> None:
    timeline = LiveTimeline()
    started = RunStarted(prompt=prompt, model="rehearsal", mode="async")
    for seq, event in enumerate((started, TurnStarted(turn=1), TextStreamed(turn=1, text="**Booked.**\nBye"))):
        timeline.apply(Stamped(seq=seq, at_s=0.0, event=event))
    assert timeline.snapshot()["title"] == prompt.split("\n", maxsplit=1)[0].lstrip("# ")
    timeline.apply(Stamped(seq=3, at_s=1.0, event=RunEnded(outcome="answered")))
    assert timeline.snapshot()["title"] == title


def test_hostile_text_reaches_the_view_bounded_on_one_line_and_encodable() -> None:
    timeline = LiveTimeline()
    issued = CallIssued(
        future=FutureName("f1"), call=CallId("c"), turn=1, tool=HOSTILE, arguments=json.dumps({"a": HOSTILE})
    )
    events = (
        RunStarted(prompt=HOSTILE, model=HOSTILE, mode=HOSTILE),
        issued,
        CallFinished(future=FutureName("f1"), summary=HOSTILE),
        RunEnded(outcome="failed", detail=HOSTILE),
    )
    for seq, event in enumerate(events):
        timeline.apply(Stamped(seq=seq, at_s=0.0, event=event))
    text = json.dumps(timeline.snapshot(), ensure_ascii=False)
    assert len(text.encode()) < 4000
    assert not set(text) & set("\x00\x1b\u202e\u2066\ufffe\n\t")


def test_arguments_are_shown_as_in_a_call_and_cut_ones_unchanged() -> None:
    assert show_arguments('{"city": "LIS", "nights": 2, "to": "$f1.id"}', 80) == 'city="LIS", nights=2, to="$f1.id"'
    assert show_arguments('{"city": "LI', 80) == '{"city": "LI'
    assert show_arguments("[1, 2]", 80) == "[1, 2]"
    assert show_arguments("[" * 100_000, 10) == "[[[[[[[[[…"


def test_values_that_arrive_one_by_one_are_one_reason() -> None:
    rows = {row["future"]: row for row in timeline_view(travel())["rows"]}
    assert wait_reasons(rows["f4"]) == "needs $f1, $f2"
    assert wait_reasons(rows["f6"]) == "needs $f4.price; f5 writes orders/42 (WAW)"
