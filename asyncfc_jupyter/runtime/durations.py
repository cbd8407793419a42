"""The durations of a conversation's latest calls, from which that of the next one is expected."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

#: Calls on which an expectation is based: recent enough to follow a service that slows down.
_RECENT = 9


class Durations:
    """Remembers the latest calls of each tool, and of all tools together."""

    def __init__(self) -> None:
        self._by_tool: dict[str, deque[float]] = {}
        self._all: deque[float] = deque(maxlen=_RECENT)

    def note(self, tool: str, seconds: float) -> None:
        """Note the duration of a call."""
        self._by_tool.setdefault(tool, deque(maxlen=_RECENT)).append(seconds)
        self._all.append(seconds)

    def recent_s(self, tool: str) -> Sequence[float]:
        """Return the durations of the latest calls of a tool, in seconds.

        For a tool that was never called, those of all tools: many are called once in a conversation, and an agent's tools often
        use one service. Empty until the first call has ended.
        """
        return self._by_tool.get(tool) or self._all
