"""A view as one static SVG: what a saved notebook shows where no kernel and no script run.

It is shown through ``<img src="data:...">``, where scripts and outside fonts are off and the page's style sheets do not
apply. The colours follow ``prefers-color-scheme``, which inside an image means the ``color-scheme`` of the element that
embeds it; the picture paints its own paper, so that it can be read on any page even when the two disagree.
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from asyncfc_jupyter.text import show_seconds
from asyncfc_jupyter.trace.render.layout import BASE
from asyncfc_jupyter.trace.render.svg.comparison import draw_comparison
from asyncfc_jupyter.trace.render.svg.timeline import draw_timeline
from asyncfc_jupyter.trace.view.legend import patterns, style_sheet
from asyncfc_jupyter.trace.view.wire_format import ComparisonView, View

#: The least width of a picture, in pixels: below, no text fits.
_LEAST_WIDTH = 320


def render_svg(view: View | ComparisonView, *, width: int = 960) -> str:
    """Return a timeline or a comparison as an SVG document.

    Args:
        view: What to draw.
        width: Width of the picture in pixels, at least 320; the height follows from the number of rows.
    """
    width = max(_LEAST_WIDTH, width)
    height, parts = draw_comparison(view, width) if "runs" in view else draw_timeline(view, width)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}" '
        f'role="img" aria-label={quoteattr(describe(view))} '
        f"font-family=\"system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif\" "
        f'font-size="{BASE}"><style>{style_sheet()}</style>{patterns()}'
        f'<rect class="paper" width="{width}" height="{height:.0f}" rx="8"/>{"".join(parts)}</svg>'
    )


def describe(view: View | ComparisonView) -> str:
    """Return what the picture says, in one sentence, for those who cannot see it."""
    if "runs" in view:
        runs = "; ".join(f"{run['name']} {show_seconds(run['view']['now'])}" for run in view["runs"])
        return f"Comparison of {len(view['runs'])} runs: {view['title']}; {runs}."
    figures = ", ".join(f"{figure['value']} {figure['label']}" for figure in view["figures"])
    return f"Timeline of a run: {view['title']}; {view['subtitle']}; {figures}."
