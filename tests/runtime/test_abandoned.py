"""Abandoned calls that clean up: only the next call of the same place waits for them."""

import asyncio
import threading

import pytest

from asyncfc_jupyter.core.events import CallCancelled, CallFailed, CallRetried, CallStarted, ResultDiscarded
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.retry_policy import FIRST_TOOL_PAUSE_S
from asyncfc_jupyter.runtime.abandoned import CLEAN_UP_S
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool

#: Longer than the pause before a retry can be.
ROLL_BACK_S = 2.0
assert 2 * FIRST_TOOL_PAUSE_S < ROLL_BACK_S < CLEAN_UP_S


class Ledger:
    """A state with a tool that changes it and undoes the change when it is stopped, and one that adds to it."""

    def __init__(self):
        self.values, self.seen = {"v": 0, "w": 0}, []
        self.stubborn = False

    async def change(self, name: str, to: int, seconds: float = 10) -> int:
        """Change a value, or undo the change if cancelled."""
        old = self.values[name]
        self.seen.append(old)
        self.values[name] = to
        try:
            await asyncio.sleep(seconds)
        except BaseException:
            await asyncio.sleep(ROLL_BACK_S)
            self.values[name] = old
            raise
        return to

    async def hang(self, name: str) -> None:
        """Never stop."""
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise

    async def add(self, name: str) -> int:
        """Add one."""
        self.values[name] += 1
        return self.values[name]


def tools(ledger, **options):
    change = make_tool(ledger.change, writes="{name}", **options)
    hang = make_tool(ledger.hang, writes="{name}", **options)
    return change, hang, make_tool(ledger.add, writes="{name}")


def begun():
    driver, log = Driver(), EventLog(asyncio.get_running_loop().time)
    driver.lend(Lease(log=log))

    def issue(tool, **arguments):
        call_id = CallId(f"c{len(driver.issued)}")
        return driver.issue(call_id=call_id, turn=1, name=tool.name, tool=tool, arguments=arguments)

    return driver, log, issue


def at(log, kind):
    return [(stamped.event.future, stamped.at_s) for stamped in log.events if isinstance(stamped.event, kind)]


@pytest.mark.parametrize("ending", ["timeout", "cancel"])
def test_only_the_next_call_of_the_same_place_waits_for_the_clean_up(ending) -> None:
    async def main():
        ledger = Ledger()
        change, _, add = tools(ledger, timeout_s=3 if ending == "timeout" else None)
        driver, _, issue = begun()
        given_up, same, other = issue(change, name="v", to=7), issue(add, name="v"), issue(add, name="w")
        await asyncio.sleep(3)
        if ending == "cancel":
            driver.cancel(given_up.name)
        await driver.wait([given_up.name])
        settled_s = asyncio.get_running_loop().time()
        await driver.wait([same.name])
        return ledger, settled_s, (same.value, other.value), asyncio.get_running_loop().time()

    ledger, settled_s, values, ended_s = run_virtually(main())
    assert settled_s == 3, "the abandoned call settles immediately"
    assert (values, ledger.values) == ((1, 1), {"v": 1, "w": 1})
    assert ended_s == 3 + ROLL_BACK_S


def test_a_retry_after_a_time_out_waits_for_the_attempt_before_it() -> None:
    async def main():
        ledger = Ledger()
        change, _, _ = tools(ledger, timeout_s=3, retries=1, idempotent=True)
        driver, _, issue = begun()
        again = issue(change, name="v", to=7)
        await driver.wait([again.name])
        await driver.unwound(ROLL_BACK_S)
        return ledger, again.status

    ledger, status = run_virtually(main())
    assert (ledger.seen, ledger.values["v"], status) == ([0, 0], 0, "timeout")


def test_a_call_cancelled_between_two_attempts_is_stopped_only_once() -> None:
    async def main():
        ledger = Ledger()
        change, _, add = tools(ledger, timeout_s=3, retries=1, idempotent=True)
        driver, log, issue = begun()
        again, after = issue(change, name="v", to=7), issue(add, name="v")
        await asyncio.sleep(3 + ROLL_BACK_S / 2)
        driver.cancel(again.name)
        await driver.wait([after.name])
        return ledger, after.value, at(log, CallCancelled), asyncio.get_running_loop().time()

    ledger, value, cancelled, ended_s = run_virtually(main())
    assert (ledger.values["v"], value) == (1, 1)
    assert cancelled == [("f1", 3 + ROLL_BACK_S / 2)]
    assert ended_s == 3 + ROLL_BACK_S


def test_a_call_cancelled_while_it_waits_for_a_clean_up_never_starts() -> None:
    async def main():
        ledger = Ledger()
        change, _, add = tools(ledger, timeout_s=3)
        driver, _, issue = begun()
        issue(change, name="v", to=7)
        waiting, last = issue(add, name="v"), issue(add, name="v")
        await asyncio.sleep(3 + ROLL_BACK_S / 2)
        driver.cancel(waiting.name)
        await driver.wait(tuple(driver.calls))
        return ledger, waiting.status, last.value

    ledger, status, value = run_virtually(main())
    assert (status, value, ledger.values["v"]) == ("cancelled", 1, 1)


def test_a_coroutine_that_swallows_its_cancellation_delays_one_call_only() -> None:
    """The next call waits for a while; later ones do not wait for the coroutine."""

    async def main():
        ledger = Ledger()
        _, hang, add = tools(ledger, timeout_s=3)
        driver, _, issue = begun()
        ledger.stubborn = True
        issue(hang, name="v")
        calls = [issue(add, name="v"), issue(add, name="v")]
        await driver.wait([call.name for call in calls])
        ended_s = asyncio.get_running_loop().time()
        ledger.stubborn = False
        for task in driver._runner.abandoned.stopping():
            task.cancel()
        await driver.unwound()
        return [call.value for call in calls], ended_s, driver.lingering()

    assert run_virtually(main()) == ([1, 2], 3 + CLEAN_UP_S, ())


def test_a_call_does_not_wait_if_no_call_was_abandoned(monkeypatch) -> None:
    async def main():
        ledger = Ledger()
        _, _, add = tools(ledger)
        driver, _, issue = begun()
        monkeypatch.setattr(driver._runner, "_spawn", lambda *_: pytest.fail("a task beside the call's own"))
        call = issue(add, name="v")
        await driver.wait([call.name])
        return call.value

    assert run_virtually(main()) == 1


@pytest.mark.parametrize("ending", ["timeout", "cancel", "retry"])
def test_the_log_of_an_abandoned_call_says_that_its_thread_still_runs(ending) -> None:
    began, release = threading.Event(), threading.Event()

    def work(name: str) -> None:
        """Work in a thread."""
        began.set()
        release.wait(20)

    async def main():
        retries = 1 if ending == "retry" else 0
        tool = make_tool(
            work, writes="{name}", timeout_s=None if ending == "cancel" else 0.5, idempotent=True, retries=retries
        )
        driver, log, issue = begun()
        call = issue(tool, name="v")
        await asyncio.to_thread(began.wait, 20)
        if ending == "cancel":
            driver.cancel(call.name)
        await driver.wait([call.name])
        facts = [s.event for s in log.events if isinstance(s.event, CallFailed | CallCancelled | CallRetried)]
        assert at(log, CallStarted)
        assert not at(log, ResultDiscarded)
        release.set()
        return [fact.still_running for fact in facts]

    assert asyncio.run(main()) == [True] * (2 if ending == "retry" else 1)
