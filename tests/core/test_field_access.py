"""What a reference finds inside objects of every kind, and what it never reaches."""

import collections
import datetime as dt
import enum
import functools
import sqlite3
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict, computed_field

from asyncfc_jupyter.core.field_access import field_names
from asyncfc_jupyter.core.references import parse_reference
from asyncfc_jupyter.errors import MissingField


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Order:
    order_id: int
    _secret: str = "hidden"


@dataclass(frozen=True, slots=True)
class Slotted:
    price: int


class Sky(BaseModel):
    model_config = ConfigDict(extra="allow")

    colour: str

    @computed_field
    @property
    def shade(self) -> str:
        return f"dark {self.colour}"


class Plain:
    currency = "EUR"

    def __init__(self):
        self.price = 3
        self.format = len
        self._inner = 4

    @property
    def total(self):
        return self.price * 2

    @property
    def broken(self):
        raise ZeroDivisionError

    @functools.cached_property
    def kept(self):
        return 8

    def method(self):
        return 5

    @classmethod
    def make(cls):
        return cls()

    class Inner:
        pass


class WithSlots:
    __slots__ = ("never", "price")

    def __init__(self):
        self.price = 3


class Dynamic:
    def __getattr__(self, name):
        return "made up"


class Colour(enum.Enum):
    RED = "red"


def generate():
    yield 1


FRAME = pd.DataFrame({"price": [5, 6, 7], "a key": [1, 2, 3], "max": [9, 9, 9]}, index=[10, 20, 30])
RESULTS = {
    "f1": {"order_id": 42, "a key": 1, "we.ird": 2, "items": [{"sku": "x"}, {"sku": "y"}], 'qu"ote': 7, "größe": 8},
    "f2": [10, 20, 30],
    "f3": Order(order_id=9),
    "f4": Point(1, 2),
    "f5": Plain(),
    "f6": FRAME,
    "f7": np.array([[1, 2], [3, 4]]),
    "f8": {3: "three", True: "yes", None: "nothing", Colour.RED: "r", dt.date(2026, 5, 14): "day", 2.5: "float"},
    "f9": {3: "number", "3": "text", "4": "four"},
    "f10": Sky(colour="blue", extra=1),
    "f11": Slotted(price=3),
    "f12": WithSlots(),
    "f13": SimpleNamespace(a=SimpleNamespace(b=1)),
    "f14": np.float64(2.5),
    "f15": {1, 2},
    "f16": generate(),
    "f17": collections,
    "f18": Plain,
    "f19": Dynamic(),
    "f20": np.array([(1, 2.0)], dtype=[("n", "i4"), ("x", "f8")]),
    "f21": "text",
    "f22": collections.defaultdict(list),
    "f23": dt.date(2026, 5, 14),
    "f24": {f"column_{n}": n for n in range(100)},
    "f25": [],
    "f26": Colour.RED,
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
        ("$f1.größe", 8),
        ("$f1.items[0].sku", "x"),
        ("$f1.items[-1].sku", "y"),
        ("$f2[1]", 20),
        ("$f2[-3]", 10),
        ("$f3.order_id", 9),
        ('$f3["order_id"]', 9),
        ("$f4.y", 2),
        ("$f4[0]", 1),
        ("$f5.price", 3),
        ("$f5.total", 6),
        ("$f5.kept", 8),
        ("$f5.currency", "EUR"),
        ("$f5.format", len),
        ("$f6.price[0]", 5),
        ('$f6["price"][-1]', 7),
        ('$f6["a key"][1]', 2),
        ("$f6.max[0]", 9),
        ("$f6.price.loc[20]", 6),
        ("$f6.iloc[0].price", 5),
        ("$f6.shape[0]", 3),
        ("$f7[1][0]", 3),
        ("$f7.shape", (2, 2)),
        ("$f8[3]", "three"),
        ('$f8["3"]', "three"),
        ("$f8.true", "yes"),
        ('$f8["null"]', "nothing"),
        ("$f8.red", "r"),
        ('$f8["2026-05-14"]', "day"),
        ('$f8["2.5"]', "float"),
        ('$f9["3"]', "text"),
        ("$f9[3]", "number"),
        ("$f9[4]", "four"),
        ("$f10.colour", "blue"),
        ("$f10.shade", "dark blue"),
        ("$f10.extra", 1),
        ("$f11.price", 3),
        ("$f12.price", 3),
        ("$f13.a.b", 1),
        ("$f20.n[0]", 1),
        ("$f21[0]", "t"),
        ("$f23.year", 2026),
        ("$f26.value", "red"),
    ],
)
def test_a_reference_finds_what_it_names(text, value) -> None:
    assert resolve(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$f1.orderid", "f1 has no field 'orderid'; it has: order_id, a key, we.ird, items, qu\"ote, größe"),
        ("$f1.items[2]", "f1.items has no item [2]; it has 2 items (0 to 1)"),
        ("$f1.items[-3]", "f1.items has no item [-3]; it has 2 items (0 to 1)"),
        ("$f2.x", "f2 has no field 'x'; it has 3 items (0 to 2)"),
        ("$f2[5]", "f2 has no item [5]; it has 3 items (0 to 2)"),
        ("$f25[0]", "f25 has no item [0]; it is empty"),
        ("$f3._secret", "f3 has no field '_secret'; it has: order_id"),
        ("$f3[0]", "f3 has no item [0]; it has: order_id"),
        ("$f5.method", "f5 has no field 'method'; it has: "),
        ("$f5.make", "f5 has no field 'make'"),
        ("$f5.Inner", "f5 has no field 'Inner'"),
        ("$f5.__class__", "f5 has no field '__class__'"),
        ("$f5.broken", "f5 has no field 'broken'; reading it raised ZeroDivisionError"),
        ("$f1.order_id.x", "f1.order_id has no field 'x'; it has nothing to refer to (it is a int)"),
        ("$f1.order_id[0]", "f1.order_id has no item [0]; it has nothing to refer to (it is a int)"),
        ("$f1.order_id.real", "f1.order_id has no field 'real'"),
        ("$f1.value", 'it has: order_id, a key, we.ird, items, qu"ote, größe; the result itself is "$f1"'),
        ("$f6.prize", "f6 has no field 'prize'; it has: price, a key, max"),
        ("$f6.mean", "f6 has no field 'mean'; it has: price, a key, max"),
        ("$f6[0]", 'it has: price, a key, max; a row is "$f6.iloc[0]"'),
        ("$f6.price[3]", "f6.price has no item [3]"),
        ("$f7[2]", "f7 has no item [2]; it has 2 items (0 to 1)"),
        ('$f9["5"]', "f9 has no key '5'; it has: 3, 4"),
        ("$f12.never", "f12 has no field 'never'"),
        ("$f14[0]", "f14 has no item [0]; it has nothing to refer to (it is a float64)"),
        ("$f15[0]", "it has nothing to refer to (it is a set, whose items have no order)"),
        ("$f16.gi_frame", "f16 has no field 'gi_frame'; it has nothing to refer to (it is a generator)"),
        ("$f17.abc", "f17 has no field 'abc'; it has nothing to refer to (it is a module)"),
        ("$f18.currency", "f18 has no field 'currency'"),
        ("$f19.anything", "f19 has no field 'anything'"),
        ("$f21.order_id", "f21 has no field 'order_id'; it is text of 4 characters"),
        ("$f22.x", "f22 has no field 'x'; it is empty"),
        ("$f24.colum_7", "it has: column_7, "),
        ("$f24.x", ", ... (100 in all)"),
    ],
)
def test_a_step_to_a_missing_field_lists_the_existing_ones(text, message) -> None:
    with pytest.raises(MissingField) as caught:
        resolve(text)
    assert message in str(caught.value)


