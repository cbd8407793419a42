"""How every kind of segment, span and mark looks, in one table; and the colours and patterns that the table names.

The static pictures, the text timeline, the page's script and its style sheet all take their looks from here, so that none
can differ from the others. A kind that is missing here is drawn nowhere.

The colours are few on purpose: indigo for decoding, green for functions, amber only where a call is held although its values
are known, and plum where the user is asked. Indigo, green, amber and the red of a failure stay apart for readers who
confuse red and green (they differ in lightness or in blue); no state is shown by colour alone. Text has a contrast of
at least 4.5 to 1 on what it stands on; bars, patterns, signs and the edges of controls one of 3 to 1 (WCAG 2.2, AA).
The pale fills, of the time in which nothing is there yet, lie between things that have it: a running bar has an edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from asyncfc_jupyter.core.waits import WAITS

#: Each colour on light and on dark paper.
PALETTE: Final[Mapping[str, tuple[str, str]]] = {
    "paper": ("#ffffff", "#14171d"),
    "ink": ("#1b2130", "#eef1f6"),
    "muted": ("#5f6775", "#9aa3b2"),
    "line": ("#e4e7ec", "#2a2f3a"),
    "edge": ("#868e9c", "#646d7d"),
    "lane": ("#f5f6f9", "#1a1e26"),
    "call": ("#3b5bdb", "#7c95ff"),
    "call-ink": ("#ffffff", "#0d1220"),
    "first": ("#d5dffd", "#2c3767"),
    "text": ("#6680f0", "#5166cf"),
    "text-ink": ("#1b2130", "#f4f6fb"),
    "reasoning": ("#e5dbff", "#3d3169"),
    "reasoning-ink": ("#3b2a78", "#d9ceff"),
    "running": ("#5cc4a3", "#1a7a5d"),
    "running-ink": ("#06231a", "#ffffff"),
    "done": ("#0b7f61", "#3fd6a6"),
    "done-ink": ("#ffffff", "#06231a"),
    "failed": ("#c03a12", "#ff8a5c"),
    "failed-ink": ("#ffffff", "#2a0d00"),
    "cancelled": ("#6f7785", "#8d96a5"),
    "cancelled-ink": ("#ffffff", "#0d1220"),
    "data": ("#7f8897", "#687181"),
    "hazard": ("#c57300", "#f0a63a"),
    "approval": ("#a61e8c", "#f29be2"),
    "approval-ink": ("#ffffff", "#2b0824"),
    "limit": ("#6b7fb8", "#7f93cf"),
    "overlap": ("#e9f5f1", "#17291f"),
    "saved": ("#a8d8c8", "#23513f"),
}
LIGHT: Final = {name: light for name, (light, _) in PALETTE.items()}
DARK: Final = {name: dark for name, (_, dark) in PALETTE.items()}

#: Side of the tile that a pattern repeats, in pixels.
TILE: Final = 8
#: The lines of each pattern, as the path of an SVG in one tile, and their width in pixels. They meet at the edges of the tile.
HATCHES: Final[Mapping[str, tuple[str, float]]] = {
    "rising": ("M0 8L8 0M-1 1L1 -1M7 9L9 7", 2.0),
    "falling": ("M0 0L8 8M-1 7L1 9M7 -1L9 1", 2.0),
    "crossed": ("M0 8L8 0M0 0L8 8", 1.3),
    "upright": ("M2 0V8M6 0V8", 2.0),
    "level": ("M0 2H8M0 6H8", 2.0),
    "dotted": ("M2 2h.01M6 6h.01", 2.8),
    "fine": ("M0 0L8 8M-1 7L1 9M7 -1L9 1", 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The look of one kind."""

    #: What the legend of a picture says; empty for what only a text draws.
    words: str = ""
    #: What the legend of a text says, where its words differ.
    text_words: str = ""
    #: The name of its colour in `PALETTE`.
    colour: str = ""
    #: The name of its pattern in `HATCHES`; empty for a plain fill.
    hatch: str = ""
    #: What fills its time in a text: one cell wide in every terminal font that has box drawing. Empty for a call that ended
    #: as it ran, and for what takes no time.
    cell: str = ""
    #: What a text puts at the end of its time.
    sign: str = ""


