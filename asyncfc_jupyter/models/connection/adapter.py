"""The common part of the adapters: a request out, a stream of deltas in.

The adapter of one API names its client library and adds the body of a request, the fields that may be left out, and the meaning
of the chunks of a reply.

* A request that fails before its reply begins is retried as `retry_policy` says. Each retry is yielded in the stream as a
  `Retrying`, so that the user sees why it takes longer.
* Once a reply has begun nothing is retried here: its calls may have started. The loop of the run decides.
* A field of the body, or of a tool, that a strict server does not support is left out from then on, and the request is sent
  again.
* The limit of a reply's tokens has other names at other servers: a name that is refused is replaced by the next one.
* Extra headers, and a key in a header of its own, belong to this server: a redirect is not followed with them, since the HTTP
  library would send them along.
* Requests and events are plain dictionaries, through the library's interface for endpoints that it does not know. For
  endpoints that it knows it builds an object of each message at every request, and of each event: 78 to 142 ms with a history
  of 400 messages, and three quarters of the cost of a token.
* The body of a response is read by `body`, in whatever form it comes. What is no reply, such as the page of a login, is
  an error that shows it. A body that says that it is whole ends a reply whose chunks do not.
* A server that sends nothing for too long is abandoned, whether or not the reply has begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urljoin

from asyncfc_jupyter.errors import ServerError, ServerLoading, UsageError
from asyncfc_jupyter.masking import KNOWN
from asyncfc_jupyter.models.address import checked_base_url, credentials, show_address
from asyncfc_jupyter.models.base import REPLAY, ChatRequest, Delta, Finish, Retrying
from asyncfc_jupyter.models.connection.body import Body
from asyncfc_jupyter.models.connection.clients import client_for, open_request
from asyncfc_jupyter.models.connection.lenient import get, text
from asyncfc_jupyter.models.connection.library import ClientLibrary
from asyncfc_jupyter.models.connection.refused_fields import concerns_history, refused_option, refused_replay
from asyncfc_jupyter.models.connection.server_errors import (
    Asked,
    SaidError,
    interruption,
    is_missing_path,
    no_reply,
    redirection,
    refusal,
    said_instead,
    unread_refusal,
)
from asyncfc_jupyter.models.headers import opened_headers
from asyncfc_jupyter.models.keys import NO_KEY, find_key, needs_no_key
from asyncfc_jupyter.models.profiles import ANY
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.notices import notify
from asyncfc_jupyter.retry_policy import LOADING, REQUESTS, RESTART, RetryPolicy

#: A reasoning model may think for minutes without sending a byte; one that takes longer than this hangs.
DEFAULT_TIMEOUT_S = 300.0
#: A server that works accepts a connection within this time.
_CONNECT_S = 5.0
#: A list of models is there at once, or after the start of a server.
_LIST_S = 20.0
#: Statuses of a server that has no such list.
_NO_LIST = frozenset({404, 405, 501})

#: A larger limit of a reply's tokens is not sent unless the user set it: few replies need more, many servers refuse more than
#: their model can write, and some count it against the user's rate.
_LARGEST_LIMIT = 16_384
#: Headers that the libraries set themselves, as they spell them: another spelling would be sent beside theirs.
_SPELLED = {"user-agent": "User-Agent", "anthropic-version": "anthropic-version"}
#: What every function has; its other fields are the user's extra ones.
_FUNCTION = frozenset({"name", "description", "parameters"})
#: A server that keeps the connection open ends the body within this time after the mark of its end.
_REST_S = 0.1

#: Yields the deltas in a chunk of one reply.
Read = Callable[[Any], Iterator[Delta]]


def _without(tools: Sequence[Mapping[str, Any]], fields: AbstractSet[str]) -> Sequence[Mapping[str, Any]]:
    """Return tools without some fields of their functions."""
    if not fields:
        return tools
    return [
        {**tool, "function": {name: value for name, value in tool["function"].items() if name not in fields}}
        for tool in tools
    ]


class Adapter(ABC):
    """A model of a server that a client library reaches.

    Args:
        model: The name the server knows it by.
        base_url: The server's address, such as ``http://127.0.0.1:8000/v1``; None for the one that the library uses.
        api_key: The key; None for the one that is set for this address (`keys`).
        options: Fields of the request's body, such as ``temperature`` or ``tool_choice``, sent as they are.
        headers: Extra headers of each request (`headers`).
        timeout_s: Seconds without any data after which a request fails; five minutes by default.
        retries: How often a request that fails before its reply begins is retried.

    Raises:
        UsageError: The address, the key or an option cannot be used.
    """

    #: The client library that sends the requests.
    library: ClassVar[ClientLibrary]
    #: The endpoint of the API.
    path: str
    #: The endpoint that lists the models.
    models_path = "/models"
    #: Fields that the adapter itself sets, so that no option may.
    reserved: ClassVar[frozenset[str]]
    #: What is wrong with a reply that is not complete, and what to do if that happens again.
    unfinished: ClassVar[str]
    #: The names of the field that limits the tokens of a reply, in the order in which they are tried.
    limits: ClassVar[tuple[str, ...]] = ()
    #: The least such limit that the API takes.
    least_limit: ClassVar[int] = 1
    #: Fields of which a chunk of a reply has one: anything else that comes is no reply.
    marks: ClassVar[tuple[str, ...]] = ("type",)
    #: What may be left out besides options, with how a server words that it refuses it.
    patterns: ClassVar[Mapping[str, re.Pattern[str]]] = {}
    #: Those of them whose refusal changes nothing for the user.
    quiet: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | Secret | None = None,
        options: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        timeout_s: float | None = None,
        retries: int = REQUESTS.retries,
    ) -> None:
        base_url = checked_base_url(base_url) if base_url is not None else None
        self._model = model
        address, mark, query = (base_url or "").partition("?")
        self._base_url = address or None
        #: Goes with each request, such as ``?api-version=...``.
        self._query = mark + query
        #: The server's address, for people: without a name and a password.
        self._address = show_address(base_url) if base_url else "the model's server"
        for credential in credentials(base_url or ""):
            KNOWN.remember(credential)
        self._key = (
            Secret(api_key, variable=self.library.key_variable, given="api_key")
            if isinstance(api_key, str)
            else api_key
        )
        if base_url is not None and self._key is None:
            self._key = find_key(ANY, base_url) or (
                Secret(NO_KEY, variable=ANY.key_variable) if needs_no_key(base_url) else None
            )
        self._timeout_s = DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s
        self._policy = replace(REQUESTS, retries=retries)
        #: Whether the server has begun a reply.
        self._has_served = False
        self._options = self._checked(options or {})
        self._headers = opened_headers(headers or {})
        #: Fields of the body that the server has refused: left out from then on.
        self._refused: set[str] = set()

    @property
    def name(self) -> str:
        """The name the server knows the model by."""
        return self._model

    @property
    def address(self) -> str:
        """The server's address, for people; empty for the one that the library uses."""
        return show_address(self._base_url or "")

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys that must not appear in recordings of its requests."""
        headers = [value for value in self._headers.values() if isinstance(value, Secret)]
        return (*([self._key] if self._key else []), *headers)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Ask for a reply and yield its deltas as they arrive. Closing the generator closes the connection.

        Raises:
            ServerError: The server cannot be reached, refuses the request, or breaks off in the middle of the reply.
            UsageError: There is no key, or an option cannot be used.
        """
        options = {**self._options, **self._checked(request.options)}
        read, body, begun, ended = self._reader(), Body(), False, False
        strange: ServerError | None = None
        chunk: Any = None
        async with open_request(), aclosing(self._chunks(request, options, body)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Retrying):
                    yield chunk
                    continue
                if not begun:
                    begun = any(get(chunk, name) for name in self.marks)
                    strange = None if begun else strange or no_reply(chunk, address=self._address)
                for delta in read(chunk):
                    ended = ended or isinstance(delta, Finish)
                    yield delta
        if ended:
            return
        chunk = None  # a detailed traceback shows it, and it may quote the key
        if strange or body.is_text:
            raise strange or no_reply(body.unread, address=self._address)
        if not (begun and body.whole):
            last = f" The last text was{said_instead(body.unread)}" if body.unread else ""
            raise ServerError(f"the stream from {self._address} {self.unfinished}{last}", transient=True)
        yield Finish(reason="stop")

    async def list_models(self) -> tuple[str, ...]:
        """Return the names of all models that the server lists, in alphabetical order.

        Raises:
            ServerError: The server cannot be reached, or lists none.
            UsageError: There is no key.
        """
        client, module = await client_for(self.library, self._base_url, self._key), self.library.load()
        asked = self._asked(client, self.models_path)
        sent = {"timeout": _LIST_S, **self._header_options()}
        failure = ServerError(f"{asked.address} does not list its models; look in its documentation for their names.")
        try:
            async with open_request():
                data = get(await client.get(self.models_path + self._query, options=sent, cast_to=object), "data")
            if isinstance(data, list):
                return tuple(sorted({name for each in data if (name := text(get(each, "id")))}))
        except getattr(module, self.library.error) as error:
            if get(error, "status_code") not in _NO_LIST:
                failure = refusal(error, asked)
        except (ValueError, RecursionError):  # of a body that is no JSON
            pass
        raise failure  # not in the except clause, as in `_open`

    def _checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options as a dict.

        Raises:
            UsageError: One of them is a field that the adapter itself sets.
        """
        if taken := sorted(self.reserved & options.keys()):
            others = ", ".join(sorted(self.reserved - {taken[0]}))
            raise UsageError(
                f"the model option {taken[0]!r} cannot be set: asyncfc_jupyter writes it into each request, as it does "
                f"{others}; leave it out."
            )
        return dict(options)

    async def _chunks(self, request: ChatRequest, options: Mapping[str, Any], body: Body) -> AsyncGenerator[Any, None]:
        """Send a request and yield the chunks of its reply, read by ``body``, after a `Retrying` for each retry."""
        pauses: defaultdict[RetryPolicy, list[float]] = defaultdict(list)
        for attempt in itertools.count(1):
            try:
                response = await self._open(request, options)
                break
            except ServerError as error:
                policy = self._policy_after(error)
                taken_s = pauses[policy]
                pause_s = policy.pause_s(len(taken_s) + 1, error, sum(taken_s))
                if pause_s is None:
                    if attempt == 1 or error.status is None:
                        raise
                    raise type(error)(
                        f"{str(error).rstrip('.')} (asked {attempt} times).",
                        status=error.status,
                        transient=error.transient,
                        retry_after_s=error.retry_after_s,
                    ) from None
                taken_s.append(pause_s)
                known = f"{self._address} answered before and is waited for: " if policy is RESTART else ""
                failed = Retrying(attempt=attempt, message=f"{known}{error}", pause_s=pause_s)
            yield failed
            await asyncio.sleep(failed.pause_s)
        self._has_served = True
        broken: ServerError | None = None
        try:
            async with aclosing(_read(response.response, body)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except Exception as error:  # noqa: BLE001 - the library does not wrap the exceptions of its HTTP library
            broken = self.interrupted(error)
        finally:
            with contextlib.suppress(Exception):  # the reply is valid even if the connection cannot be closed
                await response.close()
        if broken is not None:
            raise broken  # not in the except clause, as in `_open`

    def sent_back(self, request: ChatRequest) -> Iterable[str]:  # noqa: ARG002
        """Return the names of what is sent back with the model's own replies, and may be left out of them."""
        return ()

    def _policy_after(self, error: ServerError) -> RetryPolicy:
        """Return how long the server is asked again: one that is not there yet is waited for, unless there are no retries."""
        if not self._policy.retries:
            return self._policy
        if isinstance(error, ServerLoading):
            return LOADING
        return RESTART if self._has_served and error.status is None else self._policy

    def interrupted(self, error: Any) -> ServerError:
        """Return the error for a reply that its server ended with an error."""
        return interruption(error, address=self._address, timeout_s=self._timeout_s)

    async def _open(self, request: ChatRequest, options: Mapping[str, Any]) -> Any:
        """Send the request and return the response's stream, whose status is good."""
        client, module = await client_for(self.library, self._base_url, self._key), self.library.load()
        asked = self._asked(client, self.path)
        self._address = asked.address
        timeout = module.Timeout(self._timeout_s, connect=min(_CONNECT_S, self._timeout_s))
        sent = {"timeout": timeout, **self._header_options()}
        unasked = self._unasked(request)
        extras = {name for tool in request.tools for name in tool["function"]} - _FUNCTION
        left_out: set[str] = set()
        while True:
            refused = frozenset(self._refused)
            limited = self._limited(options, request.most_tokens)
            patterns = {**self._limit_patterns(limited, options), **self.patterns}
            optional = {**dict.fromkeys([*limited, *unasked, *sorted(extras)]), **patterns}
            body = self._body(replace(request, tools=_without(request.tools, refused & extras)), limited, refused)
            fields = {name: value for name, value in body.items() if name not in refused}
            try:
                return await self._post(client, module, {"model": self._model, "stream": True, **fields}, sent)
            except getattr(module, self.library.error) as error:
                name = refused_option(error, {n: pattern for n, pattern in optional.items() if n not in refused})
                failure, is_missing = refusal(error, asked), is_missing_path(error, self._model)
                replayed = {each for each in self.sent_back(request) if f"{REPLAY} {each}" not in refused}
                if name is not None and not concerns_history(error):
                    replayed = set()
                unwanted = {f"{REPLAY} {each}" for each in refused_replay(error, replayed)}
            except Exception as error:
                unread = unread_refusal(error, asked)
                if unread is None:
                    raise
                name, failure, is_missing, unwanted = None, unread, False, set()
            if unwanted:
                left_out |= unwanted
                self._refused |= unwanted
                continue
            if name is None:
                self._refused -= left_out if failure.status in {400, 422} else set()  # it was not the reason
                # Not in the except clause: the library's exception holds the request, and would be kept as the context.
                raise (is_missing and await self._found_elsewhere(client, module, asked)) or failure
            self._refused.add(name)
            names = self.limits if name in self.limits else (name,)
            if name not in self.quiet and (name in self.patterns or not {*options, *extras}.isdisjoint(names)):
                other = next((each for each in names if each not in self._refused), None)
                instead = f"{other!r} is sent in its place" if other else "it is left out"
                notify(f"{self._address} refuses the option {name!r}; {instead} from now on.")

    async def _post(self, client: Any, module: Any, body: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
        """Send one request and return the response's stream.

        Raises:
            ServerError: The response is that to another request, to which a redirect led.
        """
        reply = await client.post(
            self.path + self._query,
            body=body,
            options=options,
            cast_to=object,
            stream=True,
            stream_cls=module.AsyncStream[object],
        )
        if (moved := redirection(get(reply, "response"), self._asked(client, self.path))) is None:
            return reply
        await reply.close()
        raise moved

    def _asked(self, client: Any, path: str) -> Asked:
        at = str(client.base_url)
        return Asked(library=self.library, base_url=at, path=path, model=self._model, key=self._key)

    def _header_options(self) -> dict[str, Any]:
        """Return the options of a request with the extra headers."""
        headers = {
            _SPELLED.get(name.lower(), name): value.reveal() if isinstance(value, Secret) else value
            for name, value in self._headers.items()
        }
        # Another server, to which a redirect leads, would get the headers too.
        follow = {} if self.library.hides_key and not headers else {"follow_redirects": False}
        return {"headers": headers, **follow} if headers else follow

    def _limited(self, options: Mapping[str, Any], most_tokens: int | None) -> dict[str, Any]:
        """Return the options with one limit of the reply's tokens: the smaller one of the user's and the request's."""
        own = {name: value for name, value in options.items() if name in self.limits}
        counts = [value for value in own.values() if isinstance(value, int)]
        if most_tokens is not None and most_tokens <= _LARGEST_LIMIT:
            counts.append(max(most_tokens, self.least_limit))
        name = next((name for name in (*own, *self.limits) if name not in self._refused), None)
        limit = {name: min(counts) if counts else next(iter(own.values()))} if name and (own or counts) else {}
        return {**{name: value for name, value in options.items() if name not in own}, **limit}

    def _limit_patterns(self, limited: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, re.Pattern[str]]:
        """Return how a server words that it refuses a limit that the user did not set, by its name or by its value."""
        names = "|".join(self.limits)
        refusal = re.compile(rf"(?<![\w-])({names})(?![\w-])|context.length|in the completion", re.IGNORECASE)
        return {name: refusal for name in self.limits if name in limited and options.keys().isdisjoint(self.limits)}

    async def _found_elsewhere(self, client: Any, module: Any, asked: Asked) -> ServerError | None:
        """Return the error for an address whose server answers at another one, with ``/v1`` or without, or None."""
        given, root = asked.base_url.rstrip("/"), urljoin(asked.base_url, "/")
        below = self.path.startswith("/v1/")
        others = [given.removesuffix("/v1")] if below else [f"{given}/v1", f"{root}v1"]
        for base_url in dict.fromkeys(each for each in others if each != given):
            options = {"timeout": module.Timeout(min(_CONNECT_S, self._timeout_s)), **self._header_options()}
            status, models = 0, None
            try:
                models = await client.get(f"{base_url}{'/v1' if below else ''}/models", cast_to=object, options=options)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, the server was not found there
                status = get(error, "status_code")
            if isinstance(models, Mapping) or status in {401, 403}:
                found = show_address(base_url)
                return ServerError(
                    f"{asked.address} has no {self.path} (404), and its server answers at {found}; set base_url to that "
                    "(--base-url).",
                    status=404,
                )
        return None

    @abstractmethod
    def _body(self, request: ChatRequest, options: Mapping[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        """Return the body of a request. Fields that the server has refused are removed from it afterwards."""

    @abstractmethod
    def _reader(self) -> Read:
        """Return a reader for the chunks of one reply, in order."""

    def _unasked(self, request: ChatRequest) -> Iterable[str]:  # noqa: ARG002
        """Return fields that are sent although the user did not set them, and left out without a warning if refused."""
        return ()


async def _read(response: Any, body: Body) -> AsyncGenerator[Any, None]:
    """Yield the chunks of a response of the HTTP library.

    Raises:
        SaidError: One of them is an error.
    """
    async with aclosing(response.aiter_bytes()) as pieces:
        async for data in pieces:
            for chunk in body.feed(data):
                if error := get(chunk, "error"):
                    raise SaidError(error)
                yield chunk
            if body.marked:
                break
        for chunk in body.finish():
            if error := get(chunk, "error"):
                raise SaidError(error)
            yield chunk
        if body.marked:
            # The connection can be used again only if the rest was read. The reply is valid whatever happens to it.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_REST_S):
                    async for _ in pieces:
                        pass
