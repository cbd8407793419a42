"""Schemas: from every kind of annotation and docstring, and widened for references."""

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import json
import math
import pathlib
import uuid
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType, TypedDict

from asyncfc_jupyter.errors import ArgumentMismatch
from asyncfc_jupyter.tools.definition import make_tool


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Address(BaseModel):
    street: str
    number: int = 7


class Tree(BaseModel):
    name: str
    weight: float
    children: list["Tree"] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


@dataclasses.dataclass
class Order:
    order_id: int
    lines: list[Address] = dataclasses.field(default_factory=list)


class Movie(TypedDict):
    year: int


class Point(NamedTuple):
    x: int
    y: int


Ids = TypeAliasType("Ids", list[int])
Animal = Annotated[Cat | Dog, Field(discriminator="kind")]

#: Annotations, each with a value that fits as JSON and one that does not.
KINDS = [
    (int, 3, "soon"),
    (float, 2.5, "much"),
    (bool, True, "maybe"),
    (str, "x", 3),
    (Literal["a", 2], "a", "b"),
    (Colour, "red", "green"),
    (Level, 1, 9),
    (Optional[int], None, "x"),  # noqa: UP045 - every spelling
    (Union[int, list[int]], [1], "x"),  # noqa: UP007 - every spelling
    (int | None, 3, "x"),
    (Address, {"street": "s", "number": 1}, {"street": "s", "number": "x"}),
    (Order, {"order_id": 1, "lines": [{"street": "s", "number": 2}]}, {"order_id": "x"}),
    (Movie, {"year": 1999}, {"year": "x"}),
    (Point, [1, 2], [1, "x"]),
    (Annotated[int, Field(ge=1, le=5)], 3, 9),
    (Annotated[str, Field(min_length=5)], "hello", "hi"),
    (dt.datetime, "2026-05-14T10:00:00Z", [1]),
    (decimal.Decimal, "2.5", [1]),
    (uuid.UUID, str(uuid.UUID(int=5)), 3),
    (pathlib.Path, "a/b", 3),
    (list[int], [1, 2], ["x"]),
    (dict[str, int], {"a": 1}, {"a": "x"}),
    (tuple[int, str], [1, "a"], ["x", "a"]),
    (tuple[int, ...], [1, 2], ["x"]),
    (set[int], [1, 2], ["x"]),
    (Tree, {"name": "a", "weight": 1.0, "children": [{"name": "b", "weight": 2.0}]}, {"name": "a", "weight": "x"}),
    (Animal, {"kind": "dog", "tricks": ["sit"]}, {"kind": "cow"}),
    (list[Animal], [{"kind": "cat", "lives": 9}], [{"kind": "cat", "lives": "x"}]),
    (Ids, [1], ["x"]),
    (dict[str, list[Address | None]], {"a": [None]}, {"a": [3]}),
]


def tool_of(hint, **options):
    def function(x: hint) -> None:
        """Do."""

    return make_tool(function, **options)


def parameters(hint, **options):
    return tool_of(hint).definition(**{"references": True, **options})["function"]["parameters"]


def accepts(schema, x):
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema).is_valid({"x": x})


@pytest.mark.parametrize(("hint", "fits", "wrong"), KINDS, ids=lambda value: str(value)[:30])
def test_each_annotation_makes_a_valid_schema_that_accepts_only_what_fits(hint, fits, wrong) -> None:
    for references in (False, True):
        schema = parameters(hint, references=references)
        assert accepts(schema, fits)
        assert not accepts(schema, wrong)
        json.dumps(schema, allow_nan=False)
    tool_of(hint).parameters_of.bind({"x": fits})
    with pytest.raises(ArgumentMismatch, match="'x"):
        tool_of(hint).parameters_of.bind({"x": wrong})


def with_references(value):
    """The value with each part that is not a text replaced by a reference, one at a time."""
    yield "$f1.a"
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], each, *value[index + 1 :]] for each in with_references(item))
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: each} for each in with_references(item))


@pytest.mark.parametrize(("hint", "fits", "wrong"), KINDS, ids=lambda value: str(value)[:30])
def test_a_reference_may_stand_for_any_part_of_a_value_at_any_depth(hint, fits, wrong) -> None:
    schema = parameters(hint)
    for value in with_references(fits):
        assert accepts(schema, value), value
    assert not accepts(schema, "f1") or isinstance(fits, str)  # a format is an annotation, not a check


