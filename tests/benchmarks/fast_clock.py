"""A clock that runs some times as fast as real time, for a whole event loop.

Everything on the loop measures and waits in the loop's own seconds, the layer's learned times and the model's pace included, so
nothing has to know that it runs faster. What processing costs stays real, and so weighs that much more.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: How many times as fast as real time the clock runs.
SPEED = 10.0


class _Selector:
    """Sleeps a share of the given time, to the microsecond: the usual selector rounds up to milliseconds."""

    def __init__(self) -> None:
        self._selector = selectors.SelectSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self._selector.select(timeout / SPEED if timeout else timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


class FasterLoop(asyncio.SelectorEventLoop):
    """An event loop on that clock."""

    def __init__(self) -> None:
        super().__init__(_Selector())  # type: ignore[arg-type]
        # Timers are held to be due when they are nearer than this, in the loop's seconds: as near as on any other loop.
        self._clock_resolution *= SPEED  # type: ignore[attr-defined]

    def time(self) -> float:
        """Return the time in the loop's seconds."""
        return super().time() * SPEED


def run_faster(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop with that clock."""
    with asyncio.Runner(loop_factory=FasterLoop) as runner:
        return runner.run(main)
