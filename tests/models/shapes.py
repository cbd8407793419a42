"""The same reply in every shape in which servers send it: as chunks or events of another form, and as another body."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.servers.response_script import call_item, reasoning_item, response, text_item
from tests.servers.scripted_server import call_chunks, chunk, encoded, text_chunks

#: A chunk of Chat Completions or an event of the Responses API.
Sent = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a reply means."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()

    @property
    def reason(self) -> str:
        """Why it ends."""
        return "tool_calls" if self.calls else "stop"


# -- Chat Completions ------------------------------------------------------------------------------------------------


def deltas(said: Said) -> list[Sent]:
    """The usual chunks, without the one that ends the reply."""
    thoughts = [
        chunk({"reasoning_content": piece["choices"][0]["delta"]["content"]}) for piece in _pieces(said.reasoning)
    ]
    calls = [piece for at, call in enumerate(said.calls) for piece in call_chunks(at, f"call_{at}", *call)]
    return [chunk({"role": "assistant", "content": ""}), *thoughts, *_pieces(said.text), *calls]


def _pieces(text: str) -> list[Sent]:
    return text_chunks(text, pieces=3) if text else []


def ended(chunks: list[Sent], said: Said) -> list[Sent]:
    """Chunks with the one that says why the reply ends."""
    return [*chunks, chunk({}, said.reason)]


def message(said: Said, prefix: str = "call_") -> dict[str, Any]:
    """The whole reply as a message."""
    calls = [
        {"id": f"{prefix}{at}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for at, (name, arguments) in enumerate(said.calls)
    ]
    thought = {"reasoning_content": said.reasoning} if said.reasoning else {}
    return {"role": "assistant", "content": said.text or None, "tool_calls": calls or None, **thought}


def completion(said: Said, **fields: Any) -> Sent:
    """The whole reply in the form for a client that did not ask for a stream."""
    choice = {"index": 0, "message": message(said), "finish_reason": said.reason, **fields}
    usage = {"prompt_tokens": 12, "completion_tokens": 7}
    return {"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}


def _in_deltas(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Said], list[Sent]]:
    """A shape in which each delta is changed."""

    def shape(said: Said) -> list[Sent]:
        return ended([chunk(change(each["choices"][0]["delta"])) for each in deltas(said)], said)

    return shape


def _part(delta: dict[str, Any], kind: str = "text") -> dict[str, Any]:
    return {**delta, "content": [{"type": kind, "text": delta["content"]}]} if delta.get("content") else delta


def _thinking(delta: dict[str, Any]) -> dict[str, Any]:
    thought = delta.get("reasoning_content")
    inner = [{"type": "text", "text": thought}]
    return {"content": [{"type": "thinking", "thinking": inner}]} if thought else _part(delta)


def _renamed(said: Said) -> list[Sent]:
    choices = [each["choices"][0] for each in ended(deltas(said), said)]
    return [{"choices": [{"message": each["delta"], "finish_reason": each["finish_reason"]}]} for each in choices]


def _growing(said: Said) -> list[Sent]:
    whole, shown = message(said), []
    for part in (1, 2, 3):
        text, thought = (value[: len(value) * part // 3] for value in (said.text, said.reasoning))
        calls = json.loads(json.dumps(whole["tool_calls"] or []))
        for call in calls:
            call["function"]["arguments"] = call["function"]["arguments"][: 4 * part]
        grown = {**whole, "content": text, "tool_calls": calls, **({"reasoning_content": thought} if thought else {})}
        shown.append({"choices": [{"index": 0, "message": grown, "finish_reason": None}]})
    return [*shown, completion(said)]


def _repeated(said: Said) -> list[Sent]:
    """All deltas, then the whole message, whose calls have other ids and whose text has no blanks at its ends."""
    last = {**message(said, prefix="another_"), "content": said.text.strip()}
    return [*deltas(said), {"choices": [{"index": 0, "delta": {}, "message": last, "finish_reason": said.reason}]}]


def _legacy_call(delta: dict[str, Any]) -> dict[str, Any]:
    calls = delta.get("tool_calls")
    return {"function_call": calls[0]["function"]} if calls else delta


CHAT: dict[str, Callable[[Said], list[Sent]]] = {
    "deltas": lambda said: ended(deltas(said), said),
    "parts": _in_deltas(_part),
    "parts with output_text": _in_deltas(lambda delta: _part(delta, "output_text")),
    "parts that think": _in_deltas(_thinking),
    "a function_call": _in_deltas(_legacy_call),
    "messages in place of deltas": _renamed,
    "messages that grow": _growing,
    "deltas, then a message": _repeated,
    "a message": lambda said: [completion(said)],
    "a message with parts": lambda said: [completion(said, message={**message(said), **_part(message(said))})],
    "no finish reason": deltas,
    "a finish reason in words": lambda said: [*deltas(said), chunk({}, "null"), chunk({}, said.reason)],
    "a message without a finish reason": lambda said: [completion(said, finish_reason=None)],
    "a text": lambda said: [
        {"choices": [{"text": piece["choices"][0]["delta"]["content"]}]} for piece in _pieces(said.text)
    ],
}

# -- the Responses API -----------------------------------------------------------------------------------------------


def events(said: Said) -> list[Sent]:
    """The usual events."""
    items = [reasoning_item("rs_1", said.reasoning)] if said.reasoning else []
    items += [text_item(said.text, pieces=3)] if said.text else []
    items += [call_item(f"call_{at}", *call) for at, call in enumerate(said.calls)]
    return [step for step in response(*items).steps if isinstance(step, dict)]


def _items(said: Said) -> list[Sent]:
    return [event["item"] for event in events(said) if event["type"] == "response.output_item.done"]


def _response(said: Said, **fields: Any) -> Sent:
    output = [{**item, **(fields if item["type"] == "message" else {})} for item in _items(said)]
    return {"id": "resp_1", "object": "response", "status": "completed", "output": output}


def _without(*kinds: str) -> Callable[[Said], list[Sent]]:
    return lambda said: [event for event in events(said) if not any(event["type"].endswith(kind) for kind in kinds)]


def _text_done(said: Said) -> list[Sent]:
    """Of a text, only the event with the whole of it."""
    sent: list[Sent] = []
    for event in events(said):
        item = event.get("item") or {}
        if event["type"].endswith("output_text.delta") or item.get("type") == "message":
            if event["type"].endswith("done"):
                sent.append(
                    {"type": "response.output_text.done", "content_index": 0, "item_id": "msg_1", "text": said.text}
                )
        else:
            sent.append(event)
    return sent


RESPONSES: dict[str, Callable[[Said], list[Sent]]] = {
    "events": events,
    "no deltas": _without(".delta"),
    "only the last event": lambda said: [{"type": "response.completed", "response": _response(said)}],
    "only whole texts": _text_done,
    "the response": lambda said: [_response(said)],
    "the response with its text as a text": lambda said: [_response(said, content=said.text)],
    "the response without a status": lambda said: [{"output": _items(said)}],
    "no last event": _without(".completed"),
}

# -- bodies ----------------------------------------------------------------------------------------------------------


def _lines(sent: list[Sent]) -> Iterator[str]:
    yield from map(json.dumps, sent)


def _data(sent: list[Sent], *, between: str, done: bool = True) -> str:
    return "".join(f"data: {line}{between}" for line in [*_lines(sent), *(["[DONE]"] if done else [])])


BODIES: dict[str, Callable[[list[Sent]], str]] = {
    "events": lambda sent: b"".join(map(encoded, sent)).decode() + "data: [DONE]\n\n",
    "events without blank lines": lambda sent: _data(sent, between="\n"),
    "events with a mark and long ends": lambda sent: "\ufeff" + _data(sent, between="\r\n\r\n"),
    "events with short ends": lambda sent: ": hello\r" + _data(sent, between="\r\r"),
    "events with other lines": lambda sent: _data(
        sent, between="\nid: 7\nretry: 5\n: x\n\nevent: ping\ndata: ping\n\n"
    ),
    "events in many lines": lambda sent: (
        "".join("".join(f"data: {line}\n" for line in json.dumps(each, indent=1).split("\n")) + "\n" for each in sent)
        + "data:[DONE]"
    ),
    "data twice": lambda sent: _data(sent, between="\n\n").replace("data: ", "data: data: "),
    "lists in events": lambda sent: f"data: {json.dumps(sent)}\n\ndata: [DONE]\n\n",
}
#: Bodies without the mark of the end, for replies that say themselves that they are whole.
UNMARKED: dict[str, Callable[[list[Sent]], str]] = {
    "events, no mark": lambda sent: _data(sent, between="\n\n", done=False),
    "a line each": lambda sent: "\n".join(_lines(sent)),
    "JSON": lambda sent: json.dumps(sent[0] if len(sent) == 1 else sent),
    "JSON in many lines": lambda sent: json.dumps(sent[0] if len(sent) == 1 else sent, indent=2) + "\n",
    "JSON, one after the other": lambda sent: "".join(json.dumps(each, indent=1) for each in sent),
}
