"""Lets the event loop run while another thread handles a large value.

A thread that computes lets the interpreter go after five milliseconds, and then any other thread may get it: with four of them
the event loop may wait for a tenth of a second. A thread that sleeps for a moment is out of the way.

The garbage collector of Python before 3.14 looks at all objects of the process each time that there are a quarter more of them,
in one go: half a second and more with some million objects, in which no other thread runs. A copy of a million rows would cause
several such passes, and is no garbage.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time

#: Parts of a value that are handled between two pauses: a few milliseconds.
PARTS = 4_096
#: Seconds of a pause: enough for another thread to wake up. A million rows take a twentieth of a second longer.
_PAUSE_S = 0.000_2
#: Held between the two calls that make objects old: what another thread finds frozen is the user's then.
_ONE_AT_A_TIME = threading.Lock()
#: Frozen objects up to which the user has frozen none: Python 3.12 begins with 375, and has 5,000 before it imports anything.
_OF_PYTHON = 1_000
_WHOLE_PASSES = sys.version_info < (3, 14) and hasattr(gc, "freeze")


class Pauses:
    """The pauses in the handling of large values."""

    def __init__(self) -> None:
        self._promotes = _WHOLE_PASSES

    def pause(self) -> None:
        """Let other threads run, and make all objects old ones, which the collector looks at seldom; that takes no time.

        On an event loop, where small values are handled, nothing waits: the loop would.
        """
        if self._promotes and _ONE_AT_A_TIME.acquire(blocking=False):
            # Objects that the user has frozen are to stay so, and all can be unfrozen only together. To count them takes time.
            self._promotes = gc.get_freeze_count() < _OF_PYTHON
            if self._promotes:
                gc.freeze()
                gc.unfreeze()
            _ONE_AT_A_TIME.release()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            time.sleep(_PAUSE_S)
