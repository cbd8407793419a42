"""The timeline in JupyterLab and in Notebook 7, as a person sees it: while the run goes on, after it, and without a kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.lab_server import Server, running_server

pytestmark = [pytest.mark.kernel, pytest.mark.browser]

#: Milliseconds for a page to come to a state: a cold kernel on a busy machine takes some.
LIMIT_MS = 90_000

TOOLS = '''%%tool --reads flights/{city}
async def search_flights(city: str) -> list[dict]:
    """Find flights to a city."""
    await asyncio.sleep(1.2)
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
CELLS = ["%load_ext asyncfc_jupyter\nimport asyncio, time", TOOLS, BOOK, AGENT]

NOTEBOOK = "window.jupyterapp?.shell?.currentWidget"
IDLE = f"{NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'"
PICTURE = ".jp-OutputArea-output img[src^='data:image/svg+xml']"


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    """Return a directory with one notebook that nobody has run."""
    directory = tmp_path / "notebooks"
    directory.mkdir()
    cells = [nbformat.v4.new_code_cell(source.rstrip()) for source in CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), directory / "run.ipynb")
    return directory


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Return a page that must not complain."""
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


def see_it_grow(page: Page, artifact: Path) -> None:
    """Check that there are bars before the run has ended, and that they grow."""
    first = page.locator(".asyncfc-timeline [data-future=f1] .asyncfc-segment").last
    first.wait_for()
    assert page.locator(PICTURE).count() == 0
    width = first.bounding_box()["width"]  # type: ignore[index]
    grown = (
        "(width) => { const bars = document.querySelectorAll('.asyncfc-timeline [data-future=f1] .asyncfc-segment');"
        " return bars.length && bars[bars.length - 1].getBoundingClientRect().width > width + 10; }"
    )
    page.wait_for_function(grown, arg=width)
    page.locator(".asyncfc-timeline [data-future=f3]").first.wait_for()
    page.screenshot(path=artifact)


def see_it_end(page: Page) -> None:
    """Check what stays: the picture, the answer, and nothing that was run."""
    page.locator(PICTURE).wait_for()
    page.wait_for_function(IDLE)
    page.wait_for_function("(css) => document.querySelector(css).naturalWidth > 300", arg=PICTURE)
    assert page.locator(".asyncfc-timeline").count() == 0
    page.get_by_text("it will be clear").wait_for()
    assert "onerror" in page.locator(".jp-OutputArea").last.inner_text()
    assert page.evaluate("window.evil") is None


def saved(page: Page, notebooks: Path) -> dict[str, Any]:
    """Save the notebook and return it."""
    page.evaluate(f"{NOTEBOOK}.context.save()")
    return dict(json.loads((notebooks / "run.ipynb").read_text()))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_lab_bars_grow_during_the_run_and_a_picture_stays_that_needs_no_kernel(
    page: Page, notebooks: Path, tmp_path: Path, artifacts: Path, theme: str
) -> None:
    with running_server(tmp_path / "first", notebooks, dark=theme == "dark") as server:
        open_and_run(page, server, "lab/tree/run.ipynb")
        see_it_grow(page, artifacts / f"lab-live-{theme}.png")
        see_it_end(page)
        page.screenshot(path=artifacts / f"lab-ended-{theme}.png")
        assert complaints(page) == []
        outputs = saved(page, notebooks)["cells"][-1]["outputs"]
        assert not any("widget-view" in mime for output in outputs for mime in output["data"])
    # Another server, with neither kernels nor the first one's signatures: the notebook is not trusted.
    with running_server(tmp_path / "second", notebooks, dark=theme == "dark", kernels=False) as server:
        page.goto(server.page("lab/tree/run.ipynb"))
        page.locator(".jp-Dialog .jp-mod-reject").click()
        page.locator(".jp-Dialog").wait_for(state="detached")
        page.wait_for_function("(css) => document.querySelector(css)?.naturalWidth > 300", arg=PICTURE)
        page.screenshot(path=artifacts / f"lab-reopened-{theme}.png")
        assert page.evaluate(f"{NOTEBOOK}.sessionContext.session?.kernel ?? null") is None


def test_in_notebook_7_bars_grow_during_the_run_and_a_picture_stays(
    page: Page, notebooks: Path, tmp_path: Path, artifacts: Path
) -> None:
    with running_server(tmp_path / "first", notebooks) as server:
        open_and_run(page, server, "notebooks/run.ipynb")
        see_it_grow(page, artifacts / "notebook-live.png")
        see_it_end(page)
        page.screenshot(path=artifacts / "notebook-ended.png")
        assert complaints(page) == []
