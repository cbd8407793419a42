"""Whole lists of accepted forms and of errors for others: references and malformed ones, effects, objects, events."""

import collections
import dataclasses
import datetime as dt
import enum
import pathlib
import types
from typing import NamedTuple, get_args, get_type_hints

import pytest

from asyncfc_jupyter.core import events
from asyncfc_jupyter.core.call_record import future_of
from asyncfc_jupyter.core.effects import (
    PURE,
    UNDECLARED,
    Effects,
    EffectTemplates,
    Hazard,
    PathTemplate,
    hazards,
    meet,
    show_path,
)
from asyncfc_jupyter.core.events import Limit, Stamped
from asyncfc_jupyter.core.field_access import field_names, has_field, key_text, reach_field, reach_item
from asyncfc_jupyter.core.futures import CallId, FutureName, State, future_name
from asyncfc_jupyter.core.malformed_references import Situation, reject_malformed_references
from asyncfc_jupyter.core.references import (
    Field,
    Item,
    find_references,
    is_escaped,
    nested_deeper_than,
    parse_reference,
    substitute,
)
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.errors import CallError, MalformedReference, MissingField
from asyncfc_jupyter.trace.trace import Trace

# -- references ------------------------------------------------------------------------------------------------------

TEXTS = (
    *("$f1", "$f10", "$f01", "$f0", "$f", "f1", "$F1", "$ f1", "$f1 ", " $f1", "$f1\n", "$f-1", "$f1x", "$g1", "$"),
    *("$f1.a", "$f1.a.b", "$f1.order_id", "$f1._private", "$f1.été", "$f1.a1", "$f1.1a", "$f1.", "$f1..a", "$f1.a-b"),
    *("$f1[0]", "$f1[-1]", "$f1[007]", "$f1[--1]", "$f1[]", "$f1[a]", "$f1[0", "$f1[1.5]", "$f1[0][1]", "$f1[ 0 ]"),
    *('$f1["a"]', "$f1['a']", "$f1[\"a']", '$f1[""]', '$f1["a\\"b"]', '$f1["a\\\\b"]', "$f1['it\\'s']", '$f1["a\nb"]'),
    *(
        '$f1["]"]',
        '$f1["a"][0].b',
        "$f1.items[0].sku",
        "$f1[0]x",
        "$f1.a()",
        "$f1.a[0",
        "$f1 and $f2",
        "a $f1",
        "$f1$f2",
    ),
    *(
        "$$f1",
        "$$$f1",
        "$$f1.a[0]",
        "$$f1.",
        "$$",
        "$$x",
        "$text:",
        "$text:f1",
        "$text:$f1",
        "$text:$text:x",
        "$Text:f1",
    ),
    *("$f1[" + "9" * 600 + "]", "$f1[" + "9" * 601 + "]", "$f1[-" + "9" * 600 + "]", "$f123456789012"),
    *("", "f", "$f1²", "$f\u0661", "$f1[\u0661]", "$f1.a ", "$f1->a", "$f1::a", "${f1}", "{f1}", "$f1[0:2]", "$f1[*]"),
)


def reading(text):
    reference = parse_reference(text)
    shown = text if len(text) < 40 else f"{text[:20]}... ({len(text)})"
    if reference is not None:
        steps = [
            f"{type(step).__name__} {getattr(step, 'name', getattr(step, 'key', None))!r}" for step in reference.steps
        ]
        short = [step if len(step) < 40 else f"{step[:20]}... ({len(step)})" for step in steps]
        same = parse_reference(str(reference)) == reference
        return f"{shown!r}: {reference.future} {', '.join(short)}{'' if same else ' NOT WRITTEN AS READ'}".rstrip()
    passed = substitute(text, lambda _: "?")
    return f"{shown!r}: text {passed if len(passed) < 40 else '(long)'!r}{' (escaped)' if is_escaped(text) else ''}"


def test_texts_are_references_or_text_as_listed(expected) -> None:
    expected("references.txt", "\n".join(map(reading, TEXTS)))


