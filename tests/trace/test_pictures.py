"""Whole pictures, texts and tables of made-up runs: each figure in them was checked once and must not change."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from asyncfc_jupyter import compare
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.trace.analysis.certificate import certify
from asyncfc_jupyter.trace.analysis.critical_path import critical_path
from asyncfc_jupyter.trace.analysis.metrics import metrics
from asyncfc_jupyter.trace.analysis.why import explain_wait
from asyncfc_jupyter.trace.fold.spans import fold
from asyncfc_jupyter.trace.render.comparison import Comparison
from asyncfc_jupyter.trace.render.html import picture, render_html, script, static_bundle, style
from asyncfc_jupyter.trace.render.layout import Picture
from asyncfc_jupyter.trace.render.svg.document import describe, render_svg
from asyncfc_jupyter.trace.render.text import render_text
from asyncfc_jupyter.trace.render.timeline import Timeline
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.legend import patterns
from asyncfc_jupyter.trace.view.view import LiveTimeline, timeline_view
from tests.suite.expected import Compare
from tests.trace.edge_traces import asked, bars, chain, long_texts, shared, stretched
from tests.trace.hedged_traces import defended, failed_beside, overtaken, retracted, undecided
from tests.trace.sample_traces import everything, fan_out, interrupted, travel, until

EMPTY = Trace(())
#: Runs by name, each small enough to read.
RUNS: dict[str, Callable[[], Trace]] = {
    "travel": travel,
    "everything": everything,
    "everything-at-2.6": lambda: until(everything(), 2.6),
    "everything-at-4.0": lambda: until(everything(), 4.0),
    "everything-at-6.2": lambda: until(everything(), 6.2),
    "interrupted": interrupted,
    "empty": lambda: EMPTY,
    "fan-out": lambda: fan_out(3),
    "bars": bars,
    "bars-at-5.2": lambda: until(bars(), 5.2),
    "shared": shared,
    "asked": asked,
    "chain": lambda: chain(4),
    "retracted": retracted,
    "overtaken": overtaken,
    "defended": defended,
    "undecided": undecided,
    "failed-beside": failed_beside,
}


def broken(svg: str) -> str:
    """Return a picture with one element a line, without the colours and patterns that all pictures share."""
    bare = re.sub(r"<style>.*?</style>|<defs>.*?</defs>", "", svg, flags=re.DOTALL)
    return bare.replace("><", ">\n<")


def table(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as lines, with rounded floats."""
    return "\n".join(
        " | ".join(f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in row) for row in rows
    )


def outline(view: Any, indent: str = "") -> str:
    """Return a view as JSON with a line for each item of its lists."""
    lines = []
    for key, value in view.items():
        if isinstance(value, list) and value:
            lines += [f"{indent}{key}:"]
            for item in value:
                inner = isinstance(item, dict) and "view" in item
                lines += (
                    [f"{indent}  {item['name']}: {item['note']}", outline(item["view"], indent + "    ")]
                    if inner
                    else [f"{indent}  {json.dumps(item, ensure_ascii=False)}"]
                )
        else:
            lines.append(f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines)


# -- pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("travel", 960),
        ("travel", 320),
        ("everything", 960),
        ("everything", 420),
        ("everything-at-2.6", 860),
        ("everything-at-6.2", 860),
        ("interrupted", 860),
        ("empty", 860),
        ("empty", 400),
        ("fan-out", 860),
        ("bars", 960),
        ("bars", 600),
        ("bars-at-5.2", 860),
        ("shared", 960),
        ("asked", 700),
        ("chain", 700),
        ("retracted", 860),
        ("overtaken", 860),
        ("defended", 860),
        ("undecided", 860),
        ("failed-beside", 860),
    ],
)
def test_a_picture_is_as_expected(name: str, width: int, expected: Compare) -> None:
    expected(f"{name}-{width}.svg.txt", broken(render_svg(timeline_view(RUNS[name]()), width=width)))


def test_the_colours_of_both_themes_are_as_expected(expected: Compare) -> None:
    one, several = render_svg(timeline_view(EMPTY)), render_svg(compare(EMPTY).view())
    style = one[one.index("<style>") : one.index("</style>")]
    for svg in (one, several):
        assert f"{style}</style>{patterns()}" in svg
    expected("themes.txt", style.replace("}", "}\n") + "\n" + patterns().replace("><", ">\n<"))


