"""The longest chain of running times that had to follow one another: what no scheduler could have shortened.

A call must follow the calls whose values it takes, and every earlier call that touches the same state in a
conflicting way, whether or not it happened to wait for one. Comparing all pairs would take quadratic time, so the
calls are entered, in order of issue, into a tree of the named state. Each place keeps the longest chain that ends in
a reader and in a writer, at the place itself and anywhere below it. Only the longest can matter to a later call, so a
call looks at its own places, at those above them, and at one number for all that lies below: time linear in the depth
of its paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from asyncfc_jupyter.core.effects import Path
from asyncfc_jupyter.core.futures import FutureName
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
    root = _Place()
    longest: Chain | None = None
    for row in rows:
        if not row.ran:
            continue
        before = [chains[name] for name in row.needs if name in chains]
        before += [found for path in row.effects.reads for found in root.conflicts(path, writes=False)]
        before += [found for path in row.effects.writes for found in root.conflicts(path, writes=True)]
        previous = max(before, key=lambda chain: chain.length_s, default=None)
        chain = Chain(row.running_s(now) + (previous.length_s if previous else 0.0), row.future, previous)
        chains[row.future] = chain
        for path in row.effects.reads:
            root.enter(path, chain, writes=False)
        for path in row.effects.writes:
            root.enter(path, chain, writes=True)
        longest = _longer(longest, chain)
    return longest


@dataclass(slots=True)
class _Place:
    """A place in the tree of named state, with the longest chains that end in a call that touches it."""

    places: dict[str, _Place] = field(default_factory=dict)
    read_here: Chain | None = None
    written_here: Chain | None = None
    #: Here or anywhere below.
    read_under: Chain | None = None
    written_under: Chain | None = None

    def conflicts(self, path: Path, *, writes: bool) -> list[Chain]:
        """Return the longest chains that a call must follow when it reads, or writes, ``path``."""
        found: list[Chain | None] = []
        place = self
        for segment in path:
            found.append(place.written_here)
            if writes:
                found.append(place.read_here)
            if segment not in place.places:
                break
            place = place.places[segment]
        else:
            found.append(place.written_under)
            if writes:
                found.append(place.read_under)
        return [chain for chain in found if chain is not None]

    def enter(self, path: Path, chain: Chain, *, writes: bool) -> None:
        """Remember that the last call of ``chain`` reads, or writes, ``path``."""
        place = self
        place.note_under(chain, writes=writes)
        for segment in path:
            place = place.places.setdefault(segment, _Place())
            place.note_under(chain, writes=writes)
        if writes:
            place.written_here = _longer(place.written_here, chain)
        else:
            place.read_here = _longer(place.read_here, chain)

    def note_under(self, chain: Chain, *, writes: bool) -> None:
        """Remember that ``chain`` ends here or below."""
        if writes:
            self.written_under = _longer(self.written_under, chain)
        else:
            self.read_under = _longer(self.read_under, chain)


def _longer(one: Chain | None, other: Chain) -> Chain:
    return other if one is None or other.length_s > one.length_s else one
