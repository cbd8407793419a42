"""Any server that speaks the Chat Completions API, through openai-python.

What goes out, and why in this form:

* Nothing optional is sent that the user did not set: strict servers refuse what they do not know. When one refuses an
  option that the user did set, as something it does not know or support at all, the request is made once more without
  it, with a warning, and the option stays out from then on. A value out of range is the user's to mend, and an error.
* Reasoning goes back, in the field in which it came, with the replies that made calls, and with no others. DeepSeek's
  newer models demand it of those, its older ones, which make no calls, refuse it; vLLM and llama.cpp hand it to the
  model's own template, which drops what it does not want. A server that refuses the field is sent it no more.

Depends on nothing below openai-python: version 3 sits on another HTTP library than version 2. Chunks are dicts, or any objects
with the fields used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from asyncfc_jupyter.models.base import (
    REPLAY,
    CallDelta,
    ChatRequest,
    Delta,
    Finish,
    Message,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.openai.adapter import Adapter, Read
from asyncfc_jupyter.models.openai.lenient import get, number, several, text

#: Where servers put reasoning in a delta: vLLM now and OpenRouter, then DeepSeek, llama.cpp and older vLLM.
_REASONING_FIELDS = ("reasoning", "reasoning_content")


class OpenAIChat(Adapter):
    """A model behind a server with the Chat Completions API; the arguments are those of `Adapter`."""

    path = "/chat/completions"
    reserved = frozenset({"messages", "model", "n", "stream", "tools"})
    unfinished = (
        "ended without a finish reason, so the reply is probably cut off; run it again, and if it stays so, the server "
        "does not speak the Chat Completions API."
    )

    def _body(self, request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        messages = [_sent(each, self.name, refused) if REPLAY in each else each for each in request.messages]
        tools = {"tools": request.tools} if request.tools else {}
        return {"messages": messages, **tools, **options}

    def _unasked(self, request: ChatRequest) -> Iterable[str]:
        return _fields_of(request.messages, self.name)

    def _reader(self) -> Read:
        return _deltas


# -- reasoning, on its way back --------------------------------------------------------------------------------------


def _fields_of(messages: Any, model: str) -> list[str]:
    kept = [message for message in messages if REPLAY in message]
    found = (message[REPLAY].get("field") for message in kept if _is_replayed(message, model))
    return list(dict.fromkeys(field for field in found if field))


def _is_replayed(message: Message, model: str) -> bool:
    kept = message.get(REPLAY)
    return bool(kept and kept.get("model") == model and message.get("tool_calls"))


def _sent(message: Message, model: str, refused: frozenset[str]) -> Message:
    """Return a message that carries what is only kept as the server gets it."""
    plain = {name: value for name, value in message.items() if name != REPLAY}
    field = message[REPLAY].get("field")
    if field and field not in refused and _is_replayed(message, model):
        plain[field] = message[REPLAY]["text"]
    return plain


# -- what comes in ---------------------------------------------------------------------------------------------------


def _deltas(chunk: Any) -> Iterator[Delta]:
    """Yield what a chunk says. Of several choices, which nobody asked for, only the first counts."""
    for choice in several(get(chunk, "choices"))[:1]:
        yield from _said(get(choice, "delta"))
        if reason := get(choice, "finish_reason"):
            yield Finish(reason=str(reason))
    if usage := get(chunk, "usage"):
        sent, written = (number(get(usage, f"{kind}_tokens")) or 0 for kind in ("prompt", "completion"))
        yield Usage(input_tokens=sent, output_tokens=written)


def _said(delta: Any) -> Iterator[Delta]:
    for field in _REASONING_FIELDS:
        reasoning = get(delta, field)
        if reasoning and isinstance(reasoning, str):
            yield ReasoningDelta(text=reasoning, field=field)
            break  # some servers send both, with the same text
    for words in (get(delta, "content"), get(delta, "refusal")):
        if words and isinstance(words, str):
            yield TextDelta(text=words)
    for call in several(get(delta, "tool_calls")):
        function = get(call, "function")
        name = get(function, "name")
        yield CallDelta(
            index=number(get(call, "index")),
            call_id=text(get(call, "id")),
            name=name if isinstance(name, str) else None,
            arguments=get(function, "arguments"),
        )
