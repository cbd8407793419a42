"""Any server that speaks the Chat Completions API, through openai-python.

What goes out, and why in this form:

* Messages, tools and options travel in ``extra_body``, which the library copies into the request's body as they are.
  Through its own parameters it rebuilds every message at each request: with a history of 400 messages that is 78 to
  142 ms of CPU on the loop that also runs the tools, against 5 to 8 ms. It also lets options through that the installed
  version does not know.
* Nothing optional is sent that the user did not set: strict servers refuse what they do not know. When one refuses an
  option that the user did set, as something it does not know or support at all, the request is made once more without
  it, with a warning, and the option stays out from then on. A value out of range is the user's to mend, and an error.
* Retries of refused connections, rate limits (``Retry-After`` honoured) and server errors are the library's own. A
  stream that has begun is never retried: its calls may have started.

Depends on nothing below openai-python: version 3 sits on another HTTP library than version 2. Chunks may be any objects
with the fields used, or dicts.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from asyncfc_jupyter.core.errors import ServerError, UsageError
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, Finish, TextDelta, Usage
from asyncfc_jupyter.models.catalog import show_address

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: What the adapter itself decides, so that no option may.
_RESERVED = frozenset({"messages", "model", "n", "stream", "tools"})
#: Characters of a server's message that are shown: some send a whole page.
_SAID_CHARS = 300
#: A shorter key is a dummy, whose letters would be blotted out everywhere.
_KEY_CHARS = 8
#: How servers say that they do not know an option, as opposed to not liking its value.
_UNKNOWN = re.compile(
    r"un(known|supported|recogni[sz]ed|expected)|not (supported|permitted|allowed)|forbidden", re.IGNORECASE
)


class OpenAIChat:
    """A model behind an OpenAI-compatible server.

    Args:
        model: The name the server knows it by.
        base_url: The server's address, such as ``http://127.0.0.1:8000/v1``; None for openai-python's own.
        api_key: The key; None for the one in ``OPENAI_API_KEY``.
        options: Fields of the request's body, such as ``temperature`` or ``tool_choice``, sent as they are.
        timeout_s: Seconds without any data after which a request fails; None for openai-python's own ten minutes.

    Raises:
        UsageError: The address or an option cannot be used.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        if base_url is not None and not _is_http(base_url):
            raise UsageError("base_url is not an address; write one such as http://127.0.0.1:8000/v1.")
        if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
            raise UsageError("the key is empty or holds characters that no key has; set it again (OPENAI_API_KEY).")
        self._model, self._base_url, self._api_key = model, base_url, api_key
        self._options = _checked(options or {})
        self._timeout_s = timeout_s
        #: Options that the server has refused: left out from then on.
        self._refused: set[str] = set()

    @property
    def name(self) -> str:
        """The name the server knows the model by."""
        return self._model

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Ask for a reply and yield its deltas as they arrive; closing the generator hangs up.

        Raises:
            ServerError: The server cannot be reached, refuses the request, or breaks off in the middle of the reply.
            UsageError: There is no key, or an option cannot be used.
        """
        client = await _client(self._base_url, self._api_key)
        response = await self._open(client, request)
        chunks, ended = aiter(response), False
        try:
            while (chunk := await self._next(client, chunks)) is not None:
                for delta in _deltas(chunk):
                    ended = ended or isinstance(delta, Finish)
                    yield delta
        finally:
            with contextlib.suppress(Exception):  # what the reply said stands, however the line closes
                await response.close()
        if not ended:
            raise ServerError(
                f"the stream from {_address(client)} ended without a finish reason, so the reply is probably cut off; "
                "run it again, and if it stays so, the server does not speak the Chat Completions API."
            )

    async def _open(self, client: AsyncOpenAI, request: ChatRequest) -> Any:
        """Make the request and return the response's stream, its status known to be good."""
        known = _library().OpenAIError
        options = {**self._options, **_checked(request.options)}
        options = {name: value for name, value in options.items() if name not in self._refused}
        try:
            try:
                return await self._create(client, request, options)
            except known as error:
                refused = _refused_option(error, options)
                if refused is None:
                    raise
                address = _address(client)
            self._refused.add(refused)
            warnings.warn(f"{address} refuses the option {refused!r}; going on without it.", stacklevel=2)
            return await self._create(client, request, {n: v for n, v in options.items() if n != refused})
        except known as error:
            refusal = self._server_error(client, error)
        # Out here: the library's own exception holds the request, with key and messages, and would stay behind as context.
        raise refusal

    async def _create(self, client: AsyncOpenAI, request: ChatRequest, options: Mapping[str, Any]) -> Any:
        body: dict[str, Any] = {"messages": request.messages, **options}
        if request.tools:
            body["tools"] = request.tools
        limits: dict[str, Any] = {} if self._timeout_s is None else {"timeout": self._timeout_s}
        return await client.chat.completions.create(
            model=self._model, messages=[], stream=True, extra_body=body, **limits
        )

    async def _next(self, client: AsyncOpenAI, chunks: AsyncIterator[Any]) -> Any:
        """Return the next chunk, or None at the end; whatever breaks on the way is told as a `ServerError`."""
        broken: ServerError | None = None
        try:
            chunk = await anext(chunks, None)
        except Exception as error:  # noqa: BLE001 - the library lets the exceptions of its HTTP library through
            broken = self._server_error(client, error, streaming=True)
        if broken is not None:
            raise broken
        if chunk is not None and (said := _get(chunk, "error")):
            raise self._server_error(client, said, streaming=True)
        return chunk

    def _server_error(self, client: AsyncOpenAI, error: Any, *, streaming: bool = False) -> ServerError:
        """Return what happened as one line that names the server and the way out, never the key or the request."""
        openai = _library()
        address, model, status = _address(client), repr(self._model), _get(error, "status_code")
        said = _said(error, client.api_key)
        if "Timeout" in type(error).__name__:  # also the HTTP library's own, which older versions let through
            return ServerError(f"{address} did not answer in time; look whether it is busy, or raise timeout_s.")
        if streaming and isinstance(_get(error, "body") or error, (Mapping, str)):
            return ServerError(f"{address} ended the reply with an error{said}; run it again.")
        if streaming:
            kind = type(error).__name__
            return ServerError(
                f"the stream from {address} broke off in the middle of the reply ({kind}); run it again."
            )
        if isinstance(error, openai.APIConnectionError):
            return ServerError(f"no server answers at {address}; start it, or set another with base_url (--base-url).")
        return ServerError(_refusal(status, address, model, said), status=status)