def test_a_picture_is_960_wide_and_at_least_320() -> None:
    view = timeline_view(interrupted())
    assert render_svg(view) == render_svg(view, width=960)
    assert render_svg(view, width=100) == render_svg(view, width=320)
    assert render_svg(view, width=319) == render_svg(view, width=320) != render_svg(view, width=321)


@pytest.mark.parametrize(("calls", "running_s", "width"), [(45, 9.0, 500), (64, 99.0, 700)])
def test_a_picture_of_many_calls_is_as_expected(calls: int, running_s: float, width: int, expected: Compare) -> None:
    svg = broken(render_svg(timeline_view(fan_out(calls, running_s=running_s)), width=width))
    expected(f"{calls}-calls-{width}.svg.txt", re.sub(r"<title>[^<]*</title>\n", "", svg))


def test_arrows_join_up_to_thirty_calls() -> None:
    drawn = [render_svg(timeline_view(chain(calls))).count('class="arrow') for calls in (29, 30, 31)]
    assert drawn == [28, 29, 0]


def test_packed_calls_that_failed_or_waited_are_drawn_as_expected(expected: Compare) -> None:
    """The lanes have many calls; some waited, failed or were cancelled."""
    view = timeline_view(everything())
    rows = [*view["rows"], *timeline_view(travel())["rows"], *timeline_view(bars())["rows"]]
    rows += [*rows[:9], rows[-1]]
    view["rows"] = rows
    svg = broken(render_svg(view, width=960))
    assert len(rows) > 40
    expected("packed-960.svg.txt", re.sub(r"<title>[^<]*</title>\n", "", svg))


def test_the_places_of_all_parts_are_as_expected(expected: Compare) -> None:
    """Each width and size is one at which the layout changes."""
    runs = {
        **{name: RUNS[name] for name in ("travel", "bars", "empty", "chain")},
        **{f"{calls} calls": (lambda calls=calls: fan_out(calls)) for calls in (12, 13, 40, 41)},
        **{f"{calls} lanes": (lambda calls=calls: fan_out(calls, running_s=99.0)) for calls in (41, 60, 61, 62)},
        "30 lanes": lambda: Trace(fan_out(30, running_s=99.0).events),
    }
    rows = []
    for name, make in runs.items():
        view = timeline_view(make())
        for width in (320, 519, 520, 639, 640, 960):
            p = Picture(view, width)
            rows.append(
                (
                    *(name, width, p.narrow, p.packed, p.hidden, len(p.strips), p.axis_y, p.decode_y, p.rows_y),
                    *(p.row_h, p.bar_h, p.size, p.rows_end, p.height, p.scale.left, p.scale.right, p.scale.domain),
                    *(p.row_y(0), p.row_y(1), [(round(x, 3), round(y, 3)) for x, y in p.figures], len(p.title)),
                    *(f"{kind} {x:.2f} {y:.2f}" for x, y, kind, _ in p.legend[-1:]),
                )
            )
    expected("layout.txt", table(rows))


# -- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_a_text_is_as_expected_at_each_width(name: str, expected: Compare) -> None:
    view = timeline_view(RUNS[name]())
    expected(f"{name}.txt", "\n\n\n".join(render_text(view, width=width) for width in (60, 84, 140)))
    assert render_text(view) == render_text(view, width=100)
    assert render_text(view, width=1) == render_text(view, width=60) == render_text(view, width=59)


def test_a_text_of_many_calls_is_cut_and_counts_the_rest(expected: Compare) -> None:
    lines = render_text(timeline_view(fan_out(62)), width=70).splitlines()
    expected("62-calls.txt", "\n".join([*lines[:8], "[...]", *lines[-8:]]))
    assert "more" not in render_text(timeline_view(fan_out(60)), width=70)
    assert "and 1 more" in render_text(timeline_view(fan_out(61)), width=70)


@pytest.mark.parametrize("factor", [0.0001, 0.002, 0.1, 8.0, 90.0, 900.0, 20000.0])
def test_a_run_of_any_length_has_a_readable_axis(factor: float, expected: Compare) -> None:
    view = timeline_view(stretched(travel(), factor))
    labels = re.findall(r'class="muted num"[^>]*>([^<]*)<', render_svg(view))
    expected(f"travel-times-{factor:g}.txt", f"{labels}\n\n{render_text(view, width=110)}")


# -- views, tables and sentences -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_a_view_is_as_expected(name: str, expected: Compare) -> None:
    view = timeline_view(RUNS[name]())
    expected(f"{name}.view.txt", f"{outline(view)}\n\n{describe(view)}")


