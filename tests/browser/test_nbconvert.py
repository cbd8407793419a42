"""A notebook as nbconvert shows it on a page: the timeline is a picture, and needs no script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter
from playwright.sync_api import Browser, Page, expect

from tests.jupyter.conftest import AGENT, OFFERED, TOOLS
from tests.kernels.harness import LIMIT_S, environment

pytestmark = [pytest.mark.kernel, pytest.mark.browser]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """Return a notebook that was executed and saved: a run, a comparison, and a requested timeline."""
    home = tmp_path_factory.mktemp("home")
    cells = [
        TOOLS,
        OFFERED,
        f"{AGENT}\na = quick(x=7)\nb = quick(x=a)\n\nf'it is **{{b}}** <script>document.title = 1</script>'",
        f"{AGENT} --compare sequential,async\na = quick(x=7)\nb = quick(x=8)\n\n'both'",
        "%agent timeline",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code.strip()) for code in cells])
    client = NotebookClient(
        notebook, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(home)}}
    )
    client.execute(env=environment(home))
    return nbformat.reads(nbformat.writes(notebook), as_version=4)


@pytest.fixture
def still(chromium: Browser) -> Iterator[Page]:
    """Return a page that runs no scripts and fetches nothing."""
    context = chromium.new_context(viewport={"width": 1100, "height": 900}, java_script_enabled=False, offline=True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("template", ["lab", "classic", "basic"])
def test_a_page_without_scripts_shows_the_pictures_and_the_answer(
    executed: nbformat.NotebookNode, still: Page, artifacts: Path, template: str
) -> None:
    page, _ = HTMLExporter(template_name=template, embed_images=True).from_notebook_node(executed)
    still.set_content(page, wait_until="domcontentloaded")
    pictures = still.locator("img[src^='data:image/svg+xml']")
    assert pictures.count() == 3  # also of the requested timeline
    for picture in pictures.all():
        # The document is loaded before its pictures.
        expect(picture).to_have_js_property("complete", value=True)
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] > 300
        assert box["height"] > 80
    assert still.get_by_text("it is 7").count() >= 1
    # The model's own markup is text.
    assert "&lt;script&gt;document.title" in page
    assert still.title() != "1"
    still.screenshot(path=str(artifacts / f"nbconvert-{template}.png"), full_page=True)


def test_the_page_prints_to_pdf(executed: nbformat.NotebookNode, still: Page, artifacts: Path) -> None:
    page, _ = HTMLExporter(template_name="lab").from_notebook_node(executed)
    still.set_content(page, wait_until="domcontentloaded")
    still.emulate_media(media="print")
    expect(still.locator("img[src^='data:image/svg+xml']").first).to_be_visible()
    pdf = still.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    (artifacts / "nbconvert.pdf").write_bytes(pdf)


def test_saved_outputs_need_no_kernel_and_can_be_read_as_markdown(executed: nbformat.NotebookNode) -> None:
    for cell in executed.cells[2:4]:
        kinds = {kind for output in cell.outputs for kind in output.get("data", ())}
        assert not any("widget" in kind or "javascript" in kind for kind in kinds)
    text, _ = MarkdownExporter().from_notebook_node(executed)
    assert "it is **7**" in text or "it is <strong>7</strong>" in text
