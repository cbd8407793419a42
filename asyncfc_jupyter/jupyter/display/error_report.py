"""Errors as the user sees them in a cell.

A mistake of the user, the model or a tool is one line: what is wrong, what to do, and the line of the cell that it is about. A
tool's own exception is shown with the user's frames and without those of this package. An unexpected exception in this
package is a bug: the error says so and contains what a bug report needs.
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
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from IPython.core.error import UsageError as IPythonUsageError
from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.errors import AsyncFCError, InvariantBroken, PlanError, ToolFailed, UsageError
from asyncfc_jupyter.foreign_code import ForeignCode, text_of, traceback_of, type_name
from asyncfc_jupyter.jupyter.settings.sources import SettingsError
from asyncfc_jupyter.masking import mask, mask_pieces
from asyncfc_jupyter.runtime.exception_text import leaves_of, show_exception
from asyncfc_jupyter.text import printable

if TYPE_CHECKING:
    from asyncfc_jupyter.agent import Run
    from asyncfc_jupyter.jupyter.cells.transformer import RunningCells

Magic = TypeVar("Magic", bound=Callable[..., Any])

_OURS = str(Path(__file__).resolve().parents[2])
_STANDARD = sysconfig.get_paths()["stdlib"]
#: The attribute of an error that says which line it is about.
_LINE_OF_ERROR = "_asyncfc_place"
_PLAIN = AsyncFCError._render_traceback_
#: The last events of a run that a bug report lists.
_EVENTS = 12
#: Exceptions of a group whose tracebacks are shown: the first usually says why the others failed.
_MOST_LEAVES = 5


def show_in_cells(shell: InteractiveShell) -> None:
    """Show this package's errors with the line of the cell that they are about, while the extension is loaded."""

    def render(error: AsyncFCError) -> list[str]:
        place = getattr(error, _LINE_OF_ERROR, None) or _place_of_code(shell, error)
        line = mask(_one_line(error) + (f" ({place})" if place else ""))
        if not isinstance(error, ToolFailed) or error.__cause__ is None:
            return [line]
        cause = [mask(show_exception(error.__cause__))]
        with ForeignCode():  # a traceback that fails must not hide that the tool failed
            cause = with_leaves(error.__cause__, functools.partial(_traceback_of, shell))
        return [*cause, "", "It came from a tool that the model called:", "", line]

    AsyncFCError._render_traceback_ = render  # type: ignore[method-assign,assignment]


def show_plainly() -> None:
    """Undo `show_in_cells`."""
    AsyncFCError._render_traceback_ = _PLAIN  # type: ignore[method-assign]


class Reporting(Protocol):
    """What a report of an error needs to know of the magics."""

    #: The shell that the magics belong to.
    shell: Any
    #: The cells that run now.
    cells: RunningCells

    @property
    def last_run(self) -> Run | None:
        """The last run of the session, if there was one."""


def reports_errors(magic: Magic) -> Magic:
    """Decorate a method of the magics so that its errors are shown as this module says."""
    if inspect.iscoroutinefunction(magic):

        @functools.wraps(magic)
        async def awaited(magics: Reporting, *args: Any) -> Any:
            with _reported(magics):
                return await magic(magics, *args)

        return cast("Magic", awaited)

    @functools.wraps(magic)
    def called(magics: Reporting, *args: Any, **scope: Any) -> Any:
        with _reported(magics):
            return magic(magics, *args, **scope)

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
        if _is_expected(error):
            raise
        if _is_bug(error, magics.shell):
            raise Bug(error, magics.last_run) from error
        lines = [mask(show_exception(error))]
        with ForeignCode():
            lines = with_leaves(error, functools.partial(_traceback_of, magics.shell))
        error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
        raise


def error_text(error: BaseException, run: Run) -> str:
    """Return the error of a run in the background as text: its cell has ended and cannot raise it."""
    shell = get_ipython()
    if shell is None or _is_expected(error) or not _is_bug(error, shell):
        return _one_line(error)
    bug = Bug(error, run)
    # A cell may still await the run.
    error._render_traceback_ = lambda: [_one_line(bug)]  # type: ignore[attr-defined]
    return _one_line(bug)


@contextmanager
def about(function: Any) -> Iterator[None]:
    """Make errors raised inside the block be about the line that defines a function."""
    try:
        yield
    except UsageError as error:
        code = getattr(function, "__code__", None)
        if code is not None:
            text = linecache.getline(code.co_filename, code.co_firstlineno).strip()
            setattr(error, _LINE_OF_ERROR, f"line {code.co_firstlineno}: {text}")
        raise


class Bug(AsyncFCError):
    """An unexpected exception in this package, with what a report needs; the exception itself is the cause.

    The cell raises this and not the exception, whose text may hold anything and would be saved with the notebook.
    """

    def __init__(self, error: BaseException, run: Run | None) -> None:
        super().__init__(_report(error, run))

    def _render_traceback_(self) -> list[str]:
        return [_one_line(self)]  # the line of the cell does not matter


def _report(error: BaseException, run: Run | None) -> str:
    """Return what a report of a bug needs: no values, no arguments, and nothing that looks like a key."""
    head = (
        "this is a bug in asyncfc_jupyter, not in your cell. Results so far are kept (%agent); %agent reset starts a new "
        "conversation. To report it, paste the lines below. Keys are masked, but please read the lines first."
    )
    lines = [head, "", _versions(), _one_line(error)]
    for frame in _frames(error):
        code = frame.tb_frame.f_code
        if _in(frame, _OURS) and code.co_filename != __file__:
            lines.append(f"  {Path(code.co_filename).relative_to(_OURS)}:{frame.tb_lineno} in {code.co_name}")
    if run is not None:
        events = [stamped.event for stamped in run.trace.events]
        lines.append(
            f"run: mode {run.mode}, {run.outcome}; futures: {len(run.futures)}; events: {len(events)}, the last of them:"
        )
        lines += [
            f"  {type(event).__name__} {getattr(event, 'future', None) or ''}".rstrip() for event in events[-_EVENTS:]
        ]
    return mask("\n".join(lines))


