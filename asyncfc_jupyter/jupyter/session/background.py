"""Runs that go on behind the cells: ``%%agent --background``.

The cell ends at once, and the run goes on whenever the kernel's loop is free: between cells and during those that await, not
under code that blocks. What it shows lands in its own cell, since asyncio's tasks keep the context of the cell that made them.

Such a run works in a conversation of its own, a fork of the main one, unless its cell names one. So the cells behind it can go
on with the main conversation, and what each model sees does not depend on which run was quicker.
"""

from __future__ import annotations

import asyncio
import sys

from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.agent import Run
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.display.cell_output import CellOutput
from asyncfc_jupyter.jupyter.display.error_report import after_the_cell
from asyncfc_jupyter.jupyter.session.conversations import MAIN, Conversations, Talk


class Background:
    """The runs of a session that go on behind its cells."""

    def __init__(self) -> None:
        self._runs: dict[asyncio.Task[None], Run] = {}
        self._begun = 0

    def __contains__(self, run: object) -> bool:
        return any(run is each for each in self._runs.values())

    def talk(self, shell: InteractiveShell, conversations: Conversations, name: str | None) -> Talk:
        """Return the conversation for a run that begins.

        Raises:
            UsageError: The one that the cell names is in use; or there is no kernel, so nothing would go on between cells.
        """
        if getattr(shell, "kernel", None) is None:
            raise UsageError(
                "%%agent --background needs a notebook's kernel: in a terminal nothing runs between cells."
            )
        talk = conversations.open(name or MAIN)
        if talk.conversation.busy:
            raise UsageError(
                f"%%agent --background: a run is using conversation {talk.name}; name another with --conversation NAME, "
                "or await that run first."
            )
        if name is not None:
            return talk
        while (own := f"background-{self._begun + 1}") in conversations.names:
            self._begun += 1
        conversations.fork(own)
        return conversations.find(own)

    def follow(self, run: Run, output: CellOutput) -> None:
        """Show what a run comes to in the cell that began it, whenever that is."""
        task = asyncio.get_running_loop().create_task(_shown(run, output), name="asyncfc background")
        self._runs[task] = run
        task.add_done_callback(self._runs.pop)


async def _shown(run: Run, output: CellOutput) -> None:
    await run.ended()
    output.end(run)
    if run.error is not None:
        print(after_the_cell(run.error, run), file=sys.stderr)  # noqa: T201 - nobody is left to raise it to