@pytest.mark.parametrize(
    "trace",
    [travel(), everything(), asked(), shared(), overtaken()],
    ids=["travel", "everything", "asked", "shared", "overtaken"],
)
def test_the_updates_of_a_live_picture_are_as_expected(
    trace: Trace, request: pytest.FixtureRequest, expected: Compare
) -> None:
    """An update follows every few events, some of them later than the last event."""
    timeline, lines = LiveTimeline(), []
    for index, stamped in enumerate(trace):
        timeline.apply(stamped)
        if index % 16 == 15:
            later = stamped.at_s + 0.25 if index % 32 == 15 else None
            lines.append(f"-- at {stamped.at_s:g}, asked at {later}, last {timeline.last_s:g}, live {timeline.live}")
            lines.append(outline(timeline.changes(later)))
    expected(f"{request.node.callspec.id}.live.txt", "\n".join(lines))


@pytest.mark.parametrize(
    "name", ["travel", "everything", "shared", "asked", "bars", "retracted", "overtaken", "defended"]
)
def test_the_figures_of_a_live_run_are_as_expected(name: str, expected: Compare) -> None:
    timeline, lines = LiveTimeline(), [json.dumps(LiveTimeline().snapshot())]
    for index, stamped in enumerate(RUNS[name]()):
        timeline.apply(stamped)
        view = timeline.snapshot()
        figures = " | ".join(f"{figure['value']} {figure['label']}" for figure in view["figures"])
        if index % 3 == 0 or not view["live"]:
            lines.append(f"{view['now']:g} {view['span']:g} {view['live']} {figures} | {view['subtitle']}")
    expected(f"{name}.figures.txt", "\n".join(dict.fromkeys(lines)))


def test_measures_and_critical_paths_are_as_expected(expected: Compare) -> None:
    rows: list[tuple[object, ...]] = []
    for name, make in RUNS.items():
        trace = make()
        for share in (0.3, 0.6, 1.0):
            cut = until(trace, trace.end_s * share)
            found, spans = metrics(cut), fold(cut.events)
            path = critical_path(spans.futures.rows.values(), spans.end_s)
            rows.append(
                (
                    *(name, share, found.makespan_s, found.decode_s, found.tool_s, found.critical_path_s, found.bound),
                    *(found.speedup, found.share, path.futures() if path else None, path.length_s if path else None),
                    *(spans.end_s, spans.last_s, spans.overlap, spans.futures.tool_s(spans.last_s + 0.5)),
                )
            )
    expected("measures.txt", table(rows))


def test_the_waits_of_each_future_are_reported_as_expected(expected: Compare) -> None:
    lines = []
    for name, make in RUNS.items():
        trace = make()
        names = [*fold(trace.events).futures.rows, FutureName("f99")]
        lines += [f"{name}: {explain_wait(trace, future)}" for future in names]
        lines += [f"{name}, later: {explain_wait(trace, future, now_s=trace.end_s + 3)}" for future in names]
    expected("why.txt", "\n".join(dict.fromkeys(lines)))


@pytest.mark.parametrize("name", ["travel", "everything", "shared", "interrupted", "asked", "empty"])
def test_a_certificate_is_as_expected(name: str, expected: Compare) -> None:
    certificate = certify(RUNS[name]())
    expected(f"{name}.certificate.txt", str(certificate))
    assert repr(certificate) == str(certificate)


def test_texts_of_any_length_are_cut_as_expected() -> None:
    timeline = LiveTimeline()
    for stamped in long_texts():
        timeline.apply(stamped)
    view = timeline.snapshot()
    one, two = view["rows"]
    assert len(view["title"]) == 90
    assert view["subtitle"] == f"failed after 0 turns, 2 futures, {'x' * 59}…, {'x' * 59}… calling: {'x' * 199}…"
    assert (len(one["tool"]), len(one["arguments"]), len(one["asks"])) == (60, 200, 4000)
    assert len(one["segments"][-1]["reason"]) == 200
    assert (len(two["label"]), len(two["activity"]), len(two["prints"])) == (200, 200, 1000)
    assert len(two["retries"][0]["message"]) == 200
    assert (one["marks"], two["marks"]) == (["approve"], ["irreversible", "approve", "detached"])
    assert len(explain_wait(long_texts(), FutureName("f1"))) == 2000


# -- comparisons -----------------------------------------------------------------------------------------------------


