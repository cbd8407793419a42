"""A test that leaves something changed fails, and the change is named: another test would meet it, in an accidental order.

Compared before and after each test: environment variables, the directory, the import path, signal handlers, log handlers, the
event loop, threads, processes, and the files at the top of the repository. A fixture of a wider scope may make or remove such
things: it may clean up after another test.
"""

from __future__ import annotations

import asyncio
import gc
import locale
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

#: Seconds that a thread or a process may take to end after the test that began it; most have ended already.
GRACE_S = 5.0
_REPOSITORY = Path(__file__).resolve().parents[2]
#: Whether the system lists the processes that each thread began.
_BEGUN = Path(f"/proc/self/task/{os.getpid()}/children").is_file()
#: Threads that live as long as the process, on purpose.
_LASTING_THREADS = (
    "execnet",  # pytest-xdist's
    "shared by tests",  # a pool that a module of the tests makes when it is imported, for all of them
)
#: Words in the commands of processes that live as long as this one, on purpose.
_LASTING_PROCESSES = (
    "loky",  # the package's own processes, which wait for the next tool
    "multiprocessing.resource_tracker",  # Python's own, one for all processes that are spawned
)
#: Files that the suite itself writes at the top of the repository.
_OUR_FILES = {"test-artifacts", ".pytest_cache", ".hypothesis", ".cache", ".coverage"}

Fact = tuple[str, Any]
State = dict[Fact, object]

#: Changes by fixtures of a wider scope, in the file of tests that runs.
_of_fixtures: set[Fact] = set()
_file: list[Path] = []


def state() -> State:
    """Return everything that is compared, by kind and name."""
    facts: State = {("environment variable", n): v for n, v in os.environ.items() if n != "PYTEST_CURRENT_TEST"}
    facts["working directory", ""] = os.getcwd()  # noqa: PTH109 - the text, even if the folder is gone
    facts["import path", ""] = tuple(sys.path)
    facts["locale", ""] = locale.setlocale(locale.LC_ALL)
    facts["trace function", ""] = None if "coverage" in sys.modules else sys.gettrace()
    facts["main module", ""] = id(sys.modules["__main__"])
    facts |= {("signal handler", s.name): signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    for name in ("", "asyncio", "asyncfc_jupyter"):
        logger = logging.getLogger(name)
        facts["log level", name] = logger.level
        kept = [type(each).__name__ for each in logger.handlers if not type(each).__module__.startswith("_pytest")]
        facts["log handlers", name] = tuple(kept)
    facts["running event loop", ""] = asyncio._get_running_loop()
    facts |= {("thread", (t.name, t.ident)): "alive" for t in threading.enumerate() if not _lasts(t)}
    facts |= {("process", child.pid): "alive" for child in _children()}
    facts |= {("file", name): "there" for name in os.listdir(_REPOSITORY) if name not in _OUR_FILES}  # noqa: PTH208
    return facts


def _pids() -> Iterator[int]:
    """Yield the ids of the processes that this one began; on Linux from its own lists, which are quicker to read."""
    if not _BEGUN:
        yield from (child.pid for child in psutil.Process().children())
    for pids in Path("/proc/self/task").glob("*/children") if _BEGUN else ():
        try:
            yield from map(int, pids.read_text().split())
        except OSError:
            continue  # the thread has just ended


def _lasts(thread: threading.Thread) -> bool:
    # A loop that still runs here is playwright's, and has threads of its own until its fixture ends.
    return thread.name.startswith(_LASTING_THREADS) or (
        thread.name.startswith("asyncio_") and asyncio._get_running_loop() is not None
    )


def _children() -> Iterator[psutil.Process]:
    """Yield the processes that this one began, without those that last on purpose."""
    for pid in _pids():
        try:
            child = psutil.Process(pid)
            command = " ".join(child.cmdline())
            if child.status() != psutil.STATUS_ZOMBIE and not any(word in command for word in _LASTING_PROCESSES):
                yield child
        except psutil.Error:
            continue  # it has just ended


def changes(before: State, after: State) -> dict[Fact, tuple[object, object]]:
    """Return each fact that has changed, with its value before and now; None if it did not or does not exist."""
    every = before.keys() | after.keys()
    return {fact: (before.get(fact), after.get(fact)) for fact in every if before.get(fact) != after.get(fact)}


def left(before: State, look: Callable[[], State] = state, grace_s: float = GRACE_S) -> list[str]:
    """Return the changes that a test left, in words; threads and processes get a little time to end."""
    end = time.monotonic() + grace_s
    while True:
        found = {f: c for f, c in changes(before, look()).items() if f not in _of_fixtures and not _ended(f, c)}
        if not found or time.monotonic() > end or not any(kind in {"thread", "process"} for kind, _ in found):
            return [_said(fact, *change) for fact, change in sorted(found.items(), key=str)]
        gc.collect()  # a pool's threads end when nothing refers to it any more, and an exception may refer to it in a circle
        time.sleep(0.02)


def _ended(fact: Fact, change: tuple[object, object]) -> bool:
    """Return whether the change is a thread or a process that has ended."""
    return fact[0] in {"thread", "process"} and change[1] is None


def _said(fact: Fact, was: object, is_now: object) -> str:
    kind, name = fact
    # A value may be a key or a password.
    return f"{kind} {name}" if kind == "environment variable" else f"{kind} {name}: was {was!r}, is {is_now!r}"


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
    """Note the changes by a fixture of a wider scope: they outlive the first test that uses it."""
    if fixturedef.scope == "function":
        return (yield)
    with lasting():
        return (yield)


@contextmanager
def lasting() -> Iterator[None]:
    """Note the changes within the block: they belong to a fixture of a wider scope, which will undo them."""
    before = state()
    try:
        yield
    finally:
        _of_fixtures.update(changes(before, state()))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Record the state before the first fixture."""
    if _file != [item.path]:
        _file[:] = [item.path]
        _of_fixtures.clear()  # the changes of the file before ended with its last test
    if _is_ours(item):
        item.stash[_BEFORE] = state()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Compare the state after the last fixture, and fail the test if something is left."""
    result = yield
    if _is_ours(item) and (found := left(item.stash[_BEFORE])):
        pytest.fail("the test has not cleaned up:\n  " + "\n  ".join(found), pytrace=False)
    return result


def _is_ours(item: pytest.Item) -> bool:
    """Return whether the item is a test function: cells of a notebook share a kernel on purpose."""
    return isinstance(item, pytest.Function)


_BEFORE = pytest.StashKey[State]()
