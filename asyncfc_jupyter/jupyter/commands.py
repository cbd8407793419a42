"""What the line magic answers: ``%agent``, ``%agent tools``, ``%agent timeline`` and ``%agent reset``."""

from __future__ import annotations

from collections.abc import Iterable

from asyncfc_jupyter.agent import Conversation, Run
from asyncfc_jupyter.core.effects import EffectTemplates
from asyncfc_jupyter.core.errors import UsageError
from asyncfc_jupyter.jupyter.options import ModelChoice, nearest
from asyncfc_jupyter.models.catalog import show_address
from asyncfc_jupyter.runtime.tools import Tool
from asyncfc_jupyter.runtime.values import shorten

COMMANDS = ("status", "tools", "timeline", "reset")


def unknown(line: str) -> UsageError:
    """Return the error for a line that is no command."""
    meant = nearest(line.split(maxsplit=1)[0], COMMANDS) or "."
    return UsageError(
        f"%agent: there is no command {line!r}{meant} It knows %agent, %agent tools, "
        "%agent timeline [NAME] and %agent reset; to ask the model, start a cell with %%agent."
    )


def show_tool(tool: Tool) -> str:
    """Return a tool on one line: its signature and what it reads and writes."""
    return f"{tool.signature}  [{show_effects(tool.effects)}]"


def show_effects(effects: EffectTemplates) -> str:
    """Return what a tool declares, or what follows from its declaring nothing."""
    if not effects.declared:
        return "no effects declared: ordered against everything"
    parts = [("reads", effects.reads), ("writes", effects.writes)]
    return "; ".join(f"{verb} {', '.join(map(str, paths))}" for verb, paths in parts if paths) or "pure"


def show_tools(tools: Iterable[Tool]) -> str:
    """Return the tools, one a line."""
    return "\n".join(map(show_tool, tools)) or "No tools yet: define a function in a cell that starts with %%tool."


def status(
    *,
    model: ModelChoice | None,
    system: str | None,
    tools: Iterable[Tool],
    conversation: Conversation,
    last: Run | None,
) -> str:
    """Return where the session stands."""
    address = f" at {show_address(model.base_url)}" if model and model.base_url else ""
    futures = len(conversation.driver.entries)
    rows = {
        "model": model.name + address if model else "none yet: add --model NAME to %%agent",
        "system": shorten(system) if system else "none",
        "tools": ", ".join(tool.name for tool in tools) or "none yet: start a cell with %%tool",
        "conversation": f"{_count(len(conversation.messages), 'message')}, {_count(futures, 'future')}",
        "last run": repr(last).strip("<>").removeprefix("Run ") if last else "none yet",
    }
    return "\n".join(f"{name:<14}{value}" for name, value in rows.items())


def run_named(name: str, value: object) -> Run:
    """Return the run that a variable holds.

    Raises:
        UsageError: It holds something else, or nothing.
    """
    if isinstance(value, Run):
        return value
    seen = "is not defined" if value is None else f"is a {type(value).__name__}"
    raise UsageError(f"%agent timeline: {name!r} {seen}; name a run, such as _agent.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
