"""The ends of calls: their events, the reason of a skipped one, and waiting for them."""

import asyncio

import pytest

from asyncfc_jupyter.core.events import (
    CallCancelled,
    CallFailed,
    CallFinished,
    CallSkipped,
)
from asyncfc_jupyter.core.futures import FutureName, State
from asyncfc_jupyter.runtime.settling import end_of, settled, why_skipped
from asyncfc_jupyter.testing import run_virtually
from tests.runtime.made import (
    call_of,
)


def test_a_skipped_call_names_the_first_cause_only() -> None:
    failed = call_of(1, "find", status="failed", error="ValueError: no")
    assert why_skipped(failed) == "f1 (find) failed: ValueError: no"
    assert why_skipped(call_of(2, status="skipped", error=why_skipped(failed))) == "f1 (find) failed: ValueError: no"
    assert why_skipped(None).startswith("the reply that holds it was cut off, and it cannot be undone; make the call")


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("done", CallFinished(future=FutureName("f2"), summary="1 item")),
        ("failed", CallFailed(future=FutureName("f2"), kind="error", message="why")),
        ("timeout", CallFailed(future=FutureName("f2"), kind="timeout", message="why")),
        ("cancelled", CallCancelled(future=FutureName("f2"))),
        ("skipped", CallSkipped(future=FutureName("f2"), because=FutureName("f1"), message="why")),
    ],
)
def test_the_event_for_the_end_of_a_call_has_its_outcome(status, event) -> None:
    assert end_of(call_of(2, status=status, value=[1], error="why"), because=FutureName("f1")) == event


@pytest.mark.parametrize(
    ("mode", "timeout_s", "until_s"),
    [("all", None, 3), ("any", None, 1), ("all", 2, 2), ("any", 0.5, 0.5), ("all", 3.5, 3)],
)
def test_waiting_ends_with_the_last_future_the_first_or_the_time(mode, timeout_s, until_s) -> None:
    async def main():
        loop = asyncio.get_running_loop()
        calls = [call_of(number) for number in (1, 2, 3)]
        for number, call in enumerate(calls, 1):
            loop.call_later(number, call.settle, State.DONE)
        await settled(calls, mode=mode, timeout_s=timeout_s)
        until = loop.time()
        left = [len(call.waiters) for call in calls]
        await asyncio.sleep(9)
        return until, left

    assert run_virtually(main()) == (until_s, [0, 0, 0])


@pytest.mark.parametrize(
    ("statuses", "mode", "waits"),
    [
        ([], "all", False),
        ([], "any", False),
        (["done", "failed"], "all", False),
        (["done", "pending"], "any", False),
        (["done", "pending"], "all", True),
        (["pending", "pending"], "any", True),
    ],
)
def test_a_settled_future_is_not_waited_for(statuses, mode, waits) -> None:
    async def main():
        await settled([call_of(n, status=s) for n, s in enumerate(statuses, 1)], mode=mode, timeout_s=7)
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == (7 if waits else 0)
