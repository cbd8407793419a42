"""Asynchronous tools of the Responses API (``"async": true``), with this package's scheduler, references and ordering.

The conversation holds a placeholder for a call that has not finished. Here the placeholder becomes the API's own form: the call
is in the input without an output, marked ``"async": true``, and its ``function_call_output`` follows where the conversation
delivers the value. That may be another tool message, the answer to an ``await_future``, a message that the layer writes in the
user's place, or the end gate, whose own call is not sent at all. The model needs no note about placeholders. Names, references
and ``await_future`` stay as they are: the API has none of them.

A server or model that refuses asynchronous tools is sent placeholders from then on, with a warning.

What is known of this API, and from where: openai-python 3.57 has ``async: bool`` on ``FunctionToolParam`` and on
``ResponseFunctionToolCallParam`` ("Whether the function tool call runs asynchronously", ``response_function_tool_call.py``);
OpenAI's newest models have it since September 2026. It could not be tried with a server of OpenAI's, for want of a key. Three
facts come from those types alone: that a call may be without an output while others run, that its output may come later by its
call id, and how a refusal is worded (``_REFUSED``). The scripted server of the tests behaves so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from asyncfc_jupyter.core.protocol import (
    AWAIT_FUTURE,
    DELIVERED,
    GATE_ID,
    STILL_PENDING,
    FutureReport,
    decode,
    read_delivery,
    read_report,
    read_reports,
    text_of,
)
from asyncfc_jupyter.models.base import Message
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from asyncfc_jupyter.models.openai.responses_items import Item, input_items, message_items, output_item

_ASYNC = "async"
_REFUSED = re.compile(r"\basync(hronous)?\b|no tool output (was )?found", re.IGNORECASE)


class OpenAINative(OpenAIResponses):
    """A model whose tools are asynchronous at the server, too; the arguments are those of `OpenAIResponses`."""

    patterns: ClassVar[Mapping[str, re.Pattern[str]]] = {_ASYNC: _REFUSED}

    @property
    def is_native(self) -> bool:
        """Whether the server has accepted asynchronous tools so far."""
        return _ASYNC not in self._refused

    def _input(self, messages: Sequence[Message], refused: frozenset[str]) -> list[Item]:
        return input_items(messages, self.name) if _ASYNC in refused else list(native_items(messages, self.name))

    def _tools(self, tools: Sequence[Mapping[str, Any]], refused: frozenset[str]) -> list[Item]:
        flat = super()._tools(tools, refused)
        if _ASYNC in refused:
            return flat
        return [tool if tool["name"] == AWAIT_FUTURE else {**tool, _ASYNC: True} for tool in flat]


def native_items(messages: Sequence[Message], model: str) -> Iterator[Item]:
    """Yield the messages as input items, each output where its value is delivered.

    Like `input_items` a fold: further messages add items and change none.
    """
    names: dict[str, str] = {}
    open_calls: dict[str, str] = {}
    for message in messages:
        if message["role"] == "tool":
            yield from _answer(message, names, open_calls)
        elif delivered := read_delivery(message):
            outputs = list(_outputs(delivered, open_calls))
            yield from outputs
            if len(outputs) < len(delivered):  # else every result became an output
                yield from message_items(message, model)
        else:
            for item in message_items(message, model):
                if item["type"] != "function_call":
                    yield item
                    continue
                names[item["call_id"]] = item["name"]
                if item["name"] != AWAIT_FUTURE:
                    yield {**item, _ASYNC: True}
                elif not item["call_id"].startswith(GATE_ID):
                    yield item


def _answer(message: Message, names: Mapping[str, str], open_calls: dict[str, str]) -> Iterator[Item]:
    """Yield the outputs that a tool message brings; remember the call that it leaves open."""
    call_id, text = message["tool_call_id"], text_of(message)
    content = decode(text)
    name = names.get(call_id)
    if name == AWAIT_FUTURE:
        if not call_id.startswith(GATE_ID):
            yield output_item(call_id, text)
        yield from _outputs(read_reports(content), open_calls)
        return
    own = read_report(content)
    if own is None or not own.is_complete:
        yield output_item(call_id, text)
        return
    if own.status != "pending":
        fields = {key: value for key, value in own.fields.items() if key not in {DELIVERED, STILL_PENDING}}
        yield output_item(call_id, json.dumps(fields, ensure_ascii=False))
    elif own.tool == name and own.is_placeholder:
        open_calls[own.future] = call_id
    else:
        yield output_item(call_id, text)
    yield from _outputs(read_reports(own.fields.get(DELIVERED)), open_calls)


def _outputs(reports: Iterable[FutureReport], open_calls: dict[str, str]) -> Iterator[Item]:
    """Yield the outputs of the open calls that these reports are about, and close them."""
    for report in reports:
        if report.is_complete and report.status != "pending" and report.future in open_calls:
            fields = {key: value for key, value in report.fields.items() if key != "arguments"}
            yield output_item(open_calls.pop(report.future), json.dumps(fields, ensure_ascii=False))
