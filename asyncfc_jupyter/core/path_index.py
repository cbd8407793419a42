"""Who touches which place: finds, among the calls that have not settled, the latest one that a call must wait for.

The places form a tree (`core.effects`). Each node keeps the orders of issue of the calls that read or write exactly there,
and of those that do so anywhere below. A path then conflicts with what lies *at* its ancestors, and with what lies at or
below itself: a query walks one path and bisects a few lists. The alternative, comparing a call with every earlier one, costs
the square of the number of calls.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from asyncfc_jupyter.core.effects import Effects, Hazard, Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """An earlier call that goes first, and the place where the two meet."""

    order: int
    hazard: Hazard
    path: Path


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    reads_below: list[int] = field(default_factory=list)
    writes_below: list[int] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.reads or self.writes or self.reads_below or self.writes_below)


class Accesses:
    """The index of what unsettled calls read and write, by order of issue."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, order: int, effects: Effects) -> None:
        """Enter a call's effects."""
        for path in effects.reads:
            *above, node = self._grow(path)
            insort(node.reads, order)
            for ancestor in above:
                insort(ancestor.reads_below, order)
        for path in effects.writes:
            *above, node = self._grow(path)
            insort(node.writes, order)
            for ancestor in above:
                insort(ancestor.writes_below, order)

    def remove(self, order: int, effects: Effects) -> None:
        """Take out exactly what `add` entered."""
        for path in effects.reads:
            *above, node = self._grow(path)
            _discard(node.reads, order)
            for ancestor in above:
                _discard(ancestor.reads_below, order)
            self._prune(path)
        for path in effects.writes:
            *above, node = self._grow(path)
            _discard(node.writes, order)
            for ancestor in above:
                _discard(ancestor.writes_below, order)
            self._prune(path)

    def latest_before(self, order: int, effects: Effects) -> Conflict | None:
        """Return the latest call issued before ``order`` that conflicts with these effects, or None."""
        best: Conflict | None = None
        for hazard, paths, earlier_writes in (
            (Hazard.RAW, effects.reads, True),
            (Hazard.WAW, effects.writes, True),
            (Hazard.WAR, effects.writes, False),
        ):
            for path in paths:
                found = self._latest(path, order, writes=earlier_writes)
                if found is not None and (best is None or found > best.order):
                    best = Conflict(order=found, hazard=hazard, path=path)
        return best

    def _latest(self, path: Path, order: int, *, writes: bool) -> int | None:
        node, best = self._root, -1
        for segment in path:
            best = max(best, _before(node.writes if writes else node.reads, order))
            below = node.children.get(segment)
            if below is None:
                break
            node = below
        else:
            best = max(best, _before(node.writes if writes else node.reads, order))
            best = max(best, _before(node.writes_below if writes else node.reads_below, order))
        return best if best >= 0 else None

    def _grow(self, path: Path) -> list[_Node]:
        nodes = [self._root]
        for segment in path:
            nodes.append(nodes[-1].children.setdefault(segment, _Node()))
        return nodes

    def _prune(self, path: Path) -> None:
        nodes = self._grow(path)
        for depth in range(len(path), 0, -1):
            if not nodes[depth].empty:
                return
            del nodes[depth - 1].children[path[depth - 1]]


def _discard(orders: list[int], order: int) -> None:
    del orders[bisect_left(orders, order)]


def _before(orders: list[int], order: int) -> int:
    at = bisect_left(orders, order)
    return orders[at - 1] if at else -1
