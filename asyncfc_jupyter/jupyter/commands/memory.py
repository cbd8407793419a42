"""``%agent forget``, and what is remembered of a session's tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncfc_jupyter.agent.memory import SHARED, DiskMemory, memory_file, memory_of
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.settings.table import SETTINGS
from asyncfc_jupyter.runtime.durations import Durations

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session


def remembered(session: Session) -> Durations:
    """Return what is remembered of tools, as the settings say; nothing where conversations do not share it."""
    memory = memory_of(session.settings.value("remember") or SETTINGS["remember"].default)
    if isinstance(memory, DiskMemory):
        memory.load()
    return Durations() if memory is None else memory.durations


def forget(session: Session) -> str:
    """Forget how long tools took and what models did with futures, in this kernel and in the user's cache.

    Raises:
        UsageError: The file in the cache cannot be removed.
    """
    for talk in session.conversations:
        talk.conversation.durations.by_tool.clear()
        talk.conversation.learned.clear()
    try:
        for memory in SHARED.values():
            memory.forget()
    except OSError as error:
        raise UsageError(f"{memory_file()} cannot be removed ({error.strerror}); this kernel has forgotten.") from None
    return "Forgot how long tools took and what models did with futures. Conversations, tools and the model stay."
