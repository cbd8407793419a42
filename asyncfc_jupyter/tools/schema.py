"""From a function's signature to the JSON schema a model sees, and back from a model's JSON to the function's arguments.

The parameters become a `TypedDict` rather than a pydantic model, so that a parameter may have any name (``schema``, ``copy``,
``json``) and a missing argument takes the function's own default.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError, with_config
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import CoreSchema, PydanticOmit, PydanticSerializationError, to_jsonable_python
from pydantic_core.core_schema import CoreSchema as AnyCoreSchema
from typing_extensions import TypedDict

from asyncfc_jupyter.core.references import REFERENCE_SCHEMA
from asyncfc_jupyter.errors import ArgumentMismatch
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.annotations import fitted
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.reference_schema import may_hold_nulls, widened, without_nulls
from asyncfc_jupyter.tools.signature import EACH_TIME, read_function, unreadable

#: Problems listed for the model before the rest is only counted: enough to repair a call in one go.
_MOST_PROBLEMS = 5
#: What an error shows of a value that does not fit.
_VALUE_CHARACTERS = 40


class Parameters:
    """The parameters of one function: their schema, and the check of what a model sends for them."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        read = read_function(name, function)
        #: Parameters that take the call's own `ToolContext`, each with what it takes where there is none.
        self._contexts = read.contexts
        self._whole = read.signature
        seen = [p for p in read.signature.parameters.values() if p.name not in read.contexts]
        self._signature = read.signature.replace(parameters=seen)
        self._hints = {name: fitted(hint) for name, hint in read.hints.items() if name not in read.contexts}
        #: The docstring without the part on arguments, and the whole of it, as it is written.
        self.description, self.docstring = read.description, read.docstring
        #: What each parameter's schema says in words, found out when it is first asked for.
        self._spoken: dict[str, _Spoken] = {}
        #: Adapters for single parameters, made when one is first asked for.
        self._each: dict[str, TypeAdapter[Any]] = {}
        self._adapter = _adapter(name, self._hints, self._signature, read.about)
        self.schema: dict[str, Any] = self._adapter.json_schema(schema_generator=_Schema)
        self.schema.pop("title", None)
        #: Whether nulls that stand for nothing are to be looked for inside of values.
        self._nested = any(map(may_hold_nulls, self.schema.get("properties", {}).values()))
        defaults = {p.name: p.default for p in self._signature.parameters.values() if p.default is not p.empty}
        #: What the function itself uses for arguments that are not given, as far as it is the same for each call.
        self.defaults: dict[str, Any] = {
            **read.fixed,
            **{name: each for name, each in defaults.items() if each is not EACH_TIME},
        }
        #: Names of the arguments that may name a place: those of the model, and those that a partial has fixed.
        self.place_names: tuple[str, ...] = (*self.names, *read.fixed)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that a model may fill, in order."""
        return tuple(self._signature.parameters)

    @property
    def signature(self) -> inspect.Signature:
        """The function's signature, its types not as strings, without the parameters that take a `ToolContext`."""
        return self._signature

    @property
    def takes_context(self) -> bool:
        """Whether the function asks for a `ToolContext`."""
        return bool(self._contexts)

    def mentions(self, name: str, text: str) -> bool:
        """Return whether a parameter lists a text among its values, or its description has it as a word.

        Such a text is meant, whatever else it looks like.
        """
        if name not in self._spoken:
            self._spoken[name] = _spoken(self.schema.get("properties", {}).get(name), self.schema)
        spoken = self._spoken[name]
        if text in spoken.listed:
            return True
        # A pattern is made for a text that is there only: to make one takes as long as the rest of the call.
        mentioned = text in spoken.described
        return mentioned and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", spoken.described) is not None

    def bind(self, arguments: Mapping[str, Any], context: ToolContext | None = None) -> inspect.BoundArguments:
        """Check arguments against the signature and return them ready to call with.

        Objects pass as they are wherever the annotation is not one that pydantic must look into. Null counts as not given
        where there is a default and null itself is no value.

        Args:
            arguments: By name, with values in the place of references.
            context: Given to each parameter annotated so. Without one, such a parameter takes its own default, or a context
                that reports to nobody.

        Raises:
            ArgumentMismatch: Names each argument that does not fit, what was expected and what was given.
        """
        try:
            checked = self._adapter.validate_python(self._given(arguments))
        except ValidationError as error:
            problems = [
                _problem(detail, self.names) for detail in error.errors(include_url=False, include_context=False)
            ]
            more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
            raise ArgumentMismatch(self._name, (*problems[:_MOST_PROBLEMS], *more)) from None
        contexts = {name: absent() if context is None else context for name, absent in self._contexts.items()}
        return _bound(self._whole, {**checked, **contexts})

    def _given(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(arguments)
        if self._nested or any(value is None for value in given.values()):
            return dict(without_nulls(given, self.schema, self.schema))
        return given

    def canonical(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments as the function will see them, each checked by itself; one that does not fit stays as it is.

        So ``42``, ``"42"`` and ``42.0`` are one thing where an integer is meant. What one argument becomes does not depend
        on the others, nor on when it is asked.
        """
        return {name: self._canonical(name, value) for name, value in arguments.items()}

    def _canonical(self, name: str, value: Any) -> Any:
        if name not in self._hints:
            return value
        try:
            if name not in self._each:
                self._each[name] = _read(name, {name: self._hints[name]})
            return self._each[name].validate_python({name: value})[name]
        except Exception:  # noqa: BLE001 - a validator's own code; the call fails by it when its arguments are bound
            return value

    @functools.cached_property
    def widened(self) -> dict[str, Any]:
        """The schema with a reference accepted wherever a value is not already a string."""
        return widened(self.schema)


_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


def _adapter(
    name: str, hints: Mapping[str, Any], signature: inspect.Signature, about: Mapping[str, str]
) -> TypeAdapter[Any]:
    fields = {p.name: _field(p, hints[p.name], about) for p in signature.parameters.values()}
    try:
        return _read(name, fields)
    except (NameError, TypeError, PydanticUserError) as error:
        raise unreadable(name, error) from None


def _read(name: str, fields: Mapping[str, Any]) -> TypeAdapter[Any]:
    """Return the check of a mapping with these fields.

    A single parameter is checked so too: a type that carries its own configuration, such as a model behind `Annotated`, cannot
    be given one, and gets the same inside of a mapping as among all parameters.
    """
    return TypeAdapter(with_config(_CONFIG)(TypedDict(name, fields)))  # type: ignore[operator]


def _field(parameter: inspect.Parameter, hint: Any, about: Mapping[str, str]) -> Any:
    # What is said of one parameter, beside its type, counts more than what the docstring says.
    own = any(isinstance(each, FieldInfo) and each.description for each in getattr(hint, "__metadata__", ()))
    described = hint if own else Annotated[hint, Field(description=about.get(parameter.name) or None)]
    if parameter.default is inspect.Parameter.empty:
        return described
    return NotRequired[Annotated[described, Field(json_schema_extra=_default(parameter.default))]]


def _default(default: Any) -> dict[str, Any]:
    """Return what a schema says of a default; nothing where JSON has no form for it."""
    try:
        shown = to_jsonable_python(default)
        json.dumps(shown, allow_nan=False)
    except (PydanticSerializationError, ValueError, TypeError):
        return {}
    return {"default": shown}


class _Schema(GenerateJsonSchema):
    """Describes a type without a JSON form, such as a DataFrame, as what only a reference can give."""

    #: Of a default that JSON has no form for a model is told nothing, and nobody needs to be warned.
    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def encode_default(self, dft: Any) -> Any:
        """Refuse the numbers that JSON does not have, which servers refuse."""
        shown = super().encode_default(dft)
        try:
            json.dumps(shown, allow_nan=False)
        except ValueError as error:
            raise PydanticSerializationError(str(error)) from None
        return shown

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
    # What `Signature.bind` would return, which finds out once more what is known here.
    given = {
        name: checked.get(name, parameter.default)
        for name, parameter in signature.parameters.items()
        if name in checked or parameter.kind is inspect.Parameter.POSITIONAL_ONLY
    }
    return inspect.BoundArguments(signature, OrderedDict(given))


@dataclasses.dataclass(frozen=True, slots=True)
class _Spoken:
    """What a schema says in words: the texts it lists as values, and its descriptions."""

    listed: frozenset[str]
    described: str


def _spoken(schema: Any, root: Mapping[str, Any]) -> _Spoken:
    listed: set[str] = set()
    described: list[str] = []
    inside, seen = [schema], set[str]()
    while inside:
        part = inside.pop()
        if isinstance(part, list):
            inside += part
        if not isinstance(part, Mapping):
            continue
        for key, value in part.items():
            if key in _LIST_VALUES:
                listed |= {each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)}
            elif key == "description" and isinstance(value, str):
                described.append(value)
            elif key == "$ref" and value not in seen:
                seen.add(value)
                inside.append(root.get("$defs", {}).get(value.removeprefix("#/$defs/")))
            else:
                inside.append(value)
    return _Spoken(frozenset(listed), "\n".join(described))


#: Keywords of a schema that list values.
_LIST_VALUES = frozenset({"enum", "const", "default", "examples"})
