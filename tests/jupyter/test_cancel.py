"""Every way to stop something: the interrupt button, the timeline's buttons and ``%agent cancel``; and what is left."""

from __future__ import annotations

import time

import pytest

from tests.jupyter.conftest import AGENT
from tests.kernels.harness import Cell, Kernel
from tests.servers.scripted_server import Gate, ScriptedServer, call_chunks, reply, text_chunks

pytestmark = pytest.mark.kernel

#: None, or an error that says what no server would accept in the messages of the last run's conversation.
CHECK = (
    "__import__('asyncfc_jupyter.agent.history', fromlist=['Checker']).Checker().check(_agent.conversation.messages)"
)
GOES_ON = f"{AGENT}\nlast = quick(x=7)\n\nf'it is {{last}}'"


def plan(tool: str) -> str:
    return f"{AGENT}\na = quick(x=1)\nawait a\nb = {tool}(x=2)\nc = quick(x=b)\nd = quick(x=4)\n\nawait b\n'never'"


def begun(kernel: Kernel, cell: str, tool: str) -> Cell:
    sent = kernel.send(cell)
    kernel.wait(lambda: f"{tool} began" in sent.text, f"{tool} to begin")
    return sent


def assert_it_goes_on(kernel: Kernel) -> None:
    """Check that the history is valid, that results are kept, and that the conversation comes to an answer."""
    assert kernel.value(CHECK) == "None"
    assert kernel.value("[f.result() for f in _agent.futures.values() if f.state.value == 'done'][:1]") == "[1]"
    cell = kernel.run(GOES_ON)
    assert cell.status == "ok", cell.traceback
    assert cell.displays[-1]["text/plain"].endswith("it is 7")
    assert kernel.value(CHECK) == "None"


@pytest.mark.parametrize("tool", ["sleeping", "threaded", "blocking", "deaf"])
def test_an_interrupt_leaves_a_valid_history_and_names_what_cannot_stop(kernel: Kernel, tool: str) -> None:
    cell = begun(kernel, plan(tool), tool)
    kernel.interrupt()
    kernel.wait(lambda: cell.ended, "the interrupted cell")
    assert cell.traceback.startswith("AgentInterrupted: the run was interrupted")
    assert ("f2 (threaded)" in cell.traceback) == (tool == "threaded")
    assert ("f2 (deaf)" in cell.traceback) == (tool == "deaf")
    assert kernel.value("_agent.futures['f2'].state.value") == "'cancelled'"
    assert_it_goes_on(kernel)


def test_the_interrupt_button_stops_a_model_that_says_nothing_more(kernel: Kernel) -> None:
    silence = Gate()
    script = [reply([*call_chunks(0, "a", "quick", {"x": 1}), silence]), reply(text_chunks("and on"))]
    with ScriptedServer(script) as server:
        cell = kernel.send(f"%%agent --model m --base-url {server.base_url}\nHello?")
        silence.wait_reached()
        kernel.interrupt()
        kernel.wait(lambda: cell.ended, "the interrupted cell")
        silence.open()
        assert cell.traceback.startswith("AgentInterrupted: ")
        assert kernel.value(CHECK) == "None"
        after = kernel.run("%%agent\nAnd now?")
        assert after.displays[-1]["text/plain"].endswith("and on")


@pytest.mark.parametrize("above", ["", "%%time\n"])
@pytest.mark.parametrize("tool", ["stubborn", "deaf", "threaded"])
def test_a_second_interrupt_ends_the_cell_whatever_the_tool_does(kernel: Kernel, tool: str, above: str) -> None:
    cell = begun(kernel, above + plan(tool), tool)
    kernel.interrupt()
    if tool == "stubborn":
        kernel.wait(lambda: "stubborn shrugs" in cell.text, "the tool to swallow the first interrupt")
        kernel.interrupt()
    kernel.wait(lambda: cell.ended, "the end of the cell")
    assert cell.status == "error"
    # The kernel lives, and so does the conversation.
    after = kernel.run(GOES_ON)
    assert after.displays[-1]["text/plain"].endswith("it is 7")
    assert kernel.value(CHECK) == "None"


