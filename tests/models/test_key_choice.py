"""Which key is sent to which address: a key that is set for one server never reaches another."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models import aliases, keys
from asyncfc_jupyter.models.catalog import Where, address_of, open_model
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from asyncfc_jupyter.models.profiles import PROFILES
from tests.models.scripted_chat import ask
from tests.servers.scripted_server import HttpError, ScriptedServer, reply, text_chunks

OPENAI_KEY, VLLM_KEY, MINE = "openai-0123456789", "vllm-0123456789", "mine-0123456789"
OWN, EU, OTHER = "https://api.openai.com/v1", "https://eu.api.openai.com/v1", "https://models.example/v1"
BESIDE = "https://gateway.example/v1"
LOCAL, LAN, BOX = "http://127.0.0.1:8000/v1", "http://192.168.7.9:8000/v1", "http://gpubox:8000/v1"
REFUSED = "refused"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for profile in PROFILES.values():
        monkeypatch.delenv(profile.key_variable, raising=False)


def sent(where: Where) -> str:
    """The key that a model is opened with, or that it is refused because there is none."""
    try:
        (secret,) = open_model("m", where=where, options={}).secrets  # type: ignore[attr-defined]
    except UsageError as error:
        return REFUSED if "needs a key" in str(error) else str(error)
    return str(secret.reveal())


@pytest.mark.parametrize(
    ("server", "address", "key"),
    [
        *((None, None, OPENAI_KEY), ("openai", None, OPENAI_KEY), (None, OWN, OPENAI_KEY), ("openai", OWN, OPENAI_KEY)),
        *((None, f"{OWN}/", OPENAI_KEY), (None, "https://API.openai.com:443/v1", OPENAI_KEY)),
        # Not OpenAI's own address, however it is written.
        *((None, OTHER, REFUSED), ("openai", OTHER, REFUSED), (None, EU, REFUSED), ("openai", EU, REFUSED)),
        *((None, "http://api.openai.com/v1", REFUSED), (None, "https://api.openai.com:8443/v1", REFUSED)),
        *((None, "https://api.openai.com.example/v1", REFUSED), (None, "https://api.openai.com@a.example/v1", REFUSED)),
        # Private addresses need no key and get none.
        *((None, LOCAL, "none"), (None, LAN, "none"), (None, BOX, "none"), (None, "http://0.0.0.0:1/v1", "none")),
        *((None, "http://host.docker.internal:1/v1", "none"), ("openai", LOCAL, "none"), ("ollama", LAN, "none")),
        # The user says which server is there.
        *(("vllm", None, VLLM_KEY), ("vllm", LAN, VLLM_KEY), ("vllm", OTHER, VLLM_KEY), ("ollama", OTHER, "none")),
        # The address has its own.
        *(
            (None, "https://me:pw0rd123@models.example/v1", "none"),
            (None, "https://a.example/v1?api-key=x1y2z3w4", "none"),
        ),
    ],
)
def test_a_key_of_the_environment_goes_to_its_own_server_only(
    monkeypatch: pytest.MonkeyPatch, server: str | None, address: str | None, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI_KEY)
    monkeypatch.setenv("VLLM_API_KEY", VLLM_KEY)
    assert sent(Where(server=server, base_url=address)) == key
    # A key that is named for the request goes anywhere.
    assert sent(Where(server=server, base_url=address, api_key=MINE)) == MINE


RUNTIME = "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1"


@pytest.mark.parametrize(
    ("server", "address", "variable"),
    [
        # A provider's own addresses, with its name or without.
        *(("mistral", None, "MISTRAL_API_KEY"), (None, "https://api.mistral.ai/v1", "MISTRAL_API_KEY")),
        *(("together", None, "TOGETHER_API_KEY"), (None, "https://api.together.xyz/v1", "TOGETHER_API_KEY")),
        *(("bedrock", None, "AWS_BEARER_TOKEN_BEDROCK"), (None, RUNTIME, "AWS_BEARER_TOKEN_BEDROCK")),
        ("bedrock", "https://bedrock-mantle.us-west-2.api.aws/v1", "AWS_BEARER_TOKEN_BEDROCK"),
        # Its name alone does not take the key elsewhere, nor does an address that only looks like its own.
        *(("mistral", OTHER, REFUSED), ("groq", "https://api.mistral.ai/v1", REFUSED), ("together", BESIDE, REFUSED)),
        *(("mistral", "http://api.mistral.ai/v1", REFUSED), (None, "https://api.mistral.ai:8443/v1", REFUSED)),
        *((None, "https://api.mistral.ai.example/v1", REFUSED), (None, "https://api-together.xyz/v1", REFUSED)),
        ("bedrock", "https://bedrock-runtime.x.s3.amazonaws.com/v1", REFUSED),
        (None, "https://bedrock-runtime.us-east-1.amazonaws.com.example/v1", REFUSED),
        # Users create their own servers at Azure, or start them: the name says whose key is meant.
        *(("azure", None, "AZURE_OPENAI_API_KEY"), ("azure", "https://gate.example/v1", "AZURE_OPENAI_API_KEY")),
        *((None, "https://mine.openai.azure.com/openai/v1", REFUSED), (None, "https://x.openai.azure.com/v1", REFUSED)),
        *(("litellm", OTHER, "LITELLM_PROXY_API_KEY"), (None, OTHER, REFUSED)),
    ],
)
def test_a_key_of_a_provider_goes_to_the_providers_own_addresses(
    monkeypatch: pytest.MonkeyPatch, server: str | None, address: str | None, variable: str
) -> None:
    for profile in PROFILES.values():
        monkeypatch.setenv(profile.key_variable, f"of-{profile.key_variable}-01")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
    assert sent(Where(server=server, base_url=address)) == (REFUSED if variable == REFUSED else f"of-{variable}-01")


@pytest.mark.parametrize(
    ("server", "variable", "value", "address"),
    [
        ("bedrock", "AWS_REGION", "eu-west-1", "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1"),
        ("bedrock", "AWS_DEFAULT_REGION", " us-east-2 ", "https://bedrock-runtime.us-east-2.amazonaws.com/openai/v1"),
        ("azure", "AZURE_OPENAI_ENDPOINT", "https://a.openai.azure.com", "https://a.openai.azure.com/openai/v1"),
        (
            "azure",
            "AZURE_OPENAI_ENDPOINT",
            "https://a.openai.azure.com/openai/v1/",
            "https://a.openai.azure.com/openai/v1",
        ),
    ],
)
def test_the_environment_says_where_a_users_own_server_is(
    monkeypatch: pytest.MonkeyPatch, server: str, variable: str, value: str, address: str
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=f"{server}' depends on .*{variable}.* give the whole address with base_url"):
        address_of(Where(server=server))
    monkeypatch.setenv(variable, value)
    assert address_of(Where(server=server)) == address


def test_a_missing_key_of_a_provider_is_named_by_its_variable() -> None:
    for where in (Where(server="groq"), Where(base_url="https://api.groq.com/openai/v1")):
        with pytest.raises(
            UsageError, match=r"model 'm' needs a key; set GROQ_API_KEY, pass api_key, or keep it as groq"
        ):
            open_model("m", where=where, options={})


@pytest.mark.parametrize(
    ("server", "address", "key"),
    [
        *((None, None, OPENAI_KEY), (None, BESIDE, OPENAI_KEY), (None, f"{BESIDE}/", OPENAI_KEY)),
        *(("openai", BESIDE, OPENAI_KEY), ("openai", None, OPENAI_KEY), (None, OTHER, REFUSED)),
        *((None, "https://gateway.example/v2", REFUSED), ("vllm", BESIDE, "none"), (None, LOCAL, "none")),
    ],
)
def test_openais_key_goes_to_the_address_beside_it_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, server: str | None, address: str | None, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", BESIDE)
    assert sent(Where(server=server, base_url=address)) == key


@pytest.mark.parametrize(
    ("server", "address", "key"),
    [
        *((None, None, "of-openai-1"), ("openai", OTHER, "of-the-host-1"), (None, OTHER, "of-the-host-1")),
        *((None, "https://models.example:8443/v1", "of-the-port-1"), (None, "https://other.example/v1", REFUSED)),
        *(("vllm", OTHER, "of-vllm-1"), ("vllm", None, "of-vllm-1"), (None, LOCAL, "none"), (None, BESIDE, REFUSED)),
    ],
)
def test_a_key_in_the_file_is_filed_under_a_server_or_a_host(
    monkeypatch: pytest.MonkeyPatch, server: str | None, address: str | None, key: str
) -> None:
    path = keys.key_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        'openai = "of-openai-1"\nvllm = "of-vllm-1"\nany = "of-any-1"\n'
        '"models.example" = "of-the-host-1"\n"models.example:8443" = "of-the-port-1"\n'
    )
    path.chmod(0o600)
    assert sent(Where(server=server, base_url=address)) == key


def test_an_alias_and_the_doctor_go_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI_KEY)
    aliases.set_alias("fast", "m")
    for model in ("fast", "m"):
        with pytest.raises(UsageError, match="needs a key that is named for this address"):
            Agent(model, base_url=OTHER)
        with pytest.raises(UsageError, match="needs a key that is named for this address"):
            asyncio.run(examine(model, where=Where(base_url=OTHER)))


def test_without_a_key_for_an_address_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI_KEY)
    with pytest.raises(UsageError) as caught:
        open_model("m", where=Where(base_url=OTHER), options={})
    assert str(caught.value) == (
        "model 'm' at https://models.example/v1 needs a key that is named for this address; name its variable with "
        f"--api-key-env, pass api_key, or keep it as 'models.example' in the keyring or in {keys.key_file()}; keys of other "
        "servers, such as OPENAI_API_KEY, are not sent there; for a model without key and network: --model rehearsal, or "
        'model="rehearsal".'
    )


# -- on the wire -------------------------------------------------------------------------------------------------------


@pytest.fixture
def full_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, f"{name}-0123456789")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Own-Key: custom-0123456789\nAuthorization: Bearer header-0123456789")


@pytest.mark.usefixtures("full_environment")
@pytest.mark.parametrize("kind", [OpenAIChat, OpenAIResponses])
def test_nothing_of_openais_environment_reaches_another_server(kind: type[OpenAIChat]) -> None:
    with ScriptedServer([HttpError(status=401)] * 2) as server:
        for key in (None, MINE):
            with pytest.raises(ServerError):
                asyncio.run(ask(kind("m", base_url=server.base_url, api_key=key)))
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer none", f"Bearer {MINE}"]
    assert "0123456789" not in str([dict(request.headers) for request in server.requests]).replace(MINE, "")


@pytest.mark.usefixtures("full_environment")
def test_the_address_in_the_environment_gets_what_stands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_CUSTOM_HEADERS")
    with ScriptedServer([HttpError(status=401)] * 2) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        for model in (open_model("m", options={}), OpenAIChat("m")):
            with pytest.raises(ServerError):
                asyncio.run(ask(model))
    for request in server.requests:
        assert request.headers["authorization"] == "Bearer OPENAI_API_KEY-0123456789"
        assert request.headers["openai-organization"] == "OPENAI_ORG_ID-0123456789"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_carries_no_key(status: int) -> None:
    with ScriptedServer([HttpError(status=400)]) as second:
        moved = HttpError(status=status, headers={"location": f"{second.base_url}/chat/completions"})
        with ScriptedServer([moved]) as first, pytest.raises(ServerError):
            asyncio.run(ask(OpenAIChat("m", base_url=first.base_url, api_key=MINE)))
    assert [request.headers["authorization"] for request in first.requests] == [f"Bearer {MINE}"]
    assert len(second.requests) == 1
    assert MINE not in str([dict(request.headers) for request in second.requests])


@pytest.fixture
def proxy() -> Iterator[tuple[int, list[bytes]]]:
    """The port of a proxy that refuses every tunnel, and what it is sent."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    received.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], received
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_proxy_is_asked_for_a_tunnel_without_the_key(
    monkeypatch: pytest.MonkeyPatch, proxy: tuple[int, list[bytes]]
) -> None:
    port, received = proxy
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    with pytest.raises(ServerError):
        asyncio.run(ask(OpenAIChat("m", base_url=OTHER, api_key=MINE, retries=0)))
    assert received
    assert all(each.startswith(b"CONNECT models.example:443") and MINE.encode() not in each for each in received)


def test_what_an_address_holds_is_used_and_shown_nowhere(tmp_path: Path) -> None:
    with ScriptedServer([reply(text_chunks("It is pw0rd-123456.")), HttpError(status=404)]) as server:
        address = server.base_url.replace("http://", "http://me:pw0rd-123456@")
        agent = Agent("m", base_url=address, record=tmp_path / "c.jsonl")
        run = asyncio.run(agent.run("go"))
        with pytest.raises(ServerError) as caught:
            asyncio.run(agent.run("go"))
    assert all(request.headers["authorization"].startswith("Basic ") for request in server.requests)
    shown = [str(caught.value), repr(run), run.trace.to_json(), str(run.timeline()), (tmp_path / "c.jsonl").read_text()]
    assert "pw0rd" not in "".join(shown)
    with pytest.raises(UsageError) as refused:
        Agent("m", base_url="me:pw0rd-123456@host:1/v1?api-key=a1b2c3d4")
    assert "pw0rd" not in str(refused.value)
    assert "a1b2" not in str(refused.value)
