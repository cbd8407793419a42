"""A model on a server on which everything goes wrong at random, and the conversation that it tries to hold.

The model is asked for ``ORDERS`` orders. It makes each by one call, passes each on to a second tool by reference, and answers
when it has seen every value. It keeps no state: it reads its next step from the messages, from the input items of the
Responses API, or from the blocks of the Messages API, whose rules are checked. `Faults` stands between it and the client, and
injects a fault into one request in three. All of it follows from a seed and from the order of a conversation's own requests.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.servers import message_script
from tests.servers.message_rules import broken_rules
from tests.servers.response_script import call_item, response, text_item
from tests.servers.scripted_server import (
    CUT,
    HANG_UP,
    Answer,
    Delay,
    HttpError,
    Step,
    Stream,
    call_chunks,
    encoded,
    finish_chunk,
    text_chunks,
)

#: Calls of the first tool that a conversation needs.
ORDERS = 3
#: The share of requests that get a fault.
SPOILED = 0.35
#: Seconds for which a stalled stream is silent: longer than the client's time limit.
STALL_S = 30.0

_DONE = "data: [DONE]\n\n"


def sent_objects(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield every object that the layer has sent to the model, delivered ones included."""
    for message in messages:
        if message["role"] == "tool":
            content = json.loads(message["content"])
            for one in content if isinstance(content, list) else [content]:
                yield one
                yield from one.get("delivered", ())


class OrderingModel:
    """Decides the next reply from the messages alone."""

    def __init__(self, rng: random.Random, messages: list[dict[str, Any]]) -> None:
        self._rng, self._messages = rng, messages
        self._values: dict[str, Any] = {}
        self._lost: set[str] = set()
        for one in sent_objects(messages):
            if one.get("status") == "done":
                self._values[one["future"]] = one["value"]
            elif one.get("status") in {"failed", "cancelled", "skipped", "timeout"}:
                self._lost.add(one.get("future", ""))
        made = [call for message in messages for call in message.get("tool_calls") or ()]
        named = [call["function"] for call in made if call["function"]["name"] != "await_future"]
        #: The call of each order and of each label; the last one if there are several.
        self._places = {
            (function["name"], json.loads(function["arguments"]).get("number")): f"f{place}"
            for place, function in enumerate(named, 1)
        }

    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the calls of the next reply; none if it is the answer."""
        wanted: list[tuple[str, dict[str, Any]]] = []
        for number in range(1, ORDERS + 1):
            order, label = self._places.get(("order", number)), self._places.get(("label", number))
            if order is None or order in self._lost:
                wanted.append(("order", {"number": number}))
            elif label is None or label in self._lost:
                wanted.append(("label", {"number": number, "order": f"${order}"}))
        if wanted:
            return wanted[: self._rng.randint(1, 2)]
        missing = [future for future in self._places.values() if future not in self._values | dict.fromkeys(self._lost)]
        return [("await_future", {})] if missing and self._rng.random() < 0.7 else []

    @property
    def answer(self) -> str:
        """The answer, as far as the values are known."""
        return "Values: " + " ".join(sorted(str(value) for value in self._values.values()))


class Faults:
    """The server's policy: the model's reply, with faults at random."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._requests: Counter[str] = Counter()
        #: How often each fault was injected.
        self.injected: Counter[str] = Counter()

    def __call__(self, body: dict[str, Any]) -> Answer:
        """Return the answer to a request."""
        write, messages = _events, list(_messages(body.get("input", ())))
        if "messages" in body:
            write, messages = _chunks, body["messages"]
        if isinstance(messages[0]["content"], list):
            assert broken_rules(body) == []
            write, messages = _blocks, list(_unblocked(messages))
        name = next(message["content"] for message in messages if message["role"] == "user")
        self._requests[name] += 1
        rng = random.Random(f"{self._seed} {name} {self._requests[name]}")
        model = OrderingModel(rng, messages)
        calls = model.calls()
        ident = "dup" if rng.random() < 0.2 else f"c{self._requests[name]}"
        named = [(ident if ident == "dup" else f"{ident}-{at}", *call) for at, call in enumerate(calls)]
        said = "Let me see. " * (rng.random() < 0.3) if calls else model.answer
        steps = write(said, named)
        if rng.random() < SPOILED:
            fault = rng.choice(FAULTS)
            self.injected[fault] += 1
            return _spoiled(fault, steps, rng)
        return Stream((*steps, _DONE))


