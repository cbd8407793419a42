"""Readers for fields that servers send in any type. Nothing here ever raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Types whose attributes are methods, and not fields that a server sent.
_PLAIN = (str, bytes, int, float, list, tuple, type(None))
#: Where the text of a part stands: of one to show, of one to think, and of a summary of that.
_WORDS = ("text", "refusal", "thinking", "reasoning", "reasoning_text", "summary", "content")
#: A longer number is not a count or an index.
_DIGITS = 18


def get(thing: Any, name: str) -> Any:
    """Return a field of a dict or of an object of the library's; None where it is missing."""
    # Some ten fields are read for every token, nearly all of dicts: the check against the abstract class is slow.
    if isinstance(thing, (dict, Mapping)):
        return thing.get(name)
    return None if isinstance(thing, _PLAIN) else getattr(thing, name, None)


def several(value: Any) -> Sequence[Any]:
    """Return a list as it is, a single object as a list of one, and anything else as an empty list."""
    if isinstance(value, (list, tuple)):
        return value
    return () if isinstance(value, _PLAIN) else (value,)


def number(value: Any) -> int | None:
    """Return a whole number of 0 or more, also if it was sent as text or with a decimal point; None for anything else."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) <= _DIGITS else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value >= 0 and value == value // 1 and value < 10**_DIGITS else None


def text(value: Any) -> str | None:
    """Return text, or a number as text, since some servers send a number as an id; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return value if isinstance(value, str) else str(value)


def words(value: Any, depth: int = 4) -> str:
    """Return the text in a text, a part of a message, or a list of them; empty for anything else.

    Args:
        value: What a server sent.
        depth: Levels of objects that may be around a text: a server's nesting must not decide how deep we go.
    """
    if isinstance(value, str):
        return value
    if depth == 0 or not value:  # nearly every field of a token is missing: nothing is looked for in what is not there
        return ""
    if isinstance(value, (list, tuple)):
        return "".join(words(part, depth - 1) for part in value)
    return next((found for name in _WORDS if (found := words(get(value, name), depth - 1))), "")
