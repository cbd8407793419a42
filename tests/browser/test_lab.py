"""The timeline in JupyterLab and in Notebook 7, as a user sees it: during the run, after it, and without a kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page, expect

from tests.browser.lab_server import Server, running_server

pytestmark = [pytest.mark.kernel, pytest.mark.browser]

#: Milliseconds for a page to come to a state: a cold kernel on a busy machine takes some.
LIMIT_MS = 90_000

TOOLS = '''%%tool --reads flights/{city}
async def search_flights(city: str) -> list[dict]:
    """Find flights to a city, once somebody has seen enough of the search."""
    while not Path("seen").exists():
        await asyncio.sleep(0.05)
    return [{"id": f"{city}-7", "price": 90}]

def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    time.sleep(0.8)
    return "clear"
'''
BOOK = '''%%tool --writes orders
async def book(flight: str) -> dict:
    """Book a flight."""
    await asyncio.sleep(0.6)
    return {"order_id": 42}
'''
AGENT = """%%agent --model rehearsal --ttft-ms 250 --tokens-per-s 70
flights = search_flights(city="LIS")
weather = get_weather(city="LIS")

booking = book(flight=flights[0].id)
await weather
f"**Booked** order {booking.order_id} <img src=x onerror=window.evil=1>; it will be {weather}."
"""
CELLS = ["%load_ext asyncfc_jupyter\nimport asyncio, time\nfrom pathlib import Path", TOOLS, BOOK, AGENT]

NOTEBOOK = "window.jupyterapp?.shell?.currentWidget"
IDLE = f"{NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'"
PICTURE = ".jp-OutputArea-output img[src^='data:image/svg+xml']"


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    """Return a directory with one notebook that was not run."""
    directory = tmp_path / "notebooks"
    directory.mkdir()
    cells = [nbformat.v4.new_code_cell(source.rstrip()) for source in CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), directory / "run.ipynb")
    return directory


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Return a page that must not log an error."""
    context = chromium.new_context(viewport={"width": 1200, "height": 1100})
    context.set_default_timeout(LIMIT_MS)
    page = context.new_page()
    page.complaints = []  # type: ignore[attr-defined]
    page.on("console", lambda message: _note(page, message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: _note(page, str(error)))
    yield page
    context.close()


def _note(page: Page, text: str) -> None:
    page.complaints.append(text)  # type: ignore[attr-defined]


def complaints(page: Page) -> list[str]:
    return list(page.complaints)  # type: ignore[attr-defined]


def open_and_run(page: Page, server: Server, path: str) -> None:
    """Open the notebook, wait for its kernel and run all cells."""
    page.goto(server.page(path))
    page.wait_for_function(IDLE)
    page.complaints.clear()  # type: ignore[attr-defined]
    # Not awaited: the test looks at the page while the cells run.
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")


def canvas(page: Page) -> str:
    """Return the picture on the timeline's canvas."""
    return str(page.evaluate("document.querySelector('.afc-canvas').toDataURL()"))


def zoom_and_back(page: Page) -> bool:
    """Zoom in and out by keys; return whether the canvas shows the same picture again."""
    before = canvas(page)
    page.keyboard.press("+")
    page.wait_for_function("old => document.querySelector('.afc-canvas').toDataURL() !== old", arg=before)
    page.keyboard.press("0")
    page.keyboard.press("0")
    return canvas(page) == before


def see_it_grow(page: Page, notebooks: Path, artifact: Path) -> None:
    """Check that there is a timeline during the run, and that it grows; then let the run end."""
    page.locator(".asyncfc-timeline[data-live=true]").wait_for()
    page.get_by_text("futures done").wait_for()
    assert page.locator(PICTURE).count() == 0
    before = canvas(page)
    page.wait_for_function("old => document.querySelector('.afc-canvas').toDataURL() !== old", arg=before)
    page.get_by_text("of 3 futures").wait_for()
    page.screenshot(path=artifact)
    (notebooks / "seen").touch()


def see_it_end(page: Page, artifact: Path) -> None:
    """Check the outputs after the run: a timeline that can be pointed at and zoomed, the answer, and no code that was run."""
    page.locator("[class^=asyncfc-kept-] .asyncfc-timeline[data-live=false]").wait_for()
    page.wait_for_function(IDLE)
    page.get_by_role("paragraph").get_by_text("it will be clear").wait_for()
    assert "onerror" in page.locator(".jp-OutputArea").last.inner_text()
    assert page.evaluate("window.evil") is None
    expect(page.locator(".asyncfc-timeline")).to_have_count(1)
    expect(page.locator(PICTURE)).to_have_count(0)
    view = page.locator(".afc-view")
    # The middle of the first row, below the axis and the decode lane. What is above may be laid out again: this waits until the
    # view stands still.
    view.hover(position={"x": view.evaluate("view => view.clientWidth / 2"), "y": 28 + 44 + 17})
    page.get_by_role("tooltip").get_by_text("search_flights").wait_for()
    page.screenshot(path=artifact)
    page.mouse.move(2, 2)
    page.get_by_role("tooltip").wait_for(state="hidden")
    # Single keys, which the notebook would take for itself: "l" is its line numbers, "0" twice restarts the kernel.
    view.focus()
    # Late fonts and scroll bars change the layout, possibly between two pictures, but not between any two.
    assert any(zoom_and_back(page) for _ in range(20))


def saved(page: Page, notebooks: Path) -> dict[str, Any]:
    """Save the notebook and return it."""
    page.evaluate(f"{NOTEBOOK}.context.save()")
    return dict(json.loads((notebooks / "run.ipynb").read_text()))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_lab_a_timeline_grows_stays_interactive_and_is_saved(
    page: Page, notebooks: Path, tmp_path: Path, artifacts: Path, theme: str
) -> None:
    """It is saved as a picture, which is also shown without a kernel."""
    with running_server(tmp_path / "first", notebooks, dark=theme == "dark") as server:
        open_and_run(page, server, "lab/tree/run.ipynb")
        see_it_grow(page, notebooks, artifacts / f"lab-live-{theme}.png")
        see_it_end(page, artifacts / f"lab-ended-{theme}.png")
        assert complaints(page) == []
        outputs = saved(page, notebooks)["cells"][-1]["outputs"]
        assert not any("widget-view" in mime for output in outputs for mime in output["data"])
    # Another server, with neither kernels nor the first one's signatures: the notebook is not trusted.
    with running_server(tmp_path / "second", notebooks, dark=theme == "dark", kernels=False) as server:
        page.goto(server.page("lab/tree/run.ipynb"))
        page.locator(".jp-Dialog .jp-mod-reject").click()
        page.locator(".jp-Dialog").wait_for(state="detached")
        page.wait_for_function("(css) => document.querySelector(css)?.naturalWidth > 300", arg=PICTURE)
        assert page.locator(PICTURE).count() == 1
        page.screenshot(path=artifacts / f"lab-reopened-{theme}.png")
        assert page.evaluate(f"{NOTEBOOK}.sessionContext.session?.kernel ?? null") is None
    exported = HTMLExporter().from_filename(str(notebooks / "run.ipynb"))[0]
    page.set_content(exported.split("<body", 1)[1].join(["<body", ""]))
    assert page.locator("img[src^='data:image/svg+xml']").count() == 1


ASKED_FOR = [
    "%agent timeline",
    "display(_agent.timeline())",
    "from asyncfc_jupyter import compare\ncompare(_agent, _agent)",
]


def test_in_lab_a_requested_timeline_is_interactive_and_saved_as_a_picture(
    page: Page, notebooks: Path, tmp_path: Path, artifacts: Path
) -> None:
    written = nbformat.read(notebooks / "run.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    written.cells += [nbformat.v4.new_code_cell(source) for source in ASKED_FOR]
    nbformat.write(written, notebooks / "run.ipynb")
    (notebooks / "seen").touch()
    live = page.locator("[class^=asyncfc-kept-] .asyncfc-timeline[data-live=false]")
    with running_server(tmp_path / "first", notebooks) as server:
        open_and_run(page, server, "lab/tree/run.ipynb")
        live.nth(3).wait_for()
        page.wait_for_function(IDLE)
        expect(live).to_have_count(4)
        expect(page.locator(PICTURE)).to_have_count(0)
        for index, words in enumerate(
            ("possible at most", "of what was possible", "of what was possible", "2 runs on one time axis")
        ):
            live.nth(index).scroll_into_view_if_needed()
            live.nth(index).get_by_text(words).wait_for()
        view = live.nth(2).locator(".afc-view")
        view.focus()
        page.keyboard.press("ArrowDown")
        live.nth(2).get_by_role("tooltip").get_by_text("search_flights").wait_for()
        page.screenshot(path=artifacts / "lab-asked-for.png")
        assert complaints(page) == []
        cells = saved(page, notebooks)["cells"][-len(ASKED_FOR) :]
        assert [[set(output["data"]) for output in cell["outputs"]] for cell in cells] == [
            [{"text/html", "text/plain"}]
        ] * 3
    with running_server(tmp_path / "second", notebooks, kernels=False) as server:
        page.goto(server.page("lab/tree/run.ipynb"))
        page.locator(".jp-Dialog .jp-mod-reject").click()
        page.locator(".jp-Dialog").wait_for(state="detached")
        for index in range(4):
            page.locator(PICTURE).nth(index).scroll_into_view_if_needed()
            page.wait_for_function(
                "([css, n]) => document.querySelectorAll(css)[n]?.naturalWidth > 300", arg=[PICTURE, index]
            )
        page.screenshot(path=artifacts / "lab-asked-for-reopened.png")
        assert live.count() == 0


def test_in_notebook_7_a_timeline_grows_stays_interactive_and_is_saved(
    page: Page, notebooks: Path, tmp_path: Path, artifacts: Path
) -> None:
    """It is saved as a picture, which is also shown without a kernel."""
    with running_server(tmp_path / "first", notebooks) as server:
        open_and_run(page, server, "notebooks/run.ipynb")
        see_it_grow(page, notebooks, artifacts / "notebook-live.png")
        see_it_end(page, artifacts / "notebook-ended.png")
        assert complaints(page) == []
        outputs = saved(page, notebooks)["cells"][-1]["outputs"]
        assert not any("widget-view" in mime for output in outputs for mime in output["data"])
    with running_server(tmp_path / "second", notebooks, kernels=False) as server:
        page.goto(server.page("notebooks/run.ipynb"))
        page.wait_for_function("(css) => document.querySelector(css)?.naturalWidth > 300", arg=PICTURE)
        assert page.locator(PICTURE).count() == 1


def test_in_lab_a_comparison_of_modes_replaces_the_last_run(
    page: Page, notebooks: Path, tmp_path: Path, artifacts: Path
) -> None:
    cells = [*CELLS[:-1], AGENT.replace("%%agent", "%%agent --compare sequential,async")]
    written = nbformat.read(notebooks / "run.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    written.cells = [nbformat.v4.new_code_cell(source.rstrip()) for source in cells]
    nbformat.write(written, notebooks / "run.ipynb")
    (notebooks / "seen").touch()
    with running_server(tmp_path / "first", notebooks) as server:
        open_and_run(page, server, "lab/tree/run.ipynb")
        page.get_by_text("sequential calling").wait_for()
        page.locator("[class^=asyncfc-kept-] .asyncfc-timeline").get_by_text("2 runs on one time axis").wait_for()
        page.wait_for_function(IDLE)
        expect(page.locator(".asyncfc-timeline")).to_have_count(1)
        page.screenshot(path=artifacts / "lab-compared.png")
        assert complaints(page) == []
        outputs = saved(page, notebooks)["cells"][-1]["outputs"]
        assert not any("widget-view" in mime for output in outputs for mime in output["data"])


def test_a_page_reloaded_during_a_run_stays_live_and_can_cancel_a_future(
    page: Page, notebooks: Path, tmp_path: Path, artifacts: Path
) -> None:
    with running_server(tmp_path / "first", notebooks) as server:
        open_and_run(page, server, "lab/tree/run.ipynb")
        page.locator(".asyncfc-timeline[data-live=true]").get_by_text("1 of 3 futures done").wait_for()
        page.evaluate(f"{NOTEBOOK}.context.save()")
        page.reload()
        page.locator(".asyncfc-timeline[data-live=true]").get_by_text("1 of 3 futures done").wait_for()
        before = canvas(page)
        page.wait_for_function("old => document.querySelector('.afc-canvas').toDataURL() !== old", arg=before)
        # A notebook that has just been loaded may take the focus, so the element gets the focus again before each press.
        page.locator(".afc-view").press("ArrowDown")
        page.get_by_role("tooltip").get_by_text("search_flights").wait_for()
        page.locator(".afc-view").press("Delete")
        page.locator(".asyncfc-timeline[data-live=false]").get_by_text("3 futures").wait_for()
        page.screenshot(path=artifacts / "lab-reloaded.png")


PAY = '''%%tool --writes money --approve
async def pay(flight: str, euros: float) -> dict:
    """Pay."""
    await asyncio.sleep(0.3)
    return {"paid": euros}
'''
PAYING = """%%agent --model rehearsal --ttft-ms 250 --tokens-per-s 70
flights = search_flights(city="LIS")
receipt = pay(flight=flights[0].id, euros=90.5)

await receipt
f"**Paid** {receipt.paid} euros."
"""


def test_in_lab_a_call_asks_for_approval_and_runs_when_it_is_approved(
    page: Page, notebooks: Path, tmp_path: Path, artifacts: Path
) -> None:
    """A press of its button approves it."""
    (notebooks / "seen").touch()
    cells = [nbformat.v4.new_code_cell(source.rstrip()) for source in (*CELLS[:2], PAY, PAYING)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), notebooks / "run.ipynb")
    with running_server(tmp_path / "server", notebooks) as server:
        open_and_run(page, server, "lab/tree/run.ipynb")
        approve = page.get_by_role("button", name="Approve").first
        approve.wait_for()
        assert "LIS-7" in page.locator(".asyncfc-timeline").inner_text(), "the user sees what will be done"
        page.screenshot(path=artifacts / "lab-approval.png")
        approve.click()
        page.get_by_role("paragraph").get_by_text("Paid").wait_for()
        page.wait_for_function(IDLE)
        expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        page.screenshot(path=artifacts / "lab-approved.png")
        assert complaints(page) == []
