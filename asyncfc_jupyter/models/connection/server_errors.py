"""From a server's error to ours: one line for the user that says what to do, and whether a retry may help.

Every exception of a client library becomes a `ServerError` here. None is passed on, since they hold the request with its key
and messages.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin, urlsplit

from asyncfc_jupyter.errors import ServerError, ServerLoading, ServerTimedOut
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.models.address import is_private, show_address
from asyncfc_jupyter.models.connection.environment import proxy_for
from asyncfc_jupyter.models.connection.lenient import get, number
from asyncfc_jupyter.models.connection.library import ClientLibrary
from asyncfc_jupyter.models.connection.unreachable import NAMED_PROXY, causes, connecting_timed_out, unreachable
from asyncfc_jupyter.models.connection.wordings import says_loading, says_no_path, says_tls, says_too_long, title_of
from asyncfc_jupyter.models.keys import NO_KEY
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.text import shorten

#: Characters of a server's message that are shown: some send a whole page.
_SAID_CHARS = 300
#: Statuses after which the same request may succeed, as after most that begin with 5. A server that lacks what is asked (501,
#: 505) gets no better, and a network that asks for a login (511) waits for the user.
_PASSING, _LASTING_FAILURES = frozenset({408, 409, 425, 429}), frozenset({501, 505, 511})
#: Codes of errors that a retry does not fix, whatever their status.
_LASTING = re.compile(r"quota|billing|invalid|context_length|content|policy|not_found|unsupported", re.IGNORECASE)
#: Codes of a limit that no waiting lifts.
_SPENT = re.compile(r"quota|billing|credit|balance", re.IGNORECASE)
#: Redirects that turn a request with a body into one without, so that another error, or a page, follows.
_MOVED = frozenset({301, 302, 303})

#: A page, and what is no text in it.
_PAGE = re.compile(r"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")

_PATH_OR_KIND = "fix base_url (--base-url), which {ending}, or choose another api (--api)"
#: What a status means for the user, and what to do.
_MEANINGS = {
    401: "{address} does not accept the key (401){message}; set {variable} to a valid one, or pass api_key.",
    402: "{address} asks for payment (402){message}; look at the balance and the plan of the account there.",
    403: "{address} does not let this key use {model!r} (403){message}; use another model, or set {variable} to another key.",
    405: "{address} takes no requests at {path} (405){message}; " + _PATH_OR_KIND + ".",
    408: "{address} did not receive the request in time (408){message}; try later, or look at the network.",
    410: "{address} no longer has {model!r} or {path} (410){message}; name another model with model (--model).",
    413: "the request is too large for {address} (413){message}; begin another conversation (--conversation), return shorter "
    "results, or raise the limit of the server or of the gateway before it.",
    415: "{address} takes no JSON at {path} (415){message}; " + _PATH_OR_KIND + ".",
    425: "{address} is not ready (425){message}; try later.",
    429: "{address} limits requests (429){message}; wait, or raise the limit.",
    431: "{address} takes no headers of this size (431){message}; use a shorter key or fewer headers.",
    501: "{address} does not support what {path} needs (501){message}; choose another api (--api).",
    502: "{address} is a gateway, and its server gives no valid answer (502){message}; look whether that server runs.",
    504: "{address} is a gateway, and its server gives no answer in time (504){message}; look whether that server runs.",
    511: "this network asks for a login before it lets requests through (511){message}; open a page in a browser.",
}
_FAILED = "{address} failed ({status}){message}; look at its log, or try later."
_REFUSED = "{address} refuses the request ({status}){message}; look at the model's options and the tools' parameters."
_NO_MODEL = (
    "{address} does not know the model {model!r} ({status}){message}; name one that it serves (%agent model --list) with "
    "model (--model), or fix base_url (--base-url), which {ending}."
)
_NO_PATH = "{address} has no {path} ({status}){message}; " + _PATH_OR_KIND + "."
_KEY_MISSING = "{address} asks for a key (401){message}; set {variable}, or pass api_key."
_SPENT_LIMIT = "the account at {address} has nothing left to spend (429){message}; look at its plan and its balance."
_LOADING = "{address} is loading the model ({status}){message}; wait until it is ready."
_TLS = "{address} speaks TLS ({status}){message}; write https:// at the beginning of base_url (--base-url)."
_TOO_LONG = (
    "the conversation is longer than the context at {address}{message}; begin another one (--conversation), offer fewer tools, "
    "return shorter results, or {larger}."
)
_PROXY_LOGIN = (
    "{proxy} asks for a name and a password (407){message}; "
    + NAMED_PROXY
    + ", or set NO_PROXY={host} to ask without it."
)
_BY_PROXY = (
    "{address}, or {proxy} on the way to it, failed ({status}){message}; look at both, or set NO_PROXY={host} to ask "
    "without the proxy."
)
#: Statuses by which a proxy answers in the server's place.
_BY_PROXIES = frozenset({403, 407, 502, 503, 504})


class SaidError(Exception):
    """An error that a server put into its reply."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asked for, as far as its errors mention it."""

    library: ClientLibrary
    #: The server's address, with all that it holds.
    base_url: str
    #: The endpoint.
    path: str
    model: str
    key: Secret | None

    @property
    def address(self) -> str:
        """The server's address, for people."""
        return show_address(self.base_url)


