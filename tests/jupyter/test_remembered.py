"""What one kernel has measured of a tool, and the next one knows."""

import sys
from pathlib import Path

import pytest

from tests.jupyter.conftest import AGENT
from tests.kernels.harness import Kernel, running_kernel

pytestmark = pytest.mark.kernel

TOOL = '%%tool --pure --expected-s 9\ndef look(city: str) -> str:\n    """Look around."""\n    return city'
CELL = f"{AGENT}\na = look(city='x')\n\nf'{{a}}'"
#: The file is written after the cell has ended.
WRITTEN = """
import time
from asyncfc_jupyter.agent.memory import memory_file
while not memory_file().exists():
    time.sleep(0.01)
print(memory_file())
"""


def shown(kernel: Kernel) -> str:
    """What the table says of the tool."""
    (table,) = kernel.run("%agent tools").displays
    return table["text/plain"].split("\n")[1].strip()


def test_the_next_kernel_knows_what_a_tool_takes_until_that_is_forgotten(tmp_path: Path) -> None:
    for before, calls in (("", 1), ("median of 1 call", 2)):
        with running_kernel(Path(sys.executable), tmp_path) as kernel:
            kernel.run("%load_ext asyncfc_jupyter")
            kernel.run(TOOL)
            assert (before or "expected 9.0 s (expected_s)") in shown(kernel)
            kernel.run(CELL)
            assert f"(median of {calls} call" in shown(kernel)
            assert str(tmp_path / "cache") in kernel.run(WRITTEN).stdout
            if calls == 2:
                kernel.run(TOOL.replace("return city", "return city.upper()"))
                assert "expected 9.0 s (expected_s)" in shown(kernel), "an edited tool begins with nothing"
                assert kernel.run("%agent forget").stdout.startswith("Forgot how long tools took")
                kernel.run(TOOL)
                assert "expected 9.0 s (expected_s)" in shown(kernel)
                assert kernel.run("print(memory_file().exists())").stdout == "False\n"
                assert "it takes no words; it was given 1: look" in kernel.run("%agent forget look").traceback


@pytest.mark.parametrize(("remember", "calls"), [("off", 0), ("kernel", 2)])
def test_a_setting_keeps_figures_off_the_disk(kernel: Kernel, remember: str, calls: int) -> None:
    kernel.run(f"%config AgentMagics.remember = '{remember}'")
    for _ in range(2):
        kernel.run(f"{AGENT}\na = quick(x=1)\n\nf'{{a}}'")
    (table,) = kernel.run("%agent tools quick").displays
    assert ("(median of 2 calls)" in table["text/plain"]) == bool(calls)
    code = "from asyncfc_jupyter.agent.memory import memory_file\nprint(memory_file().parent.exists())"
    assert kernel.run(code).stdout == "False\n"
    assert "remember" in kernel.run("%agent config").stdout
    assert "must be one of off, kernel, disk" in kernel.run("%config AgentMagics.remember = 'no'").stderr
