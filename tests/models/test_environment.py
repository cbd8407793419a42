"""The way to a server as the environment says it: which address is asked through which proxy, and with which certificates."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models.connection.environment import checked_proxy, proxy_for, trusted_certificates
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from tests.models.scripted_chat import KEY, ask
from tests.servers.byte_server import ByteServer, certificate, http_answer
from tests.servers.scripted_server import ScriptedServer, reply, text_chunks

OTHER, BOX = "https://models.example/v1", "http://gpubox:8000/v1"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy") or name in {"SSL_CERT_FILE", "SSL_CERT_DIR"}:
            monkeypatch.delenv(name)


def having(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:8000/v1", "http://localhost:8000/v1", "https://LOCALHOST/v1", "http://a.localhost/v1"),
        *("http://[::1]:8000/v1", "http://127.8.8.8/v1", "http://0.0.0.0:8000/v1", "http://localhost.:80/v1"),
        *("http://[::ffff:127.0.0.1]/v1", "http://me:word@localhost/v1"),
    ],
)
def test_an_address_of_this_machine_is_asked_without_a_proxy(monkeypatch, url: str) -> None:
    having(monkeypatch, dict.fromkeys(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"], "socks5://127.0.0.1:9"))
    assert proxy_for(url) is None
    assert proxy_for("http://localhost.example/v1") is not None


@pytest.mark.parametrize(
    ("values", "url", "shown"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, OTHER, "the proxy http://p:1 (HTTPS_PROXY)"),
        ({"https_proxy": "http://p:1"}, OTHER, "the proxy http://p:1 (https_proxy)"),
        ({"HTTPS_PROXY": "http://p:1"}, BOX, "None"),
        ({"HTTP_PROXY": "p:1"}, BOX, "the proxy http://p:1 (HTTP_PROXY)"),
        ({"HTTP_PROXY": "http://p:1", "ALL_PROXY": "http://q:1"}, BOX, "the proxy http://p:1 (HTTP_PROXY)"),
        ({"ALL_PROXY": "socks5h://q:1"}, OTHER, "the proxy socks5h://q:1 (ALL_PROXY)"),
        ({"HTTPS_PROXY": "http://me:pw0rd-123@p:1"}, OTHER, "the proxy http://p:1 (HTTPS_PROXY)"),
        ({"HTTPS_PROXY": ""}, OTHER, "None"),
    ],
)
def test_the_proxy_of_an_address_is_that_of_its_variable(monkeypatch, values, url: str, shown: str) -> None:
    having(monkeypatch, values)
    assert str(proxy_for(url)) == shown


@pytest.mark.parametrize(
    ("entries", "url", "direct"),
    [
        *(("gpubox", BOX, True), ("gpubox:8000", BOX, True), ("gpubox:9", BOX, False), ("box", BOX, False)),
        *(("a, gpubox", BOX, True), ("*", BOX, True), ("a,*", BOX, True), ("", BOX, False)),
        *(
            ("example", OTHER, True),
            (".example", OTHER, True),
            ("*.example", OTHER, True),
            ("MODELS.example", OTHER, True),
        ),
        *(("odels.example", OTHER, False), ("models.example", "https://models.example:8443/v1", True)),
        *(("10.0.0.0/8", "http://10.1.2.3/v1", True), ("10.0.0.0/8", "http://11.1.2.3/v1", False)),
        *(("10.1.2.3", "http://10.1.2.3/v1", True), ("10.1.2.9/24", "http://10.1.2.3/v1", True)),
        *(("fd00::/8", "http://[fd00::1]/v1", True), ("[fd00::1]", "http://[fd00::1]/v1", True)),
    ],
)
def test_no_proxy_lists_names_ports_addresses_and_networks(monkeypatch, entries: str, url: str, direct: bool) -> None:
    having(monkeypatch, {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1", "NO_PROXY": entries})
    assert (proxy_for(url) is None) == direct


@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ("socks5://me:pw0rd-123@127.0.0.1:1080", "needs the package socksio; run: pip install socksio,"),
        ("socks://127.0.0.1:1080", "is not a proxy that can be used; write http://HOST:PORT or socks5://HOST:PORT,"),
        ("http://p:port", "is not a proxy that can be used;"),
        *(
            (text, "is not a proxy that can be used;")
            for text in ("http://", "[", "[]", "a\tb", "http://p:0", "http://é")
        ),
        ("ftp://me:pw0rd-123@p", "is not a proxy that can be used;"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_with_its_variable(monkeypatch, proxy: str, says: str) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    having(monkeypatch, {"ALL_PROXY": proxy})
    with pytest.raises(UsageError) as caught:
        asyncio.run(ask(OpenAIChat("m", base_url=BOX, api_key=KEY)))
    assert says in str(caught.value)
    assert "(ALL_PROXY)" in str(caught.value)
    assert "set NO_PROXY=gpubox to ask http://gpubox:8000/v1 without it" in str(caught.value)
    assert "pw0rd" not in str(caught.value)
    having(monkeypatch, {"NO_PROXY": "gpubox"})
    assert checked_proxy(BOX) is None


def test_broken_settings_of_the_environment_do_not_concern_this_machine(monkeypatch) -> None:
    having(monkeypatch, dict.fromkeys(["HTTP_PROXY", "HTTPS_PROXY"], "ftp://nonsense"))
    having(monkeypatch, {"ALL_PROXY": "socks5://127.0.0.1:9", "SSL_CERT_FILE": "/nonexistent"})
    with ScriptedServer([reply(text_chunks("hi"))]) as server:
        deltas = asyncio.run(ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))
    assert deltas[0].text == "hi"


def test_a_file_of_certificates_that_cannot_be_read_is_named(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    for path, says in (
        (tmp_path / "missing.pem", "cannot be read (No such file or directory)"),
        (tmp_path, "cannot be read (Is a directory)"),
        (tmp_path / "empty.pem", "holds no certificate"),
    ):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(UsageError) as caught:
            asyncio.run(ask(OpenAIChat("m", base_url=OTHER, api_key=KEY)))
        assert str(caught.value) == (
            f"SSL_CERT_FILE is {str(path)!r}, which {says}; set it to a file of certificates in the form of PEM, or remove it."
        )
    assert trusted_certificates(BOX, None) is True
    with pytest.raises(UsageError):
        trusted_certificates(BOX, "https://p:1")


def test_a_certificate_that_the_environment_names_is_trusted_at_once(monkeypatch) -> None:
    """The user sets it after the first request failed, in the same kernel and the same loop."""

    async def twice(url: str) -> str:
        model = OpenAIChat("m", base_url=url, api_key=KEY)
        with pytest.raises(ServerError):
            await ask(model)
        monkeypatch.setenv("SSL_CERT_FILE", certificate("own"))
        with pytest.raises(ServerError) as caught:
            await ask(model)
        return str(caught.value)

    with ByteServer(http_answer("400 Bad Request", "reached"), tls="own") as server:
        assert "reached" in asyncio.run(twice(f"https://127.0.0.1:{server.port}/v1"))


def test_a_proxy_that_is_set_or_removed_counts_from_the_next_request(monkeypatch) -> None:
    async def ways(url: str, proxy: str) -> list[str]:
        said = []
        model = OpenAIChat("m", base_url=url, api_key=KEY, retries=0)
        for value in ("", proxy, ""):
            monkeypatch.setenv("HTTP_PROXY", value)
            with pytest.raises(ServerError) as caught:
                await ask(model)
            said.append(str(caught.value))
        return said

    with ByteServer(http_answer("400 Bad Request", "by the proxy")) as proxy:
        said = asyncio.run(ways("http://models.invalid/v1", f"http://127.0.0.1:{proxy.port}"))
    assert ["by the proxy" in each for each in said] == [False, True, False]
    assert proxy.received[0].startswith(b"POST http://models.invalid/v1/chat/completions HTTP/1.1")
