"""The shape of a result: what it says of each kind of annotation, and that a reference finds all that it names."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ForwardRef, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, TypeVar

import attrs
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    SecretStr,
    computed_field,
    create_model,
    field_serializer,
    model_serializer,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from asyncfc_jupyter.core.references import parse_reference
from asyncfc_jupyter.errors import MissingField
from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.tools.result_shape import MOST_CHARACTERS, _Writer, result_shape
from tests.whole_outputs import sections

T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Line(BaseModel):
    sku: str
    amount: Annotated[int, "pieces"] = 1
    price: float = Field(0, description="in euros")


class Order(BaseModel):
    order_id: int
    lines: list[Line] = []
    before: Order | None = None


class Account(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)
    owner: str = Field("Ada", serialization_alias="the owner")
    password: SecretStr = Field(SecretStr("a"), exclude=True)
    token: str = Field("b", repr=False)
    iban: Annotated[str, PlainSerializer(lambda _: "***")] = "PT50"
    line: Line = Line(sku="a")
    other: Annotated[Line, PlainSerializer(lambda line: line.sku)] = Line(sku="a")
    _private: int = 1

    @field_serializer("line")
    def _line(self, line: Line) -> str:
        return line.sku

    @computed_field
    @property
    def total(self) -> float:
        return 1.0

    @computed_field(repr=False)
    @property
    def hidden(self) -> float:
        return 1.0


class Written(BaseModel):
    a: int = 1

    @model_serializer
    def _write(self) -> dict[str, int]:
        return {"b": self.a}


class Lines(RootModel[list[Line]]):
    pass


class AnyRoot(RootModel[Any]):
    model_config = ConfigDict(arbitrary_types_allowed=True)


class Page(BaseModel, Generic[T]):
    items: list[T]


@dataclasses.dataclass
class Box(Generic[T]):
    inside: T
    pairs: dict[str, tuple[T, int]]


@dataclasses.dataclass(repr=False)
class Node:
    name: str
    below: list[Node]
    _private: int = 1
    secret: str = dataclasses.field(default="", repr=False)
    late: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.late = 1


@pydantic_dataclass
class Checked:
    a: int = 1
    b: Annotated[list[Line], "of it"] = dataclasses.field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: int


class Pair(BaseModel):
    """Written as JSON, the named tuple in it is a list: it stands beside a node, which is not written as it is."""

    both: tuple[Node, Point]


class Row(TypedDict):
    key: str
    count: NotRequired[int]


Odd = TypedDict("Odd", {"a key": int, "class": str, "_under": int, "it's": int, "new\nline": int, "a\\b": int})


@attrs.define
class Struct:
    a: int
    _b: int = 2
    c: str = attrs.field(default="", repr=False)


class Loose(dict[str, int]):
    """A mapping of a class of its own."""


class Plain:
    a: int = 1


Wide = create_model("Wide", **{f"column_{n}": (float, 1.0) for n in range(60)})
Deep = list[dict[str, list[dict[str, tuple[Order, Account, Node]]]]]

HINTS: dict[str, Any] = {
    "nothing": None,
    "any": Any,
    "object": object,
    "a number": float,
    "a text": str,
    "described": Annotated[int, "pieces"],
    "optional": int | None,
    "optional of typing": Optional[Line],  # noqa: UP045
    "alternatives": int | list[str],
    "alternatives that are not all known": int | Any,
    "literal": Literal["a", "b", 3, None],
    "long literal": Literal[tuple(f"value number {n}" for n in range(20))],
    "enum": Colour,
    "flag": Access,
    "new type": list[UserId],
    "list": list[int],
    "bare list": list,
    "list of any": list[Any],
    "sequence": Sequence[Row],
    "deque": collections.deque[int],
    "tuple": tuple[int, Line],
    "tuple of any length": tuple[Line, ...],
    "tuple with a rest": tuple[int, *tuple[str, ...]],
    "no items": tuple[()],
    "set": set[int],
    "set of records": frozenset[Point],
    "dict": dict[str, Line],
    "dict of any": dict[str, Any],
    "bare dict": dict,
    "dict by number": Mapping[int, list[str]],
    "dict by tuple": dict[tuple[int, int], str],
    "model": Line,
    "model that holds itself": Order,
    "model with a serialization of its own": Account,
    "model that is written as something else": Written,
    "root model": Lines,
    "generic model": Page[Line],
    "model without fields": create_model("Empty"),
    "dataclass": Node,
    "generic dataclass": Box[Line],
    "generic dataclass without its type": Box,
    "dataclass of pydantic": Checked,
    "named tuple": Point,
    "named tuple in a model": Pair,
    "named tuple without types": collections.namedtuple("Pair", ["left", "right"]),
    "typed dict": Row,
    "odd keys": Odd,
    "attrs": Struct,
    "own mapping": Loose,
    "plain class": Plain,
    "table": pd.DataFrame,
    "tables": dict[str, pd.DataFrame],
    "array": np.ndarray,
    "date": dt.date,
    "secret": SecretStr,
    "awaitable": Awaitable[Line],
    "coroutine": Coroutine[Any, Any, Line],
    "iterator": Iterator[Line],
    "async iterator": AsyncIterator[int],
    "iterable": Iterable[Line],
    "callable": Callable[[int], str],
    "class": type[int],
    "type variable": T,
    "name that is not defined": "Missing",
    "forward reference": ForwardRef("Missing"),
    "no type": 5,
    "wide": Wide,
    "wide rows": list[Wide],
    "deep": Deep,
}


def test_the_shape_of_every_kind_of_result(expected) -> None:
    expected("result_shapes.txt", sections((name, result_shape(hint)) for name, hint in HINTS.items()))


@pytest.mark.parametrize("name", HINTS)
def test_a_shape_is_short_and_on_one_line(name) -> None:
    shape = result_shape(HINTS[name])
    assert len(shape) <= MOST_CHARACTERS
    assert "\n" not in shape


def test_classes_that_hold_each_other_are_written_quickly(monkeypatch) -> None:
    kinds = [dataclasses.make_dataclass(f"Kind{n}", [(f"a{m}", "object") for m in range(40)]) for n in range(12)]
    for kind in kinds:
        kind.__annotations__ = {name: kinds[n % 12] for n, name in enumerate(kind.__annotations__)}
    written = 0
    write = _Writer.shape_of

    def counted(*given: Any) -> str:
        nonlocal written
        written += 1
        return write(*given)

    monkeypatch.setattr(_Writer, "shape_of", counted)
    assert result_shape(list[kinds[0]]).startswith("[{a0, a1, a2")
    assert written < 12 * MOST_CHARACTERS


def quote(sku: str) -> Line:
    """Make a quote."""
    return Line(sku=sku)


def frame(sku: str) -> Missing:  # noqa: F821
    """Load a table."""


def test_only_a_model_that_may_write_references_is_shown_the_shape() -> None:
    """In the other modes it sees a result before it can use it."""
    plain, futures = (make_tool(quote).definition(references=each)["function"]["description"] for each in (False, True))
    assert plain == "Make a quote."
    assert futures == "Make a quote.\n\n-> {sku: str, amount: int (pieces), price: float (in euros)}"


def test_a_function_without_a_return_annotation_shows_no_shape() -> None:
    def look_up(order_id: int):
        """Look it up."""

    class Desk:
        def __call__(self, order_id: int):
            """Look it up."""

    made = [make_tool(look_up), make_tool(functools.partial(look_up)), make_tool(Desk(), name="desk")]
    for tool in made:
        assert tool.definition(references=True)["function"]["description"] == "Look it up."


def test_a_result_whose_annotation_cannot_be_read_makes_no_tool_invalid() -> None:
    made = make_tool(frame)
    assert made.signature == "frame(sku: str) -> Missing"
    assert made.definition(references=True)["function"]["description"] == "Load a table."
    assert made.parameters_of.bind({"sku": "a"}).arguments == {"sku": "a"}


# -- what a shape names is found -------------------------------------------------------------------------------------

TOKEN = re.compile(r" \([^()]*\)|\{\.\.\.\}|\.\.\.|'(?:\\.|[^'\\])*'|-?[\w.]+| \| |, |: |[\[\]{}?]")


def of_root(value: Any) -> Any:
    """What a root model stands for."""
    return of_root(value.root) if isinstance(value, RootModel) else value


class Shape:
    """Reads a shape as a model would, and takes each path that it names in a value."""

    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.findall(text)
        assert "".join(self._tokens) == text, f"not a shape: {text}"
        self.paths = 0
        self._read = self._alternatives()
        assert not self._tokens

    def check(self, value: Any) -> None:
        self._read(value)

    def _next(self, token: str) -> bool:
        if self._tokens[:1] == [token]:
            del self._tokens[0]
            return True
        return False

    def _alternatives(self) -> Callable[[Any], None]:
        options = [self._one()]
        while self._next(" | "):
            options.append(self._one())

        def check(value: Any) -> None:
            problems = []
            for option in options:
                try:
                    return option(value)
                except (AssertionError, MissingField, TypeError) as problem:
                    problems.append(problem)
            raise problems[-1]

        return check

    def _one(self) -> Callable[[Any], None]:
        if self._next("["):
            items = [self._alternatives()]
            while self._next(", "):
                items.append(self._alternatives())
            assert self._next("]")

            def check_items(value: Any) -> None:
                for n, item in enumerate(items[: len(of_root(value))]):
                    self._step(value, f"[{n}]", item)

            return check_items
        if self._next("{"):
            return self._mapping() if self._next("[") else self._record()
        token = self._tokens.pop(0)
        if self._next("["):  # a set
            del self._tokens[:2]

        def check(value: Any) -> None:
            types = {"None": type(None), "int": int, "float": (int, float), "str": str}
            assert isinstance(of_root(value), types.get(token, object)), f"{value!r} is no {token}"

        return check

    def _mapping(self) -> Callable[[Any], None]:
        key = self._tokens.pop(0)
        assert (self._next("]"), self._next(": ")) == (True, True)
        item = self._alternatives()
        assert self._next("}")
        write = (lambda each: f"[{each}]") if key == "int" else (lambda each: f"['{each}']")
        return lambda value: [self._step(value, write(each), item) for each in of_root(value)] and None

    def _record(self) -> Callable[[Any], None]:
        fields: list[tuple[str, bool, Callable[[Any], None]]] = []
        while not self._next("}"):
            name = self._tokens.pop(0)
            may_be_missing = self._next("?")
            inside = self._alternatives() if self._next(": ") else lambda _: None
            if self._tokens[0].startswith(" ("):
                del self._tokens[0]
            if name != "...":
                fields.append((f"[{name}]" if name.startswith("'") else f".{name}", may_be_missing, inside))
            self._next(", ")

        def check(value: Any) -> None:
            for step, may_be_missing, inside in fields:
                try:
                    self._step(value, step, inside)
                except MissingField:
                    if not may_be_missing:
                        raise

        return check

    def _step(self, value: Any, step: str, inside: Callable[[Any], None]) -> None:
        reference = parse_reference(f"$f1{step}")
        assert reference is not None, step
        found = reference.resolve(value)
        self.paths += 1
        inside(found)


LEAVES = st.sampled_from(
    [
        (int, 1),
        (str, "a"),
        (float, 0.5),
        (None, None),
        (Colour, Colour.RED),
        (Literal["a", "b"], "b"),
        (dt.date, dt.date(2026, 5, 1)),
        (Any, object()),
        (Line, Line(sku="a")),
        (Order, Order(order_id=1, lines=[Line(sku="a")], before=Order(order_id=0))),
        (Account, Account()),
        (Written, Written()),
        (Lines, Lines([Line(sku="a")])),
        (Page[Line], Page[Line](items=[Line(sku="a")])),
        (Box[Line], Box(Line(sku="a"), {"k": (Line(sku="b"), 1)})),
        (Node, Node("a", [Node("b", [])])),
        (Checked, Checked(b=[Line(sku="a")])),
        (Point, Point(1, 2)),
        (Row, {"key": "a"}),
        (Pair, Pair(both=(Node("a", []), Point(1, 2)))),
        (Odd, {"a key": 1, "class": "b", "_under": 2, "it's": 3, "new\nline": 4, "a\\b": 5}),
        (Struct, Struct(1)),
        (Loose, Loose(a=1)),
        (set[int], {1}),
        (pd.DataFrame, pd.DataFrame({"a": [1]})),
        (Wide, Wide()),
    ]
)
NAMES = st.sampled_from(["a", "b", "items", "keys", "value", "columns", "class_", "naïve", "X", "a1"])
ALIASES = st.sampled_from([None, None, "an alias", "alias", "_alias", "it's", "a", "b"])


def composed(inside: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    """Containers and records of what is inside."""
    fields = st.dictionaries(NAMES, inside, min_size=1, max_size=3)
    return st.one_of(
        inside.map(lambda pair: (list[pair[0]], [pair[1]])),
        inside.map(lambda pair: (list[pair[0]], [])),
        inside.map(lambda pair: (dict[str, pair[0]], {"k": pair[1], "an other": pair[1]})),
        inside.map(lambda pair: (dict[int, pair[0]], {3: pair[1]})),
        inside.map(lambda pair: (Optional[pair[0]], None)),  # noqa: UP045
        inside.map(lambda pair: (Annotated[pair[0], "a text: of it, [more]"], pair[1])),
        st.tuples(inside, inside).map(lambda two: (tuple[two[0][0], two[1][0]], (two[0][1], two[1][1]))),
        st.tuples(inside, inside).map(lambda two: (Optional[two[0][0]] | two[1][0], two[1][1])),  # noqa: UP045
        fields.map(a_dataclass),
        fields.map(a_named_tuple),
        fields.map(a_typed_dict),
        fields.map(an_attrs_class),
        st.builds(
            a_model, fields, st.lists(ALIASES, min_size=3, max_size=3), st.lists(st.booleans(), min_size=9, max_size=9)
        ),
        inside.map(a_root_model),
    )


Fields = dict[str, tuple[Any, Any]]


def a_dataclass(fields: Fields) -> tuple[Any, Any]:
    kind = dataclasses.make_dataclass("Made", [(name, hint) for name, (hint, _) in fields.items()])
    return kind, kind(**{name: value for name, (_, value) in fields.items()})


def a_named_tuple(fields: Fields) -> tuple[Any, Any]:
    kind = NamedTuple("Made", [(name, hint) for name, (hint, _) in fields.items()])
    return kind, kind(**{name: value for name, (_, value) in fields.items()})


def a_typed_dict(fields: Fields) -> tuple[Any, Any]:
    kind = TypedDict("Made", {f"{name} of it": hint for name, (hint, _) in fields.items()})
    return kind, {f"{name} of it": value for name, (_, value) in fields.items()}


def an_attrs_class(fields: Fields) -> tuple[Any, Any]:
    kind = attrs.make_class("Made", {name: attrs.field(type=hint) for name, (hint, _) in fields.items()})
    return kind, kind(**{name: value for name, (_, value) in fields.items()})


def a_model(fields: Fields, aliases: list[str | None], flags: list[bool]) -> tuple[Any, Any]:
    declared = {
        f"{name}_": (
            hint,
            Field(
                serialization_alias=aliases[n] and f"{aliases[n]}{n}",
                exclude=flags[n] and flags[3],
                repr=not flags[n + 4],
                description="a text" if flags[8] else None,
            ),
        )
        for n, (name, (hint, _)) in enumerate(fields.items())
    }
    config = ConfigDict(serialize_by_alias=flags[7], arbitrary_types_allowed=True)
    kind = create_model("Made", __config__=config, **declared)
    return kind, kind.model_construct(**{f"{name}_": value for name, (_, value) in fields.items()})


def a_root_model(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    kind = create_model("Made", __base__=AnyRoot, root=(pair[0], ...))
    return kind, kind.model_construct(pair[1])


@settings(max_examples=300, deadline=None)
@given(st.recursive(LEAVES, composed, max_leaves=5))
def test_a_reference_finds_all_that_a_shape_names(pair) -> None:
    hint, value = pair
    if shape := result_shape(hint):
        Shape(shape).check(value)


def test_the_reader_of_shapes_takes_every_path_and_misses_a_wrong_one() -> None:
    order = Order(order_id=1, lines=[Line(sku="a")], before=None)
    shape = Shape(result_shape(Order))
    shape.check(order)
    assert shape.paths == 7
    for wrong in (
        "{order: int}",
        "{order_id: str}",
        "{lines: [{name: str}]}",
        "{order_id: int | None, 'lines ': list}",
    ):
        with pytest.raises((AssertionError, MissingField)):
            Shape(wrong).check(order)
