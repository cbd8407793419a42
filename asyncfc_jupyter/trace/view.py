"""The view model of the timeline: all that any rendering needs, computed once, here.

This is the wire format between Python, which computes, and JavaScript, which draws; the static pictures are made from
it too. It is plain JSON. Times are seconds since the run started; an ``end`` of null means that the thing still goes on
and is drawn until ``now``. Every text in it is one bounded line without control characters, but otherwise whatever a
model or a tool wrote: whoever draws it escapes it.
"""

from __future__ import annotations

from typing import Final, Literal, NotRequired, TypedDict

from asyncfc_jupyter.core.events import Stamped
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.trace.critical import critical_path
from asyncfc_jupyter.trace.lane import DecodeKind, DecodeSpan
from asyncfc_jupyter.trace.metrics import Metrics, measure, working_decode_s
from asyncfc_jupyter.trace.rows import Row, SegmentKind
from asyncfc_jupyter.trace.show import clean, show_arguments, show_seconds
from asyncfc_jupyter.trace.spans import Spans
from asyncfc_jupyter.trace.trace import Trace

#: Raised when a front end of the old version would misread a new view.
VIEW_VERSION: Literal[1] = 1

#: Kinds of segments in which a call has not started.
WAITS: Final = ("data", "hazard", "limit")

#: Characters of each kind of text: a title fits one line at notebook width, the others fit a tooltip.
_TITLE, _TOOL, _TEXT = 90, 60, 200


class Figure(TypedDict):
    """One of the numbers at the head of the picture."""

    value: str
    label: str
    #: The value is the time since the start, and the front end may count on by itself.
    clock: NotRequired[bool]


class DecodeView(TypedDict):
    """A stretch of the decode lane."""

    id: str
    kind: DecodeKind
    start: float
    end: float | None
    label: str


class SegmentView(TypedDict):
    """A stretch of a future's life."""

    kind: SegmentKind
    start: float
    end: float | None
    reason: str


class RowView(TypedDict):
    """One future."""

    future: str
    tool: str
    arguments: str
    state: str
    segments: list[SegmentView]
    #: The result's summary, or the error.
    label: str
    #: When the model first saw the outcome.
    seen: float | None
    critical: bool
    #: Futures whose values it takes.
    needs: list[str]
    #: Earlier futures it was held for, because of what both touch.
    after: list[str]


class View(TypedDict):
    """A whole timeline."""

    version: Literal[1]
    title: str
    subtitle: str
    live: bool
    now: float
    figures: list[Figure]
    decode: list[DecodeView]
    #: Start times of the turns.
    turns: list[float]
    rows: list[RowView]
    #: When decoding and at least one function went on at once.
    overlap: list[list[float | None]]


class TurnsPatch(TypedDict):
    """``turns[first:]`` becomes ``items``."""

    first: int
    items: list[float]


class OverlapPatch(TypedDict):
    """``overlap[first:]`` becomes ``items``."""

    first: int
    items: list[list[float | None]]


class Changes(TypedDict):
    """What changed since the last changes: items of ``decode`` and ``rows`` replace those with their id, or are new."""

    title: str
    subtitle: str
    live: bool
    now: float
    figures: list[Figure]
    decode: list[DecodeView]
    rows: list[RowView]
    turns: TurnsPatch
    overlap: OverlapPatch


class LiveTimeline:
    """The view of a run that goes on. Feed it every event; ask for a snapshot or changes when a picture is due."""

    def __init__(self) -> None:
        self._spans = Spans()
        self._metrics: Metrics | None = None
        self._critical: frozenset[FutureName] = frozenset()
        self._sent_turns = 0
        self._sent_overlap = 0

    @property
    def live(self) -> bool:
        """Whether the run goes on, as far as the events tell."""
        return self._metrics is None

    @property
    def last_s(self) -> float:
        """Time of the latest event, in seconds since the run started."""
        return self._spans.last_s

    def apply(self, stamped: Stamped) -> None:
        """Take one event."""
        self._spans.apply(stamped)
        if self._spans.ended is not None:
            self.close()

    def close(self) -> None:
        """Take the last event to be the end, also when it says nothing of the kind: a trace may be cut."""
        chain = critical_path(self._spans.futures.rows.values(), self.last_s)
        self._metrics = measure(self._spans)
        # One call alone is no path, and often only one of many that took as long.
        self._critical = frozenset(chain.futures() if chain and chain.previous else ())
        self._spans.futures.changed.update(dict.fromkeys(self._critical))

    def snapshot(self, now_s: float | None = None) -> View:
        """Return the whole view.

        Args:
            now_s: Seconds since the run started; by default the time of the latest event. A run that ended stays there.
        """
        spans = self._spans
        return View(
            version=VIEW_VERSION,
            **self._head(now_s),
            decode=[_decode_view(span) for span in spans.lane.spans.values()],
            turns=[_round(turn.start) for turn in spans.lane.turns.values()],
            rows=[self._row_view(row) for row in spans.futures.rows.values()],
            overlap=[[_round(start), _round_end(end)] for start, end in spans.overlap],
        )

    def changes(self, now_s: float | None = None) -> Changes:
        """Return what changed since the last call, and begin to collect anew."""
        spans = self._spans
        starts = [turn.start for turn in list(spans.lane.turns.values())[self._sent_turns :]]
        # The last stretch that was sent may have ended, or been taken up again, since.
        first = max(0, self._sent_overlap - 1)
        changes = Changes(
            **self._head(now_s),
            decode=[_decode_view(spans.lane.spans[key]) for key in spans.lane.changed],
            rows=[self._row_view(spans.futures.rows[name]) for name in spans.futures.changed],
            turns=TurnsPatch(first=self._sent_turns, items=[_round(start) for start in starts]),
            overlap=OverlapPatch(
                first=first, items=[[_round(start), _round_end(end)] for start, end in spans.overlap[first:]]
            ),
        )
        spans.lane.changed.clear()
        spans.futures.changed.clear()
        self._sent_turns, self._sent_overlap = len(spans.lane.turns), len(spans.overlap)
        return changes

    def _head(self, now_s: float | None) -> _Head:
        now = self.last_s if now_s is None or not self.live else max(now_s, self.last_s)
        return _Head(
            title=_title(self._spans),
            subtitle=_subtitle(self._spans, live=self.live),
            live=self.live,
            now=_round(now),
            figures=_final_figures(self._metrics, self._spans) if self._metrics else _live_figures(self._spans, now),
        )

    def _row_view(self, row: Row) -> RowView:
        return RowView(
            future=clean(row.future, _TOOL),
            tool=clean(row.tool, _TOOL),
            arguments=show_arguments(row.arguments, _TEXT),
            state=row.state.value,
            segments=[
                SegmentView(
                    kind=segment.kind,
                    start=_round(segment.start),
                    end=_round_end(segment.end),
                    reason=clean(segment.reason, _TEXT),
                )
                for segment in row.segments
            ],
            label=clean(row.outcome, _TEXT),
            seen=_round_end(row.seen),
            critical=row.future in self._critical,
            needs=list(row.needs),
            after=list(row.after),
        )


