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


class _Queue:
    """The calls with the same limits that wait: a heap of their orders, and the full limit at which it is parked."""

    __slots__ = ("full", "limits", "orders")

    def __init__(self, limits: Limits, full: Limit) -> None:
        self.limits, self.full = limits, full
        self.orders: list[int] = []


class Places:
    """Counts the places under every limit and grants them to calls, the least order first."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}
        #: The calls that wait.
        self._queues: dict[Limits, _Queue] = {}
        #: First orders of the queues that are parked at each limit. Some are outdated. One name may have several limits, since
        #: tools need not agree on its places.
        self._parked: dict[str, dict[Limit, list[tuple[int, _Queue]]]] = {}
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
            order, limits, queue = candidate
            if order in self._withdrawn:
                self._withdrawn.discard(order)
                self._leave_queue(queue)
            elif (full := self.full(limits)) is None:
                for limit in limits:
                    self._taken[limit.name] = self._taken.get(limit.name, 0) + 1
                self._leave_queue(queue)
                yield order, None
            elif queue is not None:
                self._park(queue, full)
            else:
                self._enter_queue(order, limits, full)
                yield order, full
        self._freed.clear()

    def _next(self) -> tuple[int, Limits, _Queue | None] | None:
        """Take the least order that arrived or that a freed limit holds back: the latter is still the first of its queue."""
        best: list[tuple[int, _Queue]] | None = None
        least = self._arrived[0][0] if self._arrived else None
        for name in self._freed:
            for limit, heads in self._parked.get(name, {}).items():
                head = self._head(limit, heads)
                if head is not None and (least is None or head < least):
                    least, best = head, heads
        if least is None:
            return None
        if best is None:
            return (*heapq.heappop(self._arrived), None)
        _, queue = heapq.heappop(best)
        return least, queue.limits, queue

    def _head(self, limit: Limit, heads: list[tuple[int, _Queue]]) -> int | None:
        """Return the least order parked at a limit if the limit has a free place, else None; remove outdated entries."""
        if self.full((limit,)) is not None:
            return None
        while heads:
            order, queue = heads[0]
            if queue.full == limit and queue.orders and queue.orders[0] == order:
                return order
            heapq.heappop(heads)
        return None

    def _enter_queue(self, order: int, limits: Limits, full: Limit) -> None:
        queue = self._queues.get(limits)
        if queue is None:
            queue = self._queues[limits] = _Queue(limits, full)
        heapq.heappush(queue.orders, order)
        if queue.orders[0] == order or queue.full != full:
            self._park(queue, full)

    def _leave_queue(self, queue: _Queue | None) -> None:
        """Remove the first of a queue; None stands for the queue of a call that has just arrived, which is in none."""
        if queue is None:
            return
        heapq.heappop(queue.orders)
        if queue.orders:
            self._park(queue, queue.full)
        else:
            del self._queues[queue.limits]

    def _park(self, queue: _Queue, full: Limit) -> None:
        queue.full = full
        heapq.heappush(self._parked.setdefault(full.name, {}).setdefault(full, []), (queue.orders[0], queue))
