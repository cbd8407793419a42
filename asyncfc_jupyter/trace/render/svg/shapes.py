"""The shapes that the static pictures are made of, each as elements of an SVG; all places in pixels."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from asyncfc_jupyter.core.waits import WAITS
from asyncfc_jupyter.trace.render.layout import RETRY_ROOM, SIGN_ROOM, SMALL, Scale, kind_of, text_width
from asyncfc_jupyter.trace.view.legend import LOOKS
from asyncfc_jupyter.trace.view.wire_format import RowView, SegmentView, View


def rect(style: str, x: float, y: float, width: float, height: float, *, rx: float = 0.0, more: str = "") -> str:
    """Return a rectangle; places and sizes are in pixels.

    ``style`` is a class, or a pattern such as ``url(#data)``; an empty one leaves the look to the group of the rectangle.
    ``rx`` is the radius of the corners, and ``more`` holds more attributes.
    """
    look = f' fill="{style}"' if style.startswith("url(") else f' class="{style}"' if style else ""
    corners = f' rx="{round(rx, 1):g}"' if rx else ""
    return f'<rect{look}{more} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{corners}/>'


def draw_decode(view: View, scale: Scale, y: float, half: float) -> Iterator[str]:
    """Draw what the model did, turn by turn, around the height ``y``."""
    for span in view["decode"]:
        x0, x1 = scale(span["start"]), scale(view["now"] if span["end"] is None else span["end"])
        if span["kind"] == "await":
            if x1 - x0 > 4:
                yield f'<path class="wait-line" d="M{x0 + 3:.1f} {y:.1f}H{max(x0 + 3, x1 - 3):.1f}"/>'
                room, texts = x1 - x0 - 14, (span["label"], "waiting")
                label = next((text for text in texts if text and text_width(text, SMALL) <= room), "")
                yield from write_clear(label, (x0 + x1) / 2, y, "paper") if label else ()
            continue
        kind, part = span["kind"], span.get("half", "")
        # Two requests at once have half of the height each, and a gap between them.
        top, high = (y + 1 if part == "lower" else y - half), (half - 1 if part else 2 * half)
        if kind == "abandoned":
            bar = "".join(_draw_abandoned(x0, top, max(0.8, x1 - x0 - 1), high))
            yield f"<g><title>{escape(span['label'])}</title>{bar}</g>"
            continue
        style = "retry" if kind == "retry" else LOOKS[kind].colour
        named = {"reasoning": "reasoning", "retry": "retry", "text": "answer" if span is view["decode"][-1] else ""}
        yield rect(style, x0, top, max(0.8, x1 - x0 - 1), high, rx=3)
        if part:
            continue
        label, ink = named.get(kind, span["label"]), "problem" if kind == "retry" else f"{style}-ink"
        if label and text_width(label, SMALL, bold=True) <= x1 - x0 - 5:
            yield write(label, (x0 + x1) / 2, y + 4, ink, SMALL, bold=True, anchor="middle")
    drawn = 0.0
    for start in view["turns"][1:]:
        # Boundaries closer than this would look like a bar.
        if scale(start) - drawn < 3:
            continue
        drawn = scale(start)
        yield f'<path class="turn" d="M{scale(start):.1f} {y - half - 4:.1f}v{2 * half + 8:g}"/>'


def _draw_abandoned(x: float, y: float, width: float, height: float) -> Iterator[str]:
    """Draw a request of which nothing is used: fine lines with a fine edge."""
    yield rect("url(#abandoned)", x, y, width, height, rx=3)
    yield rect("abandoned-edge", x + 0.5, y + 0.5, max(0.3, width - 1), height - 1, rx=2.5)


def write_clear(
    text: str, x: float, y: float, ground: str, style: str = "muted", *, bold: bool = False
) -> Iterator[str]:
    """Write a small text around a point, on clear ground."""
    wide = text_width(text, SMALL, bold=bold) + 8
    yield rect(ground, x - wide / 2, y - 8, wide, 16)
    yield write(text, x, y + 4, style, SMALL, bold=bold, anchor="middle")


def draw_in_lane(view: View, row: RowView, scale: Scale, y: float, half: float) -> Iterator[str]:
    """Draw one of many futures of a lane, with its name where it fits."""
    yield f"<g><title>{escape(describe_row(row))}</title>"
    spans = segment_spans(row, scale, view["span"])
    for x0, x1, segment in spans:
        yield from draw_segment(segment, x0, x1, y, half, critical=row["critical"], right=scale.right)
    x0, x1, last = next((span for span in reversed(spans) if span[2]["kind"] != "discarded"), spans[-1])
    room = x1 - x0 - 8 - (SIGN_ROOM - 5 if ends_in_sign(last, x1 - x0) else 0)
    if half >= 7 and last["kind"] not in WAITS and text_width(row["future"], 10) <= room:
        yield write(row["future"], x0 + 5, y + 3.5, f"{last['kind']}-ink", 10)
    yield "</g>"


def ends_in_sign(segment: SegmentView, wide: float) -> bool:
    """Whether a bar of this width has a sign at its end."""
    return segment["kind"] in {"failed", "cancelled"} and wide >= SIGN_ROOM


def segment_spans(row: RowView, scale: Scale, open_end: float) -> list[tuple[float, float, SegmentView]]:
    """Return where each segment starts and ends; an open one ends at ``open_end``, in seconds."""
    return [(scale(s["start"]), scale(open_end if s["end"] is None else s["end"]), s) for s in row["segments"]]


def draw_segment(
    s: SegmentView, x0: float, x1: float, y: float, half: float, *, critical: bool, right: float
) -> Iterator[str]:
    """Draw a stretch of a future's life from ``x0`` to ``x1``, around the height ``y``; signs stay left of ``right``."""
    wide = x1 - x0
    if s["kind"] in {"arguments", "queued", "discarded", *WAITS}:
        yield from _draw_thin(s, x0, wide, y, half)
        return
    if s["kind"] == "skipped" or (s["start"] == s["end"] and s["kind"] != "done"):
        at, last, clear = x0 + 7, right - 7, min(half, 8.0)
        if at > last:
            # On clear ground where the sign would leave the axis.
            yield rect("lane", last - 7, y - clear, 14, 2 * clear, rx=2)
        yield from _draw_sign(s["kind"], min(at, last), y)
        return
    # The fill of a running call is pale: an edge makes it visible.
    edge = "critical" if critical else "open" if s["kind"] == "running" else ""
    inset = 0.8 if edge else 0.0
    bar = rect(edge, x0 + inset, y - half + inset, max(1.5, wide - 2 * inset), 2 * (half - inset), rx=4)
    yield f'<g class="{s["kind"]}">{bar}</g>'
    if ends_in_sign(s, wide):
        yield from _draw_sign(f"{s['kind']}-ink", x1 - 10, y)


def _draw_thin(s: SegmentView, x0: float, wide: float, y: float, half: float) -> Iterator[str]:
    """Draw what is not work: the stream of the arguments, a time in the queue, a wait, or a run whose result is discarded."""
    kind = s["kind"]
    if kind == "discarded" and wide <= 2:
        return
    thin, style, width = half * 0.72, "discarded", wide
    if kind in {"arguments", "queued"}:
        thin = half * 0.32 if kind == "arguments" else 1.0
        style, width = LOOKS[kind].colour, max(0.6, wide)
    elif kind in WAITS:
        style, width = f"url(#{kind_of(s)})", max(0.0, wide - 0.5)
    yield rect(style, x0, y - thin, width, 2 * thin, rx=min(3, thin))


def _draw_sign(kind: str, x: float, y: float) -> Iterator[str]:
    """Draw the sign of a call without a result: a cross for failed, a bar for cancelled, a leap for skipped."""
    name = kind.removesuffix("-ink")
    path = {
        "failed": f"M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0 -7l-7 7",
        "cancelled": f"M{x - 4:.1f} {y:.1f}h8",
        "skipped": f"M{x - 5:.1f} {y + 3:.1f}q5 -10 9 -1m.6 -4.4l-.4 4.8l-4.6 -1",
    }.get(name, "")
    yield f'<path class="mark s-{kind}" d="{path}"/>'


def draw_retries(row: RowView, scale: Scale, y: float, half: float) -> Iterator[str]:
    """Draw where attempts failed that were retried."""
    drawn = -RETRY_ROOM
    for retry in row.get("retries", ()):
        x = scale(retry["at"])
        # Signs closer than this could not be seen apart.
        if x - drawn < RETRY_ROOM:
            continue
        drawn = x
        yield rect("lane", x - RETRY_ROOM / 2, y - half, RETRY_ROOM, 2 * half)
        yield from _draw_sign("failed", x, y)


def draw_legend(legend: list[tuple[float, float, str, str]]) -> Iterator[str]:
    """Draw the entries of a legend: where each goes, its kind, and its words."""
    for x, y, kind, words in legend:
        yield from draw_key(kind, x, y)
        yield write(words, x + 24, y + 4, "muted", SMALL)


def draw_key(kind: str, x: float, y: float) -> Iterator[str]:
    """Draw a sample of a kind, for the legend."""
    if kind == "seen":
        yield f'<circle class="seen" cx="{x + 9:.1f}" cy="{y:.1f}" r="4"/>'
    elif kind == "skipped":
        yield from _draw_sign("skipped", x + 9, y)
    elif kind == "critical":
        yield rect("critical", x + 1, y - 5, 16, 10, rx=3, more=' fill="none"')
    elif kind == "arguments":
        yield rect(LOOKS[kind].colour, x, y - 2, 18, 4, rx=2)
    elif kind == "queued":
        yield rect(LOOKS[kind].colour, x, y - 1, 18, 2)
    elif kind == "abandoned":
        yield from _draw_abandoned(x, y - 6, 18, 12)
    elif LOOKS[kind].hatch:
        yield rect(f"url(#{kind})", x, y - 6, 18, 12, rx=3)
    else:
        yield rect(kind if kind in {"retry", "discarded"} else LOOKS[kind].colour, x, y - 6, 18, 12, rx=3)
        if kind == "running":
            yield rect("open", x + 0.7, y - 5.3, 16.6, 10.6, rx=2.5, more=' fill="none"')
        if kind in {"failed", "cancelled"}:
            yield from _draw_sign(f"{kind}-ink", x + 9, y)


def write(text: str, x: float, y: float, style: str, size: float, *, bold: bool = False, anchor: str = "start") -> str:
    """Return an element that shows a text, which is escaped."""
    thick = ' font-weight="650"' if bold else ""
    anchored = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{thick}{anchored}>{escape(text)}</text>'


def describe_row(row: RowView) -> str:
    """Return the description of a future that a browser shows for the element under the pointer."""
    lines = [f"{row['future']} {row['tool']}({row['arguments']}): {row['state']}", row["label"]]
    for segment in row["segments"]:
        if segment["kind"] in WAITS:
            waited = "" if segment["end"] is None else f" {segment['end'] - segment['start']:.2f} s"
            lines.append(f"waited{waited}: {segment.get('reason', '')}")
    return "\n".join(line for line in lines if line)
