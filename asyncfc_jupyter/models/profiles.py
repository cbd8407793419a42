"""The servers people run, by name: where each listens, which API suits it, and where its key comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asyncfc_jupyter.errors import UsageError

#: ``chat``: Chat Completions. ``responses``: the Responses API. ``native``: that one with asynchronous tools.
Api = Literal["chat", "responses", "native"]
APIS: tuple[Api, ...] = ("chat", "responses", "native")


#: OpenAI's own. Given to openai-python, which would take ``OPENAI_BASE_URL`` for it otherwise.
OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a kind of server before it is asked."""

    name: str
    #: Where it listens unless told otherwise; None for a server that is only known by its address.
    base_url: str | None
    api: Api
    #: The environment variable that its own documentation names for the key.
    key_variable: str
    #: How it is started or reached, for people.
    remedy: str


#: Ports and variables are those of each project's documentation. A key for one server is never sent to another.
PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="openai", base_url=OPENAI_URL, api="responses", key_variable="OPENAI_API_KEY",
            remedy="make a key in your account and set OPENAI_API_KEY",
        ),
        Profile(
            name="ollama", base_url="http://127.0.0.1:11434/v1", api="chat", key_variable="OLLAMA_API_KEY",
            remedy="ollama serve, then ollama pull MODEL",
        ),
        Profile(
            name="vllm", base_url="http://127.0.0.1:8000/v1", api="chat", key_variable="VLLM_API_KEY",
            remedy="vllm serve MODEL --enable-auto-tool-choice --tool-call-parser PARSER",
        ),
        Profile(
            name="llamacpp", base_url="http://127.0.0.1:8080/v1", api="chat", key_variable="LLAMA_API_KEY",
            remedy="llama-server --jinja -m MODEL.gguf",
        ),
        Profile(
            name="lmstudio", base_url="http://127.0.0.1:1234/v1", api="chat", key_variable="LM_API_TOKEN",
            remedy="lms server start, then lms load MODEL",
        ),
    )
}  # fmt: skip
#: A server that is only known by its address.
ANY = Profile(
    name="any", base_url=None, api="chat", key_variable="OPENAI_API_KEY", remedy="start it, or mend its address"
)
_SPELLINGS = {"llama.cpp": "llamacpp", "llama-cpp": "llamacpp", "lm-studio": "lmstudio", "lm studio": "lmstudio"}


def profile_named(name: str) -> Profile:
    """Return the profile of this name.

    Raises:
        UsageError: There is none; the error lists them.
    """
    wanted = name.strip().lower()
    profile = PROFILES.get(_SPELLINGS.get(wanted, wanted))
    if profile is None:
        raise UsageError(
            f"there is no server {name!r}; the servers are: {', '.join(PROFILES)}; reach any other by its address "
            "with base_url (--base-url)."
        )
    return profile


def api_named(name: str) -> Api:
    """Return the API of this name.

    Raises:
        UsageError: There is none; the error lists them.
    """
    for api in APIS:
        if api == name:
            return api
    raise UsageError(f"there is no api {name!r}; the apis are: {', '.join(APIS)}.")
