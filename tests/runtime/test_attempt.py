"""Calling functions: on the loop, in threads, with the caller's context, and with any exception."""

import asyncio
import contextvars
import functools
import gc
import pickle
import sys
import threading
import warnings
from concurrent.futures import Future

import pytest

from asyncfc_jupyter.runtime.attempt import (
    Attempt,
    Raised,
    Returned,
    ask_in_thread,
    call_far_away,
    still_running,
)
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.runtime.pools import THREADS
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import (
    attempt_at,
    begun,
    ended,
    fails,
    issue,
    pay,
)

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


def test_a_call_that_cannot_be_stopped_is_reported_as_still_running() -> None:
    places = {"thread": "its thread", THREADS: "its executor"}
    for run_in, place in places.items():
        said = still_running(make_tool(pay, run_in=run_in))
        assert said == f"It still runs in {place}; the result will be discarded."


class Stays(Exception):
    """Cannot be pickled."""

    def __reduce__(self):
        raise pickle.PicklingError("it stays")


def stays():
    raise Stays("here")


async def give(value):
    return value


def test_an_outcome_from_another_process_can_be_pickled() -> None:
    assert call_far_away(divmod, (7, 2), {})[:2] == (Returned(value=(3, 1)), [])
    lost, *_ = call_far_away(stays, (), {})
    assert (lost.message, lost.error, lost.kind) == ("Stays: here", None, "error")
    kept, *_ = call_far_away(fails, (), {"value": 1})
    assert isinstance(kept.error, LookupError)
    assert kept.error.__notes__[0].startswith("In its own process")


def speak(times: int) -> int:
    print("out" * times)
    print("err", file=sys.stderr)
    return times


def test_prints_in_another_process_arrive_with_the_outcome(capsys) -> None:
    outcome, printed, _ = call_far_away(speak, (2,), {}, collects=True)
    assert outcome == Returned(value=2)
    assert printed == [("outout\n", "stdout"), ("err\n", "stderr")]
    assert capsys.readouterr() == ("", "")


def test_a_function_that_is_asked_in_a_thread_raises_what_it_raises() -> None:
    async def main():
        assert await ask_in_thread(divmod, 7, 2) == (3, 1)
        with pytest.raises(LookupError, match="no"):
            await ask_in_thread(fails, 1)

    run_virtually(main())


def test_an_attempt_reports_its_progress() -> None:
    async def nap(seconds: float) -> float:
        """Sleep."""
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(seconds)
            raise
        return seconds

    async def main():
        tool = make_tool(nap)
        attempt, over = attempt_at(tool, seconds=2), []
        attempt.when_over(lambda late: over.append((asyncio.get_running_loop().time(), late)))
        await asyncio.sleep(1)
        assert (attempt.over, attempt.abandoned, attempt.stopping, attempt.outcome_now()) == (False, False, None, None)
        assert attempt.abandon() is False
        assert attempt.abandoned
        assert attempt.stopping is not None
        await asyncio.sleep(1.5)
        assert attempt.abandon() is False, "a second time does not hit the clean-up"
        await asyncio.sleep(1)
        assert (attempt.over, attempt.stopping, attempt.outcome_now()) == (True, None, None)
        assert over == [(3.0, None)]
        other = attempt_at(tool, seconds=1)
        await asyncio.sleep(1.5)
        assert other.outcome_now().value == other.result().value == 1
        assert other.stopping is None

    run_virtually(main())


