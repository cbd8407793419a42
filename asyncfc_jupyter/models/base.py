"""One narrow protocol for every kind of model: a request in, a stream of deltas out.

An adapter yields deltas as they arrive and does nothing else: it joins no text, closes no call and waits for no tool. The
accumulator turns deltas into calls, the same for all adapters.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

#: A message in the form of the Chat Completions API.
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """A piece of the reply's text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDelta:
    """A piece of a tool call, as loosely as servers send it: any of the fields may be missing or come late."""

    index: int | None = None
    call_id: str | None = None
    name: str | None = None
    #: A piece of the arguments' JSON; some servers send the object itself, whole.
    arguments: str | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The server said why the reply ends. Usage may still follow."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens, as the server counts them."""

    input_tokens: int
    output_tokens: int


Delta = TextDelta | CallDelta | Finish | Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """Everything a model is told for one turn."""

    messages: Sequence[Message]
    #: Tools in the form of the Chat Completions API: ``{"type": "function", "function": {...}}``.
    tools: Sequence[Mapping[str, Any]] = ()
    #: Options the user set, passed on as they are.
    options: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class ChatModel(Protocol):
    """A model that can be asked for one streamed reply at a time."""

    @property
    def name(self) -> str:
        """The model's name, for people."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Ask for a reply and yield its deltas as they arrive.

        Closing the generator ends the request at the server.

        Raises:
            ServerError: The server cannot be reached or refuses the request.
        """
        ...
