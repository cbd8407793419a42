"""What the connection must know of openai-python."""

from __future__ import annotations

from asyncfc_jupyter.models.connection.library import ClientLibrary
from asyncfc_jupyter.models.keys import is_openai
from asyncfc_jupyter.models.profiles import OPENAI, OPENAI_URL

OPENAI_PYTHON = ClientLibrary(
    package="openai",
    client="AsyncOpenAI",
    error="OpenAIError",
    address=OPENAI_URL,
    address_variable="OPENAI_BASE_URL",
    key_variable=OPENAI.key_variable,
    ambient=("organization", "project", "admin_api_key"),
    owns=is_openai,
)
