"""The decode lane: what the model did, turn by turn.

A turn runs from its request to the end of its reply; within it there are spans to the first token, for each call's
arguments and for each stretch of text and of reasoning. A failed request that is retried leaves a ``retry`` span,
from the failure to the next attempt. Between turns, after a reply that held calls, lies one ``await`` span: the
model has nothing to decode because it is owed results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    TextWithdrawn,
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
        """Apply one event; one that is not about decoding changes nothing."""
        match event:
            case TurnStarted():
                self.close(at)
                self.current = self.turns[event.turn] = Turn(turn=event.turn, start=at)
                self._begin("first_token", at)
            case RequestRetried():
                self._begin("retry", at, f"attempt {event.attempt} failed: {event.message}")
            case TurnEnded():
                self._end_turn(at)
                if event.calls and self._wait is None:
                    self._wait = self._span("await", at, "waiting for results")
            case AwaitOpened():
                if event.by_layer and event.turn in self.turns:
                    self.turns[event.turn].gated = True
                if self._wait is None:
                    self._wait = self._span("await", at)
                self._wait.label = f"waiting for {', '.join(event.futures) or 'results'}"
                self.changed[self._wait.id] = None
            case AwaitAnswered():
                self._end_wait(at)
            case _:
                self._apply_to_reply(event, at)

    def _apply_to_reply(self, event: Event, at: float) -> None:
        """Apply one event about a piece of a reply."""
        kind = None if self._open is None else self._open.kind
        match event:
            case FirstTokenArrived() if kind in _BEFORE:
                self._end_piece(at)
            case ReasoningStreamed() if kind != "reasoning":
                self._begin("reasoning", at)
            case TextStreamed():
                if kind not in {"call", "text"}:
                    self._begin("text", at)
                if self.current is not None and len(self.current.text) < TEXT_KEPT:
                    self.current.text += event.text[: TEXT_KEPT - len(self.current.text)]
            case TextWithdrawn():
                if self.current is not None:
                    self.current.text = ""
                if self._open is not None and kind == "text":
                    self._open.kind = "reasoning"
                    self.changed[self._open.id] = None
            case CallOpened():
                waits = event.tool == AWAIT_FUTURE
                if self.current is not None:
                    self.current.calls += 1
                    self.current.awaits += waits
                self._calls[event.call] = self._begin("call", at, "await" if waits else event.tool)
            case CallClosed() if self._open is not None and self._calls.get(event.call) is self._open:
                self._end_piece(at)

    def close(self, at: float) -> None:
        """End every open span: the next turn begins, or the run ends."""
        self._end_turn(at)
        self._end_wait(at)

    def name_call(self, call: CallId, label: str) -> float | None:
        """Name a call by its future, and return when its arguments began to stream."""
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

    def _begin(self, kind: DecodeKind, at: float, label: str = "") -> DecodeSpan:
        """End the open piece of the reply, and begin the next one."""
        self._end_piece(at)
        self._open = self._span(kind, at, label)
        return self._open

    def _end_piece(self, at: float) -> None:
        if self._open is not None:
            self._open.end = at
            self.changed[self._open.id] = None
            self._open = None

    def _end_wait(self, at: float) -> None:
        if self._wait is not None:
            self._wait.end = at
            self.changed[self._wait.id] = None
            self._wait = None

    def _end_turn(self, at: float) -> None:
        self._end_piece(at)
        if self.current is not None:
            self.current.end = at
            self.current = None
            if self._wait is not None:
                # The model asked for it inside the reply: until its end the model was decoding, not waiting.
                self._wait.start = at