def test_references_are_found_and_replaced_at_any_depth() -> None:
    proxy = types.MappingProxyType({"x": "$f4"})
    argument = {"a": "$f1", "$f9": ["$f2.x", "see $f3", {"b": ("$f8",), "c": 1}], "d": proxy, "e": "$$f5", "f": None}
    assert [str(reference) for reference in find_references(argument)] == ["$f1", "$f2.x", "$f4"]
    replaced = substitute(argument, lambda reference: [str(reference)])
    assert replaced == {
        "a": ["$f1"],
        "$f9": [["$f2.x"], "see $f3", {"b": ("$f8",), "c": 1}],
        "d": {"x": ["$f4"]},
        "e": "$f5",
        "f": None,
    }
    assert substitute(17, str) == 17
    assert list(find_references(17)) == []


def test_an_empty_container_does_not_hide_a_later_reference() -> None:
    assert [str(each) for each in find_references([[], {}, "$f1"])] == ["$f1"]


@pytest.mark.parametrize(
    ("argument", "depth"), [(1, 0), ("text", 0), ([], 0), ([1], 1), ({"a": 1}, 1), ([[1]], 2), ([1, {"a": [2]}], 3)]
)
def test_depth_is_counted_exactly(argument, depth) -> None:
    """A list that is not empty is a level."""
    assert not nested_deeper_than(depth, argument)
    assert depth == 0 or nested_deeper_than(depth - 1, argument)


def test_steps_that_cannot_be_written_are_refused_at_the_limit() -> None:
    assert str(Item(10**600 - 1)).startswith("[999")
    assert str(Item(-(10**600) + 1)).startswith("[-999")
    for number in (10**600, -(10**600)):
        with pytest.raises(ValueError, match="an index of more than 600 digits cannot be written"):
            Item(number)
    for name in ("", "1a", "a b", "a-b"):
        with pytest.raises(ValueError, match="cannot be written after a dot; use Item for a key of any text"):
            Field(name)


def test_the_future_of_a_reference_is_found_in_front_only() -> None:
    assert [future_of(text) for text in ("$f12.a", "f12", "see $f1", "")] == ["f12", "", "", ""]
    assert (future_name(1), future_name(20)) == ("f1", "f20")


# -- malformed references -------------------------------------------------------------------------------------------

RESULTS = {"f3": {"order_id": 7, "Total": 3}, "f1": {"order_id": 5, "name": "Ada"}}
SITUATION = Situation(
    known=("f1", "f2", "f3", "f4", "f5", "f12"),
    pending=("f2", "f4", "f5", "f12"),
    results=lambda: [(FutureName(name), value) for name, value in RESULTS.items()],
    meant=lambda argument, text: argument == "meant" or text == "fixed",
)
LOOKS = (
    *(
        "f1",
        "f9",
        "F1",
        " f1 ",
        "<f1>",
        "<f1.order_id>",
        "{{f1}}",
        "${f1}",
        '"$f1"',
        "`f1`",
        "@f1",
        "#f1",
        "(f1)",
        "[f1]",
    ),
    *(
        "f1.order_id",
        "f1[0]",
        "f1['a b']",
        "f1.result()",
        "$f1()",
        "$f1.value()",
        "f1.get()",
        "$f1.foo()",
        "&f1",
        "f1,",
    ),
    *(
        "$f1.items.0",
        "$f1.items.-1",
        "$f1[name]",
        "$f1['name]",
        "$f1.get('x')",
        "$f1->name",
        "$F1",
        "$f1.a-b",
        "$f1[0:2]",
    ),
    *(
        "$f1.0.1",
        "$f1[*]",
        "$f1[a",
        "$f1.1234567890",
        "$f9.items.0",
        "$f1.1a",
        "$f1[-1].a.2",
        "$F1.Items",
        "$f1[order id]",
    ),
    *("result of f1", "the output of f1", "f1's output", "await f1", "order_id from f1", "f1 and f2", "value f1.name"),
    *("future f1", "f1 result", "see f1", "the order_id of f1", "order id of f1", "order_id of f1.x", "reference: f1"),
    *(
        "order_id in f1",
        "order_id by f1",
        "pending f1",
        "return f1",
        "f1 returned",
        "f1 is here",
        "result of f9",
        "of f1",
    ),
    *(
        "<order_id>",
        "<order id>",
        "<ORDER_ID>",
        "{{order_id}}",
        "${order_id}",
        "$order_id",
        "$Order_id",
        "<name>",
        "<b>",
    ),
    *(
        "<total>",
        "<Total>",
        "<order-id>",
        "<unknown_field>",
        "{unknown_field}",
        "$unknown_field",
        "<value>",
        "<a>",
        "<result>",
    ),
    *("pending", "<pending>", "(pending)", "Pending...", "still pending", "pending....", "[PENDING]", "it is pending"),
    *('{"future": "f1", "status": "pending"}', "[{'future': '$f2', 'status': 'pending'}]", '{"future": "f1"}'),
    *('{"future": "f9", "status": "pending"}', '{"future": "f1", "status": "pending"', '"future": "f1", "status": 1}'),
    *(
        "f1" + " " * 118,
        "f1" + " " * 119,
        "$f1",
        "$$f1",
        "$text:f1",
        "fixed",
        "",
        "$5",
        "f1 f1",
        "result of f1" + "!" * 108,
    ),
    *("result of f1" + "!" * 109, "result\nof f1", 'say "f1"', "f12", "f1_2", "xf1"),
    {"future": "f1"},
    {"future": "$f1", "tool": "order", "status": "pending", "value": None, "note": ""},
    {"future": "f9"},
    {"future": "f1", "mine": 1},
    {"future": 1},
    {"order": {"items": ["x", "f1"]}},
    {"a": [{"future": "f2", "arguments": {}}]},
    [["<f1>"]],
    ["pending"],
    {"status": "pending"},
    {"when": ["pending"]},
    17,
    None,
)


