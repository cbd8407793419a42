"""How long threads wait for Python's lock: estimated from clocks, on a machine that is played, so that the truth is known."""

import ctypes
import os
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from asyncfc_jupyter.runtime import lock_wait
from asyncfc_jupyter.runtime.core_wait import CoreWait
from asyncfc_jupyter.runtime.lock_wait import LOCK_WAIT, Crowd, LockWait
from asyncfc_jupyter.runtime.processor_time import Share

#: Seconds between two looks of the played machine.
LOOK_S = 0.1


class Machine:
    """A machine with one lock, whose clocks stand still but for `run`."""

    def __init__(self, monkeypatch, *, clocks=True):
        self.now_s, self.rest_s = 100.0, 5.0
        self.cpu_s, self.core_s = [], []
        self.watched = LockWait()
        self.current = 0
        time_of = {
            "perf_counter": lambda: self.now_s,
            "process_time": lambda: self.rest_s + sum(self.cpu_s),
            "thread_time": lambda: self.cpu_s[self.current],
            "clock_gettime": lambda thread: self.cpu_s[thread],
            **({"pthread_getcpuclockid": lambda ident: ident} if clocks else {}),
        }
        machine = self

        class Cores:
            def __init__(self):
                self.thread = machine.current

            def read_s(self):
                return machine.core_s[self.thread]

            def close(self):
                pass

        started = SimpleNamespace(start=lambda: None)
        monkeypatch.setattr(lock_wait, "time", SimpleNamespace(**time_of))
        monkeypatch.setattr(lock_wait, "CoreWait", Cores)
        monkeypatch.setattr(
            lock_wait, "threading", SimpleNamespace(get_ident=lambda: self.current, Thread=lambda **_: started)
        )
        monkeypatch.setattr("asyncfc_jupyter.runtime.processor_time.time.perf_counter", lambda: self.now_s)

    def begin(self):
        """Begin a function in a thread of its own."""
        self.current = len(self.cpu_s)
        self.cpu_s.append(0.0)
        self.core_s.append(0.0)
        share, stack = Share(), ExitStack()
        stack.enter_context(self.watched.runs(share))
        return SimpleNamespace(thread=self.current, share=share, stack=stack)

    def end(self, function):
        """End it, and return for how many seconds it would have run by itself."""
        self.current = function.thread
        function.stack.close()
        return self.now_s - 100.0 - function.share.waited_s()

    def run(self, seconds, *computing, rest=False, strangers=0.0):
        """Let these functions compute in turns; others sleep.

        Args:
            seconds: For how long.
            computing: The functions.
            rest: Whether the event loop computes, too.
            strangers: What part of the time the core of who has the lock is taken by other programs.
        """
        for _ in range(round(seconds / LOOK_S)):
            each_s = LOOK_S / (len(computing) + rest) if computing or rest else 0.0
            for function in computing:
                self.cpu_s[function.thread] += each_s * (1 - strangers)
                self.core_s[function.thread] += each_s * strangers
            self.rest_s += each_s if rest else 0.0
            self.now_s += LOOK_S
            self.watched.look(self.now_s)


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


@pytest.mark.parametrize("number", [1, 2, 8, 16])
def test_of_functions_that_compute_each_would_take_its_processor_time(machine, number) -> None:
    functions = [machine.begin() for _ in range(number)]
    machine.run(number, *functions)
    assert [machine.end(each) for each in functions] == pytest.approx([1.0] * number)
    assert [each.share.cpu_s for each in functions] == pytest.approx([1.0] * number)


def test_functions_that_sleep_wait_for_nobody_beside_those_that_compute(machine) -> None:
    functions = [machine.begin() for _ in range(8)]
    machine.run(4, *functions[:4])
    assert [machine.end(each) for each in functions] == pytest.approx([1.0] * 4 + [4.0] * 4)


@pytest.mark.parametrize("number", [2, 4, 16])
def test_a_sleep_after_computing_beside_others_counts(machine, number) -> None:
    functions = [machine.begin() for _ in range(number)]
    machine.run(number, *functions)
    machine.run(1)
    assert [machine.end(each) for each in functions] == pytest.approx([2.0] * number)


def test_a_sleep_beside_others_that_compute_counts_as_well(machine) -> None:
    late, *others = [machine.begin() for _ in range(4)]
    machine.run(3, *others)
    for each in others:
        machine.end(each)
    machine.run(1, late)
    assert machine.end(late) == pytest.approx(4.0), "the totals are those of a function that waited for 3 s"


def test_a_function_waits_for_the_event_loop_that_computes(machine) -> None:
    function = machine.begin()
    machine.run(2, function, rest=True)
    assert machine.end(function) == pytest.approx(1.0)


