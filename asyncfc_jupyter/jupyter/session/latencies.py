"""How long the tools of a session have taken so far."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from asyncfc_jupyter.core.events import CallFailed, CallFinished, CallIssued, CallStarted, Stamped
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.text import plural, show_seconds

#: The percentiles are those of the latest calls of a tool, so that a service that becomes slower is noticed.
_LATEST = 1_000


@dataclass(slots=True)
class Latency:
    """How long one tool has taken, in seconds from the start of the function to its return."""

    taken_s: deque[float] = field(default_factory=lambda: deque(maxlen=_LATEST))
    returned: int = 0
    failed: int = 0

    def percentile_s(self, share: float) -> float | None:
        """Return the time within which this share of the latest calls returned, or None if no call has."""
        ordered = sorted(self.taken_s)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None

    @property
    def shown(self) -> tuple[str, str]:
        """The median and the 95th percentile for the user; a dash if no call has returned."""
        each = (self.percentile_s(0.5), self.percentile_s(0.95))
        p50, p95 = ("-" if value is None else show_seconds(value) for value in each)
        return p50, p95

    @property
    def calls(self) -> str:
        """The number of calls for the user: ``3 calls, 1 more failed``."""
        failed = f", {self.failed:,} more failed" if self.failed else ""
        return f"{self.returned:,} {plural(self.returned, 'call')}{failed}"


class Latencies:
    """The latencies of a session's tools by name."""

    def __init__(self) -> None:
        self._tools: dict[str, Latency] = {}

    def of(self, tool: str) -> Latency:
        """Return the latency of a tool; an empty one if it was never called."""
        return self._tools.get(tool, Latency())

    def observer(self) -> Callable[[Stamped], None]:
        """Return an observer for one run: the names of futures are those of their run."""
        tools: dict[FutureName, str] = {}
        started_s: dict[FutureName, float] = {}

        def observe(stamped: Stamped) -> None:
            match stamped.event:
                case CallIssued(future=future, tool=tool):
                    tools[future] = tool
                case CallStarted(future=future):
                    started_s[future] = stamped.at_s
                case CallFinished(future=future) if future in started_s:
                    latency = self._tools.setdefault(tools[future], Latency())
                    latency.taken_s.append(stamped.at_s - started_s[future])
                    latency.returned += 1
                case CallFailed(future=future) if future in started_s:
                    self._tools.setdefault(tools[future], Latency()).failed += 1

        return observe
