"""Any server that speaks the Responses API, through openai-python: OpenAI's own, and those of vLLM, Ollama or LM Studio.

It is used without state: ``store`` is false, and the encrypted form of the reasoning is asked for and sent back. So the
conversation here stays the only one there is, and a run may go on with another model or server. Both fields are left
out where a server does not know them.

Source: the event and item types of openai-python 3.57 (``openai.types.responses``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

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

#: Sent although nobody asked, for the sake of having no state at the server; left out without a word where it is refused.
_STATELESS = {"store": False, "include": ["reasoning.encrypted_content"]}
_ENDS = {"max_output_tokens": "length", "content_filter": "content_filter"}


class OpenAIResponses(Adapter):
    """A model behind a server with the Responses API; the arguments are those of `Adapter`."""

    path = "/responses"
    reserved = frozenset({"input", "model", "previous_response_id", "stream", "tools"})
    unfinished = (
        "ended before the response did, so the reply is probably cut off; run it again, and if it stays so, the server "
        "does not speak the Responses API: set api to chat (--api)."
    )
    #: Calls so far that the server itself marked as asynchronous.
    async_calls = 0

    def _body(self, request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        tools = {"tools": self._tools(request.tools, refused)} if request.tools else {}
        return {"input": self._input(request.messages, refused), **_STATELESS, **tools, **options}

    def _unasked(self, request: ChatRequest) -> Iterable[str]:  # noqa: ARG002
        return _STATELESS

    def _reader(self) -> Read:
        events = ResponseEvents()

        def read(event: Any) -> Iterator[Delta]:
            if (said := _error(event)) is not None:
                raise self._line.interrupted(said)
            before = events.async_calls
            yield from events.read(event)
            self.async_calls += events.async_calls - before

        return read

    # What the adapter for asynchronous tools does otherwise.

    def _input(self, messages: Sequence[Message], refused: frozenset[str]) -> list[Item]:  # noqa: ARG002
        return input_items(messages, self.name)

    def _tools(self, tools: Sequence[Mapping[str, Any]], refused: frozenset[str]) -> list[Item]:  # noqa: ARG002
        return [function_tool(tool) for tool in tools]


def _error(event: Any) -> Any:
    """Return the server's error, if that is what an event says."""
    match get(event, "type"):
        case "error":
            return {"message": get(event, "message") or "", "code": get(event, "code") or ""}
        case "response.failed":
            error = get(get(event, "response"), "error")
            return {"message": get(error, "message") or "", "code": get(error, "code") or ""}
    return None


