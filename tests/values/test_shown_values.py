"""What a model and a user are shown of values of every kind, just within each limit and just beyond it."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import io
import json
import math
import pathlib
import uuid
from collections.abc import Sequence, Set
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel, Field
from pydantic.dataclasses import dataclass as pydantic_dataclass

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.values.describe import describe, label, named_step, plain_scalar
from asyncfc_jupyter.values.snapshot import snapshot
from asyncfc_jupyter.values.summarize import RESULT_BYTES, value_fields, value_text
from tests.whole_outputs import sections

NAME = FutureName("f7")


class Point(NamedTuple):
    x: int
    y: str = "up"


class Colour(enum.Enum):
    RED = "red"
    DEEP = ("a", 1)


class Rank(enum.IntEnum):
    FIRST = 1


@dataclasses.dataclass
class Order:
    number: int
    lines: list
    key: str = dataclasses.field(default="hush", repr=False)


@dataclasses.dataclass
class Nothing:
    """A dataclass without a field."""


class Sky(BaseModel):
    colour: str = "blue"
    inner: object = None
    token: str = Field("hush", exclude=True)
    pin: str = Field("hush", repr=False)


@pydantic_dataclass
class Account:
    owner: str
    pin: str = Field("hush", exclude=True)


class Bare:
    """Its repr contains only its address, so its fields are named."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


class Says:
    def __init__(self, said):
        self.said = said

    def __repr__(self):
        return self.said


class Subclassed(str):
    __slots__ = ()


class Backwards(Set):
    """A set of numbers that gives the greatest first."""

    def __init__(self, count):
        self.count = count

    def __contains__(self, item):
        return 0 <= item < self.count

    def __iter__(self):
        return iter(range(self.count - 1, -1, -1))

    def __len__(self):
        return self.count


def generate():
    yield 1


def nested(levels, wrap):
    value = wrap(None)
    for _ in range(levels - 1):
        value = wrap(value)
    return value


def itself():
    seen: list = [1]
    seen.append(seen)
    return seen


def raising():
    error = ValueError("wrong\nin two lines")
    error.add_note("a note")
    return error


#: JSON of these texts takes 8000 and 8001 bytes: the quotes count.
FITS, TOO_LONG = "x" * (RESULT_BYTES - 2), "x" * (RESULT_BYTES - 1)

PLAIN = {
    "none": None,
    "true": True,
    "zero": 0,
    "minus one": -1,
    "float": 2.5,
    "whole float": 3.0,
    "minus zero": -0.0,
    "not a number": math.nan,
    "infinite": [math.inf, -math.inf],
    "empty text": "",
    "text": "sunny, 'and' \"warm\"",
    "text of lines": "one\n  two\tthree  ",
    "other script": "é 日本 😀",
    "half a pair": "\ud800",
    "subclass of str": Subclassed("s"),
    "empty list": [],
    "one item": [1],
    "two items": [1, "a"],
    "tuple": (1, (2,)),
    "set": {3, 1, 2},
    "mixed set": {"b", 2, 1, "a", (1, 2)},
    "frozen set": frozenset({"a"}),
    "empty mapping": {},
    "mapping": {"city": "Oslo", "celsius": 21.5},
    "nested": {"a": {"b": [1, {"c": None}]}},
    "keys": {2.5: "b", None: "c", True: "d", (1, 2): "e", dt.date(2026, 5, 14): "f"},
    "keys alike": {1: "a", "1": "b"},
    "named tuple": Point(1),
    "enum": Colour.RED,
    "enum of a tuple": Colour.DEEP,
    "int enum": Rank.FIRST,
    "date": dt.date(2026, 5, 14),
    "time": dt.datetime(2026, 5, 14, 9, 30, tzinfo=dt.UTC),
    "time of day": dt.time(9, 30),
    "span": dt.timedelta(hours=1, seconds=2),
    "decimal": decimal.Decimal("1.50"),
    "fraction": Fraction(1, 3),
    "complex": 1 + 2j,
    "id": uuid.UUID(int=5),
    "path": pathlib.PurePosixPath("/a/b"),
    "dataclass": Order(3, [1, 2]),
    "dataclass without a field": Nothing(),
    "class": Order,
    "pydantic dataclass": Account("Ada"),
    "model": Sky(),
    "model with a list": Sky(colour="grey", inner=[1]),
    "ordered": collections.OrderedDict(b=1, a=2),
    "counter": collections.Counter("aab"),
    "deque": collections.deque([1, 2]),
    "range": range(3),
    "numpy int": np.int64(3),
    "numpy float": np.float32(1.5),
    "numpy bool": np.bool_(True),
    "numpy text": np.str_("a"),
    "numpy time": np.datetime64("2026-05-14T09:30"),
    "numpy span": np.timedelta64(5, "s"),
    "pandas time": pd.Timestamp("2026-05-14"),
    "not a time": pd.NaT,
    "array of no side": np.array(7),
    "bytes": b"\x89PNG\r\n",
    "no bytes": b"",
    "byte array": bytearray(b"ab"),
    "view": memoryview(b"abcd").cast("H"),
    "exception": raising(),
    "silent exception": KeyError(),
    "list with an object": [1, b"x", Says("an object")],
    "mapping with an array": {"rows": np.arange(3), "n": 3},
    "slice": slice(1, 2),
    "ellipsis": ...,
}

