"""One client of a client library per event loop, server, key and environment, so that turns and runs share its connections.

A library takes half a second to import and some 30 ms to make a client, which reads the certificates of the machine. Both are
done in a thread, at the first request, so that the loop can run tools and the view meanwhile.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
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
#: A client, and the generator that closes it with its loop.
_KeptClient = tuple[Any, AsyncGenerator[Any, None]]
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Place, _KeptClient]] = WeakKeyDictionary()


async def client_for(library: ClientLibrary, base_url: str | None, api_key: Secret | None) -> Any:
    """Return the client of the running loop for this library, server and key.

    Raises:
        UsageError: There is no key, or the environment names a proxy or certificates that cannot be used.
    """
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        # A client refers to its loop, so a loop that was closed without closing its generators is never collected.
        for closed in [other for other in _clients if other.is_closed()]:
            del _clients[closed]
        _clients[loop] = {}
    held, place = _clients[loop], (library, base_url, api_key, environment())
    if place not in held:
        client = await asyncio.to_thread(_make, library, base_url, api_key)
        if place not in held:  # another request may have been faster
            keeper = _keep(client, loop, place)
            held[place] = (await anext(keeper), keeper)
        else:
            await client.close()
    return held[place][0]


def _make(library: ClientLibrary, base_url: str | None, api_key: Secret | None) -> Any:
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
    return client


async def _keep(client: Any, loop: asyncio.AbstractEventLoop, place: _Place) -> AsyncGenerator[Any, None]:
    """Keep a client and close it with its loop: when a loop ends, it closes its asynchronous generators and nothing else."""
    try:
        yield client
    finally:
        _clients.get(loop, {}).pop(place, None)
        await client.close()
