"""The timeline in a page, opened as saved or fed as by a kernel, and functions that find its bars."""

from __future__ import annotations

import json
from typing import Literal

from playwright.sync_api import Page

from asyncfc_jupyter.trace.render.html import render_html, script, style
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import LiveTimeline
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, View
from tests.trace.sample_traces import until

Theme = Literal["light", "dark"]

#: Keeps the timeline that was drawn last, which knows positions: a canvas has no elements.
SHOWN = """
const drawn = Timeline.prototype.draw;
Timeline.prototype.draw = function () { window.shown = this; return drawn.call(this); };
window.bars = (future) => {
  const row = shown.rowAt(`0 ${future}`);
  return row === null ? [] : placeBars(row, shown.scale, shown.story.live ? shown.clock : shown.story.span);
};
window.spot = (future, kind) => {
  const strip = shown.sheet.strips[shown.sheet.at.get(`0 ${future}`)];
  const bar = bars(future).filter((bar) => kind === undefined || bar.kind === kind).at(-1);
  const { left, top } = shown.canvas.getBoundingClientRect();
  return { x: left + bar.x + bar.width / 2, y: top + strip.top + strip.height / 2 - shown.scroller.scrollTop };
};
// What a method of the painter is given while the picture is painted once.
window.given = (method) => {
  const calls = [];
  shown.painter[method] = function (...given) { calls.push(given); return Painter.prototype[method].apply(this, given); };
  shown.paint();
  delete shown.painter[method];
  return calls;
};
window.at = (seconds) => position(shown.scale, seconds);
window.Painter = Painter;
window.readInk = readInk;
// The rectangles that are filled while the picture is painted once, with their colours.
window.filled = () => {
  const { context } = shown.painter, rects = [];
  context.fillRect = function (x, y, width, height) {
    rects.push({ x, y, width, height, colour: String(context.fillStyle) });
    CanvasRenderingContext2D.prototype.fillRect.call(context, x, y, width, height);
  };
  shown.paint();
  delete context.fillRect;
  return rects;
};
"""

#: Stands in for the widget's model: keeps the messages of the front end, and passes updates to its listeners.
MODEL = """
const listeners = {};
const model = {
  sent: [],
  acts: true,
  place: "abc123",
  view: JSON.parse(document.getElementById("view").textContent),
  get: (name) => model[name],
  on: (name, listener) => { (listeners[name] ??= new Set()).add(listener); },
  off: (name, listener) => { listeners[name]?.delete(listener); },
  send: (message) => {
    model.sent.push(message);
    // The kernel closes a widget whose timeline has gone into the place of its picture.
    if (message.type === "gone") queueMicrotask(() => window.forget());
  },
  listeners: () => Object.values(listeners).reduce((sum, set) => sum + set.size, 0),
  receive: (message) => { for (const listener of listeners["msg:custom"]) listener(message); },
  replace: (view) => { model.view = view; for (const listener of listeners["change:view"]) listener(); },
};
window.model = model;
const front = widget();
window.forget = front.initialize({ model });
if (document.getElementById("host")) window.cleanup = front.render({ model, el: document.getElementById("host") });
window.timeline = { ticks, liveDomain, showSeconds };
"""
#: Stops the clock of the page, which then moves by `skipped` milliseconds only: on a busy machine a few frames take longer than
#: a change of a live picture, and a press longer than the time for it.
STILL = "stopped = performance.now(), skipped = 0, performance.now = () => stopped + skipped"
#: Buttons keep the text of their answer, which they reset after two seconds: a busy machine may need as long to read it.
STAYS_SAID = "setTimeout = () => 0"
#: A drawing at the end of the script is repeated in the first frame, when the page reports its size.
FIRST_FRAME = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
#: Enough frames for anything that a test expects not to happen.
FRAMES = (
    "() => new Promise(done => { let n = 20; const step = () => n-- ? requestAnimationFrame(step) : done(); step() })"
)


def show(page: Page, view: View | ComparisonView, *, width: int = 900, theme: Theme = "light") -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=theme)
    page.set_content(render_html(view).replace("mount(document", SHOWN + "mount(document"))
    page.wait_for_selector(".asyncfc-timeline .afc-title:not(:empty)")
    page.evaluate(FIRST_FRAME)


def start(page: Page, view: View, *, around: str = "", host: bool = True) -> None:
    """Open the widget's front end on a view, in its own output unless `host` is false."""
    data = json.dumps(view).replace("<", "\\u003c")
    page.set_content(
        f"<!DOCTYPE html><style>{style()}</style><body {around}>{'<div id=host></div>' * host}"
        f"<script type='application/json' id=view>{data}</script>"
        f"<script type=module>{script()}\n{SHOWN}{MODEL}</script>"
    )
    page.wait_for_function("window.model !== undefined")
    page.evaluate(FIRST_FRAME)


def batch(page: Page, timeline: LiveTimeline, now_s: float | None = None) -> None:
    page.evaluate("message => model.receive(message)", {"type": "bars", **timeline.changes(now_s)})


def feed(page: Page, trace: Trace, until_s: float, *, still: bool = False) -> LiveTimeline:
    """Open the front end on an empty run and send it the events up to a time; with `still`, the clock stops there."""
    timeline = LiveTimeline()
    start(page, timeline.snapshot())
    if still:
        page.evaluate(STILL)
    for stamped in until(trace, until_s):
        timeline.apply(stamped)
    batch(page, timeline, until_s)
    return timeline


def kinds(page: Page, future: str) -> list[str]:
    return list(page.evaluate("name => bars(name).map(bar => bar.kind)", future))


def width_of(page: Page, future: str, kind: str) -> float:
    return float(page.evaluate("([name, kind]) => bars(name).find(bar => bar.kind === kind).width", [future, kind]))


def point_at(page: Page, future: str, kind: str | None = None) -> tuple[float, float]:
    spot = page.evaluate("([name, kind]) => spot(name, kind ?? undefined)", [future, kind])
    page.mouse.move(spot["x"], spot["y"])
    return spot["x"], spot["y"]


def painted_words(page: Page) -> list[str]:
    """Return the texts that are painted on the canvas."""
    return list(page.evaluate("given('words').map(([{ text }]) => text)"))


def arrows(page: Page) -> set[tuple[str, str, str]]:
    """Return the pairs of futures that arrows join, and the colours."""
    found = page.evaluate("given('arrow').map(([, , from, to, colour]) => [from.future, to.future, colour])")
    return {(source, target, colour) for source, target, colour in found}


def filled(page: Page, colour: str) -> list[dict[str, float]]:
    """Return the positions and sizes of the rectangles that are filled with a colour."""
    return [rect for rect in page.evaluate("filled()") if rect["colour"] == colour]


def position(page: Page, seconds: float) -> float:
    """Return the position of a time on the axis, in pixels of the canvas."""
    return float(page.evaluate("at", seconds))


def pixels(page: Page) -> str:
    return str(page.evaluate("() => { shown.paint(); return shown.canvas.toDataURL() }"))
