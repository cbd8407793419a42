"""What a future costs as a run grows: processor time and memory of the layer alone, with a model in the same process.

It imports no other benchmark, so that it can measure older revisions of the package too.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import time
import tracemalloc
from collections.abc import AsyncGenerator

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, Finish, TextDelta
from asyncfc_jupyter.tools.definition import make_tool

#: Calls in each reply: what a busy model writes.
A_REPLY = 10


class Flood:
    """A model that makes so many calls, some a reply, and then answers."""

    name = "flood"

    def __init__(self, calls: int) -> None:
        self._left, self._made = calls, 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Stream the next reply."""
        now, self._left = min(A_REPLY, self._left), max(0, self._left - A_REPLY)
        for index in range(now):
            self._made += 1
            yield CallDelta(index=index, call_id=f"call_{self._made}", name="instant", arguments="")
            yield CallDelta(index=index, arguments=json.dumps({"value": self._made}))
        if not now:
            yield TextDelta(text="done")
        yield Finish(reason="tool_calls" if now else "stop")


async def instant(value: int) -> dict[str, int]:
    """Return at once."""
    return {"value": value}


async def flooded(futures: int) -> None:
    """Run so many calls."""
    # An older revision remembers nothing from other conversations, and has no such option.
    cold = {"remember": "off"} if "remember" in inspect.signature(Agent).parameters else {}
    agent = Agent(Flood(futures), tools=[make_tool(instant, pure=True)], max_turns=futures + 2, **cold)
    run = await agent.run("go")
    assert len(run.futures) == futures


def growth(futures: int) -> dict[str, float]:
    """Return what a future costs in a run of so many: microseconds of processor time, and bytes."""
    repeats = max(3, 300 // futures)
    gc.collect()
    begun = time.process_time()
    for _ in range(repeats if futures < 10_000 else 1):
        asyncio.run(flooded(futures))
    took_s = (time.process_time() - begun) / (repeats if futures < 10_000 else 1)
    gc.collect()
    tracemalloc.start()
    try:
        asyncio.run(flooded(futures))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return {"futures": futures, "us": took_s * 1e6 / futures, "bytes": peak / futures}
