"""``%agent cancel``: cancel runs, or one future.

In the cell of a run the interrupt button does the same. The command is for what no button reaches: calls of detached tools that
outlive their run, and runs in the background.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter.agent.run import Run
from asyncfc_jupyter.errors import UsageError

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session

_FUTURE = re.compile(r"\$?f\d+")


def cancel(session: Session, word: str = "", name: str = "") -> str:
    """Cancel every run, the run of one conversation, or one future, and return what was cancelled.

    Args:
        session: The session.
        word: A future of the conversation's last run, or of the session's last run; or a conversation.
        name: A conversation.

    Raises:
        UsageError: There is no such future or conversation.
    """
    future = word.removeprefix("$") if _FUTURE.fullmatch(word) else ""
    if name and not future:
        raise UsageError("the first of two words is a future, such as %agent cancel f3 main.")
    conversation = name if future else word
    named = session.conversations.find(conversation) if conversation else None
    if future:
        return _cancel_future(session.last if named is None else named.run, future)
    stopped = []
    for talk in session.conversations if named is None else [named]:
        if talk.run is not None and not talk.run.done():
            _on_its_loop(talk.run, talk.run.cancel)
            stopped.append(talk.name)
    if stopped:
        return f"Cancelled the run in {', '.join(stopped)}; finished results are kept."
    return f"No run to cancel{_still_pending(session)}."


def _cancel_future(run: Run | None, name: str) -> str:
    if run is None:
        raise UsageError("there is no run yet, and so no future.")
    future = run.futures[name]
    if future.done():
        return f"{name} ({future.tool}) is {future.state} already; nothing to cancel."
    _on_its_loop(run, future.cancel)
    return f"Cancelled {name} ({future.tool}); what needs it is skipped, and what it still returns is discarded."


def _on_its_loop(run: Run, act: Callable[[], Any]) -> None:
    """Do something to a run on the event loop that it runs on: a subshell of the kernel has a loop of its own."""
    loop = run.loop
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if loop is None or loop is here or not loop.is_running():
        act()
    else:
        loop.call_soon_threadsafe(act)


def _still_pending(session: Session) -> str:
    pending = [(call, talk.name) for talk in session.conversations for call in talk.conversation.driver.pending()]
    if not pending:
        return ""
    call, name = pending[0]
    named = ", ".join(f"{call.name} ({call.tool}) in {name}" for call, name in pending[:5])
    more = f" and {len(pending) - 5} more" if len(pending) > 5 else ""
    return f"; pending: {named}{more}; cancel one with its conversation's name, as in %agent cancel {call.name} {name}"
