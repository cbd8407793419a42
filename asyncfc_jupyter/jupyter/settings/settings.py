"""The settings of a session: the value of each, and where it was set.

In order of priority: an option on the cell's line; the model that an earlier cell or ``%agent model`` chose, and ``%config``,
whichever came later; ``ipython_config.py``; ``[tool.asyncfc]`` of the nearest pyproject.toml; the default. Each setting is
looked up by itself, except those about reaching a server: a source that names a server or an address overrides all of them in
the sources of lower priority. Otherwise a key that belongs to one server could be sent to another. Headers and the options of a
model are looked up name by name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError
from traitlets.config import Config, Configurable

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.settings.sources import SECTION, Given, Project, SettingsError, checked, profile_layer
from asyncfc_jupyter.jupyter.settings.table import NAMED, OF_MODEL, PACE, REACH, SETTINGS, AgentOptions
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.models.aliases import resolve
from asyncfc_jupyter.models.registry import REHEARSAL

_ADDRESS = frozenset({"server", "base_url"})
#: Settings that are part of a choice of a model, and not defaults for the options of a line.
_CHOICE = frozenset({"model", *OF_MODEL})
_HERE, _CHOSEN = "set in this kernel (%config)", "set in this kernel (by a cell or %agent model)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """A model, and how to reach it. None leaves a value to the settings."""

    name: str
    server: str | None = None
    base_url: str | None = None
    api: str | None = None
    api_key_env: str | None = None
    headers: Mapping[str, str | None] | None = None
    model_options: Mapping[str, Any] | None = None
    ttft_ms: float | None = None
    tokens_per_s: float | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The options of the model itself, with the pace of a rehearsal."""
        values = {**(self.model_options or {}), **{name: getattr(self, name) for name in PACE}}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def sent_headers(self) -> dict[str, str]:
        """The extra headers, without those that are left out."""
        return {name: value for name, value in (self.headers or {}).items() if value is not None}

    @property
    def is_rehearsal(self) -> bool:
        """Whether this is the built-in model, by its name or by an alias."""
        try:
            return self.name == REHEARSAL or resolve(self.name) == REHEARSAL
        except UsageError:  # the file of the aliases cannot be read: opening the model reports it
            return False

    def given(self) -> dict[str, Given]:
        """Return what the choice says, as a source of settings."""
        values = {"model": self.name, **{name: getattr(self, name) for name in OF_MODEL}}
        return {name: Given(value, _CHOSEN) for name, value in values.items() if value is not None}

    def reached(self, layers: Iterable[Mapping[str, Given]]) -> ModelChoice:
        """Return the choice with what it leaves open about its server filled in from sources, by priority."""
        return replace(self, **{name: given.value for name, given in _reaching([self.given(), *layers]).items()})


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
        """Return what each source gives, by priority: the choice of a model comes first."""
        chosen = {} if self.chosen is None else self.chosen.given()
        return [chosen, self._session, self._profile.values, self._project.layer().values]

    def change(self, values: Mapping[str, Any]) -> None:
        """Set values for this kernel, over a model that was chosen earlier; None removes a value.

        Raises:
            UsageError: A value is invalid; nothing was changed.
        """
        layer = checked(values, lambda _: f"%config {SECTION}")
        if layer.wrong:
            raise UsageError(" ".join(layer.wrong.values()))
        for name in values:
            self._session.pop(name, None)
        self._session |= {name: Given(given.value, _HERE) for name, given in layer.values.items()}
        if "model" in values:
            self.chosen = None
        elif self.chosen is not None:
            said = {*values, *(REACH if _ADDRESS & values.keys() else ())}
            unset: dict[str, Any] = dict.fromkeys(said & {*OF_MODEL})
            self.chosen = replace(self.chosen, **unset)

    def problems(self) -> list[str]:
        """Return what is wrong in the files, except what a source of higher priority overrides."""
        found: list[str] = []
        above = set(self._session)
        for layer in (self._profile, self._project.layer()):
            found += [text for name, text in layer.wrong.items() if name not in above]
            above |= layer.values.keys()
        return found

    def reports(self) -> list[str]:
        """Return the problems, and why the project's file is ignored if it is."""
        return [*self.problems(), *filter(None, [self._project.layer().unreadable])]

    def value(self, name: str) -> Any:
        """Return the value of a setting; None if no source sets it."""
        return next((layer[name].value for layer in self.layers() if name in layer), None)

    def defaults(self) -> dict[str, Any]:
        """Return the values for the options that a cell's line leaves out, by the names of the options.

        The system text is not among them: the one of a conversation overrides it.

        Raises:
            SettingsError: A setting in a file is invalid. A run without it is not what the author of the file meant.
        """
        if problems := self.problems():
            raise SettingsError(f"{' '.join(problems)} No run was started.")
        values = {name: self.value(name) for name in SETTINGS if name not in _CHOICE and name != "system"}
        return {name: value for name, value in values.items() if value is not None}

    def in_use(self) -> ModelChoice | None:
        """Return the model of a line that names none, with what was said about it when it was chosen."""
        model = self.value("model")
        return self.chosen or (None if model is None else ModelChoice(name=model))

    def asked(self, options: AgentOptions) -> ModelChoice | None:
        """Return the model that a line asks for: its own, or the one in use with other options; None if it names neither.

        Raises:
            UsageError: The line has options for a model, and no model is in use.
        """
        return self.changed(options.model, {name: getattr(options, name) for name in OF_MODEL})

    def changed(self, model: str | None, values: Mapping[str, Any]) -> ModelChoice | None:
        """Return a model with these values, or the one in use with them, if any is given; else None.

        Raises:
            UsageError: Values are given without a model, and no model is in use.
        """
        given = {name: value for name, value in values.items() if value is not None}
        if model is not None:
            return ModelChoice(name=model, **given)
        if not given:
            return None
        used = self.in_use()
        if used is None:
            flags = ", ".join(SETTINGS[name].flag for name in values)
            raise UsageError(f"%%agent: {flags} go together with --model.")
        # Another server is reached in its own way.
        unset: dict[str, Any] = dict.fromkeys(REACH if _ADDRESS & given.keys() else ())
        kept = replace(used, **unset)
        added = {name: merged([given[name], getattr(kept, name)]) for name in NAMED if name in given}
        return replace(kept, **given | added)

    def reach(self, choice: ModelChoice | None) -> ModelChoice | None:
        """Return a choice with what it leaves open filled in; without one, the model of the settings, if they name one."""
        base = choice or self.in_use()
        if base is None:
            return None
        layers = self.layers()
        if not base.is_rehearsal:
            # The first layer is a model that was chosen earlier: its options are its own.
            options = [
                base.model_options,
                *(layer["model_options"].value for layer in layers[1:] if "model_options" in layer),
            ]
            return replace(base.reached(layers), model_options=merged(options) or None)
        below = {name: given.value for layer in layers[:0:-1] for name, given in layer.items() if name in PACE}
        return replace(base, **below | base.options)

    def choose(self, choice: ModelChoice) -> None:
        """Put a model in use. It is asked at the server in use unless the choice names another."""
        if self.chosen is not None and not choice.is_rehearsal and not self.chosen.is_rehearsal:
            choice = choice.reached([self.chosen.given()])
        self.chosen = choice

    def rows(self) -> Iterator[tuple[str, Given | None, tuple[Given, ...]]]:
        """Yield each setting, its value (None for the default), and the values that this one overrides."""
        layers = self.layers()
        reaching = _reaching(layers)
        for name in SETTINGS:
            given = [layer[name] for layer in layers if name in layer]
            holds = reaching.get(name) if name in REACH else next(iter(given), None)
            if name in NAMED and name not in REACH and given:
                holds = _together(given)
            sources = holds.source if name in NAMED and holds is not None else ""
            yield name, holds, tuple(each for each in given if each is not holds and each.source not in sources)


