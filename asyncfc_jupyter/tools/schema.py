"""From a function's signature to the JSON schema for the model, and from a model's JSON to the function's arguments.

The parameters become a `TypedDict` rather than a pydantic model, so that a parameter may have any name (``schema``, ``copy``,
``json``) and a missing argument takes the function's own default.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError, with_config
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import CoreSchema, PydanticOmit, PydanticSerializationError, SchemaValidator, to_jsonable_python
from pydantic_core.core_schema import CoreSchema as AnyCoreSchema
from pydantic_core.core_schema import (
    DataclassSchema,
    ModelSchema,
    NullableSchema,
    TypedDictSchema,
    any_schema,
    definitions_schema,
)
from typing_extensions import TypedDict

from asyncfc_jupyter.core.references import REFERENCE_SCHEMA
from asyncfc_jupyter.errors import ArgumentMismatch
from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.annotations import fitted, text_beside
from asyncfc_jupyter.tools.as_written import or_as_written
from asyncfc_jupyter.tools.by_steps import by_steps
from asyncfc_jupyter.tools.closed_schema import is_closed
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.field_texts import describe_fields
from asyncfc_jupyter.tools.nulls import OptionalNulls
from asyncfc_jupyter.tools.reference_schema import widened
from asyncfc_jupyter.tools.result_shape import result_shape
from asyncfc_jupyter.tools.signature import read_function, unreadable
from asyncfc_jupyter.tools.signature_text import EACH_TIME

#: Problems listed for the model; further ones are counted only. Enough to fix a call in one go.
_MOST_PROBLEMS = 5
#: Characters that an error shows of a value that does not fit.
_VALUE_CHARACTERS = 40
#: What an error calls a value that holds others.
_IN_WORDS: Mapping[type, str] = {dict: "an object", list: "a list"}
#: Types of values of which no part has a name.
_JSON = (str, bool, int, float, list, type(None))
#: Keywords of a schema that list values.
_LIST_VALUES = frozenset({"enum", "const", "default", "examples"})
_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class Parameters:
    """The parameters of one function: their schema, and the check of the arguments that a model sends.

    Args:
        name: The tool's name, for errors.
        function: The function.
        description: What it does, if its docstring is not to say so.

    Raises:
        ToolDefinitionError: Says why the function cannot be a tool, and how to fix it.
    """

    def __init__(self, name: str, function: Callable[..., Any], description: str | None = None) -> None:
        self._name = name
        read = read_function(name, function, description)
        #: Parameters that take the call's own `ToolContext`, each with what makes its value where a call has none.
        self._contexts = read.contexts
        self._whole = read.signature
        #: The function's signature without these parameters, its types not as strings.
        self.signature = read.signature.replace(
            parameters=[p for p in read.signature.parameters.values() if p.name not in read.contexts]
        )
        self._hints = {name: fitted(hint) for name, hint in read.hints.items() if name not in read.contexts}
        #: What the function does, for the model, and the whole docstring.
        self.description, self.docstring = read.description, read.docstring
        #: What a reference finds in the result; empty if the annotation does not say.
        self.result_shape = result_shape(read.returns)
        if text := text_beside(read.returns):
            self.description += f"\n\nReturns: {text}"
        #: What was cut of the docstring, for the author.
        self.notices = read.notices
        #: By parameter, the texts that its schema lists as values, and its descriptions; made when first asked for.
        self._words: dict[str, tuple[frozenset[str], str]] = {}
        #: The checks of single parameters, and that of all names, made when first asked for.
        self._each: dict[str, SchemaValidator] = {}
        self._any_values: SchemaValidator | None = None
        own = self.signature.parameters.values()
        try:
            fields = {p.name: _field(p, self._hints[p.name], read.about) for p in own}
            adapter: TypeAdapter[Any] = TypeAdapter(with_config(_CONFIG)(TypedDict(name, fields)))  # type: ignore[operator]
        except (NameError, TypeError, PydanticUserError) as error:
            raise unreadable(name, error) from None
        #: The JSON schema of the arguments.
        self.schema: dict[str, Any] = adapter.json_schema(schema_generator=_Schema)
        self.schema.pop("title", None)
        #: The core schema of all parameters together, and by name those that it refers to.
        self._core_schema: Any = adapter.core_schema
        self._definitions: dict[str, Any] = {}
        if self._core_schema["type"] == "definitions":
            self._definitions = {each["ref"]: each for each in self._core_schema["definitions"]}
            self._core_schema = self._core_schema["schema"]
            self._core_schema = self._definitions.get(self._core_schema.get("schema_ref"), self._core_schema)
        self._nulls = OptionalNulls(self.schema)
        self._values = self._validator(
            {name: {**field, "schema": self._lenient(name)} for name, field in self._core_schema["fields"].items()}
        )
        #: Whether nulls that stand for "not given" are looked for inside of values.
        self._nested = any(map(self._nulls.may_be_inside, self.schema.get("properties", {}).values()))
        defaults = {p.name: p.default for p in own if p.default is not p.empty and p.default is not EACH_TIME}
        #: The function's own values for arguments that are not given, as far as they are the same for each call.
        self.defaults: dict[str, Any] = {**read.fixed, **defaults}
        #: Names of the arguments that a path may use: those of the model, and those that a partial has fixed.
        self.place_names: tuple[str, ...] = (*self.names, *read.fixed)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that a model may fill, in order."""
        return tuple(self.signature.parameters)

    @property
    def takes_context(self) -> bool:
        """Whether the function asks for a `ToolContext`."""
        return bool(self._contexts)

    def aliases(self, names: Iterable[str]) -> dict[str, str | None]:
        """Return the alias under which a model writes an argument, for those that have one; None for several aliases."""
        own = [name for name in names if name in self.signature.parameters]  # not what a partial has fixed
        aliases = {name: FieldInfo.from_annotation(self._hints[name]).validation_alias for name in own}
        return {name: alias if isinstance(alias, str) else None for name, alias in aliases.items() if alias is not None}

    def mentions(self, name: str, text: str) -> bool:
        """Return whether a parameter lists a text among its values, or its description has it as a word.

        Such a text is meant literally, even if it resembles a reference.
        """
        if name not in self._words:
            self._words[name] = _words(self.schema.get("properties", {}).get(name), self.schema)
        listed, described = self._words[name]
        if text in listed:
            return True
        # A pattern is made only for a text that is there: to make one takes as long as the rest of the call.
        return text in described and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", described) is not None

    def bind(
        self, arguments: Mapping[str, Any], context: ToolContext | None = None, *, large: bool = False
    ) -> inspect.BoundArguments:
        """Check arguments against the signature and return them ready to call with.

        Objects pass unchanged unless pydantic must look into them for the annotation. Null counts as "not given" where there
        is a default and the parameter cannot be null.

        Args:
            arguments: By name, with references replaced by values.
            context: The value of each parameter annotated as a `ToolContext`. Without one, such a parameter takes its own
                default, or a context whose reports are ignored.
            large: Whether other threads are to run meanwhile. Then of the misfits in a list only the first is named.

        Raises:
            ArgumentMismatch: Names each argument that does not fit, what was expected and what was given.
        """
        checked = self._checked((self._large_values if large else self._values).validate_python, arguments)
        checked |= {name: absent() if context is None else context for name, absent in self._contexts.items()}
        # `Signature.bind` would give the same and search for what is known here.
        bound = {
            name: checked.get(name, parameter.default)
            for name, parameter in self._whole.parameters.items()
            if name in checked or parameter.kind is inspect.Parameter.POSITIONAL_ONLY
        }
        return inspect.BoundArguments(self._whole, OrderedDict(bound))

    def given(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments without the nulls that stand for "not given", of parameters and inside of values."""
        given = dict(arguments)
        if self._nested or any(value is None for value in given.values()):
            given = dict(self._nulls.without(given))
        return given

    def check_names(self, arguments: Mapping[str, Any]) -> None:
        """Return if no argument is missing or unknown, whatever their values are.

        Raises:
            ArgumentMismatch: As `bind` does.
        """
        if self._any_values is None:
            fields = self._core_schema["fields"]
            self._any_values = self._validator({each: {**fields[each], "schema": any_schema()} for each in fields})
        self._checked(self._any_values.validate_python, arguments)

    def _validator(self, fields: Mapping[str, Any]) -> SchemaValidator:
        whole: Any = {**self._core_schema, "fields": fields}
        return SchemaValidator(definitions_schema(whole, [*self._definitions.values()]) if self._definitions else whole)

    def _lenient(self, name: str) -> AnyCoreSchema:
        """Return the check of one parameter, which also takes a value in the form in which a model would write it."""
        field = self._core_schema["fields"][name]
        alias = field.get("validation_alias", name)
        names = [alias] if isinstance(alias, str) else [each[0] if isinstance(each, list) else each for each in alias]
        properties = self.schema["properties"]
        part: Any = next((properties[each] for each in names if each in properties), {})
        return or_as_written(field["schema"], functools.partial(self._nulls.without, schema=part))

    def _checked(self, check: Callable[[Any], Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
        given = self.given(arguments)
        try:
            checked: dict[str, Any] = check(given)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False)
            problems = [_problem(detail, given, self.names) for detail in details[:_MOST_PROBLEMS]]
            if len(details) > _MOST_PROBLEMS:
                problems.append(f"and {len(details) - _MOST_PROBLEMS} more")
            raise ArgumentMismatch(self._name, tuple(problems)) from None
        return checked

    def canonical(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments as the function will get them, each checked by itself; one that does not fit stays as it is.

        So ``42``, ``"42"`` and ``42.0`` are one value where an integer is expected. The result for one argument does not depend
        on the others. That for an `open` one may depend on when it is asked for.
        """
        seen = dict(arguments)
        for name in filter(self._core_schema["fields"].__contains__, arguments):
            if name not in self._each:
                alone = {"type": "typed-dict-field", "required": False, "schema": self._lenient(name)}
                self._each[name] = self._validator({name: alone})
            with ForeignCode():  # of a validator. The call fails by it when its arguments are bound.
                seen[name] = self._each[name].validate_python({name: seen[name]})[name]
        return seen

    @functools.cached_property
    def _large_values(self) -> SchemaValidator:
        fields = self._core_schema["fields"].items()
        return self._validator({name: {**field, "schema": by_steps(self._lenient(name))} for name, field in fields})

    @functools.cached_property
    def open(self) -> frozenset[str]:
        """Names of the parameters whose check, or whose default, may depend on when it is made (`tools.closed_schema`)."""
        fields = self._core_schema["fields"]
        return frozenset(name for name, field in fields.items() if not is_closed(field, self._definitions))

    @functools.cached_property
    def widened(self) -> dict[str, Any]:
        """The schema with references accepted in place of values."""
        return widened(self.schema)


def _field(parameter: inspect.Parameter, hint: Any, about: Mapping[str, str]) -> Any:
    # A description beside the parameter's type overrides that of the docstring.
    described = hint if text_beside(hint) else Annotated[hint, Field(description=about.get(parameter.name) or None)]
    if parameter.default is inspect.Parameter.empty:
        return described
    shown: dict[str, Any] = {}
    with contextlib.suppress(PydanticSerializationError, ValueError, TypeError):  # JSON has no form for every default
        default = to_jsonable_python(parameter.default)
        json.dumps(default, allow_nan=False)
        shown = {"default": default}
    return NotRequired[Annotated[described, Field(json_schema_extra=shown)]]


class _Schema(GenerateJsonSchema):
    """Describes a type without a JSON form, such as a DataFrame, as one that only a reference can give."""

    #: A default without a JSON form is left out, which needs no warning.
    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def encode_default(self, dft: Any) -> Any:
        """Refuse the numbers that JSON does not have, such as infinity: servers refuse them."""
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

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        """Describe an optional value where others are described: beside the alternatives, not in one of them."""
        made = super().nullable_schema(schema)
        # What only a reference can give says so itself.
        others = (each for each in made.get("anyOf", ()) if each.get("pattern") != REFERENCE_SCHEMA["pattern"])
        described = [each for each in others if "description" in each]
        return {**made, "description": described[0].pop("description")} if len(described) == 1 else made

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """Describe the fields by what their class says about them."""
        return describe_fields(schema["cls"], super().model_schema(schema))

    def dataclass_schema(self, schema: DataclassSchema) -> JsonSchemaValue:
        return describe_fields(schema["cls"], super().dataclass_schema(schema))

    def typed_dict_schema(self, schema: TypedDictSchema) -> JsonSchemaValue:
        made, kind = super().typed_dict_schema(schema), schema.get("cls")
        # That of the parameters is made here, with what describes them.
        return made if kind is None or kind.__module__ == __name__ else describe_fields(kind, made)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Leave out titles, which only repeat the names and cost tokens."""
        return False

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        try:
            return super().generate(schema, mode)
        except PydanticOmit:
            return {"type": "object"}


def _problem(detail: Any, arguments: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return one problem in words: where, what was expected, and what was seen.

    Args:
        detail: The problem, as pydantic says it.
        arguments: The arguments that it is about.
        names: The names of the parameters.
    """
    loc, given = detail["loc"], detail["input"]
    inside: Any = arguments
    steps, kinds = list[str](), list[str]()
    for step in loc:
        is_step = step in inside if type(inside) is dict else isinstance(step, int) or not isinstance(inside, _JSON)
        if is_step or (step is loc[-1] and detail["type"] == "missing"):
            steps.append(str(step))
            with ForeignCode():  # what an object would be written as is not at hand
                inside = inside[step]
        else:
            kinds.append(str(step))  # of several that the value may be of
    where = repr(".".join(steps)) + (f" as {'.'.join(kinds)}" if kinds else "")
    if detail["type"] == "extra_forbidden" and len(loc) == 1:
        return f"there is no parameter {where} (there are: {', '.join(names) or 'none'})"
    if detail["type"] == "extra_forbidden":
        return f"there is no field {where}"
    if detail["type"] == "missing":
        return f"{where} is missing"
    if detail["type"] == "union_tag_invalid":
        return f"{where}: {detail['msg'][0].lower()}{detail['msg'][1:]}"  # which has what was seen
    is_single = given is None or isinstance(given, str | bool | int | float)
    shown = shorten(repr(given), _VALUE_CHARACTERS) if is_single else _IN_WORDS.get(type(given), type(given).__name__)
    return f"{where}: {detail['msg'][0].lower()}{detail['msg'][1:]}, not {shown}"


def _words(schema: Any, root: Mapping[str, Any]) -> tuple[frozenset[str], str]:
    """Return the texts that a schema lists as values, and its descriptions."""
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
    return frozenset(listed), "\n".join(described)
