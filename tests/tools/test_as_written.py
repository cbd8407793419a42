"""By reference a value gives what it would give written out: the object where it fits, and else its JSON form."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import attrs
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, AliasChoices, AnyUrl, BaseModel, Field, field_serializer
from typing_extensions import TypedDict

from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.errors import ArgumentMismatch
from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.values.summarize import value_fields
from asyncfc_jupyter.values.written_out import written_out

NAME = FutureName("f1")


class Colour(enum.Enum):
    RED = "red"
    TWO = 2


@dataclasses.dataclass
class Line:
    sku: str
    label: str | None = None
    token: str = dataclasses.field(default="secret", repr=False)


@attrs.define
class Parcel:
    sku: str
    token: str = attrs.field(default="secret", repr=False)


class Pair(NamedTuple):
    sku: str
    count: int = 1


class Account(BaseModel):
    sku: str
    iban: str = "XX00-9999"

    @field_serializer("iban")
    def _mask(self, value: str) -> str:
        return value[:4]


class Article(BaseModel):
    sku: str
    label: str = "no label"


class Fields(TypedDict):
    sku: str


def bind(hint, value, default=...):
    def look(x):
        """Look at it."""

    look.__annotations__ = {"x": hint}
    look.__defaults__ = None if default is ... else (default,)
    return make_tool(look).parameters_of.bind({"x": value}).arguments["x"]


def row_of_a_table():
    return pd.DataFrame({"sku": ["cup", "mug"], "count": [2, 3]}).iloc[0]


@pytest.mark.parametrize(
    ("value", "hint", "bound"),
    [
        (Path("a.csv"), str, "a.csv"),
        (dt.date(2026, 1, 2), str, "2026-01-02"),
        (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), str, "2026-01-02T03:00:00Z"),
        (dt.timedelta(days=1), str, "P1D"),
        (uuid.UUID(int=1), str, "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.50"), str, "1.50"),
        (ipaddress.ip_address("10.0.0.1"), str, "10.0.0.1"),
        (AnyUrl("http://a.b/c"), str, "http://a.b/c"),
        (np.datetime64("2026-01-02"), str, "2026-01-02"),
        (pd.Timestamp("2026-01-02"), str, "2026-01-02T00:00:00"),
        (float("nan"), str, "NaN"),
        (Colour.RED, Literal["red"], "red"),
        (Colour.TWO, int, 2),
        (np.int64(3), int, 3),
        (np.bool_(True), bool, True),
        (Path("a"), Annotated[str, Field(max_length=1)], "a"),
        (Path("a"), str | int, "a"),
        (Path("a"), list[str] | str, "a"),
        (Line("cup"), dict, {"sku": "cup", "label": None}),
        (Parcel("cup"), dict, {"sku": "cup"}),
        (Pair("cup"), dict[str, Any], {"sku": "cup", "count": 1}),
        (Account(sku="cup"), dict, {"sku": "cup", "iban": "XX00"}),
        (Account(sku="cup"), Article | None, Article(sku="cup")),
        (Line("cup"), Article, Article(sku="cup")),
        ([Line("cup"), {"sku": "mug"}], list[Article], [Article(sku="cup"), Article(sku="mug")]),
        ({1: Path("a")}, dict[str, str], {"1": "a"}),
        ({"at": dt.date(2026, 1, 2)}, dict[str, str], {"at": "2026-01-02"}),
        (row_of_a_table(), dict, {"sku": "cup", "count": 2}),
        (row_of_a_table(), Article, Article(sku="cup")),
        (pd.Series([1, 2]), list[int], [1, 2]),
        (pd.Index(["a"]), list[str], ["a"]),
        (np.array([[1.0, 2.0]]), list[list[float]], [[1.0, 2.0]]),
        ([{"row": row_of_a_table()}], list[dict[str, dict]], [{"row": {"sku": "cup", "count": 2}}]),
    ],
    ids=lambda each: None if isinstance(each, type) else type(each).__name__,
)
def test_what_was_shown_as_json_can_be_passed_as_what_was_shown(value, hint, bound) -> None:
    assert bind(hint, value) == bound
    assert type(bind(hint, value)) is type(bound)


@pytest.mark.parametrize(
    ("value", "hint", "problem"),
    [
        (3, str, "not 3"),
        ({"a": 1}, str, "not an object"),
        ([1], dict, "not a list"),
        (Path("a.csv"), int, "not 'a.csv'"),
        (Line("cup"), str, "not an object"),
        (Line("cup"), dict[str, int], "'x.sku': input should be a valid integer, unable to parse string"),
        (object(), str, "not object"),
        (pd.DataFrame({"a": [1]}), str, "not DataFrame"),
        (pd.DataFrame({"a": [1]}), dict, "not DataFrame"),
        (row_of_a_table(), str, "not Series"),
        ([object(), Path("a")], list[str], "not object"),
    ],
    ids=["number", "mapping", "list", "path", "record", "field", "object", "table", "table as row", "row", "in a list"],
)
def test_what_would_not_fit_written_out_is_refused_as_it_would_be(value, hint, problem) -> None:
    with pytest.raises(ArgumentMismatch) as refused:
        bind(hint, value)
    assert problem in str(refused.value)


@pytest.mark.parametrize("hint", [Any, object, Path, Path | str, str | Path, Annotated[Path, Field()]], ids=str)
def test_an_object_that_fits_is_passed_as_it_is(hint) -> None:
    path = Path("a.csv")
    assert bind(hint, path) is path


def test_validators_run_again_only_for_a_value_that_has_another_form() -> None:
    seen = []

    def look(x, y):
        """Look at it."""

    look.__annotations__ = {"x": Annotated[str, AfterValidator(lambda text: seen.append(text) or text)], "y": Any}

    def refuse(text):
        seen.append(text)
        raise ValueError("no")

    parameters = make_tool(look).parameters_of
    parameters.bind({"x": "a", "y": Path("b")})
    parameters.bind({"x": Path("c"), "y": 1})
    assert seen == ["a", "c"]
    for value, times in (("a", 1), ({"a": [1.5, None, True]}, 1), (Path("a"), 2), (object(), 1)):
        seen.clear()
        with pytest.raises(ArgumentMismatch):
            bind(Annotated[Any, AfterValidator(refuse)], value)
        assert len(seen) == times


def test_a_default_is_used_as_it_is() -> None:
    made = Field(default_factory=lambda: [1])

    def look(x: str = Path("a"), y: int = Field(3, ge=1), z: list = made) -> None:
        """Look at it."""

    bound = make_tool(look).parameters_of.bind({})
    bound.apply_defaults()
    assert bound.arguments == {"x": Path("a"), "y": 3, "z": [1]}


def test_an_arguments_path_is_that_of_the_text_that_the_function_gets() -> None:
    def look(x: str, y: dict) -> None:
        """Look at it."""

    canonical = make_tool(look).parameters_of.canonical
    assert canonical({"x": Path("a"), "y": Line("cup")}) == {"x": "a", "y": {"sku": "cup", "label": None}}


def test_a_parameter_with_aliases_takes_what_was_shown_too() -> None:
    def look(x, y) -> None:
        """Look at it."""

    look.__annotations__ = {
        "x": Annotated[dict, Field(alias="from")],
        "y": Annotated[Article, Field(validation_alias=AliasChoices("to", "into"))],
    }
    bound = make_tool(look).parameters_of.bind({"from": Line("cup"), "into": Line("mug")})
    assert bound.arguments == {"x": {"sku": "cup", "label": None}, "y": Article(sku="mug")}


def test_a_value_is_written_as_a_whole_and_never_as_its_summary() -> None:
    long = Line("x" * 20_000)
    assert "summarized" in value_fields(long, NAME)
    assert bind(dict, long)["sku"] == "x" * 20_000
    looped: list[Any] = []
    looped.append(looped)
    assert list(written_out(looped)) == list(written_out([Path("a"), looped])) == []


def test_an_array_that_is_too_long_to_be_written_is_not_listed() -> None:
    class Long:
        shape = (10_000_001,)
        listed = False

        def tolist(self):
            self.listed = True
            return [1]

    long = Long()
    assert (list(written_out(long)), long.listed) == ([], False)
    Long.shape = (1,)
    assert (list(written_out(long)), long.listed) == ([[1]], True)


# -- any value, any annotation ---------------------------------------------------------------------------------------

SINGLE = st.one_of(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.sampled_from(["a", "1", "red", "2026-01-02", ""]),
    st.sampled_from([Path("a/b"), dt.date(2026, 1, 2), dt.time(8), uuid.UUID(int=1), decimal.Decimal("1.5")]),
    st.sampled_from([*Colour, ipaddress.ip_address("::1"), dt.datetime(2026, 1, 2)]),  # noqa: DTZ001
    st.sampled_from([np.int64(3), np.float64(0.5), np.float32(0.1), np.bool_(True), np.str_("a")]),
    st.sampled_from([Line("cup"), Parcel("cup"), Pair("cup"), Account(sku="cup"), Article(sku="cup")]),
)
VALUES = st.recursive(
    SINGLE,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["sku", "label", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)
HINTS = st.recursive(
    st.sampled_from(
        (
            *(str, int, float, bool, dict, list, dt.date, dt.datetime, uuid.UUID, Path, decimal.Decimal, Colour),
            *(Line, Article, Account, Pair, Fields, ipaddress.IPv6Address, Literal["red", 2], type(None)),
            Annotated[str, Field(max_length=2)],
        )
    ),
    lambda inner: st.one_of(
        inner.map(lambda hint: list[hint]),
        inner.map(lambda hint: dict[str, hint]),
        inner.map(lambda hint: tuple[hint, ...]),
        st.tuples(inner, inner).map(lambda hints: hints[0] | hints[1]),
    ),
    max_leaves=3,
)


@given(VALUES, HINTS)
def test_by_reference_fits_whenever_the_value_written_out_fits(value, hint) -> None:
    for form in (value, *written_out(value)):
        try:
            by_value = bind(hint, form)
        except ArgumentMismatch:
            continue
        by_reference = bind(hint, value)
        if not has_alternatives(hint):
            assert shown(by_reference) == shown(by_value)


def has_alternatives(hint):
    """Return whether there may be an alternative that takes the object, and another one that takes its form."""
    return "|" in str(hint)


def shown(value):
    return next(written_out(value), value)
