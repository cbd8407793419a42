"""Calls a tool's function: on the event loop, in a thread, in another process or in any executor, as the tool says.

Theory of operation
-------------------
An `Attempt` is one running call of the function. Its outcome is always a value, `Returned` or `Raised`, and never an exception:
an exception of a tool must not end the run, and must not be lost with its thread. Two guards see to that: `ForeignCode` for
code that runs at once, and `on_this_loop` for a coroutine. When an attempt is abandoned, what can be stopped is stopped: a
coroutine is cancelled, and a process of this package is ended. A function in a thread or in an executor of the user's own runs
on, and so does a coroutine that ignores its cancellation; their late outcomes are passed to `Attempt.when_over`.

A thread carries the context of the caller: in a notebook, this is how a tool's output reaches its cell. Another process gets
copies of the arguments and returns a copy of the result. Copying runs code of the object, and what that raises would end the
threads and processes of a pool, with all other calls in it. Therefore a guard is around the copying too, here and there.

Methods of one object that declare no effects take turns on that object (`runtime.object_lock`), also across conversations: few
objects are made for several threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import pickle
import time
import types
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from asyncfc_jupyter.errors import ExecutorBroken, ProcessEnded
from asyncfc_jupyter.foreign_code import ForeignCode, delivered_by_signal, traceback_of
from asyncfc_jupyter.runtime.lock_wait import LOCK_WAIT
from asyncfc_jupyter.runtime.object_lock import turn_of
from asyncfc_jupyter.runtime.outcome import Outcome, Raised, Returned, kept, raised
from asyncfc_jupyter.runtime.output_buffer import Piece, listening, print_here
from asyncfc_jupyter.runtime.packing import in_pieces, packed, packed_by_value, packed_for_a_pool, unpacked
from asyncfc_jupyter.runtime.pools import THREADS, Noting
from asyncfc_jupyter.runtime.printed import Printed
from asyncfc_jupyter.runtime.process_state import IN_THREADS, PROCESS, end_call
from asyncfc_jupyter.runtime.processes import ProcessWork, processes
from asyncfc_jupyter.runtime.processor_time import Share, Use, measured
from asyncfc_jupyter.runtime.running_call import RunningCall, context_of
from asyncfc_jupyter.runtime.tracebacks import note_traceback
from asyncfc_jupyter.tools.definition import Tool
from asyncfc_jupyter.values.snapshot import MOST_ON_LOOP, TooLarge

#: What fails a call in another process, beside its function.
_ARGUMENTS_STAY = "the arguments cannot be sent to another process"
_RESULT_STAYS = "the result cannot be sent from another process"


class Attempt:
    """One running call of a tool's function. Made on the event loop, which it needs.

    Args:
        tool: The tool.
        bound: Its arguments.
        printed: Takes what the function prints; None leaves it to the streams.
        future: The name of the call's future, by which the user knows it.
    """

    def __init__(
        self, tool: Tool, bound: inspect.BoundArguments, printed: Printed | None = None, *, future: str = ""
    ) -> None:
        self._tool, self._call = tool, (tool.function, bound.args, bound.kwargs)
        self._turn = turn_of(tool)
        #: What it has used of the processor, and how long others have kept it waiting.
        self.share = Share(asyncio.get_running_loop().time)
        #: Whether its outcome is not waited for any more.
        self.abandoned = False
        self._notify: Callable[[], object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: Whether the output of another process is sent back; else it goes to the streams of that process.
        self._collects = printed is not None and printed.sink is not None
        #: The work that an executor has, from when it is submitted until its result has arrived: only this cannot be stopped.
        self._sent: Future[Any] | None = None
        #: Whether the function has returned, so that its time is not up any more; and what, while that is copied in a thread.
        self._has_returned = False
        self._copying: Returned | None = None
        self._running = RunningCall(tool.name, printed, future=future)
        self._work: asyncio.Task[Outcome] = asyncio.get_running_loop().create_task(
            self._run(), name=f"asyncfc call of {tool.name}", context=context_of(self._running)
        )
        # Until nothing of it is left, which may be long after it was abandoned.
        PROCESS.begin()
        self._work.add_done_callback(self._over)

    def when_reached(self, notify: Callable[[], None], context: contextvars.Context | None = None) -> None:
        """Start the tool's time, and notify once when the function has ended or the time is up: then ask for the `result`.

        Args:
            notify: Called on the event loop; not when the attempt is abandoned before.
            context: The context to call it in; the current one by default.
        """
        self._notify = functools.partial((contextvars.copy_context() if context is None else context).run, notify)
        if self.over:
            asyncio.get_running_loop().call_soon(self._reached)
        elif self._tool.timeout_s is not None:
            self._timer = asyncio.get_running_loop().call_later(self._tool.timeout_s, self._reached)

    def _over(self, _: asyncio.Task[Outcome]) -> None:
        try:
            self._reached()
        finally:
            self.share.report = None  # it holds this attempt
            # Only now: the call that this one lets start keeps the process' state as it is for calls.
            PROCESS.end()

    def _reached(self) -> None:
        if self._has_returned and not self.over:
            return  # its time is up, but its function has returned
        notify = self._stop_watching()
        if notify is not None:
            notify()

    def _stop_watching(self) -> Callable[[], object] | None:
        # A timer that is left would keep all that a call holds in memory until the time is up.
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        notify, self._notify = self._notify, None
        return notify

    def result(self) -> Outcome:
        """Return the outcome, now that the function has ended or the time is up; in the latter case abandon the attempt.

        Raises:
            asyncio.CancelledError: It was cancelled by another than `abandon`. A function that cancels itself has failed.
        """
        if self._work.done():
            return self._value()
        goes_on = self.abandon()
        message = f"{self._tool.name} took longer than {self._tool.timeout_s:g} s."
        if goes_on:
            message += f" {still_running(self._tool)}"
        elif self._tool.run_in == "process":
            message += " Its process was ended."
        return Raised(kind="timeout", message=message, still_running=goes_on)

    def abandon(self) -> bool:
        """Stop the function if it can be stopped, and do not begin it if it has not begun. It is cancelled only once.

        Returns:
            Whether it still runs: nothing stops a function in a thread, or in an executor of the user's own.
        """
        self._stop_watching()
        again, self.abandoned = self.abandoned, True
        self._running.abandoned = True
        if self._sent is None or self._sent.cancel():
            if not again:  # a second cancellation would hit the clean-up after the first
                self._work.cancel()
            return False
        if isinstance(self._sent, ProcessWork):
            self._sent.stop()
            return False
        return not self._sent.done()

    @property
    def arguments(self) -> list[Any]:
        """What the function is called with."""
        _, args, kwargs = self._call
        return [*args, *kwargs.values()]

    @property
    def over(self) -> bool:
        """Whether nothing of it is left, on the loop or elsewhere."""
        return self._work.done()

    @property
    def stopping(self) -> asyncio.Task[Outcome] | None:
        """What was stopped, a coroutine or a process, and has not ended; or None."""
        stops = self._sent is None or isinstance(self._sent, ProcessWork)
        return self._work if self.abandoned and stops and not self._work.done() else None

    def outcome_now(self) -> Outcome | None:
        """Return the outcome if the function has ended and was not stopped: its effects are done."""
        if self._copying is not None and not self.abandoned:
            return kept([self._copying])  # on the event loop, for once: to wait for the thread would hold it as long
        return None if self.abandoned or not self._work.done() or self._work.cancelled() else self._value()

    def when_over(self, notify: Callable[[Outcome | None], None]) -> None:
        """Notify when nothing of it is left: with the late outcome, or with None if the function was stopped."""

        def over(work: asyncio.Task[Outcome]) -> None:
            stopped = work.cancelled() or work.exception() is not None
            notify(None if stopped else work.result())

        self._work.add_done_callback(over)

    def _value(self) -> Outcome:
        if self._work.cancelled():
            raise asyncio.CancelledError("cancelled from outside")
        interrupt = self._work.exception()
        return self._work.result() if interrupt is None else raised(interrupt)

    # -- where it runs -----------------------------------------------------------------------------------------------

    async def _run(self) -> Outcome:
        run_in = self._tool.run_in
        try:
            if run_in == "loop":
                async with self._turn or contextlib.nullcontext():
                    function, args, kwargs = self._call
                    return await self._kept([await on_this_loop(_awaited(function, *args, **kwargs), self.share)])
            if run_in == "thread" or isinstance(run_in, ThreadPoolExecutor):
                return await self._in_this_process(run_in if isinstance(run_in, Executor) else THREADS)
            return await self._elsewhere(run_in if isinstance(run_in, Executor) else None)
        except asyncio.CancelledError:
            raise
        except ProcessEnded as error:
            if self.abandoned:
                raise asyncio.CancelledError from None  # it was stopped
            return raised(error)
        except BrokenExecutor:
            return raised(ExecutorBroken(type(run_in).__name__, begun=self._sent is not None))
        except BaseException as error:  # no thread can be started, say, or the executor's own code raised
            if delivered_by_signal(error, traceback_of(error)):
                raise
            return raised(error)

    async def _in_this_process(self, threads: Executor) -> Outcome:
        call = _call_whole if self._tool.is_async else _guarded
        context = contextvars.copy_context()

        def called_and_kept() -> Outcome:
            outcome = call(*self._call)
            if isinstance(outcome, Raised) or self.abandoned or _is(inspect.isawaitable, outcome.value):
                return outcome
            self._has_returned, self._copying = True, outcome
            outcomes: list[Outcome] = [outcome]
            del outcome
            return kept(outcomes)

        outcome: Outcome = await self._send(threads, context.run, _beside_the_loop, self.share, called_and_kept)
        self._copying = None
        # An awaitable of a plain function. An object that lies about itself is asked once what it is.
        if isinstance(outcome, Returned) and outcome.mixed is None:
            if not self.abandoned:
                return await self._kept([await on_this_loop(_awaited(lambda: outcome.value), self.share)])
            with ForeignCode():
                if inspect.iscoroutine(outcome.value):
                    outcome.value.close()
        return outcome

    async def _kept(self, outcomes: list[Outcome]) -> Outcome:
        """Return the only outcome in a list, whose value is kept as it is now; the list is emptied."""
        if isinstance(outcomes[0], Raised) or self.abandoned:
            return outcomes.pop()
        try:
            return kept(outcomes, most=MOST_ON_LOOP)
        except TooLarge:
            self._has_returned, self._copying = True, outcomes[0]
        outcome = await in_thread(kept, outcomes)
        self._copying = None
        return outcome.value if isinstance(outcome, Returned) else outcome

    async def _elsewhere(self, executor: Executor | None) -> Outcome:
        outcome: Outcome
        if executor is not None and not isinstance(executor, ProcessPoolExecutor):
            outcome, printed, use = await self._send(executor, call_far_away, *self._call)
            outcome = await self._kept([outcome])
        else:
            # Such a process makes one call at a time, so that what it prints meanwhile is this call's.
            call = functools.partial(call_packed, collects=self._collects)
            sent = await self._send(executor, call, *self._call, packed=True)
            if isinstance(sent, Raised):
                return replace(sent, message=f"{_ARGUMENTS_STAY}: {sent.message}")
            self._has_returned = True
            received = await in_thread(received_outcome, sent)
            if isinstance(received, Raised):
                return replace(received, message=f"{_RESULT_STAYS}: {received.message}")
            outcome, printed, use = received.value
        self.share.take(use)
        print_here(printed)
        return outcome

    async def _send(
        self, executor: Executor | None, function: Callable[..., Any], *args: Any, packed: bool = False
    ) -> Any:
        """Have an executor call a function; None stands for this package's own processes.

        Returns:
            What the function returned; if the arguments were to be packed and cannot be, what that raised.
        """
        turn = self._turn
        if turn is not None:
            await turn.enter()

        def sent(future: Future[Any]) -> None:
            self._sent = future
            _count(future)
            if turn is not None:
                future.add_done_callback(lambda _: turn.leave())

        try:
            if packed:  # within the turn, as other calls may change the object
                outcome = await in_thread(packed_call, packed_for_a_pool if executor else packed_by_value, *args)
                if isinstance(outcome, Raised):
                    if turn is not None:
                        turn.leave()
                    return outcome
                args = (outcome.value,)
            if executor is None:  # within the turn, so that turns are taken in the order of the calls
                executor, args = await asyncio.to_thread(processes), (*args, self.share)
            waiting = asyncio.get_running_loop().run_in_executor(Noting(executor, sent), function, *args)
        except BaseException:
            if turn is not None:
                turn.leave()  # the executor takes no more work, say
            raise
        result = await waiting
        self._sent = None
        return result


async def on_this_loop(work: Coroutine[Any, Any, Any], share: Share | None = None) -> Outcome:
    """Return the outcome of a coroutine with foreign code.

    Args:
        work: The coroutine.
        share: Takes what it uses.

    Raises:
        asyncio.CancelledError: The task that awaits it was cancelled. A coroutine that raises this by itself has failed.
    """
    current = asyncio.current_task()
    steps_s = [0.0, 0.0]
    share = share or Share()
    share.begin()
    try:
        return Returned(value=await _stepped(work, steps_s), blocked_s=steps_s[0])
    except BaseException as error:  # SystemExit in a tool is the tool's failure, not the kernel's end
        cancelled = issubclass(type(error), asyncio.CancelledError) and (current is None or current.cancelling())
        if cancelled or delivered_by_signal(error, traceback_of(error)):
            raise
        return raised(error)
    finally:
        end_call()
        share.add(cpu_s=steps_s[1])
        share.end()


def _is(question: Callable[[Any], bool], value: Any) -> bool:
    """Ask something about a value; if its own code raises, no."""
    with ForeignCode():
        return question(value)
    return False


async def _awaited(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    value = function(*args, **kwargs)
    return await value if _is(inspect.isawaitable, value) else value


def still_running(tool: Tool) -> str:
    """Return the note on an abandoned call that cannot be stopped."""
    place = "its thread" if tool.run_in == "thread" else "its executor"
    return f"It still runs in {place}; the result will be discarded."


async def ask_in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a thread with the context of the caller; return its result, or raise its exception."""
    outcome = await in_thread(function, *args)
    if isinstance(outcome, Raised):
        raise outcome.error or RuntimeError(outcome.message)
    return outcome.value


