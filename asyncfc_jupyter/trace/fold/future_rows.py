"""One row for each future: why it waited, how long it ran, what came of it.

A row begins with its argument stream, is then queued or waiting, with the reason last given, until it starts; then
running; then settled. The segment of the running time takes the outcome as its kind; a call that never ran gets one
without length. A function that goes on although its call was cancelled or ran out of time adds a last segment,
``discarded``, that counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from asyncfc_jupyter.core.effects import PURE, Effects
from asyncfc_jupyter.core.events import (
    ApprovalAsked,
    ApprovalGiven,
    ArgumentsResolved,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallHeld,
    CallIssued,
    CallPrinted,
    CallProgressed,
    CallRetried,
    CallSkipped,
    CallStarted,
    Event,
    ResultDiscarded,
    ResultShown,
)
from asyncfc_jupyter.core.futures import FutureName, State
from asyncfc_jupyter.core.waits import WAITS, Group, WaitKind

#: Segments after which a new reason of the same kind replaces the last one: a call that waits for ten thousand readers,
#: one after another, stays one row of bounded size.
WAITS_KEPT = 24
#: Characters kept of what a function prints: the end of it, some twenty lines.
PRINTS_KEPT = 1200
#: Marks of retries kept on a row: more could not be told apart.
RETRIES_KEPT = 12

SegmentKind = Literal[
    "arguments", "queued", WaitKind, "running", "done", "failed", "cancelled", "skipped", "discarded",
]  # fmt: skip

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
    #: For a wait on shared state: ``RAW``, ``WAR`` or ``WAW``.
    hazard: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """An attempt that failed, and when."""

    at: float
    message: str


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
    #: Earlier futures it was held for, because of what both touch.
    after: tuple[FutureName, ...] = ()
    effects: Effects = PURE
    #: What was declared of it: ``irreversible``, ``approve``, ``detached``.
    marks: tuple[str, ...] = ()
    #: The person is asked, and has not answered.
    asks: bool = False
    #: What the person is asked about: the arguments with their values.
    question: str = ""
    #: How far the running function is, from 0 to 1, if it told; and what it is at.
    fraction: float | None = None
    activity: str = ""
    retries: list[Retry] = field(default_factory=list)
    #: The end of what it printed.
    prints: str = ""
    #: The segment of its running time, if the function was called at all.
    run: Segment | None = None

    @property
    def ran(self) -> bool:
        """Whether the function was called at all."""
        return self.run is not None

    def running_s(self, now: float) -> float:
        """Return how long the function has run until ``now``, in seconds."""
        if self.run is None:
            return 0.0
        end = now if self.run.end is None else min(self.run.end, now)
        return max(0.0, end - self.run.start)


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

    def issue(self, event: CallIssued, at: float, opened: float | None) -> None:
        """Take a new future, whose arguments began to stream at ``opened``, if that is known."""
        row = self._row(event.future, at)
        row.tool, row.arguments, row.needs = event.tool, event.arguments, event.needs
        row.effects = event.effects
        row.marks = tuple(mark for mark in ("irreversible", "approve", "detached") if getattr(event, mark))
        if row.segments:
            return
        if opened is not None and opened < at:
            row.segments.append(Segment(kind="arguments", start=opened, end=at))
        row.segments.append(Segment(kind="queued", start=at))

    def _held(self, event: CallHeld, at: float) -> None:
        row = self._row(event.future, at)
        if row.state is not State.PENDING:
            return
        wait = event.wait
        if wait.group == "calls":
            row.after = wait.on
        last, reason = row.segments[-1] if row.segments else None, str(wait)
        again = last is not None and last.end is None and last.kind == wait.kind
        if last is not None and again and (last.reason == reason or len(row.segments) >= WAITS_KEPT):
            last.reason = reason
            return
        _close(row, at)
        hazard = "" if wait.hazard is None else wait.hazard.value
        row.segments.append(Segment(kind=wait.kind, start=at, reason=reason, hazard=hazard))

    def _resolved(self, event: ArgumentsResolved, at: float) -> None:
        row = self._row(event.future, at)
        row.effects = event.effects
        _end_wait(row, "values", at)

    def _asked(self, event: ApprovalAsked, at: float) -> None:
        row = self._row(event.future, at)
        row.asks, row.question = row.state is State.PENDING, event.arguments or row.arguments

    def _given(self, event: ApprovalGiven, at: float) -> None:
        row = self._row(event.future, at)
        row.asks = False
        _end_wait(row, "user", at)

    def _started(self, event: CallStarted, at: float) -> None:
        row = self._row(event.future, at)
        if row.state is not State.PENDING:
            return
        _close(row, at)
        row.state, row.asks = State.RUNNING, False
        row.run = Segment(kind="running", start=at)
        row.segments.append(row.run)
        self.running[row.future] = at

    def _progressed(self, event: CallProgressed, at: float) -> None:
        row = self._row(event.future, at)
        if event.fraction is not None:
            row.fraction = min(1.0, max(0.0, event.fraction))
        row.activity = event.text or row.activity

    def _printed(self, event: CallPrinted, at: float) -> None:
        row = self._row(event.future, at)
        row.prints = (row.prints + event.text)[-PRINTS_KEPT:]

    def _retried(self, event: CallRetried, at: float) -> None:
        row = self._row(event.future, at)
        if len(row.retries) < RETRIES_KEPT:
            row.retries.append(Retry(at=at, message=event.message))
        row.fraction = None

    def _finished(self, event: CallFinished, at: float) -> None:
        self._settle(event.future, State.DONE, event.summary, at)

    def _failed(self, event: CallFailed, at: float) -> None:
        self._settle(event.future, State.FAILED, event.message, at)

    def _skipped(self, event: CallSkipped, at: float) -> None:
        self._settle(event.future, State.SKIPPED, event.message, at)

    def _cancelled(self, event: CallCancelled, at: float) -> None:
        note = "still running in its thread; the result will be discarded" if event.still_running else "cancelled"
        self._settle(event.future, State.CANCELLED, note, at)
        if event.still_running:
            self.rows[event.future].segments.append(Segment(kind="discarded", start=at, reason="still running"))

    def _discarded(self, event: ResultDiscarded, at: float) -> None:
        row = self._row(event.future, at)
        if not row.state.settled:
            return
        if row.segments[-1].kind != "discarded":
            start = at if row.run is None or row.run.end is None else row.run.end
            row.segments.append(Segment(kind="discarded", start=start))
        late = row.segments[-1]
        late.end, late.reason = at, f"{'raised' if event.raised else 'returned'} too late, discarded: {event.summary}"

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
        _close(row, at)
        kind = _SETTLED_KINDS[state]
        reason = "" if state is State.DONE else outcome
        if row.run is not None:
            row.run.kind, row.run.reason = kind, reason
            self._closed_s += at - self.running.pop(name)
        else:
            row.segments.append(Segment(kind=kind, start=at, end=at, reason=reason))
        row.state, row.outcome, row.asks = state, outcome, False
        self.settled += 1

    _ON: ClassVar[dict[type[Event], Callable[..., None]]] = {
        CallHeld: _held,
        ArgumentsResolved: _resolved,
        ApprovalAsked: _asked,
        ApprovalGiven: _given,
        CallStarted: _started,
        CallProgressed: _progressed,
        CallPrinted: _printed,
        CallRetried: _retried,
        CallFinished: _finished,
        CallFailed: _failed,
        CallSkipped: _skipped,
        CallCancelled: _cancelled,
        ResultDiscarded: _discarded,
        ResultShown: _shown,
    }


def _end_wait(row: Row, group: Group, at: float) -> None:
    """Queue a call whose last wait was of this group."""
    reason = WAITS.get(row.segments[-1].kind) if row.segments else None
    if reason is not None and reason.group == group:
        _close(row, at)
        row.segments.append(Segment(kind="queued", start=at))


def _close(row: Row, at: float) -> None:
    """End the open segment; a place in the queue that nobody waited in was none."""
    if not row.segments or row.segments[-1].end is not None:
        return
    last = row.segments[-1]
    if last.kind == "queued" and at <= last.start:
        row.segments.pop()
    else:
        last.end = at
