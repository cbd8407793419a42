"""What the interrupt button does while a run goes on.

A signal arrives in the main thread between two steps of whatever runs there. What may be done then depends on what that
is:

- the loop itself, waiting or turning: nothing may be raised, it would end the kernel. The loop is asked to cancel the
  run.
- a tool that blocks the loop: asking the loop is in vain until the tool lets go, so an exception is raised in the tool. A
  tool that does not block it is on its way back to the loop; which of the two it is shows a moment later. In what the
  tool has called of this package, such as the fold that takes what it prints, nothing is raised: it would be left half
  done.
- any other code that the loop runs, such as a ``repr`` that never ends: the same, but at the third press, since such
  code is nearly always on its way back to the loop.

The first press cancels the run. The second gives it up: the cell ends with a ``KeyboardInterrupt`` whatever the run and
its tools do. A ``KeyboardInterrupt`` is raised only in a tool, and stops at the tool's border (`contain`): asyncio
would carry it out of the task and through the kernel's loop.

Refused: asyncio's ``add_signal_handler``, which runs on the loop and so never comes when a tool blocks it; and
ipykernel's own handler, which cancels the cell but can neither reach a blocking tool nor tell a first press from a
second.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import signal
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, Literal

from asyncfc_jupyter.errors import AgentInterrupted
from asyncfc_jupyter.tools.definition import Tool

Place = Literal["loop", "tool", "ours", "code"]

#: A tool blocks the loop that has not let go of it by now, in seconds: a step of one that does not is shorter.
_STEP_S = 0.03

#: How the names of this package's modules begin.
_OURS = f"{__name__.partition('.')[0]}."

_BLOCKED = "interrupted while it blocked the event loop"


def contain(tool: Tool) -> Tool:
    """Return the tool such that an interrupt inside its function is recognised, and ends that call and nothing else.

    A tool that is not asynchronous is returned as it is: it runs in a thread, where no signal arrives.
    """
    if not tool.is_async:
        return tool
    function = tool.function

    async def contained(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except KeyboardInterrupt:
            raise AgentInterrupted("interrupted twice while it blocked the event loop") from None

    _BORDERS.add(contained.__code__)
    return dataclasses.replace(tool, function=functools.wraps(function)(contained))


#: The code of ``contained`` above: one object, however many functions are made of it.
_BORDERS: set[CodeType] = set()


def place(frame: FrameType | None) -> Place:
    """Return in what kind of code a frame is, by the nearest frame around it that tells; "ours" is what a tool has called."""
    in_tool: Place = "tool"
    while frame is not None:
        code = frame.f_code
        if code in _BORDERS:
            return in_tool
        if code is asyncio.Handle._run.__code__:  # noqa: SLF001 - the one border between a loop and what it runs
            return "code"
        if code.co_name == "_run_once":
            return "loop"
        if str(frame.f_globals.get("__name__")).startswith(_OURS):
            in_tool = "ours"
        frame = frame.f_back
    return "loop"


class Interrupts:
    """Counts the presses of one run and answers them.

    Attributes:
        cancel: Cancels the run; called on the loop. Nothing to begin with: whoever sets it looks at `presses` first.
        given_up: Set by the second press; wait for it beside the run.
    """

    def __init__(self) -> None:
        self.cancel: Callable[[], object] = lambda: None
        self.given_up = asyncio.Event()
        self.presses = 0
        self._loop = asyncio.get_running_loop()
        #: Whether this answers signals now; with a lock, since a thread sends one that must meet nobody else.
        self._answers, self._lock = False, threading.Lock()
        #: Whether the loop has heard of the first press, and whether the next signal only asks where the program is by now.
        self._heard = self._looks_again = False
        self._timer: threading.Timer | None = None

    def __call__(self, _signum: int, frame: FrameType | None) -> None:
        """Answer a press: the handler for ``SIGINT``.

        Raises:
            AgentInterrupted: A tool still blocks the loop a moment later, or from the third press on other code does.
            KeyboardInterrupt: From the second press on, in a tool that blocks the loop.
        """
        where = place(frame)
        if self._looks_again:
            self._looks_again = False
            if where == "ours":
                self._look_again_soon()
            elif where == "tool" and not self._heard:
                raise AgentInterrupted(_BLOCKED)
            return
        self.presses += 1
        self._loop.call_soon_threadsafe(self._hear if self.presses == 1 else self.given_up.set)
        in_tool = where in {"tool", "ours"}
        if in_tool and self.presses > 1:
            raise KeyboardInterrupt
        if in_tool:
            self._look_again_soon()
        elif where == "code" and self.presses > 2:
            raise AgentInterrupted(_BLOCKED)

    def _hear(self) -> None:
        self._heard = True
        self.cancel()

    def _look_again_soon(self) -> None:
        if not hasattr(signal, "pthread_kill"):  # as on Windows, where a signal is no way to wake the main thread
            raise AgentInterrupted(_BLOCKED)
        self._timer = threading.Timer(_STEP_S, self._look_again)
        self._timer.daemon = True
        self._timer.start()

    def _look_again(self) -> None:
        with self._lock:
            if self._answers and not self._heard:
                self._looks_again = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Take ``SIGINT`` for the time of the block; outside the main thread, where no signal arrives, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self)
        self._answers = True
        try:
            yield
        finally:
            with self._lock:
                self._answers = False
            if self._timer is not None:
                self._timer.cancel()
            signal.signal(signal.SIGINT, before)
