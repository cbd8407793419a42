"""How much of a call's running time is its own, and how long other calls kept it waiting.

Theory of operation
-------------------
One by one, a call takes the time that it computes and the time that it waits by itself: for a network, a disk, a sleep. Beside
others it also waits for them: for Python's lock, for a processor core, for a process, for its turn on an object, for the event
loop. That is a cost of making the calls at once, and no running time in any model of one-by-one calling.

- Processor time is that of its thread, of its process, or, for a coroutine, the time of its steps.
- Waiting for a thread, a process, a turn or the first step of a coroutine is measured by the clock. The first process is
  started in one-by-one calling too, and its start is no waiting; that of each further one is.
- Waiting for the lock is estimated (`runtime.lock_wait`).
- Waiting for a core is counted by Linux (`runtime.core_wait`). On a machine that other programs use, one-by-one calling waits
  for cores too; at worst, all calls together get as much of the machine as one alone. So of ``k`` calls in processes at once
  each waited for the others for 1 - 1/k of its time at most. In an executor of the user's own all waiting for a core is for
  others.

Limits. A program that a tool starts is not seen. Two cores that share caches or a clock compute more slowly than one alone, and
processor time does not show it. A coroutine that waits while another keeps the loop counts all of that as its own. In an
executor of the user's own that is not of threads, the transfer of arguments and result counts as waiting, as a queue does, and
what its threads wait for the lock of their process counts as their own time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from asyncfc_jupyter.runtime.core_wait import CoreWait

#: A running function's waiting is reported when it has grown by so many seconds and by this part of itself: so a picture of the
#: run claims little that its end does not, and a long call is no more than some twenty events.
_MORE_S, _MORE = 0.25, 0.25


@dataclass(slots=True)
class Use:
    """What a function used where it ran, in seconds."""

    took_s: float = 0.0
    cpu_s: float = 0.0
    #: What it waited for a core, of ``took_s``.
    waited_s: float = 0.0


@contextmanager
def measured(clock: Callable[[], float]) -> Iterator[Use]:
    """Measure what the code in this block uses, in this thread.

    Args:
        clock: Returns seconds of processor time: of the thread, or of a process that makes one call at a time.
    """
    use, cores = Use(), CoreWait()
    began_s, cpu_s, core_s = time.perf_counter(), clock(), cores.read_s()
    try:
        yield use
    finally:
        # In the opposite order of the beginning: neither is longer than the whole.
        use.waited_s, use.cpu_s = cores.read_s() - core_s, clock() - cpu_s
        use.took_s = time.perf_counter() - began_s
        cores.close()


class Share:
    """What one attempt of a call has used. One thread at a time writes it; the event loop reads it while the call runs.

    Args:
        clock: Returns seconds, in any thread. That of the event loop, by which the call's own time is taken, too: in virtual
            time no call waits because the machine is busy. By default the machine's.
    """

    __slots__ = ("_asked_s", "_began_s", "_clock", "_ended_s", "_reported_s", "_waited_s", "at_once", "cpu_s", "report")

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or time.perf_counter
        self._asked_s = self._clock()
        self._began_s: float | None = None
        self._ended_s: float | None = None
        self._waited_s = self._reported_s = 0.0
        #: Called while the function runs, in any thread, when it has waited for a good while longer.
        self.report: Callable[[], object] | None = None
        #: Seconds of processor time.
        self.cpu_s = 0.0
        #: How many calls ran at once in this package's processes, with this one; 0 if it runs elsewhere.
        self.at_once = 0

    def begin(self) -> None:
        """Note that the function begins."""
        self._began_s = self._clock()

    def end(self) -> None:
        """Note that it has ended."""
        self._ended_s = self._clock()

    def add(self, *, cpu_s: float, waited_s: float = 0.0) -> None:
        """Add seconds that it computed, and that it waited for others after it had begun."""
        self.cpu_s += cpu_s
        self._waited_s += waited_s
        report = self.report
        if report is not None and self._waited_s >= _MORE_S + (1 + _MORE) * self._reported_s:
            self._reported_s = self._waited_s
            with suppress(RuntimeError):  # the event loop of the call has ended
                report()

    def take(self, use: Use) -> None:
        """Take what was measured in another process, perhaps on another machine. The function has just ended."""
        if self.at_once:
            self.add(cpu_s=use.cpu_s, waited_s=min(use.waited_s, use.took_s * (1 - 1 / self.at_once)))
            return
        self.add(cpu_s=use.cpu_s, waited_s=use.waited_s)
        self._ended_s = self._clock()
        self._began_s = self._ended_s - use.took_s

    def waited_s(self) -> float:
        """Return for how many seconds, up to now, the attempt has waited for others."""
        now_s = self._clock()
        if self._began_s is None:
            return now_s - self._asked_s
        after_s = 0.0 if self._ended_s is None else now_s - self._ended_s
        return self._began_s - self._asked_s + self._waited_s + after_s
