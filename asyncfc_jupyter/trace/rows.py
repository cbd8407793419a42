"""One row for each future: why it waited, how long it ran, what came of it.

A row is waiting from its issue until it starts, with the reason last given; then running; then settled. The last
segment of a settled row carries the outcome as its kind; a call that never ran gets one without length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from asyncfc_jupyter.core.effects import PURE, Effects
from asyncfc_jupyter.core.events import (
    ArgumentsResolved,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallHeld,
    CallIssued,
    CallSkipped,
    CallStarted,
    Event,
    ResultShown,
)
from asyncfc_jupyter.core.futures import FutureName, State

#: Segments after which a new reason of the same kind replaces the last one: a call that waits for ten thousand readers,
#: one after another, stays one row of bounded size.
WAITS_KEPT = 24

SegmentKind = Literal["data", "hazard", "limit", "running", "done", "failed", "cancelled", "skipped"]

_SETTLED_KINDS: dict[State, SegmentKind] = {
    State.DONE: "done",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.SKIPPED: "skipped",
}


@dataclass(slots=True, kw_only=True)
class Segment:
    """A stretch of a future's life: one reason to wait, or its function's running time."""

    kind: SegmentKind
    start: float
    end: float | None = None
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class Row:
    """What is known of one future."""

    future: FutureName
    tool: str = ""
    arguments: str = ""
    state: State = State.PENDING
    issued: float = 0.0
    segments: list[Segment] = field(default_factory=list)
    #: The result's summary, or the error.
    outcome: str = ""
    #: When a request first carried the outcome to the model.
    seen: float | None = None
    needs: tuple[FutureName, ...] = ()
    #: Earlier futures it was last held for, because of what both touch.
    after: tuple[FutureName, ...] = ()
    effects: Effects = PURE

    #: Whether the function was called at all; its running time is then the last segment.
    ran: bool = False

    def running_s(self, now: float) -> float:
        """Return how long the function has run, in seconds."""
        if not self.ran:
            return 0.0
        segment = self.segments[-1]
        return max(0.0, (now if segment.end is None else segment.end) - segment.start)


class Futures:
    """One row for each future, in the order of issue."""

    def __init__(self) -> None:
        self.rows: dict[FutureName, Row] = {}
        self.settled = 0
        #: Start times of the functions that run.
        self.running: dict[FutureName, float] = {}
        self.changed: dict[FutureName, None] = {}
        self._closed_s = 0.0

    def tool_s(self, now: float) -> float:
        """Return the sum of all running times until ``now``, in seconds."""
        return self._closed_s + sum(now - start for start in self.running.values())

    def apply(self, event: Event, at: float) -> None:
        """Take one event; one that is not about a future changes nothing."""
        handle = self._ON.get(type(event))
        if handle is not None:
            handle(self, event, at)

    def _issued(self, event: CallIssued, at: float) -> None:
        row = self._row(event.future, at)
        row.tool, row.arguments, row.needs = event.tool, event.arguments, event.needs
        row.effects = event.effects

    def _held(self, event: CallHeld, at: float) -> None:
        row = self._row(event.future, at)
        if row.state is not State.PENDING:
            return
        wait = event.wait
        if wait.kind == "hazard":
            row.after = wait.on
        last, reason = row.segments[-1] if row.segments else None, str(wait)
        if last is not None and last.end is None:
            if last.kind == wait.kind and (last.reason == reason or len(row.segments) >= WAITS_KEPT):
                last.reason = reason
                return
            last.end = at
        row.segments.append(Segment(kind=wait.kind, start=at, reason=reason))

    def _resolved(self, event: ArgumentsResolved, at: float) -> None:
        row = self._row(event.future, at)
        row.effects = event.effects
        if row.segments and row.segments[-1].kind == "data":
            self._close_segment(row, at)

    def _started(self, event: CallStarted, at: float) -> None:
        row = self._row(event.future, at)
        if row.state is not State.PENDING:
            return
        self._close_segment(row, at)
        row.state, row.ran = State.RUNNING, True
        row.segments.append(Segment(kind="running", start=at))
        self.running[row.future] = at

    def _finished(self, event: CallFinished, at: float) -> None:
        self._settle(event.future, State.DONE, event.summary, at)

    def _failed(self, event: CallFailed, at: float) -> None:
        self._settle(event.future, State.FAILED, event.message, at)

    def _skipped(self, event: CallSkipped, at: float) -> None:
        self._settle(event.future, State.SKIPPED, event.message, at)

    def _cancelled(self, event: CallCancelled, at: float) -> None:
        note = "still running in its thread; the result will be discarded" if event.still_running else "cancelled"
        self._settle(event.future, State.CANCELLED, note, at)

    def _shown(self, event: ResultShown, at: float) -> None:
        # Results of an earlier run of the conversation are shown too: they have no row here.
        row = self.rows.get(event.future)
        if row is not None and row.seen is None:
            row.seen = at
            self.changed[row.future] = None

    def _row(self, name: FutureName, at: float) -> Row:
        row = self.rows.get(name)
        if row is None:
            row = self.rows[name] = Row(future=name, issued=at)
        self.changed[name] = None
        return row

    def _settle(self, name: FutureName, state: State, outcome: str, at: float) -> None:
        row = self._row(name, at)
        if row.state.settled:
            return
        self._close_segment(row, at)
        kind = _SETTLED_KINDS[state]
        reason = "" if state is State.DONE else outcome
        if row.ran:
            row.segments[-1].kind, row.segments[-1].reason = kind, reason
            self._closed_s += at - self.running.pop(name)
        else:
            row.segments.append(Segment(kind=kind, start=at, end=at, reason=reason))
        row.state, row.outcome = state, outcome
        self.settled += 1

    def _close_segment(self, row: Row, at: float) -> None:
        if row.segments and row.segments[-1].end is None:
            row.segments[-1].end = at

    _ON: ClassVar[dict[type[Event], Callable[..., None]]] = {
        CallIssued: _issued,
        CallHeld: _held,
        ArgumentsResolved: _resolved,
        CallStarted: _started,
        CallFinished: _finished,
        CallFailed: _failed,
        CallSkipped: _skipped,
        CallCancelled: _cancelled,
        ResultShown: _shown,
    }
