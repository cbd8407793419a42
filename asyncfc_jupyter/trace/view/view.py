"""The view of a run: its facts folded into what is drawn, whole or as changes (`wire_format` states its form)."""

from __future__ import annotations

import json
from typing import Any, cast

from asyncfc_jupyter.core.events import Stamped
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.waits import WAITS
from asyncfc_jupyter.masking import masked
from asyncfc_jupyter.text import clean, clean_lines, show_seconds
from asyncfc_jupyter.trace.analysis.critical_path import critical_path
from asyncfc_jupyter.trace.analysis.metrics import Metrics, measure
from asyncfc_jupyter.trace.fold.decode_lane import DecodeSpan
from asyncfc_jupyter.trace.fold.future_rows import Row, Segment
from asyncfc_jupyter.trace.fold.spans import Spans
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.headline import LiveBound, final_figures, live_figures, subtitle, title
from asyncfc_jupyter.trace.view.wire_format import (
    VIEW_VERSION,
    Changes,
    DecodeView,
    Head,
    OverlapPatch,
    RetryView,
    RowView,
    SegmentView,
    TurnsPatch,
    View,
)

#: Characters of each kind of text: a name fits its column, the others fit a tooltip.
_TOOL, _TEXT, _PRINTS, _QUESTION = 60, 200, 1000, 4000
#: The axis reaches past the run's end, for detached calls, by at most this share of its length: what lasts
#: longer is cut there, since the picture is about the run itself.
_PAST_THE_END = 0.25


class LiveTimeline:
    """The view of a running run. Feed it every event; ask for a snapshot or changes when a picture is due."""

    def __init__(self) -> None:
        self._spans = Spans()
        self._metrics: Metrics | None = None
        self._bound = LiveBound()
        self._critical: frozenset[FutureName] = frozenset()
        self._sent_turns = 0
        self._sent_overlap = 0

    @property
    def live(self) -> bool:
        """Whether no event has ended the run."""
        return self._metrics is None

    @property
    def last_s(self) -> float:
        """Time of the latest event, in seconds since the run started."""
        return self._spans.last_s

    def apply(self, stamped: Stamped) -> None:
        """Apply one event."""
        self._spans.apply(stamped)
        if self._spans.ended is not None:
            self.close()

    def close(self) -> None:
        """Make the last event the end, also when it is not a ``RunEnded``: a trace may be cut."""
        if self._metrics is not None:
            return
        chain = critical_path(self._spans.futures.rows.values(), self._spans.end_s)
        self._metrics = measure(self._spans)
        # One call alone makes no path, and many calls may have taken as long.
        self._critical = frozenset(chain.futures() if chain and chain.previous else ())
        self._spans.futures.changed.update(dict.fromkeys(filter(self._critical.__contains__, self._spans.futures.rows)))

    def snapshot(self, now_s: float | None = None) -> View:
        """Return the whole view.

        Args:
            now_s: Seconds since the run started; by default the time of the latest event. A run that ended stays there.
        """
        spans = self._spans
        view = View(
            version=VIEW_VERSION,
            **self._head(now_s),
            decode=[_decode_view(span) for span in spans.lane.spans.values()],
            turns=self._boundaries(),
            rows=[self._row_view(row) for row in spans.futures.rows.values()],
            overlap=[[_round(start), _round_end(end)] for start, end in spans.overlap],
        )
        return cast("View", masked(view))

    def changes(self, now_s: float | None = None) -> Changes:
        """Return what changed since the last call of this method."""
        spans = self._spans
        boundaries = self._boundaries()
        # The last stretch that was sent may have ended since, or have been continued.
        first = max(0, self._sent_overlap - 1)
        changes = Changes(
            **self._head(now_s),
            decode=[_decode_view(spans.lane.spans[key]) for key in spans.lane.changed if key in spans.lane.spans],
            gone=[key for key in spans.lane.changed if key not in spans.lane.spans],
            rows=[self._row_view(spans.futures.rows[name]) for name in spans.futures.changed],
            turns=TurnsPatch(first=self._sent_turns, items=boundaries[self._sent_turns :]),
            overlap=OverlapPatch(
                first=first, items=[[_round(start), _round_end(end)] for start, end in spans.overlap[first:]]
            ),
        )
        spans.lane.changed.clear()
        spans.futures.changed.clear()
        self._sent_turns, self._sent_overlap = len(boundaries), len(spans.overlap)
        return cast("Changes", masked(changes))

    def _boundaries(self) -> list[float]:
        """Return where turns begin, without those that began beside another one: there is no boundary."""
        return [_round(turn.start) for turn in self._spans.lane.turns.values() if not turn.raced]

    def _head(self, now_s: float | None) -> Head:
        spans = self._spans
        now = spans.end_s if not self.live else max(now_s or 0.0, self.last_s)
        return Head(
            title=title(spans),
            subtitle=subtitle(spans, live=self.live),
            live=self.live,
            now=_round(now),
            span=_round(max(now, min(spans.last_s, now * (1 + _PAST_THE_END)))),
            figures=final_figures(self._metrics, spans) if self._metrics else live_figures(spans, now, self._bound),
        )

    def _row_view(self, row: Row) -> RowView:
        view = RowView(
            future=clean(row.future, _TOOL),
            tool=clean(row.tool, _TOOL),
            arguments=show_arguments(row.arguments, _TEXT),
            state=row.state.value,
            segments=[_segment_view(segment) for segment in row.segments],
            label=clean(row.outcome, _TEXT),
            seen=_round_end(row.seen),
            critical=row.future in self._critical,
            needs=list(row.needs),
            after=list(row.after),
        )
        if row.asks:
            view["asks"] = show_arguments(row.question, _QUESTION)
        if row.fraction is not None:
            view["progress"] = round(row.fraction, 3)
        if row.activity:
            view["activity"] = clean(row.activity, _TEXT)
        if row.retries:
            view["retries"] = [RetryView(at=_round(r.at), message=clean(r.message, _TEXT)) for r in row.retries]
        if row.prints:
            view["prints"] = clean_lines(row.prints, _PRINTS)
        if row.marks:
            view["marks"] = list(row.marks)
        if row.cpu_s or row.waited_s:
            view["used"] = (
                f"computed for {show_seconds(row.cpu_s)}, waited {show_seconds(row.waited_s)} for other calls"
            )
        return view


