"""Why a request got no answer: from what the client library raised to one line that says what happened and what to do.

The libraries only say that there was a connection error. What happened stands in the chain of causes: exceptions of the
standard library, which are the same for every HTTP library and version, and few of the HTTP library's own, which are recognised
by the names of their classes. Some are raised "from None", so contexts are followed too.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from asyncfc_jupyter.errors import ServerError, ServerTimedOut
from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.models.address import is_loopback, is_private, origin, show_address
from asyncfc_jupyter.models.connection.environment import Proxy, proxy_for
from asyncfc_jupyter.text import shorten

#: Characters of another program's words that are shown.
_SAID_CHARS = 120
#: What OpenSSL calls an answer that is not TLS.
_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"}
)
_NO_ROUTE = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL, errno.ETIMEDOUT}
)
_ANOTHER = "set another with base_url (--base-url)"


def connecting_timed_out(error: BaseException) -> bool:
    """Return whether the time ran out before there was a connection."""
    return any(type(cause).__name__ == "ConnectTimeout" for cause in causes(error))


def unreachable(error: BaseException, base_url: str) -> ServerError:  # noqa: PLR0911 - a table
    """Return the error for a request that got no answer."""
    at, proxy = show_address(base_url), proxy_for(base_url)
    chain = list(causes(error))
    names = {type(cause).__name__: cause for cause in reversed(chain)}
    if "TooManyRedirects" in names:
        return ServerError(f"{at} redirects without end; set the address it is really at with base_url (--base-url).")
    urls: list[str] = []
    for cause in chain:
        with ForeignCode():  # not every exception has a request, and some raise where they have none
            urls.append(str(cause.request.url))  # type: ignore[attr-defined]
    if urls and origin(urls[-1]) != origin(base_url):  # that of the innermost exception failed
        return ServerError(
            f"{at} redirects the request to {show_address(urls[-1])}, which cannot be reached ({_said(chain[-1])}); {_ANOTHER}."
        )
    if (refused := names.get("ProxyError")) and proxy:
        return _refused_by(proxy, str(refused), base_url)
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ServerError(_distrusted(cause, at))
        if isinstance(cause, ssl.SSLError):
            return _no_handshake(cause, at, proxy)
        if (isinstance(cause, OSError) and cause.errno is not None) or "ConnectTimeout" in names:
            return _not_connected(cause, base_url, proxy, timed_out="ConnectTimeout" in names)
    protocol = names.get("RemoteProtocolError") or names.get("LocalProtocolError")
    if protocol is not None and "disconnected" not in str(protocol):
        what = "answers in a form that is not HTTP" if "RemoteProtocolError" in names else "cannot be sent this request"
        return ServerError(f"{at} {what} ({_said(protocol)}); look what listens there{_or_tls(at)}, or {_ANOTHER}.")
    if protocol is not None or "ReadError" in names or "WriteError" in names:
        return _closed(at, proxy)
    return ServerError(f"no connection to {at} ({_said(chain[-1])}); look at its log, or {_ANOTHER}.", transient=True)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from, the latest first. Of a group the first one counts."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        inner = following.exceptions[0] if isinstance(following, BaseExceptionGroup) else None
        following = inner or following.__cause__ or following.__context__


def _said(error: Any) -> str:
    """Return an exception's own words on one line, or the name of its class."""
    return shorten(str(error).rstrip("."), _SAID_CHARS) or type(error).__name__


def _refused_by(proxy: Proxy, words: str, base_url: str) -> ServerError:
    at, without = show_address(base_url), _without(base_url)
    if words.startswith("407"):
        return ServerError(f"{proxy} asks for a name and a password (407); {NAMED_PROXY}, {without}.")
    lasting = re.search(r"^4|allowed|auth", words, re.IGNORECASE)
    return ServerError(
        f"{proxy} does not connect to {at} ({_said(words)}); look at its rules, {without}.", transient=not lasting
    )


#: How a proxy is given the name of a user.
NAMED_PROXY = "write NAME:PASSWORD@ before the host in its address"