async def in_thread(function: Callable[..., Any], *args: Any) -> Outcome:
    """Call a function in a thread with the context of the caller; return its outcome, of which nothing is kept."""
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    PROCESS.begin()  # before the thread starts
    try:
        waiting = loop.run_in_executor(Noting(THREADS, _count), context.run, _apart, function, args)
    finally:
        PROCESS.end()
    outcome: Outcome = await waiting
    return outcome


def _count(work: Future[Any]) -> None:
    """Keep the process' state for calls until work in a thread has ended, which may outlast the event loop."""
    PROCESS.begin()
    work.add_done_callback(lambda _: PROCESS.end())


@types.coroutine
def _stepped(coroutine: Coroutine[Any, Any, Any], steps_s: list[float]) -> Generator[Any, Any, Any]:
    """Await a coroutine and note how long its longest step between two waits took, and how long all of them.

    The longest is measured by the machine's clock, since it keeps the event loop from whatever else there is to do; all of them
    by the loop's own, in which there may be no such time (`processor_time.Share`).
    """
    step: Callable[[Any], Any] = coroutine.send
    argument: Any = None
    clock = asyncio.get_running_loop().time
    while True:
        began, began_s = time.perf_counter(), clock()
        try:
            waits_for = step(argument)
        except StopIteration as end:
            return end.value
        finally:
            steps_s[:] = max(steps_s[0], time.perf_counter() - began), steps_s[1] + clock() - began_s
        try:
            step, argument = coroutine.send, (yield waits_for)
        except BaseException as error:  # noqa: BLE001 - a cancellation, say: the coroutine handles it
            step, argument = coroutine.throw, error


