"""The timeline's page checked by the rules of axe-core, and its text for a screen reader."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page

from asyncfc_jupyter import compare
from asyncfc_jupyter.trace.render.html import render_html
from asyncfc_jupyter.trace.view.view import timeline_view
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, View
from tests.browser.gallery import ANSWERABLE, as_of
from tests.browser.timeline_page import SHOWN, Theme
from tests.trace.sample_traces import everything, fan_out, travel

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[1] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
VIEWS: dict[str, View | ComparisonView] = {
    "ended": timeline_view(everything()),
    "asking": as_of(everything(), 5.6),
    "many": timeline_view(fan_out(200)),
    "compared": compare(travel(), everything(), names=("sequential", "async")).view(),
}
#: All that can be opened is open: the table, the keys, a pinned future.
#: The event that the table is open comes later and redraws the page, which must not happen while axe checks it.
OPEN = """
async () => {
  const { root } = shown.table;
  const toggled = new Promise((done) => root.addEventListener("toggle", done, { once: true }));
  root.open = true;
  shown.showKeys();
  shown.pin("0 f1");
  await toggled;
}
"""
RUN = """
async () => {
  const { violations } = await axe.run();
  const places = (nodes) => nodes.map(({ html }) => html.slice(0, 200)).join(" | ");
  return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${places(nodes)}`);
}
"""


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        message = "run `npm ci` in tests/frontend to check the page for accessibility"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", VIEWS)
def test_the_page_breaks_no_rule_of_axe(page: Page, axe: str, name: str, theme: Theme) -> None:
    page.emulate_media(color_scheme=theme)
    how = ANSWERABLE if name == "asking" else "mount"
    page.set_content(render_html(VIEWS[name]).replace("mount(document", f"{SHOWN}{how}(document"))
    page.wait_for_selector(".afc-key")
    page.evaluate(OPEN)
    page.wait_for_selector(".afc-card:not([hidden]) .afc-name")
    page.wait_for_selector(".afc-table table")
    page.evaluate(axe)
    assert page.evaluate(RUN) == []
