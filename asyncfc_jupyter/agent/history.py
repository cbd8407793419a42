"""The rules of a history that every server accepts, and how one that breaks them is fixed.

Servers differ in what they tolerate; these are the rules of the strictest. A check covers only the messages since the last
request. Those before it never change, so prompt caches stay warm and state that a server keeps stays right. There is one
exception: the last tool messages are replaced where the request that held them was retracted, since no reply to them is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from asyncfc_jupyter.agent import tool_messages
from asyncfc_jupyter.errors import InvariantBroken
from asyncfc_jupyter.text import shorten

Message = Mapping[str, Any]

#: Messages that the story of a broken rule shows, and characters of each.
_STORY_MESSAGES, _STORY_CHARACTERS = 6, 300
#: What servers accept as the name of a function.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: The answer to a call whose own answer is missing.
_LOST = {"status": "cancelled", "error": "the answer to this call was lost; make the call again if you need it"}
#: Stands for a reply that is missing between two messages of the user.
_MISSING_REPLY = "(stopped)"
#: Stands for a message of the user that is missing between two replies.
_CONTINUE = {"role": "user", "content": "(go on)"}


class Checker:
    """Checks a growing history before each request."""

    def __init__(self) -> None:
        self._sent: list[Message] = []
        self._ids: set[str] = set()

    def check(self, messages: Sequence[Message]) -> None:
        """Check the messages that were appended since the last check.

        Raises:
            InvariantBroken: Names the rule, and shows the messages around the one that breaks it.
        """
        # Comparing lists compares identities first, seven times as fast as a loop over `is`.
        if messages[: len(self._sent)] != self._sent:
            same = (now == sent for now, sent in zip_longest(messages, self._sent))
            number = next(number for number, unchanged in enumerate(same) if not unchanged)
            raise InvariantBroken("messages that were sent never change", _story(messages, number))
        new = set[str]()
        for number in range(len(self._sent), len(messages)):
            for rule, held in self._rules(messages, number, new):
                if not held:
                    raise InvariantBroken(rule, _story(messages, number))
        if _open_before(messages, len(messages)):
            raise InvariantBroken(
                "every tool call is answered before the next request", _story(messages, len(messages) - 1)
            )
        self._sent += messages[len(self._sent) :]
        self._ids |= new

    def retract(self, start: int) -> None:
        """Allow other messages from this number on: the request that held these was retracted."""
        for message in self._sent[start:]:
            self._ids -= {call["id"] for call in message.get("tool_calls", ())}
        del self._sent[start:]

    def forget(self) -> None:
        """Check the whole history the next time."""
        self._sent, self._ids = [], set()

    def _rules(self, messages: Sequence[Message], number: int, new: set[str]) -> Iterator[tuple[str, bool]]:
        """Yield each rule for a message with whether it holds; add the ids of its calls to ``new``."""
        message, open_ids = messages[number], _open_before(messages, number)
        role, calls = message.get("role"), message.get("tool_calls", ())
        if role == "tool":
            yield "a tool message answers one open call", message.get("tool_call_id") in open_ids
        else:
            yield "every tool call is answered at once", not open_ids
        for call in calls:
            call_id = call.get("id")
            yield "the ids of tool calls differ", bool(call_id) and call_id not in self._ids and call_id not in new
            yield from _call_rules(call)
            new.add(call_id)
        yield "a message's role is user, assistant or tool", role in {"user", "assistant", "tool"}
        yield "a message has a text or calls", isinstance(message.get("content"), str) or bool(calls)
        before = messages[number - 1]["role"] if number else None
        yield "the user and the model take turns", role == "tool" or role != before or bool(open_ids)


def _call_rules(call: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    function = call.get("function", {})
    yield "a function's name is one that servers accept", _NAME.fullmatch(function.get("name", "")) is not None
    yield "arguments are a JSON object", function.get("arguments", "")[:1] == "{"


def _open_before(messages: Sequence[Message], number: int) -> list[str]:
    """Return the ids of the calls that are unanswered before the message of this number."""
    first = number
    while first and messages[first - 1]["role"] == "tool":
        first -= 1
    answered = {message.get("tool_call_id") for message in messages[first:number]}
    calls = messages[first - 1].get("tool_calls", ()) if first else ()
    return [call["id"] for call in calls if call.get("id") not in answered]


def _story(messages: Sequence[Message], number: int) -> str:
    shown = range(max(0, number - _STORY_MESSAGES + 1), min(len(messages), number + 1))
    return f"message {number} of {len(messages)}: " + "; ".join(
        f"[{index}] {shorten(repr(dict(messages[index])), _STORY_CHARACTERS)}" for index in shown
    )


def fixed(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return a history that follows the rules and keeps as much of this one as they allow."""
    ids: set[str] = set()
    result: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        match message.get("role"):
            case "assistant":
                if result and result[-1]["role"] == "assistant":
                    result.append(dict(_CONTINUE))
                result += _fixed_reply(messages, number, ids)
            case "user" if isinstance(message.get("content"), str):
                if result and result[-1]["role"] == "user":
                    result.append({"role": "assistant", "content": _MISSING_REPLY})
                result.append(dict(message))
    if result and result[-1]["role"] == "assistant" and messages[-1]["role"] == "tool":
        result.append(dict(_CONTINUE))  # the answers that the model waited for are dropped, and a request must follow
    return result


def _fixed_reply(messages: Sequence[Message], number: int, ids: set[str]) -> Iterator[dict[str, Any]]:
    message = dict(messages[number])
    calls = {}
    for call in message.pop("tool_calls", ()):
        if call.get("id") and call["id"] not in ids and all(held for _, held in _call_rules(call)):
            calls[call["id"]] = call
    ids.update(calls)
    if calls:
        message["tool_calls"] = list(calls.values())
    elif not isinstance(message.get("content"), str):
        message["content"] = _MISSING_REPLY
    yield message
    answers: dict[str, Message] = {}
    for answer in messages[number + 1 :]:
        if answer.get("role") != "tool":
            break
        answers.setdefault(answer.get("tool_call_id", ""), answer)
    for call_id in calls:
        yield dict(answers.get(call_id) or tool_messages.tool_message(call_id, _LOST))
