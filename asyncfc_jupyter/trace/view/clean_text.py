"""Hostile text and bare numbers made fit to be drawn.

Model and tool text may hold anything: megabytes, control characters, half a surrogate pair, overrides of the writing
direction. Whatever is drawn passes through `clean` first, so that each renderer only has to escape for its own syntax.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

#: Joiners without which some scripts and emoji fall apart; every other invisible format character is dropped.
_JOINERS = "\u200c\u200d"
#: What may never reach a picture: controls, surrogates, private and unassigned code points.
_UNFIT = {"Cc", "Cs", "Co", "Cn"}


def clean(text: str, limit: int) -> str:
    """Return ``text`` on one line, without characters that cannot be shown, at most ``limit`` characters long."""
    # Only a bounded head is looked at: cleaning a megabyte of tool output would stall the loop that runs the tools.
    head = text[: 4 * limit]
    if not (head.isascii() and head.isprintable()):
        head = "".join(visible(character) for character in head)
    line = " ".join(head.split())
    return line if len(line) <= limit and len(text) <= 4 * limit else line[: limit - 1].rstrip() + "…"


def clean_lines(text: str, limit: int) -> str:
    """Return the last ``limit`` characters of ``text``, each of its lines as `clean` makes them."""
    return "\n".join(clean(line, limit) for line in text[-limit:].splitlines()).strip("\n")


def visible(character: str) -> str:
    """Return a character if it can be shown, and else what stands for it: a blank, a replacement, or nothing."""
    if character.isascii():
        return character if character.isprintable() else " "
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character in _JOINERS else ""
    return "\N{REPLACEMENT CHARACTER}" if category in _UNFIT else character


def show_arguments(arguments: str, limit: int) -> str:
    """Return a call's arguments as people write them, ``city="LIS", nights=2``; what is no object stays as it is."""
    try:
        # The log cuts long arguments, so that they need not be JSON any more.
        values: Any = json.loads(arguments)
    except (ValueError, RecursionError):
        return clean(arguments, limit)
    if not isinstance(values, dict):
        return clean(arguments, limit)
    return clean(", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in values.items()), limit)


def show_seconds(seconds: float) -> str:
    """Return a duration for people: ``83 ms``, ``0.83 s``, ``8.3 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
