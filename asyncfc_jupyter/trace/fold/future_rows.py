"""One row for each future: why it waited, how long it ran, and its outcome.

A row begins with its argument stream, is then queued or waiting, with the latest reason, until it starts; then
running; then settled. The segment of the running time takes the outcome as its kind; a call that never ran gets one
without length. A function that still runs although its call was cancelled or timed out adds a last segment,
``discarded``, that no figure counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
    CallMeasured,
    CallPrinted,
    CallProgressed,
    CallRetried,
    CallSkipped,
    CallStarted,
    EffectsResolved,
    Event,
    RequestRetracted,
    ResultDiscarded,
    ResultShown,
)
from asyncfc_jupyter.core.futures import FutureName, State
from asyncfc_jupyter.core.waits import WAITS, Group, Wait, WaitKind

#: Segments after which a new reason of the same kind replaces the last one: a call that waits for ten thousand readers,
#: one after another, stays one row of bounded size.
WAITS_KEPT = 24
#: Characters kept of what a function prints: the end of it, some twenty lines.
PRINTS_KEPT = 1200
#: Marks of retries kept on a row: more could not be seen apart.
RETRIES_KEPT = 12

SettledKind = Literal["done", "failed", "cancelled", "skipped"]
SegmentKind = Literal["arguments", "queued", WaitKind, "running", SettledKind, "discarded"]

_RUNS_ON = "still running in its thread; the result will be discarded"


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
    #: When requests carried the outcome to the model, by turn; without those that were retracted.
    shown: dict[int, float] = field(default_factory=dict)
    needs: tuple[FutureName, ...] = ()
    #: Earlier futures it was held for, because of what both touch.
    after: tuple[FutureName, ...] = ()
    effects: Effects = PURE
    #: What its tool declares: ``irreversible``, ``approve``, ``detached``.
    marks: tuple[str, ...] = ()
    #: The user is asked, and has not answered.
    asks: bool = False
    #: What the user is asked about: the arguments with their values.
    question: str = ""
    #: The progress that the running function reported, from 0 to 1, and what it does at the moment.
    fraction: float | None = None
    activity: str = ""
    retries: list[Retry] = field(default_factory=list)
    #: The end of what it printed.
    prints: str = ""
    #: The segment of its running time, if the function was called at all.
    run: Segment | None = None
    #: Seconds of processor time, and for how long other calls kept the running function waiting.
    cpu_s: float = 0.0
    waited_s: float = 0.0

    @property
    def seen(self) -> float | None:
        """When a request that is used first carried the outcome to the model."""
        return min(self.shown.values(), default=None)

    def running_s(self, now: float) -> float:
        """Return how long the function has run until ``now``, in seconds."""
        if self.run is None:
            return 0.0
        end = now if self.run.end is None else min(self.run.end, now)
        return max(0.0, end - self.run.start)

    def alone_s(self, now: float) -> float:
        """Return for how long it would have run until ``now`` by itself, in seconds: without what it waited for other calls."""
        return max(0.0, self.running_s(now) - self.waited_s)

    def hold(self, wait: Wait, at: float) -> None:
        """Begin a wait, or continue one of the same kind whose reason is the same."""
        if self.state is not State.PENDING:
            return
        if wait.group == "calls":
            self.after = wait.on
        last, reason = self.segments[-1] if self.segments else None, str(wait)
        again = last is not None and last.end is None and last.kind == wait.kind
        if last is not None and again and (last.reason == reason or len(self.segments) >= WAITS_KEPT):
            last.reason = reason
            return
        self.close(at)
        hazard = "" if wait.hazard is None else wait.hazard.value
        self.segments.append(Segment(kind=wait.kind, start=at, reason=reason, hazard=hazard))

    def end_wait(self, group: Group, at: float) -> None:
        """Queue the call if its latest wait was of this group."""
        reason = WAITS.get(self.segments[-1].kind) if self.segments else None
        if reason is not None and reason.group == group:
            self.close(at)
            self.segments.append(Segment(kind="queued", start=at))

    def start(self, at: float) -> None:
        """Begin the running time."""
        self.close(at)
        self.state, self.asks = State.RUNNING, False
        self.run = Segment(kind="running", start=at)
        self.segments.append(self.run)

    def settle(self, kind: SettledKind, outcome: str, at: float) -> None:
        """End the running time with its outcome; a call that never ran gets a segment without length."""
        self.close(at)
        self.state, self.outcome, self.asks = State(kind), outcome, False
        reason = "" if kind == "done" else outcome
        if self.run is None:
            self.segments.append(Segment(kind=kind, start=at, end=at, reason=reason))
        else:
            self.run.kind, self.run.reason = kind, reason

    def discard(self, event: ResultDiscarded, at: float) -> None:
        """End what ran on after the call had settled."""
        if not self.state.settled:
            return
        if self.segments[-1].kind != "discarded":
            start = at if self.run is None or self.run.end is None else self.run.end
            self.segments.append(Segment(kind="discarded", start=start))
        late = self.segments[-1]
        late.end, late.reason = at, f"{'raised' if event.raised else 'returned'} too late, discarded: {event.summary}"

    def close(self, at: float) -> None:
        """End the open segment; a time in the queue without length is removed."""
        if not self.segments or self.segments[-1].end is not None:
            return
        last = self.segments[-1]
        if last.kind == "queued" and at <= last.start:
            self.segments.pop()
        else:
            last.end = at


class Futures:
    """One row for each future, in the order of issue."""

    def __init__(self) -> None:
        self.rows: dict[FutureName, Row] = {}
        self.settled = 0
        #: Start times of the functions that run.
        self.running: dict[FutureName, float] = {}
        self.changed: dict[FutureName, None] = {}
        self._closed_s = 0.0
        #: The futures whose outcomes each turn carried to the model.
        self._shown: dict[int, list[FutureName]] = {}

    def tool_s(self, now: float) -> float:
        """Return for how long all calls until ``now`` would have run by themselves, in seconds."""
        return self._closed_s + sum(self.rows[name].alone_s(now) for name in self.running)

    def issue(self, event: CallIssued, at: float, opened: float | None) -> None:
        """Add a new future, whose arguments began to stream at ``opened``, if that is known."""
        row = self._row(event.future, at)
        row.tool, row.arguments, row.needs = event.tool, event.arguments, event.needs
        row.effects = event.effects
        row.marks = tuple(mark for mark in ("irreversible", "approve", "detached") if getattr(event, mark))
        if row.segments:
            return
        if opened is not None and opened < at:
            row.segments.append(Segment(kind="arguments", start=opened, end=at))
        row.segments.append(Segment(kind="queued", start=at))

    def apply(self, event: Event, at: float) -> None:
        """Apply one event; one that is not about a future changes nothing."""
        match event:
            case CallHeld():
                self._row(event.future, at).hold(event.wait, at)
            case EffectsResolved() | ArgumentsResolved():
                row = self._row(event.future, at)
                row.effects = event.effects
                row.end_wait("values", at)
            case ApprovalAsked():
                row = self._row(event.future, at)
                row.asks, row.question = row.state is State.PENDING, event.arguments or row.arguments
            case ApprovalGiven():
                row = self._row(event.future, at)
                row.asks = False
                row.end_wait("user", at)
            case CallStarted():
                row = self._row(event.future, at)
                if row.state is State.PENDING:
                    row.start(at)
                    self.running[row.future] = at
            case ResultShown() | RequestRetracted():
                self._apply_to_seen(event, at)
            case _:
                self._apply_to_run(event, at)

    def _apply_to_run(self, event: Event, at: float) -> None:
        """Apply one event about a call that runs or has run."""
        match event:
            case CallProgressed():
                row = self._row(event.future, at)
                row.activity = event.text or row.activity
                if event.fraction is not None:
                    row.fraction = min(1.0, max(0.0, event.fraction))
            case CallMeasured():
                row = self._row(event.future, at)
                row.cpu_s, row.waited_s = event.cpu_s, event.waited_s
            case CallPrinted():
                row = self._row(event.future, at)
                row.prints = (row.prints + event.text)[-PRINTS_KEPT:]
            case CallRetried():
                row = self._row(event.future, at)
                row.fraction = None
                row.retries = [*row.retries, Retry(at=at, message=event.message)][:RETRIES_KEPT]
            case ResultDiscarded():
                self._row(event.future, at).discard(event, at)
            case CallFinished():
                self._settle(event.future, "done", event.summary, at)
            case CallFailed():
                self._settle(event.future, "failed", event.message, at)
            case CallSkipped():
                self._settle(event.future, "skipped", event.message, at)
            case CallCancelled():
                self._settle(event.future, "cancelled", _RUNS_ON if event.still_running else "cancelled", at)
                if event.still_running:
                    self.rows[event.future].segments.append(Segment(kind="discarded", start=at, reason="still running"))

    def _apply_to_seen(self, event: ResultShown | RequestRetracted, at: float) -> None:
        """Apply one event about what requests carry to the model."""
        if isinstance(event, RequestRetracted):
            # The turn in its place carries them, too.
            for name in self._shown.pop(event.turn, []):
                self._row(name, at).shown.pop(event.turn, None)
        # Results of an earlier run of the conversation are shown, too: they have no row here.
        elif event.future in self.rows and event.turn not in self.rows[event.future].shown:
            self._row(event.future, at).shown[event.turn] = at
            self._shown.setdefault(event.turn, []).append(event.future)

    def _row(self, name: FutureName, at: float) -> Row:
        if name not in self.rows:
            self.rows[name] = Row(future=name, issued=at)
        self.changed[name] = None
        return self.rows[name]

    def _settle(self, name: FutureName, kind: SettledKind, outcome: str, at: float) -> None:
        row = self._row(name, at)
        if row.state.settled:
            return
        row.settle(kind, outcome, at)
        self.settled += 1
        if name in self.running:
            del self.running[name]
            self._closed_s += row.alone_s(at)
