"""Copies of a tool's results, so that a result does not change after the model has seen it."""

from __future__ import annotations

from typing import Any


def snapshot(value: Any) -> Any:
    """Return a copy of plain data, and any other value as it is.

    A tool may return its own live dictionary and change it later; what the model saw must not change with it. Only plain
    containers are copied, named tuples among them. A DataFrame, an array or an open handle is passed as the object it is. So is
    a dataclass or any other object of a class, with all that it holds: it may be compared by identity, or hold a connection.

    A container that the value holds twice is copied once, as `copy.deepcopy` does it. A few lines of YAML can hold one list so
    often that a copy for each place would never end.
    """
    return _copied(value, {})


def _copied(value: Any, copies: dict[int, tuple[Any, Any]]) -> Any:
    """Copy a value.

    Args:
        value: The value.
        copies: By their identity, the containers that have been copied, and their copies. No other container has the identity
            of one that is held here.
    """
    if id(value) in copies:
        return copies[id(value)][1]
    kind, copy = type(value), value
    if kind is dict:
        copy = {key: _copied(item, copies) for key, item in value.items()}
    elif kind is list:
        copy = [_copied(item, copies) for item in value]
    elif kind is tuple:
        copy = tuple(_copied(item, copies) for item in value)
    elif kind is set:
        copy = set(value)
    elif issubclass(kind, tuple) and hasattr(kind, "_make"):
        copy = kind._make(_copied(item, copies) for item in value)
    if copy is not value:
        copies[id(value)] = value, copy
    return copy
