"""State that belongs to the whole process, and what is done to it while calls run.

The parts, each in a file of its own, begin when a call begins while no other runs, and are undone when the last has ended:

- `runtime.own_attributes`: each call sets ``sys.stdout`` and the like for itself;
- `runtime.output_capture`: what is written to the streams is noted for the call that writes it;
- `runtime.running_call`: the threads that a call starts run for it;
- `runtime.input_turns`: questions to the user take turns;
- `runtime.own_figures`: each call has its own figures of pyplot.

A call counts until no code runs for it any more, which may be long after it was abandoned.

Of functions that run in threads there is another count: `runtime.switch_interval` is for them alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from asyncfc_jupyter.runtime.input_turns import TURNS
from asyncfc_jupyter.runtime.output_capture import Streams
from asyncfc_jupyter.runtime.own_attributes import OwnAttributes, end_own
from asyncfc_jupyter.runtime.own_figures import FIGURES
from asyncfc_jupyter.runtime.running_call import CarriedThreads, running_call
from asyncfc_jupyter.runtime.switch_interval import SwitchInterval


class Part(Protocol):
    """Changes a part of the process' state while calls run."""

    def begin(self) -> None:
        """Make the change."""

    def end(self) -> None:
        """Undo it."""


class ProcessState:
    """Counts the calls that run, and changes the process' state while there are any.

    Args:
        parts: The changes, in the order in which they are made.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._lock = threading.RLock()
        self._running = 0

    def begin(self) -> None:
        """Count one more."""
        with self._lock:
            self._running += 1
            if self._running == 1:
                for part in self._parts:
                    part.begin()

    def end(self) -> None:
        """Count one less."""
        with self._lock:
            self._running -= 1
            if self._running == 0:
                for part in reversed(self._parts):
                    part.end()


_STREAMS = Streams()
#: One for this process.
PROCESS = ProcessState((OwnAttributes(_STREAMS.assigned), _STREAMS, CarriedThreads(), TURNS, FIGURES))
#: What is changed only while functions run in threads.
IN_THREADS = ProcessState((SwitchInterval(),))


def end_call() -> None:
    """Undo what the current attempt has left, now that its function has ended, and report it among what the call prints."""
    call = running_call()
    if call is None:
        return
    try:
        FIGURES.end_call(call)
    except Exception as error:  # noqa: BLE001 - drawing runs the user's code; the call has its outcome
        _STREAMS.report(f"{call.label}: its figures cannot be shown ({type(error).__name__}: {error})\n")
    names = end_own(call)
    if names:
        _STREAMS.report(
            f"{call.label} left {' and '.join(names)} set; each call sets its own, so that has ended with it.\n"
        )
