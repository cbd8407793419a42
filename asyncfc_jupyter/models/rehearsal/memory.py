"""What the rehearsal model has seen of a conversation: which results came back, what each name stands for.

Tool messages have two forms. With futures a message names the future that it is about, and may contain others that became
ready (`core.protocol` reads it). Without futures it is the value of its own call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal

from asyncfc_jupyter.core.futures import FutureName, future_name
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE, decode, read_reports, text_of
from asyncfc_jupyter.core.references import Field, Reference
from asyncfc_jupyter.errors import MissingField
from asyncfc_jupyter.models.base import Message
from asyncfc_jupyter.models.rehearsal.plan import Hole, Take, Text
from asyncfc_jupyter.text import shorten

#: Characters of an error that are shown, so that an answer stays readable.
_ERROR_LENGTH = 200

_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"": lambda same: same, "s": str, "r": repr, "a": ascii}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of a settled call, as the messages show it."""

    outcome: Literal["done", "failed", "skipped"]
    value: Any = None
    #: True when ``value`` is only a summary of the real one.
    summarized: bool = False
    #: One line; empty unless it failed.
    error: str = ""

    @classmethod
    def failed(cls, error: str) -> Result:
        """Return the result of a failed call, with its error on one short line."""
        return cls(outcome="failed", error=shorten(error, _ERROR_LENGTH))


#: The result of a call that was not made because a value that it takes cannot be had.
SKIPPED = Result(outcome="skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCall:
    """A tool call in an assistant message."""

    call_id: str
    tool: str


#: What a name stands for: the future of a call, or the result of a call that was not made.
Binding = FutureName | Result


@dataclass(slots=True)
class Memory:
    """Everything seen up to one point of the conversation."""

    #: The number of futures: the next call gets the name after it.
    count: int = 0
    names: MutableMapping[str, Binding] = field(default_factory=dict)
    #: The values each call takes by reference.
    inputs: dict[FutureName, tuple[Reference, ...]] = field(default_factory=dict)
    results: dict[FutureName, Result] = field(default_factory=dict)
    call_ids: set[str] = field(default_factory=set)
    #: Whether a placeholder was ever shown, or a result asked for: then values do not always come by themselves.
    kept_waiting: bool = False
    _futures: dict[str, FutureName] = field(default_factory=dict)

    def number(self, calls: tuple[PastCall, ...]) -> None:
        """Give the calls of an assistant message their futures."""
        for call in calls:
            self.call_ids.add(call.call_id)
            if call.tool == AWAIT_FUTURE:
                self.kept_waiting = True
            else:
                self.count += 1
                self._futures[call.call_id] = future_name(self.count)

    def read(self, message: Message, *, with_futures: bool) -> None:
        """Add what a tool message shows, in the form with futures or in the form without."""
        content = decode(text_of(message))
        if not with_futures:
            name = self._futures.get(str(message.get("tool_call_id")))
            if name is not None:
                self.results[name] = _plain_result(content)
            return
        for report in read_reports(content):
            match report.status:
                case None:
                    pass
                case "pending":
                    self.kept_waiting = True
                case "done":
                    result = Result(outcome="done", value=report.value, summarized=report.summarized)
                    self.results[report.future] = result
                case "skipped":
                    self.results[report.future] = SKIPPED
                case status:
                    self.results[report.future] = Result.failed(report.error or status)

    def result_of(self, name: str) -> Result | None:
        """Return the result that a name stands for, or None while it was not seen."""
        binding = self.names.get(name, SKIPPED)
        if isinstance(binding, Result):
            return binding
        result = self.results.get(binding)
        if result is None or " has no " not in result.error:
            return result
        # A call that failed for a reference to a missing field would not have been made without futures.
        for reference in self.inputs.get(binding, ()):
            source = self.results.get(reference.future)
            if source is not None and source.outcome == "done" and not source.summarized:
                try:
                    reference.resolve(source.value)
                except MissingField:
                    return SKIPPED
        return result

    def look_up(self, take: Take) -> tuple[Any, bool]:
        """Return the value that a take means, and whether it was seen as a whole."""
        result = self.result_of(take.name)
        if result is None or result.outcome != "done" or result.summarized:
            return None, False
        value, missing = follow(take, result.value)
        return value, not missing

    def render(self, text: Text) -> str:
        """Return the text with its values filled in; a value that cannot be shown is described in angle brackets."""
        return "".join(part if isinstance(part, str) else self._fill(part) for part in text.parts)

    def _fill(self, hole: Hole) -> str:
        name, result = hole.take.name, self.result_of(hole.take.name)
        if result is None:
            return f"<{name} pending>"
        if result.outcome == "skipped":
            return f"<{name} skipped>"
        if result.outcome == "failed":
            return f"<{name} failed: {result.error}>"
        value, missing = follow(hole.take, result.value)
        if missing:
            return f"<{missing}{' in its summary' if result.summarized else ''}>"
        converted = _CONVERSIONS[hole.conversion](value)
        try:
            return format(converted, hole.spec)
        except (ValueError, TypeError):
            return f"<{name} cannot be shown as {hole.spec!r}>"


def follow(take: Take, value: Any) -> tuple[Any, str]:
    """Return the value that a take means and an empty text, or None and what is missing."""
    where = take.name
    for step in take.steps:
        try:
            value = Reference(FutureName(take.name), (step,)).resolve(value)
        except MissingField:
            key = step.name if isinstance(step, Field) else step.key
            return None, f"{where} has no {'index' if isinstance(key, int) else 'field'} {key}"
        where += str(step)
    return value, ""


def calls_in(message: Message) -> tuple[PastCall, ...]:
    """Return the tool calls of an assistant message.

    They include an ``await_future`` that the layer attached to an answer. It does no harm: it has no future, and the plan
    had no further call to make.
    """
    calls = []
    listed = message.get("tool_calls")
    for call in listed if isinstance(listed, list | tuple) else ():
        if not isinstance(call, Mapping):
            continue
        function = call.get("function")
        tool = function.get("name") if isinstance(function, Mapping) else None
        calls.append(PastCall(call_id=str(call.get("id")), tool=str(tool)))
    return tuple(calls)


def speaks_of_futures(message: Message) -> bool:
    """Return whether a tool message has the form with futures."""
    return any(report.status is not None for report in read_reports(decode(text_of(message))))


def _plain_result(content: Any) -> Result:
    match content:
        case {"error": str(error), **rest} if not rest:
            return SKIPPED if error.startswith("skipped") else Result.failed(error)
        case {"tool": str(), "status": "cancelled", "error": str(error), **rest} if rest.keys() <= {"future"}:
            # An interrupted run answers its open calls in the same form in every mode.
            return Result.failed(error)
        case {"summarized": True, "value": value, **rest} if not rest:
            return Result(outcome="done", value=value, summarized=True)
    return Result(outcome="done", value=content)
