"""The schemas, signatures and refusals of tools of every kind, as a whole."""

import datetime as dt
import decimal
import enum
import functools
import json
import math
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from asyncfc_jupyter import ToolContext
from asyncfc_jupyter.errors import ArgumentMismatch, ToolDefinitionError
from asyncfc_jupyter.tools.definition import ToolOptions, make_tool, marked_options, tool
from asyncfc_jupyter.tools.nulls import OptionalNulls
from asyncfc_jupyter.tools.reference_schema import widened
from asyncfc_jupyter.tools.schema import Parameters
from asyncfc_jupyter.tools.signature_text import EACH_TIME
from tests.whole_outputs import sections


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    """A place."""

    street: str
    number: int = Field(3, ge=1, description="Of the house.")
    note: str | None = None


class Tree(BaseModel):
    name: str
    below: "list[Tree]" = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]


class Row(TypedDict, total=False):
    key: str
    count: int


class Frame:
    """Pydantic does not know it."""


HINTS = {
    "text": str,
    "number": int,
    "float": float,
    "flag": bool,
    "nothing": None,
    "anything": Any,
    "optional": int | None,
    "alternatives": int | str,
    "list": list[int],
    "bare list": list,
    "set": set[str],
    "tuple": tuple[int, str],
    "tuple of one kind": tuple[int, int],
    "tuple of any length": tuple[float, ...],
    "mapping": dict[str, int],
    "bare mapping": dict,
    "literal": Literal["a", "b"],
    "one literal": Literal["a"],
    "enum": Colour,
    "date": dt.date,
    "time": dt.datetime,
    "span": dt.timedelta,
    "id": uuid.UUID,
    "bytes": bytes,
    "limits": Annotated[int, Field(ge=1, le=9)],
    "lengths": Annotated[str, Field(min_length=1, max_length=3)],
    "pattern": Annotated[str, Field(pattern="^a")],
    "description": Annotated[int, Field(description="How many.")],
    "list with limits": Annotated[list[int], Field(min_length=1, max_length=2)],
    "model": Place,
    "optional model": Place | None,
    "list of models": list[Place],
    "model that holds itself": Tree,
    "one of models": Annotated[Cat | Dog, Field(discriminator="kind")],
    "typed mapping": Row,
    "no json form": Frame,
    "no json form in a list": list[Frame],
    "optional without a json form": Frame | None,
}

DEFAULTS = {
    "no default": ...,
    "none": None,
    "number": 3,
    "text": "a",
    "list": [1, 2],
    "date": dt.date(2026, 5, 14),
    "decimal": decimal.Decimal("1.5"),
    "enum": Colour.RED,
    "model": Place(street="Main"),
    "object": Frame(),
    "not a number": math.nan,
    "infinite in a list": [math.inf],
    "field": Field(4, description="Said by the field."),
    "field without a default": Field(description="Said by the field."),
    "factory": Field(default_factory=list),
}


def tool_of(hint, default=...):
    def look(x):
        """Look at it.

        Args:
            x: What to look at.
        """

    look.__annotations__ = {"x": hint}
    look.__defaults__ = None if default is ... else (default,)
    return make_tool(look)


def on_one_line(schema):
    return json.dumps(schema, ensure_ascii=False)


def schemas(made):
    plain, wide = made.parameters, made.parameters_of.widened
    return "\n".join(
        [
            f"plain: {on_one_line(plain)}",
            f"widened: {on_one_line(wide) if wide != plain else 'the same'}",
            f"nulls within: {any(map(OptionalNulls(plain).may_be_inside, plain['properties'].values()))}",
        ]
    )


def test_the_schema_of_every_kind_of_annotation(expected) -> None:
    expected("annotations.txt", sections((name, schemas(tool_of(hint))) for name, hint in HINTS.items()))


def test_the_schema_of_every_kind_of_annotation_beside_a_default(expected) -> None:
    named = ("text", "number", "optional", "alternatives", "literal", "enum", "description", "model", "optional model")
    expected("optional.txt", sections((name, schemas(tool_of(HINTS[name], None))) for name in (*named, "no json form")))


def test_the_schema_and_signature_of_every_kind_of_default(expected) -> None:
    made = ((name, tool_of(Any, default)) for name, default in DEFAULTS.items())
    expected(
        "defaults.txt",
        sections(
            (name, f"{each.signature}\n{schemas(each)}" if name != "object" else schemas(each)) for name, each in made
        ),
    )


# -- what is read of a function --------------------------------------------------------------------------------------


