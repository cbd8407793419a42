"""Any server with Anthropic's Messages API, through Anthropic's library: Anthropic's own, and those of vLLM or Ollama.

What is sent, and why in this form:

* Each tool asks for `eager_input_streaming`: without it the server holds each argument back until it is whole. What arrives
  may then be no valid JSON, which the accumulator expects of any server.
* Prompt caching has to be asked for. What is the same in every request, tools and system text, is marked, and so are the last
  two messages of the user: the earlier one is where the request before this one ended. The API takes four marks at most.
* The API requires a limit of the reply's tokens.

A server that does not know the first two is sent neither from then on, and one that refuses thinking, such as that of another
provider, gets no thinking back.

Source: the types of anthropic 2.14 (``anthropic.types``), and the documentation of the API.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from asyncfc_jupyter.models.address import show_address
from asyncfc_jupyter.models.anthropic.blocks import THINKING, Block, system_blocks, tool_block, tool_choice, turns
from asyncfc_jupyter.models.anthropic.library import ANTHROPIC_PYTHON
from asyncfc_jupyter.models.base import (
    REPLAY,
    CallDelta,
    ChatRequest,
    Delta,
    Finish,
    ReasoningDelta,
    ReplyItem,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.connection.adapter import Adapter, Read
from asyncfc_jupyter.models.connection.lenient import get, number, several, text
from asyncfc_jupyter.models.json_object import BLANK
from asyncfc_jupyter.models.profiles import ANTHROPIC_URL

#: Tokens of a reply, thinking included, if the user sets no limit: the most that every model since Claude 4 takes. A server
#: that refuses it gets the second from then on, the most that Claude 3 took.
MOST_TOKENS, FEWER_TOKENS = 32_000, 4_096
_EAGER, _CACHE, _USUAL, _THINKING = "eager_input_streaming", "cache_control", "the usual limit", "thinking"
_TOO_MANY = re.compile(r"max_tokens|context (length|limit|window)", re.IGNORECASE)
#: Marks for the cache that the API takes.
_MOST_MARKS = 4
#: Why a reply ended before it was whole. A pause follows too many steps of tools that run at the server.
_ENDS = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
}
#: The parts of what a request counts as input.
_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class ClaudeMessages(Adapter):
    """A model of a server with the Messages API; the arguments are those of `Adapter`."""

    library = ANTHROPIC_PYTHON
    reserved = frozenset({"messages", "model", "stream", "system", "tools"})
    unfinished = (
        "ended before the message did, so the reply is probably cut off; run it again, and if it stays so, the server does "
        "not speak the Messages API: set api to chat (--api)."
    )
    patterns: ClassVar[Mapping[str, re.Pattern[str]]] = {
        # With a budget of its own, thinking must come first in the last reply. What the layer itself calls has none.
        _THINKING: re.compile(
            r"must (start|begin) with a `?thinking`? block|thinking\b[^.]{0,60}\bnot (supported|permitted)"
        ),
    }

    def __init__(self, model: str, *, base_url: str | None = None, **more: Any) -> None:
        super().__init__(model, base_url=base_url or ANTHROPIC_URL, **more)
        # The library expects an address without the version; here all addresses end in it.
        version = "" if show_address(base_url or ANTHROPIC_URL).endswith("/v1") else "/v1"
        self.path, self.models_path = f"{version}/messages", f"{version}/models?limit=1000"

    def _body(self, request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        system = system_blocks(request.messages)
        tools = [tool_block(tool) for tool in request.tools]
        messages = turns(request.messages, "" if f"{REPLAY} {_THINKING}" in refused else self.name)
        if _EAGER not in refused:
            tools = [{_EAGER: True, **tool} for tool in tools]
        if _CACHE not in refused and _CACHE not in options:
            asked = [message["content"] for message in messages if message["role"] == "user"]
            # The user may have marked tools: then there is room for fewer, and the messages are the most of a request.
            ends = [blocks[-1] for blocks in (*asked[:-3:-1], system, tools) if blocks and _CACHE not in blocks[-1]]
            for block in ends[: max(0, _MOST_MARKS - sum(_CACHE in tool for tool in tools))]:
                block[_CACHE] = {"type": "ephemeral"}
        options = {name: value for name, value in options.items() if name not in refused}
        body = {**options, "max_tokens": _most_tokens(request, options, refused), "messages": messages}
        choice = body.pop("tool_choice", None)
        if choice is not None and tools:
            body["tool_choice"] = tool_choice(choice)
        return {**body, **({"system": system} if system else {}), **({"tools": tools} if tools else {})}

    def _limit_patterns(self, limited: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, re.Pattern[str]]:  # noqa: ARG002
        return {} if "max_tokens" in options else {_USUAL: _TOO_MANY}

    def _unasked(self, request: ChatRequest) -> Iterable[str]:  # noqa: ARG002
        return _EAGER, _CACHE

    def sent_back(self, request: ChatRequest) -> Iterable[str]:
        """Return whether thinking of this model is sent back."""
        kept = [message.get(REPLAY) or {} for message in request.messages]
        items = [item for each in kept if each.get("model") == self.name for item in each.get("items") or ()]
        return [_THINKING] if any(item["type"] in THINKING for item in items) else ()

    def _reader(self) -> Read:
        return MessageEvents().read


def _most_tokens(request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> Any:
    """Return the limit of the reply's tokens, which the API requires. It must be larger than a budget of thinking."""
    budget = number(get(options.get("thinking"), "budget_tokens")) or 0
    most = options.get("max_tokens", (FEWER_TOKENS if _USUAL in refused else MOST_TOKENS) + budget)
    if request.most_tokens is None or not isinstance(most, int):
        return most
    return min(most, max(request.most_tokens, budget + 1))


