"""The timeline in Chromium: the standalone page, and the widget's front end fed as a kernel feeds it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from asyncfc_jupyter.core.events import CallIssued, CallStarted, RunStarted, Stamped
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.trace.html import asset, picture, render_html, script
from asyncfc_jupyter.trace.palette import DARK, LIGHT
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view import LiveTimeline, View, timeline_view
from tests.trace.sample import fan_out, interrupted, travel, until

pytestmark = pytest.mark.browser

Theme = Literal["light", "dark"]

#: Stands in for the widget's model: what the front end sends is kept, and news is given to whoever listens.
MODEL = """
const listeners = {};
const model = {
  sent: [],
  view: JSON.parse(document.getElementById("view").textContent),
  get: (name) => model[name],
  on: (name, listener) => { (listeners[name] ??= new Set()).add(listener); },
  off: (name, listener) => { listeners[name]?.delete(listener); },
  send: (message) => { model.sent.push(message); },
  listeners: () => Object.values(listeners).reduce((sum, set) => sum + set.size, 0),
  receive: (message) => { for (const listener of listeners["msg:custom"]) listener(message); },
  replace: (view) => { model.view = view; for (const listener of listeners["change:view"]) listener(); },
};
window.model = model;
window.cleanup = render({ model, el: document.getElementById("host") });
window.timeline = { ticks, fit, liveDomain, applyChanges, showSeconds };
"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Return a page that fails the test when it logs an error or asks the network for anything."""
    context = chromium.new_context(viewport={"width": 900, "height": 800})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
    yield page
    context.close()
    assert problems == []


def show(page: Page, view: View, *, width: int = 900, theme: Theme = "light") -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=theme)
    page.set_content(render_html(view))
    page.wait_for_selector(".asyncfc-timeline .afc-title:not(:empty)")


def start(page: Page, view: View, *, around: str = "") -> None:
    """Open the widget's front end on a view."""
    data = json.dumps(view).replace("<", "\\u003c")
    page.set_content(
        f"<!DOCTYPE html><style>{asset('timeline.css')}</style><body {around}><div id=host></div>"
        f"<script type='application/json' id=view>{data}</script>"
        f"<script type=module>{script()}\n{MODEL}</script>"
    )
    page.wait_for_selector(".asyncfc-timeline")


def bars(page: Page, timeline: LiveTimeline, now_s: float | None = None) -> None:
    page.evaluate("message => model.receive(message)", {"type": "bars", **timeline.changes(now_s)})


def width_of(page: Page, future: str, kind: str) -> float:
    bar = page.locator(f"[data-future={future}] .asyncfc-segment[data-kind={kind}]").first
    return float(bar.get_attribute("width") or 0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 900, 1800])
def test_the_page_fits_any_width_in_light_and_dark(page: Page, artifacts: Path, width: int, theme: Theme) -> None:
    show(page, timeline_view(travel()), width=width, theme=theme)
    expect(page.locator(".asyncfc-row")).to_have_count(8)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    overflowing = page.evaluate(
        "() => { const right = document.querySelector('.asyncfc-timeline').getBoundingClientRect().right;"
        " return [...document.querySelectorAll('.asyncfc-timeline text')]"
        ".filter(text => text.getBoundingClientRect().right > right).map(text => text.textContent) }"
    )
    assert overflowing == []
    columns = {figure.bounding_box()["x"] for figure in page.locator(".afc-figure").all()}
    assert len(columns) == (2 if width == 400 else 4)
    page.screenshot(path=artifacts / f"timeline-page-{width}-{theme}.png", full_page=True)


@pytest.mark.parametrize(("theme", "palette"), [("light", LIGHT), ("dark", DARK)])
def test_a_page_of_its_own_follows_the_system_and_a_notebook_its_own_theme(
    page: Page, theme: Theme, palette: dict[str, str]
) -> None:
    def paper() -> str:
        red, green, blue = page.evaluate(
            "getComputedStyle(document.querySelector('.asyncfc-timeline')).backgroundColor.match(/\\d+/g).map(Number)"
        )
        return f"#{red:02x}{green:02x}{blue:02x}"

    page.emulate_media(color_scheme=theme)
    start(page, timeline_view(travel()))
    assert paper() == palette["paper"]
    page.emulate_media(color_scheme="light" if theme == "dark" else "dark")
    start(page, timeline_view(travel()), around=f"data-jp-theme-light={'true' if theme == 'light' else 'false'}")
    assert paper() == palette["paper"]


def test_the_segments_of_a_row_tell_their_kinds_in_order(page: Page) -> None:
    show(page, timeline_view(travel()))
    kinds = page.locator("[data-future=f6] .asyncfc-segment").evaluate_all("all => all.map(bar => bar.dataset.kind)")
    assert kinds == ["data", "hazard", "done"]
    assert page.locator("[data-future=f7]").get_attribute("data-state") == "failed"
    assert "↷" not in page.locator(".afc-legend").inner_text()


