"""The driver in virtual time: how it carries out the scheduler's commands."""

import asyncio
import gc
import warnings

import pytest

from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.errors import AgentInterrupted
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool


async def find(city: str) -> dict:
    """Find something, after a while."""
    await asyncio.sleep(1)
    return {"id": city}


async def book(flight: str) -> str:
    """Book."""
    return flight


FIND, BOOK = make_tool(find, pure=True), make_tool(book, irreversible=True)


def issue(driver, tool, **arguments):
    call_id = CallId(f"c{len(driver.issued)}")
    return driver.issue(call_id=call_id, turn=1, name=tool.name, tool=tool, arguments=arguments)


def test_a_call_cancelled_as_it_begins_leaves_nothing_unawaited() -> None:
    async def main():
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        call = issue(driver, FIND, city="LIS")
        while call.attempt is None:  # noqa: ASYNC110 - the very step in which it begins
            await asyncio.sleep(0)
        driver.cancel(call.name)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            await driver.unwound()
            gc.collect()
        return warned

    assert run_virtually(main()) == []


async def cancelled_as_it_returns(tool):
    """Cancel a call after its function has ended and before the driver knows."""
    driver = Driver()
    driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
    call = issue(driver, tool, city="LIS")
    issue(driver, FIND, city="$f1.id")
    while call.attempt is None or not call.attempt.over:  # noqa: ASYNC110 - the very step in which it returns
        await asyncio.sleep(0)
    assert call.status == "pending"
    driver.cancel(call.name)
    await driver.wait(tuple(driver.calls))
    return driver


def test_a_call_that_is_cancelled_as_its_function_returns_is_done() -> None:
    async def give(city: str) -> dict:
        """Give it back at once."""
        return {"id": city}

    driver = run_virtually(cancelled_as_it_returns(make_tool(give, pure=True)))
    assert [(call.status, call.value) for call in driver.issued] == [("done", {"id": "LIS"})] * 2


def test_a_call_that_is_cancelled_as_its_function_raises_has_failed() -> None:
    async def miss(city: str) -> dict:
        """Find nothing."""
        raise LookupError(city)

    driver = run_virtually(cancelled_as_it_returns(make_tool(miss, pure=True)))
    assert [call.status for call in driver.issued] == ["failed", "skipped"]
    driver = run_virtually(cancelled_as_it_returns(make_tool(miss, idempotent=True, retries=1)))
    assert [call.status for call in driver.issued] == ["cancelled", "skipped"]


@pytest.mark.parametrize("also_cancelled", [False, True])
def test_a_call_that_an_interrupt_hit_is_cancelled_and_has_not_failed(also_cancelled) -> None:
    async def hit(city: str) -> dict:
        """Be interrupted."""
        raise AgentInterrupted("interrupted while it blocked the event loop")

    async def main():
        if also_cancelled:
            return await cancelled_as_it_returns(make_tool(hit, pure=True))
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        issue(driver, make_tool(hit, pure=True), city="LIS")
        issue(driver, FIND, city="$f1.id")
        await driver.wait(tuple(driver.calls))
        return driver

    driver = run_virtually(main())
    assert [call.status for call in driver.calls.values()] == ["cancelled", "skipped"]


def test_an_irreversible_call_is_skipped_if_the_call_before_it_fails() -> None:
    """The call before it fails as both get their arguments, and other calls are not affected."""

    async def main():
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        issue(driver, FIND, city="LIS")
        issue(driver, FIND, city="$f1.nothing")
        issue(driver, BOOK, flight="$f1.id")
        await driver.wait(tuple(driver.calls))
        issue(driver, FIND, city="OPO")
        await driver.wait(tuple(driver.calls))
        return driver

    driver = run_virtually(main())
    assert [call.status for call in driver.issued] == ["done", "failed", "skipped", "done"]
    assert driver.calls[FutureName("f3")].error.startswith("f2 (find) failed: f1 has no field 'nothing'")


def test_a_shared_call_is_forgotten_however_it_settles() -> None:
    async def fail(city: str) -> dict:
        """Fail."""
        raise LookupError(city)

    async def main():
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        for tool, city in ((FIND, "LIS"), (FIND, "LIS"), (make_tool(fail, pure=True), "OPO"), (FIND, "FAO")):
            issue(driver, tool, city=city)
        assert [call.same_as for call in driver.issued] == [None, "f1", None, None]
        driver.cancel(FutureName("f4"))
        await driver.wait(tuple(driver.calls))
        again = issue(driver, FIND, city="LIS")
        assert again.same_as is None
        await driver.wait(tuple(driver.calls))
        return driver

    driver = run_virtually(main())
    assert [call.status for call in driver.issued] == ["done", "done", "failed", "cancelled", "done"]
    assert driver._shareable == {}
    assert not any(call.share_key for call in driver.issued)


class Unkeepable(tuple):
    """It looks like a named tuple, but cannot be made from its values."""

    __slots__ = ()
    _fields = ("x",)

    @classmethod
    def _make(cls, items):
        raise ValueError("made once")


async def odd() -> Unkeepable:
    """Return a value that cannot be kept."""
    return Unkeepable(([1],))


@pytest.mark.parametrize("retries", [0, 1])
def test_a_result_that_cannot_be_kept_fails_its_call_and_hangs_nothing(retries) -> None:
    async def main():
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        call = issue(driver, make_tool(odd, pure=True, retries=retries))
        await driver.wait(tuple(driver.calls), timeout_s=60)
        return call

    call = run_virtually(main())
    assert (call.status, call.error) == ("failed", "ValueError: made once")


@pytest.mark.parametrize("retries", [0, 1])
def test_a_task_cancelled_from_outside_cancels_its_call(retries) -> None:
    """The dependents of the call are skipped."""

    async def main():
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        call = issue(driver, make_tool(find, pure=True, retries=retries), city="LIS")
        later = issue(driver, FIND, city="$f1.id")
        await asyncio.sleep(0.5)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await driver.wait(tuple(driver.calls), timeout_s=60)
        return call, later

    call, later = run_virtually(main())
    assert (call.status, call.error) == ("cancelled", "cancelled from outside")
    assert later.status == "skipped"


def test_a_call_has_one_task() -> None:
    async def main():
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        issue(driver, FIND, city="LIS")
        await asyncio.sleep(0.5)
        tasks = len(asyncio.all_tasks())
        await driver.wait(tuple(driver.calls))
        return tasks

    assert run_virtually(main()) == 2  # and that of the test
