"""``%agent doctor``: examines a model's server, shows the progress, and can be interrupted.

At the top level of a cell the line is awaited on the kernel's own loop (`transformer`), as an ``%%agent`` cell is, so that runs
in the background continue. Elsewhere, as in a loop or below ``%%time``, that loop is entered a second time (`run_sync`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle

from asyncfc_jupyter.errors import AgentInterrupted, AsyncFCError, UsageError
from asyncfc_jupyter.jupyter.cells.cell_end import CellEnd
from asyncfc_jupyter.jupyter.cells.interrupt import Interrupts
from asyncfc_jupyter.jupyter.commands.model import read_choice
from asyncfc_jupyter.jupyter.settings.settings import ModelChoice
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.models.catalog import Where
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.models.keys import api_key_in
from asyncfc_jupyter.text import printable

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session


class _Output:
    """One output that shows the progress and in the end the report; at a terminal, one line after another."""

    def __init__(self, shell: InteractiveShell, model: str) -> None:
        self._model = model
        self._replaces = getattr(shell, "kernel", None) is not None
        self._handle, self._shown = DisplayHandle(), False

    def progress(self, doing: str) -> None:
        """Show what is being done."""
        self.show(f"Examines {self._model} ... {doing}. An interrupt stops it.")

    def end(self, text: str) -> None:
        """Replace the progress, if any was shown."""
        if self._shown:
            self.show(text)

    def show(self, text: str) -> None:
        """Show a text in place of the one before."""
        text = mask(printable(text))
        show = self._handle.update if self._shown else self._handle.display
        if self._replaces:
            show({"text/plain": text}, raw=True)
        else:
            print(text)  # noqa: T201 - a command's answer
        self._shown = True


def examination(session: Session, *words: str) -> Coroutine[Any, Any, CellEnd]:
    """Return the examination of a model's server, to be awaited.

    Raises:
        UsageError: No model is chosen, or a word is invalid.
    """
    named, given = read_choice(session, "doctor", words)
    choice = session.settings.reach(named)
    if choice is None:
        raise UsageError("no model is chosen; write %agent doctor NAME, or choose one with %agent model NAME.")
    return _examined(session.shell, choice, fresh=given["fresh"])


async def _examined(shell: InteractiveShell, choice: ModelChoice, *, fresh: bool) -> CellEnd:
    """Examine a model's server and show the report, or return the error.

    An interrupt stops the examination immediately, and nothing of it is kept.

    Raises:
        UsageError: The key that the line names does not exist.
    """
    where = Where(
        server=choice.server, base_url=choice.base_url, api=choice.api, api_key=api_key_in(choice.api_key_env)
    )
    output, interrupts = _Output(shell, choice.name), Interrupts()
    with interrupts.handled():
        work = asyncio.ensure_future(examine(choice.name, where=where, fresh=fresh, progress=output.progress))
        interrupts.cancel = work.cancel
        try:
            report = await work
        except AsyncFCError as error:
            output.end("The examination failed.")
            return CellEnd(error=error)
        except asyncio.CancelledError:
            if not interrupts.presses:
                raise
            output.end("The examination was interrupted; nothing is kept of it.")
            return CellEnd(error=AgentInterrupted("the examination was interrupted; run %agent doctor again."))
    output.show(report.text(magic=True))
    return CellEnd()