@pytest.mark.parametrize("number", [1, 8])
def test_what_other_programs_take_would_be_taken_one_by_one_too(machine, number) -> None:
    functions = [machine.begin() for _ in range(number)]
    machine.run(2 * number, *functions, strangers=0.5)
    assert [machine.end(each) for each in functions] == pytest.approx([2.0] * number)


def test_a_python_without_the_lock_has_nobody_waiting_for_it(machine, monkeypatch) -> None:
    monkeypatch.setattr(lock_wait, "_LOCKS", False)
    one, other = machine.begin(), machine.begin()
    for each in (one, other):
        machine.cpu_s[each.thread] += 1.0
    machine.now_s += 1.0
    assert [machine.end(one), machine.end(other)] == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("number", [1, 4])
def test_without_clocks_of_other_threads_calls_that_are_alike_are_exact(monkeypatch, number) -> None:
    machine = Machine(monkeypatch, clocks=False)
    functions = [machine.begin() for _ in range(number)]
    machine.run(number, *functions)
    machine.run(1)
    found = [machine.end(each) for each in functions]
    assert found == pytest.approx([2.0] * number)


@pytest.mark.parametrize("number", [1, 2, 3, 16, 1000])
def test_in_a_full_window_an_equal_share_means_that_the_lock_was_wanted(number) -> None:
    crowd = Crowd.of([1 / number] * number)
    assert crowd.number == pytest.approx(number)
    assert crowd.wanted(1 / number) == pytest.approx(1.0)
    assert crowd.wanted(0.0) == 0.0


def test_two_that_seldom_want_the_lock_seldom_wait_for_each_other() -> None:
    crowd = Crowd.of([0.1, 0.1])
    assert crowd.wanted(0.1) == pytest.approx(0.1 * (1 + crowd.wanted(0.1)))


@pytest.mark.parametrize("used", [[], [0.0], [0.7, 0.2, 0.1], [1.0, 1.0, 0.4], [0.3] * 3, [0.02] * 60])
def test_each_wants_the_lock_for_its_work_times_those_before_it(used) -> None:
    crowd = Crowd.of(used)
    shares = [min(1.0, u / (1 + u) * (1 + crowd.number)) for u in used]
    assert crowd.number == pytest.approx(sum(shares), abs=1e-9)
    for u, share in zip(used, shares, strict=True):
        assert share == pytest.approx(min(1.0, u * (1 + crowd.number - share)))


# -- on this machine -------------------------------------------------------------------------------------------------


def test_the_processor_time_of_a_thread_is_that_of_its_own_clock() -> None:
    share, own = Share(), []

    def compute() -> None:
        with LOCK_WAIT.runs(share):
            began = time.thread_time()
            while time.thread_time() - began < 0.05:
                pass
            own.append(time.thread_time() - began)

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join(60)
    assert share.cpu_s == pytest.approx(own[0], abs=0.02)


def test_the_looks_end_with_the_functions_and_leave_no_thread_and_no_file() -> None:
    shares, release, begun = [Share() for _ in range(3)], threading.Event(), threading.Semaphore(0)

    def hold(share: Share) -> None:
        with LOCK_WAIT.runs(share):
            begun.release()
            release.wait(60)

    def open_files() -> int:
        return len([*Path("/proc/self/fd").iterdir()]) if sys.platform == "linux" else 0

    before = open_files()
    threads = [threading.Thread(target=hold, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
        begun.acquire(timeout=60)
    lookers = [thread for thread in threading.enumerate() if thread.name == "asyncfc-look"]
    release.set()
    for thread in [*threads, *lookers]:
        thread.join(60)
        assert not thread.is_alive()
    assert len(lookers) == 1
    assert open_files() <= before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_function_that_forks_ends_in_the_copy_as_well() -> None:
    with LOCK_WAIT.runs(Share()):
        child = os.fork()
    if child == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_thread_that_waited_for_no_core_reports_little_a_closed_one_none() -> None:
    cores = CoreWait()
    first = cores.read_s()
    assert 0.0 <= first <= cores.read_s()
    cores.close()
    assert cores.read_s() == 0.0


class Library:
    """A C library whose files hold their numbers as seconds; while one is read, another thread reads, too."""

    def __init__(self):
        self._files, self.meanwhile = 0, None

    def open(self, *_):
        self._files += 1
        return self._files

    def new_buffer(self):
        return ctypes.create_string_buffer(64)

    def pread(self, file, buffer, *_):
        buffer.value = b"1 %d000000000 1" % file
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile.read_s()
        return len(buffer.value)


def test_two_threads_that_read_their_waiting_at_once_get_their_own(monkeypatch) -> None:
    library = Library()
    monkeypatch.setattr("asyncfc_jupyter.runtime.core_wait._library", lambda: library)
    first, second = CoreWait(), CoreWait()
    library.meanwhile = second
    assert (first.read_s(), second.read_s()) == (1.0, 2.0)
