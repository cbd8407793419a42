"""What a cell sends: which braces are replaced, by what, and the one line that says why one cannot be."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter import options
from asyncfc_jupyter.jupyter.cells.prompt_template import WORDS_ON_FORMAT, replaced, replaced_line, written_prompt
from asyncfc_jupyter.jupyter.settings.table import FORMATS, AgentOptions
from asyncfc_jupyter.values.summarize import value_fields

VALUES: dict[str, Any] = {
    "x": 3,
    "price": 12.5,
    "name": "Ada",
    "hostile": "{x} {{x}} {evil()}",
    "d": {"a": [1, 2], "}": 9},
    "now": dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC),
    "words": "--raw --record stolen.jsonl",
}


def evaluate(expression: str) -> Any:
    return eval(expression, dict(VALUES))


def filled(text: str) -> str:
    return replaced(text, evaluate, place="the prompt")


def written(cell: str, line: str = "", *, plan: bool = False) -> str:
    given = options.agent_options(line)
    return written_prompt(given, cell, evaluate, plan=plan)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("no braces at all", "no braces at all"),
        ("{x} and {x+1}", "3 and 4"),
        ("{ x }", "3"),
        ("{{x}} {{{x}}}", "{x} {3}"),
        ("{price:.2f} {name!r} {name!r:>6} {now:%H:%M}", "12.50 'Ada'  'Ada' 03:04"),
        ("{d['a'][0]} {d['}']} {d['a'][0:1]}", "1 9 [1]"),
        ("{x != 1} {x if x else '}'}", "True 3"),
        ("{[y for y in d['a']]}", "[1, 2]"),
        ("{(lambda: x)()}", "3"),
        ("its user's {x}", "its user's 3"),
        ("{d}", '{"a": [1, 2], "}": 9}'),
    ],
)
def test_an_expression_in_braces_is_replaced_as_in_an_f_string(text: str, sent: str) -> None:
    assert filled(text) == sent


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            '{"city": "LIS"}',
            '{"city": "LIS"} (in the prompt) cannot be replaced by a value: it does not name a variable.',
        ),
        ('send {"a": {"b": x}}', "(in the prompt)"),
        ("{}", "{} (in the prompt) cannot be replaced by a value: it is not a Python expression."),
        ("one\ntwo x^{2}", "{2} (line 2 of the prompt) cannot be replaced by a value: it does not name a variable."),
        ('{"a", "b"}', "it does not name a variable"),
        (
            "import {nobody} from",
            "{nobody} (in the prompt) cannot be replaced by a value: NameError: name 'nobody' is",
        ),
        ("{name: 'x'}", "a format begins right after its colon"),
        ("{x: 5}", "a format begins right after its colon"),
        (
            "function() {\n return x; }",
            "{ (line 1 of the prompt) cannot be replaced by a value: its other brace is not on",
        ),
        ("{x", "{x (in the prompt) cannot be replaced by a value: its other brace is not on this line."),
        ("if (x) { return x; }", "{ return x; } (in the prompt) cannot be replaced by a value: it is not a Python"),
        (
            "a smile :-} x",
            "} x (in the prompt) cannot be replaced by a value: its other brace is not on this line.",
        ),
        ("{x)}", "it is not a Python expression"),
        ("{x!q}", "it is not a Python expression"),
        ("{x=}", "it is not a Python expression"),
        ("{await x}", "it is not a Python expression"),
        ("{x = 1}", "it is not a Python expression"),
        (
            "{name:.2f}",
            "{name:.2f} (in the prompt) cannot be replaced by a value: ValueError: Unknown format code 'f'",
        ),
        ("{d['nothing']}", "KeyError: 'nothing'"),
        ("{x" + "+1" * 2000 + "}", "its other brace is not on this line"),
    ],
)
def test_any_other_brace_is_an_error_with_its_text_the_rule_and_the_remedy(text: str, names: str) -> None:
    """The error is one line."""
    with pytest.raises(UsageError) as caught:
        filled(text)
    said = str(caught.value)
    assert names in said
    assert said.endswith(
        "To send braces, write {{ and }}, or add --raw to send the whole text as it is. Nothing was sent."
    )
    assert "\n" not in said
    assert len(said) < 400


def test_braces_in_a_value_are_left_alone() -> None:
    assert filled("{hostile}|{hostile!s}|{hostile:}") == "|".join([VALUES["hostile"]] * 3)


def test_a_table_is_shown_in_the_summary_that_a_model_sees_of_a_result() -> None:
    table = pd.DataFrame({"price": np.arange(10_000), "city": "LIS"})
    shown = replaced("Look:\n{table}", {"table": table}.__getitem__, place="the prompt")
    assert shown == "Look:\n" + value_fields(table, "f0")["value"]
    assert len(shown) < 8_000
    assert "DataFrame 10000 x 2" in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 100_000, "x" * 100_000),
        (np.float64(0.5), "0.5"),
        (np.int64(7), "7"),
        (None, "None"),
        (True, "True"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (Path("a/b"), "a/b"),
        ([1, "ä"], '[1, "ä"]'),
    ],
)
def test_text_and_single_values_are_inserted_unchanged(value: Any, text: str) -> None:
    assert replaced("{value}", {"value": value}.__getitem__, place="the prompt") == text


def test_an_object_whose_own_code_raises_is_named_and_nothing_is_sent() -> None:
    class Broken:
        def __format__(self, spec: str) -> str:
            raise RuntimeError("first line\nsecond line")

    class SilentError(Exception):
        def __str__(self) -> str:
            raise ValueError

    with pytest.raises(UsageError, match="RuntimeError: first line second line"):
        replaced("{value:x}", {"value": Broken()}.__getitem__, place="the prompt")
    with pytest.raises(UsageError, match="SilentError"):
        replaced("{value}", lambda _: (_ for _ in ()).throw(SilentError()), place="the prompt")


def test_raw_and_a_plan_are_sent_unchanged() -> None:
    text = '{"a": {x}} {{y}}'
    assert written(text, "--raw") == text
    assert written(text, plan=True) == text


def test_a_file_precedes_the_cell_and_its_braces_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "task.md"
    file.write_text('\ufeffUse {"json": 1} and {evil()}.\n\n', encoding="utf-8")
    assert written("", f"--file '{file}'") == 'Use {"json": 1} and {evil()}.'
    assert written("For {name}.\n", f"--file '{file}'") == 'Use {"json": 1} and {evil()}.\n\nFor Ada.'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file or directory."),
        (b"\xff\xfe\x00", "is not a prompt: it is not text in UTF-8."),
        (b" \n", "is empty."),
        (b"x" * 10_000_001, "is too large for a prompt: more than 10 MB."),
    ],
)
def test_a_file_that_cannot_be_a_prompt_is_an_error_of_one_line(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    file = tmp_path / "task.md"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        written("hello", f"--file '{file}'")
    assert str(caught.value) == f"%%agent --file: {file} {says}"


def test_an_empty_cell_without_a_file_is_refused() -> None:
    for line in ("", "--format json", "--raw"):
        with pytest.raises(UsageError, match="the cell is empty"):
            written(" \n", line)


def test_the_last_paragraph_asks_for_a_format_except_for_plans_and_raw() -> None:
    assert set(WORDS_ON_FORMAT) | {"markdown"} == set(FORMATS)
    assert written("hello\n", "-f json") == f"hello\n\n{WORDS_ON_FORMAT['json']}"
    assert written("hello", "-f json --raw") == written("'x'", "-f json", plan=True).replace("'x'", "hello") == "hello"
    assert written("hello", "--format markdown") == "hello"


def test_values_on_the_option_line_stay_words_of_their_own() -> None:
    def line(text: str) -> AgentOptions:
        return options.agent_options(replaced_line(text, evaluate))

    assert line("--system 'Be {name}, not {{x}}.'").system == "Be Ada, not {x}."
    assert line("--out r{x}").out == "r3"
    given = line("--system={words}")
    assert (given.system, given.raw, given.record) == (VALUES["words"], False, None)
    with pytest.raises(UsageError, match=r"the value of \{words\} begins with a dash; write --option=\{words\}"):
        line("--system {words}")
    with pytest.raises(UsageError, match=r"\{nobody\} \(in the %%agent line\)"):
        line("--system {nobody}")
    assert line("--raw --system {nobody}").system == "{nobody}"
    with pytest.raises(UsageError, match="No closing quotation"):
        line("--system 'open {x}")
