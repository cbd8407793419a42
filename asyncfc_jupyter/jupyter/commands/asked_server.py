"""Commands that ask a model's server: they show their progress, and an interrupt stops them.

At the top level of a cell the line is awaited on the kernel's own loop (`transformer`), as an ``%%agent`` cell is, so that runs
in the background continue. Elsewhere, as in a loop or below ``%%time``, that loop is entered a second time (`run_sync`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle

from asyncfc_jupyter.errors import AgentInterrupted, AsyncFCError
from asyncfc_jupyter.jupyter.cells.cell_end import CellEnd
from asyncfc_jupyter.jupyter.cells.interrupt import Interrupts
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.text import printable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a command says of its work."""

    #: The work, as the subject of a sentence: ``the examination``.
    work: str
    #: What it does, before a point of its progress: ``Examines qwen3``.
    doing: str
    #: How it is started again: ``run %agent doctor again``.
    again: str


class _Output:
    """One output that shows the progress and in the end the answer; at a terminal, one line after another."""

    def __init__(self, shell: InteractiveShell, words: Words) -> None:
        self._words = words
        self._replaces = getattr(shell, "kernel", None) is not None
        self._handle, self._shown = DisplayHandle(), False

    def progress(self, doing: str) -> None:
        """Show what is being done."""
        self.show(f"{self._words.doing} ... {doing}. An interrupt stops it.")

    def end(self, how: str) -> None:
        """Replace the progress, if any was shown."""
        if self._shown:
            self.show(f"{self._words.work[0].upper()}{self._words.work[1:]} {how}")

    def show(self, text: str) -> None:
        """Show a text in place of the one before."""
        text = mask(printable(text))
        show = self._handle.update if self._shown else self._handle.display
        if self._replaces:
            show({"text/plain": text}, raw=True)
        else:
            print(text)  # noqa: T201 - a command's answer
        self._shown = True


async def ask_server(
    shell: InteractiveShell,
    ask: Callable[[Callable[[str], None]], Coroutine[Any, Any, T]],
    answer: Callable[[T], str],
    words: Words,
) -> CellEnd:
    """Ask a server and show the answer, or return the error. An interrupt stops it immediately, and nothing of it is kept.

    Args:
        shell: The shell that shows it.
        ask: Asks the server; it is given what shows the progress, half a sentence each time.
        answer: Returns what is shown of the result.
        words: What the command says of it.
    """
    output, interrupts = _Output(shell, words), Interrupts()
    with interrupts.handled():
        work = asyncio.ensure_future(ask(output.progress))
        interrupts.cancel = work.cancel
        try:
            result = await work
        except AsyncFCError as error:
            output.end("failed.")
            return CellEnd(error=error)
        except asyncio.CancelledError:
            if not interrupts.presses:
                raise
            output.end("was interrupted; nothing is kept of it.")
            return CellEnd(error=AgentInterrupted(f"{words.work} was interrupted; {words.again}."))
    output.show(answer(result))
    return CellEnd()
