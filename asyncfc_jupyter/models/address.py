"""Addresses of servers: whether one is valid, how it is shown, and whether it is of this machine or of a private network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.masking import names_a_key
from asyncfc_jupyter.text import truncate

#: Networks whose addresses reach this machine, or machines beside it; not all that the standard library calls private.
_PRIVATE_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        (
            *("127.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
            *("::1/128", "::/128", "fc00::/7", "fe80::/10"),
        ),
    )
)
#: Ends of names that no public server has.
_PRIVATE_NAMES = (".localhost", ".local", ".lan", ".internal", ".home.arpa")
_PORTS = {"http": 80, "https": 443}
#: What stands around an address that was copied: blanks of all kinds, and characters without width.
_BLANKS = " \t\r\n\f\v\u00a0\u2007\u202f\u200b\u2060\ufeff"
#: Paths that the adapters append. No server has its API below one of them.
_ENDPOINT = re.compile(r"/(chat/completions|completions|responses|(v1/)?messages)/?$")
#: Characters of a text that is no address which its error shows.
_SHOWN_CHARS = 80


def is_http(url: str) -> bool:
    """Return whether a text is an address of the web, with a host."""
    parts = _parts(url)
    return parts is not None and parts.scheme in _PORTS and bool(parts.hostname) and not re.search(r"\s", url)


def has_plain_host(url: str) -> bool:
    """Return whether an address is of characters that a request can hold, with a host and a port as all libraries read them."""
    parts = _parts(url)
    if parts is None or not re.fullmatch(r"[!-~]+", url):
        return False
    return bool(re.fullmatch(r"[\w.-]*\w[\w.-]*|[0-9a-f:.]*:[0-9a-f:.]*", parts.hostname or "")) and parts.port != 0


def checked_base_url(url: str) -> str:
    """Return the address that a user gave for a server, without blanks around it and without the part after ``#``.

    Raises:
        UsageError: It is no address of the web, or has the path of an endpoint; the error shows it without its keys.
    """
    cleaned = url.partition("#")[0].strip(_BLANKS)
    shown = show_address(cleaned)
    if shown and "://" not in url:
        raise UsageError(f"the address {shown!r} does not say how to reach it; write http://{shown} (--base-url).")
    if not is_http(cleaned):
        raise UsageError(
            f"base_url is {truncate(shown, _SHOWN_CHARS)!r}, which is not an address; write one such as "
            "http://127.0.0.1:8000/v1 (--base-url)."
        )
    if endpoint := _ENDPOINT.search(shown):
        raise UsageError(
            f"base_url ends in {endpoint[0].rstrip('/')}, which each request adds itself; write {shown[: endpoint.start()]} "
            "(--base-url)."
        )
    return cleaned


def show_address(url: str) -> str:
    """Return an address without the name, the password and the query that it may have."""
    # By hand, since a text without a scheme, or with an unclosed bracket, has these parts too.
    shown = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, slashes, rest = shown.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}".rstrip("/")


def is_loopback(url: str) -> bool:
    """Return whether an address is of this machine itself."""
    host = _host(url)
    if isinstance(host, str):
        return host == "localhost" or host.endswith(".localhost")
    return host.is_loopback or host.is_unspecified


def is_private(url: str) -> bool:
    """Return whether an address is of this machine, or of a network that no stranger reaches."""
    host = _host(url)
    if isinstance(host, str):
        return bool(host) and ("." not in host or host.endswith(_PRIVATE_NAMES))
    return any(host in network for network in _PRIVATE_NETWORKS)


def _host(url: str) -> str | ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the host of an address: its IP address, or its name without the dot at its end; an empty name if it has none."""
    parts = _parts(url)
    name = (parts.hostname or "").rstrip(".") if parts is not None else ""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    return getattr(address, "ipv4_mapped", None) or address


def origin(url: str) -> tuple[str, str, int | None] | None:
    """Return the scheme, host and port of an address, by which two of them are the same server; None for any other text."""
    parts = _parts(url)
    if parts is None or not parts.hostname:
        return None
    return parts.scheme, parts.hostname.rstrip("."), parts.port or _PORTS.get(parts.scheme)


def host_names(url: str) -> tuple[str, ...]:
    """Return the names under which a key for an address may be filed: the host with its port, if it has one, and the host."""
    parts = _parts(url)
    if parts is None or not parts.hostname:
        return ()
    return (*([f"{parts.hostname}:{parts.port}"] if parts.port else []), parts.hostname)


def credentials(url: str) -> Iterator[str]:
    """Yield the keys that an address itself holds: its password, and parameters that are named like keys."""
    parts = _parts(url)
    if parts is not None:
        if parts.password:
            yield unquote(parts.password)
        yield from (value for name, value in parse_qsl(parts.query) if names_a_key(name) and value)


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is not a number
    except ValueError:
        return None
    return parts
