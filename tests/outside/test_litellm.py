"""LiteLLM's proxy in front of OpenAI, Anthropic, Gemini and Bedrock, which aimock plays; others wrote both.

The proxy translates between OpenAI's APIs and each provider's own, so this shows that what the layer sends survives that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.outside.journey import (
    ANSWER,
    CALLS,
    DOCTOR_FIXTURES,
    THOUGHT,
    Journey,
    doctor,
    fixtures,
    fixtures_of_values,
    still,
)
from tests.servers.aimock import Aimock, aimock
from tests.servers.litellm_proxy import KEY, litellm_proxy
from tests.servers.scripted_server import Answer, ScriptedServer, Stream
from tests.suite.expected import Compare

#: The first test waits for the proxy, and builds its environment if it must.
pytestmark = [pytest.mark.outside, pytest.mark.timeout(900)]
#: What a model of Google signs its calls with: base64.
SIGNATURE = "c2lnbmVkIGJ5IGdlbWluaQ=="
#: Paths that each provider's own API has, by the name of the model.
PATHS = {
    "openai": "/v1/",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/",
    "bedrock": "/model/",
}
#: With its mark for caching, aimock's Bedrock cannot read the tools: Messages are not tried there.
TRIED = [(provider, api) for provider in PATHS for api in ("chat", "responses", "messages")]
TRIED.remove(("bedrock", "messages"))


@pytest.fixture(scope="module")
def mock() -> Iterator[Aimock]:
    with aimock("aimock-behind-litellm") as running:
        yield running


def _signed(body: dict[str, Any]) -> Answer:
    """Answer as Gemini 3 does: calls with a signature of what was thought before them, and then the answer."""
    parts: list[dict[str, Any]] = [{"text": ANSWER}]
    if len(body["contents"]) == 1:
        parts = [{"functionCall": {"name": call["name"], "args": call["arguments"]}} for call in CALLS]
        parts[0]["thoughtSignature"] = SIGNATURE
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    return Stream(({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4}},))


@pytest.fixture(scope="module")
def gemini() -> Iterator[ScriptedServer]:
    """A Gemini that signs: aimock's does not."""
    with ScriptedServer(_signed) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(mock: Aimock, gemini: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    claude = {"model": "anthropic/claude-sonnet-4-5", "api_base": mock.address, "api_key": "none"}
    models = {
        "openai": {"model": "openai/gpt-4o", "api_base": mock.base_url, "api_key": "none"},
        "anthropic": claude,
        "thinking": {**claude, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        "gemini": {
            "model": "gemini/gemini-3-pro-preview",
            "api_base": f"{mock.address}/v1beta",
            "api_key": "none",
        },
        "signing": {
            "model": "gemini/gemini-3-pro-preview",
            "api_base": gemini.base_url,
            "api_key": "none",
        },
        "bedrock": {
            "model": "bedrock/converse/anthropic.claude-sonnet-4-5-20250929-v1:0",
            "aws_bedrock_runtime_endpoint": mock.address,
            "aws_access_key_id": "none",
            "aws_secret_access_key": "none",
            "aws_region_name": "us-east-1",
        },
    }
    with litellm_proxy("litellm", tmp_path_factory.mktemp("litellm") / "config.yaml", models) as base_url:
        yield base_url


@pytest.mark.parametrize(("provider", "api"), TRIED)
def test_a_journey_passes_references_through_the_proxy(mock: Aimock, proxy: str, provider: str, api: str) -> None:
    mock.replies(*fixtures())
    journey = Journey()
    assert journey.went_well(journey.on(provider, base_url=proxy, api=api, api_key=KEY))
    assert all(each["path"].startswith(PATHS[provider]) for each in mock.journal)


@pytest.mark.parametrize("mode", ["eager", "batch", "sequential"])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "bedrock"])
def test_a_journey_by_values_goes_through_the_proxy(mock: Aimock, proxy: str, provider: str, mode: str) -> None:
    """Not with Gemini: aimock does not recognise the results that the proxy writes there."""
    mock.replies(*fixtures_of_values())
    journey = Journey()
    assert journey.went_well(journey.on(provider, base_url=proxy, api="chat", api_key=KEY, mode=mode))


@pytest.mark.parametrize("provider", PATHS)
def test_asynchronous_tools_fall_back_to_placeholders(mock: Aimock, proxy: str, provider: str) -> None:
    """The proxy's bridge takes the field and ignores it. A call that stayed open would be made again and again."""
    mock.replies(*fixtures())
    journey = Journey()
    with pytest.warns(UserWarning, match="takes asynchronous tools, but makes ordinary calls"):
        run = journey.on(provider, base_url=proxy, api="native", api_key=KEY)
    assert journey.went_well(run)


def test_a_refusal_has_the_words_of_the_provider(mock: Aimock, proxy: str) -> None:
    error = {"error": {"message": "this model is on holiday", "type": "some_error"}, "status": 400}
    mock.replies({"match": {}, "response": error})
    with pytest.raises(Exception, match="this model is on holiday"):
        Journey().on("anthropic", base_url=proxy, api="chat", api_key=KEY)


def test_the_doctor_reports_each_provider(mock: Aimock, proxy: str, home: Any, expected: Compare) -> None:
    reports = []
    for provider in PATHS:
        mock.replies(*DOCTOR_FIXTURES)
        reports.append(still(doctor(provider, proxy, home, key=KEY)))
    expected("doctor-on-litellm.txt", "\n\n".join(reports))


@pytest.mark.parametrize("api", ["chat", "messages"])
def test_thinking_goes_back_through_the_proxy_with_its_signature(mock: Aimock, proxy: str, api: str) -> None:
    """As Anthropic does, aimock refuses the results of a reply whose thinking is missing or not signed.

    Not through Responses: there the proxy says the signature in its last event alone, and not with the item.
    """
    mock.replies(*fixtures_of_values(**THOUGHT))
    journey = Journey()
    assert journey.went_well(journey.on("thinking", base_url=proxy, api=api, api_key=KEY, mode="eager"))
    assert {each["response"]["status"] for each in mock.journal} == {200}


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_signature_of_gemini_goes_back_with_its_call(gemini: ScriptedServer, proxy: str, api: str) -> None:
    """Through Messages the proxy loses it, and sends what Google accepts in its place."""
    before = len(gemini.requests)
    journey = Journey()
    assert journey.went_well(journey.on("signing", base_url=proxy, api=api, api_key=KEY))
    sent = gemini.requests[before + 1].body["contents"]
    calls = [part for content in sent for part in content["parts"] if "functionCall" in part or "function_call" in part]
    assert calls[0]["thoughtSignature"] == SIGNATURE
