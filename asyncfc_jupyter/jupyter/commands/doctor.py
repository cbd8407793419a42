"""``%agent doctor``: examines a server while the person sees how far it has come, and may stop it.

At the top level of a cell the line is awaited on the kernel's own loop (`transformer`), as an ``%%agent`` cell is: runs in
the background go on meanwhile. Elsewhere, as in a loop or below ``%%time``, that loop is entered a second time (`nested`).
"""

from __future__ import annotations

import asyncio

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, publish_display_data

from asyncfc_jupyter.errors import AgentInterrupted, AsyncFCError
from asyncfc_jupyter.jupyter.cells.cell_end import CellEnd
from asyncfc_jupyter.jupyter.cells.interrupt import Interrupts
from asyncfc_jupyter.jupyter.options import ModelChoice
from asyncfc_jupyter.models.catalog import Where
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.models.keys import api_key_in


class _Output:
    """One output that says what is being done, and in the end holds the report; at a terminal, lines one after another."""

    def __init__(self, shell: InteractiveShell, model: str) -> None:
        self._model = model
        self._replaces = getattr(shell, "kernel", None) is not None
        self._id = DisplayHandle().display_id
        self._begun = False

    def tell(self, doing: str) -> None:
        """Say what is being done."""
        self.show(f"Examines {self._model} ... {doing}. An interrupt stops it.")

    def end(self, text: str) -> None:
        """Put an end to what is being done, if anything was said of it."""
        if self._begun:
            self.show(text)

    def show(self, text: str) -> None:
        """Show a text in the place of the one before."""
        if self._replaces:
            publish_display_data({"text/plain": text}, transient={"display_id": self._id}, update=self._begun)
        else:
            print(text)  # noqa: T201 - see `magics`
        self._begun = True


async def examine_here(shell: InteractiveShell, choice: ModelChoice, *, fresh: bool) -> CellEnd:
    """Examine a model's server and show the report, or return what went wrong.

    An interrupt stops it at once and keeps nothing of what was seen.

    Raises:
        UsageError: The key that the line names is not there.
    """
    where = Where(
        server=choice.server, base_url=choice.base_url, api=choice.api, api_key=api_key_in(choice.api_key_env)
    )
    output, interrupts = _Output(shell, choice.name), Interrupts()
    with interrupts.handled():
        work = asyncio.ensure_future(examine(choice.name, where=where, fresh=fresh, progress=output.tell))
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