def refusal(error: Any, asked: Asked) -> ServerError:
    """Return the error for a request to which no reply began."""
    status, address = get(error, "status_code"), asked.address
    if status is None and not isinstance(error, asked.library.load().APIConnectionError):
        return ServerError(f"{address} cannot be asked{server_message(error)}; look at the model's options.")
    if status is None:
        if is_timeout(error) and not connecting_timed_out(error):
            return ServerTimedOut(
                f"{address} did not answer in time; look whether it is busy, or raise timeout_s.", transient=True
            )
        return unreachable(error, asked.base_url)
    if (moved := redirection(get(error, "response"), asked)) is not None:
        return moved
    text, proxy, message = _meaning(error, asked), proxy_for(asked.base_url), server_message(error)
    kind = ServerLoading if text is _LOADING else ServerError
    fields = {
        "address": address,
        "model": asked.model,
        "path": asked.path,
        "status": status,
        "proxy": proxy,
        "host": urlsplit(asked.base_url).hostname,
        "ending": "ends before /v1" if asked.path.startswith("/v1/") else "usually ends in /v1",
        "larger": _larger_context(address),
        "message": message if get(error, "body") else "",  # else it is the library's
        "variable": asked.key.variable if asked.key else asked.library.key_variable,
    }
    return kind(
        text.format(**fields),
        status=status,
        transient=kind is ServerLoading or _may_pass(error, status),
        retry_after_s=retry_after_s(error),
    )


def unread_refusal(error: BaseException, asked: Asked) -> ServerError | None:
    """Return the error for a refusal whose body broke off or cannot be decoded, or None if this exception is another one.

    The library reads the body of a refusal itself, and passes on what its HTTP library raises then.
    """
    status_error = next((each for each in causes(error) if type(each).__name__ == "HTTPStatusError"), None)
    response = get(status_error, "response")
    if response is None:
        return None
    return refusal(SimpleNamespace(status_code=response.status_code, response=response), asked)


def _meaning(error: Any, asked: Asked) -> str:  # noqa: PLR0911 - a table
    """Return the text for a refusal, with its fields in braces."""
    status, words, is_page = error.status_code, _words(error), not isinstance(get(error, "body"), Mapping)
    if status in _BY_PROXIES and is_page and proxy_for(asked.base_url) is not None:
        return _PROXY_LOGIN if status == 407 else _BY_PROXY
    if says_tls(words):
        return _TLS
    if status in {400, 413, 422, 500} and says_too_long(words):
        return _TOO_LONG
    if status not in {401, 403} and says_loading(words):
        return _LOADING
    if status == 401 and asked.key is not None and asked.key.reveal() == NO_KEY:
        return _KEY_MISSING
    if status == 404:
        return _NO_PATH if is_missing_path(error, asked.model) else _NO_MODEL
    if status == 429 and _SPENT.search(_code(error)):
        return _SPENT_LIMIT
    return _MEANINGS.get(status) or (_FAILED if status >= 500 else _REFUSED)


def _larger_context(address: str) -> str:
    """Return how a longer conversation fits: servers of the user's own are started with the size of their context."""
    if is_private(address):
        return (
            "start the server with a larger context (llama.cpp -c, vLLM --max-model-len, Ollama OLLAMA_CONTEXT_LENGTH, LM "
            "Studio's Context Length)"
        )
    return "use a model with a larger context"


def redirection(response: Any, asked: Asked) -> ServerError | None:
    """Return the error for a response after a redirect that lost the request's body, or None."""
    hops = [*(get(response, "history") or ()), *([response] if get(response, "status_code") in range(300, 400) else ())]
    hop = next((each for each in hops if get(each, "status_code") in _MOVED or each is response), None)
    if hop is None:
        return None
    status, location = get(hop, "status_code"), (get(hop, "headers") or {}).get("location")
    to = show_address(urljoin(str(get(hop, "url") or asked.base_url), str(location or ""))).removesuffix(asked.path)
    return ServerError(
        f"{asked.address} redirects the request {f'to {to}' if location else 'without an address'} ({status}); set base_url "
        "to the address of the API itself (--base-url), and log in if that is a page for it.",
        status=status,
    )


def is_missing_path(error: Any, model: str) -> bool:
    """Return whether a server refused a request because it does not have the path, and not because of the model."""
    words = _words(error)
    return get(error, "status_code") in {404, 405} and says_no_path(
        server_message(error) if words else "", words, model
    )


def _words(error: Any) -> str:
    """Return all that a server said: its message, and fields such as the code; of a page its beginning."""
    if isinstance(error, Exception) and not get(error, "body"):
        return ""  # the text of the exception is the library's
    said = error_body(error)
    return f"{said if isinstance(said, str) else server_message(error)} {_code(error)}"


