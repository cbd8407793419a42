"""Where settings are set: ``[tool.asyncfc]`` of the nearest pyproject.toml, and ``ipython_config.py``.

An invalid file never keeps the extension from loading. Its errors are kept beside its valid values, and a run is refused
instead: without a setting that the author of the file wrote, such as a budget, it would not be the run that was meant.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError
from traitlets.config.loader import DeferredConfig, LazyConfigValue

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.settings.table import KEY_LIKE, SETTINGS, problem_with
from asyncfc_jupyter.masking import mask

#: The section of ``ipython_config.py``: the name of the class of the magics.
SECTION = "AgentMagics"
_TABLE = "[tool.asyncfc]"
#: Characters of a broken line that an error shows.
_LINE_CHARACTERS = 80


class SettingsError(UsageError):
    """A setting in a file is invalid; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Given:
    """The value of a setting, and where it was set, in words."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source sets, and its errors."""

    values: Mapping[str, Given] = field(default_factory=dict)
    #: The error of each invalid setting, by its name: a run is refused unless a source of higher priority has a valid value.
    wrong: Mapping[str, str] = field(default_factory=dict)
    #: Why the whole source cannot be read.
    unreadable: str | None = None


def checked(values: Mapping[str, Any], source_of: Callable[[str], str]) -> Layer:
    """Return what a source sets, with an error for each invalid value.

    Args:
        values: The values by the names of the settings; None means that a setting is not set.
        source_of: Takes the name of a setting and returns where it was set, in words.
    """
    given: dict[str, Given] = {}
    wrong: dict[str, str] = {}
    for name, value in values.items():
        source, problem = source_of(name), problem_with(name, value)
        if problem is not None:
            wrong[name] = f"{source}: {problem}"
        elif value is not None:
            given[name] = Given(value, source)
    return Layer(given, wrong)


class Project:
    """The nearest pyproject.toml in a directory or above it, read again when it changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: object = None
        self._layer = Layer()

    def layer(self) -> Layer:
        """Return what it sets now."""
        path, stamp = self._find()
        if (path, stamp) != self._seen:
            self._seen = (path, stamp)
            self._layer = _read(path) if path is not None else Layer()
        return self._layer

    def _find(self) -> tuple[Path | None, object]:
        for folder in (self._folder, *self._folder.parents):
            path = folder / "pyproject.toml"
            try:
                status = path.stat()
            except OSError:
                continue
            return path, (status.st_mtime_ns, status.st_size)
        return None, None


def _read(path: Path) -> Layer:
    ignored = "Its settings are ignored until it is fixed."
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Layer(unreadable=f"{path} cannot be read: {error}. {ignored}")
    try:
        read: Any = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of more digits than Python reads
        return Layer(unreadable=f"{path} is not valid TOML: {error}{_broken_line(text, str(error))}. {ignored}")
    tool = read.get("tool")
    settings = tool.get("asyncfc", {}) if isinstance(tool, dict) else {}
    if not isinstance(settings, dict):
        return Layer(
            wrong={"asyncfc": f"{path}: tool.asyncfc is not a table; write {_TABLE} and the settings below it."}
        )

    def source_of(name: str) -> str:
        # A line that gives it a value, or the heading of a table.
        return _place(
            path, text, rf"^\s*(?:\[tool\.asyncfc\.)?[\"']?{re.escape(name)}[\"']?\s*[=.\]]", below=_TABLE[:-1]
        )

    return checked(settings, source_of)


def _broken_line(text: str, problem: str) -> str:
    """Return the line that an error of TOML names, unless it may hold a key."""
    found = re.search(r"line (\d+)", problem)
    line = "".join(text.splitlines()[int(found[1]) - 1 : int(found[1])]).strip() if found is not None else ""
    name = line.partition("=")[0].strip().strip("\"'")
    return "" if KEY_LIKE.search(name) or not line else f": {mask(line)[:_LINE_CHARACTERS]}"


def profile_layer(shell: InteractiveShell) -> Layer:
    """Return what ``ipython_config.py``, or the command line that started IPython, sets."""
    values = dict(shell.config.get(SECTION, {}))
    for name, value in values.items():
        if isinstance(value, LazyConfigValue):  # c.AgentMagics.headers.update({...})
            values[name] = value.get_value({})
        elif isinstance(value, DeferredConfig) and name in SETTINGS:  # a word of the command line
            try:
                values[name] = value.get_value(SETTINGS[name].trait())
            except (TraitError, ValueError):
                values[name] = str(value)
    # The application that the shell belongs to knows the files it has loaded; a bare shell belongs to none.
    application: Any = shell
    while application is not None and not hasattr(application, "loaded_config_files"):
        application = getattr(application, "parent", None)
    return checked(values, lambda name: _config_source(application, name))


def _config_source(application: Any, name: str) -> str:
    if application is None:
        return "the configuration of the shell"
    if name in application.cli_config.get(SECTION, {}):
        return f"the command line (--{SECTION}.{name})"
    # A file overrides those that were loaded before it.
    for path in map(Path, reversed(application.loaded_config_files)):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if SECTION in text and re.search(rf"\b{re.escape(name)}\b", text):
            return _place(path, text, rf"{SECTION}\.{re.escape(name)}\b")
    # IPython keeps what %config sets for magics that are not loaded yet, and a file may load others.
    return f"%config {SECTION} before the extension was loaded, or a file that ipython_config.py loads"


def _place(path: Path, text: str, pattern: str, *, below: str = "") -> str:
    """Return the file, with the number of the first line below a heading that matches, if one does."""
    lines = text.splitlines()
    begin = next((number for number, line in enumerate(lines) if line.strip().startswith(below)), len(lines))
    for number, line in enumerate(lines[begin:], begin + 1):
        if re.search(pattern, line):
            return f"{path}, line {number}"
    return str(path)
