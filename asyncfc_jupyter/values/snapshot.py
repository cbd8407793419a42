"""Copies of a tool's results, so that a result does not change after the model has seen it.

A result may have a million rows, and the event loop must not stand still while they are copied. So a copy is made in a thread,
by steps between which other threads run: no single call into C handles more than some thousand parts of lists and mappings.
Two things would hold the loop all the same: to free a million rows by dropping the list that holds them (see `values.release`),
and the garbage collector (see `values.pauses`).
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Collection, Set
from dataclasses import dataclass
from itertools import chain, islice
from operator import is_
from typing import Any

from asyncfc_jupyter.values.pauses import PARTS, Pauses
from asyncfc_jupyter.values.plain import CONSTANT_TYPES, CONTAINER_TYPES, are_constants, is_plain, parts_of_rows

#: Rows that are copied together, if there are at least so many, and up to so many parts of theirs for each.
_LEAST_ROWS, ROW_PARTS = 64, 16
#: Parts of a value that are copied on the event loop: about a millisecond, where a thread costs a tenth of one.
MOST_ON_LOOP = 2_000
#: Bits of an address within one region of memory. Copies are looked up by region, so that no table becomes so large that to
#: enlarge it, which is one call into C, takes long.
REGION_BITS = 20
_NOTHING: Any = object()
_BEGUN: Any = object()
#: For a value that is neither plain data nor a container: no object has this identity. A conversation keeps it, so one for all.
_NO_CONTAINER = frozenset({0})
_ALL_PLAIN = frozenset[int]()  # Python makes a new one each time


class TooLarge(Exception):
    """A value has more parts than were to be copied at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A value as it was when it was copied."""

    value: Any
    #: Identities of the containers in it that hold anything but plain data. Empty only if all of it is plain data.
    mixed: Set[int]
    #: The containers that were copied, each after those that it holds. The last one to drop them frees them: `values.release`.
    originals: list[Any]


def snapshot(value: Any, most: int | None = None) -> Any:
    """Return a copy of plain data, and any other value as it is; `keep` says more."""
    return keep(value, most).value


def keep(value: Any, most: int | None = None, *, private: bool = False) -> Kept:
    """Return a value as it is now: a copy of plain data, and any other value as it is.

    A tool may return its own live dictionary and change it later; what the model saw must not change with it. Only plain
    containers are copied, named tuples among them, and of these not what never changes, such as a tuple of texts. A
    DataFrame, an array or an open handle is passed as the object it is. So is a dataclass or any other object of a class,
    with all that it holds: it may be compared by identity, or hold a connection.

    A container that the value holds twice is copied once, as `copy.deepcopy` does it. A few lines of YAML can hold one list so
    often that a copy for each place would never end.

    Args:
        value: The value.
        most: Parts of containers that are copied at most; None for no limit.
        private: Whether only the caller holds the value. Then it is not copied if all of it is plain data.

    Raises:
        TooLarge: It has more parts.
        RecursionError: It holds itself, or is nested too deeply.
    """
    if private:
        looking = _Copying(most, copies=False)
        looking.copied(value)
        looking.forget()
        if not looking.others:
            return Kept(value=value, mixed=_ALL_PLAIN, originals=[])
    copying = _Copying(most)
    copy = copying.copied(value)
    copying.forget()
    mixed = copying.mixed or (_NO_CONTAINER if copying.others else _ALL_PLAIN)
    return Kept(value=copy, mixed=mixed, originals=copying.originals)


def is_large(value: Any) -> bool:
    """Return whether a value has more parts than are copied on the event loop."""
    try:
        _Copying(MOST_ON_LOOP, copies=False).copied(value)
    except TooLarge:
        return True
    return False


def is_tree(value: Any) -> bool:
    """Return whether all of a value is plain data and no container is in it twice, so that parts of it can be sent apart."""
    looking = _Copying(None, copies=False)
    looking.copied(value)
    looking.forget()
    return not (looking.others or looking.met_again)


class _Copying:
    """One value while it is copied."""

    def __init__(self, most: int | None, *, copies: bool = True) -> None:
        self._copies_made = copies
        self._left = sys.maxsize if most is None else most
        #: By region and identity, the copies of the containers in `originals`, or that a container is being copied. No other
        #: container has the identity of one that is held there.
        self._copies: defaultdict[int, dict[int, Any]] = defaultdict(dict)
        self.originals: list[Any] = []
        self.mixed: set[int] = set()
        #: How often anything but plain data was met.
        self.others = 0
        #: How often a container was met that had been met before.
        self.met_again = 0
        self._pauses = Pauses()

    def copied(self, value: Any) -> Any:
        """Return a copy of a part."""
        kind: Any = type(value)
        if id(kind) in CONSTANT_TYPES:
            return value
        copies = self._copies[id(value) >> REGION_BITS]
        copy = copies.get(id(value), _NOTHING)
        if copy is _BEGUN:
            raise RecursionError("it holds itself")
        if copy is not _NOTHING:
            self.met_again += 1
            self.others += id(copy) in self.mixed
            return copy
        if not (id(kind) in CONTAINER_TYPES or (issubclass(kind, tuple) and hasattr(kind, "_make"))):
            self.others += 1
            return value
        copies[id(value)] = _BEGUN
        before = self.others
        if kind is dict:
            copy = self._dict(value.copy() if self._copies_made else value)
        elif kind is list:
            copy = self._list(value.copy() if self._copies_made else value)
        elif kind is set or kind is frozenset:
            copy = value.copy() if kind is set and self._copies_made else value
            self._look_at(copy)
        else:
            copy = self._tuple(value, kind)
        if self.others != before:
            self.mixed.add(id(copy))
        copies[id(value)] = copy
        self.originals.append(value)
        if not len(self.originals) % PARTS:
            self._pauses.pause()
        return copy

    def forget(self) -> None:
        """Forget which copy is of what, region by region: to free a million entries at once would hold the loop, too."""
        while self._copies:
            self._copies.popitem()

    def _tuple(self, value: Any, kind: Any) -> Any:
        self.others += kind is not tuple
        raw = list(value)
        parts = self._list(raw.copy())
        if all(map(is_, parts, raw)):
            return value
        return tuple(parts) if kind is tuple else kind._make(parts)

    def _list(self, copy: list[Any]) -> list[Any]:
        self.count(copy)
        for start in range(0, len(copy), PARTS):
            part = copy[start : start + PARTS]
            if not are_constants(part):
                copy[start : start + PARTS] = self._rows(part) or map(self.copied, part)
        return copy

    def _rows(self, part: list[Any]) -> list[Any] | None:
        """Return copies of the items of a list, if all are lists or all are mappings of constants; else None.

        The same as item by item, in half of the time.
        """
        size = parts_of_rows(part, ROW_PARTS * PARTS) if len(part) >= _LEAST_ROWS else None
        if size is None:
            return None
        self.count(range(size))
        rows = []
        for row in part:
            copies = self._copies[id(row) >> REGION_BITS]
            copy = copies.get(id(row))
            if copy is None:
                copies[id(row)] = copy = row.copy() if self._copies_made else row
            else:
                self.met_again += 1
            rows.append(copy)
        self.originals += part
        self._pauses.pause()
        return rows

    def _dict(self, copy: dict[Any, Any]) -> dict[Any, Any]:
        self.count(copy)
        if len(copy) <= PARTS and are_constants(chain(copy, copy.values())):
            return copy
        items = iter(list(copy.items()))
        while part := list(islice(items, PARTS)):
            if not are_constants(chain.from_iterable(part)):
                keys = [key for key, _ in part]
                self.others += not (are_constants(keys) or all(map(is_plain, keys)))
                for key, item in part:
                    new = self.copied(item)
                    if new is not item:
                        copy[key] = new
        return copy

    def _look_at(self, constants: Collection[Any]) -> None:
        """Note whether there is anything but plain data among the keys of a mapping or the items of a set."""
        self.count(constants)
        items = iter(constants)
        while part := list(islice(items, PARTS)):
            self.others += not (are_constants(part) or all(map(is_plain, part)))

    def count(self, copy: Any) -> None:
        """Count the parts of a container."""
        self._left -= len(copy)
        if self._left < 0:
            raise TooLarge
