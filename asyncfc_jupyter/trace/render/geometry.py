"""Where things go: scales, ticks, the width of text, and the place of a label beside its bar. Pure arithmetic.

Whoever looks at the picture has fonts of their own, so that widths are estimates, on the wide side of the usual sans
serifs.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import Literal

from asyncfc_jupyter.text import show_seconds

#: Width of characters in em, in a wide sans serif. Everything else is taken as `_EM_OTHER`.
_EM = {
    **dict.fromkeys("ijl.,:;'|!`", 0.32),
    **dict.fromkeys(' frt()[]{}/\\-"*', 0.40),
    **dict.fromkeys("mwMWOQ%@—…→", 0.92),
    **dict.fromkeys("ABCDEFGHJKLNPRSTUVXYZ&+=<>#~$_", 0.70),
}
_EM_OTHER = 0.61
_EM_WIDE = 1.05
_BOLD = 1.1
#: Seconds between two labels of the axis.
TICK_STEPS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600),
)
#: Width, in pixels, in which a cut label still says something.
ROOM_TO_CUT = 110.0
#: Room, in pixels, that the sign at the end of a bar needs; narrower bars have none.
SIGN_ROOM = 18.0


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return about how wide a text is drawn at a font size, both in pixels."""
    em = sum(_em(character) for character in text)
    return em * size * (_BOLD if bold else 1.0)


def _em(character: str) -> float:
    known = _EM.get(character)
    if known is not None:
        return known
    if character.isascii():
        return _EM_OTHER
    if unicodedata.combining(character):
        return 0.0
    return _EM_WIDE if unicodedata.east_asian_width(character) in "WF" else _EM_OTHER + 0.1


def fit(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """Return as much of a text as fits into a width in pixels, with an ellipsis where it was cut; or nothing."""
    if text_width(text, size, bold=bold) <= width:
        return text
    room = width / (size * (_BOLD if bold else 1.0)) - _em("…")
    kept = 0
    for character in text:
        room -= _em(character)
        if room < 0:
            break
        kept += 1
    # Two letters and an ellipsis say nothing.
    return text[:kept].rstrip() + "…" if kept >= 3 else ""


def wrap(text: str, size: float, width: float, most: int) -> list[str]:
    """Return a bold text as at most ``most`` lines of a width in pixels, broken at spaces, the last one cut to fit."""
    lines: list[str] = []
    rest = text.split()
    while rest and len(lines) < most - 1:
        count = 1
        while count < len(rest) and text_width(" ".join(rest[: count + 1]), size, bold=True) <= width:
            count += 1
        lines.append(fit(" ".join(rest[:count]), size, width, bold=True))
        rest = rest[count:]
    return [*lines, fit(" ".join(rest), size, width, bold=True)] if rest else lines


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds to pixels."""

    left: float
    right: float
    #: Length of the time axis in seconds; more than 0.
    domain: float

    def __call__(self, seconds: float) -> float:
        """Return where a time is on the axis, in pixels."""
        return self.left + (self.right - self.left) * min(max(seconds, 0.0), self.domain) / self.domain


def ticks(domain: float, most: int) -> list[tuple[float, str]]:
    """Return round times on an axis of ``domain`` seconds, with their labels; at most ``most`` after the zero."""
    least = domain / max(1, most)
    step = next((step for step in TICK_STEPS_S if step >= least), 3600.0 * math.ceil(least / 3600))
    return [(index * step, _tick_label(index * step, step)) for index in range(math.floor(domain / step + 1e-9) + 1)]


def _tick_label(seconds: float, step: float) -> str:
    if seconds == 0:
        return "0"
    if step < 0.1 and seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60 or step < 30:
        return f"{seconds:.{0 if step >= 1 else 1 if step >= 0.1 else 2 if step >= 0.01 else 3}f} s"
    return show_seconds(seconds).replace(" 00 s", "").replace(" 00 min", "")


@dataclass(frozen=True, slots=True)
class Label:
    """A text with its place: ``x`` is where it starts, or, when it is anchored at the end, where it ends."""

    text: str
    x: float
    anchor: Literal["start", "end"]
    inside: bool


def place_label(
    choices: tuple[str, ...],
    size: float,
    bar: tuple[float, float],
    *,
    left: float,
    scale: Scale,
    seen: float | None,
    keep_left: bool = False,
    sign: bool = False,
) -> Label | None:
    """Find room for a row's label: inside its bar, right of it, left of all its segments, or cut where room is widest.

    Args:
        choices: Texts from the longest to the shortest; the last is the one that matters most.
        size: Font size in pixels.
        bar: Where the last segment starts and ends, in pixels.
        left: Where the row's first segment starts, in pixels.
        scale: The time axis: labels stay inside it.
        seen: Where the mark of the first look is, in pixels; labels stay off it.
        sign: There is one at the end of the bar; labels inside stay off it.
        keep_left: Rather cut the text than take the place left of the segments, which others want.
    """
    start, end = bar
    inner = (
        (min(end, seen - 6) if seen is not None and seen < end + 6 else end) - start - (8 + SIGN_ROOM if sign else 16)
    )
    for text in filter(None, choices):
        if text_width(text, size) <= inner:
            return Label(text, start + 8, "start", inside=True)
    text = next((text for text in reversed(choices) if text), "")
    if not text:
        return None
    after = end + 9
    if seen is not None and after + text_width(text, size) + 8 > seen > end - 8:
        after = max(after, seen + 11)
    rooms = [(scale.right - after, after, "start"), (left - 9 - scale.left, left - 9, "end")]
    if keep_left and scale.right - after >= ROOM_TO_CUT:
        rooms = rooms[:1]
    room, x, anchor = next((place for place in rooms if text_width(text, size) <= place[0]), max(rooms))
    if text_width(text, size) > room and inner > room and (cut := fit(text, size, inner)):
        return Label(cut, start + 8, "start", inside=True)
    cut = fit(text, size, room)
    return Label(cut, x, "start" if anchor == "start" else "end", inside=False) if cut else None
