"""Where nobody draws widgets: IPython in a terminal, and notebooks run by a program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.jupyter.conftest import AGENT, OFFERED, TOOLS
from tests.kernels.harness import LIMIT_S, REPOSITORY, environment

pytestmark = pytest.mark.kernel

PLAN = f"{AGENT}\na = quick(x=7)\n\nf'it is {{a}}'"


def in_terminal(home: Path, *cells: str) -> subprocess.CompletedProcess[str]:
    """Run cells as IPython in a terminal runs them, one after the other."""
    program = (
        "from IPython.terminal.interactiveshell import TerminalInteractiveShell as Shell\n"
        "from traitlets.config import Config\n"
        "config = Config({'HistoryManager': {'enabled': False}, 'TerminalInteractiveShell': {'simple_prompt': True}})\n"
        "shell = Shell.instance(config=config, colors='nocolor')\n"
        f"for cell in {cells!r}:\n"
        "    shell.run_cell(cell, store_history=True)\n"
    )
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, env=environment(home), cwd=home, capture_output=True, text=True, timeout=LIMIT_S, check=True
    )


def test_a_terminal_prints_the_answer_and_the_timeline_and_loads_no_widgets(tmp_path: Path) -> None:
    loaded = "import sys; print([name for name in ('ipywidgets', 'anywidget', 'openai') if name in sys.modules])"
    out = in_terminal(tmp_path, TOOLS, OFFERED, PLAN, "_agent.answer", loaded).stdout
    assert out.index("it is 7") < out.index("f1") < out.rindex("'it is 7'")
    assert "quick" in out
    assert out.rstrip().endswith("[]")


@pytest.mark.parametrize("first", ["%autoawait off", "pass"])
def test_in_a_terminal_it_works_without_autoawait_and_nested(tmp_path: Path, first: str) -> None:
    out = in_terminal(tmp_path, TOOLS, OFFERED, first, "%%time\n" + PLAN, PLAN, "print('last', _agent.outcome)").stdout
    assert out.count("answered in") == 2
    assert "Wall time" in out
    assert out.rstrip().endswith("last answered")


def test_in_a_terminal_an_interrupt_is_one_line_and_the_next_cell_works(tmp_path: Path) -> None:
    presses = '''%%tool --pure
async def press(x: int) -> int:
    """Press the interrupt key, then sleep."""
    import os, signal
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(60)
    return x
'''
    cells = [TOOLS, OFFERED, presses, f"{AGENT}\na = press(x=1)\nawait a\n'never'", "_agent.outcome", PLAN]
    out = in_terminal(tmp_path, *cells).stdout
    assert "AgentInterrupted: the run was interrupted" in out
    assert "Traceback" not in out
    assert "'interrupted'" in out
    assert "it is 7" in out


def test_a_program_runs_a_notebook_and_keeps_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    cells = [nbformat.v4.new_code_cell(code.strip()) for code in (TOOLS, OFFERED, PLAN, "_agent.answer")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(
        notebook, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(REPOSITORY)}}
    ).execute()
    picture, answer = notebook.cells[2].outputs
    assert "data:image/svg+xml;base64," in picture["data"]["text/html"]
    assert not any("widget" in mime for mime in picture["data"])
    assert answer["data"]["text/plain"] == "it is 7"
    assert notebook.cells[3].outputs[0]["data"]["text/plain"] == "'it is 7'"
