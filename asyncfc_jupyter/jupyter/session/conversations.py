"""The conversations of a session, by name, and what the line magic does with them.

A cell that names none goes on with `MAIN`, always: which conversation a cell belongs to can be read off the cell and does not
depend on the cell that was run before it.
"""

from __future__ import annotations

import json
import shlex
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncfc_jupyter.agent import Conversation, Run
from asyncfc_jupyter.agent.persistence import FORMAT, fork, from_json, to_json
from asyncfc_jupyter.core.protocol import decode, read_report
from asyncfc_jupyter.errors import UsageError, nearest
from asyncfc_jupyter.models.atomic_file import replace_file
from asyncfc_jupyter.text import shorten

#: The conversation of the cells that name none.
MAIN = "main"
#: Messages that `%agent history` shows, and characters of each: what one can read through. `export` gives all.
_SHOWN, _SHOWN_CHARACTERS = 40, 160
#: Bytes of a file that is read as a conversation: above any that a model could be sent.
_MOST_BYTES = 100_000_000
_WHO = {"user": "you", "assistant": "model", "tool": "tool"}
#: The commands, and what may follow each.
USAGE = {
    "reset": "[NAME]",
    "fork": "NEW [FROM]",
    "history": "[NAME]",
    "export": "FILE [NAME]",
    "import": "FILE [NAME]",
}


@dataclass(slots=True, eq=False)
class Talk:
    """A conversation with the name that cells call it by."""

    name: str
    conversation: Conversation = field(default_factory=Conversation)
    #: The system text, which the next cell of the conversation keeps unless it gives another.
    system: str | None = None
    #: Its last run.
    run: Run | None = None
    #: Whether the system text is that of the settings: then the next cell takes what they say by then.
    usual: bool = False

    def __str__(self) -> str:
        messages, futures = len(self.conversation.messages), len(self.conversation.driver.calls)
        using = ", in use" if self.conversation.busy else ""
        return f"{self.name}: {messages} message{'s' * (messages != 1)}, {futures} future{'s' * (futures != 1)}{using}"


