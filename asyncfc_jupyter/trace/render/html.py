"""The timeline as one standalone page: the same script and style as in a notebook, and no network."""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from html import escape
from importlib import resources

from asyncfc_jupyter.core.waits import WAITS
from asyncfc_jupyter.trace.render import layout
from asyncfc_jupyter.trace.render.svg.document import describe, render_svg
from asyncfc_jupyter.trace.render.text import render_text
from asyncfc_jupyter.trace.view.legend import HATCHES, LOOKS, PALETTE, TILE, custom_properties
from asyncfc_jupyter.trace.view.wire_format import VIEW_VERSION, ComparisonView, View

#: Even if a page is tampered with, or text of a tool is run as a script, it loads and sends nothing.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"

#: Pixels. The picture is scaled to the output's width, which in most notebooks is a little less or more than this, so that
#: its text stays close to the size of the text around it.
_PICTURE_WIDTH = 860

#: Follows the notebook's own theme where style sheets of outputs are kept; elsewhere the picture follows the browser's.
_THEME = (
    "<style>"
    "body[data-jp-theme-light=true] .asyncfc-picture,body[data-vscode-theme-kind*=light] .asyncfc-picture"
    "{color-scheme:light}"
    "body[data-jp-theme-light=false] .asyncfc-picture,body[data-vscode-theme-kind*=dark] .asyncfc-picture"
    "{color-scheme:dark}"
    "</style>"
)


def render_html(view: View | ComparisonView) -> str:
    """Return the view as an HTML document that can be opened, mailed and kept: everything it needs is in it."""
    title = escape(view["title"])
    # Inside a script element only "<" can end it; as JSON it may be written in escaped form.
    data = json.dumps(view, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ margin: 0; padding: 16px; background: light-dark(#ffffff, #0e1116); }}
{style()}</style>
</head>
<body>
<main id="timeline"></main>
<noscript>{picture(view)}</noscript>
<script type="application/json" id="view">{data}</script>
<script type="module">
{script()}
mount(document.getElementById("timeline"), JSON.parse(document.getElementById("view").textContent));
</script>
</body>
</html>
"""


def picture(view: View | ComparisonView) -> str:
    """Return the static picture as an ``img`` element that carries its SVG with it."""
    svg = base64.b64encode(render_svg(view, width=_PICTURE_WIDTH).encode()).decode()
    source = f"data:image/svg+xml;base64,{svg}"
    return f'<img class="asyncfc-picture" alt="{escape(describe(view))}" src="{source}" style="width:100%;max-width:1080px">'


def static_bundle(view: View | ComparisonView, *, place: str = "") -> dict[str, str]:
    """Return what is kept of a timeline: a picture and a text that need no kernel, no script and no widget.

    The picture is an image, since inline SVG is stripped from notebooks that are not trusted.

    Args:
        view: What to draw.
        place: The name of a live timeline in the page, of letters and digits, that moves into the picture's place when its
            own output goes. What is saved is the picture all the same.
    """
    kept = f'<div class="asyncfc-kept-{place}">{picture(view)}</div>' if place else picture(view)
    return {"text/html": _THEME + kept, "text/plain": render_text(view)}


_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)


@cache
def script() -> str:
    """Return the front end as one module, as a notebook and a page with nothing beside it need it.

    It begins at ``widget.js``; every file follows those that it imports.
    """
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        text = _shared_module() if name == "shared.js" else asset(name)
        for needed in _IMPORT.findall(text):
            if needed not in parts:
                add(needed)
        parts[name] = _IMPORT.sub("", text)

    add("widget.js")
    return "".join(parts.values())


@cache
def style() -> str:
    """Return the style sheet of the front end, with the colours of the legend."""
    return custom_properties() + asset("timeline.css")


#: The limits of `layout` that the page keeps too.
_SHARED_LIMITS = (
    *("SHORTEST_QUEUE_S", "LEAST_SAVED_S", "MOST_ROWS", "MOST_ARROW_ROWS", "NARROW", "ROOM_TO_CUT"),
    *("SIGN_ROOM", "RETRY_ROOM", "END_ROOM", "TICK_STEPS_S"),
)


def _shared_module() -> str:
    """Return the constants that the page takes from Python; ``frontend/shared.d.ts`` gives their types."""
    constants = {
        "LOOKS": {kind: {"words": o.words, "colour": o.colour, "hatch": o.hatch} for kind, o in LOOKS.items()},
        "COLOURS": list(PALETTE),
        "HATCHES": {name: {"path": path, "width": width} for name, (path, width) in HATCHES.items()},
        "TILE": TILE,
        "VIEW_VERSION": VIEW_VERSION,
        **{name: getattr(layout, name) for name in _SHARED_LIMITS},
    }
    waits = json.dumps([[kind, reason.group] for kind, reason in WAITS.items()])
    lines = [f"export const {name} = {json.dumps(value)};\n" for name, value in constants.items()]
    return f"{''.join(lines)}export const WAITS = new Map({waits});\n"


@cache
def asset(name: str) -> str:
    """Return the text of a file of the front end."""
    return resources.files("asyncfc_jupyter").joinpath("trace", "frontend", name).read_text(encoding="utf-8")
