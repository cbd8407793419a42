"""What the connection must know of Anthropic's client library."""

from __future__ import annotations

from asyncfc_jupyter.models.address import origin
from asyncfc_jupyter.models.connection.library import ClientLibrary
from asyncfc_jupyter.models.profiles import ANTHROPIC, ANTHROPIC_URL

ANTHROPIC_PYTHON = ClientLibrary(
    package="anthropic",
    client="AsyncAnthropic",
    error="AnthropicError",
    address=ANTHROPIC_URL,
    address_variable="ANTHROPIC_BASE_URL",
    key_variable=ANTHROPIC.key_variable,
    # Before version 1, the library sent the token of the environment beside a key that was passed.
    ambient=("auth_token", "webhook_key"),
    owns=lambda base_url: base_url is None or origin(base_url) == origin(ANTHROPIC_URL),
    extra="anthropic",
    hides_key=False,  # in 0.60 it is in X-Api-Key
)
