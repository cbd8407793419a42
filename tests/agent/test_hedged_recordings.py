"""Recorded conversations with hedged requests are replayed to their end, whatever was retracted, raced, retried or empty."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.agent.run import Run
from asyncfc_jupyter.core.events import RequestRetracted, RequestRetried
from asyncfc_jupyter.errors import AsyncFCError, ServerError
from asyncfc_jupyter.models.base import CallDelta, ChatModel, ChatRequest, Delta, Finish, TextDelta
from asyncfc_jupyter.models.cassette.cassette import Recording, Replay
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool

HEDGES = ("off", "retract", "race")


class Moody:
    """A model of chance: it talks, asks for values or goes on, and its server fails, breaks off or sends nothing.

    Args:
        seed: Decides all of it.
        trouble: How likely a request fails, breaks off or has an empty reply.
    """

    name = "moody"

    def __init__(self, seed: int, *, trouble: float) -> None:
        self._draw, self._trouble = random.Random(seed), trouble
        self.calls = 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        draw = self._draw
        await asyncio.sleep(draw.choice((0.05, 0.1, 0.3, 0.8)))
        mood = draw.random()
        if mood < self._trouble:
            if draw.random() < 0.5:
                yield TextDelta(text="Well")
            if draw.random() < 0.7:
                raise ServerError("gone (503).", status=503, transient=True)
            yield Finish(reason="stop")
            return
        placeholders = any('"pending"' in str(message.get("content")) for message in request.messages[-2:])
        for word in range(draw.choice((0, 0, 1, 5))):
            yield TextDelta(text=f"word {word} ")
            await asyncio.sleep(0.04)
        if placeholders and draw.random() < 0.4:
            yield CallDelta(index=0, call_id=f"a{draw.random()}", name="await_future", arguments='{"fut')
            await asyncio.sleep(0.1)
            yield CallDelta(index=0, arguments='ures": []}')
        elif self.calls < 6 and draw.random() < 0.8:
            for place in range(draw.choice((1, 1, 2))):
                self.calls += 1
                arguments = f'{{"seconds": {draw.choice((0.02, 0.1, 0.2, 0.5, 1.5))}, "number": {self.calls}}}'
                yield CallDelta(index=place, call_id=f"s{draw.random()}", name="work", arguments=arguments)
                await asyncio.sleep(0.05)
        else:
            yield TextDelta(text="Done.")
        yield Finish(reason="stop")


async def work(seconds: float, number: int) -> int:
    """Take a while."""
    await asyncio.sleep(seconds)
    return number


def play(model: ChatModel, *, hedge: str, **options: Any) -> Run | AsyncFCError:
    agent = Agent(model, tools=[make_tool(work, writes="{number}")], hedge=hedge, remember="off", **options)

    async def run() -> Run | AsyncFCError:
        try:
            return await agent.run("go")
        except AsyncFCError as error:
            return error

    return run_virtually(run())


def shown(outcome: Run | AsyncFCError) -> Any:
    """The messages of a conversation, or the error that ended it."""
    return outcome.conversation.messages if isinstance(outcome, Run) else (type(outcome), str(outcome))


def count(outcome: Run | AsyncFCError, kind: type) -> int:
    return sum(isinstance(each.event, kind) for each in outcome.trace) if isinstance(outcome, Run) else 0


@pytest.mark.parametrize("hedge", HEDGES)
@pytest.mark.parametrize("trouble", [0.0, 0.15])
def test_every_recorded_conversation_is_replayed_to_its_end(tmp_path: Path, hedge: str, trouble: float) -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        path = tmp_path / f"{seed}.jsonl"
        recorded = play(Recording(Moody(seed, trouble=trouble), path), hedge=hedge)
        for speed in (1, "instant"):
            replayed = play(Replay(path, speed=speed), hedge=hedge)
            assert shown(replayed) == shown(recorded), seed
            assert count(replayed, RequestRetracted) == 0
        seen["retracted"] += count(recorded, RequestRetracted)
        seen["retried"] += count(recorded, RequestRetried)
        seen["answered"] += isinstance(recorded, Run)
    assert seen["answered"] >= 30
    assert (seen["retracted"] > 20) == (hedge != "off")
    assert (seen["retried"] > 10) == (trouble > 0)
