"""The paint on the timeline's canvas: a canvas has no elements, so the painter's calls are recorded."""

from __future__ import annotations

import base64
import struct

import pytest
from playwright.sync_api import Page, expect

from asyncfc_jupyter import compare
from asyncfc_jupyter.core.events import CallFinished, CallIssued, CallStarted, Stamped
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.legend import DARK, LIGHT, patterns
from asyncfc_jupyter.trace.view.view import timeline_view
from tests.browser.timeline_page import (
    FRAMES,
    STAYS_SAID,
    batch,
    feed,
    filled,
    painted_words,
    pixels,
    point_at,
    position,
    show,
    start,
)
from tests.trace.hedged_traces import defended, overtaken, retracted
from tests.trace.sample_traces import everything, fan_out, travel

pytestmark = pytest.mark.browser

#: The names of the patterns with which bars are filled.
PATTERNS = """
() => given("bar").flatMap(([, , , , fill]) => {
  const found = Object.entries(shown.painter.ink.patterns).find(([, pattern]) => pattern === fill);
  return found === undefined ? [] : [found[0]];
})
"""


#: How opaque each text is.
ALPHAS = """
() => {
  const seen = {};
  shown.painter.words = ({ text }) => { seen[text] = shown.painter.context.globalAlpha; };
  shown.paint();
  delete shown.painter.words;
  return seen;
}
"""


def paper(page: Page) -> str:
    """Return the colour with which the canvas is cleared."""
    page.evaluate(FRAMES)
    return str(page.evaluate("filled()[0].colour"))


def test_each_reason_to_wait_has_its_own_pattern(page: Page) -> None:
    show(page, timeline_view(everything()))
    found = ["hazard-WAR", "same", "irreversible", "approval", "data", "hazard-RAW", "limit", "approval"]
    assert page.evaluate(PATTERNS) == found
    show(page, timeline_view(travel()))
    assert "hazard-WAW" in page.evaluate(PATTERNS)
    assert page.evaluate("new Set(Object.values(shown.painter.ink.patterns)).size") == 10


#: The labels of the axis and where each stands, in pixels.
LABELS = "given('words').filter(([, y]) => y === 14).map(([{ text, x }]) => [text, x])"


def test_the_labels_of_the_axis_are_at_their_times_in_every_window(page: Page) -> None:
    show(page, timeline_view(travel()))
    page.locator(".afc-view").focus()
    starts = []
    for key in ("", "+", "+", "ArrowRight", "ArrowRight"):
        if key:
            page.keyboard.press(key)
            page.evaluate(FRAMES)
        starts.append(page.evaluate("shown.scale.start"))
        labels = {text: x for text, x in page.evaluate(LABELS) if text != "end"}
        assert len(labels) >= 4
        for text, x in labels.items():
            assert x == pytest.approx(position(page, float(text.removesuffix(" s"))), abs=0.6), text
    assert starts[0] == 0 < starts[-1], "the last window does not begin with the run"


#: Paints a pattern of the page and the one of the picture, both in black on white, and says how far the first is from the
#: second, and from the second turned over: means of the differences of grey, from 0 to 255.
DISTANCES = """
async ([kind, defs, colours]) => {
  const size = 64, box = (draw) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
    const context = canvas.getContext("2d");
    draw(context);
    return [...context.getImageData(0, 0, size, size).data].filter((_, index) => index % 4 === 1);
  };
  const probe = document.createElement("div");
  document.body.append(probe);
  probe.style.cssText = colours;
  const ink = readInk(probe, document.createElement("canvas").getContext("2d"), 1);
  const page = box((context) => { context.fillStyle = ink.patterns[kind]; context.fillRect(0, 0, size, size); });
  const image = new Image();
  const style = "<style>rect{fill:white}path{stroke:black}</style>";
  image.src = "data:image/svg+xml," + encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}">${style}${defs}`
    + `<rect width="${size}" height="${size}" style="fill:url(#${kind})"/></svg>`);
  await image.decode();
  const picture = box((context) => context.drawImage(image, 0, 0));
  const turned = picture.map((_, at) => picture[at - at % size + size - 1 - at % size]);
  const far = (one, other) => one.reduce((sum, grey, at) => sum + Math.abs(grey - other[at]), 0) / one.length;
  return [far(page, picture), far(page, turned)];
}
"""


