"""Every example of the documents runs, offline, as a reader would run it, or says why it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, Example, examples, name_of
from tests.kernels.harness import environment, running_kernel

EXAMPLES = {name_of(page): examples(page.read_text(encoding="utf-8")) for page in PAGES}
CELLS = {
    page: [one for one in found if not one.reason and not one.is_script]
    for page, found in EXAMPLES.items()
    if any(not one.reason and not one.is_script for one in found)
}
SCRIPTS = [
    pytest.param(one, id=f"{page}:{one.line}") for page, found in EXAMPLES.items() for one in found if one.is_script
]


@pytest.mark.kernel
@pytest.mark.parametrize("page", CELLS)
def test_the_cells_of_a_page_run_in_order(page: str, tmp_path: Path) -> None:
    with running_kernel(Path(sys.executable), tmp_path) as kernel:
        if "%load_ext" not in CELLS[page][0].code:
            assert kernel.run("%load_ext asyncfc_jupyter").status == "ok"
        for cell in CELLS[page]:
            shown = kernel.run(cell.code)
            assert shown.status == "ok", f"{page}, line {cell.line}: {shown.traceback}"
            assert "Traceback" not in shown.stdout + shown.stderr, f"{page}, line {cell.line}: {shown.stdout}"


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_of_the_pages_run(script: Example, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", script.code],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout


def test_an_example_that_does_not_run_says_why() -> None:
    reasons = [one.reason for found in EXAMPLES.values() for one in found if one.reason]
    assert reasons
    assert all(len(reason.split()) > 3 for reason in reasons)


def test_examples_are_found_with_their_lines_and_reasons() -> None:
    page = (
        "a\n<!-- run first:\nx = 1\n-->\n```python\nprint(x)\n```\n<!-- not run: no server -->\n```\n%%agent\nhi\n```\n"
    )
    assert examples(f"{page}```\noutput\n```\n   ```bash\nls\n   ```\n") == [
        Example(line=2, code="x = 1\n"),
        Example(line=5, code="print(x)\n"),
        Example(line=8, code="%%agent\nhi\n", reason="no server"),
    ]
    with pytest.raises(AssertionError, match="line 1: 'pyton'"):
        examples("```pyton\n1\n```\n")
