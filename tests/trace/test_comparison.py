"""Several runs on one time axis."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest

from asyncfc_jupyter import compare
from asyncfc_jupyter.core.events import RunEnded, RunStarted, Stamped
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.trace.render.layout import text_width
from asyncfc_jupyter.trace.render.svg.document import render_svg
from asyncfc_jupyter.trace.render.text import columns
from asyncfc_jupyter.trace.trace import Trace
from tests.trace.sample_traces import everything, fan_out, interrupted, travel

NAMESPACE = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>"


@dataclass
class Ran:
    """Stands in for a run."""

    trace: Trace


def test_the_quicker_runs_say_what_they_saved_against_the_slowest() -> None:
    view = compare(travel(), Ran(interrupted()), names=("slow", "quick")).view()
    assert [run["name"] for run in view["runs"]] == ["slow", "quick"]
    assert [run["note"].split(",")[0] for run in view["runs"]] == ["answered in 5 turns", "saved 6.3 s"]
    assert [(figure["value"], figure["label"]) for figure in view["figures"]] == [
        ("8.3 s", "slow"),
        ("2.0 s", "quick"),
        ("4.15x", "fastest over slowest"),
    ]


def test_runs_are_named_by_their_modes_and_numbered_if_modes_are_equal() -> None:
    started = [RunStarted(prompt="x", model="m", mode=mode) for mode in ("batch", "async", "async")]
    traces = [
        Trace((Stamped(seq=0, at_s=0.0, event=event), Stamped(seq=1, at_s=1.0, event=RunEnded(outcome="answered"))))
        for event in started
    ]
    assert [run["name"] for run in compare(*traces).view()["runs"]] == ["batch", "async 1", "async 2"]


def test_a_comparison_without_runs_or_with_too_few_names_is_refused() -> None:
    """A comparison of something else than runs is refused, too."""
    with pytest.raises(UsageError, match="at least one run"):
        compare()
    with pytest.raises(UsageError, match="was given a str; pass a run, such as _agent"):
        compare("f1")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="given 2 runs and 1 name;"):
        compare(travel(), travel(), names=("a",))


@pytest.mark.parametrize("width", [400, 900, 1800])
def test_all_shapes_are_inside_the_picture_and_hostile_names_are_text(width: int) -> None:
    view = compare(travel(), everything(), fan_out(200), Trace(()), names=("a", HOSTILE, "c", "d")).view()
    svg = render_svg(view, width=width)
    root = ET.fromstring(svg)
    assert "<script" not in svg
    for rect in root.iter(f"{NAMESPACE}rect"):
        assert float(rect.get("x", "0")) + float(rect.attrib["width"]) <= width + 0.5
    for text in root.iter(f"{NAMESPACE}text"):
        wide = text_width(text.text or "", float(text.attrib["font-size"]), bold="font-weight" in text.attrib)
        share = {"start": 1.0, "middle": 0.5, "end": 0.0}[text.get("text-anchor", "start")]
        assert float(text.attrib["x"]) + share * wide <= width + 1


@pytest.mark.parametrize("width", [320, 400, 900])
def test_a_comparison_names_futures_explains_colours_and_loses_no_figure(width: int) -> None:
    view = compare(travel(), everything(), names=("eager", "async")).view()
    root = ET.fromstring(render_svg(view, width=width))
    found = [text.text or "" for text in root.iter(f"{NAMESPACE}text")]
    assert {"f1", "ran", "needs a value", "saved", "overlap"} <= set(found)
    assert {figure["value"] for figure in view["figures"]} <= set(found)
    assert "the model saw it" not in found


def test_saved_time_is_hatched_only_if_some_was_saved() -> None:
    for traces, hatches in (((travel(), interrupted()), 1), ((travel(), travel()), 0)):
        svg = render_svg(compare(*traces).view())
        assert svg.count('class="saved-edge"') == hatches


def test_a_comparison_of_many_lanes_shows_the_first() -> None:
    crowd = compare(fan_out(200, running_s=99.0), travel(), names=("a", "b")).view()
    height = float(ET.fromstring(render_svg(crowd)).attrib["height"])
    assert height < 900


def test_the_axis_is_long_enough_for_every_run_in_any_order() -> None:
    view = compare(interrupted(), travel(), names=("quick", "slow")).view()
    assert view["span"] == 8.3
    assert view["runs"][0]["note"].startswith("saved 6.3 s")


def test_the_text_puts_every_run_on_one_axis_and_stays_in_its_width() -> None:
    lines = compare(travel(), interrupted(), names=("slow", "quick")).text(width=80).splitlines()
    assert max(map(len, lines)) <= 80
    slow, quick = (next(line for line in lines if line.startswith(name)) for name in ("slow", "quick"))
    assert slow.endswith("8.3 s")
    assert quick.endswith("2.0 s saved 6.3 s")
    assert slow.index("░") == quick.index("░")
    assert "╌" in quick
    assert "╌" not in slow


@pytest.mark.parametrize(("suffix", "begin"), [(".html", "<!DOCTYPE html>"), (".svg", "<svg"), (".txt", "Slow work")])
def test_a_comparison_can_be_saved_in_every_form(tmp_path: Path, suffix: str, begin: str) -> None:
    path = compare(travel(), interrupted()).save(tmp_path / f"both{suffix}")
    assert path.read_text(encoding="utf-8").startswith(begin)


def test_in_the_text_wide_letters_move_no_bar() -> None:
    names = ("日本語の実行です", "b")
    lines = compare(travel(), travel(), names=names).text(width=90).splitlines()
    bars = [line for line in lines if line.startswith(names)]
    begins = [columns(line[: line.index("░")]) for line in bars]
    assert len(begins) == 2
    assert begins[0] == begins[1]
