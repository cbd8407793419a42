"""The end of a JSON object is found in any pieces, and characters that were cut in two are joined."""

from __future__ import annotations

import pytest

from asyncfc_jupyter.models.json_object import JsonObject, join_halves


@pytest.mark.parametrize(
    ("pieces", "behind", "closed"),
    [
        (["{}"], "", True),
        (["{", "}x"], "x", True),
        ([" \t", "\r\n{", "}"], "", True),
        (["{", ""], "", False),
        ([""], "", False),
        (["[1]"], "", True),
        (['{"a": "}', '"}y'], "y", True),
        (['{"\\', '"}"}z'], "z", True),
        (['{"\\\\"}w'], "w", True),
        (['{"\\\\\\', "", '"}"}v'], "v", True),
        (["{{}", "}u"], "u", True),
        (["{}{}"], "{}", True),
    ],
)
def test_an_object_ends_with_the_brace_that_closes_it(pieces: list[str], behind: str, closed: bool) -> None:
    found = JsonObject()
    rest = [found.feed(piece) for piece in pieces]
    assert (rest[-1], found.closed) == (behind, closed)
    assert found.begun is bool("".join(pieces).strip())


@pytest.mark.parametrize(
    ("held", "piece", "whole", "half"),
    [
        ("", "a", "a", ""),
        ("", "é", "é", ""),
        ("", "a\ud83d", "a", "\ud83d"),
        ("\ud83d", "\ude00b", "😀b", ""),
        ("\ud83d", "b", "\ufffdb", ""),
        ("\ud83d", "", "", "\ud83d"),
        ("", "\ude00", "\ufffd", ""),
        ("\ud83d", "\ud83d", "\ufffd", "\ud83d"),
        ("", "\ud800", "", "\ud800"),
        ("", "\udbff", "", "\udbff"),  # noqa: PT014 - the checker takes all halves for one
        ("", "\ud7ff", "\ud7ff", ""),
        ("", "\udc00", "\ufffd", ""),  # noqa: PT014 - as above
    ],
)
def test_half_a_character_is_held_for_the_next_piece(held: str, piece: str, whole: str, half: str) -> None:
    assert join_halves(held, piece) == (whole, half)
