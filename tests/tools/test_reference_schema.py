"""Schemas that accept references, and nulls that mean a missing argument: the rules, one by one."""

import functools
import json
import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from asyncfc_jupyter.core import protocol
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.references import REFERENCE_SCHEMA, Field, Item, Reference, parse_reference
from asyncfc_jupyter.errors import ArgumentMismatch
from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.tools.nulls import OptionalNulls
from asyncfc_jupyter.tools.reference_schema import widened
from tests.tools.kinds import KINDS as KINDS_OF_PARAMETERS
from tests.tools.kinds import tool_of_all_kinds

KINDS = {
    "oneOf": [{"type": "integer"}, {"type": "boolean"}],
    "discriminator": {"propertyName": "kind"},
}


def of(schema, required=("x",)):
    return {"type": "object", "properties": {"x": schema}, "required": list(required), "additionalProperties": False}


def test_one_of_in_a_schema_becomes_any_of() -> None:
    changed = widened(of(KINDS))["properties"]["x"]
    assert changed == {"anyOf": [*KINDS["oneOf"], dict(REFERENCE_SCHEMA)]}


def test_null_means_a_missing_argument_only_if_it_is_not_a_value() -> None:
    """The parameter must also be optional."""
    for schema, required in (
        ({"type": "integer"}, ("x",)),
        ({"enum": [None, "a"]}, ()),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, ()),
        ({}, ()),
    ):
        root = of(schema, required)
        assert OptionalNulls(root).without({"x": None}) == {"x": None}
    root = of({"type": "integer"}, ())
    assert OptionalNulls(root).without({"x": None}) == {}


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


def test_the_texts_that_a_recursive_type_lists_are_found() -> None:
    def plant(tree: Node) -> str:
        """Plant a tree."""
        return tree.label

    parameters = make_tool(plant, pure=True).parameters_of
    assert parameters.mentions("tree", "pending")
    assert not parameters.mentions("tree", "f1")


def test_the_first_five_of_many_problems_are_named_and_the_rest_counted() -> None:
    with pytest.raises(ArgumentMismatch, match="and 2 more") as caught:
        make_tool(choose, pure=True).parameters_of.bind(dict.fromkeys("abcdefg", 1))
    assert str(caught.value).count("there is no parameter") == 5


def test_an_argument_that_does_not_fit_names_its_place_unchanged() -> None:
    assert make_tool(choose, pure=True).parameters_of.canonical({"count": "soon"}) == {"count": "soon"}
    assert make_tool(choose, pure=True).parameters_of.canonical({"count": "7"}) == {"count": 7}


def patterns(part):
    if isinstance(part, dict):
        own = part.get("pattern")
        yield from [own] if isinstance(own, str) else []
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from patterns(each)


def test_servers_can_make_a_grammar_of_every_pattern_sent() -> None:
    """Each is anchored at both ends, has no unknown class of characters, and ends with the text."""
    tool = tool_of_all_kinds()
    definition = tool.definition(references=True)["function"]["parameters"]
    assert definition["properties"].keys() == KINDS_OF_PARAMETERS.keys()
    found = [*patterns(definition), *patterns(protocol.await_future_definition())]
    assert len(found) > len(KINDS_OF_PARAMETERS)
    for pattern in found:
        assert pattern[0] + pattern[-1] == "^$"
        assert not re.search(r"\\[dDwWsSbB]", pattern)
        assert not re.search(pattern, '$f1", "x": "$f1'), "it runs on past the end of the text"


#: Texts that a key or a field can contain without an escape.
WORDS = st.text(st.characters(exclude_categories=["C"], exclude_characters="\"\\'"), min_size=1)
STEPS = st.lists(
    st.one_of(st.from_regex(r"[a-zé_]\w*", fullmatch=True).map(Field), st.integers().map(Item), WORDS.map(Item))
)


@given(st.integers(min_value=1), STEPS)
def test_the_pattern_matches_every_reference_in_its_json_form(number, steps) -> None:
    """Servers match it against the JSON; those that match the text accept a key in single quotes."""
    text = str(Reference(FutureName(f"f{number}"), tuple(steps)))
    written = json.dumps(text, ensure_ascii=False)[1:-1]
    single = text.replace('"', "'")
    assert parse_reference(single) == parse_reference(text)
    assert re.search(REFERENCE_SCHEMA["pattern"], written)
    assert re.search(REFERENCE_SCHEMA["pattern"], single)


@pytest.mark.parametrize(
    "text", ["f1", "$f", "$fx", " $f1", "$f1 and more", "$f1,$f2", '$f1", "x": "', '$f1.a", "x": "', "$f1\n"]
)
def test_the_pattern_matches_nothing_beyond_the_end_of_the_text(text) -> None:
    assert re.fullmatch(REFERENCE_SCHEMA["pattern"].removesuffix("$"), text) is None
