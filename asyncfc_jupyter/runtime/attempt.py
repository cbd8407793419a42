"""Calling a tool's function: on the loop, in a thread, in another process or in any executor, as the tool says.

Theory of operation
-------------------
An `Attempt` is one call of the function that is under way. Whoever waits for it waits for a future that always gets a value,
`Returned` or `Raised`, and never an exception: nothing that a tool raises may end a run, or be lost with its thread. Giving an
attempt up cancels what can be cancelled. A function in a thread or another process goes on, and so does a coroutine that
swallows its cancellation; what comes of them later is told to whoever asked for it with `Attempt.when_late`.

A thread carries the context of the caller: in a notebook, that is how what a tool prints finds its way into the cell that
asked for it. Another process gets copies of the arguments and gives a copy of the result.

Methods of one object that declare nothing about what they touch take turns on that object (`runtime.exclusive`), also across
conversations: an object is seldom made for several threads at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import pickle
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from asyncfc_jupyter.runtime.object_lock import exclusive_of
from asyncfc_jupyter.runtime.output_buffer import Stream, listening, print_here
from asyncfc_jupyter.runtime.output_capture import LISTENER, Printed, context_of
from asyncfc_jupyter.runtime.pools import THREADS, Noting, processes
from asyncfc_jupyter.runtime.tracebacks import note_traceback, own_frames
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.definition import Tool

#: What a model and a person are told of an exception, in characters: a tool may put a whole page into one.
_MESSAGE_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The function returned."""

    value: Any
    #: The longest stretch, in seconds, for which an async function kept the event loop to itself.
    blocked_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The function raised, or ran out of time."""

    kind: Literal["error", "timeout"]
    message: str
    error: BaseException | None = None
    #: Its time was up, and its function goes on all the same.
    still_running: bool = False


Outcome = Returned | Raised
T = TypeVar("T")


class Attempt:
    """One running call of a tool's function. Made on the event loop, which it needs.

    Args:
        tool: The tool.
        bound: Its arguments.
        printed: Takes what the function prints; None leaves it to the streams.
    """

    def __init__(self, tool: Tool, bound: inspect.BoundArguments, printed: Printed | None = None) -> None:
        self._tool, self._bound = tool, bound
        self._exclusive = exclusive_of(tool)
        self._abandoned = False
        self._notify: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: Whether what another process prints is sent back; else it appears as it comes, wherever that process prints.
        self._collects = printed is not None and printed.sink is not None
        #: The work that an executor has, from when it is submitted until its result has arrived: only this cannot be stopped.
        self._sent: Future[Any] | None = None
        begin = {"loop": self._on_loop, "thread": self._in_thread, "process": self._elsewhere}
        work = begin.get(tool.run_in, self._elsewhere) if isinstance(tool.run_in, str) else self._elsewhere
        self._work: asyncio.Task[Outcome] = asyncio.get_running_loop().create_task(
            _as_value(work), name=f"asyncfc call of {tool.name}", context=context_of(printed)
        )
        if printed is not None:
            # Until nothing of it is left, which may be long after it was abandoned.
            LISTENER.begin()
            self._work.add_done_callback(lambda _: LISTENER.end())

    def when_reached(self, notify: Callable[[], None], context: contextvars.Context | None = None) -> None:
        """Start the tool's time, and notify once when the function has ended or the time is up: then ask for the `result`.

        Args:
            notify: Called on the event loop; not when the attempt is abandoned before.
            context: The context to call it in; the current one by default.
        """
        self._notify = notify
        self._work.add_done_callback(self._reached, context=context)
        if self._tool.timeout_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._tool.timeout_s, self._reached, context=context)

    def _reached(self, _: object = None) -> None:
        notify = self._stop_watching()
        if notify is not None:
            notify()

    def _stop_watching(self) -> Callable[[], None] | None:
        # A timer and a callback that are left would keep all that a call holds in memory until the time is up.
        self._work.remove_done_callback(self._reached)
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
        still = f" {still_running(self._tool)}" if goes_on else ""
        message = f"{self._tool.name} took longer than {self._tool.timeout_s:g} s.{still}"
        return Raised(kind="timeout", message=message, still_running=goes_on)

    def abandon(self) -> bool:
        """Stop the function if it can be stopped, and do not begin it if it has not begun. It is cancelled only once.

        Returns:
            Whether it still runs: nothing stops a function in a thread or in another process.
        """
        self._stop_watching()
        again, self._abandoned = self._abandoned, True
        if self._sent is None or self._sent.cancel():
            if not again:  # a second cancellation would hit the clean-up after the first
                self._work.cancel()
            return False
        return not self._sent.done()

    @property
    def over(self) -> bool:
        """Whether nothing of it is left, on the loop or elsewhere."""
        return self._work.done()

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._abandoned

    @property
    def stopping(self) -> asyncio.Task[Outcome] | None:
        """The coroutine that was cancelled and has not ended, or None."""
        return self._work if self._abandoned and self._sent is None and not self._work.done() else None

    def outcome_now(self) -> Outcome | None:
        """Return the outcome if the function has ended and was not stopped: its effects are done."""
        return None if self._abandoned or not self._work.done() or self._work.cancelled() else self._value()

    def when_late(self, notify: Callable[[Outcome], None]) -> None:
        """Report the outcome of a function that was abandoned and not stopped."""

        def over(work: asyncio.Task[Outcome]) -> None:
            if not work.cancelled() and work.exception() is None:
                notify(work.result())

        self._work.add_done_callback(over)

    def when_over(self, notify: Callable[[], object]) -> None:
        """Notify when nothing of it is left."""
        self._work.add_done_callback(lambda _: notify())

    def _value(self) -> Outcome:
        if self._work.cancelled():
            raise asyncio.CancelledError("cancelled from outside")
        interrupt = self._work.exception()
        return self._work.result() if interrupt is None else raised(interrupt)

    # -- where it runs -----------------------------------------------------------------------------------------------

    async def _on_loop(self) -> Outcome:
        if self._exclusive is None:
            return await _on_this_loop(_begun(self._tool.function, self._bound))
        await self._exclusive.enter()
        try:
            return await _on_this_loop(_begun(self._tool.function, self._bound))
        finally:
            self._exclusive.leave()

    async def _in_thread(self) -> Outcome:
        return await self._in_this_process(THREADS)

    async def _elsewhere(self) -> Outcome:
        where = None if isinstance(self._tool.run_in, str) else self._tool.run_in
        if isinstance(where, ThreadPoolExecutor):
            return await self._in_this_process(where)
        if self._collects and (where is None or isinstance(where, ProcessPoolExecutor)):
            # Such a process makes one call at a time, so that what it prints meanwhile is this call's.
            outcome, printed = await self._send(
                where, call_and_listen, self._tool.function, self._bound.args, self._bound.kwargs
            )
            print_here(printed)
            return outcome
        return await self._send(where, call_far_away, self._tool.function, self._bound.args, self._bound.kwargs)

    async def _in_this_process(self, threads: Executor) -> Outcome:
        call = _call_whole if self._tool.is_async else _guarded
        context = contextvars.copy_context()
        outcome: Outcome = await self._send(
            threads, context.run, call, self._tool.function, self._bound.args, self._bound.kwargs
        )
        if isinstance(outcome, Returned) and inspect.isawaitable(outcome.value):
            if not self._abandoned:
                return await _on_this_loop(_waited(outcome.value))  # a plain function that returned a coroutine
            if inspect.iscoroutine(outcome.value):
                outcome.value.close()
        return outcome

    async def _send(self, executor: Executor | None, function: Callable[..., T], *args: Any) -> T:
        """Have an executor call a function; None stands for our own processes."""
        exclusive = self._exclusive
        if exclusive is not None:
            await exclusive.enter()

        def sent(future: Future[Any]) -> None:
            self._sent = future
            if exclusive is not None:
                future.add_done_callback(lambda _: exclusive.leave())

        try:
            if executor is None:  # within the turn, so that turns are taken in the order of the calls
                executor = await asyncio.to_thread(processes)
            waiting = asyncio.get_running_loop().run_in_executor(Noting(executor, sent), function, *args)
        except BaseException:
            if exclusive is not None:
                exclusive.leave()  # an executor that takes no more work, say
            raise
        outcome: T = await waiting
        self._sent = None
        return outcome


async def _on_this_loop(work: Coroutine[Any, Any, Any]) -> Outcome:
    longest = [0.0]
    outcome = await _awaited(_stepped(work, longest))
    return Returned(value=outcome.value, blocked_s=longest[0]) if isinstance(outcome, Returned) else outcome


async def _begun(function: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
    value = function(*bound.args, **bound.kwargs)
    return await value if inspect.isawaitable(value) else value


async def _waited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def still_running(tool: Tool) -> str:
    """Return what to say of a call that was given up and cannot be stopped."""
    place = {"thread": "its thread", "process": "its process"}.get(str(tool.run_in), "its executor")
    return f"It still runs in {place}; the result will be discarded."


async def ask_in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a thread with the context of the caller, and return or raise what it does."""
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    outcome = await loop.run_in_executor(THREADS, context.run, _guarded, function, args, {})
    if isinstance(outcome, Raised):
        raise outcome.error or RuntimeError(outcome.message)
    return outcome.value


