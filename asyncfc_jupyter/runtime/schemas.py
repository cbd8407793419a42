"""From a function's signature to the JSON schema a model sees, and back from a model's JSON to the function's arguments.

The parameters become a `TypedDict` rather than a pydantic model, so that a parameter may have any name (``schema``, ``copy``,
``json``) and a missing argument takes the function's own default.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NotRequired, get_type_hints

import docstring_parser
from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError, with_config
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import CoreSchema, PydanticOmit, to_jsonable_python
from pydantic_core.core_schema import CoreSchema as AnyCoreSchema
from typing_extensions import TypedDict, is_typeddict

from asyncfc_jupyter.core.errors import ArgumentMismatch, ToolDefinitionError
from asyncfc_jupyter.runtime.values import shorten

#: What a reference looks like, for a model's eyes; the layer itself parses the whole grammar.
REFERENCE_SCHEMA: Mapping[str, Any] = {"type": "string", "pattern": r"^\$f\d+"}

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
#: Problems listed for the model before the rest is only counted: enough to repair a call in one go.
_MOST_PROBLEMS = 5
#: What an error shows of a value that does not fit.
_VALUE_CHARACTERS = 40


class Parameters:
    """The parameters of one function: their schema, and the check of what a model sends for them."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        self._signature = _signature(name, function)
        self.description, about = _docstring(name, function)
        self._hints = _hints(name, function, self._signature)
        #: Adapters for single parameters, made when one is first asked for.
        self._each: dict[str, TypeAdapter[Any]] = {}
        self._adapter = _adapter(name, self._hints, self._signature, about)
        self.schema: dict[str, Any] = self._adapter.json_schema(schema_generator=_Schema)
        self.schema.pop("title", None)
        #: Texts that a parameter lists as its values, which are then never taken for anything else.
        self.listed = {name: _listed(inner, self.schema) for name, inner in self.schema.get("properties", {}).items()}
        parameters = self._signature.parameters.values()
        #: What the function itself uses for arguments that are not given.
        self.defaults: dict[str, Any] = {p.name: p.default for p in parameters if p.default is not p.empty}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in order."""
        return tuple(self._signature.parameters)

    def bind(self, arguments: Mapping[str, Any]) -> inspect.BoundArguments:
        """Check arguments against the signature and return them ready to call with.

        Objects pass as they are wherever the annotation is not one that pydantic must look into.

        Raises:
            ArgumentMismatch: Names each argument that does not fit, what was expected and what was given.
        """
        try:
            checked = self._adapter.validate_python(dict(arguments))
        except ValidationError as error:
            problems = [
                _problem(detail, self.names) for detail in error.errors(include_url=False, include_context=False)
            ]
            more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
            raise ArgumentMismatch(self._name, (*problems[:_MOST_PROBLEMS], *more)) from None
        return _bound(self._signature, checked)

    def canonical(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments as the function will see them, each checked by itself; one that does not fit stays as it is.

        So ``42``, ``"42"`` and ``42.0`` are one thing where an integer is meant. What one argument becomes does not depend
        on the others, nor on when it is asked.
        """
        return {name: self._canonical(name, value) for name, value in arguments.items()}

    def _canonical(self, name: str, value: Any) -> Any:
        if name not in self._hints:
            return value
        if name not in self._each:
            self._each[name] = TypeAdapter(self._hints[name], config=_adapter_config(self._hints[name]))
        try:
            return self._each[name].validate_python(value)
        except ValidationError:
            return value

    def widened(self) -> dict[str, Any]:
        """Return the schema with a reference accepted wherever a value is not already a string."""
        widened: dict[str, Any] = _widen_inside(self.schema)
        return widened


def _signature(name: str, function: Callable[..., Any]) -> inspect.Signature:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ToolDefinitionError(name, "it is a generator, and a result is one value", "return a list")
    signature = inspect.signature(function)
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
    return signature


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


_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