def interruption(error: Any, *, address: str, timeout_s: float) -> ServerError:
    """Return the error for a reply that broke off: because of an exception of the library's, or an error of the server's."""
    if is_timeout(error):
        return ServerTimedOut(
            f"{address} began to reply and then sent nothing for {timeout_s:g} s; look whether it hangs, or raise timeout_s.",
            transient=True,
        )
    if isinstance(error, json.JSONDecodeError):
        return ServerError(
            f"the stream from {address} broke off in the middle of the reply: a chunk is no JSON{said_instead(error.doc)}; "
            "run it again.",
            transient=True,
        )
    if isinstance(error_body(error), (Mapping, str)) or not isinstance(error, Exception):
        if says_too_long(_words(error)):
            text = _TOO_LONG.format(address=address, message=server_message(error), larger=_larger_context(address))
            return ServerError(text)
        status = _status(error)
        lasting = _LASTING.search(f"{_code(error)}") or (status and status < 500 and status not in _PASSING)
        return ServerError(
            f"{address} ended the reply with an error{server_message(error)}; run it again.", transient=not lasting
        )
    kind = type(error).__name__
    return ServerError(
        f"the stream from {address} broke off in the middle of the reply ({kind}); run it again.", transient=True
    )


def no_reply(sent: Any, *, address: str) -> ServerError:
    """Return the error for a body that is no reply, although its status is good: an error in another form, or a page.

    Args:
        sent: Its JSON, or the beginning of its text.
        address: The server.
    """
    text = sent if isinstance(sent, str) else json.dumps(sent, ensure_ascii=False, default=str)
    page = _PAGE.match(text)
    if page:
        text = title_of(text) or _TAG.sub(" ", text)
    kind = "a web page" if page else "text" if isinstance(sent, str) else "JSON"
    passing = _status(sent) in _PASSING or (_status(sent) or 0) >= 500
    return ServerError(
        f"{address} answers with {kind} that is no reply{said_instead(text)}; look whether base_url (--base-url) is the "
        "address of its API, which usually ends in /v1, and whether it asks for a login.",
        transient=passing,
    )


def said_instead(text: str) -> str:
    """Return what a server sent in place of a reply as ``: text``, in one line and with keys masked; or an empty text."""
    line = shorten(mask(text), _SAID_CHARS)
    return f": {line}" if line else ""


def _status(error: Any) -> int | None:
    """Return the status of HTTP that an error in a body names, or None."""
    statuses = [number(get(error_body(error), name)) for name in ("code", "status", "status_code")]
    return next((status for status in statuses if status is not None and 400 <= status < 600), None)


def is_timeout(error: Any) -> bool:
    """Return whether an exception is a time-out, of the library or of its HTTP library, and no status of a server's."""
    return "Timeout" in type(error).__name__ and get(error, "status_code") is None


def server_message(error: Any) -> str:
    """Return the server's message as ``: message``, shortened to one line and with keys masked; or an empty text."""
    body = error_body(error)
    text = body if isinstance(body, str) else get(body, "message") or get(body, "detail") or ""
    if isinstance(text, list):  # of a validator; each problem may quote the request beside its message
        text = "; ".join(str(words) for problem in text if (words := get(problem, "msg")))
    elif str(text).lstrip().startswith("<"):
        text = title_of(str(text))  # a page, such as that of a gateway's error
    line = shorten(mask(str(text)), _SAID_CHARS).rstrip(".")
    return f": {line}" if line else ""


def error_body(error: Any) -> Any:
    """Return what a server says of an error: the body, or the ``error`` in it, which openai-python alone takes out."""
    body = get(error, "body") or error
    if isinstance(body, list):  # Google's
        body = next(iter(body), None)
    return get(body, "error") or body if isinstance(body, Mapping) else body


def retry_after_s(error: Any) -> float | None:
    """Return the seconds that a server asked to wait, in any of the three forms in use, or None."""
    headers = get(get(error, "response"), "headers")
    if headers is None:
        return None
    for name, divisor in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) / divisor
        except ValueError:
            seconds = _seconds_until(value)
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _seconds_until(date: str) -> float:
    try:
        when = email.utils.parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return math.nan
    if when.tzinfo is None:
        when = when.replace(tzinfo=dt.UTC)
    return max(0.0, (when - dt.datetime.now(dt.UTC)).total_seconds())


def _may_pass(error: Any, status: int | None) -> bool:
    headers = get(get(error, "response"), "headers") or {}
    advice = headers.get("x-should-retry")  # sent by OpenAI; overrides our own rule
    if advice in {"true", "false"}:
        return bool(advice == "true")
    passing = status is not None and (status in _PASSING or (status >= 500 and status not in _LASTING_FAILURES))
    return passing and not (status == 429 and _LASTING.search(_code(error)))


def _code(error: Any) -> str:
    body = error_body(error)
    return " ".join(str(get(body, name) or "") for name in ("code", "type"))
