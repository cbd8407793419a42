"""Which code a signal interrupts, and a press that comes before the run has begun."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import pytest

from asyncfc_jupyter.agent import Agent, Run
from asyncfc_jupyter.errors import AgentInterrupted
from asyncfc_jupyter.jupyter.cells import interrupt
from asyncfc_jupyter.jupyter.cells.interrupt import Code, Interrupts, contain, running_code
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel
from asyncfc_jupyter.tools.definition import make_tool


def here() -> Code:
    return running_code(sys._getframe())


def test_the_nearest_border_around_a_frame_says_what_code_it_runs() -> None:
    def deep(levels: int) -> Code:
        return deep(levels - 1) if levels else here()

    async def tool(levels: int) -> str:
        """Say where it is."""
        await asyncio.sleep(0)
        return deep(levels)

    async def main() -> tuple[str, str]:
        return await contain(make_tool(tool)).function(20), here()

    assert asyncio.run(main()) == ("tool", "code")
    assert here() == "loop"  # nothing of asyncio is above: whatever this is, nothing may be raised in it


def test_a_contained_tool_turns_the_users_interrupt_into_an_error() -> None:
    """It keeps its signature."""

    async def tool(x: int = 3) -> int:
        """Be interrupted."""
        signal.raise_signal(signal.SIGINT)
        return x

    contained = contain(make_tool(tool))
    assert contained.signature.startswith("tool(x: ")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(AgentInterrupted, match="interrupted twice"):
            loop.run_until_complete(contained.function())
    finally:
        signal.signal(signal.SIGINT, before)
        loop.close()


def test_an_interrupt_that_a_contained_tool_raises_itself_is_its_failure() -> None:
    async def tool() -> int:
        """Raise it."""
        raise KeyboardInterrupt("of its own")

    async def main() -> Run:
        model = ScriptedModel([Calls("tool")], *([Says("done")] for _ in range(3)))
        return await Agent(model, tools=[contain(make_tool(tool, pure=True))]).run("go")

    run = asyncio.run(main())
    assert repr(run.futures["f1"]) == "<Future f1 tool: failed: KeyboardInterrupt: of its own>"


def test_a_tool_that_runs_in_a_thread_needs_no_containing() -> None:
    def tool() -> int:
        """Run in a thread."""
        return 1

    made = make_tool(tool)
    assert contain(made) is made


def test_a_press_before_the_runs_first_step_is_not_lost() -> None:
    async def main() -> tuple[BaseException | None, str]:
        interrupts = Interrupts()
        interrupts(2, None)
        run = Agent("rehearsal").start("'never'")
        return await interrupts.wait_for(run), run.outcome

    error, outcome = asyncio.run(main())
    assert isinstance(error, AgentInterrupted)
    assert outcome == "interrupted"


def pressed_in(tool, monkeypatch: pytest.MonkeyPatch, step_s: float) -> Run:
    """Run a tool that presses the button itself, and return the run once it has ended."""
    monkeypatch.setattr(interrupt, "_STEP_S", step_s)

    async def main() -> Run:
        interrupts = Interrupts()
        with interrupts.handled():
            run = Agent("rehearsal", tools=[contain(make_tool(tool, pure=True))]).start(
                "a = pressing()\nawait a\n'never'"
            )
            assert isinstance(await interrupts.wait_for(run), AgentInterrupted)
        assert interrupts.presses == 1
        return run

    before = signal.getsignal(signal.SIGINT)
    try:
        return asyncio.run(main())
    finally:
        assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_lets_the_step_of_a_tool_end_and_then_cancels_it(monkeypatch) -> None:
    seen: list[str] = []

    async def pressing() -> None:
        """Go on after the press, and clean up."""
        signal.raise_signal(signal.SIGINT)
        seen.append("the step continues")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cleaned up")
            raise

    run = pressed_in(pressing, monkeypatch, step_s=30)
    assert seen == ["the step continues", "cleaned up"]
    assert (run.outcome, run.futures["f1"].state.value) == ("interrupted", "cancelled")


def test_a_press_during_a_tool_that_blocks_the_loop_ends_the_tool(monkeypatch) -> None:
    seen: list[str] = []

    async def pressing() -> None:
        """Block the loop."""
        signal.raise_signal(signal.SIGINT)
        try:
            time.sleep(60)  # noqa: ASYNC251 - what it must not do is the point
        except AgentInterrupted as error:
            seen.append(str(error))
            raise

    run = pressed_in(pressing, monkeypatch, step_s=0.01)
    assert seen == ["interrupted while it blocked the event loop"]
    assert (run.outcome, run.futures["f1"].state.value) == ("interrupted", "cancelled")


#: A function of this package that a tool calls, such as what takes its prints.
OURS = """
def work(press, looks):
    press()
    while len(looks) < 3:
        time.sleep(0.001)
    looks.append("done")
"""


def test_nothing_is_raised_in_what_a_tool_has_called_of_this_package(monkeypatch) -> None:
    looks: list[str] = []
    look_again_soon = Interrupts._look_again_soon

    def looking(interrupts: Interrupts) -> None:
        looks.append("later")
        look_again_soon(interrupts)

    monkeypatch.setattr(Interrupts, "_look_again_soon", looking)
    package = {"__name__": "asyncfc_jupyter.jupyter.made_up", "time": time}
    exec(OURS, package)

    async def pressing() -> None:
        """Print, say, and then block the loop."""
        package["work"](lambda: signal.raise_signal(signal.SIGINT), looks)
        time.sleep(60)  # noqa: ASYNC251

    run = pressed_in(pressing, monkeypatch, step_s=0.01)
    assert looks[:3] == ["later", "later", "later"]
    assert "done" in looks, "the function of the package ended normally"
    assert run.futures["f1"].state.value == "cancelled"
