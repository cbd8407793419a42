"""Events folded into intervals: what the model decoded when, and the life of each future.

Theory of operation. The fold takes one event at a time, in constant time, and never looks back at the log, so that it
can feed a live picture. It must draw a run that was cut anywhere and a log whose beginning is missing, so no event is
required: whatever is open stays open (``end`` is None), an event of a future that was never issued opens a row for
it, and an event that contradicts the state of a row is dropped. All times are seconds since the run started.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from asyncfc_jupyter.core.events import AwaitOpened, CallIssued, ResultShown, RunEnded, RunStarted, Stamped
from asyncfc_jupyter.trace.fold.decode_lane import DecodeLane
from asyncfc_jupyter.trace.fold.future_rows import Futures

#: Pauses of the overlap shorter than this, in seconds, are the layer's own work between two turns, not a gap to show.
OVERLAP_SLACK_S = 0.05


class Spans:
    """The fold. Its parts can be read at any time."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.ended: RunEnded | None = None
        #: Time of the run's end; until then, and of a log that was cut, of the latest fact.
        self.end_s = 0.0
        #: Time of the latest fact; later than the run's end where a detached call ran on.
        self.last_s = 0.0
        self.lane = DecodeLane()
        self.futures = Futures()
        #: When the model decoded while at least one function ran: start and end; no end while it lasts.
        self.overlap: list[tuple[float, float | None]] = []

    def apply(self, stamped: Stamped) -> None:
        """Apply one event. An event of an unknown class changes only the time."""
        at = self.last_s = max(self.last_s, stamped.at_s)
        event = stamped.event
        if self.ended is None:
            self.end_s = at
        match event:
            case RunStarted():
                self.started = event
            case RunEnded():
                self.ended = event
                self.lane.close(at)
            case AwaitOpened():
                # The model may ask for futures that have settled: it does not wait for them.
                rows = self.futures.rows
                pending = tuple(name for name in event.futures if name not in rows or not rows[name].state.settled)
                self.lane.apply(replace(event, futures=pending), at)
            case CallIssued():
                self.futures.issue(event, at, self.lane.name_call(event.call, event.future))
            case ResultShown() if (turn := self.lane.turns.get(event.turn)) is not None and turn.raced:
                # The log says so when the race is decided, but the request has carried it from its start.
                self.futures.apply(event, turn.start)
            case _:
                self.lane.apply(event, at)
                self.futures.apply(event, at)
        self._update_overlap(at)

    def _update_overlap(self, at: float) -> None:
        """Begin or end the time in which both the model and a function work."""
        both = bool(self.lane.streaming) and bool(self.futures.running) and self.ended is None
        start, end = self.overlap[-1] if self.overlap else (at, at)
        if both and self.overlap and end is not None and at - end < OVERLAP_SLACK_S:
            self.overlap[-1] = (start, None)
        elif both and (end is not None or not self.overlap):
            self.overlap.append((at, None))
        elif not both and end is None:
            self.overlap[-1] = (start, at)


def fold(events: Iterable[Stamped]) -> Spans:
    """Return the spans of a whole log."""
    spans = Spans()
    for stamped in events:
        spans.apply(stamped)
    return spans
