"""The tree of named state, and an index in it of the calls that have not settled.

A path names a place in a tree (`core.effects`). Two paths meet if one lies at, above or below the other. `PathTree` keeps two
records at each place: what concerns exactly this place, and what concerns all places below it. A query then walks one path. The
alternative, comparing a call with every earlier one, costs the square of the number of calls.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from asyncfc_jupyter.core.effects import Effects, Hazard, Path

Kept = TypeVar("Kept")


@dataclass(slots=True)
class _Node(Generic[Kept]):
    here: Kept
    below: Kept
    children: dict[str, _Node[Kept]] = field(default_factory=dict)


class PathTree(Generic[Kept]):
    """A tree of places with two records at each: one of the place itself, one of all places below it."""

    def __init__(self, new_record: Callable[[], Kept]) -> None:
        self._new_record = new_record
        self._root = self._new_node()

    def _new_node(self) -> _Node[Kept]:
        return _Node(self._new_record(), self._new_record())

    def records_of(self, path: Path) -> Iterator[Kept]:
        """Yield every record that counts ``path``: its own, and the one of all places below for each place above it."""
        node = self._root
        for segment in path:
            yield node.below
            if segment not in node.children:
                node.children[segment] = self._new_node()
            node = node.children[segment]
        yield node.here

    def records_met(self, path: Path) -> Iterator[Kept]:
        """Yield the records of all places that meet ``path``."""
        node = self._root
        for segment in path:
            yield node.here
            if segment not in node.children:
                return
            node = node.children[segment]
        yield node.here
        yield node.below

    def prune(self, path: Path) -> None:
        """Remove ``path`` and the places above it as far as their records are empty, which means false."""
        nodes = [self._root]
        for segment in path:
            nodes.append(nodes[-1].children[segment])
        for depth in range(len(path), 0, -1):
            if nodes[depth].here or nodes[depth].below:
                return
            del nodes[depth - 1].children[path[depth - 1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """An earlier call that goes first, and the path of the later one at which the two meet."""

    order: int
    hazard: Hazard
    path: Path


class _Orders:
    """The calls that read and that write a place, each by its order of issue, ascending."""

    __slots__ = ("reads", "writes")

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.writes: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.reads or self.writes)


class Accesses:
    """The index of what unsettled calls read and write, by order of issue."""

    def __init__(self) -> None:
        self._tree = PathTree(_Orders)

    def add(self, order: int, effects: Effects) -> None:
        """Add a call's effects."""
        for path in effects.reads:
            for record in self._tree.records_of(path):
                insort(record.reads, order)
        for path in effects.writes:
            for record in self._tree.records_of(path):
                insort(record.writes, order)

    def remove(self, order: int, effects: Effects) -> None:
        """Remove exactly what `add` added."""
        for path in effects.reads:
            for record in self._tree.records_of(path):
                del record.reads[bisect_left(record.reads, order)]
            self._tree.prune(path)
        for path in effects.writes:
            for record in self._tree.records_of(path):
                del record.writes[bisect_left(record.writes, order)]
            self._tree.prune(path)

    def latest_before(self, order: int, effects: Effects) -> Conflict | None:
        """Return the latest call issued before ``order`` that conflicts with these effects, or None."""
        latest: Conflict | None = None
        for hazard, paths in (
            (Hazard.RAW, effects.reads),
            (Hazard.WAW, effects.writes),
            (Hazard.WAR, effects.writes),
        ):
            for path in paths:
                for record in self._tree.records_met(path):
                    orders = record.reads if hazard is Hazard.WAR else record.writes
                    earlier = bisect_left(orders, order)
                    if earlier and (latest is None or orders[earlier - 1] > latest.order):
                        latest = Conflict(order=orders[earlier - 1], hazard=hazard, path=path)
        return latest
