"""JSON as models and servers write it: in pieces, with characters cut in two, and with constants that JSON does not have."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

#: JSON's own whitespace: `str.strip` would remove more.
BLANK = " \t\r\n"
_STRUCTURE = re.compile(r'["{}]')
_STRING_END = re.compile(r'["\\]')


class JsonObject:
    """Finds out when one JSON object, or a JSON text that may hold one, is complete. Each character is read once.

    It counts the braces outside strings and nothing else: a parser checks the whole text afterwards.
    """

    __slots__ = ("_depth", "_escaped", "_in_string", "_pieces", "begun", "closed")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._depth = 0
        self._in_string = self._escaped = False
        #: Whether anything except whitespace came.
        self.begun = False
        #: Whether the object is complete, or cannot begin: the first character is not a brace or a quote.
        self.closed = False

    def feed(self, piece: str) -> str:
        """Take a piece and return the part of it that follows the object's end."""
        if not self.begun:
            piece = piece.lstrip(BLANK)
            if not piece:
                return ""
            self.begun = True
            if piece[0] not in '{"':
                self.closed = True
                self._pieces.append(piece[0])
                return ""
        end = self._scan(piece)
        self._pieces.append(piece[:end])
        return piece[end:]

    def _scan(self, piece: str) -> int:
        """Return where the object ends in this piece, or the piece's length."""
        if not piece:
            return 0
        at, length = int(self._escaped), len(piece)
        self._escaped = False
        while at < length:
            match = (_STRING_END if self._in_string else _STRUCTURE).search(piece, at)
            if match is None:
                return length
            at = match.end()
            if match[0] == '"':
                self._in_string = not self._in_string
                if not (self._in_string or self._depth):
                    self.closed = True
                    return at
            elif match[0] == "\\":
                self._escaped = at == length
                at += 1
            else:
                self._depth += 1 if match[0] == "{" else -1
                if not self._depth:
                    self.closed = True
                    return at
        return length

    @property
    def text(self) -> str:
        """All text up to the end of the object."""
        return "".join(self._pieces)


def join_halves(held: str, piece: str) -> tuple[str, str]:
    """Join a character that was split between pieces: servers that count in UTF-16 cut emoji in two.

    Returns:
        The whole characters, with other halves replaced since they cannot be encoded, and the half to keep for the next piece.
    """
    text = held + piece
    if text.isascii():
        return text, ""
    half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    whole = text[: len(text) - len(half)]
    return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), half


def encodable_json(value: Any) -> str:
    """Return a value as JSON that UTF-8 can encode: readable text, or escapes alone if it holds half a surrogate pair."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def strict_json(text: str) -> Any:
    """Return the value of a JSON text. Refuse NaN and infinities, which `json.loads` accepts and servers do not.

    Raises:
        ValueError: The text is not JSON.
        RecursionError: It is nested too deeply.
    """

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is not a JSON value")

    return json.loads(text, parse_constant=refuse)


def same_json(one: str, other: str) -> bool:
    """Return whether two JSON texts have the same value, in whatever order and spelling: 1.0 is 1, but true is not."""

    def number(text: str) -> float | int:
        value = float(text)
        return int(value) if value.is_integer() else value

    def sorted_text(text: str) -> str:
        return json.dumps(json.loads(text, parse_float=number), sort_keys=True)

    try:
        return one == other or sorted_text(one) == sorted_text(other)
    except (ValueError, RecursionError):
        return False
