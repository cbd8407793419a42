"""Where everything goes in the static pictures: widths of texts, the time axis, labels, lanes, and parts from top to bottom.

All places are in pixels, and all of it is arithmetic. Readers have fonts of their own, so that widths of texts are estimates,
on the wide side of the usual sans serifs. The page lays out in ``frontend/layout.js`` and ``lanes.js``, where browsers measure
texts; a test holds the bars and the lanes of the two together.
"""

from __future__ import annotations

import heapq
import math
import unicodedata
from dataclasses import dataclass
from typing import Literal

from asyncfc_jupyter.text import show_seconds
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

#: Seconds: a shorter time in the queue is the layer's own work, and is not shown.
SHORTEST_QUEUE_S = 0.001
#: Seconds: a smaller gain is not shown as saved.
LEAST_SAVED_S = 0.0005

PAD = 20
SMALL, BASE, TITLE, FIGURE = 11.5, 12.5, 16.0, 20.0
#: Seconds for which a call that never ran takes room: its sign needs it.
_LEAST_S = 1e-6

#: Width of characters in em, in a wide sans serif. Everything else is taken as `_EM_OTHER`.
_EM = {
    **dict.fromkeys("ijl.,:;'|!`", 0.32),
    **dict.fromkeys(' frt()[]{}/\\-"*', 0.40),
    **dict.fromkeys("mwMWOQ%@—…→", 0.92),
    **dict.fromkeys("ABCDEFGHJKLNPRSTUVXYZ&+=<>#~$_", 0.70),
}
_EM_OTHER = 0.61
_EM_WIDE = 1.05
_BOLD = 1.1
#: Seconds between two labels of the axis.
TICK_STEPS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600),
)
#: Width, in pixels, in which a cut label still has a meaning.
ROOM_TO_CUT = 110.0
#: Room, in pixels, that the sign at the end of a bar needs; narrower bars have none.
SIGN_ROOM = 18.0


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return about how wide a text is drawn at a font size, both in pixels."""
    # Since Python 3.12 `sum` rounds less: the same picture must come out of every version.
    em = math.fsum(_em(character) for character in text)
    return em * size * (_BOLD if bold else 1.0)


def _em(character: str) -> float:
    known = _EM.get(character)
    if known is not None:
        return known
    if character.isascii():
        return _EM_OTHER
    if unicodedata.combining(character):
        return 0.0
    return _EM_WIDE if unicodedata.east_asian_width(character) in "WF" else _EM_OTHER + 0.1


def fit(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """Return as much of a text as fits into a width in pixels, with an ellipsis where it was cut; or nothing."""
    if text_width(text, size, bold=bold) <= width:
        return text
    room = width / (size * (_BOLD if bold else 1.0)) - _em("…")
    kept = 0
    for character in text:
        room -= _em(character)
        if room < 0:
            break
        kept += 1
    # Two letters and an ellipsis have no meaning.
    return text[:kept].rstrip() + "…" if kept >= 3 else ""


def wrap(text: str, size: float, width: float, most: int) -> list[str]:
    """Return a bold text as at most ``most`` lines of a width in pixels, broken at spaces, the last one cut to fit."""
    lines: list[str] = []
    rest = text.split()
    while rest and len(lines) < most - 1:
        count = 1
        while count < len(rest) and text_width(" ".join(rest[: count + 1]), size, bold=True) <= width:
            count += 1
        lines.append(fit(" ".join(rest[:count]), size, width, bold=True))
        rest = rest[count:]
    return [*lines, fit(" ".join(rest), size, width, bold=True)] if rest else lines


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds to pixels."""

    left: float
    right: float
    #: Length of the time axis in seconds; more than 0.
    domain: float

    def __call__(self, seconds: float) -> float:
        """Return where a time is on the axis, in pixels."""
        return self.left + (self.right - self.left) * min(max(seconds, 0.0), self.domain) / self.domain


def ticks(domain: float, most: int) -> list[tuple[float, str]]:
    """Return round times on an axis of ``domain`` seconds, with their labels; at most ``most`` after the zero."""
    least = domain / max(1, most)
    step = next((step for step in TICK_STEPS_S if step >= least), 3600.0 * math.ceil(least / 3600))
    return [(index * step, _tick_label(index * step, step)) for index in range(math.floor(domain / step + 1e-9) + 1)]


def _tick_label(seconds: float, step: float) -> str:
    if seconds == 0:
        return "0"
    if step < 0.1 and seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60 or step < 30:
        return f"{seconds:.{0 if step >= 1 else 1 if step >= 0.1 else 2 if step >= 0.01 else 3}f} s"
    return show_seconds(seconds).replace(" 00 s", "").replace(" 00 min", "")


@dataclass(frozen=True, slots=True)
class Label:
    """A text with its place: ``x`` is where it starts, or, when it is anchored at the end, where it ends."""

    text: str
    x: float
    anchor: Literal["start", "end"]
    inside: bool


