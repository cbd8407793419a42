"""What can be set, and what each setting may be: traits, which ``%config`` and ``ipython_config.py`` know.

traitlets checks the values of every source, and not pydantic, since this is loaded with the extension and pydantic is not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from traitlets import Bunch, Enum, Float, Int, TraitError, Unicode, validate
from traitlets.config import Config, Configurable

from asyncfc_jupyter.errors import UsageError, nearest
from asyncfc_jupyter.jupyter.options import MODES
from asyncfc_jupyter.models.profiles import PROFILES, profile_named
from asyncfc_jupyter.models.registry import APIS, api_named
from asyncfc_jupyter.models.secret import hide_keys
from asyncfc_jupyter.text import truncate

#: Names under which people write keys, whether or not they are settings.
KEY_LIKE = re.compile(
    r"(?:^|[-_.])(?:api[-_]?)?keys?$|secret|passw(?:or)?d|credential|^(?!max).*token$",
    re.IGNORECASE,
)
#: Characters of a value that an error shows: enough to recognise it.
_SHOWN = 80


def _text(rule: str, help: str) -> Any:  # noqa: A002 - traitlets' word
    return Unicode(None, allow_none=True, help=help).tag(config=True, rule=rule)


def _choice(values: tuple[str, ...], help: str) -> Any:  # noqa: A002 - see above
    return Enum(values, default_value=None, allow_none=True, help=help).tag(
        config=True, rule=f"one of {', '.join(values)}"
    )


def _count(help: str) -> Any:  # noqa: A002 - see above
    return Int(None, min=1, allow_none=True, help=help).tag(config=True, rule="a whole number of at least 1")


def _number(rule: str, help: str) -> Any:  # noqa: A002 - see above
    return Float(None, allow_none=True, help=help).tag(config=True, rule=rule)


class Declared(Configurable):
    """The settings. None means that a setting is not set; what holds then, the help says."""

    model = _text("the name of a model", "The model of cells that name none.")
    server = _text(
        f"one of {', '.join(PROFILES)}",
        "A server by name. Whoever names a server or an address replaces what is said with less weight about how to reach one.",
    )
    base_url = _text(
        "an address such as http://127.0.0.1:8080/v1, without a name, a password or a query",
        "Address of an OpenAI-compatible server. By default OPENAI_BASE_URL, or the server's own.",
    )
    api = _text(
        f"one of {', '.join(APIS)}, or one of another package",
        "The API that the server is asked through. By default what suits it.",
    )
    api_key_env = _text(
        "the name of an environment variable, such as MY_KEY",
        "Name of the environment variable that holds the key. The key itself is no setting.",
    )
    mode = _choice(MODES, "How calls and decoding interleave. By default async.")
    system = _text("a text", "Text for the system role, of conversations that are given none.")
    max_turns = _count("Turns of the model after which a run stops. By default 50.")
    max_requests = _count("Requests after which a run stops, those that are made again included.")
    max_tokens = _count("Tokens in and out after which a run stops.")
    max_seconds = _number("a number of seconds above 0", "Seconds after which a run stops.")
    limit = _count("Calls that may run at once in a conversation. By default 16.")
    ttft_ms = _number(
        "a number of milliseconds, 0 or more", "The rehearsal model's time to the first token. By default 300."
    )
    tokens_per_s = _number("a number above 0", "The rehearsal model's speed of decoding. By default 60.")

    @validate("model", "server", "base_url", "api", "api_key_env", "system")
    def _check_text(self, proposal: Bunch) -> Any:
        text, name = proposal.value, proposal.trait.name
        if text is not None and not (text.strip() and _FITS.get(name, bool)(text)):
            raise TraitError(name)
        return text

    @validate("max_turns", "max_requests", "max_tokens", "max_seconds", "limit", "ttft_ms", "tokens_per_s")
    def _check_number(self, proposal: Bunch) -> Any:
        number, name = proposal.value, proposal.trait.name
        if number is None:
            return number
        if isinstance(number, bool) or not math.isfinite(number) or number < 0 or (number == 0 and name != "ttft_ms"):
            raise TraitError(name)
        return number


def _is_known(named: Callable[[str], object], text: str) -> bool:
    try:
        return bool(named(text))
    except UsageError:
        return False


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.scheme in {"http", "https"} and parts.hostname) and not (
            parts.username or parts.password or parts.query
        )
    except ValueError:
        return False


_FITS: dict[str, Callable[[str], bool]] = {
    "server": partial(_is_known, profile_named),
    "api": partial(_is_known, api_named),
    "base_url": _is_address,
    "api_key_env": lambda text: re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) is not None,
}
#: Every setting, in the order in which it is shown.
SETTINGS: tuple[str, ...] = tuple(name for name in vars(Declared) if name in Declared.class_own_traits(config=True))
_RULES: dict[str, str] = {name: Declared.class_own_traits()[name].metadata["rule"] for name in SETTINGS}
_CHOICES: dict[str, tuple[str, ...]] = {"mode": MODES, "api": APIS, "server": tuple(PROFILES)}


def problem_with(name: str, value: object) -> str | None:
    """Return what is wrong with a setting, or None: the rule, what was seen and the way out. Never shows a key."""
    if name not in SETTINGS and KEY_LIKE.search(name):
        return f"{name}: {_KEYS_STAY_OUT}"
    if isinstance(value, str) and hide_keys(value) != value:
        return f"{name} holds what looks like a key; {_KEYS_STAY_OUT}"
    if name not in SETTINGS:
        return f"there is no setting {name!r}{nearest(name, SETTINGS) or f'; the settings are: {_LISTED}.'}"
    try:
        setattr(Declared(config=Config()), name, value)
    except TraitError:
        meant = nearest(value, _CHOICES.get(name, ())) if isinstance(value, str) else ""
        return f"{name} is {_shown(name, value)}, and must be {_RULES[name]}{meant or '.'}"
    return None


def _shown(name: str, value: object) -> str:
    if name == "api_key_env" or (name == "base_url" and re.search("[@?]", str(value))):
        return "(not shown, since it may hold a key)"
    return truncate(repr(value), _SHOWN)


_LISTED = ", ".join(SETTINGS)
_KEYS_STAY_OUT = (
    "keys never go into settings, which are shown, saved and shared. Take it out, put the key into an environment variable and "
    'name that (api_key_env = "MY_KEY"), or keep it in the keyring: keyring set asyncfc_jupyter openai.'
)
