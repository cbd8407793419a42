"""The common part of the adapters for APIs of OpenAI's kind: options, the request, and the check that a reply is complete.

The adapter of one API adds the body of a request, the fields that may be left out, and the meaning of the chunks of a reply.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar

from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models.base import ChatRequest, Delta, Finish, Retrying
from asyncfc_jupyter.models.openai.connection import Connection
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.retry_policy import REQUESTS

#: Yields the deltas in a chunk of one reply.
Read = Callable[[Any], Iterator[Delta]]


class Adapter(ABC):
    """A model of an OpenAI-compatible server.

    Args:
        model: The name the server knows it by.
        base_url: The server's address, such as ``http://127.0.0.1:8000/v1``; None for openai-python's own.
        api_key: The key; None for the one in ``OPENAI_API_KEY``.
        options: Fields of the request's body, such as ``temperature`` or ``tool_choice``, sent as they are.
        timeout_s: Seconds without any data after which a request fails; five minutes by default.
        retries: How often a request that fails before its reply begins is retried.

    Raises:
        UsageError: The address, the key or an option cannot be used.
    """

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
        self._connection = Connection(model, base_url=base_url, api_key=api_key, timeout_s=timeout_s, retries=retries)
        self._options = self._checked(options or {})

    @property
    def name(self) -> str:
        """The name the server knows the model by."""
        return self._connection.model

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys that must not appear in recordings of its requests."""
        return (self._connection.key,) if self._connection.key else ()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Ask for a reply and yield its deltas as they arrive. Closing the generator closes the connection.

        Raises:
            ServerError: The server cannot be reached, refuses the request, or breaks off in the middle of the reply.
            UsageError: There is no key, or an option cannot be used.
        """
        options = {**self._options, **self._checked(request.options)}
        unasked = self._unasked(request)

        def build(refused: frozenset[str]) -> dict[str, Any]:
            body = self._body(request, options, refused)
            return {name: value for name, value in body.items() if name not in refused}

        optional = {**dict.fromkeys([*options, *unasked]), **self.patterns}
        quiet = frozenset(unasked) - options.keys()
        read, ended = self._reader(), False
        async with aclosing(self._connection.chunks(self.path, build, optional=optional, quiet=quiet)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Retrying):
                    yield chunk
                    continue
                for delta in read(chunk):
                    ended = ended or isinstance(delta, Finish)
                    yield delta
        if not ended:
            raise ServerError(f"the stream from {self._connection.address} {self.unfinished}", transient=True)

    def _checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options as a dict.

        Raises:
            UsageError: One of them is a field that the adapter itself sets.
        """
        if taken := sorted(self.reserved & options.keys()):
            listed = ", ".join(sorted(self.reserved))
            raise UsageError(f"model option {taken[0]!r} is not yours to set; leave out: {listed}.")
        return dict(options)

    @abstractmethod
    def _body(self, request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        """Return the body of a request. Fields that the server has refused are removed from it afterwards."""

    @abstractmethod
    def _reader(self) -> Read:
        """Return a reader for the chunks of one reply, in order."""

    def _unasked(self, request: ChatRequest) -> Iterable[str]:  # noqa: ARG002
        """Return fields that are sent although the user did not set them, and left out without a warning if refused."""
        return ()
