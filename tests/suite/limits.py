"""A time limit for each test: a test that hangs fails, and shows the stack of every thread and every asyncio task.

The limit itself is pytest-timeout's (``timeout`` in pyproject.toml, or a ``timeout`` mark). It shows the stacks of the other
threads; this package hangs in a task more often than in a thread, so the tasks are shown as well. A test that its limit cannot
stop, because it holds the interpreter's lock, is shown by ``faulthandler_timeout``.
"""

from __future__ import annotations

import asyncio
import gc
import io
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest


def stacks_of_tasks() -> str:
    """Return the stack of each asyncio task that has not ended, of every loop and thread."""
    text = io.StringIO()
    # Python lists the tasks of one running loop only, and this is asked once, for a test that has failed.
    # An object of a test may raise when it is asked for its class, as `isinstance` does.
    for task in [each for each in gc.get_objects() if issubclass(type(each), asyncio.Task)]:
        if not task.done():
            task.print_stack(file=text)
    return text.getvalue()


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item) -> Iterator[None]:
    """Record the tasks when the time is up, before the failure unwinds the loop and cancels them."""
    result = yield
    fail = signal.getsignal(signal.SIGALRM)

    def look_and_fail(number: int, frame: FrameType | None) -> Any:
        item.add_report_section("call", "asyncio tasks", stacks_of_tasks())
        return fail(number, frame) if callable(fail) else None

    signal.signal(signal.SIGALRM, look_and_fail)
    return result
