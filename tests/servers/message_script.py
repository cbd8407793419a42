"""The events of the Messages API, for scripts of the `scripted_server`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.scripted_server import Chunk, Step, Stream, cut_up

#: The events of one block, in which its index is not set yet.
Block = Sequence[Step]
USAGE = {"input_tokens": 5, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 300, "output_tokens": 1}


def message(*blocks: Block, stop: str | None = "auto", output_tokens: int = 7, **delta: Any) -> Stream:
    """Return a whole message.

    Args:
        blocks: Its blocks, as the functions below make them. A block of None's place is its position.
        stop: The stop reason, None for none; ``auto`` is ``tool_use`` after a call and ``end_turn`` otherwise.
        output_tokens: As the server counts them.
        delta: Further fields of the delta that has the stop reason.
    """
    if stop == "auto":
        stop = "tool_use" if '"tool_use"' in json.dumps(list(blocks)) else "end_turn"
    steps: list[Step] = [message_start(), {"type": "ping"}]
    for index, block in enumerate(blocks):
        steps += [{**step, "index": index} if isinstance(step, dict) else step for step in block]
    end = {"stop_reason": stop, "stop_sequence": None, **delta}
    steps.append({"type": "message_delta", "delta": end, "usage": {"output_tokens": output_tokens}})
    return Stream((*steps, {"type": "message_stop"}))


def message_start() -> Chunk:
    """Return the first event."""
    begun = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": USAGE}
    return {"type": "message_start", "message": {**begun, "stop_reason": None, "stop_sequence": None}}


def block(start: Mapping[str, Any], *deltas: Step, stop: bool = True) -> list[Step]:
    """Return the events of a block."""
    pieces: list[Step] = [
        {"type": "content_block_delta", "delta": each} if isinstance(each, dict) else each for each in deltas
    ]
    ends: list[Step] = [{"type": "content_block_stop"}] if stop else []
    return [{"type": "content_block_start", "content_block": dict(start)}, *pieces, *ends]


def text_block(words: str, pieces: int = 1) -> list[Step]:
    """Return a block of text."""
    return block(
        {"type": "text", "text": ""}, *({"type": "text_delta", "text": each} for each in cut_up(words, pieces))
    )


def call_block(call_id: str, name: str, arguments: Mapping[str, Any] | str, pieces: int = 3) -> list[Step]:
    """Return a call; without arguments, as the API sends it: with an empty piece."""
    words = arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""
    start = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    parts = itertools.chain([""], cut_up(words, pieces))
    return block(start, *({"type": "input_json_delta", "partial_json": each} for each in parts))


def thinking_block(words: str, signature: str = "c2lnbmVk", pieces: int = 2) -> list[Step]:
    """Return a block of thinking, with its signature."""
    said = ({"type": "thinking_delta", "thinking": each} for each in cut_up(words, pieces))
    start = {"type": "thinking", "thinking": "", "signature": ""}
    return block(start, *said, {"type": "signature_delta", "signature": signature})


def redacted_block(data: str) -> list[Step]:
    """Return a block of thinking that is encrypted."""
    return block({"type": "redacted_thinking", "data": data})
