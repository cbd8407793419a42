"""Calls that redirect streams, catch warnings and the like while others do: each for itself, and nothing is left after them."""

import asyncio
import contextlib
import io
import itertools
import logging
import os
import pickle
import random
import sys
import threading
import unittest.mock
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter.runtime.attempt import Attempt
from asyncfc_jupyter.runtime.own_attributes import ATTRIBUTES
from asyncfc_jupyter.runtime.printed import Printed
from asyncfc_jupyter.runtime.process_state import PROCESS, end_call
from asyncfc_jupyter.runtime.running_call import RunningCall, context_of, running_call
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import attempt_at, ended

NAMES = [(module, name) for module, names in ATTRIBUTES for name in names]


def values():
    """Return what the attributes hold, for the module's users and in its dictionary, and the classes of the modules."""
    asked = [getattr(module, name) for module, name in NAMES]
    held = [vars(module)[name] for module, name in NAMES]
    return [
        *asked,
        *held,
        type(sys),
        type(warnings),
        vars(threading.Thread)["start"],
        vars(ThreadPoolExecutor)["submit"],
    ]


@pytest.fixture(autouse=True)
def nothing_left():
    """Each test ends with what it found."""
    before = values()
    filters = list(warnings.filters)
    yield
    assert all(now is then for now, then in zip(values(), before, strict=True))
    assert warnings.filters == filters


@contextlib.contextmanager
def calls_run():
    """Let the process be as it is while calls run."""
    PROCESS.begin()
    try:
        yield
    finally:
        PROCESS.end()


@contextlib.contextmanager
def by_hand(buffer):
    """Redirect as many libraries do, with no help of the standard library."""
    old, sys.stdout = sys.stdout, buffer
    try:
        yield
    finally:
        sys.stdout = old


def patched(buffer):
    """Redirect as tests do: `mock` saves what the dictionary of the module holds."""
    return unittest.mock.patch("sys.stdout", buffer)


@contextlib.contextmanager
def nested(buffer):
    """Redirect twice; what is printed outside of the inner one counts."""
    with contextlib.redirect_stdout(buffer):
        with patched(io.StringIO()), by_hand(io.StringIO()):
            print("inner")
        yield


REDIRECTS = [contextlib.redirect_stdout, by_hand, patched, nested]


class Interleaved:
    """One call that redirects, prints and restores, a step at a time, in a context of its own."""

    def __init__(self, name, redirect):
        self.name, self.buffer = name, io.StringIO()
        self._context = context_of(RunningCall(name))
        self._redirect = redirect(self.buffer)
        steps = (self._redirect.__enter__, self._print, self._leave)
        self._steps = iter(steps)

    def _print(self):
        print(self.name)
        sys.stdout.write(self.name)

    def _leave(self):
        self._redirect.__exit__(None, None, None)

    def step(self):
        self._context.run(next(self._steps))


def orders(*counts):
    """Yield each order in which the steps of several calls can alternate."""
    if not any(counts):
        yield ()
    for which, count in enumerate(counts):
        if count:
            rest = (each - (other == which) for other, each in enumerate(counts))
            yield from ((which, *later) for later in orders(*rest))


@pytest.mark.parametrize("redirect", REDIRECTS)
def test_three_calls_redirect_in_every_order_and_each_has_its_own(redirect, capsys) -> None:
    every = list(orders(3, 3, 3))
    assert len(every) == 1680
    before = sys.stdout
    for order in every:
        with calls_run():
            calls = [Interleaved(name, redirect) for name in "abc"]
            for which in order:
                calls[which].step()
                print("cell")
            assert sys.stdout is before
        assert [call.buffer.getvalue() for call in calls] == ["a\na", "b\nb", "c\nc"]
        assert sys.stdout is vars(sys)["stdout"] is before
    assert capsys.readouterr().out == "cell\n" * 9 * len(every)


def test_different_kinds_of_redirects_mix_in_every_order(capsys) -> None:
    for kinds in itertools.combinations(REDIRECTS, 2):
        for order in orders(3, 3):
            with calls_run():
                calls = [Interleaved(name, kind) for name, kind in zip("ab", kinds, strict=True)]
                for which in order:
                    calls[which].step()
            assert [call.buffer.getvalue() for call in calls] == ["a\na", "b\nb"]
    assert capsys.readouterr().out == ""


