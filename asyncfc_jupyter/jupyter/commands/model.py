"""``%agent model`` and ``%agent alias``: the model in use, those that a server has, and short names for models."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.cells.cell_end import CellEnd
from asyncfc_jupyter.jupyter.commands.asked_server import Words, ask_server
from asyncfc_jupyter.jupyter.commands.status import model_in_words
from asyncfc_jupyter.jupyter.commands.table import COMMANDS
from asyncfc_jupyter.jupyter.options import parse
from asyncfc_jupyter.jupyter.settings.settings import ModelChoice
from asyncfc_jupyter.jupyter.settings.table import OF_MODEL
from asyncfc_jupyter.models.aliases import aliases, set_alias
from asyncfc_jupyter.models.catalog import Where, address_of, list_models
from asyncfc_jupyter.models.keys import api_key_in, checked_variable
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
_ORDER = "the name of the model comes before the options"


#: Models that are shown together; some servers have hundreds.
_MOST_SHOWN = 60


def show_model(session: Session, *words: str) -> str | Coroutine[Any, Any, CellEnd]:
    """Choose a model, if the words name one or how to reach it, and return the one in use; or list those of a server.

    Raises:
        UsageError: The words do not choose a model; nothing was changed.
    """
    given = parse("%agent", words, COMMANDS["model"].options, hint=_ORDER, positional="names")
    if given["list"]:
        return _listing(session, given)
    choice, _ = read_choice(session, "model", words)
    if choice is not None:
        session.settings.choose(choice)
    if session.model is None:
        return "No model yet: choose one with %agent model NAME, or add --model NAME to %%agent."
    return model_in_words(session.model)


def _listing(session: Session, given: dict[str, Any]) -> Coroutine[Any, Any, CellEnd]:
    """Return the list of a server's models, to be awaited; of the server in use unless the words name one."""
    values, part = _reaching(given), " ".join(given["names"]).lower()
    used = session.model
    if used is not None and used.is_rehearsal and not values:
        raise UsageError("the rehearsal model has no server; name one, such as %agent model --list --server ollama.")
    choice = session.settings.reach(ModelChoice(name="-", **values))
    where = where_of(choice or ModelChoice(name="-", **values))

    def answer(names: Sequence[str]) -> str:
        session.listed_models = tuple(names)
        return _list_in_words(names, part, address_of(where), used=used.name if used is not None else "")

    words = Words(work="the list", doing=f"Asks {address_of(where)} for its models", again="ask again")
    return ask_server(session.shell, lambda _progress: list_models(where), answer, words)


def _list_in_words(names: Sequence[str], part: str, address: str, *, used: str) -> str:
    found = [name for name in names if part in name.lower()]
    containing = f" whose names contain {part!r}" if part else ""
    if not found:
        return f"{address} lists no models{containing}" + (f"; it has {len(names)} others." if names else ".")
    shown = found[:_MOST_SHOWN]
    width = max(map(len, shown))
    rows = [f"  {name:<{width}}  in use" if name == used else f"  {name}" for name in shown]
    rest = len(found) - len(shown)
    if rest:
        rows.append(f"  and {rest} more; a part of the name shows those that contain it: %agent model PART --list")
    return "\n".join([f"{address} has {len(found)} models{containing}:", *rows])


def where_of(choice: ModelChoice) -> Where:
    """Return how a model of this choice is reached.

    Raises:
        UsageError: The variable of its key is not set.
    """
    key = api_key_in(choice.api_key_env)
    headers = choice.sent_headers
    return Where(server=choice.server, base_url=choice.base_url, api=choice.api, api_key=key, headers=headers)


def _reaching(given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a line's options that belong to a model, after a check of each."""
    found = {name: given[name] for name in OF_MODEL if given.get(name) is not None}
    return {name: _CHECKS[name](value) if name in _CHECKS else value for name, value in found.items()}


def read_choice(session: Session, command: str, words: tuple[str, ...]) -> tuple[ModelChoice | None, dict[str, Any]]:
    """Read ``[MODEL]`` and the options of a command.

    Returns:
        The choice, by default of the model in use, or None if the words say nothing about one; and all values by name.

    Raises:
        UsageError: The words do not choose a model.
    """
    given = parse("%agent", words, COMMANDS[command].options, hint=_ORDER, positional="names")
    values, names = _reaching(given), given["names"]
    if not (names or values):
        return None, given
    if len(names) > 1 or not (names or session.settings.in_use()):
        raise UsageError(f"it takes one model's name; it was given {len(names) or 'none'}.")
    return session.settings.changed(checked_model(names[0]) if names else None, values), given


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
