"""The connection to one server: a request out, a stream of chunks in, the same for every API of the server.

* A request that fails before its reply begins is retried as `retry_policy` says. Each retry is yielded in the stream as a
  `Retrying`, so that the user sees why it takes longer.
* Once a reply has begun nothing is retried here: its calls may have started. The loop of the run decides.
* A field of the body that a strict server does not support is left out from then on, and the request is sent again.
* Requests and events are plain dictionaries, through the library's interface for endpoints that it does not know. For
  endpoints that it knows it builds an object of each message at every request, and of each event: 78 to 142 ms with a history
  of 400 messages, and three quarters of the cost of a token.
* A server that sends nothing for too long is abandoned, whether or not the reply has begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import warnings
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import Any

from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models.address import is_http, show_address
from asyncfc_jupyter.models.base import Retrying
from asyncfc_jupyter.models.openai.clients import client_for, library
from asyncfc_jupyter.models.openai.lenient import get
from asyncfc_jupyter.models.openai.server_errors import interruption, refusal, refused_option
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.retry_policy import REQUESTS

#: A reasoning model may think for minutes without sending a byte; one that takes longer than this hangs.
DEFAULT_TIMEOUT_S = 300.0
#: A server that works accepts a connection within this time.
_CONNECT_S = 5.0

#: Returns the body of a request, given the fields that the server refuses.
Build = Callable[[frozenset[str]], Mapping[str, Any]]


class Connection:
    """A server, a key, and the model's name at that server.

    Args:
        model: The name the server knows the model by.
        base_url: The server's address, such as ``http://127.0.0.1:8000/v1``; None for openai-python's own.
        api_key: The key; None for the one in ``OPENAI_API_KEY``.
        timeout_s: Seconds without any data after which a request fails.
        retries: How often a request that fails before its reply begins is retried.

    Raises:
        UsageError: The address or the key cannot be used.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        api_key: str | Secret | None,
        timeout_s: float | None = None,
        retries: int = REQUESTS.retries,
    ) -> None:
        if base_url is not None and not is_http(base_url):
            raise UsageError("base_url is not an address; write one such as http://127.0.0.1:8000/v1.")
        self.model, self.base_url = model, base_url
        #: The server's address, for people: without a name and a password.
        self.address = show_address(base_url) if base_url else "the model's server"
        self.key = Secret(api_key) if isinstance(api_key, str) else api_key
        self._timeout_s = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        self._policy = replace(REQUESTS, retries=retries)
        #: Fields of the body that the server has refused: left out from then on.
        self.refused: set[str] = set()

    async def chunks(
        self, path: str, build: Build, *, optional: Mapping[str, re.Pattern[str] | None], quiet: frozenset[str]
    ) -> AsyncGenerator[Any, None]:
        """Send a request and yield the chunks of its reply, after a `Retrying` for each retry.

        Args:
            path: The endpoint of the API, such as ``/responses``.
            build: Returns the body, without the model and ``stream``, and without what the server refuses.
            optional: What may be left out when the server refuses it, by name; see `refused_option`.
            quiet: Those that the user did not set, and of which no warning is shown.

        Raises:
            ServerError: The server cannot be reached, refuses the request, or breaks off in the middle of the reply.
            UsageError: There is no key.
        """
        for attempt in itertools.count(1):
            try:
                response = await self._open(path, build, optional, quiet)
                break
            except ServerError as error:
                pause_s = self._policy.pause_s(attempt, error)
                if pause_s is None:
                    if attempt == 1 or error.status is None:
                        raise
                    raise ServerError(
                        f"{str(error).rstrip('.')} (asked {attempt} times).",
                        status=error.status,
                        transient=error.transient,
                        retry_after_s=error.retry_after_s,
                    ) from None
                failed = Retrying(attempt=attempt, message=str(error), pause_s=pause_s)
            yield failed
            await asyncio.sleep(failed.pause_s)
        broken: ServerError | None = None
        try:
            async for chunk in response:
                if server_error := get(chunk, "error"):
                    broken = self.interrupted(server_error)
                    break
                yield chunk
        except Exception as error:  # noqa: BLE001 - the library does not wrap the exceptions of its HTTP library
            broken = self.interrupted(error)
        finally:
            with contextlib.suppress(Exception):  # the reply is valid even if the connection cannot be closed
                await response.close()
        if broken is not None:
            raise broken  # not in the except clause, as in `_open`

    def interrupted(self, error: Any) -> ServerError:
        """Return the error for a reply that its server ended with an error."""
        return interruption(error, address=self.address, key=self.key, timeout_s=self._timeout_s)

    async def _open(
        self,
        path: str,
        build: Build,
        optional: Mapping[str, re.Pattern[str] | None],
        quiet: frozenset[str],
    ) -> Any:
        """Send the request and return the response's stream, whose status is good."""
        client, openai = await client_for(self.base_url, self.key), library()
        self.address = show_address(str(client.base_url))
        timeout = openai.Timeout(self._timeout_s, connect=min(_CONNECT_S, self._timeout_s))
        while True:
            try:
                return await client.post(
                    path,
                    body={"model": self.model, "stream": True, **build(frozenset(self.refused))},
                    options={"timeout": timeout},
                    cast_to=object,
                    stream=True,
                    stream_cls=openai.AsyncStream[object],
                )
            except openai.OpenAIError as error:
                name = refused_option(error, {n: pattern for n, pattern in optional.items() if n not in self.refused})
                failure = refusal(error, address=self.address, model=self.model, key=self.key)
            if name is None:
                # Not in the except clause: the library's exception holds the request, and would be kept as the context.
                raise failure
            self.refused.add(name)
            if name not in quiet:
                warnings.warn(f"{self.address} refuses the option {name!r}; it is left out from now on.", stacklevel=2)
