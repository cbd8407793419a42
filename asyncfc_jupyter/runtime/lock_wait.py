"""For how long functions that run in threads wait for Python's lock: estimated, as Python does not count it.

Theory of operation
-------------------
All functions that run in threads of this process are looked at together, at short intervals: the *windows*. In a window a
function used a share ``u`` of the time: it computed, or waited for a core with the lock in its hand. It wanted the lock for a
share ``r``, which is to be found. If the shares of all add up to ``R``, then it found ``R - r`` others before it whenever it
wanted the lock, so that each piece of its work took 1 + R - r times as long: ``r = u * (1 + R - r)``, and at most 1. During the
rest of the window, ``1 - r``, it waited by itself; for ``r - u`` it waited for others. One function alone gives r = u; of k
that all compute each gives u = 1/k and r = 1; one that sleeps gives 0, whatever the others do. What other programs take of the
cores is part of u, since one-by-one calling would suffer it too; but all shares together count as one window at most.

A window is long enough for each function that computes to get the lock several times, and how often is partly chance. So one
that got two fifths of the most that it could get is taken to have wanted the lock all the time.

Refused: to compare totals at the end of a call. A function that sleeps and then computes alone, and one that computes beside
others and then sleeps, can have equal totals. Refused: to ask the system where each thread waits. Few have the right to.

Limits. Of a function that computes and sleeps in turns shorter than a window, beside others, up to half of the sleep counts as
waiting for them: its own time is then too short, and no claim too large. The same holds for C code that computes without
the lock, since it is taken to want it. Threads that a tool starts count as others, and what the tool waits for them as its
own time. Where a thread cannot read the clock of another (macOS, Windows), a call is estimated at its end, from totals:
``min(wall - cpu, cpu of the others, cpu * number of the others)``, which is exact for calls that are alike.

Source: the mean value of processor sharing, in which each finds before it what it would see if it looked at random.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from asyncfc_jupyter.runtime.core_wait import CoreWait
from asyncfc_jupyter.runtime.processor_time import Share

#: Seconds of the shortest window: phases of a function that are shorter run into one another.
_WINDOW_S = 0.02
#: Times that each function should get the lock in a window.
_TURNS = 5
#: A window's part of the time for which the latest function has been running: a long call needs no finer measure.
_OF_AGE = 0.02
#: Part of a window in use from which one function or another always wanted the lock.
_FULL = 0.9
#: Whether this Python has the lock: one that is free-threaded has not.
_LOCKS = getattr(sys, "_is_gil_enabled", lambda: True)()
#: Part of the most that it could get from which a function wanted the lock all the time. Measured with 2 to 16 at once:
#: at 0.33 their own time is 0 to 4% too long if they compute, at 0.6 up to 10%; lower values take more of short sleeps away.
_ALL_THE_TIME = 0.4


@dataclass(frozen=True, slots=True)
class Crowd:
    """Those who wanted the lock in a window."""

    #: How many did, on average.
    number: float = 0.0
    #: The sum of the shares that all used.
    used: float = 0.0

    @classmethod
    def of(cls, used: Sequence[float]) -> Crowd:
        """Return the crowd in which these shares of a window could be used."""
        # r = a * (1 + R) with a = u / (1 + u), and at most 1: the largest shares are those that reach 1.
        parts = sorted((u / (1 + u) for u in used), reverse=True)
        left = sum(parts)
        number = float(len(parts))
        for always, part in enumerate(parts):
            if left < 1 and part * (1 + (found := (always + left) / (1 - left))) <= 1:
                number = found
                break
            left -= part
        return cls(number, sum(used))

    def wanted(self, used: float) -> float:
        """Return for which share of the window one that used this share wanted the lock."""
        share = min(1.0, used / (1 + used) * (1 + self.number))
        return 1.0 if self.used >= _FULL and share >= _ALL_THE_TIME else max(share, min(1.0, used))


class _Running:
    """A function that runs in a thread. Made in that thread.

    Args:
        share: What it has used.
        others: How many others run at its beginning.
    """

    def __init__(self, share: Share, others: int) -> None:
        self.share = share
        get_clock = getattr(time, "pthread_getcpuclockid", None)
        self._clock = None if get_clock is None else get_clock(threading.get_ident())
        self._cores = CoreWait()
        self.began_s = self.since_s = time.perf_counter()
        self._cpu_s, self._core_s = self._read()
        #: The most others that ran at once, and the clocks of its thread and of the process at its beginning.
        self.others, self._clocks_s = others, (time.thread_time(), time.process_time())

    def _read(self) -> tuple[float, float]:
        return 0.0 if self._clock is None else time.clock_gettime(self._clock), self._cores.read_s()

    @property
    def cpu_s(self) -> float:
        """What it has computed since it began."""
        return self.share.cpu_s + self._read()[0] - self._cpu_s

    def used(self, now_s: float) -> float:
        """Return the share of its window that it has used so far."""
        cpu_s, core_s = self._read()
        return (cpu_s - self._cpu_s + core_s - self._core_s) / max(now_s - self.since_s, 1e-9)

    def close_window(self, now_s: float, crowd: Crowd) -> None:
        """Add what it waited for others, and begin the next window."""
        used, lasted_s = self.used(now_s), now_s - self.since_s
        cpu_s, core_s = self._read()
        computed_s, self.since_s = cpu_s - self._cpu_s, now_s
        self._cpu_s, self._core_s = cpu_s, core_s
        # One at a time has the lock: together they had it for no longer than the window.
        had_s = max(computed_s, lasted_s * used / max(1.0, crowd.used))
        wanted_s = lasted_s * (crowd.wanted(used) if _LOCKS else min(1.0, used))
        self.share.add(cpu_s=computed_s, waited_s=max(0.0, wanted_s - had_s))

    def end(self, now_s: float, crowd: Crowd) -> None:
        """Close the last window, in its own thread."""
        if self._clock is None:
            cpu_s, all_s = time.thread_time() - self._clocks_s[0], time.process_time() - self._clocks_s[1]
            most_s = min(now_s - self.began_s - cpu_s, all_s - cpu_s, cpu_s * self.others)
            self.share.add(cpu_s=cpu_s, waited_s=max(0.0, most_s if _LOCKS else 0.0))
        else:
            self.close_window(now_s, crowd)
        self._cores.close()


class LockWait:
    """The functions that run in threads of this process, and how they keep one another waiting."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[_Running, None] = {}
        self._crowd = Crowd()
        #: When all were looked at last, and what the rest of the process had computed until then.
        self._looked_s = self._rest_s = 0.0
        #: What functions that have ended have computed, and what each used since all were looked at last.
        self._ended_s = 0.0
        self._left_s: list[float] = []
        self._looks = False

    @contextmanager
    def runs(self, share: Share) -> Iterator[None]:
        """Measure the function that this thread calls in this block."""
        share.begin()
        with self._lock:
            self.look(time.perf_counter())
            running = _Running(share, len(self._running))
            self._running[running] = None
            for each in self._running:
                each.others = max(each.others, len(self._running) - 1)
            if len(self._running) > 1 and not self._looks:
                self._looks = True
                # In a context of its own: the thread belongs to no call.
                thread = threading.Thread(target=self._keep_looking, name="asyncfc-look", daemon=True)
                contextvars.Context().run(thread.start)
        try:
            yield
        finally:
            with self._lock:
                now_s = time.perf_counter()
                self.look(now_s)
                if running in self._running:  # else the function has forked, and this is the copy
                    del self._running[running]
                    self._left_s.append(running.used(now_s) * (now_s - running.since_s))
                    running.end(now_s, self._crowd)
                    self._ended_s += share.cpu_s
            share.end()

    def _keep_looking(self) -> None:
        while True:
            with self._lock:
                now_s = time.perf_counter()
                self.look(now_s)
                self._looks = len(self._running) > 1
                if not self._looks:
                    return
                pause_s = self._window_s(now_s)
            time.sleep(pause_s)

    def _window_s(self, now_s: float) -> float:
        latest = next(reversed(self._running))
        turns_s = _TURNS * len(self._running) * sys.getswitchinterval()
        return max(_WINDOW_S, turns_s, _OF_AGE * (now_s - latest.began_s))

    def look(self, now_s: float) -> None:
        """Close the windows that are long enough."""
        if not self._running:
            self._crowd, self._looked_s, self._rest_s = Crowd(), now_s, time.process_time() - self._ended_s
            self._left_s.clear()
            return
        lasted_s, least_s = now_s - self._looked_s, self._window_s(now_s)
        if lasted_s < least_s:
            return
        used = [each.used(now_s) for each in self._running]
        rest_s = time.process_time() - self._ended_s - sum(each.cpu_s for each in self._running)
        rest = max(0.0, min(1.0, (rest_s - self._rest_s) / lasted_s))
        self._looked_s, self._rest_s = now_s, rest_s
        self._crowd = Crowd.of([rest, *used, *(left_s / lasted_s for left_s in self._left_s)])
        self._left_s.clear()
        for each in self._running:
            if now_s - each.since_s >= least_s / 2:
                each.close_window(now_s, self._crowd)


#: One for this process, as there is one lock.
LOCK_WAIT = LockWait()
if hasattr(os, "register_at_fork"):
    # A copy of this process has one thread, and perhaps a lock that another thread held.
    os.register_at_fork(after_in_child=LOCK_WAIT.__init__)  # type: ignore[misc]
