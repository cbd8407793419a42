"""Calls, drivers and attempts for tests of single parts."""

import asyncio

from asyncfc_jupyter.core.futures import CallId, FutureName, state_of
from asyncfc_jupyter.runtime.attempt import Attempt
from asyncfc_jupyter.runtime.call import Lease, ToolCall
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.runtime.outcome import Outcome
from asyncfc_jupyter.tools.definition import make_tool


def pay(euros: int, to: str = "Ada") -> str:
    """Pay euros."""
    return f"{euros} to {to}"


def give_back(value) -> object:
    """Give it back."""
    return value


give_back.__annotations__["value"] = object
PAY, GIVE_BACK = make_tool(pay), make_tool(give_back)


def call_of(number=1, tool="pay", *, log=None, status="pending", **fields):
    lease = fields.pop("lease", None) or Lease(log=log or EventLog(lambda: 0.0))
    return ToolCall(
        name=FutureName(f"f{number}"),
        call_id=CallId("c"),
        tool=tool,
        arguments=fields.pop("arguments", {}),
        lease=lease,
        state=state_of(status),
        timed_out=status == "timeout",
        **fields,
    )


def fails(value: object = None) -> None:
    """Fail."""
    raise LookupError("no")


def asking(approver, timeout_s=5.0):
    return Lease(log=EventLog(lambda: 0.0), approver=approver, approval_timeout_s=timeout_s)


def bound_call(tool=PAY, arguments=None, **fields):
    call = call_of(3, tool.name, function=tool, arguments=arguments or {"euros": 5}, **fields)
    call.bound = tool.parameters_of.bind(call.arguments)
    return call


async def find(city: object) -> dict:
    """Find."""
    return {"id": city}


FIND, SEND = make_tool(find, pure=True), make_tool(find, irreversible=True, name="send")


def begun():
    driver = Driver()
    driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
    return driver


def issue(driver, tool, **arguments):
    call = CallId(f"c{len(driver.issued)}")
    return driver.issue(call_id=call, turn=1, name=tool.name, tool=tool, arguments=arguments)


def attempt_at(tool, **arguments):
    return Attempt(tool, tool.parameters_of.bind(arguments))


async def ended(attempt: Attempt) -> Outcome:
    """Start the tool's time, and return the outcome when the function has ended or the time is up."""
    reached = asyncio.get_running_loop().create_future()
    attempt.when_reached(lambda: reached.set_result(None))
    await reached
    return attempt.result()
