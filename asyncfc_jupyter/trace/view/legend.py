"""The colours and patterns of the picture, for light and dark paper.

Few on purpose: indigo for decoding, green for functions, amber only where a call is held although its values are
known, and plum where the person is asked. Indigo, green, amber and the red of a failure stay apart for readers who
confuse red and green (they differ in lightness or in blue); no state is told by colour alone. Text has a contrast of
at least 4.5 to 1 on what it stands on; bars, patterns, signs and the edges of controls one of 3 to 1 (WCAG 2.2, AA).
The pale fills, of the time in which nothing is there yet, lie between things that have it: a running bar has an edge.
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
    "edge": "#868e9c",
    "lane": "#f5f6f9",
    "call": "#3b5bdb",
    "call-ink": "#ffffff",
    "first": "#d5dffd",
    "text": "#6680f0",
    "text-ink": "#1b2130",
    "reasoning": "#e5dbff",
    "reasoning-ink": "#3b2a78",
    "running": "#5cc4a3",
    "running-ink": "#06231a",
    "done": "#0b7f61",
    "done-ink": "#ffffff",
    "failed": "#c03a12",
    "failed-ink": "#ffffff",
    "cancelled": "#6f7785",
    "cancelled-ink": "#ffffff",
    "data": "#7f8897",
    "hazard": "#c57300",
    "approval": "#a61e8c",
    "approval-ink": "#ffffff",
    "limit": "#6b7fb8",
    "overlap": "#e9f5f1",
    "saved": "#a8d8c8",
}

DARK: Final[dict[str, str]] = {
    "paper": "#14171d",
    "ink": "#eef1f6",
    "muted": "#9aa3b2",
    "line": "#2a2f3a",
    "edge": "#646d7d",
    "lane": "#1a1e26",
    "call": "#7c95ff",
    "call-ink": "#0d1220",
    "first": "#2c3767",
    "text": "#5166cf",
    "text-ink": "#f4f6fb",
    "reasoning": "#3d3169",
    "reasoning-ink": "#d9ceff",
    "running": "#1a7a5d",
    "running-ink": "#ffffff",
    "done": "#3fd6a6",
    "done-ink": "#06231a",
    "failed": "#ff8a5c",
    "failed-ink": "#2a0d00",
    "cancelled": "#8d96a5",
    "cancelled-ink": "#0d1220",
    "data": "#687181",
    "hazard": "#f0a63a",
    "approval": "#f29be2",
    "approval-ink": "#2b0824",
    "limit": "#7f93cf",
    "overlap": "#17291f",
    "saved": "#23513f",
}

#: How each kind of waiting is drawn, and in which colour: hazards lean one way, the other way, or both.
_LINES = {
    "data": ("M0 8L8 0M-1 1L1 -1M7 9L9 7", "data", 2.0),
    "same": ("M0 2H8M0 6H8", "data", 2.0),
    "hazard-RAW": ("M0 8L8 0M-1 1L1 -1M7 9L9 7", "hazard", 2.0),
    "hazard-WAR": ("M0 0L8 8M-1 7L1 9M7 -1L9 1", "hazard", 2.0),
    "hazard-WAW": ("M0 8L8 0M0 0L8 8", "hazard", 1.3),
    "irreversible": ("M2 0V8M6 0V8", "hazard", 2.0),
    "approval": ("M0 2H8M0 6H8", "approval", 2.0),
    "limit": ("M2 2h.01M6 6h.01", "limit", 2.8),
    "saved": ("M0 8L8 0M-1 1L1 -1M7 9L9 7", "saved", 2.0),
}
PATTERNS = (
    "<defs>"
    + "".join(
        f'<pattern id="{kind}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect class="{"paper" if kind == "saved" else "lane"}" width="8" height="8"/>'
        f'<path class="s-{colour}" fill="none" stroke-width="{width:g}" stroke-linecap="round" d="{path}"/></pattern>'
        for kind, (path, colour, width) in _LINES.items()
    )
    + "</defs>"
)
_FIXED = (
    ".num{font-variant-numeric:tabular-nums}"
    ".critical{stroke-width:1.6}.seen{stroke-width:1.7}.halo{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}"
    ".mark{fill:none;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}"
    ".arrow,.arrow-strong{fill:none;stroke-width:1.2;stroke-linejoin:round}.arrow{opacity:.55}"
    ".retry,.discarded,.saved-edge{fill:none;stroke-width:1.4}.open{stroke-width:1.4}.discarded{stroke-dasharray:3 3}"
    ".wait-line{stroke-width:1.4;stroke-dasharray:2 4;stroke-linecap:round;fill:none}.line,.turn{fill:none}"
)


def style_sheet(theme: Theme) -> str:
    """Return the style sheet of a picture: the colours of the page that embeds it, or fixed ones."""
    if theme == "auto":
        return f"{_FIXED}{_colours(LIGHT)}@media (prefers-color-scheme:dark){{{_colours(DARK)}}}"
    return _FIXED + _colours(DARK if theme == "dark" else LIGHT)


def _colours(palette: dict[str, str]) -> str:
    fills = "".join(
        f".{name}{{fill:{colour}}}" for name, colour in palette.items() if name not in {"line", "edge", "saved"}
    )
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
            "s-approval": palette["approval"],
            "s-limit": palette["limit"],
            "s-saved": palette["saved"],
            "saved-edge": palette["done"],
            "open": palette["done"],
            "retry": palette["failed"],
            "discarded": muted,
            "s-failed": palette["failed"],
            "s-cancelled": muted,
            "s-skipped": palette["failed"],
            "s-failed-ink": palette["failed-ink"],
            "s-cancelled-ink": palette["cancelled-ink"],
        }.items()
    )
    halo = f".halo{{stroke:{palette['lane']}}}.on-paper{{stroke:{paper}}}"
    return f"{fills}{strokes}{halo}.seen{{fill:{paper};stroke:{ink}}}.problem{{fill:{palette['failed']}}}"
