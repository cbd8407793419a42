"""Text for users: shortened, cleaned, counted and listed. Messages, labels and pictures use these functions.

Text of a model, a tool or a server may hold what steers a terminal, or what reverses the direction of writing so that a line is
read as another. All such text is shown through `printable`, or on one line through `clean` or `shorten`.
"""

from __future__ import annotations

import difflib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence

#: Characters of a label: what fits beside a bar of the timeline on a slide.
LABEL_CHARACTERS = 60
#: Characters of a text that `shorten` and `clean` read for each character that they may return. A megabyte of tool output
#: is not read to its end: that would stall the loop that runs the tools.
_READ_FOR_EACH = 4
#: Joiners without which some scripts and emoji fall apart; every other invisible format character is dropped.
_JOINERS = "\u200c\u200d"
#: Colours, cursor movements, titles of windows, and all other sequences that begin with an escape or with its short form. A
#: title without an end is not one: all text after it would be lost. It holds no beginning of another, so searches are short.
_ESCAPES = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[PX\]^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
#: Controls that are not white space, and marks that override the direction of writing. Marks that only isolate a text in
#: another direction, or stand for a letter of it, are needed to write Arabic or Hebrew.
_HIDDEN = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]"
_ESCAPE = re.compile(_ESCAPES)
_NOT_PRINTABLE = re.compile(f"{_ESCAPES}|{_HIDDEN}")
_NOT_PRINTABLE_OR_COLOUR = re.compile(rf"(?P<colour>\x1b\[[0-9;]*m)|{_ESCAPES}|{_HIDDEN}")
#: Categories that no picture can show: controls, surrogates, private and unassigned code points.
_NOT_SHOWN = {"Cc", "Cs", "Co", "Cn"}


def truncate(text: str, limit: int) -> str:
    """Return text of at most ``limit`` characters, the last of them an ellipsis if something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def truncate_with_length(text: str, limit: int) -> str:
    """Return the first ``limit`` characters of text and, if that is not all of it, its length."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters in all)"


def shorten(text: str, limit: int = LABEL_CHARACTERS) -> str:
    """Return text on one line of at most ``limit`` characters."""
    return truncate(on_one_line(text[: _READ_FOR_EACH * limit]), limit)


def clean(text: str, limit: int) -> str:
    """Return any text on one line of at most ``limit`` characters, fit to be drawn.

    Text of a model or a tool may hold megabytes, control characters, half a surrogate pair or overrides of the writing
    direction. All text in a picture is cleaned first, so that each renderer escapes only what its own syntax requires.
    """
    line = on_one_line(text[: _READ_FOR_EACH * limit])
    whole = len(line) <= limit and len(text) <= _READ_FOR_EACH * limit
    return line if whole else line[: limit - 1].rstrip() + "…"


def clean_lines(text: str, limit: int) -> str:
    """Return the last ``limit`` characters of text, with `clean` applied to each line."""
    return "\n".join(clean(line, limit) for line in text[-limit:].splitlines()).strip("\n")


def on_one_line(text: str) -> str:
    """Return text on one line, without what cannot be shown."""
    return " ".join((text if text.isprintable() else "".join(map(visible, without_escapes(text)))).split())


def printable(text: str, *, colours: bool = False) -> str:
    """Return text with its lines and tabs, and without what steers a terminal or overrides the direction of writing.

    Args:
        text: Any text.
        colours: Whether sequences that only set colours stay, as in a traceback of IPython's.
    """
    if colours:
        return _NOT_PRINTABLE_OR_COLOUR.sub(lambda found: found["colour"] or "", text)
    return _NOT_PRINTABLE.sub("", text)


def without_escapes(text: str) -> str:
    """Return text without escape sequences; a control character alone stays."""
    return _ESCAPE.sub("", text)


def visible(character: str) -> str:
    """Return a character that can be shown; for any other one a blank, the replacement character, or nothing."""
    if character.isascii():
        return character if character.isprintable() else " "
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character in _JOINERS else ""
    return "\N{REPLACEMENT CHARACTER}" if category in _NOT_SHOWN else character


def plural(number: int, noun: str, many: str = "") -> str:
    """Return the form of a noun that follows a number; ``many`` is the plural of a noun that takes more than an s."""
    return noun if number == 1 else many or f"{noun}s"


def count(number: int, noun: str, many: str = "") -> str:
    """Return a number of things in words, such as ``1 turn``, ``3 turns`` or ``2 retries``."""
    return f"{number} {plural(number, noun, many)}"


def list_names(names: Iterable[str], limit: int, total: int) -> str:
    """Return the first ``limit`` names with commas between; of more than that, also how many there are in ``total``."""
    shown = list(itertools.islice(names, limit))
    return ", ".join(shown) + (f", ... ({total} in all)" if total > len(shown) else "")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return ``; did you mean X?`` for the nearest known word, or for the two nearest if both are very near; else nothing."""
    found = difflib.get_close_matches(word, known, n=2, cutoff=0.8) or difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """Return that nothing of a kind has this name, with the nearest known name or else all of them."""
    names = tuple(known)
    listed = f"; the {kind}s are: {', '.join(names) or 'none yet'}."
    return f"there is no {kind} {name!r}{did_you_mean(name, names) or listed}"


def show_seconds(seconds: float) -> str:
    """Return a duration as ``83 ms``, ``0.83 s``, ``8.3 s``, ``2 min 05 s`` or ``1 h 02 min``."""
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
