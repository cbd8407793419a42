"""The timeline as one static SVG: what a saved notebook shows where no kernel and no script run.

It is shown through ``<img src="data:...">``, where scripts and outside fonts are off and the page's style sheets do not
reach. The colours follow ``prefers-color-scheme``, which inside an image means the ``color-scheme`` of the element that
embeds it; the picture paints its own paper, so that it can be read on any page even when the two disagree.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from asyncfc_jupyter.trace.geometry import fit, place_label, text_width, ticks
from asyncfc_jupyter.trace.layout import BASE, FIGURE, PAD, SMALL, TITLE, Picture
from asyncfc_jupyter.trace.palette import PATTERNS, Theme, style_sheet
from asyncfc_jupyter.trace.view import WAITS, RowView, SegmentView, View, wait_reasons

#: Rows up to which arrows are drawn: beyond, they are a thicket.
MOST_ARROW_ROWS = 30


def render_svg(view: View, *, theme: Theme = "auto", width: int = 960) -> str:
    """Return the view as an SVG document.

    Args:
        view: What to draw.
        theme: Colours: those of the page that embeds the picture, or fixed.
        width: Width of the picture in pixels; the height follows from the number of rows.
    """
    picture = Picture.lay_out(view, max(320, width))
    parts = list(_draw(picture))
    height = picture.height
    about = quoteattr(describe(view))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{picture.width}" height="{height:.0f}" '
        f'viewBox="0 0 {picture.width} {height:.0f}" role="img" aria-label={about} '
        f"font-family=\"system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif\" "
        f'font-size="{BASE}"><style>{style_sheet(theme)}</style>{PATTERNS}{"".join(parts)}</svg>'
    )


def describe(view: View) -> str:
    """Return what the picture says, in one sentence, for those who cannot see it."""
    figures = ", ".join(f"{figure['value']} {figure['label']}" for figure in view["figures"])
    return f"Timeline of a run: {view['title']}; {view['subtitle']}; {figures}."


def _draw(picture: Picture) -> Iterator[str]:
    yield f'<rect class="paper" width="{picture.width}" height="{picture.height:.0f}" rx="8"/>'
    yield from _draw_head(picture)
    yield from _draw_ground(picture)
    yield from _draw_decode(picture)
    if len(picture.rows) <= MOST_ARROW_ROWS:
        yield from _draw_arrows(picture)
    for index, row in enumerate(picture.rows):
        yield from _draw_row(picture, row, picture.row_y(index))
    more = len(picture.view["rows"]) - len(picture.rows)
    if more:
        yield _text(f"and {more} more", picture.scale.left, picture.rows_end + 16, "muted", SMALL)
    for x, y, kind, label in picture.legend:
        yield from _draw_key(kind, x, y)
        yield _text(label, x + 24, y + 4, "muted", SMALL)


def _draw_head(picture: Picture) -> Iterator[str]:
    view, anchor = picture.view, "start" if picture.narrow else "end"
    for figure, (x, y) in zip(view["figures"], picture.figures, strict=True):
        yield _text(figure["value"], x, y, "ink num", FIGURE, bold=True, anchor=anchor)
        yield _text(figure["label"], x, y + 18, "muted", SMALL, anchor=anchor)
    for index, line in enumerate(picture.title):
        yield _text(line, PAD, 36 + 20 * index, "ink", TITLE, bold=True)
    room = (picture.width if picture.narrow else picture.figures[0][0] - 60) - 2 * PAD
    yield _text(fit(view["subtitle"], BASE, room), PAD, 36 + 20 * len(picture.title), "muted", BASE)


def _draw_ground(picture: Picture) -> Iterator[str]:
    scale, view = picture.scale, picture.view
    top, bottom = picture.axis_y + 8, picture.rows_end + 2
    for start, end in view["overlap"]:
        x0, x1 = scale(start or 0.0), scale(view["now"] if end is None else end)
        yield f'<rect class="overlap" x="{x0:.1f}" y="{top:.0f}" width="{x1 - x0:.1f}" height="{bottom - top:.0f}"/>'
    half = picture.bar_h / 2
    # Packed rows need no strips to be told apart, and strips would hide the ground.
    for index in range(len(picture.rows) if picture.row_h >= 22 else 0):
        place = f'x="{scale.left:.1f}" y="{picture.row_y(index) - half:.1f}" width="{scale.right - scale.left:.1f}"'
        yield f'<rect class="lane" {place} height="{2 * half:.1f}" rx="4"/>'
    most = max(2, int((scale.right - scale.left) / 66))
    for seconds, label in ticks(scale.domain, most):
        x = scale(seconds)
        yield f'<path class="line" d="M{x:.1f} {top:.0f}V{bottom:.0f}"/>'
        yield _text(label, x, picture.axis_y, "muted num", 10.5, anchor="middle")


def _draw_decode(picture: Picture) -> Iterator[str]:
    scale, view, y = picture.scale, picture.view, picture.decode_y
    yield _text("decoding", PAD, y + 4.5, "ink", BASE, bold=True)
    for span in view["decode"]:
        x0, x1 = scale(span["start"]), scale(view["now"] if span["end"] is None else span["end"])
        wide = x1 - x0
        if span["kind"] == "await":
            if wide > 4:
                yield f'<path class="wait-line" d="M{x0 + 3:.1f} {y:.1f}H{x1 - 3:.1f}"/>'
                choices = (span["label"], "waiting") if span["label"] else ("waiting",)
                label = next((text for text in choices if text_width(text, SMALL) <= wide - 14), "")
                if label:
                    yield _text(label, (x0 + x1) / 2, y + 4, "muted halo on-paper", SMALL, anchor="middle")
            continue
        kind = "first" if span["kind"] == "first_token" else span["kind"]
        size = f'width="{max(0.8, wide - 1):.1f}" height="26"'
        yield f'<rect class="{kind}" x="{x0:.1f}" y="{y - 13:.1f}" {size} rx="3"/>'
        label = "answer" if span["kind"] == "text" and span is view["decode"][-1] else span["label"]
        if label and text_width(label, SMALL, bold=True) <= wide - 5:
            yield _text(label, (x0 + x1) / 2, y + 4, f"{kind}-ink", SMALL, bold=True, anchor="middle")
    for start in view["turns"][1:]:
        yield f'<path class="turn" d="M{scale(start):.1f} {y - 17:.1f}v34"/>'


def _draw_row(picture: Picture, row: RowView, y: float) -> Iterator[str]:
    scale, half = picture.scale, picture.bar_h / 2
    yield f"<g><title>{escape(_about(row))}</title>"
    names = text_width(row["future"], picture.size + 0.5, bold=True) + 10
    yield _text(row["future"], PAD, y + 4, "ink", picture.size + 0.5, bold=True)
    if not picture.narrow:
        tool = fit(row["tool"], picture.size + 0.5, scale.left - PAD - names - 10)
        yield _text(tool, PAD + names, y + 4, "muted", picture.size + 0.5)
    spans = [
        (scale(s["start"]), scale(picture.view["now"] if s["end"] is None else s["end"]), s) for s in row["segments"]
    ]
    for x0, x1, segment in spans:
        yield from _draw_segment(segment, x0, x1, y, half, critical=row["critical"])
    seen = None if row["seen"] is None else scale(row["seen"])
    if spans:
        yield from _draw_texts(picture, row, spans, y)
    if seen is not None:
        yield f'<circle class="seen" cx="{seen:.1f}" cy="{y:.1f}" r="{min(4.0, half - 1):.1f}"/>'
    yield "</g>"


def _draw_segment(s: SegmentView, x0: float, x1: float, y: float, half: float, *, critical: bool) -> Iterator[str]:
    wide = x1 - x0
    if s["kind"] in WAITS:
        thin = half * 0.72
        yield (
            f'<rect fill="url(#{s["kind"]})" x="{x0:.1f}" y="{y - thin:.1f}" '
            f'width="{max(0.0, wide - 0.5):.1f}" height="{2 * thin:.1f}" rx="3"/>'
        )
        return
    if s["kind"] == "skipped" or (s["start"] == s["end"] and s["kind"] != "done"):
        yield from _draw_mark(s["kind"], x0 + 7, y)
        return
    edge = ' class="critical"' if critical else ""
    inset = 0.8 if critical else 0.0
    yield (
        f'<g class="{s["kind"]}"><rect{edge} x="{x0 + inset:.1f}" y="{y - half + inset:.1f}" '
        f'width="{max(1.5, wide - 2 * inset):.1f}" height="{2 * (half - inset):.1f}" rx="4"/></g>'
    )
    if s["kind"] in {"failed", "cancelled"} and wide >= 18:
        yield from _draw_mark(f"{s['kind']}-ink", x1 - 10, y)


def _draw_mark(kind: str, x: float, y: float) -> Iterator[str]:
    """Draw the sign of a call that came to nothing: a cross for failed, a bar for cancelled, a leap for skipped."""
    name = kind.removesuffix("-ink")
    path = {
        "failed": f"M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0 -7l-7 7",
        "cancelled": f"M{x - 4:.1f} {y:.1f}h8",
        "skipped": f"M{x - 5:.1f} {y + 3:.1f}q5 -10 9 -1m.6 -4.4l-.4 4.8l-4.6 -1",
    }.get(name, "")
    yield f'<path class="mark s-{kind}" d="{path}"/>'


def _draw_texts(
    picture: Picture, row: RowView, spans: list[tuple[float, float, SegmentView]], y: float
) -> Iterator[str]:
    """Draw what came of a call and why it waited, each where there is room."""
    start, end, last = spans[-1]
    reasons = wait_reasons(row)
    # Past the sign of a call that never ran.
    bar = (start, end + 13 if end - start < 1 and last["kind"] != "done" else end)
    seen = None if row["seen"] is None else picture.scale(row["seen"])
    placed = place_label(
        _outcome(row, named=picture.narrow),
        picture.size,
        bar,
        left=spans[0][0],
        scale=picture.scale,
        seen=seen,
        keep_left=bool(reasons),
    )
    if placed is not None:
        plain = "problem" if row["state"] in {"failed", "skipped"} else "muted"
        style = f"{last['kind']}-ink" if placed.inside and last["kind"] not in WAITS else f"{plain} halo"
        yield _text(placed.text, placed.x, y + 4, style, picture.size, anchor=placed.anchor)
    hatched = [(x0, x1) for x0, x1, segment in spans if segment["kind"] in WAITS]
    if reasons and placed is not None and placed.anchor == "end":
        x0, x1 = hatched[0][0], hatched[-1][1]
        needed = text_width(reasons, SMALL) + 12
        if needed < x1 - x0 - 16:
            middle = (x0 + x1) / 2
            yield f'<rect class="lane" x="{middle - needed / 2:.1f}" y="{y - 8:.1f}" width="{needed:.1f}" height="16"/>'
            yield _text(reasons, middle, y + 4, "muted", SMALL, anchor="middle")
    elif reasons:
        room = spans[0][0] - picture.scale.left - 14
        if cut := fit(reasons, picture.size, room) if room > 60 else "":
            yield _text(cut, spans[0][0] - 8, y + 4, "muted halo", picture.size, anchor="end")


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
    at = {row["future"]: index for index, row in enumerate(picture.rows)}
    for index, row in enumerate(picture.rows):
        start = next((s["start"] for s in row["segments"] if s["kind"] not in WAITS and s["start"] != s["end"]), None)
        for name in dict.fromkeys([*row["needs"], *row["after"]]):
            source = picture.rows[at[name]] if name in at else None
            end = source["segments"][-1]["end"] if source is not None and source["segments"] else None
            if source is None or start is None or end is None or end > start + 0.001:
                continue
            x0, x1 = picture.scale(end) - 1, picture.scale(start) + 1
            y0 = picture.row_y(at[name]) + picture.bar_h / 2
            y1 = picture.row_y(index) - picture.bar_h / 2
            style = "arrow-strong" if row["critical"] and source["critical"] else "arrow"
            bend = f"V{y0 + (picture.row_h - picture.bar_h) / 2:.1f}H{x1:.1f}" if x1 - x0 > 3 else ""
            x0 = x0 if bend else x1
            yield f'<path class="{style}" d="M{x0:.1f} {y0:.1f}{bend}V{y1 - 1:.1f}m-3 -4l3 4l3 -4"/>'


def _draw_key(kind: str, x: float, y: float) -> Iterator[str]:
    if kind == "seen":
        yield f'<circle class="seen" cx="{x + 9:.1f}" cy="{y:.1f}" r="4"/>'
    elif kind == "skipped":
        yield from _draw_mark("skipped", x + 9, y)
    elif kind == "critical":
        yield f'<rect class="critical" fill="none" x="{x + 1:.1f}" y="{y - 5:.1f}" width="16" height="10" rx="3"/>'
    elif kind in WAITS:
        yield f'<rect fill="url(#{kind})" x="{x:.1f}" y="{y - 6:.1f}" width="18" height="12" rx="3"/>'
    else:
        yield f'<rect class="{kind}" x="{x:.1f}" y="{y - 6:.1f}" width="18" height="12" rx="3"/>'
        if kind in {"failed", "cancelled"}:
            yield from _draw_mark(f"{kind}-ink", x + 9, y)


def _text(text: str, x: float, y: float, style: str, size: float, *, bold: bool = False, anchor: str = "start") -> str:
    weight = ' font-weight="650"' if bold else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{weight}{place}>{escape(text)}</text>'


def _about(row: RowView) -> str:
    lines = [f"{row['future']} {row['tool']}({row['arguments']}): {row['state']}", row["label"]]
    for segment in row["segments"]:
        if segment["kind"] in WAITS:
            waited = "" if segment["end"] is None else f" {segment['end'] - segment['start']:.2f} s"
            lines.append(f"waited{waited}: {segment['reason']}")
    return "\n".join(line for line in lines if line)
