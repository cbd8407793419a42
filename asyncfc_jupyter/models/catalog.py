"""From a model's name to a model: the one place that knows which kinds there are and how each is reached."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.aliases import resolve
from asyncfc_jupyter.models.base import ChatModel
from asyncfc_jupyter.models.cassette.cassette import Recording, Replay
from asyncfc_jupyter.models.keys import find_key, key_file
from asyncfc_jupyter.models.openai.connection import show_address
from asyncfc_jupyter.models.profiles import ANY, OPENAI_URL, PROFILES, Api, Profile, api_named, profile_named
from asyncfc_jupyter.models.secret import Secret

REHEARSAL = "rehearsal"
_REHEARSAL_OPTIONS = ("ttft_ms", "tokens_per_s")
#: Speeds that ask for nothing: the default, and that of a magic's line.
_AS_RECORDED = (1, "1")
_NO_KEY_NEEDED = "none"
_OFFLINE = f'for a model without key and network: --model {REHEARSAL}, or model="{REHEARSAL}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """How a model is reached: everything but its name. What is None is left to the server's profile."""

    #: A server's name, such as ``ollama`` (`profiles`).
    server: str | None = None
    #: Its address; goes before that of the profile, which goes before ``OPENAI_BASE_URL``.
    base_url: str | None = None
    #: ``chat``, ``responses`` or ``native``.
    api: str | None = None
    api_key: str | Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taping:
    """Whether a model's requests are written down, or played back. At most one of the two."""

    record: str | Path | None = None
    replay: str | Path | None = None
    #: How many times as fast as recorded; ``"instant"`` without any pause.
    speed: float | str = 1.0


def open_model(
    model: str | ChatModel, *, where: Where | None = None, options: Mapping[str, Any], taping: Taping | None = None
) -> ChatModel:
    """Return the model of this name.

    Args:
        model: ``rehearsal``, an alias, or the name by which a server knows its model; or a model, which is only taped and takes
            neither options nor a way to reach it.
        where: How it is reached; by default at ``OPENAI_BASE_URL``, and without that at OpenAI.
        options: For the rehearsal model ``ttft_ms`` and ``tokens_per_s``; for others fields of the request's body.
        taping: Whether its requests are recorded; or replayed, so that neither the server nor a key is needed.

    Raises:
        UsageError: There is no model, server or key of that name, or an option cannot be used; says what to set.
    """
    taping, where = taping or Taping(), where or Where()
    if not isinstance(model, str):
        _check_unasked(model, where, options)
    if taping.replay is not None:
        if taping.record is not None:
            raise UsageError("a run is recorded or replayed, not both; leave out record or replay.")
        name = resolve(model) if isinstance(model, str) else model.name
        return Replay(taping.replay, speed=taping.speed, model=name)
    if taping.speed not in _AS_RECORDED:
        raise UsageError("speed says how fast a cassette is replayed; it goes together with replay (--replay).")
    if isinstance(model, str):
        model = _open(model, where, options)
    return Recording(model, taping.record) if taping.record is not None else model


def _check_unasked(model: ChatModel, where: Where, options: Mapping[str, Any]) -> None:
    """Check that nothing is asked for with a model that was made without it."""
    given = [field.name for field in fields(where) if getattr(where, field.name)]
    given += ["model_options"] if options else []
    if given:
        kind = type(model).__name__
        raise UsageError(
            f"{', '.join(given)}: a model that is given as an object ({kind}) is used as it is; give them to {kind} itself, "
            "or name the model by its text."
        )


def address_of(where: Where) -> str:
    """Return the address that a model is reached at, for people."""
    return show_address(_server(where)[1])


def _open(model: str, where: Where, options: Mapping[str, Any]) -> ChatModel:
    if not model.strip():
        raise UsageError(f"no model is named; set one with model (--model); {_OFFLINE}.")
    model = resolve(model)
    if model == REHEARSAL:
        return _open_rehearsal(options)
    profile, base_url = _server(where)
    key = _key(where, profile, base_url, model)
    api: Api = api_named(where.api) if where.api else profile.api
    if api == "chat":
        from asyncfc_jupyter.models.openai.chat import OpenAIChat  # noqa: PLC0415 - a rehearsal does without it

        return OpenAIChat(model, base_url=base_url, api_key=key, options=options)
    from asyncfc_jupyter.models.openai.async_tools import OpenAINative  # noqa: PLC0415 - see above
    from asyncfc_jupyter.models.openai.responses import OpenAIResponses  # noqa: PLC0415 - see above

    kind = OpenAINative if api == "native" else OpenAIResponses
    return kind(model, base_url=base_url, api_key=key, options=options)


def _server(where: Where) -> tuple[Profile, str]:
    """Return what is known of the server and its address; of two that are named, the profile says which key is sent."""
    base_url = where.base_url or (None if where.server else os.environ.get("OPENAI_BASE_URL"))
    profile = profile_named(where.server) if where.server else ANY if base_url else PROFILES["openai"]
    base_url = base_url or profile.base_url or OPENAI_URL
    if "://" not in base_url:
        shown = show_address(base_url)
        raise UsageError(f"the address {shown!r} does not say how to reach it; write http://{shown} (--base-url).")
    return profile, base_url


def _key(where: Where, profile: Profile, base_url: str, model: str) -> Secret:
    if where.api_key:
        given = where.api_key
        return given if isinstance(given, Secret) else Secret(given, variable=profile.key_variable)
    key = find_key(profile)
    if key is None and _on_this_machine(base_url):
        return Secret(_NO_KEY_NEEDED, variable=profile.key_variable)
    if key is None:
        raise UsageError(
            f"model {model!r} needs a key; set {profile.key_variable}, pass api_key, or keep it as {profile.name} in the "
            f"keyring or in {key_file()}; {_OFFLINE}."
        )
    return key


def _open_rehearsal(options: Mapping[str, Any]) -> ChatModel:
    unknown = sorted(options.keys() - set(_REHEARSAL_OPTIONS))
    if unknown:
        raise UsageError(
            f"the rehearsal model has no option {unknown[0]!r}; its options are: {', '.join(_REHEARSAL_OPTIONS)}."
        )
    from asyncfc_jupyter.models.rehearsal import RehearsalModel  # noqa: PLC0415 - other models do without it

    return RehearsalModel(**options)


def _on_this_machine(base_url: str) -> bool:
    try:
        host = urlsplit(base_url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
