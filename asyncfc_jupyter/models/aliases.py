"""Short names for models, kept in a file of the user's configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path

from platformdirs import user_config_path

from asyncfc_jupyter.checked_json import NotValid, parsed
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.masking import holds_key
from asyncfc_jupyter.models.atomic_file import replace_file
from asyncfc_jupyter.models.registry import REHEARSAL
from asyncfc_jupyter.models.secret import checked_model

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def alias_file() -> Path:
    """Return the path of the file with the aliases."""
    return user_config_path("asyncfc_jupyter", appauthor=False) / "aliases.json"


def aliases() -> dict[str, str]:
    """Return the aliases, by name.

    Raises:
        UsageError: The file cannot be read, or holds something else.
    """
    path = alias_file()
    try:
        known = parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, NotValid) as error:
        raise UsageError(f"the aliases in {path} cannot be read ({error}); fix the file or delete it.") from None
    if not isinstance(known, dict) or not all(isinstance(model, str) for model in known.values()):
        raise UsageError(f"the aliases in {path} are not an object of names and models; fix the file or delete it.")
    return known


def resolve(model: str) -> str:
    """Return the model that a name stands for; a name that is not an alias stands for itself.

    Raises:
        UsageError: See `aliases`; or the alias in the file holds a key.
    """
    known = aliases()
    if model in known and holds_key(known[model]):
        raise UsageError(
            f"the alias {model!r} in {alias_file()} holds a key, not the name of a model; remove it: %agent alias {model}="
        )
    return known.get(model, model)


def set_alias(name: str, model: str) -> None:
    """Let a name stand for a model. With an empty model, remove the alias.

    Raises:
        UsageError: The name is not valid, is that of a built-in model, or there is no such alias to remove; or the name or
            the model is a key.
    """
    checked_model(name)
    checked_model(model)
    known = aliases()
    if not _NAME.fullmatch(name) or name == REHEARSAL:
        raise UsageError(
            f"{name!r} cannot be an alias; it is a word of letters, digits, dots and dashes, not {REHEARSAL}."
        )
    if model:
        known[name] = model
    elif known.pop(name, None) is None:
        raise UsageError(f"there is no alias {name!r} to remove; the aliases are: {', '.join(known) or 'none yet'}.")
    path = alias_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(dict(sorted(known.items())), indent=2, ensure_ascii=False) + "\n", private=True)
