"""Settings: what holds for a cell that says nothing else, and where it was said.

By weight: an option on the cell's line; the model that an earlier cell or ``%agent model`` chose, and ``%config``, whichever
came later; ``ipython_config.py``; ``[tool.asyncfc]`` of the nearest pyproject.toml; what is built in. Each setting is looked up
by itself, but for how a server is reached: whoever names a server or an address replaces all that is said about it with less
weight. Else a key that belongs to one server could be sent to another.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError
from traitlets.config import Config

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.options import ModelChoice
from asyncfc_jupyter.jupyter.settings.sources import SECTION, Given, Project, checked_values, profile_layer
from asyncfc_jupyter.jupyter.settings.table import SETTINGS, Declared
from asyncfc_jupyter.models.registry import REHEARSAL

#: What is said about a server; the first two name it.
_REACH = ("server", "base_url", "api", "api_key_env")
_ADDRESS = frozenset({"server", "base_url"})
_SPEEDS = ("ttft_ms", "tokens_per_s")
#: What a model that was chosen brings with it.
_CHOICE = frozenset({"model", *_REACH, *_SPEEDS})
_HERE, _CHOSEN = "set in this kernel (%config)", "set in this kernel (by a cell or %agent model)"
#: What holds where nothing is said, for people.
BUILT_IN = dict.fromkeys(SETTINGS, "none") | {
    "base_url": "the server's, or OPENAI_BASE_URL",
    "api": "what suits the server",
    "api_key_env": "the server's",
    "mode": "async",
    "max_turns": "50",
    "limit": "16",
    "ttft_ms": "300",
    "tokens_per_s": "60",
}


class SettingsError(UsageError):
    """A file gives a setting that it cannot give; the message names the file and the line."""


class Settings:
    """The settings of a session, from all their sources.

    Attributes:
        chosen: The model that a cell or ``%agent model`` chose last, with what was said about reaching it; None before.
    """

    def __init__(self, shell: InteractiveShell, folder: Path) -> None:
        self.chosen: ModelChoice | None = None
        self._session: dict[str, Given] = {}
        self._profile = profile_layer(shell)
        self._project = Project(folder)

    def layers(self) -> list[Mapping[str, Given]]:
        """Return what each source gives, the one with the most weight first."""
        return [self._chosen(), self._session, self._profile.values, self._project.layer().values]

    def change(self, values: Mapping[str, Any]) -> None:
        """Set values for this kernel; None takes one back.

        Raises:
            UsageError: One of them cannot be that; nothing was changed.
        """
        layer = checked_values(values, f"%config {SECTION}")
        if layer.wrong:
            raise UsageError(" ".join(layer.wrong.values()))
        for name in values:
            self._session.pop(name, None)
        self._session |= {name: Given(given.value, _HERE) for name, given in layer.values.items()}
        self._unchoose(values.keys())

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong in the files, but for what a source with more weight says otherwise."""
        above: set[str] = set(self._session)
        wrong = [text for name, text in self._profile.wrong.items() if name not in above]
        above |= self._profile.values.keys()
        return (*wrong, *(text for name, text in self._project.layer().wrong.items() if name not in above))

    def warn(self) -> None:
        """Tell the person once what is wrong in the files."""
        for problem in (*self.problems(), *filter(None, [self.unreadable()])):
            print(f"asyncfc_jupyter: {problem}", file=sys.stderr)  # noqa: T201 - to the person, without a place in our code

    def defaults(self) -> dict[str, Any]:
        """Return what holds for the options that a cell's line leaves out, by the names of the options.

        Raises:
            SettingsError: A file gives a setting that it cannot give: a run without it is not what its writer meant.
        """
        if problems := self.problems():
            raise SettingsError(f"{' '.join(problems)} No run was started.")
        return {
            name: given.value for name in SETTINGS if name not in _CHOICE and (given := self._find(name)) is not None
        }

    def in_use(self) -> ModelChoice | None:
        """Return the model that options on a line are about when it names none."""
        model = self._find("model")
        return self.chosen or (None if model is None else ModelChoice(name=model.value))

    def reach(self, choice: ModelChoice | None) -> ModelChoice | None:
        """Return a choice with what it leaves open filled in; without one, the model that the settings name, if they do."""
        base = choice or self.in_use()
        if base is None:
            return None
        if _is_rehearsal(base):
            speeds = {name: layer[name].value for name in _SPEEDS for layer in self.layers()[:0:-1] if name in layer}
            return replace(base, options=tuple((speeds | dict(base.options)).items()))
        return _reached(base, self.layers())

    def choose(self, choice: ModelChoice) -> None:
        """Take a model as the one in use. It is asked at the server in use unless the choice names another."""
        if self.chosen is not None and not _is_rehearsal(choice) and not _is_rehearsal(self.chosen):
            choice = _reached(choice, [self._chosen()])
        self.chosen = choice

    def rows(self) -> Iterator[tuple[str, Given | None, tuple[Given, ...]]]:
        """Yield each setting, what holds (None for what is built in), and what that overrides."""
        layers = self.layers()
        reaching = _reaching(layers)
        for name in SETTINGS:
            said = [layer[name] for layer in layers if name in layer]
            holds = reaching.get(name) if name in _REACH else next(iter(said), None)
            yield name, holds, tuple(given for given in said if given is not holds)

    def unreadable(self) -> str | None:
        """Return why the project's file does not count, or None."""
        return self._project.layer().unreadable

    def _find(self, name: str) -> Given | None:
        return next((layer[name] for layer in self.layers() if name in layer), None)

    def _chosen(self) -> dict[str, Given]:
        return {} if self.chosen is None else _said(self.chosen)

    def _unchoose(self, names: Any) -> None:
        """Let ``%config`` go before a choice that was made earlier."""
        if self.chosen is None or not _CHOICE & set(names):
            return
        if "model" in names:
            self.chosen = None
            return
        gone = set(_REACH) if _ADDRESS & set(names) else set(names)
        options = tuple((name, value) for name, value in self.chosen.options if name not in gone)
        unsaid: dict[str, Any] = dict.fromkeys(map(str, gone & set(_REACH)))
        self.chosen = replace(self.chosen, options=options, **unsaid)


