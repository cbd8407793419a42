"""Conversations that begin as a copy of another one, or from a file.

A future keeps its name and its value in a fork, unless it is pending: its call belongs to the conversation that made it, and
two conversations that wait for one call could each cancel it. In the fork such a future counts as cancelled, and the next
results that the model gets say so.

A file holds the messages as they are and, of each future, its value if JSON can hold it. Any other value is lost when the file
is read: such a future counts as cancelled too, and the model is informed in the same way. Refused: pickles, which run code when
they are read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue, ValidationError

from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.history import Checker
from asyncfc_jupyter.core.futures import SettledStatus, State, future_name, future_number
from asyncfc_jupyter.core.protocol import decode, read_reports
from asyncfc_jupyter.errors import InvariantBroken, UsageError
from asyncfc_jupyter.masking import masked
from asyncfc_jupyter.models.base import REPLAY
from asyncfc_jupyter.models.json_object import BLANK, strict_json
from asyncfc_jupyter.runtime.restore import adopt
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.values.describe import label

#: The format of our files; the number changes when older versions would misread a file.
FORMAT = "asyncfc_jupyter conversation 1"
#: The most futures that a file may name: a number in a file must not decide how much memory is used.
_MOST_FUTURES = 100_000
#: Bits of a whole number that a file holds, which are 3,000 digits: Python refuses to write and to read more than 4,300.
_MOST_BITS = 10_000
#: Levels of lists and mappings in a value that a file holds: a file with 255 is refused when it is read.
_MOST_LEVELS = 200
_HALF_PAIR = re.compile("[\ud800-\udfff]")
#: Kinds of the items of a reply that a model may want to see again.
_ITEMS = ("reasoning", "message", "function_call", "thinking", "redacted_thinking", "text", "tool_use")
#: Fields of a message that a model's reasoning may not replace.
_MESSAGE_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id"})
_STAYED_BEHIND = "it was pending when the conversation was forked, and its result stays there; make the call again"
_NOT_SAVED = "its value ({}) could not be saved with the conversation; make the call again if you need it"


def fork(conversation: Conversation) -> Conversation:
    """Return a new conversation that continues from a copy of this one's messages and futures.

    Raises:
        UsageError: A run is using the conversation, so its messages are not complete.
    """
    if conversation.busy:
        raise UsageError("a run is using the conversation; wait for it or cancel it, then fork.")
    branch = Conversation()
    branch.messages, branch.call_ids = list(conversation.messages), set(conversation.call_ids)
    branch.learned, branch.durations = dict(conversation.learned), conversation.durations
    undelivered = {call.name for call in conversation.undelivered()}
    for call in conversation.driver.issued:
        adopted = adopt(
            branch.driver,
            tool=call.tool,
            arguments=call.arguments,
            status=call.status if call.settled else "cancelled",
            value=call.value,
            mixed=call.mixed,
            error=call.error if call.settled else _STAYED_BEHIND,
            exception=call.exception,
            function=call.function,
            shown=call.name not in undelivered,
        )
        if call.name not in undelivered:
            branch.mark_shown([adopted])
    return branch


def to_json(conversation: Conversation, *, system: str | None = None) -> str:
    """Return a conversation as JSON: its messages in the form of Chat Completions, and its futures. Keys are masked.

    Raises:
        UsageError: A run is using the conversation, so its messages are not complete.
    """
    if conversation.busy:
        raise UsageError("a run is using the conversation; wait for it or cancel it, then export.")
    undelivered = {call.name for call in conversation.undelivered()}
    futures = []
    for call in conversation.driver.issued:
        future: dict[str, Any] = {"name": call.name, "tool": call.tool, "arguments": dict(call.arguments)}
        if not call.settled:
            error = _STAYED_BEHIND.replace("forked", "saved")
            futures.append(future | {"told": False, "status": "cancelled", "error": error})
            continue
        future |= {"told": call.name not in undelivered, "status": call.status}
        if call.state is not State.DONE:
            future["error"] = call.error
        elif _is_plain(call.value):
            future["value"] = call.value
        else:
            future["lost"] = label(call.value)
        futures.append(future)
    messages = [_without_altered(message) for message in conversation.messages]
    whole = {"format": FORMAT, "system": system, "messages": messages, "futures": futures}
    text = json.dumps(masked(whole), ensure_ascii=False, indent=1) + "\n"
    # UTF-8 cannot encode half a surrogate pair, such as in a file's name that is not UTF-8; an escape can hold it.
    return _HALF_PAIR.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _without_altered(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message without the data of its model's server that a mask would alter: the server would refuse it."""
    replay = message.get(REPLAY) or {}
    altered = {name for name in ("items", "fields", "calls") if name in replay and masked(replay[name]) != replay[name]}
    if not altered:
        return message
    left = {name: value for name, value in replay.items() if name not in altered}
    return {**message, REPLAY: left if len(left) > 1 else {}}


def _is_plain(value: Any, levels: int = _MOST_LEVELS) -> bool:
    """Return whether JSON returns exactly this value; the exact types count."""
    if value is None or type(value) in {str, bool}:
        return True
    if type(value) is int:
        return value.bit_length() <= _MOST_BITS
    if type(value) is float:
        return math.isfinite(value)
    if levels == 0:
        return False
    if type(value) is list:
        return all(_is_plain(item, levels - 1) for item in value)
    return type(value) is dict and all(type(key) is str and _is_plain(item, levels - 1) for key, item in value.items())