def _without(base_url: str) -> str:
    return f"or set NO_PROXY={urlsplit(base_url).hostname} to ask without it"


def _distrusted(error: ssl.SSLCertVerificationError, at: str) -> str:
    """Return what is wrong with a certificate, by the words of the library that checked it."""
    words = _said(error.verify_message or error)
    if re.search(r"expired|validity period", words):
        return f"the certificate of {at} has expired; renew it at the server, and look at this machine's clock."
    if "not yet valid" in words:
        return f"the certificate of {at} is not valid yet; look at the clocks of this machine and of the server."
    if re.search(r"mismatch|match|not valid for", words):
        return f"the certificate of {at} is for another name ({words}); use a name of the certificate in base_url (--base-url)."
    named = os.environ.get("SSL_CERT_FILE")
    now = f", which is {named!r} and does not hold it" if named else ""
    return (
        f"the certificate of {at} is not trusted ({words}); if the server is your own or your company's, name a file with its "
        f"certificate, or with that of the authority which signed it, in SSL_CERT_FILE{now}."
    )


def _no_handshake(error: ssl.SSLError, at: str, proxy: Proxy | None) -> ServerError:
    if error.reason in _NOT_TLS:
        if proxy and proxy.url.startswith("https:"):
            return ServerError(f"{proxy} speaks no TLS; write http:// at the beginning of its address.")
        return ServerError(f"{at} speaks no TLS; write http:// at the beginning of base_url (--base-url).")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ServerError(
            f"{at} closed the connection in the TLS handshake; look at its log, or write http:// at the beginning of base_url "
            "(--base-url) if it speaks no TLS.",
            transient=True,
        )
    reason = (error.reason or _said(error)).lower().replace("_", " ")
    return ServerError(
        f"{at} and this machine cannot agree on TLS ({reason}); look at the server's log and its TLS options."
    )


def _not_connected(error: BaseException, base_url: str, proxy: Proxy | None, *, timed_out: bool) -> ServerError:
    """Return the error for a connection that could not be made: to the proxy, if there is one."""
    at = show_address(base_url)
    number = error.errno if isinstance(error, OSError) else None
    reason = "time-out" if timed_out else (isinstance(error, OSError) and error.strerror) or _said(error)
    if number is not None and number > 0:
        reason = os.strerror(number)  # the text of asyncio repeats the address
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return _closed(at, proxy)
    kind = ServerTimedOut if timed_out else ServerError
    if proxy:
        return kind(f"{proxy} does not answer ({reason}); start or correct it, {_without(base_url)}.", transient=True)
    if isinstance(error, socket.gaierror):
        host = urlsplit(base_url).hostname
        return ServerError(
            f"the name {host!r} in {at} is not known ({error.strerror}); correct base_url (--base-url), or look at this "
            "machine's network.",
            transient=error.errno == socket.EAI_AGAIN,
        )
    if timed_out or number in _NO_ROUTE:
        return kind(
            f"{at} cannot be reached ({reason}); look whether the machine runs and whether a firewall or a VPN stands between, "
            f"or {_ANOTHER}.",
            transient=True,
        )
    if not isinstance(error, ConnectionRefusedError):
        return ServerError(
            f"no connection to {at} can be made ({reason}); look at this machine's network.", transient=True
        )
    start = (
        "start it"
        if is_loopback(base_url) or not is_private(base_url)
        else ("start it so that other machines reach it (--host 0.0.0.0, or OLLAMA_HOST=0.0.0.0)")
    )
    return ServerError(f"no server answers at {at}; {start}, or {_ANOTHER}.", transient=True)


def _closed(at: str, proxy: Proxy | None) -> ServerError:
    which = f"{at}, or {proxy} on the way to it," if proxy else at
    return ServerError(
        f"{which} closed the connection before it answered; look at its log{_or_tls(at)}.", transient=True
    )


def _or_tls(at: str) -> str:
    return (
        ", or write https:// at the beginning of base_url (--base-url) if it speaks TLS"
        if at.startswith("http:")
        else ""
    )