class Order:
    """Lets the steps of tools on the loop and in threads happen in a given order."""

    def __init__(self, order):
        self._order, self._at = order, 0
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._on_loop = asyncio.Event()

    def _mine(self, who):
        return self._at < len(self._order) and self._order[self._at] == who

    def wait(self, who):
        with self._changed:
            assert self._changed.wait_for(lambda: self._mine(who), 20)

    async def wait_on_loop(self, who):
        while not self._mine(who):
            self._on_loop.clear()
            if not self._mine(who):
                await self._on_loop.wait()

    def done(self):
        with self._changed:
            self._at += 1
            self._changed.notify_all()
        self._loop.call_soon_threadsafe(self._on_loop.set)


@pytest.mark.parametrize("ending", ["returns", "raises"])
def test_tools_on_the_loop_and_in_threads_redirect_at_the_same_time(ending, capsys) -> None:
    def leave():
        if ending == "raises":
            raise LookupError("inside the redirect")

    def in_thread(who: int, order: Order, buffer: io.StringIO) -> None:
        """Redirect in a thread."""
        order.wait(who)
        try:
            with contextlib.redirect_stdout(buffer):
                order.done()
                order.wait(who)
                print(who)
                order.done()
                order.wait(who)
                leave()
        finally:
            order.done()

    async def on_loop(who: int, order: Order, buffer: io.StringIO) -> None:
        """Redirect on the loop."""
        await order.wait_on_loop(who)
        try:
            with contextlib.redirect_stdout(buffer):
                order.done()
                await order.wait_on_loop(who)
                print(who)
                order.done()
                await order.wait_on_loop(who)
                leave()
        finally:
            order.done()

    async def main(steps):
        order = Order(steps)
        buffers = [io.StringIO() for _ in range(4)]
        tools = [make_tool(each, pure=True) for each in (in_thread, on_loop, in_thread, on_loop)]
        attempts = [attempt_at(tool, who=who, order=order, buffer=buffers[who]) for who, tool in enumerate(tools)]
        outcomes = [await ended(each) for each in attempts]
        assert [type(outcome).__name__ for outcome in outcomes] == ["Raised" if ending == "raises" else "Returned"] * 4
        return [buffer.getvalue() for buffer in buffers]

    chance = random.Random(7)
    for _ in range(40):
        steps = [0, 1, 2, 3] * 3
        chance.shuffle(steps)
        assert asyncio.run(main(steps)) == ["0\n", "1\n", "2\n", "3\n"]
    assert capsys.readouterr().out == ""


def test_a_thread_that_restores_long_after_its_time_was_up_mutes_nothing(capsys) -> None:
    began, release, left = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        """Redirect for too long."""
        with contextlib.redirect_stdout(io.StringIO()):
            began.set()
            release.wait(20)
            print("into its own buffer")
            old, sys.stdout = sys.stdout, io.StringIO()
        sys.stdout = old
        left.set()

    async def main():
        attempt = attempt_at(make_tool(slow, pure=True, timeout_s=0.01))
        await asyncio.to_thread(began.wait, 20)
        return await ended(attempt)

    before = sys.stdout
    outcome = asyncio.run(main())
    assert outcome.still_running
    print("the loop has ended, the thread has not")
    mine = io.StringIO()
    with contextlib.redirect_stdout(mine):
        release.set()
        assert left.wait(20)
        print("mine")
    for thread in [each for each in threading.enumerate() if each.name == "asyncfc-tool"]:
        thread.join(20)
    assert sys.stdout is before
    assert mine.getvalue() == "mine\n"
    assert capsys.readouterr().out == "the loop has ended, the thread has not\n"


def test_what_a_call_leaves_set_ends_with_it_and_is_reported(capsys) -> None:
    async def careless() -> None:
        """Redirect for ever."""
        sys.stdout = io.StringIO()
        sys.argv = ["program"]
        print("into the buffer")

    async def main():
        await ended(attempt_at(make_tool(careless, pure=True)))

    run_virtually(main())
    print("still here")
    captured = capsys.readouterr()
    assert captured.out == "still here\n"
    assert captured.err == (
        "careless left sys.stdout and sys.argv set; each call sets its own, so that has ended with it.\n"
    )


