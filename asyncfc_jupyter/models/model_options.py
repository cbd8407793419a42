"""Options of a model as users write them, ``NAME=VALUE``: how a value is read, and what it may not be.

A value is JSON where it is valid JSON, and text otherwise: ``temperature=0.2`` is a number, ``tool_choice=required`` a text,
``stream_options={"include_usage": true}`` an object, and ``user="7"``, with its quotes, a text of one digit. An empty value
and ``null`` leave the option out.
"""

from __future__ import annotations

import json
from typing import Any

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.masking import holds_key, names_a_key

#: What the help says about a value.
RULE = "JSON where it is valid JSON, else text; NAME= leaves it out"
#: Options that many servers know, for the Tab key.
WELL_KNOWN = (
    "temperature=",
    "top_p=",
    "seed=",
    "max_tokens=",
    "tool_choice=required",
    "parallel_tool_calls=false",
    "reasoning_effort=",
    "service_tier=",
    "frequency_penalty=",
    "presence_penalty=",
    """'stream_options={"include_usage":true}'""",
    "stop=",
    "top_k=",
    "min_p=",
)


def read_option(word: str) -> tuple[str, Any]:
    """Return the name and the value of ``NAME=VALUE``; None for a value that is empty or null.

    Raises:
        UsageError: The word is not of that form, or holds a key.
    """
    name, equals, text = word.partition("=")
    if not (equals and name.strip()):
        shown = "this" if holds_key(word) else repr(word)
        raise UsageError(
            f"{shown} is not an option of a model; write NAME=VALUE, such as temperature=0.2, with quotes around it if it has "
            "blanks or braces."
        )
    value = read_value(text)
    if problem := problem_with_option(name.strip(), value):
        raise UsageError(f"{problem}.")
    return name.strip(), value


def read_value(text: str) -> Any:
    """Return the value of a text: JSON where it is valid JSON, else the text; None for an empty one."""
    try:
        # NaN and Infinity are not JSON.
        return json.loads(text, parse_constant=str) if text.strip() else None
    except (ValueError, RecursionError):
        return text


def written_value(value: Any) -> str:
    """Return the text of a value that `read_value` reads as this value."""
    return value if isinstance(value, str) and read_value(value) == value else json.dumps(value, ensure_ascii=False)


def problem_with_option(name: object, value: object) -> str | None:
    """Return what is wrong with an option of a model, or None. Never repeats a value that may be a key."""
    if not (isinstance(name, str) and name.strip()):
        return "the name of a model's option is a text, such as temperature"
    try:
        written = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"the value of {name} is not JSON; give a number, a text, true, false, a list or a table"
    if holds_key(written) or (names_a_key(name) and isinstance(value, str)):
        return (
            f"{name} holds what looks like a key, and options are shown, saved and shared; take it out, put the key into an "
            'environment variable and name that: api_key_env = "MY_KEY", or for a header --header "x-api-key: env:MY_KEY"'
        )
    return None
