"""A run and its futures, as the user has them."""

import asyncio
import gc
import sys
import weakref

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.errors import NoSuchFuture, ToolFailed, ToolSkipped, UsageError
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool


class Table:
    """Stands for a large object, which is passed by reference only."""

    shape = (1_000_000, 4)

    def __deepcopy__(self, memo):
        raise AssertionError("copied")

    __copy__ = __deepcopy__
    __reduce_ex__ = __deepcopy__


LIVE = {"stock": 1}


async def load() -> Table:
    """Load a table."""
    return Table()


async def count(table: Table) -> int:
    """Count its rows."""
    return table.shape[0]


async def live() -> dict:
    """Hand out the live state."""
    return LIVE


async def fails() -> None:
    """Fail."""
    raise ValueError("no")


async def slow() -> str:
    """Sleep."""
    await asyncio.sleep(10)
    return "woke"


TOOLS = [make_tool(each, pure=True) for each in (load, count, live, fails, slow)]


def play(*replies):
    model = ScriptedModel(*replies)
    return run_virtually(Agent(model, tools=TOOLS).run("go")), model


def test_a_large_object_passes_whole_and_the_model_sees_a_summary() -> None:
    """It passes from tool to tool as the object itself."""
    run, model = play([Calls("load"), Calls("count", {"table": "$f1"})], [Says("done")])
    assert isinstance(run.futures["f1"].result(), Table)
    assert run.futures["f2"].result() == 1_000_000
    shown = model.requests[1].messages[-2]["content"]
    assert "Table 1000000 x 4" in shown
    assert '"summarized": true' in shown
    assert len(shown) < 1000


def test_a_result_stays_the_same_when_its_tool_changes_it_later() -> None:
    run, _ = play([Calls("live")], [Says("done")])
    LIVE["stock"] = 99
    assert run.futures["f1"].result() == {"stock": 1}


def test_the_result_of_a_failed_call_raises_from_the_tools_exception() -> None:
    run, _ = play([Calls("fails"), Calls("count", {"table": "$f1"})], [Says("done")])
    with pytest.raises(ToolFailed, match=r"f1 \(fails\) failed: ValueError: no") as caught:
        run.futures["f1"].result()
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(ToolSkipped, match="f1"):
        run.futures["f2"].result()


def test_a_future_can_be_awaited_and_says_so_when_asked_too_early() -> None:
    async def main():
        run = Agent(ScriptedModel([Calls("slow"), Thinks(1)], [Says("x")], [Says("done")]), tools=TOOLS).start("go")
        await asyncio.sleep(2)
        future = run.futures["f1"]
        assert (future.state, future.done()) == ("running", False)
        with pytest.raises(UsageError, match="has no result yet; write `await`"):
            future.result()
        assert await future == "woke"
        await run.wait()

    run_virtually(main())


def test_futures_are_found_by_name_with_or_without_the_dollar() -> None:
    run, _ = play([Calls("live")], [Says("done")])
    assert list(run.futures) == ["f1"]
    assert run.futures["$f1"].tool == "live"
    with pytest.raises(NoSuchFuture, match=r"there is no future 'f7'; there are: f1\.") as caught:
        run.why("f7")
    assert isinstance(caught.value, KeyError)
    assert "f7" not in run.futures


def test_a_run_reports_its_outcome_in_one_line() -> None:
    run, _ = play([Calls("live")], [Says("done")])
    assert repr(run) == "<Run answered in 0.0 s: 1 future, model scripted, mode async>"
    assert repr(run.futures["f1"]).startswith("<Future f1 live: done: stock: ")


def test_a_run_keeps_its_latest_request() -> None:
    async def begun():
        run = Agent(ScriptedModel([Says("done")])).start("go")
        return run.request, await run.wait()

    assert run_virtually(begun())[0] is None
    run, model = play([Calls("live")], [Says("done")])
    assert run.request == model.requests[-1]
    assert [message["role"] for message in run.request.messages] == ["system", "user", "assistant", "tool"]


def test_the_error_of_a_tool_cannot_control_the_terminal() -> None:
    """The terminal shows the error in the repr of a future, and in the reason why another one waited."""

    async def hostile() -> str:
        """Fail."""
        await asyncio.sleep(1)
        raise ValueError("\x1b]0;pwned\x07\x1b[31mRED\nsecond \u202eline")

    tools = [make_tool(hostile, pure=True), make_tool(count, pure=True)]
    model = ScriptedModel([Calls("hostile"), Calls("count", {"table": "$f1"})], [Says("done")], [Says("done")])
    run = run_virtually(Agent(model, tools=tools).run("go"))
    shown = [repr(run.futures), repr(run.futures["f1"]), run.why("f2"), run.futures["f2"].why()]
    assert "RED second line" in shown[1]
    assert "RED second line" in shown[2]
    for text in shown:
        assert not set(text) & set("\x1b\x07\u202e")


class Watcher:
    """Observes a run, and is the sink of its calls: in a notebook it would hold all outputs of the cell."""

    def __init__(self, seen):
        self.seen = seen

    def observe(self, stamped):
        self.seen.append(type(stamped.event).__name__)

    def capture(self, name, tool):
        return self

    def write(self, text, stream):
        return True

    def raised(self, error):
        pass


def returns() -> int:
    """Return a number."""
    return 1


async def detached() -> None:
    """Print later."""
    await asyncio.sleep(5)
    print("late")


def test_what_watches_a_run_is_freed_with_its_last_call() -> None:
    seen: list[str] = []
    after: list[bool] = []
    # From Python 3.12 on, the exception of a failed call keeps the frames that called its function, and so what they hold.
    first = "fails" if sys.version_info < (3, 12) else "returns"
    tools = [make_tool(fails, pure=True), make_tool(returns, pure=True), make_tool(detached, detached=True)]
    model = ScriptedModel([Calls(first), Calls("detached")], [Says("done")], [Says("done")])
    agent = Agent(model, tools=tools)

    async def work():
        watcher = Watcher(seen)
        gone = weakref.ref(watcher)
        run = agent.start("go", observers=[watcher.observe], capture=watcher.capture)
        del watcher
        await run.wait()
        gc.collect()
        after.append(gone() is None)
        await run.futures["f2"]
        gc.collect()
        after.append(gone() is None)
        return run

    run = run_virtually(work())
    assert seen[-2:] == ["CallPrinted", "CallFinished"]
    assert after == [False, True]
    assert run.futures["f2"].printed == "late\n"
    assert "f1" in run.why("f1")
    assert [type(stamped.event).__name__ for stamped in run.trace.events] == seen
