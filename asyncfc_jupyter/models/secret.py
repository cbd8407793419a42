"""A key that does not show itself: not in a ``repr``, a traceback with variables, a pickle or a comparison that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NoReturn

from asyncfc_jupyter.errors import UsageError

#: What stands in the place of a key wherever it would show.
MASK = "***"
#: Where a key begins in a text, and where it ends.
_Place = tuple[int, int]
#: A shorter key is a dummy, whose letters would be blotted out everywhere.
_KEY_CHARS = 8
#: Keys of the common providers, recognised by their form where the key itself is not known. In text that is JSON a letter in
#: front of one may be the end of an escape: ``\\n`` at the beginning of a line.
_LOOKS_LIKE_A_KEY = re.compile(
    r"(?:(?<![A-Za-z0-9_])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))"
    r"(?:sk|rk|pk|gsk|hf|xai|nvapi|ghp|glpat)[-_][A-Za-z0-9_-]{16,}"
)


class Secret:
    """Holds a key. `reveal` is called in one place, where the client that sends it is made."""

    __slots__ = ("_text", "variable")

    def __init__(self, text: str, *, variable: str = "OPENAI_API_KEY") -> None:
        """Take the key.

        Args:
            text: The key itself.
            variable: The environment variable in which the person would set another one; not part of what it is.

        Raises:
            UsageError: It is none: a header cannot carry it. The error does not repeat it.
        """
        if not re.fullmatch(r"[!-~]+", text):
            raise UsageError(f"the key is empty or holds characters that no key has; set it again ({variable}).")
        self._text, self.variable = text, variable

    def reveal(self) -> str:
        """Return the key itself."""
        return self._text

    def hide(self, text: str) -> str:
        """Return a text with the key masked wherever it stands in it."""
        return _masked(text, _merged(self.places(text)), 0, len(text))

    def places(self, text: str) -> Iterator[_Place]:
        """Yield where the key stands in a text, which may be JSON, or hold text that is."""
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
    """Return a text with the known keys masked, and whatever else has the form of a key."""
    return _masked(text, _places(text, known), 0, len(text))


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
    """Return the pieces of a text with keys masked, also one that is divided among several: the first takes the mask."""
    text = "".join(pieces)
    places, ends = _places(text, known), [*accumulate(map(len, pieces))]
    return [_masked(text, places, end - len(piece), end) for piece, end in zip(pieces, ends, strict=True)]


def _places(text: str, known: Sequence[Secret]) -> list[_Place]:
    forms = (match.span() for match in _LOOKS_LIKE_A_KEY.finditer(text))
    return _merged([*forms, *(place for secret in known for place in secret.places(text))])


def _merged(found: Iterable[_Place]) -> list[_Place]:
    """Return places in order; those that overlap are one."""
    places: list[_Place] = []
    for start, end in sorted(found):
        if places and start < places[-1][1]:
            places[-1] = places[-1][0], max(end, places[-1][1])
        else:
            places.append((start, end))
    return places


def _masked(text: str, places: Iterable[_Place], begin: int, end: int) -> str:
    """Return a part of a text without what is in these places, with a mask where one of them begins."""
    kept, at = list[str](), begin
    for start, stop in places:
        if start < end and stop > begin:
            kept += [text[at:start], MASK] if start >= begin else []
            at = min(stop, end)
    return "".join([*kept, text[at:end]])
