"""Effects: which paths conflict, which path a template yields, and which pairs of calls may overlap."""

import enum
import posixpath
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter.core.effects import UNDECLARED, Effects, EffectTemplates, Hazard, PathTemplate, hazards, meet
from asyncfc_jupyter.core.path_index import Accesses


class Colour(enum.Enum):
    RED = "red"


class Parts(enum.Enum):
    SEVERAL = ("a", "b")


class Secretive:
    """A value that raises when it is converted to text."""

    def __str__(self):
        raise RuntimeError("not for you")


#: Ways of writing a place below ``files``.
spellings = st.lists(st.sampled_from(["", ".", "..", "a", "b"]), max_size=5).map("/".join)


paths = st.lists(st.sampled_from("abc"), max_size=3).map(tuple)
effects = st.builds(
    lambda r, w: Effects(reads=tuple(r), writes=tuple(w)), st.lists(paths, max_size=2), st.lists(paths, max_size=2)
)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("a", "a", True), ("a", "a/b", True), ("a/b", "a", True), ("a/b", "a/c", False), ("ab", "a", False)],
)
def test_paths_conflict_if_one_is_a_prefix_of_the_other_by_segments(one, other, expected) -> None:
    assert meet(tuple(one.split("/")), tuple(other.split("/"))) is expected


def test_each_hazard_is_named() -> None:
    reads, writes = Effects(reads=(("a",),)), Effects(writes=(("a",),))
    assert hazards(reads, reads) == frozenset()
    assert hazards(writes, reads) == {Hazard.RAW}
    assert hazards(reads, writes) == {Hazard.WAR}
    assert hazards(writes, writes) == {Hazard.WAW}


def test_an_undeclared_call_conflicts_with_all_but_calls_without_effects() -> None:
    assert not hazards(UNDECLARED, Effects())
    assert hazards(UNDECLARED, Effects(reads=(("x", "y"),)))
    assert hazards(UNDECLARED, UNDECLARED)


@pytest.mark.parametrize(
    ("template", "arguments", "unresolved", "path"),
    [
        ("orders/{id}", {"id": 42}, set(), ("orders", "42")),
        ("orders/{id}/lines", {"id": 42}, set(), ("orders", "42", "lines")),
        ("orders/{id}/lines", {"id": "$f1"}, {"id"}, ("orders",)),
        ("orders/{id}/lines", {}, set(), ("orders",)),
        ("orders/{id}", {"id": None}, set(), ("orders",)),
        ("{a}-{b}/x", {"a": 1, "b": 2}, set(), ("1-2", "x")),
        ("files/{name}", {"name": "a/b"}, set(), ("files", "a", "b")),
        ("files/{name}", {"name": "/a/"}, set(), ("files", "a")),
        ("files/{name}/x", {"name": ""}, set(), ("files",)),
        ("paint/{colour}", {"colour": Colour.RED}, set(), ("paint", "red")),
        ("files/{name}", {"name": "./a//./b/."}, set(), ("files", "a", "b")),
        ("files/{name}", {"name": r"a\b"}, set(), ("files", "a", "b")),
        ("files/{name}", {"name": PurePosixPath("a/b")}, set(), ("files", "a", "b")),
        ("files/{name}/x", {"name": "."}, set(), ("files",)),
        ("files/{name}/x", {"name": "a/../b"}, set(), ("files",)),
        ("files/new-{name}", {"name": "../b"}, set(), ("files",)),
        ("files/{a}{b}/x", {"a": ".", "b": "."}, set(), ("files",)),
        ("./files/{name}", {"name": "a..b"}, set(), ("files", "a..b")),
        ("k/{x}", {"x": 1.0}, set(), ("k", "1")),
        ("k/{x}", {"x": -0.0}, set(), ("k", "0")),
        ("k/{x}", {"x": 0.5}, set(), ("k", "0.5")),
        ("k/{x}", {"x": Decimal("1.00")}, set(), ("k", "1")),
        ("k/{x}", {"x": Decimal("0.50")}, set(), ("k", "0.5")),
        ("k/{x}", {"x": Fraction(1, 2)}, set(), ("k", "0.5")),
        ("k/{x}", {"x": 2**60 + 1}, set(), ("k", str(2**60 + 1))),
        ("k/{x}", {"x": Decimal("1e99999999999")}, set(), ("k",)),
        ("k/{x}", {"x": True}, set(), ("k", "True")),
        ("k/{x}", {"x": date(2024, 5, 1)}, set(), ("k", "2024-05-01")),
        ("k/{x}", {"x": UUID(int=1)}, set(), ("k", str(UUID(int=1)))),
    ],
)
def test_a_template_is_cut_before_its_first_unknown_argument(template, arguments, unresolved, path) -> None:
    assert PathTemplate.parse(template).expand(arguments, unresolved) == path


