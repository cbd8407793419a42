"""Nulls for what a call leaves out: in types that are made at random, and in single awkward ones."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model
from typing_extensions import TypeAliasType, TypedDict

from asyncfc_jupyter.errors import ArgumentMismatch
from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.tools.nulls import OptionalNulls

ABSENT = object()
Item = TypeVar("Item")


class Holder(BaseModel, Generic[Item]):
    """A generic model."""

    held: Item
    times: int = 1


def bind(hint, sent):
    def look(x, note=""):
        """Look at it."""

    look.__annotations__ = {"x": hint, "note": str}
    return make_tool(look).parameters_of.bind(sent).arguments


# -- types and values that are made up -------------------------------------------------------------------------------


@dataclasses.dataclass
class Kind:
    """An annotation, and a strategy for pairs of a value without and with nulls that stand for what is left out."""

    hint: Any
    pairs: st.SearchStrategy[tuple[Any, Any]]


def both(values):
    return values.map(lambda value: (value, value))


SINGLE = st.sampled_from(
    [
        Kind(int, both(st.integers(0, 9))),
        Kind(str, both(st.sampled_from(["a", "b"]))),
        Kind(Literal["on", "off"], both(st.sampled_from(["on", "off"]))),
        Kind(list[int], both(st.lists(st.integers(0, 9), max_size=2))),
        Kind(dict, both(st.just({"free": None}))),
    ]
)
NUMBERS = itertools.count()
MAKERS = ("model", "closed model", "dataclass", "mapping")


def record(made_as, fields, tag=None):
    """Return a kind of object: each field has an optional, a nullable or a required value."""
    number = next(NUMBERS)
    hints: dict[str, Any] = {f"own{number}": int} | ({"kind": Literal[tag]} if tag else {})
    optional = set()
    for n, (kind, how) in enumerate(fields):
        name = f"field{n}"
        hints[name] = kind.hint | None if "null" in how else kind.hint
        optional |= {name} if "optional" in how else set()
    name = f"Made{number}"
    if made_as == "dataclass":
        declared = [(each, hints[each]) for each in hints if each not in optional]
        declared += [(each, hints[each], dataclasses.field(default="default")) for each in sorted(optional)]
        hint = dataclasses.make_dataclass(name, declared)
    elif made_as == "mapping":
        hint = TypedDict(name, {each: NotRequired[hints[each]] if each in optional else hints[each] for each in hints})
    else:
        config = ConfigDict(extra="forbid" if made_as == "closed model" else "ignore")
        declared = {each: (hints[each], "default" if each in optional else ...) for each in hints}
        hint = create_model(name, __config__=config, **declared)

    @st.composite
    def pairs(draw):
        plain = {f"own{number}": 1} | ({"kind": tag} if tag else {})
        nulled = dict(plain)
        for n, (kind, how) in enumerate(fields):
            key = f"field{n}"
            choice = draw(st.sampled_from(["given", *(["absent", "null"] if "optional" in how else []), *how[2:]]))
            if choice == "given":
                plain[key], nulled[key] = draw(kind.pairs)
            elif "null" in how and choice == "null":
                plain[key] = nulled[key] = None
            elif choice == "null":
                nulled[key] = None
        return plain, nulled

    return Kind(hint, pairs())


HOW = st.sampled_from([("required",), ("optional",), ("optional", "null"), ("required", "null", "null")])


def larger(inner):
    fields = st.lists(st.tuples(inner, HOW), min_size=1, max_size=3)
    made_as = st.sampled_from(MAKERS)

    @st.composite
    def alternatives(draw):
        tagged = draw(st.booleans())
        options = [record(draw(made_as), draw(fields), tag) for tag in (("one", "two") if tagged else (None, None))]
        hint: Any = options[0].hint | options[1].hint
        hint = Annotated[hint, Field(discriminator="kind")] if tagged else hint | int
        return Kind(hint, st.one_of(*(option.pairs for option in options)))

    return st.one_of(
        st.builds(record, made_as, fields),
        alternatives(),
        inner.map(lambda kind: Kind(list[kind.hint], st.lists(kind.pairs, max_size=2).map(unzipped))),
        inner.map(lambda kind: Kind(dict[str, kind.hint], kind.pairs.map(lambda p: ({"k": p[0]}, {"k": p[1]})))),
        inner.map(lambda kind: Kind(tuple[kind.hint, int], kind.pairs.map(lambda p: ([p[0], 1], [p[1], 1])))),
        inner.map(lambda kind: Kind(Annotated[kind.hint, Field(description="What.")], kind.pairs)),
        inner.map(lambda kind: Kind(TypeAliasType("Alias", kind.hint), kind.pairs)),
        inner.map(
            lambda kind: Kind(
                Holder[kind.hint], kind.pairs.map(lambda p: ({"held": p[0]}, {"held": p[1], "times": None}))
            )
        ),
    )


def unzipped(pairs):
    return [plain for plain, _ in pairs], [nulled for _, nulled in pairs]


@given(st.recursive(SINGLE, larger, max_leaves=5), st.data())
def test_a_null_for_an_optional_field_is_the_same_as_leaving_it_out(kind, data) -> None:
    plain, nulled = data.draw(kind.pairs)
    without, with_nulls = bind(kind.hint, {"x": plain}), bind(kind.hint, {"x": nulled, "note": None})
    assert repr(with_nulls) == repr(without)
    assert field_sets(with_nulls) == field_sets(without)


def field_sets(value):
    """Return what was given for each model in a value: a model remembers it, and its own JSON may depend on it."""
    if isinstance(value, dict):
        return [field_sets(each) for each in value.values()]
    if isinstance(value, list | tuple):
        return [field_sets(each) for each in value]
    if isinstance(value, BaseModel):
        return value.model_fields_set, [field_sets(each) for each in vars(value).values()]
    return [field_sets(each) for each in vars(value).values()] if dataclasses.is_dataclass(value) else None


# -- single types ----------------------------------------------------------------------------------------------------


class Circle(BaseModel):
    kind: Literal["circle"] = "circle"
    radius: float
    label: str = "no label"


class Square(BaseModel):
    kind: Literal["square", "box"] = "square"
    side: float
    label: str | None = "no label"


class Place(NamedTuple):
    street: str
    number: int = 1
    floor: int | None = 2


class Tree(BaseModel):
    name: str = "leaf"
    below: list[Tree | Circle] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str = "none"


Shape = Annotated[Circle | Square, Field(discriminator="kind")]
ByCode = Annotated[
    Annotated[Circle, Tag("c")] | Annotated[Square, Tag("s")],
    Discriminator(lambda value: "c" if "radius" in value else "s"),
]
ROUND, SQUARE = {"kind": "circle", "radius": 1.0}, {"kind": "box", "side": 1.0}


@pytest.mark.parametrize(
    "hint",
    [Shape, Circle | Square, ByCode, Shape | None, Circle | Square | str],
    ids=["by a tag", "by what fits", "by a function", "or none", "or text"],
)
def test_of_several_models_each_says_whether_it_takes_a_null(hint) -> None:
    shape = bind(hint, {"x": {**ROUND, "label": None}})["x"]
    assert (type(shape), shape.label, shape.model_fields_set) == (Circle, "no label", {"kind", "radius"})
    shape = bind(hint, {"x": {**SQUARE, "label": None}})["x"]
    assert (type(shape), shape.label) == (Square, None)


@pytest.mark.parametrize(
    ("hint", "sent", "bound"),
    [
        (list[Shape], [{**ROUND, "label": None}], [Circle(radius=1)]),
        (dict[str, Shape], {"a": {**ROUND, "label": None}}, {"a": Circle(radius=1)}),
        (
            dict[Annotated[str, Field(pattern="^a")], Circle],
            {"a": {**ROUND, "label": None}},
            {"a": Circle(radius=1)},
        ),
        (tuple[int, Circle], [1, {**ROUND, "label": None}], (1, Circle(radius=1))),
        (Place, ["Rua", None], Place("Rua")),
        (Place, ["Rua", 3, None], Place("Rua", 3, None)),
        (Place, ["Rua", None, None], None),
        (Tree, {"below": [{"name": None, "below": [{**ROUND, "label": None}]}]}, Tree(below=[Tree(below=[ROUND])])),
        (Open, {"name": None, "more": None}, Open(more=None)),
        (Circle | dict[str, Any], {"radius": 1, "label": None}, {"radius": 1, "label": None}),
        (Circle | dict[str, int], {"radius": 1.5, "label": None}, Circle(radius=1.5)),
        (list[int | None], [None, 1], [None, 1]),
        (Circle, {"radius": None}, None),
        (Circle | Square, {"radius": None, "label": None}, None),
    ],
    ids=[
        *("a list", "a mapping", "keys of a pattern", "a tuple", "the end of a tuple", "the end of a tuple as it is"),
        *(
            "the middle of a tuple",
            "a tree",
            "other keys",
            "anything else",
            "other values",
            "items",
            "required",
            "neither",
        ),
    ],
)
def test_a_null_is_left_out_exactly_where_it_means_nothing(hint, sent, bound) -> None:
    if bound is None:
        with pytest.raises(ArgumentMismatch):
            bind(hint, {"x": sent})
    else:
        assert bind(hint, {"x": sent})["x"] == bound


def test_nothing_of_a_value_of_no_kind_is_compared() -> None:
    class Odd:
        def __eq__(self, other):
            raise AssertionError

        __hash__ = None

    root = {"anyOf": [{"enum": [1]}, {"type": "object", "properties": {"a": {"const": 2}, "b": {"type": "integer"}}}]}
    odd = Odd()
    assert OptionalNulls(root).without({"a": odd, "b": None}) == {"a": odd}


def test_keys_that_are_no_text_stay_and_so_do_their_nulls() -> None:
    assert bind(Circle | dict[Any, Any], {"x": {(1,): None, 2: None}})["x"] == {(1,): None, 2: None}


def test_a_deep_tree_of_two_kinds_takes_no_longer_for_each_level_of_it() -> None:
    leaf = {"type": "object", "properties": {"end": {"type": "integer"}}, "required": ["end"]}
    below = {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}, leaf]}
    node = {"type": "object", "properties": {"below": below, "n": {"type": "integer"}}, "required": ["below"]}
    nulls = OptionalNulls({**below, "$defs": {"A": node, "B": dict(node)}})
    tree: dict[str, Any] = {"end": ["not a number"]}
    for _ in range(60):
        tree = {"below": tree, "n": None}
    assert '"n"' not in repr(nulls.without(tree)).replace("'", '"')
