"""``%agent prompt``: what the model was sent.

That is more than the cell says: the system text with the layer's own words on futures, each tool as the model is told of it,
and the prompt with its expressions replaced. It is read from the latest request of the run and not put together again, so
that it is what the model got. Before the first run of a conversation it is what a cell would be sent with.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter.agent import Mode, Run
from asyncfc_jupyter.agent.turn import opening
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.session.conversations import MAIN, Talk
from asyncfc_jupyter.text import count

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session

#: Characters that are shown of a prompt or a system text: more than one reads. `Run.request` holds all.
_MOST_CHARACTERS = 20_000


def answer(session: Session, line: str) -> str:
    """Return what the last run of a conversation was sent: of the one that is named, else of the session's last run.

    Raises:
        UsageError: There is no such conversation, or more than one is named.
    """
    _, *names = line.split()
    if len(names) > 1:
        raise UsageError(f"%agent prompt shows one conversation; it was given {len(names)} names.")
    try:
        talk = session.conversations.find(names[0] if names else MAIN)
    except UsageError as error:
        raise UsageError(f"%agent prompt: {error}") from None
    run = talk.run if names else session.last
    if run is None or run.request is None:
        return _to_come(session, talk)
    return _sent(run)


def _to_come(session: Session, talk: Talk) -> str:
    usual = session.settings.defaults()
    mode = Mode(usual.get("mode", Mode.ASYNC))
    system = (None if talk.usual else talk.system) or usual.get("system")
    told, tools = opening(session.registry.tools(), mode=mode, system=system)
    return "\n".join(
        [
            f"Nothing was sent yet. In the {mode} mode a cell of conversation {talk.name} is sent with:",
            *_head(told, tools),
        ]
    )


def _sent(run: Run) -> str:
    request = run.request
    if request is None:
        return ""
    system = [message for message in request.messages if message["role"] == "system"]
    messages = request.messages[len(system) :]
    at = _last_prompt(messages, run.prompt)
    lines = [f"Sent to {run.model}, mode {run.mode}.", *_head(system, request.tools)]
    if at:
        lines += ["", f"-- {count(at, 'message')} before the prompt: see %agent history --"]
    lines += ["", "-- prompt --", _whole(run.prompt)]
    if rest := len(messages) - at - 1:
        lines += ["", f"-- {count(rest, 'message')} behind the prompt, up to the latest request: see %agent history --"]
    return "\n".join(lines)


def _last_prompt(messages: Sequence[Mapping[str, Any]], prompt: str) -> int:
    """Return where in the messages the prompt is; a late result may stand in the person's place behind it."""
    own = [n for n, message in enumerate(messages) if message["role"] == "user" and message["content"] == prompt]
    people = [n for n, message in enumerate(messages) if message["role"] == "user"]
    return (own or people or [0])[-1]


def _head(system: Sequence[Mapping[str, Any]], tools: Iterable[Mapping[str, Any]]) -> list[str]:
    lines = ["", "-- system --", *(_whole(message["content"]) for message in system)]
    lines += [] if system else ["(no system text)"]
    lines += ["", "-- tools --"]
    told = [_tool(each["function"]) for each in tools]
    return [*lines, *(told or ["(none)"])]


def _tool(function: Mapping[str, Any]) -> str:
    parameters = json.dumps(function.get("parameters", {}), ensure_ascii=False)
    text = f"{function['name']}: {function.get('description', '')}\n{parameters}"
    return _whole(text).replace("\n", "\n    ")


def _whole(text: str) -> str:
    """Return text in its lines, without characters that steer a terminal or turn a line around."""
    shown = "".join(
        c for c in text[:_MOST_CHARACTERS] if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"}
    )
    left = len(text) - _MOST_CHARACTERS
    return shown + (f"\n... {left} characters more" if left > 0 else "")
