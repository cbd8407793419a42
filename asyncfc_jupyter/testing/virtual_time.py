"""Virtual time: an event loop whose clock jumps to the next timer, so that an hour of sleeping tools tests in milliseconds.

The loop is an ordinary selector loop with two differences: ``time()`` is a number that we keep, and where the loop would sleep
until its next timer, the number jumps to it instead. Work in threads takes real time: the loop waits for a thread's result, and
no virtual time passes. A loop that waits while no thread runs and no timer is set raises instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

#: Real seconds that a thread may take before a test counts as hung.
_THREAD_PATIENCE_S = 20.0


class Stalled(RuntimeError):
    """Everything waits, and no timer is set: outside a test this would hang for ever."""


class _JumpingSelector:
    """Polls, and moves the clock instead of sleeping."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._selector = selectors.DefaultSelector()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._selector.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop.threads:
            ready = self._selector.select(_THREAD_PATIENCE_S)
            if not ready:
                raise Stalled(
                    f"{self._loop.threads} calls in threads did not return in {_THREAD_PATIENCE_S:g} real seconds"
                )
            return ready
        if timeout is None:
            raise Stalled("nothing is running and no timer is set, so the wait would never end")
        self._loop.now += timeout
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, in seconds from 0."""

    def __init__(self) -> None:
        self.now = 0.0
        #: Calls in threads whose results are outstanding.
        self.threads = 0
        super().__init__(_JumpingSelector(self))  # type: ignore[arg-type]

    def time(self) -> float:
        """Return the virtual time."""
        return self.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run in a thread as usual, and hold the clock until it returns."""
        self.threads += 1
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """End the default executor; a thread waits for its threads."""
        self.threads += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self.threads -= 1

    def _returned(self, _future: asyncio.Future[Any]) -> None:
        self.threads -= 1


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time.

    Raises:
        Stalled: It waits for something that can never happen.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