@pytest.mark.parametrize(
    "kind", ["data", "same", "hazard-RAW", "hazard-WAR", "hazard-WAW", "irreversible", "approval", "limit"]
)
def test_a_pattern_of_the_page_is_that_of_the_picture(page: Page, kind: str) -> None:
    """A wait looks the same live and saved: its lines have the same direction and number."""
    show(page, timeline_view(travel()))
    black = "".join(f"--afc-{name}:black;" for name in ("data", "hazard", "approval", "limit"))
    apart, turned = page.evaluate(DISTANCES, [kind, patterns(), f"{black}--afc-lane:white"])
    assert apart < 2
    if kind in {"data", "hazard-RAW", "hazard-WAR"}:
        assert turned > 50


def test_a_wait_in_the_queue_is_drawn_and_explained(page: Page) -> None:
    """If no call really waited, the legend does not mention a queue."""

    def queued_for(seconds: float) -> Trace:
        f1 = FutureName("f1")
        issued = CallIssued(future=f1, call=CallId("c"), turn=1, tool="work", arguments="{}")
        facts = ((0.0, issued), (seconds, CallStarted(future=f1)), (3.0, CallFinished(future=f1, summary="ok")))
        return Trace(tuple(Stamped(seq=n, at_s=at, event=event) for n, (at, event) in enumerate(facts)))

    show(page, timeline_view(queued_for(1.0)))
    (line,) = [rect for rect in filled(page, LIGHT["data"]) if rect["height"] == 2]
    assert line["width"] == pytest.approx(position(page, 1.0) - position(page, 0.0), abs=0.1)
    expect(page.locator(".afc-legend")).to_contain_text("queued")
    show(page, timeline_view(queued_for(0.0002)))
    expect(page.locator(".afc-legend")).not_to_contain_text("queued")


def test_a_ring_marks_when_the_model_saw_each_result(page: Page) -> None:
    """In lanes only the future in focus has a ring."""
    view = timeline_view(travel())
    show(page, view)
    rings = [x for x, *_ in page.evaluate("given('seen')")]
    assert rings == [pytest.approx(position(page, row["seen"])) for row in view["rows"] if row["seen"] is not None]
    page.evaluate("shown.switchLanes()")
    assert page.evaluate("given('seen')") == []
    point_at(page, "f5", "done")
    ((x, *_),) = page.evaluate("given('seen')")
    assert x == pytest.approx(position(page, view["rows"][4]["seen"] or 0.0))


def test_a_frame_marks_the_critical_path(page: Page) -> None:
    view = timeline_view(travel())
    show(page, view)
    framed = page.evaluate("given('frame').filter(([, , , , colour]) => colour === 'ink').length")
    assert framed == sum(row["critical"] for row in view["rows"]) == 3


def test_the_overlap_and_the_turn_boundaries_are_painted_in_place(page: Page) -> None:
    view = timeline_view(travel())
    show(page, view)
    washes = filled(page, LIGHT["overlap"])
    for begun, ended in view["overlap"]:
        assert begun is not None
        assert ended is not None
        own = [rect for rect in washes if rect["x"] == pytest.approx(position(page, begun))]
        assert own
        for rect in own:
            assert rect["width"] == pytest.approx(position(page, ended) - position(page, begun))
    tall = page.evaluate("shown.sheet.strips[0].height - 2")
    lines = [rect["x"] + 0.5 for rect in filled(page, LIGHT["muted"]) if rect["height"] == tall]
    assert lines == [pytest.approx(position(page, at)) for at in view["turns"][1:]]


def test_the_words_of_a_call_that_asks_are_not_struck_out_by_its_lines(page: Page) -> None:
    """A label within the bar of the wait has clear paper around it."""
    timeline = feed(page, everything(), 5.6, still=True)
    batch(page, timeline, 20.0)  # the bars of the calls that ask are long by then
    asks = [given[0] for given in page.evaluate("given('words')") if given[0]["text"].startswith("asks")]
    inside = [label for label in asks if label["inside"]]
    assert inside
    for label in inside:
        assert any(
            rect["x"] < label["x"] < rect["x"] + rect["width"] and rect["height"] == 18 and rect["width"] > 100
            for rect in filled(page, LIGHT["paper"])
        )


