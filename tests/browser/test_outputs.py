"""Outputs of tools and the table of tools, as a user sees them in JupyterLab; and a long answer that does not move the page."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab_server import running_server
from tests.browser.test_lab import IDLE, complaints, open_and_run, page, saved
from tests.browser.timeline_page import FRAMES

__all__ = ["page"]

pytestmark = [pytest.mark.kernel, pytest.mark.browser]

IMPORTS = """%load_ext asyncfc_jupyter
import asyncio, time, warnings
from pathlib import Path
from IPython.display import HTML, display"""
TOOLS = '''%%tool --reads flights --timeout-s 300
def search_flights(city: str) -> int:
    """Search flights <img src=x onerror=window.evil=1> to a city.

    Args:
        city: Where to, as a code of three letters.
    """
    pages = 0
    while not Path(city).exists():
        print(f"{city}: page {pages} <img src=x onerror=window.evil=1>")
        pages += 1
        time.sleep(0.05)
    warnings.warn(f"the last page of {city} was cut")
    bar = '<rect width="{}" height="16" fill="seagreen"/>'.format(200)
    display(HTML(f'<svg width="320" height="16" class="{city}">{bar}</svg>'))
    return pages

async def pay(euros: float) -> str:
    """Pay."""
    print("paying", euros)
    await asyncio.sleep(0.5)
    raise ValueError("the card <b>was</b> refused")
'''
MORE = '''%%tool --writes orders --irreversible --approve --limit 2
async def book(flight: str) -> dict:
    """Book a flight.

    Args:
        flight: The flight's id.
    """
    return {"order_id": 42}
'''
UNDECLARED = '''%%tool
def look_up(word: str) -> str:
    """Look a word up."""
    return word
'''
AGENT = """%%agent --model rehearsal --ttft-ms 200 --tokens-per-s 90
lisbon = search_flights(city="LIS")
paid = pay(euros=5)
porto = search_flights(city="OPO")

