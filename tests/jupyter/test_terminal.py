"""IPython in a real terminal: the timeline is live, and gives the screen back."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.jupyter.conftest import AGENT, OFFERED, TOOLS
from tests.jupyter.releasing import RELEASED_BY_A_FILE
from tests.kernels.harness import LIMIT_S, environment

pexpect = pytest.importorskip("pexpect", reason="a terminal is driven through pexpect, which needs a POSIX system")
pytestmark = pytest.mark.kernel

MORE = '''%%tool --approve --pure
async def pay(euros: int) -> int:
    """Pay."""
    return euros
'''
HIDES, SHOWS, ERASES = "\x1b[?25l", "\x1b[?25h", "\x1b[2K"
PROGRAM = """
from IPython.terminal.interactiveshell import TerminalInteractiveShell as Shell
from traitlets.config import Config
config = Config({"HistoryManager": {"enabled": False}, "TerminalInteractiveShell": {"simple_prompt": True}})
shell = Shell.instance(config=config, colors="nocolor")
for cell in CELLS:
    shell.run_cell(cell, store_history=True)
print("the end")
"""


@contextmanager
def terminal(home: Path, *cells: str, term: str = "xterm") -> Iterator[Any]:
    """Run cells one after the other in a terminal of 30 lines."""
    program = home / "program.py"
    program.write_text(PROGRAM.replace("CELLS", repr([TOOLS, OFFERED, MORE, *cells])))
    started = pexpect.spawn(
        sys.executable,
        [str(program)],
        env=environment(home) | {"TERM": term},
        dimensions=(30, 100),
        encoding="utf-8",
        timeout=LIMIT_S,
        cwd=str(home),
    )
    started.delaybeforesend = None
    try:
        yield started
    finally:
        started.close(force=True)


def plain(screen: str) -> str:
    """Return what was written without the sequences that steer the terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)


def test_the_timeline_is_drawn_during_the_run_and_printed_whole_at_its_end(tmp_path: Path) -> None:
    plan = f"{AGENT}\n'one\\ntwo'\na = threaded(x=7)\nb = talking(x=3)\n\nf'it is {{a}}'"
    with terminal(tmp_path, RELEASED_BY_A_FILE, plan) as shown:
        shown.expect("f1 threaded")
        first = shown.before
        assert "answered in" not in first
        shown.expect("f1 threaded")
        again = shown.before + shown.after
        (tmp_path / "go").touch()
        shown.expect("the end")
        last = again + shown.before
    # All that was drawn is erased before the whole timeline is printed, once.
    drawn, _, after = last.rpartition(ERASES)
    assert HIDES not in after
    assert after.count("answered in") == 1
    assert "answered in" not in drawn
    assert "f1 threaded" in drawn
    whole = plain(after)
    assert re.search(r"f1 threaded .*█.* 7", whole)
    assert whole.index("it is 7") < whole.index("answered in")
    # What the model and the tools said scrolled past the picture, whole.
    for said in ("one", "two", "threaded began", "thread says 3", "threaded ended"):
        assert f"{said}\r\n" in plain(first + last), said


def test_a_question_is_asked_on_a_line_of_its_own(tmp_path: Path) -> None:
    with terminal(tmp_path, f"{AGENT}\na = pay(euros=5)\nb = quick(x=1)\n\nf'paid {{a}}'") as shown:
        shown.expect(re.escape("Make this call? [y/N] "))
        assert shown.before.rfind(SHOWS) > shown.before.rfind(HIDES)
        shown.sendline("y")
        shown.expect("paid 5")
        shown.expect("the end")
        assert "answered in" in shown.before


def test_an_interrupt_restores_the_screen(tmp_path: Path) -> None:
    cells = (f"{AGENT}\na = sleeping(x=1)\nawait a\n'never'", f"{AGENT}\n'again'")
    with terminal(tmp_path, *cells) as shown:
        shown.expect("f1 sleeping")
        shown.sendintr()
        shown.expect("AgentInterrupted: the run was interrupted")
        assert shown.before.rfind(SHOWS) > shown.before.rfind(HIDES)
        shown.expect("again")
        shown.expect("the end")


def test_a_terminal_that_cannot_erase_lines_gets_no_live_timeline(tmp_path: Path) -> None:
    with terminal(tmp_path, f"{AGENT}\na = quick(x=7)\n\nf'it is {{a}}'", term="dumb") as shown:
        shown.expect("the end")
        assert "it is 7" in shown.before
        assert "answered in" in shown.before
        assert "\x1b" not in shown.before
