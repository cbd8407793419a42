"""The clients of a library: one for each event loop, library, server and key, closed with its loop."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import threading
import types
from typing import Any

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.connection import clients
from asyncfc_jupyter.models.connection.library import ClientLibrary
from asyncfc_jupyter.models.openai.library import OPENAI_PYTHON
from asyncfc_jupyter.models.profiles import PROFILES
from asyncfc_jupyter.models.secret import Secret

KEY = "planted-0123456789"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OPENAI_BASE_URL",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        *(profile.key_variable for profile in PROFILES.values()),
    ):
        monkeypatch.delenv(name, raising=False)


class Client:
    """Stands for a client of the library."""

    def __init__(self) -> None:
        self.made_in = threading.current_thread()
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any, Client]]:
    """The clients that are made, each with its server and key."""
    clients_made: list[tuple[Any, Any, Client]] = []

    def make(library: ClientLibrary, base_url: str | None, api_key: Secret | None) -> clients._KeptClient:
        client = Client()
        clients_made.append((base_url, api_key, client))
        return clients._KeptClient(client, ())

    monkeypatch.setattr(clients, "_make", make)
    return clients_made


def test_a_loop_holds_one_client_for_each_server_and_key(made) -> None:
    async def several_times() -> list[Any]:
        wanted = [
            ("a", Secret(KEY)),
            ("a", Secret(KEY)),
            ("a", Secret("another")),
            ("b", Secret(KEY)),
            ("a", None),
            (None, None),
        ]
        got = [await clients.client_for(OPENAI_PYTHON, *each) for each in [*wanted, *wanted]]
        assert got[:6] == got[6:]
        return got

    got = asyncio.run(several_times())
    assert [each[:2] for each in made] == [
        ("a", Secret(KEY)),
        ("a", Secret("another")),
        ("b", Secret(KEY)),
        ("a", None),
        (None, None),
    ]
    assert got[0] is got[1]
    assert len({id(client) for client in got}) == 5
    assert [client.closed for _, _, client in made] == [1] * 5  # with their loop
    assert all(client.made_in is not threading.main_thread() for _, _, client in made)


def test_two_requests_at_once_share_the_client_that_was_made_first(made) -> None:
    async def at_once() -> None:
        first, second = await asyncio.gather(*(clients.client_for(OPENAI_PYTHON, "a", Secret(KEY)) for _ in range(2)))
        assert first is second
        assert sorted(client.closed for _, _, client in made) == [0, 1]
        assert [client for _, _, client in made if not client.closed] == [first]

    asyncio.run(at_once())
    assert len(made) == 2
    assert [client.closed for _, _, client in made] == [1, 1]


def test_each_loop_has_clients_of_its_own_and_leaves_none(made) -> None:
    for _ in range(2):
        asyncio.run(clients.client_for(OPENAI_PYTHON, "a", Secret(KEY)))
    assert len(made) == 2
    assert not any(each.kept for each in clients._clients.values())


def test_a_loop_that_was_closed_rudely_is_let_go_and_one_in_use_is_not(made) -> None:
    rude, busy = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        for loop in (rude, busy):
            loop.run_until_complete(clients.client_for(OPENAI_PYTHON, "a", Secret(KEY)))
        rude.run_until_complete(rude.shutdown_asyncgens())
        rude.close()
        assert rude in clients._clients
        asyncio.run(clients.client_for(OPENAI_PYTHON, "a", Secret(KEY)))
        assert rude not in clients._clients
        assert len(clients._clients[busy].kept) == 1
    finally:
        busy.run_until_complete(busy.shutdown_asyncgens())
        busy.close()
        clients._clients.pop(busy, None)


def test_a_client_is_made_with_the_key_and_repeats_nothing_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    client = types.SimpleNamespace()
    error = type("OpenAIError", (Exception,), {})

    def refuses(**options: Any) -> types.SimpleNamespace:
        given.append(options)
        if options["api_key"] is None:
            raise error(KEY)
        return client

    module = types.SimpleNamespace(AsyncOpenAI=refuses, OpenAIError=error, DefaultAsyncHttpxClient=dict)
    monkeypatch.setitem(sys.modules, "openai", module)
    made = clients._make(OPENAI_PYTHON, "http://x", Secret(KEY))
    assert (made.client, made.pools) == (client, ())
    http = {"proxy": None, "verify": True, "trust_env": False}
    assert given == [{"base_url": "http://x", "api_key": KEY, "max_retries": 0, "http_client": http}]
    with pytest.raises(UsageError, match=r"^there is no key; set OPENAI_API_KEY, or pass api_key\.$") as caught:
        clients._make(OPENAI_PYTHON, None, None)
    assert caught.value.__suppress_context__


def test_two_libraries_have_clients_of_their_own_for_one_server(made) -> None:
    other = dataclasses.replace(OPENAI_PYTHON, package="other")

    async def both() -> None:
        first, second = [await clients.client_for(each, "a", Secret(KEY)) for each in (OPENAI_PYTHON, other)]
        assert first is not second

    asyncio.run(both())
    assert len(made) == 2


@pytest.mark.parametrize("own", [True, False])
def test_what_a_library_takes_from_the_environment_stays_with_its_server(own, monkeypatch: pytest.MonkeyPatch) -> None:
    client = types.SimpleNamespace(team="of the environment", _custom_headers={"X-Team": "of the environment"})
    module = types.SimpleNamespace(Client=lambda **_: client, Error=Exception, DefaultAsyncHttpxClient=dict)
    monkeypatch.setitem(sys.modules, "their_library", module)
    library = ClientLibrary(
        package="their_library", client="Client", error="Error", key_variable="THEIR_KEY", ambient=("team",),
        owns=lambda _: own, address="https://their.example", address_variable="THEIR_BASE_URL",
    )  # fmt: skip
    clients._make(library, "http://x", Secret(KEY))
    kept = ("of the environment", {"X-Team": "of the environment"}) if own else (None, {})
    assert (client.team, client._custom_headers) == kept
