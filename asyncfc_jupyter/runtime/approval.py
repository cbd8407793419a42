"""Asking the person whether a call may be made, while everything else goes on."""

from __future__ import annotations

import asyncio
import inspect
import json

from asyncfc_jupyter.runtime.attempt import ask_in_thread, show_exception
from asyncfc_jupyter.runtime.call import Approval, Approver, ToolCall
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.values.summarize import value_fields

#: Seconds the person has for an answer: long enough to read and think, short enough that a forgotten run ends.
APPROVAL_TIMEOUT_S = 300.0
#: What a person is shown of the arguments, in characters: what they would read before they say yes, and a cut they can see.
_QUESTION_CHARACTERS = 4_000


def question(call: ToolCall) -> Approval:
    """Return what the person is asked about a call whose arguments are known."""
    tool, bound = call.function, call.bound
    if tool is None or bound is None:
        raise AssertionError("a call is approved when its arguments are known")
    seen = {name: value for name, value in bound.arguments.items() if name in tool.parameters_of.names}
    heads = {name: value_fields(value, call.name)["value"] for name, value in seen.items()}
    texts = (f"{name}={json.dumps(head, ensure_ascii=False, default=str)}" for name, head in heads.items())
    shown = shorten(", ".join(texts), _QUESTION_CHARACTERS)
    return Approval(future=call.name, tool=call.tool, arguments=seen, shown=shown, description=tool.description)


async def declined(call: ToolCall, asked: Approval) -> str | None:
    """Ask, and return None for a yes, or why the call is not made: a no, no answer in time, or nobody to ask.

    Whatever the asking does, only a plain yes is one.
    """
    lease = call.lease
    if lease.approver is None:
        return f"not approved: {call.tool} needs a person's approval and there is nobody to ask; pass approver="
    try:
        async with asyncio.timeout(lease.approval_timeout_s):
            answer = await _answer(lease.approver, asked)
    except TimeoutError:
        return f"not approved: nobody answered within {lease.approval_timeout_s:g} s"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - asking is the user's own code, and no reason to end the loop
        return f"not approved: asking failed ({show_exception(error)})"
    return None if answer is True else "not approved: the person said no"


async def _answer(approver: Approver, asked: Approval) -> object:
    if inspect.iscoroutinefunction(approver):
        return await approver(asked)
    answer = await ask_in_thread(approver, asked)
    return await answer if inspect.isawaitable(answer) else answer