def _beside_the_loop(share: Share, call: Callable[[], Outcome]) -> Outcome:
    """Call a tool in a thread of this process."""
    IN_THREADS.begin()
    try:
        with LOCK_WAIT.runs(share):
            return call()
    finally:
        IN_THREADS.end()


def _apart(function: Callable[..., Any], args: tuple[Any, ...]) -> Outcome:
    """Call a function of this package, or a small one of the user's, in a thread of this process."""
    IN_THREADS.begin()
    try:
        return _guarded(function, args, {})
    finally:
        IN_THREADS.end()


def received_outcome(content: bytes) -> tuple[Outcome, list[Piece], Use]:
    """Return the outcome and the prints that another process has sent."""
    outcome, printed, use = unpacked(content)
    outcomes = [outcome]
    del outcome
    return kept(outcomes, private=True), printed, use


def _guarded(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome:
    # An exception is carried as a value: a StopIteration cannot be set on a future, and its waiter would hang for ever.
    try:
        with ForeignCode() as ran:
            return Returned(value=function(*args, **kwargs))
        return raised(ran.error)
    finally:
        end_call()


def _call_whole(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome:
    """Call a function where there is no event loop, and run the coroutine that it may return on a new one."""
    outcome = _guarded(function, args, kwargs)
    if isinstance(outcome, Raised) or not _is(inspect.iscoroutine, outcome.value):
        return outcome
    return _guarded(asyncio.run, (outcome.value,), {})


def call_far_away(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, collects: bool = False
) -> tuple[Outcome, list[Piece], Use]:
    """Call a function in another process; return an outcome that can be sent back, what was printed, and what was used.

    Args:
        function: The function.
        args: Its positional arguments.
        kwargs: Its other arguments.
        collects: Whether to collect what is printed, in a process that makes one call at a time; else it goes to the
            process's own streams.
    """
    with listening() if collects else contextlib.nullcontext() as kept, measured(time.thread_time) as use:
        outcome = _call_whole(function, args, kwargs)
    if isinstance(outcome, Raised):
        note_traceback(outcome.error)
        outcome = _sendable(outcome)
    return outcome, [] if kept is None else kept.pieces, use


def packed_call(
    pack: Callable[[Any], bytes], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bytes:
    """Return a function and its arguments as bytes for `call_packed`."""
    return pack((function, tuple(map(in_pieces, args)), {name: in_pieces(value) for name, value in kwargs.items()}))


def call_packed(work: bytes, *, collects: bool) -> bytes:
    """Do the same with a function and its arguments that are bytes, and return the result as bytes."""
    problem, printed, use = _ARGUMENTS_STAY, list[Piece](), Use()
    with ForeignCode() as ran:
        function, args, kwargs = pickle.loads(work)  # noqa: S301 - bytes of the process that sends the call
        problem = _RESULT_STAYS
        outcome, printed, use = call_far_away(function, args, kwargs, collects=collects)
        if isinstance(outcome, Returned):
            outcome = replace(outcome, value=in_pieces(outcome.value))
        return packed((outcome, printed, use))
    failed = raised(ran.error)
    return packed((_sendable(replace(failed, message=f"{problem}: {failed.message}")), printed, use))


def _sendable(failed: Raised) -> Raised:
    """Return a failure without its exception if that cannot be sent: its text is sent."""
    with ForeignCode():
        pickle.loads(pickle.dumps(failed.error))  # noqa: S301 - bytes that were made a moment ago
        return failed
    return replace(failed, error=None)