@pytest.mark.parametrize(
    "value",
    [
        ["a", "b"],
        ("a",),
        {"a"},
        frozenset("a"),
        {"a": 1, "b": 2},
        b"a",
        Parts.SEVERAL,
        object(),
        Secretive(),
        10**5000,
        float("inf"),
        2.0**60,
        datetime(2024, 5, 1, tzinfo=UTC),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_whose_text_names_no_place_stands_for_the_whole_family(value) -> None:
    assert PathTemplate.parse("k/{x}/y").expand({"x": value}) == ("k",)


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.decimals(allow_nan=False), st.fractions()))
def test_equal_numbers_are_one_place_whatever_their_type(number) -> None:
    template = PathTemplate.parse("k/{x}")
    for kind in (int, float, Decimal, Fraction):
        try:
            other = kind(number)
        except (ArithmeticError, TypeError, ValueError):
            continue
        if other == number:
            assert meet(template.expand({"x": number}), template.expand({"x": other}))


@given(spellings, spellings)
def test_two_spellings_of_files_of_which_one_lies_in_the_other_meet(one, other) -> None:
    template = PathTemplate.parse("files/{name}")
    files = [posixpath.normpath(f"/files/./{text}") for text in (one, other)]
    if all(posixpath.commonpath([file, "/files"]) == "/files" for file in files):
        inside = posixpath.commonpath(files) in files
        assert meet(*(template.expand({"name": text}) for text in (one, other))) or not inside


def test_one_moment_in_two_time_zones_is_one_place() -> None:
    moment = datetime(2024, 5, 1, 8, tzinfo=UTC)
    there = moment.astimezone(timezone(timedelta(hours=2)))
    template = PathTemplate.parse("slots/{when}")
    assert there == moment
    assert meet(template.expand({"when": moment}), template.expand({"when": there}))


@pytest.mark.parametrize("text", ["", "a//b", "a/{b", "a/b}"])
def test_a_template_that_cannot_be_read_is_refused(text) -> None:
    with pytest.raises(ValueError, match="path template"):
        PathTemplate.parse(text)


def test_a_path_widened_for_an_unknown_argument_is_marked_as_widened() -> None:
    """A path that is declared as wide is not marked."""
    templates = EffectTemplates(
        reads=(PathTemplate.parse("a"), PathTemplate.parse("b/{x}")), writes=(PathTemplate.parse("c/{y}/{x}"),)
    )
    unknown = templates.expand({"y": 1}, {"x"})
    assert (unknown.reads, unknown.writes) == ((("a",), ("b",)), (("c", "1"),))
    assert unknown.widened == (("b",), ("c", "1"))
    assert templates.expand({"y": 1}).widened == templates.expand({"x": 1, "y": 1}).widened == ()


def test_a_call_without_declared_effects_is_taken_to_touch_everything() -> None:
    assert EffectTemplates(declared=False).expand({}) is UNDECLARED


@given(st.lists(effects, min_size=1, max_size=12), st.data())
def test_the_index_finds_the_latest_conflict_that_a_full_search_finds(calls, data) -> None:
    """The full search compares with every earlier call."""
    index = Accesses()
    for order, each in enumerate(calls):
        index.add(order, each)
    gone = data.draw(st.sets(st.integers(0, len(calls) - 1)))
    for order in gone:
        index.remove(order, calls[order])
    for order, each in enumerate(calls):
        earlier = [other for other in range(order) if other not in gone and hazards(calls[other], each)]
        found = index.latest_before(order, each)
        assert (found.order if found else None) == (max(earlier) if earlier else None)
        if found:
            assert found.hazard in hazards(calls[found.order], each)