def test_asking_a_default_dictionary_adds_nothing_to_it() -> None:
    for text in ("$f22.x", '$f22["x"]', "$f22[0]"):
        with pytest.raises(MissingField):
            resolve(text)
    assert len(RESULTS["f22"]) == 0


def test_a_key_that_two_keys_read_as_is_not_guessed_at() -> None:
    class Nothing(enum.Enum):
        AT_ALL = None

    with pytest.raises(MissingField):
        parse_reference('$f1["null"]').resolve({None: 1, Nothing.AT_ALL: 2})


def test_a_row_of_a_database_has_columns_and_positions() -> None:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    row = connection.execute("select 1 as price, 2 as number").fetchone()
    connection.close()
    assert parse_reference("$f1.price").resolve(row) == parse_reference('$f1["price"]').resolve(row) == 1
    assert parse_reference("$f1[1]").resolve(row) == 2


def test_tables_of_other_libraries_have_their_columns() -> None:
    class Polars:
        columns = ("price", "name")

        def __getitem__(self, key):
            return {"price": [1, 2], "name": ["a", "b"]}[key]

    assert parse_reference("$f1.price[1]").resolve(Polars()) == 2
    with pytest.raises(MissingField, match="it has: price, name"):
        parse_reference("$f1.prise").resolve(Polars())


def test_the_fields_of_a_record_are_listed_without_private_ones() -> None:
    assert field_names(Plain()) == ("price", "format", "total", "broken", "kept")
    assert field_names(WithSlots()) == ("never", "price")
    assert field_names(Sky(colour="blue", extra=1))[:2] == ("colour", "extra")


def test_a_value_is_reached_and_not_copied() -> None:
    assert parse_reference("$f1.inner[0]").resolve({"inner": [FRAME]}) is FRAME


def test_the_nearest_name_is_listed_first_and_as_it_is_spelled() -> None:
    value = {f"column {n}": n for n in range(20)} | {"Order_ID": 1}
    with pytest.raises(MissingField, match=r"it has: Order_ID, column 0"):
        parse_reference("$f1.order_id").resolve(value)


def test_a_reference_reads_an_exception_and_separates_3_from_its_text() -> None:
    """A column that is named by the number 3 is not found by the text '3'."""
    assert parse_reference("$f1.args[0]").resolve(ValueError("wrong")) == "wrong"
    with pytest.raises(MissingField):
        parse_reference('$f1["3"]').resolve(pd.DataFrame({3: [1]}))
