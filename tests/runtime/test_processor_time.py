"""What a call used of the processor, and how long others kept it waiting, from the attempt to the event."""

import asyncio
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from asyncfc_jupyter.core.events import CallCancelled, CallFailed, CallFinished, CallMeasured, CallRetried
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.runtime import processes, processor_time
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.runtime.processor_time import Share, Use, measured
from asyncfc_jupyter.testing.virtual_time import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import attempt_at, ended


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets, in seconds."""
    now = [100.0]
    monkeypatch.setattr(processor_time.time, "perf_counter", lambda: now[0])
    return now


def test_what_passes_before_and_after_the_function_was_waiting(clock) -> None:
    share = Share()
    clock[0] += 3
    assert share.waited_s() == 3
    share.begin()
    clock[0] += 10
    share.add(cpu_s=2, waited_s=4)
    assert (share.cpu_s, share.waited_s()) == (2, 7)
    share.end()
    clock[0] += 1
    assert share.waited_s() == 8


def test_what_another_machine_measured_counts_from_its_end(clock) -> None:
    share = Share()
    clock[0] += 10
    share.take(Use(took_s=4, cpu_s=1, waited_s=0.5))
    assert (share.cpu_s, share.waited_s()) == (1, 6.5)


@pytest.mark.parametrize(("at_once", "waited_s"), [(1, 0.0), (2, 2.0), (4, 2.5)])
def test_a_process_waits_for_others_at_most_for_their_part_of_its_time(clock, at_once, waited_s) -> None:
    share = Share()
    share.begin()
    clock[0] += 4
    share.end()
    share.at_once = at_once
    share.take(Use(took_s=4, cpu_s=1, waited_s=2.5))
    assert share.waited_s() == waited_s


def test_the_use_of_a_block_is_that_of_its_thread_also_when_it_raises() -> None:
    uses = []

    def compute() -> None:
        with measured(time.thread_time) as use:
            uses.append(use)
            began = time.thread_time()
            while time.thread_time() - began < 0.03:
                pass
            raise LookupError

    with pytest.raises(LookupError):
        compute()
    (use,) = uses
    assert 0.03 <= use.cpu_s <= use.took_s
    assert 0 <= use.waited_s < use.took_s


def test_a_call_that_queues_in_a_pool_waits_for_others_and_does_not_run() -> None:
    release, begun = threading.Event(), threading.Event()

    def hold() -> None:
        """Wait."""
        begun.set()
        release.wait(20)

    async def main():
        with ThreadPoolExecutor(1) as pool:
            first, second = (attempt_at(make_tool(hold, run_in=pool)) for _ in range(2))
            await asyncio.to_thread(begun.wait, 20)
            before = first.share.waited_s(), second.share.waited_s()
            await asyncio.sleep(0.1)
            after = first.share.waited_s(), second.share.waited_s()
            release.set()
            await asyncio.gather(ended(first), ended(second))
            return [late_s - early_s for late_s, early_s in zip(after, before, strict=True)]

    first_s, second_s = asyncio.run(main())
    assert second_s >= 0.1
    assert first_s < 0.1


def use_of(monkeypatch, cpu_s, waited_s):
    monkeypatch.setattr(Share, "waited_s", lambda self: waited_s)
    begin = Share.begin

    def used(self):
        begin(self)
        self.cpu_s = cpu_s

    monkeypatch.setattr(Share, "begin", used)


async def nap(seconds: float, fails: bool = False) -> None:
    """Sleep."""
    await asyncio.sleep(seconds)
    if fails:
        raise LookupError("gone")


def events_of(tool, *, cancel_after_s=None, **arguments):
    """Return the events of one call."""

    async def main():
        log = EventLog(asyncio.get_running_loop().time)
        driver = Driver()
        driver.lend(Lease(log=log))
        call = driver.issue(call_id=CallId("c"), turn=1, name=tool.name, tool=tool, arguments=arguments)
        if cancel_after_s is not None:
            await asyncio.sleep(cancel_after_s)
            driver.cancel(call.name)
        await driver.wait((call.name,))
        return [stamped.event for stamped in log.events]

    return run_virtually(main())


def figures(events):
    # Rounded: the steps of the coroutine, which are real, are added.
    measures = [each for each in events if isinstance(each, CallMeasured)]
    return [(each.future, round(each.cpu_s, 1), round(each.waited_s, 1), each.in_thread) for each in measures]


@pytest.mark.parametrize(
    ("options", "end"),
    [({}, CallFinished), ({"fails": True}, CallFailed), ({"cancel_after_s": 5}, CallCancelled)],
    ids=["returns", "raises", "is cancelled"],
)
def test_the_use_of_a_call_is_logged_right_before_its_end(monkeypatch, options, end) -> None:
    use_of(monkeypatch, 1.0, 2.0)
    events = events_of(make_tool(nap, pure=True), seconds=9, **options)
    assert figures(events) == [(FutureName("f1"), 1.0, 2.0, False)]
    assert [type(each) for each in events[-2:]] == [CallMeasured, end]


def test_the_use_of_all_attempts_is_added_up(monkeypatch) -> None:
    use_of(monkeypatch, 1.0, 2.0)
    events = events_of(make_tool(nap, pure=True, retries=2), seconds=9, fails=True)
    assert len([each for each in events if isinstance(each, CallRetried)]) == 2
    assert figures(events) == [(FutureName("f1"), 3.0, 6.0, False)]


def test_a_call_that_times_out_is_measured_up_to_then(monkeypatch) -> None:
    use_of(monkeypatch, 1.0, 2.0)
    events = events_of(make_tool(nap, pure=True, timeout_s=4), seconds=9)
    assert figures(events) == [(FutureName("f1"), 1.0, 2.0, False)]


@pytest.mark.parametrize(("cpu_s", "waited_s", "logged"), [(0.04, 0.04, 0), (0.05, 0.0, 1), (0.0, 0.05, 1)])
def test_a_use_too_small_to_see_is_not_logged(monkeypatch, cpu_s, waited_s, logged) -> None:
    use_of(monkeypatch, cpu_s, waited_s)
    assert len(figures(events_of(make_tool(nap, pure=True), seconds=9))) == logged


def test_no_call_is_said_to_use_more_time_than_has_passed(monkeypatch) -> None:
    use_of(monkeypatch, 50.0, 70.0)
    assert figures(events_of(make_tool(nap, pure=True), seconds=9)) == [(FutureName("f1"), 9.0, 9.0, False)]


def test_a_machine_that_is_busy_keeps_no_call_waiting_in_virtual_time() -> None:
    async def slow(seconds: float) -> None:
        """Work, and wait."""
        time.sleep(0.06)  # noqa: ASYNC251 - that is the fault of the tool
        await asyncio.sleep(seconds)

    async def main():
        log = EventLog(asyncio.get_running_loop().time)
        driver, tool = Driver(), make_tool(slow, pure=True)
        driver.lend(Lease(log=log))
        for number in range(1, 4):
            driver.issue(
                call_id=CallId(str(number)), turn=1, name="slow", tool=tool, arguments={"seconds": number / 10}
            )
        await driver.wait(tuple(driver.calls))
        return [stamped.event for stamped in log.events]

    assert figures(run_virtually(main())) == []
    assert [name for name, *_ in figures(asyncio.run(main()))] == ["f1", "f2", "f3"]


class FakeProcess:
    """Begins when it is let, and returns the same each time."""

    alive = True
    begins, made = threading.Event(), threading.Semaphore(0)

    def call(self, function: bytes, work: bytes, notify) -> bytes:
        self.made.release()
        assert self.begins.wait(20)
        notify()
        return work

    def close(self) -> None:
        """End."""

    end = kill = lambda self, *_: None


@pytest.mark.parametrize("at_once", [1, 2])
def test_the_start_of_each_process_but_the_first_is_waiting(monkeypatch, at_once) -> None:
    monkeypatch.setattr(processes, "_Process", FakeProcess)
    clock = itertools.count()
    shares, pool = [Share(lambda: next(clock)) for _ in range(at_once)], processes.Processes(2)
    FakeProcess.begins.clear()
    works = [pool.submit(len, b"", share) for share in shares]
    for _ in works:
        assert FakeProcess.made.acquire(timeout=20)
    begun = [share._began_s is not None for share in shares]
    FakeProcess.begins.set()
    assert [work.result(20) for work in works] == [b""] * at_once
    assert sorted(begun) == [False, True][-at_once:]
    assert all(share._began_s is not None for share in shares)
    # Of those that are kept nothing has to start.
    FakeProcess.begins.clear()
    again = Share(lambda: next(clock))
    work = pool.submit(len, b"", again)
    assert FakeProcess.made.acquire(timeout=20)
    assert again._began_s is not None
    FakeProcess.begins.set()
    work.result(20)
    pool.shutdown()


# -- while it runs ---------------------------------------------------------------------------------------------------


def test_waiting_is_reported_each_time_it_has_grown_by_a_quarter() -> None:
    share, reported = Share(), []
    share.begin()
    share.report = lambda: reported.append(share.waited_s())
    for _ in range(1000):
        share.add(cpu_s=0.1, waited_s=0.1)
    assert len(reported) == 19
    assert reported[:3] == pytest.approx([0.3, 0.7, 1.2], abs=0.05)


def test_a_report_to_an_event_loop_that_has_ended_is_dropped() -> None:
    loop, share = asyncio.new_event_loop(), Share()
    loop.close()
    share.report = lambda: loop.call_soon_threadsafe(print)
    share.begin()
    share.add(cpu_s=1, waited_s=1)
    assert share.cpu_s == 1


@pytest.mark.parametrize("timeout_s", [60.0, 0.2])
def test_a_running_call_is_measured_while_it_waits_not_after_its_time(timeout_s) -> None:
    release, begun = threading.Event(), threading.Event()

    def hold() -> None:
        """Wait."""
        begun.set()
        release.wait(20)

    async def main():
        log = EventLog(asyncio.get_running_loop().time)
        driver, tool = Driver(), make_tool(hold, pure=True, timeout_s=timeout_s)
        driver.lend(Lease(log=log))
        call = driver.issue(call_id=CallId("c"), turn=1, name="hold", tool=tool, arguments={})
        share = call.attempt.share
        await asyncio.to_thread(begun.wait, 20)
        await asyncio.sleep(0.1)
        if timeout_s < 1:
            await driver.wait((call.name,))
        before = len(log.events)
        await asyncio.to_thread(share.add, cpu_s=0.06, waited_s=0.5)
        await asyncio.sleep(0)
        live = [each.event for each in log.events[before:]]
        release.set()
        await driver.wait((call.name,))
        return live, [each.event for each in log.events]

    live, events = asyncio.run(main())
    assert [type(each) for each in live] == ([CallMeasured] if timeout_s > 1 else [])
    assert isinstance(events[-1], CallFinished if timeout_s > 1 else CallFailed)
    assert all(each.waited_s < 20 for each in events if isinstance(each, CallMeasured))


def test_an_attempt_that_runs_on_adds_nothing_to_the_next() -> None:
    release = threading.Event()

    def hold() -> None:
        """Wait."""
        release.wait(20)

    async def main():
        retried = asyncio.Event()
        log = EventLog(
            asyncio.get_running_loop().time,
            [lambda stamped: retried.set() if isinstance(stamped.event, CallRetried) else None],
        )
        driver, tool = Driver(), make_tool(hold, pure=True, retries=1, timeout_s=0.1)
        driver.lend(Lease(log=log))
        call = driver.issue(call_id=CallId("c"), turn=1, name="hold", tool=tool, arguments={})
        await retried.wait()
        await asyncio.to_thread(call.attempt.share.add, cpu_s=0.09, waited_s=0.5)
        await asyncio.sleep(0)
        live = [each.event for each in log.events if isinstance(each.event, CallMeasured)]
        release.set()
        await driver.wait((call.name,))
        return live

    assert asyncio.run(main()) == []
