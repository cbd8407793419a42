"""``%agent cancel``: the runs that go on, or one future.

In the cell of a run the interrupt button does the same. This is for what no button reaches: calls of detached tools that
outlive their run, and runs in the background.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from asyncfc_jupyter.agent import Run
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.session.conversations import Conversations

_FUTURE = re.compile(r"\$?f\d+")


def cancel(conversations: Conversations, last: Run | None, words: list[str]) -> str:
    """Cancel what a line such as ``%agent cancel f3`` names, and say what was.

    Args:
        conversations: Those of the session.
        last: The run that a future's name is about, unless a conversation is named too.
        words: ``[FUTURE] [CONVERSATION]``; without a future every run that goes on, or the one of that conversation.

    Raises:
        UsageError: There is no such future or conversation.
    """
    rest = list(words)
    future = rest.pop(0).removeprefix("$") if rest and _FUTURE.fullmatch(rest[0]) else None
    if len(rest) > 1:
        raise UsageError("%agent cancel takes [FUTURE] [CONVERSATION], such as %agent cancel f3.")
    if rest:
        conversations.find(rest[0])
    if future is not None:
        return _cancel_future(_run_of(conversations, last, rest), future)
    talks = [talk for talk in conversations if talk.run is not None and not talk.run.done()]
    stopped = [talk for talk in talks if not rest or talk.name == rest[0]]
    for talk in stopped:
        if talk.run is not None:
            on_its_loop(talk.run, talk.run.cancel)
    if stopped:
        return f"Cancelled the run in {', '.join(talk.name for talk in stopped)}; finished results are kept."
    return f"No run goes on{_still_pending(conversations)}."


def on_its_loop(run: Run, act: Callable[[], Any]) -> None:
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


def _run_of(conversations: Conversations, last: Run | None, names: list[str]) -> Run:
    run = conversations.find(names[0]).run if names else last
    if run is None:
        raise UsageError("%agent cancel: there is no run yet, and so no future.")
    return run


def _cancel_future(run: Run, name: str) -> str:
    future = run.futures[name]
    if future.done():
        return f"{name} ({future.tool}) is {future.state} already; nothing to cancel."
    on_its_loop(run, future.cancel)
    return f"Cancelled {name} ({future.tool}); what needs it is skipped, and what it still returns is discarded."


def _still_pending(conversations: Conversations) -> str:
    pending = [(entry, talk.name) for talk in conversations for entry in talk.conversation.driver.pending()]
    if not pending:
        return ""
    entry, name = pending[0]
    named = ", ".join(f"{entry.name} ({entry.tool}) in {name}" for entry, name in pending[:5])
    more = f" and {len(pending) - 5} more" if len(pending) > 5 else ""
    return f"; pending: {named}{more}; cancel one with its conversation's name, as in %agent cancel {entry.name} {name}"
