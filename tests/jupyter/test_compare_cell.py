"""``%%agent --compare`` and ``%agent compare`` in a kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.jupyter.conftest import AGENT, assert_interactive_and_kept
from tests.kernels.harness import Kernel

pytestmark = pytest.mark.kernel

PLAN = "a = quick(x=1)\n\nb = quick(x=a)\n\n'done'"


@pytest.fixture(scope="module")
def python() -> Path:
    """Modes are compared by the session: this ipykernel is enough."""
    return Path(sys.executable)


def test_a_cell_is_run_in_each_mode_and_the_runs_are_compared(kernel: Kernel) -> None:
    cell = kernel.run(f"{AGENT} --compare sequential,async\n{PLAN}")
    assert cell.error is None, cell.traceback
    texts = [display.get("text/plain", "") for display in cell.displays]
    pictures = [text for text in texts if "2 runs on one time axis" in text]
    assert len(pictures) == 1
    assert "sequential" in pictures[0]
    assert "async" in pictures[0]
    modes = "[str(_agent_sequential.mode), str(_agent_async.mode), _agent is _agent_async]"
    assert kernel.value(modes) == "['sequential', 'async', True]"
    # Each in a conversation of its own: the session's is as it was.
    assert "conversation  main: 0 messages, 0 futures" in kernel.run("%agent").stdout
    assert "f1" in kernel.value("list(_agent_async.futures)")
    compared = kernel.run("%agent compare _agent_sequential _agent_async")
    assert_interactive_and_kept(compared)
    assert "_agent_sequential" in compared.displays[0]["text/plain"]
    assert "'nobody' is not defined; name a run" in kernel.run("%agent compare _agent nobody").traceback
