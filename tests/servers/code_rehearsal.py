"""The rehearsal model for clients that offer one tool for Python: it writes each reply of a plan as a snippet.

A block of the plan becomes one call of `run_code`. Calls that take nothing of each other are gathered, as the tool's
description asks for; results stay in variables, so a later snippet takes them without the model having read them.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator, Sequence

from asyncfc_jupyter.core.protocol import text_of
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, Finish, TextDelta, Usage

RUN_CODE = "run_code"
_CHARACTERS_PER_TOKEN = 4
_CALL = re.compile(r"(?P<name>\w+) = (?P<call>\w+\(.*\))")
_TAKEN = re.compile(r"\b(\w+)\.id\b")


class CodeRehearsal:
    """A chat model like the rehearsal model, on the same schedule.

    Args:
        ttft_ms: Milliseconds from the request to the first token.
        tokens_per_s: Tokens per second from then on.
    """

    def __init__(self, *, ttft_ms: float, tokens_per_s: float) -> None:
        self._ttft_s, self._tokens_per_s = ttft_ms / 1000, tokens_per_s

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Stream the next reply: token ``n``, counted from 0, is due ``ttft + n / tokens_per_s`` after the request."""
        loop = asyncio.get_running_loop()
        started_s, tokens = loop.time(), 0
        deltas = list(_reply(request))
        for delta in deltas:
            await asyncio.sleep(started_s + self._ttft_s + tokens / self._tokens_per_s - loop.time())
            yield delta
            tokens += 1
        await asyncio.sleep(started_s + self._ttft_s + tokens / self._tokens_per_s - loop.time())
        yield Finish(reason="tool_calls" if any(isinstance(delta, CallDelta) for delta in deltas) else "stop")
        yield Usage(input_tokens=1, output_tokens=tokens)


def _reply(request: ChatRequest) -> Iterator[Delta]:
    """Yield the next reply token by token."""
    (prompt,) = (text_of(message) for message in request.messages if message["role"] == "user")
    results = [json.loads(text_of(message)) for message in request.messages if message["role"] == "tool"]
    *blocks, answer = [block.splitlines() for block in prompt.split("\n\n")]
    if len(results) < len(blocks):
        block = blocks[len(results)]
        yield CallDelta(index=0, call_id=f"call_{len(results) + 1}", name=RUN_CODE, arguments=None)
        for piece in _pieces(json.dumps({"code": snippet([line for line in block if _CALL.fullmatch(line)])})):
            yield CallDelta(index=0, arguments=piece)
        for line in block:
            if not _CALL.fullmatch(line):
                yield from (TextDelta(text=piece) for piece in _pieces(json.loads(line)))
        return
    names = [found["name"] for block in blocks for line in block if (found := _CALL.fullmatch(line))]
    values = dict(zip(names, (value["id"] for result in results for value in result), strict=True))
    text = re.sub(r"\{(\w+)\.id\}", lambda taken: values[taken[1]], json.loads(answer[0].removeprefix("f")))
    yield from (TextDelta(text=piece) for piece in _pieces(text))


def snippet(lines: Sequence[str]) -> str:
    """Return calls such as ``b = look(basis=[a.id])`` as Python that makes them, and shows what all of them returned."""
    groups: list[dict[str, str]] = [{}]
    for found in map(_CALL.fullmatch, lines):
        assert found is not None
        if any(taken in groups[-1] for taken in _TAKEN.findall(found["call"])):
            groups.append({})
        groups[-1][found["name"]] = _TAKEN.sub(r"\1['id']", found["call"])
    code = ["import asyncio"] if any(len(group) > 1 for group in groups) else []
    for group in groups:
        if len(group) == 1:
            code += [f"{name} = await {call}" for name, call in group.items()]
        else:
            code += [f"{', '.join(group)} = await asyncio.gather(", *(f"    {call}," for call in group.values()), ")"]
    return "\n".join([*code, f"[{', '.join(name for group in groups for name in group)}]"])


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _CHARACTERS_PER_TOKEN):
        yield text[start : start + _CHARACTERS_PER_TOKEN]
