"""Wait for a coroutine in synchronous code, for the magics that cannot be awaited natively."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from IPython.core.async_helpers import get_asyncio_loop

T = TypeVar("T")


def run_nested(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from synchronous code, whether or not this thread's loop is already running.

    A running loop is entered a second time by nest_asyncio2, which patches asyncio for the rest of the process; therefore it
    is loaded here only. Refused: its predecessor nest_asyncio, which fails under ipykernel 7 with "cannot enter context" and
    loses the cells in the queue.

    The coroutine must not raise ``KeyboardInterrupt``: asyncio would carry it through the loop itself.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        # IPython's own loop outlives the cell, and so do the tasks that a tool started on it.
        own: asyncio.AbstractEventLoop = get_asyncio_loop()
        return own.run_until_complete(coroutine)
    import nest_asyncio2  # noqa: PLC0415 - see above

    nest_asyncio2.apply(loop)
    return loop.run_until_complete(coroutine)