def stripped(value):
    """Whether a value contains no reference."""
    if isinstance(value, str):
        return not value.startswith("$f")
    if isinstance(value, list):
        return all(map(stripped, value))
    return all(map(stripped, value.values())) if isinstance(value, dict) else True


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10)
    | st.floats(-9, 9)
    | st.sampled_from(["a", "red", "cat", "dog", "s"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["street", "number", "kind", "lives", "tricks", "year", "name", "weight", "children", "a"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from(KINDS), JSON)
def test_without_references_widened_and_original_schema_accept_the_same(kind, value) -> None:
    original, widened = _schemas(KINDS.index(kind))
    assert original.is_valid({"x": value}) == widened.is_valid({"x": value})


@functools.cache
def _schemas(index):
    hint = KINDS[index][0]
    return tuple(Draft202012Validator(parameters(hint, references=each)) for each in (False, True))


@pytest.mark.parametrize(
    ("arguments", "bound"),
    [
        ({"to": {"street": "s"}, "times": None}, {"to": Address(street="s")}),
        ({"to": {"street": "s", "number": None}, "times": 2}, {"to": Address(street="s"), "times": 2}),
    ],
    ids=["on top alone", "further in alone"],
)
def test_a_null_for_a_missing_argument_is_found_at_any_depth(arguments, bound) -> None:
    def send(to: Address, times: int = 3) -> None:
        """Send."""

    assert make_tool(send).parameters_of.bind(arguments).arguments == bound


def test_a_null_for_a_missing_argument_is_found_without_objects_too() -> None:
    def wait(times: int = 3, names: list[str] | None = None) -> None:
        """Wait."""

    bind = make_tool(wait).parameters_of.bind
    assert bind({"times": None, "names": None}).arguments == {"names": None}
    assert bind({"times": None, "names": ["a"]}).arguments == {"names": ["a"]}


def test_null_means_a_missing_argument_at_every_depth() -> None:
    def send(to: Address, others: list[Address], times: int = 3, tag: str | None = "x") -> None:
        """Send."""

    made = make_tool(send)
    sent = {
        "to": {"street": "s", "number": None},
        "others": [{"street": "t", "number": None}],
        "times": None,
        "tag": None,
    }
    bound = made.parameters_of.bind(sent).arguments
    assert bound == {"to": Address(street="s"), "others": [Address(street="t")], "tag": None}
    with pytest.raises(ArgumentMismatch, match=r"'to.street'"):
        made.parameters_of.bind({"to": {"street": None}, "others": []})


GOOGLE = """Find flights.

Args:
    city: Where to.
    nights: How long.
"""
NUMPY = """Find flights.

Parameters
----------
city : str
    Where to.
nights : int
    How long.
"""
SPHINX = """Find flights.

:param city: Where to.
:param nights: How long.
"""


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX])
def test_docstrings_of_every_style_describe_the_parameters(text) -> None:
    def find(city: str, nights: int = 3) -> None: ...

    find.__doc__ = text
    made = make_tool(find)
    assert made.description == "Find flights."
    assert [each["description"] for each in made.parameters["properties"].values()] == ["Where to.", "How long."]


@pytest.mark.parametrize("default", [math.inf, math.nan, object(), make_tool])
def test_the_schema_omits_a_default_without_a_json_form(default) -> None:
    """The default is kept for the call."""

    def do(x: Any = default) -> None:
        """Do."""

    made = make_tool(do)
    assert "default" not in made.parameters["properties"]["x"]
    assert made.parameters_of.defaults["x"] is default


def test_what_a_parameter_lists_or_mentions_is_known_at_any_depth() -> None:
    def do(x: list[Literal["f1", "f2"]], y: Colour, z: str = "pending", free: str = "") -> None:
        """Do.

        Args:
            x: One of the two.
            free: May be f9, but not "f10".
        """

    mentions = make_tool(do).parameters_of.mentions
    assert mentions("x", "f1")
    assert mentions("y", "red")
    assert mentions("z", "pending")
    assert mentions("free", "f9")
    assert not mentions("free", "f1")
    assert not mentions("y", "f1")
    assert not mentions("unknown", "f1")


def test_an_error_on_a_nested_field_names_it() -> None:
    with pytest.raises(ArgumentMismatch, match=r"'x.lines.0.number': input should be a valid integer"):
        tool_of(Order).parameters_of.bind({"x": {"order_id": 1, "lines": [{"street": "s", "number": "soon"}]}})
