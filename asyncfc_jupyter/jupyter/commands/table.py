"""The line magic: which words behind ``%agent`` are commands, and who answers each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter.agent import Run
from asyncfc_jupyter.errors import UsageError, nearest
from asyncfc_jupyter.jupyter.commands import cancel, model, prompt, status
from asyncfc_jupyter.jupyter.commands.tools import ToolDetail, ToolsTable
from asyncfc_jupyter.jupyter.session import conversations
from asyncfc_jupyter.trace.render.comparison import Comparison, compare
from asyncfc_jupyter.trace.render.timeline import Timeline

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session


@dataclass(frozen=True, slots=True)
class Command:
    """A word behind ``%agent``."""

    #: What may follow it, for people.
    usage: str
    #: Takes the session and the whole line behind ``%agent``; returns a text to print, or something to display.
    answer: Callable[[Session, str], Any]


def answer(session: Session, line: str) -> Any:
    """Return what a line such as ``%agent tools`` asks for: a text to print, or something to display.

    Raises:
        UsageError: There is no such command, or it asks for something that cannot be done.
    """
    name = next(iter(line.split()), "status")
    if name not in COMMANDS:
        raise _unknown(line.strip(), name)
    return COMMANDS[name].answer(session, line.strip())


def _unknown(line: str, name: str) -> UsageError:
    known = ", ".join(f"%agent {command} {each.usage}".rstrip() for command, each in COMMANDS.items())
    meant = nearest(name, tuple(COMMANDS)) or "."
    return UsageError(
        f"%agent: there is no command {line!r}{meant} It knows {known}; to ask the model, start a cell with %%agent."
    )


def _status(session: Session, line: str) -> str:
    _no_words("status", line)
    return status.status(
        model=session.model, tools=session.registry.tools(), conversations=session.conversations, last=session.last
    )


def _tools(session: Session, line: str) -> ToolsTable | ToolDetail | str:
    _, *names = line.split()
    if len(names) > 1:
        raise UsageError(f"%agent tools shows all tools, or one; it was given {len(names)} names.")
    known = session.registry.by_name()
    if names and names[0] not in known:
        listed = nearest(names[0], tuple(known)) or f"; the tools are: {', '.join(known) or 'none yet'}."
        raise UsageError(f"%agent tools: there is no tool {names[0]!r}{listed}")
    if names:
        return ToolDetail(known[names[0]], session.latencies)
    none = "No tools yet: define a function in a cell that starts with %%tool."
    return ToolsTable(tuple(known.values()), session.latencies) if known else none


def _config(session: Session, line: str) -> str:
    _no_words("config", line)
    return status.show_settings(session.settings)


def _no_words(name: str, line: str) -> None:
    if rest := line.split()[1:]:
        raise UsageError(f"%agent {name} stands alone; it was given {' '.join(rest)!r}.")


def _timeline(session: Session, line: str) -> Timeline:
    _, *names = line.split()
    if len(names) > 1:
        raise UsageError(f"%agent timeline shows one run; it was given {len(names)} names.")
    return (_named(session, "timeline", names[0]) if names else _last(session, "timeline")).timeline()


def _compare(session: Session, line: str) -> Comparison:
    _, *names = line.split()
    if not names:
        raise UsageError("%agent compare names no runs; write them, such as %agent compare _agent_batch _agent_async.")
    return compare(*(_named(session, "compare", name) for name in names), names=names)


def _named(session: Session, command: str, name: str) -> Run:
    return status.run_named(name, session.shell.user_ns.get(name), command=command)


def _why(session: Session, line: str) -> str:
    _, *names = line.split()
    if len(names) != 1:
        raise UsageError("%agent why names no future; write one, such as %agent why f4.")
    return _last(session, "why").why(names[0])


def _last(session: Session, command: str) -> Run:
    if session.last is None:
        raise UsageError(f"%agent {command}: there is no run yet; ask the model in a cell that starts with %%agent.")
    return session.last


def _cancel(session: Session, line: str) -> str:
    return cancel.cancel(session.conversations, session.last, line.split()[1:])


def _conversation(session: Session, line: str) -> str:
    return conversations.answer(session.conversations, line)


COMMANDS: dict[str, Command] = {
    "status": Command("", _status),
    "prompt": Command("[CONVERSATION]", prompt.answer),
    "tools": Command("[NAME]", _tools),
    "why": Command("FUTURE", _why),
    "timeline": Command("[NAME]", _timeline),
    "compare": Command("NAME NAME ...", _compare),
    "cancel": Command("[FUTURE] [CONVERSATION]", _cancel),
    **{name: Command(usage, _conversation) for name, usage in conversations.USAGE.items()},
    "model": Command("[NAME] [--server NAME] [--base-url URL] [--api API] [--api-key-env NAME]", model.answer),
    "config": Command("", _config),
    "alias": Command("[NAME=MODEL]", model.answer),
    "doctor": Command(
        "[NAME] [--server NAME] [--base-url URL] [--api API] [--api-key-env NAME] [--fresh]", model.doctor
    ),
}