def judged(argument, value, situation=SITUATION):
    try:
        reject_malformed_references({argument: value}, situation)
    except MalformedReference as error:
        return f"{value!r}: {error}"
    return f"{value!r}: passes"


def test_texts_pass_or_are_refused_with_these_words(expected) -> None:
    lines = [judged("a", value) for value in LOOKS]
    named = [("order", "<order>"), ("my_order", "<order>"), ("Order", "<ORDER>"), ("a", "<order>"), ("meant", "f1")]
    named += [("state", "pending"), ("a_filter", "pending"), ("Subject", "pending"), ("query", "<pending>")]
    named += [("meant", "pending"), ("meant", {"future": "f1"}), ("fields", "<unknown>"), ("meant", '{"future": "f1"}')]
    lines += [f"{argument}: {judged(argument, value)}" for argument, value in named]
    settled = Situation(known=("f1",), results=SITUATION.results)
    lines += [f"settled: {judged('a', value, settled)}" for value in ("pending", "<order_id>", "<unknown_field>", "f1")]
    alone = Situation(known=("f1",), pending=("f1",))
    lines += [f"alone: {judged('a', value, alone)}" for value in ("pending", "<order_id>", "<order_id", "<fixed>")]
    expected("malformed_references.txt", "\n".join(lines))


# -- effects ---------------------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    DEEP = 2


NOON = dt.datetime(2024, 5, 1, 12, 0)  # noqa: DTZ001 - one without a time zone, as tools often return
FILLINGS = (
    *("42", "a/b", "a\\b", "/a/", "./a", "a/./b", "a//b", "..", "../a", "a..b", "...", "", ".", "/", " ", "a b"),
    *("A.Txt ", ".env", "a. /b"),
)
TEMPLATES = ("orders", "orders/{id}", "{id}", "{id}/items", "orders/x{id}y/z", "a/{id}/{other}", "/a/b/", " a ", "a/{}")
BAD_TEMPLATES = ("", "/", " ", "a//b", "a/ /b", "{", "a/}", "a/{b", "{{a}", "{a}}", "a/{b}c}")


def path_of(template, *texts):
    return ", ".join(map(show_path, PathTemplate.parse(template).expand({"id": texts})))


