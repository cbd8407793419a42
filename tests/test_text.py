"""Text for users: shortened, cleaned, counted and listed."""

from __future__ import annotations

from typing import Any

import pytest

from asyncfc_jupyter.text import (
    clean,
    clean_lines,
    count,
    did_you_mean,
    list_names,
    no_such,
    plural,
    printable,
    shorten,
    show_seconds,
    truncate,
    truncate_with_length,
    visible,
)


class Endless(str):
    """Text whose characters cannot be read one by one."""

    __slots__ = ()

    def __iter__(self) -> Any:
        raise AssertionError("the whole text was read")


# -- shortened -------------------------------------------------------------------------------------------------------


def test_truncated_text_has_the_length_of_the_limit() -> None:
    assert [truncate(text, 5) for text in ("", "abcde", "abcdef", "a b\nc d")] == ["", "abcde", "abcd…", "a b\n…"]


def test_a_truncated_text_may_name_its_whole_length() -> None:
    assert truncate_with_length("abcde", 5) == "abcde"
    assert truncate_with_length("abcdef", 5) == "abcde… (6 characters in all)"


@pytest.mark.parametrize(
    ("text", "characters", "line"),
    [
        ("", 5, ""),
        ("abcde", 5, "abcde"),
        ("abcdef", 5, "abcd…"),
        (" a\n b\t", 5, "a b"),
        ("a" + " " * 17 + "bcdef", 5, "a bc"),
        ("a" + " " * 19 + "b", 5, "a"),
    ],
)
def test_shortened_text_is_one_line_and_is_read_no_further_than_needed(text, characters, line) -> None:
    assert shorten(text, characters) == line


def test_a_label_has_sixty_characters() -> None:
    assert shorten("x" * 60) == "x" * 60
    assert shorten("x" * 61) == "x" * 59 + "…"


# -- cleaned ---------------------------------------------------------------------------------------------------------


def test_cleaning_keeps_scripts_and_emoji_whole_and_marks_replacements() -> None:
    assert clean("שלום  עולם\n👩\u200d🚀", 40) == "שלום עולם 👩\u200d🚀"
    assert clean("a\ud800b", 10) == "a\N{REPLACEMENT CHARACTER}b"
    assert clean("a\tb\x7fc", 9) == "a b c"
    assert clean("", 4) == ""


def test_a_text_is_cut_only_where_it_is_longer_than_the_limit() -> None:
    assert clean("abcd", 4) == "abcd"
    assert clean("abcde", 4) == "abc…"
    assert clean("ab  cd", 5) == "ab cd"
    assert clean("ab def", 4) == "ab…"
    assert clean("a" + " " * 15, 4) == "a"
    assert clean("a" + " " * 16, 4) == "a…", "what was not looked at may hold more"


def test_cleaning_reads_a_bounded_head_and_not_a_whole_megabyte() -> None:
    assert clean(Endless("a" * 50), 10) == "aaaaaaaaa…"


def test_of_several_lines_the_last_are_kept() -> None:
    assert clean_lines("one\ntwo \x1b[1m\n\n", 99) == "one\ntwo"
    assert clean_lines("one\ntwo", 5) == "e\ntwo"
    assert clean_lines("one\ntwo", 3) == "two"
    assert clean_lines("\n\n", 3) == ""


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        *(("a", "a"), ("\n", " "), ("\x7f", " "), ("é", "é"), ("\u200b", ""), ("\u202e", ""), ("\u200c", "\u200c")),
        *(("\u200d", "\u200d"), ("\x85", "\ufffd"), ("\ud800", "\ufffd"), ("\ue000", "\ufffd"), ("\uffff", "\ufffd")),
    ],
)
def test_a_character_that_cannot_be_shown_is_replaced(character: str, shown: str) -> None:
    assert visible(character) == shown


# -- counted and listed ----------------------------------------------------------------------------------------------


