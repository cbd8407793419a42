"""The facts of a run, in the past tense. The log of them is the product: timeline, metrics and exports are folds over it.

An event carries no time and no value. The log stamps it with both a sequence number, which orders, and a time, which only
measures (`Stamped`); results stay in memory, where they are passed by reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asyncfc_jupyter.core.effects import PURE, Effects
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.core.waits import Wait

#: Ends of a reply after which it is not what the model meant to say, in the servers' own words; ``cut`` is ours.
BROKEN_ENDS = frozenset({"cut", "length", "max_tokens", "content_filter", "error"})


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
    """The run is over. Only what detached calls and late results still bring about may follow."""

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
class ReasoningStreamed(Event):
    """A piece of the model's reasoning arrived: shown in the decode lane, never part of the answer."""

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
class RequestRetried(Event):
    """A request failed, or its reply broke off in the middle, and the model is asked again after a pause.

    What had started of the reply by then goes on; text of a reply that made no call is no longer valid.
    """

    turn: int
    #: The attempt that failed, from 1.
    attempt: int
    message: str
    pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensCounted(Event):
    """What a turn took, as the server counts it."""

    turn: int
    input_tokens: int
    output_tokens: int


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
class Limit:
    """A call that carries this starts only while fewer than so many calls run that carry the same name."""

    #: What is limited, for people: ``the run``, a tool's name, or a path such as ``api/github``.
    name: str
    places: int

    def __str__(self) -> str:
        return f"limit {self.places} on {self.name}"


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
    #: It starts only after every earlier call has succeeded, and its own reply has ended well.
    irreversible: bool = False
    #: The person is asked before it starts.
    approve: bool = False
    #: The run's end does not wait for it.
    detached: bool = False
    #: The pending call that this one repeats: it is not made again, and takes that one's outcome.
    same_as: FutureName | None = None


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
    #: The limits that the call's arguments put it under, beside the run's own.
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAsked(Event):
    """The person was asked whether the call may be made. Everything else goes on meanwhile."""

    future: FutureName
    #: The arguments as the function will get them, such as ``euros=5``, bounded: a reference would say nothing to a person.
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven(Event):
    """The person said yes. A no, and no answer in time, is a `CallSkipped`."""

    future: FutureName


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(Event):
    """The function was called."""

    future: FutureName


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProgressed(Event):
    """The running function told how far it is, through its ``ToolContext``."""

    future: FutureName
    #: From 0 to 1; None when it told only what it is at.
    fraction: float | None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPrinted(Event):
    """The running function printed something: a piece of text, bounded."""

    future: FutureName
    text: str
    stream: Literal["stdout", "stderr"] = "stdout"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRetried(Event):
    """An attempt failed, and the call is made again after a pause; it stays running meanwhile."""

    future: FutureName
    #: The attempt that failed, from 1.
    attempt: int
    message: str
    pause_s: float
    #: True when the attempt ran out of time, and its function cannot be stopped and still runs.
    still_running: bool = False


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
    #: True when it ran out of time, and its function cannot be stopped and still runs.
    still_running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSkipped(Event):
    """The call was not made.

    One whose value it needs did not succeed; or it is irreversible and an earlier one did not; or it was not approved.
    """

    future: FutureName
    #: The call whose failure is the reason; None when the person, or the end of its reply, is.
    because: FutureName | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCancelled(Event):
    """The person or the run's end took the call back. What it still returns is discarded."""

    future: FutureName
    #: True when its function cannot be stopped and still runs in its thread.
    still_running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDiscarded(Event):
    """A function returned or raised after its call had timed out or been cancelled: nobody sees what came of it."""

    future: FutureName
    #: A short text for people, as in `CallFinished`; of an exception its one line.
    summary: str
    #: Whether it raised.
    raised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """An event in its place in the log."""

    #: From 0, without gaps: the order of the facts.
    seq: int
    #: Seconds since the run started: for measuring only.
    at_s: float
    event: Event