@pytest.mark.parametrize(
    ("work_s", "timeout_s", "abandon_s", "notified_s"),
    [(1, None, None, [1]), (1, 2, None, [1]), (3, 2, None, [2]), (1, 2, 0.5, []), (3, 2, 2.5, [2]), (3, None, 1, [])],
)
def test_a_waiter_is_notified_once_of_the_end_or_of_the_time_out(work_s, timeout_s, abandon_s, notified_s) -> None:
    async def nap(seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    async def main():
        loop, notified = asyncio.get_running_loop(), []
        attempt = attempt_at(make_tool(nap, timeout_s=timeout_s), seconds=work_s)
        attempt.when_reached(lambda: notified.append(loop.time()))
        if abandon_s is not None:
            loop.call_later(abandon_s, attempt.abandon)
        await asyncio.sleep(9)
        return notified

    assert run_virtually(main()) == notified_s


@pytest.mark.parametrize("abandoned", [False, True])
def test_the_timer_of_ended_work_is_removed_from_the_loop(abandoned) -> None:
    async def nap() -> None:
        """Sleep."""
        await asyncio.sleep(1)

    async def main():
        attempt = attempt_at(make_tool(nap, timeout_s=1_000))
        attempt.when_reached(lambda: None)
        timer = attempt._timer
        assert timer is not None
        if abandoned:
            attempt.abandon()
        else:
            await asyncio.sleep(2)
        assert timer.cancelled()

    run_virtually(main())


def test_the_late_outcome_of_a_stubborn_coroutine_is_reported() -> None:
    async def stubborn() -> str:
        """Go on."""
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "after all"

    async def main():
        late = []
        attempt = attempt_at(make_tool(stubborn, timeout_s=2))
        outcome = await ended(attempt)
        attempt.when_over(late.append)
        assert outcome == Raised(kind="timeout", message="stubborn took longer than 2 s.")
        await asyncio.sleep(2)
        return [outcome.value for outcome in late]

    assert run_virtually(main()) == ["after all"]


def test_a_call_in_a_thread_is_cancelled_if_it_has_not_begun() -> None:
    class Queue(type(THREADS)):
        def __init__(self):
            self.futures = []

        def submit(self, function, /, *args, **kwargs):
            self.futures.append(Future())
            return self.futures[-1]

    async def main(*, begun):
        queue = Queue()
        attempt = attempt_at(make_tool(pay, run_in=queue), euros=1)
        while not queue.futures:  # noqa: ASYNC110 - the very step in which it is sent
            await asyncio.sleep(0)
        sent = queue.futures[0]
        if begun:
            assert sent.set_running_or_notify_cancel()
        assert attempt.abandon() is begun
        assert sent.cancelled() is not begun
        if begun:
            assert not attempt.over
            sent.set_result(Returned(value=1))
            assert attempt.abandon() is False, "it has ended there, and the loop does not know yet"
        await asyncio.wait([attempt._work], timeout=20)
        return attempt.over

    assert asyncio.run(main(begun=False))
    assert asyncio.run(main(begun=True))


def test_the_longest_step_on_the_loop_is_noted(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("asyncfc_jupyter.runtime.attempt.time.perf_counter", lambda: now[0])

    async def blocks(*seconds) -> None:
        for each in seconds:
            now[0] += each
            await asyncio.sleep(1)

    async def once(seconds: float) -> None:
        """Block."""
        await blocks(0.1, seconds, 0.1)

    async def main():
        return (await ended(attempt_at(make_tool(once), seconds=0.3))).blocked_s

    assert run_virtually(main()) == pytest.approx(0.3)


@pytest.mark.parametrize(("seconds", "noticed"), [(0.25, {"once": 0.25}), (0.125, {})])
def test_a_step_of_a_fifth_of_a_second_on_the_loop_is_reported(seconds, noticed, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("asyncfc_jupyter.runtime.attempt.time.perf_counter", lambda: now[0])

    async def once(seconds: float) -> None:
        """Block."""
        now[0] += seconds

    async def main():
        driver = begun()
        for each in (seconds, seconds / 2):
            issue(driver, make_tool(once), seconds=each)
        await driver.wait(tuple(driver.calls))
        seen = dict(driver.blocked_s)
        driver.lend(Lease(log=EventLog(lambda: 0.0)))
        assert driver.blocked_s == {}
        return seen

    assert run_virtually(main()) == noticed
