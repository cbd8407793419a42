"""One future of a conversation, with the values that the scheduler does not hold."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncfc_jupyter.core.effects import PURE, Effects
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.core.protocol import Status
from asyncfc_jupyter.errors import CallError
from asyncfc_jupyter.runtime.attempt import Attempt
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.runtime.output_capture import Capture, Printed
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What the person is asked: whether this call may be made."""

    future: FutureName
    tool: str
    #: As the function will get them: references are replaced.
    arguments: Mapping[str, Any]
    #: The same for people, such as ``euros=5``, bounded however large the values are.
    shown: str
    #: What the tool does, in its own words.
    description: str

    def __str__(self) -> str:
        return f"{self.future}: {self.tool}({self.shown})"


#: Answers an approval; a plain function is called in a thread, so that it may ask at a terminal.
Approver = Callable[[Approval], bool | Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a run lends the driver: its calls keep it, also when they outlive the run."""

    log: EventLog
    approver: Approver | None
    #: Seconds the person has for an answer.
    approval_timeout_s: float
    #: Takes what the calls put out, in the place of the streams; None leaves it to them.
    capture: Capture | None = None
    #: The run's own context: a call must not inherit that of the tool whose end let it start.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


@dataclass(slots=True, kw_only=True, eq=False)
class ToolCall:
    """One future."""

    name: FutureName
    call: CallId
    tool: str
    #: As the model wrote them: references are still text.
    arguments: Mapping[str, Any]
    lease: Lease
    status: Status = "pending"
    value: Any = None
    error: str = ""
    #: The exception the tool raised, if any, for the person to look at.
    exception: BaseException | None = None
    started_s: float | None = None
    references: bool = True
    function: Tool | None = None
    problem: CallError | None = None
    #: The call that this one repeats, whose outcome it takes.
    same_as: FutureName | None = None
    #: What makes another call the same, while it is pending and may be shared; else empty.
    same_call: str = ""
    bound: inspect.BoundArguments | None = None
    #: What it touches, from when its arguments are known.
    effects: Effects = PURE
    #: Asks the person, and later makes the call.
    task: asyncio.Task[None] | None = None
    attempt: Attempt | None = None
    #: What its function may say and ask, where it takes a context.
    context: ToolContext | None = None
    #: Set when nobody waits for the current attempt any more; there is none where the function cannot ask.
    given_up: threading.Event | None = None
    #: What its function prints, from when it starts.
    printed: Printed | None = None
    settled: list[Callable[[], None]] = field(default_factory=list)

    @property
    def order(self) -> int:
        """Its place in the order of emission, from 1."""
        return int(self.name[1:])

    @property
    def detached(self) -> bool:
        """Whether the end of its run does not wait for it."""
        return self.function is not None and self.function.detached

    @property
    def elapsed_s(self) -> float | None:
        """For how long it has been running, in seconds; None when it has not started."""
        return None if self.started_s is None else self.lease.log.now_s() - self.started_s

    def let_go(self) -> None:
        """Drop what only a pending call needs: a conversation keeps its futures for as long as it lasts."""
        for open_to_the_tool in (self.context, self.printed):
            if open_to_the_tool is not None:
                open_to_the_tool.close()
        self.bound = self.attempt = None
        self.same_call = ""
