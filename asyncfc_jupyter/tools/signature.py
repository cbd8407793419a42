"""Reads a function that is to be a tool: its parameters with their types, and what its docstring says about them."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from asyncfc_jupyter.errors import ToolDefinitionError
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.docstrings import read_docstring, shortened
from asyncfc_jupyter.tools.signature_text import EACH_TIME, parameter_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The facts about a function."""

    #: All parameters that a call fills, each with the default that its function uses.
    signature: inspect.Signature
    #: The types of these and of the fixed ones, by name, with the metadata of a `Field` that stands in place of a default.
    hints: Mapping[str, Any]
    #: Parameters that take the call's own `ToolContext`, each with what makes its value where a call has none.
    contexts: Mapping[str, Callable[[], ToolContext | None]]
    #: Arguments that a partial has given by name: they are not parameters any more.
    fixed: Mapping[str, Any]
    #: What the function does: the docstring without the part on arguments, unless the author gave another text.
    description: str
    #: The type of the result; `Any` without one.
    returns: Any
    #: What the docstring says about each parameter.
    about: Mapping[str, str]
    #: The whole docstring.
    docstring: str
    #: What was cut of these texts, for the author.
    notices: tuple[str, ...]


def read_function(name: str, function: Callable[..., Any], description: str | None = None) -> Reading:
    """Read a function.

    Args:
        name: The tool's name, for errors.
        function: The function.
        description: What it does, if its docstring is not to say so.

    Raises:
        ToolDefinitionError: Says why the function cannot be a tool, and how to fix it.
    """
    fixed, source = _fixed(function), _source(function)
    signature = _signature(name, function, fixed)
    # Those of a class are for its attributes. What it is called with stands in its signature.
    written = {} if isinstance(source, type) else _hints(name, source)
    hints = {each: written[each] for each in fixed if each in written}
    contexts: dict[str, Callable[[], ToolContext | None]] = {}
    for each in signature.parameters.values():
        hint = written.get(each.name, each.annotation)
        hints[each.name] = Annotated[hint, each.default] if isinstance(each.default, FieldInfo) else hint
        kinds = _alternatives(hint)
        if ToolContext in kinds and each.default is not each.empty:
            contexts[each.name] = functools.partial(getattr, each, "default")
        elif ToolContext in kinds:
            contexts[each.name] = (lambda: None) if NoneType in kinds else ToolContext
    docstring = _docstring(function, source)
    # Also of parameters that a model does not see: what the docstring says about them is not for the model either.
    own = {**inspect.signature(source).parameters, **signature.parameters}
    known = {each.name: each.replace(annotation=written.get(each.name, each.annotation)) for each in own.values()}
    parts = read_docstring(docstring, {each: parameter_text(known[each]) for each in known})
    if not (description or parts.text):
        reason = "its docstring describes its arguments only" if docstring else "it has no docstring"
        raise ToolDefinitionError(
            name,
            f"{reason}, so a model cannot know what it does",
            'write what it does, such as `"""Find flights to a city."""`, pass description= to @tool, or start its name with '
            "an underscore if it is not a tool",
        )
    about = {each: text for each, text in parts.about.items() if each not in contexts and each not in fixed}
    sent = {
        "its docstring": "" if description else parts.text,
        **{f"its text on {each!r}": about[each] for each in about},
    }
    returns = written.get("return", signature.return_annotation)
    return Reading(
        signature=_with_defaults(signature),
        hints=hints,
        contexts=contexts,
        fixed=fixed,
        description=description or shortened(parts.text),
        returns=Any if returns is signature.empty else returns,
        about={each: shortened(text) for each, text in about.items()},
        docstring=docstring,
        notices=tuple(
            f"{what} is cut: {len(shortened(text)):,} of {len(text):,} characters are sent; shorten it, or pass description="
            for what, text in sent.items()
            if shortened(text) != text
        ),
    )


