"""A loop written by hand with openai-python: the calls of a reply one by one, or gathered."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Any

from openai import AsyncOpenAI
from play import API_KEY, MODEL, TOOL, Look, base_url, past, serve


@cache
def client() -> AsyncOpenAI:
    """Return the one client."""
    return AsyncOpenAI(base_url=base_url(), api_key=API_KEY)


async def ask(messages: list[Any], *, frugal: bool) -> dict[str, Any]:
    """Return the reply to these messages, read from the stream."""
    text, calls = [], []
    body: dict[str, Any] = {"messages": messages, "tools": [TOOL]}
    if frugal:  # past what the library does to each message
        body = {"messages": [], "extra_body": body}
    stream = await client().chat.completions.create(model=MODEL, stream=True, **body)
    async for chunk in stream:
        if not chunk.choices:
            continue
        delta = chunk.choices[0].delta
        if delta.content:
            text.append(delta.content)
        for piece in delta.tool_calls or ():
            if piece.index == len(calls):
                calls.append(
                    {"id": piece.id, "type": "function", "function": {"name": piece.function.name}, "json": []}
                )
            calls[piece.index]["json"].append(piece.function.arguments or "")
    reply: dict[str, Any] = {"role": "assistant", "content": "".join(text) or None}
    for call in calls:
        call["function"]["arguments"] = "".join(call.pop("json"))
    return {**reply, "tool_calls": calls} if calls else reply


async def play(plan: str, look: Look, *, gathers: bool, frugal: bool = False, history: int = 0) -> str:
    """Ask until the answer."""
    messages: list[Any] = [*past(history), {"role": "user", "content": plan}]
    while True:
        reply = await ask(messages, frugal=frugal)
        messages.append(reply)
        if "tool_calls" not in reply:
            return str(reply["content"])
        waiting = [look(**json.loads(call["function"]["arguments"])) for call in reply["tool_calls"]]
        results = await asyncio.gather(*waiting) if gathers else [await each for each in waiting]
        for call, result in zip(reply["tool_calls"], results, strict=True):
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})


if __name__ == "__main__":
    serve(play)
