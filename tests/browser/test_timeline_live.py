"""The timeline of a running run: fed in batches, answered by buttons, and its state at the end."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from asyncfc_jupyter.core.events import ApprovalAsked, CallHeld, CallStarted, Stamped
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.trace.render.html import static_bundle
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import LiveTimeline, timeline_view
from asyncfc_jupyter.trace.view.wire_format import View
from tests.browser.timeline_page import FRAMES, STILL, batch, feed, kinds, pixels, point_at, start, width_of
from tests.trace.sample_traces import everything, fan_out, interrupted, travel, until

pytestmark = pytest.mark.browser


def test_a_call_that_asks_is_answered_by_a_button_that_cannot_be_missed(page: Page) -> None:
    feed(page, everything(), 5.6)
    questions = page.get_by_role("alert")
    expect(questions).to_contain_text("f6  pay asks for your approval")
    expect(questions).to_contain_text("amount=1200")
    assert questions.bounding_box()["y"] < page.locator(".afc-title").bounding_box()["y"]  # type: ignore[index]
    questions.get_by_role("button", name="Approve").first.click()
    questions.get_by_role("button", name="Decline").last.click()
    sent = page.evaluate("model.sent.filter(message => message.type !== 'hello')")
    assert sent == [{"type": "approve", "future": "f6"}, {"type": "decline", "future": "f9"}]
    expect(questions.get_by_role("button", name="Approve").first).to_be_disabled()


def test_the_run_and_one_future_can_be_cancelled(page: Page) -> None:
    feed(page, everything(), 3.5)
    page.get_by_role("button", name="Cancel run").click()
    page.mouse.click(*point_at(page, "f1", "running"))
    page.get_by_role("button", name="Cancel f1").click()
    sent = page.evaluate("model.sent.filter(message => message.type !== 'hello')")
    assert sent == [{"type": "cancel-run"}, {"type": "cancel", "future": "f1"}]


def test_a_live_bar_grows_between_two_batches_and_the_clock_counts_on(page: Page) -> None:
    feed(page, travel(), 2.0, still=True)
    before = width_of(page, "f1", "running")
    page.evaluate("skipped += 500")
    page.wait_for_function("old => bars('f1').at(-1).width > old + 10", arg=before)
    page.wait_for_function("parseFloat(document.querySelector('[data-clock]').textContent) > 2.1")
    assert kinds(page, "f3") == ["arguments", "done"]


def test_a_live_picture_stands_still_until_its_kernel_sends(page: Page) -> None:
    timeline = LiveTimeline()
    for stamped in until(travel(), 2.0):
        timeline.apply(stamped)
    start(page, timeline.snapshot(2.0))
    page.evaluate(STILL)
    before = width_of(page, "f1", "running")
    page.evaluate("skipped += 500")
    page.evaluate(FRAMES)
    assert width_of(page, "f1", "running") == before
    assert page.evaluate("model.sent") == [{"type": "hello"}]
    page.evaluate("view => model.receive({type: 'snapshot', view})", timeline.snapshot(2.0))
    page.evaluate("skipped += 500")
    page.evaluate(FRAMES)
    assert width_of(page, "f1", "running") > before


def test_with_reduced_motion_bars_move_with_batches_only(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    timeline = feed(page, travel(), 2.0)
    before = width_of(page, "f1", "running")
    page.evaluate(FRAMES)
    assert width_of(page, "f1", "running") == before
    batch(page, timeline, 2.1)
    assert width_of(page, "f1", "running") > before


@pytest.mark.parametrize(
    "trace",
    [travel(), interrupted(), everything(), fan_out(60)],
    ids=["travel", "interrupted", "everything", "fan_out"],
)
def test_batches_and_the_final_view_draw_the_same_picture(page: Page, trace: Trace) -> None:
    timeline = LiveTimeline()
    start(page, timeline.snapshot())
    for index, stamped in enumerate(trace):
        timeline.apply(stamped)
        if index % 9 == 0:
            batch(page, timeline)
    batch(page, timeline)
    page.wait_for_function("!shown.story.live && shown.drawnDomain === shown.domain")
    drawn = pixels(page)
    start(page, timeline_view(trace))
    assert pixels(page) == drawn


def test_a_page_reloaded_during_a_run_ends_with_the_same_picture(page: Page) -> None:
    """It is the picture of a page that was never reloaded."""
    timeline = LiveTimeline()
    for index, stamped in enumerate(everything()):
        timeline.apply(stamped)
        if index == 20:
            # Messages to the old page are lost; the next one has the changes since then.
            timeline.changes(stamped.at_s)
        if index == 45:
            start(page, LiveTimeline().snapshot())
            assert page.evaluate("model.sent") == [{"type": "hello"}]
            page.evaluate("view => model.receive({type: 'snapshot', view})", timeline.snapshot(stamped.at_s))
        if index > 45 and index % 7 == 0:
            batch(page, timeline)
    batch(page, timeline)
    page.wait_for_function("!shown.story.live && shown.drawnDomain === shown.domain")
    drawn, held = pixels(page), page.evaluate("shown.view")
    assert held == timeline_view(everything())
    start(page, timeline_view(everything()))
    assert pixels(page) == drawn


def test_a_zoomed_window_follows_the_present_until_the_user_moves_it(page: Page) -> None:
    timeline = feed(page, travel(), 2.0)
    page.locator(".afc-view").focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.evaluate(FRAMES)
    before = page.evaluate("shown.scale.end")
    for stamped in travel().events[len(until(travel(), 2.0)) :]:
        if stamped.at_s < 8:
            timeline.apply(stamped)
    batch(page, timeline, 8.0)
    page.evaluate(FRAMES)
    assert page.evaluate("shown.scale.end") > before
    page.keyboard.press("ArrowLeft")
    held = page.evaluate("shown.scale.end")
    batch(page, timeline, 8.5)
    page.evaluate(FRAMES)
    assert page.evaluate("shown.scale.end") == held
    page.keyboard.press("f")
    page.evaluate(FRAMES)
    assert page.evaluate("shown.scale.end") > held


def publish_picture(page: Page, trace: Trace, *, place: str = "abc123") -> None:
    """Put the picture of a run into the page, as an output does."""
    bundle = static_bundle(timeline_view(trace), place=place)
    page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", bundle["text/html"])


@pytest.mark.parametrize("first", ["the picture comes", "the output goes"])
def test_a_timeline_whose_output_is_removed_replaces_its_picture(page: Page, first: str) -> None:
    start(page, timeline_view(travel()))
    page.locator(".afc-view").focus()
    page.keyboard.press("+")
    page.evaluate("window.first = shown")
    if first == "the output goes":
        page.evaluate("cleanup(); document.getElementById('host').remove()")
    publish_picture(page, travel())
    expect(page.locator(".asyncfc-kept-abc123 .asyncfc-timeline")).to_have_count(1)
    if first == "the picture comes":
        page.evaluate("cleanup(); document.getElementById('host').remove()")
    page.evaluate(FRAMES)
    assert page.locator(".asyncfc-timeline").count() == 1
    assert page.locator(".asyncfc-picture").count() == 0
    assert page.evaluate("[model.listeners(), model.sent]") == [0, [{"type": "gone"}]]
    assert page.evaluate("shown === first && shown.chosen !== null"), "zoomed as it was"
    page.evaluate("shown.fit()")
    point_at(page, "f6", "done")
    expect(page.get_by_role("tooltip")).to_contain_text("charged 82 EUR")


def test_a_timeline_without_an_output_replaces_its_picture_wherever_it_is(page: Page) -> None:
    start(page, timeline_view(travel()), host=False)
    publish_picture(page, travel())
    publish_picture(page, travel(), place="another")
    expect(page.locator(".asyncfc-kept-abc123 .asyncfc-timeline")).to_be_visible()
    assert page.locator(".asyncfc-kept-another .asyncfc-picture").count() == 1
    point_at(page, "f6", "done")
    expect(page.get_by_role("tooltip")).to_contain_text("charged 82 EUR")
    assert page.evaluate("[model.listeners(), model.sent, shown.act]") == [0, [{"type": "gone"}], None]


def test_a_run_too_quick_to_be_drawn_live_is_interactive_afterwards(page: Page) -> None:
    start(page, LiveTimeline().snapshot(), host=False)
    publish_picture(page, travel())
    page.evaluate(FRAMES)
    assert page.locator(".asyncfc-picture").count() == 1, "a running run has no picture"
    page.evaluate("view => model.replace(view)", timeline_view(travel()))
    expect(page.locator(".asyncfc-kept-abc123 .asyncfc-timeline")).to_be_visible()


def test_a_running_run_leaves_nothing_when_its_output_is_removed(page: Page) -> None:
    feed(page, travel(), 2.0)
    page.evaluate("cleanup(); forget()")
    assert page.evaluate("[model.listeners(), document.querySelectorAll('.asyncfc-timeline').length]") == [0, 0]


def test_when_the_kernel_closes_its_widget_the_output_is_empty(page: Page) -> None:
    feed(page, travel(), 2.0)
    page.evaluate("forget()")
    assert page.locator(".asyncfc-timeline").count() == 0


def test_after_the_end_of_a_run_there_are_no_buttons(page: Page) -> None:
    ended: View = {**feed(page, everything(), 5.6).snapshot(), "live": False}
    expect(page.get_by_role("button", name="Cancel run")).to_be_visible()
    page.evaluate("view => model.replace(view)", ended)
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel run")).to_be_hidden()


def test_of_many_questions_five_are_asked_and_the_rest_counted(page: Page) -> None:
    timeline = LiveTimeline()
    for n in range(8):
        name = FutureName(f"f{n + 1}")
        for event in (CallHeld(future=name, wait=Wait(kind="approval")), ApprovalAsked(future=name)):
            timeline.apply(Stamped(seq=n, at_s=0.1 * n, event=event))
    start(page, timeline.snapshot())
    expect(page.get_by_role("button", name="Approve")).to_have_count(5)
    expect(page.locator(".afc-more")).to_have_text("and 3 more")


def test_the_chosen_tool_stays_chosen_while_others_are_added(page: Page) -> None:
    timeline = feed(page, travel(), 2.0)
    page.get_by_label("only this tool").select_option("search_flights")
    for stamped in travel().events[len(until(travel(), 2.0)) :]:
        timeline.apply(stamped)
    batch(page, timeline)
    assert "charge_card" in page.get_by_label("only this tool").inner_text()
    expect(page.get_by_label("only this tool")).to_have_value("search_flights")


def test_when_its_kernel_sends_nothing_the_clock_stops(page: Page) -> None:
    feed(page, travel(), 2.0, still=True)
    page.evaluate("skipped += 500")
    page.wait_for_function("shown.clock > 2")
    # As if the last batch had arrived an hour ago.
    page.evaluate("shown.anchor.at -= 3600 * 1000")
    page.evaluate(FRAMES)
    assert page.evaluate("shown.clock") < 10


def test_the_newest_future_stays_in_sight_until_the_user_scrolls(page: Page) -> None:
    timeline = LiveTimeline()
    start(page, timeline.snapshot())
    page.evaluate("shown.packed = false")

    def feed_between(since_s: float, at_s: float) -> None:
        for stamped in until(fan_out(120), at_s):
            if stamped.at_s > since_s:
                timeline.apply(stamped)
        batch(page, timeline, at_s)

    at_end = "shown.scroller.scrollTop + shown.scroller.clientHeight >= shown.scroller.scrollHeight - 4"
    feed_between(-1.0, 3.0)
    assert page.evaluate("shown.scroller.scrollHeight > shown.scroller.clientHeight + 100")
    assert page.evaluate(at_end)
    page.evaluate("shown.scroller.scrollTop = 40")
    feed_between(3.0, 5.0)
    assert page.evaluate("shown.scroller.scrollTop") == 40


def test_another_run_in_the_same_place_has_its_own_clock_and_choice(page: Page) -> None:
    feed(page, travel(), 8.0)
    page.mouse.click(*point_at(page, "f1", "done"))
    expect(page.locator(".afc-card")).to_be_visible()
    page.evaluate("view => model.replace(view)", LiveTimeline().snapshot())
    expect(page.locator(".afc-card")).to_be_hidden()
    assert page.evaluate("[shown.clock, shown.pinned, shown.chosen]") == [0, None, None]


def test_a_timeline_that_outlived_its_kernel_has_no_buttons_that_need_one(page: Page) -> None:
    start(page, timeline_view(travel()))
    assert page.evaluate("shown.act !== null")
    publish_picture(page, travel())
    page.evaluate(FRAMES)
    assert page.evaluate("shown.act === null")


def test_a_pinned_card_keeps_the_focus_while_batches_arrive(page: Page) -> None:
    timeline = feed(page, everything(), 3.5)
    page.mouse.click(*point_at(page, "f1", "running"))
    cancel = page.get_by_role("button", name="Cancel f1")
    cancel.focus()
    batch(page, timeline, 3.6)
    expect(cancel).to_be_focused()


def asked(*futures: str) -> LiveTimeline:
    """Return a run in which these futures ask for approval."""
    timeline = LiveTimeline()
    for number, name in enumerate(futures):
        for event in (
            CallHeld(future=FutureName(name), wait=Wait(kind="approval")),
            ApprovalAsked(future=FutureName(name)),
        ):
            timeline.apply(Stamped(seq=number, at_s=0.1 * number, event=event))
    return timeline


def answers(page: Page) -> list[dict[str, str]]:
    return list(page.evaluate("model.sent.filter(message => message.type !== 'hello')"))


def middle(page: Page, name: str) -> tuple[float, float]:
    box = page.get_by_role("button", name=name).first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_question_stays_under_the_pointer_when_another_call_asks(page: Page) -> None:
    timeline = feed(page, everything(), 5.2)  # f9 asks
    expect(page.get_by_role("alert")).to_contain_text("f9")
    page.mouse.move(*middle(page, "Approve"))
    for stamped in everything().events[len(until(everything(), 5.2)) : len(until(everything(), 5.35))]:
        timeline.apply(stamped)
    page.mouse.down()
    batch(page, timeline, 5.35)  # and f6 does
    expect(page.get_by_role("button", name="Approve")).to_have_count(2)
    page.mouse.up()
    assert answers(page) == [{"type": "approve", "future": "f9"}]
    expect(page.get_by_role("button", name="Approve").first).to_be_disabled()
    assert page.evaluate("document.activeElement === shown.scroller"), "the keyboard stays here"
    # An answered question must not be answered again because another one appears.
    later = asked("f1", "f2", "f3", "f4", "f5", "f6", "f7")
    page.evaluate("view => model.replace(view)", later.snapshot())
    expect(page.get_by_role("button", name="Approve")).to_have_count(5)
    assert page.evaluate("[...document.querySelectorAll('.afc-question button')].every(each => !each.disabled)")


def test_a_press_right_after_a_question_has_moved_up_answers_nothing(page: Page) -> None:
    timeline = asked("f1", "f2")
    start(page, timeline.snapshot())
    page.evaluate(STILL)
    page.mouse.move(*middle(page, "Approve"))
    timeline.apply(Stamped(seq=9, at_s=0.5, event=CallStarted(future=FutureName("f1"))))
    batch(page, timeline, 0.5)
    expect(page.get_by_role("button", name="Approve")).to_have_count(1)
    page.mouse.down()
    page.mouse.up()
    assert answers(page) == [], "it was meant for f1, whose place f2 has now"
    page.evaluate("skipped = 1000")
    page.mouse.down()
    page.mouse.up()
    assert answers(page) == [{"type": "approve", "future": "f2"}]


def test_updates_leave_a_pinned_card_that_the_user_presses_or_scrolls(page: Page) -> None:
    timeline = feed(page, everything(), 3.5)
    page.mouse.click(*point_at(page, "f1"))
    page.evaluate("""() => { const row = shown.rowAt("0 f1"); row.prints = "a line\\n".repeat(200); shown.draw();
        const prints = document.querySelector(".afc-card .afc-prints"); prints.scrollTop = 300;
        getSelection().selectAllChildren(prints); }""")
    page.mouse.move(*middle(page, "Cancel f1"))
    page.mouse.down()
    batch(page, timeline, 3.6)
    page.mouse.up()
    assert answers(page) == [{"type": "cancel", "future": "f1"}]
    batch(page, timeline, 3.7)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.afc-card .afc-prints'))")
    page.evaluate("document.querySelector('.afc-card .afc-prints').scrollTop = 300")
    batch(page, timeline, 3.8)
    kept = page.evaluate(
        "[document.querySelector('.afc-card .afc-prints').scrollTop, String(getSelection()).length > 1000]"
    )
    assert kept == [300, True]


def test_an_open_table_is_updated_seldom_but_immediately_for_a_search(page: Page) -> None:
    timeline = feed(page, everything(), 3.5, still=True)
    page.get_by_text("Table", exact=True).click()
    # The event of the opening comes in a later task, and then the table is written.
    page.wait_for_selector(".afc-table table")
    page.evaluate("first = document.querySelector('.afc-table table')")
    batch(page, timeline, 3.55)
    assert page.evaluate("first.isConnected")
    page.get_by_label("search the futures").fill("f1")
    expect(page.get_by_role("table").first.get_by_role("row")).to_have_count(2)
    page.evaluate("first = document.querySelector('.afc-table table'), skipped = 1500")
    batch(page, timeline, 5.0)
    assert not page.evaluate("first.isConnected")


def test_the_focus_stays_in_the_timeline_when_its_element_is_removed(page: Page) -> None:
    timeline = feed(page, everything(), 5.6)
    stays = "document.activeElement === shown.scroller"
    page.mouse.click(*point_at(page, "f1"))
    page.get_by_role("button", name="Close").press("Enter")
    assert page.evaluate(stays)
    page.get_by_role("button", name="Cancel run").focus()
    page.evaluate("view => model.replace(view)", {**timeline.snapshot(), "live": False})
    assert page.evaluate(stays)


def test_the_tooltip_follows_updates_and_scrolling(page: Page) -> None:
    timeline = feed(page, travel(), 2.0)
    point_at(page, "f1")
    tip = page.get_by_role("tooltip")
    expect(tip).to_contain_text("running for")
    for stamped in travel().events[len(until(travel(), 2.0)) :]:
        timeline.apply(stamped)
    batch(page, timeline)
    expect(tip).to_contain_text("ran 2.4 s")
    expect(tip).not_to_contain_text("running for")
