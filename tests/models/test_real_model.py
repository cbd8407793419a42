"""The adapter against llama.cpp's own server with a real, very small model: transport, never quality.

What the server is sent comes from the package itself: tools with their schemas widened for references, the layer's own
words and tool, placeholders and deliveries. Written by hand they would be what this file takes them to be.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from jsonschema import validate
from pydantic import Field

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.agent.turn import opening
from asyncfc_jupyter.models.accumulator import Accumulator, CallClosedPart, CallOpenedPart, Part
from asyncfc_jupyter.models.base import CallDelta, ChatModel, ChatRequest, Delta, Finish, TextDelta
from asyncfc_jupyter.models.cassette.cassette import Recording, Replay
from asyncfc_jupyter.models.catalog import Where
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from asyncfc_jupyter.modes import Mode
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel
from asyncfc_jupyter.tools.definition import Tool, make_tool
from tests.servers.llama_server import SLOTS, llama_server

pytestmark = [pytest.mark.real_model, pytest.mark.timeout(900)]

#: Two cores decode 60 tokens a second, shared by all streams, beside whatever else runs, and may read a prompt for a minute.
PATIENCE_S = 300.0
#: Far less than the time of four times 1500 tokens, so slots that are free by then were freed by closing.
FREED_S = 20.0
QUESTION = "What will the weather be in Lisbon for 3 days?"


def get_weather(city: Annotated[str, Field(max_length=30)], days: int) -> str:
    """Weather of a city."""
    return f"sunny in {city} for {days} days"


def first_request(*tools: Tool, prompt: str, **options: Any) -> ChatRequest:
    """Return what a model is sent at the start of a run in the mode with futures."""
    system, definitions = opening(tools, mode=Mode.ASYNC, system=None)
    assert [tool["function"]["name"] for tool in definitions][-1] == "await_future"
    return ChatRequest(messages=[*system, {"role": "user", "content": prompt}], tools=definitions, options=options)


ASK_WEATHER = first_request(
    make_tool(get_weather, pure=True),
    prompt=QUESTION,
    tool_choice="required",
    max_tokens=128,
    seed=1,
)


def schema_of(request: ChatRequest, tool: str) -> Any:
    (found,) = [each["function"] for each in request.tools if each["function"]["name"] == tool]
    return found["parameters"]


def talk_on(tokens: int) -> ChatRequest:
    return ChatRequest(
        messages=[{"role": "user", "content": "Tell me a long story."}],
        options={"max_tokens": tokens, "seed": 1, "ignore_eos": True},
    )


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with llama_server("llama-of-models", "april") as url:
        yield url


@pytest.fixture
def model(base_url: str) -> OpenAIChat:
    return OpenAIChat("smollm2", base_url=base_url, api_key="none", timeout_s=PATIENCE_S)


def busy_slots(base_url: str) -> int:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/slots", timeout=PATIENCE_S) as answer:
        return sum(slot["is_processing"] for slot in json.load(answer))


def test_arguments_stream_in_small_pieces_and_close_as_json_of_the_schema(model: OpenAIChat) -> None:
    async def deltas() -> list[Delta]:
        return [delta async for delta in model.stream(ASK_WEATHER)]

    arrived = asyncio.run(deltas())
    accumulator = Accumulator("call_")
    steps: list[tuple[Delta, tuple[Part, ...]]] = [(delta, accumulator.feed(delta)) for delta in arrived]
    opened = [place for place, (_, parts) in enumerate(steps) if any(isinstance(p, CallOpenedPart) for p in parts)]
    closed = [place for place, (_, parts) in enumerate(steps) if any(isinstance(p, CallClosedPart) for p in parts)]
    assert (len(opened), len(closed)) == (1, 1)
    between = [
        delta for delta, _ in steps[opened[0] + 1 : closed[0]] if isinstance(delta, CallDelta) and delta.arguments
    ]
    assert len(between) >= 4
    (call,) = accumulator.finish().calls
    arguments = json.loads(call.arguments_json)
    validate(arguments, schema_of(ASK_WEATHER, call.name))
    assert isinstance(steps[-1][0], Finish)


def test_several_streams_at_once_make_progress_in_turns(model: OpenAIChat) -> None:
    order: list[int] = []

    async def follow(number: int) -> None:
        async for delta in model.stream(talk_on(tokens=48)):
            if isinstance(delta, TextDelta):
                order.append(number)  # noqa: PERF401 - three of these fill one list at the same time

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(follow(number))

    asyncio.run(together())
    for number in range(3):
        mine = [place for place, owner in enumerate(order) if owner == number]
        assert len(mine) >= 8
        assert set(order[mine[0] : mine[-1]]) == {0, 1, 2}  # the others streamed between its first and its last word


def test_closing_streams_frees_their_slots_for_the_next_request(model: OpenAIChat, base_url: str) -> None:
    async def close_all_then_ask() -> list[Delta]:
        streams = [model.stream(talk_on(tokens=1500)) for _ in range(SLOTS)]
        await asyncio.gather(*(anext(stream) for stream in streams))
        assert await asyncio.to_thread(busy_slots, base_url) == SLOTS
        for stream in streams:
            await stream.aclose()
        async with asyncio.timeout(FREED_S):
            while await asyncio.to_thread(busy_slots, base_url):
                pass  # the server answers between two tokens, so this asks at its pace
        return [delta async for delta in model.stream(talk_on(tokens=2))]

    assert isinstance(asyncio.run(close_all_then_ask())[-1], Finish)


def test_responses_without_item_numbers_give_one_call_that_streams(base_url: str) -> None:
    async def deltas() -> list[Delta]:
        asked = OpenAIResponses("smollm2", base_url=base_url, api_key="none", timeout_s=PATIENCE_S)
        options = {"tool_choice": "required", "max_output_tokens": 128, "temperature": 0}
        request = dataclasses.replace(ASK_WEATHER, options=options)
        return [delta async for delta in asked.stream(request)]

    arrived = asyncio.run(deltas())
    accumulator = Accumulator("call_")
    parts = [part for delta in arrived for part in accumulator.feed(delta)]
    (closed,) = [part for part in parts if isinstance(part, CallClosedPart)]
    validate(closed.arguments, schema_of(ASK_WEATHER, closed.name))
    assert closed.call_id.startswith("fc_")
    assert len(accumulator.finish().calls) == 1
    assert sum(isinstance(delta, CallDelta) for delta in arrived) >= 4


def test_the_doctor_sees_what_the_server_does(base_url: str) -> None:
    report = asyncio.run(examine("smollm2", where=Where(base_url=base_url), fresh=True))
    seen = report.seen["chat"]
    assert seen.calls >= 1
    assert seen.argument_pieces > seen.calls
    assert seen.placeholder
    assert seen.references
    assert seen.usage or seen.usage_when_asked
    assert seen.tokens_per_s is not None
    assert report.mode == "async"
    assert not report.seen["native"].native


def test_a_recorded_reply_is_replayed_without_the_server(model: OpenAIChat, tmp_path: Path) -> None:
    async def deltas(asked: ChatModel) -> list[Delta]:
        return [delta async for delta in asked.stream(ASK_WEATHER)]

    recorded = asyncio.run(deltas(Recording(model, tmp_path / "c.jsonl")))
    assert asyncio.run(deltas(Replay(tmp_path / "c.jsonl", speed="instant"))) == recorded
    assert len(recorded) > 4


def test_every_request_of_a_whole_run_is_accepted(model: OpenAIChat) -> None:
    """They have a placeholder, a delivery after another result, and the layer's own wait for missing results."""
    may_return = asyncio.Event()

    async def rate(city: str) -> dict[str, int]:
        """Rate a city, slowly."""
        await may_return.wait()
        return {"stars": 4}

    def last(request: ChatRequest) -> list[Says]:
        may_return.set()
        return [Says("I wait.")]

    scripted = ScriptedModel(
        [Calls("rate", {"city": "LIS"}), Calls("get_weather", {"city": "LIS", "days": 3})],
        last,
        [Says("Sunny.")],
    )
    tools = [make_tool(function, pure=True) for function in (rate, get_weather)]
    asyncio.run(Agent(scripted, tools=tools, mode="async").run(QUESTION))
    messages = json.dumps([request.messages for request in scripted.requests])
    assert all(word in messages for word in ('\\"pending\\"', "sunny in LIS", "asyncfc_gate_", '\\"stars\\": 4'))

    async def answers() -> list[Delta]:
        ends = []
        for request in scripted.requests:
            short = dataclasses.replace(request, options={"max_tokens": 8, "seed": 1})
            deltas = [delta async for delta in model.stream(short)]
            assert any(isinstance(delta, TextDelta | CallDelta) for delta in deltas)
            ends.append(deltas[-1])
        return ends

    assert [type(end) for end in asyncio.run(answers())] == [Finish] * 3
