"""What every driver shares: a plan comes in as a line of JSON, how long it took goes out as one.

A driver is a script that is run by its path with the server's address, in an environment that need not have the package:

    async def play(plan: str, look: Look, **options) -> str: ...      # returns the answer

    if __name__ == "__main__":
        serve(play)

Each line that comes in holds ``plan``, ``latency_s`` and what other options the driver takes. Time is taken around the whole
of ``play``, of a process that has played before: imports and connections are not counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

#: The one tool of the policies: returns JSON text, so that every framework shows a model the same.
Look = Callable[..., Awaitable[str]]
#: No real key, but clients want one.
API_KEY = "none"
MODEL = "rehearsed"
#: The tool as a hand-written loop declares it.
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look something up.",
        "parameters": {
            "type": "object",
            "properties": {
                "topic": {"type": "string", "description": "What to look up."},
                "basis": {"type": "array", "items": {"type": "string"}, "description": "Where to begin."},
            },
            "required": ["topic"],
        },
    },
}
#: More requests than any policy makes, for frameworks that stop by default before.
MANY = 60


def base_url() -> str:
    """Return the server's address."""
    return sys.argv[1]


@cache
def look_taking(latency_s: float) -> Look:
    """Return the tool, whose every call takes so long."""

    async def look(topic: str, basis: list[str] | None = None) -> str:
        """Look something up.

        Args:
            topic: What to look up.
            basis: Where to begin.
        """
        await asyncio.sleep(latency_s)
        return json.dumps({"id": f"#{topic[:1]:0>5}", "entries": 20})

    return look


def past(messages: int) -> list[dict[str, Any]]:
    """Return so many messages of an earlier conversation, a multiple of four: question, call, result, answer."""
    said: list[dict[str, Any]] = []
    for number in range(messages // 4):
        call = {"id": f"past_{number}", "type": "function"}
        call |= {"function": {"name": "look", "arguments": json.dumps({"topic": f"topic {number}"})}}
        said += [
            {"role": "user", "content": f"What is there on topic {number}?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"id": "#", "entries": number})},
            {"role": "assistant", "content": f"There are {number} entries on topic {number}, the newest of today."},
        ]
    return said


def serve(play: Callable[..., Awaitable[str]]) -> None:
    """Play what comes in until the input closes."""
    asyncio.run(_serve(play))


async def _serve(play: Callable[..., Awaitable[str]]) -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        print(json.dumps(await _timed(play, **asked)), flush=True)


async def _timed(play: Callable[..., Awaitable[str]], plan: str, latency_s: float, **options: Any) -> dict[str, Any]:
    look = look_taking(latency_s)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    try:
        answer = await play(plan, look, **options)
    except Exception as error:  # noqa: BLE001 - reported to the caller
        return {"error": f"{type(error).__name__}: {error}"}
    return {
        "seconds": time.perf_counter() - wall_s,
        "cpu_s": time.process_time() - cpu_s,
        "answer": answer,
    }
