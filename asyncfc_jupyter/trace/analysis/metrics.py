"""What a run took, and what it could have taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asyncfc_jupyter.trace.analysis.critical_path import critical_path
from asyncfc_jupyter.trace.fold.decode_lane import Turn
from asyncfc_jupyter.trace.fold.spans import Spans, fold
from asyncfc_jupyter.trace.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Times of one run, in seconds, and ratios of them.

    One-by-one calling is modelled, not measured: the same decoding and the same running times, one after the other,
    without the turns that only waited for results, which it would not have had. Of two requests that ask the same, only the
    one whose reply is used counts. Running times are those of the calls by themselves: what running functions waited for
    each other is left out (`runtime.processor_time`).
    """

    #: From the start of the run to its end, or to its last fact where it has none. What runs after the end, such as a
    #: detached call, counts in none of these figures.
    makespan_s: float
    #: Time in which at least one request was in progress, from its start to the end of its reply, or to its retraction.
    decode_s: float
    #: Sum of the functions' running times, each as it would be by itself.
    tool_s: float
    #: The longest chain of running times through the values passed and the state shared. In the modes without futures
    #: values pass through the model, unseen: there it is a lower bound, and ``bound`` an upper one of what it would be.
    critical_path_s: float
    #: Upper bound of ``speedup`` over one-by-one calling: R of AsyncFC (arXiv 2605.15077),
    #: ``(T_LLM + T_tool) / max(T_LLM, T_cp)``. Not always attainable: a call cannot start before it is decoded.
    bound: float
    #: Modelled time of one-by-one calling over ``makespan_s``.
    speedup: float

    @property
    def share(self) -> float:
        """``speedup`` as a share of ``bound``: 1 is the best that any scheduler could do."""
        return self.speedup / self.bound


def metrics(trace: Trace) -> Metrics:
    """Return the measures of a run; of a trace that was cut, those up to its last fact.

    Every ratio of nothing to nothing is 1.
    """
    return measure(fold(trace.events))


def measure(spans: Spans) -> Metrics:
    """Return the measures of a run that has been folded up to its last fact."""
    now = spans.end_s
    chain = critical_path(spans.futures.rows.values(), now)
    critical_path_s = chain.length_s if chain else 0.0
    working_s = working_decode_s(spans, now)
    tool_s = sum(row.alone_s(now) for row in spans.futures.rows.values())
    one_by_one_s = working_s + tool_s
    return Metrics(
        makespan_s=now,
        decode_s=_covered_s(spans.lane.turns.values(), now),
        tool_s=tool_s,
        critical_path_s=critical_path_s,
        bound=_ratio(one_by_one_s, max(working_s, critical_path_s)),
        speedup=_ratio(one_by_one_s, now),
    )


def working_decode_s(spans: Spans, now: float) -> float:
    """Return the decoding time of one-by-one calling, in seconds.

    Left out are turns that only waited for results, and requests that were retracted: in their place it had the turn that was
    used.
    """
    turns = (turn for turn in spans.lane.used_turns() if not turn.only_waits)
    return sum((now if turn.end is None else turn.end) - turn.start for turn in turns)


def _covered_s(turns: Iterable[Turn], now: float) -> float:
    """Return the time that turns, in order of their start, cover: two that race count once."""
    covered_s, until = 0.0, 0.0
    for turn in turns:
        end = now if turn.end is None else turn.end
        covered_s += max(0.0, end - max(turn.start, until))
        until = max(until, end)
    return covered_s


def _ratio(above: float, below: float) -> float:
    return above / below if above > 0 and below > 0 else 1.0
