"""Who is asked before a call of a tool marked ``approve``, and how: buttons in the timeline, or a line of input.

The buttons answer while the cell runs, which needs a kernel that takes their messages during an awaited cell: ipykernel 7.4,
and a cell that is not nested in another. Elsewhere the person is asked for a line of input: in a terminal from a thread, while
everything else goes on; in a kernel on the event loop, which waits meanwhile, since its input may only be read there. A front
end that takes no input, such as nbclient, has nobody to ask, and the call is not made.
"""

from __future__ import annotations

import asyncio

from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.runtime.call import Approval, Approver

#: The first ipykernel that handles a widget's messages while a cell is awaited.
_HEARS_DURING_CELLS = (7, 4)
_YES = frozenset({"y", "yes"})


class Questions:
    """The calls that wait for a yes or no from the buttons."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Future[bool]] = {}

    async def ask(self, approval: Approval) -> bool:
        """Wait for the answer to one call; taken back when the call is cancelled or the time is up."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._open[approval.future] = future
        try:
            return await future
        finally:
            self._open.pop(approval.future, None)

    def answer(self, future: str, *, yes: bool) -> None:
        """Take the person's answer, on the event loop; one to a question that is no longer open changes nothing."""
        waiting = self._open.get(future)
        if waiting is not None and not waiting.done():
            waiting.set_result(yes)


def approver_for(
    shell: InteractiveShell, questions: Questions, *, nested: bool, background: bool = False
) -> Approver | None:
    """Return how the person at this shell is asked; None where there is nobody.

    Args:
        shell: The shell of the cell that runs.
        questions: Where the buttons' answers arrive.
        background: Whether the run goes on behind the cells, where the buttons' messages are handled by every kernel.
        nested: Whether the cell runs inside another, such as one with ``%%time``, and no message is handled until its end.
    """
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return _ask_at_terminal
    if not getattr(kernel, "_allow_stdin", False):
        return None
    if background:
        return questions.ask
    return questions.ask if hears_during_cells() and not nested else _ask_on_loop


def hears_during_cells() -> bool:
    """Return whether this kernel handles the messages of buttons while a cell is awaited."""
    from ipykernel import version_info  # type: ignore[attr-defined] # noqa: PLC0415 - a terminal does without it

    return tuple(version_info[:2]) >= _HEARS_DURING_CELLS


def _ask_at_terminal(approval: Approval) -> bool:
    return input(f"{approval}\nMake this call? [y/N] ").strip().lower() in _YES


async def _ask_on_loop(approval: Approval) -> bool:
    return _ask_at_terminal(approval)
