"""The pictures: text, SVG and the standalone page."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from asyncfc_jupyter.core.events import (
    CallFailed,
    CallHeld,
    CallIssued,
    CallStarted,
    RunEnded,
    RunStarted,
    Stamped,
)
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.trace.render.html import render_html, script, style
from asyncfc_jupyter.trace.render.layout import MOST_LANES, MOST_ROWS, Scale, fit, place_label, text_width, ticks, wrap
from asyncfc_jupyter.trace.render.svg.document import render_svg
from asyncfc_jupyter.trace.render.text import render_text
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.legend import DARK, LIGHT
from asyncfc_jupyter.trace.view.view import View, timeline_view
from tests.trace.sample_traces import everything, fan_out, interrupted, travel, until

MARKUP = "</title></text></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;]]>{{}}"
NAMESPACE = "{http://www.w3.org/2000/svg}"


def hostile() -> View:
    """Return the view of a run in which every text is markup."""
    f1 = FutureName("f1")
    events = (
        RunStarted(prompt=MARKUP, model=MARKUP, mode=MARKUP),
        CallIssued(future=f1, call=CallId("c"), turn=1, tool=MARKUP, arguments=json.dumps({MARKUP: MARKUP})),
        CallHeld(future=f1, wait=Wait(kind="limit", detail=MARKUP)),
        CallStarted(future=f1),
        CallFailed(future=f1, kind="error", message=MARKUP),
        RunEnded(outcome="failed", detail=MARKUP),
    )
    return timeline_view(Trace(tuple(Stamped(seq=n, at_s=float(n), event=event) for n, event in enumerate(events))))


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{NAMESPACE}text")]


# -- SVG -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [320, 400, 900, 1800])
@pytest.mark.parametrize("trace", [travel(), fan_out(25), interrupted(), Trace(()), until(travel(), 4.0)])
def test_every_shape_is_inside_the_picture(trace: Trace, width: int) -> None:
    root = ET.fromstring(render_svg(timeline_view(trace), width=width))
    height = float(root.attrib["height"])
    for rect in root.iter(f"{NAMESPACE}rect"):
        x, y = float(rect.get("x", "0")), float(rect.get("y", "0"))
        assert x >= 0
        assert y >= 0
        assert x + float(rect.attrib["width"]) <= width + 0.5
        assert y + float(rect.attrib["height"]) <= height + 0.5


@pytest.mark.parametrize("width", [400, 900, 1800])
def test_texts_end_inside_the_picture(width: int) -> None:
    root = ET.fromstring(render_svg(timeline_view(travel()), width=width))
    for text in root.iter(f"{NAMESPACE}text"):
        wide = text_width(text.text or "", float(text.attrib["font-size"]), bold="font-weight" in text.attrib)
        share = {"start": 1.0, "middle": 0.5, "end": 0.0}[text.get("text-anchor", "start")]
        assert float(text.attrib["x"]) + share * wide <= width
        assert float(text.attrib["x"]) - (1 - share) * wide >= 0


def test_the_picture_shows_the_waits_and_the_outcome_of_each_call() -> None:
    found = texts(render_svg(timeline_view(travel()), width=1400))
    for text in ("needs $f4.price; f5 writes orders/42 (WAW)", "limit 2 on search", 'city="LIS" → 3 flights'):
        assert text in found
    assert any(text.startswith("ConnectionError: rooms.example.org") for text in found)
    assert any(text.startswith("skipped: f7 failed") for text in found)


def test_hostile_text_is_only_ever_text() -> None:
    svg = render_svg(hostile())
    names = {element.tag.removeprefix(NAMESPACE) for element in ET.fromstring(svg).iter()}
    assert names <= {"svg", "style", "defs", "pattern", "rect", "path", "circle", "g", "title", "text"}
    assert "<script" not in svg
    assert "<img" not in svg
    title = next(ET.fromstring(svg).iter(f"{NAMESPACE}title")).text or ""
    assert "<script>alert(1)</script>" in title, "what was written can still be read"


def test_the_picture_follows_the_theme_of_its_page() -> None:
    light, _, dark = render_svg(timeline_view(travel())).partition("@media (prefers-color-scheme:dark)")
    assert LIGHT["done"] in light
    assert DARK["done"] not in light
    assert DARK["done"] in dark


def test_many_futures_are_packed_in_lanes_and_those_left_out_are_counted() -> None:
    assert len(re.findall("<g><title>", render_svg(timeline_view(fan_out(MOST_ROWS))))) == MOST_ROWS
    packed = render_svg(timeline_view(fan_out(200)))
    assert len(re.findall("<g><title>", packed)) == 200
    assert float(ET.fromstring(packed).attrib["height"]) < 700
    crowd = render_svg(timeline_view(fan_out(200, running_s=99.0)))
    assert len(re.findall("<g><title>", crowd)) == MOST_LANES
    assert f"and {200 - MOST_LANES} more" in texts(crowd)


def test_the_legend_explains_only_what_occurs() -> None:
    found = texts(render_svg(timeline_view(fan_out(3))))
    assert {"running", "failed", "skipped", "held: limit", "critical path"}.isdisjoint(found)
    assert {"to first token", "a call", "ran", "the model saw it"} <= set(found)
    assert "overlap" not in texts(render_svg(timeline_view(Trace(()))))
    assert "the model saw it" not in texts(render_svg(timeline_view(fan_out(200)))), "lanes have no room for it"
    assert "continued, discarded" in texts(render_svg(timeline_view(everything())))
    assert "continued, discarded" not in texts(render_svg(timeline_view(interrupted()))), "it would begin at the end"


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [("ink", "paper"), ("ink", "first"), ("muted", "overlap"), ("failed", "overlap"), ("approval", "overlap")]
    + [(text, ground) for text in ("muted", "failed", "approval") for ground in ("paper", "lane")]
    + [("done", "paper")]
    + [(name, name.removesuffix("-ink")) for name in LIGHT if name.endswith("-ink")],
)
def test_text_has_enough_contrast_with_its_background(palette: dict[str, str], text: str, ground: str) -> None:
    assert contrast(palette[text], palette[ground]) >= 4.5


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "lane", "overlap"])
def test_bars_patterns_and_signs_stand_out_from_the_background(palette: dict[str, str], ground: str) -> None:
    # A running bar is pale, and has the edge of one that is done.
    for shape in ("call", "text", "done", "failed", "cancelled", "data", "hazard", "approval", "limit", "ink", "muted"):
        assert contrast(palette[shape], palette[ground]) >= 3, shape


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_controls_have_edges_that_can_be_seen(palette: dict[str, str]) -> None:
    assert contrast(palette["edge"], palette["paper"]) >= 3


# -- geometry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", [0.004, 0.05, 0.9, 8.3, 61, 700, 9000, 100_000])
def test_ticks_are_round_few_and_differ(domain: float) -> None:
    found = ticks(domain, 8)
    assert found[0] == (0.0, "0")
    assert 1 <= len(found) <= 9
    assert all(at <= domain * 1.001 for at, _ in found)
    assert len({label for _, label in found}) == len(found)


def test_a_cut_text_fits_and_has_some_letters_or_is_left_out() -> None:
    for width in range(0, 300, 7):
        cut = fit("ConnectionError: refused", 12, width)
        assert not cut or (text_width(cut, 12) <= width and len(cut) >= 4)
    assert fit("short", 12, 200) == "short"
    assert text_width("航班", 10) > text_width("ab", 10)


def test_a_title_is_broken_at_spaces_into_two_lines_at_most() -> None:
    assert wrap("one two three", 16, 1000, 2) == ["one two three"]
    lines = wrap("one two three four five six seven eight nine", 16, 130, 2)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert all(text_width(line, 16, bold=True) <= 130 for line in lines)


def test_a_label_goes_inside_then_right_then_left_and_off_the_mark() -> None:
    scale = Scale(100, 900, 10)

    def label(bar: tuple[float, float], left: float, seen: float | None = None) -> tuple[str, bool]:
        placed = place_label(("city → 3 flights",), 12, bar, left=left, scale=scale, seen=seen)
        assert placed is not None
        if seen is not None and not placed.inside and placed.anchor == "start":
            assert abs(placed.x - seen) >= 8
            assert placed.x > seen or placed.x + text_width(placed.text, 12) < seen
        return placed.anchor, placed.inside

    assert label((200, 500), 200) == ("start", True)
    assert label((200, 230), 200) == ("start", False)
    assert label((200, 230), 200, seen=260) == ("start", False)
    assert label((200, 230), 200, seen=600) == ("start", False)
    assert label((850, 895), 850) == ("end", False)


# -- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("trace", [travel(), fan_out(30), interrupted(), Trace(()), until(travel(), 4.0)])
def test_lines_of_text_keep_to_the_width_and_end_without_blanks(trace: Trace, width: int) -> None:
    for line in render_text(timeline_view(trace), width=width).splitlines():
        assert len(line) <= width
        assert line == line.rstrip()
        assert "\x1b" not in line


def lanes(trace: Trace, width: int = 110) -> dict[str, str]:
    lines = render_text(timeline_view(trace), width=width).splitlines()
    return {line.split()[0]: line for line in reversed(lines) if line}


def test_waiting_running_failing_and_skipping_look_different() -> None:
    found = lanes(travel())
    assert re.search("╌+═+█+○", found["f6"])
    assert re.search("┄+▓+✗", found["f7"])
    assert re.search("╌+↷", found["f8"])
    assert re.search("█ +○", found["f1"])
    assert re.search("▒⊘", lanes(interrupted())["f1"])


def test_a_narrow_terminal_wraps_the_figures_and_loses_none() -> None:
    view = timeline_view(travel())
    text = render_text(view, width=60)
    for figure in view["figures"]:
        assert f"{figure['value']} {figure['label']}" in text


def test_bars_stand_in_the_column_of_their_time() -> None:
    found = lanes(travel())
    assert found["f4"].index("█") == pytest.approx(found["f1"].rindex("█") + 1, abs=1), "f4 starts as f1 ends"
    assert found["f6"].index("█") == pytest.approx(found["f5"].rindex("█") + 1, abs=1)


def test_a_reason_that_has_no_room_in_its_lane_stands_below() -> None:
    lines = render_text(timeline_view(travel()), width=100).splitlines()
    assert "f6 waited 1.9 s: needs $f4.price; f5 writes orders/42 (WAW)" in lines


def test_a_reason_in_wide_characters_stands_below_and_breaks_no_column() -> None:
    waited = CallHeld(future=FutureName("f1"), wait=Wait(kind="limit", detail="limit 2 on 検索"))
    ended = CallFailed(future=FutureName("f1"), kind="error", message="no")
    events = (RunStarted(prompt="x", model="m", mode="async"), waited, ended)
    log = Trace(tuple(Stamped(seq=n, at_s=(0.0, 8.0, 9.0)[n], event=event) for n, event in enumerate(events)))
    lines = render_text(timeline_view(log), width=100).splitlines()
    assert any(line.startswith("f1 waited") and "検索" in line for line in lines)


def test_wide_characters_do_not_push_the_lanes_apart() -> None:
    view = timeline_view(fan_out(2))
    view["rows"][0]["tool"], view["rows"][1]["tool"] = "查询航班", "search"
    first, second = (line for line in render_text(view).splitlines() if line.startswith("f"))
    assert second.index("█") - first.index("█") == pytest.approx(4, abs=2)


# -- the page --------------------------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """Lists the elements of a page and the text of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.names and self.names[-1] == "script":
            self.scripts[-1] += data


def test_the_page_needs_no_network_and_hostile_text_adds_no_element() -> None:
    harmless, page = Elements(), Elements()
    harmless.feed(render_html(timeline_view(travel())))
    page.feed(render_html(hostile()))
    assert page.names == harmless.names
    assert all(link.startswith("data:") for link in page.links)
    assert json.loads(page.scripts[0]) == hostile()


def test_the_front_end_sets_no_markup_and_evaluates_nothing() -> None:
    source = script()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "</script"):
        assert word not in source
    assert "</style" not in style()


def queued() -> Trace:
    """Return a run whose one call was never started."""
    events = travel().events
    last = next(n for n, stamped in enumerate(events) if isinstance(stamped.event, CallIssued))
    return Trace((*events[: last + 1], replace(events[-1], seq=last + 1)))


@pytest.mark.parametrize("trace", [everything(), travel(), fan_out(12), queued()])
def test_every_texture_of_a_lane_is_in_the_legend(trace: Trace) -> None:
    *lanes, legend = render_text(timeline_view(trace), width=200).split("\n\n")
    drawn = {character for line in lanes[1].splitlines()[1:] for character in line if character in "─▒█▓╌═╫≡┄≈▫░▁"}
    assert drawn <= set(legend)
