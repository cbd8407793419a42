"""Any server with the Chat Completions API, through openai-python.

What is sent, and why in this form:

* Nothing optional is sent that the user did not set: strict servers refuse fields that they do not know. If a server refuses an
  option that the user did set because it does not support it, the request is sent again without it, with a warning, and the
  option is left out from then on. A value out of range is an error, which the user must fix.
* Reasoning is sent back in the field in which it came, with the replies that made calls, and with no others. DeepSeek's newer
  models require it; its older models, which make no calls, refuse it; vLLM and llama.cpp pass it to the model's own template,
  which drops what it does not use. A server that refuses the field is not sent it again.
* What only the model's server can read is sent back as it came, to this model alone (`kept`): fields with signatures, parts of
  the content that think, and what stands in a call. A model that signs its calls is sent a signature with every reply that
  makes calls, as Google requires; for a call that it has not made, the text that Google takes instead.

This depends on openai-python and not on its own dependencies: version 3 uses another HTTP library than version 2. Chunks are
dicts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from asyncfc_jupyter.models.base import (
    REPLAY,
    CallDelta,
    ChatRequest,
    Delta,
    Finish,
    KeptDelta,
    Message,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.connection.adapter import Adapter, Read
from asyncfc_jupyter.models.connection.lenient import get, number, several, text, words
from asyncfc_jupyter.models.kept import extra_of, with_extra
from asyncfc_jupyter.models.openai.library import OPENAI_PYTHON

#: The fields of a delta with reasoning: of vLLM and OpenRouter; of DeepSeek, llama.cpp and older vLLM.
_REASONING_FIELDS = ("reasoning", "reasoning_content")
#: Fields with reasoning that only a server can read, and often its text: of OpenRouter, LiteLLM. They stand for the text.
_OPAQUE_FIELDS = ("reasoning_details", "thinking_blocks")
#: All that a server wants to see again; the last is Google's.
_KEPT_FIELDS = (*_OPAQUE_FIELDS, "extra_content")
#: How a model's server says that each step needs a signature, and what Google takes in the place of one that its model has not
#: made: for the calls of other models and of the layer. Source: https://ai.google.dev/gemini-api/docs/thought-signatures
_SIGNATURES = "calls without a signature"
_UNSIGNED = re.compile(r"missing an? `?thought_?signature", re.IGNORECASE)
_NO_SIGNATURE = {"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}


class OpenAIChat(Adapter):
    """A model of a server with the Chat Completions API; the arguments are those of `Adapter`."""

    library = OPENAI_PYTHON
    path = "/chat/completions"
    marks = ("choices",)
    reserved = frozenset({"messages", "model", "n", "stream", "tools"})
    patterns: ClassVar[Mapping[str, re.Pattern[str]]] = {_SIGNATURES: _UNSIGNED}
    quiet = frozenset({_SIGNATURES})
    limits = ("max_tokens", "max_completion_tokens")  # OpenAI's newer models refuse the first, other servers the second
    unfinished = (
        "ended without a finish reason, so the reply is probably cut off; run it again, and if it stays so, the server "
        "does not speak the Chat Completions API."
    )

    def _body(self, request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        messages = [_sent(message, self.name, refused) for message in request.messages]
        if _SIGNATURES in refused or any(map(_is_signed, messages)):
            messages = list(_signed(messages))
        tools = {"tools": request.tools} if request.tools else {}
        return {"messages": messages, **tools, **options}

    def sent_back(self, request: ChatRequest) -> Iterable[str]:
        """Return the fields of the assistant messages that this model wrote, and ``calls`` for what is in their calls."""
        for message in request.messages:
            kept = message.get(REPLAY) or {}
            if kept.get("model") == self.name:
                yield from kept.get("fields") or ()
                yield from filter(None, (kept.get("field"), "calls" if kept.get("calls") else None))

    def _reader(self) -> Read:
        chunks = ChatChunks()

        def read(chunk: Any) -> Iterator[Delta]:
            for choice in several(get(chunk, "choices")):
                if error := get(choice, "error"):  # OpenRouter's, of the provider that it has asked
                    raise self.interrupted(error)
            yield from chunks.read(chunk)

        return read


def _sent(message: Message, model: str, refused: frozenset[str]) -> Message:
    """Return a message as it is sent: with what its reply kept, if this model wrote it, and without what was refused."""
    if REPLAY not in message:
        return message
    plain = {name: value for name, value in message.items() if name != REPLAY}
    kept = message[REPLAY] or {}
    if kept.get("model") != model:
        return plain
    fields = dict(kept.get("fields") or {})
    if kept.get("field") and message.get("tool_calls") and not fields.keys() & {*_OPAQUE_FIELDS, "content"}:
        fields[kept["field"]] = kept["text"]
    for name, value in fields.items():
        if f"{REPLAY} {name}" in refused:
            continue
        said = [{"type": "text", "text": plain["content"]}] if name == "content" and plain.get("content") else []
        plain[name] = [*value, *said] if name == "content" else value
    if (extras := kept.get("calls")) and f"{REPLAY} calls" not in refused and plain.get("tool_calls"):
        plain["tool_calls"] = [with_extra(call, extras.get(call["id"], {})) for call in plain["tool_calls"]]
    return plain


def _is_signed(message: Message) -> bool:
    """Return whether a message has a call with a signature of Google's."""
    calls = message.get("tool_calls")
    if not calls:  # asked of every message of the history, at every request
        return False
    return any(get(get(call.get("extra_content"), "google"), "thought_signature") for call in calls)


