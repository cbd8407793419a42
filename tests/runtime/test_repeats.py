"""Which calls take the outcome of a pending one: the same call of the same tool, where a second run would change nothing."""

import asyncio
from typing import Any

import pytest

from asyncfc_jupyter.runtime import binding
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import GIVE_BACK, PAY, issue, pay


def key(tool, *, references=True, **arguments):
    return binding.share_key(tool, arguments, references=references)


def test_two_calls_are_the_same_whatever_the_order_of_their_arguments() -> None:
    repeatable = make_tool(pay, pure=True)
    same = key(repeatable, to="Ada", euros=5)
    assert same == (repeatable, True, '[["euros", 5], ["to", "Ada"]]') == key(repeatable, euros=5, to="Ada")
    assert key(PAY, to="Ada", euros=5) is None
    assert key(None, to="Ada", euros=5) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, 1.0), (1, "1"), (None, "null"), (0.0, -0.0), ([1], [[1]]), ({"a": 1, "b": 2}, {"b": 2, "a": 1})],
)
def test_arguments_that_a_function_can_tell_apart_are_other_calls(one, other) -> None:
    tool = make_tool(GIVE_BACK.function, pure=True)
    assert key(tool, value=one) == key(tool, value=one)
    assert key(tool, value=one) != key(tool, value=other)


def test_a_reference_and_the_text_of_one_are_other_calls() -> None:
    tool = make_tool(GIVE_BACK.function, pure=True)
    assert key(tool, value="$f1") != key(tool, references=False, value="$f1")


def test_arguments_that_no_model_can_write_are_shared_by_no_call() -> None:
    class Plain:
        def __repr__(self) -> str:
            return "plain"

    assert key(make_tool(GIVE_BACK.function, pure=True), value=Plain()) is None


def outcomes(*calls, approver=None):
    """Issue calls at the same time, and return the values of all, in order."""

    async def main() -> list[Any]:
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time), approver=approver))
        for tool, arguments in calls:
            issue(driver, tool, **arguments)
        await driver.wait(tuple(driver.calls))
        return [call.value for call in driver.issued]

    return run_virtually(main())


@pytest.mark.parametrize("options", [{"irreversible": True}, {"approve": True}, {"approve": True, "idempotent": True}])
def test_a_tool_that_is_irreversible_or_asks_runs_for_each_call(options) -> None:
    sent, asked = [], []

    async def send(to: str) -> int:
        """Send a letter."""
        await asyncio.sleep(1)
        sent.append(to)
        return len(sent)

    def approve(question):
        asked.append(question.future)
        return True

    tool = make_tool(send, reads=(), writes=(), **options)
    assert outcomes((tool, {"to": "Ada"}), (tool, {"to": "Ada"}), approver=approve) == [1, 2]
    assert asked == (["f1", "f2"] if tool.approve else [])


def test_a_redefined_tool_shares_nothing_with_the_old_one() -> None:
    def version(text):
        async def price(x: int) -> str:
            """Return a price."""
            await asyncio.sleep(1)
            return text

        return make_tool(price, pure=True)

    old, new = version("old"), version("new")
    calls = ((old, {"x": 1}), (new, {"x": 1}), (old, {"x": 1}), (new, {"x": 1}))
    assert outcomes(*calls) == ["old", "new", "old", "new"]


def test_each_of_two_equal_calls_makes_its_own_object() -> None:
    """A later call changes the first object only. A plain result is shared, since nothing can change it."""
    made = []

    async def load(plain: bool) -> Any:
        """Load a table."""
        await asyncio.sleep(1)
        made.append(plain)
        return [1, 2] if plain else bytearray([1, 2])

    async def double(table: object) -> None:
        """Double a table in place."""
        assert isinstance(table, bytearray)
        await asyncio.sleep(1)
        table[:] = bytes(2 * each for each in table)

    async def total(table: object) -> int:
        """Add up a table."""
        assert isinstance(table, bytearray | list)
        return sum(table)

    loads, totals = make_tool(load, pure=True), make_tool(total, pure=True)
    objects = ((loads, {"plain": False}),) * 2
    rest = ((make_tool(double), {"table": "$f1"}), (totals, {"table": "$f1"}), (totals, {"table": "$f2"}))
    assert outcomes(*objects, *rest)[3:] == [6, 3]
    assert outcomes(*((loads, {"plain": True}),) * 2, (totals, {"table": "$f2"}))[2] == 3
    assert made == [False, False, True]


def test_a_repeat_of_an_object_keeps_its_place_before_later_calls() -> None:
    log = []

    async def put(value: int) -> object:
        """Set the state, and return an object."""
        await asyncio.sleep(1)
        log.append(value)
        return object()

    tool = make_tool(put, writes="state", idempotent=True)
    outcomes((tool, {"value": 1}), (tool, {"value": 1}), (tool, {"value": 1}), (tool, {"value": 2}))
    assert log == [1, 1, 1, 2]
