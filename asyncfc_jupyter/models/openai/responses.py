"""Any server with the Responses API, through openai-python: OpenAI's own, and those of vLLM, Ollama or LM Studio.

The server keeps no state: ``store`` is false, and the encrypted form of the reasoning is requested and sent back. So the whole
conversation is here, and a run may continue with another model or server. Both fields are left out if a server does not know
them.

Source: the event and item types of openai-python 3.57 (``openai.types.responses``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from asyncfc_jupyter.models.base import (
    CallDelta,
    ChatRequest,
    Delta,
    Finish,
    Message,
    ReasoningDelta,
    ReplyItem,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.openai.adapter import Adapter, Read
from asyncfc_jupyter.models.openai.lenient import get, number, several, text
from asyncfc_jupyter.models.openai.responses_items import Item, function_tool, input_items, kept_item

#: Sent with every request so that the server keeps no state; left out without a warning if refused.
_STATELESS = {"store": False, "include": ["reasoning.encrypted_content"]}
_ENDS = {"max_output_tokens": "length", "content_filter": "content_filter"}


class OpenAIResponses(Adapter):
    """A model of a server with the Responses API; the arguments are those of `Adapter`."""

    path = "/responses"
    reserved = frozenset({"input", "model", "previous_response_id", "stream", "tools"})
    unfinished = (
        "ended before the response did, so the reply is probably cut off; run it again, and if it stays so, the server "
        "does not speak the Responses API: set api to chat (--api)."
    )
    #: Calls so far that the server marked as asynchronous.
    async_calls = 0

    def _body(self, request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        tools = {"tools": self._tools(request.tools, refused)} if request.tools else {}
        return {"input": self._input(request.messages, refused), **_STATELESS, **tools, **options}

    def _unasked(self, request: ChatRequest) -> Iterable[str]:  # noqa: ARG002
        return _STATELESS

    def _reader(self) -> Read:
        events = ResponseEvents()

        def read(event: Any) -> Iterator[Delta]:
            kind = get(event, "type")
            if kind in {"error", "response.failed"}:
                error = event if kind == "error" else get(get(event, "response"), "error")
                raise self._interrupted({name: get(error, name) or "" for name in ("message", "code")})
            before = events.async_calls
            yield from events.read(event)
            self.async_calls += events.async_calls - before

        return read

    # The adapter for asynchronous tools overrides these two.

    def _input(self, messages: Sequence[Message], refused: frozenset[str]) -> list[Item]:  # noqa: ARG002
        return input_items(messages, self.name)

    def _tools(self, tools: Sequence[Mapping[str, Any]], refused: frozenset[str]) -> list[Item]:  # noqa: ARG002
        return [function_tool(tool) for tool in tools]


class ResponseEvents:
    """Reads the events of one response, which are dicts.

    Some servers send only the deltas, some only the whole item, some both. So the event that ends a text or a call yields what
    has not come before. llama.cpp sends no indexes of items.
    """

    def __init__(self) -> None:
        #: Calls that the server marked as asynchronous.
        self.async_calls = 0
        self._calls = 0
        #: Characters seen so far, by kind of content and index of the item.
        self._seen: dict[tuple[str, int], int] = {}
        #: The numbers given to items without an index.
        self._index_of_id: dict[str, int] = {}
        self._last = 0
        #: Indexes of the calls that have begun, and of the items that have ended.
        self._opened: set[int] = set()
        self._done: set[int] = set()

    def read(self, event: Any) -> Iterator[Delta]:
        """Yield the deltas in an event."""
        index = self._index(event)
        match get(event, "type"):
            case "response.output_text.delta" | "response.refusal.delta":
                yield from self._piece("text", index, get(event, "delta"))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield from self._piece("reasoning", index, get(event, "delta"))
            case "response.reasoning_summary_part.added" if get(event, "summary_index"):
                yield ReasoningDelta(text="\n\n")
            case "response.output_item.added":
                yield from self._open(index, get(event, "item"))
            case "response.function_call_arguments.delta":
                yield from self._piece("call", index, get(event, "delta"))
            case "response.function_call_arguments.done":
                yield from self._rest(index, get(event, "arguments"))
            case "response.output_item.done":
                yield from self._close(index, get(event, "item"))
            case "response.completed" | "response.incomplete":
                yield from self._end(get(event, "response"))

    def _index(self, event: Any) -> int:
        """Return the index of the item that an event is about; if the server sends none, a number for the item's id."""
        index = number(get(event, "output_index"))
        if index is None:
            item = get(event, "item")
            key = text(get(event, "item_id")) or _key(item)
            index = self._last if key is None else self._index_of_id.setdefault(key, len(self._index_of_id))
        self._last = index
        return index

    def _piece(self, kind: Literal["text", "reasoning", "call"], index: int, piece: Any) -> Iterator[Delta]:
        """Yield a piece of an item's content, and count its characters."""
        if not piece or not isinstance(piece, str):
            return
        self._seen[kind, index] = self._seen.get((kind, index), 0) + len(piece)
        match kind:
            case "text":
                yield TextDelta(text=piece)
            case "reasoning":
                yield ReasoningDelta(text=piece)
            case "call":
                yield CallDelta(index=index, arguments=piece)

    def _open(self, index: int, item: Any) -> Iterator[Delta]:
        if get(item, "type") == "function_call" and index not in self._opened:
            self._opened.add(index)
            self._calls += 1
            self.async_calls += get(item, "async") is True
            yield CallDelta(index=index, call_id=text(get(item, "call_id")), name=text(get(item, "name")))

    def _rest(self, index: int, arguments: Any) -> Iterator[Delta]:
        """Yield the part of a call's arguments that has not come before."""
        if isinstance(arguments, Mapping):
            if not self._seen.get(("call", index)):
                self._seen["call", index] = 1
                yield CallDelta(index=index, arguments=arguments)
        elif isinstance(arguments, str):
            yield from self._piece("call", index, arguments[self._seen.get(("call", index), 0) :])

    def _close(self, index: int, item: Any) -> Iterator[Delta]:
        self._done.add(index)
        match get(item, "type"):
            case "function_call":
                yield from self._open(index, item)
                yield from self._rest(index, get(item, "arguments"))
            case "message" if not self._seen.get(("text", index)):
                for part in several(get(item, "content")):
                    yield from self._piece("text", index, get(part, "text") or get(part, "refusal"))
            case "reasoning" if not self._seen.get(("reasoning", index)):
                for part in [*several(get(item, "summary")), *several(get(item, "content"))]:
                    yield from self._piece("reasoning", index, get(part, "text"))
        if isinstance(item, Mapping) and (kept := kept_item(item)):
            yield ReplyItem(item=kept)

    def _end(self, response: Any) -> Iterator[Delta]:
        # A server that streams no items sends them here.
        unseen = () if self._done else several(get(response, "output"))
        for position, item in enumerate(unseen):
            yield from self._close(self._index_of_id.get(_key(item) or "", position), item)
        why = text(get(get(response, "incomplete_details"), "reason"))
        whole = get(response, "status") != "incomplete" and not why
        yield Finish(
            reason=("tool_calls" if self._calls else "stop") if whole else _ENDS.get(why or "", why or "length")
        )
        if usage := get(response, "usage"):
            sent, written = (number(get(usage, f"{kind}_tokens")) or 0 for kind in ("input", "output"))
            yield Usage(input_tokens=sent, output_tokens=written)


def _key(item: Any) -> str | None:
    return text(get(item, "id")) or text(get(item, "call_id"))
