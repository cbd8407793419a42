"""How an answer is shown if ``--format`` asks for another format than Markdown.

While it arrives, an answer is shown as Markdown; when it is complete, the format replaces that. ``run.answer`` stays the
model's text, also where it does not have the format: then it is shown as text, with a note that says why.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from asyncfc_jupyter.jupyter.display.markdown import fences, to_html
from asyncfc_jupyter.jupyter.display.sandboxed_html import framed
from asyncfc_jupyter.models.json_object import strict_json
from asyncfc_jupyter.text import printable

_PYTHON = frozenset({"", "python", "python3", "py", "ipython"})
#: Characters that turn the writing direction, so that a line of code looks different from what Python reads.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An answer in its format."""

    #: Representations by MIME type.
    bundle: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    #: A message for the user; empty if the answer has the format.
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFormat:
    """How the answers of a cell are shown.

    Attributes:
        name: ``markdown``, ``code``, ``json``, ``html`` or ``text``.
        insert: Offers a text as the next cell; None if no cell can follow, as for a run in the background.
    """

    name: str = "markdown"
    insert: Callable[[str], None] | None = None

    def show(self, answer: str) -> Shown | None:
        """Return a whole answer in its format, or None for Markdown. Code is also offered as the next cell."""
        answer = printable(answer)
        match self.name:
            case "markdown":
                return None
            case "text":
                return Shown(bundle={"text/plain": answer})
            case "json":
                return _json(answer)
            case "html":
                return Shown(bundle={"text/html": framed(_content(answer, "html")), "text/plain": answer})
        code = python_in(answer)
        text = answer if fences(answer) or not code else f"```python\n{answer}\n```"
        if code and self.insert is not None:
            self.insert(code)
        note = "" if code else "The answer has no Python code, so there is no new cell."
        return Shown(bundle={"text/html": to_html(text), "text/plain": answer}, note=note)


#: The format of answers unless the cell asks for another.
MARKDOWN = AnswerFormat()


def python_in(answer: str) -> str:
    """Return the Python code of an answer: its fenced blocks, or all of it if it has no fences and is Python."""
    blocks = fences(answer)
    code = "\n\n".join(block.rstrip("\n") for language, block in blocks if language in _PYTHON)
    if not blocks:
        try:
            code = answer.strip("\n") if ast.parse(answer).body else ""
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            code = ""
    return "".join(c for c in printable(code) if c not in _TURNING)


def _json(answer: str) -> Shown:
    try:
        value = strict_json(_content(answer, "json"))
        pretty = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        # JSON allows half a surrogate pair in a text, but nothing can send it.
        pretty = pretty.encode("utf-8", "replace").decode("utf-8")
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        note = f"The answer is not JSON, so it is shown as text ({why})."
        return Shown(bundle={"text/plain": answer}, note=note)
    # Front ends draw a tree, which a single number or text is not.
    tree = {"application/json": json.loads(pretty)} if isinstance(value, dict | list) else {}
    metadata = {"application/json": {"expanded": True}} if tree else {}
    return Shown(bundle=tree | {"text/plain": printable(pretty)}, metadata=metadata)


def _content(answer: str, language: str) -> str:
    """Return the content of the only fence in an answer, or the answer: models put fences around anything but prose."""
    blocks = [block for name, block in fences(answer) if name in {language, ""}]
    return blocks[0] if len(blocks) == 1 and answer.strip()[:1] not in "{[<" else answer