def test_only_one_thing_is_singular() -> None:
    assert [count(number, "run") for number in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [count(number, "retry", "retries") for number in (1, 2)] == ["1 retry", "2 retries"]
    assert f"{1200:,} {plural(1200, 'call')}" == "1,200 calls"


def test_of_many_names_the_first_are_listed_and_the_others_counted() -> None:
    assert list_names((), 2, 0) == ""
    assert list_names(("a", "b"), 2, 2) == "a, b"
    assert list_names(iter("abc"), 2, 3) == "a, b, ... (3 in all)"
    assert list_names(("a", "b"), 2, 9) == "a, b, ... (9 in all)"


def word(letters, changed):
    """A word of so many letters whose first few differ: the rest is its similarity."""
    return "x" * changed + "abcdefghij"[changed:letters]


@pytest.mark.parametrize(
    ("wanted", "known", "says"),
    [
        ("abcdefghij", [], ""),
        ("abcdefghij", ["klmno"], ""),
        # Alike by 0.6 is near enough, by 0.5 is not.
        ("abcdefghij", [word(10, 4)], "; did you mean xxxxefghij?"),
        ("abcdefghij", [word(10, 5)], ""),
        # Two are named when both are alike by 0.8, and of such as are less alike the nearest one.
        ("abcdefghij", [word(10, 2), word(10, 1)], "; did you mean xbcdefghij or xxcdefghij?"),
        ("abcdefghij", [word(10, 1), word(10, 3)], "; did you mean xbcdefghij?"),
        ("abcdefghij", [word(10, 3), word(10, 4)], "; did you mean xxxdefghij?"),
        ("abcdefghij", ["abcdefghik", "abcdefghil", "abcdefghim"], "; did you mean abcdefghim or abcdefghil?"),
    ],
)
def test_the_nearest_word_is_named_and_a_second_when_both_are_very_near(wanted, known, says) -> None:
    assert did_you_mean(wanted, known) == says


def test_a_name_that_does_not_exist_is_answered_with_the_nearest_or_all() -> None:
    assert no_such("tool", "serach", ("search", "book")) == "there is no tool 'serach'; did you mean search?"
    assert no_such("tool", "x", ("search", "book")) == "there is no tool 'x'; the tools are: search, book."
    assert no_such("tool", "x", ()) == "there is no tool 'x'; the tools are: none yet."


# -- durations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        *((0, "0 ms"), (0.0005, "0 ms"), (0.0015, "2 ms"), (0.0834, "83 ms"), (0.0994, "99 ms"), (0.0995, "0.10 s")),
        *((0.83, "0.83 s"), (0.994, "0.99 s"), (0.995, "1.0 s"), (8.31, "8.3 s")),
        *((59.94, "59.9 s"), (59.95, "1 min 00 s"), (61, "1 min 01 s"), (119.4, "1 min 59 s"), (119.6, "2 min 00 s")),
        *((125, "2 min 05 s"), (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (3600, "1 h 00 min")),
        *((7265, "2 h 01 min"), (36000, "10 h 00 min"), (90000, "25 h 00 min")),
    ],
)
def test_a_duration_is_shown_in_the_unit_of_its_size(seconds: float, shown: str) -> None:
    assert show_seconds(seconds) == shown


# -- printable -------------------------------------------------------------------------------------------------------

#: What a model or a tool may write to steer a terminal or a reader, each with what is shown of it.
STEERING = [
    ("\x1b[1;31mred\x1b[0m", "red"),
    ("\x1b[2J\x1b[Hgone", "gone"),
    ("\x9b31mred", "red"),
    ("\x1b]0;title\x07text", "text"),
    ("\x9d0;title\x9ctext", "text"),
    ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
    ("\x1b]52;c;cGFzdGVk\x07text", "text"),
    ("\x1bPq#0\x1b\\text", "text"),
    ("\x1b]0;no end\nlater text", "0;no end\nlater text"),
    ("\x1b[31", "31"),
    ("\x1bctext", "text"),
    ("a\x1b", "a"),
    ("a\x08b\x07c\x00d\re\x7ff\x85g", "abcdefg"),
    ("if admin\u202e and \u202dok", "if admin and ok"),
    ("half \ud800", "half "),
]


@pytest.mark.parametrize(("written", "shown"), STEERING)
def test_printable_text_steers_neither_a_terminal_nor_its_reader(written: str, shown: str) -> None:
    assert printable(written) == shown
    for line in (clean(written, 80), shorten(written, 80)):
        assert line.isprintable()


@pytest.mark.parametrize(
    "text", ["a\n\tb\n", "caf\u00e9 \u65e5 \U0001f469\u200d\U0001f4bb", "\u05d0\u200f \u2067\u0627\u2069", "\xa0\u3000"]
)
def test_printable_text_of_any_script_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert printable(text, colours=True) == text


def test_colours_stay_where_they_are_wanted_and_nothing_else_does() -> None:
    lines = "\x1b[0;31mValueError\x1b[39m: \x1b[2J\x1b]0;x\x07\x1b[?25l\x9b31mno\x1b[8"
    assert printable(lines, colours=True) == "\x1b[0;31mValueError\x1b[39m: no8"
