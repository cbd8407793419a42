"""The facts of a run, in the past tense. The log of them is the product: timeline, metrics and exports are folds over it.

An event holds no time and no value. The log adds a sequence number, which gives the order, and a time, which is for measuring
only (`Stamped`). Results stay in memory, where they are passed by reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asyncfc_jupyter.core.effects import PURE, Effects
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.core.waits import Wait

#: The reasons, in the servers' words, for which a reply ends before the model has finished it. ``cut`` is this package's word.
BROKEN_ENDS = frozenset({"cut", "length", "max_tokens", "content_filter", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all facts."""


# -- the run ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """The user sent a prompt. Always the first event, at 0 seconds."""

    prompt: str
    model: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """The run ended. Only events of detached calls and of late results may follow."""

    outcome: Literal["answered", "failed", "interrupted", "stopped"]
    #: The error on one line, or an empty text.
    detail: str = ""


# -- decoding --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted(Event):
    """A request went to the model. Turns are counted from 1."""

    turn: int
    #: A hedged request: it asks the same as that turn, with values where that one had placeholders. None for any other request.
    instead_of: int | None = None


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
class TextWithdrawn(Event):
    """All text of the reply so far was reasoning: only its end showed that."""

    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOpened(Event):
    """The name of a tool call arrived; its arguments begin to stream."""

    turn: int
    call: CallId
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClosed(Event):
    """The arguments of a tool call are complete. The reply may continue."""

    turn: int
    call: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded(Event):
    """The model's reply ended, or was cut off."""

    turn: int
    #: The server's word: ``stop``, ``tool_calls``, ``length``, ...; or ``cut`` if the stream broke off.
    reason: str
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRetried(Event):
    """A request failed, or its reply broke off, and the request is retried after a pause.

    Calls of the reply that have started continue. If the reply made no call, its text is no longer valid.
    """

    turn: int
    #: The attempt that failed, from 1.
    attempt: int
    message: str
    pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRetracted(Event):
    """A request was abandoned, and nothing of its reply is used: of two requests that ask the same, one is.

    Ends its turn in place of a `TurnEnded`. Either the values of its placeholders came, or the other request won the race.
    """

    turn: int
    #: The turn that takes its place.
    by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensCounted(Event):
    """The tokens of a turn, as the server counts them."""

    turn: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitOpened(Event):
    """The run holds the next turn until these futures settle."""

    turn: int
    call: CallId
    futures: tuple[FutureName, ...]
    #: True if not the model but the layer itself asked, at the end of a reply without calls.
    by_layer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitAnswered(Event):
    """The wait that `AwaitOpened` began has ended."""

    call: CallId


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultShown(Event):
    """The value or error of a settled future is in this turn's request. From now on the model has seen it."""

    future: FutureName
    turn: int


# -- futures ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A call under this limit starts only while fewer than ``places`` calls under a limit of the same name run."""

    #: What is limited, as users read it: ``the run``, a tool's name, or a path such as ``api/github``.
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
    #: The references as written, for the reason to wait.
    references: tuple[str, ...] = ()
    #: What the call touches, as far as its arguments are known: widened where they are not.
    effects: Effects = PURE
    #: It starts only after every earlier call has succeeded, and its own reply has ended well.
    irreversible: bool = False
    #: The user is asked before it starts.
    approve: bool = False
    #: The end of the run does not wait for it.
    detached: bool = False
    #: The pending call that this one repeats: this one takes the outcome of that one, and is not made if it can.
    same_as: FutureName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHeld(Event):
    """A future cannot start yet, for this reason. A later one for the same future replaces the reason."""

    future: FutureName
    wait: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectsResolved(Event):
    """Every value that the call needs is there, but what its arguments are depends on when they are read.

    They take an object that an earlier call may change, or are checked by code that may look at the world. So they are resolved
    when nothing before the call can affect them any more.
    """

    future: FutureName
    #: What the call touches, widened where an argument is not known yet.
    effects: Effects


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingDelayed(Event):
    """The arguments of a call are resolved when the clean-up of an abandoned call has ended."""

    future: FutureName


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentsResolved(Event):
    """Every reference in the arguments was replaced with its value, and the values fit the tool."""

    future: FutureName
    effects: Effects
    #: The limits for these arguments, beside that of the run.
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAsked(Event):
    """The user was asked whether the call may be made. All other calls continue meanwhile."""

    future: FutureName
    #: The arguments as the function will get them, such as ``euros=5``, bounded. References would say nothing to the user.
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven(Event):
    """The user approved. If the user declines, or does not answer in time, a `CallSkipped` follows instead."""

    future: FutureName


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(Event):
    """The function was called."""

    future: FutureName


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProgressed(Event):
    """The running function reported its progress through its ``ToolContext``."""

    future: FutureName
    #: From 0 to 1; None if it reported a text only.
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
    """An attempt failed, and the call is retried after a pause. It stays running meanwhile."""

    future: FutureName
    #: The attempt that failed, from 1.
    attempt: int
    message: str
    pause_s: float
    #: True if the attempt ran out of time and its function still runs, since it cannot be stopped.
    still_running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMeasured(Event):
    """What the running function has used so far, where that is worth a word. A later one for the same future replaces it.

    Source: `runtime.processor_time`, which says what is measured and what is estimated.
    """

    future: FutureName
    #: Seconds of processor time.
    cpu_s: float
    #: Seconds since the call started for which others kept it waiting: for Python's lock, a core, a process, the event loop.
    waited_s: float
    #: Whether it runs in a thread of this process, where Python's lock lets one call compute at a time.
    in_thread: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFinished(Event):
    """The tool returned. An exception is a `CallFailed`, not a value here."""

    future: FutureName
    #: A short text for users, such as ``3 flights``. The result itself is not in the log.
    summary: str = ""
    #: False if calls that repeat this one have to run: its result is passed as the object it is, and each makes its own.
    shareable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailed(Event):
    """The tool raised, ran out of time, or could not take its arguments."""

    future: FutureName
    kind: Literal["error", "timeout", "arguments"]
    message: str
    #: True if it ran out of time and its function still runs, since it cannot be stopped.
    still_running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSkipped(Event):
    """The call was not made.

    A call whose value it needs did not succeed; or it is irreversible and an earlier call did not succeed; or it was not
    approved.
    """

    future: FutureName
    #: The call whose failure is the reason; None if the user, or the end of its reply, is the reason.
    because: FutureName | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCancelled(Event):
    """The user, or the end of the run, cancelled the call. What it still returns is discarded."""

    future: FutureName
    #: True if its function still runs in its thread, since it cannot be stopped.
    still_running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDiscarded(Event):
    """A function returned or raised after its call had timed out or been cancelled. Its result was discarded."""

    future: FutureName
    #: A short text for users, as in `CallFinished`; for an exception its message on one line.
    summary: str
    #: Whether it raised.
    raised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """An event with its place in the log."""

    #: From 0, without gaps: the order of the facts.
    seq: int
    #: Seconds since the run started: for measuring only.
    at_s: float
    event: Event
