"""What becomes of a tool's result: kept by reference, snapshotted where it is plain, summarized for people."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from asyncfc_jupyter.text import count, shorten

_SCALARS = (str, bool, int, float)
#: Entries of a mapping that can have a part in a label.
_MOST_WORDS = 12


def snapshot(value: Any) -> Any:
    """Return a copy of plain data, and anything else as it is.

    A tool may hand out its own live dictionary and change it later; what was seen must not change with it. Only plain
    containers are copied, named tuples among them: a DataFrame, an array or an open handle passes as the object it is. So does
    a dataclass or any other object of a class, with all that it holds: it may be compared by identity, or hold a connection.
    """
    if type(value) is dict:
        return {key: snapshot(item) for key, item in value.items()}
    if type(value) is list:
        return [snapshot(item) for item in value]
    if type(value) is tuple:
        return tuple(snapshot(item) for item in value)
    make = getattr(type(value), "_make", None) if isinstance(value, tuple) else None
    if make is not None:
        return make(snapshot(item) for item in value)
    return set(value) if type(value) is set else value


def describe(value: Any) -> str:
    """Return a few words on a value for people: ``3 items``, ``sunny``, ``DataFrame 100 x 4``."""
    try:
        return _described(plain_scalar(value))
    except Exception as error:  # noqa: BLE001 - a value that cannot say what it is costs its label, not the run
        return f"{type(value).__name__} (describing it raised {type(error).__name__})"


def plain_scalar(value: Any) -> Any:
    """Return the Python value in a scalar of an array library, a time as text, and anything else as it is."""
    if value is None or type(value) in _SCALARS:  # not what is derived from them: an array library's numbers are
        return value
    item = getattr(value, "item", None)
    if not callable(item) or getattr(value, "shape", None) != ():
        return value
    # A time of an array library becomes a bare count of nanoseconds in Python.
    return str(value) if getattr(getattr(value, "dtype", None), "kind", None) in {"M", "m"} else item()


def _described(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and all(isinstance(side, int) for side in shape):
        return f"{type(value).__name__} {' x '.join(map(str, shape))}"
    if value is None or isinstance(value, _SCALARS):
        return shorten(repr(value) if not isinstance(value, str) else value)
    if isinstance(value, list | tuple | set):
        return count(len(value), "item")
    if isinstance(value, Mapping):
        first = itertools.islice(value.items(), _MOST_WORDS)
        return shorten(", ".join(f"{key}: {_word(item)}" for key, item in first) or "empty")
    return type(value).__name__


def _word(value: Any) -> str:
    value = plain_scalar(value)
    return str(value) if value is None or isinstance(value, _SCALARS) else describe(value)
