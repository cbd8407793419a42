"""Writes what goes over the wire: placeholders, results and deliveries, as ordinary tool messages.

The words of the protocol and the reader of these messages are in `core.protocol`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from asyncfc_jupyter.core.futures import CallId, State
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE, DELIVERED, SHOWN_PENDING_NOTE, placeholder_fields
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.values.summarize import value_fields


def _name(value: Any) -> Any:
    return value.strip().removeprefix("$") if isinstance(value, str) else value


def _names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class AwaitRequest(BaseModel):
    """The arguments of ``await_future``, read generously: a lone name for a list, names with or without the dollar.

    Without names it asks for all that is pending, which spares a model the tokens of listing them.
    """

    model_config = ConfigDict(extra="ignore")

    futures: Annotated[list[Annotated[str, BeforeValidator(_name)]], BeforeValidator(_names)] = []
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


# -- tool messages ---------------------------------------------------------------------------------------------------


def result_object(entry: ToolCall, *, with_arguments: bool = False, withheld: bool = False) -> dict[str, Any]:
    """Return the object that stands for a future in a tool message, whatever its state.

    Args:
        entry: The future.
        with_arguments: Whether the arguments are repeated: the call itself may be far above.
        withheld: Whether it is to look pending although it is not.
    """
    status = "pending" if withheld else entry.status
    shown: dict[str, Any] = {"future": entry.name, "tool": entry.tool}
    if with_arguments:
        shown["arguments"] = dict(entry.arguments)
    shown["status"] = status
    if entry.same_as is not None:
        shown["same_call_as"] = entry.same_as
    if status == "pending":
        return shown | placeholder_fields(entry.name)
    if status == "done":
        return shown | value_fields(entry.value, entry.name)
    return shown | {"error": entry.error}


#: What an ``await_future`` is told that has nothing to wait for: an empty list would look like a result that got lost.
NOTHING_PENDING: dict[str, Any] = {
    "note": "Nothing is pending: every result to wait for has been given in a message above."
}


def shown_already(entry: ToolCall, *, withheld: bool = False) -> dict[str, Any]:
    """Return the object that stands for a future that another message of the same reply shows.

    Args:
        entry: The future.
        withheld: Whether it is to look pending although it is not.
    """
    shown = {"future": entry.name, "tool": entry.tool}
    if withheld or not entry.settled:
        return shown | {"status": "pending", "note": SHOWN_PENDING_NOTE}
    return shown | {"note": "Its outcome is in another tool message of this reply."}


def plain_content(entry: ToolCall) -> str:
    """Return the content of a tool message in the modes without futures: the value itself, or its error."""
    if entry.state is not State.DONE:
        return _dump({"error": entry.error})
    fields = value_fields(entry.value, entry.name)
    if "summarized" not in fields:
        return _dump(fields["value"])
    return _dump({"summarized": True, "value": fields["value"]})


def tool_message(call: CallId | str, content: Any) -> dict[str, Any]:
    """Return the message that answers a tool call."""
    return {"role": "tool", "tool_call_id": call, "content": content if isinstance(content, str) else _dump(content)}


def delivery_message(entries: Sequence[ToolCall]) -> dict[str, Any]:
    """Return results as a message in the person's place: for models that read them better there than in a tool message."""
    note = "From the tools, not from the person: results that became ready."
    return {
        "role": "user",
        "content": _dump({DELIVERED: [result_object(e, with_arguments=True) for e in entries], "note": note}),
    }


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


#: Made once: `json.dumps` makes an encoder for each text.
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


def _dump(value: Any) -> str:
    return encodable(_ENCODER.encode(value))


def encodable(text: str) -> str:
    """Return text with lone surrogates replaced, such as the names of files that are no text: a request cannot hold them."""
    return text.encode("utf-8", "replace").decode("utf-8")
