"""The timeline as plain text: for terminals, logs and ``text/plain``.

One character cell is the unit, so a bar is rounded to whole cells, and has at least one. Waiting is
drawn lighter than running, and differently for each kind, so that the picture needs no colour. The reason for a wait stands
before the bars where there is room, and else below all rows.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator

from asyncfc_jupyter.core.waits import WAITS
from asyncfc_jupyter.text import show_seconds
from asyncfc_jupyter.trace.render.layout import SHORTEST_QUEUE_S, ticks
from asyncfc_jupyter.trace.view.legend import LOOKS, text_keys
from asyncfc_jupyter.trace.view.view import wait_reasons
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, DecodeView, RowView, View

#: Rows after which a text stops: more are not read in a terminal, and the interactive picture has them all.
MOST_ROWS = 60
#: Characters of a run's name.
_RUN_NAME = 20
#: The least width of a lane, in cells, in which bars can be seen.
_LEAST_LANE = 20


def render_text(view: View | ComparisonView, *, width: int = 100) -> str:
    """Return a timeline or a comparison as lines of at most ``width`` cells, without trailing spaces and without colour.

    Fewer than 60 cells are taken as 60. Of a comparison each run's decode lane is drawn, all on one axis.
    """
    width = max(60, width)
    lines = _comparison_lines(view, width) if "runs" in view else _lines(view, width)
    return "\n".join(line.rstrip() for line in lines)


def _lines(view: View, width: int) -> Iterator[str]:
    yield cut(view["title"], width)
    yield cut(view["subtitle"], width)
    yield from _joined((f"{figure['value']} {figure['label']}" for figure in view["figures"]), " · ", width)
    yield ""
    names = max((columns(row["future"]) for row in view["rows"]), default=2)
    tools = min(20, max((columns(row["tool"]) for row in view["rows"]), default=0))
    left = max(names + 1 + tools, len("decoding")) + 2
    notes = []
    for row in view["rows"]:
        state, label = row["state"], row["label"]
        word = "" if state in {"done", "pending"} or label.startswith(state) else state
        notes.append(": ".join(filter(None, (word, label))))
    right = min(max((columns(note) for note in notes), default=0), (width - left) * 2 // 5)
    lane = max(_LEAST_LANE, width - left - (right + 2 if right else 0))
    domain = max(view["span"], 0.001)
    yield " " * left + axis(domain, lane)
    for name, drawn in zip(
        ("decoding", "  raced"), decode_lanes(view["decode"], view["now"], domain, lane), strict=False
    ):
        yield pad(name, left) + drawn
    below = []
    for row, outcome in zip(view["rows"][:MOST_ROWS], notes, strict=False):
        label = pad(row["future"], names + 1) + cut(row["tool"], tools)
        drawn, why = _row_lane(row, view["span"], domain, lane), _why(row)
        free = len(drawn) - len(drawn.lstrip())
        if why.isascii() and len(why) + 2 <= free:
            drawn = f"{why:>{free - 1}} {drawn[free:]}"
        elif why:
            below.append(cut(f"{row['future']} waited {why}", width))
        yield pad(label, left) + pad(drawn, lane + 2) + cut(outcome, right)
    if len(view["rows"]) > MOST_ROWS:
        yield f"and {len(view['rows']) - MOST_ROWS} more"
    yield from ["", *below] if below else []
    yield ""
    yield from _joined(text_keys(_kinds_in(view)), "   ", width)


def _kinds_in(view: View) -> set[str]:
    """Return the kinds of everything that is drawn of a view."""
    kinds: set[str] = {span["kind"] for span in view["decode"]}
    for row in view["rows"]:
        kinds |= {"seen"} if row["seen"] is not None else set()
        for segment in row["segments"]:
            lasts_s = math.inf if segment["end"] is None else segment["end"] - segment["start"]
            if segment["kind"] != "queued" or lasts_s >= SHORTEST_QUEUE_S:
                kinds.add(segment["kind"])
    return kinds


def _why(row: RowView) -> str:
    """Return how long and why a call waited; without the time if that is too short to be shown."""
    waited = sum(
        segment["end"] - segment["start"]
        for segment in row["segments"]
        if segment["kind"] in WAITS and segment["end"] is not None
    )
    reasons = wait_reasons(row)
    return f"{waited:.1f} s: {reasons}" if waited >= 0.05 and reasons else reasons


def _comparison_lines(view: ComparisonView, width: int) -> Iterator[str]:
    names = [cut(run["name"], _RUN_NAME) for run in view["runs"]]
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
        drawn, *raced = decode_lanes(run["view"]["decode"], now, domain, lane)
        saved = run["note"].split(",")[0] if run["note"].startswith("saved") else ""
        drawn = drawn[:end] + LOOKS["saved"].cell * (lane - end) if saved else drawn
        yield pad(name, left) + pad(drawn, lane + 2) + f"{show_seconds(now)} {saved}".strip()
        yield from (" " * left + below for below in raced)
    yield ""
    drawn_kinds = {span["kind"] for run in view["runs"] for span in run["view"]["decode"]}
    abandoned = drawn_kinds & {"abandoned"}
    yield "   ".join(text_keys(["first_token", "call", "text", "await", *abandoned, "saved"]))


def axis(domain: float, lane: int) -> str:
    """Return the time axis: labels of round times, each at its place."""
    line = ""
    for seconds, label in ticks(domain, max(2, lane // 9)):
        at = round(lane * seconds / domain)
        if at + len(label) <= lane and at >= len(line):
            line = line.ljust(at) + label + " "
    return line


def decode_lanes(decode: list[DecodeView], now: float, domain: float, lane: int) -> list[str]:
    """Return the decode lane, ``lane`` cells for ``domain`` seconds; if requests raced, one more for the second."""
    second = [span for span in decode if span.get("half") == "lower"]
    first = [span for span in decode if span.get("half") != "lower"] if second else decode
    return [_decode_lane(spans, now, domain, lane) for spans in ([first, second] if second else [first])]


def _decode_lane(decode: list[DecodeView], now: float, domain: float, lane: int) -> str:
    cells = [" "] * (lane + 1)
    for span in decode:
        first, last = _place(span["start"], now if span["end"] is None else span["end"], domain, lane)
        if span["kind"] == "await" and last - first < 2:
            continue
        cells[first:last] = LOOKS[span["kind"]].cell * (last - first)
        # A call's name replaces its texture where it has room.
        if span["kind"] == "call" and last - first >= columns(span["label"]) + 1:
            cells[first : first + len(span["label"])] = span["label"]
    return "".join(cells)


def _row_lane(row: RowView, now: float, domain: float, lane: int) -> str:
    cells = [" "] * (lane + 1)
    at = 0
    for segment in row["segments"]:
        if segment["kind"] == "discarded" and segment["start"] >= now:
            continue
        at, last = _place(segment["start"], now if segment["end"] is None else segment["end"], domain, lane)
        look = LOOKS[segment["kind"]]
        if segment["start"] != segment["end"]:
            cells[at:last] = (look.cell or LOOKS["running"].cell) * (last - at)
            at = last - 1
        if look.sign:
            cells[at] = look.sign
    if row["seen"] is not None:
        seen = min(lane, max(round(lane * row["seen"] / domain), at + 1))
        cells[seen] = LOOKS["seen"].sign
    return "".join(cells)


def _place(start: float, end: float, domain: float, lane: int) -> tuple[int, int]:
    """Return the first cell of a stretch and the one after its last; at least one cell."""
    first = min(lane - 1, max(0, round(lane * start / domain)))
    return first, min(lane, max(first + 1, round(lane * end / domain)))


def _joined(texts: Iterable[str], between: str, width: int) -> Iterator[str]:
    """Yield texts on as few lines as they fit on; a text is cut only where it is wider than a line."""
    line = ""
    for text in texts:
        if line and columns(line) + len(between) + columns(text) > width:
            yield line
            line = ""
        line += (between if line else "") + cut(text, width)
    yield line


def columns(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, width: int) -> str:
    """Return the text, filled up with spaces to a width in cells."""
    return text + " " * max(0, width - columns(text))


def cut(text: str, width: int) -> str:
    """Return the text, cut to a width in cells."""
    if columns(text) <= width:
        return text
    kept, room = "", width - 1
    for character in text:
        room -= _cell(character)
        if room < 0:
            break
        kept += character
    return kept.rstrip() + "…" if width > 0 else ""
