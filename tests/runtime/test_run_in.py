"""Where a function runs: threads, processes and executors, and which values can travel between them."""

import asyncio
import contextvars
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from asyncfc_jupyter.errors import ProcessEnded
from asyncfc_jupyter.runtime.attempt import Attempt
from asyncfc_jupyter.runtime.outcome import Raised, Returned
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import ended

cell = contextvars.ContextVar("cell", default="none")


def process_id() -> int:
    """Return the id of this process."""
    return os.getpid()


async def process_id_later() -> int:
    """Return the id of this process, from its own loop."""
    await asyncio.sleep(0)
    return os.getpid()


class Stuck(Exception):
    """Cannot be pickled: it is made from two values and keeps one."""

    def __init__(self, one: str, other: object) -> None:
        super().__init__(one)
        self.other = other


def raises_what_cannot_travel() -> None:
    """Raise."""
    raise Stuck("no way", threading.Lock())


def raises_what_can() -> None:
    """Raise."""
    raise KeyError("k")


def returns_what_cannot_travel() -> object:
    """Return a lock."""
    return threading.Lock()


def dies() -> None:
    """End the process."""
    os._exit(3)


def context() -> str:
    """Return the thread and the cell in which this runs."""
    return f"{threading.current_thread().name} {cell.get()}"


async def outcome_of(function, **options):
    tool = make_tool(function, pure=True, **options)
    return await ended(Attempt(tool, tool.parameters_of.bind({})))


def call(function, **options):
    return asyncio.run(outcome_of(function, **options))


class Inline(Executor):
    """An executor of the user's own."""

    def submit(self, function, /, *args, **kwargs):
        future: Future = Future()
        future.set_result(function(*args, **kwargs))
        return future


@pytest.mark.parametrize("function", [process_id, process_id_later])
def test_a_function_of_a_module_runs_in_another_process(function) -> None:
    outcome = call(function, run_in="process")
    assert isinstance(outcome, Returned), outcome
    assert outcome.value != os.getpid()


def test_a_notebook_or_nested_function_runs_in_another_process() -> None:
    secret = 21

    def double() -> int:
        """Double."""
        return 2 * secret

    assert call(double, run_in="process") == Returned(value=42)


def test_a_script_may_define_its_tools_itself() -> None:
    script = """
        import asyncio, os
        from asyncfc_jupyter import Agent, tool
        from asyncfc_jupyter.testing import Calls, Says, ScriptedModel

        @tool(pure=True, run_in="process")
        def square(x: int) -> tuple[int, bool]:
            '''Square.'''
            return x * x, os.getpid() != parent

        parent = os.getpid()
        if __name__ == "__main__":
            model = ScriptedModel([Calls("square", {"x": 7})], [Says("a")], [Says("b")])
            run = asyncio.run(Agent(model, tools=[square]).run("go"))
            print(run.futures["f1"].result())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("(49, True)", 0), done.stderr


@pytest.mark.parametrize(
    ("function", "kind", "text"),
    [
        (raises_what_can, KeyError, "KeyError: 'k'"),
        (raises_what_cannot_travel, type(None), "Stuck: no way"),
        (returns_what_cannot_travel, Exception, "pickle"),
        (dies, ProcessEnded, "exit code 3"),
    ],
)
def test_an_error_in_another_process_is_reported_and_the_next_call_works(function, kind, text) -> None:
    outcome = call(function, run_in="process")
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, kind)
    assert text in outcome.message
    assert isinstance(call(process_id, run_in="process"), Returned)


def test_a_pool_of_threads_of_ones_own_carries_the_context() -> None:
    async def main():
        cell.set("cell 7")
        with ThreadPoolExecutor(1, thread_name_prefix="mine") as pool:
            return await outcome_of(context, run_in=pool)

    assert asyncio.run(main()).value == "mine_0 cell 7"


def test_an_async_function_in_a_thread_runs_on_a_loop_of_its_own() -> None:
    async def where() -> str:
        """Say which thread this is."""
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert call(where, run_in="thread").value == "asyncfc-tool"
    assert call(context, run_in="loop").value.startswith("MainThread")


def test_a_pool_of_processes_or_any_other_executor_of_ones_own_is_used() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert call(process_id, run_in=pool).value != os.getpid()
    assert call(process_id, run_in=Inline()).value == os.getpid()


def test_an_executor_that_takes_no_more_work_fails_the_call() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    outcome = call(context, run_in=pool)
    assert isinstance(outcome, Raised)
    assert "shutdown" in outcome.message


def test_a_call_that_waits_for_a_full_pool_can_be_cancelled_before_it_runs() -> None:
    began, release, calls = threading.Event(), threading.Event(), []

    def work() -> None:
        """Work."""
        calls.append(1)
        began.set()
        release.wait(10)

    async def main(pool):
        tool = make_tool(work, pure=True, run_in=pool)
        first, second = (Attempt(tool, tool.parameters_of.bind({})) for _ in range(2))
        await asyncio.to_thread(began.wait, 10)
        goes_on = [first.abandon(), second.abandon()]
        release.set()
        assert isinstance(await ended(first), Returned)
        return goes_on, second.over

    with ThreadPoolExecutor(1) as pool:
        goes_on, over = asyncio.run(main(pool))
    assert (goes_on, over, calls) == ([True, False], True, [1])


def test_a_coroutine_from_a_thread_is_stopped_when_its_time_is_up() -> None:
    began, stopped = asyncio.Event(), []

    async def later() -> None:
        try:
            began.set()
            await asyncio.sleep(60)
        finally:
            stopped.append(True)

    def begin():
        """Return a coroutine."""
        return later()

    async def main():
        tool = make_tool(begin, pure=True, timeout_s=0.5)
        attempt = Attempt(tool, tool.parameters_of.bind({}))
        await asyncio.wait_for(began.wait(), 20)
        return await ended(attempt)  # its time begins here

    outcome = asyncio.run(main())
    assert (outcome.kind, outcome.message, stopped) == ("timeout", "begin took longer than 0.5 s.", [True])


def test_a_function_of_main_runs_in_an_executor_that_pickles_by_value(tmp_path) -> None:
    """As a notebook's functions do in loky's or Dask's executor: the mark on the function must not travel with it."""
    program = """
        import asyncio, os
        from loky import get_reusable_executor
        from asyncfc_jupyter import Agent, tool

        workers = get_reusable_executor(max_workers=1)

        @tool(pure=True, run_in=workers)
        def process_id() -> int:
            "Return the id of this process."
            return os.getpid()

        run = asyncio.run(Agent(model="rehearsal", tools=[process_id]).run("a = process_id()\\n\\n'done'"))
        print(run.futures["f1"].result() != os.getpid())
        workers.shutdown(kill_workers=True)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.stdout.strip(), ran.returncode) == ("True", 0), ran.stderr
