"""The drawing of a comparison: for each run its decode lane and its futures in lanes, all on one axis."""

from __future__ import annotations

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
from asyncfc_jupyter.trace.render.svg.shapes import draw_decode, draw_in_lane, draw_legend, rect, write, write_clear
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, RunView

#: Lanes shown of each run: more say only that there were many.
_MOST_LANES = 24
#: Heights in pixels: above each run, of its decode lane, and of a lane of futures.
_HEAD_H, _DECODE_H, _LANE_H = 34.0, 30.0, 18.0


def draw_comparison(view: ComparisonView, width: int) -> tuple[float, list[str]]:
    """Return the height of a comparison of a width in pixels, and its parts."""
    left = PAD + text_width("decoding", BASE, bold=True) + 14.0
    scale = Scale(left, width - float(PAD), max(view["span"], 0.001) * 1.015)
    head, axis_y = _draw_head(view, width)
    y, runs, slowest_s = axis_y + 6, list[str](), max(run["view"]["now"] for run in view["runs"])
    for run in view["runs"]:
        y, drawn = _draw_run(run, scale, y, slowest_s)
        runs += drawn
    ground = []
    for seconds, label in ticks(scale.domain, max(2, int((scale.right - scale.left) / 72))):
        ground.append(f'<path class="line" d="M{scale(seconds):.1f} {axis_y + 6:.0f}V{y:.0f}"/>')
        ground.append(write(label, scale(seconds), axis_y, "muted num", 10.5, anchor="middle"))
    legend = lay_out_legend([run["view"] for run in view["runs"]], y + 20, width, packed=True)
    return (legend[-1][1] if legend else y) + 20, [*ground, *head, *runs, *draw_legend(legend)]


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


def _draw_run(run: RunView, scale: Scale, top: float, slowest_s: float) -> tuple[float, list[str]]:
    """Return where a run that begins at the height ``top`` ends, and its parts."""
    view, lanes = run["view"], pack(run["view"]["rows"])[:_MOST_LANES]
    decode_y, lanes_y = top + _HEAD_H + _DECODE_H / 2, top + _HEAD_H + _DECODE_H
    end = lanes_y + _LANE_H * len(lanes) + 4
    parts = []
    for start, stop in view["overlap"]:
        x0, x1 = scale(start or 0.0), scale(view["now"] if stop is None else stop)
        parts.append(rect("overlap", x0, top + _HEAD_H, x1 - x0, end - top - _HEAD_H))
    parts.append(write(run["name"], PAD, top + 24, "ink", 13, bold=True))
    x = PAD + text_width(run["name"], 13, bold=True) + 12
    note = ", ".join(filter(None, (show_seconds(view["now"]), run["note"])))
    parts.append(write(fit(note, SMALL, scale.right - x), x, top + 24, "muted", SMALL))
    parts.append(write("decoding", PAD, decode_y + 4, "ink", BASE))
    parts += draw_decode(view, scale, decode_y, 10)
    parts += _draw_saved(scale(view["now"]), scale(slowest_s), decode_y, run["note"].split(",")[0])
    for index, lane in enumerate(lanes):
        for row in lane:
            parts += draw_in_lane(view, row, scale, lanes_y + _LANE_H * (index + 0.5), _LANE_H / 2 - 1.5)
    return end, parts


def _draw_saved(x0: float, x1: float, y: float, note: str) -> list[str]:
    """Draw what a run saved: from its end to the end of the slowest run."""
    if x1 - x0 < 1 or not note.startswith("saved"):
        return []
    bar = "".join(rect(style, x0, y - 10, x1 - x0, 20, rx=3) for style in ("url(#saved)", "saved-edge"))
    if text_width(note, SMALL, bold=True) + 14 >= x1 - x0:
        return [bar]
    middle = (x0 + x1) / 2
    return [bar, *write_clear(note, middle, y, "paper", "done", bold=True)]
