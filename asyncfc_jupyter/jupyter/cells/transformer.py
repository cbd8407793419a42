"""Turn a top-level ``%%agent`` cell, or ``%agent doctor`` line, into an ``await``: IPython runs it on the kernel's own loop.

An ordinary magic is a synchronous function. To wait for a run in one, the running loop must be entered a second time,
which `nested` does where there is no other way. For a cell of its own there is: IPython awaits cells natively, so the
cell becomes one ``await`` expression.

Three kinds of cells stay ordinary magics: those that another cell is running (``%%time`` above ``%%agent``), since the
code around them is synchronous; all of them under ``%autoawait off`` or a loop that is not asyncio's; and ``%%tool``,
whose body must remain interruptible as any synchronous cell is. Of those, only comment lines above the magic are
dropped: IPython itself recognises a cell magic on the first line alone.

Of the lines only the examination of a server takes longer than a moment. It is found as IPython finds its own lines, in
the tokens, so that one in a text or a comment is left alone; an indented one may stand in a function, and stays as it is.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from tokenize import TokenInfo
from typing import Any

from IPython.core.inputtransformer2 import TokenTransformBase, assemble_continued_line, find_end_of_continued_line
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

_MAGIC = re.compile(r"%%(agent|tool)(?:\s(.*))?$", re.DOTALL)


class RunningCells:
    """Which cells are being run, by thread: a front end may run several at once in subshells.

    IPython announces a cell's end also where it never announced its beginning (an empty cell, the cell that loads the
    extension), so cells are recognised by identity and not merely counted.
    """

    def __init__(self) -> None:
        self._running: dict[int, list[ExecutionInfo]] = defaultdict(list)

    def started(self, info: ExecutionInfo) -> None:
        """Note a cell's beginning: a handler of IPython's ``pre_run_cell``."""
        self._running[threading.get_ident()].append(info)

    def ended(self, result: ExecutionResult | None) -> None:
        """Note a cell's end: a handler of IPython's ``post_run_cell``. A cancelled cell has no result."""
        running = self._running[threading.get_ident()]
        if result is None:
            del running[-1:]
        else:
            running[:] = [info for info in running if info is not result.info]

    @property
    def outermost(self) -> ExecutionInfo | None:
        """The cell that the person ran and this thread is running, if any."""
        running = self._running[threading.get_ident()]
        return running[0] if running else None

    def line_of(self, *magics: str) -> int | None:
        """Return the line of the cell that the person ran on which one of these cell magics stands, counted from 1."""
        lines = str(self.outermost.raw_cell).splitlines() if self.outermost is not None else []
        return next((number for number, line in enumerate(lines, 1) if line.startswith(magics)), None)


class AgentCellTransformer:
    """A clean-up transform for IPython, which sees a cell as a list of lines."""

    #: Otherwise a terminal, which transforms each prefix of the input, would take the first line for a whole cell.
    has_side_effects = True

    def __init__(self, shell: InteractiveShell, cells: RunningCells) -> None:
        self._shell, self._cells = shell, cells

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the cell to run instead of this one."""
        first = _first_line_of_code(lines)
        match = _MAGIC.match(lines[first].rstrip()) if first is not None else None
        if first is None or match is None:
            return lines
        if match[1] == "agent" and _can_await(self._shell, self._cells):
            options, body = (match[2] or "").strip(), "".join(lines[first + 1 :])
            return [f"await get_ipython().asyncfc.agent_cell({options!r}, {body!r})\n"]
        return lines[first:]


class DoctorLines:
    """A token transform for IPython, which asks each of its own, a class, whether it finds something to transform."""

    def __init__(self, shell: InteractiveShell, cells: RunningCells) -> None:
        self._shell, self._cells = shell, cells

    def find(self, tokens_by_line: list[list[TokenInfo]]) -> TokenTransformBase | None:
        """Return what transforms the first such line of a cell, if there is one."""
        if not _can_await(self._shell, self._cells):
            return None
        for tokens in tokens_by_line:
            if [token.string for token in tokens[:3]] == ["%", "agent", "doctor"] and tokens[0].start[1] == 0:
                return _DoctorLine(tokens[0].start)
        return None


class _DoctorLine(TokenTransformBase):
    #: Goes before what IPython makes of any line magic, and after what it makes of a question mark at the end.
    priority = 7

    def transform(self, lines: list[str]) -> list[str]:
        """Return the cell with this line as an ``await``."""
        end = find_end_of_continued_line(lines, self.start_line)
        line = assemble_continued_line(lines, (self.start_line, self.start_col), end)
        words = line.removeprefix("%").strip().removeprefix("agent").strip()
        call = f"await get_ipython().asyncfc.doctor_line({words!r})\n"
        return [*lines[: self.start_line], call, *lines[end + 1 :]]


def _can_await(shell: Any, cells: RunningCells) -> bool:
    """Return whether the cell that is transformed can be awaited natively."""
    asynchronous = shell.autoawait and shell.loop_runner_map["asyncio"][0] is shell.loop_runner
    return asynchronous and not shell.trio_runner and cells.outermost is None


def _first_line_of_code(lines: list[str]) -> int | None:
    for number, line in enumerate(lines):
        if line.strip() and not line.startswith("#"):
            return number
    return None
