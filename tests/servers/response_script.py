"""The parts of scripts of the Responses API, for the `ScriptedServer`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.scripted_server import Step, Stream, cut_up


def response(*items: Sequence[Step], status: str = "completed", usage: bool = True, **fields: Any) -> Stream:
    """Return a whole response: its items, made by the functions below, and its end."""
    body = {"id": "resp_1", "object": "response", "status": status, "output": [], **fields}
    if usage:
        body["usage"] = {"input_tokens": 12, "output_tokens": 7, "total_tokens": 19}
    steps: list[Step] = [{"type": "response.created", "response": {**body, "status": "in_progress", "usage": None}}]
    for place, item in enumerate(items):
        steps += [{**step, "output_index": place} if isinstance(step, dict) else step for step in item]
    return Stream((*steps, {"type": f"response.{status}", "response": body}))


def text_item(text: str, pieces: int = 1) -> list[Step]:
    """Return the events of a message."""
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    deltas = [
        {"type": "response.output_text.delta", "item_id": "msg_1", "content_index": 0, "delta": piece}
        for piece in cut_up(text, pieces)
    ]
    part = {"type": "output_text", "text": text, "annotations": []}
    done = {**item, "status": "completed", "content": [part]}
    added = {"type": "response.output_item.added", "item": item}
    return [added, *deltas, {"type": "response.output_item.done", "item": done}]


def call_item(
    call_id: str, name: str, arguments: Mapping[str, Any] | str, pieces: int = 3, **fields: Any
) -> list[Step]:
    """Return the events of a function call."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    item = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": name, **fields}
    deltas = [
        {"type": "response.function_call_arguments.delta", "item_id": f"fc_{call_id}", "delta": piece}
        for piece in cut_up(text, pieces)
    ]
    return [
        {"type": "response.output_item.added", "item": {**item, "arguments": "", "status": "in_progress"}},
        *deltas,
        {"type": "response.function_call_arguments.done", "item_id": f"fc_{call_id}", "name": name, "arguments": text},
        {"type": "response.output_item.done", "item": {**item, "arguments": text, "status": "completed"}},
    ]


def reasoning_item(item_id: str, summary: str, encrypted: str | None = "gAAA") -> list[Step]:
    """Return the events of a reasoning item, with a summary to be shown."""
    item: dict[str, Any] = {"type": "reasoning", "id": item_id, "summary": []}
    text = {"type": "summary_text", "text": summary}
    return [
        {"type": "response.output_item.added", "item": item},
        {"type": "response.reasoning_summary_text.delta", "item_id": item_id, "summary_index": 0, "delta": summary},
        {"type": "response.output_item.done", "item": {**item, "summary": [text], "encrypted_content": encrypted}},
    ]