class AgentSettings(Declared):
    """The settings as traits, for ``%config`` and ``ipython_config.py``: the base of the magics' class."""

    settings: Settings

    def open_settings(self, shell: InteractiveShell) -> None:
        """Read the settings, and tell the person what is wrong with them."""
        self.settings = Settings(shell, _here())
        self.settings.warn()
        self._show()

    def update_config(self, config: Config) -> None:
        """Take what ``%config`` sets.

        Raises:
            TraitError: It cannot be set; nothing was changed.
        """
        section = dict(config.get(SECTION, {}))
        if not section:
            return
        try:
            self.settings.change(section)
        except UsageError as error:
            raise TraitError(str(error)) from None
        self._show()

    def _show(self) -> None:
        """Let ``%config AgentMagics`` show what holds."""
        for name, given, _ in self.settings.rows():
            setattr(self, name, None if given is None else given.value)


def _here() -> Path:
    """Return the directory of the notebook: a front end starts the kernel in it."""
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return Path.home()


def _said(choice: ModelChoice) -> dict[str, Given]:
    said = {"model": choice.name, **{name: getattr(choice, name) for name in _REACH}, **dict(choice.options)}
    return {name: Given(value, _CHOSEN) for name, value in said.items() if value is not None}


def _reached(choice: ModelChoice, layers: list[Mapping[str, Given]]) -> ModelChoice:
    """Return a choice with what it leaves open about its server from the layers."""
    return replace(choice, **{name: given.value for name, given in _reaching([_said(choice), *layers]).items()})


def _is_rehearsal(choice: ModelChoice) -> bool:
    from asyncfc_jupyter.models.aliases import resolve  # noqa: PLC0415 - loading the extension stays quick

    try:
        return choice.name == REHEARSAL or resolve(choice.name) == REHEARSAL
    except UsageError:  # the file of the aliases cannot be read, which whoever opens the model is told
        return False


def _reaching(layers: list[Mapping[str, Given]]) -> dict[str, Given]:
    """Return how the server is reached: what the layers say, down to the first one that names a server or an address."""
    found: dict[str, Given] = {}
    for layer in layers:
        for name in _REACH:
            if name in layer:
                found.setdefault(name, layer[name])
        if _ADDRESS & layer.keys():
            break
    return found