def test_a_cancelled_call_leaves_nothing_and_its_clean_up_is_its_own(capsys) -> None:
    async def waits(buffer: io.StringIO) -> None:
        """Redirect until cancelled."""
        with contextlib.redirect_stdout(buffer):
            try:
                await asyncio.sleep(99)
            finally:
                print("cleaned up")

    async def main():
        buffers = io.StringIO(), io.StringIO()
        attempts = [attempt_at(make_tool(waits, pure=True), buffer=buffer) for buffer in buffers]
        await asyncio.sleep(1)
        for attempt in attempts:
            attempt.abandon()
        await asyncio.sleep(1)
        return [buffer.getvalue() for buffer in buffers]

    assert run_virtually(main()) == ["cleaned up\n"] * 2
    assert capsys.readouterr() == ("", "")


def test_a_redirect_to_a_closed_file_fails_its_own_call_only(capsys) -> None:
    closed = io.StringIO()
    closed.close()

    async def broken() -> None:
        """Print to a closed file."""
        with contextlib.redirect_stdout(closed):
            await asyncio.sleep(1)
            print("lost")

    async def fine() -> None:
        """Print."""
        await asyncio.sleep(1)
        print("fine")

    async def main():
        attempts = [attempt_at(make_tool(each, pure=True)) for each in (broken, fine)]
        return [await ended(attempt) for attempt in attempts]

    first, second = run_virtually(main())
    assert first.message.startswith("ValueError: I/O operation on closed file")
    assert second.value is None
    assert capsys.readouterr().out == "fine\n"


def test_threads_and_pools_that_a_call_starts_share_its_redirect(capsys) -> None:
    pool = ThreadPoolExecutor(1)

    def prints(name: str) -> str:
        """Print from threads."""
        with contextlib.redirect_stdout(io.StringIO()) as out:
            thread = threading.Thread(target=print, args=(name, "thread"))
            thread.start()
            thread.join()
            pool.submit(print, name, "pool").result()
        return out.getvalue()

    async def main():
        tool = make_tool(prints, pure=True)
        return [(await ended(attempt_at(tool, name=name))).value for name in ("a", "b")]

    assert asyncio.run(main()) == ["a thread\na pool\n", "b thread\nb pool\n"]
    with calls_run():
        assert pool.submit(running_call).result() is None, "the pool's thread was started by a call"
    pool.shutdown()
    assert capsys.readouterr().out == ""


def redirecting(buffer):
    """Redirect, print and restore in steps."""
    with contextlib.redirect_stdout(buffer):
        yield
        print("mine")
        yield
    yield


def test_the_users_own_redirect_meanwhile_is_the_users(capsys) -> None:
    """The cell redirects while a call runs, in every order; neither sees what the other prints."""
    for order in orders(3, 3):
        mine = io.StringIO()
        with calls_run():
            call = Interleaved("call", contextlib.redirect_stdout)
            cell = redirecting(mine)
            for which in order:
                call.step() if which == 0 else next(cell)
        assert (call.buffer.getvalue(), mine.getvalue()) == ("call\ncall", "mine\n")
    assert capsys.readouterr().out == ""


def test_a_redirect_that_spans_the_first_or_the_last_call_is_kept(capsys) -> None:
    outer = io.StringIO()
    with contextlib.redirect_stdout(outer):
        PROCESS.begin()
        print("begun inside")
    print("out")
    inner = contextlib.redirect_stdout(io.StringIO())
    with inner as late:
        PROCESS.end()
        print("ended inside")
    assert (outer.getvalue(), late.getvalue()) == ("begun inside\n", "ended inside\n")
    assert capsys.readouterr().out == "out\n"


