"""Where settings are written down: ``[tool.asyncfc]`` of the nearest pyproject.toml, and ``ipython_config.py``.

A file that cannot be used never keeps the extension from loading. What is wrong with it is kept beside its values: a run that
would go without a setting that somebody wrote, such as a budget, is refused, and the extension is not.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError
from traitlets.config.loader import DeferredConfig

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.settings.table import KEY_LIKE, Declared, problem_with
from asyncfc_jupyter.models.secret import hide_keys

#: The section of ``ipython_config.py``: the name of the class of the magics.
SECTION = "AgentMagics"
_TABLE = "[tool.asyncfc]"


class SettingsError(UsageError):
    """A setting in a file is invalid; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value that a setting was given, and where, for people."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source gives, and what is wrong with it."""

    values: Mapping[str, Given] = field(default_factory=dict)
    #: Settings that are wrong, each by its name: a run is refused, unless one with more weight takes its place.
    wrong: Mapping[str, str] = field(default_factory=dict)
    #: Why the whole source cannot be read.
    unreadable: str | None = None


class Project:
    """The nearest pyproject.toml above a directory, read again when it changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: object = None
        self._layer = Layer()

    def layer(self) -> Layer:
        """Return what it gives now."""
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
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Layer(unreadable=f"{path} cannot be read: {error}. {_SETTINGS_IN_IT}")
    try:
        read: Any = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return Layer(unreadable=f"{path} is not valid TOML: {error}{_quoted(text, str(error))}. {_SETTINGS_IN_IT}")
    tool = read.get("tool")
    settings = tool.get("asyncfc", {}) if isinstance(tool, dict) else {}
    if not isinstance(settings, dict):
        return Layer(wrong={"asyncfc": f"{path}: tool.asyncfc is no table; write {_TABLE} and the settings below it."})
    return _checked(settings, lambda name: _place(path, text, rf"^\s*[\"']?{re.escape(name)}[\"']?\s*=", below=_TABLE))


def profile_layer(shell: InteractiveShell) -> Layer:
    """Return what ``ipython_config.py``, or the command line that started IPython, gives."""
    section = shell.config.get(SECTION, {})
    application = _application(shell)
    return _checked(dict(_plain(section)), lambda name: _config_source(application, name))


def _plain(section: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of a section; a word of the command line becomes what its setting wants."""
    traits = Declared.class_own_traits(config=True)
    for name, value in section.items():
        if isinstance(value, DeferredConfig) and name in traits:
            try:
                yield name, value.get_value(traits[name])
            except (TraitError, ValueError):
                yield name, str(value)
        else:
            yield name, value


def checked_values(values: Mapping[str, Any], source: str) -> Layer:
    """Return the values that one place gives, and what is wrong with the others."""
    return _checked(values, lambda _: source)


def _checked(values: Mapping[str, Any], source_of: Callable[[str], str]) -> Layer:
    given: dict[str, Given] = {}
    wrong: dict[str, str] = {}
    for name, value in values.items():
        source, problem = source_of(name), problem_with(name, value)
        if problem is not None:
            wrong[name] = f"{source}: {problem}"
        elif value is not None:
            given[name] = Given(value, source)
    return Layer(given, wrong)


def _application(shell: InteractiveShell) -> Any:
    """Return the application that the shell belongs to, which knows the files it has loaded; None for a bare shell."""
    parent: Any = shell
    while parent is not None and not hasattr(parent, "loaded_config_files"):
        parent = getattr(parent, "parent", None)
    return parent


def _config_source(application: Any, name: str) -> str:
    if application is None:
        return "the configuration of the shell"
    if name in application.cli_config.get(SECTION, {}):
        return f"the command line (--{SECTION}.{name})"
    files = [Path(file) for file in application.loaded_config_files]
    # The last of the files that were loaded has the last word.
    for path in reversed(files):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if SECTION in text and re.search(rf"\b{re.escape(name)}\b", text):
            return _place(path, text, rf"{SECTION}\.{re.escape(name)}\b")
    # IPython keeps what %config sets for magics that are not there yet, and a file may load others.
    return f"%config {SECTION} before the extension was loaded, or a file that ipython_config.py loads"


def _place(path: Path, text: str, pattern: str, *, below: str = "") -> str:
    """Return the file with the number of the line that matches, where one does."""
    lines = text.splitlines()
    begin = next((number for number, line in enumerate(lines) if line.strip().startswith(below)), len(lines))
    for number, line in enumerate(lines[begin:], begin + 1):
        if re.search(pattern, line):
            return f"{path}, line {number}"
    return str(path)


def _quoted(text: str, problem: str) -> str:
    """Return the line that TOML stumbles over; not where it may hold a key."""
    found = re.search(r"line (\d+)", problem)
    lines = text.splitlines()
    if found is None or not 0 < int(found[1]) <= len(lines):
        return ""
    line = lines[int(found[1]) - 1].strip()
    name = line.partition("=")[0].strip().strip("\"'")
    return "" if KEY_LIKE.search(name) or not line else f": {hide_keys(line)[:_LINE]}"


#: Characters of a broken line that are shown.
_LINE = 80
_SETTINGS_IN_IT = "Until it is mended, settings in it do not count."