def test_calls_narrower_than_a_few_pixels_cover_whole_ones(page: Page) -> None:
    show(page, timeline_view(fan_out(200)), width=400)
    calls = [rect for rect in filled(page, LIGHT["call"]) if rect["height"] == 26]
    assert len(calls) > 100
    assert all(rect["x"] % 1 == 0 and rect["width"] % 1 == 0 and rect["width"] >= 1 for rect in calls)


def test_a_line_marks_now_in_a_live_run_and_the_end_in_a_finished_run(page: Page) -> None:
    """The end is marked only if calls ran longer."""
    show(page, timeline_view(everything()))
    assert "end" in painted_words(page)
    (x,) = {rect["x"] + 0.5 for rect in filled(page, LIGHT["muted"]) if rect["width"] == 1.2}
    assert x == pytest.approx(position(page, timeline_view(everything())["now"]))
    show(page, timeline_view(travel()))
    assert "end" not in painted_words(page)
    page.emulate_media(reduced_motion="reduce")
    feed(page, travel(), 2.0)
    (line,) = [rect for rect in filled(page, LIGHT["call"]) if rect["width"] == 1.2]
    assert line["x"] + 0.5 == pytest.approx(position(page, page.evaluate("shown.clock")), abs=0.6)


def test_a_failed_attempt_leaves_a_gap_in_its_bar(page: Page) -> None:
    show(page, timeline_view(everything()))
    gap = [rect for rect in filled(page, LIGHT["lane"]) if rect["width"] == 11]
    (retry,) = timeline_view(everything())["rows"][2]["retries"]
    assert [rect["x"] + 5.5 for rect in gap] == [pytest.approx(position(page, retry["at"]))]


