"""The summary of a result that a model is shown."""

import dataclasses
import datetime as dt
import io
import json
import math
import tracemalloc
from typing import NamedTuple
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.references import Item, Reference
from asyncfc_jupyter.values.plain import is_plain
from asyncfc_jupyter.values.snapshot import snapshot
from asyncfc_jupyter.values.summarize import RESULT_BYTES, value_fields

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
    ("value", "begins", "part"),
    [
        (["row"] * 1_000_000, 'list of 1000000 items:\n["row", "row", ', "$f1[0]"),
        ({f"k{n}": n for n in range(100_000)}, 'dict with 100000 keys:\n{"k0": 0, "k1": 1, ', "$f1.k0"),
        ({"a key": "x" * 10_000}, 'dict with 1 key:\n{"a key": "xxx', r"$f1[\"a key\"]"),
        ({7: "x" * 10_000}, 'dict with 1 key:\n{"7": "xxx', r"$f1[\"7\"]"),
        ([["x" * 100] * 100] * 100, 'list of 100 items:\n[["xxx', "$f1[0]"),
        (set(range(100_000)), "set of 100000 items without an order:\n[", None),
        (range(10**9), "range of 1000000000 items:\n[0, 1, 2, ", "$f1[0]"),
        (Order(10**5000, dt.date(2026, 5, 14)), "Order with 2 fields:\n", "$f1.order_id"),
        (object(), "object", None),
        (b"\xff\xfe", "bytes, 2 in all\nbegins: b'\\xff\\xfe'", None),
        (memoryview(np.zeros(10)), "memoryview, 80 in all", None),
        (10**5000, "int of 16610 bits", None),
        (ValueError("wrong"), "exception ValueError: wrong", None),
        (KeyError(), "exception KeyError", None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_is_long_or_not_plain_is_shown_by_its_beginning(value, begins, part) -> None:
    """The value can be passed on, whole or in part."""
    fields = value_fields(value, NAME)
    assert fields["summarized"] is True
    assert fields["value"].startswith(begins)
    example = f', or a part of it, such as "{part}"' if part else ""
    assert fields["note"] == f'Too big or not plain data: pass "$f1" on to use it whole{example}.'


def test_a_long_text_is_shown_by_both_its_ends_and_the_length_of_the_cut() -> None:
    value = value_fields("a" * 5_000 + "é" * 5_000, NAME)["value"]
    shown = value.removeprefix("text of 10000 characters:\n").split("\n")
    assert shown == ["a" * 1_400, "[... 8200 characters cut ...]", "é" * 400]


def test_a_sketch_counts_what_it_omits_and_a_long_item_hides_no_other() -> None:
    value = value_fields({"page": "x" * 20_000, "rows": list(range(5_000)), "last": True}, NAME)["value"]
    title, sketch = value.split("\n")
    assert title == "dict with 3 keys:"
    assert '… (20000 characters), "rows": [0, 1, 2, ' in sketch
    assert sketch.endswith(' more], "last": true}')
    left_out = int(sketch.split("... ")[1].split(" more")[0])
    assert f"{4_999 - left_out}, ... {left_out} more" in sketch


def strict_json(fields):
    return json.dumps(fields, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")


def cycle():
    inside: list = []
    inside.append(inside)
    return {"inside": inside}


def generate():
    yield from (1, 2, 3)


@pytest.mark.parametrize(
    "value",
    [
        math.nan, [math.inf, {"x": -math.inf}], np.float64("nan"), 10**500, "\ud800", {"\ud800": "\udfff"}, cycle(), {1, 2},
        frozenset({"a"}), [[[[[[[[[[]]]]]]]]]], ValueError("wrong"), io.BytesIO(b"x"), generate(), np.zeros((1000, 1000)),
        pd.DataFrame({"a": [1.5, math.nan]}), pd.Series([1, 2]), np.int64(3), b"\x00" * 10**6, {(1, 2): 3, None: 4},
        range(10**9), memoryview(b"x"),
        "\x00" * 10**5, "😀" * 9_000, ["\x00" * 9_000] * 3, {"😀" * 9_000: 1}, [10**2000] * 9_000,
        object, len, {"n": generate()}, dict.fromkeys(range(10000), "x" * 100),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_any_result_is_shown_as_valid_bounded_json(value) -> None:
    assert len(strict_json(value_fields(value, NAME))) <= RESULT_BYTES


def test_numbers_that_json_does_not_have_are_shown_as_text() -> None:
    assert value_fields([math.nan, math.inf, -math.inf, 1.5], NAME) == {"value": ["NaN", "Infinity", "-Infinity", 1.5]}


class Watched(pd.DataFrame):
    """A table that refuses to be copied, serialized or iterated."""

    @property
    def _constructor(self):
        return pd.DataFrame

    def _refuse(self, *args, **kwargs):
        raise AssertionError("a value passes by reference")

    copy = to_json = to_dict = to_csv = to_numpy = __reduce__ = __deepcopy__ = __copy__ = iterrows = itertuples = (
        _refuse
    )


def test_a_table_of_a_million_rows_is_shown_by_its_head() -> None:
    """It is passed on as the object itself."""
    frame = Watched({"price": np.arange(1_000_000), "weight": np.ones(1_000_000)})
    assert snapshot(frame) is frame
    assert snapshot([frame])[0] is frame
    tracemalloc.start()
    fields = value_fields(frame, NAME)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fields["value"].startswith("Watched 1000000 x 2\ncolumns: price int64, weight float64\n")
    assert "price" in fields["value"]
    assert peak_bytes < 1_000_000  # the table holds sixteen times as much
    assert len(strict_json(fields)) < RESULT_BYTES


class Row(NamedTuple):
    tags: list


def test_a_later_change_inside_a_named_tuple_leaves_its_snapshot_alone() -> None:
    row = Row(tags=["a"])
    kept = snapshot([row])
    row.tags.append("b")
    assert kept == [Row(tags=["a"])]
    assert type(kept[0]) is Row


def test_sets_and_the_items_of_tuples_are_snapshotted_too() -> None:
    seen, held = {1}, ([1],)
    kept = snapshot([seen, held])
    seen.add(2)
    held[0].append(2)
    assert kept == [{1}, ([1],)]


def test_a_list_that_a_value_holds_twice_is_copied_once() -> None:
    row = [1]
    kept = snapshot([row, {"same": row}, (row,)])
    assert kept == [[1], {"same": [1]}, ([1],)]
    assert kept[0] is kept[1]["same"] is kept[2][0]
    assert kept[0] is not row


class Fresh(tuple):
    """Makes its items when it is asked for them, as a named tuple may."""

    _make = list

    def __iter__(self):
        return ({number} if number % 2 else [number] for number in range(5))


def test_lists_that_exist_one_after_the_other_are_copied_each() -> None:
    assert snapshot(Fresh()) == [[0], {1}, [2], {3}, [4]]


def doubled(times: int) -> list:
    """Return a list of lists that hold one list twice each, as a few lines of YAML make it."""
    value: list = ["ha"]
    for _ in range(times):
        value = [value, value]
    return value


def test_a_list_of_ten_to_the_eighteen_places_is_kept_and_shown_at_once() -> None:
    kept = snapshot(doubled(60))
    assert is_plain(kept)
    assert value_fields(kept, NAME)["summarized"] is True


def test_describing_an_iterator_does_not_consume_it() -> None:
    numbers = iter([1, 2, 3])
    for value in (numbers, {"numbers": numbers}, [[numbers]]):
        fields = value_fields(value, NAME)
        assert fields["summarized"]
        assert "list_iterator; its items come one by one and only once" in fields["value"].replace("\n", "; ")
    assert list(numbers) == [1, 2, 3]


def test_a_coroutine_is_not_awaited_and_an_open_file_is_not_read(tmp_path) -> None:
    async def later():
        """Never run."""

    waiting = later()
    assert "it has to be awaited, once, and was not" in value_fields(waiting, NAME)["value"]
    waiting.close()
    path = tmp_path / "log.txt"
    path.write_text("line")
    with path.open() as file:
        assert value_fields(file, NAME)["value"] == f"TextIOWrapper {str(path)!r}, mode r, open"
        assert file.read() == "line"
    assert value_fields(file, NAME)["value"].endswith("mode r, closed")
    assert value_fields(io.BytesIO(b"x"), NAME)["value"] == "BytesIO in memory, open"


def refuse(*_args, **_kwargs):
    raise RuntimeError("no")


class Rude:
    __repr__ = refuse


class AnswersToEverything:
    def __getattr__(self, name):
        return lambda *args, **kwargs: self


class RefusesEverything:
    __getattribute__ = __repr__ = __len__ = __iter__ = __getitem__ = __eq__ = __hash__ = __bool__ = refuse


class RudeList(list):
    __len__ = __iter__ = refuse


class RudeDict(dict):
    items = keys = __iter__ = __len__ = refuse


class RudeTable:
    shape, columns, dtypes, index = (2, 1), ["a"], ["int"], ()
    head = refuse

    def __repr__(self):
        return "a table"


class RudeShape:
    shape = property(refuse)

    def __repr__(self):
        return "no shape"


@pytest.mark.parametrize(
    ("value", "begins"),
    [
        (Rude(), "Rude: its repr raised RuntimeError"),
        (AnswersToEverything(), "AnswersToEverything"),
        (RefusesEverything(), "RefusesEverything"),
        (RudeList([1]), "RudeList: [1]"),
        (RudeDict(a=1), "RudeDict: {'a': 1}"),
        (RudeTable(), "RudeTable 2 x 1: a table"),
        (RudeShape(), "RudeShape: no shape"),
        (MagicMock(), "MagicMock"),
        ([Rude(), 1], "list of 2 items:\n[<Rude: its repr raised RuntimeError>, 1]"),
        ({"x": RudeList()}, 'dict with 1 key:\n{"x": <RudeList>}'),
        ([RefusesEverything()], "list of 1 item:\n[<RefusesEverything>]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_object_whose_own_code_raises_is_shown_without_that_part(value, begins) -> None:
    assert value_fields(value, NAME)["value"].startswith(begins)


def test_a_value_inside_itself_is_named_and_depth_is_limited() -> None:
    assert value_fields(cycle(), NAME)["value"] == 'dict with 1 key:\n{"inside": [<itself>]}'
    twice = [1]
    assert value_fields([twice, twice], NAME) == {"value": [[1], [1]]}
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    assert value_fields(deep, NAME)["value"] == "list of 1 item:\n" + "[" * 60 + "<deeper>" + "]" * 60


def nested(levels):
    value: list = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_plain_data_over_sixty_levels_or_8000_bytes_is_summarized() -> None:
    assert value_fields(nested(60), NAME) == {"value": nested(60)}
    assert value_fields(nested(61), NAME)["summarized"]
    assert value_fields("é" * 3_999, NAME) == {"value": "é" * 3_999}  # and two quotes
    assert value_fields("é" * 4_000, NAME)["summarized"]


def test_the_kind_of_an_object_is_found_without_its_dynamic_attributes() -> None:
    asked = []

    class MakesUp:
        def __getattr__(self, name):
            asked.append(name)
            raise AttributeError(name)

    value_fields(MakesUp(), NAME)
    assert not {"columns", "dtypes", "schema", "head", "axes", "size", "mode"} & set(asked)


def test_objects_inside_plain_data_are_named_in_their_place() -> None:
    frame = pd.DataFrame({"a b": [1, 2], "c": ["x", "y"]})
    value = value_fields({"train": frame, "n": 5}, NAME)["value"]
    assert value.startswith('dict with 2 keys:\n{"train": <DataFrame 2 x 2; columns: a b int64, c ')
    assert value.endswith('>, "n": 5}')


def test_keys_are_shown_by_the_text_by_which_a_reference_finds_them() -> None:
    value = {(1, 2): "a", None: "b", True: "c", dt.date(2026, 5, 14): "d", 7: "e"}
    shown = value_fields(value, NAME)["value"]
    assert shown == {"(1, 2)": "a", "null": "b", "true": "c", "2026-05-14": "d", "7": "e"}
    for key, item in shown.items():
        assert Reference(NAME, (Item(key),)).resolve(value) == item
    assert value_fields({1: "a", "1": "b"}, NAME)["summarized"]  # JSON has room for one of them


def test_a_set_is_shown_in_the_same_order_in_every_run() -> None:
    assert value_fields({"b", "c", "a"}, NAME) == {"value": ["a", "b", "c"]}
    assert value_fields({"b", 2, 1}, NAME) == {"value": [1, 2, "b"]}


def test_a_named_tuple_is_shown_by_its_names() -> None:
    assert value_fields(Row(tags=["a"]), NAME) == {"value": {"tags": ["a"]}}


class Account(BaseModel):
    owner: str
    key: SecretStr = SecretStr("hush")
    token: str = Field("hush", exclude=True)
    pin: str = Field("hush", repr=False)


@dataclasses.dataclass
class Login:
    user: str
    password: str = dataclasses.field(repr=False)


class Bare:
    def __init__(self) -> None:
        self.order_id, self.note, self.rows, self._key = 4, "n" * 1_000, [1], "hush"

    @property
    def total(self):
        raise AssertionError("not asked for")


def test_private_fields_of_a_class_are_not_shown() -> None:
    shown = [value_fields(value, NAME) for value in (Account(owner="Ada"), Login("Ada", "hush"), Bare())]
    assert "hush" not in str(shown)
    assert shown[0] == {"value": {"owner": "Ada", "key": "**********"}}
    assert shown[1] == {"value": {"user": "Ada"}}


def test_an_object_without_its_own_repr_is_shown_by_its_fields() -> None:
    """Properties are not run."""
    fields = value_fields(Bare(), NAME)
    title, listed = fields["value"].split("\n")
    assert title == "Bare"
    assert listed.startswith("fields: order_id = 4, note = 'nnn")
    assert listed.endswith(", rows, total")
    assert '"$f1.order_id"' in fields["note"]


def test_no_address_in_memory_is_shown() -> None:
    assert value_fields(lambda: 1, NAME)["value"].endswith("<locals>.<lambda>>")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_short_json_is_shown_whole(value) -> None:
    if len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) <= RESULT_BYTES:
        assert value_fields(value, NAME) == {"value": value}