def comparisons() -> dict[str, Comparison]:
    return {
        "two": compare(travel(), everything(), names=("one by one", "asynchronous")),
        "quick": compare(fan_out(2), shared(), interrupted()),
        "many": compare(*[fan_out(1)] * 5, interrupted(), names=[f"a rather long name, number {n}" for n in range(6)]),
        "one": compare(bars()),
        "nothing": compare(EMPTY, EMPTY, names=("航空券を探す", "b" * 50)),
        "crowd": compare(fan_out(26, running_s=9.0), fan_out(3)),
        "hedged": compare(retracted(), overtaken(), defended(), names=("retract", "race, lost", "race, won")),
    }


@pytest.mark.parametrize(
    ("name", "width"),
    [
        *(("two", 960), ("two", 320), ("quick", 640), ("quick", 639), ("many", 900), ("one", 700)),
        *(("nothing", 900), ("nothing", 400), ("crowd", 900), ("hedged", 900)),
    ],
)
def test_a_picture_of_several_runs_is_as_expected(name: str, width: int, expected: Compare) -> None:
    svg = broken(render_svg(comparisons()[name].view(), width=width))
    expected(f"compared-{name}-{width}.svg.txt", re.sub(r"<title>[^<]*</title>\n", "", svg))


def test_a_comparison_has_the_defaults_of_a_picture() -> None:
    comparison = comparisons()["two"]
    view = comparison.view()
    assert render_svg(view) == render_svg(view, width=960) == comparison.svg()
    assert render_svg(view, width=319) == render_svg(view, width=320)
    assert render_svg(view, width=321) != render_svg(view, width=320)
    assert render_text(view) == render_text(view, width=100) == comparison.text()
    assert render_text(view, width=59) == render_text(view, width=60)
    assert repr(comparison) == comparison.text()
    assert comparison.html() == render_html(view)
    assert comparison._repr_mimebundle_(include=None) == static_bundle(view)


@pytest.mark.parametrize("name", comparisons())
def test_the_text_and_the_view_of_several_runs_are_as_expected(name: str, expected: Compare) -> None:
    view = comparisons()[name].view()
    texts = "\n\n\n".join(render_text(view, width=width) for width in (60, 77, 140))
    heads: Any = {**view, "runs": [f"{run['name']}: {run['note']}" for run in view["runs"]]}
    expected(f"compared-{name}.txt", f"{texts}\n\n\n{outline(heads)}\n\n{describe(view)}")


# -- pages -----------------------------------------------------------------------------------------------------------

_SOURCE = re.compile(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)")


def drawn_in(html: str) -> list[str]:
    """Return the pictures inside a page."""
    return [base64.b64decode(found).decode() for found in _SOURCE.findall(html)]


@pytest.mark.parametrize("what", ["run", "comparison"])
def test_the_output_kept_in_a_notebook_is_as_expected(what: str, expected: Compare) -> None:
    view: Any = timeline_view(everything()) if what == "run" else comparisons()["two"].view()
    plain, placed = static_bundle(view), static_bundle(view, place="a7")
    svg = render_svg(view, width=860)
    assert drawn_in(plain["text/html"]) == [svg]
    assert plain["text/html"].endswith(picture(view))
    assert plain["text/plain"] == placed["text/plain"]
    shown = [_SOURCE.sub("[the picture]", bundle["text/html"]).replace("><", ">\n<") for bundle in (plain, placed)]
    expected(f"kept-{what}.txt", "\n\n".join([*shown, plain["text/plain"]]))


@pytest.mark.parametrize("what", ["run", "comparison"])
def test_a_page_is_as_expected(what: str, expected: Compare) -> None:
    """The page contains its bundled script and style whole."""
    view: Any = timeline_view(interrupted()) if what == "run" else compare(interrupted(), EMPTY).view()
    page = render_html(view)
    svg = render_svg(view, width=860)
    assert drawn_in(page) == [svg]
    for text, name in ((style(), "[style sheet]"), (script(), "[script]")):
        assert page.count(text) == 1
        page = page.replace(text, f"{name}\n")
    expected(f"page-{what}.txt", _SOURCE.sub("[the picture]", page))


def test_a_timeline_can_be_displayed_in_every_form() -> None:
    timeline = Timeline(travel())
    view = timeline_view(travel())
    assert timeline.view() == view
    assert timeline.text(width=77) == render_text(view, width=77)
    assert timeline.text() == repr(timeline) == render_text(view, width=100)
    assert timeline.svg() == render_svg(view)
    assert timeline.html() == render_html(view)
    assert timeline._repr_mimebundle_(include=None) == static_bundle(view)
