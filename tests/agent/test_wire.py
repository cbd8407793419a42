"""What a model is shown of a result."""

import dataclasses
import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from asyncfc_jupyter.agent.wire import RESULT_BYTES, value_fields
from asyncfc_jupyter.core.futures import FutureName

NAME = FutureName("f1")


class Sky(BaseModel):
    colour: str


@dataclasses.dataclass
class Order:
    order_id: int
    made: dt.date


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        ({"a": [1, 2.5, True]}, {"a": [1, 2.5, True]}),
        ((1, 2), [1, 2]),
        (Sky(colour="blue"), {"colour": "blue"}),
        ([Order(1, dt.date(2026, 5, 14))], [{"order_id": 1, "made": "2026-05-14"}]),
    ],
)
def test_plain_data_is_shown_as_it_is(value, shown) -> None:
    assert value_fields(value, NAME) == {"value": shown}


@pytest.mark.parametrize(
    ("value", "begins"),
    [
        (["row"] * 1_000_000, '1000000 items, which begins: ["row", "row"'),
        ({str(n): n for n in range(100_000)}, "0: 0"),
        ("x" * 5_000_000, "xxxx"),
        ([["x" * 100] * 100] * 100, "100 items, which begins: [["),
        (object(), "object: <object object"),
        (b"\xff\xfe", "bytes: b'"),
    ],
)
def test_what_is_large_or_not_plain_is_shown_by_its_beginning_and_can_be_passed_on(value, begins) -> None:
    fields = value_fields(value, NAME)
    assert fields["summarized"] is True
    assert fields["value"].startswith(begins)
    assert len(json.dumps(fields)) < RESULT_BYTES
    assert 'pass "$f1" on' in fields["note"]


def test_looking_at_an_iterator_does_not_use_it_up() -> None:
    numbers = iter([1, 2, 3])
    assert value_fields({"numbers": numbers}, NAME)["summarized"]
    assert list(numbers) == [1, 2, 3]


def test_a_value_that_cannot_even_say_what_it_is_is_shown_all_the_same() -> None:
    class Rude:
        def __repr__(self):
            raise RuntimeError("no")

    assert value_fields(Rude(), NAME)["value"] == "Rude: its repr raised RuntimeError"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_short_json_is_shown_whole(value) -> None:
    if len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) <= RESULT_BYTES:
        assert value_fields(value, NAME) == {"value": value}