class ResponseEvents:
    """Reads the events of one response. Events may be any objects with the fields used, or dicts.

    Servers differ in which of the events they send: some the deltas alone, some the whole item alone, some both. So
    whatever ends a piece of text or a call gives what has not been seen of it before. llama.cpp numbers no items.
    """

    def __init__(self) -> None:
        #: Calls that the server itself marked as asynchronous.
        self.async_calls = 0
        self._calls = 0
        #: Characters seen so far, by kind and place.
        self._seen: dict[tuple[Any, ...], int] = {}
        self._places: dict[str, int] = {}
        self._last = 0
        self._opened: set[Any] = set()
        self._done: set[Any] = set()

    def read(self, event: Any) -> Iterator[Delta]:
        """Yield what an event says."""
        place = self._place(event)
        match get(event, "type"):
            case "response.output_text.delta" | "response.refusal.delta":
                yield from self._text(place, get(event, "delta"))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield from self._reasoning(place, get(event, "delta"))
            case "response.reasoning_summary_part.added" if get(event, "summary_index"):
                yield ReasoningDelta(text="\n\n")
            case "response.output_item.added":
                yield from self._open(place, get(event, "item"))
            case "response.function_call_arguments.delta":
                yield from self._arguments(place, get(event, "delta"))
            case "response.function_call_arguments.done":
                yield from self._rest(place, get(event, "arguments"))
            case "response.output_item.done":
                yield from self._close(place, get(event, "item"))
            case "response.completed" | "response.incomplete":
                yield from self._end(get(event, "response"))

    def _place(self, event: Any) -> int:
        """Return which item of the reply an event is about: by its index, or where a server has none, by the item's id."""
        place = number(get(event, "output_index"))
        if place is None:
            item = get(event, "item")
            key = text(get(event, "item_id")) or _key(item)
            place = self._last if key is None else self._places.setdefault(key, len(self._places))
        self._last = place
        return place

    def _text(self, place: Any, words: Any) -> Iterator[Delta]:
        if words and isinstance(words, str):
            self._note("text", place, words)
            yield TextDelta(text=words)

    def _reasoning(self, place: Any, words: Any) -> Iterator[Delta]:
        if words and isinstance(words, str):
            self._note("reasoning", place, words)
            yield ReasoningDelta(text=words)

    def _open(self, place: Any, item: Any) -> Iterator[Delta]:
        if get(item, "type") == "function_call" and place not in self._opened:
            self._opened.add(place)
            self._calls += 1
            self.async_calls += (get(item, "async") or get(item, "async_")) is True
            yield CallDelta(index=place, call_id=text(get(item, "call_id")), name=text(get(item, "name")))

    def _arguments(self, place: Any, piece: Any) -> Iterator[Delta]:
        if piece and isinstance(piece, str):
            self._note("call", place, piece)
            yield CallDelta(index=place, arguments=piece)

    def _rest(self, place: Any, arguments: Any) -> Iterator[Delta]:
        """Yield what of a call's arguments has not been seen yet."""
        if isinstance(arguments, Mapping):
            if not self._seen.get(("call", place)):
                self._seen["call", place] = 1
                yield CallDelta(index=place, arguments=arguments)
        elif isinstance(arguments, str):
            yield from self._arguments(place, arguments[self._seen.get(("call", place), 0) :])

    def _close(self, place: Any, item: Any) -> Iterator[Delta]:
        self._done.add(place)
        match get(item, "type"):
            case "function_call":
                yield from self._open(place, item)
                yield from self._rest(place, get(item, "arguments"))
            case "message" if not self._seen.get(("text", place)):
                for part in several(get(item, "content")):
                    yield from self._text(place, get(part, "text") or get(part, "refusal"))
            case "reasoning" if not self._seen.get(("reasoning", place)):
                for part in [*several(get(item, "summary")), *several(get(item, "content"))]:
                    yield from self._reasoning(place, get(part, "text"))
        if kept := kept_item(_as_dict(item)):
            yield ReplyItem(item=kept)

    def _end(self, response: Any) -> Iterator[Delta]:
        # A server that streams no item at all gives them here.
        unseen = () if self._done else several(get(response, "output"))
        for index, item in enumerate(unseen):
            known = self._places.get(_key(item) or "")
            yield from self._close(index if known is None else known, item)
        why = text(get(get(response, "incomplete_details"), "reason"))
        whole = get(response, "status") != "incomplete" and not why
        yield Finish(
            reason=("tool_calls" if self._calls else "stop") if whole else _ENDS.get(why or "", why or "length")
        )
        if usage := get(response, "usage"):
            sent, written = (number(get(usage, f"{kind}_tokens")) or 0 for kind in ("input", "output"))
            yield Usage(input_tokens=sent, output_tokens=written)

    def _note(self, kind: str, place: Any, text: str) -> None:
        self._seen[kind, place] = self._seen.get((kind, place), 0) + len(text)


def _key(item: Any) -> str | None:
    return text(get(item, "id")) or text(get(item, "call_id"))


def _as_dict(item: Any) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        return item
    dump = getattr(item, "model_dump", None)
    if dump is None:
        return vars(item) if hasattr(item, "__dict__") else {}
    dumped: dict[str, Any] = dump(
        mode="json", exclude_none=True, warnings=False
    )  # servers send other types than they should
    return dumped
