"""The durations of the latest calls, and what is expected of the next one."""

import asyncio

import pytest

from asyncfc_jupyter.runtime.durations import MOST_TOOLS, RECENT, Durations, Measured
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import begun, issue


async def nap(seconds: float) -> float:
    """Sleep."""
    await asyncio.sleep(seconds)
    return seconds


NAP, LONG_NAP = (make_tool(nap, pure=True, name=name, timeout_s=10, expected_s=4) for name in ("nap", "long_nap"))
OTHER = make_tool(nap, pure=True, name="other")


def test_the_latest_nine_calls_of_a_tool_count() -> None:
    durations = Durations()
    assert durations.of(NAP) == Measured()
    assert durations.of(NAP).median_s is None
    for seconds in range(10):
        durations.note(NAP, seconds)
    durations.note(OTHER, 99)
    assert durations.of(NAP) == Measured(tuple(range(1, 10)), 10)
    assert durations.of(NAP).median_s == 5
    assert durations.of(OTHER) == Measured((99,), 1)


def test_the_tools_called_last_are_kept() -> None:
    durations = Durations()
    tools = [make_tool(nap, name=f"nap_{number}") for number in range(MOST_TOOLS + 1)]
    for tool in tools[:-1]:
        durations.note(tool, 1)
    durations.note(tools[0], 1)
    durations.note(tools[-1], 1)
    assert len(durations.by_tool) == MOST_TOOLS
    assert [durations.of(tool).calls for tool in (*tools[:3], tools[-1])] == [2, 0, 1, 1]


def test_calls_of_a_tool_come_first_then_its_authors_word_then_others() -> None:
    async def main():
        driver = begun()
        expected = [list(driver.expected_s(issue(driver, tool, seconds=1))) for tool in (OTHER, NAP)]
        await driver.wait(driver.calls)
        await driver.wait([issue(driver, OTHER, seconds=3).name])
        again = [list(driver.expected_s(issue(driver, tool, seconds=1))) for tool in (NAP, OTHER, LONG_NAP)]
        unknown = driver.issue(call_id="c", turn=1, name="gone", tool=None, arguments={})
        return [*expected, *again, list(driver.expected_s(unknown))]

    assert run_virtually(main()) == [[], [4], [1], [1, 3], [4], [1, 1, 3]]


def test_a_timed_out_call_took_its_whole_time_and_a_cancelled_one_none() -> None:
    """At least the time-out is what the next one may take; how long a cancelled call would have run is unknown."""

    async def main():
        driver = begun()
        late, cancelled = issue(driver, NAP, seconds=50), issue(driver, OTHER, seconds=50)
        await asyncio.sleep(5)
        driver.cancel(cancelled.name)
        await driver.wait([late.name])
        assert late.status == "timeout"
        return [driver.lease.durations.of(tool).recent_s for tool in (NAP, OTHER)]

    assert run_virtually(main()) == [(10,), ()]


def test_calls_that_share_an_outcome_are_one_measured_call() -> None:
    async def main():
        driver = begun()
        for _ in range(3):
            issue(driver, NAP, seconds=2)
        await driver.wait(driver.calls)
        return driver.lease.durations.of(NAP)

    assert run_virtually(main()) == Measured((2,), 1)


@pytest.mark.parametrize(("pace", "own_s"), [(1.0, (4.0,)), (0.5, (10.0,))])
def test_what_a_call_waited_for_others_is_not_part_of_its_duration(monkeypatch, pace, own_s) -> None:
    """Unless the clock of the log is not the machine's, in whose seconds the wait was measured."""
    real_s = [0.0]
    monkeypatch.setattr("asyncfc_jupyter.runtime.event_log.time.perf_counter", lambda: real_s[0])

    async def main():
        driver = begun()
        call = issue(driver, make_tool(nap, name="waits"), seconds=10)
        await asyncio.sleep(9)
        real_s[0] = 10.0 * pace
        call.used_s = (0.0, 6.0)
        await driver.wait([call.name])
        return driver.lease.durations.of(call.function).recent_s, list(
            driver.expected_s(issue(driver, OTHER, seconds=1))
        )

    assert run_virtually(main()) == (own_s, list(own_s))


def test_a_short_hop_to_a_thread_is_part_of_a_calls_duration(monkeypatch) -> None:
    monkeypatch.setattr("asyncfc_jupyter.runtime.event_log.time.perf_counter", lambda: 2.0)

    async def main():
        driver = begun()
        call = issue(driver, NAP, seconds=0.03)
        call.used_s = (0.0, 0.02)
        await driver.wait([call.name])
        return driver.lease.durations.of(NAP).recent_s

    assert run_virtually(main()) == (0.03,)


def test_the_time_before_a_call_starts_is_not_part_of_its_duration() -> None:
    """It waits for a place, here."""
    tool = make_tool(nap, writes="bed")

    async def main():
        driver = begun()
        for seconds in (2, 3, 1):
            issue(driver, tool, seconds=seconds)
        await driver.wait(driver.calls)
        return driver.lease.durations.of(tool)

    assert run_virtually(main()) == Measured((2, 3, 1), 3)
    assert RECENT > 3