LIMITS = {
    "text that fits": FITS,
    "text one too long": TOO_LONG,
    "list that fits": ["x" * (RESULT_BYTES - 4)],
    "list one too long": ["x" * (RESULT_BYTES - 3)],
    "mapping that fits": {"k": "x" * (RESULT_BYTES - 9)},
    "mapping one too long": {"k": "x" * (RESULT_BYTES - 8)},
    "accents that fit": "é" * 3_999,
    "accents too long": "é" * 4_000,
    "uncut control characters": "\x01" * 1_800,
    "control characters of which one is cut": "\x01" * 1_801,
    "text of which much is cut": "a" * 5_000 + "b" * 3_200 + "c" * 400,
    "number of as many bits": 2**7_999,
    "number of a bit more": 2**8_000,
    "negative number of a bit more": [-(2**8_000)],
    "sixty lists": nested(60, lambda inner: [inner]),
    "sixty-one lists": nested(61, lambda inner: [inner]),
    "sixty mappings": nested(60, lambda inner: {"k": inner}),
    "sixty-one mappings": nested(61, lambda inner: {"k": inner}),
    "key that fits a note": {"k" * 59: TOO_LONG},
    "key too long for a note": {"k" * 60: TOO_LONG},
    "key that is not a name": {"a key": TOO_LONG},
    "hidden key": {"_k": TOO_LONG},
    "number as key": {7: TOO_LONG},
    "object without keys": Says("plain"),
    "one long item among two": ["x" * 9_000, 1],
    "two long items": ["x" * 9_000, "y" * 9_000],
    "eight long items": [letter * 9_000 for letter in "abcdefgh"],
    "nine long items": [letter * 9_000 for letter in "abcdefghi"],
    "long key": {"k" * 9_000: 1},
    "lists of lists": [[["x" * 1_000] * 20] * 20] * 20,
    "many fields": Order(1, ["x" * 300] * 100),
    "model of much": Sky(colour="blue", inner=["x" * 9_000]),
    "named tuple of much": Point(1, TOO_LONG),
    "many numbers": list(range(3_000)),
    "set of much": {"x" * 9_000},
    "set of two": {"x" * 9_000, "y"},
    "set that is put in order": Backwards(RESULT_BYTES),
    "set too large to be put in order": Backwards(RESULT_BYTES + 1),
    "objects that fill the room": [Says("s" * 1_999), Says("s" * 1_000)],
    "object that is cut": {"a": Says("s" * 2_000)},
    "a short text of a long list": [["x" * 40, "y" * 41] for _ in range(500)],
    "itself": itself(),
    "twelve words": dict.fromkeys("abcdefghijkl", ""),
    "thirteen words": dict.fromkeys("abcdefghijklm", ""),
}


def shown(value):
    fields = value_fields(value, NAME)
    for_model = fields["value"] if "summarized" in fields else json.dumps(fields["value"], ensure_ascii=False)
    lines = [for_model]
    if "summarized" in fields:
        lines.append(f"note: {fields['note']}")
    lines.append(f"label: {label(value)!r}")
    text = value_text(value)
    if text != for_model:
        lines.append(f"in a prompt: {text!r}")
    return "\n".join(lines)


def test_values_of_every_kind_as_a_model_and_a_user_see_them(expected) -> None:
    expected("values.txt", sections((name, shown(value)) for name, value in PLAIN.items()))


def test_values_at_each_limit_as_a_model_and_a_user_see_them(expected) -> None:
    expected("limits.txt", sections((name, shown(value)) for name, value in LIMITS.items()))


# -- descriptions ----------------------------------------------------------------------------------------------------


def frame(columns, rows=2):
    return pd.DataFrame({f"c{n}": range(rows) for n in range(columns)})


class Axis:
    def __init__(self, title):
        self.title = title

    def get_title(self):
        return self.title


