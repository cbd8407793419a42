"""A model's HTML, shown where it can do nothing.

Such HTML may repeat what a tool read from anywhere, and a notebook trusts the outputs of the cells one has run. Three walls, of
which each would do against most of it:

* It is written again from what a parser made of it: elements and attributes of a list that draw something, everything else as
  text or not at all. So there is no script, no form, no link, no ``<meta>`` and no ``<link>``, whose look-ups of names no
  policy forbids; and since each tag and attribute is ours, no browser can read it otherwise than we did.
* It stands in a frame with an empty ``sandbox``: no script would run, nothing reaches the page around it, and it cannot draw
  outside of its frame, such as a false prompt for a password.
* The frame's own policy, in front of all else, loads nothing: style sheets may name addresses.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_LOOK = "body{margin:8px;font:14px/1.45 system-ui,sans-serif;color:#111;background:#fff}table{border-collapse:collapse}"
_ELEMENTS = _words(
    "a abbr article aside b blockquote br caption center code col colgroup dd del details div dl dt em figcaption figure "
    "footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small span strong style "
    "sub summary sup table tbody td tfoot th thead time tr u ul var wbr "
    "circle clippath defs ellipse g line lineargradient marker path polygon polyline radialgradient rect stop svg text "
    "tspan"
)
_ATTRIBUTES = _words(
    "align alt aria-label class colspan datetime dir height id lang open role rowspan scope span start style title "
    "valign value width "
    "clip-path cx cy d dominant-baseline dx dy fill fill-opacity fill-rule font-family font-size font-weight "
    "gradienttransform gradientunits marker-end marker-start markerheight markerwidth offset opacity orient points "
    "preserveaspectratio r refx refy rx ry stop-color stop-opacity stroke stroke-dasharray stroke-linecap "
    "stroke-linejoin stroke-opacity stroke-width text-anchor transform viewbox x x1 x2 y y1 y2"
)
#: Elements whose content is no text for the eye.
_SILENT = _words("script template iframe object noscript textarea select title")
_EMPTY = _words("br col hr img wbr")
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")


def framed(text: str) -> str:
    """Return HTML for a notebook's output: a frame that shows a model's HTML, and below it the source to read."""
    document = (
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<style>{_LOOK}</style>{drawn(text)}"
    )
    # All that is seen of the frame is its own, since it is taken out where a notebook is not trusted.
    look = "width:100%;height:22em;resize:vertical;box-sizing:border-box;border:1px solid #8888;background:#fff"
    return (
        f'<iframe sandbox="" referrerpolicy="no-referrer" title="The answer as HTML" style="{look}" '
        f'srcdoc="{html.escape(document)}"></iframe>'
        f"<details><summary>HTML source</summary><pre>{html.escape(text)}</pre></details>"
    )


def drawn(text: str) -> str:
    """Return what of a model's HTML may be drawn, written again; as text where no parser can read it."""
    writer = _Writer()
    try:
        writer.feed(text)
        writer.close()
    except AssertionError:  # the standard library's word for a declaration that it does not know
        return f"<pre>{html.escape(text)}</pre>"
    return "".join(writer.pieces)


class _Writer(HTMLParser):
    """Writes what it reads, as far as it is on the lists."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent.append(tag)
        if self._silent or tag not in _ELEMENTS:
            return
        self._in_style = tag == "style"
        written = "".join(
            f' {name}="{html.escape(value or "")}"' for name, value in attrs if _may_stand(tag, name, value)
        )
        self.pieces.append(f"<{tag}{written}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        elif not self._silent and tag in _ELEMENTS and tag not in _EMPTY:
            self._in_style = False
            self.pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            # A style sheet is not read as markup but for the end of its element, and needs no such sign.
            self.pieces.append(data.replace("<", "") if self._in_style else html.escape(data, quote=False))


def _may_stand(tag: str, name: str, value: str | None) -> bool:
    if name == "src":
        return tag == "img" and _PICTURE.fullmatch(value or "") is not None
    return name in _ATTRIBUTES