class Conversations:
    """The conversations of a session by name. The main one is always there."""

    def __init__(self) -> None:
        self._talks = {MAIN: Talk(MAIN)}

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in the order in which they began."""
        return tuple(self._talks)

    def __iter__(self) -> Iterator[Talk]:
        return iter(self._talks.values())

    def open(self, name: str) -> Talk:
        """Return the conversation of that name, a new one if there is none.

        Raises:
            UsageError: It cannot be a name.
        """
        return self._talks.setdefault(checked(name), Talk(name))

    def find(self, name: str) -> Talk:
        """Return a conversation that there is.

        Raises:
            UsageError: There is none of that name.
        """
        if name not in self._talks:
            meant = nearest(name, self.names) or f"; there are: {', '.join(self.names)}."
            raise UsageError(f"there is no conversation {name!r}{meant}")
        return self._talks[name]

    def reset(self, name: str = MAIN) -> str:
        """Begin a conversation anew; a run that is using it goes on by itself, and its futures with it."""
        self.find(name)
        self._talks[name] = Talk(name)
        which = "A new conversation begins" if name == MAIN else f"Conversation {name} begins anew"
        return f"{which}, without a system text; tools and model stay."

    def fork(self, new: str, source: str = MAIN) -> str:
        """Begin a conversation from a copy of another.

        Raises:
            UsageError: There is one of the new name already, or the other is in use.
        """
        if checked(new) in self._talks:
            raise UsageError(f"there is a conversation {new!r} already; write %agent reset {new}, or use another name.")
        origin = self.find(source)
        self._talks[new] = Talk(new, fork(origin.conversation), origin.system, usual=origin.usual)
        return f"Conversation {self._talks[new]}, a copy of {source}. Go on with it in %%agent --conversation {new}."

    def save(self, file: str, name: str = MAIN) -> str:
        """Write a conversation to a file, over one that an export wrote and no other.

        Raises:
            UsageError: It is in use, or the file cannot be written.
        """
        talk, path = self.find(name), Path(file).expanduser()
        text = to_json(talk.conversation, system=talk.system)
        try:
            if path.exists() and not _is_ours(path):
                raise UsageError(f"{file} holds something else than a conversation; choose another name, or remove it.")
            replace_file(path, text)
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror or error}.") from None
        return f"Wrote {talk} to {file}."

    def load(self, file: str, name: str = MAIN) -> str:
        """Read a conversation from a file, in place of the one of that name.

        Raises:
            UsageError: The file cannot be read or holds no valid conversation, or the one it would replace is in use.
        """
        if checked(name) in self._talks and self._talks[name].conversation.busy:
            raise UsageError(f"a run is using conversation {name}; wait for it, or import under another name.")
        path = Path(file).expanduser()
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise UsageError(f"{file} is too large for a conversation: more than {_MOST_BYTES // 10**6} MB.")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from None
        except UnicodeDecodeError:
            raise UsageError(f"{file} is no conversation: it is not text in UTF-8.") from None
        try:
            self._talks[name] = Talk(name, *from_json(text))
        except UsageError as error:
            raise UsageError(f"{file} {error}") from None
        return f"Read {self._talks[name]} from {file}."


def answer(conversations: Conversations, line: str) -> str:
    """Return what a line such as ``%agent fork trip`` asks for.

    Raises:
        UsageError: It asks for something that cannot be done.
    """
    try:
        command, *words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%agent: {error}.") from None
    needed = sum(not word.startswith("[") for word in USAGE[command].split())
    if not needed <= len(words) <= len(USAGE[command].split()):
        raise UsageError(f"%agent {command} takes {USAGE[command]}; it was given {len(words)} words.")
    try:
        match command:
            case "reset":
                return conversations.reset(*words)
            case "fork":
                return conversations.fork(*words)
            case "export":
                return conversations.save(*words)
            case "import":
                return conversations.load(*words)
            case _:
                return history(conversations.find(*words or (MAIN,)))
    except UsageError as error:
        raise UsageError(f"%agent {command}: {error}") from None


def history(talk: Talk) -> str:
    """Return the messages of a conversation for a person to read: the latest, a line each, cut to what one can read."""
    messages = talk.conversation.messages
    if not messages:
        return f"Conversation {talk.name} has no messages yet."
    lines = [f"system  {plain(talk.system)}"] if talk.system else []
    if (left := len(messages) - _SHOWN) > 0:
        lines.append(f"... {left} earlier; %agent export FILE {talk.name} writes all")
    lines += [f"{_WHO.get(message['role'], '?'):<8}{_told(message)}" for message in messages[-_SHOWN:]]
    return "\n".join(lines)


def _told(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if message["role"] == "tool":
        return plain(_outcome(content))
    calls = [f"{call['function']['name']}({call['function']['arguments']})" for call in message.get("tool_calls", ())]
    return "\n        ".join(map(plain, filter(None, [content, *calls])))


def _outcome(content: str) -> str:
    """Return a tool message without its notes: the name, the status and the value."""
    report = read_report(decode(content))
    if report is None or report.status is None:
        return content
    value = report.value if report.status == "done" else report.error
    return f"{report.future} {report.status} {json.dumps(value, ensure_ascii=False) if value else ''}"


def plain(text: str) -> str:
    """Return text on one line of bounded length, without characters that steer a terminal or turn the line around."""
    line = shorten(text, _SHOWN_CHARACTERS)
    return (
        "".join(c for c in line if unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
        .encode("utf-8", "replace")
        .decode()
    )


def checked(name: str) -> str:
    """Return the name of a conversation.

    Raises:
        UsageError: It cannot be one: it would not survive being written on a magic's line.
    """
    if not name.replace("-", "").replace("_", "").isalnum() or name.startswith("-"):
        raise UsageError(f"a conversation's name is made of letters, digits, - and _; {name!r} is not.")
    return name


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return FORMAT.encode() in file.read(200)