def timeline_view(trace: Trace) -> View:
    """Return the view of a whole trace, or of what there is of one."""
    timeline = LiveTimeline()
    for stamped in trace.events:
        timeline.apply(stamped)
    timeline.close()
    return timeline.snapshot()


def wait_reasons(row: RowView) -> str:
    """Return why a call waited, in order and without repetition; of several waits for values, all values at once."""
    reasons: list[str] = []
    last = ""
    for segment in row["segments"]:
        kind, reason = segment["kind"], segment.get("reason", "")
        # The first of several waits for values names them all; those after it only the rest.
        if kind in WAITS and not (kind == last and WAITS[kind].group == "values") and reason not in reasons:
            reasons.append(reason)
        last = kind if kind != "queued" else last
    return "; ".join(reasons)


def _decode_view(span: DecodeSpan) -> DecodeView:
    view = DecodeView(
        id=span.id, kind=span.kind, start=_round(span.start), end=_round_end(span.end), label=clean(span.label, _TEXT)
    )
    if span.half:
        view["half"] = span.half
    return view


def _segment_view(segment: Segment) -> SegmentView:
    view = SegmentView(kind=segment.kind, start=_round(segment.start), end=_round_end(segment.end))
    if segment.reason:
        view["reason"] = clean(segment.reason, _TEXT)
    if segment.hazard:
        view["hazard"] = segment.hazard
    return view


def _round(seconds: float) -> float:
    # A tenth of a millisecond is finer than any pixel, and shorter on the wire than a float's every digit.
    return round(seconds, 4)


def _round_end(seconds: float | None) -> float | None:
    return None if seconds is None else _round(seconds)


def show_arguments(arguments: str, limit: int) -> str:
    """Return a call's arguments as ``city="LIS", nights=2``; text that is not a JSON object is returned as it is, cleaned."""
    try:
        # The log cuts long arguments, so that they may not be JSON any more.
        values: Any = json.loads(arguments)
    except (ValueError, RecursionError):
        return clean(arguments, limit)
    if not isinstance(values, dict):
        return clean(arguments, limit)
    return clean(", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in values.items()), limit)
