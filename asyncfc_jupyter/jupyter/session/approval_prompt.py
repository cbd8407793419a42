"""Asks the user before each call of a tool marked ``approve``: with buttons in the timeline, or with a line of input.

Buttons work during the cell only if the kernel handles their messages while a cell is awaited: ipykernel 7.4, and a cell that
is not nested in another. Elsewhere the user is asked for a line of input. In a terminal a thread waits for it, and everything
else continues. In a kernel the event loop waits, since a kernel reads its input only there. A front end without input, such
as nbclient, has no user to ask, and the call is not made.
"""

from __future__ import annotations

import asyncio

from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.runtime.call import Approval, Approver

#: The first ipykernel that handles a widget's messages while a cell is awaited.
_HEARS_DURING_CELLS = (7, 4)


class Questions:
    """The calls that wait for an answer from the buttons."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Future[bool]] = {}

    async def ask(self, approval: Approval) -> bool:
        """Wait for the answer to one call. The question is closed when the call is cancelled or the time is up."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._open[approval.future] = future
        try:
            return await future
        finally:
            self._open.pop(approval.future, None)

    def answer(self, future: str, *, yes: bool) -> None:
        """Take the user's answer, on the event loop. An answer to a question that is closed changes nothing."""
        waiting = self._open.get(future)
        if waiting is not None and not waiting.done():
            waiting.set_result(yes)


def approver_for(
    shell: InteractiveShell, questions: Questions, *, nested: bool, background: bool = False
) -> Approver | None:
    """Return what asks the user of this shell, or None if there is no user to ask.

    Args:
        shell: The shell of the running cell.
        questions: Receives the answers of the buttons.
        nested: Whether the cell runs inside another, such as one with ``%%time``: no message is handled until it ends.
        background: Whether the run continues after its cell, when every kernel handles the buttons' messages.
    """

    def ask_at_terminal(approval: Approval) -> bool:
        return input(f"{approval}\nMake this call? [y/N] ").strip().lower() in {"y", "yes"}

    async def ask_on_loop(approval: Approval) -> bool:
        return ask_at_terminal(approval)

    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return ask_at_terminal
    if not getattr(kernel, "_allow_stdin", False):
        return None
    from ipykernel import version_info  # type: ignore[attr-defined] # noqa: PLC0415 - a terminal does not need it

    hears_during_cells = tuple(version_info[:2]) >= _HEARS_DURING_CELLS
    return questions.ask if background or (hears_during_cells and not nested) else ask_on_loop
