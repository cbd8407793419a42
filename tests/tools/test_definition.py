"""Tools: what can be one, the schema that a model sees, and the check of its arguments."""

import enum
import functools
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypedDict

import pytest
from pydantic import BaseModel, Field

from asyncfc_jupyter.core.references import REFERENCE_SCHEMA
from asyncfc_jupyter.errors import ArgumentMismatch, ToolDefinitionError
from asyncfc_jupyter.tools.definition import as_tool, as_tools, make_tool, tool
from asyncfc_jupyter.tools.registry import ToolRegistry


class Colour(enum.Enum):
    RED = "red"


class Address(BaseModel):
    street: str
    number: int


class Frame:
    """Stands for a DataFrame, which pydantic does not know."""


def search(city: str, max_price: float = 500, tags: list[str] | None = None) -> list[dict]:
    """Find flights to a city.

    Args:
        city: Destination, as an IATA code.
        max_price: Upper limit in euros.
        tags: What to look for.
    """


def test_the_schema_comes_from_annotations_defaults_and_docstring() -> None:
    made = make_tool(search)
    assert made.description == "Find flights to a city."
    properties = made.parameters["properties"]
    assert properties["city"] == {"type": "string", "description": "Destination, as an IATA code."}
    assert properties["max_price"]["default"] == 500
    assert made.parameters["required"] == ["city"]
    assert made.parameters["additionalProperties"] is False


def widened(hint):
    def function(x: hint) -> None:
        """Do."""

    return make_tool(function).definition(references=True)["function"]["parameters"]


def test_a_reference_is_accepted_wherever_a_value_is_not_already_text() -> None:
    assert REFERENCE_SCHEMA in widened(int)["properties"]["x"]["anyOf"]
    assert REFERENCE_SCHEMA in widened(Literal["a", "b"])["properties"]["x"]["anyOf"]
    assert "anyOf" not in widened(str)["properties"]["x"]
    assert "anyOf" not in widened(Any)["properties"]["x"]
    assert REFERENCE_SCHEMA not in widened(str | None)["properties"]["x"]["anyOf"]
    items = widened(list[int])["properties"]["x"]["anyOf"][0]["items"]
    assert REFERENCE_SCHEMA in items["anyOf"]
    address = widened(Address)["$defs"]["Address"]["properties"]
    assert REFERENCE_SCHEMA in address["number"]["anyOf"]
    assert address["street"]["type"] == "string"


def test_the_schema_of_the_plain_modes_is_not_widened() -> None:
    def double(x: int) -> int:
        """Double."""

    assert (
        make_tool(double).definition(references=False)["function"]["parameters"]["properties"]["x"]["type"] == "integer"
    )


def test_a_type_without_a_json_form_takes_only_a_reference() -> None:
    """The object of the reference passes unchanged."""

    def describe(frame: Frame) -> str:
        """Describe."""

    made = make_tool(describe)
    assert made.parameters["properties"]["frame"]["pattern"] == REFERENCE_SCHEMA["pattern"]
    frame = Frame()
    assert made.parameters_of.bind({"frame": frame}).arguments["frame"] is frame
    with pytest.raises(ArgumentMismatch, match="'frame'"):
        made.parameters_of.bind({"frame": "text"})


def test_a_signature_reads_the_same_with_types_written_as_strings() -> None:
    def strings(city: "str", price: "float | None" = None) -> "list[int]":
        """Look."""

    def types(city: str, price: float | None = None) -> list[int]:
        """Look."""

    assert make_tool(strings).signature == make_tool(types).signature.replace("types", "strings")
    assert make_tool(strings).signature == "strings(city: str, price: float | None = None) -> list[int]"


def test_arguments_take_the_types_of_the_signature() -> None:
    def send(to: Address, colour: Colour, times: Annotated[int, Field(ge=1)] = 1) -> None:
        """Send."""

    bound = make_tool(send).parameters_of.bind({"to": {"street": "x", "number": "3"}, "colour": "red"}).arguments
    assert bound == {"to": Address(street="x", number=3), "colour": Colour.RED}
    with pytest.raises(ArgumentMismatch, match="send cannot take these arguments: 'times': input should be greater"):
        make_tool(send).parameters_of.bind({"to": {"street": "x", "number": 3}, "colour": "red", "times": 0})


