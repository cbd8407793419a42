"""A future, as the user holds it: the result of one tool call, now or later."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from asyncfc_jupyter.core.futures import FutureName, State
from asyncfc_jupyter.errors import NoSuchFuture, ToolFailed, ToolSkipped, UsageError
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.text import clean
from asyncfc_jupyter.trace.analysis.why import explain_wait
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.values.describe import label

#: Characters of an outcome in a future's ``repr``.
_REPR_CHARACTERS = 300


class Future:
    """The result of one tool call, now or later. Awaiting it gives the value."""

    def __init__(self, call: ToolCall, driver: Driver) -> None:
        self._call, self._driver = call, driver

    @property
    def name(self) -> str:
        """Its name, such as ``f1``."""
        return self._call.name

    @property
    def tool(self) -> str:
        """The name of the tool."""
        return self._call.tool

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments as the model wrote them, references included."""
        return dict(self._call.arguments)

    @property
    def state(self) -> State:
        """Its state, such as ``running``."""
        return self._call.state

    @property
    def printed(self) -> str:
        """What its function has printed so far, to stdout and stderr, up to ten million characters.

        Beyond that, the beginning and the end are kept. It does not hold what subprocesses print, nor threads that the tool
        itself started.
        """
        return "" if self._call.printed is None else self._call.printed.text

    def cancel(self) -> None:
        """Cancel it, if it has not settled. Its dependents are skipped, and what its function still returns is discarded."""
        self._driver.cancel(self._call.name)

    def done(self) -> bool:
        """Return whether it has settled, with or without a result."""
        return self._call.settled

    def why(self) -> str:
        """Return one sentence on why it waited, or that it did not, in the run that issued it."""
        log = self._call.lease.log
        if not log.events:
            return f"{self.name} ({self.tool}) came with its outcome from a fork or a file, and not with its wait"
        return explain_wait(Trace(tuple(log.events)), self._call.name, now_s=None if self.done() else log.now_s())

    def result(self) -> Any:
        """Return the object that the tool returned; plain data as it was when the call finished.

        Raises:
            ToolFailed: The tool raised, timed out or could not take its arguments; the cause is chained.
            ToolSkipped: The call was not made, or was cancelled.
            UsageError: It has not settled yet; await it instead.
        """
        call = self._call
        match call.state:
            case State.DONE:
                return call.value
            case State.PENDING | State.RUNNING:
                raise UsageError(
                    f"{self.name} ({self.tool}) has no result yet; write `await` before the future to wait for it."
                )
            case State.FAILED:
                raise ToolFailed(self.name, self.tool, call.error) from call.exception
            case _:
                raise ToolSkipped(self.name, self.tool, call.error)

    def __await__(self) -> Generator[Any, None, Any]:
        yield from self._driver.wait([self._call.name]).__await__()
        return self.result()

    def __repr__(self) -> str:
        outcome = clean(
            label(self._call.value) if self._call.state is State.DONE else self._call.error, _REPR_CHARACTERS
        )
        return mask(f"<Future {self.name} {self.tool}: {self.state}{': ' + outcome if outcome else ''}>")


class Futures(Mapping[str, Future]):
    """The futures of a conversation by name, in order of emission."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __getitem__(self, name: str) -> Future:
        call = self._driver.calls.get(FutureName(str(name).removeprefix("$")))
        if call is None:
            raise NoSuchFuture(str(name), known=tuple(self._driver.calls))
        return Future(call, self._driver)

    def __iter__(self) -> Iterator[str]:
        return iter(self._driver.calls)

    def __len__(self) -> int:
        return len(self._driver.calls)

    def __repr__(self) -> str:
        return "\n".join(repr(future) for future in self.values()) or "no futures yet"
