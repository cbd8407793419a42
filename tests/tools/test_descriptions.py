"""Texts beside types: in `Annotated`, in a `Field`, in the docstring of a class; and which of them counts."""

import dataclasses
import json
from typing import Annotated, Any, Literal, NotRequired

import pytest
from annotated_types import doc
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import Doc, TypeAliasType, TypedDict

from asyncfc_jupyter.tools.definition import make_tool

City = Annotated[str, "A city, as a code."]
Alias = TypeAliasType("Alias", Annotated[str, "Said by the alias."])


def schema_of(hint: Any, default: Any = ..., docstring: str = "") -> dict[str, Any]:
    """The schema of a parameter of this type."""

    def look(x): ...

    look.__doc__ = f"Look.\n\nArgs:\n    x: {docstring}" if docstring else "Look."
    look.__annotations__ = {"x": hint}
    look.__defaults__ = None if default is ... else (default,)
    return make_tool(look).parameters["properties"]["x"]


#: From the one that counts most: a text that each place says.
BY_PRIORITY = (
    ("a Field in place of the default", lambda hint: (hint, Field("a", description="1"))),
    ("a Field in Annotated", lambda hint: (Annotated[hint, Field(description="2")], "a")),
    ("a text in Annotated", lambda hint: (Annotated[hint, "3"], "a")),
    ("the docstring", lambda hint: (hint, "a")),
)


@pytest.mark.parametrize("first", range(3))
@pytest.mark.parametrize("optional", [False, True])
def test_of_several_descriptions_the_one_nearest_to_the_type_counts(first, optional) -> None:
    hint, default = str, "a"
    for _, place in reversed(BY_PRIORITY[first:]):
        hint, made = place(hint)
        default = default if made == "a" else made
    schema = schema_of(hint | None if optional else hint, default, docstring="4")
    assert schema["description"] == str(first + 1)
    assert str(schema).count("description") == 1


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (City, "A city, as a code."),
        (Annotated[City, "Where to."], "A city, as a code.\nWhere to."),
        (Annotated[str, Doc("Said by Doc.")], "Said by Doc."),
        (Annotated[str, doc("Said by doc.")], "Said by doc."),
        (Annotated[str, Field(max_length=9), "Beside a limit."], "Beside a limit."),
        (Annotated[str | None, "Of both."], "Of both."),
        (City | None, "A city, as a code."),
        (Alias, "Said by the alias."),
        (Annotated[Literal["a", "b"], "One of two."], "One of two."),
        (Annotated["str", "\n    Over\n    lines.\n    "], "Over\nlines."),
        (Annotated[str, " ", 5, object()], None),
        ("Annotated[int, 'Written as a string.']", "Written as a string."),
    ],
)
def test_a_text_in_annotated_describes_its_parameter(hint, text) -> None:
    assert schema_of(hint).get("description") == text
    assert schema_of(hint, docstring="By the docstring.")["description"] == (text or "By the docstring.")


def test_a_text_on_the_items_of_a_container_is_with_the_items() -> None:
    assert schema_of(list[City])["items"] == {"type": "string", "description": "A city, as a code."}
    assert schema_of(dict[str, Annotated[int, "Euros."]])["additionalProperties"]["description"] == "Euros."
    assert schema_of(tuple[City, int])["prefixItems"][0]["description"] == "A city, as a code."
    assert schema_of(int | City)["anyOf"][1]["description"] == "A city, as a code."


class Base(BaseModel):
    """Anything with a street.

    Attributes:
        street: Said by the class above.
        number: Not this one.
    """

    street: str


class Address(Base):
    """Where somebody lives.

    Attributes:
        number: Of the house.

    Written as on an envelope.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)
    number: int
    code: Annotated[str, "Of the post."] = Field("1000", alias="postal code")
    names: list[Annotated[str, "One name."]] = []
    floor: int = 0
    """Said below."""
    stairs: Annotated[int, "Not this."] = Field(0, description="By the field.")


@dataclasses.dataclass
class Room:
    """A room.

    :param beds: How many.
    """

    beds: int


class Meal(TypedDict):
    """A meal."""

    at: NotRequired[Annotated[str, "When."]]


@dataclasses.dataclass
class Only:
    """
    Args:
        beds: How many.
    """

    beds: int


def test_a_class_describes_its_fields_and_itself_by_its_docstring() -> None:
    def book(address: Address, room: Room, meal: Meal, only: Only) -> None:
        """Book."""

    definitions = make_tool(book).parameters["$defs"]
    texts = {name: each.get("description") for name, each in definitions["Address"]["properties"].items()}
    assert texts == {
        "street": "Said by the class above.",
        "number": "Of the house.",
        "postal code": "Of the post.",
        "names": None,
        "floor": "Said below.",
        "stairs": "By the field.",
    }
    assert definitions["Address"]["properties"]["names"]["items"]["description"] == "One name."
    assert definitions["Address"]["description"] == "Where somebody lives.\n\nWritten as on an envelope."
    assert (definitions["Room"]["description"], definitions["Room"]["properties"]["beds"]["description"]) == (
        "A room.",
        "How many.",
    )
    assert definitions["Meal"]["properties"]["at"]["description"] == "When."
    assert "description" not in definitions["Only"]
    assert definitions["Only"]["properties"]["beds"]["description"] == "How many."


def test_a_text_on_the_result_is_part_of_the_description() -> None:
    def quote(sku: str) -> Annotated[dict[str, float], "With the key total."]:
        """Make a quote."""

    assert make_tool(quote).description == "Make a quote.\n\nReturns: With the key total."


def test_a_signature_shows_types_and_defaults_by_their_names() -> None:
    def find(
        city: City,
        *,
        seat: Literal["window", "aisle"] = "aisle",
        address: Annotated[Address | None, Field(description="Where.")] = None,
        made: Any = Room(beds=2),  # noqa: B008
        rows: list[int] = [1] * 99,
        kind: type = Room,
    ) -> Annotated[Room, "A room."]:
        """Find."""

    assert make_tool(find).signature == (
        "find(city: str, *, seat: Literal['window', 'aisle'] = 'aisle', address: Address | None = None, made: Any = <Room>, "
        "rows: list[int] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1…, kind: type = Room) -> Room"
    )


def test_a_text_that_a_request_cannot_hold_is_replaced() -> None:
    """A file's name that is not UTF-8 holds half a surrogate pair."""

    def find(city: Annotated[str, "a \ud800 b"]) -> Annotated[int, "c \ud800 d"]: ...

    find.__doc__ = "Find \ud800 it."  # Python 3.13 compiles no such docstring
    for references in (False, True):
        function = make_tool(find, extra={"hint": "e \ud800 f"}).definition(references=references)["function"]
        text = json.dumps(function, ensure_ascii=False).encode().decode()
        for left in ("Find ? it.", "a ? b", "c ? d", "e ? f"):
            assert left in text