def plain(city: str, limit: int = 3) -> list[str]:
    """Find flights.

    Those of a day.

    Args:
        city: Where to.
        limit: How many.
    """
    return [city] * limit


def by_position(a: int, /, b: int = 2, *, c: int = 3) -> None:
    """Take by position."""


def of_a_field(a: int = Field(1), b: str = Field(), c: int = 2, *, d: str) -> None:
    """Take what a field says."""


def with_context(a: int, context: ToolContext, maybe: ToolContext | None, own: ToolContext | None = None) -> None:
    """Take a context."""


async def later(a: int) -> None:
    """Do it later."""


class Service:
    """A service."""

    def __call__(self, a: int) -> None:
        """Serve."""

    def method(self, a: int) -> None:
        """Serve by name."""


def renamed(city: Annotated[str, Field(alias="town")]) -> None:
    """Take another name."""


FUNCTIONS = {
    "plain": plain,
    "by position": by_position,
    "of a field": of_a_field,
    "with a context": with_context,
    "async": later,
    "object": Service(),
    "method": Service().method,
    "partial": functools.partial(plain, limit=5),
    "partial of a partial": functools.partial(functools.partial(plain, limit=5), city="Oslo"),
    "partial by position": functools.partial(plain, "Oslo"),
    "renamed": renamed,
}


def read(function):
    made = make_tool(function)
    parameters = made.parameters_of
    return "\n".join(
        [
            # How pydantic shows its own `Field` is not ours to say.
            "" if "FieldInfo" in made.signature else made.signature,
            f"description: {made.description!r}",
            f"docstring: {parameters.docstring!r}",
            f"names: {parameters.names}, of places: {parameters.place_names}",
            f"defaults: {parameters.defaults}",
            f"context: {parameters.takes_context}, async: {made.is_async}, where: {made.run_in}, stops: {made.stoppable}",
            f"schema: {on_one_line(made.parameters)}",
        ]
    )


def test_functions_of_every_kind_are_read_as_expected(expected) -> None:
    expected("functions.txt", sections((name, read(function)) for name, function in FUNCTIONS.items()))


def test_a_default_that_is_made_for_each_call_is_shown_as_dots() -> None:
    assert repr(EACH_TIME) == "..."


# -- refusals --------------------------------------------------------------------------------------------------------


def generator() -> Iterator[int]:
    """Give one by one."""
    yield 1


async def async_generator() -> AsyncIterator[int]:
    """Give one by one."""
    yield 1


def silent(a: int) -> None:
    pass


def bare(a) -> None:
    """Take anything."""


def any_number(*numbers: int) -> None:
    """Take many."""


def any_name(**options: int) -> None:
    """Take many."""


def unknown_type(a: "Missing") -> None:  # noqa: F821 - what is refused
    """Take what there is not."""


def odd_type(a: "1 +") -> None:  # noqa: F722 - what is refused
    """Take what cannot be read."""


def nap(seconds: float = 1.0) -> None:
    """Sleep."""


def no_parameter() -> None:
    """Do."""


class OddName:
    """Not callable."""


REFUSED = {
    "generator": (generator, {}),
    "async generator": (async_generator, {}),
    "no docstring": (silent, {}),
    "no annotation": (bare, {}),
    "stars": (any_number, {}),
    "two stars": (any_name, {}),
    "unknown type": (unknown_type, {}),
    "method of a class": (Service.method, {}),
    "lambda": (lambda: None, {}),
    "no function": (3, {}),
    "instance": (OddName(), {}),
    "partial without a name": (functools.partial(Service()), {"name": "a b"}),
    "name of ours": (nap, {"name": "await_future"}),
    "name with a space": (nap, {"name": "a b"}),
    "name that begins with a digit": (nap, {"name": "1a"}),
    "name of sixty-five": (nap, {"name": "n" * 65}),
    "unknown option": (nap, {"retry": 1, "a_first": 2}),
    "flag": (nap, {"detached": 1}),
    "flag that is none": (nap, {"pure": None}),
    "pure and reads": (nap, {"pure": True, "reads": "a"}),
    "pure and irreversible": (nap, {"pure": True, "irreversible": True}),
    "idempotent and irreversible": (nap, {"idempotent": True, "irreversible": True}),
    "no time": (nap, {"timeout_s": 0}),
    "negative retries": (nap, {"retries": -1}),
    "retries of what is not repeatable": (nap, {"retries": 1}),
    "place": (nap, {"run_in": "cloud"}),
    "no limit": (nap, {"limit": 0}),
    "limit by path": (nap, {"limit": {"a": 1, "b": 0}}),
    "templates": (nap, {"reads": 5}),
    "template of another type": (nap, {"reads": ["a", 5]}),
    "empty segment": (nap, {"writes": "a//b"}),
    "unknown argument": (nap, {"writes": ["a", "b/{where}/{what}"]}),
    "unknown argument of none": (no_parameter, {"writes": "b/{where}"}),
    "context elsewhere": (with_context, {"run_in": "process"}),
}


