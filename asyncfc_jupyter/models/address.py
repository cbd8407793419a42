"""Addresses of servers: whether one is valid, how it is shown, and whether it is of this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_http(url: str) -> bool:
    """Return whether a text is an address of the web, with a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def show_address(url: str) -> str:
    """Return an address without the name, the password and the query that it may have."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")


def is_local(url: str) -> bool:
    """Return whether an address is of this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
