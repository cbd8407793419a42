"""Plain data: values that nothing can change once `snapshot` has copied them, so that it does not matter when they are read.

Only exact types count. An object of a derived class may hold more, and reading it may run code of its own. Even to look up
the class in a set may, if its metaclass has such code.
"""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Iterable, Sequence, Set
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import chain
from types import NoneType
from typing import Any
from uuid import UUID

from asyncfc_jupyter.core.references import Reference
from asyncfc_jupyter.errors import MissingField

_CONSTANTS = frozenset(
    {
        *(str, bool, int, float, complex, bytes, NoneType, Decimal, Fraction, UUID),
        *(dt.date, dt.datetime, dt.time, dt.timedelta, dt.timezone),
        *(pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath),
    }
)
_CONTAINERS = frozenset({list, tuple, set, frozenset})
#: Identities of these types. To look up a type itself would run the code that its metaclass may have for that.
CONSTANT_TYPES = frozenset(map(id, _CONSTANTS))
CONTAINER_TYPES = frozenset(map(id, (dict, *_CONTAINERS)))


def is_plain(value: Any) -> bool:
    """Return whether a value is built of numbers, texts, times, lists, mappings and the like, and of nothing else."""
    inside, seen = [value], set[int]()
    while inside:
        each = inside.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        kind = type(each)
        if type(kind) is not type:
            return False
        if kind is dict:
            parts = (*each, *each.values())
        elif kind in _CONTAINERS:
            parts = each
        elif kind in _CONSTANTS:
            continue
        else:
            return False
        inside += [part for part in parts if type(type(part)) is not type or type(part) not in _CONSTANTS]
    return True


def is_constant(value: Any) -> bool:
    """Return whether a value can never change, even if it is not copied."""
    kind = type(value)
    if issubclass(kind, Enum):
        return is_constant(value._value_)
    if kind is tuple or kind is frozenset:
        return all(map(is_constant, value))
    return type(kind) is type and kind in _CONSTANTS


def are_constants(values: Iterable[Any]) -> bool:
    """Return whether all values are numbers, texts, times and the like. One call into C: give it a few thousand at most."""
    return CONSTANT_TYPES.issuperset(map(id, map(type, values)))


def parts_of_rows(rows: list[Any], most: int) -> int | None:
    """Return how many parts the items of a list have, if all are lists, mappings or tuples alike, and of constants only.

    None if not, or if there are more of them. A few calls into C: give it a few thousand rows at most.
    """
    kind: Any = type(rows[0])
    if not (kind is list or kind is dict or kind is tuple) or not are_of(kind, rows):
        return None
    size = sum(map(len, rows))
    if size > most:
        return None
    values = chain.from_iterable(map(dict.values, rows)) if kind is dict else ()
    return size if are_constants(chain(chain.from_iterable(rows), values)) else None


def columns_of_rows(rows: list[Any]) -> Sequence[Any] | None:
    """Return the keys of mappings, or the places of lists, that all items of a list have in the same order; None if not all do.

    A few calls into C: give it a few thousand rows at most.
    """
    kind: Any = type(rows[0])
    if not (kind is list or kind is dict) or not are_of(kind, rows):
        return None
    if kind is list:
        return range(len(rows[0])) if len({*map(len, rows)}) == 1 else None
    same = are_constants(chain.from_iterable(rows)) and len({*map(tuple, rows)}) == 1
    return tuple(rows[0]) if same else None


def are_of(kind: Any, values: Iterable[Any]) -> bool:
    """Return whether all values are of exactly one type."""
    return {id(kind)}.issuperset(map(id, map(type, values)))


def finds_plain(reference: Reference, result: Any, mixed: Set[int]) -> bool:
    """Return whether a reference finds plain data, or nothing at all, and meets only plain containers on the way.

    Args:
        reference: The reference.
        result: The result that it is a reference to.
        mixed: Identities of the containers in the result that hold anything but plain data.
    """
    value = result
    for step in reference.steps:
        kind = type(value)
        if not (kind is list or kind is tuple or kind is dict):
            return False
        if kind is dict and id(value) in mixed and not (are_constants(value) or all(map(is_constant, value))):
            return False
        try:
            value = step.reach(value, reference.future)
        except MissingField:
            return True
    return id(type(value)) in CONSTANT_TYPES or (id(type(value)) in CONTAINER_TYPES and id(value) not in mixed)