def refusal(function, options):
    with pytest.raises(ToolDefinitionError) as caught:
        make_tool(function, **options)
    return str(caught.value)


def test_an_object_that_cannot_be_a_tool_is_refused_in_whole_sentences(expected) -> None:
    expected("refusals.txt", sections((name, refusal(*given)) for name, given in REFUSED.items()))


def test_a_type_that_cannot_be_read_is_refused_on_one_bounded_line() -> None:
    def takes(a: Annotated[Cat | Dog, Field(discriminator="L" * 500)]) -> None:
        """Take."""

    with pytest.raises(ToolDefinitionError) as caught:
        make_tool(takes)
    shown = str(caught.value).split("cannot be read (")[1].split("); use")[0]
    assert len(shown) == 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"name": "n" * 64},
        {"name": "_"},
        {"timeout_s": 0.001},
        {"timeout_s": None},
        {"retries": 0},
        {"retries": 1, "idempotent": True},
        {"retries": 1, "pure": True},
        {"limit": 1},
        {"limit": {"a": 1}},
        {"limit": {}},
        {"pure": True, "reads": (), "writes": None},
        {"irreversible": True, "idempotent": False},
        {"run_in": "process"},
    ],
    ids=str,
)
def test_options_just_within_their_limits_are_accepted(options) -> None:
    make_tool(nap, **options)


def test_a_tool_in_a_pool_of_processes_takes_no_context_either() -> None:
    with ProcessPoolExecutor(1) as pool, pytest.raises(ToolDefinitionError, match="stays in its process"):
        make_tool(with_context, run_in=pool)
    make_tool(with_context, run_in="thread")


# -- a tool's own properties -----------------------------------------------------------------------------------------


def properties(**options):
    made = make_tool(nap, **options)
    flags = ("idempotent", "irreversible", "approve", "detached", "repeatable", "stoppable", "is_async")
    return {
        "flags": {flag for flag in flags if getattr(made, flag)},
        "declared": made.effects.declared,
        "timeout_s": made.timeout_s,
        "limit": made.limit,
        "retries": made.retries,
        "run_in": made.run_in,
        "places": set(made.places_in),
    }


USUAL = {
    "flags": set(),
    "declared": False,
    "timeout_s": 60.0,
    "limit": None,
    "retries": 0,
    "run_in": "thread",
    "places": set(),
}


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({}, {}),
        ({"pure": True}, {"declared": True, "flags": {"repeatable"}}),
        ({"pure": False}, {}),
        ({"reads": ()}, {"declared": True, "flags": {"repeatable"}}),
        ({"reads": "a"}, {"declared": True}),
        ({"writes": "a/{seconds}"}, {"declared": True, "places": {"seconds"}}),
        ({"writes": "a", "idempotent": True}, {"declared": True, "flags": {"idempotent", "repeatable"}}),
        ({"irreversible": True}, {"flags": {"irreversible"}}),
        ({"approve": True}, {"flags": {"approve"}}),
        ({"approve": True, "pure": True}, {"declared": True, "flags": {"approve"}}),
        ({"irreversible": True, "writes": ()}, {"declared": True, "flags": {"irreversible"}}),
        ({"detached": True}, {"flags": {"detached"}}),
        ({"limit": 2}, {"limit": 2}),
        ({"limit": {"api/{seconds}": 2}}, {"places": {"seconds"}}),
        ({"timeout_s": None}, {"timeout_s": None}),
        ({"timeout_s": 2}, {"timeout_s": 2}),
        ({"idempotent": True, "retries": 3}, {"flags": {"idempotent", "repeatable"}, "retries": 3}),
        ({"run_in": "loop"}, {"run_in": "loop", "flags": {"stoppable"}}),
        ({"run_in": "process"}, {"run_in": "process", "flags": {"stoppable"}}),
    ],
    ids=",".join,
)
def test_an_option_changes_only_its_own_setting(options, changed) -> None:
    assert properties(**options) == USUAL | changed


def test_a_definition_has_the_form_of_the_chat_completions_api() -> None:
    made = make_tool(nap)
    plain_form = {"name": "nap", "description": "Sleep.", "parameters": made.parameters}
    assert made.definition(references=False) == {"type": "function", "function": plain_form}
    wide = {**plain_form, "description": "Sleep.\n\n-> None", "parameters": made.parameters_of.widened}
    assert made.definition(references=True) == {"type": "function", "function": wide}


