"""Approvals: the question, and what counts as a yes."""

import asyncio

import pytest

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.runtime.approval import declined, question
from asyncfc_jupyter.runtime.call import Approval, Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.testing import run_virtually
from tests.runtime.made import (
    GIVE_BACK,
    PAY,
    asking,
    bound_call,
    call_of,
)


def test_a_question_names_future_tool_and_arguments() -> None:
    asked = question(bound_call(arguments={"euros": 5, "to": "Zoë"}))
    assert str(asked) == 'f3: pay(euros=5, to="Zoë")'
    assert asked == Approval(
        future=FutureName("f3"),
        tool="pay",
        arguments={"euros": 5, "to": "Zoë"},
        shown='euros=5, to="Zoë"',
        description="Pay euros.",
    )


@pytest.mark.parametrize(("length", "cut"), [(3_992, False), (3_993, True)])
def test_a_question_has_at_most_four_thousand_characters(length, cut) -> None:
    shown = question(bound_call(GIVE_BACK, {"value": "v" * length})).shown
    assert len(shown) == 4_000
    assert shown.endswith("…") is cut


@pytest.mark.parametrize("fields", [{"function": PAY}, {"bound": object()}])
def test_no_question_is_asked_before_the_arguments_are_known(fields) -> None:
    with pytest.raises(AssertionError, match="approved when its arguments are known"):
        question(call_of(**fields))


def answering(answer):
    async def asked(_approval):
        return answer

    return asked


async def hesitating(_approval):
    await asyncio.sleep(9)
    return True


async def failing(_approval):
    raise OSError("no terminal")


async def leaving(_approval):
    raise SystemExit(2)


@pytest.mark.parametrize(
    ("approver", "why"),
    [
        (answering(True), None),
        (lambda _: True, None),
        (lambda _: answering(True)(None), None),
        (answering(False), "not approved: the user said no"),
        (answering(1), "not approved: the user said no"),
        (answering("yes"), "not approved: the user said no"),
        (answering(None), "not approved: the user said no"),
        (hesitating, "not approved: no answer within 5 s"),
        (failing, "not approved: asking failed (OSError: no terminal)"),
        (leaving, "not approved: asking failed (SystemExit: 2)"),
        (None, "not approved: pay needs the user's approval and there is no approver; pass approver="),
    ],
)
def test_only_a_plain_yes_in_time_counts(approver, why) -> None:
    call = bound_call(lease=asking(approver))
    assert run_virtually(declined(call, question(call))) == why


def test_a_question_waits_for_five_minutes() -> None:
    driver = Driver()
    driver.lend(Lease(log=EventLog(lambda: 0.0)))
    assert driver.lease.approval_timeout_s == 300.0
