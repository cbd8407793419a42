"""The prompt of an ``%%agent`` cell: the text of a file, then the cell's text with its ``{expressions}`` replaced.

The rules are those of an f-string, made safe for text that was not written as one. ``{expression}``, ``{expression!r}`` and
``{expression:format}`` are replaced by a value if they stand on one line and outside other braces. ``{{`` and ``}}`` are
braces. Everything else in braces is an error, raised before anything is sent: a prompt that is half replaced is easily
overlooked. That includes JSON and code, for which there is ``--raw``, and expressions without a variable, such as ``x^{2}``
or ``{"a", "b"}``: Python would evaluate them, but users do not mean them.

The cell is the user's own text, evaluated in the user's kernel. A value may come from anywhere, and so may a file: braces in
them are left alone. On the option line a value stays inside its word and never becomes another option, and the JSON of a
model's option (``--option``) is left alone.
"""

from __future__ import annotations

import ast
import functools
import re
import shlex
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from IPython.utils.text import DollarFormatter

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.settings.table import AgentOptions
from asyncfc_jupyter.jupyter.text_file import read_text_file
from asyncfc_jupyter.models.model_options import read_value
from asyncfc_jupyter.runtime.exception_text import show_exception
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.values.summarize import value_text

#: Takes an expression as Python text and returns its value.
Evaluate = Callable[[str], Any]

#: A brace, and the text up to the next closing brace, of which errors show 80 characters.
_BRACE = re.compile(r"[{}][^}\n]{0,100}}?")
_SUFFIX = re.compile(r"(?:!([rsa]))?(?::(.*))?")
#: Characters that are searched for a closing brace: far more than an expression in a prompt has.
_MOST_CHARACTERS = 1_000
#: Bytes of a prompt file: more than any model accepts.
_MOST_BYTES = 10_000_000
#: Characters that an error shows of an expression, and of the exception that it raised.
_SHOWN_CHARACTERS = 80
_CONVERSIONS: dict[str | None, Callable[[Any], Any]] = {"r": repr, "s": str, "a": ascii, None: lambda value: value}
#: The last paragraph of a prompt whose answer is shown in a format.
WORDS_ON_FORMAT = {
    "code": "Answer with Python code in one fenced block, and no words around it.",
    "json": "Answer with one JSON value, without a fence or words around it.",
    "html": "Answer with HTML alone, without a fence or words around it; scripts, links and remote images do not work there.",
    "text": "Answer in plain text, without Markdown.",
}


def written_prompt(options: AgentOptions, cell: str, evaluate: Evaluate, *, plan: bool) -> str:
    """Return the prompt of a cell.

    Args:
        options: The options of the cell: its file, its format, and ``--raw``.
        cell: The lines below ``%%agent``.
        evaluate: Evaluates an expression in the user's namespace.
        plan: The prompt is a plan for the rehearsal model: its braces belong to its f-strings, and it asks for no format.

    Raises:
        UsageError: There is no text, an expression cannot be replaced, or the file cannot be read; nothing was sent.
    """
    untouched = options.raw or plan
    parts = []
    if options.file is not None:
        try:
            parts.append(read_text_file(options.file, kind="prompt", most_bytes=_MOST_BYTES))
        except UsageError as error:
            raise UsageError(f"%%agent --file: {error}") from None
        if not parts[0].strip():
            raise UsageError(f"%%agent --file: {options.file} is empty.")
    if cell.strip():
        parts.append(cell if untouched else replaced(cell, evaluate, place="the prompt"))
    if not any(part.strip() for part in parts):
        raise UsageError("%%agent: the cell is empty; write the task for the model below the %%agent line.")
    if options.format in WORDS_ON_FORMAT and not untouched:
        parts.append(WORDS_ON_FORMAT[options.format])
    # IPython ends a cell's text with a newline, a script's prompt has none: one cassette must answer both.
    return "\n\n".join(part.rstrip("\n") for part in parts)


def replaced_line(line: str, evaluate: Evaluate) -> str:
    """Return the option line of ``%%agent`` with the expressions in its words replaced, unless it has ``--raw``.

    Raises:
        UsageError: An expression cannot be replaced, or its value would be read as an option.
    """
    try:
        words = shlex.split(line)
    except ValueError:
        return line  # a quotation mark is not closed: the parser of the line reports it
    if "--raw" in words or not any("{" in word or "}" in word for word in words):
        return line
    texts = [word if is_json_option(word) else replaced(word, evaluate, place="the %%agent line") for word in words]
    for word, text in zip(words, texts, strict=True):
        if text.startswith("-") and not word.startswith("-"):
            shown = shorten(word, _SHOWN_CHARACTERS)
            raise UsageError(f"%%agent: the value of {shown} begins with a dash; write --option={word} instead.")
    return shlex.join(texts)


