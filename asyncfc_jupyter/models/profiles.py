"""The servers that have a name: where each listens, which APIs it has, and which variable holds its key.

To add a server that speaks an API of the `registry`, add a line to `PROFILES`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.address import is_private, origin

#: OpenAI's own. Passed to openai-python, which would use ``OPENAI_BASE_URL`` otherwise.
OPENAI_URL = "https://api.openai.com/v1"
#: The variables of the environment in an address.
_VARIABLES = re.compile(r"\{([\w ]+)\}")
_HTTPS = 443
#: Anthropic's own.
ANTHROPIC_URL = "https://api.anthropic.com/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a kind of server before the first request."""

    name: str
    #: Its default address; None for a server that is only known by its address. ``{A or B}`` stands for the value of the
    #: first of these variables of the environment that is set.
    base_url: str | None
    #: The API that suits it, and all that it has, by their names in the `registry`. Without any, each may be there.
    api: str
    apis: tuple[str, ...] = ()
    #: The environment variable that its own documentation names for the key.
    key_variable: str
    #: Patterns of further hosts of the same provider, which take the same key.
    hosts: tuple[str, ...] = ()

    def address(self) -> str | None:
        """Return the default address, with the variables of the environment filled in.

        Raises:
            UsageError: None of the variables is set.
        """
        missing: list[str] = []

        def value(match: re.Match[str]) -> str:
            given = (os.environ.get(name, "").strip() for name in match[1].split(" or "))
            found = next(filter(None, given), "")
            missing.extend([] if found else [match[1]])
            return found.rstrip("/").removesuffix("/openai/v1")  # Azure shows its address in both forms

        filled = self.base_url and _VARIABLES.sub(value, self.base_url)
        if missing:
            raise UsageError(
                f"the address of the server {self.name!r} depends on {missing[0]}, which is not set; set it, or give the whole "
                "address with base_url (--base-url)."
            )
        return filled

    @property
    def placed_by_user(self) -> bool:
        """Whether its servers are where their users start them, or create them at the provider."""
        return self.base_url is not None and (is_private(self.base_url) or self.base_url.startswith("{"))

    def owns(self, base_url: str) -> bool:
        """Return whether an address is one of the provider's own; those of users' own servers are not."""
        where = origin(base_url)
        if where is None or self.base_url is None or self.placed_by_user:
            return False
        if where[0] == "https" and where[2] == _HTTPS and any(re.fullmatch(host, where[1]) for host in self.hosts):
            return True
        return "{" not in self.base_url and where == origin(self.base_url)


#: Addresses and variables are those of each project's documentation. `keys` says which address gets which key.
PROFILES = {
    each.name: each
    for each in (
        Profile(name="openai", base_url=OPENAI_URL, api="responses", key_variable="OPENAI_API_KEY"),
        Profile(name="ollama", base_url="http://127.0.0.1:11434/v1", api="chat", key_variable="OLLAMA_API_KEY"),
        Profile(name="vllm", base_url="http://127.0.0.1:8000/v1", api="chat", key_variable="VLLM_API_KEY"),
        Profile(name="llamacpp", base_url="http://127.0.0.1:8080/v1", api="chat", key_variable="LLAMA_API_KEY"),
        Profile(name="lmstudio", base_url="http://127.0.0.1:1234/v1", api="chat", key_variable="LM_API_TOKEN"),
        Profile(
            name="anthropic",
            base_url=ANTHROPIC_URL,
            api="messages",
            apis=("messages",),
            key_variable="ANTHROPIC_API_KEY",
        ),
        Profile(name="litellm", base_url="http://127.0.0.1:4000/v1", api="chat", key_variable="LITELLM_PROXY_API_KEY"),
        Profile(
            name="gemini",
            base_url="https://generativelanguage.googleapis.com/v1beta/openai",
            api="chat",
            apis=("chat",),
            key_variable="GEMINI_API_KEY",
        ),
        Profile(
            name="openrouter",
            base_url="https://openrouter.ai/api/v1",
            api="chat",
            apis=("chat", "responses"),
            key_variable="OPENROUTER_API_KEY",
        ),
        Profile(
            name="mistral",
            base_url="https://api.mistral.ai/v1",
            api="chat",
            apis=("chat",),
            key_variable="MISTRAL_API_KEY",
        ),
        Profile(
            name="groq",
            base_url="https://api.groq.com/openai/v1",
            api="chat",
            apis=("chat", "responses"),
            key_variable="GROQ_API_KEY",
        ),
        Profile(
            name="deepseek",
            base_url="https://api.deepseek.com/v1",
            api="chat",
            apis=("chat",),
            key_variable="DEEPSEEK_API_KEY",
        ),
        Profile(
            name="together",
            base_url="https://api.together.ai/v1",
            api="chat",
            apis=("chat",),
            key_variable="TOGETHER_API_KEY",
            hosts=(r"api\.together\.xyz",),  # its earlier address
        ),
        Profile(
            name="bedrock",
            base_url="https://bedrock-runtime.{AWS_REGION or AWS_DEFAULT_REGION}.amazonaws.com/openai/v1",
            api="chat",
            apis=("chat", "responses"),
            key_variable="AWS_BEARER_TOKEN_BEDROCK",
            hosts=(r"bedrock-runtime\.[a-z0-9-]+\.amazonaws\.com", r"bedrock-mantle\.[a-z0-9-]+\.api\.aws"),
        ),
        Profile(
            name="azure",
            base_url="{AZURE_OPENAI_ENDPOINT}/openai/v1",
            api="chat",
            apis=("chat", "responses", "native"),
            key_variable="AZURE_OPENAI_API_KEY",
        ),
    )
}
OPENAI, ANTHROPIC = PROFILES["openai"], PROFILES["anthropic"]
#: A server that is only known by its address. Its key is in no variable but the one that the user names.
ANY = Profile(name="any", base_url=None, api="chat", key_variable="the variable of --api-key-env")
_SPELLINGS = {
    "llama.cpp": "llamacpp",
    "llama-cpp": "llamacpp",
    "lm-studio": "lmstudio",
    "lm studio": "lmstudio",
    "claude": "anthropic",
    "google": "gemini",
    "together.ai": "together",
    "aws": "bedrock",
}


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


def owner_of(base_url: str) -> Profile | None:
    """Return the provider whose own address this is, or None."""
    return next((each for each in PROFILES.values() if each.owns(base_url)), None)
