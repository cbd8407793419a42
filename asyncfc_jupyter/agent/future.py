"""A future, as the user holds it: the result of one tool call, now or later."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from asyncfc_jupyter.core.futures import FutureName, State
from asyncfc_jupyter.errors import NoSuchFuture, ToolFailed, ToolSkipped, UsageError
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.text import clean
from asyncfc_jupyter.trace.analysis.why import explain_wait
from asyncfc_jupyter.trace.trace import Trace
from asyncfc_jupyter.values.snapshot import describe

#: Characters of an outcome in a future's ``repr``.
_REPR_CHARACTERS = 300


class Future:
    """The result of one tool call, now or later. Awaiting it gives the value."""

    def __init__(self, entry: ToolCall, driver: Driver) -> None:
        self._entry, self._driver = entry, driver

    @property
    def name(self) -> str:
        """Its name, such as ``f1``."""
        return self._entry.name

    @property
    def tool(self) -> str:
        """The name of the tool."""
        return self._entry.tool

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments as the model wrote them, references included."""
        return dict(self._entry.arguments)

    @property
    def state(self) -> State:
        """What has become of it."""
        return self._entry.state

    @property
    def printed(self) -> str:
        """What its function has printed so far, to stdout and stderr: all of it, up to ten million characters.

        Of more than that, the beginning and the end are kept. What subprocesses print, and threads that the tool itself
        started, is not in it.
        """
        return "" if self._entry.printed is None else self._entry.printed.text

    def cancel(self) -> None:
        """Take it back, if it has not settled: its dependents are skipped, and what its function still returns is discarded."""
        self._driver.cancel(self._entry.name)

    def done(self) -> bool:
        """Return whether it has settled, in whatever way."""
        return self._entry.settled

    def why(self) -> str:
        """Return one sentence on why it waited, or that it did not; in whichever run of the conversation it was issued."""
        log = self._entry.lease.log
        if not log.events:
            return f"{self.name} ({self.tool}) came with its outcome from a fork or a file, and not with its wait"
        return explain_wait(Trace(tuple(log.events)), self._entry.name, now_s=None if self.done() else log.now_s())

    def result(self) -> Any:
        """Return the very object that the tool returned; plain data as it was when the call finished.

        Raises:
            ToolFailed: The tool raised, timed out or could not take its arguments; the cause is chained.
            ToolSkipped: The call was not made, or was cancelled.
            UsageError: It has not settled yet; await it instead.
        """
        entry = self._entry
        match entry.state:
            case State.DONE:
                return entry.value
            case State.PENDING | State.RUNNING:
                raise UsageError(
                    f"{self.name} ({self.tool}) has no result yet; write `await` before the future to wait for it."
                )
            case State.FAILED:
                raise ToolFailed(self.name, self.tool, entry.error) from entry.exception
            case _:
                raise ToolSkipped(self.name, self.tool, entry.error)

    def __await__(self) -> Generator[Any, None, Any]:
        yield from self._driver.wait([self._entry.name]).__await__()
        return self.result()

    def __repr__(self) -> str:
        outcome = clean(
            describe(self._entry.value) if self._entry.state is State.DONE else self._entry.error, _REPR_CHARACTERS
        )
        return f"<Future {self.name} {self.tool}: {self.state}{': ' + outcome if outcome else ''}>"


class Futures(Mapping[str, Future]):
    """The futures of a conversation by name, in order of emission."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __getitem__(self, name: str) -> Future:
        entry = self._driver.calls.get(FutureName(str(name).removeprefix("$")))
        if entry is None:
            raise NoSuchFuture(str(name), known=tuple(self._driver.calls))
        return Future(entry, self._driver)

    def __iter__(self) -> Iterator[str]:
        return iter(self._driver.calls)

    def __len__(self) -> int:
        return len(self._driver.calls)

    def __repr__(self) -> str:
        return "\n".join(repr(future) for future in self.values()) or "no futures yet"
