"""Several runs on one time axis: what each took, and what the quicker ones saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from asyncfc_jupyter.core.events import RunStarted
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.text import clean, count, show_seconds
from asyncfc_jupyter.trace.render.layout import LEAST_SAVED_S
from asyncfc_jupyter.trace.render.timeline import Drawing
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.trace.view.view import timeline_view
from asyncfc_jupyter.trace.view.wire_format import VIEW_VERSION, ComparisonView, Figure, RunView

#: Characters of a run's name.
_NAME = 40


@runtime_checkable
class HasTrace(Protocol):
    """A run, as far as comparing needs one."""

    @property
    def trace(self) -> Trace:
        """Its facts."""


class Comparison(Drawing):
    """Several traces, drawn one below the other from the same zero."""

    def __init__(self, traces: Sequence[Trace], names: Sequence[str]) -> None:
        self.traces, self.names = tuple(traces), tuple(names)

    def view(self) -> ComparisonView:
        """Return the data of the picture: times in seconds since each run started."""
        views = [timeline_view(trace) for trace in self.traces]
        longest_s = max(view["now"] for view in views)
        fastest = min(views, key=lambda view: view["now"])
        runs = []
        for name, view in zip(self.names, views, strict=True):
            saved_s = longest_s - view["now"]
            saved = f"saved {show_seconds(saved_s)}" if saved_s >= LEAST_SAVED_S else ""
            note = ", ".join(filter(None, (saved, view["subtitle"])))
            runs.append(RunView(name=mask(clean(name, _NAME)), note=note, view=view))
        figures = [
            Figure(value=show_seconds(view["now"]), label=run["name"]) for run, view in zip(runs, views, strict=True)
        ]
        if fastest["now"] > 0:
            figures.append(Figure(value=f"{longest_s / fastest['now']:.2f}x", label="fastest over slowest"))
        return ComparisonView(
            version=VIEW_VERSION,
            title=views[-1]["title"],
            subtitle=f"{count(len(runs), 'run')} on one time axis",
            span=max(view["span"] for view in views),
            figures=figures,
            runs=runs,
        )


def compare(*runs: HasTrace | Trace, names: Sequence[str] = ()) -> Comparison:
    """Return several runs on one time axis, to be shown in a notebook or saved as HTML, SVG or text.

    Args:
        runs: Runs, or traces of them, in the order in which they are to stand.
        names: What to call them; by default their modes, with a number where two are alike.

    Raises:
        UsageError: There are no runs, something else was given, or the names are not one for each.
    """
    if not runs:
        raise UsageError("compare() needs at least one run; pass runs or traces, such as compare(first, second).")
    traces = [_trace_of(run) for run in runs]
    if names and len(names) != len(runs):
        raise UsageError(
            f"compare() was given {count(len(runs), 'run')} and {count(len(names), 'name')}; pass one for each."
        )
    return Comparison(traces, tuple(names) or _own_names(traces))


def _trace_of(value: object) -> Trace:
    if isinstance(value, Trace):
        return value
    if isinstance(value, HasTrace):
        return value.trace
    raise UsageError(
        f"compare() takes runs and traces, and was given a {type(value).__name__}; pass a run, such as _agent."
    )


def _own_names(traces: Sequence[Trace]) -> tuple[str, ...]:
    modes = [
        next((stamped.event.mode for stamped in trace if isinstance(stamped.event, RunStarted)), "run")
        for trace in traces
    ]
    return tuple(
        mode if modes.count(mode) == 1 else f"{mode} {modes[: n + 1].count(mode)}" for n, mode in enumerate(modes)
    )
