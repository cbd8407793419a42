"""Calls that a conversation takes over from another one, or from a file."""

import pytest

from asyncfc_jupyter.core.events import (
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.errors import InvariantBroken
from asyncfc_jupyter.runtime.call import APPROVAL_TIMEOUT_S
from asyncfc_jupyter.runtime.restore import adopt
from asyncfc_jupyter.testing import run_virtually
from tests.runtime.made import FIND, SEND, begun, issue


def test_a_restored_future_can_be_referred_to() -> None:
    async def main():
        driver = begun()
        error = ValueError("no")
        one = adopt(
            driver, tool="find", arguments={"city": "LIS"}, status="done", value={"id": 4}, function=FIND, shown=True
        )
        two = adopt(driver, tool="find", arguments={}, status="failed", error="no", exception=error, shown=True)
        assert driver.issued == [one, two] == list(driver.calls.values())
        assert (one.name, two.name) == ("f1", "f2")
        assert (one.tool, one.arguments, one.value, one.function) == ("find", {"city": "LIS"}, {"id": 4}, FIND)
        assert (two.status, two.error, two.exception, two.call_id) == ("failed", "no", error, "")
        assert one.elapsed_s is None
        assert one.lease.log.events == []
        assert (one.lease.approver, one.lease.approval_timeout_s) == (None, APPROVAL_TIMEOUT_S)
        assert len(one.lease.context) == 0
        issue(driver, FIND, city="$f1.id")
        issue(driver, FIND, city="$f2.id")
        assert list(driver.pending()) == driver.issued[2:3]
        await driver.wait(tuple(driver.calls))
        return driver

    driver = run_virtually(main())
    assert [(call.name, call.status) for call in driver.issued[2:]] == [("f3", "done"), ("f4", "skipped")]
    assert driver.issued[2].value == {"id": 4}


@pytest.mark.parametrize("status", ["failed", "timeout", "cancelled", "skipped"])
@pytest.mark.parametrize("shown", [True, False])
def test_an_irreversible_call_is_held_by_a_restored_failure_not_yet_shown(status, shown) -> None:
    async def main():
        driver = begun()
        adopt(driver, tool="find", arguments={}, status=status, error="no", shown=shown)
        driver.report(TurnStarted(turn=1))
        call = issue(driver, SEND, city="LIS")
        driver.report(TurnEnded(turn=1, reason="stop", calls=1))
        await driver.wait([call.name], timeout_s=9)
        return call.status

    assert run_virtually(main()) == ("done" if shown else "skipped")


def test_a_pending_future_cannot_be_restored() -> None:
    async def main():
        adopt(begun(), tool="find", arguments={}, status="pending", shown=False)

    with pytest.raises(InvariantBroken, match="f1 is pending"):
        run_virtually(main())