def test_templates_become_these_paths(expected) -> None:
    lines = [f"orders/{{id}} with {text!r}: {path_of('orders/{id}/end', text)}" for text in FILLINGS]
    for template in TEMPLATES:
        parsed = PathTemplate.parse(template)
        lines.append(
            f"{template!r}: {parsed} of {sorted(parsed.arguments)}: {path_of(template, '7')}; "
            f"two texts: {path_of(template, '7', '7.0')}; none: {path_of(template)}"
        )
    for template in BAD_TEMPLATES:
        with pytest.raises(ValueError, match="path template") as refused:
            PathTemplate.parse(template)
        lines.append(f"{template!r}: {refused.value}")
    expected("paths.txt", "\n".join(lines))


def test_pairs_of_calls_conflict_as_listed(expected) -> None:
    a, b, ab, root = ("a",), ("b",), ("a", "b"), ()
    some = {
        "pure": PURE,
        "undeclared": UNDECLARED,
        "reads a": Effects(reads=(a,)),
        "writes a": Effects(writes=(a,)),
        "reads a/b": Effects(reads=(ab,)),
        "writes a/b": Effects(writes=(ab,)),
        "reads b, writes a": Effects(reads=(b,), writes=(a,)),
        "reads everything": Effects(reads=(root,)),
    }
    lines = [
        f"{one}, then {other}: {', '.join(sorted(hazards(effects, later))) or 'free'}"
        for one, effects in some.items()
        for other, later in some.items()
    ]
    lines += [f"{one} is {'pure' if effects.pure else 'not pure'}, {effects}" for one, effects in some.items()]
    pairs = [(a, a), (a, b), (a, ab), (ab, a), (ab, b), (root, ab), (root, root)]
    lines += [f"{show_path(one)} and {show_path(other)} meet: {meet(one, other)}" for one, other in pairs]
    templates = EffectTemplates(
        reads=(PathTemplate.parse("a/{x}"), PathTemplate.parse("c")), writes=(PathTemplate.parse("b/{y}/{x}"),)
    )
    lines.append(f"mentions {sorted(templates.arguments)}")
    for unresolved in (set(), {"x"}, {"y"}, {"x", "y"}, {"z"}):
        known = {name: (text,) for name, text in (("x", "1"), ("y", "2")) if name not in unresolved}
        lines.append(f"unknown {sorted(unresolved)}: {templates.expand(known, unresolved)}")
    lines += [str(EffectTemplates(declared=False).expand({})), str(EffectTemplates().expand({}))]
    lines.append(str(EffectTemplates(reads=(PathTemplate.parse("a"),)).expand({}, {"x"})))
    lines.append(str(EffectTemplates(writes=(PathTemplate.parse("a"),)).expand({}, {"x"})))
    expected("conflicts.txt", "\n".join(lines))


# -- reaching --------------------------------------------------------------------------------------------------------


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Order:
    order_id: int
    lines: list
    _secret: int = 0

    def total(self):
        return 3

    @property
    def first(self):
        return self.lines[0]

    @property
    def broken(self):
        raise RuntimeError("no")


class Slotted:
    __slots__ = ("_hidden", "a", "unset")

    def __init__(self):
        self.a, self._hidden = 1, 2


class OneSlot:
    __slots__ = "only"  # noqa: PLC0205 - Python takes a lone name, too

    def __init__(self):
        self.only = 1


class Loose:
    shared = "of the class"

    def __init__(self):
        self.a, self._b, self.run = 1, 2, len


class Column:
    """Stands for a column of a table: positions by ``iloc`` alone."""

    ndim, shape = 1, (3,)
    iloc = (10, 20, 30)

    def __getitem__(self, key):
        raise KeyError(key)

    def __len__(self):
        return 3


class Frame:
    """Stands for a table with labels."""

    ndim, shape = 2, (2, 2)
    iloc = ("row 0", "row 1")
    columns = ("price", "weight")

    def __getitem__(self, key):
        return {"price": [1, 2], "weight": [3, 4]}[key]

    def __len__(self):
        return 2


class Arrow:
    """Stands for a table of another library."""

    column_names = ("price", "columns")
    columns = ("not names",)

    def __getitem__(self, key):
        return [key]


class Records:
    """Stands for a structured array."""

    dtype = types.SimpleNamespace(names=("id", "value"))

    def __getitem__(self, key):
        return f"column {key}"


