"""Runs that continue after their cell has ended: ``%%agent --background``.

Such a run makes progress when the kernel's loop is free: between cells and during those that await, not under code that
blocks. Its output appears in its own cell, since asyncio's tasks keep the context of the cell that created them.

It uses a conversation of its own, a fork of the main one, unless its cell names one. So the next cells can continue the main
conversation, and what each model sees does not depend on which run was quicker. A kernel without a user may start thousands of
such runs, so the oldest of these conversations are forgotten.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque

from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.agent import Run
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.display.cell_output import CellOutput
from asyncfc_jupyter.jupyter.display.error_report import error_text
from asyncfc_jupyter.jupyter.session.conversations import MAIN, Conversations, Talk
from asyncfc_jupyter.masking import mask

#: Conversations of runs that have ended which can still be continued: more than a user watches at a time, and a few megabytes.
MOST_KEPT = 50


class Background:
    """The runs of a session in the background."""

    def __init__(self) -> None:
        self._runs: dict[asyncio.Task[None], Run] = {}
        #: The runs with a conversation of their own, the oldest first, and its name.
        self._own: deque[tuple[str, Run]] = deque()
        self._last_number = 0

    def __contains__(self, run: object) -> bool:
        return any(run is each for each in self._runs.values())

    def talk(self, shell: InteractiveShell, conversations: Conversations, name: str | None) -> Talk:
        """Return the conversation for a new run.

        Raises:
            UsageError: The conversation that the cell names is in use, or there is no kernel to run it between cells.
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
        while (own := f"background-{self._last_number + 1}") in conversations.names:
            self._last_number += 1
        self._forget_oldest(conversations)
        conversations.fork(own)
        return conversations.find(own)

    def _forget_oldest(self, conversations: Conversations) -> None:
        for _ in range(len(self._own) - MOST_KEPT):
            name, run = self._own.popleft()
            if not run.done():
                self._own.append((name, run))
            # A conversation that the user has continued or replaced is the user's.
            elif name in conversations.names and conversations.find(name).run is run:
                conversations.forget(name)

    def follow(self, run: Run, output: CellOutput, talk: Talk, *, own: bool) -> None:
        """Show the end of a run in the cell that started it, whenever that is.

        Args:
            run: The run.
            output: That of its cell.
            talk: Its conversation.
            own: Whether the conversation was made for this run.
        """
        if own:
            self._own.append((talk.name, run))

        async def show_end() -> None:
            await run.ended()
            output.end(run)
            output.conclude()
            if run.error is not None:
                print(mask(error_text(run.error, run)), file=sys.stderr)  # noqa: T201 - there is no cell to raise it in

        task = asyncio.get_running_loop().create_task(show_end(), name="asyncfc background")
        self._runs[task] = run
        task.add_done_callback(self._runs.pop)
