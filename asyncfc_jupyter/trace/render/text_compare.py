"""A comparison as plain text: one bar for each run, and what it saved."""

from __future__ import annotations

from collections.abc import Iterator

from asyncfc_jupyter.text import show_seconds
from asyncfc_jupyter.trace.render.text import axis, columns, cut, decode_lane, pad
from asyncfc_jupyter.trace.view.legend import LOOKS, text_keys
from asyncfc_jupyter.trace.view.wire_format import ComparisonView

#: Characters of a run's name.
_NAME = 20


def render_comparison_text(view: ComparisonView, *, width: int = 100) -> str:
    """Return the comparison as lines of at most ``width`` cells (at least 60): each run's decode lane, on one axis."""
    return "\n".join(line.rstrip() for line in _lines(view, max(60, width)))


def _lines(view: ComparisonView, width: int) -> Iterator[str]:
    names = [cut(run["name"], _NAME) for run in view["runs"]]
    left = max(map(columns, names)) + 2
    lane = width - left - 24
    domain = max(view["span"], 0.001)
    yield cut(view["title"], width)
    yield cut(view["subtitle"], width)
    yield ""
    yield " " * left + axis(domain, lane)
    for name, run in zip(names, view["runs"], strict=True):
        now = run["view"]["now"]
        end = round(lane * now / domain)
        drawn = decode_lane(run["view"]["decode"], now, domain, lane)
        saved = run["note"].split(",")[0] if run["note"].startswith("saved") else ""
        drawn = drawn[:end] + LOOKS["saved"].cell * (lane - end) if saved else drawn
        yield pad(name, left) + pad(drawn, lane + 2) + f"{show_seconds(now)} {saved}".strip()
    yield ""
    yield "   ".join(text_keys(["first_token", "call", "text", "await", "saved"]))