class Zero:
    """Stands for an array of no dimension."""

    shape = ()

    def __getitem__(self, key):
        raise IndexError(key)

    def __len__(self):
        raise TypeError("of unsized object")


class Odd:
    """Raises when its length is asked for."""

    def __getitem__(self, key):
        raise ValueError(key)

    def __len__(self):
        raise ValueError("who knows")


class KeysOnly:
    def __init__(self, keys):
        self._keys = keys

    def keys(self):
        return self._keys

    def __getitem__(self, key):
        return f"item {key}"


class Settings(dict):
    pass


LONG = "k" * 39, "l" * 40, "m" * 41
VALUES = {
    "dict": {"order_id": 1, "Name": "Ada", "a key": 2, "items": [1, 2]},
    "odd keys": {
        3: "three",
        "4": "four",
        None: "null",
        True: "yes",
        1.5: "f",
        Colour.RED: "red",
        NOON: "noon",
        (1,): "t",
    },
    "two keys": {1: "int", 1.5: "float", "1.5": "text"},
    "two alike": {None: "a", Colour.RED: "b", dt.date(2024, 5, 1): "c", pathlib.PurePosixPath("null"): "d"},
    "empty dict": {},
    "empty list": [],
    "one item": ["only"],
    "list": [10, 20, 30],
    "tuple": (1, 2),
    "named tuple": Point(1, 2),
    "set": {1},
    "frozenset": frozenset(),
    "text": "some text",
    "no text": "",
    "bytes": b"abc",
    "number": 5,
    "none": None,
    "range": range(3),
    "dataclass": Order(7, ["a", "b"], 1),
    "class": Order,
    "function": len,
    "module": types.ModuleType("m"),
    "slots": Slotted(),
    "one slot": OneSlot(),
    "loose": Loose(),
    "column": Column(),
    "frame": Frame(),
    "arrow": Arrow(),
    "records": Records(),
    "zero": Zero(),
    "odd": Odd(),
    "keys only": KeysOnly(("a", "b")),
    "no keys": KeysOnly(()),
    "settings": Settings(a=1),
    "exception": ValueError("sold out", 3),
    "namespace": types.SimpleNamespace(a=1, _b=2),
    "chain": collections.ChainMap({"a": 1}, {"b": 2}),
    "deque": collections.deque([1, 2]),
    "twelve": {f"key_{number}": number for number in range(12)},
    "thirteen": {f"key_{number}": number for number in range(13)},
    "long names": dict.fromkeys(LONG, 1),
    "blank names": {"": 1, "  ": 2, "a\n b": 3},
    "many": {f"k{number}": number for number in range(700)},
}
FIELDS = (
    "order_id",
    "ORDER_ID",
    "name",
    "value",
    "total",
    "first",
    "broken",
    "_secret",
    "_b",
    "a",
    "x",
    "price",
    "only",
)
ITEMS = (
    0,
    1,
    2,
    -1,
    -3,
    3,
    "3",
    "4",
    "null",
    "true",
    "1.5",
    "red",
    "2024-05-01T12:00:00",
    "a key",
    "price",
    "k499",
    "k699",
)
MORE = (
    "unset",
    "run",
    "shared",
    "keys",
    "args",
    "id",
    "iloc",
    "__class__",
    "shape",
    "columns",
    "k",
    "key_12",
    "k" * 60,
)


def reached(value, step):
    """The value that the step finds, or the error."""
    is_name = isinstance(step, str) and step.isidentifier()
    try:
        found = reach_field(value, step, "f1") if is_name else reach_item(value, step, "f1")
    except MissingField as error:
        return error
    return "a function" if callable(found) else repr(found)


def test_steps_into_values_of_many_kinds_find_or_say_this(expected) -> None:
    """Missing steps are grouped by the fields that the error lists."""
    lines = []
    for label, value in VALUES.items():
        lines.append(f"{label}: {', '.join(field_names(value)[:20]) or 'no fields'}; has a: {has_field(value, 'a')}")
        missing = {}
        for step in (*FIELDS, *ITEMS, *MORE):
            found = reached(value, step)
            if isinstance(found, MissingField):
                missing.setdefault(found.has, []).append(found.step)
            else:
                lines.append(f"  {step!r}: {found}")
        lines += [f"  no {', '.join(steps)}: {has}" for has, steps in missing.items()]
    expected("reaching.txt", "\n".join(lines))


