"""One client of openai-python per event loop, server and key, so that turns and runs share its open connections.

The library takes half a second to import and some 30 ms to make a client, which reads the certificates of the machine. Both are
done in a thread, at the first request, so that the loop can run tools and the view meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.keys import is_openai, no_key_for
from asyncfc_jupyter.models.secret import Secret

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: A client, and the generator that closes it with its loop.
_KeptClient = tuple["AsyncOpenAI", AsyncGenerator["AsyncOpenAI", None]]
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str | None, Secret | None], _KeptClient]] = (
    WeakKeyDictionary()
)


def library() -> Any:
    """Return openai-python, and import it first if needed."""
    import openai  # noqa: PLC0415 - takes half a second, and a rehearsal does not need it

    return openai


async def client_for(base_url: str | None, api_key: Secret | None) -> AsyncOpenAI:
    """Return the client of the running loop for this server and key.

    Raises:
        UsageError: There is no key.
    """
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        # A client refers to its loop, so a loop that was closed without closing its generators is never collected.
        for closed in [other for other in _clients if other.is_closed()]:
            del _clients[closed]
        _clients[loop] = {}
    held = _clients[loop]
    if (base_url, api_key) not in held:
        client = await asyncio.to_thread(_make, base_url, api_key)
        if (base_url, api_key) not in held:  # another request may have been faster
            keeper = _keep(client, loop, base_url, api_key)
            held[base_url, api_key] = (await anext(keeper), keeper)
        else:
            await client.close()
    return held[base_url, api_key][0]


def _make(base_url: str | None, api_key: Secret | None) -> AsyncOpenAI:
    openai = library()
    if base_url is not None and api_key is None:
        raise UsageError(f"the model {no_key_for(base_url)}.")
    revealed = api_key.reveal() if api_key else None
    try:
        client: AsyncOpenAI = openai.AsyncOpenAI(base_url=base_url, api_key=revealed, max_retries=0)
    except openai.OpenAIError:
        raise UsageError("there is no key; set OPENAI_API_KEY, or pass api_key.") from None
    if not is_openai(base_url):
        # The library takes these from the environment, where they are meant for OpenAI, and would send them to any server.
        client.organization = client.project = None
        client.admin_api_key = None
        client._custom_headers = {}  # noqa: SLF001 - of OPENAI_CUSTOM_HEADERS; no argument leaves them out
    return client


async def _keep(
    client: AsyncOpenAI, loop: asyncio.AbstractEventLoop, base_url: str | None, api_key: Secret | None
) -> AsyncGenerator[AsyncOpenAI, None]:
    """Keep a client and close it with its loop: when a loop ends, it closes its asynchronous generators and nothing else."""
    try:
        yield client
    finally:
        _clients.get(loop, {}).pop((base_url, api_key), None)
        await client.close()
