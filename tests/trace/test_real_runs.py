"""Folds and pictures of real runs: a made-up log has only the order that its author thought of."""

import xml.etree.ElementTree as ET

import pytest

from asyncfc_jupyter.trace.render.svg.document import render_svg
from asyncfc_jupyter.trace.render.text import render_text
from asyncfc_jupyter.trace.view.view import LiveTimeline, timeline_view
from tests.trace.real import month_end, stopped
from tests.trace.sample_traces import until

#: The waits and the outcome of each call of `month_end`, in order.
LIVES = {
    "f1": ["done"],
    "f2": ["hazard", "done"],
    "f3": ["done"],
    "f4": ["same", "done"],
    "f5": ["failed"],
    "f6": ["data", "skipped"],
    "f7": ["done"],
    "f8": ["limit", "done"],
    "f9": ["data", "hazard", "done"],
    "f10": ["approval", "done"],
    "f11": ["hazard", "approval", "skipped"],
    "f12": ["failed"],
}


def rows(trace):
    return {row["future"]: row for row in timeline_view(trace)["rows"]}


def test_the_segments_of_each_call_of_a_real_run_are_as_listed() -> None:
    found = rows(month_end())
    assert {name: [each["kind"] for each in row["segments"]] for name, row in found.items()} == LIVES
    first = found["f1"]
    assert (first["progress"], first["activity"], first["prints"]) == (1.0, "page 2 of 2", "opening the ledger")
    assert [each["message"] for each in found["f3"]["retries"]] == ["ConnectionError: timed out"]
    assert (found["f6"]["needs"], found["f9"]["after"], found["f10"]["marks"]) == (["f5"], ["f2"], ["approve"])
    assert all(row["seen"] is not None for row in found.values())


def test_a_real_question_is_shown_until_it_is_answered() -> None:
    asks = [rows(until(month_end(), at_s)).get("f10", {}).get("asks") for at_s in (0.9, 1.5, 2.5)]
    assert asks == [None, "amount=12", None]


@pytest.mark.parametrize("run", [month_end, stopped])
def test_a_real_run_is_drawn_whole_and_event_by_event_alike(run) -> None:
    trace, live = run(), LiveTimeline()
    for stamped in trace:
        live.apply(stamped)
        live.changes(stamped.at_s)
    live.close()
    assert live.snapshot() == timeline_view(trace)
    assert {row["state"] for row in rows(trace).values()} <= {"done", "failed", "skipped", "cancelled"}
    view = timeline_view(trace)
    drawn, text = "".join(ET.fromstring(render_svg(view)).itertext()), render_text(view)
    for name, row in rows(trace).items():
        assert name in drawn
        assert row["tool"] in text
