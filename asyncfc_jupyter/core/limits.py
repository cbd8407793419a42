"""Places to run in: how many calls may run at once, over the whole run, for one tool, for one resource.

A call names the limits it stands under and needs a place under each. Calls that stand under the same limits form a queue, in
order of emission. A queue that cannot move is *parked* at one limit that is full, and looked at again only when that limit
frees a place; looking at every waiting call each time would cost the square of their number. Among the queues that one
limit holds back, the one whose head was issued first goes first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from asyncfc_jupyter.core.events import Limit

Limits = tuple[Limit, ...]


def tightest(limits: Limits) -> Limits:
    """Return the limits with one for each name, the least: two paths that a call is limited by may be the same place."""
    least: dict[str, Limit] = {}
    for limit in limits:
        if limit.name not in least or limit.places < least[limit.name].places:
            least[limit.name] = limit
    return tuple(least.values())


class Places:
    """Counts the places under every limit and hands them out, least order first."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}
        #: Orders that wait, by the limits they stand under.
        self._queues: dict[Limits, list[int]] = {}
        #: The full limit each waiting queue is parked at.
        self._at: dict[Limits, Limit] = {}
        #: Heads of the queues parked at each limit. One name may have several limits: tools need not agree on its places.
        self._parked: dict[str, dict[Limit, list[tuple[int, Limits]]]] = {}
        #: Came since the last `grant`.
        self._arrived: list[tuple[int, Limits]] = []
        #: Limits that may have places again.
        self._freed: dict[str, None] = {}
        self._gone: set[int] = set()

    def arrive(self, order: int, limits: Limits) -> None:
        """Ask for a place under each of these limits."""
        heapq.heappush(self._arrived, (order, limits))

    def withdraw(self, order: int) -> None:
        """Take back what `arrive` asked for and `grant` has not yet given."""
        self._gone.add(order)

    def leave(self, limits: Limits) -> None:
        """Give back a place under each of these limits."""
        for limit in limits:
            self._taken[limit.name] -= 1
            self._freed[limit.name] = None

    @property
    def changed(self) -> bool:
        """Whether anybody came, or a place was given back, since the last `grant`."""
        return bool(self._arrived or self._freed)

    def full(self, limits: Limits) -> Limit | None:
        """Return the first of the limits that has no place left, or None."""
        for limit in limits:
            if self._taken.get(limit.name, 0) >= limit.places:
                return limit
        return None

    def grant(self) -> Iterator[tuple[int, Limit | None]]:
        """Hand out what places there are.

        Yields:
            Orders that may start now, each with None; and orders that just came and must wait, each with a full limit.
        """
        while (candidate := self._next()) is not None:
            order, limits, new = candidate
            if order in self._gone:
                self._gone.discard(order)
                continue
            full = self.full(limits)
            if full is None:
                for limit in limits:
                    self._taken[limit.name] = self._taken.get(limit.name, 0) + 1
                yield order, None
            else:
                self._park(order, limits, full)
                if new:
                    yield order, full
        self._freed.clear()

    def _next(self) -> tuple[int, Limits, bool] | None:
        """Take out the least order that came or that a freed limit holds back; whether it came just now."""
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
        return self._pop(limits), limits, False

    def _head(self, limit: Limit, heads: list[tuple[int, Limits]]) -> int | None:
        """Return the least order parked at a limit, if it has a place, or None; what is stale is thrown away."""
        if self.full((limit,)) is not None:
            return None
        while heads:
            order, limits = heads[0]
            queue = self._queues.get(limits)
            if self._at.get(limits) == limit and queue and queue[0] == order:
                return order
            heapq.heappop(heads)
        return None

    def _pop(self, limits: Limits) -> int:
        queue = self._queues[limits]
        order = heapq.heappop(queue)
        if queue:
            heapq.heappush(self._heads(self._at[limits]), (queue[0], limits))
        else:
            del self._queues[limits], self._at[limits]
        return order

    def _park(self, order: int, limits: Limits, full: Limit) -> None:
        queue = self._queues.setdefault(limits, [])
        heapq.heappush(queue, order)
        self._at[limits] = full
        heapq.heappush(self._heads(full), (queue[0], limits))

    def _heads(self, limit: Limit) -> list[tuple[int, Limits]]:
        return self._parked.setdefault(limit.name, {}).setdefault(limit, [])
