"""aimock, which others wrote, plays OpenAI and Anthropic: what the layer sends is taken, and what it replies is read."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.core.events import CallStarted, ReasoningStreamed, RequestRetried, TextStreamed, TurnEnded
from asyncfc_jupyter.errors import ServerError
from asyncfc_jupyter.tools.definition import make_tool
from tests.outside.journey import (
    ANSWER,
    CALLS,
    DOCTOR_FIXTURES,
    PROMPT,
    THOUGHT,
    VALUES,
    Journey,
    doctor,
    fixtures,
    fixtures_of_values,
    still,
)
from tests.servers.aimock import Aimock, aimock
from tests.servers.faulty_server import sent_objects
from tests.suite.expected import Compare

pytestmark = pytest.mark.outside
#: A model that aimock takes for one that reasons: it leaves reasoning out for others, as their providers do.
MODEL = "gpt-5"
#: Seconds until a result comes late whatever happens: the test then fails.
PATIENCE_S = 60.0
CLAUDE = "claude-sonnet-4-5"
APIS = ("chat", "responses", "messages")


@pytest.fixture(scope="module")
def mock() -> Iterator[Aimock]:
    with aimock("aimock") as running:
        yield running


def shown(mock: Aimock) -> dict[str, Any]:
    """What the last request says of results: the value of each future."""
    sent = sent_objects(mock.journal[-1]["body"]["messages"])
    return {one["future"]: one["value"] for one in sent if one.get("status") == "done" and "future" in one}


@pytest.mark.parametrize("api", APIS)
def test_a_journey_passes_references_in_one_reply(mock: Aimock, api: str) -> None:
    mock.replies(*fixtures())
    journey = Journey()
    assert journey.went_well(journey.on(MODEL, base_url=mock.base_url, api=api))
    first, *_ = mock.journal
    (price,) = [
        tool["function"]["parameters"]["properties"]["max_price"]
        for tool in first["body"]["tools"]
        if tool["function"]["name"] == "search"
    ]
    assert [each["type"] for each in price["anyOf"]] == ["number", "string"]
    assert shown(mock) == VALUES


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("mode", ["eager", "batch", "sequential"])
def test_a_journey_without_references_goes_by_values(mock: Aimock, api: str, mode: str) -> None:
    mock.replies(*fixtures_of_values())
    journey = Journey()
    run = journey.on(MODEL, base_url=mock.base_url, api=api, mode=mode)
    assert journey.went_well(run)
    assert run.turns == 4
    assert "await_future" not in json.dumps(mock.journal[0]["body"]["tools"])


def test_a_server_that_ignores_asynchronous_tools_gets_placeholders(mock: Aimock) -> None:
    mock.replies(*fixtures())
    journey = Journey()
    with pytest.warns(UserWarning, match="takes asynchronous tools, but makes ordinary calls"):
        run = journey.on(MODEL, base_url=mock.base_url, api="native")
    assert journey.went_well(run)
    assert shown(mock) == VALUES


@pytest.mark.parametrize("api", APIS)
def test_calls_between_texts_are_all_read(mock: Aimock, api: str) -> None:
    search, book, receipt = ({"type": "toolCall", **call} for call in CALLS)
    said = {"type": "text", "text": "I look first. "}
    mock.replies(
        {
            "match": {"userMessage": "journey", "hasToolResult": False},
            "response": {"blocks": [search, said, book, receipt]},
        },
        {"match": {}, "response": {"content": ANSWER}},
    )
    journey = Journey()
    run = journey.on(MODEL, base_url=mock.base_url, api=api)
    assert journey.went_well(run)
    texts = "".join(each.event.text for each in run.trace.events if isinstance(each.event, TextStreamed))
    assert texts.startswith("I look first. ")


@pytest.mark.parametrize("api", APIS)
def test_reasoning_is_shown_and_not_part_of_the_answer(mock: Aimock, api: str) -> None:
    mock.replies(*fixtures(**THOUGHT))
    journey = Journey()
    run = journey.on(MODEL, base_url=mock.base_url, api=api)
    assert journey.went_well(run)
    thought = "".join(each.event.text for each in run.trace.events if isinstance(each.event, ReasoningStreamed))
    assert thought == THOUGHT["reasoning"]
    # aimock's journal keeps the reasoning of Chat Completions alone; of the others the layer's own record shows it.
    sent = json.dumps(mock.journal[-1]["body"] if api == "chat" else run.request.messages)
    assert {"chat": "reasoning_content", "responses": "encrypted_content", "messages": "signature"}[api] in sent


THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def test_thinking_goes_back_with_its_signature(mock: Aimock) -> None:
    """aimock refuses, as Anthropic does, the results of a reply whose thinking is missing or not signed."""
    mock.replies(*fixtures_of_values(**THOUGHT))
    journey = Journey()
    run = journey.on(CLAUDE, base_url=mock.base_url, api="messages", mode="eager", model_options=THINKING)
    assert journey.went_well(run)
    assert {each["response"]["status"] for each in mock.journal} == {200}


def test_results_that_come_late_are_delivered_to_a_model_that_thinks(mock: Aimock) -> None:
    """The layer writes the reply that delivers them. It has no thinking, so the option is left out from then on."""
    mock.replies(*fixtures(**THOUGHT))
    journey = Journey()

    def search(city: str, max_price: float) -> dict[str, Any]:
        """Search a flight to a city."""
        deadline = time.monotonic() + PATIENCE_S
        while len(mock.journal) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        return journey.search(city, max_price)

    tools = [make_tool(search), *journey.tools[1:]]
    agent = Agent(CLAUDE, tools=tools, base_url=mock.base_url, api="messages", model_options=THINKING)
    with pytest.warns(UserWarning, match="refuses the option 'thinking'"):
        run = asyncio.run(agent.run(PROMPT))
    assert journey.went_well(run)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_is_an_error_with_its_status(mock: Aimock, api: str, status: int) -> None:
    error = {"error": {"message": "no such thing here", "type": "some_error"}, "status": status}
    mock.replies({"match": {}, "response": error})
    with pytest.raises(ServerError) as caught:
        Journey().on(MODEL, base_url=mock.base_url, api=api)
    assert caught.value.status == status
    assert len(mock.journal) == 1


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("status", [429, 500])
def test_a_failure_for_a_moment_is_retried(mock: Aimock, api: str, status: int) -> None:
    mock.replies(*fixtures())
    mock.fails_once(status)
    journey = Journey()
    run = journey.on(MODEL, base_url=mock.base_url, api=api)
    assert journey.went_well(run)
    assert [each["response"]["status"] for each in mock.journal][:2] == [status, 200]
    assert any(isinstance(each.event, RequestRetried) for each in run.trace.events)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("how", [{"truncateAfterChunks": 4}, {"disconnectAfterMs": 60, "latency": 25}])
def test_a_reply_that_breaks_off_is_continued(mock: Aimock, api: str, how: dict[str, Any]) -> None:
    calls, answer = fixtures()
    broken = {**calls, **how, "match": {**calls["match"], "sequenceIndex": 0}}
    mock.replies(broken, calls, answer)
    journey = Journey()
    run = journey.on(MODEL, base_url=mock.base_url, api=api)
    assert journey.went_well(run)
    assert [each["response"].get("interrupted", False) for each in mock.journal[:2]] == [True, False]
    assert sum(isinstance(each.event, RequestRetried) for each in run.trace.events) == 1


@pytest.mark.parametrize("api", APIS)
def test_calls_start_while_a_slow_reply_streams(mock: Aimock, api: str) -> None:
    calls, answer = fixtures()
    mock.replies({**calls, "streamingProfile": {"ttft": 100, "tps": 20, "jitter": 0}}, answer)
    journey = Journey()
    run = journey.on(MODEL, base_url=mock.base_url, api=api)
    assert journey.went_well(run)
    order = [type(each.event) for each in run.trace.events if isinstance(each.event, CallStarted | TurnEnded)]
    assert order[0] is CallStarted


def test_the_doctor_reports_what_aimock_does(mock: Aimock, home: Any, expected: Compare) -> None:
    mock.replies(*DOCTOR_FIXTURES)
    expected("doctor-on-aimock.txt", still(doctor(MODEL, mock.base_url, home)))
    mock.replies(*DOCTOR_FIXTURES)
    expected("doctor-on-aimock-messages.txt", still(doctor(MODEL, mock.base_url, home, "--api", "messages")))