def catching(name, found):
    """Catch warnings in steps, as two overlapping calls of libraries do."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        warnings.warn_explicit(name, UserWarning, "file.py", 1)
        yield
        found.extend(str(each.message) for each in caught)
    yield


def test_warnings_are_caught_by_the_call_that_catches_them_in_every_order() -> None:
    for order in orders(3, 3):
        with calls_run():
            found = {"a": [], "b": []}
            calls = [(context_of(RunningCall(name)), catching(name, found[name])) for name in found]
            for which in order:
                context, steps = calls[which]
                context.run(next, steps)
        assert found == {"a": ["a"], "b": ["b"]}
        for _, steps in calls:
            steps.close()


def test_ignored_warnings_of_one_call_are_shown_for_others() -> None:
    with warnings.catch_warnings(record=True) as seen, calls_run():
        warnings.simplefilter("always")
        context = context_of(RunningCall("f1"))
        quiet = warnings.catch_warnings()
        context.run(quiet.__enter__)
        context.run(warnings.simplefilter, "ignore")
        context.run(warnings.warn, "by the call")
        warnings.warn("by the cell", stacklevel=1)
        context.run(quiet.__exit__, None, None, None)
        context.run(warnings.warn, "by the call, afterwards")
    assert [str(each.message) for each in seen] == ["by the cell", "by the call, afterwards"]


def test_the_modules_look_like_themselves_while_calls_run() -> None:
    with calls_run():
        context_of(RunningCall("f1")).run(setattr, sys, "stdout", io.StringIO())
        assert pickle.loads(pickle.dumps(sys)) is sys
        assert repr(vars(sys)["stdout"]) == repr(sys.stdout)
        with pytest.raises(AttributeError, match="module 'sys' has no attribute 'nothing'"):
            sys.nothing  # noqa: B018
        assert [name for name in ("stdout", "version") if name not in dir(sys)] == []


def test_a_stream_that_a_process_does_not_have_may_be_set_by_a_call(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with calls_run():
        mine = io.StringIO()
        context = context_of(RunningCall("f1"))
        context.run(setattr, sys, "stdout", mine)
        print("nowhere")
        context.run(print, "mine")
    assert mine.getvalue() == "mine\n"
    assert sys.stdout is None


def test_a_handler_made_in_a_redirect_writes_to_that_calls_buffer(capsys) -> None:
    logger = logging.getLogger("asyncfc_test_own")
    logger.propagate = False

    def logs(name: str) -> str:
        """Log to a handler of its own."""
        with contextlib.redirect_stderr(io.StringIO()) as out:
            handler = logging.StreamHandler()
            handler.emit(logging.makeLogRecord({"msg": name}))
        return out.getvalue()

    async def main():
        attempts = [attempt_at(make_tool(logs, pure=True), name=name) for name in ("a", "b")]
        return [(await ended(attempt)).value for attempt in attempts]

    assert asyncio.run(main()) == ["a\n", "b\n"]
    assert capsys.readouterr() == ("", "")


def test_nothing_is_reported_of_a_call_that_restores_what_it_set(capsys) -> None:
    call = RunningCall("f1 tidy")
    with calls_run():

        def tidy():
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                pass
            end_call()

        context_of(call).run(tidy)
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")
def test_what_a_forked_process_prints_reaches_the_stream(tmp_path, capsys) -> None:
    """Nothing that is noted there comes back, so its prints are not noted."""
    path = tmp_path / "out.txt"

    class Sink:
        def write(self, text, stream):
            return True

    def forks() -> int:
        """Print in a child."""
        child = os.fork()
        if child == 0:
            print("from the child", flush=True)
            os._exit(0)
        print("from the parent")
        return os.waitpid(child, 0)[1]

    async def main():
        printed = Printed(lambda *_: None, Sink())
        tool = make_tool(forks, pure=True)
        outcome = await ended(Attempt(tool, tool.parameters_of.bind({}), printed))
        return outcome.value, printed.noted.text

    with path.open("w") as file, contextlib.redirect_stdout(file):
        assert asyncio.run(main()) == (0, "from the parent\n")
    assert path.read_text() == "from the child\n"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=30))
def test_each_reads_what_it_set_itself_whatever_the_others_set(steps) -> None:
    """Of the cell and three calls, each sets new values, or one that it had before: 0 the first, 1 a new one, others late."""
    before = sys.stdout
    with calls_run():
        run = [lambda function, *args: function(*args), *(context_of(RunningCall(name)).run for name in "abc")]
        seen = [[before] for _ in run]
        for who, which in steps:
            mine = seen[who]
            if who and len(mine) == 1:
                mine[0] = run[who](getattr, sys, "stdout")  # what it would restore
            value = io.StringIO() if which == 1 else mine[min(which, len(mine) - 1)]
            run[who](setattr, sys, "stdout", value)
            mine.append(value)
            if who and value is mine[0]:
                seen[who] = [value]
            for other, had in enumerate(seen):
                expected = seen[0][-1] if len(had) == 1 else had[-1]
                assert run[other](getattr, sys, "stdout") is expected
                assert vars(sys)["stdout"] is not None
        sys.stdout = before
