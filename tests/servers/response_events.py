"""The Responses API from the server's side: a request read as one of Chat Completions, a reply written as its events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, Finish, TextDelta, Usage

Event = dict[str, Any]


def chat_request(body: Mapping[str, Any]) -> ChatRequest:
    """Return a request's input and tools in the form of Chat Completions."""
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    tools = [
        {"type": "function", "function": {"name": tool["name"], "parameters": tool.get("parameters")}}
        for tool in body.get("tools", ())
        if tool["type"] == "function"
    ]
    return ChatRequest(messages=list(_messages(items)), tools=tools)


def _messages(items: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield messages; the model's text and calls up to the first output are one message."""
    reply: dict[str, Any] | None = None
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call" or (kind == "message" and item["role"] == "assistant"):
            reply = reply or {"role": "assistant", "content": "", "tool_calls": []}
            if kind == "message":
                reply["content"] += _text(item["content"])
            else:
                function = {"name": item["name"], "arguments": item["arguments"]}
                reply["tool_calls"].append({"id": item["call_id"], "type": "function", "function": function})
            continue
        if reply is not None:
            yield reply
            reply = None
        if kind == "function_call_output":
            yield {"role": "tool", "tool_call_id": item["call_id"], "content": _text(item["output"])}
        elif kind == "message":
            yield {"role": item["role"], "content": _text(item["content"])}
    if reply is not None:
        yield reply


def _text(content: str | Iterable[Mapping[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(str(part.get("text", "")) for part in content)


class ResponseEvents:
    """A reply in the form of the Responses API."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._number = 0
        self._begun = False
        self._items: list[Event] = []
        #: The last item, which is being written.
        self._open: Event | None = None
        self._usage: Event | None = None

    def events(self, delta: Delta) -> list[Event]:
        """Return the events of a delta. A call is done with the piece that closes its JSON, as it is at OpenAI's."""
        return [self._numbered(event) for event in self._of(delta)]

    def end(self) -> list[Event]:
        """Return the last events."""
        return [self._numbered({"type": "response.completed", "response": self.whole})]

    @property
    def whole(self) -> Event:
        """The reply as one object."""
        return self._response("completed")

    def _of(self, delta: Delta) -> Iterator[Event]:
        if not self._begun:
            self._begun = True
            yield {"type": "response.created", "response": self._response("in_progress")}
        match delta:
            case TextDelta(text=text):
                yield from self._said(text)
            case CallDelta(call_id=call_id, name=name, arguments=arguments):
                yield from self._called(call_id, name, str(arguments or ""))
            case Finish():
                yield from self._close()
            case Usage(input_tokens=given, output_tokens=made):
                details = {
                    "input_tokens_details": {"cached_tokens": 0},
                    "output_tokens_details": {"reasoning_tokens": 0},
                }
                self._usage = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made, **details}

    def _said(self, text: str) -> Iterator[Event]:
        if self._open is None or self._open["type"] != "message":
            yield from self._close()
            item = {"type": "message", "id": f"msg_{len(self._items)}", "role": "assistant", "content": []}
            yield self._added(item)
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            yield self._at("response.content_part.added", content_index=0, part=part.copy())
            item["content"] = [part]
        self._last["content"][0]["text"] += text
        yield self._at("response.output_text.delta", content_index=0, delta=text, logprobs=[])

    def _called(self, call_id: str | None, name: str | None, piece: str) -> Iterator[Event]:
        if call_id:
            yield from self._close()
            item = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name, "arguments": ""}
            yield self._added(item)
        if piece:
            self._last["arguments"] += piece
            yield self._at("response.function_call_arguments.delta", delta=piece)
        if _is_whole(self._last["arguments"]):
            yield from self._close()

    def _added(self, item: Event) -> Event:
        self._items.append(item)
        self._open = item
        item["status"] = "in_progress"
        return {"type": "response.output_item.added", "output_index": len(self._items) - 1, "item": dict(item)}

    def _close(self) -> Iterator[Event]:
        item, self._open = self._open, None
        if item is None:
            return
        item["status"] = "completed"
        if item["type"] == "message":
            part = item["content"][0]
            yield self._at("response.output_text.done", content_index=0, text=part["text"], logprobs=[])
            yield self._at("response.content_part.done", content_index=0, part=part)
        else:
            arguments, name = item["arguments"], item["name"]
            yield self._at("response.function_call_arguments.done", arguments=arguments, name=name)
        yield {"type": "response.output_item.done", "output_index": len(self._items) - 1, "item": item}

    def _at(self, kind: str, **fields: Any) -> Event:
        return {"type": kind, "item_id": self._last["id"], "output_index": len(self._items) - 1, **fields}

    @property
    def _last(self) -> Event:
        return self._items[-1]

    def _numbered(self, event: Event) -> Event:
        self._number += 1
        return {**event, "sequence_number": self._number}

    def _response(self, status: str) -> Event:
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 0,
            "model": self._model,
            "status": status,
            "output": [] if status == "in_progress" else self._items,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "temperature": None,
            "top_p": None,
            "usage": self._usage,
        }


def _is_whole(arguments: str) -> bool:
    if not arguments.endswith("}"):
        return False
    try:
        json.loads(arguments)
    except ValueError:
        return False
    return True