def test_pointing_at_a_row_tells_its_story_and_leaving_hides_it(page: Page) -> None:
    show(page, timeline_view(travel()))
    page.locator("[data-future=f6] .asyncfc-segment").last.hover()
    tip = page.get_by_role("tooltip")
    expect(tip).to_be_visible()
    story = tip.inner_text()
    for part in (
        "charge_card",
        'amount="$f4.price"',
        "waited 1.2 s: needs $f4.price",
        "waited 0.70 s: f5 writes orders/42 (WAW)",
        "ran 1.2 s",
        "charged 82 EUR",
        "the model saw it at 6.1 s",
    ):
        assert part in story
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()


def test_the_rows_can_be_walked_with_the_keyboard(page: Page) -> None:
    show(page, timeline_view(travel()))
    page.locator("[data-future=f6]").focus()
    page.keyboard.press("ArrowDown")
    tip = page.get_by_role("tooltip")
    expect(tip).to_contain_text("failed: ConnectionError: rooms.example.org refused the connection")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    assert "waited 0.44 s: limit 2 on search" in (page.locator("[data-future=f7]").get_attribute("aria-label") or "")


def test_hostile_text_stays_text_in_the_page_and_in_the_tooltip(page: Page) -> None:
    bomb = "</script><img src=x onerror='window.hit=1'><svg onload='window.hit=1'>"
    issued = CallIssued(future=FutureName("f1"), call=CallId("c"), turn=1, tool=bomb, arguments=json.dumps({"a": bomb}))
    events = (RunStarted(prompt=bomb, model=bomb, mode="async"), issued, CallStarted(future=FutureName("f1")))
    log = Trace(tuple(Stamped(seq=n, at_s=float(n), event=event) for n, event in enumerate(events)))
    show(page, timeline_view(log))
    page.locator("[data-future=f1]").hover()
    expect(page.get_by_role("tooltip")).to_contain_text("onerror='window.hit=1'")
    assert page.locator(".asyncfc-timeline img, .asyncfc-timeline svg svg, .asyncfc-timeline script").count() == 0
    assert page.evaluate("window.hit") is None


def test_a_live_bar_grows_between_two_batches_and_the_clock_counts_on(page: Page) -> None:
    timeline = LiveTimeline()
    start(page, timeline.snapshot())
    for stamped in until(travel(), 2.0):
        timeline.apply(stamped)
    bars(page, timeline, 2.0)
    before = width_of(page, "f1", "running")
    page.wait_for_function(
        "old => Number(document.querySelector('[data-future=f1] [data-kind=running]').getAttribute('width')) > old + 10",
        arg=before,
    )
    page.wait_for_function("parseFloat(document.querySelector('[data-clock]').textContent) > 2.1")
    assert page.locator("[data-future=f3] [data-kind=done]").count() == 1


def test_a_bar_stays_the_same_element_from_its_start_to_its_end(page: Page) -> None:
    timeline = LiveTimeline()
    start(page, timeline.snapshot())
    for stamped in until(travel(), 1.0):
        timeline.apply(stamped)
    bars(page, timeline)
    bar = page.locator("[data-future=f1] .asyncfc-segment").element_handle()
    for stamped in travel().events[len(until(travel(), 1.0)) :]:
        timeline.apply(stamped)
        bars(page, timeline)
    assert bar.evaluate("bar => [bar.isConnected, bar.dataset.kind, 'open' in bar.dataset]") == [True, "done", False]


def test_a_live_picture_stands_still_until_its_kernel_speaks(page: Page) -> None:
    timeline = LiveTimeline()
    for stamped in until(travel(), 2.0):
        timeline.apply(stamped)
    start(page, timeline.snapshot(2.0))
    frames = "() => new Promise(done => { let n = 20; const step = () => n-- ? requestAnimationFrame(step) : done(); step() })"
    before = width_of(page, "f1", "running")
    page.evaluate(frames)
    assert width_of(page, "f1", "running") == before
    assert page.evaluate("model.sent") == [{"type": "hello"}]
    page.evaluate("view => model.receive({type: 'snapshot', view})", timeline.snapshot(2.0))
    page.evaluate(frames)
    assert width_of(page, "f1", "running") > before