def _refusal(status: int | None, address: str, model: str, said: str) -> str:
    """Return what a status means for the person, and what to do."""
    if status == 401:
        return f"{address} does not accept the key (401); set OPENAI_API_KEY to a valid one, or pass api_key."
    if status == 403:
        return f"{address} does not let this key use {model} (403){said}; use another model, or another OPENAI_API_KEY."
    if status == 404:
        return (
            f"{address} does not know the model {model} (404){said}; name one that it serves with model (--model), "
            "or mend base_url (--base-url), which usually ends in /v1."
        )
    if status == 429:
        return f"{address} limits requests (429), also after waiting and asking again{said}; wait, or raise the limit."
    if status is not None and status >= 500:
        return f"{address} failed ({status}), also when asked again{said}; look at its log, or try later."
    return f"{address} refuses the request ({status}){said}; look at the model's options and the tools' parameters."


def _library() -> Any:
    import openai  # noqa: PLC0415 - takes half a second, which only those who use it should pay

    return openai


# -- clients ---------------------------------------------------------------------------------------------------------

_Held = tuple["AsyncOpenAI", AsyncGenerator["AsyncOpenAI", None]]
#: One client per loop, server and key, so that turns and runs share its open connections.
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str | None, str | None], _Held]] = WeakKeyDictionary()


