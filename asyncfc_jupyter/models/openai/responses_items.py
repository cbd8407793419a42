"""From messages in the form of Chat Completions to the input items of the Responses API.

The conversation is kept in one form, which is only appended to, and converted at each request. The conversion is a fold
from left to right: what more messages follow never changes an item that stands already, so prompt caches stay warm.

A reply of a reasoning model goes back in its own order: its reasoning items stand where they stood among its text and
calls (`Reply.replay`), since the API wants each before the item that came of it. Reasoning of another model is left out,
and so is one that the server gave without its content: it could only be found by an id, and nothing is stored there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asyncfc_jupyter.models.base import REPLAY, Message
from asyncfc_jupyter.models.openai.lenient import text

Item = dict[str, Any]


def input_items(messages: Sequence[Message], model: str) -> list[Item]:
    """Return the messages as input items; a reply's reasoning only for the model that wrote it."""
    return [item for message in messages for item in message_items(message, model)]


def message_items(message: Message, model: str) -> Iterator[Item]:
    """Yield the items of one message."""
    match message["role"]:
        case "tool":
            yield {
                "type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"],
            }  # fmt: skip
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


def function_tool(tool: Mapping[str, Any]) -> Item:
    """Return a tool of Chat Completions in the flat form of the Responses API.

    Not strict unless it says so: the API would rewrite the schema of optional parameters otherwise.
    """
    return {"type": "function", "strict": False, **tool["function"]}


def kept_item(item: Mapping[str, Any]) -> Item | None:
    """Return what to keep of an item of a reply, to put the reply back in its order; None for what cannot go back."""
    match item.get("type"):
        case "reasoning" if item.get("encrypted_content") or item.get("content"):
            fields = ("id", "summary", "content", "encrypted_content")
            kept = {name: item[name] for name in fields if item.get(name) is not None}
            return {"type": "reasoning", "summary": [], **kept}
        case "message":
            return {"type": "message"}
        case "function_call":
            return {"type": "function_call", "call_id": text(item.get("call_id"))}
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
            # Of several messages, whose texts are one here, in the place of the first.
            made, words = _text_item(words), None
        elif item["type"] == "function_call" and item.get("call_id") in calls:
            made = call_item(calls.pop(item["call_id"]))
        if made is not None:
            yield from pending
            yield made
            pending = []
    # Reasoning that nothing came of, as when the reply was cut off, is refused: it stays out.
    if words:
        yield _text_item(words)
    yield from map(call_item, calls.values())


def _text_item(words: str) -> Item:
    return {"type": "message", "role": "assistant", "content": words}