def _hints(name: str, source: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function, without that of its result if this cannot be read: nothing depends on it."""
    with contextlib.suppress(Exception):
        return get_type_hints(source, include_extras=True)
    written = getattr(source, "__annotations__", {})
    parameters = types.SimpleNamespace(__annotations__={key: hint for key, hint in written.items() if key != "return"})
    try:
        return get_type_hints(parameters, getattr(inspect.unwrap(source), "__globals__", {}), include_extras=True)
    except (NameError, TypeError) as error:
        raise unreadable(name, error) from None


def _signature(name: str, function: Callable[..., Any], fixed: Container[str]) -> inspect.Signature:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ToolDefinitionError(name, "it is a generator, and a result is one value", "return a list")
    try:
        signature = _without(inspect.signature(function), fixed)
    except (ValueError, TypeError):
        raise ToolDefinitionError(
            name,
            "Python does not know its signature, so a model cannot know what to pass",
            "write a function around it, with types and a docstring",
        ) from None
    for parameter in signature.parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise ToolDefinitionError(
                name,
                f"{stars}{parameter.name} cannot be described to a model",
                "name each parameter, take one list, or write a function around it",
            )
        if parameter.annotation is parameter.empty and parameter.name in {"self", "cls"}:
            raise ToolDefinitionError(
                name, "it is a method without its object", "pass the bound method, such as `desk.book`"
            )
        if parameter.annotation is parameter.empty:
            raise ToolDefinitionError(
                name,
                f"parameter {parameter.name!r} has no annotation, so a model cannot know what to pass",
                f"write its type, such as `{parameter.name}: str`, or a function around it that has types",
            )
    with contextlib.suppress(Exception):  # annotations that cannot be read are reported where the hints are read
        signature = _without(inspect.signature(function, eval_str=True), fixed)
    return signature


def _fixed(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments that partials have given by name, also partials of partials and wrapped ones."""
    inner = inspect.unwrap(
        function, stop=lambda each: isinstance(each, functools.partial) or hasattr(each, "__signature__")
    )
    return {**_fixed(inner.func), **inner.keywords} if isinstance(inner, functools.partial) else {}


def _without(signature: inspect.Signature, names: Container[str]) -> inspect.Signature:
    return signature.replace(parameters=[p for p in signature.parameters.values() if p.name not in names])


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the types that a hint allows, `Annotated` and unions resolved."""
    if get_origin(hint) is Annotated:
        return _alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for option in get_args(hint) for kind in _alternatives(option))
    return (hint,)


def _source(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that stands in the source: what a partial wraps, or the ``__call__`` of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    called: Callable[..., Any] = type(function).__call__
    return called


def _docstring(function: Callable[..., Any], source: Callable[..., Any]) -> str:
    """Return what a function's docstring says; of a class, or an object whose ``__call__`` has none, that of its class."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        # Without what it inherits, which is about another class.
        return inspect.cleandoc(function.__dict__.get("__doc__") or "")
    if inspect.isroutine(function):
        return inspect.getdoc(source) or ""
    return inspect.cleandoc(source.__doc__ or type(function).__doc__ or "")


def _with_defaults(signature: inspect.Signature) -> inspect.Signature:
    """Return a signature in which each `Field` is replaced by the default that it holds.

    A parameter without a default may then follow one with a default, which a signature does not allow: from there on
    parameters are by name only.
    """
    parameters: list[inspect.Parameter] = []
    optional = False
    for each in signature.parameters.values():
        default = each.default
        if isinstance(default, FieldInfo):
            made = EACH_TIME if default.default_factory is not None else default.default
            default = each.empty if default.is_required() else made
        by_name = optional and default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
        optional = optional or default is not each.empty
        follows = bool(parameters) and parameters[-1].kind is each.KEYWORD_ONLY
        parameters.append(each.replace(default=default, kind=each.KEYWORD_ONLY if by_name or follows else each.kind))
    return signature.replace(parameters=parameters)


def unreadable(name: str, error: Exception) -> ToolDefinitionError:
    """Return the error for annotations that cannot be read."""
    reason = " ".join(str(error).split("\n\nFor further")[0].split())[:300].rstrip(".")
    return ToolDefinitionError(
        name, f"its annotations cannot be read ({reason})", "use types that are defined and that pydantic knows"
    )
