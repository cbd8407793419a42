"""Processes of the package's own: a call whose process dies fails alone, and a call that is stopped ends its process."""

import asyncio
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from asyncfc_jupyter.core.events import CallCancelled, CallFailed, ResultDiscarded
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.errors import ProcessEnded
from asyncfc_jupyter.runtime import attempt, processes
from asyncfc_jupyter.runtime.attempt import Attempt
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.runtime.outcome import Returned
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import ended


def until(holds):
    """Return when something holds, which another process or thread causes."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def seen(path):
    """Return the text of a file as soon as there is one."""
    until(lambda: Path(path).exists() and Path(path).read_text())
    return Path(path).read_text()


def fine(x: int, path: str = "") -> int:
    """Return a number, after something is in a file if one is named."""
    if path:
        seen(path)
    return x


def process_id() -> int:
    """Return the id of this process."""
    return os.getpid()


def leaves() -> None:
    """End the process."""
    os._exit(3)


def leaves_well() -> None:
    """End the process as if all were well."""
    os._exit(0)


def crashes() -> None:
    """Read from no address."""
    ctypes.string_at(0)


def aborts() -> None:
    """Abort."""
    os.abort()


def is_killed() -> None:
    """Be killed, as for lack of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def becomes_another() -> None:
    """Become another program."""
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"])


def closes_all() -> None:
    """Close every file, the connection among them, and stay."""
    os.closerange(3, 256)
    time.sleep(60)


class EndsWhenSent:
    """Ends the process in which it is copied."""

    def __reduce__(self):
        os._exit(4)


class EndsWhenReceived:
    """Ends the process in which the copy is made."""

    def __reduce__(self):
        return os._exit, (5,)


def returns_what_ends() -> object:
    """Return something that ends the process when it is sent."""
    return EndsWhenSent()


def takes(x: object) -> None:
    """Take something."""


DEATHS = {
    leaves: "its process ended with exit code 3 before the function returned; what it had done by then stays.",
    leaves_well: "its process ended with exit code 0 before the function returned",
    crashes: "its process ended by SIGSEGV (a crash of compiled code) before the function returned",
    aborts: "its process ended by SIGABRT (a crash of compiled code) before the function returned",
    is_killed: "its process ended by SIGKILL (as the system does when memory runs out) before the function returned",
    becomes_another: "its process ended by SIGKILL",
    closes_all: "its process ended by SIGKILL",
    returns_what_ends: "its process ended with exit code 4 before the function returned",
}


def exits() -> None:
    """Exit as a script does."""
    sys.exit(7)


class Base(BaseException):
    """Not an Exception."""


def raises_a_base() -> None:
    """Raise."""
    raise Base("no")


def runs_out_of_memory() -> None:
    """Need too much memory."""
    raise MemoryError


FAILURES = {exits: "SystemExit: 7", raises_a_base: "Base: no", runs_out_of_memory: "MemoryError"}


@pytest.fixture
def pool(monkeypatch):
    """A pool of two processes, which end with the test."""
    made = processes.Processes(2)
    monkeypatch.setattr(attempt, "processes", lambda: made)
    yield made
    made.shutdown()


def begin(function, run_in="process", timeout_s=60, **arguments):
    tool = make_tool(function, pure=True, run_in=run_in, timeout_s=timeout_s)
    return Attempt(tool, tool.parameters_of.bind(arguments))


def outcomes(*calls, **options):
    """Return the outcomes of calls that are made at the same time."""

    async def main():
        attempts = [begin(function, **options, **arguments) for function, arguments in calls]
        return [await ended(each) for each in attempts]

    return asyncio.run(main())


@pytest.mark.parametrize("death", DEATHS, ids=lambda function: function.__name__)
def test_a_call_whose_process_dies_fails_alone_and_says_how(pool, death) -> None:
    first, died, *others = outcomes((fine, {"x": 1}), (death, {}), *((fine, {"x": x}) for x in range(2, 8)))
    assert [each.value for each in (first, *others)] == [1, *range(2, 8)]
    assert isinstance(died.error, ProcessEnded)
    assert died.message.startswith(f"ProcessEnded: {DEATHS[death]}")
    assert died.message.endswith("Other calls are not affected, and the next has a new process.")
    assert died.error.begun


