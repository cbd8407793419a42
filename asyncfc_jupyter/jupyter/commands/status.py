"""What the line magic answers to ``%agent``, and how it names things."""

from __future__ import annotations

from collections.abc import Iterable

from asyncfc_jupyter.agent import Run
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.options import ModelChoice
from asyncfc_jupyter.jupyter.session.conversations import Conversations, plain
from asyncfc_jupyter.jupyter.settings.settings import BUILT_IN, Settings
from asyncfc_jupyter.models.openai.connection import show_address
from asyncfc_jupyter.models.secret import hide_keys
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.definition import Tool

#: Characters of a setting's value in the table: a system text has more.
_VALUE_CHARACTERS = 40


def show_model(model: ModelChoice) -> str:
    """Return which model is in use, and where."""
    where = show_address(model.base_url) if model.base_url else model.server
    return f"{model.name} at {where}" if where else model.name


def status(
    *,
    model: ModelChoice | None,
    tools: Iterable[Tool],
    conversations: Conversations,
    last: Run | None,
) -> str:
    """Return where the session stands."""
    rows = {
        "model": show_model(model) if model else "none yet: add --model NAME to %%agent",
        "tools": ", ".join(tool.name for tool in tools) or "none yet: start a cell with %%tool",
        "last run": repr(last).strip("<>").removeprefix("Run ") if last else "none yet",
    }
    lines = [f"{name:<14}{value}" for name, value in rows.items()]
    for talk in conversations:
        system = f"; system text: {plain(talk.system)}" if talk.system else ""
        lines.append(f"{'conversation':<14}{talk}{system}")
    return "\n".join(lines)


def show_settings(settings: Settings) -> str:
    """Return each setting, what holds, where that was said, and what it overrides."""
    rows = [("setting", "holds", "from", "instead of")]
    for name, given, overridden in settings.rows():
        instead = "; ".join(f"{_value(name, each.value)} ({each.source})" for each in overridden)
        if given is None:
            rows.append((name, BUILT_IN[name], "built in", instead))
        else:
            rows.append((name, _value(name, given.value), given.source, instead))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = "\n".join("  ".join(map(str.ljust, row, (*widths, 0))).rstrip() for row in rows)
    wrong = [*settings.problems(), *filter(None, [settings.unreadable()])]
    return "\n".join([table, *(["", *wrong] if wrong else [])])


def _value(name: str, value: object) -> str:
    if name == "base_url" and isinstance(value, str):
        return show_address(value)
    return shorten(plain(hide_keys(str(value))), _VALUE_CHARACTERS)


def run_named(name: str, value: object, *, command: str = "timeline") -> Run:
    """Return the run that a variable holds.

    Raises:
        UsageError: It holds something else, or nothing.
    """
    if isinstance(value, Run):
        return value
    seen = "is not defined" if value is None else f"is a {type(value).__name__}"
    raise UsageError(f"%agent {command}: {name!r} {seen}; name a run, such as _agent.")
