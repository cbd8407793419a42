"""The same calls in every combination of what gateways do to a stream: exactly these calls are read, in their order."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable
from typing import Any

import pytest

from asyncfc_jupyter.models.accumulator import Accumulator, CallClosedPart, CallMalformedPart, CallOpenedPart, Reply
from asyncfc_jupyter.models.base import CallDelta, Delta, Finish
from asyncfc_jupyter.models.openai.responses import ResponseEvents
from tests.models import gateways, response_gateways
from tests.models.gateways import TOOLS, Call, Gateway
from tests.models.response_gateways import ResponseGateway

ARGUMENTS: list[dict[str, Any]] = [
    {"x": 1},
    {"x": 2, "y": 1.5},
    {"y": 'a } " \\ { b'},
    {"z": {"x": {}}},
    {"l": [{}, {"k": "é🙂"}], "x": None},
    {"{": "}"},
    {},
    {"x": {"x": {"x": True}}},
]


def some_calls(chance: random.Random) -> list[Call]:
    names = chance.choices(list(TOOLS), k=chance.randint(1, 3))
    return [(name, chance.choice(ARGUMENTS) if TOOLS[name] else {}) for name in names]


def read(deltas: Iterable[Delta]) -> tuple[list[Call], list[CallMalformedPart], Reply]:
    """The calls that a reply means, in the order in which they are issued, and those that cannot be read."""
    accumulator = Accumulator("made_", tools=TOOLS)
    parts = [part for delta in deltas for part in accumulator.feed(delta)]
    reply = accumulator.finish()
    parts += reply.parts
    calls = [(part.name, part.arguments) for part in parts if isinstance(part, CallClosedPart)]
    return calls, [part for part in parts if isinstance(part, CallMalformedPart)], reply


def check(deltas: list[Delta], calls: list[Call], story: object) -> None:
    found, malformed, reply = read(deltas)
    assert (found, malformed) == (calls, []), (story, deltas)
    assert len({call.call_id for call in reply.calls}) == len(calls), "each call has an id of its own"


#: An id that comes late needs an index until then.
MARKS = [(ids, index) for ids in gateways.IDS for index in gateways.INDEXES if ids != "late" or index == "counted"]


@pytest.mark.parametrize(("ids", "index"), MARKS)
def test_whatever_a_gateway_does_exactly_the_calls_meant_are_read(ids: str, index: str) -> None:
    habits = (gateways.NAMES, gateways.FORMS, gateways.REPEATS, (False, True), range(2))
    tried = 0
    for name, form, repeats, interleaved, sample in itertools.product(*habits):
        gateway = Gateway(ids=ids, index=index, name=name, form=form, repeats=repeats, interleaved=interleaved)
        chance = random.Random(f"{gateway} {sample}")
        calls = some_calls(chance)
        if not gateway.leaves_open(calls):
            tried += 1
            check([*gateway.deltas(calls, chance), Finish(reason="tool_calls")], calls, gateway)
    assert tried, "a habit that goes with no other is not tested"


@pytest.mark.parametrize("item_id", response_gateways.ITEM_IDS)
@pytest.mark.parametrize("index", response_gateways.INDEXES)
def test_whatever_happens_to_events_exactly_the_calls_meant_are_read(index: str, item_id: str) -> None:
    own = response_gateways
    habits = (own.CALL_IDS, own.SOURCES, own.FORMS, own.REPEATS, (False, True), (False, True))
    for call_id, source, form, repeats, interleaved, numbered in itertools.product(*habits):
        gateway = ResponseGateway(
            index=index, item_id=item_id, call_id=call_id, source=source, form=form, repeats=repeats,
            interleaved=interleaved, numbered=numbered,
        )  # fmt: skip
        chance = random.Random(str(gateway))
        calls = some_calls(chance)
        if not gateway.leaves_open(calls):
            events, reader = gateway.events(calls, chance), ResponseEvents()
            check([delta for event in events for delta in reader.read(event)], calls, (gateway, events))


#: Arguments in every form and state, well-formed or not.
PIECES: list[Any] = [
    '{"x": 1}', '{"x"', ": 1}", "{}", "", '"', "{", "}", " \n", "[1]", '{"x": 1}{"x": 1}', '"{\\"x\\": 1}"', "\ud83d",
    {"x": 1}, {}, None, [1], 5, True, "null", "}}", '{"x": 1} junk',
]  # fmt: skip


def check_history(deltas: list[Delta]) -> None:
    """Check what the loop relies on, whatever was meant."""
    accumulator = Accumulator("made_", taken={"b"}, tools=TOOLS)
    parts = [part for delta in deltas for part in accumulator.feed(delta)]
    reply = accumulator.finish()
    parts += reply.parts
    opened = [part.call_id for part in parts if isinstance(part, CallOpenedPart)]
    ends = [part for part in parts if isinstance(part, CallClosedPart | CallMalformedPart)]
    assert [part.call_id for part in ends] == [call.call_id for call in reply.calls], "each call ends once, in order"
    assert len({call.call_id for call in reply.calls} | {"b"}) == len(reply.calls) + 1, "ids are unique"
    assert len(set(opened)) == len(opened)
    assert set(opened) <= {part.call_id for part in ends}, "what has opened ends"
    for part, call in zip(ends, reply.calls, strict=True):
        closed = part.arguments if isinstance(part, CallClosedPart) else {}
        assert json.loads(call.arguments_json) == closed
        assert isinstance(part, CallClosedPart) or part.problem


@pytest.mark.parametrize("block", range(4))
def test_any_deltas_at_all_leave_calls_that_a_history_can_hold(block: int) -> None:
    for seed in range(1000 * block, 1000 * (block + 1)):
        chance = random.Random(seed)
        deltas: list[Delta] = [
            CallDelta(
                index=chance.choice([None, 0, 0, 1, 2]),
                call_id=chance.choice([None, "", "a", "b", "c"]),
                name=chance.choice([None, None, "", "get", "get_all", "g", "ping", "other"]),
                arguments=chance.choice(PIECES),
                whole=chance.random() < 0.1,
            )
            for _ in range(chance.randint(1, 9))
        ]
        end = chance.choice(["tool_calls", "stop", "length", None])
        check_history([*deltas, *([Finish(reason=end)] if end else [])])


@pytest.mark.parametrize("block", range(4))
def test_any_events_at_all_leave_calls_that_a_history_can_hold(block: int) -> None:
    kinds = ["output_item.added", "output_item.done", "function_call_arguments.delta", "function_call_arguments.done"]
    for seed in range(500 * block, 500 * (block + 1)):
        chance = random.Random(seed)

        def item(chance: random.Random) -> dict[str, Any]:
            fields = {
                "type": chance.choice(["function_call", "function_call", "message", "reasoning", None]),
                "id": chance.choice([None, "", "f", "g"]),
                "call_id": chance.choice([None, "", "a", "b", 7]),
                "name": chance.choice([None, "get", "put"]),
                "arguments": chance.choice(PIECES),
                "async": chance.choice([None, True]),
            }
            return {name: value for name, value in fields.items() if chance.random() < 0.8}

        def event(chance: random.Random) -> dict[str, Any]:
            fields = {
                "output_index": chance.choice([None, 0, 0, 1, "1"]),
                "item_id": chance.choice([None, "", "f", "g"]),
                "sequence_number": chance.choice([None, 1, 2]),
                "delta": chance.choice(PIECES),
                "arguments": chance.choice(PIECES),
                "item": item(chance),
            }
            present = {name: value for name, value in fields.items() if chance.random() < 0.7}
            return {"type": f"response.{chance.choice(kinds)}", **present}

        ended = {"status": "completed", "output": [item(chance) for _ in range(chance.randint(0, 3))]}
        events = [event(chance) for _ in range(chance.randint(0, 8))]
        reader = ResponseEvents()
        check_history(
            [
                delta
                for each in [*events, {"type": "response.completed", "response": ended}]
                for delta in reader.read(each)
            ]
        )
