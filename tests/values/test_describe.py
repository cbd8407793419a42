"""How objects of libraries are described: the real pandas and numpy, and stand-ins for others that are not imported."""

import json

import numpy as np
import pandas as pd
import pytest

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.references import parse_reference
from asyncfc_jupyter.values.summarize import value_fields

NAME = FutureName("f1")


def refuse(*_args, **_kwargs):
    raise RuntimeError("no")


def test_a_table_is_shown_by_shape_columns_index_and_head() -> None:
    frame = pd.DataFrame(
        {"a b": range(1000), "price": np.ones(1000), "day": pd.date_range("2026-01-01", periods=1000)}
    ).set_index("day")
    fields = value_fields(frame, NAME)
    lines = fields["value"].split("\n")
    assert lines[:4] == [
        "DataFrame 1000 x 2",
        "columns: a b int64, price float64",
        "index: DatetimeIndex of day, 2026-01-01 00:00:00 to 2028-09-26 00:00:00",
        "head:",
    ]
    assert lines[-1].split() == ["2026-01-05", "4", "1.0"]
    assert r'"$f1[\"a b\"]"' in fields["note"]


def test_a_wide_table_is_shown_in_part_despite_the_users_display_options() -> None:
    wide = pd.DataFrame({f"c{n}": ["x" * 5_000] for n in range(500)})
    with pd.option_context("display.max_columns", None, "display.max_colwidth", None):
        value = value_fields(wide, NAME)["value"]
    assert "c39 " in value
    assert "c40 " not in value
    assert ", ... (500 in all)" in value
    assert len(value) < 3_000


@pytest.mark.parametrize(
    ("value", "lines", "part"),
    [
        (
            pd.Series([1.5, 2.5], name="price"),
            ["Series 2, float64, named price", "index: RangeIndex, 0 to 1", "head:"],
            "$f1[0]",
        ),
        (pd.Series([], dtype=float), ["Series 0, float64"], None),
        (pd.DataFrame(), ["DataFrame 0 x 0", "columns: none"], None),
        (pd.DataFrame({0: [1]}), ["DataFrame 1 x 1", "columns: 0 int64"], "$f1.iloc[0]"),
        (
            np.arange(12).reshape(3, 4),
            ["ndarray 3 x 4, int64", "from 0 to 11", "all of it: [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]"],
            "$f1[0]",
        ),
        (
            np.zeros((9, 9, 9)),
            ["ndarray 9 x 9 x 9, float64", "from 0.0 to 0.0", "begins: [[[0.0, 0.0, 0.0, 0.0, 0.0], [0.0"],
            "$f1[0]",
        ),
        (np.zeros(0), ["ndarray 0, float64", "all of it: []"], None),
        (
            np.array([(1, 2.0)], dtype=[("id", int), ("w", float)]),
            ["ndarray 1, [('id', '<i8'), ('w', '<f8')]", "all of it: [(1, 2.0)]"],
            "$f1.id",
        ),
        (np.zeros(2_000_000, dtype="int8"), ["ndarray 2000000, int8", "begins: [0, 0, 0, 0, 0]"], "$f1[0]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_series_and_arrays_are_shown_by_shape_kind_and_beginning(value, lines, part) -> None:
    fields = value_fields(value, NAME)
    shown = fields["value"].split("\n")
    assert all(line.startswith(begins) for line, begins in zip(shown, lines, strict=False))
    assert len(shown) >= len(lines)
    assert fields["note"].endswith(f'such as "{part}".' if part else "use it whole.")


def test_a_part_that_a_note_names_can_be_reached() -> None:
    frame = pd.DataFrame({"a b": [1, 2]})
    rows = np.array([(1, 2.0)], dtype=[("id", int), ("w", float)])
    for value in (frame, frame["a b"], pd.DataFrame({0: [1]}), rows, np.arange(3), {"k": object()}, [object()]):
        example = json.loads('"' + value_fields(value, NAME)["note"].split('such as "')[1].removesuffix('".') + '"')
        parse_reference(example).resolve(value)


def test_a_span_of_time_of_an_array_library_is_text() -> None:
    assert value_fields(np.timedelta64(5, "ns"), NAME) == {"value": "5 nanoseconds"}


def test_the_scalars_of_an_array_library_are_plain_and_its_times_are_text() -> None:
    times = [np.datetime64("2026-05-14T00:00:00.000000000"), np.float32(1.5), np.int64(3), np.bool_(True), np.str_("a")]
    assert value_fields(times, NAME) == {"value": ["2026-05-14T00:00:00.000000000", 1.5, 3, True, "a"]}
    assert value_fields([pd.Timestamp("2026-05-14"), pd.NaT], NAME) == {"value": ["2026-05-14T00:00:00", "NaT"]}


class Polars:
    """A table like one of polars: types by name, and a head that draws itself."""

    shape = (9, 2)

    def __init__(self, rows=9):
        self.schema = {"a": "Int64", "b": "String"}
        self.rows = rows

    def head(self, rows):
        return Polars(rows)

    def __repr__(self):
        return f"┌ {self.rows} rows"


class Arrow:
    class schema:  # noqa: N801 - as pyarrow spells it
        names, types = ["a"], ["int64"]

    shape = (9, 1)


class Lazy:
    """A table that computes when its head is read, such as dask's: its shape is unknown."""

    shape = (object(), 2)
    columns, dtypes = ["a", "b"], ["int", "int"]
    head = refuse

    def __repr__(self):
        return "a plan"


class Image:
    size, mode = (640, 480), "RGB"


class Axes:
    def __init__(self, title):
        self.title = title

    def get_title(self):
        return self.title


class Figure:
    axes = (Axes("Prices"), Axes(""))

    def get_size_inches(self):
        return np.array([6.4, 4.8])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Polars(), "Polars 9 x 2\ncolumns: a Int64, b String\nhead:\n┌ 5 rows"),
        (Arrow(), "Arrow 9 x 1\ncolumns: a int64"),
        (Lazy(), "Lazy: a plan"),
        (Image(), "Image, an image of 640 x 480 pixels, mode RGB"),
        (Figure(), "Figure of 6.4 x 4.8 inches with 2 axes\ntitles: Prices, no title"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_tables_images_and_figures_are_recognized_by_their_attributes(value, shown) -> None:
    """They may come from any library."""
    assert value_fields(value, NAME)["value"] == shown