# -- whatever a tool raises is a value -------------------------------------------------------------------------------


async def _as_value(work: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
    try:
        return await work()
    except Exception as error:  # noqa: BLE001 - such as no thread to be had, or arguments that cannot be sent away
        return raised(error)


@types.coroutine
def _stepped(coroutine: Coroutine[Any, Any, Any], longest: list[float]) -> Generator[Any, Any, Any]:
    """Await a coroutine and note how long its longest step between two waits took."""
    step: Callable[[Any], Any] = coroutine.send
    argument: Any = None
    while True:
        began = time.perf_counter()
        try:
            waits_for = step(argument)
        except StopIteration as end:
            return end.value
        finally:
            longest[0] = max(longest[0], time.perf_counter() - began)
        try:
            step, argument = coroutine.send, (yield waits_for)
        except BaseException as error:  # noqa: BLE001 - a cancellation, say: the coroutine's own to answer
            step, argument = coroutine.throw, error


async def _awaited(awaitable: Awaitable[Any]) -> Outcome:
    current = asyncio.current_task()
    try:
        return Returned(value=await awaitable)
    except asyncio.CancelledError as error:
        if current is None or current.cancelling():
            raise
        return raised(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit in a tool is the tool's failure, not the kernel's end
        return raised(error)


def _guarded(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome:
    # An exception is carried as a value: a StopIteration cannot be set on a future, and would hang its waiter for ever.
    try:
        return Returned(value=function(*args, **kwargs))
    except BaseException as error:  # noqa: BLE001 - nothing a tool raises may be lost with its thread
        return raised(error)


def _call_whole(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome:
    """Call a function, and run the coroutine it may return on a loop of its own: where it is called there is none."""
    outcome = _guarded(function, args, kwargs)
    if isinstance(outcome, Raised) or not inspect.iscoroutine(outcome.value):
        return outcome
    return _guarded(asyncio.run, (outcome.value,), {})


def call_far_away(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Outcome:
    """Call a function where only copies arrive, and return what can be sent back."""
    outcome = _call_whole(function, args, kwargs)
    if isinstance(outcome, Raised):
        note_traceback(outcome.error)
        try:
            pickle.loads(pickle.dumps(outcome.error))  # noqa: S301 - our own bytes of a moment ago
        except Exception:  # noqa: BLE001 - an exception that cannot travel is told by its text
            return replace(outcome, error=None)
    return outcome


def call_and_listen(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Outcome, list[tuple[str, Stream]]]:
    """Call a function in a process that makes one call at a time, and return what it printed as well."""
    with listening() as kept:
        outcome = call_far_away(function, args, kwargs)
    return outcome, kept.pieces


def raised(error: BaseException) -> Raised:
    """Return an exception as a value, with the frames of its traceback that are the user's."""
    return Raised(kind="error", message=show_exception(error), error=own_frames(error))


def show_exception(error: BaseException) -> str:
    """Return an exception's type and text on one bounded line, whatever its text does."""
    name = type(error).__name__
    try:
        text = shorten(str(error), _MESSAGE_CHARACTERS)
    except Exception as another:  # noqa: BLE001 - an exception that cannot be shown is still the tool's failure
        text = f"its text raised {type(another).__name__}"
    return f"{name}: {text}" if text else name
