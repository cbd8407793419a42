"""The conversations of a session by name.

A cell without ``--conversation`` always continues `MAIN`: the conversation of a cell can be read from the cell itself and does
not depend on the cells that were run before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from asyncfc_jupyter.agent import Conversation, Run
from asyncfc_jupyter.agent.persistence import FORMAT, fork, from_json, to_json
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.text_file import read_text_file
from asyncfc_jupyter.models.atomic_file import replace_file
from asyncfc_jupyter.text import count, no_such

#: The conversation of the cells that name none.
MAIN = "main"
#: Bytes of a conversation file: more than any model accepts.
_MOST_BYTES = 100_000_000


@dataclass(slots=True, eq=False)
class Talk:
    """A conversation with its name in cells."""

    name: str
    conversation: Conversation = field(default_factory=Conversation)
    #: The system text. The next cell of the conversation keeps it unless it gives another.
    system: str | None = None
    #: The last run in it.
    run: Run | None = None
    #: Whether the system text comes from the settings: then the next cell uses the settings' current text.
    usual: bool = False

    def __str__(self) -> str:
        messages = count(len(self.conversation.messages), "message")
        futures = count(len(self.conversation.driver.calls), "future")
        return f"{self.name}: {messages}, {futures}{', in use' if self.conversation.busy else ''}"


class Conversations:
    """The conversations of a session by name. The main one always exists."""

    def __init__(self) -> None:
        self._talks = {MAIN: Talk(MAIN)}
        self._forgotten: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of creation."""
        return tuple(self._talks)

    def __iter__(self) -> Iterator[Talk]:
        return iter(self._talks.values())

    def open(self, name: str) -> Talk:
        """Return the conversation of that name; create it if it does not exist.

        Raises:
            UsageError: The name is not allowed, or its conversation was forgotten.
        """
        if name not in self._forgotten:
            self._talks.setdefault(checked(name), Talk(name))
        return self.find(name)

    def find(self, name: str) -> Talk:
        """Return an existing conversation.

        Raises:
            UsageError: There is no conversation of that name, or no more.
        """
        if name in self._forgotten and name not in self._talks:
            raise UsageError(
                f"conversation {name} is gone: of the conversations of runs in the background, the latest are kept, and those "
                "that were continued; start such a run with --conversation NAME to keep its conversation."
            )
        if name not in self._talks:
            raise UsageError(no_such("conversation", name, self.names))
        return self._talks[name]

    def reset(self, name: str = MAIN) -> str:
        """Start a conversation from nothing. A run that uses the old one continues there, with its futures."""
        self.find(name)
        self._talks[name] = Talk(name)
        which = "A new conversation starts" if name == MAIN else f"Conversation {name} starts again"
        return f"{which}, without messages and system text; tools and model stay."

    def fork(self, new: str, source: str = MAIN) -> str:
        """Create a conversation as a copy of another.

        Raises:
            UsageError: The new name exists already, or the other conversation is in use.
        """
        if checked(new) in self._talks:
            raise UsageError(f"there is a conversation {new!r} already; write %agent reset {new}, or use another name.")
        origin = self.find(source)
        self._talks[new] = Talk(new, fork(origin.conversation), origin.system, usual=origin.usual)
        return f"Conversation {self._talks[new]}, a copy of {source}. Continue it with %%agent --conversation {new}."

    def forget(self, name: str) -> None:
        """Remove a conversation. A run that the user holds keeps it; its name means no other from now on."""
        del self._talks[name]
        self._forgotten.add(name)

    def save(self, file: str, name: str = MAIN) -> str:
        """Write a conversation to a file, which may replace an earlier export and no other file.

        Raises:
            UsageError: The conversation is in use, or the file cannot be written.
        """
        talk, path = self.find(name), Path(file).expanduser()
        text = to_json(talk.conversation, system=talk.system)
        try:
            if path.exists():
                with path.open("rb") as existing:
                    is_export = FORMAT.encode() in existing.read(200)
                if not is_export:
                    raise UsageError(f"{file} is not an exported conversation; choose another name, or delete it.")
            replace_file(path, text)
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror or error}.") from None
        return f"Wrote {talk} to {file}."

    def load(self, file: str, name: str = MAIN) -> str:
        """Read a conversation from a file; it replaces the one of that name.

        Raises:
            UsageError: The file cannot be read or is not a valid conversation, or the one it would replace is in use.
        """
        if checked(name) in self._talks and self._talks[name].conversation.busy:
            raise UsageError(f"a run is using conversation {name}; wait for it, or import under another name.")
        text = read_text_file(file, kind="conversation", most_bytes=_MOST_BYTES)
        try:
            self._talks[name] = Talk(name, *from_json(text))
        except UsageError as error:
            raise UsageError(f"{file} {error}") from None
        return f"Read {self._talks[name]} from {file}."


def checked(name: str) -> str:
    """Return the name of a conversation.

    Raises:
        UsageError: The name is not allowed: it could not be written on a magic's line.
    """
    if not name.replace("-", "").replace("_", "").isalnum() or name.startswith("-"):
        raise UsageError(f"a conversation's name is made of letters, digits, - and _; {name!r} is not.")
    return name