def _hints(name: str, function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    try:
        hints = get_type_hints(_written(function), include_extras=True)
    except (NameError, TypeError) as error:
        raise _unreadable(name, error) from None
    return {p.name: hints.get(p.name, p.annotation) for p in signature.parameters.values()}


def _adapter(
    name: str, hints: Mapping[str, Any], signature: inspect.Signature, about: Mapping[str, str]
) -> TypeAdapter[Any]:
    fields = {p.name: _field(p, hints[p.name], about) for p in signature.parameters.values()}
    try:
        return TypeAdapter(with_config(_CONFIG)(TypedDict(name, fields)))  # type: ignore[operator]
    except (NameError, TypeError, PydanticUserError) as error:
        raise _unreadable(name, error) from None


def _adapter_config(hint: Any) -> ConfigDict | None:
    """Return the configuration for a type by itself; pydantic refuses one for a type that carries its own."""
    own = hasattr(hint, "__pydantic_core_schema__") or dataclasses.is_dataclass(hint) or is_typeddict(hint)
    return None if own else ConfigDict(arbitrary_types_allowed=True)


def _unreadable(name: str, error: Exception) -> ToolDefinitionError:
    reason = " ".join(str(error).split("\n\nFor further")[0].split())[:300].rstrip(".")
    return ToolDefinitionError(
        name, f"its annotations cannot be read ({reason})", "use types that are defined and that pydantic knows"
    )


def _field(parameter: inspect.Parameter, hint: Any, about: Mapping[str, str]) -> Any:
    description = about.get(parameter.name) or None
    if parameter.default is inspect.Parameter.empty:
        return Annotated[hint, Field(description=description)]
    default = to_jsonable_python(parameter.default, fallback=repr)
    return NotRequired[Annotated[hint, Field(description=description, json_schema_extra={"default": default})]]


class _Schema(GenerateJsonSchema):
    """Describes a type without a JSON form, such as a DataFrame, as what only a reference can give."""

    def handle_invalid_for_json_schema(self, schema: AnyCoreSchema, error_info: str) -> JsonSchemaValue:  # noqa: ARG002
        kind = schema.get("cls")
        name = kind.__name__ if isinstance(kind, type) else "Python object"
        return {**REFERENCE_SCHEMA, "description": f"A {name}: pass a reference to a result."}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Leave out titles, which only repeat the names and cost tokens."""
        return False

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        try:
            return super().generate(schema, mode)
        except PydanticOmit:
            return {"type": "object"}


def _problem(detail: Any, names: tuple[str, ...]) -> str:
    where = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return f"there is no parameter {where!r} (there are: {', '.join(names) or 'none'})"
    if detail["type"] == "missing":
        return f"{where!r} is missing"
    return f"{where!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}, not {_shown(detail['input'])}"


def _shown(value: Any) -> str:
    if value is None or isinstance(value, str | bool | int | float):
        return shorten(repr(value), _VALUE_CHARACTERS)
    return type(value).__name__


def _bound(signature: inspect.Signature, checked: Mapping[str, Any]) -> inspect.BoundArguments:
    positional, named = [], {}
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            positional.append(checked.get(parameter.name, parameter.default))
        elif parameter.name in checked:
            named[parameter.name] = checked[parameter.name]
    return signature.bind(*positional, **named)


def _listed(schema: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[Any, ...]:
    inner = root.get("$defs", {}).get(str(schema.get("$ref", "")).removeprefix("#/$defs/"), {})
    values = [*schema.get("enum", ()), *inner.get("enum", ()), *(schema[k] for k in ("const",) if k in schema)]
    return (*values, *(value for option in schema.get("anyOf", ()) for value in _listed(option, root)))


#: Keywords of a schema that hold one schema.
_HOLD_ONE = ("items", "additionalProperties")


def _widen_inside(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    widened = dict(schema)
    for key in _HOLD_ONE:
        if isinstance(schema.get(key), Mapping):
            widened[key] = _widen(schema[key])
    if isinstance(schema.get("prefixItems"), list):
        widened["prefixItems"] = [_widen(item) for item in schema["prefixItems"]]
    if isinstance(schema.get("properties"), Mapping):
        widened["properties"] = {name: _widen(inner) for name, inner in schema["properties"].items()}
    if isinstance(schema.get("$defs"), Mapping):
        widened["$defs"] = {name: _widen_inside(inner) for name, inner in schema["$defs"].items()}
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list):
            widened[key] = [_widen_inside(inner) for inner in schema[key]]
    return widened


def _widen(schema: Mapping[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = _widen_inside(schema)
    if _takes_any_text(schema):
        return inner
    outer: dict[str, Any] = {key: inner.pop(key) for key in ("description", "default", "title") if key in inner}
    options = inner.pop("anyOf") if set(inner) == {"anyOf"} else [inner]
    return {**outer, "anyOf": [*options, dict(REFERENCE_SCHEMA)]}


def _takes_any_text(schema: Mapping[str, Any]) -> bool:
    if not set(schema) - {"description", "default", "title"}:
        return True  # it says nothing, so it takes everything
    if "anyOf" in schema:
        return any(_takes_any_text(option) for option in schema["anyOf"])
    return (
        bool(schema.get("type") == "string")
        and not set(schema) & {"enum", "const", "format", "maxLength"}
        and (schema.get("pattern") in (None, REFERENCE_SCHEMA["pattern"]))
    )
