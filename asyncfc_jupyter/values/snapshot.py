"""Copies of a tool's results, so that a result does not change after the model has seen it."""

from __future__ import annotations

from typing import Any


def snapshot(value: Any) -> Any:
    """Return a copy of plain data, and any other value as it is.

    A tool may return its own live dictionary and change it later; what the model saw must not change with it. Only plain
    containers are copied, named tuples among them. A DataFrame, an array or an open handle is passed as the object it is. So is
    a dataclass or any other object of a class, with all that it holds: it may be compared by identity, or hold a connection.
    """
    if type(value) is dict:
        return {key: snapshot(item) for key, item in value.items()}
    if type(value) is list:
        return [snapshot(item) for item in value]
    if type(value) is tuple:
        return tuple(snapshot(item) for item in value)
    make = getattr(type(value), "_make", None) if issubclass(type(value), tuple) else None
    if make is not None:
        return make(snapshot(item) for item in value)
    return set(value) if type(value) is set else value
