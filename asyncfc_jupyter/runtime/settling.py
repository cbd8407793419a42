"""How futures end with, or because of, others; and waiting until they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from asyncfc_jupyter.core.events import CallCancelled, CallFailed, CallFinished, CallSkipped, Event
from asyncfc_jupyter.core.futures import State
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.values.snapshot import describe


def why_skipped(cause: ToolCall | None) -> str:
    """Return why a call is not made because of another that did not succeed, or of its own reply."""
    if cause is None:
        return (
            "the reply that holds it was cut off, and it cannot be taken back; make the call again if it is still meant"
        )
    # Of a chain of skipped calls only the first cause is told: told again at each link, it would grow without end.
    if cause.state is State.SKIPPED:
        return cause.error
    return f"{cause.name} ({cause.tool}) {cause.status}: {cause.error}"


def same_end(call: ToolCall, of: ToolCall) -> Event:
    """Return the fact that a call ended as the settled one that it repeats."""
    name, message = call.name, of.error
    match of.state:
        case State.DONE:
            return CallFinished(future=name, summary=describe(of.value))
        case State.FAILED:
            return CallFailed(future=name, kind="timeout" if of.timed_out else "error", message=message)
        case State.CANCELLED:
            return CallCancelled(future=name)
    return CallSkipped(future=name, because=of.name, message=message)


async def settled(calls: Sequence[ToolCall], *, mode: Literal["all", "any"], timeout_s: float | None) -> None:
    """Return when all, or any, of these futures have settled, or the time is up."""
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
            if wake in call.waiters:
                call.waiters.remove(wake)
