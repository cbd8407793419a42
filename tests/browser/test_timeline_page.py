"""The timeline in Chromium: the standalone page, and the widget's front end fed as a kernel feeds it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from asyncfc_jupyter import compare
from asyncfc_jupyter.core.events import (
    ApprovalAsked,
    CallFinished,
    CallHeld,
    CallIssued,
    CallPrinted,
    CallProgressed,
    CallSkipped,
    CallStarted,
    RunStarted,
    Stamped,
)
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.trace.render.html import picture, render_html
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.legend import DARK, LIGHT
from asyncfc_jupyter.trace.view.view import timeline_view
from tests.browser.timeline_page import (
    FRAMES,
    SHOWN,
    STAYS_SAID,
    Theme,
    arrows,
    batch,
    feed,
    kinds,
    painted_words,
    pixels,
    point_at,
    show,
    start,
)
from tests.trace.hedged_traces import defended, overtaken, retracted
from tests.trace.sample_traces import everything, fan_out, travel, until

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 900, 1800])
def test_the_page_fits_any_width_in_light_and_dark(page: Page, artifacts: Path, width: int, theme: Theme) -> None:
    show(page, timeline_view(everything()), width=width, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    columns = {figure.bounding_box()["x"] for figure in page.locator(".afc-figure").all()}
    assert len(columns) == (2 if width == 400 else 4)
    assert page.evaluate("shown.canvas.clientWidth <= shown.root.clientWidth")
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


def test_the_bars_of_a_future_show_its_segments_in_order(page: Page) -> None:
    show(page, timeline_view(everything()))
    assert kinds(page, "f6") == ["arguments", "irreversible", "approval", "done"]
    assert kinds(page, "f5") == ["arguments", "failed", "discarded"]
    legend = page.locator(".afc-legend").inner_text()
    for words in ("continued, discarded", "held: irreversible", "writes after a read", "reasoning", "request retried"):
        assert words in legend
    assert "cancelled" not in legend


def test_pointing_at_a_bar_shows_its_tooltip_and_leaving_hides_it(page: Page) -> None:
    show(page, timeline_view(travel()))
    point_at(page, "f6", "done")
    tip = page.get_by_role("tooltip")
    expect(tip).to_be_visible()
    story = tip.inner_text()
    for part in (
        "charge_card",
        'amount="$f4.price"',
        "arguments streamed for 0.22 s",
        "waited 1.2 s: needs $f4.price",
        "waited 0.70 s: f5 writes orders/42 (WAW): writes after a write",
        "ran 1.2 s",
        "charged 82 EUR",
        "the model saw it at 6.1 s",
    ):
        assert part in story
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()


def test_pointing_at_a_bar_shows_the_end_of_what_the_function_printed(page: Page) -> None:
    f1 = FutureName("f1")
    events = (
        CallIssued(future=f1, call=CallId("c"), turn=1, tool="count", arguments="{}"),
        CallStarted(future=f1),
        *(CallPrinted(future=f1, text=f"line {n}\n") for n in range(9)),
        CallFinished(future=f1, summary="9"),
    )
    show(page, timeline_view(Trace(tuple(Stamped(seq=n, at_s=n / 4, event=event) for n, event in enumerate(events)))))
    point_at(page, "f1", "done")
    expect(page.get_by_role("tooltip").locator(".afc-prints")).to_have_text("line 6\nline 7\nline 8")


def test_pointing_at_a_bar_draws_arrows_for_its_values_and_shared_state(
    page: Page,
) -> None:
    """The arrows disappear with the pointer."""
    show(page, timeline_view(travel()))
    critical = {("f1", "f4", "ink"), ("f4", "f6", "ink")}
    assert arrows(page) == critical, "along the critical path"
    point_at(page, "f6", "done")
    assert arrows(page) == critical | {("f5", "f6", "hazard")}
    point_at(page, "f2", "done")
    assert arrows(page) == critical | {("f2", "f4", "ink")}
    page.mouse.move(2, 2)
    page.evaluate(FRAMES)
    assert arrows(page) == critical
    show(page, timeline_view(fan_out(200)))
    assert arrows(page) == set(), "all at once they would be a thicket"


def test_the_name_of_every_tool_is_visible_also_in_a_narrow_cell(page: Page) -> None:
    for width in (400, 900):
        show(page, timeline_view(everything()), width=width)
        said = painted_words(page)
        for tool in ("read_ledger", "correct", "fetch_rates", "audit", "pay", "report", "archive", "notify"):
            assert tool in said, f"{tool} at {width}"


def test_on_a_sharp_screen_the_canvas_has_a_pixel_for_each_of_the_screen(chromium: Browser, artifacts: Path) -> None:
    context = chromium.new_context(viewport={"width": 3840, "height": 1200}, device_scale_factor=2)
    page = context.new_page()
    page.set_content(render_html(timeline_view(everything())).replace("mount(document", SHOWN + "mount(document"))
    page.wait_for_selector(".afc-key")
    width, drawn, tile = page.evaluate(
        "[shown.canvas.clientWidth, shown.canvas.width, document.querySelector('.afc-key canvas').width]"
    )
    assert width > 3600
    assert (drawn, tile) == (2 * width, 40)
    assert page.evaluate("shown.scale.right - shown.scale.left") > 3400
    page.screenshot(path=artifacts / "timeline-page-4k.png")
    context.close()


def test_the_keys_are_shown_on_request(page: Page) -> None:
    show(page, timeline_view(travel()))
    keys, button = page.locator(".afc-keys"), page.get_by_role("button", name="Keys")
    expect(keys).to_be_hidden()
    page.locator(".afc-view").focus()
    page.keyboard.press("?")
    expect(keys).to_contain_text("the next or previous future")
    expect(button).to_have_attribute("aria-expanded", "true")
    button.click()
    expect(keys).to_be_hidden()
    expect(button).to_have_attribute("aria-expanded", "false")


def test_pointing_at_the_decode_lane_shows_the_decoded_text(page: Page) -> None:
    show(page, timeline_view(everything()))
    left, top = page.evaluate(
        "() => { const { left, top } = shown.canvas.getBoundingClientRect(); return [left, top] }"
    )
    x = page.evaluate("shown.scale.left") + 40
    page.mouse.move(left + x, top + 50)
    expect(page.get_by_role("tooltip")).to_contain_text("request failed and retried for 0.60 s: attempt 1 failed: 503")


def test_pointing_at_one_of_two_requests_at_once_says_why_it_was_abandoned(page: Page) -> None:
    show(page, timeline_view(overtaken()))
    left, top = page.evaluate(
        "() => { const { left, top } = shown.canvas.getBoundingClientRect(); return [left, top] }"
    )
    strip = page.evaluate("shown.sheet.strips[0]")
    middle, x = top + strip["top"] + strip["height"] / 2, left + page.evaluate("at", 2.1)
    page.mouse.move(x, middle - 6)
    lost = "request 2 was abandoned: request 3 asks the same with the values, and that one was kept (after 1.3 s)"
    expect(page.get_by_role("tooltip")).to_have_text(lost)
    page.mouse.move(x, middle + 6)
    expect(page.get_by_role("tooltip")).to_have_text("text for 0.30 s")
    page.mouse.move(left + page.evaluate("at", 1.2), middle + 6)
    expect(page.get_by_role("tooltip")).to_have_text(lost)


def test_the_pointer_finds_abandoned_requests_in_each_of_several_runs(page: Page) -> None:
    show(page, compare(retracted(), overtaken(), defended(), names=("a", "b", "c")).view())
    left, top = page.evaluate(
        "() => { const { left, top } = shown.canvas.getBoundingClientRect(); return [left, top] }"
    )
    strips = page.evaluate("shown.sheet.strips.filter(({ kind }) => kind === 'decode')")
    for strip, seconds, y, request in zip(strips, (1.2, 2.1, 2.1), (0, -5, 5), (2, 2, 3), strict=True):
        page.mouse.move(left + page.evaluate("at", seconds), top + strip["top"] + strip["height"] / 2 + y)
        expect(page.get_by_role("tooltip")).to_contain_text(f"request {request} was abandoned")


def test_a_click_pins_a_future_with_what_it_printed_and_escape_lets_go(page: Page) -> None:
    show(page, timeline_view(everything()))
    page.mouse.click(*point_at(page, "f1", "done"))
    card = page.locator(".afc-card")
    expect(card).to_contain_text("read_ledger")
    expect(card.locator(".afc-prints")).to_have_text("opening ledger\n128 entries")
    assert card.get_by_role("button", name="Cancel f1").count() == 0, "a page of its own can cancel nothing"
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()


def test_everything_can_be_done_with_the_keyboard(page: Page) -> None:
    show(page, timeline_view(travel()))
    page.locator(".afc-view").focus()
    for _ in range(7):
        page.keyboard.press("ArrowDown")
    tip = page.get_by_role("tooltip")
    expect(tip).to_contain_text("failed: ConnectionError: rooms.example.org refused the connection")
    assert "limit 2 on search" in (page.locator(".afc-voice").text_content() or "")
    page.keyboard.press("Enter")
    expect(page.locator(".afc-card")).to_contain_text("find_room")
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.evaluate(FRAMES)
    zoomed = page.evaluate("shown.scale.end - shown.scale.start")
    assert zoomed < 4
    begun = page.evaluate("shown.scale.start")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("shown.scale.start") > begun
    page.keyboard.press("0")
    assert page.evaluate("shown.scale.start") == 0
    page.keyboard.press("l")
    assert page.evaluate("shown.sheet.packed") is True
    page.keyboard.press("/")
    page.keyboard.type("hold")
    expect(page.locator(".afc-found")).to_have_text("1 found")
    page.keyboard.press("Escape")
    expect(page.locator(".afc-found")).to_have_text("")


def test_the_wheel_zooms_a_drag_pans_and_a_double_click_fits(page: Page) -> None:
    """The wheel keeps the time under the pointer in its place."""
    show(page, timeline_view(travel()))
    x, y = point_at(page, "f4", "done")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    # Playwright does not wait for the effect of the wheel as it does for a key.
    page.wait_for_function("shown.scale.end - shown.scale.start < 4")
    at = page.evaluate("spot('f4', 'done').x")
    assert abs(at - x) < 30, "what is under the pointer stays there"
    begun = page.evaluate("shown.scale.start")
    page.mouse.down()
    page.mouse.move(x - 120, y, steps=4)
    page.mouse.up()
    assert page.evaluate("shown.scale.start") > begun
    assert page.locator(".afc-card").is_hidden(), "a drag is not a click"
    page.mouse.dblclick(x, y)
    assert page.evaluate("shown.chosen") is None


def test_the_tooltip_of_one_run_of_several_ends_with_that_run(page: Page) -> None:
    show(page, compare(until(everything(), 5.0), travel(), names=("cut", "whole")).view())
    assert page.evaluate("[shown.presentOf('0 f1'), shown.presentOf('1 f1')]") == [5, 8.3]


def test_search_and_filter_dim_everything_else(page: Page) -> None:
    show(page, timeline_view(travel()))
    before = pixels(page)
    page.get_by_label("search the futures").fill("LIS")
    expect(page.locator(".afc-found")).to_have_text("4 found")
    assert pixels(page) != before
    page.get_by_label("search the futures").fill("")
    page.get_by_label("only this tool").select_option("search_flights")
    expect(page.locator(".afc-found")).to_have_text("2 found")


def test_a_table_gives_a_screen_reader_all_facts(page: Page) -> None:
    show(page, timeline_view(travel()))
    page.get_by_text("Table", exact=True).click()
    table = page.get_by_role("table").first
    expect(table.get_by_role("row")).to_have_count(9)
    cells = table.get_by_role("row").nth(6).get_by_role("cell").all_inner_texts()
    assert cells[:2] == ["f6", "charge_card"]
    assert cells[4:] == ["1.9 s: needs $f4.price; f5 writes orders/42 (WAW)", "1.2 s", "charged 82 EUR", "6.1 s"]
    decoding = page.get_by_role("table", name="decoding").get_by_role("row").all_inner_texts()
    assert decoding[1] == "0 ms\trequest sent, waiting for the first token for 0.31 s"
    assert decoding[2] == "0.31 s\targuments of f1 for 0.41 s"


def test_the_picture_can_be_saved_as_an_image(page: Page) -> None:
    show(page, timeline_view(everything()))
    page.evaluate(STAYS_SAID)
    with page.expect_download() as download:
        page.get_by_role("button", name="Copy").click()
    assert download.value.suggested_filename == "timeline.png"
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    expect(page.get_by_role("button", name="Saved")).to_be_visible()


BOMB = "</script><img src=x onerror='window.hit=1'><svg onload='window.hit=1'>"


@pytest.mark.parametrize(
    "text", [BOMB, "x" * 1_000_000, "\u202eevil\u202c \u05e9\u05dc\u05d5\u05dd", "a\x00b\x1b[31mc\ud800"]
)
def test_hostile_text_stays_text_everywhere(page: Page, text: str) -> None:
    f1 = FutureName("f1")
    issued = CallIssued(future=f1, call=CallId("c"), turn=1, tool=text, arguments=json.dumps({"a": text}), approve=True)
    events = (
        RunStarted(prompt=text, model=text, mode="async"),
        issued,
        CallHeld(future=f1, wait=Wait(kind="approval")),
        ApprovalAsked(future=f1),
        CallPrinted(future=f1, text=text),
        CallProgressed(future=f1, fraction=0.5, text=text),
    )
    log = Trace(tuple(Stamped(seq=n, at_s=float(n), event=event) for n, event in enumerate(events)))
    timeline = feed(page, log, 9.0)
    expect(page.locator(".afc-questions")).to_contain_text("asks for your approval")
    page.mouse.click(*point_at(page, "f1"))
    page.get_by_text("Table", exact=True).click()
    # The texts below would also be missing in a table that is not written yet.
    expect(page.get_by_role("table").first.get_by_role("row")).to_have_count(2)
    if text == BOMB:
        for place in (".afc-card", ".afc-questions", ".afc-table"):
            expect(page.locator(place)).to_contain_text("<img src=x onerror='window.hit=1'>")
    assert page.locator(".asyncfc-timeline :is(img, svg, script)").count() == 0
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    timeline.apply(Stamped(seq=9, at_s=9.5, event=CallSkipped(future=f1, because=None, message=text)))
    batch(page, timeline)
    expect(page.locator(".afc-questions")).to_be_hidden()


def test_a_comparison_puts_its_runs_on_one_axis_and_marks_saved_time(page: Page, artifacts: Path) -> None:
    view = compare(travel(), everything(), fan_out(30), names=("sequential", "batch", "async")).view()
    show(page, view)
    strips = page.evaluate("shown.sheet.strips.filter(({ kind }) => kind === 'head').length")
    assert strips == 3
    assert "saved" in page.locator(".afc-legend").inner_text()
    spot = page.evaluate(
        "() => { const strip = shown.sheet.strips[shown.sheet.at.get('1 f1')]; const { left, top } ="
        " shown.canvas.getBoundingClientRect(); return [left + shown.scale.left + 200, top + strip.top + 8] }"
    )
    page.mouse.move(*spot)
    expect(page.get_by_role("tooltip")).to_contain_text("read_ledger")
    page.screenshot(path=artifacts / "timeline-comparison.png", full_page=True)


def test_of_ten_thousand_futures_any_can_be_found_and_reached(page: Page) -> None:
    show(page, timeline_view(fan_out(10_000)))
    assert page.locator(".asyncfc-timeline *").count() < 120
    page.get_by_text("Table", exact=True).click()
    expect(page.get_by_role("table").first.get_by_role("row")).to_have_count(501)
    expect(page.locator(".afc-more").first).to_have_text("and 9500 more: search to find them")
    page.get_by_text("Table", exact=True).click()
    page.get_by_label("search the futures").fill("f9000")
    expect(page.locator(".afc-found")).to_have_text("1 found")
    page.locator(".afc-view").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("tooltip")).to_contain_text("f9000")


def test_the_front_end_counts_durations_and_ticks_as_python_does(page: Page) -> None:
    from asyncfc_jupyter.text import show_seconds
    from asyncfc_jupyter.trace.render.layout import ticks

    start(page, timeline_view(travel()))
    times = [0, 0.0834, 0.0996, 0.83, 0.996, 8.31, 59.94, 59.96, 125, 3599, 3600, 7325]
    assert page.evaluate("times => times.map(timeline.showSeconds)", times) == [show_seconds(time) for time in times]
    for domain in (0.004, 0.9, 8.3, 61.0, 700.0, 9000.0, 100_000.0):
        labels = page.evaluate("end => timeline.ticks({ start: 0, end }, 8).map(tick => tick.label)", domain)
        assert labels == [label for _, label in ticks(domain, 8)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_static_picture_follows_the_colour_scheme_of_its_page(page: Page, artifacts: Path, theme: Theme) -> None:
    page.emulate_media(color_scheme="light" if theme == "dark" else "dark")
    image = picture(timeline_view(travel()))
    page.set_content(f"<body style='margin:0;color-scheme:{theme}'>{image}")
    page.wait_for_function("document.images[0].complete && document.images[0].naturalWidth > 0")
    shot = page.screenshot(path=artifacts / f"timeline-picture-{theme}.png", full_page=True)
    # The colour in the corner of the picture shows which theme it followed.
    found = page.evaluate(
        """async (url) => {
          const image = new Image(); image.src = url; await image.decode();
          const canvas = document.createElement("canvas"); canvas.width = image.width; canvas.height = image.height;
          const context = canvas.getContext("2d"); context.drawImage(image, 0, 0);
          return [...context.getImageData(480, 5, 1, 1).data].slice(0, 3);
        }""",
        "data:image/png;base64," + base64.b64encode(shot).decode(),
    )
    paper = (LIGHT if theme == "light" else DARK)["paper"]
    assert "#{:02x}{:02x}{:02x}".format(*found) == paper
