"""Runs in the background, in a real kernel of either version."""

from __future__ import annotations

import pytest

from tests.jupyter.conftest import AGENT
from tests.jupyter.releasing import RELEASED_BY_A_FILE
from tests.kernels.harness import Cell, Kernel

pytestmark = pytest.mark.kernel

#: Talks, waits in a thread until RELEASE is set, and answers.
PLAN = "a = threaded(x=5)\nawait a\nf'it is {a}'"


def begun(kernel: Kernel, options: str = "", plan: str = PLAN) -> Cell:
    cell = kernel.run(f"{AGENT} --background {options}\n{plan}")
    assert cell.error is None, cell.traceback
    return cell


def texts(cell: Cell) -> list[str]:
    return [display.get("text/plain", "") for display in cell.displays]


def is_new(kernel: Kernel) -> bool:
    return kernel.value("__import__('ipykernel').version_info[0] >= 7") == "True"


def test_the_cell_returns_the_run_and_shows_its_output_later(kernel: Kernel) -> None:
    cell = begun(kernel, "--out handle")
    assert [text for text in texts(cell) if text.startswith("<Run running")]
    assert kernel.value("handle.outcome") == "'running'"
    after = kernel.run("RELEASE = True\nhandle = await handle\nprint(handle.answer)")
    assert after.stdout.splitlines()[-1] == "it is 5"
    kernel.wait(lambda: "it is 5" in texts(cell), "the answer in the cell that asked")
    kernel.wait(lambda: "data:image/svg+xml" in cell.displays[0].get("text/html", ""), "the picture in its place")
    assert (cell.stdout, after.text) == ("", "it is 5\n")
    assert "f1 threaded - 2 lines\n  threaded began\n  threaded ended" in texts(cell)


def test_prints_made_while_another_cell_runs_appear_in_their_own_cell(kernel: Kernel) -> None:
    late = (
        "'Wait.'\n    BEGAN.set()\n    while not RELEASE:\n        time.sleep(0.005)\n    print('late')\n    return x"
    )
    under_another = "RELEASE = True\nwhile not Path('go').exists():\n    time.sleep(0.01)\nprint('over')"
    kernel.run("import threading\nfrom pathlib import Path\nBEGAN = threading.Event()")
    assert kernel.run(f"%%tool\ndef waiting(x: int) -> int:\n    {late}").error is None
    cell = begun(kernel, "--out handle", "a = waiting(x=5)\nawait a\nf'it is {a}'")
    kernel.run("while not BEGAN.is_set(): await asyncio.sleep(0.01)")
    # No code of the loop runs before this cell ends, but the prints of the thread are shown.
    other = kernel.send(under_another)
    kernel.wait(lambda: any("\n  late" in text for text in texts(cell)), "what it prints, in its own cell")
    (kernel.home / "go").touch()
    kernel.wait(lambda: other.ended, "the end of the other cell")
    assert (other.stdout, other.displays) == ("over\n", [])
    kernel.wait(lambda: "f1 waiting - 1 line\n  late" in texts(cell), "all that it prints")
    kernel.run("await handle")


def test_several_run_in_parallel_each_in_a_fork_of_main_which_stays_free(kernel: Kernel) -> None:
    kernel.run(f"{AGENT}\na = quick(x=7)\n\n'seven'")
    begun(kernel, "--out one", "b = threaded(x='$f1')\nawait b\nf'{b}'")
    begun(kernel, "--out two")
    main = kernel.run(f"{AGENT}\nb = quick(x='$f1')\n\nf'{{b}}'")
    assert main.displays[-1]["text/plain"] == "7"
    status = kernel.run("%agent").stdout
    assert "background-1: " in status
    assert "background-2: " in status
    assert status.count(", in use") == 2
    kernel.run("RELEASE = True")
    kernel.run("await one; await two")
    assert kernel.value("one.answer, two.answer") == "('7', 'it is 5')"


def test_a_cell_waits_for_a_conversation_that_is_in_use(kernel: Kernel) -> None:
    """Another run in the background is refused instead."""
    begun(kernel, "--conversation trip", "a = threaded(x=1)\nawait a\n'first'")
    refused = kernel.run(f"{AGENT} --background --conversation trip\n'x'").traceback
    assert "a run is using conversation trip; name another with --conversation NAME" in refused
    kernel.run(RELEASED_BY_A_FILE)
    second = kernel.send(f"{AGENT} --conversation trip\nb = quick(x='$f1')\n\nf'{{b}}'")
    waits = "Waits for the run in the background that uses conversation trip."
    kernel.wait(lambda: waits in second.stdout, "the cell to wait")
    (kernel.home / "go").touch()
    kernel.wait(lambda: second.ended, "the end of the cell")
    assert waits in second.stdout
    assert second.displays[-1]["text/plain"] == "1"


def test_cancel_stops_it_and_its_error_is_shown_in_its_cell(kernel: Kernel) -> None:
    cell = begun(kernel, "--out handle", "a = sleeping(x=1)\nawait a\n'never'")
    assert kernel.run("%agent cancel").stdout.startswith("Cancelled the run in background-1;")
    waited = kernel.run("await handle")
    assert "AgentInterrupted: the run was interrupted" in waited.traceback
    if is_new(kernel):
        kernel.wait(lambda: "AgentInterrupted: the run was interrupted" in cell.stderr, "the error in its cell")


def test_an_interrupt_stops_the_cell_that_waits_and_not_the_run(kernel: Kernel) -> None:
    begun(kernel, "--out handle")
    waiting = kernel.send("print('waits')\nawait handle")
    kernel.wait(lambda: "waits" in waiting.stdout, "the cell to wait")
    kernel.interrupt()
    kernel.wait(lambda: waiting.ended, "the interrupted cell")
    assert waiting.status == "error"
    assert kernel.value("handle.outcome") == "'running'"
    kernel.run("RELEASE = True")
    kernel.run("await handle")
    assert kernel.value("handle.answer") == "'it is 5'"