def place_label(
    choices: tuple[str, ...],
    size: float,
    bar: tuple[float, float],
    *,
    left: float,
    scale: Scale,
    seen: float | None,
    keep_left: bool = False,
    sign: bool = False,
) -> Label | None:
    """Find room for a row's label: inside its bar, right of it, left of all its segments, or cut where room is widest.

    Args:
        choices: Texts from the longest to the shortest; the last is the one that matters most.
        size: Font size in pixels.
        bar: Where the last segment starts and ends, in pixels.
        left: Where the row's first segment starts, in pixels.
        scale: The time axis: labels stay inside it.
        seen: Where the mark is that the model saw the outcome, in pixels; labels stay off it.
        sign: There is a sign at the end of the bar; labels inside stay off it.
        keep_left: Cut the text rather than write it left of the segments, where the reasons to wait go.
    """
    start, end = bar
    inner = (
        (min(end, seen - 6) if seen is not None and seen < end + 6 else end) - start - (8 + SIGN_ROOM if sign else 16)
    )
    for text in filter(None, choices):
        if text_width(text, size) <= inner:
            return Label(text, start + 8, "start", inside=True)
    text = next((text for text in reversed(choices) if text), "")
    if not text:
        return None
    after = end + 9
    if seen is not None and after + text_width(text, size) + 8 > seen > end - 8:
        after = max(after, seen + 11)
    rooms = [(scale.right - after, after, "start"), (left - 9 - scale.left, left - 9, "end")]
    if keep_left and scale.right - after >= ROOM_TO_CUT:
        rooms = rooms[:1]
    room, x, anchor = next((place for place in rooms if text_width(text, size) <= place[0]), max(rooms))
    if text_width(text, size) > room and inner > room and (cut := fit(text, size, inner)):
        return Label(cut, start + 8, "start", inside=True)
    cut = fit(text, size, room)
    return Label(cut, x, "start" if anchor == "start" else "end", inside=False) if cut else None


def pack(rows: list[RowView]) -> list[list[RowView]]:
    """Return the futures by lanes, where each takes the lowest lane that is free when it begins.

    Each lane is in order of time. Futures without segments are left out.
    """
    lanes: list[list[RowView]] = []
    taken: list[tuple[float, int]] = []
    free: list[int] = []
    for row in sorted((row for row in rows if row["segments"]), key=lambda row: row["segments"][0]["start"]):
        start, end = row["segments"][0]["start"], row["segments"][-1]["end"]
        while taken and taken[0][0] <= start:
            heapq.heappush(free, heapq.heappop(taken)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            lane = len(lanes)
            lanes.append([])
        lanes[lane].append(row)
        heapq.heappush(taken, (max(math.inf if end is None else end, start + _LEAST_S), lane))
    return lanes


class Picture:
    """A view and where its parts go, in pixels, from the top to the bottom."""

    def __init__(self, view: View, width: int) -> None:
        self.view, self.width = view, width
        #: Whether futures share lanes: too many for a row each.
        self.packed = len(view["rows"]) > MOST_ROWS
        self.narrow = width < NARROW
        strips = pack(view["rows"]) if self.packed else [[row] for row in view["rows"]]
        #: The futures of each strip: one, or a lane of many.
        self.strips = strips[:MOST_LANES]
        #: Futures that no strip has room for.
        self.hidden = sum(map(len, strips[MOST_LANES:]))
        rows = [] if self.packed else view["rows"]
        names = max((text_width(row["future"], BASE, bold=True) for row in rows), default=16.0) + 10
        tools = 0.0 if self.narrow else max((text_width(row["tool"], BASE) for row in rows), default=0.0)
        left = PAD + max(names + min(tools, 150.0), text_width("decoding", BASE, bold=True)) + 14
        self.scale = Scale(left, width - PAD, max(view["span"], 0.001) * 1.015)
        #: Where the run ended, if calls ran on after it.
        self.late_end = self.scale(view["now"]) if view["span"] > view["now"] + 0.001 else None
        figures, room = lay_out_figures(view["figures"], width, narrow=self.narrow)
        self.title = wrap(view["title"], TITLE, room, 2)
        head = 20.0 * len(self.title) + 36
        #: Where each figure goes: its anchor point.
        self.figures = [(x, y + head + 30) for x, y in figures] if self.narrow else figures
        self.axis_y = self.figures[-1][1] + 44 if self.narrow and figures else max(head, 56.0) + 28
        self.decode_y, self.rows_y = self.axis_y + 28, self.axis_y + 56
        self.row_h = 34.0 if len(rows) <= 12 else 26.0
        if self.packed:
            self.row_h = 18.0 if len(strips) <= 30 else 11.0
        #: Height of a bar.
        self.bar_h = self.row_h - (3 if self.packed else 8 if self.row_h >= 24 else 4)
        #: Font size of a row.
        self.size = BASE - 1 if self.row_h >= 22 else 10.0
        #: Where the last row ends.
        self.rows_end = self.rows_y + self.row_h * len(self.strips)
        end = self.rows_end + (22 if self.hidden else 0)
        self.legend = lay_out_legend([view], end + 24, width, packed=self.packed)
        self.height = (self.legend[-1][1] if self.legend else end) + 20

    def row_y(self, index: int) -> float:
        """Return the middle of a row."""
        return self.rows_y + self.row_h * (index + 0.5)


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


def lay_out_legend(views: list[View], y: float, width: int, *, packed: bool) -> list[tuple[float, float, str, str]]:
    """Return the entries of the legend for what occurs in the views: where each goes, its kind and its words.

    Lanes have no room for the mark of when the model saw an outcome.
    """
    slowest_s = max((view["now"] for view in views), default=0.0)
    kinds: set[str] = {"saved"} if any(slowest_s - view["now"] >= LEAST_SAVED_S for view in views) else set()
    for view in views:
        kinds |= {span["kind"] for span in view["decode"]}
        for row in view["rows"]:
            for segment in row["segments"]:
                start, end = segment["start"], view["span"] if segment["end"] is None else segment["end"]
                # Neither a moment in the queue nor what begins at the very end of the picture takes any room.
                moment = segment["kind"] == "queued" and segment["end"] is not None and end - start < SHORTEST_QUEUE_S
                if not moment and (segment["kind"] != "discarded" or start < end):
                    kinds.add(kind_of(segment))
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
