"""Turns on an object: its methods that declare no effects run one at a time, also across conversations and event loops.

A call waits for its turn on the event loop and never in a thread. So a call that is abandoned meanwhile leaves no thread and
takes no turn, and calls that hold a place in a pool never wait there for each other. A function that runs on in its thread
after a time-out keeps its turn until it returns, even if the loop that called it has ended.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import types
from collections import deque
from concurrent.futures import Future
from weakref import WeakValueDictionary

from asyncfc_jupyter.tools.definition import Tool


class Turn:
    """Lets one in at a time, first come, first served. Also an async context manager."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[Future[None]] = deque()

    async def enter(self) -> None:
        """Return when no other is in; `leave` must follow, from any thread."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            turn: Future[None] = Future()
            self._waiting.append(turn)
        try:
            await asyncio.wrap_future(turn)
        except BaseException:
            if not turn.cancel():
                self.leave()  # the turn was given, and its receiver was cancelled before it knew
            raise

    def leave(self) -> None:
        """Let the next one in."""
        with self._lock:
            while self._waiting:
                turn = self._waiting.popleft()
                if turn.set_running_or_notify_cancel():
                    break
            else:
                self._taken = False
                return
        turn.set_result(None)

    async def __aenter__(self) -> None:
        await self.enter()

    async def __aexit__(self, *_: object) -> None:
        self.leave()


#: By the object's identity, which no other object has while a tool holds the object and a call this.
_TURNS: WeakValueDictionary[int, Turn] = WeakValueDictionary()
_TURNS_LOCK = threading.Lock()


def turn_of(tool: Tool) -> Turn | None:
    """Return the turn that the methods of a tool's object take; None for a function, and for a tool that declares effects."""
    function = tool.function
    while isinstance(function, functools.partial):
        function = function.func
    owner = getattr(function, "__self__", None)
    if owner is None and inspect.isfunction(getattr(type(function), "__call__", None)):  # noqa: B004 - it is the method
        owner = function
    if tool.effects.declared or owner is None or isinstance(owner, types.ModuleType):
        return None
    with _TURNS_LOCK:
        return _TURNS.setdefault(id(owner), Turn())
