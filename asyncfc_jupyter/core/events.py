"""The facts of a run, in the past tense. The log of them is the product: timeline, metrics and exports are folds over it.

An event carries no time and no value. The log stamps it with both a sequence number, which orders, and a time, which only
measures (`Stamped`); results stay in memory, where they are passed by reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asyncfc_jupyter.core.effects import PURE, Effects, Hazard, Path, show_path
from asyncfc_jupyter.core.futures import CallId, FutureName


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all facts."""


# -- the run ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """The person asked for something. Always the first event, at 0 seconds."""

    prompt: str
    model: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """Nothing more will happen in this run. Always the last event."""

    outcome: Literal["answered", "failed", "interrupted", "stopped"]
    #: The error's one line, or nothing.
    detail: str = ""


# -- decoding --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted(Event):
    """A request went to the model. Turns are counted from 1."""

    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTokenArrived(Event):
    """The first piece of the reply, of whatever kind, arrived."""

    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStreamed(Event):
    """A piece of text arrived."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOpened(Event):
    """The name of a tool call arrived; its arguments begin to stream."""

    turn: int
    call: CallId
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClosed(Event):
    """The arguments of a tool call closed: the call can be read, though the reply may go on."""

    turn: int
    call: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded(Event):
    """The model's reply ended, or was cut off."""

    turn: int
    #: The server's own word: ``stop``, ``tool_calls``, ``length``, ...; or ``cut`` when the stream did not end by itself.
    reason: str
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitOpened(Event):
    """The run holds the next turn until these futures settle."""

    turn: int
    call: CallId
    futures: tuple[FutureName, ...]
    #: True when the layer itself asked, at the end of a reply without calls, rather than the model.
    by_layer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitAnswered(Event):
    """The wait that `AwaitOpened` began is over."""

    call: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultShown(Event):
    """A settled future's value or error is in the messages of this turn's request: from here on the model has seen it."""

    future: FutureName
    turn: int


# -- futures ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One reason why a future has not started."""

    kind: Literal["data", "hazard", "limit"]
    #: The futures it waits for; nothing for a limit.
    on: tuple[FutureName, ...] = ()
    #: For data: the references that wait, such as ``$f1.order_id``. For a limit: its name.
    detail: str = ""
    hazard: Hazard | None = None
    path: Path = ()
    #: False when the conflict is with, or of, a tool that declares nothing.
    declared: bool = True

    def __str__(self) -> str:
        if self.kind == "data":
            return f"needs {self.detail}"
        if self.kind == "limit":
            return self.detail
        verb = "reads" if self.hazard is Hazard.WAR else "writes"
        if not self.declared:
            return f"{self.on[0]} goes first: no effects declared ({self.hazard})"
        return f"{self.on[0]} {verb} {show_path(self.path)} ({self.hazard})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallIssued(Event):
    """A tool call got its future and was handed to the scheduler."""

    future: FutureName
    call: CallId
    turn: int
    tool: str
    #: The arguments as the model wrote them, as JSON, cut to a bounded length for showing.
    arguments: str
    #: Futures whose values the arguments take.
    needs: tuple[FutureName, ...] = ()
    #: The references as written, for telling why it waits.
    references: tuple[str, ...] = ()
    #: What the call touches, as far as its arguments are known: widened where they are not.
    effects: Effects = PURE


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHeld(Event):
    """A future cannot start yet, for this reason. A later one for the same future replaces the reason."""

    future: FutureName
    wait: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentsResolved(Event):
    """Every reference in the arguments was replaced by its value, and the values fit the tool."""

    future: FutureName
    effects: Effects


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(Event):
    """The function was called."""

    future: FutureName


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFinished(Event):
    """The tool returned. An exception is a `CallFailed`, not a value here."""

    future: FutureName
    #: A short text for people, such as ``3 flights``. The result itself stays out of the log.
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed(Event):
    """The tool raised, ran out of time, or could not take its arguments."""

    future: FutureName
    kind: Literal["error", "timeout", "arguments"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSkipped(Event):
    """The call was not made, because one whose value it needs did not succeed."""

    future: FutureName
    because: FutureName
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCancelled(Event):
    """The person or the run's end took the call back. What it still returns is discarded."""

    future: FutureName
    #: True when its function cannot be stopped and still runs in its thread.
    still_running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """An event in its place in the log."""

    #: From 0, without gaps: the order of the facts.
    seq: int
    #: Seconds since the run started: for measuring only.
    at_s: float
    event: Event
