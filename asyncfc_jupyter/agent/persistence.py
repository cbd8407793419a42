"""Conversations that begin from another one, or from a file.

A future keeps its name and its value in a fork. One that is pending stays behind: its call belongs to the conversation that
made it, and two conversations waiting for one call could each cancel it. In the fork it counts as cancelled, and the model is
told so with the next results.

A file holds the messages as they are and, of each future, its value where that is plain data. What JSON cannot hold is gone
when the file is read: such a future counts as cancelled too, and again the model is told. Refused: pickles, which run code
when they are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue, ValidationError

from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.history import Checker
from asyncfc_jupyter.core.futures import SettledStatus, State
from asyncfc_jupyter.core.protocol import decode, read_reports
from asyncfc_jupyter.errors import InvariantBroken, UsageError
from asyncfc_jupyter.models.base import REPLAY
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.restore import adopt
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.values.snapshot import describe

#: What a file of ours begins with; the number changes when older readers would misread it.
FORMAT = "asyncfc_jupyter conversation 1"
#: The most futures that a file may name: a number in it must not decide how much memory is taken.
_MOST_FUTURES = 100_000
_HALF_PAIR = re.compile("[\ud800-\udfff]")
#: JSON's own whitespace.
_BLANK = " \t\r\n"
#: What the items of a reply can be that are kept.
_ITEMS = ("reasoning", "message", "function_call")
#: What a model's reasoning may not take the place of.
_MESSAGE_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id"})
_STAYED_BEHIND = "it was pending when the conversation was forked, and its result stays there; make the call again"
_NOT_SAVED = "its value ({}) could not be saved with the conversation; make the call again if you need it"


def fork(conversation: Conversation) -> Conversation:
    """Return a new conversation that goes on from a copy of this one's messages and futures.

    Raises:
        UsageError: A run is using the conversation, so its messages are not complete.
    """
    if conversation.busy:
        raise UsageError("a run is using the conversation; wait for it or cancel it, then fork.")
    branch = Conversation()
    branch.messages, branch.call_ids = list(conversation.messages), set(conversation.call_ids)
    branch.habits = dict(conversation.habits)
    untold = {entry.name for entry in conversation.undelivered()}
    for entry in conversation.driver.issued:
        adopted = adopt(
            branch.driver,
            tool=entry.tool,
            arguments=entry.arguments,
            status=entry.status if entry.settled else "cancelled",
            value=entry.value,
            error=entry.error if entry.settled else _STAYED_BEHIND,
            exception=entry.exception,
            function=entry.function,
            shown=entry.name not in untold,
        )
        if entry.name not in untold:
            branch.mark_shown([adopted])
    return branch


def to_json(conversation: Conversation, *, system: str | None = None) -> str:
    """Return a conversation as JSON: its messages in the form of Chat Completions, and its futures.

    Raises:
        UsageError: A run is using the conversation, so its messages are not complete.
    """
    if conversation.busy:
        raise UsageError("a run is using the conversation; wait for it or cancel it, then export.")
    untold = {entry.name for entry in conversation.undelivered()}
    futures = [_saved(entry, told=entry.name not in untold) for entry in conversation.driver.issued]
    whole = {"format": FORMAT, "system": system, "messages": conversation.messages, "futures": futures}
    text = json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
    # No file holds half a surrogate pair as it is, such as in the name of a file that is not UTF-8.
    return _HALF_PAIR.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def from_json(text: str) -> tuple[Conversation, str | None]:
    """Read a conversation that `to_json` wrote, or a plain list of messages in the form of Chat Completions.

    Returns:
        The conversation and its system text.

    Raises:
        UsageError: It is something else, or holds a history that a server would refuse; the message begins in lower case,
            for the file's name to stand before it.
    """
    try:
        file = _read(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"is no conversation: {place}: {first['msg'].removeprefix('Value error, ')}.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is no conversation: it cannot be read as JSON: {shorten(str(error))}.") from None
    conversation = Conversation()
    conversation.messages = [_message(message) for message in file.messages]
    _check(conversation.messages)
    conversation.call_ids = {call.id for message in file.messages for call in message.tool_calls or ()}
    for future in file.futures if file.futures is not None else list(_lost_futures(file.messages)):
        entry = _adopted(conversation, future)
        if future.told and not future.lost:
            conversation.mark_shown([entry])
    return conversation, file.system


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


def _sound_replay(kept: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    """Check what a model wants to see again: adapters put it into requests, and other messages beside it."""
    if not kept:
        return kept
    if not isinstance(kept.get("model"), str):
        raise ValueError("names no model that wrote it")
    items, field = kept.get("items"), kept.get("field")
    if "items" in kept:
        sound = isinstance(items, list) and all(map(_is_item, items))
    else:
        sound = isinstance(field, str) and field not in _MESSAGE_FIELDS and isinstance(kept.get("text"), str)
    if not sound:
        raise ValueError("holds neither items of a reply nor the text of a field")
    return kept


def _is_item(item: JsonValue) -> bool:
    if not isinstance(item, dict) or item.get("type") not in _ITEMS:
        return False
    return isinstance(item.get("call_id", ""), str | None)


class _Function(_Strict):
    name: str
    arguments: str


class _Call(_Strict):
    id: str
    function: _Function


class _Message(_Strict):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    replay: Annotated[dict[str, JsonValue] | None, AfterValidator(_sound_replay)] = None


class _Future(_Strict):
    name: str
    tool: str
    arguments: dict[str, JsonValue] = {}
    status: SettledStatus
    value: JsonValue = None
    error: str = ""
    #: What the value was, when JSON could not hold it.
    lost: str = ""
    #: Whether the messages hold the outcome.
    told: bool = True


class _File(_Strict):
    format: Literal["asyncfc_jupyter conversation 1"]
    system: str | None = None
    messages: list[_Message]
    #: None where the file says nothing of futures: a list of messages.
    futures: list[_Future] | None = None


def _read(data: Any) -> _File:
    """Read either form, and take a system message at the beginning for the system text."""
    if isinstance(data, list):
        first = data[0] if data and isinstance(data[0], dict) and data[0].get("role") == "system" else None
        messages = data if first is None else data[1:]
        system = None if first is None else first.get("content")
        return _File.model_validate({"format": FORMAT, "system": system, "messages": messages})
    file = _File.model_validate(data)
    names = [future.name for future in file.futures or ()]
    if names != [f"f{number}" for number in range(1, len(names) + 1)]:
        raise UsageError("is no conversation: its futures are not f1, f2, ... in this order.")
    return file


def _message(message: _Message) -> dict[str, Any]:
    made: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "tool":
        made["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        made["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.replay:
        made[REPLAY] = message.replay
    return made


def _call(call: _Call) -> dict[str, Any]:
    # Others write blanks in front of the object, which not every server takes.
    function = {"name": call.function.name, "arguments": call.function.arguments.strip(_BLANK)}
    return {"id": call.id, "type": "function", "function": function}


def _check(messages: list[dict[str, Any]]) -> None:
    try:
        Checker().check(messages)
    except InvariantBroken as broken:
        raise UsageError(f"holds a history that servers refuse: {broken.rule}; {shorten(broken.story, 200)}.") from None
    for number, message in enumerate(messages):
        for call in message.get("tool_calls", ()):
            _check_arguments(number, call)
    if messages and messages[-1]["role"] == "user":
        raise UsageError("ends with a message of the person that nobody answered; remove it, and ask it in a cell.")


def _check_arguments(number: int, call: Mapping[str, Any]) -> None:
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    try:
        json.loads(arguments, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"holds a history that servers refuse: message {number} calls {name} with arguments that are no JSON: "
            f"{shorten(str(error), 200)}."
        ) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _saved(entry: ToolCall, *, told: bool) -> dict[str, Any]:
    future: dict[str, Any] = {"name": entry.name, "tool": entry.tool, "arguments": dict(entry.arguments), "told": told}
    if not entry.settled:
        return future | {"status": "cancelled", "error": _STAYED_BEHIND.replace("forked", "saved"), "told": False}
    future["status"] = entry.status
    if entry.state is not State.DONE:
        return future | {"error": entry.error}
    return future | ({"value": entry.value} if _is_plain(entry.value) else {"lost": describe(entry.value)})


def _is_plain(value: Any) -> bool:
    """Return whether JSON gives the very same value back; the exact types count."""
    if value is None or type(value) in {str, bool, int}:
        return True
    if type(value) is float:
        return value - value == 0  # neither infinite nor NaN
    if type(value) is list:
        return all(map(_is_plain, value))
    return type(value) is dict and all(type(key) is str and _is_plain(item) for key, item in value.items())


def _adopted(conversation: Conversation, future: _Future) -> ToolCall:
    return adopt(
        conversation.driver,
        tool=future.tool,
        arguments=future.arguments,
        status="cancelled" if future.lost else future.status,
        value=None if future.lost else future.value,
        error=_NOT_SAVED.format(shorten(future.lost)) if future.lost else future.error,
        shown=future.told and not future.lost,
    )


def _lost_futures(messages: list[_Message]) -> Iterator[_Future]:
    """Yield the futures that a list of messages speaks of: names go on behind them, and their values are not there."""
    tools: dict[int, str] = {}
    for message in messages:
        if message.role == "tool" and message.content:
            for report in read_reports(decode(message.content)):
                number = int(report.future[1:])
                if number <= _MOST_FUTURES:
                    tools[number] = report.tool or "unknown"
    for number in range(1, max(tools, default=0) + 1):
        tool = tools.get(number, "unknown")
        yield _Future(name=f"f{number}", tool=tool, status="done", lost="it is in no message as a whole")