def test_the_way_to_the_result_itself_is_named_for_the_result_alone() -> None:
    """Deeper inside, `value` is an ordinary name."""
    for step in ("value", "result", "output", "data", "content", "response", "return_value"):
        with pytest.raises(CallError, match=r'; the result itself is "\$f1"$'):
            reach_field({"a": 1}, step, "f1")
        with pytest.raises(CallError, match=r"it has: a$"):
            reach_field({"a": 1}, step, "f1.b")


def test_a_text_for_each_key_is_the_one_that_json_shows() -> None:
    keys = (Colour.RED, Colour.DEEP, None, True, False, 1, 1.5, "a", dt.date(2024, 5, 1), NOON)
    texts = ["red", "2", "null", "true", "false", "1", "1.5", "a", "2024-05-01", "2024-05-01T12:00:00"]
    assert [key_text(key) for key in keys] == texts


# -- events and states -----------------------------------------------------------------------------------------------

ROW = Effects(reads=(("a", "b"), ()), writes=(("c",),), declared=True, widened=(("c",),))
SAMPLES = {
    "str": "text",
    "int": 3,
    "float": 1.25,
    "float | None": 0.5,
    "int | None": 2,
    "bool": True,
    "FutureName": FutureName("f2"),
    "FutureName | None": FutureName("f1"),
    "CallId": CallId("call_1"),
    "tuple[FutureName, ...]": (FutureName("f1"), FutureName("f2")),
    "tuple[str, ...]": ("$f1.a",),
    "tuple[Limit, ...]": (Limit(name="the run", places=2),),
    "Effects": ROW,
    "Wait": Wait(kind="hazard", on=(FutureName("f1"),), hazard=Hazard.WAR, path=("a", "b"), widened=True),
}


def sample(kind, *, whole):
    """An event with every field filled, or with the required ones only."""
    values, hints = {}, get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if whole or field.default is dataclasses.MISSING:
            choices = get_args(hints[field.name]) if field.type.startswith("Literal") else ()
            values[field.name] = choices[-1] if choices else SAMPLES[field.type]
    return kind(**values)


def test_every_event_is_shown_and_written_like_this(expected) -> None:
    """Read back from its file, it is the same event."""
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]
    made = [sample(kind, whole=whole) for kind in kinds[1:] for whole in (False, True)]
    trace = Trace(tuple(Stamped(seq=number, at_s=number / 8, event=event) for number, event in enumerate(made)))
    assert Trace.from_json(trace.to_json()) == trace
    expected("events.txt", "\n".join(map(repr, made)) + "\n" + trace.to_json())


def waits():
    f1 = (FutureName("f1"),)
    yield Wait(kind="data", on=f1, detail="$f1.order_id")
    yield Wait(kind="limit", detail=str(Limit(name="search", places=2)))
    yield Wait(kind="approval")
    yield Wait(kind="same", on=f1)
    yield Wait(kind="irreversible", on=f1)
    yield Wait(kind="irreversible")
    for hazard in Hazard:
        for path in ((), ("a", "b")):
            yield Wait(kind="hazard", on=f1, hazard=hazard, path=path)
            yield Wait(kind="hazard", on=f1, hazard=hazard, path=path, widened=True)
        yield Wait(kind="hazard", on=f1, hazard=hazard, declared=False)


def test_every_reason_to_wait_has_this_sentence(expected) -> None:
    expected("waits.txt", "\n".join(f"{wait.kind}: {wait}" for wait in waits()))


def test_a_future_is_settled_in_the_states_that_nothing_follows() -> None:
    assert [state.value for state in State if state.settled] == ["done", "failed", "cancelled", "skipped"]
    assert not State.PENDING.settled
    assert {"cut", "length", "max_tokens", "content_filter", "error"} == events.BROKEN_ENDS
