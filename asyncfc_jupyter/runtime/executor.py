"""Calling a tool's function: on the loop if it is async, else in a thread that carries the caller's context.

The context matters in a notebook: it is how what a tool prints finds its way into the cell that asked for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any, Literal

from asyncfc_jupyter.runtime.tools import Tool
from asyncfc_jupyter.runtime.values import shorten

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


class _Threads(Executor):
    """A thread for each call, which does not outlive the program: one that hangs would keep it from ever ending.

    The standard library's pool waits for its threads at the end of the program, and a thread whose call was given up stays
    in the pool until its function returns.
    """

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(function(*args, **kwargs))

        threading.Thread(target=work, name="asyncfc-tool", daemon=True).start()
        return future


_THREADS = _Threads()


async def call(tool: Tool, bound: inspect.BoundArguments) -> Returned | Raised:
    """Call the tool and return what came of it, as a value in every case.

    Cancelling this cancels an async function; one in a thread goes on there, and what it returns is discarded.
    """
    try:
        async with asyncio.timeout(tool.timeout_s) as limit:
            return await (_on_loop(tool, bound) if tool.is_async else _in_thread(tool, bound))
    except TimeoutError as error:
        if not limit.expired():
            return _raised(error)
        still = "" if tool.is_async else " It still runs in its thread; the result will be discarded."
        return Raised(kind="timeout", message=f"{tool.name} took longer than {tool.timeout_s:g} s.{still}")
    except Exception as error:  # noqa: BLE001 - such as no thread to be had
        return _raised(error)


async def _on_loop(tool: Tool, bound: inspect.BoundArguments) -> Returned | Raised:
    async def begin() -> Any:
        return await tool.function(*bound.args, **bound.kwargs)

    longest = [0.0]
    outcome = await _awaited(_stepped(begin(), longest))
    return replace(outcome, blocked_s=longest[0]) if isinstance(outcome, Returned) else outcome


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


async def _in_thread(tool: Tool, bound: inspect.BoundArguments) -> Returned | Raised:
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    outcome = await loop.run_in_executor(_THREADS, context.run, _guarded, tool, bound)
    if isinstance(outcome, Returned) and inspect.isawaitable(outcome.value):
        return await _awaited(outcome.value)  # a plain function that returned a coroutine, such as a partial
    return outcome


async def _awaited(awaitable: Awaitable[Any]) -> Returned | Raised:
    current = asyncio.current_task()
    try:
        return Returned(value=await awaitable)
    except asyncio.CancelledError as error:
        if current is None or current.cancelling():
            raise
        return _raised(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit in a tool is the tool's failure, not the kernel's end
        return _raised(error)


def _guarded(tool: Tool, bound: inspect.BoundArguments) -> Returned | Raised:
    # An exception is carried as a value: a StopIteration cannot be set on a future, and would hang its waiter for ever.
    try:
        return Returned(value=tool.function(*bound.args, **bound.kwargs))
    except BaseException as error:  # noqa: BLE001 - nothing a tool raises may be lost with its thread
        return _raised(error)


def _raised(error: BaseException) -> Raised:
    return Raised(kind="error", message=show_exception(error), error=error)


def show_exception(error: BaseException) -> str:
    """Return an exception's type and text on one bounded line, whatever its text does."""
    name = type(error).__name__
    try:
        text = shorten(str(error), _MESSAGE_CHARACTERS)
    except Exception as another:  # noqa: BLE001 - an exception that cannot be shown is still the tool's failure
        text = f"its text raised {type(another).__name__}"
    return f"{name}: {text}" if text else name