class AgentSettings(Configurable):
    """The settings as traits, for ``%config`` and ``ipython_config.py``: the base of the magics' class."""

    settings: Settings
    # The traits of a class must exist when it is made, and this dictionary becomes the class.
    vars().update({name: each.trait() for name, each in SETTINGS.items()})

    def open_settings(self, shell: InteractiveShell) -> None:
        """Read the settings, and print what is wrong with them."""
        try:
            folder = Path.cwd()  # of the notebook: a front end starts the kernel in it
        except OSError:  # it was removed
            folder = Path.home()
        self.settings = Settings(shell, folder)
        for report in self.settings.reports():
            print(mask(f"asyncfc_jupyter: {report}"), file=sys.stderr)  # noqa: T201 - to the user, without a traceback
        self._show()

    def update_config(self, config: Config) -> None:
        """Take what ``%config`` sets.

        Raises:
            TraitError: It is invalid; nothing was changed.
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
        """Let ``%config AgentMagics`` show the values."""
        for name, given, _ in self.settings.rows():
            setattr(self, name, None if given is None else given.value)


def merged(values: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Return names with values of several sources, the first of which has priority. A header's name has no case."""
    found: dict[str, tuple[str, Any]] = {}
    for each in reversed(values):
        found |= {name.lower(): (name, value) for name, value in (each or {}).items()}
    return dict(found.values())


def _together(given: Sequence[Given]) -> Given:
    sources = dict.fromkeys(each.source for each in given)
    return Given(merged([each.value for each in given]), "; ".join(sources))


def _reaching(layers: Sequence[Mapping[str, Given]]) -> dict[str, Given]:
    """Return how the server is reached: what the sources say, down to the first one that names a server or an address."""
    found: dict[str, Given] = {}
    headers: list[Given] = []
    for layer in layers:
        found = {name: layer[name] for name in REACH if name in layer} | found
        headers += [layer["headers"]] if "headers" in layer else []
        if _ADDRESS & layer.keys():
            break
    return found | ({"headers": _together(headers)} if headers else {})
