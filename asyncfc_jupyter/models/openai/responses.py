"""Any server with the Responses API, through openai-python: OpenAI's own, and those of vLLM, Ollama or LM Studio.

The server keeps no state: ``store`` is false, and the encrypted form of the reasoning is requested and sent back. So the whole
conversation is here, and a run may continue with another model or server. Both fields are left out if a server does not know
them.

Source: the event and item types of openai-python 3.57 (``openai.types.responses``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from asyncfc_jupyter.models.connection.adapter import Adapter, Read
from asyncfc_jupyter.models.connection.lenient import get, number, several, text, words
from asyncfc_jupyter.models.json_object import same_json
from asyncfc_jupyter.models.openai.library import OPENAI_PYTHON
from asyncfc_jupyter.models.openai.responses_items import Item, function_tool, input_items, kept_item

#: Sent with every request so that the server keeps no state; left out without a warning if refused.
_STATELESS = {"store": False, "include": ["reasoning.encrypted_content"]}
_ENDS = {"max_output_tokens": "length", "content_filter": "content_filter"}


class OpenAIResponses(Adapter):
    """A model of a server with the Responses API; the arguments are those of `Adapter`."""

    library = OPENAI_PYTHON
    path = "/responses"
    marks = ("response", "item", "item_id", "output")
    reserved = frozenset({"input", "model", "previous_response_id", "stream", "tools"})
    limits = ("max_output_tokens",)
    least_limit = 16
    unfinished = (
        "ended before the response did, so the reply is probably cut off; run it again, and if it stays so, the server "
        "does not speak the Responses API: set api to chat (--api)."
    )
    #: Calls so far that the server marked as asynchronous.
    async_calls = 0

    def _body(self, request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        tools = {"tools": self._tools(request.tools, refused)} if request.tools else {}
        return {"input": self._input(request.messages, refused), **_STATELESS, **tools, **options}

    def _unasked(self, request: ChatRequest) -> Iterable[str]:
        return [*_STATELESS, *(["strict"] if request.tools else [])]

    def _reader(self) -> Read:
        events = ResponseEvents()

        def read(event: Any) -> Iterator[Delta]:
            if get(event, "output") and not get(event, "type"):
                # The response itself: from a server that does not stream.
                event = {"type": f"response.{get(event, 'status') or 'completed'}", "response": event}
            kind = get(event, "type")
            if kind in {"error", "response.failed"}:
                error = event if kind == "error" else get(get(event, "response"), "error")
                raise self.interrupted({name: get(error, name) or "" for name in ("message", "code")})
            before = events.async_calls
            yield from events.read(event)
            self.async_calls += events.async_calls - before

        return read

    # The adapter for asynchronous tools overrides these two.

    def _input(self, messages: Sequence[Message], refused: frozenset[str]) -> list[Item]:  # noqa: ARG002
        return input_items(messages, self.name)

    def _tools(self, tools: Sequence[Mapping[str, Any]], refused: frozenset[str]) -> list[Item]:
        dropped = {"strict"} & refused
        return [{name: value for name, value in function_tool(tool).items() if name not in dropped} for tool in tools]


@dataclass(slots=True)
class _Streamed:
    """An item of the response, as far as it has arrived."""

    #: The index of its deltas, for the accumulator.
    number: int
    kind: str
    #: Its ids, and the indexes by which events name it.
    ids: set[str] = field(default_factory=set)
    indexes: set[int] = field(default_factory=set)
    call_id: str | None = None
    name: str | None = None
    #: The parts of its text that have come; None for one without a number.
    parts: set[int | None] = field(default_factory=set)
    #: The content that was yielded.
    pieces: list[str] = field(default_factory=list)
    #: Whether all arguments were yielded, and whether the server ended the item.
    complete: bool = False
    done: bool = False
    #: Whether the server marked the call as asynchronous.
    is_async: bool = False

    def equals(self, item: Any) -> bool:
        """Return whether an item has the same content, if it is a call."""
        mine, arguments = "".join(self.pieces), _text_of(get(item, "arguments"))
        return self.kind != "function_call" or (
            self.name == text(get(item, "name")) and (mine == arguments or same_json(mine, arguments))
        )

    def may_be(self, item: Any) -> bool:
        """Return whether an item that has another id can be this one all the same."""
        return self.equals(item) or (not self.pieces and self.name == text(get(item, "name")))


class ResponseEvents:
    """Reads the events of one response, which are dicts.

    Some servers send only the deltas, some only the whole item, some both, and the last event may repeat all items or bring new
    ones. So each event yields what has not come before. Whole arguments that differ from the pieces are yielded as such: the
    server has the last word on a call that has not closed.

    An event belongs to the item with its ids, else to the one at its index. llama.cpp sends no indexes. Gateways send one index
    or one id for all items, or other ids with each event. An item that *begins* at a new index is another one whatever its id:
    the accumulator finds out whether its call repeats one.
    """

    def __init__(self) -> None:
        #: Calls that the server marked as asynchronous.
        self.async_calls = 0
        self._items: list[_Streamed] = []
        self._last: _Streamed | None = None
        #: The index, the id and the kind by which the last event named its item.
        self._named: tuple[int | None, str | None, str] | None = None
        self._event: Any = None
        #: Whether events have had a number each so far.
        self._numbered = True
        self._ended = False

    def read(self, event: Any) -> Iterator[Delta]:  # noqa: C901 - a table of events
        """Yield the deltas in an event."""
        if self._ended or self._is_sent_twice(event):
            return
        item = get(event, "item")
        match get(event, "type"):
            case "response.output_text.delta" | "response.refusal.delta":
                streamed = self._named_by(event, "message")
                streamed.parts.add(number(get(event, "content_index")))
                yield from self._piece(streamed, get(event, "delta"))
            case "response.output_text.done" | "response.refusal.done":
                streamed, part = self._named_by(event, "message"), number(get(event, "content_index"))
                if not streamed.parts or (part is not None and not {part, None} & streamed.parts):
                    streamed.parts.add(part)
                    yield from self._piece(streamed, get(event, "text") or get(event, "refusal"))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield from self._piece(self._named_by(event, "reasoning"), get(event, "delta"))
            case "response.reasoning_summary_part.added" if get(event, "summary_index"):
                yield ReasoningDelta(text="\n\n")
            case "response.function_call_arguments.delta":
                yield from self._piece(self._named_by(event, "function_call"), get(event, "delta"))
            case "response.function_call_arguments.done":
                yield from self._whole(self._named_by(event, "function_call"), get(event, "arguments"))
            case "response.output_item.added" if kind := text(get(item, "type")):
                streamed = self._held_by(event, item, kind, begins=True)
                yield from self._open(streamed, item)
                # Arguments that stand here already are usually repeated by later events.
                if (begun := _object_of(get(item, "arguments"))) and kind == "function_call":
                    yield CallDelta(index=streamed.number, arguments=begun)
            case "response.output_item.done" if kind := text(get(item, "type")):
                yield from self._close(self._held_by(event, item, kind, begins=False), item)
            case "response.completed" | "response.incomplete":
                self._ended = True
                yield from self._end(get(event, "response"))

    def _is_sent_twice(self, event: Any) -> bool:
        """Return whether an event is the one before it again, by its number. Some servers give all the same number."""
        before, self._event = self._event, event
        sequence = get(event, "sequence_number")
        if sequence is None or sequence != get(before, "sequence_number"):
            return False
        self._numbered = self._numbered and event == before
        return self._numbered

    def _named_by(self, event: Any, kind: str) -> _Streamed:
        """Return the item that a piece of content belongs to."""
        index, item_id = number(get(event, "output_index")), text(get(event, "item_id")) or None
        if (index, item_id, kind) != self._named or self._last is None:
            self._named = index, item_id, kind
            items = [each for each in reversed(self._items) if each.kind == kind]
            by_id = [each for each in items if item_id in each.ids]
            # An unknown id after the end of the item at this index is the next item's.
            at_index = [each for each in items if index in each.indexes and not (item_id and each.done)]
            found = [each for each in by_id if index in each.indexes] or by_id or at_index
            if not found and item_id is None and index is None:
                found = items
            self._last = found[0] if found else self._new(kind, index)
            self._last.ids |= {item_id} if item_id else set()
        return self._last

    def _held_by(self, event: Any, item: Any, kind: str, *, begins: bool) -> _Streamed:
        """Return what has come before of the item that an event holds."""
        index, call_id = number(get(event, "output_index")), text(get(item, "call_id")) or None
        ids = {each for each in (text(get(event, "item_id")), text(get(item, "id")), call_id) if each}

        def fits(each: _Streamed) -> bool:
            if each.kind != kind or (begins and ids and each.ids and not ids & each.ids):
                return False
            if call_id and each.call_id and call_id not in each.ids:
                return not (begins or each.done) and each.may_be(item)
            # An item that begins, or ends again, at a new index is another one.
            return index is None or index in each.indexes or not each.indexes or not (begins or each.done)

        items = [each for each in reversed(self._items) if fits(each)]
        by_id = [each for each in items if ids & each.ids]
        at_index = [each for each in items if index in each.indexes]
        found = [each for each in by_id if each in at_index] or by_id or at_index
        if not (found or begins) and index is None:
            found = [each for each in items if not each.done and each.may_be(item)]
        last = found[0] if found else self._new(kind, index)
        if last.done and (begins or not last.equals(item)):
            last = self._new(kind, index, number=last.number)  # the item comes again, or another at its place
        last.ids |= ids
        last.indexes |= set() if index is None else {index}
        self._last, self._named = last, None
        return last

    def _new(self, kind: str, index: int | None, number: int | None = None) -> _Streamed:
        if number is None:
            taken = {each.number for each in self._items}
            place = len(self._items) if index is None else index
            number = place if place not in taken else max(taken) + 1
        item = _Streamed(number, kind)
        item.indexes |= set() if index is None else {index}
        self._items.append(item)
        return item

    def _piece(self, streamed: _Streamed, piece: Any) -> Iterator[Delta]:
        """Yield a piece of an item's content."""
        if not piece or not isinstance(piece, str) or streamed.complete:
            return
        streamed.pieces.append(piece)
        match streamed.kind:
            case "message":
                yield TextDelta(text=piece)
            case "reasoning":
                yield ReasoningDelta(text=piece)
            case "function_call":
                yield CallDelta(index=streamed.number, arguments=piece)

    def _whole(self, streamed: _Streamed, arguments: Any) -> Iterator[Delta]:
        """Yield all arguments of a call, unless they have come in pieces."""
        words = _text_of(arguments)
        if words.strip() in {"", "{}"}:
            return  # servers leave the field empty in one event or another
        streamed.complete = True
        if words != "".join(streamed.pieces):
            streamed.pieces = [words]
            yield CallDelta(index=streamed.number, arguments=arguments, whole=True)

    def _open(self, streamed: _Streamed, item: Any) -> Iterator[Delta]:
        if streamed.kind != "function_call":
            return
        call_id, name = text(get(item, "call_id")) or None, text(get(item, "name")) or None
        # Of an item that continues, the first id and name count.
        call_id, name = None if streamed.call_id else call_id, None if streamed.name else name
        if call_id or name:
            streamed.call_id, streamed.name = streamed.call_id or call_id, streamed.name or name
            yield CallDelta(index=streamed.number, call_id=call_id, name=name)
        if get(item, "async") is True and not streamed.is_async:
            streamed.is_async = True
            self.async_calls += 1

    def _close(self, streamed: _Streamed, item: Any) -> Iterator[Delta]:
        again = streamed.done
        match streamed.kind:
            case "function_call":
                if not (again and streamed.equals(item)):
                    yield from self._open(streamed, item)
                    yield from self._whole(streamed, get(item, "arguments"))
            case "message" if not streamed.pieces:
                yield from self._piece(streamed, words(get(item, "content")))
            case "reasoning" if not streamed.pieces:
                for content in (get(item, "summary"), get(item, "content")):
                    yield from self._piece(streamed, words(content))
        streamed.done = True
        named = {"call_id": streamed.call_id} if streamed.call_id else {}
        if not again and isinstance(item, Mapping) and (kept := kept_item({**item, **named})):
            yield ReplyItem(item=kept)

    def _end(self, response: Any) -> Iterator[Delta]:
        for item, streamed in self._last_items([*several(get(response, "output"))]):
            yield from self._close(streamed, item)
        calls = [each for each in self._items if each.kind == "function_call"]
        why = text(get(get(response, "incomplete_details"), "reason"))
        whole = get(response, "status") != "incomplete" and not why
        yield Finish(reason=("tool_calls" if calls else "stop") if whole else _ENDS.get(why or "", why or "length"))
        if usage := get(response, "usage"):
            sent, written = (number(get(usage, f"{kind}_tokens")) or 0 for kind in ("input", "output"))
            yield Usage(input_tokens=sent, output_tokens=written)

    def _last_items(self, output: Sequence[Any]) -> Iterator[tuple[Any, _Streamed]]:
        """Yield the items of the last event, each with what has come before of it."""
        left, found = list(self._items), dict[int, _Streamed]()

        def is_same(test: str, position: int, item: Any, each: _Streamed) -> bool:
            call_id, item_id = (text(get(item, name)) or None for name in ("call_id", "id"))
            match test:
                case "call id":
                    return call_id is not None and call_id == each.call_id
                case "content":
                    return each.equals(item)
                case "id" if call_id in {None, *each.ids} or each.call_id is None:
                    return bool({item_id, call_id} & each.ids)
            return position in each.indexes and each.call_id in {None, call_id} and not each.complete

        for test in ("call id", "content", "id", "place"):
            for position, item in enumerate(output):
                kind, name = text(get(item, "type")), text(get(item, "name"))
                for each in left:
                    named = each.kind == kind and each.name in {None, name}
                    if position not in found and named and is_same(test, position, item, each):
                        found[position] = each
                left = [each for each in left if each not in found.values()]
        for position, item in enumerate(output):
            if kind := text(get(item, "type")):
                yield item, found.get(position) or self._new(kind, position)


def _text_of(arguments: Any) -> str:
    """Return a call's arguments as text, also where the server sends an object."""
    if isinstance(arguments, str):
        return arguments
    return json.dumps(arguments, ensure_ascii=False) if isinstance(arguments, Mapping) else ""


def _object_of(arguments: Any) -> Mapping[str, Any] | None:
    """Return a call's arguments as an object; None if they are not a whole one."""
    try:
        value = json.loads(_text_of(arguments))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
