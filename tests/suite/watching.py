"""Detects that the package blocks the event loop: blockbuster's wrappers, and a rule for whose call it is.

Nothing here needs pytest, so that a kernel can be watched, too, without importing it.

What blockbuster wraps are functions: sleeping, the file system, reading and writing files, sockets, SQLite, ``input`` and
a wait for a lock that is held. Not seen are a ``with`` over a lock (replaced by Python code, it could be interrupted between
taking the lock and knowing so), long computations, and imports.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from blockbuster import BlockBuster, BlockBusterFunction

import asyncfc_jupyter

_OURS = str(Path(asyncfc_jupyter.__file__).parent) + os.sep
_TESTS = str(Path(__file__).resolve().parents[1]) + os.sep
#: Blocking calls that blockbuster leaves out: opening a file needs the disk, as reading does.
_MORE = ("builtins.open", "io.open", "os.open", "os.fsync")


class Allowed(NamedTuple):
    """One place of the package that may block the loop, and why."""

    file: str
    function: str
    reason: str


_ONCE_OPENED = "a few lines, read once where a model is opened by its name, before its run begins"
_METADATA = (
    "which APIs the installed packages add, read in 20 ms for a name that is not built in, and at a press of Tab"
)
_COMMAND = "one file that a line magic names; the line cannot be awaited, and does nothing else"

#: Where the package may block the loop: for moments, and on purpose. Everything below these functions is allowed with them.
ALLOWED = (
    Allowed("models/aliases.py", "aliases", _ONCE_OPENED),
    Allowed("models/keys.py", "_from_file", _ONCE_OPENED),
    Allowed(
        "models/keys.py",
        "_from_keyring",
        "finding the keyring takes 0.2 s, once a process; opening a model is not async",
    ),
    Allowed("plugins.py", "added_parts", _METADATA),
    Allowed(
        "models/cassette/cassette.py",
        "Recording.__init__",
        "ten bytes, read once where a recording is asked for, to refuse at once",
    ),
    Allowed(
        "models/cassette/cassette.py", "Replay.__init__", "one file, read once before the run that it answers begins"
    ),
    Allowed(
        "runtime/pools.py", "Noting.submit", "an executor of the user's may start a process where work is handed to it"
    ),
    Allowed("jupyter/text_file.py", "read_text_file", "one file that the cell names, read before its run begins"),
    Allowed(
        "jupyter/settings/sources.py",
        "Project._find",
        "a stat for each folder above the notebook's; a cell heeds a new value",
    ),
    Allowed("jupyter/settings/sources.py", "_read", "one small file, read again only when it changed"),
    Allowed(
        "jupyter/settings/settings.py",
        "AgentSettings.open_settings",
        "the name of the current directory, asked for when the extension is loaded",
    ),
    Allowed("jupyter/session/conversations.py", "Conversations.save", _COMMAND),
    Allowed("jupyter/session/conversations.py", "Conversations.load", _COMMAND),
    Allowed("models/aliases.py", "set_alias", _COMMAND),
    Allowed("jupyter/commands/memory.py", "remembered", "one small file, read once a process if no run has read it"),
    Allowed("jupyter/commands/memory.py", "forget", "one file, removed by a line magic, which cannot be awaited"),
    Allowed("jupyter/commands/status.py", "_hedge_notes", "a report of the doctor; a line that does nothing else"),
    Allowed("jupyter/completion.py", "_paths", "one directory, listed when the user presses Tab"),
    Allowed(
        "jupyter/display/error_report.py",
        "_versions",
        "a few lines of metadata, read where an error inside the package is reported",
    ),
)
#: Calls that do not count as the package's although it is on their stack, by file and function:
#: - which handlers a program's log has;
#: - an import: what it costs depends on who imported before and so on the order of the tests;
#: - which plugins pydantic has, found once a process with the first schema;
#: - the source that a shown traceback quotes;
#: - in which languages argparse could say what is wrong with a line of options;
#: - ipykernel waiting for its own thread to have sent what was printed, before it shows anything;
#: - finalizers, which run wherever the collector of garbage happens to (`__del__` is one as well).
_OTHERS = (
    ("logging/__init__.py", {"callHandlers"}),
    ("<frozen importlib._bootstrap>", {"_find_and_load"}),
    ("pydantic/plugin/_loader.py", {"get_plugins"}),
    ("linecache.py", {"checkcache", "updatecache"}),
    ("gettext.py", {"find"}),
    ("IPython/core/ultratb.py", {"__init__", "structured_traceback"}),
    ("ipykernel/iostream.py", {"flush"}),
    ("multiprocessing/util.py", {"__call__"}),
    ("weakref.py", {"__call__"}),
)


@dataclass(frozen=True)
class Violation:
    """A blocking call that the package made on a running loop."""

    call: str
    #: The package's innermost frame, as ``file:line in function``.
    place: str

    def __str__(self) -> str:
        return f"{self.call} on the event loop, called from {self.place}"


@dataclass
class _Found:
    violations: list[Violation] = field(default_factory=list)
    #: The file to which each is also written, for a test that watches the process from outside.
    file: Path | None = None


_found = _Found()


def taken() -> list[Violation]:
    """Return the violations since the last call."""
    violations, _found.violations = _found.violations, []
    return violations


@contextmanager
def watched() -> Iterator[None]:
    """Raise and remember blocking calls of the package on a running loop."""
    _blockbuster.activate()
    try:
        yield
    finally:
        _blockbuster.deactivate()


def watch(file: str) -> None:
    """Watch this process until it ends, and write each violation on a line of the file."""
    _found.file = Path(file)
    _blockbuster.activate()


def _may_block(function: BlockBusterFunction, excused: Callable[..., bool], *args: Any, **kwargs: Any) -> bool:
    """Judge a call on a running loop; blockbuster raises when this is false, so what is remembered is what is raised.

    The first frame above the call that is the package's or the user's decides whose call it is: users' tools may block.
    Frames in between, such as of the standard library, act for their caller.

    Args:
        function: The blocking function.
        excused: Blockbuster's own judgement of the arguments, such as of a socket that does not block.
        args: The call's.
        kwargs: The call's.
    """
    if excused(*args, **kwargs):
        return True
    stack = list(_above(sys._getframe(2)))  # above this one is blockbuster's wrapper
    if any(frame.f_code.co_name == "__del__" or _is_in(frame, function.can_block_functions) for frame in stack):
        return True
    within = list(itertools.takewhile(lambda frame: not _is_users(frame), stack))
    own = [frame for frame in within if frame.f_code.co_filename.startswith(_OURS)]
    if not own or any(_is_allowed(frame) for frame in own):
        return True
    code = own[0].f_code
    place = f"{os.path.relpath(code.co_filename, Path(_OURS).parent)}:{own[0].f_lineno} in {code.co_qualname}"
    violation = Violation(function.full_name, place)
    _found.violations.append(violation)
    if _found.file is not None:
        with _found.file.open("a", encoding="utf-8") as file:
            file.write(f"{violation}\n")
    return False


def _above(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_users(frame: FrameType) -> bool:
    """Return whether the frame is of a test or of a notebook's cell."""
    name = frame.f_code.co_filename
    return name.startswith((_TESTS, "<ipython-input-")) or "ipykernel_" in Path(name).parent.name


def _is_in(frame: FrameType, places: Iterable[tuple[str, Iterable[str]]]) -> bool:
    """Return whether the frame is of one of these functions, as blockbuster looks for them."""
    name = frame.f_code.co_filename.replace("\\", "/")
    return any(name.endswith(file) and frame.f_code.co_name in functions for file, functions in places)


def _is_allowed(frame: FrameType) -> bool:
    code = frame.f_code
    return any(code.co_filename == _OURS + each.file and code.co_qualname == each.function for each in ALLOWED)


def _made() -> BlockBuster:
    """Return blockbuster with our judgement, not yet active; making it takes longer than switching it on and off."""
    blockbuster = BlockBuster("asyncfc_jupyter")
    for name in _MORE:
        blockbuster.functions[name] = BlockBusterFunction(None, name, scanned_modules="asyncfc_jupyter")
    for function in blockbuster.functions.values():
        function.can_block_functions = [*function.can_block_functions, *_OTHERS]
        function.can_block_predicate = functools.partial(_may_block, function, function.can_block_predicate)
    return blockbuster


_blockbuster = _made()
