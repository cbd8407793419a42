"""Keys that stay hidden: in a ``repr``, a traceback with variables, a pickle, a failed comparison, and in text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from asyncfc_jupyter.errors import UsageError

#: Shown instead of a key.
MASK = "***"
#: Start and end of a key in a text.
_Span = tuple[int, int]
#: A shorter key is a dummy, and its letters would be masked in many other words.
_KEY_CHARS = 8
#: Keys of the common providers, for text whose key is not known. In JSON, the letter before a key may end an escape such as
#: ``\\n``.
_LOOKS_LIKE_A_KEY = re.compile(
    r"(?:(?<![A-Za-z0-9_])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))"
    r"(?:sk|rk|pk|gsk|hf|xai|nvapi|ghp|glpat)[-_][A-Za-z0-9_-]{16,}"
)


class Secret:
    """Holds a key. `reveal` is called only where the client that sends the key is made."""

    __slots__ = ("_text", "variable")

    def __init__(self, text: str, *, variable: str = "OPENAI_API_KEY") -> None:
        """Take the key.

        Args:
            text: The key itself.
            variable: The environment variable in which the user would set another one, for messages.

        Raises:
            UsageError: A header cannot carry this text. The error does not repeat it.
        """
        if not re.fullmatch(r"[!-~]+", text):
            raise UsageError(f"the key is empty or holds characters that no key has; set it again ({variable}).")
        self._text, self.variable = text, variable

    def reveal(self) -> str:
        """Return the key itself."""
        return self._text

    def hide(self, text: str) -> str:
        """Return a text with every occurrence of the key masked."""
        return _mask_spans([text], self.spans(text))[0]

    def spans(self, text: str) -> Iterator[_Span]:
        """Yield the occurrences of the key in a text, also inside of JSON, and of JSON inside of JSON."""
        if len(self._text) < _KEY_CHARS:
            return
        once = json.dumps(self._text)[1:-1]
        for form in dict.fromkeys([self._text, once, json.dumps(once)[1:-1]]):
            yield from (match.span() for match in re.finditer(re.escape(form), text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled; name the environment variable that holds it instead")


def hide_keys(text: str, *known: Secret) -> str:
    """Return a text with the known keys masked, and all else that has the form of a key."""
    return mask_pieces([text], *known)[0]


def masked(value: Any, *known: Secret) -> Any:
    """Return plain data with the keys in its texts masked."""
    match value:
        case str():
            return hide_keys(value, *known)
        case list():
            return [masked(item, *known) for item in value]
        case Mapping():
            return {masked(key, *known): masked(item, *known) for key, item in value.items()}
    return value


def mask_pieces(pieces: Sequence[str], *known: Secret) -> list[str]:
    """Return the pieces of a text with keys masked. Of a key in several pieces, the first gets the mask."""
    text = "".join(pieces)
    forms = [match.span() for match in _LOOKS_LIKE_A_KEY.finditer(text)]
    return _mask_spans(pieces, [*forms, *(span for secret in known for span in secret.spans(text))])


def _mask_spans(pieces: Sequence[str], spans: Iterable[_Span]) -> list[str]:
    """Return the pieces of a text without these spans of the whole text, with a mask at the start of each span."""
    merged: list[_Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    shown = []
    begin = number = 0
    for piece in pieces:
        end, at, kept = begin + len(piece), 0, list[str]()
        while number < len(merged) and merged[number][0] < end:
            start, stop = merged[number]
            if start >= begin:
                kept += piece[at : start - begin], MASK
            at = stop - begin
            if stop > end:
                break  # it continues in the next piece
            number += 1
        shown.append("".join([*kept, piece[at:]]))
        begin = end
    return shown
