"""The one guard around code that is not this package's: that of a value, an exception, an observer, a sink or a plugin.

A tool returns any object, and to show it, copy it or look for a field in it runs code of its class: ``__len__``, ``__repr__``,
``__getattr__``, a property, also that of ``__class__``, which `isinstance` reads. Such code may raise anything. Beside
`Exception` there are `SystemExit` and `KeyboardInterrupt`, which end an event loop, `asyncio.CancelledError`, which asyncio
takes for a cancellation, and `GeneratorExit`. Therefore foreign code runs inside of `ForeignCode`, which keeps whatever it
raises, and each use says what holds in that case: there is no place from which such an exception escapes.

One exception passes: a `KeyboardInterrupt` that a signal delivered while the code ran. It is the user's, and nothing else
records it. `delivered_by_signal` distinguishes the two. A cancellation of the caller's own task never arrives here, because
nothing is awaited inside the guard: asyncio delivers it where a coroutine waits.

Code that never returns is not stopped: an interrupt is (`jupyter/cells/interrupt.py`).
"""

from __future__ import annotations

import dis
import functools
import inspect
import signal
import threading
from types import CodeType, TracebackType
from typing import Any


class ForeignCode:
    """A block that runs foreign code and keeps what it raises; nothing may be awaited or yielded in it.

    ::

        with ForeignCode() as ran:
            return str(value)
        return f"its text raised {ran.raised}"
    """

    __slots__ = ("error",)

    def __init__(self) -> None:
        #: What the code raised; None if it did not.
        self.error: BaseException | None = None

    @property
    def raised(self) -> str:
        """The name of the exception's type; empty without an exception."""
        return "" if self.error is None else type_name(self.error)

    def __enter__(self) -> ForeignCode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            return False
        if delivered_by_signal(error, traceback):
            return False
        self.error = error
        return True


def delivered_by_signal(error: BaseException, traceback: TracebackType | None) -> bool:
    """Return whether an exception is the user's interrupt, and not one that the code raised itself.

    A signal's exception is raised by its handler: either that function is among the frames, or it is Python's own, which has no
    frame, and then the innermost frame stands at any instruction but that of a ``raise``.
    """
    if not issubclass(type(error), KeyboardInterrupt) or traceback is None:
        return False
    if threading.current_thread() is not threading.main_thread():
        return False  # no signal arrives there
    handler = _code_of(signal.getsignal(signal.SIGINT))
    while True:
        code = traceback.tb_frame.f_code
        if code is handler:
            return True
        if traceback.tb_next is None:
            return dis.opname[code.co_code[traceback.tb_lasti]] != "RAISE_VARARGS"
        traceback = traceback.tb_next


def _code_of(handler: Any) -> CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    if not inspect.isroutine(handler):
        handler = getattr(type(handler), "__call__", None)  # noqa: B004 - its code is wanted
    code = getattr(handler, "__code__", None)
    return code if isinstance(code, CodeType) else None


def type_name(value: object) -> str:
    """Return the name of an object's type, without the code that its metaclass may have for that."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return plain_text(name)


def plain_text(text: str) -> str:
    """Return a text as a string of Python's own class: a class derived from it may have any code in its methods."""
    return str.__str__(text)


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return an exception's traceback, without the code that its class may have for that."""
    found: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    return found


def text_of(error: BaseException) -> str:
    """Return an exception's text, or a note of what its own code raised instead."""
    with ForeignCode() as ran:
        return plain_text(str(error))
    return f"its text raised {ran.raised}"
