"""The watch over the event loop: what it reports, what it allows, and its cost."""

import asyncio
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from blockbuster import BlockingError

import asyncfc_jupyter
from tests.suite import watching

PLANTED = Path(asyncfc_jupyter.__file__).parent / "runtime" / "planted.py"
SOURCE = """
import contextlib, importlib, logging, threading, time

def sleep():
    time.sleep(0)

def read():
    with open(__file__ + "x") as file:
        return file.read()

def wait():
    threading.Event().wait(0.001)

def swallow():
    with contextlib.suppress(Exception):
        time.sleep(0)

async def call(function):
    return function()
"""


@pytest.fixture
def planted() -> dict[str, Callable]:
    """The functions of a made-up module of the package."""
    names = {"__name__": "asyncfc_jupyter.runtime.planted", "__file__": str(PLANTED)}
    exec(compile(SOURCE, str(PLANTED), "exec"), names)
    return names


def on_loop(function: Callable) -> list[str]:
    """Call a function on a loop, and return the reports, which do not fail the test."""

    async def main() -> None:
        function()

    try:
        asyncio.run(main())
    except BlockingError:
        assert watching._found.violations, "what is raised is remembered"
    return [str(each) for each in watching.taken()]


@pytest.mark.parametrize(
    ("name", "call", "line"),
    [("sleep", "time.sleep", 5), ("read", "builtins.open", 8), ("wait", "lock.acquire", 12)],
)
def test_a_blocking_call_of_ours_is_reported_with_name_and_place(planted, name, call, line) -> None:
    place = f"asyncfc_jupyter/runtime/planted.py:{line} in {name}"
    assert on_loop(planted[name]) == [f"{call} on the event loop, called from {place}"]


def test_an_error_that_is_swallowed_is_still_reported(planted) -> None:
    (told,) = on_loop(planted["swallow"])
    assert "planted.py:16 in swallow" in told


class Finalized:
    """Finalized by the garbage collector, during any code."""


@pytest.mark.parametrize("how", ["finalize", "__del__"])
def test_a_finalizer_is_not_a_call_of_the_package(planted, how) -> None:
    names: dict = {}
    # Of a library: its file is neither ours nor a test's.
    exec(compile("import time\ndef nap(*_):\n    time.sleep(0)\n", "/lib/library.py", "exec"), names)

    class Kept(Finalized):
        pass

    if how == "__del__":
        exec(compile("def __del__(self):\n    nap()\n", "/lib/library.py", "exec"), names)
        Kept.__del__ = names["__del__"]  # type: ignore[attr-defined]
    thing = Kept()
    if how == "finalize":
        weakref.finalize(thing, names["nap"])
    things = [thing]
    del thing
    planted["things"] = things
    exec(compile("def forget():\n    things.clear()\n", str(PLANTED), "exec"), planted)
    assert on_loop(planted["forget"]) == []
    assert things == []


def test_a_users_blocking_tool_is_not_reported_as_ours(planted) -> None:
    def tool() -> None:
        time.sleep(0)

    asyncio.run(planted["call"](tool))
    cell = compile("import time\ndef tool():\n    time.sleep(0)", "/tmp/ipykernel_1/2.py", "exec")
    names: dict[str, Callable] = {}
    exec(cell, names)
    asyncio.run(planted["call"](names["tool"]))
    assert watching.taken() == []


def test_nothing_is_reported_in_a_thread_or_without_a_loop(planted) -> None:
    planted["sleep"]()
    asyncio.run(asyncio.to_thread(planted["sleep"]))
    assert watching.taken() == []


def test_every_place_that_may_block_exists_and_has_its_reason() -> None:
    for each in watching.ALLOWED:
        code = compile((PLANTED.parents[1] / each.file).read_text(encoding="utf-8"), each.file, "exec")
        assert each.function in set(names_in(code)), f"{each.file} has no {each.function} any more"
        assert each.reason


def names_in(code):
    for inner in code.co_consts:
        if hasattr(inner, "co_qualname"):
            yield inner.co_qualname
            yield from names_in(inner)


def test_a_test_in_which_we_block_the_loop_fails_in_the_end(tmp_path) -> None:
    test = tmp_path / "test_it.py"
    test.write_text(
        f"import asyncio\nnames = {{}}\nexec(compile({SOURCE!r}, {str(PLANTED)!r}, 'exec'), names)\n"
        "def test_it():\n    asyncio.run(names['call'](names['swallow']))\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.suite.blocking", "-p", "no:cacheprovider"]
    root = PLANTED.parents[2]
    ran = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(test)],
        check=False,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "1 passed, 1 error" in ran.stdout
    assert (
        "the package blocked the event loop:\ntime.sleep on the event loop, called from asyncfc_jupyter" in ran.stdout
    )


def test_watching_a_test_costs_less_than_two_milliseconds() -> None:
    watching._blockbuster.deactivate()  # this test's own
    times = []
    for _ in range(20):
        began = time.perf_counter()
        with watching.watched():
            pass
        times.append(time.perf_counter() - began)
    assert min(times) < 0.002
