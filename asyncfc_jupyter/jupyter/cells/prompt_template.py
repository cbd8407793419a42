"""What an ``%%agent`` cell sends: its text with ``{expressions}`` replaced, behind the text of a file.

The rules are those of an f-string, as far as they cannot surprise in a text that was not written as one. ``{expression}``,
``{expression!r}`` and ``{expression:format}`` are replaced by a value, on one line and outside of no other braces; ``{{`` and
``}}`` are braces. Everything else in braces is an error that is raised before anything is sent, and never left as it is: a
prompt that is half replaced is noticed by nobody. That goes for JSON and code, whose author adds ``--raw``; and for what names
no variable, such as ``x^{2}`` or ``{"a", "b"}``, which Python would evaluate and nobody means.

The cell is the person's own text, evaluated in their own kernel. What it evaluates to is put in once and not looked at again,
nor is a file, which may come from anywhere. Values on the option line are words of their own: none becomes an option.
"""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.options import AgentOptions
from asyncfc_jupyter.runtime.attempt import show_exception
from asyncfc_jupyter.values.snapshot import shorten
from asyncfc_jupyter.values.summarize import value_text

#: Takes Python's text of an expression and returns its value.
Evaluate = Callable[[str], Any]

_BRACE = re.compile(r"[{}]")
_SUFFIX = re.compile(r"(?:!([rsa]))?(?::(.*))?")
#: Characters within a pair of braces: far above what one writes there, and a bound on the search for where it ends.
_MOST_CHARACTERS = 1_000
#: Bytes of a file that is read as a prompt: above any that a model could be sent.
_MOST_BYTES = 10_000_000
#: Characters that an error shows of an expression, and of what it raised.
_SHOWN_CHARACTERS = 80
_CONVERSIONS: dict[str | None, Callable[[Any], Any]] = {"r": repr, "s": str, "a": ascii}
#: What is asked of the model, in the last paragraph of the prompt, so that its answer can be shown in a format.
WORDS_ON_FORMAT = {
    "code": "Answer with Python code in one fenced block, and no words around it.",
    "json": "Answer with one JSON value, without a fence or words around it.",
    "html": "Answer with HTML alone, without a fence or words around it; scripts, links and remote images do not work there.",
    "text": "Answer in plain text, without Markdown.",
}


def written_prompt(options: AgentOptions, cell: str, evaluate: Evaluate, *, plan: bool) -> str:
    """Return the prompt that a cell means.

    Args:
        options: Those of the cell: its file, its format, and whether it is sent as it stands.
        cell: The lines below ``%%agent``.
        evaluate: Evaluates an expression in the person's namespace.
        plan: It goes to the rehearsal model: braces are those of its f-strings, and a format is not asked for.

    Raises:
        UsageError: There is no text, an expression cannot be replaced, or the file cannot be read; nothing was sent.
    """
    untouched = options.raw or plan
    parts = [] if options.file is None else [_file_text(options.file)]
    if cell.strip():
        parts.append(cell if untouched else replaced(cell, evaluate, place="the prompt"))
    if not any(part.strip() for part in parts):
        raise UsageError("%%agent: the cell is empty; write below the %%agent line what the model is to do.")
    if options.format in WORDS_ON_FORMAT and not untouched:
        parts.append(WORDS_ON_FORMAT[options.format])
    # IPython ends a cell's text with a newline, which a script's prompt has not: one cassette answers both.
    return "\n\n".join(part.rstrip("\n") for part in parts)