def test_the_traceback_of_a_call_whose_process_died_shows_no_frames(pool) -> None:
    """Those of this package would say nothing to the user, and the function's own are gone with the process."""
    (died,) = outcomes((leaves, {}))
    assert isinstance(died.error, ProcessEnded)
    assert died.error.__traceback__ is None


def test_a_call_that_runs_meanwhile_returns_after_the_death_of_another(pool, tmp_path) -> None:
    async def main():
        waits = begin(fine, x=1, path=str(tmp_path / "go"))
        died = await ended(begin(leaves))
        (tmp_path / "go").write_text("go")
        return died, await ended(waits)

    died, waited = asyncio.run(main())
    assert isinstance(died.error, ProcessEnded)
    assert waited == Returned(value=1)


@pytest.mark.parametrize("seed", range(3))
def test_in_any_order_each_call_has_its_own_outcome(pool, seed) -> None:
    """More calls than processes, of which some return, some raise and some die."""
    draw = random.Random(seed)
    kinds = [fine, fine, *draw.sample(list(DEATHS), 2), *draw.sample(list(FAILURES), 2), fine, fine]
    draw.shuffle(kinds)
    found = outcomes(*((kind, {"x": n} if kind is fine else {}) for n, kind in enumerate(kinds)))
    for n, (kind, outcome) in enumerate(zip(kinds, found, strict=True)):
        if kind is fine:
            assert outcome == Returned(value=n)
        else:
            assert (DEATHS | FAILURES)[kind] in outcome.message


@pytest.mark.parametrize("failure", FAILURES, ids=lambda function: function.__name__)
def test_a_function_that_only_raises_leaves_its_process_to_the_next_call(pool, failure) -> None:
    before, failed, after = (outcomes((function, {}))[0] for function in (process_id, failure, process_id))
    assert FAILURES[failure] in failed.message
    assert before == after


def test_an_argument_that_ends_the_process_fails_its_call_only(pool) -> None:
    died, well = outcomes((takes, {"x": EndsWhenReceived()}), (fine, {"x": 1}))
    assert "exit code 5" in died.message
    assert well == Returned(value=1)


def test_a_process_that_died_while_it_was_idle_is_replaced(pool) -> None:
    (first,) = outcomes((process_id, {}))
    os.kill(first.value, signal.SIGKILL)
    (second,) = outcomes((process_id, {}))
    assert second.value != first.value


def test_a_call_is_made_even_if_each_idle_process_is_about_to_end(monkeypatch) -> None:
    """So a call and the end of the process to which it is sent cross each other."""
    monkeypatch.setattr(processes, "_IDLE_S", 0.0)
    made = processes.Processes(1)
    monkeypatch.setattr(attempt, "processes", lambda: made)
    assert [outcomes((fine, {"x": x}))[0] for x in range(4)] == [Returned(value=x) for x in range(4)]
    made.shutdown()


def test_a_process_that_cannot_begin_fails_the_call_without_effects(monkeypatch, pool) -> None:
    monkeypatch.setattr(processes, "make_calls", os.abort)
    (failed,) = outcomes((fine, {"x": 1}))
    assert not failed.error.begun
    assert "before the call began. Other calls are not affected" in failed.message


def test_a_system_that_starts_no_process_fails_the_call(monkeypatch, pool) -> None:
    def refuses():
        raise OSError("no more processes")

    monkeypatch.setattr(processes, "_Process", refuses)
    (failed,) = outcomes((fine, {"x": 1}))
    assert failed.message == "OSError: no more processes"
    monkeypatch.undo()
    monkeypatch.setattr(attempt, "processes", lambda: pool)
    assert outcomes((fine, {"x": 1})) == [Returned(value=1)]


def forks(path: str) -> str:
    """Return in two processes."""
    copy = os.fork() == 0
    if copy:
        Path(path).write_text("copied")
    return "copy" if copy else "original"


def test_a_result_that_a_forked_copy_returns_too_is_not_of_the_next_call(pool, tmp_path) -> None:
    for n in range(3):
        (outcome,) = outcomes((forks, {"path": str(tmp_path / str(n))}))
        assert outcome == Returned(value="original")
        assert seen(tmp_path / str(n)) == "copied"
        assert outcomes((fine, {"x": n})) == [Returned(value=n)]


