"""Threads that do not outlive the program, and executors whose futures are reported."""

import threading
from concurrent.futures import CancelledError, Future

import pytest

from asyncfc_jupyter.runtime.pools import THREADS, Noting
from tests.runtime.made import fails


def test_a_thread_of_the_package_has_a_name_and_ends_with_the_program() -> None:
    def seen(*args, **kwargs):
        return threading.current_thread().name, threading.current_thread().daemon, args, kwargs

    assert THREADS.submit(seen, 1, b=2).result(20) == ("asyncfc-tool", True, (1,), {"b": 2})


def test_work_is_passed_on_and_its_future_is_notified() -> None:
    notified = []
    future = Noting(THREADS, notified.append).submit(divmod, 7, 2)
    assert notified == [future]
    assert isinstance(future, Future)
    assert future.result(20) == (3, 1)


def test_a_future_that_is_cancelled_before_it_begins_runs_nothing(monkeypatch) -> None:
    began = []

    def begin(thread):
        began.append(thread)

    monkeypatch.setattr(threading.Thread, "start", begin)
    future = THREADS.submit(fails)
    assert future.cancel()
    began[0].run()
    with pytest.raises(CancelledError):
        future.result(0)