def replaced_line(line: str, evaluate: Evaluate) -> str:
    """Return the line behind ``%%agent`` with the expressions in its words replaced, unless it says ``--raw``.

    Raises:
        UsageError: An expression cannot be replaced, or its value would be taken for an option.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        return line  # an open quotation mark: whoever parses the line says so
    if "--raw" in words or not any("{" in word or "}" in word for word in words):
        return line
    done = [replaced(word, evaluate, place="the %%agent line") for word in words]
    for word, text in zip(words, done, strict=True):
        if text.startswith("-") and not word.startswith("-"):
            raise UsageError(f"%%agent: the value of {_shown(word)} begins with a dash; write --option={word} instead.")
    return shlex.join(done)


def replaced(text: str, evaluate: Evaluate, *, place: str) -> str:
    """Return a text with each ``{expression}`` replaced by its value, which is not looked at again.

    Args:
        text: What the person wrote.
        evaluate: Evaluates an expression; whatever it raises is named in the error.
        place: What the text is, for people.

    Raises:
        UsageError: Something in braces is no expression, or cannot be evaluated or formatted.
    """
    pieces: list[str] = []
    at = 0
    while brace := _BRACE.search(text, at):
        start = brace.start()
        pieces.append(text[at:start])
        if text[start : start + 2] in {"{{", "}}"}:
            pieces.append(text[start])
            at = start + 2
            continue
        end = _end(text, start)
        try:
            pieces.append(
                _value(text[start + 1 : end], evaluate)
                if end
                else _no_expression("its other brace is not on this line")
            )
        except Exception as error:
            where = f"line {text.count(chr(10), 0, start) + 1} of {place}" if "\n" in text else f"in {place}"
            shown = text[start : end + 1] if end else text[start:].partition("\n")[0]
            raise _cannot(shown, where, error) from error
        at = (end or start) + 1
    return "".join([*pieces, text[at:]])


class _NoExpressionError(Exception):
    """What stands in braces is not meant for Python."""


def _no_expression(why: str) -> NoReturn:
    raise _NoExpressionError(why)


def _end(text: str, start: int) -> int | None:
    """Return where the brace is, on the same line, that closes the one at ``start``."""
    line_end = text.find("\n", start)
    last = min(len(text) if line_end < 0 else line_end, start + _MOST_CHARACTERS)
    depth, quote, skip = 0, "", False
    for at in range(start + 1, last if text[start] == "{" else 0):
        char = text[at]
        if skip or (quote and char == "\\"):
            skip = not skip
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}" and not depth:
            return at if char == "}" else None
        elif char in ")]}":
            depth -= 1
    return None


def _value(inside: str, evaluate: Evaluate) -> str:
    expression, conversion, form = _parsed(inside)
    value = evaluate(expression)
    value = _CONVERSIONS[conversion](value) if conversion else value
    return value_text(value) if form is None else format(value, form)


def _parsed(inside: str) -> tuple[str, str | None, str | None]:
    """Return the expression, its conversion and its format.

    Raises:
        _NoExpressionError: There is none, or none that is meant.
    """
    for split in [len(inside), *(place.start() for place in re.finditer("[!:]", inside))]:
        suffix = _SUFFIX.fullmatch(inside[split:])
        tree = _tree(inside[:split]) if suffix is not None else None
        if suffix is None or tree is None:
            continue
        if not any(isinstance(node, ast.Name) for node in ast.walk(tree)):
            _no_expression("it names no variable")
        if suffix[2] is not None and suffix[2][:1].isspace():
            _no_expression("a format begins right behind its colon")
        return inside[:split].strip(), suffix[1], suffix[2]
    _no_expression("it is no Python expression")


def _tree(source: str) -> ast.Expression | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a text such as "\d" in quotes
        try:
            tree = ast.parse(source.strip(), mode="eval")
            compile(tree, "<prompt>", "eval")  # refuses what only a coroutine can hold
            return tree
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _cannot(braces: str, where: str, error: Exception) -> UsageError:
    why = str(error) if isinstance(error, _NoExpressionError) else _shown(show_exception(error))
    return UsageError(
        f"%%agent: {_shown(braces)} ({where}) cannot be replaced by a value: {why}. For braces that are meant as such write "
        "{{ and }}, or add --raw to send all text as it stands. Nothing was sent."
    )


def _shown(text: str) -> str:
    return shorten(text, _SHOWN_CHARACTERS)


def _file_text(file: str) -> str:
    path = Path(file).expanduser()
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"%%agent --file: {file} is too large for a prompt: more than {_MOST_BYTES // 10**6} MB.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"%%agent --file: {file} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"%%agent --file: {file} is no prompt: it is not text in UTF-8.") from None
    if not text.strip():
        raise UsageError(f"%%agent --file: {file} is empty.")
    return text
