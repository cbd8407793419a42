"""The same calls in every combination of what gateways do to a stream: exactly these calls are read, in their order."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from typing import Any

import pytest

from asyncfc_jupyter.models.accumulator import Accumulator, CallClosedPart, CallMalformedPart, Reply
from asyncfc_jupyter.models.base import Delta, Finish
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
