"""The catalogue: which model a name means, where its key comes from, and what to set when something is missing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.base import ChatModel, ChatRequest, Delta
from asyncfc_jupyter.models.catalog import Where, open_model
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from tests.servers.scripted_server import ScriptedServer, reply, text_chunks

KEY = "sk-very-secret-0123456789"


async def ask(model: ChatModel) -> list[Delta]:
    return [delta async for delta in model.stream(ChatRequest(messages=[{"role": "user", "content": "Hi"}]))]


@pytest.fixture
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_no_environment")
@pytest.mark.parametrize(
    ("model", "base_url", "says"),
    [
        ("", None, "no model is named"),
        ("gpt", None, "model 'gpt' needs a key; set OPENAI_API_KEY"),
        (
            "gpt",
            "https://models.example/v1",
            "model 'gpt' at https://models.example/v1 needs a key that is named for this",
        ),
    ],
)
def test_without_model_or_key_the_error_says_what_to_set(model: str, base_url: str | None, says: str) -> None:
    """It offers the rehearsal model too."""
    with pytest.raises(UsageError) as caught:
        open_model(model, where=Where(base_url=base_url), options={})
    assert says in str(caught.value)
    assert "--model rehearsal" in str(caught.value)


@pytest.mark.usefixtures("_no_environment")
def test_a_local_server_needs_no_key_and_the_environment_may_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([reply(text_chunks("a"))] * 3) as server:
        asyncio.run(ask(open_model("m", where=Where(base_url=server.base_url), options={"temperature": 0})))
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        asyncio.run(ask(open_model("m", options={})))
        asyncio.run(ask(open_model("m", where=Where(api_key="mine"), options={})))
    assert server.requests[0].body["temperature"] == 0
    keys = [request.headers["authorization"] for request in server.requests]
    assert keys == ["Bearer none", f"Bearer {KEY}", "Bearer mine"]


@pytest.mark.usefixtures("_no_environment")
@pytest.mark.parametrize("base_url", ["file:///etc", "http://", "http://[::1", "http:///v1"])
def test_an_invalid_address_is_refused_when_the_model_is_opened(base_url: str) -> None:
    with pytest.raises(UsageError, match="which is not an address"):
        open_model("m", where=Where(base_url=base_url, api_key=KEY), options={})


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "line\nbreak"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        OpenAIChat("m", api_key=key)
    assert not key or key not in str(caught.value)


@pytest.mark.usefixtures("_no_environment")
def test_an_adapter_without_a_key_says_so_when_it_is_asked() -> None:
    with pytest.raises(UsageError, match="set OPENAI_API_KEY"):
        asyncio.run(ask(OpenAIChat("m")))


def test_the_catalogue_has_the_rehearsal_model_which_refuses_other_options() -> None:
    model = open_model("rehearsal", options={"ttft_ms": 1, "tokens_per_s": 1000})
    assert isinstance(model, ChatModel)
    with pytest.raises(UsageError, match="no option 'temperature'; its options are: ttft_ms, tokens_per_s"):
        open_model("rehearsal", options={"temperature": 1})


@pytest.mark.usefixtures("_no_environment")
def test_the_error_of_an_address_without_a_scheme_suggests_one() -> None:
    with pytest.raises(UsageError, match=r"write http://127\.0\.0\.1:8080/v1"):
        open_model("m", where=Where(base_url="127.0.0.1:8080/v1"), options={})


@pytest.mark.parametrize("more", [{}, {"record": "c.jsonl"}, {"replay": "c.jsonl"}])
def test_options_beside_a_model_object_are_refused_by_name(
    more: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such options would be ignored."""
    monkeypatch.chdir(tmp_path)
    model = OpenAIChat("m", base_url="http://127.0.0.1:1/v1", api_key=KEY)
    with pytest.raises(UsageError) as caught:
        Agent(model, server="vllm", base_url="http://x/v1", api="chat", api_key=KEY, model_options={"seed": 1}, **more)
    assert str(caught.value).startswith(
        "server, base_url, api, api_key, model_options: a model that is given as an object"
    )
    assert "give them to OpenAIChat itself" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("speed", ["banana", 4, "instant"])
def test_a_speed_without_a_cassette_is_refused(speed: float | str) -> None:
    with pytest.raises(UsageError, match="speed says how fast a cassette is replayed; it goes together with replay"):
        Agent("rehearsal", speed=speed)
