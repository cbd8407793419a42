"""Asks the user whether a call may be made, while everything else continues."""

from __future__ import annotations

import asyncio
import inspect
import json

from asyncfc_jupyter.runtime.attempt import ask_in_thread, on_this_loop
from asyncfc_jupyter.runtime.call import Approval, Approver, ToolCall
from asyncfc_jupyter.runtime.outcome import Raised
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.values.summarize import value_fields

#: Characters of the arguments that the user is shown: as much as one reads before a decision, with a visible cut.
_QUESTION_CHARACTERS = 4_000


def question(call: ToolCall) -> Approval:
    """Return the question to the user about a call whose arguments are known."""
    tool, bound = call.function, call.bound
    if tool is None or bound is None:
        raise AssertionError("a call is approved when its arguments are known")
    seen = {name: value for name, value in bound.arguments.items() if name in tool.parameters_of.names}
    heads = {name: value_fields(value, call.name)["value"] for name, value in seen.items()}
    texts = (f"{name}={json.dumps(head, ensure_ascii=False, default=str)}" for name, head in heads.items())
    shown = shorten(", ".join(texts), _QUESTION_CHARACTERS)
    return Approval(future=call.name, tool=call.tool, arguments=seen, shown=shown, description=tool.description)


async def declined(call: ToolCall, asked: Approval) -> str | None:
    """Ask, and return None for a yes, or why the call is not made: a no, no answer in time, or no approver.

    Only a plain yes counts as one; an approver that raises does not approve.
    """
    approver, timeout_s = call.lease.approver, call.lease.approval_timeout_s
    if approver is None:
        return f"not approved: {call.tool} needs the user's approval and there is no approver; pass approver="
    try:
        async with asyncio.timeout(timeout_s):
            outcome = await on_this_loop(_asked(approver, asked))
    except TimeoutError:
        return f"not approved: no answer within {timeout_s:g} s"
    if isinstance(outcome, Raised):
        return f"not approved: asking failed ({outcome.message})"
    return None if outcome.value is True else "not approved: the user said no"


async def _asked(approver: Approver, asked: Approval) -> object:
    if inspect.iscoroutinefunction(approver):
        return await approver(asked)
    answer = await ask_in_thread(approver, asked)
    return await answer if inspect.isawaitable(answer) else answer
