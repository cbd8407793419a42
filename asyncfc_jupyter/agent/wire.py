"""What goes over the wire: placeholders, results, deliveries and ``await_future``, as ordinary tool messages.

The protocol itself is untouched: each tool call gets exactly one tool message. What is new is what stands in it. A call that
has not finished is answered by a placeholder that says so in three ways (``status``, ``value`` and a note), because models
take an empty or friendly placeholder for the result. Its value follows in a later tool message that goes out anyway.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.runtime.driver import Entry
from asyncfc_jupyter.runtime.tools import AWAIT_FUTURE
from asyncfc_jupyter.runtime.values import describe, plain_scalar

#: A result up to this many bytes of JSON is shown whole; beyond it the model sees a preview and passes the future on.
RESULT_BYTES = 8_000
#: Characters of the preview of a result that is too long.
_PREVIEW_CHARACTERS = 2_000
#: Prefix of the ids of the calls that the layer adds itself.
GATE_ID = "asyncfc_gate_"

INSTRUCTIONS = """\
Tool calls run asynchronously. Each call returns at once with a future named f1, f2, f3, ... in the order in which you make \
calls, counted over the whole conversation (await_future itself is not counted).
- A tool message with "status": "pending" is NOT a result. Its value arrives later, under "delivered" in another tool message \
or from await_future. Never guess it, and do not repeat the call.
- To pass a result that you do not need to read to another tool, write a reference as the whole argument: "$f1", or a part \
of it: "$f1.order_id", "$f2[0].sku", "$f3[\\"a key\\"]". It works before the result is there, and in the same reply. \
"$$f1" is the literal text "$f1".
- Make all the calls you can before you wait. Calls that depend on each other are put in order for you.
- Call await_future only when you must read a value to go on. When you have made every call, just answer: results still \
missing are given to you before your answer counts."""

_NOTE = "Not the result. The call is still running; pass {reference} on as an argument, or read the value later."


def await_future_definition() -> dict[str, Any]:
    """Return the one tool that the layer adds."""
    return {
        "type": "function",
        "function": {
            "name": AWAIT_FUTURE,
            "description": "Wait until the results of earlier calls are there, and read them. Only for values that you must "
            "read before you can go on: to pass a result to another tool, write its reference instead.",
            "parameters": {
                "type": "object",
                "properties": {
                    "futures": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": 'Names of the futures, such as ["f1", "f3"].',
                    },
                    "mode": {
                        "type": "string",
                        "enum": ["all", "any"],
                        "description": "Wait for all of them (the default) or for the first.",
                    },
                    "timeout_s": {"type": "number", "description": "Seconds to wait at most."},
                },
                "required": ["futures"],
                "additionalProperties": False,
            },
        },
    }


def _name(value: Any) -> Any:
    return value.strip().removeprefix("$") if isinstance(value, str) else value


def _names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class AwaitRequest(BaseModel):
    """The arguments of ``await_future``, read generously: a lone name for a list, names with or without the dollar."""

    model_config = ConfigDict(extra="ignore")

    futures: Annotated[list[Annotated[str, BeforeValidator(_name)]], BeforeValidator(_names), Field(min_length=1)]
    mode: Literal["all", "any"] = "all"
    timeout_s: Annotated[float, Field(gt=0)] | None = None


def read_await(arguments: Mapping[str, Any]) -> AwaitRequest | str:
    """Return what an ``await_future`` call asks for, or one line on what is wrong with it."""
    try:
        return AwaitRequest.model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "arguments"
        return f'{AWAIT_FUTURE} cannot take these arguments: {where}: {first["msg"]}; write {{"futures": ["f1"]}}.'


# -- values ----------------------------------------------------------------------------------------------------------


def value_fields(value: Any, name: FutureName) -> dict[str, Any]:
    """Return the fields that show a result: itself when it is plain and short, else a bounded summary.

    A large result is never turned into JSON as a whole, and an iterator is not used up by being looked at.
    """
    try:
        head = _head(value, [RESULT_BYTES])
        plain = to_jsonable_python(head.value)
        text = json.dumps(plain, ensure_ascii=False)
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):
        return _summary(_look_of(value), name)
    if head.whole and len(text.encode("utf-8", "replace")) <= RESULT_BYTES:
        return {"value": plain}
    text = plain if isinstance(plain, str) else text
    return _summary(f"{describe(value)}, which begins: {text[:_PREVIEW_CHARACTERS]}", name)


@dataclass(frozen=True, slots=True)
class _Head:
    value: Any
    whole: bool


def _head(value: Any, budget: list[int]) -> _Head:
    """Return as much of a value as the budget allows, counted in characters and items; the budget is used up."""
    budget[0] -= 1
    value = plain_scalar(value)
    if isinstance(value, str):
        kept = value[: max(0, budget[0] + 1)]
        budget[0] -= len(kept)
        return _Head(kept, whole=len(kept) == len(value))
    if isinstance(value, Iterator):
        raise TypeError("looking at an iterator would use it up")
    if isinstance(value, BaseModel):
        value = dict(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        heads = {k: _head(v, budget) for k, v in itertools.takewhile(lambda _: budget[0] > 0, value.items())}
        whole = len(heads) == len(value) and all(head.whole for head in heads.values())
        return _Head({key: head.value for key, head in heads.items()}, whole)
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray | memoryview):
        listed = [_head(item, budget) for item in itertools.takewhile(lambda _: budget[0] > 0, value)]
        return _Head([head.value for head in listed], len(listed) == len(value) and all(head.whole for head in listed))
    return _Head(value, whole=True)


def _summary(text: str, name: FutureName) -> dict[str, Any]:
    return {"value": text, "summarized": True, "note": f'Too big or not plain data: pass "${name}" on to use it whole.'}


def _look_of(value: Any) -> str:
    head = getattr(value, "head", None)
    try:
        if isinstance(value, bytes | bytearray):
            value = value[:_PREVIEW_CHARACTERS]
        shown = repr(head()) if callable(head) and hasattr(value, "shape") else repr(value)
    except Exception as error:  # noqa: BLE001 - a repr that raises is the tool's, and only a summary is lost
        shown = f"its repr raised {type(error).__name__}"
    return f"{describe(value)}: {shown[:_PREVIEW_CHARACTERS]}"


# -- tool messages ---------------------------------------------------------------------------------------------------


def result_object(entry: Entry, *, with_arguments: bool = False) -> dict[str, Any]:
    """Return the object that stands for a future in a tool message, whatever its state."""
    shown: dict[str, Any] = {"future": entry.name, "tool": entry.tool}
    if with_arguments:
        shown["arguments"] = dict(entry.arguments)
    shown["status"] = entry.status
    if entry.status == "pending":
        return shown | {"value": None, "note": _NOTE.format(reference=f'"${entry.name}"')}
    if entry.status == "done":
        return shown | value_fields(entry.value, entry.name)
    return shown | {"error": entry.error}


def plain_content(entry: Entry) -> str:
    """Return the content of a tool message in the modes without futures: the value itself, or its error."""
    if entry.status != "done":
        return _dump({"error": entry.error})
    fields = value_fields(entry.value, entry.name)
    if "summarized" not in fields:
        return _dump(fields["value"])
    return _dump({"summarized": True, "value": fields["value"]})


def tool_message(call: CallId | str, content: Any) -> dict[str, Any]:
    """Return the message that answers a tool call."""
    return {"role": "tool", "tool_call_id": call, "content": content if isinstance(content, str) else _dump(content)}


def call_message(call: str, name: str, arguments_json: str) -> dict[str, Any]:
    """Return a tool call as it stands in an assistant message."""
    return {"id": call, "type": "function", "function": {"name": name, "arguments": encodable(arguments_json)}}


def assistant_message(text: str, calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the model's reply as it goes into the history."""
    message: dict[str, Any] = {"role": "assistant", "content": encodable(text) or None}
    if calls:
        message["tool_calls"] = [dict(call) for call in calls]
    elif not text:
        message["content"] = ""
    return message


def _dump(value: Any) -> str:
    return encodable(json.dumps(value, ensure_ascii=False, default=str))


def encodable(text: str) -> str:
    """Return text with lone surrogates replaced, such as the names of files that are no text: a request cannot hold them."""
    return text.encode("utf-8", "replace").decode("utf-8")
