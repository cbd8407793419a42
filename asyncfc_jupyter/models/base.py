"""One narrow protocol for every kind of model: a request in, a stream of deltas out.

An adapter yields deltas as they arrive and does nothing else: it joins no text, closes no call and waits for no tool. One
accumulator turns the deltas of all adapters into calls.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from asyncfc_jupyter.foreign_code import ForeignCode, plain_text

#: A message in the form of the Chat Completions API.
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """A piece of the reply's text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDelta:
    """A piece of a tool call, as servers send it: any field may be missing or come late."""

    index: int | None = None
    call_id: str | None = None
    name: str | None = None
    #: A piece of the arguments' JSON; some servers send the object itself.
    arguments: str | Mapping[str, Any] | None = None
    #: Whether the server said that these are all arguments of the call, and final, rather than a piece.
    whole: bool = False
    #: What the server sent in the call beside all this, to be sent back with it.
    extra: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """A piece of the model's reasoning as text: shown to the user, never part of the answer."""

    text: str
    #: The field of an assistant message in which it is sent back to the server; empty when it is not.
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDelta:
    """A piece of what is sent back in a field of the assistant message, and not read here: see `kept`."""

    field: str
    value: Any
    #: Whether this is all of it, and replaces what came before.
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyItem:
    """An item of the reply in the form in which it is sent back to the Responses API. Items come in the order of the reply."""

    item: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """The request failed before the reply began, and is retried after a pause. Comes before all other deltas."""

    #: The attempt that failed, from 1.
    attempt: int
    message: str
    pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The server said why the reply ends. Usage may still follow."""

    #: ``length`` and ``content_filter`` mean that the reply was cut off; any other word that it is whole.
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens, as the server counts them."""

    input_tokens: int
    output_tokens: int


Delta = TextDelta | CallDelta | ReasoningDelta | KeptDelta | ReplyItem | Retrying | Finish | Usage

#: The key in an assistant message for what is sent back only to the model that wrote it (`Reply.replay`). Adapters read it and
#: do not send it as it is.
REPLAY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """All that is sent to a model for one turn."""

    messages: Sequence[Message]
    #: Tools in the form of the Chat Completions API: ``{"type": "function", "function": {...}}``.
    tools: Sequence[Mapping[str, Any]] = ()
    #: Options that the user set, sent unchanged.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Tokens that the reply may have; None for no limit. A model that cannot limit its replies may ignore it.
    most_tokens: int | None = None


@runtime_checkable
class ChatModel(Protocol):
    """A model that gives one streamed reply for each request."""

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
    """A model that knows its next request in advance, because it replays a conversation."""

    def foretold(self, messages: Sequence[Message]) -> frozenset[str] | None:
        """Return the names of the futures whose outcomes are in the next request, or None when that request is not known.

        Args:
            messages: The history before the reply that the next request follows.
        """
        ...

    def foretold_wait(self, messages: Sequence[Message], call_id: str) -> tuple[str, ...] | None:
        """Return the futures that the next request shows in the answer to one call, in order, or None when it is not known.

        An ``await_future`` without names waits for what is pending, and that depends on how fast tools are now.

        Args:
            messages: As for `foretold`.
            call_id: The id of the call.
        """
        ...


@runtime_checkable
class MarkingModel(Protocol):
    """A model that writes down what it is asked, and notes of which requests nothing was used."""

    async def mark_unused(self, request: ChatRequest) -> None:
        """Note that nothing of the reply to a request is used: the request was retracted, or lost a race.

        The reply may be streaming still, closed, failed or complete.

        Args:
            request: The object that was given to `stream`. If it was never sent, there is nothing to note.
        """
        ...


@runtime_checkable
class ServedModel(Protocol):
    """A model that is reached at an address."""

    @property
    def address(self) -> str:
        """The server's address, without the keys that it may hold; empty if it is not known."""
        ...


def server_address(model: ChatModel) -> str:
    """Return the address of a model's server; empty if it has none, or does not give it as a text."""
    with ForeignCode():  # of the model's class
        address: object = model.address if isinstance(model, ServedModel) else ""
        return plain_text(address) if isinstance(address, str) else ""
    return ""


@runtime_checkable
class ListingModel(Protocol):
    """A model whose server can be asked which models it has."""

    async def list_models(self) -> tuple[str, ...]:
        """Return the names of all models that the server lists, in alphabetical order.

        Raises:
            ServerError: The server cannot be reached, or lists none.
        """
        ...
