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
from collections.abc import Iterable, Mapping
from typing import Any

from asyncfc_jupyter.errors import ServerError, ServerTimedOut
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.models.connection.lenient import get, number
from asyncfc_jupyter.models.connection.library import ClientLibrary
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.text import shorten

#: Characters of a server's message that are shown: some send a whole page.
_SAID_CHARS = 300
#: How servers word that they do not know an option. An error about an option's value is worded differently.
_UNKNOWN = re.compile(
    r"un(known|supported|recogni[sz]ed|expected)|not (supported|permitted|allowed)|forbidden", re.IGNORECASE
)
#: How servers word that they want what a refusal of it would name as well.
_DEMANDED = re.compile(
    r"\bmissing\b|must( be)? (pass|sen[dt]|provide|include|return|preserve|start|begin|contain)|\brequired\b",
    re.IGNORECASE,
)
#: Words of refusals about the fields of calls, and about reasoning or fields that must not be there.
_OF_CALLS = re.compile(r"extra_content|provider_specific|thought.?signature|tool_calls\W", re.IGNORECASE)
_ABOUT_REPLAY = re.compile(
    r"reason(ing|er)|think(ing)?\b|thought|signature|content\W.{0,80}string|additional.?propert|"
    r"extra[ _](input|field|propert|key|arg|param|forbid)|"
    r"un(expected|known|supported|recogni[sz]ed|permitted).{0,20}(field|key|propert|param|arg|input|member)|"
    r"(field|key|propert\w+|param\w*).{0,60}(un(supported|known|expected|recogni[sz]ed)|not (supported|allowed|permitted))",
    re.IGNORECASE | re.DOTALL,
)
#: Statuses after which the same request may succeed, as after any that begins with 5.
_PASSING = frozenset({408, 409, 425, 429})
#: Codes of errors that a retry does not fix, whatever their status.
_LASTING = re.compile(r"quota|billing|invalid|context_length|content|policy|not_found|unsupported", re.IGNORECASE)

#: A page, its title, and what is no text in it.
_PAGE = re.compile(r"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
_TITLE = re.compile(r"<title[^<>]*>([^<]+)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")

#: What a status means for the user, and what to do.
_MEANINGS = {
    401: "{address} does not accept the key (401); set {variable} to a valid one, or pass api_key.",
    403: "{address} does not let this key use {model!r} (403){message}; use another model, or another {variable}.",
    404: "{address} does not know the model {model!r} (404){message}; name one that it serves with model (--model), or fix "
    "base_url (--base-url), which usually ends in /v1.",
    429: "{address} limits requests (429){message}; wait, or raise the limit.",
}
_FAILED = "{address} failed ({status}){message}; look at its log, or try later."
_REFUSED = "{address} refuses the request ({status}){message}; look at the model's options and the tools' parameters."


class SaidError(Exception):
    """An error that a server put into its reply."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body


def refusal(error: Any, *, library: ClientLibrary, address: str, model: str, key: Secret | None) -> ServerError:
    """Return the error for a request to which no reply began."""
    status = get(error, "status_code")
    if is_timeout(error):
        return ServerTimedOut(
            f"{address} did not answer in time; look whether it is busy, or raise timeout_s.", transient=True
        )
    if type(getattr(error, "__cause__", None)).__name__ == "TooManyRedirects":
        return ServerError(
            f"{address} redirects without end; set the address it is really at with base_url (--base-url)."
        )
    if isinstance(error, library.load().APIConnectionError):
        return ServerError(
            f"no server answers at {address}; start it, or set another with base_url (--base-url).", transient=True
        )
    meaning = _MEANINGS.get(status) or (_FAILED if status is not None and status >= 500 else _REFUSED)
    variable = key.variable if key else library.key_variable
    return ServerError(
        meaning.format(address=address, model=model, status=status, message=server_message(error), variable=variable),
        status=status,
        transient=_may_pass(error, status),
        retry_after_s=retry_after_s(error),
    )


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
    if isinstance(_said(error), (Mapping, str)) or not isinstance(error, Exception):
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
        title = _TITLE.search(text)
        text = title[1] if title else _TAG.sub(" ", text)
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
    statuses = [number(get(_said(error), name)) for name in ("code", "status", "status_code")]
    return next((status for status in statuses if status is not None and 400 <= status < 600), None)


def is_timeout(error: Any) -> bool:
    """Return whether an exception is a time-out; older versions of the library raise that of the HTTP library."""
    return "Timeout" in type(error).__name__


def refused_option(error: Any, optional: Mapping[str, re.Pattern[str] | None]) -> str | None:
    """Return the option that a server refused because it does not know or support it, or None.

    Args:
        error: What the library raised.
        optional: The options of the request, by name. A pattern says how servers word the refusal of one; without a pattern
            the refusal must name the option.
    """
    if get(error, "status_code") not in {400, 422}:
        return None
    body = _said(error)
    words = f"{error} {body}"
    for name, pattern in optional.items():
        if pattern is not None and pattern.search(words):
            return name
    if not _UNKNOWN.search(words):
        return None
    names = [name for name, pattern in optional.items() if pattern is None]
    if (param := get(body, "param")) in names:
        return str(param)
    return next((name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words)), None)


def refused_replay(error: Any, names: Iterable[str]) -> frozenset[str]:
    """Return what a server refuses of that which is sent back to it with its model's replies, in whatever words.

    Servers word this in dozens of ways and often name no field. So what the message names is left out, or else everything, if
    it speaks of reasoning or of fields that must not be there. A server that demands the fields does not refuse them.

    Args:
        error: What the library raised.
        names: What was sent back: names of fields, and ``calls`` for what was in calls.
    """
    said, sent = _wording(error), frozenset(names)
    if get(error, "status_code") not in {400, 422} or not sent or _DEMANDED.search(said):
        return frozenset()
    named = {name for name in sent if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", said)} - {"content", "calls"}
    named |= {"calls"} & sent if _OF_CALLS.search(said) else set()
    return frozenset(named or (sent if _ABOUT_REPLAY.search(said) else ()))


def concerns_history(error: Any) -> bool:
    """Return whether a refusal names the messages of a request, rather than its options."""
    return re.search(r"\bmessages\b|\bassistant\b", _wording(error)) is not None


def _wording(error: Any) -> str:
    """Return all that a server says in an error, without the names of its fields."""
    body = _said(error)
    parts = (get(body, name) for name in ("message", "detail", "param")) if isinstance(body, Mapping) else (body,)
    return " ".join(str(part) for part in parts if part)


def server_message(error: Any) -> str:
    """Return the server's message as ``: message``, shortened to one line and with keys masked; or an empty text."""
    body = _said(error)
    text = body if isinstance(body, str) else get(body, "message") or get(body, "detail") or ""
    if isinstance(text, list):  # of a validator; each problem may quote the request beside its message
        text = "; ".join(str(words) for problem in text if (words := get(problem, "msg")))
    line = shorten(mask(str(text)), _SAID_CHARS)
    return f": {line}" if line and not line.startswith("<") else ""


def _said(error: Any) -> Any:
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
    passing = status is not None and (status in _PASSING or status >= 500)
    return passing and not (status == 429 and _LASTING.search(_code(error)))


def _code(error: Any) -> str:
    body = _said(error)
    return " ".join(str(get(body, name) or "") for name in ("code", "type"))
