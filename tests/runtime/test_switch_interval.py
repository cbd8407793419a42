"""The switch interval: short while tools run in threads, restored when none does, and never against the user's own setting."""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from asyncfc_jupyter.runtime.attempt import in_thread
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import attempt_at, ended

#: What a user may have set, in seconds; Python's own is 0.005.
FOUND_S = 0.004
SHORT_S = 0.0005


@pytest.fixture(autouse=True)
def found():
    """The interval before any tool runs."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(FOUND_S)
    yield
    sys.setswitchinterval(before)


def quick() -> None:
    """Return."""


class Held:
    """A tool whose calls wait to be released, and note the interval that they see."""

    def __init__(self):
        self.release, self.begun, self.seen = threading.Event(), threading.Semaphore(0), []

    def hold(self) -> None:
        """Wait."""
        self.seen.append(sys.getswitchinterval())
        self.begun.release()
        self.release.wait(20)

    async def begin(self, **options):
        attempt = attempt_at(make_tool(self.hold, **options))
        await asyncio.to_thread(self.begun.acquire, timeout=20)
        return attempt


def test_the_interval_is_short_while_values_are_handled_in_threads() -> None:
    assert asyncio.run(in_thread(sys.getswitchinterval)).value == SHORT_S
    assert sys.getswitchinterval() == FOUND_S


def test_the_interval_is_short_while_tools_run_in_threads_then_restored() -> None:
    one, other = Held(), Held()

    async def main() -> None:
        first, second = await one.begin(), await other.begin()
        one.release.set()
        await ended(first)
        assert sys.getswitchinterval() == SHORT_S
        other.release.set()
        await ended(second)

    asyncio.run(main())
    assert (one.seen, other.seen) == ([SHORT_S], [SHORT_S])
    assert sys.getswitchinterval() == FOUND_S


def test_the_interval_is_kept_short_by_a_call_of_another_event_loop() -> None:
    held, short = Held(), []

    async def other_loop() -> None:
        await ended(attempt_at(make_tool(quick)))
        short.append(sys.getswitchinterval())

    async def main() -> None:
        attempt = await held.begin()
        await asyncio.to_thread(asyncio.run, other_loop())
        held.release.set()
        await ended(attempt)

    asyncio.run(main())
    assert (short, sys.getswitchinterval()) == ([SHORT_S], FOUND_S)


def test_the_interval_is_left_alone_by_coroutines_and_by_calls_not_begun() -> None:
    held, seen = Held(), []

    async def look() -> None:
        """Look at the interval."""
        seen.append(sys.getswitchinterval())

    async def main() -> None:
        await ended(attempt_at(make_tool(look)))
        with ThreadPoolExecutor(1) as pool:
            first = await held.begin(run_in=pool)
            second = attempt_at(make_tool(quick, run_in=pool))
            held.release.set()
            await asyncio.gather(ended(first), ended(second))

    asyncio.run(main())
    assert (seen, sys.getswitchinterval()) == ([FOUND_S], FOUND_S)


@pytest.mark.parametrize("own_s", [0.02, 0.0002])
def test_an_interval_that_the_user_sets_meanwhile_is_left(own_s) -> None:
    held = Held()

    async def main() -> None:
        attempt = await held.begin()
        sys.setswitchinterval(own_s)
        held.release.set()
        await ended(attempt)

    asyncio.run(main())
    assert sys.getswitchinterval() == pytest.approx(own_s)


def test_an_interval_that_is_shorter_already_is_left() -> None:
    sys.setswitchinterval(0.0003)
    held = Held()
    held.release.set()

    async def main() -> None:
        await ended(await held.begin())

    asyncio.run(main())
    assert held.seen == [pytest.approx(0.0003)]
    assert sys.getswitchinterval() == pytest.approx(0.0003)


def test_an_abandoned_function_that_runs_on_keeps_the_interval_short() -> None:
    held = Held()

    async def main() -> float:
        attempt = await held.begin()
        attempt.abandon()
        while_it_runs = sys.getswitchinterval()
        over = asyncio.Event()
        attempt.when_over(lambda _: over.set())
        held.release.set()
        await over.wait()
        return while_it_runs

    assert asyncio.run(main()) == SHORT_S
    assert sys.getswitchinterval() == FOUND_S
