"""``%agent model`` and ``%agent alias``: the model in use, and short names for models."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.commands.status import model_in_words
from asyncfc_jupyter.jupyter.commands.table import COMMANDS
from asyncfc_jupyter.jupyter.options import parse
from asyncfc_jupyter.jupyter.settings.settings import ModelChoice
from asyncfc_jupyter.jupyter.settings.table import REACH
from asyncfc_jupyter.models.aliases import aliases, set_alias
from asyncfc_jupyter.models.keys import checked_variable
from asyncfc_jupyter.models.profiles import profile_named
from asyncfc_jupyter.models.registry import api_named
from asyncfc_jupyter.models.secret import checked_model

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session

#: The checks of values, so that a wrong one is refused before a request is made.
_CHECKS: dict[str, Callable[[str], str]] = {
    "server": lambda name: profile_named(name).name,
    "api": lambda name: api_named(name).name,
    "api_key_env": checked_variable,
}


def show_model(session: Session, *words: str) -> str:
    """Choose a model, if the words name one or how to reach it, and return the one in use.

    Raises:
        UsageError: The words do not choose a model; nothing was changed.
    """
    choice, _ = read_choice(session, "model", words)
    if choice is not None:
        session.settings.choose(choice)
    if session.model is None:
        return "No model yet: choose one with %agent model NAME, or add --model NAME to %%agent."
    return model_in_words(session.model)


def read_choice(session: Session, command: str, words: tuple[str, ...]) -> tuple[ModelChoice | None, dict[str, Any]]:
    """Read ``[MODEL]`` and the options of a command.

    Returns:
        The choice, by default of the model in use, or None if the words say nothing about one; and all values by name.

    Raises:
        UsageError: The words do not choose a model.
    """
    hint = "the name of the model comes before the options"
    given = parse("%agent", words, COMMANDS[command].options, hint=hint, positional="names")
    values: dict[str, Any] = {name: _CHECKS.get(name, str)(given[name]) for name in REACH if given[name] is not None}
    if not (given["names"] or values):
        return None, given
    names = given["names"] or ([session.model.name] if session.model is not None else [])
    if len(names) != 1:
        raise UsageError(f"it takes one model's name; it was given {len(names) or 'none'}.")
    return ModelChoice(name=checked_model(names[0]), **values), given


def show_aliases(_: Session, *words: str) -> str:
    """Return the aliases; or make the one of ``NAME=MODEL``, or remove that of ``NAME=``.

    Raises:
        UsageError: The words are not of that form, or the alias cannot be made or removed.
    """
    if not words:
        known = aliases()
        width = max(map(len, known), default=0)
        listed = "\n".join(f"{name:<{width}}  {model}" for name, model in known.items())
        return listed or "No aliases yet: make one with %agent alias NAME=MODEL."
    given = re.fullmatch(r"([^=\s]+)\s*=\s*(\S*)", " ".join(words).strip())
    if given is None:
        raise UsageError("write NAME=MODEL to make an alias, NAME= to remove one.")
    name, model = given.groups()
    set_alias(name, model)
    return f"{name} stands for {model}." if model else f"{name} is not an alias any more."
