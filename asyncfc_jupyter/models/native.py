"""Asynchronous tools of the Responses API (``"async": true``), with this package's scheduler, references and ordering.

The conversation still holds a placeholder for a call that has not finished. Here it becomes what the API has for it: the
call stands in the input without an output, marked ``"async": true``, and its ``function_call_output`` follows where the
conversation delivers the value: with another tool message, in the answer to an ``await_future``, or at the end gate,
whose own call is not sent at all. The model needs no note that a placeholder is none. Names, references and
``await_future`` stay as they are: the API has none of them.

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
from asyncfc_jupyter.models.items import Item, input_items, message_items
from asyncfc_jupyter.models.responses import OpenAIResponses

_ASYNC = "async"
#: The one tool whose answer the model does wait for.
_AWAIT = "await_future"
#: Prefix of the ids of the calls that the layer adds to a reply itself.
_GATE_ID = "asyncfc_gate_"
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
    open_calls: dict[str, str] = {}
    awaits: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            yield from _answer(message, open_calls, awaits)
            continue
        for item in message_items(message, model):
            if item["type"] != "function_call":
                yield item
            elif item["name"] == _AWAIT:
                awaits.add(item["call_id"])
                if not item["call_id"].startswith(_GATE_ID):
                    yield item
            else:
                yield {**item, _ASYNC: True}


def _answer(message: Message, open_calls: dict[str, str], awaits: set[str]) -> Iterator[Item]:
    """Yield the outputs that a tool message brings; remember the call that it leaves open."""
    call_id = message["tool_call_id"]
    content = _decoded(message["content"])
    if call_id in awaits:
        shown = [result for result in content if isinstance(result, Mapping)] if isinstance(content, list) else []
        if not call_id.startswith(_GATE_ID):
            yield _output(call_id, message["content"])
    elif isinstance(content, Mapping) and content.get("future"):
        own = {name: value for name, value in content.items() if name not in {"delivered", "still_pending"}}
        if content.get("status") == "pending":
            open_calls[content["future"]] = call_id
        else:
            yield _output(call_id, own)
        shown = list(content.get("delivered") or ())
    else:
        yield _output(call_id, message["content"])
        shown = []
    for result in shown:
        waiting = open_calls.get(result.get("future", ""))
        if waiting is not None and result.get("status", "pending") != "pending":
            del open_calls[result["future"]]
            yield _output(waiting, {name: value for name, value in result.items() if name != "arguments"})


def _output(call_id: str, content: Any) -> Item:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def _decoded(content: Any) -> Any:
    try:
        return json.loads(content)
    except (TypeError, ValueError):
        return None
