"""Pictures of the timeline for a look by eye: every screen, number of futures and theme.

python -m tests.browser.gallery [FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from asyncfc_jupyter import compare
from asyncfc_jupyter.trace.render.html import render_html
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import LiveTimeline, timeline_view
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, View
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.trace.hedged_traces import defended, overtaken, retracted
from tests.trace.sample_traces import everything, fan_out, interrupted, travel, until

VIEWS: dict[str, View | ComparisonView] = {
    "1": timeline_view(fan_out(1)),
    "8": timeline_view(travel()),
    "everything": timeline_view(everything()),
    "interrupted": timeline_view(interrupted()),
    "retracted": timeline_view(retracted()),
    "overtaken": timeline_view(overtaken()),
    "defended": timeline_view(defended()),
    "200": timeline_view(fan_out(200)),
    "10000": timeline_view(fan_out(10_000)),
    "comparison": compare(fan_out(8, running_s=2.0), travel(), everything(), names=("batch", "eager", "async")).view(),
}


def as_of(events: Trace, at_s: float) -> View:
    """Return a run in its middle."""
    timeline = LiveTimeline()
    for stamped in until(events, at_s):
        timeline.apply(stamped)
    return timeline.snapshot(at_s)


LIVE: dict[str, View] = {
    "begun": as_of(travel(), 0.2),
    "running": as_of(everything(), 3.4),
    "asking": as_of(everything(), 5.6),
    "racing": as_of(overtaken(), 2.1),
}
#: Widths in pixels of the page, and pixels of the screen for each of them; the last is a 4k screen.
SCREENS = ((400, 1), (900, 1), (1800, 1), (3840, 2))
#: As `mount`, with a listener for the buttons.
ANSWERABLE = (
    "((host, view) => { const timeline = new Timeline(host, () => undefined);"
    " timeline.head.title.setAttribute('aria-level', '1'); timeline.setView(view, false); })"
)


def main(folder: Path) -> None:
    """Write all pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        for theme in ("light", "dark"):
            for width, ratio in SCREENS:
                context = browser.new_context(
                    color_scheme=theme,
                    viewport={"width": width, "height": 600},
                    device_scale_factor=ratio,
                )
                page = context.new_page()
                for name, view in [*VIEWS.items(), *LIVE.items()]:
                    page.set_content(render_html(view).replace("mount(document", f"{ANSWERABLE}(document"))
                    page.wait_for_selector(".afc-key")
                    page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)
                context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "test-artifacts/gallery"))