class Figure:
    def __init__(self, *titles):
        self.axes = [Axis(title) for title in titles]

    def get_size_inches(self):
        return (6.4, 4.8)


class Image:
    def __init__(self, size, mode="RGB"):
        self.size, self.mode = size, mode

    def __repr__(self):
        return "no picture"


class Named:
    def __init__(self, names, dtype="int64", shape=(2,)):
        self.name, self.dtype, self.shape, self.index = "n", dtype, shape, Index(names)

    def head(self, rows):
        return Says(f"{rows} rows")


class Index(list):
    def __init__(self, names):
        super().__init__(["first", "last"])
        self.names = names


class Schema:
    names, types = ("a", "b"), ("int64", "string")


class Arrow:
    def __init__(self, shape):
        self.shape, self.schema = shape, Schema


class Bodiless:
    """An array that cannot be sliced."""

    shape, dtype = (2, 3), "float32"


LOOKS = {
    "table": frame(2),
    "table of one row": frame(1, 1),
    "table of five rows": frame(1, 5),
    "table of six rows": frame(1, 6),
    "table of no row": frame(2, 0),
    "table of no column": pd.DataFrame(index=[1, 2]),
    "empty table": pd.DataFrame(),
    "table of twelve columns": frame(12),
    "table of thirteen columns": frame(13),
    "table of forty columns": frame(40, 1),
    "table of forty-one columns": frame(41, 1),
    "table with a named index": frame(1, 3).rename_axis("day"),
    "table of numbered columns": pd.DataFrame([[1, 2]]),
    "table of hidden columns": pd.DataFrame({"_a": [1], "b": [2]}),
    "long names of columns": pd.DataFrame({"n" * 40: [1], "m" * 41: [2]}),
    "series": pd.Series([1.5, 2.5]),
    "series with a name": pd.Series([1, 2], name="price"),
    "empty series": pd.Series([], dtype="int64"),
    "names of an index": Named(["a", None, "b"]),
    "no names of an index": Named([None]),
    "arrow": Arrow((9, 2)),
    "arrow of more": Arrow((9, 5)),
    "arrow of one side": Arrow((9,)),
    "array of five": np.arange(5),
    "array of six": np.arange(6),
    "square of five": np.arange(25).reshape(5, 5),
    "five by six": np.arange(30).reshape(5, 6),
    "one by five by five": np.zeros((1, 5, 5), dtype="int8"),
    "two by one by one": np.zeros((2, 1, 1), dtype="int8"),
    "unsigned": np.array([3, 1], dtype="uint8"),
    "truths": np.array([True, False]),
    "times": np.array(["2026-05-14", "2026-05-15"], dtype="datetime64[D]"),
    "texts": np.array(["a", "b"], dtype="<U1"),
    "nothing by three": np.zeros((0, 3)),
    "records": np.array([(1, 2.0)], dtype=[("id", "i8"), ("w", "f8")]),
    "as many as are compared": np.ones(200_000, dtype="int8"),
    "one more than are compared": np.ones(200_001, dtype="int8"),
    "long items": np.array(["x" * 500] * 3),
    "array that cannot be sliced": Bodiless(),
    "image": Image((640, 480)),
    "image of three sides": Image((640, 480, 3)),
    "image without a mode": Image((640, 480), 3),
    "figure": Figure("Prices", ""),
    "figure without axes": Figure(),
    "figure of forty axes": Figure(*(f"t{n}" for n in range(40))),
    "figure of forty-one axes": Figure(*(f"t{n}" for n in range(41))),
    "bytes that are all shown": b"b" * 64,
    "bytes one of which is not": b"b" * 64 + b"c",
    "view of numbers": memoryview(bytes(80)).cast("d"),
    "file in memory": io.BytesIO(b"x"),
    "text in memory": io.StringIO("x"),
    "iterator": iter([1]),
    "generator": generate(),
    "exception": raising(),
    "exception that fits": ValueError("e" * 1_000),
    "exception that is cut": ValueError("e" * 1_001),
    "silent exception": KeyError(),
    "long number": 10**5_000,
    "object": object(),
    "repr that fits": Says("s" * 1_000),
    "repr that is cut": Says("s" * 1_001),
    "repr with addresses": Says("<A at 0x7f00aB> and <B at 0x1>"),
    "fields": Bare(a=1, b=None, c=True, d=2.5, e="text", f=[1], _g=2),
    "field that fits": Bare(a="t" * 34, b="one\ntwo", c="t" * 35),
    "forty fields": Bare(**{f"a{n:02}": n for n in range(40)}),
    "forty-one fields": Bare(**{f"a{n:02}": n for n in range(41)}),
    "no field": Bare(),
    "subclass of int": Bare(a=Rank.FIRST, b=Subclassed("s")),
    "repr and fields": Order(1, []),
    "function": generate,
    "class": Order,
}


