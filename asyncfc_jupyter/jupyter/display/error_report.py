"""Errors as the person sees them in a cell.

What the caller, the model or a tool did wrong is one line: what, what to do, and the line of the cell that it is about. A
tool's own exception is shown with the user's frames and without ours. An exception that nobody foresaw in our own code is our
bug: it says so and brings what a report needs.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import linecache
import platform
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.errors import AsyncFCError, InvariantBroken, PlanError, ToolFailed, UsageError
from asyncfc_jupyter.jupyter.settings.sources import SettingsError

if TYPE_CHECKING:
    from asyncfc_jupyter.agent import Run
    from asyncfc_jupyter.jupyter.cells.transformer import RunningCells

Magic = TypeVar("Magic", bound=Callable[..., Any])

_OURS = str(Path(__file__).resolve().parents[2])
_STANDARD = sysconfig.get_paths()["stdlib"]
#: Where an error says which line it is about; the renderer reads it.
_PLACE = "_asyncfc_place"
_PLAIN = AsyncFCError._render_traceback_
#: The last facts of a run that a report lists: what led up to the bug.
_FACTS = 12


def show_in_cells(shell: InteractiveShell) -> None:
    """Show our errors with the line of the cell that they are about, as long as the extension is loaded."""
    AsyncFCError._render_traceback_ = lambda error: _rendered(shell, error)  # type: ignore[method-assign,assignment]


def show_plainly() -> None:
    """Take `show_in_cells` back."""
    AsyncFCError._render_traceback_ = _PLAIN  # type: ignore[method-assign]


class Reporting(Protocol):
    """What a report of an error needs to know of the magics."""

    #: The shell that the magics belong to.
    shell: Any
    #: The cells that are being run.
    cells: RunningCells

    @property
    def last_run(self) -> Run | None:
        """The last run of the session, if there was one."""


def reports_errors(magic: Magic) -> Magic:
    """Decorate a method of the magics: whatever it raises is shown as this module promises."""
    if inspect.iscoroutinefunction(magic):

        @functools.wraps(magic)
        async def awaited(magics: Reporting, *args: Any) -> Any:
            with _reported(magics):
                return await magic(magics, *args)

        return cast("Magic", awaited)

    @functools.wraps(magic)
    def called(magics: Reporting, *args: Any) -> Any:
        with _reported(magics):
            return magic(magics, *args)

    return cast("Magic", called)


@contextmanager
def _reported(magics: Reporting) -> Iterator[None]:
    try:
        yield
    except (IPythonUsageError, asyncio.CancelledError):
        raise
    except UsageError as error:
        _place_in_cell(error, magics.cells)
        raise
    except Exception as error:
        if _is_foreseen(error):
            raise
        shell: Any = magics.shell
        if _is_ours(error, shell):
            raise Bug(error, magics.last_run) from error
        lines = traceback_of(shell, error)
        error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
        raise


def error_text(error: BaseException, run: Run) -> str:
    """Return an error of a run in the background as text: its cell has ended, and nobody is left to raise it to."""
    shell = get_ipython()
    if shell is None or _is_foreseen(error) or not _is_ours(error, shell):
        return _one_line(error)
    bug = Bug(error, run)
    # A cell may still await the run.
    error._render_traceback_ = lambda: [_one_line(bug)]  # type: ignore[attr-defined]
    return _one_line(bug)


class Bug(AsyncFCError):
    """Something that nobody foresaw in our own code, with what a report of it needs; the error itself is the cause.

    The cell raises this and not the error, whose text may hold anything and would be saved with the notebook.
    """

    def __init__(self, error: BaseException, run: Run | None) -> None:
        super().__init__(_report(error, run))

    def _render_traceback_(self) -> list[str]:
        return [_one_line(self)]  # where the person called us does not matter


def _is_foreseen(error: BaseException) -> bool:
    if isinstance(error, AsyncFCError):
        return not isinstance(error, InvariantBroken)
    return "_render_traceback_" in vars(error)


@contextmanager
def about(function: Any) -> Iterator[None]:
    """Let errors raised inside be about the line that defines a function."""
    try:
        yield
    except UsageError as error:
        code = getattr(function, "__code__", None)
        if code is not None:
            text = linecache.getline(code.co_filename, code.co_firstlineno).strip()
            setattr(error, _PLACE, f"line {code.co_firstlineno}: {text}")
        raise


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _rendered(shell: InteractiveShell, error: AsyncFCError) -> list[str]:
    place = getattr(error, _PLACE, None) or _place_of_code(shell, error)
    line = _one_line(error) + (f" ({place})" if place else "")
    if not isinstance(error, ToolFailed) or error.__cause__ is None:
        return [line]
    return [*traceback_of(shell, error.__cause__), "", "It came from a tool that the model called:", "", line]


def _place_of_code(shell: InteractiveShell, error: BaseException) -> str | None:
    """Return the line of the person's own code that the error passed last; None for a magic, which has no code."""
    own = [each for each in _entries(error.__traceback__) if _is_the_persons(shell, each)]
    if not own:
        return None
    name, number = own[-1].tb_frame.f_code.co_filename, own[-1].tb_lineno
    text = linecache.getline(name, number).strip()
    if "get_ipython()." in text:
        # A magic's line may hold a key in the wrong place, and is not repeated.
        several = isinstance(error, UsageError) and len(linecache.getlines(name)) > 1
        return f"line {number} of the cell" if several else None
    if not text:
        return None
    label = " ".join(shell.compile.format_code_name(name) or ())
    return ", ".join(filter(None, [label, f"line {number}: {text}"]))


