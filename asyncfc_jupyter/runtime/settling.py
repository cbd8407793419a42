"""The ends of calls: the event for each, the reason of a skipped one, and waiting for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from asyncfc_jupyter.core.events import CallCancelled, CallFailed, CallFinished, CallSkipped, Event
from asyncfc_jupyter.core.futures import FutureName, State
from asyncfc_jupyter.errors import InvariantBroken
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.values.describe import label


def why_skipped(cause: ToolCall | None) -> str:
    """Return why a call is not made: because of another that did not succeed, or because its own reply was cut off."""
    if cause is None:
        return "the reply that holds it was cut off, and it cannot be undone; make the call again if it is still meant"
    # In a chain of skipped calls each names the first cause: with all causes the text would grow at each link.
    if cause.state is State.SKIPPED:
        return cause.error
    return f"{cause.name} ({cause.tool}) {cause.status}: {cause.error}"


def end_of(call: ToolCall, *, because: FutureName | None = None, still_running: bool = False) -> Event:
    """Return the event for the end of a settled call.

    Args:
        call: The call.
        because: The call that caused this one to be skipped.
        still_running: Whether its function runs on, since nothing can stop it.
    """
    name, message = call.name, call.error
    match call.state:
        case State.DONE:
            return CallFinished(future=name, summary=label(call.value), shareable=call.shareable)
        case State.FAILED:
            kind: Literal["timeout", "error"] = "timeout" if call.timed_out else "error"
            return CallFailed(future=name, kind=kind, message=message, still_running=still_running)
        case State.CANCELLED:
            return CallCancelled(future=name, still_running=still_running)
        case State.SKIPPED:
            return CallSkipped(future=name, because=because, message=message)
    raise InvariantBroken("a call has an end when it has settled", f"{name} is {call.state}")


async def settled(calls: Sequence[ToolCall], *, mode: Literal["all", "any"], timeout_s: float | None) -> None:
    """Return when all, or any, of these calls have settled, or the time is up."""
    missing = [call for call in calls if not call.settled]
    if not missing or (mode == "any" and len(missing) < len(calls)):
        return
    reached = asyncio.get_running_loop().create_future()
    left = 1 if mode == "any" else len(missing)

    def wake() -> None:
        nonlocal left
        left -= 1
        if left == 0 and not reached.done():
            reached.set_result(None)

    for call in missing:
        call.when_settled(wake)
    try:
        async with asyncio.timeout(timeout_s):
            await reached
    except TimeoutError:
        return
    finally:
        for call in missing:
            call.wait_no_more(wake)
