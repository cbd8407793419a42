"""Tab, and answers in their formats, as a user sees them in JupyterLab."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.lab_server import running_server

pytestmark = [pytest.mark.kernel, pytest.mark.browser]

#: Milliseconds for a page to come to a state: a cold kernel on a busy machine takes some.
LIMIT_MS = 90_000
AGENT = "%%agent --model rehearsal --ttft-ms 20 --tokens-per-s 2000"
#: A page that tries to act, and to load something from every place from which HTML and style sheets can.
HOSTILE = (
    "<style>td{{color:rgb(0,128,0)}}</style><h3>Fares</h3><table><tr><td id=fare>90 euros</td></tr></table>"
    "<script>parent.evil=1;document.body.textContent=1</script><img src=x onerror=parent.evil=1>"
    "<img src={address}/?secret><link rel=stylesheet href={address}/x.css>"
    "<style>@import '{address}/y.css';h3{{background:url({address}/z.png)}}</style>"
    "<svg width=120 height=20><rect width=100 height=12 fill=teal /></svg>"
)


def cells(address: str) -> list[str]:
    """Return the notebook's cells; the answer of the first run would load from the address."""
    return [
        "%load_ext asyncfc_jupyter",
        '%%tool --pure\ndef quick(x: int) -> int:\n    """Return x."""\n    return x',
        f"{AGENT} --format html\na = quick(x=1)\n\n{HOSTILE.format(address=address)!r}",
        f'{AGENT} --format json\nquick(x=1)\n\n\'{{"price": [1, {{"in": "euros"}}]}}\'',
        f"{AGENT} --format code\nquick(x=1)\n\n'''Like this:\n\n```python\nmade = 6 * 7\n```'''",
    ]


NOTEBOOK = "window.jupyterapp?.shell?.currentWidget"
IDLE = f"{NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'"
#: The sources of the notebook's code cells.
SOURCES = f"{NOTEBOOK}.content.widgets.map(cell => cell.model.sharedModel.getSource())"


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Return a new page."""
    context = chromium.new_context(viewport={"width": 1200, "height": 1100})
    context.set_default_timeout(LIMIT_MS)
    yield context.new_page()
    context.close()


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """Listen on this machine, and return the address and the list of requests."""
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def write_below(page: Page, source: str) -> None:
    """Put the cursor at the end of a new last cell with this text."""
    page.evaluate(
        "() => { const app = window.jupyterapp; const notebook = app.shell.currentWidget.content;"
        " notebook.activeCellIndex = notebook.widgets.length - 1;"
        " return app.commands.execute('notebook:insert-cell-below'); }"
    )
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:enter-edit-mode')")
    page.locator(".jp-Cell.jp-mod-active .cm-content").click()
    page.keyboard.type(source)


def offered(page: Page) -> list[str]:
    """Press Tab and return the items of the list."""
    page.keyboard.press("Tab")
    page.locator(".jp-Completer:visible .jp-Completer-item").first.wait_for()
    return [text.strip() for text in page.locator(".jp-Completer:visible .jp-Completer-match").all_inner_texts()]


def write_notebook(path: Path, sources: list[str]) -> None:
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    code = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=kernel), path)


def see_the_formats(page: Page, sources: list[str], artifacts: Path) -> None:
    """Check that the page is drawn and runs nothing, that JSON is a tree, and that code is in its own cell."""
    fare = page.frame_locator("iframe[title='The answer as HTML']").locator("#fare")
    fare.wait_for()
    # What the page tries to do after that line has been tried once it is loaded.
    frame = page.locator("iframe[title='The answer as HTML']").element_handle().content_frame()
    assert frame is not None
    frame.wait_for_load_state()
    assert fare.inner_text() == "90 euros"
    assert fare.evaluate("cell => getComputedStyle(cell).color") == "rgb(0, 128, 0)"
    assert page.evaluate("window.evil ?? null") is None
    page.locator(".jp-RenderedJSON").get_by_text("euros").wait_for()
    page.wait_for_function(f"() => {SOURCES}.includes('made = 6 * 7')")
    assert page.evaluate(SOURCES)[: len(sources)] == sources
    page.locator("iframe[title='The answer as HTML']").scroll_into_view_if_needed()
    page.screenshot(path=artifacts / "lab-format-html.png")
    page.locator(".jp-RenderedJSON").scroll_into_view_if_needed()
    page.screenshot(path=artifacts / "lab-format-json-and-code.png")


def see_what_tab_offers(page: Page, artifacts: Path) -> None:
    """Check that Tab lists the values of an option and futures, and that one can be chosen."""
    write_below(page, "%%agent --mode ")
    # After the kernel's offers JupyterLab lists words of the cell.
    assert offered(page)[:4] == ["sequential", "batch", "eager", "async"]
    page.screenshot(path=artifacts / "lab-tab.png")
    page.keyboard.press("Escape")
    write_below(page, "%agent why f")
    assert offered(page)[:3] == ["f1", "f2", "f3"]
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => {SOURCES}.includes('%agent why f1')")


def test_in_lab_answers_show_in_their_formats_and_tab_offers_completions(
    page: Page, tmp_path: Path, artifacts: Path
) -> None:
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    with listening() as (address, asked):
        write_notebook(notebooks / "run.ipynb", sources := cells(address))
        with running_server(tmp_path / "first", notebooks) as server:
            page.goto(server.page("lab/tree/run.ipynb"))
            page.wait_for_function(IDLE)
            page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
            see_the_formats(page, sources, artifacts)
            see_what_tab_offers(page, artifacts)
            page.evaluate(f"{NOTEBOOK}.context.save()")
        # Another server, without the first one's signatures: the notebook is not trusted, and frames are taken out.
        with running_server(tmp_path / "second", notebooks, kernels=False) as server:
            page.goto(server.page("lab/tree/run.ipynb"))
            page.locator(".jp-Dialog .jp-mod-reject").click()
            page.locator("summary").get_by_text("HTML source").wait_for()
            assert page.locator(".jp-OutputArea iframe").count() == 0
            page.screenshot(path=artifacts / "lab-format-untrusted.png")
        assert asked == []
