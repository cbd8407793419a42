"""References: what is one, what it finds, and what merely looks like one."""

from collections import namedtuple
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter.core.errors import LookAlike, MissingField
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.references import (
    Field,
    Item,
    Reference,
    find_references,
    parse_reference,
    reject_look_alikes,
    substitute,
)

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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$f1.orderid", "f1 has no field 'orderid'; it has: order_id, a key, we.ird, items, qu\"ote"),
        ("$f1.items[2]", "f1.items has no index 2; it has: 2 items"),
        ("$f2.x", "f2 has no field 'x'; it has: 3 items"),
        ("$f3._secret_", "f3 has no field '_secret_'; it has: order_id, _secret"),
        ("$f3._secret", "f3 has no field '_secret'"),
        ("$f5.method", "f5 has no field 'method'; it has: price"),
        ("$f5.__class__", "f5 has no field '__class__'"),
        ("$f1.order_id.x", "f1.order_id has no field 'x'; it has: nothing to refer to (it is a int)"),
        ("$f1.order_id[0]", "f1.order_id has no index 0"),
    ],
)
def test_a_step_that_leads_nowhere_says_what_there_is(text, message) -> None:
    with pytest.raises(MissingField) as caught:
        resolve(text)
    assert message in str(caught.value)


def test_the_object_itself_takes_the_place_of_the_reference_wherever_it_stands() -> None:
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


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("f1", '"$f1"'),
        ("<f1>", '"$f1"'),
        ("{f1.id}", '"$f1.id"'),
        ("${f1}", '"$f1"'),
        ("{{f1}}", '"$f1"'),
        ("f1[0]", '"$f1[0]"'),
    ],
)
def test_what_models_write_instead_of_a_reference_is_refused_with_the_right_form(text, right) -> None:
    with pytest.raises(LookAlike, match=r"argument 'a'") as caught:
        reject_look_alikes({"a": ["x", text]}, {"f1"})
    assert caught.value.right_form == right


@pytest.mark.parametrize("text", ["$f1", "$f1.id", "$$f1", "$$$f1.x", "f2", "<b>", "f1 score", "of1", "{f2}"])
def test_references_escapes_and_other_words_are_no_look_alikes(text) -> None:
    reject_look_alikes({"a": text}, {"f1"})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_escaping_every_reference_makes_any_json_pass_through_unchanged(value) -> None:
    def escape(item):
        if isinstance(item, str):
            return "$" + item if parse_reference(item) or parse_reference(item.lstrip("$").join(["$", ""])) else item
        if isinstance(item, list):
            return [escape(each) for each in item]
        if isinstance(item, dict):
            return {key: escape(each) for key, each in item.items()}
        return item

    assert substitute(escape(value), lambda reference: pytest.fail(f"{reference} was not escaped")) == value


@given(st.lists(st.integers(-999_999_999, 999_999_999) | st.text(), max_size=4))
def test_a_reference_reads_back_as_it_is_written(keys) -> None:
    reference = Reference(FutureName("f7"), (Field("a"), *map(Item, keys)))
    assert parse_reference(str(reference)) == reference


def test_a_string_key_works_on_a_record_and_a_number_does_not() -> None:
    assert resolve('$f3["order_id"]') == 9
    with pytest.raises(MissingField):
        resolve("$f3[0]")
