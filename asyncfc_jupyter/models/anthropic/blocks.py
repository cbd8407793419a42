"""From messages in the form of Chat Completions to those of the Messages API, which are lists of blocks.

The conversation is kept in one form, which is only appended to, and converted at each request. The conversion is a fold from
left to right: a later message appends blocks and changes none, so prompt caches stay valid.

The rules of the API that the form of Chat Completions does not have:

* The system text stands apart from the messages.
* The user and the model take turns, and the user begins. Messages in a row of the same side are one, and results of tools are
  the user's: all results for one reply are in one message, before any text.
* No text is blank. A blank text of the model's is left out; that of a user is replaced, since a turn must be there.
* Ids of calls consist of letters, digits, ``_`` and ``-``. Other servers, with which a conversation may have begun, use more.
* The model's thinking, with its signature, goes back in its position among text and calls (`Reply.replay`), to the model that
  wrote it and to no other. Thinking at the end of a reply is left out: a reply may not end with it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from asyncfc_jupyter.models.base import REPLAY, Message
from asyncfc_jupyter.models.connection.lenient import number

Block = dict[str, Any]

#: The types of blocks that hold the model's thinking, as it is or encrypted.
THINKING = frozenset({"thinking", "redacted_thinking"})
#: Stands for a text of the user that is blank.
_NO_TEXT = "(empty)"
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_-]")
_HASH_CHARS = 8


def system_blocks(messages: Sequence[Message]) -> list[Block]:
    """Return the system text of a conversation."""
    texts = [message["content"] for message in messages if message["role"] == "system"]
    return [text_block(words) for words in texts if words.strip()]


def turns(messages: Sequence[Message], model: str) -> list[dict[str, Any]]:
    """Return the messages of the user and of the model in turns; a reply's thinking only for the model that wrote it."""
    taken: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "system":
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = list(_blocks(message, model))
        if blocks and not taken and role == "assistant":
            taken.append({"role": "user", "content": [text_block(_NO_TEXT)]})
        if blocks and taken and taken[-1]["role"] == role:
            taken[-1]["content"] += blocks
        elif blocks:
            taken.append({"role": role, "content": blocks})
    return taken


def tool_block(tool: Mapping[str, Any]) -> Block:
    """Return a tool of Chat Completions in the form of the Messages API, whose schemas are those of objects."""
    fields = {name: value for name, value in tool["function"].items() if value or name != "description"}
    schema = fields.pop("parameters", None) or {}
    return {**fields, "input_schema": {"type": "object", **schema}}


def tool_choice(choice: Any) -> Any:
    """Return OpenAI's form of the option ``tool_choice`` in that of the Messages API; any other as it is."""
    if isinstance(choice, str):
        return {"type": {"required": "any"}.get(choice, choice)}
    if isinstance(choice, Mapping) and isinstance(choice.get("function"), Mapping):
        return {"type": "tool", "name": choice["function"].get("name")}
    return choice


def text_block(words: str) -> Block:
    """Return a text as a block."""
    return {"type": "text", "text": words}


def _blocks(message: Message, model: str) -> Iterator[Block]:
    words = message.get("content") or ""
    match message["role"]:
        case "assistant":
            yield from _reply_blocks(message, model)
        case "tool":
            block = {"type": "tool_result", "tool_use_id": _valid_id(message["tool_call_id"])}
            yield {**block, "content": words} if words.strip() else block
        case _:
            yield text_block(words if words.strip() else _NO_TEXT)


def _reply_blocks(message: Message, model: str) -> Iterator[Block]:
    calls = {call["id"]: call for call in message.get("tool_calls") or ()}
    kept = message.get(REPLAY) or {}
    order: Sequence[Mapping[str, Any]] = kept.get("items") or () if kept.get("model") == model else ()
    texts = list(_texts(message.get("content") or "", order))
    thinking: list[Block] = []
    for item in order:
        made: Block | None = None
        if item["type"] in THINKING:
            thinking.append(dict(item))
        elif item["type"] == "text" and texts:
            made = text_block(texts.pop(0))
        elif item["type"] == "tool_use" and item.get("call_id") in calls:
            made = _call(calls.pop(item["call_id"]))
        if made is not None and made.get("text", "-").strip():
            yield from thinking
            yield made
            thinking = []
    # Among these are calls that stood in the text, and calls that were cut off: their thinking comes before them, too.
    rest = [*(text_block(words) for words in texts if words.strip()), *map(_call, calls.values())]
    yield from (*thinking, *rest) if rest else ()


def _texts(words: str, order: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the texts of a reply's blocks, of which the history holds the whole."""
    lengths = [number(item.get("chars")) or 0 for item in order if item["type"] == "text"]
    if sum(lengths) != len(words):
        yield words  # it was cut or masked: it stands in the position of the first
        return
    at = 0
    for length in lengths:
        yield words[at : at + length]
        at += length


def _call(call: Mapping[str, Any]) -> Block:
    function = call["function"]

    def finite(text: str) -> float | str:
        return float(text) if math.isfinite(float(text)) else text

    value = json.loads(function["arguments"], parse_float=finite, parse_constant=str)
    # A request holds neither a number that is too large nor half a character, which the text of the arguments may escape.
    plain = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    return {"type": "tool_use", "id": _valid_id(call["id"]), "name": function["name"], "input": json.loads(plain)}


def _valid_id(call_id: str) -> str:
    """Return an id that the API accepts: a valid one as it is, any other with a hash, so that ids that differ stay so."""
    valid = _NOT_IN_ID.sub("_", call_id)
    return valid if valid == call_id else f"{valid}_{hashlib.sha256(call_id.encode()).hexdigest()[:_HASH_CHARS]}"