def looked_at(value):
    look = describe(value)
    return "\n".join([look.text, f"part: {look.part!r}", f"line: {look.line!r}"])


def test_objects_of_libraries_are_described_as_expected(expected) -> None:
    expected("looks.txt", sections((name, looked_at(value)) for name, value in LOOKS.items()))


def test_a_file_is_described_by_name_mode_and_state(tmp_path) -> None:
    path = tmp_path / "a.txt"
    with path.open("w") as file:
        assert describe(file).text == f"TextIOWrapper {str(path)!r}, mode w, open"
    assert describe(file).text == f"TextIOWrapper {str(path)!r}, mode w, closed"


@pytest.mark.parametrize(
    ("name", "step"),
    [("a", ".a"), ("_a", '["_a"]'), ("a b", '["a b"]'), ("1", '["1"]'), (1, ""), (None, ""), ("é", ".é"), ("", '[""]')],
)
def test_the_step_to_a_part_is_a_name_or_a_key_in_brackets(name, step) -> None:
    assert named_step(name) == step


# -- how much of a value is read -------------------------------------------------------------------------------------


class Counting(Sequence):
    """A list that repeats one item, and counts how often an item is read."""

    def __init__(self, item, length=100_000):
        self.item, self.length, self.asked = item, length, 0

    def __len__(self):
        return self.length

    def __getitem__(self, at):
        if at >= self.length:
            raise IndexError(at)
        self.asked += 1
        return self.item


@pytest.mark.parametrize(
    ("item", "asked"),
    [
        # Of 8000 the list takes 1, and each item 1 and its length: one more is asked for than there is room for. The sketch
        # then shows as many as fill 2000 characters.
        (1, 8_000 + 667),
        ("x" * 99, 80 + 20),
        (2**4_000, 8 + 2),
        ([], 8_000 + 500),
        ({"xxxx": 1}, 1_334 + 154),
    ],
    ids=["numbers", "texts", "long numbers", "lists", "mappings"],
)
def test_a_long_list_is_read_only_as_far_as_it_is_shown(item, asked) -> None:
    value = Counting(item)
    assert value_fields(value, NAME)["summarized"]
    assert value.asked == asked


# -- small parts -----------------------------------------------------------------------------------------------------


class RudeLength(list):
    def __len__(self):
        raise RuntimeError("no")


class Shaped:
    def __init__(self, shape):
        self.shape = shape

    def __repr__(self):
        return f"Shaped({self.shape})"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (RudeLength(), "RudeLength (describing it raised RuntimeError)"),
        (Shaped((3, 4)), "Shaped 3 x 4"),
        (Shaped(()), "Shaped"),
        (Shaped([3]), "Shaped"),
        (Shaped((3, "many")), "Shaped"),
        ({"a": [1], "b": None, "c": {"d": 1}, "e": np.int8(3)}, "a: 1 item, b: None, c: d: 1, e: 3"),
        ({}, "empty"),
        ({1}, "1 item"),
        ([], "0 items"),
        (Sky(), "Sky"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_label_has_size_and_kind(value, text) -> None:
    assert label(value) == text


class HasItem:
    shape = ()

    def item(self):
        return 7


def test_only_scalars_of_an_array_library_are_unwrapped() -> None:
    assert plain_scalar(HasItem()) == 7
    for value in (Shaped(()), Shaped((1,)), np.arange(1), {"item": 1}, pd.Series([1])):
        assert plain_scalar(value) is value
    for value in (True, 3, 2.5, "a", None):
        assert plain_scalar(value) is value
    assert type(plain_scalar(np.float64(2.5))) is float


def test_a_copy_of_plain_data_is_of_the_same_types_and_shares_no_container() -> None:
    inner = {"set": {1}, "pair": ([1],), "point": Point(1, [2])}
    copied = snapshot([inner])
    assert copied == [inner]
    assert copied[0] is not inner
    assert copied[0]["set"] is not inner["set"]
    assert copied[0]["pair"][0] is not inner["pair"][0]
    assert type(copied[0]["point"]) is Point
    assert copied[0]["point"].y is not inner["point"].y


@pytest.mark.parametrize(
    "value", [Order(1, [2]), collections.OrderedDict(a=1), collections.deque([1]), frozenset({1}), Subclassed("s")]
)
def test_an_object_of_a_class_is_not_plain_data_and_passes_as_it_is(value) -> None:
    assert snapshot(value) is value
