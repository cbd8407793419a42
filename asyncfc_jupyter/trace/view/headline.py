"""The head of the picture: the title, one line on the run, and its main figures."""

from __future__ import annotations

import re

from asyncfc_jupyter.text import clean, count, show_seconds
from asyncfc_jupyter.trace.analysis.critical_path import critical_path
from asyncfc_jupyter.trace.analysis.metrics import Metrics, working_decode_s
from asyncfc_jupyter.trace.fold.spans import Spans
from asyncfc_jupyter.trace.view.wire_format import Figure

#: Characters of each kind of text: a title fits two lines at notebook width, the others fit a tooltip.
_TITLE, _WORD, _TEXT = 90, 60, 200
#: Rows for each second between two measures of a live run's critical path, which looks at every row: it takes about a
#: thousandth of the time.
_ROWS_PER_S = 500
#: Marks of Markdown within a line. Three stars are those of a masked key.
_MARKUP = re.compile(r"`|(?<!\*)\*\*(?!\*)")


class LiveBound:
    """The upper bound of a running run's speed-up, measured at intervals."""

    def __init__(self) -> None:
        self._bound, self._due_s = 1.0, 0.0

    def at(self, spans: Spans, now: float) -> float:
        """Return the upper bound on the speed-up at ``now``, in seconds since the run started."""
        if now >= self._due_s:
            rows = spans.futures.rows
            chain = critical_path(rows.values(), now)
            working_s = working_decode_s(spans, now)
            longest_s = max(working_s, chain.length_s if chain else 0.0)
            self._bound = (working_s + spans.futures.tool_s(now)) / longest_s if longest_s > 0 else 1.0
            self._due_s = now + max(0.5, len(rows) / _ROWS_PER_S)
        return self._bound


def title(spans: Spans) -> str:
    """Return the prompt's first line; of a plan for rehearsal, its opening comment or the first line of its answer."""
    if spans.started is None:
        return "A run"
    lines = [line.strip() for line in spans.started.prompt[:4000].splitlines() if line.strip()]
    first = lines[0] if lines else ""
    if spans.started.model == "rehearsal":
        used = list(spans.lane.used_turns()) if spans.ended else []
        answer = used[-1].text if used else ""
        plain = answer.strip().split("\n")[0].lstrip("# ")
        plain = _MARKUP.sub("", plain)
        first = first.lstrip("# ") if first.startswith("#") else plain or first
    return clean(first, _TITLE) or "A run"


def subtitle(spans: Spans, *, live: bool) -> str:
    """Return the progress or the outcome of the run, its model and its mode."""
    turns, futures = len(spans.lane.turns), len(spans.futures.rows)
    done = f"{spans.futures.settled} of " if live and futures else ""
    parts = [f"{done}{count(futures, 'future')}{' done' if done else ''}"] if futures else []
    if spans.started is not None:
        parts.append(clean(spans.started.model, _WORD))
        parts += [f"{clean(spans.started.mode, _WORD)} calling"] if spans.started.mode != "async" else []
    if live:
        return ", ".join([f"turn {turns}" if turns else "asking", *parts])
    outcome, detail = (spans.ended.outcome, spans.ended.detail) if spans.ended else ("cut off", "")
    verb = f"{outcome} {'in' if outcome == 'answered' else 'after'} {count(turns, 'turn')}"
    abandoned = sum(turn.retracted_by is not None for turn in spans.lane.turns.values())
    verb += f" ({abandoned} abandoned)" if abandoned else ""
    return ", ".join([verb, *parts]) + (f": {clean(detail, _TEXT)}" if detail else "")


def live_figures(spans: Spans, now: float, bound: LiveBound) -> list[Figure]:
    """Return the figures of a running run: elapsed, overlapped, the speed-up so far, and its bound."""
    figures = [Figure(value=show_seconds(now), label="elapsed", clock=True)]
    if spans.futures.rows and now > 0:
        overlap_s = sum((now if end is None else end) - start for start, end in spans.overlap)
        one_by_one_s = working_decode_s(spans, now) + spans.futures.tool_s(now)
        figures.append(Figure(value=show_seconds(overlap_s), label="overlapped"))
        figures.append(Figure(value=f"{max(1.0, one_by_one_s / now):.2f}x", label="over one by one, so far"))
        if _knows_needs(spans):
            figures.append(Figure(value=f"{bound.at(spans, now):.2f}x", label="possible at most"))
    return figures


def final_figures(metrics: Metrics, spans: Spans) -> list[Figure]:
    """Return the figures of a run that has ended."""
    figures = [Figure(value=show_seconds(metrics.makespan_s), label="elapsed")]
    if spans.futures.rows:
        figures.append(Figure(value=f"{metrics.speedup:.2f}x", label="over one by one"))
        if _knows_needs(spans):
            figures += [
                Figure(value=f"{metrics.bound:.2f}x", label="possible at most"),
                Figure(value=f"{100 * metrics.share:.0f}%", label="of what was possible"),
            ]
    return figures


def _knows_needs(spans: Spans) -> bool:
    # Without futures the model writes values into the arguments itself: which call needed which is not known, and the
    # bound would be too high.
    return spans.started is None or spans.started.mode == "async"
