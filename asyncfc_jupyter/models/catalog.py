"""From a model's name to a model: the one place that knows which kinds there are and where keys come from."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from asyncfc_jupyter.core.errors import UsageError
from asyncfc_jupyter.models.base import ChatModel

REHEARSAL = "rehearsal"
_REHEARSAL_OPTIONS = ("ttft_ms", "tokens_per_s")
_NO_KEY_NEEDED = "none"
_OFFLINE = f'for a model without key and network: --model {REHEARSAL}, or model="{REHEARSAL}"'


def open_model(model: str, *, base_url: str | None, api_key: str | None, options: Mapping[str, Any]) -> ChatModel:
    """Return the model of this name.

    Args:
        model: ``rehearsal``, or the name by which an OpenAI-compatible server knows its model.
        base_url: The server's address; None for ``OPENAI_BASE_URL``, and without that for OpenAI's own.
        api_key: The server's key; None for ``OPENAI_API_KEY``. A server on this machine needs none.
        options: For the rehearsal model ``ttft_ms`` and ``tokens_per_s``; for others fields of the request's body.

    Raises:
        UsageError: There is no model or no key, or an option cannot be used; says what to set.
    """
    if not model.strip():
        raise UsageError(f"no model is named; set one with model (--model); {_OFFLINE}.")
    if model == REHEARSAL:
        return _open_rehearsal(options)
    base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
    if base_url is not None and "://" not in base_url:
        shown = show_address(base_url)
        raise UsageError(f"the address {shown!r} does not say how to reach it; write http://{shown} (--base-url).")
    api_key = api_key or os.environ.get("OPENAI_API_KEY", "").strip() or None
    if api_key is None:
        if base_url is None or not _on_this_machine(base_url):
            raise UsageError(f"model {model!r} needs a key; set OPENAI_API_KEY, or pass api_key; {_OFFLINE}.")
        api_key = _NO_KEY_NEEDED
    from asyncfc_jupyter.models.openai import OpenAIChat  # noqa: PLC0415 - a rehearsal does without it

    return OpenAIChat(model, base_url=base_url, api_key=api_key, options=options)


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


def show_address(url: str) -> str:
    """Return an address without the name, password and query that it may carry."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")
