"""Limits: how many calls may run at the same time, over the whole run, for one tool, for one resource.

A call names its limits and needs a place under each of them. Calls with the same limits form a queue, in order of emission. A
queue that cannot move is *parked* at one limit that is full, and is checked again only when that limit frees a place. To check
every waiting call each time would cost the square of their number. Of the queues that one limit holds back, the one whose first
call was issued earliest goes first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from asyncfc_jupyter.core.events import Limit

Limits = tuple[Limit, ...]


def tightest(limits: Limits) -> Limits:
    """Return one limit for each name, the least. Two paths that limit a call may be the same place."""
    least: dict[str, Limit] = {}
    for limit in limits:
        if limit.name not in least or limit.places < least[limit.name].places:
            least[limit.name] = limit
    return tuple(least.values())


class Places:
    """Counts the places under every limit and grants them to calls, the least order first."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}
        #: Orders that wait, by their limits.
        self._queues: dict[Limits, list[int]] = {}
        #: The full limit at which each waiting queue is parked.
        self._parked_at: dict[Limits, Limit] = {}
        #: First orders of the queues that are parked at each limit. Some are outdated. One name may have several limits, since
        #: tools need not agree on its places.
        self._parked: dict[str, dict[Limit, list[tuple[int, Limits]]]] = {}
        #: Orders that arrived since the last `grant`.
        self._arrived: list[tuple[int, Limits]] = []
        #: Names of limits that may have free places again.
        self._freed: dict[str, None] = {}
        self._withdrawn: set[int] = set()

    def arrive(self, order: int, limits: Limits) -> None:
        """Request a place under each of these limits."""
        heapq.heappush(self._arrived, (order, limits))

    def withdraw(self, order: int) -> None:
        """Cancel a request of `arrive` that `grant` has not granted yet."""
        self._withdrawn.add(order)

    def leave(self, limits: Limits) -> None:
        """Free a place under each of these limits."""
        for limit in limits:
            self._taken[limit.name] -= 1
            self._freed[limit.name] = None

    @property
    def changed(self) -> bool:
        """Whether a place was requested or freed since the last `grant`."""
        return bool(self._arrived or self._freed)

    def full(self, limits: Limits) -> Limit | None:
        """Return the first of the limits that has no free place, or None."""
        for limit in limits:
            if self._taken.get(limit.name, 0) >= limit.places:
                return limit
        return None

    def grant(self) -> Iterator[tuple[int, Limit | None]]:
        """Grant the free places.

        Yields:
            Orders that may start now, each with None; and orders that have arrived and must wait, each with a full limit.
        """
        while (candidate := self._next()) is not None:
            order, limits, new = candidate
            if order in self._withdrawn:
                self._withdrawn.discard(order)
                continue
            full = self.full(limits)
            if full is None:
                for limit in limits:
                    self._taken[limit.name] = self._taken.get(limit.name, 0) + 1
                yield order, None
                continue
            queue = self._queues.setdefault(limits, [])
            heapq.heappush(queue, order)
            self._park(limits, full, queue[0])
            if new:
                yield order, full
        self._freed.clear()

    def _next(self) -> tuple[int, Limits, bool] | None:
        """Take the least order that arrived or that a freed limit holds back; also return whether it has just arrived."""
        best: list[tuple[int, Limits]] | None = None
        least = self._arrived[0][0] if self._arrived else None
        for name in self._freed:
            for limit, heads in self._parked.get(name, {}).items():
                head = self._head(limit, heads)
                if head is not None and (least is None or head < least):
                    least, best = head, heads
        if least is None:
            return None
        if best is None:
            return (*heapq.heappop(self._arrived), True)
        _, limits = heapq.heappop(best)
        queue = self._queues[limits]
        heapq.heappop(queue)
        if queue:
            self._park(limits, self._parked_at[limits], queue[0])
        else:
            del self._queues[limits], self._parked_at[limits]
        return least, limits, False

    def _head(self, limit: Limit, heads: list[tuple[int, Limits]]) -> int | None:
        """Return the least order parked at a limit if the limit has a free place, else None; remove outdated entries."""
        if self.full((limit,)) is not None:
            return None
        while heads:
            order, limits = heads[0]
            queue = self._queues.get(limits)
            if self._parked_at.get(limits) == limit and queue and queue[0] == order:
                return order
            heapq.heappop(heads)
        return None

    def _park(self, limits: Limits, full: Limit, head: int) -> None:
        self._parked_at[limits] = full
        heapq.heappush(self._parked.setdefault(full.name, {}).setdefault(full, []), (head, limits))
