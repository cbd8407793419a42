"""Whatever a model, a tool or a server writes, nothing of it reaches a terminal or a page that could steer it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.errors import ServerError, ToolFailed
from asyncfc_jupyter.jupyter.display.answer_format import AnswerFormat
from asyncfc_jupyter.jupyter.display.cell_output import _answer
from asyncfc_jupyter.jupyter.display.error_report import show_in_cells, show_plainly
from asyncfc_jupyter.models.connection.server_errors import server_message
from tests.jupyter.conftest import AGENT
from tests.jupyter.test_terminal import terminal

#: Clears the screen, sets the title, writes to the clipboard, rings, overrides the direction of writing.
STEERING = "A\x1b[2JB\x1b]0;pwned\x07C\x1b]52;c;eA==\x07D\x9b2JE\u202eF\x07G\x08H"
SEEN = "ABCDEFGH"
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def assert_harmless(shown: Any) -> None:
    text = json.dumps(shown, ensure_ascii=False, default=str)
    assert _STEERS.search(text) is None, text
    assert "pwned" not in text
    assert re.search(r"\\u00[019]|\\b", text) is None, text


@pytest.mark.parametrize("name", ["code", "json", "html", "text"])
@pytest.mark.parametrize(
    "answer", [STEERING, f"# {STEERING}", f"```python\nx = '{STEERING}'\n```", f"<p>{STEERING}</p>"]
)
def test_an_answer_steers_in_no_format(name: str, answer: str) -> None:
    offered: list[str] = []
    shown = AnswerFormat(name=name, insert=offered.append).show(answer)
    assert shown is not None
    assert_harmless([shown.bundle, shown.note, offered])
    assert SEEN in str(shown.bundle["text/plain"])


def test_an_answer_as_it_arrives_does_not_steer() -> None:
    assert_harmless(_answer(f"**{STEERING}**").data)
    assert _answer(f"**{STEERING}**").data["text/html"] == f"<p><strong>{SEEN}</strong></p>\n"


def test_an_error_does_not_steer_whatever_it_quotes(bare_shell: InteractiveShell) -> None:
    said = server_message({"message": STEERING})
    error = ToolFailed("f1", "tool", f"ValueError: {STEERING}")
    error.__cause__ = ValueError(STEERING)
    show_in_cells(bare_shell)
    try:
        lines = error._render_traceback_()
    finally:
        show_plainly()
    assert_harmless([said, str(ServerError(STEERING)), str(error), re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))])
    assert any(f"ValueError: {SEEN}" in re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines)


TOOL = f'''%%tool
async def hostile(x: int) -> str:
    """Answer with what steers a terminal."""
    print({STEERING!r})
    if x:
        raise ValueError({STEERING!r})
    return {STEERING!r}
'''


@pytest.mark.kernel
def test_a_terminal_gets_no_sequence_of_a_model_or_a_tool(tmp_path: Path) -> None:
    plan = f"{AGENT}\na = hostile(x=0)\nb = hostile(x=1)\nc = hostile(x='{STEERING}')\nawait a\n\nf'{{a}} {STEERING}'"
    cells = (
        TOOL,
        plan,
        "%agent history",
        "%agent prompt",
        "%agent why f2",
        "_agent.futures['f2'].result()",
        "_agent.futures",
    )
    with terminal(tmp_path, *cells, term="dumb") as shown:
        shown.expect("the end")
        screen = re.sub(r"\x1b\[[0-9;]*m", "", shown.before)
    assert len(re.findall("ABCDEF ?G ?H", screen)) > 12
    assert _STEERS.search(screen.replace("\r\n", "\n")) is None, repr(screen)
