"""Executors for calls in this process: threads that do not outlive the program. `runtime.processes` has those for others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from asyncfc_jupyter.foreign_code import ForeignCode


class _Threads(Executor):
    """A thread for each call, which does not outlive the program: one that hangs must not keep it from ending.

    The standard library's pool waits for its threads at the end of the program, and a thread whose call was abandoned stays
    in the pool until its function returns.
    """

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin the work."""
        future: Future[Any] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            with ForeignCode() as ran:
                future.set_result(function(*args, **kwargs))
                return
            future.set_exception(ran.error)

        threading.Thread(target=work, name="asyncfc-tool", daemon=True).start()
        return future


THREADS = _Threads()


class Noting(Executor):
    """Passes work to another executor and reports the future that stands for it."""

    def __init__(self, executor: Executor, note: Callable[[Future[Any]], None]) -> None:
        self._executor, self._note = executor, note

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin the work."""
        future = self._executor.submit(function, *args, **kwargs)
        self._note(future)
        return future
