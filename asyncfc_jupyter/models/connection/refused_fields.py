"""Which field of a request a server refuses, from its words: such a field is left out, and the request is sent again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from asyncfc_jupyter.models.connection.lenient import get
from asyncfc_jupyter.models.connection.server_errors import error_body

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


def refused_option(error: Any, optional: Mapping[str, re.Pattern[str] | None]) -> str | None:
    """Return the option that a server refused because it does not know or support it, or None.

    Args:
        error: What the library raised.
        optional: The options of the request, by name. A pattern says how servers word the refusal of one; without a pattern
            the refusal must name the option.
    """
    if get(error, "status_code") not in {400, 422}:
        return None
    body = error_body(error)
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
    body = error_body(error)
    parts = (get(body, name) for name in ("message", "detail", "param")) if isinstance(body, Mapping) else (body,)
    return " ".join(str(part) for part in parts if part)
