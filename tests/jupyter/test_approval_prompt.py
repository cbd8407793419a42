"""How the user is asked before a call is made, in real kernels: with buttons, with a line of input, or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.jupyter.conftest import AGENT
from tests.kernels.harness import Cell, Kernel

pytestmark = pytest.mark.kernel

PAY = '''
%%tool --writes money --approve
async def pay(euros: int) -> str:
    """Pay."""
    print("paid", euros)
    return f"paid {euros}"
'''
PLAN = "\n".join([AGENT, "p = pay(euros=5)", "t = threaded(x=1)", "", "await p", "f'{p}'"])


def ask(kernel: Kernel, above: str = "", answers: list[str] | None = None) -> Cell:
    assert kernel.run(PAY).error is None
    return kernel.send(above + PLAN, answers=answers)


def asked_by_button(kernel: Kernel) -> Cell:
    """Send the cell and return it once the question stands and another tool runs beside it."""
    cell = ask(kernel, answers=[])
    kernel.wait(lambda: "threaded began" in cell.text, "the other tool to run")
    assert "paid" not in cell.text
    return cell


def press(kernel: Kernel, cell: Cell, kind: str) -> None:
    for widget in cell.widgets:
        kernel.press(widget, {"type": kind, "future": "f1"})


def end(kernel: Kernel, cell: Cell) -> None:
    kernel.wait(lambda: cell.ended, "the end of the cell")


@pytest.fixture(scope="module")
def python() -> Path:
    """Return this environment's interpreter: its kernel hears buttons during a cell."""
    return Path(sys.executable)


def test_a_button_approves_while_another_tool_runs(kernel: Kernel) -> None:
    cell = asked_by_button(kernel)
    press(kernel, cell, "approve")
    kernel.wait(lambda: "paid 5" in cell.text, "the approved call")
    assert not cell.ended
    kernel.interrupt()
    end(kernel, cell)
    assert kernel.value("_agent.futures['f1'].result()") == "'paid 5'"
    assert cell.prompts == []


def test_a_button_declines_and_the_model_is_informed(kernel: Kernel) -> None:
    cell = asked_by_button(kernel)
    press(kernel, cell, "decline")
    kernel.wait(lambda: "p skipped" in str(cell.displays), "the model to be told")
    kernel.interrupt()
    end(kernel, cell)
    assert kernel.value("str(_agent.futures['f1'].state)") == "'skipped'"
    assert "paid" not in cell.text


def test_an_interrupt_withdraws_the_question_and_the_history_stays_valid(kernel: Kernel) -> None:
    cell = asked_by_button(kernel)
    kernel.interrupt()
    end(kernel, cell)
    assert cell.traceback.startswith("AgentInterrupted")
    press(kernel, cell, "approve")  # too late, and about nothing
    after = kernel.run("\n".join([AGENT, "q = quick(x=3)", "", "f'it is {q}'"]))
    assert after.status == "ok", after.traceback
    assert kernel.value("_agent.answer") == "'it is 3'"
    assert "paid" not in cell.text + after.text


def test_a_nested_cell_asks_for_a_line_of_input(kernel: Kernel) -> None:
    kernel.run("RELEASE = True")
    cell = ask(kernel, above="%%time\n", answers=["y"])
    end(kernel, cell)
    assert cell.prompts == ["f1: pay(euros=5)\nMake this call? [y/N] "]
    assert kernel.value("_agent.answer") == "'paid 5'"


def test_anything_but_yes_is_a_no(kernel: Kernel) -> None:
    kernel.run("RELEASE = True")
    cell = ask(kernel, above="%%time\n", answers=["perhaps"])
    end(kernel, cell)
    assert kernel.value("_agent.futures['f1'].state.value") == "'skipped'"


def test_a_call_that_no_user_can_approve_is_neither_made_nor_waited_for(kernel: Kernel) -> None:
    kernel.run("RELEASE = True")
    cell = ask(kernel)
    end(kernel, cell)
    assert "there is no approver" in kernel.value("_agent.futures['f1']")
    assert "paid" not in cell.text
