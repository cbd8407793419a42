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


def reset(session: Session, words: list[str]) -> str:
    """Replace a conversation by a new one; the words are ``[CONVERSATION]``."""
    return session.conversations.reset(*words)


def fork(session: Session, words: list[str]) -> str:
    """Begin a conversation from a copy of another; the words are ``NEW [CONVERSATION]``."""
    return session.conversations.fork(*words)


def save(session: Session, words: list[str]) -> str:
    """Write a conversation to a file; the words are ``FILE [CONVERSATION]``."""
    return session.conversations.save(*words)


def load(session: Session, words: list[str]) -> str:
    """Read a conversation from a file; the words are ``FILE [CONVERSATION]``."""
    return session.conversations.load(*words)


def show_history(session: Session, words: list[str]) -> str:
    """Return the latest messages of a conversation, each on a line of bounded length; the words are ``[CONVERSATION]``.

    Raises:
        UsageError: There is no such conversation.
    """
    talk = session.conversations.find(*words or (MAIN,))
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
