"""Folds that a notebook replaces at every new line, under a user's pointer."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from asyncfc_jupyter.trace.render.html import script

pytestmark = pytest.mark.browser

#: Does what the notebook does at a new line: replaces the element by another one.
PAGE = """
<!DOCTYPE html>
<style>* {{ margin: 0 }} summary {{ width: 300px }} pre {{ max-height: 100px; overflow: auto }}</style>
<body><div id=output></div><button id=other>other</button>
<script type=module>{script}
let lines = 100;
window.say = (live = true) => {{
  const text = Array.from({{ length: ++lines }}, (_, n) => `page ${{n}}`).join("\\n");
  document.getElementById("output").innerHTML =
    `<details class="asyncfc-fold asyncfc-fold-of-a ${{live ? "asyncfc-fold-live" : ""}}"><summary>${{lines}} lines</summary>` +
    `<pre>${{text}}</pre></details>`;
}};
window.say();
keepFolds();
</script></body>
"""
STANDS = """
() => { const fold = document.querySelector("details"), pre = fold.querySelector("pre");
  return { open: fold.open, top: pre.scrollTop, left: pre.scrollHeight - pre.clientHeight - pre.scrollTop,
           focused: document.activeElement === fold.querySelector("summary") }; }
"""
#: The page's own events come with the next frames.
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"


@pytest.fixture
def folds(page: Page) -> Page:
    page.set_content(PAGE.format(script=script()))
    page.wait_for_function("window.say !== undefined")
    return page


def stands(page: Page) -> dict[str, float]:
    page.evaluate(SETTLED)
    return dict(page.evaluate(STANDS))


def go_to_heading(page: Page) -> None:
    box = page.locator("summary").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)


@pytest.mark.parametrize("press", ["click", "key"])
def test_a_fold_that_is_replaced_before_its_toggle_event_stays_open(folds: Page, press: str) -> None:
    folds.evaluate("document.addEventListener('click', () => queueMicrotask(() => say()), { once: true })")
    if press == "click":
        go_to_heading(folds)
        folds.mouse.down()
        folds.mouse.up()
    else:
        folds.locator("summary").focus()
        folds.keyboard.press("Enter")
    after = stands(folds)
    assert after["open"]
    assert after["top"] > 0
    assert after["left"] <= 1


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_heading_that_is_replaced_while_the_button_is_down_is_clicked(folds: Page, times: int) -> None:
    go_to_heading(folds)
    for _ in range(times):
        folds.mouse.down()
        folds.evaluate("say()")
        folds.mouse.up()
        folds.evaluate(SETTLED)
    assert stands(folds)["open"] == (times % 2 == 1)


def test_a_heading_is_clicked_only_by_the_main_button_released_on_it(folds: Page) -> None:
    go_to_heading(folds)
    folds.mouse.down()
    folds.evaluate("say()")
    folds.mouse.move(150, 400)
    folds.mouse.up()
    go_to_heading(folds)
    folds.mouse.down(button="right")
    folds.evaluate("say()")
    folds.mouse.up(button="right")
    assert not stands(folds)["open"]


def test_a_heading_that_stays_is_clicked_once(folds: Page) -> None:
    go_to_heading(folds)
    folds.mouse.down()
    folds.mouse.up()
    assert stands(folds)["open"]
    folds.mouse.down()
    folds.mouse.up()
    assert not stands(folds)["open"]
    folds.evaluate("say()")
    assert not stands(folds)["open"]


def test_a_scrolled_fold_stays_and_one_at_its_end_follows(folds: Page) -> None:
    folds.locator("summary").click()
    assert stands(folds)["left"] <= 1
    folds.evaluate("document.querySelector('pre').scrollTop = 40")
    folds.evaluate(SETTLED)
    folds.evaluate("say()")
    assert stands(folds)["top"] == 40
    folds.evaluate("document.querySelector('pre').scrollTop = 1e6")
    folds.evaluate(SETTLED)
    folds.evaluate("say()")
    assert stands(folds)["left"] <= 1
    folds.evaluate("say(); Promise.resolve().then(() => { document.querySelector('pre').scrollTop = 60; })")
    assert stands(folds)["top"] == 60, "scrolled before the toggle event of the new element"


def test_a_fold_that_is_closed_and_opened_again_is_at_its_end(folds: Page) -> None:
    folds.locator("summary").click()
    folds.evaluate(SETTLED)
    folds.evaluate("document.querySelector('pre').scrollTop = 40")
    for _ in range(2):
        folds.evaluate(SETTLED)
        folds.locator("summary").click()
    after = stands(folds)
    assert after["open"]
    assert after["left"] <= 1


def test_a_fold_of_an_ended_call_opens_at_its_beginning(folds: Page) -> None:
    folds.evaluate("say(false)")
    folds.locator("summary").click()
    after = stands(folds)
    assert after["open"]
    assert after["top"] == 0


def test_the_focus_stays_on_a_replaced_heading_until_it_moves_elsewhere(folds: Page) -> None:
    folds.locator("summary").focus()
    folds.evaluate("say()")
    assert stands(folds)["focused"]
    folds.keyboard.press("Enter")
    assert stands(folds)["open"]
    folds.locator("#other").focus()
    folds.evaluate("say()")
    assert not stands(folds)["focused"]
    folds.locator("summary").focus()
    folds.mouse.click(200, 500)
    folds.evaluate("say()")
    assert not stands(folds)["focused"]
