"""The colours and patterns of the picture, for light and dark paper.

Few on purpose: indigo for decoding, green for functions, and amber only where a call is held although its values are
known. Indigo, green, amber and the red of a failure stay apart for readers who confuse red and green (they differ in
lightness or in blue); no state is told by colour alone. Text on a bar has a contrast of at least 4.5 to 1.
``timeline.css`` repeats these values, and a test compares the two.
"""

from __future__ import annotations

from typing import Final, Literal

Theme = Literal["auto", "light", "dark"]

LIGHT: Final[dict[str, str]] = {
    "paper": "#ffffff",
    "ink": "#1b2130",
    "muted": "#5f6775",
    "line": "#e4e7ec",
    "lane": "#f5f6f9",
    "call": "#3b5bdb",
    "call-ink": "#ffffff",
    "first": "#d5dffd",
    "text": "#91a7ff",
    "text-ink": "#1b2130",
    "running": "#5cc4a3",
    "running-ink": "#06231a",
    "done": "#0b7f61",
    "done-ink": "#ffffff",
    "failed": "#c03a12",
    "failed-ink": "#ffffff",
    "cancelled": "#6f7785",
    "cancelled-ink": "#ffffff",
    "data": "#a9b1bf",
    "hazard": "#d98200",
    "limit": "#6b7fb8",
    "overlap": "#e9f5f1",
}

DARK: Final[dict[str, str]] = {
    "paper": "#14171d",
    "ink": "#eef1f6",
    "muted": "#9aa3b2",
    "line": "#2a2f3a",
    "lane": "#1a1e26",
    "call": "#7c95ff",
    "call-ink": "#0d1220",
    "first": "#2c3767",
    "text": "#4a5fc4",
    "text-ink": "#f4f6fb",
    "running": "#1a7a5d",
    "running-ink": "#ffffff",
    "done": "#3fd6a6",
    "done-ink": "#06231a",
    "failed": "#ff8a5c",
    "failed-ink": "#2a0d00",
    "cancelled": "#8d96a5",
    "cancelled-ink": "#0d1220",
    "data": "#626b7a",
    "hazard": "#f0a63a",
    "limit": "#7f93cf",
    "overlap": "#17291f",
}

PATTERNS = (
    '<defs><pattern id="data" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="lane" width="7" height="7"/><path class="s-data" stroke-width="3" d="M0 0V7"/></pattern>'
    '<pattern id="hazard" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<rect class="lane" width="7" height="7"/><path class="s-hazard" stroke-width="3.4" d="M0 0V7"/></pattern>'
    '<pattern id="limit" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect class="lane" width="6" height="6"/><circle class="limit" cx="3" cy="3" r="1.5"/></pattern></defs>'
)
_FIXED = (
    ".num{font-variant-numeric:tabular-nums}"
    ".critical{stroke-width:1.6}.seen{stroke-width:1.7}.halo{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}"
    ".mark{fill:none;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}"
    ".arrow,.arrow-strong{fill:none;stroke-width:1.2;stroke-linejoin:round}.arrow{opacity:.55}"
    ".wait-line{stroke-width:1.4;stroke-dasharray:2 4;stroke-linecap:round;fill:none}.line,.turn{fill:none}"
)


def style_sheet(theme: Theme) -> str:
    """Return the style sheet of a picture: the colours of the page that embeds it, or fixed ones."""
    if theme == "auto":
        return f"{_FIXED}{_colours(LIGHT)}@media (prefers-color-scheme:dark){{{_colours(DARK)}}}"
    return _FIXED + _colours(DARK if theme == "dark" else LIGHT)


def _colours(palette: dict[str, str]) -> str:
    fills = "".join(f".{name}{{fill:{colour}}}" for name, colour in palette.items() if name != "line")
    ink, muted, paper = palette["ink"], palette["muted"], palette["paper"]
    strokes = "".join(
        f".{name}{{stroke:{colour}}}"
        for name, colour in {
            "line": palette["line"],
            "turn": muted,
            "critical": ink,
            "arrow": ink,
            "arrow-strong": ink,
            "wait-line": palette["data"],
            "s-data": palette["data"],
            "s-hazard": palette["hazard"],
            "s-failed": palette["failed"],
            "s-cancelled": muted,
            "s-skipped": palette["failed"],
            "s-failed-ink": palette["failed-ink"],
            "s-cancelled-ink": palette["cancelled-ink"],
        }.items()
    )
    halo = f".halo{{stroke:{palette['lane']}}}.on-paper{{stroke:{paper}}}"
    return f"{fills}{strokes}{halo}.seen{{fill:{paper};stroke:{ink}}}.problem{{fill:{palette['failed']}}}"
