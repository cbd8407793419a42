"""What an error says: what is wrong, where in the cell, what to do; only the user's frames; a bug is called a bug."""

from __future__ import annotations

import pytest

from tests.jupyter.conftest import AGENT
from tests.kernels.harness import Kernel

pytestmark = pytest.mark.kernel

FAILING = '''%%tool --pure
def failing(x: int) -> float:
    """Divide by zero, in a thread."""
    return _helper(x)

async def failing_on_the_loop(x: int) -> float:
    """Divide by zero."""
    return _helper(x)

def failing_elsewhere(x: int) -> float:
    """Raise one error after another."""
    try:
        return _helper(x)
    except ZeroDivisionError as error:
        raise LookupError("no such price") from error

def _helper(x):
    return x / 0
'''
#: A bug in the package, whose message contains a key.
FAULT = """
import os
import asyncfc_jupyter.agent.loop as loop
os.environ["MY_API_KEY"] = "planted-secret-key"
scope = vars(loop) | {"before": loop.Loop.run}
exec(compile('''
async def run(self):
    await before(self)
    raise FAULT
'''.replace("FAULT", FAULT), loop.__file__, "exec"), scope)
loop.Loop.run = scope["run"]
"""


def assert_no_frames_of_ours(shown: str) -> None:
    assert "asyncfc_jupyter/" not in shown
    assert "run_cell_magic" not in shown
    assert "concurrent/futures" not in shown


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("# why\n\n%%agent --model rehearsal --sped 3\n'x'", "did you mean --speed? (line 3 of the cell)"),
        ("%%agent --model rehearsal\n# a plan\na = quick(x=1)\nimport os", "'import os'; "),
        ("%%agent --model rehearsal\n# a plan\na = quick(x=1)\nimport os", "(line 4 of the cell)"),
        ("%%time\n%%agent --model rehearsal\nimport os", "(line 3 of the cell)"),
        ("x = 1\n\n%agent why f99", "(line 3 of the cell)"),
        ("%%tool --limt 3\nx = 1", "did you mean --limit? (line 1 of the cell)"),
        ("%%tool\n\n@abs\ndef f(x): pass", "bad operand type for abs()"),
        ("%%tool\nimport os\n\ndef f(x) -> int:\n    '''F.'''", "(line 4: def f(x) -> int:)"),
        ("%%tool --writes a/{y}\n\ndef f(x: int) -> int:\n    '''F.'''", "(line 3: def f(x: int) -> int:)"),
        ("# a\n\n# b\n%%tool\n\n\nx = 1 / 0", "----> 7 x = 1 / 0"),
        ("%%time\n%%tool\nx = = 1", "line 3"),
        ("# a\n%%tool\nx = = 1", "line 3"),
        ("x = 1\n_agent.futures['f99']", "line 2: _agent.futures['f99'])"),
        ("def look():\n    return _agent.futures['f99']\n\nlook()", "line 2: return _agent.futures['f99'])"),
    ],
)
def test_an_error_names_the_line_of_the_cell(kernel_of_module: Kernel, cell: str, says: str) -> None:
    kernel_of_module.run(f"{AGENT}\na = quick(x=1)\n\n'x'")
    shown = kernel_of_module.run(cell)
    assert says in shown.traceback
    assert_no_frames_of_ours(shown.traceback)
    kernel_of_module.run("%agent reset")


def test_an_error_of_a_cell_of_one_line_does_not_name_the_line(kernel_of_module: Kernel) -> None:
    kernel_of_module.run(f"{AGENT}\n'x'")
    assert "of the cell" not in kernel_of_module.run("%agent why f99").traceback


@pytest.mark.parametrize("tool", ["failing", "failing_on_the_loop", "failing_elsewhere"])
def test_a_tools_own_error_has_the_users_frames_and_no_others(kernel_of_module: Kernel, tool: str) -> None:
    kernel_of_module.run(FAILING)
    kernel_of_module.run(f"{AGENT}\na = {tool}(x=1)\n\n'x'")
    shown = kernel_of_module.run("future = list(_agent.futures.values())[-1]\nfuture.result()").traceback
    assert f", in {tool}(x)" in shown
    assert "----> 4" in shown or "return _helper(x)" in shown
    assert "return x / 0" in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "line 2: future.result())" in shown
    assert_no_frames_of_ours(shown)
    kernel_of_module.run("%agent reset")


@pytest.mark.parametrize("above", ["", "%%time\n"])
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("KeyError(os.environ['MY_API_KEY'])", "KeyError: '***'"),
        (
            "__import__('asyncfc_jupyter.errors').errors.InvariantBroken('a rule', 'f1 did this')",
            "Story: f1 did this",
        ),
    ],
)
def test_a_bug_in_the_package_says_so_and_has_what_a_report_needs(
    kernel: Kernel, fault: str, says: str, above: str
) -> None:
    kernel.run(
        FAULT.replace("FAULT)", repr(fault) + ")").replace("scope = vars(loop)", "scope = vars(loop) | {'os': os}")
    )
    cell = kernel.run(f"{above}{AGENT}\na = quick(x=1)\n\n'x'")
    assert cell.error is not None
    assert cell.traceback.startswith("Bug: this is a bug in asyncfc_jupyter, not in your cell.")
    assert says in cell.traceback
    assert "agent/agent.py:" in cell.traceback
    assert "ipykernel 7" in cell.traceback or "ipykernel 6" in cell.traceback
    assert "CallIssued f1" in cell.traceback or "TurnEnded" in cell.traceback
    assert "planted-secret-key" not in str(cell.error)
    assert kernel.value("_agent.futures['f1'].result()") == "1"


def test_a_bug_in_the_package_during_a_background_run_says_so_too(kernel: Kernel) -> None:
    kernel.run(FAULT.replace("FAULT)", "\"KeyError('x')\")"))
    cell = kernel.run(f"{AGENT} --background\na = quick(x=1)\n\n'x'")
    shown = kernel.run("await _agent").traceback
    assert shown.startswith("Bug: this is a bug in asyncfc_jupyter")
    kernel.wait(lambda: "this is a bug in asyncfc_jupyter" in cell.stderr, "the error in its own cell")


def test_after_unloading_errors_are_shown_plainly(kernel: Kernel) -> None:
    kernel.run(f"{AGENT}\n'x'")
    kernel.run("%unload_ext asyncfc_jupyter")
    shown = kernel.run("x = 1\n_agent.futures['f99']").traceback.strip()
    assert shown == "NoSuchFuture: there is no future 'f99'; there are: none yet."
