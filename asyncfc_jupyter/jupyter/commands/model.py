"""What the line magic answers about models: ``%agent model``, ``%agent alias`` and ``%agent doctor``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.cells.run_sync import run_nested
from asyncfc_jupyter.jupyter.commands.doctor import examine_here
from asyncfc_jupyter.jupyter.commands.status import show_model
from asyncfc_jupyter.jupyter.options import ModelChoice
from asyncfc_jupyter.models.aliases import aliases, set_alias
from asyncfc_jupyter.models.keys import checked_variable
from asyncfc_jupyter.models.profiles import profile_named
from asyncfc_jupyter.models.registry import api_named

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.cells.cell_end import CellEnd
    from asyncfc_jupyter.jupyter.session.session import Session

#: What can be wrong with a value before a request is made.
_CHECKS: dict[str, Callable[[str], str]] = {
    "server": lambda name: profile_named(name).name,
    "api": lambda name: api_named(name).name,
    "api_key_env": checked_variable,
}
_FLAGS = {"--server": "server", "--base-url": "base_url", "--api": "api", "--api-key-env": "api_key_env"}


def answer(session: Session, line: str) -> str:
    """Return what a line about models or their names asks for.

    Raises:
        UsageError: It asks for something that cannot be done.
    """
    command, words = _split(line)
    return _model(session, words) if command == "model" else _alias(line.strip().partition(" ")[2])


def _split(line: str) -> tuple[str, list[str]]:
    command, _, rest = line.strip().partition(" ")
    try:
        return command, shlex.split(rest)
    except ValueError as error:
        raise UsageError(f"%agent {command}: {error}.") from None


def _model(session: Session, words: list[str]) -> str:
    if words:
        session.settings.choose(_choice(session, "model", words))
    if session.model is None:
        return "No model yet: choose one with %agent model NAME, or add --model NAME to %%agent."
    return show_model(session.model)


def _alias(rest: str) -> str:
    if not rest.strip():
        known = aliases()
        width = max(map(len, known), default=0)
        listed = "\n".join(f"{name:<{width}}  {model}" for name, model in known.items())
        return listed or "No aliases yet: make one with %agent alias NAME=MODEL."
    given = re.fullmatch(r"\s*([^=\s]+)\s*=\s*(\S*)\s*", rest)
    if given is None:
        raise UsageError("%agent alias: write NAME=MODEL to make an alias, NAME= to remove one.")
    name, model = given.groups()
    set_alias(name, model)
    return f"{name} stands for {model}." if model else f"{name} is no alias any more."


def doctor_call(session: Session, line: str) -> Coroutine[Any, Any, CellEnd]:
    """Return the examination that a line such as ``doctor NAME --fresh`` asks for, to be awaited.

    Raises:
        UsageError: It asks for something that cannot be done.
    """
    _, words = _split(line)
    rest = [word for word in words if word != "--fresh"]
    choice = session.settings.reach(_choice(session, "doctor", rest) if rest else None)
    if choice is None:
        raise UsageError(
            "%agent doctor: no model is chosen; write %agent doctor NAME, or choose one with %agent model NAME."
        )
    return examine_here(session.shell, choice, fresh="--fresh" in words)


def doctor(session: Session, line: str) -> None:
    """Examine in synchronous code: where the line could not be awaited."""
    run_nested(doctor_call(session, line)).conclude()


def _choice(session: Session, command: str, words: list[str]) -> ModelChoice:
    """Read ``[NAME] [--server NAME] [--base-url URL] [--api API] [--api-key-env NAME]``; by default it is the model in use."""
    names: list[str] = []
    given: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        flag, _, value = word.partition("=")
        if flag in _FLAGS:
            given[_FLAGS[flag]] = value or next(rest, "")
            if not given[_FLAGS[flag]]:
                raise UsageError(f"%agent {command}: {flag} needs a value.")
        elif word.startswith("-"):
            raise UsageError(f"%agent {command}: there is no option {flag}; the options are {', '.join(_FLAGS)}.")
        else:
            names.append(word)
    if not names and session.model is not None:
        names.append(session.model.name)
    if len(names) != 1:
        raise UsageError(f"%agent {command} takes one model's name; it was given {len(names) or 'none'}.")
    try:
        checked: dict[str, Any] = {name: _CHECKS.get(name, str)(value) for name, value in given.items()}
    except UsageError as error:
        raise UsageError(f"%agent {command}: {error}") from None
    return ModelChoice(name=names[0], **checked)
