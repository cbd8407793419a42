"""The package's own processes, for tools with ``run_in="process"``.

Theory of operation
-------------------
Each call has a process of its own for as long as it runs, and the process is used again for a later call. If a process dies, by
a crash of compiled code, for lack of memory or because its function ends it, then exactly one call fails, and the error says
how the process ended. A call can be stopped: its process is ended, and nothing else is lost.

Refused: one pool for all calls, such as that of the standard library or of loky. Its processes share the queues of calls and
results, so a death breaks the pool, and every call in it fails, without knowing whether it had effects.

For each running call, one thread of this process waits for its result. At most as many calls run as there are processors; the
others wait in the order in which they came, and can still be cancelled.

Of loky, only the way to start a process is used: it does not run the user's script again, and needs no ``__main__`` guard.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from asyncfc_jupyter.errors import ProcessEnded
from asyncfc_jupyter.runtime.processor_time import Share
from asyncfc_jupyter.runtime.worker import BEGUN, make_calls

#: Seconds between two looks at a silent process. Its end mostly closes the connection, which shows at once; but a process that
#: it has forked may hold the connection open.
_LOOK_S = 0.5
#: Seconds for which a process is kept without a call: long enough for the turns of a conversation, since a new process takes a
#: third of a second; and not for ever, since each holds the memory of what its functions have imported.
_IDLE_S = 60.0
#: Seconds between two looks at a process that is about to end.
_STEP_S = 0.01
#: Whether a process needs another signal than that of `terminate` to end whatever it does: everywhere but on Windows.
_CAN_KILL = hasattr(signal, "SIGKILL")
#: Seconds that a process has to end after its connection was closed.
_END_S = 1.0


class _Process:
    """One process, which makes one call at a time."""

    def __init__(self) -> None:
        from loky.backend import get_context  # noqa: PLC0415 - takes a tenth of a second, which most sessions never need

        context = get_context("loky")
        self._calls, calls = context.Pipe()
        parent, self._parent = context.Pipe(duplex=False)
        self._process = context.Process(target=make_calls, args=(calls, parent, _IDLE_S), name="asyncfc-tool")
        self._process.start()
        calls.close()
        parent.close()

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        if self._process.exitcode is not None:
            return False
        if _CAN_KILL:
            try:
                os.kill(self._process.pid, 0)
            except ProcessLookupError:
                return False  # another part of the program has asked the system how it ended
        return True

    def call(self, function: bytes, work: bytes, notify: Callable[[], object]) -> bytes:
        """Make a call and return its result.

        Args:
            function: The function that makes it.
            work: What it takes.
            notify: Called when the process begins, which may be a third of a second after it was started.

        Raises:
            ProcessEnded: It ended before there was a result.
        """
        begun = False
        try:
            self._calls.send_bytes(function)
            self._calls.send_bytes(work)
            begun = self._received() == BEGUN
            notify()
            return self._received()
        except (EOFError, OSError):
            self.end(_END_S)  # it has closed the connection, and may do anything but return a result
            raise ProcessEnded(self._wait(_END_S), begun=begun) from None

    def _received(self) -> bytes:
        while not self._calls.poll(_LOOK_S):
            if not self.alive and not self._calls.poll():
                raise EOFError
        received: bytes = self._calls.recv_bytes()
        return received

    def _wait(self, timeout_s: float) -> int | None:
        """Return how it ended, when it has ended or the time is up; None if the system does not say."""
        until = time.monotonic() + timeout_s
        # Not `join`: it waits for the end of a pipe, and then without a limit; a process may have closed that pipe and live.
        while self.alive and time.monotonic() < until:
            time.sleep(_STEP_S)
        code: int | None = self._process.exitcode
        return code

    def close(self) -> None:
        """Let it end by itself, now that it makes no call."""
        self._calls.close()

    def end(self, timeout_s: float) -> None:
        """Wait until it has ended; end it when the time is up."""
        self._wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """End it, whatever it does."""
        if not self.alive:
            return
        if _CAN_KILL:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self._process.pid, signal.SIGKILL)
        else:
            self._process.terminate()


class ProcessWork(Future[Any]):
    """A call that a process makes, and that can be stopped."""

    def __init__(self, function: bytes, work: bytes, share: Share) -> None:
        super().__init__()
        self.function, self.work, self.share = function, work, share
        self.stopped = False
        self._process: _Process | None = None
        self._lock = threading.Lock()

    def stop(self) -> None:
        """End the process that makes the call."""
        with self._lock:
            self.stopped = True
            if self._process is not None:
                self._process.kill()

    def run_in(self, process: _Process | None) -> None:
        """Note which process makes the call; None once it has made it."""
        with self._lock:
            self._process = process
            if process is not None and self.stopped:
                process.kill()


class Processes(Executor):
    """Makes calls in processes, each in one of its own, and keeps the processes for further calls.

    Args:
        most: How many calls may run at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[ProcessWork] = deque()
        #: Threads, each of which makes one call after the other.
        self._threads = 0
        self._idle: list[_Process] = []
        self._busy: set[_Process] = set()
        #: How many calls have a process or are about to have one.
        self._calls = 0
        self.pid = os.getpid()
        atexit.register(self.shutdown)

    def submit(self, function: Callable[..., Any], /, *args: Any, **_: Any) -> ProcessWork:
        """Begin a call of a module's function that takes and returns bytes; a `Share` after them takes when it runs."""
        work = ProcessWork(pickle.dumps(function), *args)
        with self._lock:
            self._waiting.append(work)
            if self._threads == self._most:
                return work
            self._threads += 1
        threading.Thread(target=self._make_calls, name="asyncfc-tool", daemon=True).start()
        return work

    def _make_calls(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                work = self._waiting.popleft()
            if not work.set_running_or_notify_cancel():
                continue
            with self._lock:
                self._calls += 1
            try:
                result = self._make(work)
            except BaseException as error:  # noqa: BLE001 - no process can be started, say
                work.set_exception(error)
            else:
                work.set_result(result)
            finally:
                with self._lock:
                    self._calls -= 1

    def _make(self, work: ProcessWork) -> bytes:
        while True:
            with self._lock:
                process = self._idle.pop() if self._idle else None
                # Whether all of it is the call's own time: one-by-one calling would start the first process too, and no other.
                own = process is not None or self._calls == 1
            kept = process is not None
            if own:
                work.share.begin()
            process = process or _Process()
            with self._lock:
                self._busy.add(process)
                work.share.at_once = len(self._busy)
            work.run_in(process)
            try:
                return process.call(work.function, work.work, _nothing if own else work.share.begin)
            except ProcessEnded as error:
                if error.begun or not kept or work.stopped:
                    raise
                # It had ended while it was idle.
            finally:
                work.share.end()
                work.run_in(None)
                with self._lock:
                    work.share.at_once = max(work.share.at_once, len(self._busy))
                    self._busy.discard(process)
                    self._idle = [each for each in (*self._idle, process) if each.alive]

    def shutdown(self, *_: bool, **__: bool) -> None:
        """End all processes, as at the end of the program: those that make a call at once."""
        if self.pid != os.getpid():
            return  # a copy of this process by a fork
        with self._lock:
            idle, busy = self._idle, self._busy
            self._idle = []
        for process in busy:
            process.kill()
        for process in idle:
            process.close()
        until = time.monotonic() + _END_S
        for process in idle:
            process.end(until - time.monotonic())


def _nothing() -> None:
    """Do nothing."""


_LOCK = threading.Lock()
_MADE: list[Processes] = []


def processes() -> Processes:
    """Return the processes of this program. Blocks when it is first called: what starts them is loaded then."""
    from loky import cpu_count  # noqa: PLC0415 - takes a tenth of a second, which most sessions never need

    with _LOCK:
        if not _MADE or _MADE[0].pid != os.getpid():  # after a fork, they are those of the other process
            _MADE[:] = [Processes(cpu_count())]
        return _MADE[0]
