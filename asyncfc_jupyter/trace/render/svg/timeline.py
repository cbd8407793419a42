"""The drawing of one run: its head, its decode lane, and a row or a part of a lane for each future."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from asyncfc_jupyter.core.waits import WAITS
from asyncfc_jupyter.trace.render.layout import (
    BASE,
    END_ROOM,
    FIGURE,
    MOST_ARROW_ROWS,
    PAD,
    SMALL,
    TITLE,
    Picture,
    fit,
    place_label,
    text_width,
    ticks,
)
from asyncfc_jupyter.trace.render.svg.shapes import (
    describe_row,
    draw_decode,
    draw_in_lane,
    draw_legend,
    draw_retries,
    draw_segment,
    ends_in_sign,
    rect,
    segment_spans,
    write,
    write_clear,
)
from asyncfc_jupyter.trace.view.view import wait_reasons
from asyncfc_jupyter.trace.view.wire_format import RowView, SegmentView, View

#: Kinds of segments in which the function ran.
_WORK = ("running", "done", "failed", "cancelled")


def draw_timeline(view: View, width: int) -> tuple[float, Iterator[str]]:
    """Return the height of a timeline of a width in pixels, and its parts."""
    picture = Picture(view, width)
    return picture.height, _draw(picture)


def _draw(picture: Picture) -> Iterator[str]:
    yield from _draw_head(picture)
    yield from _draw_ground(picture)
    yield write("decoding", PAD, picture.decode_y + 4.5, "ink", BASE, bold=True)
    yield from draw_decode(picture.view, picture.scale, picture.decode_y, 13)
    if picture.late_end is not None:
        yield f'<path class="turn" d="M{picture.late_end:.1f} {picture.axis_y + 8:.0f}V{picture.rows_end:.0f}"/>'
        yield write("end", picture.late_end, picture.axis_y, "muted", 10.5, bold=True, anchor="middle")
    if not picture.packed and len(picture.strips) <= MOST_ARROW_ROWS:
        yield from _draw_arrows(picture)
    for index, rows in enumerate(picture.strips):
        for row in rows:
            if picture.packed:
                yield from draw_in_lane(picture.view, row, picture.scale, picture.row_y(index), picture.bar_h / 2)
            else:
                yield from _draw_row(picture, row, picture.row_y(index))
    if picture.hidden:
        yield write(f"and {picture.hidden} more", picture.scale.left, picture.rows_end + 16, "muted", SMALL)
    yield from draw_legend(picture.legend)


def _draw_head(picture: Picture) -> Iterator[str]:
    view, anchor = picture.view, "start" if picture.narrow else "end"
    for figure, (x, y) in zip(view["figures"], picture.figures, strict=True):
        yield write(figure["value"], x, y, "ink num", FIGURE, bold=True, anchor=anchor)
        yield write(figure["label"], x, y + 18, "muted", SMALL, anchor=anchor)
    for index, line in enumerate(picture.title):
        yield write(line, PAD, 36 + 20 * index, "ink", TITLE, bold=True)
    room = (picture.width if picture.narrow else picture.figures[0][0] - 60) - 2 * PAD
    yield write(fit(view["subtitle"], BASE, room), PAD, 36 + 20 * len(picture.title), "muted", BASE)


def _draw_ground(picture: Picture) -> Iterator[str]:
    scale, view = picture.scale, picture.view
    top, bottom = picture.axis_y + 8, picture.rows_end + 2
    washes = []
    for start, end in view["overlap"]:
        x0, x1 = scale(start or 0.0), scale(view["now"] if end is None else end)
        washes.append((x0, top, x1 - x0, bottom - top))
    yield from (rect("overlap", *wash) for wash in washes)
    if not picture.packed:
        # Packed rows need no strips to be seen apart, and strips would hide the ground.
        for index in range(len(picture.strips)):
            y = picture.row_y(index) - picture.bar_h / 2
            yield rect("lane", scale.left, y, scale.right - scale.left, picture.bar_h, rx=4)
        # A second time and fainter, so that the strips do not cut the overlap to pieces.
        yield from (rect("overlap", *wash, more=' opacity=".5"') for wash in washes)
    most = max(2, int((scale.right - scale.left) / 66))
    for seconds, label in ticks(scale.domain, most):
        x = scale(seconds)
        yield f'<path class="line" d="M{x:.1f} {top:.0f}V{bottom:.0f}"/>'
        if picture.late_end is None or abs(x - picture.late_end) >= END_ROOM:
            yield write(label, x, picture.axis_y, "muted num", 10.5, anchor="middle")


def _draw_row(picture: Picture, row: RowView, y: float) -> Iterator[str]:
    scale, half = picture.scale, picture.bar_h / 2
    yield f"<g><title>{escape(describe_row(row))}</title>"
    names = text_width(row["future"], picture.size + 0.5, bold=True) + 10
    yield write(row["future"], PAD, y + 4, "ink", picture.size + 0.5, bold=True)
    if not picture.narrow:
        tool = fit(row["tool"], picture.size + 0.5, scale.left - PAD - names - 10)
        yield write(tool, PAD + names, y + 4, "muted", picture.size + 0.5)
    spans = segment_spans(row, scale, picture.view["span"])
    for x0, x1, segment in spans:
        yield from draw_segment(segment, x0, x1, y, half, critical=row["critical"], right=scale.right)
    yield from draw_retries(row, scale, y, half)
    seen = None if row["seen"] is None else scale(row["seen"])
    if spans:
        yield from _draw_texts(picture, row, spans, y)
    if seen is not None:
        yield f'<circle class="seen" cx="{seen:.1f}" cy="{y:.1f}" r="{min(4.0, half - 1):.1f}"/>'
    yield "</g>"


def _draw_texts(
    picture: Picture, row: RowView, spans: list[tuple[float, float, SegmentView]], y: float
) -> Iterator[str]:
    """Write the outcome of a call and the reasons why it waited, each where there is room."""
    start, end, last = next((span for span in reversed(spans) if span[2]["kind"] != "discarded"), spans[-1])
    free = spans[-1][1]
    reasons = wait_reasons(row)
    # Past the sign of a call that never ran.
    bar = (start, end + 13 if end - start < 1 and last["kind"] != "done" else end)
    bar = (free, free) if free > end + 1 else bar
    if "retries" in row:
        # Past the sign of an attempt that failed.
        bar = (max(bar[0], picture.scale(row["retries"][-1]["at"]) + 2), bar[1])
    seen = None if row["seen"] is None else picture.scale(row["seen"])
    placed = place_label(
        _outcome(row, named=picture.narrow),
        picture.size,
        bar,
        left=spans[0][0],
        scale=picture.scale,
        seen=seen,
        keep_left=bool(reasons),
        sign=ends_in_sign(last, end - start),
    )
    if placed is not None:
        plain = "problem" if row["state"] in {"failed", "skipped"} else "muted"
        style = f"{last['kind']}-ink" if placed.inside and last["kind"] not in WAITS else f"{plain} halo"
        yield write(placed.text, placed.x, y + 4, style, picture.size, anchor=placed.anchor)
    hatched = [(x0, x1) for x0, x1, segment in spans if segment["kind"] in WAITS]
    if reasons and placed is not None and placed.anchor == "end":
        x0, x1 = hatched[0][0], hatched[-1][1]
        if text_width(reasons, SMALL) < x1 - x0 - 28:
            yield from write_clear(reasons, (x0 + x1) / 2, y, "lane")
    elif reasons:
        room = spans[0][0] - picture.scale.left - 14
        if cut := fit(reasons, picture.size, room) if room > 60 else "":
            yield write(cut, spans[0][0] - 8, y + 4, "muted halo", picture.size, anchor="end")


def _outcome(row: RowView, *, named: bool) -> tuple[str, ...]:
    """Return what to write beside or inside a bar, from the longest to the shortest."""
    state, label = row["state"], row["label"]
    if state == "pending":
        return ()
    if state in {"failed", "skipped", "cancelled"}:
        return (label if state == "failed" or label.startswith(state) else f"{state}: {label}",)
    arguments = f"{row['tool']}({row['arguments']})" if named else row["arguments"]
    return (f"{arguments} → {label}" if arguments and label else "", label or arguments)


def _draw_arrows(picture: Picture) -> Iterator[str]:
    """Draw from the end of each call to the start of those that waited for it, along the gap between two rows."""
    rows = picture.view["rows"]
    at = {row["future"]: index for index, row in enumerate(rows)}
    for index, row in enumerate(rows):
        start = next((s["start"] for s in row["segments"] if s["kind"] in _WORK and s["start"] != s["end"]), None)
        for name in dict.fromkeys([*row["needs"], *row["after"]]):
            source = rows[at[name]] if name in at else None
            end = next((s["end"] for s in source["segments"] if s["kind"] in _WORK), None) if source else None
            if source is None or start is None or end is None or end > start + 0.001:
                continue
            x0, x1 = picture.scale(end) - 1, picture.scale(start) + 1
            y0 = picture.row_y(at[name]) + picture.bar_h / 2
            y1 = picture.row_y(index) - picture.bar_h / 2
            style = "arrow-strong" if row["critical"] and source["critical"] else "arrow"
            bend = f"V{y0 + (picture.row_h - picture.bar_h) / 2:.1f}H{x1:.1f}" if x1 - x0 > 3 else ""
            x0 = x0 if bend else x1
            yield f'<path class="{style}" d="M{x0:.1f} {y0:.1f}{bend}V{y1 - 1:.1f}m-3 -4l3 4l3 -4"/>'
