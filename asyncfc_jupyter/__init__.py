"""Asynchronous function calling for language models: every tool call is a future, and decoding continues.

In a notebook, ``%load_ext asyncfc_jupyter``; in a script::

    from asyncfc_jupyter import Agent, tool

    run = await Agent(model="rehearsal", tools=[search_flights]).run(plan)
    run.answer, run.futures["f1"].result(), run.trace, run.metrics

Importing the package loads neither the model clients nor anything of Jupyter: names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter._version import __version__

if TYPE_CHECKING:
    from asyncfc_jupyter.agent import Agent, Budget, Conversation, Future, Memory, Run
    from asyncfc_jupyter.errors import AsyncFCError
    from asyncfc_jupyter.tools.context import ToolContext
    from asyncfc_jupyter.tools.definition import Tool, make_tool, tool
    from asyncfc_jupyter.trace.render.comparison import Comparison, compare
    from asyncfc_jupyter.trace.render.timeline import Timeline
    from asyncfc_jupyter.trace.trace import Trace

__all__ = [
    "Agent",
    "AsyncFCError",
    "Budget",
    "Comparison",
    "Conversation",
    "Future",
    "Memory",
    "Run",
    "Timeline",
    "Tool",
    "ToolContext",
    "Trace",
    "__version__",
    "compare",
    "make_tool",
    "tool",
]

_HOME = {
    "Agent": "agent",
    "AsyncFCError": "errors",
    "Budget": "agent",
    "Comparison": "trace.render.comparison",
    "Conversation": "agent",
    "Future": "agent",
    "Memory": "agent",
    "Run": "agent",
    "Timeline": "trace.render.timeline",
    "Tool": "tools.definition",
    "ToolContext": "tools.context",
    "Trace": "trace.trace",
    "compare": "trace.render.comparison",
    "make_tool": "tools.definition",
    "tool": "tools.definition",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """Load the magics: called by ``%load_ext asyncfc_jupyter``."""
    importlib.import_module(f"{__name__}.jupyter").load_ipython_extension(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Remove the magics: called by ``%unload_ext asyncfc_jupyter``."""
    importlib.import_module(f"{__name__}.jupyter").unload_ipython_extension(shell)