def _signed(messages: Iterable[Message]) -> Iterator[Message]:
    """Yield messages: the first call of each that makes calls without a signature has what stands for one."""
    for message in messages:
        if message.get("tool_calls") and not _is_signed(message):
            first, *others = message["tool_calls"]
            yield {**message, "tool_calls": [{**first, **_NO_SIGNATURE}, *others]}
        else:
            yield message


class ChatChunks:
    """Reads the chunks of one reply, which are dicts.

    A chunk usually has a ``delta``. Some servers send a ``message``, which holds the whole reply so far: a single one when they
    do not stream, one in each chunk, or one more after all deltas. Of a message that begins with what has come, the rest is
    new. Where no delta came, a message that does not begin so is a piece. A call is taken from deltas or from messages, never
    from both: the calls of a last message repeat those of the deltas, also with other ids.
    """

    def __init__(self) -> None:
        #: The index of the choice that is read, once it is known: no request asks for several, but some servers send them.
        self._choice: int | None = None
        #: What has come: the text, the reasoning, and the arguments of each call of a message.
        self._texts: dict[type[Delta], list[str]] = {ReasoningDelta: [], TextDelta: []}
        self._calls: dict[int | None, CallDelta] = {}
        #: Whether anything, and a call, came in a delta.
        self._by_delta = self._called = False

    def read(self, chunk: Any) -> Iterator[Delta]:
        """Yield the deltas in a chunk."""
        for choice in several(get(chunk, "choices")):
            index = number(get(choice, "index"))
            self._choice = index if self._choice is None else self._choice
            if index not in {None, self._choice}:
                continue
            delta, message = get(choice, "delta"), get(choice, "message")
            if delta or not message:
                yield from self._piece(delta or {"content": get(choice, "text")})  # the form of before 2023
            if message:
                yield from self._whole(message)
            reason = get(choice, "finish_reason")
            if reason and reason != "null":  # some servers write the word
                yield Finish(reason=str(reason))
        if usage := get(chunk, "usage"):
            sent, written = (number(get(usage, f"{kind}_tokens")) or 0 for kind in ("prompt", "completion"))
            yield Usage(input_tokens=sent, output_tokens=written)

    def _piece(self, delta: Any) -> Iterator[Delta]:
        for said in _texts(delta):
            self._by_delta = True
            self._texts[type(said)].append(said.text)
            yield said
        for call in _calls(delta, whole=False):
            self._called = True
            yield call
        yield from _kept(delta, whole=False)

    def _whole(self, message: Any) -> Iterator[Delta]:
        texts = list(_texts(message))
        for kind, came in self._texts.items():
            given = [each for each in texts if type(each) is kind]
            before, whole = "".join(came), "".join(each.text for each in given)
            if before and whole.startswith(before):
                whole = whole[len(before) :]
            elif before and self._by_delta:
                whole = ""  # the same in another form, such as without blanks at its ends
            if whole:
                came.append(whole)
                yield replace(given[0], text=whole)
        for call in () if self._called else _calls(message, whole=True):
            known = self._calls.get(call.index)
            self._calls[call.index] = call
            if known is None or known.name != call.name:
                yield call
            elif isinstance(call.arguments, str) and call.arguments.startswith(text(known.arguments) or ""):
                yield CallDelta(index=call.index, arguments=call.arguments[len(text(known.arguments) or "") :])
            elif call.arguments != known.arguments:
                yield call
        yield from _kept(message, whole=True)


def _texts(message: Any) -> Iterator[TextDelta | ReasoningDelta]:
    """Yield the reasoning and the text of a delta or a message."""
    for field in _REASONING_FIELDS:
        if reasoning := words(sent := get(message, field)):
            yield ReasoningDelta(text=reasoning, field=field if isinstance(sent, str) else "")
            break  # some servers send both, with the same text
    else:
        if reasoning := next(filter(None, (words(get(message, field)) for field in _OPAQUE_FIELDS)), ""):
            yield ReasoningDelta(text=reasoning)
    for content in (get(message, "content"), get(message, "refusal")):
        for part in (content,) if isinstance(content, str) else several(content):
            if text_of_part := words(part):
                yield ReasoningDelta(text=text_of_part) if _is_thought(part) else TextDelta(text=text_of_part)


def _is_thought(part: Any) -> bool:
    """Return whether a part of the content is reasoning, in any of its names."""
    kind = get(part, "type")
    return isinstance(kind, str) and ("think" in kind or "reason" in kind)


def _kept(message: Any, *, whole: bool) -> Iterator[KeptDelta]:
    """Yield what a delta or a whole message holds for its server alone."""
    for field in _KEPT_FIELDS:
        if value := get(message, field):
            yield KeptDelta(field=field, value=value, whole=whole)
    if thoughts := [part for part in several(get(message, "content")) if _is_thought(part)]:
        yield KeptDelta(field="content", value=thoughts, whole=whole)


def _calls(message: Any, *, whole: bool) -> Iterator[CallDelta]:
    """Yield the calls of a delta or a whole message."""
    made = [*several(get(message, "tool_calls"))]
    if not made and (function := get(message, "function_call")):
        made = [{"index": 0, "function": function}]  # the form of before 2023, with one call in a reply
    made += [part for part in several(get(message, "content")) if get(part, "type") == "tool_use"]
    for position, call in enumerate(made):
        function = get(call, "function") or {"name": get(call, "name"), "arguments": get(call, "input")}
        name, index = get(function, "name"), number(get(call, "index"))
        yield CallDelta(
            # The position in the list distinguishes calls without an index. A call alone says nothing by its position, unless
            # the list is whole.
            index=position if index is None and (position or whole) else index,
            call_id=text(get(call, "id")),
            name=name if isinstance(name, str) else None,
            arguments=get(function, "arguments"),
            extra=extra_of(call) if get(call, "function") else None,
        )