def expanded_line(line: str, variables: Mapping[str, Any]) -> str:
    """Return the line of ``%agent`` with ``{expressions}`` and ``$names`` replaced, as IPython does for any line magic.

    IPython would read the JSON of a model's option as an expression with a format, so such a word stays as it is.
    """

    def expanded(text: str) -> str:
        try:
            return str(DollarFormatter().vformat(text, [], variables))
        except Exception:  # noqa: BLE001 - as IPython: what cannot be replaced is meant as it stands
            return text

    try:
        words = shlex.split(line)
    except ValueError:
        words = []
    if not any(map(is_json_option, words)):
        return expanded(line)
    return shlex.join(word if is_json_option(word) else expanded(word) for word in words)


def is_json_option(word: str) -> bool:
    """Return whether a word of a line is an option of a model whose braces are JSON: they stay as they are."""
    value = word.removeprefix("--option=").partition("=")[2]
    return value.lstrip().startswith(("{", "[")) and not isinstance(read_value(value), str)


class _NotAnExpressionError(Exception):
    """The text in braces is not meant for Python."""


def replaced(text: str, evaluate: Evaluate, *, place: str) -> str:
    """Return a text with each ``{expression}`` replaced by its value. Braces in a value are left alone.

    Args:
        text: The user's text.
        evaluate: Evaluates an expression; an exception that it raises is named in the error.
        place: What the text is, for the error: ``the prompt``.

    Raises:
        UsageError: A text in braces is not an expression, or cannot be evaluated or formatted.
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
        try:
            at, expression, conversion, form = _parsed(text, start)
            value = _CONVERSIONS[conversion](evaluate(expression))
            pieces.append(value_text(value) if form is None else format(value, form))
        except Exception as error:
            where = f"line {text.count(chr(10), 0, start) + 1} of {place}" if "\n" in text else f"in {place}"
            why = str(error) if isinstance(error, _NotAnExpressionError) else show_exception(error)
            raise UsageError(
                f"%%agent: {shorten(brace[0], _SHOWN_CHARACTERS)} ({where}) cannot be replaced by a value: "
                f"{shorten(why, _SHOWN_CHARACTERS)}. To send braces, write {{{{ and }}}}, or add --raw to send the whole "
                "text as it is. Nothing was sent."
            ) from error
    return "".join([*pieces, text[at:]])


def _parsed(text: str, start: int) -> tuple[int, str, str | None, str | None]:
    """Return the index after the expression that the brace at ``start`` opens, its text, conversion and format.

    The expression ends at the first brace on the line that leaves valid Python before it.

    Raises:
        _NotAnExpressionError: There is no expression, or the user does not mean one.
    """
    inside = text[start + 1 : start + _MOST_CHARACTERS].partition("\n")[0] if text[start] == "{" else ""
    ends = [brace.start() for brace in re.finditer("}", inside)]
    tree_of = functools.cache(_expression_tree)  # several ends may follow one expression
    for end in ends:
        for split in [end, *(mark.start() for mark in re.finditer("[!:]", inside[:end]))]:
            suffix = _SUFFIX.fullmatch(inside[split:end])
            tree = tree_of(inside[:split]) if suffix is not None else None
            if suffix is None or tree is None:
                continue
            if not any(isinstance(node, ast.Name) for node in ast.walk(tree)):
                raise _NotAnExpressionError("it does not name a variable")
            if suffix[2] is not None and suffix[2][:1].isspace():
                raise _NotAnExpressionError("a format begins right after its colon, without a space")
            return start + end + 2, inside[:split].strip(), suffix[1], suffix[2]
    raise _NotAnExpressionError("it is not a Python expression" if ends else "its other brace is not on this line")


def _expression_tree(source: str) -> ast.Expression | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as that for "\d" in quotes
        try:
            tree = ast.parse(source.strip(), mode="eval")
            compile(tree, "<prompt>", "eval")  # refuses `await`, which `ast.parse` accepts
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return tree
