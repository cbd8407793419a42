"""Addresses: which are private or the same, and what is shown of one."""

from __future__ import annotations

import pytest

from asyncfc_jupyter.models.address import credentials, is_private, origin, show_address


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "localhost:1",
            "LOCALHOST.",
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0:8000",
            "[::1]:1",
            "[::]",
            "gpubox:8000",
        ),
        *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.7.9:8000", "169.254.1.1", "[fe80::1]", "[fd00::1]"),
        *("gpu.local", "gpu.lan:80", "host.docker.internal", "a.localhost", "[::ffff:10.0.0.1]", "user:pass@gpubox"),
    ],
)
def test_a_host_of_this_machine_or_its_network_is_private(host: str) -> None:
    assert is_private(f"http://{host}/v1")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "example.org",
            "localhost.org",
            "127.0.0.1.example",
            "172.32.0.1",
            "11.0.0.1",
            "192.169.0.1",
            "[2001:db8::1]",
        ),
        *(
            "local.example",
            "gpu.lan.example",
            "",
            "[::1",
            "gpubox@models.example",
            "10.0.0.1@a.example",
            "[::ffff:8.8.8.8]",
        ),
    ],
)
def test_any_other_host_is_not_private(host: str) -> None:
    assert not is_private(f"http://{host}/v1")


def test_the_same_server_is_one_of_the_same_scheme_host_and_port() -> None:
    assert origin("https://Models.example/v1") == origin("https://models.example.:443/other")
    ways = [
        "https://a.example",
        "http://a.example",
        "https://a.example:8443",
        "https://b.a.example",
        "https://a.example@c",
    ]
    assert len({origin(way) for way in ways}) == 5
    assert origin("http://[::1") is origin("a.example/v1") is origin("http://a:b/") is None


def test_the_keys_that_an_address_holds_are_its_password_and_its_key() -> None:
    held = credentials("http://user:p%40ss@host/v1?api-key=first&api-version=2024&access_token=second&x=1")
    assert [*held] == ["p@ss", "first", "second"]
    assert [*credentials("http://user@host/v1")] == [*credentials("http://[::1")] == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:pass@host:1/v1/?key=1#x", "http://host:1/v1"),
        ("https://host/v1", "https://host/v1"),
        ("http://a@b@host/", "http://host"),
        ("host:8080/v1", "host:8080/v1"),
        ("user:pass@host:8080/v1?key=1", "host:8080/v1"),
        ("http://user:pass@[::1/v1", "http://[::1/v1"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert show_address(url) == shown
