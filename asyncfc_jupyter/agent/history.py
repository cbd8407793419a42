"""The rules of a history that every server accepts, and how one that breaks them is mended.

Servers differ in what they forgive; these are the rules of the strictest. Only the messages since the last request are looked
at, since those before it never change: prompt caches stay warm, and state that a server keeps stays right.
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

#: Messages that the story of a broken rule tells, and characters of each.
_TOLD, _TOLD_CHARACTERS = 6, 300
#: What servers accept as the name of a function.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: What a call is answered whose own answer is not there.
_LOST = {"status": "cancelled", "error": "the answer to this call was lost; make the call again if you need it"}
#: What stands for a reply that is missing between two messages of the person.
_MISSING_REPLY = "(stopped)"
#: What stands for a message of the person that is missing between two replies.
_GO_ON = {"role": "user", "content": "(go on)"}


class Checker:
    """Checks a growing history before each request."""

    def __init__(self) -> None:
        self._sent: list[Message] = []
        self._ids: set[str] = set()

    def check(self, messages: Sequence[Message]) -> None:
        """Check what was added since the last time.

        Raises:
            InvariantBroken: Names the rule, and tells the messages around the one that breaks it.
        """
        # Lists compare the same object by what it is, and seven times as fast as a loop over `is`.
        if messages[: len(self._sent)] != self._sent:
            same = (now == sent for now, sent in zip_longest(messages, self._sent))
            number = next(number for number, still in enumerate(same) if not still)
            raise InvariantBroken("messages that were sent never change", _story(messages, number))
        new = set[str]()
        for number in range(len(self._sent), len(messages)):
            self._check(messages, number, new)
        if any(_open_before(messages, len(messages))):
            raise InvariantBroken(
                "every tool call is answered before the next request", _story(messages, len(messages) - 1)
            )
        self._sent += messages[len(self._sent) :]
        self._ids |= new

    def forget(self) -> None:
        """Look at the whole history the next time."""
        self._sent, self._ids = [], set()

    def _check(self, messages: Sequence[Message], number: int, new: set[str]) -> None:
        message, open_ids = messages[number], list(_open_before(messages, number))
        role = message.get("role")
        before = messages[number - 1]["role"] if number else None
        if role == "tool":
            holds = {"a tool message answers one open call": message.get("tool_call_id") in open_ids}
        else:
            holds = {"every tool call is answered at once": not open_ids}
        calls = message.get("tool_calls", ())
        for call in calls:
            function = call.get("function", {})
            known = call.get("id") in self._ids or call.get("id") in new
            holds["the ids of tool calls differ"] = bool(call.get("id")) and not known
            holds["a function's name is one that servers accept"] = (
                _NAME.fullmatch(function.get("name", "")) is not None
            )
            holds["arguments are a JSON object"] = function.get("arguments", "")[:1] == "{"
            if not all(holds.values()):
                break
            new.add(call["id"])
        holds["a message is of the person, the model or a tool"] = role in {"user", "assistant", "tool"}
        holds["a message has a text or calls"] = isinstance(message.get("content"), str) or bool(calls)
        holds["the person and the model take turns"] = role == "tool" or role != before or bool(open_ids)
        for rule, held in holds.items():
            if not held:
                raise InvariantBroken(rule, _story(messages, number))


def _open_before(messages: Sequence[Message], number: int) -> Iterator[str]:
    """Yield the ids of the calls that are unanswered in front of a message."""
    first = number
    while first and messages[first - 1]["role"] == "tool":
        first -= 1
    answered = {message.get("tool_call_id") for message in messages[first:number]}
    calls = messages[first - 1].get("tool_calls", ()) if first else ()
    yield from (call["id"] for call in calls if call.get("id") not in answered)


def mended(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return a history that holds as much of this one as the rules let stand."""
    ids: set[str] = set()
    result: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        match message.get("role"):
            case "assistant":
                result += _mended_reply(messages, number, ids)
            case "user" if isinstance(message.get("content"), str):
                if result and result[-1]["role"] == "user":
                    result.append({"role": "assistant", "content": _MISSING_REPLY})
                result.append(dict(message))
    if result and result[-1]["role"] == "assistant" and messages[-1]["role"] == "tool":
        result.append(dict(_GO_ON))  # what the model waited for is gone, and it is to be asked all the same
    return result


def _mended_reply(messages: Sequence[Message], number: int, ids: set[str]) -> Iterator[dict[str, Any]]:
    message = dict(messages[number])
    if number and messages[number - 1]["role"] == "assistant":
        yield dict(_GO_ON)
    calls = [call for call in message.pop("tool_calls", ()) if _is_sound(call) and call["id"] not in ids]
    calls = list({call["id"]: call for call in calls}.values())
    ids.update(call["id"] for call in calls)
    if calls:
        message["tool_calls"] = calls
    elif not isinstance(message.get("content"), str):
        message["content"] = _MISSING_REPLY
    yield message
    answers: dict[str, Message] = {}
    for answer in messages[number + 1 :]:
        if answer.get("role") != "tool":
            break
        answers.setdefault(answer.get("tool_call_id", ""), answer)
    for call in calls:
        yield dict(answers.get(call["id"]) or tool_messages.tool_message(call["id"], _LOST))


def _is_sound(call: Mapping[str, Any]) -> bool:
    function = call.get("function", {})
    named = _NAME.fullmatch(function.get("name", "")) is not None
    return bool(call.get("id")) and named and function.get("arguments", "")[:1] == "{"


def _story(messages: Sequence[Message], number: int) -> str:
    told = range(max(0, number - _TOLD + 1), min(len(messages), number + 1))
    return f"message {number} of {len(messages)}: " + "; ".join(
        f"[{index}] {shorten(repr(dict(messages[index])), _TOLD_CHARACTERS)}" for index in told
    )
