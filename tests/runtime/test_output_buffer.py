"""Text that is kept whole, or by its beginning and its end."""

import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter.runtime.output_buffer import Kept, listening, print_here

PIECES = st.lists(st.tuples(st.text(max_size=12), st.sampled_from(["stdout", "stderr"])), max_size=40)


@given(PIECES, st.integers(2, 60))
def test_a_short_text_is_kept_whole_and_a_longer_one_by_both_its_ends(pieces, room) -> None:
    """Between the ends stands the number of characters that are left out."""
    kept = Kept(room)
    for text, stream in pieces:
        kept.add(text, stream)
    whole = "".join(text for text, _ in pieces)
    assert kept.lines == whole.count("\n") + (whole != "" and not whole.endswith("\n"))
    if len(whole) <= room:
        assert (kept.text, kept.cut) == (whole, 0)
        return
    assert kept.cut == len(whole) - room
    note = f"\n[{kept.cut:,} characters left out]\n"
    assert kept.text == whole[: room // 2] + note + whole[len(whole) - (room - room // 2) :]


@given(PIECES)
def test_each_character_keeps_its_stream_and_neighbours_are_merged(pieces) -> None:
    """Neighbours of one stream are one piece."""
    kept = Kept(10_000)
    for text, stream in pieces:
        kept.add(text, stream)
    runs = list(kept.runs())
    characters = [(character, stream) for text, stream in pieces for character in text]
    assert [(character, stream) for text, stream in runs for character in text] == characters
    assert all(one[1] != other[1] for one, other in pairwise(runs))


def test_long_text_of_one_stream_is_one_piece() -> None:
    kept = Kept(100_000)
    for _ in range(20):
        kept.add("x" * 1_000, "stdout")
    assert list(kept.runs()) == [("x" * 20_000, "stdout")]


def test_a_buffer_is_empty_until_something_is_written() -> None:
    kept = Kept(10)
    assert not kept
    kept.add("", "stdout")
    assert not kept
    kept.add("a", "stdout")
    assert kept


def test_output_of_another_process_is_printed_here_on_existing_streams(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as kept:
        assert sys.stdout.write("four") == 4
        print(" seen", file=sys.stderr)
    assert kept.pieces == [("four", "stdout"), (" seen\n", "stderr")]
    print_here(kept.pieces)
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    print_here(kept.pieces)
    monkeypatch.undo()
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("fourfour", " seen\n")


def test_the_note_on_left_out_text_is_printed_on_a_stream_too() -> None:
    kept = Kept(4)
    kept.add("abcdefgh", "stderr")
    assert kept.pieces == [("ab", "stderr"), ("\n[4 characters left out]\n", "stdout"), ("gh", "stderr")]


def test_pieces_of_one_stream_are_joined_up_to_four_thousand_characters() -> None:
    kept = Kept(100_000)
    kept.add("a" * 4_095, "stdout")
    kept.add("b", "stdout")
    assert len(kept._head) == 1
    kept.add("c", "stdout")
    kept.add("d", "stderr")
    assert [len(text) for text, _ in kept._head] == [4_096, 1, 1]