async def _client(base_url: str | None, api_key: str | None) -> AsyncOpenAI:
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        # A client holds on to its loop, so the entry of a loop that was closed rudely would never go away by itself.
        for closed in [other for other in _clients if other.is_closed()]:
            del _clients[closed]
        _clients[loop] = {}
    held = _clients[loop]
    if (base_url, api_key) not in held:
        # Importing takes half a second, in which the loop has tools and a view to run.
        await asyncio.to_thread(_library)
    if (base_url, api_key) not in held:  # still: another request may have been faster
        keeper = _keep(loop, base_url, api_key)
        held[base_url, api_key] = (await anext(keeper), keeper)
    return held[base_url, api_key][0]


async def _keep(
    loop: asyncio.AbstractEventLoop, base_url: str | None, api_key: str | None
) -> AsyncGenerator[AsyncOpenAI, None]:
    """Make a client and close it with its loop: at its end a loop closes its asynchronous generators, nothing else."""
    openai = _library()
    try:
        client: AsyncOpenAI = openai.AsyncOpenAI(base_url=base_url, api_key=api_key)
    except openai.OpenAIError:
        raise UsageError("there is no key; set OPENAI_API_KEY, or pass api_key.") from None
    try:
        yield client
    finally:
        _clients.get(loop, {}).pop((base_url, api_key), None)
        await client.close()


# -- what comes in ---------------------------------------------------------------------------------------------------


def _get(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def _deltas(chunk: Any) -> Iterator[Delta]:
    """Yield what a chunk says. Of several choices, which nobody asked for, only the first counts."""
    for choice in (_get(chunk, "choices") or ())[:1]:
        delta = _get(choice, "delta")
        for text in (_get(delta, "content"), _get(delta, "refusal")):
            if text and isinstance(text, str):
                yield TextDelta(text=text)
        for call in _get(delta, "tool_calls") or ():
            function = _get(call, "function")
            name = _get(function, "name")
            call_id = _get(call, "id")
            yield CallDelta(
                index=_get(call, "index"),
                call_id=None if call_id is None else str(call_id),
                name=name if isinstance(name, str) else None,
                arguments=_get(function, "arguments"),
            )
        if reason := _get(choice, "finish_reason"):
            yield Finish(reason=str(reason))
    if usage := _get(chunk, "usage"):
        yield Usage(input_tokens=_get(usage, "prompt_tokens") or 0, output_tokens=_get(usage, "completion_tokens") or 0)


# -- words for people ------------------------------------------------------------------------------------------------


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _address(client: AsyncOpenAI) -> str:
    return show_address(str(client.base_url))


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options, none of which may be what the adapter decides.

    Raises:
        UsageError: One is.
    """
    if taken := sorted(_RESERVED & options.keys()):
        raise UsageError(f"model option {taken[0]!r} is not yours to set; leave out: {', '.join(sorted(_RESERVED))}.")
    return dict(options)


def _refused_option(error: Exception, options: Mapping[str, Any]) -> str | None:
    """Return the option that a server refused because it does not know or support it, if that is what happened."""
    if _get(error, "status_code") not in {400, 422}:
        return None
    body = _get(error, "body")
    text = f"{error} {body}"
    if not _UNKNOWN.search(text):
        return None
    if (param := _get(body, "param")) in options:
        return str(param)
    return next((name for name in options if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)), None)


def _said(error: Any, api_key: str) -> str:
    """Return the server's own words as ``: words``, on one bounded line without the key; or nothing."""
    body = _get(error, "body") or error
    text = body if isinstance(body, str) else _get(body, "message") or _get(body, "detail") or ""
    if isinstance(text, list):  # a validator's list of problems, each of which may quote the request beside its message
        text = "; ".join(str(_get(problem, "msg")) for problem in text)
    line = " ".join(str(text).split())
    if len(api_key) >= _KEY_CHARS:
        line = line.replace(api_key, "***")
    return f": {line[:_SAID_CHARS]}" if line and not line.startswith("<") else ""
