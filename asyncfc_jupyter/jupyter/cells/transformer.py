"""Turn a top-level ``%%agent`` cell, or a line that asks a server, into an ``await``, which IPython runs on the kernel's loop.

An ordinary magic is a synchronous function. To wait for a run in one, the running loop must be entered a second time, which
`run_sync` does where there is no other way. A cell of its own needs none of that: IPython awaits cells natively, so the
cell becomes one ``await`` expression.

Three kinds of cells stay ordinary magics: those that another cell runs (``%%time`` above ``%%agent``), since the code around
them is synchronous; all of them under ``%autoawait off`` or a loop that is not asyncio's; and ``%%tool``, whose body must
remain interruptible as any synchronous cell is. From those, only the comment lines above the magic are removed: IPython
recognises a cell magic on the first line only.

Of the lines, only ``%agent doctor`` and ``%agent model --list`` take longer than a moment. Each is found in the tokens, as
IPython finds its own lines, so that a text or a comment that contains it is left alone. An indented line may be part of a
function and stays.
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
    """The cells that run now, by thread: a front end may run several at the same time in subshells.

    IPython announces the end of some cells without their beginning (an empty cell, the cell that loads the extension), so
    cells are recognised by identity and not only counted.
    """

    def __init__(self) -> None:
        self._running: dict[int, list[ExecutionInfo]] = defaultdict(list)

    def started(self, info: ExecutionInfo) -> None:
        """Record a cell's beginning: a handler of IPython's ``pre_run_cell``."""
        self._running[threading.get_ident()].append(info)

    def ended(self, result: ExecutionResult | None) -> None:
        """Record a cell's end: a handler of IPython's ``post_run_cell``. A cancelled cell has no result."""
        running = self._running[threading.get_ident()]
        if result is None:
            del running[-1:]
        else:
            running[:] = [info for info in running if info is not result.info]

    @property
    def outermost(self) -> ExecutionInfo | None:
        """The cell that the user ran in this thread and that has not ended, if any."""
        running = self._running[threading.get_ident()]
        return running[0] if running else None

    def line_of(self, *magics: str) -> int | None:
        """Return the number of the line with one of these magics in the cell that the user ran, counted from 1."""
        lines = str(self.outermost.raw_cell).splitlines() if self.outermost is not None else []
        return next((number for number, line in enumerate(lines, 1) if line.startswith(magics)), None)


class AgentCellTransformer:
    """A clean-up transform for IPython, which sees a cell as a list of lines."""

    #: Without it a terminal, which transforms each prefix of the input, would take the first line for a whole cell.
    has_side_effects = True

    def __init__(self, shell: InteractiveShell, cells: RunningCells) -> None:
        self._shell, self._cells = shell, cells

    def __call__(self, lines: list[str]) -> list[str]:
        """Return the lines of the cell that is run instead."""
        first = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
        match = None if first is None else _MAGIC.match(lines[first].rstrip())
        if first is None or match is None:
            return lines
        if match[1] == "agent" and _can_await(self._shell, self._cells):
            options, body = (match[2] or "").strip(), "".join(lines[first + 1 :])
            return [f"await get_ipython().asyncfc.agent_cell({options!r}, {body!r})\n"]
        return lines[first:]


class ServerLines:
    """A token transform for IPython: an object with the method `find`, where IPython's own are classes."""

    def __init__(self, shell: InteractiveShell, cells: RunningCells) -> None:
        self._shell, self._cells = shell, cells

    def find(self, tokens_by_line: list[list[TokenInfo]]) -> TokenTransformBase | None:
        """Return the transform of the first such line in a cell, if there is one."""
        if not _can_await(self._shell, self._cells):
            return None
        for tokens in tokens_by_line:
            words = [token.string for token in tokens]
            asks = words[2:3] == ["doctor"] or (words[2:3] == ["model"] and "- - list" in " ".join(words[3:]))
            if words[:2] == ["%", "agent"] and asks and tokens[0].start[1] == 0:
                return _ServerLine(tokens[0].start)
        return None


class _ServerLine(TokenTransformBase):
    #: Runs before IPython's transform of line magics (10), and after that of a question mark at the end (5).
    priority = 7

    def transform(self, lines: list[str]) -> list[str]:
        """Return the cell with this line as an ``await``."""
        end = find_end_of_continued_line(lines, self.start_line)
        line = assemble_continued_line(lines, (self.start_line, self.start_col), end)
        words = line.removeprefix("%").strip().removeprefix("agent").strip()
        call = f"await get_ipython().asyncfc.server_line({words!r})\n"
        return [*lines[: self.start_line], call, *lines[end + 1 :]]


def _can_await(shell: Any, cells: RunningCells) -> bool:
    """Return whether the cell that is transformed can be awaited natively."""
    asynchronous = shell.autoawait and shell.loop_runner_map["asyncio"][0] is shell.loop_runner
    return asynchronous and not shell.trio_runner and cells.outermost is None
