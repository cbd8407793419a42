"""The longest chain of running times that had to follow one another: the time that no scheduler could have shortened.

A call must follow the calls whose values it takes, and every earlier call that touches the same state in a
conflicting way, whether or not it happened to wait for one. Comparing all pairs would take quadratic time, so the
calls are entered, in order of issue, into a tree of the named state. Each place keeps the longest chain that ends in
a reader and in a writer, at the place itself and anywhere below it. Only the longest can matter to a later call, so the
time is linear in the depth of its paths. What a call waited for others while it ran, such as for a core, is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.path_index import PathTree
from asyncfc_jupyter.trace.fold.future_rows import Row


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of calls, by its last one. Only ``length_s`` and the link to the call before it are kept."""

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


@dataclass(slots=True)
class _Longest:
    """The longest chains that end in a reader and in a writer of some places."""

    read: Chain | None = None
    written: Chain | None = None


def critical_path(rows: Iterable[Row], now: float) -> Chain | None:
    """Return the chain with the longest total running time, or None when no function was called.

    Args:
        rows: The futures, in order of issue.
        now: Where a running time ends that has not ended, in seconds since the run started.
    """
    chains: dict[FutureName, Chain] = {}
    tree = PathTree(_Longest)
    for row in rows:
        if row.run is None:
            continue
        before: list[Chain | None] = [chains.get(name) for name in row.needs]
        for path in row.effects.reads:
            before += [found.written for found in tree.records_met(path)]
        for path in row.effects.writes:
            before += [chain for found in tree.records_met(path) for chain in (found.written, found.read)]
        previous = max(filter(None, before), key=lambda chain: chain.length_s, default=None)
        chain = Chain(row.alone_s(now) + (previous.length_s if previous else 0.0), row.future, previous)
        chains[row.future] = chain
        for path in row.effects.reads:
            for record in tree.records_of(path):
                record.read = _longer(record.read, chain)
        for path in row.effects.writes:
            for record in tree.records_of(path):
                record.written = _longer(record.written, chain)
    return max(chains.values(), key=lambda chain: chain.length_s, default=None)


def _longer(one: Chain | None, other: Chain) -> Chain:
    return other if one is None or other.length_s > one.length_s else one
