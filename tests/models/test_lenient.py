"""Fields that servers send in any type are read for what they can mean."""

from __future__ import annotations

import types
from typing import Any

import pytest

from asyncfc_jupyter.models.connection.lenient import get, number, several, text


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
