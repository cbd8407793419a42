"""Extra headers of the requests to one server, such as ``X-Title`` for OpenRouter: which may be set, and where a key in one is.

No key stands in the text of a header, since that is shown, saved and shared. The text names the environment variable that holds
it: ``x-api-key: env:MY_KEY``, or ``Helicone-Auth: Bearer env:MY_KEY``. The variable is read when the model is opened, and its
value is masked from then on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.masking import holds_key, names_a_key
from asyncfc_jupyter.models.secret import Secret

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Printable ASCII: what every HTTP library sends.
_TEXT = re.compile(r"[ -~]+")
_VARIABLE = re.compile(r"((?:[!-~]+ )?)env:([A-Za-z_][A-Za-z0-9_]*)")
#: Words of names that `names_a_key` does not know, since variables with such names hold other things.
_SECRET_WORDS = frozenset({"auth", "authorization", "cookie"})
#: What the connection itself decides.
_TAKEN = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def problem_with_header(name: object, value: object) -> str | None:
    """Return what is wrong with a header, or None: the rule, and the way out. Never repeats a value, which may be a key."""
    problem = None
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        problem = 'the name of a header is a word of letters, digits and dashes; write it as "X-Title: my notebook"'
    elif name.lower() == "authorization":
        problem = (
            "the header Authorization holds the key of the server; leave it out, and name the variable that holds the key with "
            "api_key_env (--api-key-env)"
        )
    elif name.lower() in _TAKEN:
        problem = f"the header {name} belongs to the connection; leave it out"
    elif not (isinstance(value, str) and _TEXT.fullmatch(value) and value == value.strip()):
        problem = (
            f"the value of the header {name} must be one line of printable ASCII characters, without blanks around it"
        )
    elif "env:" in value:
        if _VARIABLE.fullmatch(value) is None:
            problem = f'the header {name} names a variable as in "{name}: env:MY_KEY" or "{name}: Bearer env:MY_KEY"'
    elif names_a_key(name) or not _SECRET_WORDS.isdisjoint(re.split("[^a-z]+", name.lower())) or holds_key(value):
        problem = (
            f"the header {name} holds a key, which would be shown, saved and shared; put the key into an environment variable, "
            f'and name that: "{name}: env:MY_KEY"'
        )
    return problem


def opened_headers(headers: Mapping[str, str | Secret]) -> dict[str, str | Secret]:
    """Return headers as they are sent: the values of their variables as `Secret`, which is masked from then on.

    Raises:
        UsageError: A header cannot be sent, or its variable is not set.
    """
    opened: dict[str, str | Secret] = {}
    for name, value in headers.items():
        if problem := None if isinstance(value, Secret) else problem_with_header(name, value):
            raise UsageError(f"{problem}.")
        found = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            opened[name] = value
            continue
        key = os.environ.get(found[2], "").strip()
        if not key:
            raise UsageError(
                f"the header {name} names the environment variable {found[2]}, which is not set in this process; set it first "
                f"(os.environ[{found[2]!r}] = ...), or leave the header out."
            )
        opened[name] = Secret(key, variable=found[2], scheme=found[1])
    return opened


def read_header(word: str) -> tuple[str, str | None]:
    """Return the name and the value of ``NAME: VALUE``; None for an empty value, which leaves the header out.

    Raises:
        UsageError: The word is not of that form, or the header cannot be sent.
    """
    name, colon, text = word.partition(":")
    value = text.strip() or None
    problem = problem_with_header(name.strip(), "x" if value is None else value)
    if not colon:
        problem = 'a header is written as "NAME: VALUE", in quotes, such as --header "X-Title: my notebook"'
    if problem:
        raise UsageError(f"{problem}.")
    return name.strip(), value
