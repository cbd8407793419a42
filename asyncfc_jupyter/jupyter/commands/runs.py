"""``%agent why``, ``timeline`` and ``compare``: the runs of a session, after their end or before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncfc_jupyter.agent.run import Run
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.trace.render.comparison import Comparison, compare
from asyncfc_jupyter.trace.render.timeline import Timeline

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session.session import Session


def show_why(session: Session, future: str) -> str:
    """Return why a future of the last run waited.

    Raises:
        UsageError: There is no run, or it has no such future.
    """
    return _run(session).why(future)


def show_timeline(session: Session, name: str | None = None) -> Timeline:
    """Return the timeline of the run in a variable, by default of the last run.

    Raises:
        UsageError: There is no run, or the variable does not hold one.
    """
    return _run(session, name).timeline()


def show_comparison(session: Session, name: str, *names: str) -> Comparison:
    """Return the runs in variables on one time axis.

    Raises:
        UsageError: A variable does not hold a run.
    """
    return compare(*(_run(session, each) for each in (name, *names)), names=[name, *names])


def _run(session: Session, name: str | None = None) -> Run:
    if name is None:
        if session.last is None:
            raise UsageError("there is no run yet; ask the model in a cell that starts with %%agent.")
        return session.last
    value = session.shell.user_ns.get(name)
    if not isinstance(value, Run):
        seen = "is not defined" if value is None else f"is a {type(value).__name__}"
        raise UsageError(f"{name!r} {seen}; name a run, such as _agent.")
    return value
