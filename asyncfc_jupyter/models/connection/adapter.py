"""The common part of the adapters: a request out, a stream of deltas in.

The adapter of one API names its client library and adds the body of a request, the fields that may be left out, and the meaning
of the chunks of a reply.

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
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, ClassVar

from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.masking import KNOWN
from asyncfc_jupyter.models.address import credentials, is_http, show_address
from asyncfc_jupyter.models.base import ChatRequest, Delta, Finish, Retrying
from asyncfc_jupyter.models.connection.clients import client_for
from asyncfc_jupyter.models.connection.lenient import get
from asyncfc_jupyter.models.connection.library import ClientLibrary
from asyncfc_jupyter.models.connection.server_errors import interruption, refusal, refused_option
from asyncfc_jupyter.models.keys import NO_KEY, find_key, needs_no_key
from asyncfc_jupyter.models.profiles import ANY
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.notices import notify
from asyncfc_jupyter.retry_policy import REQUESTS

#: A reasoning model may think for minutes without sending a byte; one that takes longer than this hangs.
DEFAULT_TIMEOUT_S = 300.0
#: A server that works accepts a connection within this time.
_CONNECT_S = 5.0

#: Yields the deltas in a chunk of one reply.
Read = Callable[[Any], Iterator[Delta]]


class Adapter(ABC):
    """A model of a server that a client library reaches.

    Args:
        model: The name the server knows it by.
        base_url: The server's address, such as ``http://127.0.0.1:8000/v1``; None for the one that the library uses.
        api_key: The key; None for the one that is set for this address (`keys`).
        options: Fields of the request's body, such as ``temperature`` or ``tool_choice``, sent as they are.
        timeout_s: Seconds without any data after which a request fails; five minutes by default.
        retries: How often a request that fails before its reply begins is retried.

    Raises:
        UsageError: The address, the key or an option cannot be used.
    """

    #: The client library that sends the requests.
    library: ClassVar[ClientLibrary]
    #: The endpoint of the API.
    path: ClassVar[str]
    #: Fields that the adapter itself sets, so that no option may.
    reserved: ClassVar[frozenset[str]]
    #: What is wrong with a reply that is not complete, and what to do if that happens again.
    unfinished: ClassVar[str]
    #: What may be left out besides options, with how a server words that it refuses it.
    patterns: ClassVar[Mapping[str, re.Pattern[str]]] = {}

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | Secret | None = None,
        options: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        retries: int = REQUESTS.retries,
    ) -> None:
        if base_url is not None and not is_http(base_url):
            raise UsageError("base_url is not an address; write one such as http://127.0.0.1:8000/v1.")
        self._model, self._base_url = model, base_url
        #: The server's address, for people: without a name and a password.
        self._address = show_address(base_url) if base_url else "the model's server"
        for credential in credentials(base_url or ""):
            KNOWN.remember(credential)
        self._key = Secret(api_key) if isinstance(api_key, str) else api_key
        if base_url is not None and self._key is None:
            self._key = find_key(ANY, base_url) or (Secret(NO_KEY) if needs_no_key(base_url) else None)
        self._timeout_s = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        self._policy = replace(REQUESTS, retries=retries)
        self._options = self._checked(options or {})
        #: Fields of the body that the server has refused: left out from then on.
        self._refused: set[str] = set()

    @property
    def name(self) -> str:
        """The name the server knows the model by."""
        return self._model

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys that must not appear in recordings of its requests."""
        return (self._key,) if self._key else ()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Ask for a reply and yield its deltas as they arrive. Closing the generator closes the connection.

        Raises:
            ServerError: The server cannot be reached, refuses the request, or breaks off in the middle of the reply.
            UsageError: There is no key, or an option cannot be used.
        """
        options = {**self._options, **self._checked(request.options)}
        read, ended = self._reader(), False
        async with aclosing(self._chunks(request, options)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Retrying):
                    yield chunk
                    continue
                for delta in read(chunk):
                    ended = ended or isinstance(delta, Finish)
                    yield delta
        if not ended:
            raise ServerError(f"the stream from {self._address} {self.unfinished}", transient=True)

    def _checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options as a dict.

        Raises:
            UsageError: One of them is a field that the adapter itself sets.
        """
        if taken := sorted(self.reserved & options.keys()):
            listed = ", ".join(sorted(self.reserved))
            raise UsageError(f"model option {taken[0]!r} is not yours to set; leave out: {listed}.")
        return dict(options)

    async def _chunks(self, request: ChatRequest, options: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        """Send a request and yield the chunks of its reply, after a `Retrying` for each retry."""
        for attempt in itertools.count(1):
            try:
                response = await self._open(request, options)
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
                    broken = self._interrupted(server_error)
                    break
                yield chunk
        except Exception as error:  # noqa: BLE001 - the library does not wrap the exceptions of its HTTP library
            broken = self._interrupted(error)
        finally:
            with contextlib.suppress(Exception):  # the reply is valid even if the connection cannot be closed
                await response.close()
        if broken is not None:
            raise broken  # not in the except clause, as in `_open`

    def _interrupted(self, error: Any) -> ServerError:
        """Return the error for a reply that its server ended with an error."""
        return interruption(error, address=self._address, timeout_s=self._timeout_s)

    async def _open(self, request: ChatRequest, options: Mapping[str, Any]) -> Any:
        """Send the request and return the response's stream, whose status is good."""
        client, module = await client_for(self.library, self._base_url, self._key), self.library.load()
        self._address = show_address(str(client.base_url))
        timeout = module.Timeout(self._timeout_s, connect=min(_CONNECT_S, self._timeout_s))
        unasked = self._unasked(request)
        optional = {**dict.fromkeys([*options, *unasked]), **self.patterns}
        while True:
            refused = frozenset(self._refused)
            body = self._body(request, options, refused)
            fields = {name: value for name, value in body.items() if name not in refused}
            try:
                return await client.post(
                    self.path,
                    body={"model": self._model, "stream": True, **fields},
                    options={"timeout": timeout},
                    cast_to=object,
                    stream=True,
                    stream_cls=module.AsyncStream[object],
                )
            except getattr(module, self.library.error) as error:
                name = refused_option(error, {n: pattern for n, pattern in optional.items() if n not in refused})
                failure = refusal(error, library=self.library, address=self._address, model=self._model, key=self._key)
            if name is None:
                # Not in the except clause: the library's exception holds the request, and would be kept as the context.
                raise failure
            self._refused.add(name)
            if name in options or name not in unasked:
                notify(f"{self._address} refuses the option {name!r}; it is left out from now on.")

    @abstractmethod
    def _body(self, request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        """Return the body of a request. Fields that the server has refused are removed from it afterwards."""

    @abstractmethod
    def _reader(self) -> Read:
        """Return a reader for the chunks of one reply, in order."""

    def _unasked(self, request: ChatRequest) -> Iterable[str]:  # noqa: ARG002
        """Return fields that are sent although the user did not set them, and left out without a warning if refused."""
        return ()
