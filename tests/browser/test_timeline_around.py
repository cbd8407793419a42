"""The timeline in the page around it: edges of an output, a low window, scroll bars, paper, other directions of writing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from asyncfc_jupyter.trace.view.legend import LIGHT
from asyncfc_jupyter.trace.view.view import timeline_view
from tests.browser.timeline_page import Theme, point_at, show
from tests.trace.sample_traces import everything, fan_out, travel

pytestmark = pytest.mark.browser


def test_the_tooltip_is_whole_at_every_position(page: Page) -> None:
    show(page, timeline_view(everything()))
    # Like an output of a notebook: beyond its edge everything is cut off.
    page.evaluate("shown.root.parentElement.style.cssText = 'overflow: auto; height: 300px'")
    page.evaluate("shown.root.parentElement.scrollTop = 120")
    for future in ("f1", "f5"):
        point_at(page, future)
        tip = page.get_by_role("tooltip")
        expect(tip).to_contain_text(future)
        box = tip.bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 800
        last = "(([x, y]) => document.elementsFromPoint(x, y).length > 0 && shown.pointer.tip.matches(':popover-open'))"
        assert page.evaluate(last, [box["x"] + 5, box["y"] + box["height"] - 5])
    page.evaluate(
        """() => shown.pointer.showTip(Array.from({ length: 200 }, (_, n) =>
        Object.assign(document.createElement("div"), { textContent: n })), 20, 700)"""
    )
    box = page.get_by_role("tooltip").bounding_box()
    assert box is not None
    assert (box["y"], box["height"]) == (4, 792)


def test_the_scroll_bar_of_the_timeline_pins_nothing(page: Page) -> None:
    show(page, timeline_view(fan_out(38)))
    x, y = point_at(page, "f9")
    # A browser without a screen draws no scroll bars.
    page.evaluate("Object.defineProperty(shown.scroller, 'clientWidth', { value: shown.scroller.offsetWidth - 12 })")
    page.mouse.click(page.evaluate("shown.scroller.getBoundingClientRect().right") - 4, y)
    assert page.evaluate("shown.pinned") is None
    page.mouse.click(x, y)
    assert page.evaluate("shown.pinned") == "0 f9"


def test_walking_by_keys_brings_the_future_into_a_low_window(page: Page) -> None:
    show(page, timeline_view(fan_out(20)))
    page.set_viewport_size({"width": 900, "height": 420})
    page.locator(".afc-view").focus()
    for _ in range(18):
        page.keyboard.press("ArrowDown")
    top = page.evaluate("spot('f18').y")
    assert 0 < top < 420
    expect(page.get_by_role("tooltip")).to_contain_text("f18")


def test_a_wheel_that_the_browser_has_turned_itself_moves_through_time(page: Page) -> None:
    show(page, timeline_view(travel()))
    page.evaluate("shown.zoomBy(4)")
    for turned in ({"deltaX": 120}, {"deltaX": 120, "shiftKey": True}, {"deltaY": 120, "shiftKey": True}):
        before = page.evaluate("shown.scale.start")
        page.evaluate("turned => shown.scroller.dispatchEvent(new WheelEvent('wheel', turned))", turned)
        assert page.evaluate("shown.scale.start") > before


#: The colour in the middle of the legend's sample of a call that ran.
LEGEND_COLOUR = """
(() => { const key = [...document.querySelectorAll(".afc-key")].find(each => each.textContent === "ran").firstChild;
  return [...key.getContext("2d").getImageData(key.width / 2 - 1, key.height / 2, 1, 1).data.slice(0, 3)]; })()
"""
DONE_ON_PAPER = [int(LIGHT["done"][at : at + 2], 16) for at in (1, 3, 5)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_whole_timeline_is_printed_in_the_colours_of_paper(page: Page, theme: Theme) -> None:
    show(page, timeline_view(fan_out(38)), theme=theme)
    assert page.evaluate("shown.sheet.height > shown.scroller.clientHeight")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 600, "height": 800})
    expect(page.locator(".afc-view")).to_be_hidden()
    expect(page.locator(".afc-bar")).to_be_hidden()
    paper = page.locator(".afc-paper").bounding_box()
    assert paper is not None
    assert paper["x"] + paper["width"] <= 600
    whole = page.evaluate("(({ width, height }) => width / height)(document.querySelector('.afc-paper'))")
    assert paper["width"] / paper["height"] == pytest.approx(whole, rel=0.01)
    colour = "[...document.querySelector('.afc-paper').getContext('2d').getImageData(0, 0, 1, 1).data]"
    assert page.evaluate(colour) == [255, 255, 255, 255]
    assert page.evaluate(LEGEND_COLOUR) == DONE_ON_PAPER
    assert page.evaluate("getComputedStyle(shown.root).backgroundColor") == "rgb(255, 255, 255)"
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".afc-paper").count() == 0
    assert (page.evaluate(LEGEND_COLOUR) == DONE_ON_PAPER) == (theme == "light")
    expect(page.locator(".afc-view")).to_be_visible()
    dark = page.evaluate("getComputedStyle(shown.root).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (theme == "dark")


def test_in_a_right_to_left_page_its_own_words_run_left_to_right(page: Page) -> None:
    show(page, timeline_view(travel()))
    page.evaluate("document.documentElement.dir = 'rtl'")
    assert page.evaluate("getComputedStyle(shown.canvas).direction") == "ltr"
