"""Where a server's key comes from: the environment, the system's keyring, or a file that only its owner can read.

They are tried in that order, and only when a key is needed. The name of a key is the name of its server (`profiles`), or
``any`` for a server that has no name::

    keyring set asyncfc_jupyter openai            # the keyring, with the optional extra `keyring`
    openai = "sk-..."                             # a line of keys.toml, readable by its owner alone
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
from asyncfc_jupyter.models.profiles import Profile
from asyncfc_jupyter.models.secret import Secret

SERVICE = "asyncfc_jupyter"
#: Permissions of the owner's group and of all others; a file with keys may have none of them.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def key_file() -> Path:
    """Return the path of the file with the keys, which need not exist."""
    return user_config_path("asyncfc_jupyter", appauthor=False) / "keys.toml"


def find_key(profile: Profile) -> Secret | None:
    """Return the key for a server, or None if it is not set anywhere.

    Raises:
        UsageError: The file with the keys can be read by others, or cannot be read at all.
    """
    if text := os.environ.get(profile.key_variable, "").strip():
        return Secret(text, variable=profile.key_variable)
    text = _from_keyring(profile.name) or _from_file(profile.name)
    return Secret(text, variable=profile.key_variable) if text else None


def _from_keyring(name: str) -> str:
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        return ""
    try:
        text = keyring.get_password(SERVICE, name)
    except Exception:  # noqa: BLE001 - a machine without a keyring raises errors of many kinds; the file is tried next
        return ""
    return str(text).strip() if text else ""


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
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        # The original message quotes the line, and so the key.
        raise UsageError(f'{path} cannot be read as TOML; it holds lines such as: openai = "sk-..."') from None
    text = keys.get(name)
    return text.strip() if isinstance(text, str) else ""


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
