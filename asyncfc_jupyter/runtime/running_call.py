"""The attempt that code runs for, which is found by its context.

The context goes with the function: into the coroutines that it awaits and starts, and into the thread that it runs in. Python
starts other threads in an empty context, so that the code of a thread that a tool starts would belong to no call.
`CarriedThreads` adds the attempt to them.
"""

from __future__ import annotations

import contextvars
import functools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from asyncfc_jupyter.runtime.printed import Printed, Sink

T = TypeVar("T")


class RunningCall:
    """One attempt of a call, as the process' own state sees it. It lasts for as long as any code runs for it.

    Args:
        tool: The tool's name.
        printed: Takes what it prints; None leaves that to the streams.
        future: The name of the call's future.
    """

    def __init__(self, tool: str, printed: Printed | None = None, *, future: str = "") -> None:
        self.tool, self.printed, self.future = tool, printed, future
        #: Whether its outcome is not waited for any more.
        self.abandoned = False
        #: Values that it has set for itself (`runtime.own_attributes`), by the name of the attribute.
        self.own: dict[str, list[Any]] = {}
        #: Its open figures of pyplot (`runtime.own_figures`), by their numbers.
        self.figures: OrderedDict[Any, Any] = OrderedDict()

    @property
    def label(self) -> str:
        """Names it to the user, such as ``f1 report``."""
        return f"{self.future} {self.tool}".lstrip()

    def set_own(self, name: str, value: Any, *, shared: Any) -> None:
        """Set a value that belongs to the process for this attempt alone.

        A value that is set again is restored: those after it are gone, and the process' own value ends them all.

        Args:
            name: What is set, by which the user knows it.
            value: The value.
            shared: The process' own value.
        """
        own = self.own.get(name) or [shared]
        places = [place for place, each in enumerate(own) if each is value]
        self.own[name] = own = own[: places[-1] + 1] if places else [*own, value]
        if len(own) < 2:
            del self.own[name]


_RUNNING: contextvars.ContextVar[RunningCall | None] = contextvars.ContextVar("asyncfc_running_call", default=None)


def running_call() -> RunningCall | None:
    """Return the attempt that this code runs for; None outside of tools."""
    return _RUNNING.get()


def current_sink() -> Sink | None:
    """Return the sink of the call that this code runs for; None outside of tools, and for calls without a sink."""
    call = _RUNNING.get()
    return None if call is None or call.printed is None else call.printed.sink


def context_of(call: RunningCall | None) -> contextvars.Context:
    """Return a copy of the current context in which code runs for an attempt, or for none."""
    context = contextvars.copy_context()
    context.run(_RUNNING.set, call)
    return context


def leave_prints_to_the_streams() -> None:
    """In a forked process, note nothing: it would be read in no cell, while a kernel's stream sends what is written to it."""
    call = _RUNNING.get()
    if call is not None:
        call.printed = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=leave_prints_to_the_streams)


def carried(function: Callable[..., T]) -> Callable[..., T]:
    """Return a function that runs for the attempt that is current now, in whichever thread it is called."""
    call = _RUNNING.get()

    @functools.wraps(function)
    def carrying(*args: Any, **kwargs: Any) -> T:
        token = _RUNNING.set(call)
        try:
            return function(*args, **kwargs)
        finally:
            _RUNNING.reset(token)

    return carrying


class CarriedThreads:
    """Makes threads, and the work that is handed to a pool of threads, run for the attempt that starts them."""

    def begin(self) -> None:
        """Replace the two methods that start work in threads."""
        start, submit = threading.Thread.start, ThreadPoolExecutor.submit

        def start_carried(thread: threading.Thread) -> None:
            if _RUNNING.get() is not None:
                run = carried(thread.run)

                def run_once() -> None:
                    try:
                        run()
                    finally:
                        vars(thread).pop("run", None)  # it holds the thread, and so would keep it and the call alive

                thread.run = run_once  # type: ignore[method-assign]
            start(thread)

        # Work from outside of tools is wrapped, too: a thread of the pool may have been started by a call.
        def submit_carried(pool: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            return submit(pool, carried(function), *args, **kwargs)

        self._replaced: list[tuple[type, str, Any, Any]] = [
            (threading.Thread, "start", start, start_carried),
            (ThreadPoolExecutor, "submit", submit, submit_carried),
        ]
        for owner, name, _, replacement in self._replaced:
            setattr(owner, name, replacement)

    def end(self) -> None:
        """Restore them, unless others have replaced them since."""
        for owner, name, original, replacement in self._replaced:
            if vars(owner)[name] is replacement:
                setattr(owner, name, original)
