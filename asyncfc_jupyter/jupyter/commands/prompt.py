"""``%agent prompt``: what the model was sent.

That is more than the text of the cell: the system text with the layer's own words on futures, the definition of each tool, and
the prompt with its expressions replaced. It is read from the latest request of the run and not put together again, so it is
what the model received. Before the first run of a conversation it is what a cell would be sent with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter.agent.turn import opening
from asyncfc_jupyter.jupyter.session.conversations import MAIN
from asyncfc_jupyter.models.base import ChatRequest
from asyncfc_jupyter.modes import Mode
from asyncfc_jupyter.text import count, visible

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session

#: Characters that are shown of a prompt or a system text: more than one reads. `Run.request` holds all.
_MOST_CHARACTERS = 20_000


def show_prompt(session: Session, name: str | None = None) -> str:
    """Return what the model was sent in the last run of a conversation, by default in the last run of the session.

    Raises:
        UsageError: There is no such conversation, or a setting in a file is invalid.
    """
    talk = session.conversations.find(name or MAIN)
    run = talk.run if name else session.last
    if run is not None and run.request is not None:
        return "\n".join([f"Sent to {run.model}, mode {run.mode}.", *_sent(run.request, run.prompt)])
    mode = Mode(session.settings.defaults().get("mode", Mode.ASYNC))
    system = (None if talk.usual else talk.system) or session.settings.value("system")
    messages, tools = opening(session.registry.tools(), mode=mode, system=system)
    begin = f"Nothing was sent yet. In the {mode} mode a cell of conversation {talk.name} is sent with:"
    return "\n".join([begin, *_head(messages, tools)])


def _sent(request: ChatRequest, prompt: str) -> list[str]:
    system = [message for message in request.messages if message["role"] == "system"]
    messages = request.messages[len(system) :]
    by_user = [at for at, message in enumerate(messages) if message["role"] == "user"]
    # A late result may follow as a message in the user's role.
    at = max((at for at in by_user if messages[at]["content"] == prompt), default=max(by_user, default=0))
    lines = _head(system, request.tools)
    if at:
        lines += ["", f"-- {count(at, 'message')} before the prompt: see %agent history --"]
    lines += ["", "-- prompt --", _whole(prompt)]
    if rest := len(messages) - at - 1:
        lines += ["", f"-- {count(rest, 'message')} after the prompt, up to the latest request: see %agent history --"]
    return lines


def _head(system: Sequence[Mapping[str, Any]], tools: Iterable[Mapping[str, Any]]) -> list[str]:
    lines = ["", "-- system --", *([_whole(message["content"]) for message in system] or ["(no system text)"])]
    shown = []
    for function in (tool["function"] for tool in tools):
        parameters = json.dumps(function.get("parameters", {}), ensure_ascii=False)
        text = f"{function['name']}: {function.get('description', '')}\n{parameters}"
        shown.append(_whole(text).replace("\n", "\n    "))
    return [*lines, "", "-- tools --", *(shown or ["(none)"])]


def _whole(text: str) -> str:
    """Return text in its lines, without characters that steer a terminal or turn a line around."""
    shown = "".join(c if c in "\n\t" else visible(c) for c in text[:_MOST_CHARACTERS])
    left = len(text) - _MOST_CHARACTERS
    return shown + (f"\n... {left} characters more" if left > 0 else "")
