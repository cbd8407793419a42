"""What the interrupt button does during a run.

A signal arrives in the main thread between two steps of the code that runs there. What may be done then depends on that code:

- the event loop itself: an exception raised there would end the kernel. The loop is asked to cancel the run.
- a tool that blocks the loop: the loop cannot act until the tool returns, so an exception is raised in the tool. A tool
  that does not block is about to return to the loop; a second look a moment later decides which of the two it is. Nothing
  is raised in code of this package that the tool has called, such as the capture of its prints: it would be left half done.
- any other code that the loop runs, such as a ``repr`` that never ends: nearly always it is about to return to the loop, so
  an exception is raised at the third press only.

The first press cancels the run. The second abandons it: the cell ends with a ``KeyboardInterrupt`` whatever the run and its
tools do. A ``KeyboardInterrupt`` is raised only in a tool, and `contain` stops it there: asyncio would carry it out of the
task and through the kernel's loop.

Refused: asyncio's ``add_signal_handler``, whose handler runs on the loop and so never while a tool blocks it; and
ipykernel's own handler, which cancels the cell but cannot reach a blocking tool and cannot distinguish a first press from a
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

from asyncfc_jupyter.agent import Run
from asyncfc_jupyter.errors import AgentInterrupted
from asyncfc_jupyter.foreign_code import delivered_by_signal, traceback_of
from asyncfc_jupyter.jupyter.session import kernel_input
from asyncfc_jupyter.runtime import input_turns
from asyncfc_jupyter.tools.definition import Tool

#: What code a frame runs: the event loop, a tool, code of this package that a tool has called, or any other code.
Code = Literal["loop", "tool", "ours", "code"]

#: Seconds after which a tool that has not returned to the loop counts as blocking it: the steps of other tools are shorter.
_STEP_S = 0.03
#: How the names of this package's modules begin.
_OURS = f"{__name__.partition('.')[0]}."
#: Of these, the modules in which a tool waits for the user, perhaps for ever: there it is interrupted as in its own code.
_WAITS = {input_turns.__name__, kernel_input.__name__}
_BLOCKED = "interrupted while it blocked the event loop"


def contain(tool: Tool) -> Tool:
    """Return the tool such that an interrupt inside its function is recognised, and ends that call only.

    A tool that is not asynchronous is returned unchanged: it runs in a thread, where no signal arrives.
    """
    if not tool.is_async:
        return tool
    function = tool.function

    async def contained(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except KeyboardInterrupt as error:
            if not delivered_by_signal(error, traceback_of(error)):
                raise  # the function's own, and its failure
            raise AgentInterrupted("interrupted twice while it blocked the event loop") from None

    _BORDERS.add(contained.__code__)
    return dataclasses.replace(tool, function=functools.wraps(function)(contained))


#: The code of ``contained`` above: one object for all tools.
_BORDERS: set[CodeType] = set()


def running_code(frame: FrameType | None) -> Code:
    """Return what code a frame runs, decided by the nearest frame around it that is known."""
    in_tool: Code = "tool"
    while frame is not None:
        code = frame.f_code
        if code in _BORDERS:
            return in_tool
        if code is asyncio.Handle._run.__code__:  # noqa: SLF001 - the one border between a loop and what it runs
            return "code"
        if code.co_name == "_run_once":
            return "loop"
        module = str(frame.f_globals.get("__name__"))
        if module.startswith(_OURS) and module not in _WAITS:
            in_tool = "ours"
        frame = frame.f_back
    return "loop"


class Interrupts:
    """Counts the presses during one cell and acts on them.

    Attributes:
        cancel: Cancels the work that the cell waits for; called on the loop. Does nothing until the work has begun, so the
            code that sets it must check `presses` first.
        abandoned: Set by the second press.
    """

    def __init__(self) -> None:
        self.cancel: Callable[[], object] = lambda: None
        self.abandoned = asyncio.Event()
        self.presses = 0
        self._loop = asyncio.get_running_loop()
        #: Whether this handles signals now. The lock keeps the timer's thread from sending one after that.
        self._handles_signals, self._lock = False, threading.Lock()
        #: Whether the loop has cancelled the run, and whether the next signal is a second look and not a press.
        self._cancelled = self._looks_again = False
        self._timer: threading.Timer | None = None

    def __call__(self, _signum: int, frame: FrameType | None) -> None:
        """Act on a press: the handler for ``SIGINT``.

        Raises:
            AgentInterrupted: A tool still blocks the loop a moment later, or other code does at the third press.
            KeyboardInterrupt: From the second press on, in a tool that blocks the loop.
        """
        where = running_code(frame)
        if self._looks_again:
            self._looks_again = False
            if where == "ours":
                self._look_again_soon()
            elif where == "tool" and not self._cancelled:
                raise AgentInterrupted(_BLOCKED)
            return
        self.presses += 1
        self._loop.call_soon_threadsafe(self._cancel if self.presses == 1 else self.abandoned.set)
        if where in {"tool", "ours"}:
            if self.presses > 1:
                raise KeyboardInterrupt
            self._look_again_soon()
        elif where == "code" and self.presses > 2:
            raise AgentInterrupted(_BLOCKED)

    def _cancel(self) -> None:
        self._cancelled = True
        self.cancel()

    def _look_again_soon(self) -> None:
        if not hasattr(signal, "pthread_kill"):  # as on Windows, where a signal cannot wake the main thread
            raise AgentInterrupted(_BLOCKED)

        def look_again() -> None:
            with self._lock:
                if self._handles_signals and not self._cancelled:
                    self._looks_again = True
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        self._timer = threading.Timer(_STEP_S, look_again)
        self._timer.daemon = True
        self._timer.start()

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Handle ``SIGINT`` inside the block. Outside the main thread, where no signal arrives, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self)
        self._handles_signals = True
        try:
            yield
        finally:
            with self._lock:
                self._handles_signals = False
            if self._timer is not None:
                self._timer.cancel()
            signal.signal(signal.SIGINT, before)

    async def wait_for(self, run: Run) -> BaseException | None:
        """Wait until the run has ended or the user has abandoned it, and return the error that the cell raises."""
        self.cancel = run.cancel
        if self.presses:
            run.cancel()
        waiting = asyncio.ensure_future(run.wait())
        abandoned = asyncio.ensure_future(self.abandoned.wait())
        try:
            await asyncio.wait({waiting, abandoned}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            run.cancel()
            raise
        finally:
            abandoned.cancel()
        if not self.abandoned.is_set():
            return waiting.exception()
        # The cell does not wait for the run any more. asyncio would complain about an error that is never retrieved.
        waiting.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        message = "the run was abandoned; results that its tools still return are discarded."
        error = KeyboardInterrupt(message)
        error._render_traceback_ = lambda: [f"KeyboardInterrupt: {message}"]  # type: ignore[attr-defined]
        return error
