"""What the rehearsal model has seen of a conversation: which results came back, what each name stands for.

Two forms of tool messages are understood. With futures a message says itself which future it is about, and may carry
others that became ready; without them it is the value of its own call. Only the outermost object is read as the
layer's word: a value that looks like a message of the layer stays a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal

from asyncfc_jupyter.core.futures import FutureName, future_name
from asyncfc_jupyter.core.references import Field, Item, Reference
from asyncfc_jupyter.errors import MissingField
from asyncfc_jupyter.models.base import Message
from asyncfc_jupyter.models.rehearsal.plan import AWAIT_TOOL, Hole, Take, Text

#: An error's text is cut to this many characters, so that an answer stays readable.
_ERROR_LENGTH = 200

_FUTURE_NAME = re.compile(r"f[1-9]\d*")
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"": lambda same: same, "s": str, "r": repr, "a": ascii}
#: A tuple: a foreign history may hold what cannot be hashed.
_STATUSES = ("pending", "done", "failed", "timeout", "cancelled", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A settled call, as the model was told of it."""

    outcome: Literal["done", "failed", "skipped"]
    value: Any = None
    #: True when ``value`` is only a summary of the real one.
    summarized: bool = False
    #: One line; empty unless it failed.
    error: str = ""


#: What a call that was never made, because a value it takes cannot be had, counts as.
SKIPPED = Result(outcome="skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A tool call found in an assistant message."""

    call_id: str
    tool: str


#: What a name stands for: a call that was made, or the fate of one that was not.
Binding = FutureName | Result


@dataclass(slots=True)
class Memory:
    """Everything seen up to one point of the conversation."""

    #: How many futures there are: the next call gets the name after it.
    count: int = 0
    names: MutableMapping[str, Binding] = field(default_factory=dict)
    #: The values each call takes by reference.
    inputs: dict[FutureName, tuple[Reference, ...]] = field(default_factory=dict)
    results: dict[FutureName, Result] = field(default_factory=dict)
    call_ids: set[str] = field(default_factory=set)
    #: Whether a placeholder was ever shown, or a result asked for: values do not always come by themselves.
    kept_waiting: bool = False
    _futures: dict[str, FutureName] = field(default_factory=dict)

    def number(self, calls: tuple[Asked, ...]) -> None:
        """Give the calls of an assistant message their futures."""
        for call in calls:
            self.call_ids.add(call.call_id)
            if call.tool == AWAIT_TOOL:
                self.kept_waiting = True
            else:
                self.count += 1
                self._futures[call.call_id] = future_name(self.count)

    def read(self, message: Message, *, futures: bool) -> None:
        """Take in a tool message, in the form used with futures or in the one without."""
        content = _decoded(message)
        if futures:
            for told in _told(content):
                self._note(told)
            return
        name = self._futures.get(str(message.get("tool_call_id")))
        if name is not None:
            self.results[name] = _plain_result(content)

    def fate(self, name: str) -> Result | None:
        """Return what became of the call a name stands for, or None while that is not known."""
        binding = self.names.get(name, SKIPPED)
        if isinstance(binding, Result):
            return binding
        result = self.results.get(binding)
        if result is not None and " has no " in result.error and self._lacked_a_field(binding):
            return SKIPPED
        return result

    def render(self, text: Text) -> str:
        """Return the text with every hole filled; values that cannot be had are told of in angle brackets."""
        return "".join(part if isinstance(part, str) else self._fill(part) for part in text.parts)

    def _fill(self, hole: Hole) -> str:
        name, result = hole.take.name, self.fate(hole.take.name)
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

    def _lacked_a_field(self, future: FutureName) -> bool:
        """Whether the call failed because a reference led nowhere: without futures it would not have been made."""
        for reference in self.inputs.get(future, ()):
            source = self.results.get(reference.future)
            if source is not None and source.outcome == "done" and not source.summarized:
                try:
                    reference.resolve(source.value)
                except MissingField:
                    return True
        return False

    def _note(self, told: Mapping[str, Any]) -> None:
        name, status = told.get("future"), told.get("status")
        if not isinstance(name, str) or not _FUTURE_NAME.fullmatch(name) or status not in _STATUSES:
            return
        if status == "pending":
            self.kept_waiting = True
            return
        if status == "done":
            summarized = told.get("summarized") is True
            result = Result(outcome="done", value=told.get("value"), summarized=summarized)
        elif status == "skipped":
            result = SKIPPED
        else:
            result = Result(outcome="failed", error=one_line(str(told.get("error") or status)))
        self.results[FutureName(name)] = result


def follow(take: Take, value: Any) -> tuple[Any, str]:
    """Return the value a take means and an empty text, or None and what is missing."""
    where = take.name
    for step in take.steps:
        try:
            value = Reference(FutureName(take.name), (step,)).resolve(value)
        except MissingField:
            return None, f"{where} has no {_step_name(step)}"
        where += str(step)
    return value, ""


def one_line(text: str) -> str:
    """Return a text of any length and shape as one bounded line."""
    flat = " ".join(text[: 4 * _ERROR_LENGTH].split())
    return flat if len(flat) <= _ERROR_LENGTH else flat[: _ERROR_LENGTH - 3] + "..."


def calls_in(message: Message) -> tuple[Asked, ...]:
    """Return the tool calls of an assistant message, whatever else it holds.

    An ``await_future`` that the layer attached to an answer is among them, and does no harm: it has no future, and the plan
    had no further call to make.
    """
    calls = []
    listed = message.get("tool_calls")
    for call in listed if isinstance(listed, list | tuple) else ():
        if not isinstance(call, Mapping):
            continue
        function = call.get("function")
        tool = function.get("name") if isinstance(function, Mapping) else None
        calls.append(Asked(call_id=str(call.get("id")), tool=str(tool)))
    return tuple(calls)


def text_of(message: Message) -> str:
    """Return the text of a message, whose content may be a list of parts or nothing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else ()
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))


def speaks_of_futures(message: Message) -> bool:
    """Return whether a tool message has the form used with futures."""
    return any(
        isinstance(told.get("future"), str) and told.get("status") in _STATUSES for told in _told(_decoded(message))
    )


def is_delivery(message: Message) -> bool:
    """Return whether a message in the person's place holds results from the layer."""
    return message.get("role") == "user" and text_of(message).startswith('{"delivered": ')


def _decoded(message: Message) -> Any:
    text = text_of(message)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _told(content: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what a message of the layer says of each future: the one asked for, then those delivered along with it."""
    for told in content if isinstance(content, list) else [content]:
        if isinstance(told, Mapping):
            yield told
            delivered = told.get("delivered")
            yield from (one for one in delivered if isinstance(one, Mapping)) if isinstance(delivered, list) else ()


def _plain_result(content: Any) -> Result:
    match content:
        case {"error": str(error), **rest} if not rest:
            skipped = error.startswith("skipped")
            return SKIPPED if skipped else Result(outcome="failed", error=one_line(error))
        case {"tool": str(), "status": "cancelled", "error": str(error), **rest} if rest.keys() <= {"future"}:
            # An interrupted run answers its open calls in the same form in every mode.
            return Result(outcome="failed", error=one_line(error))
        case {"summarized": True, "value": value, **rest} if not rest:
            return Result(outcome="done", value=value, summarized=True)
    return Result(outcome="done", value=content)


def _step_name(step: Field | Item) -> str:
    match step:
        case Field(name=name) | Item(key=str(name)):
            return f"field {name}"
    return f"index {step.key}"
