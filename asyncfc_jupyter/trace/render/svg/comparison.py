"""A comparison as one static SVG: for each run its decode lane and its futures in lanes, all on one axis."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from asyncfc_jupyter.text import show_seconds
from asyncfc_jupyter.trace.render.layout import (
    BASE,
    FIGURE,
    NARROW,
    PAD,
    SMALL,
    TITLE,
    Scale,
    fit,
    lay_out_figures,
    lay_out_legend,
    pack,
    text_width,
    ticks,
    wrap,
)
from asyncfc_jupyter.trace.render.svg.shapes import clear_for, draw_decode, draw_in_lane, draw_key, write
from asyncfc_jupyter.trace.view.legend import PATTERNS, Theme, style_sheet
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, RunView

#: Lanes shown of each run: more say only that there were many.
_MOST_LANES = 24
#: Heights in pixels: above each run, of its decode lane, and of a lane of futures.
_HEAD_H, _DECODE_H, _LANE_H = 34.0, 30.0, 18.0


def render_comparison_svg(view: ComparisonView, *, theme: Theme = "auto", width: int = 960) -> str:
    """Return the comparison as an SVG document.

    Args:
        view: What to draw.
        theme: Colours: those of the page that embeds the picture, or fixed.
        width: Width of the picture in pixels; the height follows from the number of lanes.
    """
    width = max(320, width)
    left = PAD + text_width("decoding", BASE, bold=True) + 14.0
    scale = Scale(left, width - float(PAD), max(view["span"], 0.001) * 1.015)
    head, axis_y = _draw_head(view, width)
    y, runs, slowest_s = axis_y + 6, list[str](), max(run["view"]["now"] for run in view["runs"])
    for run in view["runs"]:
        runs += _draw_run(run, scale, y, slowest_s)
        y = _end_of(run, y)
    ground = []
    for seconds, label in ticks(scale.domain, max(2, int((scale.right - scale.left) / 72))):
        ground.append(f'<path class="line" d="M{scale(seconds):.1f} {axis_y + 6:.0f}V{y:.0f}"/>')
        ground.append(write(label, scale(seconds), axis_y, "muted num", 10.5, anchor="middle"))
    legend = lay_out_legend([run["view"] for run in view["runs"]], y + 20, width, packed=True)
    keys = [part for x, at, kind, label in legend for part in (*draw_key(kind, x, at), _key_label(label, x, at))]
    height = (legend[-1][1] if legend else y) + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}" '
        f'role="img" aria-label={quoteattr(describe_comparison(view))} '
        f"font-family=\"system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif\" "
        f'font-size="{BASE}"><style>{style_sheet(theme)}</style>{PATTERNS}'
        f'<rect class="paper" width="{width}" height="{height:.0f}" rx="8"/>{"".join([*ground, *head, *runs, *keys])}</svg>'
    )


def describe_comparison(view: ComparisonView) -> str:
    """Return what the picture says, in one sentence, for those who cannot see it."""
    runs = "; ".join(f"{run['name']} {show_seconds(run['view']['now'])}" for run in view["runs"])
    return f"Comparison of {len(view['runs'])} runs: {view['title']}; {runs}."


def _key_label(label: str, x: float, y: float) -> str:
    return write(label, x + 24, y + 4, "muted", SMALL)


def _draw_head(view: ComparisonView, width: int) -> tuple[list[str], float]:
    """Return title and figures, and where the axis below them goes."""
    # Names of runs may be long: what does not fit beside a title goes below it.
    places, room = lay_out_figures(view["figures"], width, narrow=False)
    below = width < NARROW or room < width * 0.4
    if below:
        places, room = lay_out_figures(view["figures"], width, narrow=True)
    title = wrap(view["title"], TITLE, room, 2)
    base = 20.0 * len(title) + 36
    anchor, down = ("start", base + 30) if below else ("end", 0.0)
    drawn = [write(line, PAD, 36 + 20 * index, "ink", TITLE, bold=True) for index, line in enumerate(title)]
    drawn.append(write(fit(view["subtitle"], BASE, room), PAD, base, "muted", BASE))
    wide = places[1][0] - places[0][0] - 8 if below and len(places) > 1 else float(width)
    for figure, (x, y) in zip(view["figures"], places, strict=True):
        drawn.append(write(figure["value"], x, y + down, "ink num", FIGURE, bold=True, anchor=anchor))
        drawn.append(write(fit(figure["label"], SMALL, wide), x, y + down + 18, "muted", SMALL, anchor=anchor))
    return drawn, (places[-1][1] + down + 46 if below and places else max(base, 56.0) + 28)


def _end_of(run: RunView, top: float) -> float:
    return top + _HEAD_H + _DECODE_H + _LANE_H * min(_MOST_LANES, len(pack(run["view"]["rows"]))) + 4


def _draw_run(run: RunView, scale: Scale, top: float, slowest_s: float) -> Iterator[str]:
    view, middle = run["view"], top + _HEAD_H + _DECODE_H / 2
    for start, end in view["overlap"]:
        x0, x1 = scale(start or 0.0), scale(view["now"] if end is None else end)
        place = f'x="{x0:.1f}" y="{top + _HEAD_H:.1f}" width="{x1 - x0:.1f}"'
        yield f'<rect class="overlap" {place} height="{_end_of(run, top) - top - _HEAD_H:.1f}"/>'
    yield write(run["name"], PAD, top + 24, "ink", 13, bold=True)
    x = PAD + text_width(run["name"], 13, bold=True) + 12
    note = ", ".join(filter(None, (show_seconds(view["now"]), run["note"])))
    yield write(fit(note, SMALL, scale.right - x), x, top + 24, "muted", SMALL)
    yield write("decoding", PAD, middle + 4, "ink", BASE)
    yield from draw_decode(view, scale, middle, 10)
    yield from _draw_saved(scale(view["now"]), scale(slowest_s), middle, run["note"].split(",")[0])
    for index, lane in enumerate(pack(view["rows"])[:_MOST_LANES]):
        y = top + _HEAD_H + _DECODE_H + _LANE_H * (index + 0.5)
        for row in lane:
            yield from draw_in_lane(view, row, scale, y, _LANE_H / 2 - 1.5)


def _draw_saved(x0: float, x1: float, y: float, note: str) -> Iterator[str]:
    if x1 - x0 < 1 or not note.startswith("saved"):
        return
    place = f'x="{x0:.1f}" y="{y - 10:.1f}" width="{x1 - x0:.1f}" height="20" rx="3"'
    yield f'<rect fill="url(#saved)" {place}/><rect class="saved-edge" {place}/>'
    if text_width(note, SMALL, bold=True) + 14 < x1 - x0:
        yield clear_for(note, (x0 + x1) / 2, y, "paper", bold=True)
        yield write(note, (x0 + x1) / 2, y + 4, "done", SMALL, bold=True, anchor="middle")
