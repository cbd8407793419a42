"""What a call leaves behind, counted in objects: a conversation keeps its calls for as long as it lasts."""

import gc

import pytest

from asyncfc_jupyter.runtime.own_attributes import OwnAttributes
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import begun, issue


async def find(number: int) -> dict:
    """Find."""
    return {"id": number}


async def talk(number: int) -> None:
    """Print."""
    print("found")


def look(number: int) -> int:
    """Look, in a thread."""
    return number


async def fails(number: int) -> None:
    """Fail."""
    raise LookupError(number)


async def report(number: int, progress: ToolContext) -> None:
    """Report progress."""
    progress.progress(0.5, "half")


TOOLS = {
    "returns": make_tool(find, pure=True),
    "declares nothing": make_tool(find),
    "prints": make_tool(talk, pure=True),
    "in a thread": make_tool(look, pure=True),
    "fails": make_tool(fails, pure=True),
    "has a context": make_tool(report, pure=True),
}


async def played(tool, calls, look):
    """Return what ``look`` returns once so many calls have ended."""
    driver = begun()
    for number in range(calls):
        issue(driver, tool, number=number)
    await driver.wait(tuple(driver.calls))
    await driver.unwound()
    return look()


def for_each(tool, look):
    """Return by how much each further call increases a count."""
    found = []
    for calls in (10, 100, 200):  # what the first use leaves, and the driver of the run before, is not counted
        gc.collect()
        gc.disable()
        try:
            found.append(run_virtually(played(tool, calls, look)))
        finally:
            gc.enable()
    return (found[2] - found[1]) / 100


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_an_ended_call_leaves_nothing_to_the_garbage_collector(tool, capsys) -> None:
    assert for_each(tool, gc.collect) == 0


def test_calls_that_follow_each_other_change_the_process_state_once(monkeypatch) -> None:
    begun_for = []
    monkeypatch.setattr(OwnAttributes, "begin", lambda _: begun_for.append(1))

    async def main():
        driver = begun()
        for number in range(10):
            issue(driver, TOOLS["returns"], number=f"$f{number}.id" if number else 0)
        await driver.wait(tuple(driver.calls))
        return [call.value for call in driver.issued]

    assert run_virtually(main()) == [{"id": 0}] * 10
    assert begun_for == [1]
