"""Calling functions: on the loop, in threads, with the caller's context, and with any exception."""

import asyncio
import contextvars
import functools
import gc
import threading
import warnings

import pytest

from asyncfc_jupyter.runtime.attempt import Attempt, Raised, Returned
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.outcomes import ended

cell = contextvars.ContextVar("cell", default="none")


async def outcome_of(tool, **arguments):
    return await ended(Attempt(tool, tool.parameters_of.bind(arguments)))


def call(function, **arguments):
    tool = function if hasattr(function, "effects") else make_tool(function)
    return run_virtually(outcome_of(tool, **arguments))


def test_a_plain_function_runs_in_a_thread_and_an_async_one_on_the_loop() -> None:
    def where() -> str:
        """Say which thread this is."""
        return threading.current_thread().name

    async def here() -> str:
        """Say which thread this is."""
        return threading.current_thread().name

    assert call(where).value.startswith("asyncfc-tool")
    assert call(here).value == "MainThread"


def test_a_thread_carries_the_context_of_its_caller() -> None:
    def read() -> str:
        """Read the context."""
        return cell.get()

    async def main():
        cell.set("cell 7")
        tool = make_tool(read)
        return await outcome_of(tool)

    assert run_virtually(main()) == Returned(value="cell 7")


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), StopIteration("x"), SystemExit(3), KeyError("k"), asyncio.CancelledError(), TimeoutError("t")],
)
@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_any_exception_of_a_tool_is_a_value_and_hangs_or_kills_nothing(error, kind) -> None:
    def in_thread() -> None:
        """Raise."""
        raise error

    async def on_loop() -> None:
        """Raise."""
        raise error

    outcome = call(in_thread if kind == "thread" else on_loop)
    assert isinstance(outcome, Raised)
    assert outcome.kind == "error"
    if not (kind == "loop" and isinstance(error, StopIteration)):  # Python makes a RuntimeError of it in a coroutine
        assert outcome.message.startswith(type(error).__name__)


def test_a_tool_that_takes_too_long_is_abandoned() -> None:
    async def slow() -> None:
        """Sleep for ever."""
        await asyncio.sleep(1e9)

    outcome = call(make_tool(slow, timeout_s=2))
    assert (outcome.kind, outcome.message) == ("timeout", "slow took longer than 2 s.")


def test_a_thread_that_takes_too_long_is_reported_as_still_running() -> None:
    began, release = threading.Event(), threading.Event()

    def stuck() -> None:
        """Wait."""
        began.set()
        release.wait(20)

    async def main():
        tool = make_tool(stuck, timeout_s=0.05)
        attempt = Attempt(tool, tool.parameters_of.bind({}))
        await asyncio.to_thread(began.wait, 20)
        return await ended(attempt)  # its time begins here

    try:
        outcome = asyncio.run(main())
    finally:
        release.set()
    assert outcome.kind == "timeout"
    assert outcome.message.endswith("It still runs in its thread; the result will be discarded.")


def test_a_plain_callable_that_returns_a_coroutine_is_awaited() -> None:
    async def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    def later(a: int, b: int):
        """Add, in a moment."""
        return add(a, b)

    tool = make_tool(functools.partial(later, b=2), name="add")
    assert not tool.is_async
    assert tool.description == "Add, in a moment."
    assert run_virtually(outcome_of(tool, a=1)).value == 3


def test_an_object_whose_call_is_async_runs_on_the_loop() -> None:
    class Service:
        """A service."""

        async def __call__(self, x: int) -> int:
            """Double."""
            return 2 * x

    assert call(make_tool(Service(), name="service"), x=4).value == 8


def test_a_call_abandoned_before_its_first_step_leaves_nothing_unawaited() -> None:
    async def look() -> int:
        """Look."""
        return 1

    async def main() -> None:
        tool = make_tool(look)
        attempt = Attempt(tool, tool.parameters_of.bind({}))
        attempt.abandon()
        await asyncio.sleep(0)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run_virtually(main())
        gc.collect()
    assert [str(each.message) for each in caught] == []
