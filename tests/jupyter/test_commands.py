"""What ``%agent`` says, and that every wrong use of ``%%agent`` is one clear line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.jupyter.conftest import AGENT, assert_interactive_and_kept
from tests.kernels.harness import Kernel

pytestmark = pytest.mark.kernel


def test_status_tools_timeline_and_reset(kernel: Kernel) -> None:
    empty = kernel.run("%agent").stdout
    assert "none yet: add --model NAME to %%agent" in empty
    assert "last run      none yet" in empty
    assert "UsageError: %agent timeline: there is no run yet" in kernel.run("%agent timeline").traceback
    kernel.run(f"{AGENT} --out mine\na = quick(x=1)\n\n'done'")
    status = kernel.run("%agent").stdout
    assert "model         rehearsal\n" in status
    assert "last run      answered in" in status
    # A busy machine may let the model ask once more for a result that comes at once elsewhere.
    assert re.search(r"conversation  main: [46] messages, 1 future\n", status)
    assert "quick(x: int) -> int  [pure]" in kernel.run("%agent tools").text
    for line in ("%agent timeline", "%agent timeline mine"):
        assert_interactive_and_kept(kernel.run(line))
    assert kernel.run("%agent why f1").stdout == "f1 (quick) did not wait\n"
    assert "there is no future 'f9'; there are: f1." in kernel.run("%agent why f9").traceback
    assert "conversation  main: 0 messages, 0 futures" in kernel.run("%agent reset\n%agent").stdout


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%agent tols", "%agent: there is no command 'tols'; did you mean tools?"),
        ("%agent timeline RELEASE", "%agent timeline: 'RELEASE' is a bool; name a run, such as _agent."),
        ("%agent why", "%agent why: it takes FUTURE; it was given none."),
        ("%agent timeline nobody", "%agent timeline: 'nobody' is not defined"),
        ("%%agent", "%%agent: the cell is empty"),
        ("%%agent --model rehearsal\n \n", "%%agent: the cell is empty"),
        ("%%agent\nhello", "%%agent: no model is chosen; add --model NAME, or --model rehearsal"),
        ("%%agent --model gpt-6-luna\nhello", "set OPENAI_API_KEY"),
        ("%%agent --help", "run %%agent? in a cell"),
        ("%%agent --model m --base-url 127.0.0.1:1/v1\nhello", "write http://127.0.0.1:1/v1"),
        ("%%agent --model m --api-key-env MISSING\nhello", "the environment variable MISSING is not set"),
        ("%%agent --model rehearsal --tools quick,qick\n'x'", "there is no tool 'qick'; did you mean quick?"),
        ("%%agent --model rehearsal --mode fast\n'x'", "invalid choice: 'fast'"),
        ("%%agent --model rehearsal --out class\n'x'", "'class' is not a Python name"),
        ("%%agent --model rehearsal --sped 3\n'x'", "there is no option --sped; did you mean --speed?"),
        ("%%time\n%%agent --model rehearsal --sped 3\n'x'", "there is no option --sped; did you mean --speed?"),
        ("%%agent --model rehearsal\nimport os", "plan, line 1"),
        ("%%agent --model rehearsal\nx = nothing(a=1)\n\n'x'", "nothing"),
    ],
)
def test_a_wrong_use_is_one_line(kernel_of_module: Kernel, cell: str, says: str) -> None:
    shown = kernel_of_module.run(cell)
    assert says in shown.traceback
    assert "\n" not in shown.traceback.strip()
    kernel_of_module.run("%agent reset")


def test_a_file_that_is_no_cassette_is_not_recorded_over(kernel: Kernel, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    shown = kernel.run(f"%%agent --model rehearsal --record {notes}\n'x'").traceback.strip()
    assert "notes.txt holds something else than a cassette; name another file or remove it." in shown
    assert "\n" not in shown
    assert notes.read_text() == "mine"


def test_a_key_or_password_given_in_the_wrong_place_is_not_repeated(kernel: Kernel) -> None:
    cell = kernel.run("%%agent --model m --api-key-env sk-verysecretkey\nhello")
    assert "takes the name of an environment variable" in cell.traceback
    kernel.run("%%agent --model m --base-url http://me:hunter2@127.0.0.1:9/v1?key=hunter2\nhello")
    shown = cell.traceback + kernel.run("%agent").stdout
    assert "http://127.0.0.1:9/v1" in shown
    assert "secretkey" not in shown
    assert "hunter2" not in shown


def test_a_run_shows_its_timeline_interactive_and_with_a_picture_to_keep(kernel: Kernel) -> None:
    kernel.run(f"{AGENT}\na = quick(x=1)\n\n'done'")
    cell = kernel.run("display(_agent.timeline())")
    assert_interactive_and_kept(cell)
    assert "quick" in cell.displays[0]["text/plain"]
