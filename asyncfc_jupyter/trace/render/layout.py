"""Where the parts of the static picture go, in pixels, from the head to the legend."""

from __future__ import annotations

from dataclasses import dataclass

from asyncfc_jupyter.trace.render.geometry import Scale, text_width, wrap
from asyncfc_jupyter.trace.render.lane_packing import pack
from asyncfc_jupyter.trace.view.legend import LOOKS
from asyncfc_jupyter.trace.view.wire_format import Figure, RowView, SegmentView, View

#: More rows than this are packed into lanes.
MOST_ROWS = 40
#: Lanes after which a static picture stops: more cannot be read, and the interactive view has them all.
MOST_LANES = 60
#: Narrower pictures, in pixels, put the figures below the title and leave out the names of the tools.
NARROW = 640
#: Arrows are drawn up to this many rows: more could not be followed.
MOST_ARROW_ROWS = 30
#: Pixels between the label of the run's end and those of the axis.
END_ROOM = 34.0
#: Pixels of the gap in a bar where an attempt failed: its sign fits.
RETRY_ROOM = 11.0

#: Seconds: a place in the queue for less is the layer's own work, and nobody's wait.
SHORTEST_QUEUE_S = 0.001
#: Seconds: less is not told as saved.
LEAST_SAVED_S = 0.0005

PAD = 20
SMALL, BASE, TITLE, FIGURE = 11.5, 12.5, 16.0, 20.0


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
    #: The futures of each strip: one, or a lane of many.
    strips: list[list[RowView]]
    #: Futures that no strip has room for.
    hidden: int
    packed: bool
    legend: list[tuple[float, float, str, str]]
    height: float
    title: list[str]
    #: Where each figure goes: its anchor point.
    figures: list[tuple[float, float]]

    @property
    def rows_end(self) -> float:
        """Where the last row ends."""
        return self.rows_y + self.row_h * len(self.strips)

    @property
    def bar_h(self) -> float:
        """Height of a bar."""
        return self.row_h - (3 if self.packed else 8 if self.row_h >= 24 else 4)

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
        packed = len(view["rows"]) > MOST_ROWS
        strips = pack(view["rows"]) if packed else [[row] for row in view["rows"]]
        shown = strips[:MOST_LANES]
        rows = [] if packed else view["rows"]
        narrow = width < NARROW
        names = max((text_width(row["future"], BASE, bold=True) for row in rows), default=16.0) + 10
        tools = 0.0 if narrow else max((text_width(row["tool"], BASE) for row in rows), default=0.0)
        label_w = max(names + min(tools, 150.0), text_width("decoding", BASE, bold=True)) + 14
        domain = max(view["span"], 0.001) * 1.015
        scale = Scale(PAD + label_w, width - PAD, domain)
        figures, room = lay_out_figures(view["figures"], width, narrow=narrow)
        title = wrap(view["title"], TITLE, room, 2)
        head = 20.0 * len(title) + 36
        figures = [(x, y + head + 30) for x, y in figures] if narrow else figures
        axis_y = figures[-1][1] + 44 if narrow and figures else max(head, 56.0) + 28
        row_h = (18.0 if len(strips) <= 30 else 11.0) if packed else 34.0 if len(rows) <= 12 else 26.0
        rows_y = axis_y + 56
        rows_end = rows_y + row_h * len(shown) + (22 if len(strips) > len(shown) else 0)
        legend = lay_out_legend([view], rows_end + 24, width, packed=packed)
        return cls(
            view=view,
            width=width,
            narrow=narrow,
            scale=scale,
            axis_y=axis_y,
            decode_y=axis_y + 28,
            rows_y=rows_y,
            row_h=row_h,
            strips=shown,
            hidden=sum(map(len, strips[MOST_LANES:])),
            packed=packed,
            legend=legend,
            height=(legend[-1][1] if legend else rows_end) + 20,
            title=title,
            figures=figures,
        )


def kind_of(segment: SegmentView) -> str:
    """Return what a segment is drawn as: waits on shared state look different by their hazard."""
    return f"hazard-{segment.get('hazard', 'RAW')}" if segment["kind"] == "hazard" else segment["kind"]


def lay_out_figures(figures: list[Figure], width: int, *, narrow: bool) -> tuple[list[tuple[float, float]], float]:
    """Return where the figures go, and how wide the title may be; in a narrow picture from a height of 0."""
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


def _is_drawn(segment: SegmentView, view: View) -> bool:
    """Whether a segment takes any room.

    What goes on from the very end of the picture does not, nor does a place in the queue that nobody waited in.
    """
    end = view["span"] if segment["end"] is None else segment["end"]
    if segment["kind"] == "queued":
        return segment["end"] is None or end - segment["start"] >= SHORTEST_QUEUE_S
    return segment["kind"] != "discarded" or segment["start"] < end


def lay_out_legend(views: list[View], y: float, width: int, *, packed: bool) -> list[tuple[float, float, str, str]]:
    """Return what occurs in the views, each with its place and its kind; lanes have no room for what the model saw."""
    slowest_s = max((view["now"] for view in views), default=0.0)
    kinds: set[str] = {"saved"} if any(slowest_s - view["now"] >= LEAST_SAVED_S for view in views) else set()
    for view in views:
        kinds |= {span["kind"] for span in view["decode"]}
        kinds |= {kind_of(segment) for row in view["rows"] for segment in row["segments"] if _is_drawn(segment, view)}
        kinds |= {"seen"} if not packed and any(row["seen"] is not None for row in view["rows"]) else set()
        kinds |= {"critical"} if any(row["critical"] for row in view["rows"]) else set()
        kinds |= {"overlap"} if view["overlap"] else set()
    x, placed = float(PAD), []
    for kind, look in LOOKS.items():
        if kind in kinds and look.words:
            needed = 24 + text_width(look.words, SMALL)
            if x + needed > width - PAD and x > PAD:
                x, y = float(PAD), y + 20
            placed.append((x, y, kind, look.words))
            x += needed + 14
    return placed