await porto
f"Found {lisbon} and {porto}, or so."
"""
LINES = 2_000
LONG = """%%agent --model rehearsal --ttft-ms 20 --tokens-per-s 1000
{text!r}
"""
FOLD = "details.asyncfc-fold"
SAYS_MORE = "([css, said]) => document.querySelector(css).querySelector('summary').textContent !== said"


def write(notebooks: Path, cells: list[str]) -> Path:
    notebooks.mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = [nbformat.v4.new_code_cell(source.rstrip()) for source in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), notebooks / "run.ipynb")
    return notebooks


def pixels(page: Page) -> dict[str, Any]:
    """Return the state of the first fold: open or not, and how far its text is scrolled."""
    return dict(
        page.evaluate(
            """selector => { const fold = document.querySelector(selector), text = fold.querySelector("pre");
            return { open: fold.open, top: text.scrollTop, left: text.scrollHeight - text.clientHeight - text.scrollTop,
                     said: fold.querySelector("summary").textContent }; }""",
            FOLD,
        )
    )


def see_a_fold_stay_open(page: Page, artifact: Path) -> None:
    """Open the first fold while its tool prints, and check that it stays open and follows new text."""
    # The script that keeps folds open comes with the timeline.
    page.locator(".asyncfc-timeline[data-live=true]").wait_for()
    page.locator(FOLD).first.locator("summary").click()
    page.wait_for_function("css => document.querySelector(css).querySelector('pre').scrollTop > 0", arg=FOLD)
    after = pixels(page)
    for _ in range(5):
        page.wait_for_function(SAYS_MORE, arg=[FOLD, after["said"]])
        after = pixels(page)
        assert "LIS: page" in after["said"], "the newest line stands beside the heading"
        assert after["open"]
        assert after["left"] <= 1
    page.screenshot(path=artifact)
    # A user who scrolls away from the end stays there. A script's scrolling between two updates of a frame
    # is lost with the element, so it is repeated, as a hand keeps turning the wheel.
    for _ in range(20):
        said = page.evaluate(
            """css => { const fold = document.querySelector(css); fold.querySelector("pre").scrollTop = 20;
            return fold.querySelector("summary").textContent; }""",
            FOLD,
        )
        page.wait_for_function(SAYS_MORE, arg=[FOLD, said])
        if pixels(page)["top"] == 20:
            break
    else:
        pytest.fail("a fold that is scrolled by hand goes back to its end")


def see_the_end(page: Page, artifact: Path) -> None:
    page.get_by_role("paragraph").get_by_text("or so.").wait_for()
    page.locator(".asyncfc-tools").nth(1).wait_for()
    page.wait_for_function(IDLE)
    heads = page.locator(f"{FOLD} summary")
    expect(heads).to_have_text(
        [
            re.compile(r"^f1 search_flights - \d+ lines, 1 display$"),
            "f2 pay - 1 line, error ValueError: the card <b>was</b> refused",
            re.compile(r"^f3 search_flights( - |$)"),
        ],
        use_inner_text=True,
    )
    assert pixels(page)["top"] == 20
    tops = page.evaluate(
        """() => ["details.asyncfc-fold", "svg.LIS", "svg.OPO"].flatMap(css =>
        [...document.querySelectorAll(css)].map(node => [css, node.getBoundingClientRect().top]))
        .sort((a, b) => a[1] - b[1]).map(([css]) => css)"""
    )
    assert tops == [FOLD, "svg.LIS", FOLD, FOLD, "svg.OPO"]
    assert page.evaluate("window.evil") is None
    heads.nth(1).click()
    page.evaluate("css => document.querySelector(css).scrollIntoView()", FOLD)
    page.evaluate(FRAMES)
    page.screenshot(path=artifact)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_folds_grow_stay_open_and_are_saved_and_the_tools_are_a_table(
    page: Page, tmp_path: Path, artifacts: Path, theme: str
) -> None:
    cells = [IMPORTS, TOOLS, MORE, UNDECLARED, AGENT, "%agent tools", "%agent tools search_flights"]
    notebooks = write(tmp_path / "notebooks", cells)
    with running_server(tmp_path / "first", notebooks, dark=theme == "dark") as server:
        open_and_run(page, server, "lab/tree/run.ipynb")
        page.locator(FOLD).first.wait_for()
        see_a_fold_stay_open(page, artifacts / f"outputs-live-{theme}.png")
        (notebooks / "OPO").touch()
        page.locator("svg.OPO").wait_for()
        (notebooks / "LIS").touch()
        see_the_end(page, artifacts / f"outputs-ended-{theme}.png")
        page.evaluate("document.querySelector('.asyncfc-tools').scrollIntoView()")
        page.evaluate(FRAMES)
        page.screenshot(path=artifacts / f"outputs-tools-{theme}.png")
        assert complaints(page) == []
        outputs = saved(page, notebooks)["cells"][4]["outputs"]
        assert [output["output_type"] for output in outputs] == ["display_data"] * 7
        assert sum("<details" in "".join(output["data"].get("text/html", "")) for output in outputs) == 3
    # Another server, with neither kernels nor the first one's signatures: the notebook is not trusted.
    with running_server(tmp_path / "second", notebooks, dark=theme == "dark", kernels=False) as server:
        page.goto(server.page("lab/tree/run.ipynb"))
        page.locator(".jp-Dialog .jp-mod-reject").click()
        page.locator(".jp-Dialog").wait_for(state="detached")
        fold = page.locator("details", has_text="f2 pay").first
        fold.locator("summary").click()
        fold.get_by_text("paying 5").wait_for()
        page.screenshot(path=artifacts / f"outputs-reopened-{theme}.png")


def test_a_long_answer_is_updated_seldom_and_does_not_move_the_page(
    page: Page, tmp_path: Path, artifacts: Path
) -> None:
    text = "\n\n".join(f"Line {number} of a long answer." for number in range(LINES))
    notebooks = write(tmp_path / "notebooks", [IMPORTS, LONG.format(text=text), *([""] * 5)])
    with running_server(tmp_path / "first", notebooks) as server:
        page.goto(server.page("lab/tree/run.ipynb"))
        page.wait_for_function(IDLE)
        page.complaints.clear()  # type: ignore[attr-defined]
        page.evaluate(
            """() => { window.updates = {};
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            kernel.iopubMessage.connect((_, message) => {
              const id = message.content.transient?.display_id;
              if (id) (window.updates[id] ??= []).push(Date.parse(message.header.date)); });
            window.jupyterapp.commands.execute("notebook:run-all-cells"); }"""
        )
        lines = "number => document.querySelectorAll('.jp-OutputArea p').length >= number"
        page.wait_for_function(lines, arg=150)
        place = """text => { const line = [...document.querySelectorAll(".jp-OutputArea p")].find(
            each => each.textContent.startsWith(text)); return line.getBoundingClientRect().top; }"""
        page.evaluate(
            """() => { [...document.querySelectorAll(".jp-OutputArea p")].find(each =>
            each.textContent.startsWith("Line 100 of")).scrollIntoView({ block: "center" }); }"""
        )
        # From when the answer has been written again, so that where the line then stands is where it was brought to.
        page.wait_for_function(lines, arg=page.evaluate("document.querySelectorAll('.jp-OutputArea p').length + 1"))
        page.evaluate(
            """() => { window.seen = [];
            const look = () => { const line = [...document.querySelectorAll(".jp-OutputArea p")].find(each =>
              each.textContent.startsWith("Line 100 of"));
              window.seen.push(line ? Math.round(line.getBoundingClientRect().top) : null);
              if (!window.enough) requestAnimationFrame(() => setTimeout(look)); };
            look(); }"""
        )
        page.wait_for_function(lines, arg=LINES)
        page.wait_for_function(IDLE)
        page.evaluate(FRAMES)
        page.wait_for_function("window.seen.length > 20")
        seen = page.evaluate("window.enough = true, window.seen")
        # A look may fall between a change and its correction, both before the next paint; what stays for two is seen.
        moved = {top for top, after in pairwise(seen) if top == after and abs(top - seen[0]) > 2}
        assert not moved, f"the line that one reads has moved: {sorted(set(seen))}"
        assert page.evaluate(place, "Line 100 of") == pytest.approx(seen[0], abs=2)
        for times in page.evaluate("Object.values(window.updates)"):
            assert len(times) <= (times[-1] - times[0]) / 1000 * 10 + 2
        page.screenshot(path=artifacts / "outputs-long-answer.png")
        assert complaints(page) == []
