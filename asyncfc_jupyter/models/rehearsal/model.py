"""The rehearsal model as a chat model: it streams its reply token by token at a chosen speed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Iterator

from asyncfc_jupyter.core.protocol import text_of
from asyncfc_jupyter.defaults import DEFAULT_TOKENS_PER_S, DEFAULT_TTFT_MS
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, Finish, TextDelta, Usage
from asyncfc_jupyter.models.json_object import encodable_json
from asyncfc_jupyter.models.registry import REHEARSAL
from asyncfc_jupyter.models.rehearsal.decide import Make, Reply, Say
from asyncfc_jupyter.models.rehearsal.memory import Memory
from asyncfc_jupyter.models.rehearsal.resume import next_reply

#: English text and JSON have about four characters a token with the common tokenizers.
_CHARACTERS_PER_TOKEN = 4
#: A model that is late yields to the event loop after this many tokens: often enough that tools keep running, seldom enough
#: that catching up is cheap.
_TOKENS_PER_YIELD = 8


class RehearsalModel:
    """A model that carries out the plan in the user's message; needs no key and no network.

    It keeps nothing between requests, so one model may serve any number of conversations at a time.

    Args:
        ttft_ms: Milliseconds from the request to the first token.
        tokens_per_s: Tokens per second from then on.

    Raises:
        UsageError: An argument is not a finite number in its range.
    """

    def __init__(self, *, ttft_ms: float = DEFAULT_TTFT_MS, tokens_per_s: float = DEFAULT_TOKENS_PER_S) -> None:
        if not 0 <= ttft_ms < math.inf:
            raise UsageError(f"ttft_ms is {ttft_ms!r}; give the milliseconds to the first token, 0 or more.")
        if not 0 < tokens_per_s < math.inf:
            raise UsageError(f"tokens_per_s is {tokens_per_s!r}; give a speed above 0, such as 60.")
        self._ttft_s, self._tokens_per_s = ttft_ms / 1000, tokens_per_s

    @property
    def name(self) -> str:
        """The model's name."""
        return REHEARSAL

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Decide the next reply from the messages and yield it on schedule.

        The schedule is absolute: token ``n``, counted from 0, is due ``ttft + n / tokens_per_s`` after the request, and the
        end one token later. So a late wake-up does not delay later tokens.

        Raises:
            PlanError: The newest message is not a plan, or it cannot be carried out with these tools.
        """
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        reply, memory = next_reply(request)
        tokens = 0
        for delta in _deltas(reply, memory):
            await self._until_due(started_at, tokens)
            yield delta
            tokens += 1
        await self._until_due(started_at, tokens)
        yield Finish(reason="tool_calls" if reply.calls else "stop")
        characters = sum(len(text_of(message)) for message in request.messages)
        yield Usage(input_tokens=-(-characters // _CHARACTERS_PER_TOKEN), output_tokens=tokens)

    async def _until_due(self, started_at: float, token: int) -> None:
        wait_s = started_at + self._ttft_s + token / self._tokens_per_s - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        elif token % _TOKENS_PER_YIELD == 0:
            await asyncio.sleep(0)


def _deltas(reply: Reply, memory: Memory) -> Iterator[Delta]:
    """Yield the reply one token at a time. A call's name is one token, and so is a whole call without arguments."""
    index, serial = 0, len(memory.call_ids)
    for part in reply.parts:
        match part:
            case Say(text=text):
                yield from (TextDelta(text=piece) for piece in _pieces(text))
            case Make(tool=tool, arguments=arguments):
                serial += 1
                while f"call_{serial}" in memory.call_ids:
                    serial += 1
                yield CallDelta(index=index, call_id=f"call_{serial}", name=tool, arguments=None if arguments else "{}")
                if arguments:
                    yield from (CallDelta(index=index, arguments=piece) for piece in _pieces(encodable_json(arguments)))
                index += 1


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _CHARACTERS_PER_TOKEN):
        yield text[start : start + _CHARACTERS_PER_TOKEN]
