"""Schemas rewritten for models and for strict servers: the rules, one by one."""

import functools
from typing import Literal

import pytest
from pydantic import BaseModel

from asyncfc_jupyter.core.errors import ArgumentMismatch
from asyncfc_jupyter.runtime.tools import make_tool
from asyncfc_jupyter.runtime.widening import REFERENCE_SCHEMA, strict, widened, without_nulls

KINDS = {
    "oneOf": [{"type": "integer"}, {"type": "boolean"}],
    "discriminator": {"propertyName": "kind"},
}


def of(schema, required=("x",)):
    return {"type": "object", "properties": {"x": schema}, "required": list(required), "additionalProperties": False}


def strictly(schema, required=("x",)):
    return strict(of(schema, required))["properties"]["x"]


def test_alternatives_of_which_just_one_may_fit_become_alternatives() -> None:
    changed = widened(of(KINDS))["properties"]["x"]
    assert changed == {"anyOf": [*KINDS["oneOf"], dict(REFERENCE_SCHEMA)]}


@pytest.mark.parametrize("default", [0, False, "", 7])
def test_strict_mode_tells_every_default_but_null(default) -> None:
    assert strictly({"type": "integer", "default": default}, ())["description"] == f"Default: {default!r}."
    assert "description" not in strictly({"type": "integer", "default": None}, ())


def test_strict_mode_adds_null_once() -> None:
    null = {"type": "null"}
    assert strictly({"anyOf": [{"type": "integer"}, null]}, ()) == {"anyOf": [{"type": "integer"}, null]}
    assert strictly({"type": "integer"}, ()) == {"anyOf": [{"type": "integer"}, null]}


def test_strict_mode_leaves_out_formats_that_it_does_not_know() -> None:
    assert strictly({"type": "string", "format": "path"}) == {"type": "string"}
    assert strictly({"type": "string", "format": "date"}) == {"type": "string", "format": "date"}


def test_null_means_not_given_only_where_it_is_no_value() -> None:
    """The parameter must also be one that may be left out."""
    for schema, required in (
        ({"type": "integer"}, ("x",)),
        ({"enum": [None, "a"]}, ()),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, ()),
        ({}, ()),
    ):
        root = of(schema, required)
        assert without_nulls({"x": None}, root, root) == {"x": None}
    root = of({"type": "integer"}, ())
    assert without_nulls({"x": None}, root, root) == {}


def choose(mode: Literal["fast", None] = "fast", count: int = 1) -> str:
    """Choose a mode."""
    return f"{mode} {count}"


def test_a_partial_is_described_by_the_function_it_wraps() -> None:
    tool = make_tool(functools.partial(choose, count=2), name="choose", pure=True)
    assert tool.description == "Choose a mode."
    bound = tool.parameters_of.bind({"mode": None})
    assert tool.function(*bound.args, **bound.kwargs) == "None 2"


class Node(BaseModel):
    """A node of a tree."""

    label: Literal["pending", "done"] = "done"
    inside: "list[Node]" = []


def test_what_a_recursive_type_lists_is_found_and_the_search_ends() -> None:
    def plant(tree: Node) -> str:
        """Plant a tree."""
        return tree.label

    parameters = make_tool(plant, pure=True).parameters_of
    assert parameters.mentions("tree", "pending")
    assert not parameters.mentions("tree", "f1")


def test_of_many_problems_the_first_five_are_named_and_the_rest_is_counted() -> None:
    with pytest.raises(ArgumentMismatch, match="and 2 more") as caught:
        make_tool(choose, pure=True).parameters_of.bind(dict.fromkeys("abcdefg", 1))
    assert str(caught.value).count("there is no parameter") == 5


def test_an_argument_that_does_not_fit_names_its_place_unchanged() -> None:
    assert make_tool(choose, pure=True).parameters_of.canonical({"count": "soon"}) == {"count": "soon"}
    assert make_tool(choose, pure=True).parameters_of.canonical({"count": "7"}) == {"count": 7}
