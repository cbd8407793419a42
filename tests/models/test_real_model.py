"""The adapter against llama.cpp's own server with a real, very small model: transport, never quality."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncfc_jupyter.models.accumulate import Accumulator, CallClosedPart, CallOpenedPart, Part
from asyncfc_jupyter.models.base import CallDelta, ChatModel, ChatRequest, Delta, Finish, TextDelta
from asyncfc_jupyter.models.cassette import Recording, Replay
from asyncfc_jupyter.models.catalog import Where
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.models.openai import OpenAIChat
from asyncfc_jupyter.models.responses import OpenAIResponses
from tests.servers.llama_server import SLOTS, RealModelUnavailable, llama_server

pytestmark = pytest.mark.real_model

#: Two cores decode 60 tokens a second, shared by all streams, beside whatever else runs.
PATIENCE_S = 120.0
#: Far less than four times 1500 tokens take, so slots that are free by then were freed by closing.
FREED_S = 20.0
CITY = {"type": "string", "maxLength": 30}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": CITY, "days": {"type": "integer"}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
ASK_WEATHER = ChatRequest(
    messages=[{"role": "user", "content": "What will the weather be in Lisbon for 3 days?"}],
    tools=[WEATHER],
    options={"tool_choice": "required", "max_tokens": 128, "seed": 1},
)


def talk_on(tokens: int) -> ChatRequest:
    return ChatRequest(
        messages=[{"role": "user", "content": "Tell me a long story."}],
        options={"max_tokens": tokens, "seed": 1, "ignore_eos": True},
    )


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    wanted = os.environ.get("CI") or os.environ.get("ASYNCFC_REAL_MODEL")
    if not wanted:
        pytest.skip("set ASYNCFC_REAL_MODEL=1 to fetch a model server and a small model (about 200 MB) and run this")
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(llama_server(tmp_path_factory.mktemp("llama") / "server.log"))
        except RealModelUnavailable as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
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
    assert call.name == "get_weather"
    assert isinstance(arguments["city"], str)
    assert isinstance(arguments["days"], int)
    assert arguments.keys() == {"city", "days"}
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
        assert set(order[mine[0] : mine[-1]]) == {0, 1, 2}  # the others spoke between its first and its last word


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
        options = {"tool_choice": "required", "max_output_tokens": 128}
        request = ChatRequest(messages=ASK_WEATHER.messages, tools=[WEATHER], options=options)
        return [delta async for delta in asked.stream(request)]

    arrived = asyncio.run(deltas())
    accumulator = Accumulator("call_")
    parts = [part for delta in arrived for part in accumulator.feed(delta)]
    (closed,) = [part for part in parts if isinstance(part, CallClosedPart)]
    assert closed.arguments.keys() == {"city", "days"}
    assert closed.call_id.startswith("fc_")
    assert len(accumulator.finish().calls) == 1
    assert sum(isinstance(delta, CallDelta) for delta in arrived) >= 4


def test_the_doctor_sees_what_the_server_does(base_url: str) -> None:
    report = asyncio.run(examine("smollm2", where=Where(base_url=base_url), fresh=True))
    seen = report.seen["chat"]
    assert seen.calls >= 1
    assert seen.argument_pieces > seen.calls
    assert seen.placeholder
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


def test_a_whole_turn_with_a_tool_message_is_accepted(model: OpenAIChat) -> None:
    call = {
        "id": "a",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "LIS", "days": 3}'},
    }
    history = [
        *ASK_WEATHER.messages,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": '{"future": "f1", "status": "done", "value": "sunny"}'},
    ]

    async def answer() -> list[Delta]:
        request = ChatRequest(messages=history, tools=[WEATHER], options={"max_tokens": 8, "seed": 1})
        return [delta async for delta in model.stream(request)]

    deltas = asyncio.run(answer())
    assert any(isinstance(delta, TextDelta | CallDelta) for delta in deltas)
    assert isinstance(deltas[-1], Finish)
