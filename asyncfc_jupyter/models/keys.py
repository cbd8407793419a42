"""Where a server's key comes from: the environment, the system's keyring, or a file that only its owner can read.

They are tried in that order, and only when a key is needed. A key of the keyring or of the file is filed under the name of its
server (`profiles`), or under its host::

    keyring set asyncfc_jupyter openai            # the keyring, with the optional extra `keyring`
    openai = "sk-..."                             # a line of keys.toml, readable by its owner alone
    "models.example:8443" = "..."

A key that is set for one server is never sent to another address:

* a profile with public addresses of its own, such as OpenAI's, lends its key to those only, with its name or without;
* a profile of servers that are where their users put them, such as vLLM's or Azure's, lends it to the address that the user
  gives together with its name;
* ``OPENAI_API_KEY`` also belongs to the address that stands beside it in the environment, in ``OPENAI_BASE_URL``;
* any other address needs a key that is named for it.
"""

from __future__ import annotations

import importlib
import os
import re
import stat
import tomllib
from pathlib import Path

from platformdirs import user_config_path

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.models.address import credentials, host_names, is_private, origin, show_address
from asyncfc_jupyter.models.profiles import ANY, OPENAI, OPENAI_URL, Profile, owner_of
from asyncfc_jupyter.models.secret import Secret

SERVICE = "asyncfc_jupyter"
#: Sent to servers that need no key: openai-python requires one.
NO_KEY = "none"
#: Permissions of the owner's group and of all others; a file with keys may have none of them.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def key_file() -> Path:
    """Return the path of the file with the keys, which need not exist."""
    return user_config_path("asyncfc_jupyter", appauthor=False) / "keys.toml"


def find_key(profile: Profile, base_url: str) -> Secret | None:
    """Return the key for a server at an address, or None if no key is set for it anywhere.

    Raises:
        UsageError: The file with the keys can be read by others, or cannot be read at all.
    """
    if profile is ANY:
        profile = owner_of(base_url) or ANY
    own = lends_key(profile, base_url)
    variables = [profile.key_variable] if own else []
    if is_openai(base_url) and (profile is ANY or profile is OPENAI):
        variables = [OPENAI.key_variable]
    for variable in variables:
        if text := os.environ.get(variable, "").strip():
            return Secret(text, variable=variable)
    names = [*([profile.name] if own else []), *host_names(base_url)]
    text = next(filter(None, (find(name) for find in (_from_keyring, _from_file) for name in dict.fromkeys(names))), "")
    variable = variables[0] if variables else ANY.key_variable
    return Secret(text, variable=variable, given="the keyring or keys.toml") if text else None


def lends_key(profile: Profile, base_url: str) -> bool:
    """Return whether the key of a profile belongs to an address that the user gave together with the profile's name."""
    if profile.base_url is None:
        return False
    return profile.placed_by_user or profile.owns(base_url)


def is_openai(base_url: str | None) -> bool:
    """Return whether OpenAI's variables of the environment belong to an address; None is the one that they name."""
    if base_url is None or origin(base_url) == origin(OPENAI_URL):
        return True
    return base_url.rstrip("/") == os.environ.get("OPENAI_BASE_URL", "").strip().rstrip("/")


def needs_no_key(base_url: str) -> bool:
    """Return whether a server is asked without a key if none is set for it: a private one, or one with a password."""
    return is_private(base_url) or any(credentials(base_url))


def no_key_for(base_url: str) -> str:
    """Return what is missing where no key belongs to an address, and what to do; it follows a name."""
    host = host_names(base_url)[0]
    return (
        f"at {show_address(base_url)} needs a key that is named for this address; name its variable with --api-key-env, pass "
        f"api_key, or keep it as {host!r} in the keyring or in {key_file()}; keys of other servers, such as "
        f"{OPENAI.key_variable}, are not sent there"
    )


def _from_keyring(name: str) -> str:
    with ForeignCode():  # a machine without a keyring raises errors of many kinds; the file is tried next
        text = importlib.import_module("keyring").get_password(SERVICE, name)
        return str(text).strip() if text else ""
    return ""


def _from_file(name: str) -> str:
    path = key_file()
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    if os.name == "posix" and mode & _OTHERS:
        raise UsageError(
            f"{path} holds keys and can be read by others (mode {stat.S_IMODE(mode):o}); run: chmod 600 {path}"
        )
    try:
        keys = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        # The original message quotes the line, and so the key.
        raise UsageError(f'{path} cannot be read as TOML; it holds lines such as: openai = "sk-..."') from None
    odd = next((key for key, value in keys.items() if not isinstance(value, str)), None)
    if odd is not None:
        # TOML reads an unquoted name with dots as a table in a table.
        raise UsageError(
            f"{path}: the value of {odd} has the type {type(keys[odd]).__name__}, and a key is a text in quotes; write lines "
            'such as: openai = "sk-..." or, with quotes around a name that has dots: "models.example" = "..."'
        )
    return str(keys.get(name, "")).strip()


def api_key_in(variable: str | None) -> Secret | None:
    """Return the key in the environment variable that the user named, or None if the user named no variable.

    Raises:
        UsageError: The variable is not set, or the name is not that of a variable.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if key:
        return Secret(key, variable=variable)
    checked_variable(variable)
    raise UsageError(
        f"--api-key-env: the environment variable {variable} is not set in this kernel; set it before the kernel "
        f"starts or in a cell (os.environ[{variable!r}] = ...), or use --model rehearsal, which needs no key."
    )


def checked_variable(name: str) -> str:
    """Return the name of an environment variable, which need not be set yet.

    Raises:
        UsageError: This is not such a name. The error does not repeat it, since it may be the key itself.
    """
    if name not in os.environ and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        raise UsageError(
            "--api-key-env takes the name of an environment variable, such as MY_KEY, and this is not such a name; put the key "
            "into a variable, and keep it out of the notebook."
        )
    return name
