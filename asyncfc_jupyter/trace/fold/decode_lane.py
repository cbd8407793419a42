"""The decode lane: what the model did, turn by turn.

A turn runs from its request to the end of its reply; within it there are spans to the first token, for each call's
arguments and for each stretch of text and of reasoning. A failed request that is retried leaves a ``retry`` span,
from the failure to the next attempt. Between turns, after a reply that held calls, lies one ``await`` span: the
model has nothing to decode because it is owed results.

Two requests that ask the same may stream at the same time: the spans of the first are then in the upper half of the lane,
those of the second in the lower. What streams when a race begins or ends is divided there, so that a span never changes its
height. A retracted request becomes one ``abandoned`` span: nothing of its reply is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    RequestRetracted,
    RequestRetried,
    TextStreamed,
    TextWithdrawn,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE

DecodeKind = Literal["first_token", "retry", "reasoning", "call", "text", "await", "abandoned"]
#: Where a span is in the lane: over its whole height, or above or below another request's.
Half = Literal["", "upper", "lower"]

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
    half: Half = ""
    call: CallId | None = None


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
    #: The turn whose request asked the same, with placeholders.
    instead_of: int | None = None
    #: The turn that is used in its place: nothing of this reply is.
    retracted_by: int | None = None
    half: Half = ""
    #: It began while the request that asks the same was in progress.
    raced: bool = False

    @property
    def only_waits(self) -> bool:
        """Whether one-by-one calling would not have had this turn: it only asked for results, or ended too early."""
        return (self.awaits > 0 and self.calls == self.awaits) or (self.gated and self.calls == 0)


class DecodeLane:
    """The sequence of what the model did, and its turns."""

    def __init__(self) -> None:
        self.turns: dict[int, Turn] = {}
        self.spans: dict[str, DecodeSpan] = {}
        #: The turns that are being decoded: one, or two that ask the same.
        self.streaming: dict[int, Turn] = {}
        #: The ids of the spans that are new, changed or gone.
        self.changed: dict[str, None] = {}
        #: The open span of each turn, and all spans of each turn that streams.
        self._open: dict[int, DecodeSpan] = {}
        self._pieces: dict[int, list[DecodeSpan]] = {}
        self._wait: DecodeSpan | None = None
        #: The spans of each call: more than one if a race began or ended meanwhile.
        self._calls: dict[CallId, list[DecodeSpan]] = {}
        self._made = 0

    def used_turns(self) -> Iterator[Turn]:
        """Yield the turns whose replies count: of two that ask the same, one. Until one is retracted, that is the second."""
        asked_again = {turn.instead_of for turn in self.turns.values() if turn.retracted_by is None}
        for number, turn in self.turns.items():
            if turn.retracted_by is None and number not in asked_again:
                yield turn

    def apply(self, event: Event, at: float) -> None:
        """Apply one event; one that is not about decoding changes nothing."""
        number = getattr(event, "turn", None)
        if number is None:
            if isinstance(event, AwaitAnswered):
                self._end_wait(at)
            return
        turn = self.turns.get(number)
        match event:
            case TurnStarted():
                self._start(event, at)
            case _ if turn is not None and turn.retracted_by is not None:
                pass  # it has ended
            case RequestRetried():
                self._begin(event.turn, "retry", at, f"attempt {event.attempt} failed: {event.message}")
            case RequestRetracted():
                self._retract(event, at)
            case TurnEnded():
                self._end_turns([event.turn], at)
                if event.calls and self._wait is None:
                    self._wait = self._span("await", at, "waiting for results")
            case AwaitOpened():
                if event.by_layer and turn is not None:
                    turn.gated = True
                if self._wait is None:
                    self._wait = self._span("await", at)
                self._wait.label = f"waiting for {', '.join(event.futures) or 'results'}"
                self.changed[self._wait.id] = None
            case _:
                self._apply_to_reply(event, turn, self._open.get(number), at)

    def _apply_to_reply(self, event: Event, turn: Turn | None, piece: DecodeSpan | None, at: float) -> None:
        """Apply one event about a piece of a reply; ``piece`` is its open one."""
        kind = None if piece is None else piece.kind
        match event:
            case FirstTokenArrived() if kind in _BEFORE:
                self._end_piece(event.turn, at)
            case ReasoningStreamed() if kind != "reasoning":
                self._begin(event.turn, "reasoning", at)
            case TextStreamed():
                if kind not in {"call", "text"}:
                    self._begin(event.turn, "text", at)
                if turn is not None and len(turn.text) < TEXT_KEPT:
                    turn.text += event.text[: TEXT_KEPT - len(turn.text)]
            case TextWithdrawn():
                if turn is not None:
                    turn.text = ""
                if piece is not None and kind == "text":
                    piece.kind = "reasoning"
                    self.changed[piece.id] = None
            case CallOpened():
                waits = event.tool == AWAIT_FUTURE
                if turn is not None:
                    turn.calls += 1
                    turn.awaits += waits
                self._calls[event.call] = []
                self._begin(event.turn, "call", at, "await" if waits else event.tool, event.call)
            case CallClosed() if piece is not None and piece.call == event.call:
                self._end_piece(event.turn, at)

    def close(self, at: float) -> None:
        """End every open span: the run ends."""
        self._end_turns([*self.streaming, *self._open], at)
        self._end_wait(at)

    def name_call(self, call: CallId, label: str) -> float | None:
        """Name a call by its future, and return when its arguments began to stream."""
        spans = self._calls.get(call, [])
        for span in spans:
            span.label = label
            self.changed[span.id] = None
        return spans[0].start if spans else None

    def _start(self, event: TurnStarted, at: float) -> None:
        """Begin a turn: beside the one that asks the same, if that is still streaming."""
        first = self.streaming.get(event.instead_of or 0) if event.instead_of != event.turn else None
        self._end_turns([n for n in (*self.streaming, *self._open) if first is None or n != first.turn], at)
        self._end_wait(at)
        turn = Turn(turn=event.turn, start=at, instead_of=event.instead_of)
        if first is not None:
            self._move(first, "upper", at)
            turn.half, turn.raced = "lower", True
        self.turns[event.turn] = self.streaming[event.turn] = turn
        self._begin(event.turn, "first_token", at)

    def _move(self, turn: Turn, half: Half, at: float) -> None:
        """Continue a reply in another part of the lane."""
        turn.half = half
        piece = self._open.get(turn.turn)
        if piece is None or piece.half == half:
            return
        self._begin(turn.turn, piece.kind, at, piece.label, piece.call)
        if piece.start >= at:
            self._pieces[turn.turn].remove(piece)
            self._remove(piece)

    def _retract(self, event: RequestRetracted, at: float) -> None:
        """End a turn, and put one span in the place of all that was drawn of it."""
        pieces = self._pieces.get(event.turn, [])
        self._end_turns([event.turn], at)
        turn = self.turns.get(event.turn)
        if turn is None:
            return
        turn.retracted_by = event.by
        for piece in pieces[1:]:
            self._remove(piece)
        half: Half = next((piece.half for piece in pieces if piece.half), "")
        for piece in pieces[:1]:
            if turn.instead_of == event.by:
                why = f"it asked the same as request {event.by}, with the values, and request {event.by} was kept"
            elif half:
                why = f"request {event.by} asks the same with the values, and that one was kept"
            else:
                why = f"all values came before its reply showed a call; request {event.by} asks the same with them"
            piece.kind, piece.end, piece.half, piece.call = "abandoned", at, half, None
            piece.label = f"request {event.turn} was abandoned: {why}"
            self.changed[piece.id] = None

    def _span(self, kind: DecodeKind, at: float, label: str = "") -> DecodeSpan:
        self._made += 1
        span = DecodeSpan(id=f"d{self._made}", kind=kind, start=at, label=label)
        self.spans[span.id] = span
        self.changed[span.id] = None
        return span

    def _remove(self, span: DecodeSpan) -> None:
        del self.spans[span.id]
        self.changed[span.id] = None
        if span.call is not None:
            self._calls[span.call] = [each for each in self._calls[span.call] if each is not span]

    def _begin(self, turn: int, kind: DecodeKind, at: float, label: str = "", call: CallId | None = None) -> None:
        """End the open piece of a reply, and begin the next one."""
        self._end_piece(turn, at)
        span = self._open[turn] = self._span(kind, at, label)
        span.call = call
        if turn in self.streaming:
            span.half = self.streaming[turn].half
            self._pieces.setdefault(turn, []).append(span)
        if call is not None:
            self._calls[call].append(span)

    def _end_piece(self, turn: int, at: float) -> None:
        piece = self._open.pop(turn, None)
        if piece is not None:
            piece.end = at
            self.changed[piece.id] = None

    def _end_wait(self, at: float) -> None:
        if self._wait is not None:
            self._wait.end = at
            self.changed[self._wait.id] = None
            self._wait = None

    def _end_turns(self, numbers: Iterable[int], at: float) -> None:
        """End turns, or what there is of them in a log whose beginning is missing. One that still streams gets the lane."""
        for number in numbers:
            self._end_piece(number, at)
            self._pieces.pop(number, None)
            turn = self.streaming.pop(number, None)
            if turn is not None:
                turn.end = at
                if self._wait is not None:
                    # The model asked for it inside the reply: until its end the model was decoding, not waiting.
                    self._wait.start = at
        for other in self.streaming.values():
            self._move(other, "", at)