def test_the_options_of_a_mark_are_found_and_a_plain_function_has_none() -> None:
    @tool(pure=True, timeout_s=5)
    def marked() -> None:
        """Do."""

    assert marked_options(marked) == {"pure": True, "timeout_s": 5}
    assert marked_options(nap) == ToolOptions()


# -- what does not fit -----------------------------------------------------------------------------------------------


def takes_much(  # noqa: PLR0917 - as many as problems are counted
    a: int, b: list[int], c: Place, d: Literal["x", "y"] = "x", e: bool = False, f: int = 1
) -> None:
    """Take much."""


FIT = {"a": 1, "b": [], "c": {"street": "s"}}
MISFITS = {
    "missing": {"b": [], "c": {"street": "s"}},
    "unknown": {**FIT, "z": 1},
    "long text": {**FIT, "a": "t" * 50},
    "text that is just shown whole": {**FIT, "a": "t" * 38},
    "none": {**FIT, "a": None},
    "number": {**FIT, "b": 5},
    "flag": {**FIT, "b": True},
    "object": {**FIT, "a": Frame()},
    "inside": {**FIT, "b": [1, "two"], "c": {"number": 0}},
    "of a literal": {**FIT, "d": "z"},
    "five": {**FIT, "a": "1 ", "b": ["x", "y", "z"], "d": "z", "e": "perhaps"},
    "seven": {**FIT, "a": "x", "b": ["x", "y", "z"], "d": "z", "e": "perhaps", "f": "x"},
}


def misfit(arguments):
    with pytest.raises(ArgumentMismatch) as caught:
        Parameters("take", takes_much).bind(arguments)
    return str(caught.value)


def test_arguments_that_do_not_fit_are_named_with_their_values(expected) -> None:
    expected("misfits.txt", sections((name, misfit(arguments)) for name, arguments in MISFITS.items()))


def test_a_function_without_parameters_says_so() -> None:
    with pytest.raises(ArgumentMismatch, match=r"there is no parameter 'a' \(there are: none\)"):
        Parameters("do", no_parameter).bind({"a": 1})


def test_arguments_by_position_and_name_are_those_of_a_real_call() -> None:
    bound = Parameters("take", by_position).bind({"a": "1"})
    assert (bound.args, bound.kwargs) == ((1,), {})
    bound = Parameters("take", by_position).bind({"a": 1, "c": 5, "b": 4})
    assert (bound.args, bound.kwargs) == ((1, 4), {"c": 5})


def test_one_argument_is_checked_alone_and_kept_if_it_does_not_fit() -> None:
    parameters = Parameters("take", takes_much)
    assert parameters.canonical({"a": "7", "f": 2.0, "e": "yes"}) == {"a": 7, "f": 2, "e": True}
    assert parameters.canonical({"a": "seven", "unknown": "7"}) == {"a": "seven", "unknown": "7"}


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("x", True),
        ("y", True),
        ("z", False),
        ("$f1", True),
        ("$f", False),
        ("f1", True),
        ("examples", True),
        ("ample", False),
    ],
)
def test_a_text_is_mentioned_as_a_value_or_as_a_whole_word(text, mentioned) -> None:
    def take(a: Annotated[Literal["x", "y"], Field(description="Such as $f1; see examples.")]) -> None:
        """Take."""

    assert Parameters("take", take).mentions("a", text) is mentioned
    assert not Parameters("take", take).mentions("b", text)


# -- rewriting -------------------------------------------------------------------------------------------------------


TEXT, NUMBER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}


def of(**properties):
    return {"type": "object", "properties": properties, "additionalProperties": False}


