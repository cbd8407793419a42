"""How an answer is shown where ``--format`` asks for something else than Markdown.

While it streams an answer is shown as ever; once it is whole, what is made of it takes its place. The answer itself stays as
it came in ``run.answer``, also where it is not what was asked for: then it is shown as text, with a note that says why.
"""

from __future__ import annotations

import ast
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from asyncfc_jupyter.jupyter.display.markdown import fences, to_html
from asyncfc_jupyter.jupyter.display.sandboxed_html import framed

_PYTHON = frozenset({"", "python", "python3", "py", "ipython"})
#: Characters that show a line of code otherwise than Python reads it.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown of an answer."""

    #: By MIME type.
    bundle: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    #: What the person should know; empty when all is well.
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFormat:
    """How the answers of a cell are shown.

    Attributes:
        name: ``markdown``, ``code``, ``json``, ``html`` or ``text``.
        insert: Offers a text as the next cell; None where no cell can follow, as behind a run in the background.
    """

    name: str = "markdown"
    insert: Callable[[str], None] | None = None

    def show(self, answer: str) -> Shown | None:
        """Return what is shown of a whole answer, and offer its code as the next cell; None where Markdown is all."""
        match self.name:
            case "markdown":
                return None
            case "text":
                return Shown(bundle=_as_text(answer))
            case "json":
                return _json(answer)
            case "html":
                return Shown(bundle={"text/html": framed(_content(answer, "html")), "text/plain": answer})
            case _:
                return self._code(answer)

    def _code(self, answer: str) -> Shown:
        code = python_in(answer)
        text = answer if fences(answer) or not code else f"```python\n{answer}\n```"
        bundle = {"text/html": to_html(text), "text/plain": answer}
        if not code:
            return Shown(bundle=bundle, note="The answer holds no Python code, so there is no new cell.")
        if self.insert is not None:
            self.insert(code)
        return Shown(bundle=bundle)


#: As answers are shown where nothing else is asked for.
MARKDOWN = AnswerFormat()


def python_in(answer: str) -> str:
    """Return the Python of an answer: its fenced blocks, or all of it where nothing is fenced and it is Python; or nothing."""
    blocks = fences(answer)
    code = "\n\n".join(block.rstrip("\n") for language, block in blocks if language in _PYTHON)
    if not blocks and _is_python(answer):
        code = answer.strip("\n")
    return "".join(c for c in printable(code) if c not in _TURNING)


def printable(text: str) -> str:
    """Return text without the characters that steer a terminal."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


def _is_python(text: str) -> bool:
    try:
        return bool(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _json(answer: str) -> Shown:
    try:
        value = json.loads(_content(answer, "json"), parse_constant=_no_constant)
        pretty = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        # Half a surrogate pair is a text in JSON, and none that can be sent.
        pretty = pretty.encode("utf-8", "replace").decode("utf-8")
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        return Shown(bundle=_as_text(answer), note=f"The answer is not JSON, so it is shown as text ({why}).")
    # Front ends draw a tree, which a single number or text is not.
    tree = {"application/json": json.loads(pretty)} if isinstance(value, dict | list) else {}
    return Shown(bundle=tree | _as_text(pretty), metadata={"application/json": {"expanded": True}} if tree else {})


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _content(answer: str, language: str) -> str:
    """Return the content of the one fence in an answer, or the answer: models put fences around all that is no prose."""
    blocks = [block for name, block in fences(answer) if name in {language, ""}]
    return blocks[0] if len(blocks) == 1 and answer.strip()[:1] not in "{[<" else answer


def _as_text(text: str) -> dict[str, Any]:
    return {"text/plain": printable(text)}
