"""The longest chain of running times that had to follow one another: what no scheduler could have shortened.

A call must follow the calls whose values it takes, and every earlier call that touches the same state in a conflicting way,
whether or not it happened to wait for one. Comparing all pairs would take quadratic time. The calls are therefore added, in
order of issue, to a tree of the named state (`core.path_index`), which keeps the longest chain that ends in a reader, and in
a writer, of each place and of all places below it. Only the longest matters to a later call, so the time for one call is
linear in the depth of its paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.path_index import PathTree
from asyncfc_jupyter.trace.fold.future_rows import Row


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of calls, by its last one. Only ``length_s`` and the way back are kept."""

    length_s: float
    future: FutureName
    previous: Chain | None = None

    def futures(self) -> tuple[FutureName, ...]:
        """Return the calls from the first to the last."""
        names = []
        link: Chain | None = self
        while link is not None:
            names.append(link.future)
            link = link.previous
        return tuple(reversed(names))


def critical_path(rows: Iterable[Row], now: float) -> Chain | None:
    """Return the chain with the longest total running time, or None when no function was called.

    Args:
        rows: The futures, in order of issue.
        now: Where a running time ends that has not ended, in seconds since the run started.
    """
    chains: dict[FutureName, Chain] = {}
    tree = PathTree(_Longest)
    longest: Chain | None = None
    for row in rows:
        if not row.ran:
            continue
        before = [chains.get(name) for name in row.needs]
        before += [record.written for path in row.effects.reads for record in tree.records_met(path)]
        for path in row.effects.writes:
            for record in tree.records_met(path):
                before += [record.written, record.read]
        previous = max(filter(None, before), key=lambda chain: chain.length_s, default=None)
        chain = Chain(row.running_s(now) + (previous.length_s if previous else 0.0), row.future, previous)
        chains[row.future] = chain
        for path in row.effects.reads:
            for record in tree.records_of(path):
                record.read = _longer(record.read, chain)
        for path in row.effects.writes:
            for record in tree.records_of(path):
                record.written = _longer(record.written, chain)
        longest = _longer(longest, chain)
    return longest


@dataclass(slots=True)
class _Longest:
    """The longest chain that ends in a reader of some place, and the longest that ends in a writer of it."""

    read: Chain | None = None
    written: Chain | None = None


def _longer(one: Chain | None, other: Chain) -> Chain:
    return other if one is None or other.length_s > one.length_s else one
