"""One sentence on why a future waited."""

from __future__ import annotations

from asyncfc_jupyter.core.futures import FutureName, State
from asyncfc_jupyter.core.waits import WAITS
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.text import clean, show_seconds
from asyncfc_jupyter.trace.fold.spans import fold
from asyncfc_jupyter.trace.trace import Trace

#: A wait below this is the scheduler's own work, not a reason.
_NOTICEABLE_S = 0.001
#: The longest answer: the message of a failure may fill a page.
_CHARACTERS = 2_000


def explain_wait(trace: Trace, future: FutureName, *, now_s: float | None = None) -> str:
    """Return why a future waited, and why it never ran if it did not.

    Args:
        trace: The run, as far as it has come.
        future: The future's name.
        now_s: Seconds since the run started, of a running run; by default the time of its last fact.
    """
    now_s = trace.end_s if now_s is None else now_s
    spans = fold(trace.events)
    row = spans.futures.rows.get(future)
    if row is None:
        return f"{future} was not issued in this run"
    waits = [
        f"{show_seconds((now_s if s.end is None else s.end) - s.start)}: {s.reason}"
        for s in row.segments
        if s.kind in WAITS and (now_s if s.end is None else s.end) - s.start >= _NOTICEABLE_S
    ]
    waited = f"waited {', then '.join(waits)}" if waits else "did not wait"
    if row.state in (State.SKIPPED, State.CANCELLED) and row.run is None:
        waited += f"; it never ran: {row.outcome}"
    return mask(clean(f"{future} ({row.tool}) {waited}", _CHARACTERS))
