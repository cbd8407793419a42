"""Front ends that draw no widgets: IPython in a terminal, and notebooks run by a program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
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


def test_a_terminal_prints_answer_and_timeline_and_loads_no_widgets(tmp_path: Path) -> None:
    loaded = "import sys; print([name for name in ('ipywidgets', 'anywidget', 'openai') if name in sys.modules])"
    out = in_terminal(tmp_path, TOOLS, OFFERED, PLAN, "_agent.answer", loaded).stdout
    assert out.index("it is 7") < out.index("f1") < out.rindex("'it is 7'")
    assert "quick" in out
    assert out.rstrip().endswith("[]")


def test_a_terminal_offers_code_as_the_next_input_and_reports_invalid_json(tmp_path: Path) -> None:
    code = f"{AGENT} --format code\n'made = 6 * 7'"
    offered = "print('offered', get_ipython().rl_next_input)"
    out = in_terminal(tmp_path, TOOLS, OFFERED, code, offered, PLAN.replace("\n", " --format json\n", 1)).stdout
    assert "offered made = 6 * 7" in out
    assert "(The answer is not JSON, so it is shown as text (Expecting value: line 1 column 1 (char 0)).)" in out


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


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home for this process and the kernels that it starts."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_a_program_runs_a_notebook_and_keeps_the_picture(home: Path) -> None:
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


def test_papermill_runs_cells_in_order_with_parameters_and_keeps_outputs(home: Path) -> None:
    scaled = '''%%tool --pure
def scaled(x: int) -> int:
    """Multiply by the notebook's own parameter."""
    return x * factor
'''
    first = nbformat.v4.new_code_cell("factor = 1\nspeed = 1", metadata={"tags": ["parameters"]})
    asks = "%%agent --model rehearsal --ttft-ms 20 --tokens-per-s {speed}\na = scaled(x=2)\n\nf'it is {a}'"
    rest = [nbformat.v4.new_code_cell(code) for code in ("%load_ext asyncfc_jupyter", scaled, asks, "_agent.answer")]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[first, *rest], metadata={"kernelspec": kernel}), home / "in.ipynb")
    options = {"kernel_name": "python3", "progress_bar": False, "cwd": str(home)}
    papermill.execute_notebook(
        str(home / "in.ipynb"), str(home / "out.ipynb"), parameters={"factor": 5, "speed": 2000}, **options
    )
    kept = nbformat.read(home / "out.ipynb", as_version=4)
    injected = next(cell for cell in kept.cells if "injected-parameters" in cell.metadata.tags)
    assert "factor = 5" in injected.source
    counts = [cell.execution_count for cell in kept.cells]
    assert counts == sorted(counts)
    picture, answer = kept.cells[-2].outputs
    assert "data:image/svg+xml;base64," in picture["data"]["text/html"]
    assert answer["data"]["text/plain"] == "it is 10"
    assert kept.cells[-1].outputs[0]["data"]["text/plain"] == "'it is 10'"


def test_papermill_stops_at_an_agent_cell_that_fails_and_keeps_the_error(home: Path) -> None:
    cells = [
        nbformat.v4.new_code_cell(code) for code in ("%load_ext asyncfc_jupyter", f"{AGENT}\nimport os", "print(1)")
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), home / "in.ipynb")
    with pytest.raises(papermill.PapermillExecutionError, match="plans have no imports"):
        papermill.execute_notebook(
            str(home / "in.ipynb"), str(home / "out.ipynb"), kernel_name="python3", progress_bar=False, cwd=str(home)
        )
    kept = nbformat.read(home / "out.ipynb", as_version=4)
    errors = [output for cell in kept.cells for output in cell.get("outputs", ()) if output["output_type"] == "error"]
    assert [error["ename"] for error in errors] == ["PlanError"]
    assert kept.cells[-1].execution_count is None
