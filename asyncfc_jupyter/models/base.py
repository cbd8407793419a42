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
class ReasoningDelta:
    """A piece of the model's reasoning as text: for the eye, never part of the answer."""

    text: str
    #: The field of an assistant message in which the server wants to see it again; empty when it does not.
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyItem:
    """An item of the reply in the form in which the Responses API wants it back, in the order of the reply."""

    item: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """The request failed before anything of the reply came; it is made again after a pause. Only ever before all else."""

    #: The attempt that failed, from 1.
    attempt: int
    message: str
    pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The server said why the reply ends. Usage may still follow."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens, as the server counts them."""

    input_tokens: int
    output_tokens: int


Delta = TextDelta | CallDelta | ReasoningDelta | ReplyItem | Retrying | Finish | Usage

#: The key of an assistant message under which stands what only the model that wrote it wants to see again (`Reply.replay`).
#: Adapters read it and leave it out of what they send.
REPLAY = "replay"


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


@runtime_checkable
class ForetellingModel(Protocol):
    """A model that knows what its next request will say, because it plays back a conversation."""

    def foretold(self, messages: Sequence[Message]) -> frozenset[str] | None:
        """Return the futures whose outcomes the request shows that goes on from these messages.

        Args:
            messages: The history up to the reply that is being answered, without it.

        Returns:
            Their names; None when no such request is known.
        """
        ...