class MessageEvents:
    """Reads the events of one message, which are dicts.

    A block is read by its index. A call whose block ends without input is complete when the next block begins, since the limit
    of tokens may have cut the last one; the end of the reply shows that.
    """

    def __init__(self) -> None:
        #: The blocks that have begun and not ended; of a call, ``input`` is what came with its beginning, if no more came.
        self._open: dict[int | None, Block] = {}
        #: The index of the last call, if its block ended without input.
        self._bare: int | None = None
        self._usage: dict[str, int] = {}
        self._said = self._ended = False

    def read(self, event: Any) -> Iterator[Delta]:
        """Yield the deltas in an event."""
        index = number(get(event, "index"))
        match get(event, "type"):
            case "message_start":
                self._count(get(get(event, "message"), "usage"))
            case "content_block_start":
                yield from self._begin(index, get(event, "content_block"))
            case "content_block_delta":
                yield from self._piece(index, get(event, "delta"))
            case "content_block_stop":
                yield from self._end(index)
            case "message_delta":
                self._count(get(event, "usage"))
                yield from self._finish(get(event, "delta"))
            case "message_stop" if not self._ended:
                yield Finish(reason="stop")
            case "message":  # of a server that does not stream
                for place, block in enumerate(several(get(event, "content"))):
                    yield from self._begin(place, block)
                    yield from self._end(place)
                self._count(get(event, "usage"))
                yield from self._finish(event)

    def _begin(self, index: int | None, block: Any) -> Iterator[Delta]:
        if self._bare is not None:
            yield CallDelta(index=self._bare, arguments={}, whole=True)
            self._bare = None
        kind = text(get(block, "type")) or ""
        held = self._open[index] = {"type": kind}
        match kind:
            case "text":
                held["chars"] = 0
                yield from self._text(held, get(block, "text"))
            case "tool_use":
                held |= {"call_id": text(get(block, "id")) or "", "input": get(block, "input")}
                yield CallDelta(index=index, call_id=held["call_id"] or None, name=text(get(block, "name")))
            case "thinking" | "redacted_thinking":
                fields = ("thinking", "signature", "data")
                held |= {name: words for name in fields if isinstance(words := get(block, name), str)}
                if held.get("thinking"):
                    yield ReasoningDelta(text=held["thinking"])

    def _piece(self, index: int | None, delta: Any) -> Iterator[Delta]:
        held = self._open.setdefault(index, {"type": ""})
        match get(delta, "type"):
            case "text_delta":
                yield from self._text(held, get(delta, "text"))
            case "input_json_delta" if held["type"] in {"tool_use", ""}:  # and not of a tool that runs at the server
                piece = get(delta, "partial_json")
                if isinstance(piece, str) and piece:
                    if piece.strip(f"{{}}{BLANK}"):
                        held["input"] = None
                    yield CallDelta(index=index, arguments=piece)
            case "thinking_delta" | "signature_delta" as kind:
                name = kind.removesuffix("_delta")
                if (words := get(delta, name)) and isinstance(words, str):
                    held[name] = held.get(name, "") + words
                    if name == "thinking":
                        yield ReasoningDelta(text=words)

    def _text(self, held: Block, words: Any) -> Iterator[Delta]:
        if words and isinstance(words, str):
            held["chars"] = held.get("chars", 0) + len(words)
            self._said = True
            yield TextDelta(text=words)

    def _end(self, index: int | None) -> Iterator[Delta]:
        held = self._open.pop(index, None)
        kind = held["type"] if held else ""
        if held and kind == "tool_use":
            given = held.pop("input")
            if isinstance(given, Mapping):  # all of the input came with the beginning, or none came at all
                self._bare = None if given else index
                yield CallDelta(index=index, arguments=given, whole=bool(given))
        if held and (kind in THINKING or kind in {"text", "tool_use"}):
            yield ReplyItem(item=held)

    def _finish(self, delta: Any) -> Iterator[Delta]:
        if reason := text(get(delta, "stop_reason")):
            self._ended = True
            explanation = get(get(delta, "stop_details"), "explanation")
            if reason == "refusal" and not self._said:
                yield from self._text({}, explanation)
            yield Finish(reason=_ENDS.get(reason, reason))
        if self._usage:
            sent = sum(self._usage.get(name, 0) for name in _INPUT)
            yield Usage(input_tokens=sent, output_tokens=self._usage.get("output_tokens", 0))

    def _count(self, usage: Any) -> None:
        for name in (*_INPUT, "output_tokens"):
            if (count := number(get(usage, name))) is not None:
                self._usage[name] = count
