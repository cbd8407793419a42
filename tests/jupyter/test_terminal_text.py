"""What is shown of text that was written for a terminal."""

import pytest

from asyncfc_jupyter.jupyter.display.terminal_text import as_screen, newest_line


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\n\ttext\n", "plain\n\ttext\n"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07", "link"),
        ("a\x1b", "a "),
        ("10%\r20%\r30%", "30%"),
        ("done\r", "done"),
        ("windows\r\nlines\r\n", "windows\nlines\n"),
        ("right\u202eto left\u200b", "rightto left"),
        ("bell\x07 nul\x00", "bell  nul "),
        ("caf\u00e9 \u65e5\u672c \U0001f600", "caf\u00e9 \u65e5\u672c \U0001f600"),
        ("\ud800", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_lines_and_letters_stay_and_control_characters_are_removed(written: str, shown: str) -> None:
    assert as_screen(written) == shown


def test_the_newest_line_is_the_last_that_is_not_blank() -> None:
    assert newest_line([("one\ntwo\n", "stdout"), ("\n  \n", "stderr")]) == "two"
    assert newest_line([("one\n", "stdout"), ("two", "stderr")]) == "two"
    assert newest_line([]) == ""
