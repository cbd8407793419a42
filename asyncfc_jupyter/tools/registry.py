"""The tools of a session, each with the place it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asyncfc_jupyter.tools.definition import Tool, as_tools


class ToolRegistry:
    """The tools of a session, each with the place it came from, such as a notebook cell."""

    def __init__(self) -> None:
        self._tools: dict[str, tuple[str, Tool]] = {}

    def replace(self, origin: str, tools: Sequence[Tool], *, more: bool = False) -> None:
        """Register what one place defines, in place of all that it defined before; with ``more``, beside it.

        A tool of the same name from elsewhere is replaced too: the function's name in the namespace now means this one.

        Raises:
            ToolDefinitionError: Two of the tools have one name; nothing is changed.
        """
        named = as_tools(tools)
        kept = {
            name: entry for name, entry in self._tools.items() if (more or entry[0] != origin) and name not in named
        }
        self._tools = kept | {name: (origin, each) for name, each in named.items()}

    def tools(self) -> tuple[Tool, ...]:
        """Return every tool, in order of registration."""
        return tuple(tool for _, tool in self._tools.values())

    def by_name(self) -> Mapping[str, Tool]:
        """Return the tools by name."""
        return {name: tool for name, (_, tool) in self._tools.items()}
