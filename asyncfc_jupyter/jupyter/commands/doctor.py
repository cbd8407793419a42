"""``%agent doctor``: examines a model's server."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.cells.cell_end import CellEnd
from asyncfc_jupyter.jupyter.commands.asked_server import Words, ask_server
from asyncfc_jupyter.jupyter.commands.model import read_choice, where_of
from asyncfc_jupyter.models.doctor import examine

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session


def examination(session: Session, *words: str) -> Coroutine[Any, Any, CellEnd]:
    """Return the examination of a model's server, to be awaited.

    Raises:
        UsageError: No model is chosen, a word is invalid, or the key that the line names does not exist.
    """
    named, given = read_choice(session, "doctor", words)
    choice = session.settings.reach(named)
    if choice is None:
        raise UsageError("no model is chosen; write %agent doctor NAME, or choose one with %agent model NAME.")
    where = where_of(choice)
    return ask_server(
        session.shell,
        lambda progress: examine(
            choice.name, where=where, options=choice.options, fresh=given["fresh"], progress=progress
        ),
        lambda report: report.text(magic=True),
        Words(work="the examination", doing=f"Examines {choice.name}", again="run %agent doctor again"),
    )
