"""Tools: functions a model may call, with what they read and write."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from asyncfc_jupyter.core.effects import EffectTemplates, PathTemplate
from asyncfc_jupyter.core.errors import ToolDefinitionError
from asyncfc_jupyter.runtime.schemas import Parameters

Function = TypeVar("Function", bound=Callable[..., Any])
Templates = str | Iterable[str] | None

#: Long enough for a slow service, short enough that a hanging one is noticed within a coffee.
DEFAULT_TIMEOUT_S = 60.0
#: The name the layer keeps for itself.
AWAIT_FUTURE = "await_future"

#: What the function-calling protocol allows as a name.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MARK = "__asyncfc_tool__"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tool:
    """A function with what a model and the scheduler must know of it. Made by `make_tool`."""

    name: str
    function: Callable[..., Any]
    parameters_of: Parameters
    effects: EffectTemplates
    #: Seconds after which a call is given up; None for never.
    timeout_s: float | None = DEFAULT_TIMEOUT_S

    @property
    def description(self) -> str:
        """What the tool does: its docstring without the part on arguments."""
        return self.parameters_of.description

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return self.parameters_of.schema

    @property
    def signature(self) -> str:
        """The function's signature as one writes it."""
        return f"{self.name}{inspect.signature(self.function)}"

    @property
    def is_async(self) -> bool:
        """Whether the function runs on the event loop rather than in a thread."""
        call = getattr(self.function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(call)

    def definition(self, *, references: bool) -> dict[str, Any]:
        """Return the tool as the Chat Completions API wants it.

        Args:
            references: Whether the schema is to accept references such as ``$f1`` in the place of values.
        """
        parameters = self.parameters_of.widened() if references else self.parameters
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.description, "parameters": parameters},
        }


def make_tool(
    function: Callable[..., Any],
    *,
    reads: Templates = None,
    writes: Templates = None,
    pure: bool = False,
    timeout_s: float | None = DEFAULT_TIMEOUT_S,
    name: str | None = None,
) -> Tool:
    """Make a tool of a function.

    Args:
        function: Any function or callable with annotated parameters and a docstring; async ones run on the event loop,
            others in a thread.
        reads: Path templates of the state a call reads, such as ``"flights/{city}"``; one or several.
        writes: Path templates of the state a call writes.
        pure: The function touches no state: its calls overlap with all others. With neither this nor reads nor writes,
            calls are ordered against every other call that has effects.
        timeout_s: Seconds after which a call counts as failed.
        name: The name for the model; the function's own by default.

    Raises:
        ToolDefinitionError: Says what keeps the function from being a tool, and how to mend it.
    """
    inner = function.func if isinstance(function, functools.partial) else function
    name = name or str(getattr(inner, "__name__", type(inner).__name__))
    if not callable(function):
        raise ToolDefinitionError(name, f"{type(function).__name__} cannot be called", "pass a function")
    if not _NAME.fullmatch(name) or name == AWAIT_FUTURE:
        reason = "is the layer's own" if name == AWAIT_FUTURE else "is not one the protocol allows"
        raise ToolDefinitionError(
            name, f"the name {reason}", "use up to 64 letters, digits, '_' or '-', and another name"
        )
    if pure and (reads or writes):
        raise ToolDefinitionError(name, "it is declared both pure and with effects", "drop pure, or reads and writes")
    if timeout_s is not None and not timeout_s > 0:
        raise ToolDefinitionError(name, f"timeout_s is {timeout_s!r}", "give seconds above 0, or None for no limit")
    parameters = Parameters(name, function)
    declared = pure or reads is not None or writes is not None
    effects = EffectTemplates(
        reads=_templates(name, reads, parameters.names),
        writes=_templates(name, writes, parameters.names),
        declared=declared,
    )
    return Tool(name=name, function=function, parameters_of=parameters, effects=effects, timeout_s=timeout_s)


def _templates(tool: str, templates: Templates, parameters: Sequence[str]) -> tuple[PathTemplate, ...]:
    listed = [templates] if isinstance(templates, str) else list(templates or ())
    parsed = []
    for text in listed:
        try:
            template = PathTemplate.parse(text)
        except ValueError as error:
            raise ToolDefinitionError(tool, str(error), "write it as 'orders/{order_id}'") from None
        for argument in sorted(template.arguments - set(parameters)):
            listed_names = ", ".join(parameters) or "none"
            raise ToolDefinitionError(
                tool, f"path template {text!r} names {argument!r}, which is no parameter", f"use one of: {listed_names}"
            )
        parsed.append(template)
    return tuple(parsed)


@overload
def tool(function: Function, /) -> Function: ...
@overload
def tool(
    *,
    reads: Templates = None,
    writes: Templates = None,
    pure: bool = False,
    timeout_s: float | None = DEFAULT_TIMEOUT_S,
    name: str | None = None,
) -> Callable[[Function], Function]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Mark a function as a tool and return it as it was: calling it still just calls it.

    Takes the options of `make_tool`; may be used with or without them.
    """

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(function, _MARK, make_tool(function, **options))
        return function

    return mark if function is None else mark(function)


def as_tool(function: Callable[..., Any] | Tool) -> Tool:
    """Return the tool that a marked function carries, or make one of a plain function."""
    if isinstance(function, Tool):
        return function
    marked = getattr(function, _MARK, None)
    if not isinstance(marked, Tool):
        return make_tool(function)
    if marked.function is function:
        return marked
    # A wrapper took the mark over with everything else: it is what is to be called.
    return dataclasses.replace(marked, function=function, parameters_of=Parameters(marked.name, function))


def is_declared(function: Callable[..., Any]) -> bool:
    """Return whether ``@tool`` has declared what the function reads and writes."""
    marked = getattr(function, _MARK, None)
    return isinstance(marked, Tool) and marked.effects.declared


def as_tools(functions: Iterable[Callable[..., Any] | Tool]) -> dict[str, Tool]:
    """Return tools by name.

    Raises:
        ToolDefinitionError: Two of them have one name.
    """
    tools: dict[str, Tool] = {}
    for each in map(as_tool, functions):
        if each.name in tools:
            raise ToolDefinitionError(each.name, "two tools have this name", "rename one, or pass name= to @tool")
        tools[each.name] = each
    return tools


class ToolRegistry:
    """The tools of a session, each with the place it came from, such as a notebook cell."""

    def __init__(self) -> None:
        self._tools: dict[str, tuple[str, Tool]] = {}

    def replace(self, origin: str, tools: Sequence[Tool]) -> None:
        """Register what one place defines, in place of all that it defined before.

        A tool of the same name from elsewhere is replaced too: the function's name in the namespace now means this one.

        Raises:
            ToolDefinitionError: Two of the tools have one name; nothing is changed.
        """
        named = as_tools(tools)
        kept = {name: entry for name, entry in self._tools.items() if entry[0] != origin and name not in named}
        self._tools = kept | {name: (origin, each) for name, each in named.items()}

    def tools(self) -> tuple[Tool, ...]:
        """Return every tool, in order of registration."""
        return tuple(tool for _, tool in self._tools.values())

    def by_name(self) -> Mapping[str, Tool]:
        """Return the tools by name."""
        return {name: tool for name, (_, tool) in self._tools.items()}
