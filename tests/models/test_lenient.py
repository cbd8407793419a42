"""Fields that servers send in any type are read for what they can mean."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from asyncfc_jupyter.models.base import TextDelta
from asyncfc_jupyter.models.connection.lenient import get, number, several, text, words
from asyncfc_jupyter.models.openai.chat import ChatChunks


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (0, 0),
        ("0", 0),
        (0.0, 0),
        (-1, None),
        (-0.5, None),
        (0.5, None),
        (10**18 - 1, 10**18 - 1),
        (10**18, None),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("²", None),
        ("٣", None),
        ("-1", None),
        (" 1", None),
        (True, None),
        (False, None),
        (1e17, 10**17),
        (1e18, None),
        (float("inf"), None),
        (float("nan"), None),
        (b"1", None),
    ],
)
def test_a_number_is_whole_and_has_eighteen_digits_at_most(value: Any, whole: int | None) -> None:
    found = number(value)
    assert found == whole
    assert type(found) is type(whole)


def test_fields_are_read_of_anything_that_has_them() -> None:
    thing = types.SimpleNamespace(a=1)
    assert [get(each, "a") for each in ({"a": 1}, types.MappingProxyType({"a": 1}), thing)] == [1, 1, 1]
    assert [get(each, "b") for each in ({"a": 1}, thing)] == [None, None]
    plain = [
        ("x", "upper"),
        (b"x", "upper"),
        (1, "real"),
        (1.0, "real"),
        ([1], "append"),
        ((1,), "count"),
        (None, "__class__"),
    ]
    assert [get(value, name) for value, name in plain] == [None] * 7
    assert [several(value) for value in ([1], (1, 2), "x", b"x", 1, 1.0, None)] == [[1], (1, 2), (), (), (), (), ()]
    assert several({"a": 1}) == ({"a": 1},)
    assert [text(value) for value in ("", "a", 0, 7, True, False, 1.0, None, [])] == ["", "a", "0", "7"] + [None] * 5


def test_the_text_of_a_part_is_found_at_most_four_levels_down() -> None:
    assert [words(value) for value in ({"text": "a"}, [{"summary": [{"text": "a"}, {"text": "b"}]}])] == ["a", "ab"]
    assert [words(value) for value in (None, "", 0, 1, [], {}, {"text": None}, {"other": "a"})] == [""] * 8
    assert words([[[[["too deep"]]]]]) == ""


def test_a_token_of_text_costs_a_bounded_number_of_calls_of_functions() -> None:
    """What a token costs is nearly all that a long reply costs; a search in fields that are missing once made it 100-fold."""
    chunks, made = ChatChunks(), 0

    def count(_frame: types.FrameType, event: str, _argument: Any) -> None:
        nonlocal made
        made += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        read = list(chunks.read({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}))
    finally:
        sys.setprofile(before)
    assert [delta.text for delta in read if isinstance(delta, TextDelta)] == ["a"]
    assert made < 100
