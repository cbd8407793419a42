"""What runs in one of this package's processes (`runtime.processes`): it makes one call after the other, as it is sent them.

A call arrives as two messages: the function that makes it, and its work as bytes. Two messages go back: `BEGUN` before any code
of the call runs, and the result as bytes. So the process that sent the call knows whether a call may have had effects if this
process ends.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from multiprocessing.connection import Connection

BEGUN = b"begun"


def make_calls(calls: Connection, parent: Connection, idle_s: float) -> None:
    """Make calls until the sender closes the connection, or none has come for a while.

    Args:
        calls: Where calls arrive, and results go.
        parent: Never sends anything; its end is the end of the process that sends the calls.
        idle_s: Seconds after which this process ends if no call has come.
    """
    # An interrupt from a terminal or a notebook reaches all processes. The sender ends those whose calls it concerns.
    signal.signal(signal.SIGINT, lambda *_: None)
    if os.name == "posix":  # else a program that this process becomes, or starts, would hold the connections open
        for each in (calls, parent):
            os.set_inheritable(each.fileno(), False)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    own = os.getpid()
    while calls.poll(idle_s):
        try:
            function, work = pickle.loads(calls.recv_bytes()), calls.recv_bytes()  # noqa: S301 - of the sender
        except (EOFError, OSError):
            break
        calls.send_bytes(BEGUN)
        result = function(work)
        if os.getpid() != own:
            os._exit(0)  # the function has forked, and returned in the copy too
        calls.send_bytes(result)
    calls.close()  # now: a thread that a call has left may keep this process alive


def _end_with(parent: Connection) -> None:
    try:
        parent.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
