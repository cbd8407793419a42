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
from operator import is_, itemgetter
from typing import Any

from asyncfc_jupyter.values.pauses import PARTS, Pauses
from asyncfc_jupyter.values.plain import (
    CONSTANT_TYPES,
    CONTAINER_TYPES,
    are_constants,
    are_of,
    columns_of_rows,
    is_plain,
    parts_of_rows,
)

#: Rows that are copied together, if there are at least so many, and up to so many parts of theirs for each.
_LEAST_ROWS, ROW_PARTS = 64, 16
#: Parts of a value that are copied on the event loop: about a millisecond, where a thread costs a tenth of one.
MOST_ON_LOOP = 2_000
#: Items of a list up to which it is copied by one call, so that nothing can change it meanwhile: a millisecond or two.
_AT_ONCE = 16 * PARTS
#: Bits of an address within one region of memory. Copies are looked up by region, so that no table becomes so large that to
#: enlarge it, which is one call into C, takes long.
REGION_BITS = 20
_NOTHING: Any = object()
#: For a value that is neither plain data nor a container: no object has this identity. A conversation keeps it, so one for all.
_NO_CONTAINER = frozenset({0})
_ALL_PLAIN = frozenset[int]()  # Python makes a new one each time


class _Begun:
    """In place of copies that are being made together."""


_BEGUN = _Begun()


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
    kept = keep(value, most)
    while kept.originals:  # to drop a million at once would hold the loop, too
        del kept.originals[-PARTS:]
    return kept.value


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
        looking.whole(value)
        if not looking.others:
            return Kept(value=value, mixed=_ALL_PLAIN, originals=[])
    copying = _Copying(most)
    copy = copying.whole(value)
    mixed = copying.mixed or (_NO_CONTAINER if copying.others else _ALL_PLAIN)
    return Kept(value=copy, mixed=mixed, originals=copying.originals)


def is_large(value: Any) -> bool:
    """Return whether a value has more parts than are copied on the event loop."""
    try:
        _Copying(MOST_ON_LOOP, copies=False).whole(value)
    except TooLarge:
        return True
    return False


def is_tree(value: Any) -> bool:
    """Return whether all of a value is plain data and no container is in it twice, so that parts of it can be sent apart."""
    looking = _Copying(None, copies=False)
    looking.whole(value)
    return not (looking.others or looking.met_again)


def _copied_list(value: list[Any]) -> list[Any]:
    if len(value) <= _AT_ONCE:
        return value.copy()
    copy = list[Any]()
    for start in range(0, len(value), PARTS):
        copy += value[start : start + PARTS]
    return copy