def test_endless_code_outside_a_tool_ends_at_the_third_interrupt(kernel: Kernel) -> None:
    endless = "print('repr began')\n        while True:\n            time.sleep(0.01)\n"
    kernel.run(f"class Endless:\n    def __repr__(self):\n        {endless}")
    kernel.run('%%tool --pure\nasync def endless(x: int) -> object:\n    """E."""\n    return Endless()')
    cell = kernel.send(f"{AGENT}\na = endless(x=1)\nawait a\n'seen'")
    kernel.wait(lambda: "repr began" in cell.stdout, "the endless repr")
    # One press after the other: signals that arrive together count as one.
    presses = time.monotonic()

    def pressed() -> bool:
        nonlocal presses
        if time.monotonic() > presses:
            presses = time.monotonic() + 0.5
            kernel.interrupt()
        return cell.ended

    kernel.wait(pressed, "the end of the cell")
    assert kernel.value("1 + 1") == "2"


@pytest.mark.parametrize("line", ["%agent cancel f2 background-1", "%agent cancel $f2"])
def test_one_future_is_cancelled_by_its_name_and_the_run_goes_on(kernel: Kernel, line: str) -> None:
    cell = begun_in_background(kernel, "a = quick(x=1)\nb = sleeping(x=2)\nc = quick(x=b)\n\nawait b\n'after all'")
    assert kernel.run(line).stdout.startswith("Cancelled f2 (sleeping); what needs it is skipped")
    kernel.run("await _agent")
    assert kernel.value("_agent.answer") == "'after all'"
    assert kernel.value("[f.state.value for f in _agent.futures.values()]") == "['done', 'cancelled', 'skipped']"
    assert kernel.value(CHECK) == "None"
    assert cell.error is None


def begun_in_background(kernel: Kernel, text: str) -> Cell:
    cell = kernel.run(f"{AGENT} --background\n{text}")
    assert cell.error is None, cell.traceback
    kernel.run("while 'f2' not in _agent.futures: await asyncio.sleep(0.01)")
    return cell


@pytest.mark.parametrize("tool", ["sleeping", "threaded"])
def test_the_timelines_buttons_cancel_a_future_and_the_run(kernel: Kernel, tool: str) -> None:
    if kernel.value("__import__('ipykernel').version_info[0] < 7") == "True":
        pytest.skip("buttons are heard between cells alone on ipykernel 6.31; the runs in the background have theirs")
    cell = begun(kernel, plan(tool), tool)
    press(kernel, cell, {"type": "cancel", "future": "f2"})
    kernel.wait(lambda: cell.ended, "the end of the cell")
    assert cell.error is None, cell.traceback
    assert (
        kernel.value("[f.state.value for f in _agent.futures.values()]") == "['done', 'cancelled', 'skipped', 'done']"
    )
    assert_it_goes_on(kernel)
    cell = begun(kernel, plan("sleeping").replace("quick(x=1)", "quick(x=11)"), "sleeping")
    press(kernel, cell, {"type": "cancel-run"})
    kernel.wait(lambda: cell.ended, "the end of the cell")
    assert cell.traceback.startswith("AgentInterrupted: ")
    assert_it_goes_on(kernel)


def test_the_buttons_of_a_run_in_the_background_cancel_it_on_every_kernel(kernel: Kernel) -> None:
    cell = begun_in_background(kernel, "a = quick(x=1)\nb = sleeping(x=2)\n\nawait b\n'never'")
    press(kernel, cell, {"type": "cancel-run"})
    assert "AgentInterrupted: " in kernel.run("await _agent").traceback
    assert kernel.value(CHECK) == "None"


def press(kernel: Kernel, cell: Cell, content: dict[str, str]) -> None:
    for widget in cell.widgets:
        kernel.press(widget, content)
