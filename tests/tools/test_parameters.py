"""What a parameter declares besides its type, and how arguments reach the function."""

import dataclasses
import math
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from asyncfc_jupyter import ToolContext
from asyncfc_jupyter.errors import ArgumentMismatch
from asyncfc_jupyter.tools.definition import make_tool


def called(tool, arguments, context=None):
    """The result of the function for arguments from a model."""
    bound = tool.parameters_of.bind(arguments, context)
    return tool.function(*bound.args, **bound.kwargs)


def book(  # noqa: PLR0917
    city: str,
    nights: Annotated[int, "any"] = Field(5, ge=1, description="How long"),
    guests: int = Field(description="How many", ge=1),
    tags: list[str] = Field(default_factory=lambda: ["new"], description="What for"),  # noqa: B008
    price: float = Field(default=math.inf),
    note: str | None = Field(None),
    context: ToolContext = None,
) -> tuple:
    """Book a room.

    Args:
        city: Where.
        nights: Not read, since the parameter says it itself.
        price: At most.
    """
    return city, nights, guests, tags, price, note, context


def test_a_field_as_a_default_describes_and_limits_its_parameter() -> None:
    made = make_tool(book)
    assert made.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where."},
            "nights": {"type": "integer", "minimum": 1, "default": 5, "description": "How long"},
            "guests": {"type": "integer", "minimum": 1, "description": "How many"},
            "tags": {"type": "array", "items": {"type": "string"}, "description": "What for"},
            "price": {"type": "number", "description": "At most."},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "required": ["city", "guests"],
        "additionalProperties": False,
    }
    assert made.signature == (
        "book(city: str, nights: int = 5, *, guests: int, tags: list[str] = ..., price: float = inf, note: str | None = None)"
        " -> tuple"
    )
    for arguments, problem in (
        ({"city": "Ulm"}, "'guests' is missing"),
        ({"city": "Ulm", "guests": 0}, "'guests': input should be greater than or equal to 1"),
        ({"city": "Ulm", "guests": 1, "nights": 0}, "'nights': input should be greater than or equal to 1"),
    ):
        with pytest.raises(ArgumentMismatch, match=problem):
            made.parameters_of.bind(arguments)


def test_a_field_as_a_default_gives_the_default_and_a_factory_a_new_one() -> None:
    """The factory gives a new one for each call."""
    made = make_tool(book)
    context = ToolContext()
    first, second = (called(made, {"city": "Ulm", "guests": 2, "nights": None}, context) for _ in range(2))
    assert first == second == ("Ulm", 5, 2, ["new"], math.inf, None, context)
    assert first[3] is not second[3]
    assert called(made, {"city": "Ulm", "guests": "3", "nights": 1, "tags": [], "price": 2})[1:5] == (1, 3, [], 2)


def test_a_default_in_a_field_names_a_place_and_a_factory_names_none() -> None:
    made = make_tool(book, writes=["n/{nights}", "t/{tags}"])
    assert made.parameters_of.defaults == {"nights": 5, "price": math.inf, "note": None}
    assert made.parameters_of.canonical({"nights": "5", "guests": 0}) == {"nights": 5, "guests": 0}


def test_an_annotation_describes_a_parameter_with_or_without_a_docstring() -> None:
    def wait(seconds: Annotated[int, Field(description="How long")], times: Annotated[int, Field(le=9)] = 1) -> None:
        """Wait.

        Args:
            times: How often.
        """

    properties = make_tool(wait).parameters["properties"]
    assert properties["seconds"] == {"type": "integer", "description": "How long"}
    assert properties["times"] == {"type": "integer", "maximum": 9, "default": 1, "description": "How often."}


class Offer(BaseModel):
    price: float = math.inf
    held: object = dataclasses.field


def test_the_schema_of_a_model_omits_a_default_without_a_json_form() -> None:
    def buy(offer: Offer) -> float:
        """Buy."""
        return offer.price

    made = make_tool(buy)
    assert made.parameters["$defs"]["Offer"]["properties"] == {"price": {"type": "number"}, "held": {}}
    assert called(made, {"offer": {}}) == math.inf


def test_a_value_that_cannot_be_compared_is_bound_as_it_is() -> None:
    class Table:
        def __eq__(self, other):
            raise ValueError("the truth of a table is ambiguous")

        __hash__ = None

    def show(table: Table, rows: int = 5) -> None:
        """Show."""

    table = Table()
    assert make_tool(show).parameters_of.bind({"table": table, "rows": None}).arguments["table"] is table


class Round(BaseModel):
    kind: Literal["round"]
    radius: float


class Square(BaseModel, extra="forbid"):
    kind: Literal["square"]
    side: float


@pytest.mark.parametrize(
    ("hint", "sent", "problem"),
    [
        (Square, {"kind": "square", "side": 1, "colour": "red"}, "there is no field 'x.colour'."),
        (Round | Square, {"kind": "round"}, "'x.radius' as Round is missing"),
        (list[Round | int], [1, {"kind": "round", "radius": "wide"}], "'x.1.radius' as Round: input should be"),
        (
            Annotated[Round | Square, Field(discriminator="kind")],
            {"kind": "round", "radius": []},
            "'x.radius' as round: ",
        ),
        (
            int | list[int],
            {"a": 1},
            "'x' as int: input should be a valid integer, not an object; 'x' as list[int]: input",
        ),
        (
            Annotated[Round | Square, Field(discriminator="kind")],
            {"kind": "flat"},
            "'x': input tag 'flat' found using 'kind' does not match any of the expected tags: 'round', 'square'.",
        ),
        (dict[str, int], {"a": [1]}, "'x.a': input should be a valid integer, not a list"),
    ],
    ids=["a field", "a missing one", "in a list", "by a tag", "alternatives", "no such tag", "a value"],
)
def test_a_problem_says_where_as_what_and_what_was_seen(hint, sent, problem) -> None:
    def look(x) -> None:
        """Look."""

    look.__annotations__ = {"x": hint}
    with pytest.raises(ArgumentMismatch) as refused:
        make_tool(look).parameters_of.bind({"x": sent})
    assert problem in str(refused.value)
