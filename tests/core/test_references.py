"""References: their form, what they find, and text that only resembles one."""

from collections import namedtuple
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.references import (
    Field,
    Item,
    Reference,
    find_references,
    nested_deeper_than,
    parse_reference,
    substitute,
)
from asyncfc_jupyter.errors import MissingField

Point = namedtuple("Point", "x y")


@dataclass
class Order:
    order_id: int
    _secret: str = "hidden"


class Plain:
    def __init__(self):
        self.price = 3
        self._inner = 4

    def method(self):
        return 5


RESULTS = {
    "f1": {"order_id": 42, "a key": 1, "we.ird": 2, "items": [{"sku": "x"}, {"sku": "y"}], 'qu"ote': 7},
    "f2": [10, 20, 30],
    "f3": Order(order_id=9),
    "f4": Point(1, 2),
    "f5": Plain(),
}


def resolve(text):
    reference = parse_reference(text)
    return reference.resolve(RESULTS[reference.future])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$f1.order_id", 42),
        ('$f1["a key"]', 1),
        ("$f1['a key']", 1),
        ('$f1["we.ird"]', 2),
        (r'$f1["qu\"ote"]', 7),
        ("$f1.items[0].sku", "x"),
        ("$f1.items[-1].sku", "y"),
        ("$f2[1]", 20),
        ("$f3.order_id", 9),
        ("$f4.y", 2),
        ("$f4[0]", 1),
        ("$f5.price", 3),
    ],
)
def test_a_reference_finds_what_it_names(text, value) -> None:
    assert resolve(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "f1",
        "$f0",
        "$f01",
        "$f",
        "$g1",
        "$f1.",
        "$f1[",
        "$f1 ",
        " $f1",
        "$f1.a b",
        "$f1()",
        "$f1[a]",
        "see $f1",
        "$$f1",
        "",
    ],
)
def test_anything_else_is_ordinary_text(text) -> None:
    assert parse_reference(text) is None


def test_the_object_itself_replaces_the_reference_wherever_it_stands() -> None:
    thing = object()
    arguments = {"a": "$f1", "b": [{"c": "$f1"}, "x $f1"], "d": "$$f1", "e": "$$$f1", "f": "$ 5", "g": 1}
    replaced = substitute(arguments, lambda reference: thing)
    assert replaced == {"a": thing, "b": [{"c": thing}, "x $f1"], "d": "$f1", "e": "$$f1", "f": "$ 5", "g": 1}
    assert replaced["a"] is thing


def test_references_are_found_in_order_of_appearance() -> None:
    assert [str(r) for r in find_references({"a": ["$f2[0]", {"b": "$f1.x"}], "c": "$f3"})] == [
        "$f2[0]",
        "$f1.x",
        "$f3",
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_escaping_every_reference_makes_any_json_pass_through_unchanged(value) -> None:
    def escape(item):
        if isinstance(item, str):
            return "$text:" + item
        if isinstance(item, list):
            return [escape(each) for each in item]
        if isinstance(item, dict):
            return {key: escape(each) for key, each in item.items()}
        return item

    assert substitute(escape(value), lambda reference: pytest.fail(f"{reference} was not escaped")) == value


STEPS = st.from_regex(r"[^\W\d]\w*", fullmatch=True).map(Field) | st.builds(Item, st.integers() | st.text())


@given(st.integers(1, 10**9), st.lists(STEPS, max_size=5))
def test_a_reference_reads_back_as_it_is_written(number, steps) -> None:
    reference = Reference(FutureName(f"f{number}"), tuple(steps))
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize("name", ["a b", "1st", "", "a.b", 'a"'])
def test_a_step_that_cannot_be_read_back_is_refused(name) -> None:
    with pytest.raises(ValueError, match="use Item for a key of any text"):
        Field(name)
    with pytest.raises(ValueError, match="600 digits"):
        Item(10**600)


@given(st.text() | st.text("$f10.[]\"'\\ax-:< >{}"))
def test_any_text_can_be_read_and_passed_through(text) -> None:
    parse_reference(text)
    assert substitute("$text:" + text, lambda reference: None) == text
    if parse_reference(text) is not None:
        assert substitute("$" + text, lambda reference: None) == text


@pytest.mark.parametrize(
    "text",
    [
        "$f1" + ".a" * 200_000 + "!",
        "$f1" + "[0]" * 200_000 + "[",
        '$f1["' + "\\\\" * 200_000,
        "$f1['" + "a" * 400_000,
        "$" * 400_000,
        "$f" + "1" * 400_000 + "!",
        "$f1." + "a" * 400_000 + " ",
    ],
    ids=lambda text: text[:6],
)
def test_hostile_text_is_read_in_one_pass(text) -> None:
    # A pattern that backtracked would not come back from 400,000 characters within anyone's patience.
    assert parse_reference(text) is None
    assert substitute(text, lambda reference: None) == text


def test_a_string_key_works_on_a_record_and_a_number_does_not() -> None:
    assert resolve('$f3["order_id"]') == 9
    with pytest.raises(MissingField):
        resolve("$f3[0]")


def test_a_key_may_hold_an_escaped_line_break() -> None:
    assert parse_reference('$f1["a\\\nb"]') == Reference(FutureName("f1"), (Item("a\nb"),))


def test_depth_is_counted_from_the_outermost_container() -> None:
    assert nested_deeper_than(1, [[[]]])
    assert not nested_deeper_than(2, [[[]]])
    assert nested_deeper_than(1, {"a": {"b": {"c": 1}}})
