"""One at a time: undeclared methods of one object take turns on it, also across conversations and event loops.

A turn is waited for on the event loop and never in a thread, so a call that is given up meanwhile leaves no thread and takes no
turn, and calls that hold a place in a pool never wait there for each other. A function that goes on in its thread after a
time-out keeps its turn until it returns, also when the loop that asked has ended.
"""

from __future__ import annotations

import asyncio
import functools
import threading
import types
from collections import deque
from concurrent.futures import Future
from weakref import WeakValueDictionary

from asyncfc_jupyter.tools.definition import Tool


class Exclusive:
    """Lets one in at a time, first come, first served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[Future[None]] = deque()

    async def enter(self) -> None:
        """Return when nobody else is in; `leave` must follow, from whatever thread."""
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
                self.leave()  # the turn came, and the news of it did not arrive any more
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


#: By the object's identity, which stays its own for as long as a tool holds the object and a call this.
_EXCLUSIVES: WeakValueDictionary[int, Exclusive] = WeakValueDictionary()
_EXCLUSIVES_LOCK = threading.Lock()


def exclusive_of(tool: Tool) -> Exclusive | None:
    """Return what keeps the undeclared methods of a tool's object apart; None for every other tool."""
    function = tool.function
    while isinstance(function, functools.partial):
        function = function.func
    owner = getattr(function, "__self__", None)
    if tool.effects.declared or owner is None or isinstance(owner, types.ModuleType):
        return None
    with _EXCLUSIVES_LOCK:
        return _EXCLUSIVES.setdefault(id(owner), Exclusive())