def test_the_progress_of_a_running_function_fills_the_foot_of_its_bar(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    feed(page, everything(), 3.4)
    groove, done = filled(page, LIGHT["running-ink"])
    assert (groove["x"], groove["y"]) == (done["x"], done["y"])
    assert done["width"] == pytest.approx(0.6 * groove["width"])


def test_a_search_makes_all_other_futures_faint(page: Page) -> None:
    show(page, timeline_view(travel()))
    page.get_by_label("only this tool").select_option("rank")
    seen = page.evaluate(ALPHAS)
    assert seen["rank"] == 1
    assert seen["hold_seat"] < 0.5


@pytest.mark.parametrize("names", [("slow", "quick"), ("quick", "slow")])
def test_saved_time_is_marked_from_the_end_to_that_of_the_slowest_run(page: Page, names: tuple[str, str]) -> None:
    runs = {"slow": travel(), "quick": fan_out(8, running_s=2.0)}
    view = compare(*(runs[name] for name in names), names=names).view()
    show(page, view)
    (marked,) = page.evaluate("given('frame').filter(([, , , , colour]) => colour === 'done')")
    ends = [run["view"]["now"] for run in view["runs"]]
    assert marked[0] == pytest.approx(position(page, min(ends)))
    assert marked[0] + marked[2] == pytest.approx(position(page, max(ends)))
    assert "saved 5.1 s" in painted_words(page)
    show(page, compare(travel(), travel()).view())
    assert page.evaluate("given('frame').filter(([, , , , colour]) => colour === 'done')") == []
    expect(page.locator(".afc-legend")).not_to_contain_text("saved")


def test_the_canvas_follows_the_theme_when_it_changes(page: Page) -> None:
    show(page, timeline_view(travel()))
    assert paper(page) == LIGHT["paper"]
    page.emulate_media(color_scheme="dark")
    assert paper(page) == DARK["paper"]
    start(page, timeline_view(travel()), around="data-jp-theme-light=true")
    assert paper(page) == LIGHT["paper"]
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert paper(page) == DARK["paper"]


#: A clipboard that keeps what is written to it.
CLIPBOARD = """
() => {
  const write = async ([item]) => { window.copied = await item.getType("image/png"); };
  Object.defineProperty(navigator, "clipboard", { value: { write }, configurable: true });
  window.ClipboardItem ??= class { constructor(kinds) { this.kinds = kinds; } getType(kind) { return this.kinds[kind]; } };
}
"""
COPIED = """
async () => {
  const bytes = new Uint8Array(await copied.arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
"""


def test_the_image_has_the_whole_picture_at_any_scroll_position(page: Page) -> None:
    """The image also has the head and the legend."""
    show(page, timeline_view(fan_out(60)))
    page.evaluate(CLIPBOARD)
    page.evaluate(STAYS_SAID)
    page.evaluate("shown.switchLanes(); shown.scroller.scrollTop = 300")
    page.evaluate(FRAMES)
    page.evaluate(
        "() => { window.texts = []; const { words } = Painter.prototype; Painter.prototype.words = function (label, ...rest) {"
        " if (this !== shown.painter) texts.push(label.text); words.call(this, label, ...rest); } }"
    )
    page.locator(".afc-view").focus()
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    image = base64.b64decode(page.evaluate(COPIED))
    assert image.startswith(b"\x89PNG")
    _, height = struct.unpack(">II", image[16:24])
    assert height > 2 * page.evaluate("shown.sheet.height"), "sharp, and with what is above and below the picture"
    texts = page.evaluate("texts")
    for told in ("Do 60 things", "f1", "f60", "overlap", "to first token", "elapsed"):
        assert told in texts


def test_delete_cancels_the_future_in_focus_but_only_during_the_run(page: Page) -> None:
    timeline = feed(page, everything(), 3.5)
    sent = "model.sent.filter(message => message.type !== 'hello')"
    page.locator(".afc-view").focus()
    page.keyboard.press("Delete")
    assert page.evaluate(sent) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Delete")
    assert page.evaluate(sent) == [{"type": "cancel", "future": "f2"}]
    for stamped in everything().events:
        timeline.apply(stamped)
    batch(page, timeline)
    page.keyboard.press("Delete")
    assert len(page.evaluate(sent)) == 1


def test_a_removed_timeline_has_no_listeners(page: Page) -> None:
    feed(page, travel(), 2.0)
    page.evaluate("cleanup(); forget()")
    page.evaluate("() => { window.reads = 0; shown.readTheme = () => { reads += 1; }; shown.draw = shown.readTheme; }")
    page.emulate_media(color_scheme="dark")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.set_viewport_size({"width": 500, "height": 500})
    page.evaluate(FRAMES)
    assert page.evaluate("reads") == 0


def test_keys_typed_into_the_search_move_nothing(page: Page) -> None:
    show(page, timeline_view(travel()))
    before = pixels(page)
    page.get_by_label("search the futures").press_sequentially("+l0")
    page.get_by_label("search the futures").fill("")
    assert page.evaluate("[shown.chosen, shown.packed]") == [None, None]
    assert pixels(page) == before


def test_a_bar_below_the_fold_is_found_under_the_pointer(page: Page) -> None:
    show(page, timeline_view(fan_out(60)))
    page.evaluate("shown.switchLanes(); shown.scroller.scrollTop = 300")
    page.evaluate(FRAMES)
    point_at(page, "f30", "done")
    expect(page.get_by_role("tooltip")).to_contain_text("f30")


@pytest.mark.parametrize(
    ("trace", "top", "height"),
    [(retracted(), -13, 26), (overtaken(), -13, 12), (defended(), 1, 12)],
    ids=["retracted", "overtaken", "defended"],
)
def test_an_abandoned_request_has_the_lane_or_its_half(page: Page, trace: Trace, top: float, height: float) -> None:
    view = timeline_view(trace)
    show(page, view)
    (given,) = page.evaluate("given('abandoned')")
    strip = page.evaluate("shown.sheet.strips[0]")
    (span,) = [span for span in view["decode"] if span["kind"] == "abandoned"]
    middle = strip["top"] + strip["height"] / 2
    start, end = position(page, span["start"]), position(page, span["end"] or 0.0)
    assert given == pytest.approx([start, middle + top, end - start - 1, height])
    assert "abandoned request" in page.locator(".afc-legend").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_live_race_is_two_thin_bars_until_one_is_left(page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    timeline = feed(page, overtaken(), 2.1, still=True)
    heights = "given('bar').filter(([, , , , fill]) => fill === shown.painter.ink.colours.text).map((bar) => bar[3])"
    assert page.evaluate(heights).count(12) == 2, "the texts of both"
    assert page.evaluate("given('abandoned')") == []
    for stamped in overtaken():
        if stamped.at_s > 2.1:
            timeline.apply(stamped)
    batch(page, timeline)
    assert page.evaluate(heights).count(12) == 1, "the text of the one that is used"
    assert len(page.evaluate("given('abandoned')")) == 1
