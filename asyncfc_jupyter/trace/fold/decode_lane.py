"""The decode lane: what the model did, turn by turn.

A turn runs from its request to the end of its reply; within it there are spans to the first token, for each call's
arguments and for each stretch of text and of reasoning. A request that failed and is made again leaves a ``retry`` span,
from the failure to the next attempt. Between turns, after a reply that held calls, lies one ``await`` span: the
model has nothing to decode because it is owed results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from asyncfc_jupyter.core.events import (
    AwaitAnswered,
    AwaitOpened,
    CallClosed,
    CallOpened,
    Event,
    FirstTokenArrived,
    ReasoningStreamed,
    RequestRetried,
    TextStreamed,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE

DecodeKind = Literal["first_token", "retry", "reasoning", "call", "text", "await"]

#: Spans before the first piece of a reply: nothing of it is there yet.
_BEFORE = frozenset({"first_token", "retry"})

#: Characters kept of a reply's text: enough for a title, and no copy of the answer.
TEXT_KEPT = 400


@dataclass(slots=True, kw_only=True)
class DecodeSpan:
    """A stretch of the decode lane. Times in seconds since the run started; ``end`` is None while it lasts."""

    id: str
    kind: DecodeKind
    start: float
    end: float | None = None
    label: str = ""


@dataclass(slots=True, kw_only=True)
class Turn:
    """One request and its reply. Times in seconds since the run started."""

    turn: int
    start: float
    end: float | None = None
    calls: int = 0
    awaits: int = 0
    #: The layer held the end after this reply, to deliver results first.
    gated: bool = False
    text: str = ""

    @property
    def only_waits(self) -> bool:
        """Whether one-by-one calling would not have had this turn: it only asked for results, or ended too early."""
        return (self.awaits > 0 and self.calls == self.awaits) or (self.gated and self.calls == 0)


class DecodeLane:
    """The sequence of what the model did, and its turns."""

    def __init__(self) -> None:
        self.turns: dict[int, Turn] = {}
        self.spans: dict[str, DecodeSpan] = {}
        #: The turn that is being decoded.
        self.current: Turn | None = None
        self._open: DecodeSpan | None = None
        self._wait: DecodeSpan | None = None
        self._calls: dict[CallId, DecodeSpan] = {}
        self.changed: dict[str, None] = {}

    def apply(self, event: Event, at: float) -> None:
        """Take one event; one that is not about decoding changes nothing."""
        handle = self._ON.get(type(event))
        if handle is not None:
            handle(self, event, at)

    def _turn_started(self, event: TurnStarted, at: float) -> None:
        self.close(at)
        self.current = self.turns[event.turn] = Turn(turn=event.turn, start=at)
        self._open = self._span("first_token", at)

    def _first_token(self, _event: FirstTokenArrived, at: float) -> None:
        if self._open is not None and self._open.kind in _BEFORE:
            self._close_open(at)

    def _retried(self, event: RequestRetried, at: float) -> None:
        self._close_open(at)
        self._open = self._span("retry", at, f"attempt {event.attempt} failed: {event.message}")

    def _reasoning(self, _event: ReasoningStreamed, at: float) -> None:
        self._stream("reasoning", at)

    def _stream(self, kind: DecodeKind, at: float) -> None:
        if self._open is None or self._open.kind != kind:
            self._close_open(at)
            self._open = self._span(kind, at)

    def _text(self, event: TextStreamed, at: float) -> None:
        if self._open is None or self._open.kind != "call":
            self._stream("text", at)
        if self.current is not None and len(self.current.text) < TEXT_KEPT:
            self.current.text += event.text[: TEXT_KEPT - len(self.current.text)]

    def _call_opened(self, event: CallOpened, at: float) -> None:
        self._close_open(at)
        waits = event.tool == AWAIT_FUTURE
        if self.current is not None:
            self.current.calls += 1
            self.current.awaits += waits
        self._open = self._calls[event.call] = self._span("call", at, "await" if waits else event.tool)

    def _call_closed(self, event: CallClosed, at: float) -> None:
        if self._open is not None and self._calls.get(event.call) is self._open:
            self._close_open(at)

    def _turn_ended(self, event: TurnEnded, at: float) -> None:
        self._end_turn(at)
        if event.calls and self._wait is None:
            self._wait = self._span("await", at, "waiting for results")

    def _await_opened(self, event: AwaitOpened, at: float) -> None:
        turn = self.turns.get(event.turn)
        if event.by_layer and turn is not None:
            turn.gated = True
        if self._wait is None:
            self._wait = self._span("await", at)
        self._wait.label = f"waiting for {', '.join(event.futures) or 'results'}"
        self.changed[self._wait.id] = None

    def _await_answered(self, _event: AwaitAnswered, at: float) -> None:
        self._close_wait(at)

    def close(self, at: float) -> None:
        """End whatever is open: the next turn, or the end of the run, leaves nothing behind."""
        self._end_turn(at)
        self._close_wait(at)

    def name_call(self, call: CallId, label: str) -> float | None:
        """Say on the lane which future a call became, and return when its arguments began to stream."""
        span = self._calls.get(call)
        if span is None:
            return None
        span.label = label
        self.changed[span.id] = None
        return span.start

    def _span(self, kind: DecodeKind, at: float, label: str = "") -> DecodeSpan:
        span = DecodeSpan(id=f"d{len(self.spans) + 1}", kind=kind, start=at, label=label)
        self.spans[span.id] = span
        self.changed[span.id] = None
        return span

    def _close_open(self, at: float) -> None:
        if self._open is not None:
            self._open.end = at
            self.changed[self._open.id] = None
            self._open = None

    def _close_wait(self, at: float) -> None:
        if self._wait is not None:
            self._wait.end = at
            self.changed[self._wait.id] = None
            self._wait = None

    def _end_turn(self, at: float) -> None:
        self._close_open(at)
        if self.current is not None:
            self.current.end = at
            self.current = None
            if self._wait is not None:
                # Asked for inside the reply: until its end the model was decoding, not waiting.
                self._wait.start = at

    _ON: ClassVar[dict[type[Event], Callable[..., None]]] = {
        TurnStarted: _turn_started,
        FirstTokenArrived: _first_token,
        RequestRetried: _retried,
        ReasoningStreamed: _reasoning,
        TextStreamed: _text,
        CallOpened: _call_opened,
        CallClosed: _call_closed,
        TurnEnded: _turn_ended,
        AwaitOpened: _await_opened,
        AwaitAnswered: _await_answered,
    }
