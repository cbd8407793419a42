"""The line to one server: a request out, a stream of chunks in, the same for every API that it speaks.

* A request that fails before its reply begins, in a way that may pass, is made again, with what the server asks to wait
  or else a growing, jittered pause. Each repetition is told as a `Retrying` in the stream itself, so that nobody waits
  without knowing why. The loop is ours and not a library's for that reason alone: a callback could not yield.
* Once a reply has begun nothing is repeated here: its calls may have started. Whoever runs them decides.
* A field of the body that a strict server does not know is left out from then on, and the request made once more.
* Requests go out and events come in as the dictionaries that they are, through the library's own way for endpoints that it
  does not know. For those that it knows it builds an object of each message at every request, and of each event with all
  that the event may hold: 78 to 142 ms with a history of 400 messages, and three quarters of what a token costs.
* A server that sends nothing for too long is given up, in whatever state the reply is.
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
from urllib.parse import urlsplit

from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models.base import Retrying
from asyncfc_jupyter.models.openai.clients import client_for, library
from asyncfc_jupyter.models.openai.lenient import get
from asyncfc_jupyter.models.openai.server_errors import interruption, refusal, refused_option
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.retry_policy import REQUESTS

#: A reasoning model may think for minutes without sending a byte; one that takes longer than this hangs.
DEFAULT_TIMEOUT_S = 300.0
#: Nothing that is alive takes longer to accept a connection.
_CONNECT_S = 5.0

#: Returns the body for what the server is known to refuse.
Build = Callable[[frozenset[str]], Mapping[str, Any]]


class Line:
    """A server, a key and a model's name there.

    Args:
        model: The name the server knows the model by.
        base_url: The server's address, such as ``http://127.0.0.1:8000/v1``; None for openai-python's own.
        api_key: The key; None for the one in ``OPENAI_API_KEY``.
        timeout_s: Seconds without any data after which a request fails.
        retries: How often a request that failed before its reply began is made again.

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
        if base_url is not None and not _is_http(base_url):
            raise UsageError("base_url is not an address; write one such as http://127.0.0.1:8000/v1.")
        self.model, self.base_url = model, base_url
        #: Where the server is, for people: without what a URL may carry of names and passwords.
        self.address = show_address(base_url) if base_url else "the model's server"
        self.key = Secret(api_key) if isinstance(api_key, str) else api_key
        self._timeout_s = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        self._policy = replace(REQUESTS, retries=retries)
        #: Fields of the body that the server has refused: left out from then on.
        self.refused: set[str] = set()

    async def chunks(
        self, path: str, build: Build, *, optional: Mapping[str, re.Pattern[str] | None], quiet: frozenset[str]
    ) -> AsyncGenerator[Any, None]:
        """Make a request and yield the chunks of its reply, after a `Retrying` for each time it had to be made again.

        Args:
            path: Where the API takes requests, such as ``/responses``.
            build: Returns the body, without model and mode, and without what the server refuses.
            optional: What may be left out when the server refuses it, by name; a pattern, where there is one, says how it
                sounds when it does, else it is taken by its name.
            quiet: Those of them that the person has not asked for, and need not hear of.

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
                    raise _asked(error, attempt) from None
                failed = Retrying(attempt=attempt, message=str(error), pause_s=pause_s)
            yield failed
            await asyncio.sleep(failed.pause_s)
        broken: ServerError | None = None
        try:
            async for chunk in response:
                if said := get(chunk, "error"):
                    broken = self.interrupted(said)
                    break
                yield chunk
        except Exception as error:  # noqa: BLE001 - the library lets the exceptions of its HTTP library through
            broken = self.interrupted(error)
        finally:
            with contextlib.suppress(Exception):  # what the reply said stands, however the line closes
                await response.close()
        if broken is not None:
            raise broken  # out here, as in `_open`

    def interrupted(self, said: Any) -> ServerError:
        """Return the error for a reply that its server ended with one of its own."""
        return interruption(said, address=self.address, key=self.key, timeout_s=self._timeout_s)

    async def _open(
        self,
        path: str,
        build: Build,
        optional: Mapping[str, re.Pattern[str] | None],
        quiet: frozenset[str],
    ) -> Any:
        """Make the request and return the response's stream, its status known to be good."""
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
                name = _refused(error, {n: pattern for n, pattern in optional.items() if n not in self.refused})
                failure = refusal(error, address=self.address, model=self.model, key=self.key)
            if name is None:
                # Out here: the library's own exception holds the request, and would stay behind as the context.
                raise failure
            self.refused.add(name)
            if name not in quiet:
                warnings.warn(f"{self.address} refuses the option {name!r}; going on without it.", stacklevel=2)


def show_address(url: str) -> str:
    """Return an address without the name, password and query that it may carry."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")


def _asked(error: ServerError, attempts: int) -> ServerError:
    if attempts == 1 or error.status is None:
        return error
    return ServerError(
        f"{str(error).rstrip('.')} (asked {attempts} times).",
        status=error.status,
        transient=error.transient,
        retry_after_s=error.retry_after_s,
    )


def _refused(error: Any, optional: Mapping[str, re.Pattern[str] | None]) -> str | None:
    if get(error, "status_code") in {400, 422}:
        text = f"{error} {get(error, 'body')}"
        for name, pattern in optional.items():
            if pattern is not None and pattern.search(text):
                return name
    return refused_option(error, [name for name, pattern in optional.items() if pattern is None])


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
