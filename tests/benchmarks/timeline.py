"""What the timeline costs: frames of the page while one pans and zooms, the first paint, and the kernel's own time."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from asyncfc_jupyter.jupyter.display.widget import BATCH_S, TimelineWidget
from asyncfc_jupyter.trace.render.html import render_html
from asyncfc_jupyter.trace.view.view import View, timeline_view
from tests.benchmarks.report import Report, Table, options_of, publish
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.trace.sample_traces import fan_out

TEXT = f"""
Frame times are measured in the page, between two calls of `requestAnimationFrame`, while every frame moves the window. The time
that the page's script needs for a frame is measured too, since a headless browser without a GPU draws the canvas in software
and its frames also wait for that. Sixty frames a second are 16.7 ms each. The kernel's share is the processor time of feeding
the widget, by the clock of its thread, over the length of the run, with a batch every {1000 * BATCH_S:.0f} ms.
"""
#: Frames measured of each movement: two seconds at sixty a second.
FRAMES, QUICK_FRAMES = 120, 30
#: Futures in the pages.
PAGES, QUICK_PAGES = (200, 2_000, 10_000), (200,)

#: Moves the window in every frame and notes when each frame began, and how long painting it took.
MOVE = """
([frames, how]) => new Promise((done) => {
  const times = [], work = [];
  const paint = shown.paint;
  shown.paint = function () { const begun = performance.now(); paint.call(this); work.push(performance.now() - begun); };
  let n = 0, last;
  if (how === "pan") shown.zoomBy(4, shown.whole / 4);
  const step = (now) => {
    if (last !== undefined) times.push(now - last);
    last = now;
    if (n++ === frames) { shown.paint = paint; return done([times, work]); }
    if (how === "pan") shown.panBy(shown.whole / 400);
    else shown.zoomBy(n <= frames / 2 ? 1.08 : 1 / 1.08, shown.whole * 0.6);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})
"""
SHOWN = """
const drawn = Timeline.prototype.draw;
Timeline.prototype.draw = function () { window.shown = this; return drawn.call(this); };
"""
TIMED = "const begun = performance.now(); mount(document"
AFTER = "; shown.canvas.getContext('2d').getImageData(0, 0, 1, 1); window.painted = performance.now() - begun;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Times of some frames, in milliseconds."""

    median_ms: float
    #: The slowest but for one in twenty.
    p95_ms: float
    #: Of the page's script alone.
    script_p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What feeding the widget took."""

    #: Processor time over the length of the run.
    share: float
    messages: int
    bytes: int


class Counted(TimelineWidget):
    """A timeline that counts what it would have sent."""

    def __init__(self, **options: Any) -> None:
        self.messages = self.bytes = 0
        super().__init__(**options)

    def send(self, content: Any, buffers: Any = None) -> None:
        """Encode the message, as sending it would."""
        self.messages += 1
        self.bytes += len(json.dumps(content))

    def send_state(self, key: Any = None) -> None:
        """Encode the view, as sending it would."""
        self.bytes += len(json.dumps(self.get_state(key)))


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the Chromium of the browser tests."""
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield started
        started.close()


def open_page(chromium: Browser, view: View, *, width: int = 1200) -> Page:
    """Open a standalone page that remembers its timeline and the milliseconds that its first paint took."""
    page = chromium.new_page(viewport={"width": width, "height": 900})
    html = render_html(view).replace("mount(document", SHOWN + TIMED)
    head, tail = html.rsplit(");\n</script>", 1)
    page.set_content(f"{head});{AFTER}\n</script>{tail}")
    page.wait_for_function("window.painted !== undefined")
    return page


def moved(page: Page, how: str, frames: int = FRAMES) -> Frames:
    """Return the frame times while the window pans or zooms."""
    times, work = page.evaluate(MOVE, [frames, how])
    return Frames(
        median_ms=statistics.median(times),
        p95_ms=statistics.quantiles(times, n=20)[-1],
        script_p95_ms=statistics.quantiles(work, n=20)[-1],
    )


def kernel_cost(futures: int) -> Cost:
    """Return what a run of so many futures costs the kernel, with a batch whenever one is due in the run's own time."""
    trace = fan_out(futures)

    widget = Counted(clock=lambda: 0.0)
    begun, due = time.thread_time(), 0.0
    for stamped in trace:
        while stamped.at_s >= due:
            widget.flush()
            due += BATCH_S
        widget.apply(stamped)
    widget.finish()
    spent = time.thread_time() - begun
    return Cost(share=spent / trace.end_s, messages=widget.messages, bytes=widget.bytes)


def page_row(chromium: Browser, futures: int, frames: int) -> dict[str, Any]:
    """Return what a page with so many futures costs."""
    page = open_page(chromium, timeline_view(fan_out(futures)))
    figures = {"futures": futures, "first_paint_ms": page.evaluate("painted")}
    figures |= {how: asdict(moved(page, how, frames)) for how in ("pan", "zoom")}
    page.close()
    return figures


def page_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return the figures of the pages as a table."""
    header = ("futures, movement", "first paint, ms", "frame, ms", "its 95th percentile", "script, 95th percentile")
    cells = []
    for row in rows:
        for how in ("pan", "zoom"):
            frames = row[how]
            times = (f"{frames[name]:.1f}" for name in ("median_ms", "p95_ms", "script_p95_ms"))
            cells.append([f"{row['futures']:,}, {how}", f"{row['first_paint_ms']:.0f}", *times])
    return Table("In the page:", header, cells)


def main(words: Sequence[str]) -> int:
    """Measure everything and publish it."""
    options = options_of("timeline", __doc__, words)
    sizes, frames = (QUICK_PAGES, QUICK_FRAMES) if options.quick else (PAGES, FRAMES)
    with browser() as chromium:
        pages = [page_row(chromium, futures, frames) for futures in sizes]
    kernel = {futures: kernel_cost(futures) for futures in (500, 2_000)}
    cells = [
        [f"{futures:,}", f"{cost.share:.2%}", f"{cost.messages}", f"{cost.bytes / 1024:.0f}"]
        for futures, cost in kernel.items()
    ]
    report = Report(
        name="timeline",
        title="Timeline: what looking costs",
        text=TEXT,
        tables=[
            page_table(pages),
            Table("In the kernel:", ("futures", "of the run's time", "messages", "KiB"), cells),
        ],
        figures={"pages": pages, "kernel": {futures: asdict(cost) for futures, cost in kernel.items()}},
    )
    return publish(report, options)
