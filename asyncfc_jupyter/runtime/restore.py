"""Settled calls that a conversation takes over from another one, or from a file."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping, Set
from typing import Any

from asyncfc_jupyter.core.effects import PURE
from asyncfc_jupyter.core.events import CallIssued, ResultShown
from asyncfc_jupyter.core.futures import CallId, Status, future_name, state_of
from asyncfc_jupyter.runtime.call import Lease, ToolCall
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.runtime.settling import end_of
from asyncfc_jupyter.tools.definition import Tool


def adopt(
    driver: Driver,
    *,
    tool: str,
    arguments: Mapping[str, Any],
    status: Status,
    value: Any = None,
    mixed: Set[int] = frozenset(),
    error: str = "",
    exception: BaseException | None = None,
    function: Tool | None = None,
    shown: bool,
) -> ToolCall:
    """Give a driver a call that has settled elsewhere. It takes the next name and is in no run's log.

    Args:
        driver: The driver of the conversation that takes it over.
        tool: The name of its tool.
        arguments: The arguments as the model wrote them.
        status: Its status; not ``pending``, since nothing here could settle it.
        value: Its value, when it is done.
        mixed: Where the value holds anything but plain data (`values.snapshot`); what a file holds is plain data.
        error: Why it has no value, otherwise.
        exception: The exception that the tool raised, if any.
        function: The tool itself, where it is known.
        shown: Whether the messages hold its outcome, so that the model knows it.

    Raises:
        InvariantBroken: The status is ``pending``.
    """
    call = ToolCall(
        name=future_name(len(driver.calls) + 1),
        call_id=CallId(""),
        tool=tool,
        arguments=arguments,
        # Of no run: nothing is ever logged for a call that has settled.
        lease=Lease(log=EventLog(lambda: 0.0), context=contextvars.Context()),
        state=state_of(status),
        timed_out=status == "timeout",
        value=value,
        mixed=mixed,
        error=error,
        exception=exception,
        function=function,
    )
    end = end_of(call)
    driver.calls[call.name] = call
    driver.issued.append(call)
    handle = driver.scheduler.handle
    handle(CallIssued(future=call.name, call=call.call_id, turn=0, tool=tool, arguments="", effects=PURE))
    handle(end)
    if shown:
        handle(ResultShown(future=call.name, turn=0))
    return call