def leaves_a_copy(path: str) -> None:
    """Die, and leave a process that holds all that was open."""
    if os.fork() == 0:
        Path(path).write_text(str(os.getpid()))
        time.sleep(60)
    os._exit(3)


def test_the_death_of_a_process_shows_even_if_a_copy_of_it_lives(pool, tmp_path) -> None:
    (died,) = outcomes((leaves_a_copy, {"path": str(tmp_path / "copy")}))
    os.kill(int(seen(tmp_path / "copy")), signal.SIGKILL)
    assert "exit code 3" in died.message


def stays(path: str) -> None:
    """Write the id of this process, and stay."""
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def begun():
    driver, log = Driver(), EventLog(asyncio.get_running_loop().time)
    driver.lend(Lease(log=log))
    return driver, log


def issue(driver, tool, **arguments):
    call_id = CallId(f"c{len(driver.issued)}")
    return driver.issue(call_id=call_id, turn=1, name=tool.name, tool=tool, arguments=arguments)


def test_a_cancelled_process_has_ended_before_what_conflicts_begins(pool, tmp_path) -> None:
    writes = make_tool(stays, writes="state", run_in="process")

    async def runs_still(pid: int) -> bool:
        """Return whether a process runs."""
        return runs(pid)

    reads = make_tool(runs_still, reads="state")

    async def main():
        driver, log = begun()
        first = issue(driver, writes, path=str(tmp_path / "pid"))
        pid = int(await asyncio.to_thread(seen, tmp_path / "pid"))
        second = issue(driver, reads, pid=pid)
        driver.cancel(first.name)
        await driver.wait([second.name])
        assert not driver.lingering()
        return first, second, [stamped.event for stamped in log.events]

    first, second, events = asyncio.run(main())
    assert (first.error, second.value) == ("cancelled", False)
    assert CallCancelled(future=first.name, still_running=False) in events
    assert not [event for event in events if isinstance(event, ResultDiscarded)]


def test_the_process_of_a_call_that_takes_too_long_is_ended(pool, tmp_path) -> None:
    tool = make_tool(stays, pure=True, run_in="process", timeout_s=0.5)

    async def main():
        driver, log = begun()
        call = issue(driver, tool, path=str(tmp_path / "pid"))
        await driver.wait([call.name])
        await driver.unwound(20)
        return call, [stamped.event for stamped in log.events if isinstance(stamped.event, CallFailed)]

    call, (event,) = asyncio.run(main())
    assert call.error == "stays took longer than 0.5 s. Its process was ended."
    assert not event.still_running
    assert not (tmp_path / "pid").exists() or not runs(int(seen(tmp_path / "pid")))
    assert outcomes((fine, {"x": 1}), (fine, {"x": 2})) == [Returned(value=1), Returned(value=2)]


def test_a_call_that_waits_for_a_process_can_be_cancelled_before_it_begins(pool, tmp_path) -> None:
    async def main():
        running = [begin(stays, path=str(tmp_path / str(n))) for n in range(2)]
        for n in range(2):
            await asyncio.to_thread(seen, tmp_path / str(n))
        waits = begin(stays, path=str(tmp_path / "2"))
        await asyncio.to_thread(until, lambda: pool._waiting)
        assert not waits.abandon()
        assert not any(each.abandon() for each in running)
        for each in (waits, *running):
            await asyncio.wait([each._work])
        return (tmp_path / "2").exists(), [each._work.cancelled() for each in (waits, *running)]

    assert asyncio.run(main()) == (False, [True, True, True])
    assert outcomes((fine, {"x": 1})) == [Returned(value=1)]


def interrupts_itself() -> str:
    """Get the interrupt that a terminal sends to all processes."""
    os.kill(os.getpid(), signal.SIGINT)
    return "done"


def test_an_interrupt_of_the_terminal_ends_no_process(pool) -> None:
    assert outcomes((interrupts_itself, {}), (fine, {"x": 1})) == [Returned(value="done"), Returned(value=1)]


