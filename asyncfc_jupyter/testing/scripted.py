"""A model that gives scripted replies and records the requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, Finish, TextDelta


@dataclass(frozen=True, slots=True)
class Says:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Calls:
    """A tool call; arguments that are text are sent as they are, well-formed or not."""

    tool: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thinks:
    """Time passes before the next piece, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Breaks:
    """The stream ends with this exception."""

    error: Exception


Piece = Says | Calls | Thinks | Breaks
#: A reply, or a function from the request to one, for a model that reads its request.
ScriptedReply = Sequence[Piece] | Callable[[ChatRequest], Sequence[Piece]]


class ScriptedModel:
    """Gives one scripted reply after another; raises when the script has no more."""

    def __init__(self, *replies: ScriptedReply) -> None:
        self._replies = list(replies)
        #: The requests so far, each with its messages as they were then.
        self.requests: list[ChatRequest] = []
        #: Streams that were closed, at their end or by their reader.
        self.closed = 0
        self._calls = 0

    @property
    def name(self) -> str:
        """The model's name."""
        return "scripted"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Stream the next reply."""
        messages = json.loads(json.dumps(list(request.messages)))
        self.requests.append(ChatRequest(messages=messages, tools=request.tools, options=request.options))
        if not self._replies:
            raise AssertionError(f"the script has no reply left for request {len(self.requests)}: {messages[-1]}")
        reply = self._replies.pop(0)
        pieces = reply(request) if callable(reply) else reply
        try:
            for index, piece in enumerate(pieces):
                match piece:
                    case Thinks(seconds=seconds):
                        await asyncio.sleep(seconds)
                    case Breaks(error=error):
                        raise error
                    case Says(text=text):
                        yield TextDelta(text=text)
                    case Calls():
                        for delta in self._call(index, piece):
                            yield delta
            yield Finish(reason="tool_calls" if any(isinstance(piece, Calls) for piece in pieces) else "stop")
        finally:
            self.closed += 1

    def _call(self, index: int, call: Calls) -> list[Delta]:
        self._calls += 1
        text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        half = len(text) // 2
        return [
            CallDelta(index=index, call_id=f"s{self._calls}", name=call.tool, arguments=""),
            CallDelta(index=index, arguments=text[:half]),
            CallDelta(index=index, arguments=text[half:]),
        ]