def _chunks(said: str, calls: list[tuple[str, str, dict[str, Any]]]) -> list[Step]:
    steps: list[Step] = [*text_chunks(said, pieces=2)]
    for index, (call_id, tool, arguments) in enumerate(calls):
        steps += call_chunks(index, call_id, tool, arguments, pieces=2)
    return [*steps, finish_chunk("tool_calls" if calls else "stop")]


def _events(said: str, calls: list[tuple[str, str, dict[str, Any]]]) -> list[Step]:
    items = [text_item(said, pieces=2)] if said else []
    return [*response(*items, *(call_item(*call, pieces=2) for call in calls)).steps]


def _blocks(said: str, calls: list[tuple[str, str, dict[str, Any]]]) -> list[Step]:
    blocks = [message_script.text_block(said, pieces=2)] if said else []
    blocks += [message_script.call_block(*call, pieces=2) for call in calls]
    return [*message_script.message(*blocks).steps]


def _unblocked(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the blocks of the Messages API as messages, as far as the model reads them."""
    for turn in messages:
        for block in turn["content"]:
            match block["type"]:
                case "text":
                    yield {"role": turn["role"], "content": block["text"]}
                case "tool_use":
                    function = {"name": block["name"], "arguments": json.dumps(block["input"])}
                    yield {"role": "assistant", "tool_calls": [{"function": function}]}
                case "tool_result":
                    yield {"role": "tool", "content": block["content"]}


def _messages(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the input items of the Responses API as messages, as far as the model reads them."""
    for item in items:
        match item["type"]:
            case "message":
                yield {"role": item["role"], "content": item["content"]}
            case "function_call":
                yield {"role": "assistant", "tool_calls": [{"function": item}]}
            case "function_call_output":
                yield {"role": "tool", "content": item["output"]}


FAULTS = (
    "429",
    "500",
    "503",
    "hang up before a byte",
    "cut in mid-stream",
    "cut in the middle of a chunk",
    "stall",
    "malformed JSON",
    "error event",
    "no finish reason",
    "slow bytes",
    "nothing at all",
)


def _spoiled(  # noqa: PLR0911 - a table of faults
    fault: str, steps: list[Step], rng: random.Random
) -> Answer:
    place = rng.randrange(len(steps))
    head, rest = tuple(steps[:place]), tuple(steps[place:])
    following = encoded(rest[0]).decode()
    match fault:
        case "429":
            return HttpError(status=429, message="slow down", headers={"retry-after": rng.choice(["0", "0.05"])})
        case "500" | "503":
            return HttpError(status=int(fault), message="overloaded")
        case "hang up before a byte":
            return HANG_UP
        case "cut in mid-stream":
            return Stream((*head, CUT))
        case "cut in the middle of a chunk":
            return Stream((*head, following[: len(following) // 2], CUT))
        case "stall":
            return Stream((*head, Delay(STALL_S), *rest, _DONE))
        case "malformed JSON":
            return Stream((*head, 'event: content_block_delta\ndata: {"choices": [{"delta": \n\n', *rest, _DONE))
        case "error event":
            return Stream((*head, 'event: error\ndata: {"error": {"message": "overloaded", "code": 503}}\n\n'))
        case "no finish reason":
            return Stream((*steps[:-1], _DONE))
        case "slow bytes":
            middle = len(following) // 2
            return Stream((*head, following[:middle], Delay(0.02), following[middle:], *rest[1:], _DONE))
    return Stream((_DONE,))