def from_json(text: str) -> tuple[Conversation, str | None]:
    """Read a conversation that `to_json` wrote, or a plain list of messages in the form of Chat Completions.

    Returns:
        The conversation and its system text.

    Raises:
        UsageError: The text is neither, or holds a history that a server would refuse. The message begins in lower case, to
            follow the file's name.
    """
    try:
        data = json.loads(text)
        if isinstance(data, list):
            system = data[:1] if data and isinstance(data[0], dict) and data[0].get("role") == "system" else []
            messages = data[len(system) :]
            data = {"format": FORMAT, "system": system[0].get("content") if system else None, "messages": messages}
        file = _File.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"is not a conversation: {place}: {first['msg'].removeprefix('Value error, ')}.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not a conversation: it cannot be read as JSON: {shorten(str(error))}.") from None
    conversation = Conversation()
    conversation.messages = [message.as_dict() for message in file.messages]
    _check(conversation.messages)
    conversation.call_ids = {call.id for message in file.messages for call in message.tool_calls or ()}
    for future in file.futures if file.futures is not None else _lost_futures(file.messages):
        adopted = adopt(
            conversation.driver,
            tool=future.tool,
            arguments=future.arguments,
            status="cancelled" if future.lost else future.status,
            value=None if future.lost else future.value,
            error=_NOT_SAVED.format(shorten(future.lost)) if future.lost else future.error,
            shown=future.told and not future.lost,
        )
        if future.told and not future.lost:
            conversation.mark_shown([adopted])
    return conversation, file.system


# -- the file --------------------------------------------------------------------------------------------------------


def _valid_replay(replay: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    """Check what a model wants to see again: adapters put it into requests."""
    if not replay:
        return replay
    if not isinstance(replay.get("model"), str):
        raise ValueError("does not name the model that wrote it")
    items, field, fields, calls = (replay.get(name) for name in ("items", "field", "fields", "calls"))
    if fields is not None or calls is not None:
        _check_kept({} if fields is None else fields, {} if calls is None else calls)
        if replay.keys() <= {"model", "fields", "calls"}:
            return replay
    if "items" in replay:
        valid = isinstance(items, list) and all(
            isinstance(item, dict) and item.get("type") in _ITEMS and isinstance(item.get("call_id"), str | None)
            for item in items
        )
    else:
        valid = isinstance(field, str) and field not in _MESSAGE_FIELDS and isinstance(replay.get("text"), str)
    if not valid:
        raise ValueError("holds neither items of a reply nor the text of a field")
    return replay


def _check_kept(fields: JsonValue, calls: JsonValue) -> None:
    """Check data that only a model's server can read, in a message and in its calls: it may replace nothing of them.

    Raises:
        ValueError: It does, or is in another form.
    """
    valid = isinstance(fields, dict) and _MESSAGE_FIELDS.isdisjoint(fields.keys() - {"content"})
    if not isinstance(fields, dict) or not valid or not isinstance(fields.get("content", []), list):
        raise ValueError("holds fields that replace those of the message")
    for call in calls.values() if isinstance(calls, dict) else [None]:
        function = call.get("function", {}) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not {"name", "arguments"}.isdisjoint(function):
            raise ValueError("holds fields that replace those of a call")


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Function(_Strict):
    name: str
    #: Other programs write blanks before the object, which not every server accepts.
    arguments: Annotated[str, AfterValidator(lambda text: text.strip(BLANK))]


class _Call(_Strict):
    id: str
    function: _Function


class _Message(_Strict):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    replay: Annotated[dict[str, JsonValue] | None, AfterValidator(_valid_replay)] = None

    def as_dict(self) -> dict[str, Any]:
        """Return the message as a conversation holds it."""
        message: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.role == "tool":
            message["tool_call_id"] = self.tool_call_id
        if self.tool_calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": call.function.model_dump()} for call in self.tool_calls
            ]
        if self.replay:
            message[REPLAY] = self.replay
        return message


class _Future(_Strict):
    name: str
    tool: str
    arguments: dict[str, JsonValue] = {}
    status: SettledStatus
    value: JsonValue = None
    error: str = ""
    #: A description of the value, if JSON could not hold it.
    lost: str = ""
    #: Whether the messages hold the outcome.
    told: bool = True


def _in_order(futures: list[_Future] | None) -> list[_Future] | None:
    if any(future.name != future_name(number) for number, future in enumerate(futures or (), 1)):
        raise ValueError("their names are not f1, f2, ... in this order")
    return futures


class _File(_Strict):
    format: Literal["asyncfc_jupyter conversation 1"]
    system: str | None = None
    messages: list[_Message]
    #: None for a list of messages: it says nothing of futures.
    futures: Annotated[list[_Future] | None, AfterValidator(_in_order)] = None


def _check(messages: list[dict[str, Any]]) -> None:
    try:
        Checker().check(messages)
    except InvariantBroken as broken:
        raise UsageError(f"holds a history that servers refuse: {broken.rule}; {shorten(broken.story, 200)}.") from None
    for number, message in enumerate(messages):
        for call in message.get("tool_calls", ()):
            try:
                strict_json(call["function"]["arguments"])
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"holds a history that servers refuse: message {number} calls {call['function']['name']} with "
                    f"arguments that are not JSON: {shorten(str(error), 200)}."
                ) from None
    if messages and messages[-1]["role"] == "user":
        raise UsageError("ends with a message of the user that has no reply; remove it, and send it from a cell.")


def _lost_futures(messages: list[_Message]) -> Iterator[_Future]:
    """Yield the futures that a list of messages mentions: new names follow theirs, and their values are lost."""
    tools: dict[int, str] = {}
    for message in messages:
        if message.role == "tool" and message.content:
            for report in read_reports(decode(message.content)):
                number = future_number(report.future)
                if number <= _MOST_FUTURES:
                    tools[number] = report.tool or "unknown"
    for number in range(1, max(tools, default=0) + 1):
        tool = tools.get(number, "unknown")
        yield _Future(name=future_name(number), tool=tool, status="done", lost="it is in no message as a whole")