class _Head(TypedDict):
    title: str
    subtitle: str
    live: bool
    now: float
    figures: list[Figure]


def timeline_view(trace: Trace) -> View:
    """Return the view of a whole trace, or of what there is of one."""
    timeline = LiveTimeline()
    for stamped in trace.events:
        timeline.apply(stamped)
    timeline.close()
    return timeline.snapshot()


def wait_reasons(row: RowView) -> str:
    """Return why a call waited, in order and without repetition; of values that arrived one by one, all at once."""
    reasons: list[str] = []
    last = ""
    for segment in row["segments"]:
        # The first of several waits for values names them all; those after it only the rest.
        if segment["kind"] in WAITS and not (segment["kind"] == last == "data") and segment["reason"] not in reasons:
            reasons.append(segment["reason"])
        last = segment["kind"]
    return "; ".join(reasons)


def _decode_view(span: DecodeSpan) -> DecodeView:
    return DecodeView(
        id=span.id, kind=span.kind, start=_round(span.start), end=_round_end(span.end), label=clean(span.label, _TEXT)
    )


def _title(spans: Spans) -> str:
    """Return the prompt's first line; of a plan, its opening comment, or the answer it came to."""
    if spans.started is None:
        return "A run"
    lines = [line.strip() for line in spans.started.prompt[:4000].splitlines() if line.strip()]
    first = lines[0] if lines else ""
    if spans.started.model == "rehearsal":
        answer = next(reversed(spans.lane.turns.values())).text if spans.ended and spans.lane.turns else ""
        first = first.lstrip("# ") if first.startswith("#") else _plain(answer) or first
    return clean(first, _TITLE) or "A run"


def _plain(markdown: str) -> str:
    """Return the first line of a text without the marks of emphasis, code and headings."""
    return markdown.strip().split("\n")[0].lstrip("# ").replace("**", "").replace("`", "")


def _subtitle(spans: Spans, *, live: bool) -> str:
    turns, futures = len(spans.lane.turns), len(spans.futures.rows)
    parts = [_count(futures, "future")] if futures else []
    if spans.started is not None:
        parts.append(clean(spans.started.model, _TOOL))
        parts += [f"{clean(spans.started.mode, _TOOL)} calling"] if spans.started.mode != "async" else []
    if live:
        return ", ".join([f"turn {turns}" if turns else "asking", *parts])
    outcome, detail = (spans.ended.outcome, spans.ended.detail) if spans.ended else ("cut off", "")
    verb = f"{outcome} {'in' if outcome == 'answered' else 'after'} {_count(turns, 'turn')}"
    return ", ".join([verb, *parts]) + (f": {clean(detail, _TEXT)}" if detail else "")


def _live_figures(spans: Spans, now: float) -> list[Figure]:
    figures = [Figure(value=show_seconds(now), label="elapsed", clock=True)]
    if spans.futures.rows:
        figures.append(Figure(value=f"{spans.futures.settled} of {len(spans.futures.rows)}", label="futures settled"))
        one_by_one_s = working_decode_s(spans, now) + spans.futures.tool_s(now)
        if now > 0:
            figures.append(Figure(value=f"{one_by_one_s / now:.2f}x", label="over one by one, so far"))
    return figures


def _final_figures(metrics: Metrics, spans: Spans) -> list[Figure]:
    figures = [Figure(value=show_seconds(metrics.makespan_s), label="elapsed")]
    if spans.futures.rows:
        figures += [
            Figure(value=f"{metrics.speedup:.2f}x", label="over one by one"),
        ]
        # Without futures the model writes values into the arguments itself: which call needed which cannot be told, and
        # the bound would promise more than there was.
        if spans.started is None or spans.started.mode == "async":
            figures += [
                Figure(value=f"{metrics.bound:.2f}x", label="possible at most"),
                Figure(value=f"{100 * metrics.share:.0f}%", label="of what was possible"),
            ]
    return figures


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _round(seconds: float) -> float:
    # A tenth of a millisecond is finer than any pixel, and shorter on the wire than a float's every digit.
    return round(seconds, 4)


def _round_end(seconds: float | None) -> float | None:
    return None if seconds is None else _round(seconds)
