"""A key that does not show itself: not in a ``repr``, a traceback with variables, a pickle or a comparison that fails."""

from __future__ import annotations

import re
from typing import NoReturn

from asyncfc_jupyter.core.errors import UsageError

#: What stands in the place of a key wherever it would show.
MASK = "***"
#: A shorter key is a dummy, whose letters would be blotted out everywhere.
_KEY_CHARS = 8
#: Keys of the common providers, recognised by their form where the key itself is not known.
_LOOKS_LIKE_A_KEY = re.compile(r"\b(?:sk|rk|pk|gsk|hf|xai|nvapi|ghp|glpat)[-_][A-Za-z0-9_-]{16,}\b")


class Secret:
    """Holds a key. `reveal` is called in one place, where the client that sends it is made."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Take the key.

        Raises:
            UsageError: It is none: a header cannot carry it. The error does not repeat it.
        """
        if not re.fullmatch(r"[!-~]+", text):
            raise UsageError("the key is empty or holds characters that no key has; set it again (OPENAI_API_KEY).")
        self._text = text

    def reveal(self) -> str:
        """Return the key itself."""
        return self._text

    def hide(self, text: str) -> str:
        """Return a text with the key masked wherever it stands in it."""
        return text.replace(self._text, MASK) if len(self._text) >= _KEY_CHARS else text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled; name the environment variable that holds it instead")


def hide_keys(text: str, *known: Secret) -> str:
    """Return a text with the known keys masked, and whatever else has the form of a key."""
    for secret in known:
        text = secret.hide(text)
    return _LOOKS_LIKE_A_KEY.sub(MASK, text)
