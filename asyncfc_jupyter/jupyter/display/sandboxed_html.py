"""A model's HTML, shown in a frame where it can do nothing.

Such HTML may repeat what a tool read from anywhere, and a notebook trusts the outputs of the cells that its user has run. Three
walls, of which each would stop most of it:

* nh3 parses it as browsers do and writes only the elements and attributes of the lists below, all of which draw something. So
  there is no script, form, link, ``<meta>`` or ``<link>``; no policy forbids the look-ups of names that a ``<link>`` causes.
* It stands in a frame with an empty ``sandbox``: no script runs, nothing reaches the page around it, and it cannot draw
  outside of its frame, such as a false prompt for a password.
* The frame's own policy, at the head of its document, loads nothing: style sheets may name addresses.

nh3 cleans a fragment. The document, its policy and the frame around it are written here. So are three limits: a parser that
follows the standard takes a time that grows with the square of the depth, and copies open elements into each later paragraph;
and nh3 takes one that grows with the square of the number of entities, of attributes, and of letters such as a hard space. An
interrupt waits until it has ended.
"""

from __future__ import annotations

import html
import re


def _words(text: str) -> set[str]:
    return set(text.split())


_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = (
    "body{margin:8px;font:14px/1.45 system-ui,sans-serif;color:#111;background:#fff}table{border-collapse:collapse}"
)
_ELEMENTS = _words(
    "a abbr article aside b blockquote br caption center code col colgroup dd del details div dl dt em figcaption figure "
    "footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small span strong style "
    "sub summary sup table tbody td tfoot th thead time tr u ul var wbr "
    "circle clipPath defs ellipse g line linearGradient marker path polygon polyline radialGradient rect stop svg text "
    "tspan"
)
_ATTRIBUTES = _words(
    "align alt aria-label class colspan datetime dir height id lang open role rowspan scope span start style title "
    "valign value width "
    "clip-path cx cy d dominant-baseline dx dy fill fill-opacity fill-rule font-family font-size font-weight "
    "gradientTransform gradientUnits marker-end marker-start markerHeight markerWidth offset opacity orient points "
    "preserveAspectRatio r refX refY rx ry stop-color stop-opacity stroke stroke-dasharray stroke-linecap "
    "stroke-linejoin stroke-opacity stroke-width text-anchor transform viewBox x x1 x2 y y1 y2"
)
#: Elements whose content is not text for the reader. That of all others that are not on the list is kept.
_DROPPED_WITH_CONTENT = _words("script template iframe object noscript textarea select title")
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
#: Elements that a parser opens again in each paragraph after the one that left them open. Without attributes it keeps three of
#: a kind; with attributes it keeps all.
_REOPENED = re.compile(r"<(?:a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\s/]", re.IGNORECASE)
#: Tags that are parsed. As many elements within each other take 0.6 s, on the kernel's event loop.
_MOST_TAGS = 10_000
#: Elements that a parser may open again, times the tags that may make it do so. As many copies take 1.6 s and 16 MB.
_MOST_COPIES = 1_000_000
#: Bytes that are parsed. As many of entities or attributes take 0.3 s.
_MOST_BYTES = 200_000
_TOO_LARGE = "<p><em>This HTML is too large to be drawn, and is shown as it was written.</em></p>"


def framed(text: str) -> str:
    """Return HTML for a notebook's output: a frame that shows a model's HTML, and below it the source to read."""
    document = (
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<style>{_STYLE}</style>{cleaned(text)}"
    )
    # Border and size belong to the frame itself: where a notebook is not trusted, it is removed and only the source remains.
    style = "width:100%;height:22em;resize:vertical;box-sizing:border-box;border:1px solid #8888;background:#fff"
    return (
        f'<iframe sandbox="" referrerpolicy="no-referrer" title="The answer as HTML" style="{style}" '
        f'srcdoc="{html.escape(document)}"></iframe>'
        f"<details><summary>HTML source</summary><pre>{html.escape(text)}</pre></details>"
    )


def cleaned(text: str) -> str:
    """Return a model's HTML with nothing but what draws; HTML above the limits as text, with a note."""
    import nh3  # noqa: PLC0415 - only answers in HTML need it

    tags, size = text.count("<"), len(text.encode("utf-8", "replace"))
    if size > _MOST_BYTES or tags > _MOST_TAGS or tags * len(_REOPENED.findall(text)) > _MOST_COPIES:
        return f"{_TOO_LARGE}<pre>{html.escape(text)}</pre>"
    return nh3.clean(
        text,
        tags=_ELEMENTS,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes={"*": _ATTRIBUTES, "img": {"src"}},
        attribute_filter=lambda _, name, value: value if name != "src" or _PICTURE.fullmatch(value) else None,
        url_schemes={"data"},
        link_rel=None,
    )
