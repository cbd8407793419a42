"""Effects: which paths conflict, which path a template yields, and which pairs of calls may overlap."""

import posixpath
from functools import partial
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter.core.effects import UNDECLARED, Effects, EffectTemplates, Hazard, PathTemplate, hazards, meet
from asyncfc_jupyter.core.path_index import Accesses

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
    ("template", "texts", "paths"),
    [
        ("orders/{id}", {"id": "42"}, ["orders/42"]),
        ("orders/{id}/lines", {"id": "42"}, ["orders/42/lines"]),
        ("orders/{id}/lines", {}, ["orders"]),
        ("{a}-{b}/x", {"a": "1", "b": "2"}, ["1-2/x"]),
        ("files/{name}", {"name": "a/b"}, ["files/a/b"]),
        ("files/{name}", {"name": "/a/"}, ["files/a"]),
        ("files/{name}/x", {"name": ""}, ["files"]),
        ("files/{name}", {"name": "./a//./b/."}, ["files/a/b"]),
        ("files/{name}", {"name": r"a\b"}, ["files/a/b"]),
        ("files/{name}/x", {"name": "."}, ["files"]),
        ("files/{name}/x", {"name": "a/../b"}, ["files"]),
        ("files/new-{name}", {"name": "../b"}, ["files"]),
        ("files/{a}{b}/x", {"a": ".", "b": "."}, ["files"]),
        ("./files/{name}", {"name": "a..b"}, ["files/a..b"]),
        ("files/{name}/x", {"name": "..."}, ["files"]),
        ("files/{name}/x", {"name": " "}, ["files"]),
        ("files/{name}", {"name": ".env"}, ["files/.env"]),
        ("Files/{name}", {"name": "Read Me.TXT"}, ["files/read me.txt"]),
        ("files/{name}", {"name": " a. /b ."}, ["files/a/b"]),
        ("files/{name}", {"name": "Cafe\u0301"}, ["files/caf\u00e9"]),
        ("files/new-{name}", {"name": "./a"}, ["files/new-/a", "files/new-a"]),
    ],
)
def test_a_template_becomes_the_path_that_its_arguments_name(template, texts, paths) -> None:
    """Its literal text is compared as the arguments are. It ends before an argument that is unknown or may lead anywhere."""
    given_texts = {name: (text,) for name, text in texts.items()}
    assert ["/".join(path) for path in PathTemplate.parse(template).expand(given_texts)] == paths


def test_an_argument_with_several_texts_gives_a_path_for_each() -> None:
    texts = {"a": ("1.0", "1"), "b": ("x", "X"), "none": ()}
    assert PathTemplate.parse("k/{a}").expand(texts) == (("k", "1.0"), ("k", "1"))
    assert PathTemplate.parse("k/{b}/y").expand(texts) == (("k", "x", "y"),)
    assert PathTemplate.parse("{a}/{a}").expand(texts) == (("1.0", "1.0"), ("1.0", "1"), ("1", "1.0"), ("1", "1"))
    assert PathTemplate.parse("k/{a}/{none}/{b}").expand(texts) == (("k", "1.0"), ("k", "1"))


def test_a_template_that_gives_too_many_paths_ends_before_the_argument() -> None:
    texts = {"a": ("1.0", "1")}
    assert len(PathTemplate.parse("{a}/{a}/{a}/{a}/{a}").expand(texts)) == 32
    assert PathTemplate.parse("{a}/{a}/{a}/{a}/{a}/{a}").expand(texts) == PathTemplate.parse(
        "/".join(["{a}"] * 5)
    ).expand(texts)
    assert PathTemplate.parse("k/" + "{a}" * 40).expand(texts) == (("k",),)


@given(spellings, spellings)
def test_two_spellings_of_files_of_which_one_lies_in_the_other_meet(one, other) -> None:
    template = PathTemplate.parse("files/{name}")
    files = [posixpath.normpath(f"/files/./{text}") for text in (one, other)]
    if all(posixpath.commonpath([file, "/files"]) == "/files" for file in files):
        inside = posixpath.commonpath(files) in files
        paths = (path for text in (one, other) for path in template.expand({"name": (text,)}))
        assert meet(*paths) or not inside


@given(st.text(), st.sampled_from([str.upper, str.lower, str.casefold, str.title, partial(normalize, "NFD")]))
def test_a_text_in_another_case_or_composition_is_one_place(text, change) -> None:
    template = PathTemplate.parse("files/{name}")
    assert meet(*template.expand({"name": (text,)}), *template.expand({"name": (change(text),)}))


@pytest.mark.parametrize("text", ["", "a//b", "a/{b", "a/b}"])
def test_a_template_that_cannot_be_read_is_refused(text) -> None:
    with pytest.raises(ValueError, match="path template"):
        PathTemplate.parse(text)


def test_a_path_widened_for_an_unknown_argument_is_marked_as_widened() -> None:
    """A path that is declared as wide is not marked."""
    templates = EffectTemplates(
        reads=(PathTemplate.parse("a"), PathTemplate.parse("b/{x}")), writes=(PathTemplate.parse("c/{y}/{x}"),)
    )
    y, x = {"y": ("1",)}, {"x": ("1",)}
    unknown = templates.expand(y, {"x"})
    assert (unknown.reads, unknown.writes) == ((("a",), ("b",)), (("c", "1"),))
    assert unknown.widened == (("b",), ("c", "1"))
    assert templates.expand(y).widened == templates.expand(x | y).widened == ()


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
