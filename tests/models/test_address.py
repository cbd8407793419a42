"""Addresses: which are of this machine, and what is shown of one."""

from __future__ import annotations

import pytest

from asyncfc_jupyter.models.address import is_local, show_address


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:1/v1", True),
        ("http://10.0.0.1", False),
        ("http://example.org", False),
        ("http://localhost.org", False),
        ("http://", False),
        ("http://[::1", False),
    ],
)
def test_an_address_is_of_this_machine_or_not(url: str, here: bool) -> None:
    assert is_local(url) is here


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:pass@host:1/v1/?key=1#x", "http://host:1/v1"),
        ("https://host/v1", "https://host/v1"),
        ("http://a@b@host/", "http://host"),
        ("host:8080/v1", "host:8080/v1"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert show_address(url) == shown
