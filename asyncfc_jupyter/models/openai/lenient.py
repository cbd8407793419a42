"""What servers send, taken as it comes: fields of any kind, read without trust. Nothing here ever raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Values whose attributes are methods, and no fields of what a server sent.
_PLAIN = (str, bytes, int, float, list, tuple, type(None))
#: A number that is longer is none that anybody counts with.
_DIGITS = 18


def get(thing: Any, name: str) -> Any:
    """Return a field of an object of the library's, or of a dict; None where it has none."""
    # Some ten fields are asked for with every token, of dicts: what is none is found out slowly.
    if isinstance(thing, (dict, Mapping)):
        return thing.get(name)
    return None if isinstance(thing, _PLAIN) else getattr(thing, name, None)


def several(value: Any) -> Sequence[Any]:
    """Return what should be a list: one thing in the place of a list is a list of one, and anything else is empty."""
    if isinstance(value, (list, tuple)):
        return value
    return () if isinstance(value, _PLAIN) else (value,)


def number(value: Any) -> int | None:
    """Return a whole number from 0 on, also one that was sent as text or with a decimal point; None for anything else."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) <= _DIGITS else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value >= 0 and value == value // 1 and value < 10**_DIGITS else None


def text(value: Any) -> str | None:
    """Return text, or a number as text, as some servers send for an id; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return value if isinstance(value, str) else str(value)
