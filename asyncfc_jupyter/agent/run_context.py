"""What the parts of one run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asyncfc_jupyter.agent.memory import Memory
from asyncfc_jupyter.agent.run import Run
from asyncfc_jupyter.models.base import ChatModel
from asyncfc_jupyter.modes import Deliver, Hedge, Mode
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.tools.definition import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """The agent's settings, with one run and its log."""

    model: ChatModel
    tools: Mapping[str, Tool]
    mode: Mode
    deliver: Deliver
    #: Text of the system message.
    system: str | None
    #: Whether calls in the model's text are read.
    calls_in_text: bool
    hedge: Hedge
    #: What is known from other conversations; None if only this one counts.
    memory: Memory | None
    #: The name of the server's profile, if the user named it.
    server: str | None
    run: Run
    log: EventLog