def _place_in_cell(error: UsageError, cells: RunningCells) -> None:
    """Say which line of a cell magic's cell an error is about: that of the options, or one of a plan."""
    cell = cells.outermost
    lines = str(cell.raw_cell).splitlines() if cell is not None else []
    number = cells.line_of("%%agent", "%%tool")
    if number is None or hasattr(error, _PLACE) or isinstance(error, SettingsError):
        return
    if isinstance(error, PlanError):
        number += error.line
        if number > len(lines) or error.source.strip() not in lines[number - 1]:
            return  # the plan is not in the cell
    if len(lines) > 1:
        setattr(error, _PLACE, f"line {number} of the cell")


def traceback_of(shell: InteractiveShell, error: BaseException) -> list[str]:
    """Return the traceback of a user's exception as IPython shows it, without our frames and those that lead to them."""
    chain: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in chain:
        chain.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    before = [each.__traceback__ for each in chain]
    try:
        for each in chain:
            each.__traceback__ = _without_ours(shell, each.__traceback__)
        shown: list[str] = shell.InteractiveTB.structured_traceback(
            type(error), error, error.__traceback__, tb_offset=0
        )
    finally:
        for each, traceback in zip(chain, before, strict=True):
            each.__traceback__ = traceback
    return shown


def _without_ours(shell: InteractiveShell, traceback: TracebackType | None) -> TracebackType | None:
    entries = list(_entries(traceback))
    # A magic is called by the person's cell, and calls the person's code in turn: that is what is looked for.
    inside = entries[next((n for n, each in enumerate(entries) if _in(each, _OURS)), 0) :]
    rest = [each for each in inside if not _in(each, _OURS)]
    first = next((n for n, each in enumerate(rest) if _is_the_persons(shell, each)), None)
    if first is None:
        first = next((n for n, each in enumerate(rest) if not _in(each, _STANDARD)), len(rest))
    kept: TracebackType | None = None
    for each in reversed(rest[first:]):
        kept = TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return kept


def _is_ours(error: BaseException, shell: InteractiveShell) -> bool:
    """Return whether our own code raised, or called what raised, and not the person's."""
    for each in reversed(list(_entries(error.__traceback__))):
        if _is_the_persons(shell, each):
            return False
        if _in(each, _OURS):
            return True
    return isinstance(error, InvariantBroken)


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_the_persons(shell: InteractiveShell, entry: TracebackType) -> bool:
    return entry.tb_frame.f_globals is shell.user_global_ns


def _in(entry: TracebackType, folder: str) -> bool:
    name = entry.tb_frame.f_code.co_filename
    return name.startswith(folder) and "site-packages" not in name.removeprefix(folder)


def _report(error: BaseException, run: Run | None) -> str:
    """Return what a person needs to report a bug of ours: no values, no arguments, and nothing that looks like a key."""
    from asyncfc_jupyter.models.keys import without_keys  # noqa: PLC0415 - the engine comes when it is needed

    entries = _entries(error.__traceback__)
    ours = [each for each in entries if _in(each, _OURS) and each.tb_frame.f_code.co_filename != __file__]
    frames = [
        f"  {Path(each.tb_frame.f_code.co_filename).relative_to(_OURS)}:{each.tb_lineno} in {each.tb_frame.f_code.co_name}"
        for each in ours
    ]
    report = [_versions(), _one_line(error), *frames, *(_facts(run) if run is not None else ())]
    head = (
        "this is a bug in asyncfc_jupyter, not in your cell. Results so far are kept (%agent); %agent "
        "reset begins a new conversation. To report it, paste what follows; keys are masked, but do look it through."
    )
    return without_keys("\n".join([head, "", *report]))


def _versions() -> str:
    names = ("asyncfc-jupyter", "ipython", "ipykernel", "openai", "anywidget")
    known = {dist: _version(dist) for dist in names}
    listed = ", ".join(f"{name} {version}" for name, version in known.items() if version)
    return f"Python {sys.version.split()[0]} on {platform.system()}, {listed}"


def _version(distribution: str) -> str:
    if distribution == "asyncfc-jupyter":
        from asyncfc_jupyter import __version__  # noqa: PLC0415 - a clone on the path has no metadata

        return __version__
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _facts(run: Run) -> Iterator[str]:
    events = [stamped.event for stamped in run.trace.events]
    yield f"run: mode {run.mode}, {run.outcome}; futures: {len(run.futures)}; facts: {len(events)}, the last of them:"
    for event in events[-_FACTS:]:
        future = getattr(event, "future", None)
        yield f"  {type(event).__name__}" + (f" {future}" if future else "")
