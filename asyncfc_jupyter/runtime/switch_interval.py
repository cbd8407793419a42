"""How often Python passes its lock from thread to thread, while tools run or values are handled in threads.

One thread runs Python code at a time. Another that wants to waits for the switch interval, then asks for the lock, and of all
that ask any may get it. Beside eight tools that compute, the event loop waits for a good part of eight intervals, several times
in one step: at Python's 5 ms for half a second, in which no token is read and no call starts.
"""

from __future__ import annotations

import sys

#: Seconds. Measured with eight threads that compute: at 5 ms the event loop stalls for 450 to 520 ms, at 1 ms for 70 to 110, at
#: 0.5 ms for 25 to 70, at 0.2 ms for 50 to 60; the switches cost 3, 7 and 12% of the work that the threads do.
_INTERVAL_S = 0.000_5


class SwitchInterval:
    """Makes the interval short while such threads run: a part of the process' state (`runtime.process_state`)."""

    def __init__(self) -> None:
        self._found_s = self._set_s = 0.0

    def begin(self) -> None:
        """Set it, unless it is shorter already."""
        self._found_s = sys.getswitchinterval()
        if self._found_s > _INTERVAL_S:
            sys.setswitchinterval(_INTERVAL_S)
        self._set_s = sys.getswitchinterval()  # Python rounds it

    def end(self) -> None:
        """Restore it, unless it has been set to something else since."""
        if sys.getswitchinterval() == self._set_s:
            sys.setswitchinterval(self._found_s)
