"""Keys that stay hidden: in a ``repr``, a traceback with variables, a pickle, a failed comparison. For texts see `masking`."""

from __future__ import annotations

import re
from typing import NoReturn

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.masking import KNOWN, MASK, holds_key


class Secret:
    """Holds a key, which is masked from now on. `reveal` is called only where the client that sends the key is made."""

    __slots__ = ("_text", "variable")

    def __init__(self, text: str, *, variable: str = "OPENAI_API_KEY", given: str = "", scheme: str = "") -> None:
        """Take the key.

        Args:
            text: The key itself.
            variable: The environment variable in which the user would set another one, for messages.
            given: Where this one comes from, if it is not that variable.
            scheme: What stands before the key in a header, such as ``Bearer`` and a blank.

        Raises:
            UsageError: A header cannot carry this text. The error does not repeat it.
        """
        if not re.fullmatch(r"[!-~]+", text):
            raise UsageError(
                f"the key is empty or holds characters that no key has; set it again ({given or variable})."
            )
        self._text, self.variable = f"{scheme}{text}", variable
        KNOWN.remember(text)

    def reveal(self) -> str:
        """Return the key itself, after its scheme."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled; name the environment variable that holds it instead")


def checked_model(name: str) -> str:
    """Return the name of a model, which is shown, logged and saved.

    Raises:
        UsageError: The name holds a key. The error does not repeat it.
    """
    if holds_key(name):
        raise UsageError(
            "the name of the model holds a key; put the key into an environment variable, name that with --api-key-env, and "
            "give the name by which the server knows the model."
        )
    return name
