"""The registry of model classes: which class opens a model, by the name of its API.

To add a provider: write one module with one class, and add one line. The class has ``name`` and ``stream`` (`base.ChatModel`)
and is called as ``Class(model, base_url=..., api_key=..., options=...)``, where ``api_key`` is a `secret.Secret`. If the user
sets extra headers, ``headers=...`` is passed too, to a class that takes it; their form is that of `headers`. In this package
the line belongs to `BUILT_IN`. In any other package it is an entry point::

    [project.entry-points."asyncfc_jupyter.models"]
    converse = "their_package.converse:ConverseModel"

Its name is then an API such as ``chat``: ``Agent("their-model", api="converse")``, ``--api converse``. If the class has an
attribute ``profile`` (`profiles.Profile`), its address and key are used when the user sets neither a server nor an address.
A server that speaks an API of this table needs no class: it is one line of `profiles`.

A class is imported when a model is opened and not before. Other packages are asked only for a name that is not built in, and to
list all names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.plugins import Part, added_parts

GROUP = "asyncfc_jupyter.models"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelClass(Part):
    """A class of models, by name."""

    #: How it is chosen: an ``api`` (``--api``), a ``model`` (``--model``), or a ``cassette`` (``--record``, ``--replay``).
    kind: Literal["api", "model", "cassette"]
    #: What users call an API.
    title: str = ""
    #: A package that the class imports at its first request only.
    needs: str = ""

    def load_class(self) -> Any:
        """Import the class.

        Raises:
            PartNotUsable: A package is not installed, or the module or the class cannot be imported.
        """
        return self.load(f"the {self.kind} {self.name!r}", needs=self.needs)


REHEARSAL = "rehearsal"
_MODELS = "asyncfc_jupyter.models"
#: Every class of this package that `catalog` opens.
BUILT_IN = {
    each.name: each
    for each in (
        ModelClass(
            name="chat", kind="api", target=f"{_MODELS}.openai.chat:OpenAIChat", needs="openai",
            title="Chat Completions",
        ),
        ModelClass(
            name="responses", kind="api", target=f"{_MODELS}.openai.responses:OpenAIResponses", needs="openai",
            title="Responses",
        ),
        ModelClass(
            name="native", kind="api", target=f"{_MODELS}.openai.async_tools:OpenAINative", needs="openai",
            title="asynchronous tools",
        ),
        ModelClass(
            name="messages", kind="api", target=f"{_MODELS}.anthropic.messages:ClaudeMessages[anthropic]", needs="anthropic",
            title="Messages",
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
    return tuple(dict.fromkeys([*APIS, *(part.name for part in added_parts(GROUP))]))


def api_named(name: str) -> ModelClass:
    """Return the API of this name. A built-in name cannot be replaced by another package.

    Raises:
        UsageError: The name is not known, and the error lists all names; or several packages register it.
    """
    if name in APIS:
        return BUILT_IN[name]
    parts = [part for part in added_parts(GROUP) if part.name == name]
    if not parts:
        raise UsageError(f"there is no api {name!r}; the apis are: {', '.join(api_names())}.")
    if len(parts) > 1:
        packages = ", ".join(part.package for part in parts)
        raise UsageError(f"the api {name!r} is registered by several packages: {packages}; uninstall all but one.")
    return ModelClass(name=name, kind="api", target=parts[0].target, package=parts[0].package)


def kindred_apis(name: str) -> tuple[str, ...]:
    """Return the built-in APIs that a server with this one may have, too: those of the same client library."""
    return tuple(api for api in APIS if BUILT_IN[api].needs == BUILT_IN[name].needs)


def api_title(name: str) -> str:
    """Return what users call an API."""
    return BUILT_IN[name].title if name in APIS else name
