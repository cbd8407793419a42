"""A text as a terminal would show it: without control characters and without what was overwritten."""

from __future__ import annotations

from collections.abc import Sequence

from asyncfc_jupyter.text import visible, without_escapes


def as_screen(text: str) -> str:
    """Return text with its lines and tabs, without escapes, control characters and overwritten parts of lines."""
    return "\n".join(map(_line, without_escapes(text).split("\n")))


def _line(line: str) -> str:
    if "\r" in line:
        # A progress bar overwrites its line. A terminal would keep the end of a longer earlier text, which is of no use.
        line = next((piece for piece in reversed(line.split("\r")) if piece), "")
    if line.isascii() and line.isprintable():
        return line
    return "".join(character if character == "\t" else visible(character) for character in line)


def newest_line(runs: Sequence[tuple[str, object]]) -> str:
    """Return the last line that is not blank, in texts that follow one another."""
    for text, _ in reversed(runs):
        if line := next((line for line in reversed(text.split("\n")) if line.strip()), ""):
            return line
    return ""
