"""A kernel without a page, such as papermill's, may run cells for hours: what a run made is freed when the run has ended."""

from __future__ import annotations

import json

import pytest

from tests.jupyter.conftest import AGENT
from tests.kernels.harness import Kernel

pytestmark = pytest.mark.kernel

#: Runs in a test: several times as many as are kept for a page or for the user.
RUNS = 12
KEPT = 3
#: Of each of these, every run with a call that prints makes one at least.
NAMES = (
    "Run", "Agent", "NotebookOutput", "OutputStack", "_Slot", "ToolOutputs", "ToolOutput", "Printed", "AnswerText",
    "LiveTimeline", "TimelineWidget", "Layout", "BaseComm",
)  # fmt: skip
COUNTING = f"""
import asyncio, collections, gc, json
from asyncfc_jupyter.jupyter.display import widget
from asyncfc_jupyter.jupyter.session import background
widget.MOST_FINISHED = background.MOST_KEPT = {KEPT}

async def living():
    for _ in range(100):  # a thread may still send the last update
        gc.collect()
        counts = collections.Counter(type(each).__qualname__ for each in gc.get_objects())
        if not counts["OutputStack"]:
            break
        await asyncio.sleep(0.05)
    print(json.dumps({{name: counts[name] for name in {NAMES}}}))
"""


def grown(kernel: Kernel, options: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many objects live after some runs, and after as many again."""
    assert kernel.run(COUNTING).error is None
    counts = []
    for number in range(2 * RUNS):
        cell = kernel.run(f"{AGENT} {options}\na = talking(x={number})\n\nf'it is {{a}}'")
        assert cell.error is None, cell.traceback
        kernel.run("await _agent.ended(); await asyncio.sleep(0)")
        if number + 1 in {RUNS, 2 * RUNS}:
            counts.append(json.loads(kernel.run("await living()").stdout))
    return counts[0], counts[1]


def test_of_runs_in_one_conversation_the_conversation_alone_grows(kernel: Kernel) -> None:
    before, after = grown(kernel, "")
    assert after == before
    assert after["Run"] == 1
    assert after["TimelineWidget"] == after["Layout"] == KEPT
    assert after["NotebookOutput"] == after["OutputStack"] == after["Printed"] == 0
    assert len(json.loads(kernel.value("json.dumps(list(_agent.futures))")[1:-1])) == 2 * RUNS
    assert kernel.value("_agent.futures['f1'].printed, 'f1' in _agent.why('f1')") == "('thread says 0\\n', True)"


def test_of_runs_in_the_background_the_latest_are_kept(kernel: Kernel) -> None:
    before, after = grown(kernel, "--background")
    assert after == before
    assert after["Run"] == KEPT + 1
    kept = [f"background-{number}" for number in range(2 * RUNS - KEPT, 2 * RUNS + 1)]
    assert [name for name in kept if f"{name}: " in kernel.run("%agent").stdout] == kept
    gone = kernel.run(f"{AGENT} --conversation background-1\n'x'")
    assert "conversation background-1 is gone: " in gone.traceback


def test_a_background_conversation_that_a_cell_continued_is_kept(kernel: Kernel) -> None:
    kernel.run(COUNTING)
    for number in range(KEPT + 4):
        kernel.run(f"{AGENT} --background\n'{number}'")
        kernel.run("await _agent.ended()")
        if number == 0:
            assert kernel.run(f"{AGENT} --conversation background-1\n'and more'").error is None
    status = kernel.run("%agent").stdout
    assert "background-1: " in status
    assert "background-2: " not in status
    assert kernel.run(f"{AGENT} --conversation background-1\n'more'").error is None
