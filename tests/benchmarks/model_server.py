"""A model behind a server, in virtual time: how long its first tokens take, and how many replies it streams at a time.

A model plays its replies without a pause before the first token; the server adds that, makes requests wait for a free slot,
and counts. A slot is free when the reply that had it has ended, or was closed by the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from asyncfc_jupyter.models.base import ChatModel, ChatRequest, Delta
from tests.benchmarks.bfcl_parts.oracle import TTFT_S, Memory

#: First tokens that jitter: log-normal with the median of the steady ones, and none outside of these, in seconds.
LEAST_S, MOST_S = 0.1, 0.8
#: Of the logarithm: so wide that one draw in forty is above the longest, and is drawn again.
_SIGMA = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the server is like."""

    label: str = "steady first tokens"
    jitters: bool = False
    #: Replies that it streams at a time; None for any number.
    slots: int | None = None


STEADY = Conditions()
JITTER = Conditions(label="first tokens that jitter", jitters=True)
ONE_SLOT = Conditions(label="one slot", slots=1)


class ModelServer:
    """A chat model: another one behind a server.

    The time to a first token that jitters is drawn by what the request says: how many calls were made, and whose results the
    model has. So a request takes the same time in every mode and whenever it is sent, and what differs between two modes is
    the requests that they make and when, not luck.

    Args:
        model: A model that streams without a pause before its first token.
        conditions: What the server is like.
        seed: Names the conversation; with it, jitter is drawn.
    """

    def __init__(self, model: ChatModel, conditions: Conditions, seed: str) -> None:
        self._model, self._conditions, self._seed = model, conditions, seed
        self._slots = asyncio.Semaphore(conditions.slots) if conditions.slots else contextlib.nullcontext()
        self.name, self.address = model.name, "http://127.0.0.1"
        self.requests = 0
        #: Characters of all requests: their messages and their tools, as JSON.
        self.characters = 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Stream the reply as soon as there is a slot."""
        self.requests += 1
        self.characters += len(json.dumps([*request.messages, *request.tools]))
        async with self._slots:
            await asyncio.sleep(self._first_token_s(request))
            async with contextlib.aclosing(self._model.stream(request)) as deltas:
                async for delta in deltas:
                    yield delta

    def _first_token_s(self, request: ChatRequest) -> float:
        if not self._conditions.jitters:
            return TTFT_S
        rng = random.Random(f"{self._seed} {_said(request)}")
        while not LEAST_S <= (drawn := rng.lognormvariate(math.log(TTFT_S), _SIGMA)) <= MOST_S:
            pass
        return drawn


def _said(request: ChatRequest) -> str:
    futures = any(tool["function"]["name"] == "await_future" for tool in request.tools)
    memory = Memory(json.loads(json.dumps(list(request.messages))), futures=futures)
    users = sum(message["role"] == "user" for message in request.messages)
    return f"{users} {memory.made} {sorted(memory.seen)}"
