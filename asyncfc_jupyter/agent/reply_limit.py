"""The limit of tokens inside one reply: how a reply is measured while it streams, and when it is closed.

The limit is sent to the server, whose tokens are exact. Not every server takes it, so the reply is measured here too, and its
stream is closed where it has more than the limit. It has as many tokens as the server has counted so far, or as follow from its
characters, whichever is more. Text, reasoning and calls count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from asyncfc_jupyter.models.base import CallDelta, Delta, ReasoningDelta, TextDelta, Usage

#: Characters of a token where the server does not count: English text and JSON with the common tokenizers.
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyLimit:
    """The most tokens that a reply may have."""

    tokens: int
    #: Whether a reply that reaches it has spent the budget of the run, so that the run ends too.
    ends_run: bool


class ReplyLength:
    """The length of a reply, as far as it has arrived."""

    def __init__(self) -> None:
        #: Characters of its text, reasoning and calls.
        self.characters = 0
        self._counted = 0

    @property
    def tokens(self) -> int:
        """Its tokens: as the server has counted them so far, or by its characters, whichever is more."""
        return max(self._counted, -(-self.characters // CHARACTERS_PER_TOKEN))

    def add(self, delta: Delta) -> None:
        """Add a piece of the reply."""
        match delta:
            case TextDelta(text=text) | ReasoningDelta(text=text):
                self.characters += len(text)
            case CallDelta(name=name, arguments=arguments):
                written = arguments if isinstance(arguments, str | None) else json.dumps(dict(arguments), default=str)
                self.characters += len(name or "") + len(written or "")
            case Usage(output_tokens=counted):
                self._counted = counted

    def may_have_reached(self, limit: ReplyLimit) -> bool:
        """Return whether a server that ended the reply may have done so because of this limit.

        Where it does not count, by the characters: few tokens have less than one.
        """
        return (self._counted or self.characters) >= limit.tokens