class _Copying:
    """One value while it is copied."""

    def __init__(self, most: int | None, *, copies: bool = True) -> None:
        self._copies_made = copies
        self._left = sys.maxsize if most is None else most
        #: By region and identity, the copies of the containers in `originals`, or that a container is being copied. No other
        #: container has the identity of one that is held there.
        self._copies: defaultdict[int, dict[int, Any]] = defaultdict(dict)
        self.originals: list[Any] = []
        #: How many containers there were, and how many of them before the latest pause.
        self._met = self._paused = 0
        self.mixed: set[int] = set()
        #: How often anything but plain data was met.
        self.others = 0
        #: How often a container was met that had been met before.
        self.met_again = 0
        self._pauses = Pauses()

    def whole(self, value: Any) -> Any:
        """Return a copy of the value, and forget which copy is of what."""
        copy = self.copied(value)
        while self._copies:  # region by region: to free a million entries at once would hold the loop, too
            self._copies.popitem()
        return copy

    def copied(self, value: Any) -> Any:
        """Return a copy of a part."""
        kind: Any = type(value)
        if id(kind) in CONSTANT_TYPES:
            return value
        copies = self._copies[id(value) >> REGION_BITS]
        copy = copies.get(id(value), _NOTHING)
        if type(copy) is _Begun:
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
        if id(kind) in CONTAINER_TYPES:
            self.count(value)  # before anything is copied
        if kind is dict:
            copy = self._dict(value.copy() if self._copies_made else value)
        elif kind is list:
            copy = self._list(_copied_list(value) if self._copies_made else value)
        elif kind is set or kind is frozenset:
            copy = value.copy() if kind is set and self._copies_made else value
            self._look_at(copy)
        else:
            copy = self._tuple(value, kind)
        if self.others != before:
            self.mixed.add(id(copy))
        copies[id(value)] = copy
        self._done([value])
        return copy

    def _done(self, containers: list[Any]) -> None:
        if self._copies_made:
            self.originals += containers
        self._met += len(containers)
        if self._met - self._paused >= PARTS:
            self._paused = self._met
            self._pauses.pause()

    def _tuple(self, value: Any, kind: Any) -> Any:
        self.others += kind is not tuple
        raw = list(value)
        if kind is not tuple:
            self.count(raw)
        parts = self._list(raw.copy())
        if all(map(is_, parts, raw)):
            return value
        return tuple(parts) if kind is tuple else kind._make(parts)

    def _list(self, copy: list[Any]) -> list[Any]:
        for start in range(0, len(copy), PARTS):
            part = copy[start : start + PARTS]
            if not are_constants(part):
                copy[start : start + PARTS] = self._rows(part) or map(self.copied, part)
        return copy

    def _rows(self, part: list[Any]) -> list[Any] | None:
        """Return copies of the items of a list, if all are lists, mappings or tuples alike, and simple enough; else None.

        The same as item by item, in a fraction of the time.
        """
        if len(part) < _LEAST_ROWS:
            return None
        size = parts_of_rows(part, ROW_PARTS * PARTS)
        if size is None:
            return self._columns(part)
        self.count(range(size))
        if type(part[0]) is tuple:
            return part
        rows = []
        for row in part:
            copies = self._copies[id(row) >> REGION_BITS]
            copy = copies.get(id(row))
            if copy is None:
                copies[id(row)] = copy = row.copy() if self._copies_made else row
            else:
                self.met_again += 1
            rows.append(copy)
        self._done(part)
        return rows

    def _columns(self, part: list[Any]) -> list[Any] | None:
        """Return copies of rows that have the same keys, or the same length, column by column.

        None if they do not, or if they hold anything but plain data: that is noted container by container.
        """
        kind: Any = type(part[0])
        if not (kind is list or kind is dict) or not 0 < len(part[0]) <= ROW_PARTS or not are_of(kind, part):
            return None
        begun, before, rows = _Begun(), self.others, []
        for row in part:
            copies = self._copies[id(row) >> REGION_BITS]
            copy = copies.get(id(row))
            if copy is None:
                copies[id(row)] = begun
                rows.append(row)
                continue
            if type(copy) is _Begun and copy is not begun:
                raise RecursionError("it holds itself")
            self.met_again += 1
            self.others += id(copy) in self.mixed
        made = [row.copy() for row in rows] if self._copies_made else rows
        if self.others != before or (made and not self._fill(made)):
            for row in rows:
                del self._copies[id(row) >> REGION_BITS][id(row)]
            return None
        for row, copy in zip(rows, made, strict=True):
            self._copies[id(row) >> REGION_BITS][id(row)] = copy
        self._done(rows)
        return [self._copies[id(row) >> REGION_BITS][id(row)] for row in part]

    def _fill(self, rows: list[Any]) -> bool:
        """Put copies into rows in place of what they hold; return whether all of it is plain data."""
        before, keys = self.others, columns_of_rows(rows)
        if keys is None:
            return False
        self.count(range(len(keys) * len(rows)))
        for key in keys:
            column = [*map(itemgetter(key), rows)]
            if are_constants(column):
                continue
            copies = self._rows(column) or [*map(self.copied, column)]
            if self.others != before:
                return False
            if self._copies_made:
                for row, copy in zip(rows, copies, strict=True):
                    row[key] = copy
        return True

    def _dict(self, copy: dict[Any, Any]) -> dict[Any, Any]:
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
        items = iter(constants)
        while part := list(islice(items, PARTS)):
            self.others += not (are_constants(part) or all(map(is_plain, part)))

    def count(self, container: Any) -> None:
        """Count the parts of a container."""
        self._left -= len(container)
        if self._left < 0:
            raise TooLarge
