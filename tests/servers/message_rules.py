"""The rules of the Messages API for a request, as far as its documentation and its refusals say them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

_ID, _NAME = re.compile(r"[A-Za-z0-9_-]+"), re.compile(r"[A-Za-z0-9_-]{1,64}")
_THINKING = {"thinking": {"type", "thinking", "signature"}, "redacted_thinking": {"type", "data"}}
_MOST_MARKS = 4
_OF_TOOLS = {"name", "description", "input_schema", "cache_control", "eager_input_streaming", "strict"}
_MARK = {"type": "ephemeral"}


def broken_rules(body: Mapping[str, Any]) -> list[str]:
    """Return what the API would say against a request; nothing for a valid one."""
    return list(_broken(body))


def _broken(body: Mapping[str, Any]) -> Iterator[str]:
    json.dumps(body, allow_nan=False, ensure_ascii=False).encode()  # raises for what no request can hold
    messages, system, tools = body["messages"], body.get("system", []), body.get("tools", [])
    yield from _broken_by_turns(messages)
    yield from (rule for block in system for rule in _broken_by(block, "user"))
    if body["max_tokens"] < 1:
        yield "max_tokens is at least 1"
    if len({tool["name"] for tool in tools}) < len(tools) or ("tools" in body and not tools):
        yield "the names of tools differ"
    if any(tool["input_schema"].get("type") != "object" or tool.keys() - _OF_TOOLS for tool in tools):
        yield "a tool has the schema of an object, and no unknown field"
    if "tool_choice" in body and (not tools or body["tool_choice"]["type"] not in {"auto", "any", "tool", "none"}):
        yield "tool_choice is one of four, for tools"
    marked = [*tools, *system, *(block for message in messages for block in message["content"])]
    if sum("cache_control" in block for block in marked) > _MOST_MARKS:
        yield "at most four marks for the cache"


def _broken_by_turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not messages or messages[0]["role"] != "user" or messages[-1]["role"] != "user":
        yield "the user begins, and has the last word"
    if any(earlier["role"] == later["role"] for earlier, later in pairwise(messages)):
        yield "the user and the model take turns"
    ids: list[str] = []
    for number, message in enumerate(messages):
        blocks = message["content"]
        if not blocks:
            yield f"message {number}: is empty"
            continue
        for block in blocks:
            yield from (f"message {number}: {rule}" for rule in _broken_by(block, message["role"]))
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if set(asked) & set(ids) or len(set(asked)) < len(asked):
            yield f"message {number}: an id is used twice"
        ids += asked
        if message["role"] == "assistant" and blocks[-1]["type"] in _THINKING:
            yield f"message {number}: ends with thinking"
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if any(block["type"] != "tool_result" for block in blocks[: len(answered)]):
            yield f"message {number}: results come first"
        before = messages[number - 1]["content"] if number else []
        if sorted(answered) != sorted(block["id"] for block in before if block["type"] == "tool_use"):
            yield f"message {number}: each call is answered once, in the next message"


def _broken_by(block: Mapping[str, Any], role: str) -> Iterator[str]:
    fields = block.keys() - {"cache_control"}
    if block.get("cache_control", _MARK) != _MARK:
        yield "a mark for the cache is ephemeral"
    match block["type"]:
        case "text":
            if fields != {"type", "text"} or not block["text"].strip():
                yield "a text is blank"
        case "tool_use" if role == "assistant":
            valid = _ID.fullmatch(block["id"]) and _NAME.fullmatch(block["name"]) and isinstance(block["input"], dict)
            if fields != {"type", "id", "name", "input"} or not valid:
                yield "a call is invalid"
        case "tool_result" if role == "user":
            if fields - {"content"} != {"type", "tool_use_id"} or block.get("content", "-") == "":
                yield "a result is invalid"
        case "thinking" | "redacted_thinking" as kind if role == "assistant":
            if fields != _THINKING[kind] or "cache_control" in block:
                yield "thinking is not as it came"
        case kind:
            yield f"a block {kind} from the {role}"