@pytest.mark.parametrize("name", ["schema", "copy", "json", "model_config", "self_", "class_name"])
def test_a_parameter_may_have_any_name(name) -> None:
    namespace = {}
    exec(f"def f({name}: int) -> int:\n    'Do.'\n    return {name}", namespace)
    assert make_tool(namespace["f"]).parameters_of.bind({name: 1}).arguments == {name: 1}


def test_positional_only_and_keyword_only_parameters_get_their_values() -> None:
    def mixed(a: int, /, b: int, *, c: int = 3) -> tuple:
        """Mix."""
        return a, b, c

    bound = make_tool(mixed).parameters_of.bind({"a": 1, "b": 2})
    assert mixed(*bound.args, **bound.kwargs) == (1, 2, 3)


class Loose(TypedDict):
    a: int


def typed(x: Loose) -> None:
    """Do."""


def generating(x: int) -> Iterator[int]:
    """Do."""
    yield x


class Desk:
    def book(self, x: int) -> None:
        """Do."""


def bare(x):
    """Do."""


def silent(x: int) -> None:
    pass


def variadic(*xs: int) -> None:
    """Do."""


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (
            bare,
            {},
            "'x' has no annotation, so a model cannot know what to pass; write its type, such as `x: str`.",
        ),
        (generating, {}, "it is a generator, and a result is one value; return a list"),
        (Desk.book, {}, "it is a method without its object; pass the bound method"),
        (silent, {}, "tool 'silent': it has no docstring"),
        (variadic, {}, r"tool 'variadic': \*xs cannot be described"),
        (
            search,
            {"reads": "flights/{town}"},
            "names 'town', which is not a parameter; use one of: city, max_price, tags",
        ),
        (search, {"reads": "a//b"}, "empty segment"),
        (search, {"pure": True, "writes": "x"}, "both pure and with effects"),
        (search, {"timeout_s": 0}, "timeout_s is 0"),
        (search, {"name": "await_future"}, "the name is the layer's own"),
        (search, {"name": "find it"}, "the name is not one the protocol allows"),
    ],
)
def test_an_object_that_cannot_be_a_tool_is_refused_with_the_remedy(function, options, message) -> None:
    with pytest.raises(ToolDefinitionError, match=message):
        make_tool(function, **options)


def test_a_marked_function_is_the_same_function() -> None:
    @tool(pure=True)
    def double(x: int) -> int:
        """Double."""
        return 2 * x

    assert double(4) == 8
    assert as_tool(double).effects.declared
    assert not as_tool(search).effects.declared


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ToolDefinitionError, match="two tools have this name"):
        as_tools([search, make_tool(search)])


def test_a_registry_replaces_what_the_same_place_defined_before() -> None:
    registry = ToolRegistry()
    registry.replace("cell 1", [make_tool(search), make_tool(search, name="other")])
    registry.replace("cell 2", [make_tool(search, name="third")])
    registry.replace("cell 1", [make_tool(search, name="renamed")])
    assert [each.name for each in registry.tools()] == ["third", "renamed"]
    newer = make_tool(search, name="third")
    registry.replace("cell 3", [newer])
    assert registry.by_name()["third"] is newer
    assert "search" not in registry.by_name()


def test_a_typed_dict_is_a_tools_parameter_or_its_refusal_is_one_line() -> None:
    if sys.version_info >= (3, 12):
        assert make_tool(typed).parameters_of.bind({"x": {"a": "1"}}).arguments == {"x": {"a": 1}}
    else:  # pydantic requires the one of typing_extensions there, in an error
        with pytest.raises(ToolDefinitionError, match="typing_extensions"):
            make_tool(typed)


def test_a_wrapper_around_a_marked_function_is_what_is_called() -> None:
    @tool(writes="x", timeout_s=5)
    def five() -> int:
        """Give five."""
        return 5

    @functools.wraps(five)
    def doubled() -> int:
        return 2 * five()

    made = as_tool(doubled)
    assert made.function() == 10
    assert (made.effects.declared, made.timeout_s) == (True, 5)


def test_a_bound_method_is_a_tool_under_its_own_name() -> None:
    assert make_tool(Desk().book).name == "book"
    assert make_tool(functools.partial(search, max_price=3)).name == "search"


def test_an_error_on_an_argument_shows_the_value() -> None:
    def double(x: int) -> int:
        """Double."""

    with pytest.raises(ArgumentMismatch, match="not 'soon'"):
        make_tool(double).parameters_of.bind({"x": "soon"})