def test_two_event_loops_use_the_processes_at_once(pool) -> None:
    found = {}

    def use(number):
        calls = [(fine, {"x": number * 100 + n}) for n in range(10)]
        found[number] = [each.value for each in outcomes(*calls, (leaves, {}), *calls) if isinstance(each, Returned)]

    threads = [threading.Thread(target=use, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [number * 100 + n for n in range(10)] * 2 for number in range(3)}


def test_a_forked_program_makes_processes_of_its_own(monkeypatch) -> None:
    before = processes.processes()
    assert processes.processes() is before
    own = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: own + 1)
    forked = processes.processes()
    assert forked is not before
    before.shutdown()  # as at the end of the forked program: it ends nothing of the other's
    assert before._threads == 0
    monkeypatch.undo()
    monkeypatch.setattr(processes, "_MADE", [before])
    assert processes.processes() is before


BREAKS = """
    import gc, json, multiprocessing, os
    from concurrent.futures import ProcessPoolExecutor
    from tests.runtime.test_processes import fine, leaves, outcomes

    gc.disable()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        died, waited = outcomes((leaves, {}), (fine, {"x": 1}), run_in=executor)
        (later,) = outcomes((fine, {"x": 1}), run_in=executor)
    each = [(type(one.error).__name__, one.message, one.error.begun) for one in (died, waited, later)]
    print(json.dumps(each), flush=True)
    os._exit(0)
"""


def test_an_executor_of_ones_own_that_breaks_is_reported_and_not_repaired() -> None:
    # In a program of its own that collects no garbage: a broken pool can leave a view of an `io.BytesIO` in a cycle, and Python
    # 3.12.1 has a segmentation fault when it collects one.
    program = [sys.executable, "-c", textwrap.dedent(BREAKS)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    names, messages, begun = zip(*json.loads(done.stdout), strict=True)
    assert set(names) == {"ExecutorBroken"}
    assert messages[0] == messages[1]
    assert messages[0].startswith(
        "ExecutorBroken: the ProcessPoolExecutor of run_in is broken, and makes no more calls; a worker"
    )
    assert (
        "of it died, in this call or in another, so this call may have had effects or may not have begun."
        in messages[0]
    )
    assert "; this call has not begun." in messages[2]
    assert begun == (True, True, False)


PROGRAM = """
    import atexit, asyncio, os, sys, time
    from pathlib import Path
    from asyncfc_jupyter.runtime.attempt import Attempt
    from asyncfc_jupyter.tools.definition import make_tool

    here = sys.argv[1]

    def stays() -> None:
        "Stay."
        Path(here, "busy").write_text(str(os.getpid()))
        time.sleep(600)

    def says() -> None:
        "Say something when the program ends."
        atexit.register(lambda: Path(here, "said").write_text("goodbye"))
        Path(here, "idle").write_text(str(os.getpid()))

    def leaves_a_thread() -> None:
        "Leave a thread that never ends."
        import threading
        threading.Thread(target=time.sleep, args=(600,)).start()
        Path(here, "idle").write_text(str(os.getpid()))

    async def main():
        def begin(function):
            tool = make_tool(function, pure=True, run_in="process")
            return Attempt(tool, tool.parameters_of.bind({}))

        def there(name):
            return Path(here, name).exists() and Path(here, name).read_text()

        begin(stays)
        begin(SECOND)
        while not (there("busy") and there("idle")):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)

    asyncio.run(main())
    END
"""


def ran(tmp_path, second, end):
    """Run a program with a process that works and one that is idle, and return when both have ended."""
    program = textwrap.dedent(PROGRAM).replace("SECOND", second).replace("END", end)
    environment = os.environ | {"LOKY_MAX_CPU_COUNT": "4"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=90,
        env=environment,
        check=False,
    )
    pids = {name: int(seen(tmp_path / name)) for name in ("busy", "idle")}
    until(lambda: not any(map(runs, pids.values())))
    return done


@pytest.mark.parametrize("second", ["says", "leaves_a_thread"])
def test_the_end_of_a_program_ends_its_processes_and_waits_for_no_call(tmp_path, second) -> None:
    done = ran(tmp_path, second, "print('end')")
    assert (done.stdout, done.returncode) == ("end\n", 0), done.stderr
    if second == "says":
        assert (tmp_path / "said").read_text() == "goodbye"


def test_processes_end_with_a_program_that_is_killed(tmp_path) -> None:
    assert ran(tmp_path, "leaves_a_thread", "os.kill(os.getpid(), 9)").returncode == -9
