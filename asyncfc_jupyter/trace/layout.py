"""Where the parts of the static picture go, in pixels, from the head to the legend."""

from __future__ import annotations

from dataclasses import dataclass

from asyncfc_jupyter.trace.geometry import Scale, text_width, wrap
from asyncfc_jupyter.trace.view import RowView, View

#: Rows after which a static picture stops: more cannot be read, and the interactive view has them all.
MOST_ROWS = 60
#: Narrower pictures, in pixels, put the figures below the title and leave out the names of the tools.
NARROW = 640

PAD = 20
SMALL, BASE, TITLE, FIGURE = 11.5, 12.5, 16.0, 20.0
_LEGEND = (
    ("first", "to first token"),
    ("call", "a call"),
    ("text", "text"),
    ("running", "running"),
    ("done", "ran"),
    ("failed", "failed"),
    ("cancelled", "cancelled"),
    ("skipped", "skipped"),
    ("data", "needs a value"),
    ("hazard", "held: shared state"),
    ("limit", "held: limit"),
    ("seen", "the model saw it"),
    ("critical", "critical path"),
    ("overlap", "overlap"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A view and where its parts go, in pixels."""

    view: View
    width: int
    narrow: bool
    scale: Scale
    axis_y: float
    decode_y: float
    rows_y: float
    row_h: float
    rows: list[RowView]
    legend: list[tuple[float, float, str, str]]
    height: float
    title: list[str]
    #: Where each figure goes: its anchor point.
    figures: list[tuple[float, float]]

    @property
    def rows_end(self) -> float:
        """Where the last row ends."""
        return self.rows_y + self.row_h * len(self.rows)

    @property
    def bar_h(self) -> float:
        """Height of a bar."""
        return self.row_h - (8 if self.row_h >= 24 else 4)

    @property
    def size(self) -> float:
        """Font size of a row."""
        return BASE - 1 if self.row_h >= 22 else 10.0

    def row_y(self, index: int) -> float:
        """Return the middle of a row."""
        return self.rows_y + self.row_h * (index + 0.5)

    @classmethod
    def lay_out(cls, view: View, width: int) -> Picture:
        """Place everything, from the top to the bottom."""
        rows = view["rows"][:MOST_ROWS]
        narrow = width < NARROW
        names = max((text_width(row["future"], BASE, bold=True) for row in rows), default=16.0) + 10
        tools = 0.0 if narrow else max((text_width(row["tool"], BASE) for row in rows), default=0.0)
        label_w = max(names + min(tools, 150.0), text_width("decoding", BASE, bold=True)) + 14
        ends = [segment["end"] or 0.0 for row in rows for segment in row["segments"]]
        domain = max([view["now"], 0.001, *ends]) * 1.015
        scale = Scale(PAD + label_w, width - PAD, domain)
        figures, room = _lay_out_figures(view, width, narrow=narrow)
        title = wrap(view["title"], TITLE, room, 2)
        head = 20.0 * len(title) + 36
        figures = [(x, y + head + 30) for x, y in figures] if narrow else figures
        axis_y = figures[-1][1] + 44 if narrow and figures else max(head, 56.0) + 28
        row_h = 34.0 if len(rows) <= 12 else 26.0 if len(rows) <= 30 else 18.0
        rows_y = axis_y + 56
        rows_end = rows_y + row_h * len(rows) + (22 if len(view["rows"]) > len(rows) else 0)
        legend = _lay_out_legend(view, rows_end + 24, width)
        return cls(
            view=view,
            width=width,
            narrow=narrow,
            scale=scale,
            axis_y=axis_y,
            decode_y=axis_y + 28,
            rows_y=rows_y,
            row_h=row_h,
            rows=rows,
            legend=legend,
            height=(legend[-1][1] if legend else rows_end) + 20,
            title=title,
            figures=figures,
        )


def _lay_out_figures(view: View, width: int, *, narrow: bool) -> tuple[list[tuple[float, float]], float]:
    """Return where the figures go, and how wide the title may be."""
    figures = view["figures"]
    if narrow:
        columns = 2 if width < 520 and len(figures) == 4 else max(1, len(figures))
        step = (width - 2 * PAD) / columns
        places = [(PAD + step * (i % columns), 46.0 * (i // columns)) for i in range(len(figures))]
        return places, width - 2.0 * PAD
    places, right = [], float(width - PAD)
    for figure in reversed(figures):
        places.append((right, 37.0))
        right -= 22 + max(text_width(figure["value"], FIGURE, bold=True), text_width(figure["label"], SMALL))
    return places[::-1], right - PAD


def _lay_out_legend(view: View, y: float, width: int) -> list[tuple[float, float, str, str]]:
    kinds: set[str] = {{"first_token": "first"}.get(span["kind"], span["kind"]) for span in view["decode"]}
    kinds |= {segment["kind"] for row in view["rows"] for segment in row["segments"]}
    kinds |= {"seen"} if any(row["seen"] is not None for row in view["rows"]) else set()
    kinds |= {"critical"} if any(row["critical"] for row in view["rows"]) else set()
    kinds |= {"overlap"} if view["overlap"] else set()
    x, placed = float(PAD), []
    for kind, label in _LEGEND:
        if kind in kinds:
            needed = 24 + text_width(label, SMALL)
            if x + needed > width - PAD and x > PAD:
                x, y = float(PAD), y + 20
            placed.append((x, y, kind, label))
            x += needed + 14
    return placed