#: In the order of the legend. A wait for shared state is drawn by its hazard, except in a text.
LOOKS: Final[Mapping[str, Look]] = {
    # What the model did.
    "first_token": Look(words="to first token", colour="first", cell="░"),
    "retry": Look(words="request retried", colour="failed", cell="↻"),
    "reasoning": Look(words="reasoning", colour="reasoning", cell="▒"),
    "call": Look(words="a call", colour="call", cell="▓"),
    "text": Look(words="text", colour="text", cell="█"),
    "await": Look(text_words="waiting", colour="data", cell="·"),
    "abandoned": Look(words="abandoned request", colour="text", hatch="fine", cell="\u2571"),
    # The life of a future.
    "arguments": Look(words="its arguments", colour="text", cell="▁"),
    "queued": Look(words="queued", colour="data", cell="─"),
    "running": Look(words="running", colour="running", cell="▒"),
    "done": Look(words="ran", colour="done", cell="█"),
    "failed": Look(words="failed", colour="failed", cell="▓", sign="✗"),
    "cancelled": Look(words="cancelled", colour="cancelled", sign="⊘"),
    "skipped": Look(words="skipped", colour="failed", sign="↷"),
    "discarded": Look(words="continued, discarded", colour="muted", cell="▫"),
    # Why it waited.
    "data": Look(words="needs a value", colour="data", hatch="rising", cell="╌"),
    "hazard": Look(text_words="held: shared state", cell="═"),
    "hazard-RAW": Look(words="reads after a write", colour="hazard", hatch="rising"),
    "hazard-WAR": Look(words="writes after a read", colour="hazard", hatch="falling"),
    "hazard-WAW": Look(words="writes after a write", colour="hazard", hatch="crossed"),
    "irreversible": Look(words="held: irreversible", colour="hazard", hatch="upright", cell="╫"),
    "approval": Look(words="held: approval", colour="approval", hatch="level", cell="≡"),
    "limit": Look(words="held: limit", colour="limit", hatch="dotted", cell="┄"),
    "same": Look(words="same call", colour="data", hatch="level", cell="≈"),
    # Marks on the picture.
    "seen": Look(words="the model saw it", colour="ink", sign="○"),
    "critical": Look(words="critical path", colour="ink"),
    "overlap": Look(words="overlap", colour="overlap"),
    "saved": Look(words="saved", colour="saved", hatch="rising", cell="╌"),
}
#: What a text's legend shows before and after the reasons to wait.
_BEFORE_WAITS = (
    "first_token",
    "retry",
    "reasoning",
    "arguments",
    "call",
    "text",
    "await",
    "abandoned",
    "queued",
    "running",
    "done",
)
_AFTER_WAITS = ("failed", "cancelled", "skipped", "discarded", "seen", "saved")


def text_keys(kinds: Iterable[str]) -> list[str]:
    """Return the entries of a text's legend for these kinds, each with a sample before its words."""
    drawn = set(kinds)
    shown = [LOOKS[kind] for kind in (*_BEFORE_WAITS, *WAITS, *_AFTER_WAITS) if kind in drawn]
    return [f"{look.cell}{look.sign} {look.text_words or look.words}" for look in shown]


def patterns() -> str:
    """Return the patterns of a static picture as definitions of an SVG, each named by its kind."""
    drawn = []
    for kind, look in LOOKS.items():
        if look.hatch:
            path, width = HATCHES[look.hatch]
            drawn.append(
                f'<pattern id="{kind}" width="{TILE}" height="{TILE}" patternUnits="userSpaceOnUse">'
                f'<rect class="{"paper" if kind == "saved" else "lane"}" width="{TILE}" height="{TILE}"/>'
                f'<path class="s-{look.colour}" fill="none" stroke-width="{width:g}" stroke-linecap="round" d="{path}"/>'
                "</pattern>"
            )
    return f"<defs>{''.join(drawn)}</defs>"


#: What draws a line, by the colour of the line.
_STROKES = {
    "line": ".line",
    "muted": ".turn,.discarded,.s-cancelled",
    "ink": ".critical,.arrow,.arrow-strong,.seen",
    "data": ".wait-line",
    "done": ".saved-edge,.open",
    "failed": ".retry,.s-failed,.s-skipped",
    "failed-ink": ".s-failed-ink",
    "cancelled-ink": ".s-cancelled-ink",
    "lane": ".halo",
    "text": ".abandoned-edge",
}
_SHAPES = (
    ".num{font-variant-numeric:tabular-nums}"
    ".critical{stroke-width:1.6}.seen{stroke-width:1.7}.halo{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}"
    ".mark{fill:none;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}"
    ".arrow,.arrow-strong{fill:none;stroke-width:1.2;stroke-linejoin:round}.arrow{opacity:.55}"
    ".abandoned-edge{fill:none;stroke-width:1}"
    ".retry,.discarded,.saved-edge{fill:none;stroke-width:1.4}.open{stroke-width:1.4}.discarded{stroke-dasharray:3 3}"
    ".wait-line{stroke-width:1.4;stroke-dasharray:2 4;stroke-linecap:round;fill:none}.line,.turn{fill:none}"
)


def style_sheet() -> str:
    """Return the style sheet of a static picture, for light and for dark paper."""
    light, dark = (_colours(palette) for palette in (LIGHT, DARK))
    return f"{_SHAPES}{light}@media (prefers-color-scheme:dark){{{dark}}}"


def _colours(palette: Mapping[str, str]) -> str:
    fills = {f".{name}": name for name in palette if name not in {"line", "edge", "saved"}}
    fills |= {".seen": "paper", ".problem": "failed"}
    strokes = {selectors: name for name, selectors in _STROKES.items()}
    strokes |= {f".s-{look.colour}": look.colour for look in LOOKS.values() if look.hatch}
    return "".join(
        f"{selectors}{{{what}:{palette[name]}}}"
        for what, rules in (("fill", fills), ("stroke", strokes))
        for selectors, name in rules.items()
    )


def custom_properties() -> str:
    """Return the colours as custom properties of the timeline in a page, ``--afc-paper`` and so on, for both themes."""
    lines = [f"  --afc-{name}: light-dark({light}, {dark});\n" for name, (light, dark) in PALETTE.items()]
    return f".asyncfc-timeline {{\n{''.join(lines)}}}\n"
