"""What is read of a function that is to be a tool: its parameters with their types, and what its docstring says of them."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import docstring_parser
from pydantic.fields import FieldInfo

from asyncfc_jupyter.errors import ToolDefinitionError
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.context import ToolContext


class _EachTime:
    """Stands for a default that is made anew for each call."""

    def __repr__(self) -> str:
        return "..."


#: In a signature, the default of a parameter whose `Field` has a factory.
EACH_TIME: Any = _EachTime()

#: Characters of the reason for which annotations cannot be read.
_REASON_CHARACTERS = 300
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read of a function."""

    #: All parameters that a call fills, each with the default that its function uses.
    signature: inspect.Signature
    #: The types of these and of the fixed ones, by name, with what a `Field` in the place of a default says of them.
    hints: Mapping[str, Any]
    #: Parameters that take the call's own `ToolContext`, each with what makes its value where there is none.
    contexts: Mapping[str, Callable[[], ToolContext | None]]
    #: Arguments that a partial has given by name: they are no parameters any more.
    fixed: Mapping[str, Any]
    #: The docstring without the part on arguments.
    description: str
    #: What the docstring says of each parameter.
    about: Mapping[str, str]
    #: The whole of it, as it is written.
    docstring: str


def read_function(name: str, function: Callable[..., Any]) -> Reading:
    """Read a function.

    Raises:
        ToolDefinitionError: Says what keeps the function from being a tool, and how to mend it.
    """
    fixed = _fixed(function)
    signature = _signature(name, function, fixed)
    hints = _hints(name, function, signature, fixed)
    description, about = _docstring(name, function)
    return Reading(
        signature=_with_defaults(signature),
        hints=hints,
        contexts=_contexts(signature, hints),
        fixed=fixed,
        description=description,
        about=about,
        docstring=inspect.getdoc(_written(function)) or "",
    )


def _signature(name: str, function: Callable[..., Any], fixed: Container[str]) -> inspect.Signature:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ToolDefinitionError(name, "it is a generator, and a result is one value", "return a list")
    signature = _without(inspect.signature(function), fixed)
    for parameter in signature.parameters.values():
        if parameter.kind in _VARIADIC:
            stars = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else "**"
            raise ToolDefinitionError(
                name, f"{stars}{parameter.name} cannot be described to a model", "name each parameter, or take one list"
            )
        if parameter.name == "self" and parameter.annotation is inspect.Parameter.empty:
            raise ToolDefinitionError(
                name, "it is a method without its object", "pass the bound method, such as `desk.book`"
            )
        if parameter.annotation is inspect.Parameter.empty:
            raise ToolDefinitionError(
                name,
                f"parameter {parameter.name!r} has no annotation, so a model cannot know what to pass",
                f"write its type, such as `{parameter.name}: str`",
            )
    with contextlib.suppress(Exception):  # what cannot be read is found, and told, with the hints
        signature = _without(inspect.signature(function, eval_str=True), fixed)
    return signature


def _fixed(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments that partials have given by name, one around the other or behind a wrapper."""
    inner = inspect.unwrap(function, stop=lambda each: isinstance(each, functools.partial) or _has_own(each))
    return {**_fixed(inner.func), **inner.keywords} if isinstance(inner, functools.partial) else {}


def _has_own(function: Callable[..., Any]) -> bool:
    return hasattr(function, "__signature__")


def _without(signature: inspect.Signature, names: Container[str]) -> inspect.Signature:
    return signature.replace(parameters=[p for p in signature.parameters.values() if p.name not in names])


def _contexts(signature: inspect.Signature, hints: Mapping[str, Any]) -> dict[str, Callable[[], ToolContext | None]]:
    """Return the parameters that take a `ToolContext`, each with what makes its value where there is none."""
    contexts: dict[str, Callable[[], ToolContext | None]] = {}
    for parameter in signature.parameters.values():
        kinds = _alternatives(hints[parameter.name])
        if ToolContext in kinds:
            contexts[parameter.name] = _absent(parameter, optional=NoneType in kinds)
    return contexts


def _absent(parameter: inspect.Parameter, *, optional: bool) -> Callable[[], ToolContext | None]:
    if parameter.default is parameter.empty:
        return (lambda: None) if optional else ToolContext
    return lambda: parameter.default


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the types that a hint allows, looked up behind `Annotated` and unions."""
    if get_origin(hint) is Annotated:
        return _alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for option in get_args(hint) for kind in _alternatives(option))
    return (hint,)


def _written(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that somebody wrote: what a partial wraps, or the ``__call__`` of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function):
        return function
    called: Callable[..., Any] = type(function).__call__
    return called


def _docstring(name: str, function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    parsed = docstring_parser.parse(inspect.getdoc(_written(function)) or "")
    description = "\n\n".join(filter(None, (parsed.short_description, parsed.long_description)))
    if not description:
        raise ToolDefinitionError(
            name,
            "it has no docstring, so a model cannot know what it does",
            'give it one, such as `"""Find flights to a city."""`, or a name that starts with an underscore if it is no tool',
        )
    return description, {param.arg_name: param.description or "" for param in parsed.params}


def _hints(
    name: str, function: Callable[..., Any], signature: inspect.Signature, fixed: Iterable[str]
) -> dict[str, Any]:
    try:
        hints = get_type_hints(_written(function), include_extras=True)
    except (NameError, TypeError) as error:
        raise unreadable(name, error) from None
    given = {p.name: _described(hints.get(p.name, p.annotation), p.default) for p in signature.parameters.values()}
    return {**{name: hints[name] for name in fixed if name in hints}, **given}


def _described(hint: Any, default: Any) -> Any:
    return Annotated[hint, default] if isinstance(default, FieldInfo) else hint


def _with_defaults(signature: inspect.Signature) -> inspect.Signature:
    """Return a signature with defaults in the place of the `Field`s that hold them.

    One without may stand behind one that has one, which a signature does not allow: from there on parameters go by name.
    """
    parameters: list[inspect.Parameter] = []
    optional = False
    for each in signature.parameters.values():
        default = _default(each.default) if isinstance(each.default, FieldInfo) else each.default
        by_name = optional and default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
        optional = optional or default is not each.empty
        follows = bool(parameters) and parameters[-1].kind is each.KEYWORD_ONLY
        parameters.append(each.replace(default=default, kind=each.KEYWORD_ONLY if by_name or follows else each.kind))
    return signature.replace(parameters=parameters)


def _default(field: FieldInfo) -> Any:
    if field.is_required():
        return inspect.Parameter.empty
    return field.default if field.default_factory is None else EACH_TIME


def unreadable(name: str, error: Exception) -> ToolDefinitionError:
    """Return what a person is told of annotations that cannot be read."""
    reason = shorten(str(error).split("\n\nFor further")[0], _REASON_CHARACTERS).rstrip(".")
    return ToolDefinitionError(
        name, f"its annotations cannot be read ({reason})", "use types that are defined and that pydantic knows"
    )
