"""One object at a time: undeclared methods of one object take turns, however a call ends."""

import asyncio
import functools
import sys
import threading

import pytest

from asyncfc_jupyter.runtime.attempt import (
    Attempt,
    Raised,
)
from asyncfc_jupyter.runtime.object_lock import Turn, turn_of
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import (
    PAY,
    ended,
)


class Desk:
    """A desk that notices two calls at a time."""

    def __init__(self) -> None:
        self.at_once, self.most = 0, 0

    async def book(self, seconds: float = 1.0, reason: str = "") -> float:
        """Book; raises the reason, if there is one."""
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.at_once -= 1
        if reason:
            raise ValueError(reason)
        return asyncio.get_running_loop().time()

    def ring(self) -> int:
        """Ring, in a thread."""
        return self.at_once


def attempt(tool, **arguments):
    return Attempt(tool, tool.parameters_of.bind(arguments))


async def together(*attempts):
    return await asyncio.gather(*(ended(each) for each in attempts))


def test_undeclared_methods_of_one_object_take_turns_in_order() -> None:
    """Methods that run in a thread take turns with the others, too."""
    desk = Desk()
    book, ring = make_tool(desk.book), make_tool(desk.ring)

    async def main():
        return await together(attempt(book), attempt(ring), attempt(book, seconds=2), attempt(book))

    outcomes = run_virtually(main())
    assert [outcome.value for outcome in outcomes] == [1, 0, 3, 4]
    assert desk.most == 1


def test_declared_methods_and_those_of_other_objects_overlap() -> None:
    desk = Desk()

    async def main():
        declared = make_tool(desk.book, writes="desk")
        return await together(attempt(declared), attempt(declared), attempt(make_tool(Desk().book)))

    assert [outcome.value for outcome in run_virtually(main())] == [1, 1, 1]
    assert desk.most == 2


@pytest.mark.parametrize("ending", ["raises", "times out", "is cancelled", "is cancelled while it waits"])
def test_the_turn_passes_on_however_a_call_ends(ending) -> None:
    desk = Desk()
    tool = make_tool(desk.book, timeout_s=1.5)

    async def main():
        first = attempt(tool, **{"raises": {"reason": "no"}, "times out": {"seconds": 9}}.get(ending, {}))
        second, third = attempt(tool), attempt(tool)
        await asyncio.sleep(0.25)
        if ending == "is cancelled":
            first.abandon()
        if ending == "is cancelled while it waits":
            second.abandon()
        waiting = third if ending.endswith("waits") else second
        return await ended(waiting)

    outcome = run_virtually(main())
    assert not isinstance(outcome, Raised) or outcome.kind == "timeout"
    turn = turn_of(tool)
    assert turn is not None
    assert run_virtually(asyncio.wait_for(turn.enter(), 1)) is None, "no call is left inside"


def test_a_thread_that_outlives_its_time_keeps_its_turn_until_it_returns() -> None:
    entered, release = threading.Event(), threading.Event()

    class Slow:
        def work(self) -> None:
            """Work."""
            entered.set()
            release.wait(20)

        def look(self) -> bool:
            """Look."""
            return release.is_set()

    slow = Slow()

    async def main():
        working = attempt(make_tool(slow.work, timeout_s=0.05))
        await asyncio.to_thread(entered.wait, 20)
        assert (await ended(working)).kind == "timeout"  # its time begins here
        looking = attempt(make_tool(slow.look, timeout_s=20))
        release.set()
        return await ended(looking)

    assert asyncio.run(main()).value is True


def test_a_turn_given_at_the_moment_of_a_cancellation_passes_on() -> None:
    async def main():
        turn = Turn()
        await turn.enter()
        second = asyncio.ensure_future(turn.enter())
        await asyncio.sleep(0)
        turn.leave()  # the turn is the second's, which has not run yet
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert second.cancelled()
        await asyncio.wait_for(turn.enter(), 1)

    run_virtually(main())


def test_event_loops_of_several_threads_take_turns_on_one_object() -> None:
    desk = Desk()
    tool = make_tool(desk.book)
    outcomes = []

    async def three():
        return await together(*(attempt(tool, seconds=0.01) for _ in range(3)))

    threads = [threading.Thread(target=lambda: outcomes.extend(asyncio.run(three()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(outcomes) == 9
    assert desk.most == 1


class Shop:
    def book(self, day: int) -> int:
        """Book."""
        return day

    @classmethod
    def open(cls) -> None:
        """Open."""


def test_only_undeclared_methods_of_one_object_take_turns() -> None:
    shop, other = Shop(), Shop()
    one = turn_of(make_tool(shop.book))
    assert one is not None
    assert turn_of(make_tool(shop.book)) is one
    assert turn_of(make_tool(functools.partial(functools.partial(shop.book), day=1), name="book")) is one
    assert turn_of(make_tool(other.book)) not in (None, one)
    assert turn_of(make_tool(shop.book, pure=True)) is None
    assert turn_of(PAY) is None
    assert isinstance(math_like.__self__, type(sys))
    assert turn_of(make_tool(math_like)) is None


class _OfAModule:
    """A function whose owner is its module, as those of extensions have it."""

    __self__ = sys
    __name__ = "of_a_module"

    def __call__(self, a: int) -> int:
        """Give it back."""
        return a


math_like = _OfAModule()
