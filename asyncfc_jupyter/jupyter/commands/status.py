"""``%agent status`` and ``%agent config``: where the session stands, and the values of its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.commands.conversations import SHOWN_CHARACTERS
from asyncfc_jupyter.jupyter.settings.settings import ModelChoice
from asyncfc_jupyter.jupyter.settings.table import SETTINGS
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.models.address import show_address
from asyncfc_jupyter.models.aliases import resolve
from asyncfc_jupyter.models.catalog import Where, address_of
from asyncfc_jupyter.models.model_options import written_value
from asyncfc_jupyter.models.side_by_side import race_verdict
from asyncfc_jupyter.modes import Hedge
from asyncfc_jupyter.text import clean

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session

#: Characters of a setting's value in the table: a system text has more.
_VALUE_CHARACTERS = 40
#: Characters of the options and headers of the model in use.
_OPTION_CHARACTERS = 200


def model_in_words(model: ModelChoice) -> str:
    """Return the name of a model, and where it is reached."""
    where = show_address(model.base_url) if model.base_url else model.server
    options = model.model_options or {}
    named = [f"{name}={written_value(value)}" for name, value in options.items() if value is not None]
    named += [f'"{name}: {value}"' for name, value in model.sent_headers.items()]
    with_options = f", with {clean(mask(', '.join(named)), _OPTION_CHARACTERS)}" if named else ""
    return (f"{model.name} at {where}" if where else model.name) + with_options


def show_status(session: Session) -> str:
    """Return where the session stands: its model, tools, last run and conversations."""
    tools, last = session.registry.tools(), session.last
    rows = {
        "model": model_in_words(session.model) if session.model else "none yet: add --model NAME to %%agent",
        "tools": ", ".join(tool.name for tool in tools) or "none yet: start a cell with %%tool",
        "last run": repr(last).strip("<>").removeprefix("Run ") if last else "none yet",
    }
    lines = [f"{name:<14}{value}" for name, value in rows.items()]
    for talk in session.conversations:
        system = f"; system text: {clean(talk.system, SHOWN_CHARACTERS)}" if talk.system else ""
        lines.append(f"{'conversation':<14}{talk}{system}")
    return "\n".join(lines)


def show_settings(session: Session) -> str:
    """Return each setting: its value, where it was set, and the values that this one overrides."""
    settings = session.settings
    rows = [("setting", "value", "set in", "overrides")]
    for name, given, overridden in settings.rows():
        value = (SETTINGS[name].built_in or "none") if given is None else _value(name, given.value)
        source = "built in" if given is None else given.source
        rows.append(
            (name, value, source, "; ".join(f"{_value(name, each.value)} ({each.source})" for each in overridden))
        )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = "\n".join("  ".join(map(str.ljust, row, (*widths, 0))).rstrip() for row in rows)
    notes = [*_hedge_notes(session), *settings.reports()]
    return "\n".join([table, *(["", *notes] if notes else [])])


def _hedge_notes(session: Session) -> Iterator[str]:
    """Yield what the setting ``hedge`` means for the model in use, if that depends on its server."""
    model, hedge = session.model, session.settings.value("hedge")
    if model is None or hedge != Hedge.AUTO:
        return
    try:
        address = "" if model.is_rehearsal else address_of(Where(server=model.server, base_url=model.base_url))
    except UsageError:  # the variable of its address is not set, which its next request reports
        address = ""
    races, why = race_verdict(address, resolve(model.name))
    yield f"hedge=auto is {Hedge.RACE if races else Hedge.RETRACT} for {model.name}: {why}."


def _value(name: str, value: object) -> str:
    if name == "base_url" and isinstance(value, str):
        return show_address(value)
    words = written_value(value) if isinstance(value, Mapping) else str(value)
    return clean(mask(words), _VALUE_CHARACTERS)
