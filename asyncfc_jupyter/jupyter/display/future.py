"""How a notebook shows a future: its state, and its result as the kernel shows any such value."""

from __future__ import annotations

from html import escape

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import publish_display_data

from asyncfc_jupyter.agent.future import Future
from asyncfc_jupyter.core.futures import State
from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.jupyter.display.output_slots import Bundle
from asyncfc_jupyter.jupyter.display.terminal_text import as_screen


def display_future(future: Future) -> None:
    """Display a future's state and, if it is done, its result below: a figure as a figure, a table as a table."""
    done = future.state is State.DONE
    text = as_screen(repr(future))
    # The text of a future describes its result too, which a done one shows below.
    head = f"{future.tool} - {future.state}" if done else text.strip("<>").removeprefix(f"Future {future.name} ")
    html = f'<div class="asyncfc-future"><b>{escape(future.name)}</b> {escape(as_screen(head))}</div>'
    shown = Bundle({"text/html": html, "text/plain": text}).masked()
    publish_display_data(shown.data)
    if not done:
        return
    with ForeignCode() as ran:
        _display_result(future.result())
    if ran.error is not None:
        print(f"[the result cannot be shown: its own code raised {ran.raised}]")  # noqa: T201 - to the cell


def _display_result(value: object) -> None:
    """Display a value as the kernel does, with keys masked."""
    formatter = InteractiveShell.instance().display_formatter
    data, metadata = formatter.format(value) if formatter is not None else ({"text/plain": repr(value)}, {})
    if data:  # a value that displays itself leaves nothing to display
        shown = Bundle(data, metadata).masked()
        publish_display_data(shown.data, shown.metadata)
