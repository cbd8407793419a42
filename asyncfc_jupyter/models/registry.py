"""The registry of model classes: which class opens a model, by the name of its API.

To add a provider: write one module with one class, and add one line. The class has ``name`` and ``stream`` (`base.ChatModel`)
and is called as ``Class(model, base_url=..., api_key=..., options=...)``, where ``api_key`` is a `secret.Secret`. In this
package the line belongs to `BUILT_IN`. In any other package it is an entry point::

    [project.entry-points."asyncfc_jupyter.models"]
    messages = "their_package.messages:MessagesModel"

Its name is then an API such as ``chat``: ``Agent("their-model", api="messages")``, ``--api messages``. If the class has an
attribute ``profile`` (`profiles.Profile`), its address and key are used when the user sets neither a server nor an address.
A server that speaks an API of this table needs no class: it is one line of `profiles`.

A class is imported when a model is opened and not before. The metadata of the installed packages is read only for a name that
is not built in, and to list all names: that takes about 20 ms.
"""

from __future__ import annotations

import importlib
import importlib.util
import operator
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from asyncfc_jupyter.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "asyncfc_jupyter.models"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelClass:
    """A class of models, by name."""

    name: str
    #: How it is chosen: an ``api`` (``--api``), a ``model`` (``--model``), or a ``cassette`` (``--record``, ``--replay``).
    kind: Literal["api", "model", "cassette"]
    #: ``module:Class``.
    target: str
    #: What users call an API.
    title: str = ""
    #: The option that limits the length of a reply, in tokens; empty where it is not known.
    limit_option: str = ""
    #: A package that the class imports at its first request only.
    needs: str = ""
    #: The installed package that registers it.
    package: str = "asyncfc_jupyter"
    #: What to install if a package is missing, such as ``their-package[extra]``; by default the missing package itself.
    install: str = ""

    def load(self) -> Any:
        """Import the class.

        Raises:
            UsageError: A package is not installed, or the module or the class cannot be imported.
        """
        module, _, name = self.target.partition(":")
        try:
            if self.needs and sys.modules.get(self.needs) is None and importlib.util.find_spec(self.needs) is None:
                raise ModuleNotFoundError(name=self.needs)
            return operator.attrgetter(name)(importlib.import_module(module))
        except Exception as error:
            missing = str(error.name).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
            if missing and missing != module.partition(".")[0]:
                raise UsageError(
                    f"the {self.kind} {self.name!r} needs the package {missing!r}, which is not installed; run: "
                    f"pip install {self.install or missing}"
                ) from None
            raise UsageError(
                f"the {self.kind} {self.name!r} cannot be imported from {self.target!r} ({type(error).__name__}: {error}); "
                f"update or uninstall the package {self.package!r}, which registers it."
            ) from error


REHEARSAL = "rehearsal"
_MODELS = "asyncfc_jupyter.models"
#: Every class of this package that `catalog` opens.
BUILT_IN = {
    each.name: each
    for each in (
        ModelClass(
            name="chat", kind="api", target=f"{_MODELS}.openai.chat:OpenAIChat", needs="openai",
            title="Chat Completions", limit_option="max_tokens",
        ),
        ModelClass(
            name="responses", kind="api", target=f"{_MODELS}.openai.responses:OpenAIResponses", needs="openai",
            title="Responses", limit_option="max_output_tokens",
        ),
        ModelClass(
            name="native", kind="api", target=f"{_MODELS}.openai.async_tools:OpenAINative", needs="openai",
            title="asynchronous tools", limit_option="max_output_tokens",
        ),
        ModelClass(name=REHEARSAL, kind="model", target=f"{_MODELS}.rehearsal:RehearsalModel"),
        ModelClass(name="record", kind="cassette", target=f"{_MODELS}.cassette.cassette:Recording"),
        ModelClass(name="replay", kind="cassette", target=f"{_MODELS}.cassette.cassette:Replay"),
    )
}  # fmt: skip
#: The built-in APIs. `api_names` adds those of other packages.
APIS = tuple(each.name for each in BUILT_IN.values() if each.kind == "api")


def api_names() -> tuple[str, ...]:
    """Return the names of all APIs: those built in, then those of other packages."""
    return tuple(dict.fromkeys([*APIS, *sorted(point.name for point in _entry_points())]))


def api_named(name: str) -> ModelClass:
    """Return the API of this name. A built-in name cannot be replaced by another package.

    Raises:
        UsageError: The name is not known, and the error lists all names; or several packages register it.
    """
    if name in APIS:
        return BUILT_IN[name]
    points = [point for point in _entry_points() if point.name == name]
    packages = sorted(point.dist.name if point.dist else "?" for point in points)
    if not points:
        raise UsageError(f"there is no api {name!r}; the apis are: {', '.join(api_names())}.")
    if len(points) > 1:
        raise UsageError(
            f"the api {name!r} is registered by several packages: {', '.join(packages)}; uninstall all but one."
        )
    target, bracket, extras = points[0].value.partition("[")
    install = f"'{packages[0]}[{extras}'" if bracket else ""
    return ModelClass(name=name, kind="api", target=target.strip(), package=packages[0], install=install)


def api_title(name: str) -> str:
    """Return what users call an API."""
    return BUILT_IN[name].title if name in APIS else name


def _entry_points() -> EntryPoints:
    from importlib import metadata  # noqa: PLC0415 - takes some 50 ms, and few names are not built in

    return metadata.entry_points(group=GROUP)
