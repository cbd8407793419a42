"""One client of a client library per event loop, server, key and environment, so that turns and runs share its connections.

A connection carries one reply at a time (HTTP/1.1). A reply that is left before its end takes its connection with it: nothing
else makes the server stop. Refused: to read such a reply to its end for the sake of the connection, since a server with one
slot would keep the next request waiting meanwhile, and others would charge for it.

A pool of the HTTP library closes connections that it will not use again only when it is asked for the next one. In a kernel
that may be never, so they are closed here when no request was open for a while.

A library takes half a second to import and some 30 ms to make a client, which reads the certificates of the machine. Both are
done in a thread, at the first request, so that the loop can run tools and the view meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.address import show_address
from asyncfc_jupyter.models.connection.environment import checked_proxy, environment, trusted_certificates
from asyncfc_jupyter.models.connection.library import ClientLibrary
from asyncfc_jupyter.models.keys import no_key_for
from asyncfc_jupyter.models.secret import Secret

#: What a client is kept under: its library, server and key, and the environment. Who corrects that is not given the old client.
_Place = tuple[ClientLibrary, str | None, Secret | None, tuple[str | None, ...]]
#: Seconds after which the HTTP libraries do not use a connection again.
_IDLE_S = 5.0


@dataclass(slots=True)
class _KeptClient:
    """A client, its pools of connections, and the generator that closes it with its loop."""

    client: Any
    pools: tuple[Any, ...]
    keeper: AsyncGenerator[Any, None] | None = None


@dataclass(slots=True)
class _LoopClients:
    """The clients of one event loop, and the requests that are open there."""

    kept: dict[_Place, _KeptClient] = field(default_factory=dict)
    requests: int = 0
    #: Begins to close idle connections, unless another request comes first.
    timer: asyncio.TimerHandle | None = None
    closing: asyncio.Future[None] | None = None

    def begin_to_close(self) -> None:
        """Close all connections, unless a request comes. A pool makes new ones when it is asked."""
        self.closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        for pool in [pool for each in self.kept.values() for pool in each.pools]:
            if self.requests:  # it may use one of these connections already
                return
            with contextlib.suppress(
                Exception
            ):  # as for a reply: nothing is lost with a connection that cannot be closed
                await pool.aclose()


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopClients] = WeakKeyDictionary()


async def client_for(library: ClientLibrary, base_url: str | None, api_key: Secret | None) -> Any:
    """Return the client of the running loop for this library, server and key.

    Raises:
        UsageError: There is no key, or the environment names a proxy or certificates that cannot be used.
    """
    loop = asyncio.get_running_loop()
    kept, place = _of(loop).kept, (library, base_url, api_key, environment())
    if place not in kept:
        made = await asyncio.to_thread(_make, library, base_url, api_key)
        if place not in kept:  # another request may have been faster
            made.keeper = _keep(made.client, loop, place)
            await anext(made.keeper)
            kept[place] = made
        else:
            await made.client.close()
    return kept[place].client


@contextlib.asynccontextmanager
async def open_request() -> AsyncGenerator[None, None]:
    """Keep the connections of the running loop while a request is open, and for a while after the last one."""
    loop = asyncio.get_running_loop()
    mine = _of(loop)
    mine.requests += 1
    if mine.timer is not None:
        mine.timer.cancel()
    try:
        yield
    finally:
        mine.requests -= 1
        if not (mine.requests or loop.is_closed()):
            mine.timer = loop.call_later(_IDLE_S, mine.begin_to_close)


def _of(loop: asyncio.AbstractEventLoop) -> _LoopClients:
    if loop not in _clients:
        # A client refers to its loop, so a loop that was closed without closing its generators is never collected.
        for closed in [other for other in _clients if other.is_closed()]:
            del _clients[closed]
        _clients[loop] = _LoopClients()
    return _clients[loop]


def _make(library: ClientLibrary, base_url: str | None, api_key: Secret | None) -> _KeptClient:
    module = library.load()
    if base_url is not None and api_key is None:
        raise UsageError(f"the model {no_key_for(base_url)}.")
    revealed = api_key.reveal() if api_key else None
    address = base_url or os.environ.get(library.address_variable) or library.address
    proxy = checked_proxy(address)
    certificates = trusted_certificates(address, proxy)
    try:
        # The library reads nothing of the environment itself: not what concerns other addresses, and nothing twice.
        http = module.DefaultAsyncHttpxClient(proxy=proxy, verify=certificates, trust_env=False)
    except OSError as error:  # it reads the certificates of the machine
        raise UsageError(
            f"no connection to {show_address(address)} can be prepared ({error}); look at what the environment says of "
            "certificates (SSL_CERT_FILE, SSLKEYLOGFILE)."
        ) from None
    try:
        client = getattr(module, library.client)(base_url=base_url, api_key=revealed, max_retries=0, http_client=http)
    except getattr(module, library.error):
        raise UsageError(f"there is no key; set {library.key_variable}, or pass api_key.") from None
    except Exception as error:
        if type(error).__name__ != "InvalidURL":  # of the HTTP library, which has more rules for names than Python
            raise
        raise UsageError(
            f"{show_address(address)} has a host that cannot be looked up; correct base_url (--base-url)."
        ) from None
    if not library.owns(base_url):
        # The library takes these from the environment, where they are meant for its own server, and would send them to any.
        for name in library.ambient:
            setattr(client, name, None)
        client._custom_headers = {}  # noqa: SLF001 - of a variable such as OPENAI_CUSTOM_HEADERS; no argument omits them
    # No public name leads to the pools. Without these two, idle connections stay open until the next request.
    pools = [getattr(http, "_transport", None), *getattr(http, "_mounts", {}).values()]
    return _KeptClient(client, tuple(pool for pool in pools if pool is not None))


async def _keep(client: Any, loop: asyncio.AbstractEventLoop, place: _Place) -> AsyncGenerator[Any, None]:
    """Keep a client and close it with its loop: when a loop ends, it closes its asynchronous generators and nothing else."""
    try:
        yield client
    finally:
        if loop in _clients:
            _clients[loop].kept.pop(place, None)
        await client.close()
