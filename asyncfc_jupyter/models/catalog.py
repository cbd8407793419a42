"""Opens a model by its name: finds its server, address, API and key, and wraps it for recording or replay.

Which class that is, the `registry` knows; which servers have a name, `profiles`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.address import checked_base_url, is_private, show_address
from asyncfc_jupyter.models.aliases import resolve
from asyncfc_jupyter.models.base import ChatModel, ListingModel
from asyncfc_jupyter.models.keys import NO_KEY, find_key, key_file, lends_key, needs_no_key, no_key_for
from asyncfc_jupyter.models.profiles import ANY, OPENAI, OPENAI_URL, Profile, owner_of, profile_named
from asyncfc_jupyter.models.registry import APIS, BUILT_IN, REHEARSAL, api_named, kindred_apis
from asyncfc_jupyter.models.secret import Secret, checked_model

#: Values of ``speed`` that change nothing: the default, and the same as text of a magic's line.
_AS_RECORDED = (1, "1")
_OFFLINE = f'for a model without key and network: --model {REHEARSAL}, or model="{REHEARSAL}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """How a model is reached. A field that is None is taken from the server's profile."""

    #: A server's name, such as ``ollama`` (`profiles`).
    server: str | None = None
    #: Its address; overrides that of the profile, which overrides ``OPENAI_BASE_URL``.
    base_url: str | None = None
    #: The name of an API, such as ``chat`` (`registry`).
    api: str | None = None
    api_key: str | Secret | None = None
    #: Extra headers of its requests (`headers`), for this server and no other.
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taping:
    """Whether a model's requests are recorded in a file or replayed from one. At most one of the two."""

    record: str | Path | None = None
    replay: str | Path | None = None
    #: How many times as fast as recorded; ``"instant"`` without any pause.
    speed: float | str = 1.0


def open_model(
    model: str | ChatModel, *, where: Where | None = None, options: Mapping[str, Any], taping: Taping | None = None
) -> ChatModel:
    """Return the model of this name.

    Args:
        model: ``rehearsal``, an alias, or the name by which a server knows its model; or a model object, which takes neither
            ``where`` nor ``options``.
        where: How it is reached; by default at ``OPENAI_BASE_URL``, and if that is not set, at OpenAI.
        options: For the rehearsal model ``ttft_ms`` and ``tokens_per_s``; for others fields of the request's body.
        taping: Whether its requests are recorded, or replayed: then neither the server nor a key is needed.

    Raises:
        UsageError: There is no model, server, API or key of that name, or an option cannot be used; says what to set.
    """
    taping, where = taping or Taping(), where or Where()
    given = [field.name for field in fields(where) if getattr(where, field.name)]
    given += ["model_options"] if options else []
    if given and not isinstance(model, str):
        kind = type(model).__name__
        raise UsageError(
            f"{', '.join(given)}: a model that is given as an object ({kind}) is used as it is; give them to {kind} itself, "
            "or name the model by its text."
        )
    if taping.replay is not None:
        if taping.record is not None:
            raise UsageError("a run is recorded or replayed, not both; leave out record or replay.")
        name = resolve(model) if isinstance(model, str) else model.name
        replayed: ChatModel = BUILT_IN["replay"].load_class()(taping.replay, speed=taping.speed, model=name)
        return replayed
    if taping.speed not in _AS_RECORDED:
        raise UsageError("speed says how fast a cassette is replayed; it goes together with replay (--replay).")
    opened: ChatModel = _open(model, where, options) if isinstance(model, str) else model
    return opened if taping.record is None else BUILT_IN["record"].load_class()(opened, taping.record)


def address_of(where: Where) -> str:
    """Return the address that a model is reached at, for people."""
    return show_address(_server(where)[1])


def apis_of(where: Where) -> tuple[str, ...]:
    """Return the APIs that a server may have: the one that is named, those of its profile, or all of the same kind."""
    if where.api:
        return (where.api,)
    profile = _server(where)[0]
    return profile.apis or kindred_apis(profile.api)


async def list_models(where: Where) -> tuple[str, ...]:
    """Return the names of the models that a server lists, in alphabetical order.

    Raises:
        ServerError: The server cannot be reached, or lists no models.
        UsageError: There is no such server, API or key.
    """
    opened = _open("*", where, {})
    if not isinstance(opened, ListingModel):
        raise UsageError(f"the api {where.api!r} cannot list the models of its server; name one with model (--model).")
    return await opened.list_models()


def _open(model: str, where: Where, options: Mapping[str, Any]) -> ChatModel:
    if not model.strip():
        raise UsageError(f"no model is named; set one with model (--model); {_OFFLINE}.")
    model = checked_model(resolve(model))
    if model == REHEARSAL:
        rehearsal = BUILT_IN[REHEARSAL].load_class()
        known = inspect.signature(rehearsal).parameters
        if unknown := sorted(options.keys() - known):
            raise UsageError(f"the rehearsal model has no option {unknown[0]!r}; its options are: {', '.join(known)}.")
        offline: ChatModel = rehearsal(**options)
        return offline
    profile, base_url = _server(where)
    key = _key(where, profile, base_url, model)
    api = api_named(where.api or profile.api)
    kind, headers = api.load_class(), {"headers": where.headers} if where.headers else {}
    if headers:
        taken = inspect.signature(kind).parameters.values()
        if not any(each.name == "headers" or each.kind is each.VAR_KEYWORD for each in taken):
            raise UsageError(
                f"the api {api.name!r} of the package {api.package!r} takes no extra headers; leave out headers (--header), or "
                "update that package."
            )
    opened = kind(model, base_url=base_url, api_key=key, options=options, **headers)
    if not isinstance(opened, ChatModel):
        raise UsageError(
            f"the api {api.name!r} of the package {api.package!r} made a {type(opened).__name__}, which is not a ChatModel: it "
            "needs name and stream; update or uninstall that package."
        )
    return opened


def _server(where: Where) -> tuple[Profile, str]:
    """Return the profile of the server, and its address; where both are given, the profile says which key is sent."""
    own: Profile | None = None
    if where.api and where.api not in APIS:
        own = getattr(api_named(where.api).load_class(), "profile", None)
    given = (where.base_url or "").strip()
    base_url = given or (None if where.server or own else os.environ.get("OPENAI_BASE_URL", "").strip())
    profile = profile_named(where.server) if where.server else own or (ANY if base_url else OPENAI)
    return profile, checked_base_url(base_url or profile.address() or OPENAI_URL)


def _key(where: Where, profile: Profile, base_url: str, model: str) -> Secret:
    if profile is ANY:
        profile = owner_of(base_url) or ANY
    if isinstance(where.api_key, Secret):
        return where.api_key
    if where.api_key:
        return Secret(where.api_key, variable=profile.key_variable, given="api_key")
    if (key := find_key(profile, base_url)) is not None:
        return key
    if needs_no_key(base_url) or (profile.base_url is not None and is_private(profile.base_url)):
        # Servers of this kind are the user's own, wherever they run, and seldom want a key: one that does says so with a 401.
        return Secret(NO_KEY, variable=profile.key_variable)
    if lends_key(profile, base_url):
        raise UsageError(
            f"model {model!r} needs a key; set {profile.key_variable}, pass api_key, or keep it as {profile.name} in the "
            f"keyring or in {key_file()}; {_OFFLINE}."
        )
    raise UsageError(f"model {model!r} {no_key_for(base_url)}; {_OFFLINE}.")
