"""Asynchronous tools of the Responses API (``"async": true``), with this package's scheduler, references and ordering.

The conversation holds a placeholder for a call that has not finished. Here the placeholder becomes the API's own form: the call
is in the input without an output, marked ``"async": true``, and its ``function_call_output`` follows where the conversation
delivers the value. That may be another tool message, the answer to an ``await_future``, a message that the layer writes in the
user's place, or the end gate, whose own call is not sent at all. The model needs no note about placeholders. Names, references
and ``await_future`` stay as they are: the API has none of them.

A call stays open only if the server itself marked it as asynchronous in its reply. Many servers ignore fields that they do not
know: for such a server an open call is one that was never answered, and its model makes it again. So the mark is kept with the
reply, and the placeholder of a call without it is sent as its output. This serves a server that marks some calls only, too, and
replies of another model. A server that marks none in a reply is sent the tools without ``async`` from then on; one that refuses
asynchronous tools is sent no asynchronous calls either. Both with a warning.

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
from asyncfc_jupyter.models.base import REPLAY, CallDelta, Delta, Finish, Message
from asyncfc_jupyter.models.connection.adapter import Read
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from asyncfc_jupyter.models.openai.responses_items import Item, input_items, message_items, output_item
from asyncfc_jupyter.notices import notify

_ASYNC = "async"
_REFUSED = re.compile(r"\basync(hronous)?\b|no tool output (was )?found", re.IGNORECASE)


class OpenAINative(OpenAIResponses):
    """A model whose tools are asynchronous at the server, too; the arguments are those of `OpenAIResponses`."""

    patterns: ClassVar[Mapping[str, re.Pattern[str]]] = {_ASYNC: _REFUSED}

    #: Whether the server has made calls without marking one.
    _ignored = False

    @property
    def is_native(self) -> bool:
        """Whether the server has accepted asynchronous tools so far."""
        return not (self._ignored or _ASYNC in self._refused)

    def _reader(self) -> Read:
        read, marked = super()._reader(), self.async_calls
        named = False

        def watch(event: Any) -> Iterator[Delta]:
            nonlocal named
            ended = False
            for delta in read(event):
                named = named or (isinstance(delta, CallDelta) and (delta.name or AWAIT_FUTURE) != AWAIT_FUTURE)
                ended = ended or isinstance(delta, Finish)
                yield delta
            if ended and named and self.is_native and self.async_calls == marked:
                self._ignored = True
                notify(
                    f"{self._address} takes asynchronous tools, but makes ordinary calls: pending calls are answered by "
                    "placeholders from now on; set api to responses (--api responses)."
                )

        return watch

    def _input(self, messages: Sequence[Message], refused: frozenset[str]) -> list[Item]:
        return input_items(messages, self.name) if _ASYNC in refused else list(native_items(messages, self.name))

    def _tools(self, tools: Sequence[Mapping[str, Any]], refused: frozenset[str]) -> list[Item]:
        flat = super()._tools(tools, refused)
        if self._ignored or _ASYNC in refused:
            return flat
        return [tool if tool["name"] == AWAIT_FUTURE else {**tool, _ASYNC: True} for tool in flat]


def native_items(messages: Sequence[Message], model: str) -> Iterator[Item]:
    """Yield the messages as input items, each output where its value is delivered.

    Like `input_items` a fold: further messages add items and change none.
    """
    calls: dict[str, Item] = {}
    open_calls: dict[str, str] = {}
    for message in messages:
        if message["role"] == "tool":
            yield from _answer(message, calls, open_calls)
        elif delivered := read_delivery(message):
            outputs = list(_outputs(delivered, open_calls))
            yield from outputs
            if len(outputs) < len(delivered):  # else every result became an output
                yield from message_items(message, model)
        else:
            kept = message.get(REPLAY) or {}
            items = kept.get("items") or () if kept.get("model") == model else ()
            marked = {item.get("call_id") for item in items if item.get(_ASYNC) is True}
            for item in message_items(message, model):
                if item["type"] == "function_call":
                    is_async = item["call_id"] in marked and item["name"] != AWAIT_FUTURE
                    made = calls[item["call_id"]] = {**item, _ASYNC: True} if is_async else item
                    if not item["call_id"].startswith(
                        GATE_ID
                    ):  # the layer's own call is sent with its answer, if at all
                        yield made
                else:
                    yield item


def _answer(message: Message, calls: Mapping[str, Item], open_calls: dict[str, str]) -> Iterator[Item]:
    """Yield the outputs that a tool message brings; remember the call that it leaves open.

    What it says of futures whose calls are not open stays in its own text.
    """
    call_id, text = message["tool_call_id"], text_of(message)
    content = decode(text)
    call = calls.get(call_id, {})
    if call.get("name") == AWAIT_FUTURE:
        others = [report.fields for report in read_reports(content) if not _closes(report, open_calls)]
        if not call_id.startswith(GATE_ID):
            yield output_item(call_id, text)
        elif others:
            yield call
            yield output_item(call_id, json.dumps(others, ensure_ascii=False))
        yield from _outputs(read_reports(content), open_calls)
        return
    own = read_report(content)
    if own is None or not own.is_complete:
        yield output_item(call_id, text)
        return
    delivered = list(read_reports(own.fields.get(DELIVERED)))
    others = [report.fields for report in delivered if not _closes(report, open_calls)]
    if own.status != "pending":
        pending = own.fields.get(STILL_PENDING)
        closed = [name for name in pending if str(name) not in open_calls] if isinstance(pending, list) else pending
        rest = {DELIVERED: others, STILL_PENDING: closed}
        fields = {key: rest.get(key, value) for key, value in own.fields.items() if rest.get(key, True)}
        yield output_item(call_id, json.dumps(fields, ensure_ascii=False))
    elif call.get(_ASYNC) and own.tool == call["name"] and own.is_placeholder and not others:
        open_calls[own.future] = call_id
    else:
        yield output_item(call_id, text)
    yield from _outputs(delivered, open_calls)


def _closes(report: FutureReport, open_calls: Mapping[str, str]) -> bool:
    """Return whether a report is the output of an open call."""
    return report.is_complete and report.status != "pending" and report.future in open_calls


def _outputs(reports: Iterable[FutureReport], open_calls: dict[str, str]) -> Iterator[Item]:
    """Yield the outputs of the open calls that these reports are about, and close them."""
    for report in reports:
        if _closes(report, open_calls):
            fields = {key: value for key, value in report.fields.items() if key != "arguments"}
            yield output_item(open_calls.pop(report.future), json.dumps(fields, ensure_ascii=False))
