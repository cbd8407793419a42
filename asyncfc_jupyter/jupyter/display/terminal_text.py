"""What a terminal would show of a text: lines that were written over are gone, and what steers it is too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from asyncfc_jupyter.text import visible

#: Colours and cursor movements, titles of windows, and what else begins with an escape.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")


def as_screen(text: str) -> str:
    """Return text with its lines and tabs, without escapes, control characters and what a carriage return wrote over."""
    return "\n".join(_line(line) for line in _ESCAPES.sub("", text).split("\n"))


def _line(line: str) -> str:
    if "\r" in line:
        # A progress bar writes a line over itself. What is longer than the rest stays seen behind it in a terminal; nobody
        # wants to read that.
        line = next((piece for piece in reversed(line.split("\r")) if piece), "")
    if line.isascii() and line.isprintable():
        return line
    return "".join(character if character == "\t" else visible(character) for character in line)


def newest_line(runs: Sequence[tuple[str, object]]) -> str:
    """Return the last line that is not blank, of texts that follow one another."""
    for text, _ in reversed(runs):
        if line := next((line for line in reversed(text.split("\n")) if line.strip()), ""):
            return line
    return ""
