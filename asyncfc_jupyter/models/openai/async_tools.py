"""Asynchronous tools of the Responses API (``"async": true``), with this package's scheduler, references and ordering.

The conversation still holds a placeholder for a call that has not finished. Here it becomes what the API has for it: the
call stands in the input without an output, marked ``"async": true``, and its ``function_call_output`` follows where the
conversation delivers the value: with another tool message, in the answer to an ``await_future``, in a message that the
layer writes in the person's place, or at the end gate, whose own call is not sent at all. The model needs no note that a
placeholder is none. Names, references and ``await_future`` stay as they are: the API has none of them.

A server or model that refuses asynchronous tools is sent placeholders from then on, with a warning.

What is known of this API, and from where: openai-python 3.57 has ``async: bool`` on ``FunctionToolParam`` and on
``ResponseFunctionToolCallParam`` ("Whether the function tool call runs asynchronously", ``response_function_tool_call.py``);
OpenAI's newest models have it since September 2026. What could not be tried, for want of a key: a server of OpenAI's
itself. That a call may stand without an output while others go on, that its output may come later by its call id, and
how a refusal sounds (``_REFUSED``) are read from those types alone; the scripted server of the tests behaves so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asyncfc_jupyter.models.base import Message
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from asyncfc_jupyter.models.openai.responses_items import Item, input_items, message_items

_ASYNC = "async"
#: The one tool whose answer the model does wait for.
_AWAIT = "await_future"
#: Prefix of the ids of the calls that the layer adds to a reply itself.
_GATE_ID = "asyncfc_gate_"
#: How the layer's own words begin where it answers a call by a placeholder, and where it speaks in the person's place.
_PLACEHOLDER_NOTE = "Not the result."
_DELIVERY = '{"delivered": '
_NAME = re.compile(r"f[1-9]\d*")
_STATUSES = ("pending", "done", "failed", "timeout", "cancelled", "skipped")
_REFUSED = re.compile(r"\basync(hronous)?\b|no tool output (was )?found", re.IGNORECASE)


class OpenAINative(OpenAIResponses):
    """A model whose tools are asynchronous at the server, too; the arguments are those of `OpenAIResponses`."""

    @property
    def is_native(self) -> bool:
        """Whether the server has taken asynchronous tools so far."""
        return _ASYNC not in self._line.refused

    def _input(self, messages: Sequence[Message], refused: frozenset[str]) -> list[Item]:
        return input_items(messages, self.name) if _ASYNC in refused else list(native_items(messages, self.name))

    def _tools(self, tools: Sequence[Mapping[str, Any]], refused: frozenset[str]) -> list[Item]:
        flat = super()._tools(tools, refused)
        if _ASYNC in refused:
            return flat
        return [tool if tool["name"] == _AWAIT else {**tool, _ASYNC: True} for tool in flat]

    def _patterns(self) -> dict[str, re.Pattern[str] | None]:
        return {_ASYNC: _REFUSED}


def native_items(messages: Sequence[Message], model: str) -> Iterator[Item]:
    """Yield the messages as input items, each output where its value is delivered.

    Like `input_items` a fold: further messages add items and change none.
    """
    names: dict[str, str] = {}
    open_calls: dict[str, str] = {}
    for message in messages:
        if message["role"] == "tool":
            yield from _answer(message, names, open_calls)
        elif (delivered := _delivered(message)) is not None:
            outputs = list(_outputs(delivered, open_calls))
            yield from outputs
            if len(outputs) < len(delivered):  # else nothing is left to be said in the person's place
                yield from message_items(message, model)
        else:
            for item in message_items(message, model):
                if item["type"] != "function_call":
                    yield item
                    continue
                names[item["call_id"]] = item["name"]
                if item["name"] != _AWAIT:
                    yield {**item, _ASYNC: True}
                elif not item["call_id"].startswith(_GATE_ID):
                    yield item


def _answer(message: Message, names: Mapping[str, str], open_calls: dict[str, str]) -> Iterator[Item]:
    """Yield the outputs that a tool message brings; remember the call that it leaves open."""
    call_id = message["tool_call_id"]
    content = _decoded(message["content"])
    name = names.get(call_id)
    if name == _AWAIT:
        if not call_id.startswith(_GATE_ID):
            yield _output(call_id, message["content"])
        yield from _outputs(content, open_calls)
    elif not _is_told(content):
        yield _output(call_id, message["content"])
    else:
        if content["status"] != "pending":
            own = {key: value for key, value in content.items() if key not in {"delivered", "still_pending"}}
            yield _output(call_id, own)
        elif content.get("tool") == name and str(content.get("note")).startswith(_PLACEHOLDER_NOTE):
            open_calls[content["future"]] = call_id
        else:
            yield _output(call_id, message["content"])
        yield from _outputs(content.get("delivered"), open_calls)


def _outputs(results: Any, open_calls: dict[str, str]) -> Iterator[Item]:
    """Yield the outputs of the open calls among those that a list of results is about, and close them."""
    for result in results if isinstance(results, list) else ():
        if _is_told(result) and result["status"] != "pending" and result["future"] in open_calls:
            own = {name: value for name, value in result.items() if name != "arguments"}
            yield _output(open_calls.pop(result["future"]), own)


def _is_told(content: Any) -> bool:
    """Return whether this is what the layer says of a future; a tool of the plain modes may return anything."""
    return (
        isinstance(content, Mapping)
        and _NAME.fullmatch(str(content.get("future"))) is not None
        and isinstance(content.get("tool"), str)
        and content.get("status") in _STATUSES
        and bool({"value", "error"} & content.keys())
        and isinstance(content.get("delivered", []), list)
    )


def _delivered(message: Message) -> list[Any] | None:
    """Return the results in a message that the layer wrote in the person's place, if it is one."""
    if message["role"] != "user" or not str(message["content"]).startswith(_DELIVERY):
        return None
    content = _decoded(message["content"])
    results = content.get("delivered") if isinstance(content, Mapping) else None
    return results if isinstance(results, list) and results and all(map(_is_told, results)) else None


def _output(call_id: str, content: Any) -> Item:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def _decoded(content: Any) -> Any:
    try:
        return json.loads(content)
    except (TypeError, ValueError, RecursionError):
        return None