def test_with_reduced_motion_bars_move_with_the_batches_alone(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    timeline = LiveTimeline()
    start(page, timeline.snapshot())
    for stamped in until(travel(), 2.0):
        timeline.apply(stamped)
    bars(page, timeline, 2.0)
    before = width_of(page, "f1", "running")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert width_of(page, "f1", "running") == before
    bars(page, timeline, 2.1)
    assert width_of(page, "f1", "running") > before


@pytest.mark.parametrize("trace", [travel(), interrupted(), fan_out(40)], ids=["travel", "interrupted", "fan_out"])
def test_batches_and_the_final_view_draw_the_same_picture(page: Page, trace: Trace) -> None:
    inside = "document.querySelector('.asyncfc-timeline').innerHTML.replaceAll(/afc-\\d+-/g, '')"
    timeline = LiveTimeline()
    start(page, timeline.snapshot())
    for index, stamped in enumerate(trace):
        timeline.apply(stamped)
        if index % 9 == 0:
            bars(page, timeline)
    bars(page, timeline)
    settled = "() => !document.querySelector('[data-live=true]')"
    page.wait_for_function(settled)
    page.wait_for_function(
        f"() => {{ const now = {inside}; const same = now === window.before; window.before = now; return same }}"
    )
    drawn = page.evaluate(inside)
    start(page, timeline_view(trace))
    assert page.evaluate(inside) == drawn


def test_a_snapshot_between_two_batches_doubles_nothing(page: Page) -> None:
    timeline = LiveTimeline()
    start(page, timeline.snapshot())
    for stamped in until(travel(), 4.0):
        timeline.apply(stamped)
    page.evaluate("view => model.receive({type: 'snapshot', view})", timeline.snapshot())
    bars(page, timeline)
    assert page.locator(".afc-turn").count() == len(timeline.snapshot()["turns"]) - 1
    assert page.locator(".asyncfc-row").count() == 7
    assert page.locator(".afc-lane .afc-overlap").count() == 1


def test_after_the_end_the_synchronised_view_stays_and_leaving_cleans_up(page: Page) -> None:
    timeline = LiveTimeline()
    start(page, timeline.snapshot())
    for stamped in travel():
        timeline.apply(stamped)
    view: Any = timeline.snapshot()
    page.evaluate("view => model.replace(view)", view)
    expect(page.locator(".afc-subtitle")).to_have_text("answered in 5 turns, 8 futures, gpt-6-luna")
    assert page.locator("[data-kind=running]").count() == 0
    page.evaluate("cleanup()")
    assert page.evaluate("[model.listeners(), document.querySelectorAll('.asyncfc-timeline').length]") == [0, 0]


def test_of_ten_thousand_futures_only_those_in_sight_have_elements(page: Page) -> None:
    show(page, timeline_view(fan_out(10_000)))
    assert page.locator(".asyncfc-row").count() < 150
    assert page.locator("[data-future=f9000]").count() == 0
    page.evaluate("() => { const rows = document.querySelector('.afc-rows'); rows.scrollTop = 20 * 8995 }")
    expect(page.locator("[data-future=f9000]")).to_be_visible()
    assert page.locator(".asyncfc-row").count() < 150


def test_the_front_end_counts_durations_and_ticks_as_python_does(page: Page) -> None:
    from asyncfc_jupyter.trace.geometry import ticks
    from asyncfc_jupyter.trace.show import show_seconds

    start(page, timeline_view(travel()))
    times = [0, 0.0834, 0.0996, 0.83, 0.996, 8.31, 59.94, 59.96, 125, 3599, 3600, 7325]
    assert page.evaluate("times => times.map(timeline.showSeconds)", times) == [show_seconds(time) for time in times]
    for domain in (0.004, 0.9, 8.3, 61.0, 700.0, 9000.0, 100_000.0):
        labels = page.evaluate("domain => timeline.ticks(domain, 8).map(tick => tick.label)", domain)
        assert labels == [label for _, label in ticks(domain, 8)]


def test_a_live_axis_grows_in_steps_and_never_shrinks(page: Page) -> None:
    start(page, timeline_view(travel()))
    domains = page.evaluate(
        "() => { let domain = 0; const all = [];"
        " for (let now = 0; now < 9000; now += 1 + now / 50) {"
        " domain = timeline.liveDomain(now, domain); all.push([now, domain]) }"
        " return all }"
    )
    assert all(now <= domain for now, domain in domains)
    lengths = [domain for _, domain in domains]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) < 25


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_static_picture_follows_the_colour_scheme_of_what_embeds_it(
    page: Page, artifacts: Path, theme: Theme
) -> None:
    page.emulate_media(color_scheme="light" if theme == "dark" else "dark")
    image = picture(timeline_view(travel()))
    page.set_content(f"<body style='margin:0;color-scheme:{theme}'>{image}")
    page.wait_for_function("document.images[0].complete && document.images[0].naturalWidth > 0")
    shot = artifacts / f"timeline-picture-{theme}.png"
    page.screenshot(path=shot, full_page=True)
    # The corner of the picture shows its paper: what it was drawn on tells which theme it followed.
    found = page.evaluate(
        """async (url) => {
          const image = new Image(); image.src = url; await image.decode();
          const canvas = document.createElement("canvas"); canvas.width = image.width; canvas.height = image.height;
          const context = canvas.getContext("2d"); context.drawImage(image, 0, 0);
          return [...context.getImageData(480, 5, 1, 1).data].slice(0, 3);
        }""",
        "data:image/png;base64," + base64.b64encode(shot.read_bytes()).decode(),
    )
    paper = (LIGHT if theme == "light" else DARK)["paper"]
    assert "#{:02x}{:02x}{:02x}".format(*found) == paper
