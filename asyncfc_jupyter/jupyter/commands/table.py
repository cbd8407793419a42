"""The commands of ``%agent``: what may follow each, what it does, and the function that answers it.

The help, the Tab key and the errors are made from this table. It is loaded with the extension, and the functions come with the
engine, which takes a second to load: the table names them, and `answer` loads the one that is called.
"""

from __future__ import annotations

import inspect
import pkgutil
import shlex
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.settings.option import FLAG, Option
from asyncfc_jupyter.jupyter.settings.table import OPTIONS, REACH
from asyncfc_jupyter.text import did_you_mean

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session


@dataclass(frozen=True, slots=True)
class Command:
    """A word after ``%agent``."""

    name: str
    #: The words that may follow it. Each is the name of a kind of value, which the Tab key offers (`completion`); a word in
    #: brackets may be left out, and dots repeat the last one.
    takes: str
    #: Its function, as ``module:function`` of this package. It takes the session and, as further arguments, the words after the
    #: command. It returns a text to print, an object to display, or a coroutine that ends the cell (`CellEnd`).
    function: str
    #: What it does, for the help.
    help: str
    #: The options that may follow it.
    options: tuple[Option, ...] = ()

    @property
    def usage(self) -> str:
        """What may follow it, for the help."""
        flags = (f"[{each.flag} {each.value}]" if each.value else f"[{each.flag}]" for each in self.options)
        return " ".join(filter(None, [self.takes, *flags]))

    def kinds_at(self, place: int) -> list[str]:
        """Return the kinds of values that may stand at a place among its words, counted from 0."""
        kinds = self.takes.split()
        if kinds[-1:] == ["..."]:
            kinds = kinds[:-1] + kinds[-2:-1] * place
        last = next((at for at, kind in enumerate(kinds) if at >= place and not kind.startswith("[")), len(kinds))
        return [kind.strip("[]") for kind in kinds[place : last + 1]]


#: The options of `%agent model` and `%agent doctor`.
_REACHING = tuple(OPTIONS[name] for name in (*REACH, "model_options"))
_LIST = Option(name="list", help="list the models that the server has", rule=FLAG, default=False)
_FRESH = Option(name="fresh", help="examine the server again", rule=FLAG, default=False)

_ALL = (
    Command("status", "", "status:show_status", "the model, tools, last run and conversations; so does %agent alone"),
    Command("prompt", "[CONVERSATION]", "prompt:show_prompt", "the system text, tools and prompt of the last request"),
    Command("history", "[CONVERSATION]", "conversations:show_history", "the messages of a conversation, a line each"),
    Command("tools", "[TOOL]", "tools:show_tools", "the tools, what they read and write, how long they take; or one"),
    Command("why", "FUTURE", "runs:show_why", "why a future waited, such as %agent why f4"),
    Command("timeline", "[RUN]", "runs:show_timeline", "the timeline of the last run, or of the run in a variable"),
    Command("compare", "RUN ...", "runs:show_comparison", "the runs in variables, on one time axis"),
    Command(
        "cancel", "[FUTURE] [CONVERSATION]", "cancel:cancel", "cancel all runs, a conversation's run, or one future"
    ),
    Command("forget", "", "memory:forget", "forget how long tools took and what models did with futures"),
    Command("reset", "[CONVERSATION]", "conversations:reset", "replace a conversation by a new one"),
    Command("fork", "NEW [CONVERSATION]", "conversations:fork", "begin a conversation from a copy of another"),
    Command("export", "FILE [CONVERSATION]", "conversations:save", "write a conversation to a file"),
    Command("import", "FILE [CONVERSATION]", "conversations:load", "read a conversation from a file"),
    Command(
        "model",
        "[MODEL]",
        "model:show_model",
        "show the model in use, choose one, or list those of a server",
        (*_REACHING, _LIST),
    ),
    Command("alias", "[NAME=MODEL]", "model:show_aliases", "list the short names for models, or make one"),
    Command("config", "", "status:show_settings", "the settings: the value of each, and where it was set"),
    Command(
        "doctor",
        "[MODEL]",
        "doctor:examination",
        "what the model's server can do, and which options suit it",
        (*_REACHING, _FRESH),
    ),
)
COMMANDS = {command.name: command for command in _ALL}


def answer(session: Session, line: str) -> Any:
    """Return what a line such as ``%agent tools`` asks for; `Command.function` says what that may be.

    Raises:
        UsageError: There is no such command, or it asks for something that cannot be done.
    """
    name = next(iter(line.split()), "status")
    if name not in COMMANDS:
        known = ", ".join(f"%agent {command} {each.usage}".rstrip() for command, each in COMMANDS.items())
        meant = did_you_mean(name, tuple(COMMANDS)) or "."
        raise UsageError(
            f"%agent: there is no command {line.strip()!r}{meant} The commands are: {known}. To ask the model, start a cell "
            "with %%agent."
        )
    function = pkgutil.resolve_name(f"{__package__}.{COMMANDS[name].function}")
    try:
        words = shlex.split(line)[1:]
        inspect.signature(function).bind(session, *words)
    except ValueError as error:  # an open quotation mark
        raise UsageError(f"%agent {name}: {error}.") from None
    except TypeError:
        given = f"{len(words)}: {' '.join(words)}" if words else "none"
        raise UsageError(
            f"%agent {name}: it takes {COMMANDS[name].usage or 'no words'}; it was given {given}."
        ) from None
    try:
        return function(session, *words)
    except UsageError as error:
        raise UsageError(f"%agent {name}: {error}") from None


#: Column at which the help says what a command does, and the one at which its lines end.
_TEXT_COLUMN, _END_COLUMN = 38, 120


def commands_help() -> str:
    """Return the commands for the help of ``%agent``, a line or more for each."""
    lines: list[str] = []
    for command in COMMANDS.values():
        begin = f"%agent {command.name} {command.usage}".rstrip()
        text = textwrap.wrap(command.help, _END_COLUMN - _TEXT_COLUMN)
        if len(begin) < _TEXT_COLUMN:
            begin = f"{begin:<{_TEXT_COLUMN}}{text.pop(0)}"
        lines += [begin, *(" " * _TEXT_COLUMN + line for line in text)]
    return "\n".join(lines)
