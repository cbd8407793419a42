"""Any server with the Chat Completions API, through openai-python.

What is sent, and why in this form:

* Nothing optional is sent that the user did not set: strict servers refuse fields that they do not know. If a server refuses an
  option that the user did set because it does not support it, the request is sent again without it, with a warning, and the
  option is left out from then on. A value out of range is an error, which the user must fix.
* Reasoning is sent back in the field in which it came, with the replies that made calls, and with no others. DeepSeek's newer
  models require it; its older models, which make no calls, refuse it; vLLM and llama.cpp pass it to the model's own template,
  which drops what it does not use. A server that refuses the field is not sent it again.

This depends on openai-python and not on its own dependencies: version 3 uses another HTTP library than version 2. Chunks are
dicts.
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
from asyncfc_jupyter.models.connection.adapter import Adapter, Read
from asyncfc_jupyter.models.connection.lenient import get, number, several, text
from asyncfc_jupyter.models.openai.library import OPENAI_PYTHON

#: The fields of a delta with reasoning: of vLLM and OpenRouter; of DeepSeek, llama.cpp and older vLLM.
_REASONING_FIELDS = ("reasoning", "reasoning_content")


class OpenAIChat(Adapter):
    """A model of a server with the Chat Completions API; the arguments are those of `Adapter`."""

    library = OPENAI_PYTHON
    path = "/chat/completions"
    reserved = frozenset({"messages", "model", "n", "stream", "tools"})
    limits = ("max_tokens", "max_completion_tokens")  # OpenAI's newer models refuse the first, other servers the second
    unfinished = (
        "ended without a finish reason, so the reply is probably cut off; run it again, and if it stays so, the server "
        "does not speak the Chat Completions API."
    )

    def _body(self, request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        messages: list[Message] = []
        for message in request.messages:
            if REPLAY in message:
                reasoning = _reasoning(message, self.name)
                plain = {name: value for name, value in message.items() if name != REPLAY}
                messages.append(plain | {name: words for name, words in reasoning.items() if name not in refused})
            else:
                messages.append(message)
        tools = {"tools": request.tools} if request.tools else {}
        return {"messages": messages, **tools, **options}

    def _unasked(self, request: ChatRequest) -> Iterable[str]:
        return dict.fromkeys(field for message in request.messages for field in _reasoning(message, self.name))

    def _reader(self) -> Read:
        return ChatChunks().read


def _reasoning(message: Message, model: str) -> dict[str, str]:
    """Return the reasoning that is sent back with a message, by the name of its field; empty for most messages."""
    kept = message.get(REPLAY)
    if kept and kept.get("field") and kept.get("model") == model and message.get("tool_calls"):
        return {kept["field"]: kept["text"]}
    return {}


class ChatChunks:
    """Reads the chunks of one reply, which are dicts."""

    def __init__(self) -> None:
        #: The index of the choice that is read, once it is known: no request asks for several, but some servers send them.
        self._choice: int | None = None

    def read(self, chunk: Any) -> Iterator[Delta]:
        """Yield the deltas in a chunk."""
        for choice in several(get(chunk, "choices")):
            index = number(get(choice, "index"))
            self._choice = index if self._choice is None else self._choice
            if index not in {None, self._choice}:
                continue
            yield from _reply_deltas(get(choice, "delta"))
            if reason := get(choice, "finish_reason"):
                yield Finish(reason=str(reason))
        if usage := get(chunk, "usage"):
            sent, written = (number(get(usage, f"{kind}_tokens")) or 0 for kind in ("prompt", "completion"))
            yield Usage(input_tokens=sent, output_tokens=written)


def _reply_deltas(delta: Any) -> Iterator[Delta]:
    for field in _REASONING_FIELDS:
        reasoning = get(delta, field)
        if reasoning and isinstance(reasoning, str):
            yield ReasoningDelta(text=reasoning, field=field)
            break  # some servers send both, with the same text
    for words in (get(delta, "content"), get(delta, "refusal")):
        if words and isinstance(words, str):
            yield TextDelta(text=words)
    for position, call in enumerate(several(get(delta, "tool_calls"))):
        function = get(call, "function")
        name, index = get(function, "name"), number(get(call, "index"))
        yield CallDelta(
            # The position in the list distinguishes calls without an index. A call alone says nothing by its position.
            index=position if index is None and position else index,
            call_id=text(get(call, "id")),
            name=name if isinstance(name, str) else None,
            arguments=get(function, "arguments"),
        )