def _versions() -> str:
    from asyncfc_jupyter import __version__  # noqa: PLC0415 - a clone on the path has no metadata

    versions = [f"asyncfc-jupyter {__version__}"]
    for name in ("ipython", "ipykernel", "openai", "anthropic", "anywidget"):
        with suppress(metadata.PackageNotFoundError):
            versions.append(f"{name} {metadata.version(name)}")
    return f"Python {sys.version.split()[0]} on {platform.system()}, {', '.join(versions)}"


def with_leaves(error: BaseException, lines_of: Callable[[BaseException], list[str]]) -> list[str]:
    """Return the lines of an exception's traceback, and of those that a group holds: IPython shows only their number.

    Args:
        error: The exception.
        lines_of: Returns the lines of one exception's traceback.
    """
    leaves, lines = leaves_of(error), lines_of(error)
    for number, leaf in enumerate(leaves[:_MOST_LEAVES], 1):
        shown = [mask(show_exception(leaf))]
        with ForeignCode():  # one that cannot be shown hides none of the others
            shown = lines_of(leaf)
        lines += ["", f"Exception {number} of {len(leaves)} in the group:", *shown]
    return lines


def _is_expected(error: BaseException) -> bool:
    if isinstance(error, AsyncFCError):
        return not isinstance(error, InvariantBroken)
    return "_render_traceback_" in vars(error)


def _is_bug(error: BaseException, shell: InteractiveShell) -> bool:
    """Return whether this package raised, or called the code that raised, and not the user."""
    for frame in reversed(_frames(error)):
        if _is_users(shell, frame):
            return False
        if _in(frame, _OURS):
            return True
    return isinstance(error, InvariantBroken)


def _one_line(error: BaseException) -> str:
    return printable(f"{type_name(error)}: {text_of(error)}")


def _place_in_cell(error: UsageError, cells: RunningCells) -> None:
    """Record which line of a cell magic's cell an error is about: the line with the options, or one of a plan."""
    cell, number = cells.outermost, cells.line_of("%%agent", "%%tool")
    if cell is None or number is None or hasattr(error, _LINE_OF_ERROR) or isinstance(error, SettingsError):
        return
    lines = str(cell.raw_cell).splitlines()
    if isinstance(error, PlanError):
        number += error.line
        if number > len(lines) or error.source.strip() not in lines[number - 1]:
            return  # the plan is not in the cell
    if len(lines) > 1:
        setattr(error, _LINE_OF_ERROR, f"line {number} of the cell")


def _place_of_code(shell: InteractiveShell, error: BaseException) -> str | None:
    """Return the line of the user's own code that the error passed last, or None for a magic, which has no code."""
    own = [frame for frame in _frames(error) if _is_users(shell, frame)]
    if not own:
        return None
    name, number = own[-1].tb_frame.f_code.co_filename, own[-1].tb_lineno
    text = linecache.getline(name, number).strip()
    if "get_ipython()." in text:
        # The line of a magic may hold a key in the wrong place, and is not repeated.
        several = isinstance(error, UsageError) and len(linecache.getlines(name)) > 1
        return f"line {number} of the cell" if several else None
    if not text:
        return None
    label = " ".join(shell.compile.format_code_name(name) or ())
    return ", ".join(filter(None, [label, f"line {number}: {text}"]))


def _traceback_of(shell: InteractiveShell, error: BaseException) -> list[str]:
    """Return the traceback of a user's exception as IPython shows it, without our frames and those that lead to them."""
    chain: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and not any(each is one for one in chain):
        chain.append(each)
        implicit = None if each.__suppress_context__ else each.__context__
        each = implicit if each.__cause__ is None else each.__cause__
    before = [each.__traceback__ for each in chain]
    try:
        for each in chain:
            each.__traceback__ = _without_ours(shell, each)
        shown: list[str] = shell.InteractiveTB.structured_traceback(
            type(error), error, error.__traceback__, tb_offset=0
        )
    finally:
        for each, traceback in zip(chain, before, strict=True):
            each.__traceback__ = traceback
    return mask_pieces([printable(line, colours=True) for line in shown])


def _without_ours(shell: InteractiveShell, error: BaseException) -> TracebackType | None:
    frames = _frames(error)
    # The user's cell calls a magic, which calls the user's code: the frames of that code are wanted.
    inside = frames[next((n for n, frame in enumerate(frames) if _in(frame, _OURS)), 0) :]
    rest = [frame for frame in inside if not _in(frame, _OURS)]
    first = next((n for n, frame in enumerate(rest) if _is_users(shell, frame)), None)
    if first is None:
        first = next((n for n, frame in enumerate(rest) if not _in(frame, _STANDARD)), len(rest))
    kept: TracebackType | None = None
    for frame in reversed(rest[first:]):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return kept


def _frames(error: BaseException) -> list[TracebackType]:
    frames, traceback = [], traceback_of(error)
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    return frames


def _is_users(shell: InteractiveShell, frame: TracebackType) -> bool:
    return frame.tb_frame.f_globals is shell.user_global_ns


def _in(frame: TracebackType, folder: str) -> bool:
    name = frame.tb_frame.f_code.co_filename
    return name.startswith(folder) and "site-packages" not in name.removeprefix(folder)
