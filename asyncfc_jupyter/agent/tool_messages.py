"""Writes what goes over the wire: placeholders, results and deliveries, as ordinary tool messages.

The words of the protocol and the reader of these messages are in `core.protocol`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from asyncfc_jupyter.core.futures import CallId, State
from asyncfc_jupyter.core.protocol import (
    AWAIT_FUTURE,
    DELIVERED,
    DELIVERY_NOTE,
    SHOWN_OUTCOME_NOTE,
    SHOWN_PENDING_NOTE,
    await_future_definition,
    placeholder_fields,
)
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.tools.nulls import OptionalNulls

_NULLS = OptionalNulls(await_future_definition()["function"]["parameters"])


def _as_names(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list):
        return names
    return [name.strip().removeprefix("$") if isinstance(name, str) else name for name in names]


class AwaitRequest(BaseModel):
    """The arguments of ``await_future``, read generously: a single name for a list, names with or without the dollar.

    Without names it asks for everything pending, so that the model need not list it.
    """

    model_config = ConfigDict(extra="ignore")

    futures: Annotated[list[str], BeforeValidator(_as_names)] = []
    mode: Literal["all", "any"] = "all"
    timeout_s: Annotated[float, Field(gt=0)] | None = None


def read_await(arguments: Mapping[str, Any]) -> AwaitRequest | str:
    """Return what an ``await_future`` call asks for, or one line that says why its arguments are invalid."""
    try:
        return AwaitRequest.model_validate(_NULLS.without(dict(arguments)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "arguments"
        return f'{AWAIT_FUTURE} cannot take these arguments: {where}: {first["msg"]}; write {{"futures": ["f1"]}}.'


def result_object(call: ToolCall, *, with_arguments: bool = False, withheld: bool = False) -> dict[str, Any]:
    """Return the object that stands for a future in a tool message, in any state.

    Args:
        call: The future's call.
        with_arguments: Whether the arguments are repeated: the call itself may be many messages before.
        withheld: Whether it is shown as pending although it has settled.
    """
    status = "pending" if withheld else call.status
    shown: dict[str, Any] = {"future": call.name, "tool": call.tool}
    if with_arguments:
        shown["arguments"] = dict(call.arguments)
    shown["status"] = status
    if call.same_as is not None:
        shown["same_call_as"] = call.same_as
    if status == "pending":
        return shown | placeholder_fields(call.name)
    if status == "done":
        return shown | call.shown
    return shown | {"error": call.error}


def results(calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    """Return the objects of several futures, with their arguments."""
    return [result_object(call, with_arguments=True) for call in calls]


def shown_already(call: ToolCall, *, withheld: bool = False) -> dict[str, Any]:
    """Return the object that stands for a future that another message of the same reply shows.

    Args:
        call: The future's call.
        withheld: Whether it is shown as pending although it has settled.
    """
    shown = {"future": call.name, "tool": call.tool}
    if withheld or not call.settled:
        return shown | {"status": "pending", "note": SHOWN_PENDING_NOTE}
    return shown | {"note": SHOWN_OUTCOME_NOTE}


def plain_content(call: ToolCall) -> str:
    """Return the content of a tool message in the modes without futures: the value itself, or its error."""
    if call.state is not State.DONE:
        return _dump({"error": call.error})
    fields = call.shown
    return _dump({"summarized": True, "value": fields["value"]} if "summarized" in fields else fields["value"])


def tool_message(call_id: CallId | str, content: Any) -> dict[str, Any]:
    """Return the message that answers a tool call."""
    text = content if isinstance(content, str) else _dump(content)
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def delivery_message(calls: Iterable[ToolCall]) -> dict[str, Any]:
    """Return results as a message in the user's place, for models that read them better there than in a tool message."""
    return {"role": "user", "content": _dump({DELIVERED: results(calls), "note": DELIVERY_NOTE})}


def call_message(call_id: str, name: str, arguments_json: str) -> dict[str, Any]:
    """Return a tool call as it stands in an assistant message."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": encodable(arguments_json)}}


def assistant_message(text: str, calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the model's reply as it goes into the history."""
    content = encodable(text)
    if calls:
        return {"role": "assistant", "content": content or None, "tool_calls": [dict(call) for call in calls]}
    return {"role": "assistant", "content": content}


#: Made once: `json.dumps` makes an encoder for each text.
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


def _dump(value: Any) -> str:
    return encodable(_ENCODER.encode(value))


def encodable(text: str) -> str:
    """Return a text with lone surrogates replaced: file names that are not UTF-8 hold some, and a request cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
