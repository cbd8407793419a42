"""The servers that have a name: where each listens, which API suits it, and which variable holds its key.

To add a server that speaks an API of the `registry`, add a line to `PROFILES`.
"""

from __future__ import annotations

from dataclasses import dataclass

from asyncfc_jupyter.errors import UsageError

#: OpenAI's own. Passed to openai-python, which would use ``OPENAI_BASE_URL`` otherwise.
OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a kind of server before the first request."""

    name: str
    #: Its default address; None for a server that is only known by its address.
    base_url: str | None
    #: The name of an API (`registry`).
    api: str
    #: The environment variable that its own documentation names for the key.
    key_variable: str


#: Ports and variables are those of each project's documentation. `keys` says which address gets which key.
PROFILES = {
    each.name: each
    for each in (
        Profile(name="openai", base_url=OPENAI_URL, api="responses", key_variable="OPENAI_API_KEY"),
        Profile(name="ollama", base_url="http://127.0.0.1:11434/v1", api="chat", key_variable="OLLAMA_API_KEY"),
        Profile(name="vllm", base_url="http://127.0.0.1:8000/v1", api="chat", key_variable="VLLM_API_KEY"),
        Profile(name="llamacpp", base_url="http://127.0.0.1:8080/v1", api="chat", key_variable="LLAMA_API_KEY"),
        Profile(name="lmstudio", base_url="http://127.0.0.1:1234/v1", api="chat", key_variable="LM_API_TOKEN"),
    )
}
OPENAI = PROFILES["openai"]
#: A server that is only known by its address. Its key is in no variable but the one that the user names.
ANY = Profile(name="any", base_url=None, api="chat", key_variable="the variable of --api-key-env")
_SPELLINGS = {"llama.cpp": "llamacpp", "llama-cpp": "llamacpp", "lm-studio": "lmstudio", "lm studio": "lmstudio"}


def profile_named(name: str) -> Profile:
    """Return the profile of this name.

    Raises:
        UsageError: There is no profile of this name; the error lists them.
    """
    wanted = name.strip().lower()
    profile = PROFILES.get(_SPELLINGS.get(wanted, wanted))
    if profile is None:
        raise UsageError(
            f"there is no server {name!r}; the servers are: {', '.join(PROFILES)}; reach any other by its address "
            "with base_url (--base-url)."
        )
    return profile
