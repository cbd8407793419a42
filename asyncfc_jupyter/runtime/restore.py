"""Settled futures that a conversation takes over from another one, or from a file."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from typing import Any

from asyncfc_jupyter.core.effects import PURE
from asyncfc_jupyter.core.events import (
    CallCancelled,
    CallFailed,
    CallFinished,
    CallIssued,
    CallSkipped,
    Event,
    ResultShown,
)
from asyncfc_jupyter.core.futures import CallId, FutureName, State, Status, future_name, state_of
from asyncfc_jupyter.errors import InvariantBroken
from asyncfc_jupyter.runtime.approval import APPROVAL_TIMEOUT_S
from asyncfc_jupyter.runtime.call import Lease, ToolCall
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.tools.definition import Tool


def adopt(
    driver: Driver,
    *,
    tool: str,
    arguments: Mapping[str, Any],
    status: Status,
    value: Any = None,
    error: str = "",
    exception: BaseException | None = None,
    function: Tool | None = None,
    shown: bool,
) -> ToolCall:
    """Give a driver a future that has settled elsewhere; it takes the next name and is in no run's log.

    Args:
        driver: The driver of the conversation that takes it over.
        tool: The name of its tool.
        arguments: The arguments as the model wrote them.
        status: What became of it; not ``pending``, since nobody here could settle it.
        value: Its value, when it is done.
        error: Why it has none, otherwise.
        exception: What the tool raised, if anything.
        function: The tool itself, where it is known.
        shown: Whether the messages hold its outcome, so that the model knows of it.
    """
    name = future_name(len(driver.calls) + 1)
    call = ToolCall(
        name=name,
        call_id=CallId(""),
        tool=tool,
        arguments=arguments,
        lease=_nobodys_lease(),
        state=state_of(status),
        timed_out=status == "timeout",
        value=value,
        error=error,
        exception=exception,
        function=function,
    )
    driver.calls[name] = call
    driver.issued.append(call)
    issued = CallIssued(future=name, call=call.call_id, turn=0, tool=tool, arguments="", effects=PURE)
    driver.scheduler.handle(issued)
    driver.scheduler.handle(_settling(name, call.state, error))
    if shown:
        driver.scheduler.handle(ResultShown(future=name, turn=0))
    return call


def _settling(name: FutureName, state: State, error: str) -> Event:
    match state:
        case State.DONE:
            return CallFinished(future=name, summary="")
        case State.FAILED:
            return CallFailed(future=name, kind="error", message=error)
        case State.SKIPPED:
            return CallSkipped(future=name, because=None, message=error)
        case State.CANCELLED:
            return CallCancelled(future=name)
    raise InvariantBroken("only settled futures are taken over", f"{name} is {state}")


def _nobodys_lease() -> Lease:
    """Return the lease of no run: nothing is ever logged for a future that has settled."""
    return Lease(
        log=EventLog(lambda: 0.0),
        context=contextvars.Context(),
        approver=None,
        approval_timeout_s=APPROVAL_TIMEOUT_S,
    )
