"""``%agent history``, ``reset``, ``fork``, ``export`` and ``import``: the conversations of a session."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter.core.protocol import decode, read_report
from asyncfc_jupyter.jupyter.session.conversations import MAIN
from asyncfc_jupyter.text import clean

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session

#: Messages that `%agent history` shows, and characters of each: few enough to read. `export` writes all.
_SHOWN, SHOWN_CHARACTERS = 40, 160
_WHO = {"user": "you", "assistant": "model", "tool": "tool"}


def reset(session: Session, name: str = MAIN) -> str:
    """Replace a conversation by a new one."""
    return session.conversations.reset(name)


def fork(session: Session, new: str, source: str = MAIN) -> str:
    """Begin a conversation from a copy of another."""
    return session.conversations.fork(new, source)


def save(session: Session, file: str, name: str = MAIN) -> str:
    """Write a conversation to a file."""
    return session.conversations.save(file, name)


def load(session: Session, file: str, name: str = MAIN) -> str:
    """Read a conversation from a file."""
    return session.conversations.load(file, name)


def show_history(session: Session, name: str = MAIN) -> str:
    """Return the latest messages of a conversation, each on a line of bounded length.

    Raises:
        UsageError: There is no such conversation.
    """
    talk = session.conversations.find(name)
    messages = talk.conversation.messages
    if not messages:
        return f"Conversation {talk.name} has no messages yet."
    lines = [f"system  {clean(talk.system, SHOWN_CHARACTERS)}"] if talk.system else []
    if (left := len(messages) - _SHOWN) > 0:
        lines.append(f"... {left} earlier; %agent export FILE {talk.name} writes all")
    lines += [f"{_WHO.get(message['role'], '?'):<8}{_message_text(message)}" for message in messages[-_SHOWN:]]
    return "\n".join(lines)


def _message_text(message: Mapping[str, Any]) -> str:
    """Return a message's text and calls, of a tool message the name, status and value of its future."""
    content = message.get("content") or ""
    if message["role"] == "tool":
        report = read_report(decode(content))
        if report is not None and report.status is not None:
            value = report.value if report.status == "done" else report.error
            content = f"{report.future} {report.status} {json.dumps(value, ensure_ascii=False) if value else ''}"
        return clean(content, SHOWN_CHARACTERS)
    calls = [f"{call['function']['name']}({call['function']['arguments']})" for call in message.get("tool_calls", ())]
    return "\n        ".join(clean(text, SHOWN_CHARACTERS) for text in [content, *calls] if text)
