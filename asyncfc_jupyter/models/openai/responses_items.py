"""From messages in the form of Chat Completions to the input items of the Responses API.

The conversation is kept in one form, which is only appended to, and converted at each request. The conversion is a fold from
left to right: later messages never change an earlier item, so prompt caches stay valid.

A reply of a reasoning model is sent back in its own order, with the reasoning items among its text and calls (`Reply.replay`):
the API requires each before the item that it led to. Reasoning of another model is left out. So is reasoning without its
content: it could only be found by its id at the server, which stores nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asyncfc_jupyter.models.base import REPLAY, Message
from asyncfc_jupyter.models.connection.lenient import text

Item = dict[str, Any]


def input_items(messages: Sequence[Message], model: str) -> list[Item]:
    """Return the messages as input items; a reply's reasoning only for the model that wrote it."""
    return [item for message in messages for item in message_items(message, model)]


def message_items(message: Message, model: str) -> Iterator[Item]:
    """Yield the items of one message."""
    match message["role"]:
        case "tool":
            yield output_item(message["tool_call_id"], message["content"])
        case "assistant":
            yield from _reply_items(message, model)
        case role:
            yield {"type": "message", "role": role, "content": message["content"]}


def call_item(call: Mapping[str, Any]) -> Item:
    """Return a tool call as an item."""
    function = call["function"]
    return {
        "type": "function_call", "call_id": call["id"], "name": function["name"], "arguments": function["arguments"],
    }  # fmt: skip


def output_item(call_id: str, text: str) -> Item:
    """Return the output of a tool call as an item."""
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def function_tool(tool: Mapping[str, Any]) -> Item:
    """Return a tool of Chat Completions in the flat form of the Responses API.

    Not strict unless it says so: the API would rewrite the schema of optional parameters otherwise.
    """
    return {"type": "function", "strict": False, **tool["function"]}


def kept_item(item: Mapping[str, Any]) -> Item | None:
    """Return what to keep of an item of a reply, to send the reply back in its order; None for what cannot be sent back."""
    match item.get("type"):
        case "reasoning" if item.get("encrypted_content") or item.get("content"):
            fields = ("id", "summary", "content", "encrypted_content")
            kept = {name: item[name] for name in fields if item.get(name) is not None}
            return {"type": "reasoning", "summary": [], **kept}
        case "message":
            return {"type": "message"}
        case "function_call":
            marked = {"async": True} if item.get("async") is True else {}
            return {"type": "function_call", "call_id": text(item.get("call_id")), **marked}
    return None


def _reply_items(message: Message, model: str) -> Iterator[Item]:
    calls = {call["id"]: call for call in message.get("tool_calls") or ()}
    words = message.get("content")
    kept = message.get(REPLAY) or {}
    order: Sequence[Mapping[str, Any]] = kept.get("items") or () if kept.get("model") == model else ()
    pending: list[Item] = []
    for item in order:
        if item["type"] == "reasoning":
            pending.append(dict(item))
            continue
        made: Item | None = None
        if item["type"] == "message" and words:
            # Here the texts of several messages are one, at the position of the first.
            made, words = {"type": "message", "role": "assistant", "content": words}, None
        elif item["type"] == "function_call" and item.get("call_id") in calls:
            made = call_item(calls.pop(item["call_id"]))
        if made is not None:
            yield from pending
            yield made
            pending = []
    if words:
        yield {"type": "message", "role": "assistant", "content": words}
    # Reasoning without a following item, as in a reply that was cut off, would be refused: it is left out. A message without a
    # text was a call that stood there.
    if order and order[-1]["type"] == "message" and calls:
        yield from pending
    yield from map(call_item, calls.values())
