"""What the environment says about the way to a server: its proxy and its certificates.

The client libraries read both themselves, for all addresses at once. A proxy that no request of ours takes, or a file of
certificates that no request needs, then ends every run with an exception of some other library. Here both are read for the one
address that is asked, so that each is named where it cannot be used.

* **An address of this machine is never asked through a proxy.** A proxy cannot reach this machine under that name. Browsers and
  Go's client do the same; curl and requests do not.
* For any other address the proxy is that of HTTPS_PROXY or HTTP_PROXY, then ALL_PROXY, then the system's settings, unless
  NO_PROXY lists the host: a name with all names below it, with a port or without, an IP address, a network such as
  ``10.0.0.0/8``, or ``*``.
* Certificates are those of SSL_CERT_FILE, then SSL_CERT_DIR, then those that the library trusts.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.masking import KNOWN, mask
from asyncfc_jupyter.models.address import credentials, has_plain_host, is_loopback, show_address

#: The variables that decide, besides the system's own settings. Those of proxies are read in both spellings.
_VARIABLES = (
    *(spelled for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for spelled in (name, name.upper())),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)
#: Kinds of proxies that the HTTP libraries speak.
_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """The proxy through which an address is asked."""

    #: With the name and the password that it may have.
    url: str
    #: The variable that names it.
    source: str

    def __str__(self) -> str:
        return mask(f"the proxy {show_address(self.url)} ({self.source})")


def environment() -> tuple[str | None, ...]:
    """Return the values that decide about the way to a server: a client that was made under other values is not used."""
    return tuple(map(os.environ.get, _VARIABLES))


def proxy_for(base_url: str) -> Proxy | None:
    """Return the proxy through which an address is asked, or None if it is asked directly."""
    parts = urlsplit(base_url)
    host, scheme = (parts.hostname or "").rstrip("."), parts.scheme
    if is_loopback(base_url) or proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    if _is_listed(host, getproxies().get("no", "")):
        return None
    for name in (scheme, "all"):
        if url := getproxies().get(name):
            named = (spelled for spelled in (f"{name}_proxy", f"{name}_proxy".upper()) if os.environ.get(spelled))
            return Proxy(url=url if "://" in url else f"http://{url}", source=next(named, "the system's settings"))
    return None


def _is_listed(host: str, entries: str) -> bool:
    """Return whether NO_PROXY lists a host by an entry that Python does not understand: a network, or ``*.name``."""
    for entry in re.split(r"[,\s]+", entries):
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False):
                return True
        except ValueError:
            if entry == "*" or (entry.startswith("*.") and host.endswith(entry[1:].lower())):
                return True
    return False


def checked_proxy(base_url: str) -> str | None:
    """Return the address of the proxy through which an address is asked, or None if it is asked directly.

    Raises:
        UsageError: There is one and it cannot be used; says which variable names it.
    """
    proxy = proxy_for(base_url)
    if proxy is None:
        return None
    for credential in credentials(proxy.url):
        KNOWN.remember(credential)
    way_out = f"or set NO_PROXY={urlsplit(base_url).hostname} to ask {show_address(base_url)} without it"
    scheme = proxy.url.partition("://")[0].lower()
    if scheme not in _SCHEMES or not has_plain_host(proxy.url):
        raise UsageError(
            f"{proxy} is not a proxy that can be used; write http://HOST:PORT or socks5://HOST:PORT, {way_out}."
        )
    if scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise UsageError(f"{proxy} needs the package socksio; run: pip install socksio, {way_out}.")
    return proxy.url


def trusted_certificates(base_url: str, proxy: str | None) -> ssl.SSLContext | bool:
    """Return the certificates that the environment names, or True for those that the library trusts.

    Raises:
        UsageError: They are needed for this address and cannot be read; says which variable names them.
    """
    for variable, kind in (("SSL_CERT_FILE", "cafile"), ("SSL_CERT_DIR", "capath")):
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, **{kind: path})
        except OSError as error:  # that of ssl as well
            if not any(url.startswith("https:") for url in (base_url, proxy or "")):
                return True
            reason = "holds no certificate" if isinstance(error, ssl.SSLError) else f"cannot be read ({error.strerror})"
        raise UsageError(
            f"{variable} is {path!r}, which {reason}; set it to a file of certificates in the form of PEM, or remove it."
        )
    return True