REWRITTEN = {
    "nothing": {},
    "no properties": {"type": "object"},
    "no free keys": {"type": "object", "additionalProperties": False},
    "free keys": {"type": "object", "properties": {}, "additionalProperties": True},
    "free keys of a kind": {"type": "object", "additionalProperties": NUMBER},
    "keys not spoken of": {"type": "object", "properties": {"a": NUMBER}},
    "by pattern": {"type": "object", "patternProperties": {"^a": NUMBER}},
    "required": {**of(a=NUMBER, b=TEXT), "required": ["b"]},
    "described": of(a={**NUMBER, "description": "How many.", "default": 0, "title": "A", "examples": [1]}),
    "one of": of(a={"oneOf": [NUMBER, TEXT], "discriminator": {"propertyName": "k"}}),
    "any of": of(a={"anyOf": [NUMBER, NULL], "default": None}),
    "any of that takes any text": of(a={"anyOf": [NUMBER, TEXT]}),
    "any of with more": of(a={"anyOf": [NUMBER, NULL], "minimum": 1}),
    "all of": of(a={"allOf": [{"$ref": "#/$defs/N"}]}) | {"$defs": {"N": NUMBER}},
    "items": of(a={"type": "array", "items": NUMBER, "minItems": 1, "uniqueItems": True}),
    "items of any kind": of(a={"type": "array"}),
    "items in order": of(a={"type": "array", "prefixItems": [NUMBER, TEXT, NUMBER], "minItems": 3}),
    "items of one kind in order": of(a={"type": "array", "prefixItems": [NUMBER, NUMBER]}),
    "format": of(a={**TEXT, "format": "date"}, b={**TEXT, "format": "binary"}),
    "texts with limits": of(
        a={**TEXT, "minLength": 1}, b={**TEXT, "pattern": "^a"}, c={**TEXT, "enum": ["a"]}, d={"const": "a"}
    ),
    "a reference": of(a={"type": "string", "pattern": r"^\$f\d+"}),
    "true": of(a=True),
    "only described": of(a={"description": "Anything."}),
}


def test_schemas_that_are_rewritten_for_models(expected) -> None:
    expected("rewritten.txt", sections((name, on_one_line(widened(schema))) for name, schema in REWRITTEN.items()))


def test_rewriting_a_schema_leaves_the_original_unchanged() -> None:
    for schema in REWRITTEN.values():
        before = json.dumps(schema)
        widened(schema)
        assert json.dumps(schema) == before


ROOT = {"$defs": {"N": {"type": ["null"], "enum": [None, 1]}, "O": of(a=NUMBER)}}


@pytest.mark.parametrize(
    ("schema", "value", "left"),
    [
        (of(a=NUMBER), {"a": None}, {}),
        (of(a=NUMBER), {"b": None}, {"b": None}),
        (of(a=NUMBER), {"a": 0}, {"a": 0}),
        (of(a=NULL), {"a": None}, {"a": None}),
        (of(a={}), {"a": None}, {"a": None}),
        (of(a={"description": "Anything."}), {"a": None}, {"a": None}),
        (of(a={"anyOf": [NUMBER, NULL]}), {"a": None}, {"a": None}),
        (of(a={"oneOf": [NUMBER, NULL]}), {"a": None}, {"a": None}),
        (of(a={"anyOf": [NUMBER, TEXT]}), {"a": None}, {}),
        (of(a={"enum": [1, None]}), {"a": None}, {"a": None}),
        (of(a={"enum": [1]}), {"a": None}, {}),
        (of(a={"const": None}), {"a": None}, {"a": None}),
        (of(a={"const": 1}), {"a": None}, {}),
        (of(a={"$ref": "#/$defs/N"}), {"a": None}, {"a": None}),
        (of(a={"$ref": "#/$defs/O"}), {"a": {"a": None}}, {"a": {}}),
        (of(a={"anyOf": [{"$ref": "#/$defs/O"}, NULL]}), {"a": {"a": None}}, {"a": {}}),
        (of(a={"anyOf": [{"$ref": "#/$defs/O"}, TEXT]}), {"a": {"a": None}}, {"a": {}}),
        ({**of(a=NUMBER), "required": ["a"]}, {"a": None}, {"a": None}),
        ({"type": "array", "items": of(a=NUMBER)}, [{"a": None}, None], [{}, None]),
        ({"type": "array"}, [{"a": None}], [{"a": None}]),
        (of(a=NUMBER), ({"a": None},), ({"a": None},)),
        (True, {"a": None}, {"a": None}),
    ],
    ids=str,
)
def test_a_null_that_means_a_missing_argument_is_left_out(schema, value, left) -> None:
    assert OptionalNulls(ROOT).without(value, schema) == left


@pytest.mark.parametrize(
    ("schema", "may"),
    [
        (NUMBER, False),
        (of(a=NUMBER), True),
        ({"$ref": "#/$defs/O"}, True),
        ({"type": "array", "items": of(a=NUMBER)}, True),
        ({"anyOf": [NUMBER, of(a=NUMBER)]}, True),
        ({"anyOf": [NUMBER, NULL]}, False),
        (True, False),
    ],
    ids=str,
)
def test_nulls_may_be_inside_anything_with_properties(schema, may) -> None:
    assert OptionalNulls(ROOT).may_be_inside(schema) is may
