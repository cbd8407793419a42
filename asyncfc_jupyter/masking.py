"""One mask for keys, applied to all text that leaves the process: of the user, the model, a tool or a server.

Theory of operation
-------------------
What is masked:

* keys that the user gave for a server (`KNOWN.remember`), in whichever way;
* values of environment variables, and of the variables of watched namespaces, that are named like keys (`key_names`,
  `key_values`), as they are at the moment at which something leaves;
* any text that has the form of a key of a common provider, of a bearer or basic credential, of a password in an address, or of
  a private key.

A known key is found as it is, inside of JSON, and of JSON inside of JSON, escaped for HTML or for an address, and inside of
base64. Of a known key that is cut off, the beginning is masked too: from half of it on, or right before an ellipsis.

Each way out has one door that calls `mask` or `masked`: ``tests/test_key_doors.py`` lists them. Text that
arrives in pieces goes through a `StreamMask`, which holds a possible beginning of a key until the next piece shows what it is.
Every step takes a time that grows with the length of the text, and no faster.

Not masked: what is sent to the model, and the values that the user's own code gets. Refused: a mask on the whole output of the
kernel, which would change what the user's own code prints.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

#: Shown instead of a key.
MASK: Final = "***"
#: Start and end of a key in a text.
Span = tuple[int, int]
#: A shorter key is a dummy, and its letters would be masked in many other words.
KEY_CHARS: Final = 8
#: Keys that read as words are masked from this length on: a shorter one may be a word of any text.
_PHRASE_CHARS: Final = 16
#: A longer value of a variable is a document and no key.
_MOST_KEY_CHARS: Final = 4096
#: Items of a list or a dictionary that are looked at for keys.
_MOST_ITEMS: Final = 32
#: The least of a key before an ellipsis, or at the end of a piece, that counts as its beginning.
_BEGINNING: Final = 4
#: The most of a key of which the beginning alone is masked anywhere: as many random characters appear nowhere else.
_HEAD_CHARS: Final = 16
#: Seconds for which the pieces of a stream are compared with the same keys. Whole texts are compared with the keys of now.
_STALE_S: Final = 0.1
_ELLIPSES: Final = ("…", "\\u2026")

# -- names and values of variables -------------------------------------------------------------------------------------

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset(
    ["key", "keys", "pwd", "pat", "jwt", "credential", "credentials", "secrets", "tokens", "passwords", "passcode"]
)
#: Words that are often written together with the word before, as in ``PGPASSWORD``.
_SECRET_ENDS = (
    *("apikey", "apikeys", "accesskey", "secretkey", "privatekey"),
    *("password", "passwd", "passphrase", "secret", "token"),
)
#: Names with one of these words hold what anybody may see.
_PUBLIC_WORDS = frozenset(["public", "gpg", "primary", "foreign", "sort", "partition", "cache"])
#: Names that end in one of these words say where a key is, or something about it.
_ABOUT_A_KEY = frozenset(
    [
        "file",
        "path",
        "dir",
        "folder",
        "url",
        "uri",
        "name",
        "names",
        "type",
        "sock",
        "socket",
        "host",
        "count",
        "length",
    ]
)
#: Names with one of these words hold passwords, which people choose; the others hold what a machine made.
_CHOSEN = re.compile("pass|pwd|secret|credential", re.IGNORECASE)
_WORD = r"(?:(?:[A-Z]?[a-z]{1,15}(?:[A-Z][a-z]{1,14}){0,4}|[A-Z]{1,15})[0-9]{0,4}|[0-9]{1,4}[A-Za-z]{0,2})"
_READS_AS_WORDS = re.compile(rf"[^A-Za-z0-9]*{_WORD}(?:[^A-Za-z0-9]+{_WORD})*[^A-Za-z0-9]*")
_NUMBER = re.compile(r"[0-9TZ:.,+/ -]+")
_PLACE = re.compile(r"[a-z][a-z0-9+.-]*://|(?:~|\.{1,2})?/[\w.@-]*/|~/|[A-Za-z]:[\\/]")


@lru_cache(4096)
def names_a_key(name: str) -> bool:
    """Return whether a variable of this name holds a key: by the words of the name, so ``KEYBOARD`` does not."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _ABOUT_A_KEY or _PUBLIC_WORDS & set(words):
        return False
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words)


@lru_cache(4096)
def is_key(name: str, value: str) -> bool:
    """Return whether a variable's value is a key and not a common text, which a mask would remove everywhere.

    It has 8 characters or more and is not a number, a path or an address. If it reads as words, such as ``production1``, it
    counts from 16 characters on only: a password in any case; another key if hyphens join the words, and if its name is not a
    bare ``key`` or ``token``, which programs give to anything that they loop over.
    """
    chosen = _CHOSEN.search(name) is not None
    if not KEY_CHARS <= len(value) <= _MOST_KEY_CHARS or re.search(r"[\r\n]" if chosen else r"\s", value):
        return False
    if _NUMBER.fullmatch(value) or _PLACE.match(value):
        return False
    if not _READS_AS_WORDS.fullmatch(value):
        return True
    joined = len(_WORDS.findall(name)) > 1 and re.fullmatch("[A-Za-z0-9-]+", value) is not None
    return len(value) >= _PHRASE_CHARS and (chosen or joined)


def key_values(variables: Iterable[tuple[Any, Any]], *, depth: int = 1) -> Iterator[str]:
    """Yield the keys among variables: texts, and texts in short lists and dictionaries. Runs no code of the values."""
    for name, value in variables:
        if type(name) is not str:
            continue
        kind = type(value)
        if kind is str:
            if names_a_key(name) and is_key(name, value.strip()):
                yield value.strip()
        elif kind is dict and depth and len(value) <= _MOST_ITEMS:
            pairs = list(value.items())
            inherited = [(name, item) for _, item in pairs] if names_a_key(name) else []
            yield from key_values([*pairs, *inherited], depth=0)
        elif (kind is list or kind is tuple) and depth and len(value) <= _MOST_ITEMS:
            yield from key_values([(name, item) for item in value], depth=0)
        elif kind.__name__ == "SecretStr" and kind.__module__.startswith("pydantic"):
            secret = object.__getattribute__(value, "__dict__").get("_secret_value")
            if type(secret) is str and KEY_CHARS <= len(secret) <= _MOST_KEY_CHARS:
                yield secret


# -- known keys --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _Literal:
    """One way in which a known key is written."""

    text: str
    #: Its first characters: a text without them does not hold it.
    begin: str
    #: From this many characters on, the beginning alone is masked.
    head: int

    @classmethod
    def of(cls, text: str) -> _Literal:
        """Return a way of writing a key, whose beginning counts from half of it on, unless that reads as words."""
        least = max(KEY_CHARS, min(_HEAD_CHARS, -(-len(text) // 2)))
        heads = (head for head in range(least, len(text)) if not _READS_AS_WORDS.fullmatch(text[:head]))
        return cls(text, text[:_BEGINNING], next(heads, len(text)))

    def spans(self, text: str) -> Iterator[Span]:
        """Yield where a text holds it, or its beginning."""
        at = 0
        while (at := text.find(self.begin, at)) >= 0:
            end = at + self._shared(text, at)
            if end - at >= self.head or (end - at < len(self.text) and text.startswith(_ELLIPSES, end)):
                yield at, end
                at = end
            else:
                at += 1

    def _shared(self, text: str, at: int) -> int:
        """Return how many characters of the key stand at a place of a text."""
        if text.startswith(self.text, at):
            return len(self.text)
        number = _BEGINNING
        while text[at + number : at + number + 1] == self.text[number]:
            number += 1
        return number

    def begins_at(self, text: str) -> int:
        """Return where a beginning of the key stands at the end of a text, or the text's length."""
        at = max(0, len(text) - len(self.text) + 1)
        while (at := text.find(self.begin, at)) >= 0:
            if self.text.startswith(text[at:]):
                return at
            at += 1
        return len(text)


@lru_cache(256)
def _literals(key: str) -> tuple[_Literal, ...]:
    """Return each way in which a key is written."""
    # As parts of a path of the state that a call touches, where upper and lower case are the same.
    path = "/".join(part for part in re.split(r"[\\/]", key) if part not in {"", "."})
    ways = [key, html.escape(key), quote(key, safe=""), repr(key)[1:-1], path, path.lower()]
    for unicode in (True, False):
        once = json.dumps(key, ensure_ascii=unicode)[1:-1]
        ways += [once, json.dumps(once, ensure_ascii=unicode)[1:-1]]
    raw = key.encode("utf-8", "replace")
    for before in range(3):
        # What stands before a key in base64 shifts its bits; the characters that it shares with its neighbours are left out.
        bits = base64.b64encode(b"\0" * before + raw).decode()
        inner = bits[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        ways += [inner, inner.translate(str.maketrans("+/", "-_"))]
    return tuple(map(_Literal.of, filter(lambda way: len(way) >= KEY_CHARS, dict.fromkeys(ways))))


Variables = Callable[[], Iterable[tuple[Any, Any]]]


class KnownKeys:
    """The keys that this process knows. May be used in any thread."""

    def __init__(self) -> None:
        self._remembered: dict[str, None] = {}
        self._watched: list[Variables] = [lambda: list(os.environ.items())]
        self._literals: tuple[_Literal, ...] = ()
        self._read_at_s = -_STALE_S
        self._lock = threading.Lock()

    def remember(self, key: str) -> None:
        """Mask a key from now on: the user gave it for a server. A shorter one than 8 characters is a dummy."""
        if len(key) >= KEY_CHARS:
            with self._lock:
                self._remembered[key] = None
                self._read_at_s = -_STALE_S

    def watch(self, variables: Variables) -> Callable[[], None]:
        """Mask the keys among variables too, as they are whenever something leaves; return the function that ends it."""
        self._watched.append(variables)
        return lambda: self._watched.remove(variables) if variables in self._watched else None

    def literals(self, *, stale: bool = False) -> tuple[_Literal, ...]:
        """Return all known keys in all ways of writing; if ``stale``, perhaps those of a moment ago."""
        now_s = time.monotonic()
        if not stale or now_s - self._read_at_s >= _STALE_S:
            keys = dict(self._remembered)
            for variables in tuple(self._watched):
                keys |= dict.fromkeys(key_values(variables()))
            # The longest first: a key may begin with another one.
            ordered = sorted(keys, key=len, reverse=True)
            self._literals, self._read_at_s = tuple(way for key in ordered for way in _literals(key)), now_s
        return self._literals


#: One for this process, as its ways out are.
KNOWN: Final = KnownKeys()

# -- forms -------------------------------------------------------------------------------------------------------------

_PREFIXES = "sk|rk|pk|gsk|hf|xai|nvapi|gh[pousr]|github_pat|glpat"
#: In JSON, the letter before a key may end an escape such as ``\\n``; in an address, the digits may end one such as ``%20``.
_BORDER = r"(?:(?<![A-Za-z0-9_])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2}))"
#: Where a key with a prefix may be: texts without it need no slower search.
_DASH = re.compile(r"(?:k|hf|ai|pi|gh[pousr]|at)[-_](?=[A-Za-z0-9_-]{4})")
_PREFIX = re.compile(rf"{_BORDER}(?:{_PREFIXES})[-_]\Z")
#: Characters of the longest prefix, and of the key after it that are needed to recognise one.
_PREFIX_CHARS: Final = 11
_FORM_CHARS: Final = 16
#: What stands at the end of a piece and may become a key with a prefix.
_OPEN_FORM = re.compile(
    rf"{_BORDER}(?:(?:{_PREFIXES})[-_][A-Za-z0-9_-]{{0,15}}|A[KS]IA[A-Z0-9]{{0,16}}|AIza[A-Za-z0-9_-]{{0,30}}"
    r"|eyJ[A-Za-z0-9_.-]{0,4096})\Z"
)
_TOKEN = re.compile(r"[A-Za-z0-9_-]*")
#: Other forms, each with a text that it always holds. Only the group is masked: as ``key`` if it does not read as words.
_KEY_ID = re.compile(r"(?<![A-Za-z0-9])(?P<key>A[KS]IA[A-Z0-9]{16})(?![A-Za-z0-9])")
_BEARER = re.compile(r"\b(?:Bearer|bearer|BEARER) +(?P<key>[A-Za-z0-9._~+/=-]{16,})")
_BASIC = re.compile(r"\b(?:Basic|basic|BASIC) +(?P<key>[A-Za-z0-9+/=_-]{12,})")
_PARAMETER = re.compile(
    r"[?&](?:amp;)?(?:[a-z_-]{0,16}key|[a-z_-]{0,16}token|sig|signature|secret|password)=(?P<key>[^\s&#\"'\\<>]{8,4096})",
    re.IGNORECASE,
)
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("AKIA", _KEY_ID),
    ("ASIA", _KEY_ID),
    ("AIza", re.compile(r"(?<![A-Za-z0-9])(?P<key>AIza[A-Za-z0-9_-]{30,})")),
    ("eyJ", re.compile(r"(?<![A-Za-z0-9])(?P<key>eyJ[\w-]{8,4096}\.eyJ[\w-]{8,4096}(?:\.[\w-]*)?)", re.ASCII)),
    ("earer ", _BEARER),
    ("EARER ", _BEARER),
    ("asic ", _BASIC),
    ("ASIC ", _BASIC),
    ("://", re.compile(r"://[^\s/@:\"'\\<>]{0,256}:(?P<password>[^\s/@\"'\\<>]{1,256})@")),
    ("?", _PARAMETER),
    ("&", _PARAMETER),
    ("PRIVATE KEY", re.compile(r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----(?P<password>(?:[A-Za-z0-9+/=\s]|\\[nr])+)")),
)


def _form_spans(text: str) -> Iterator[Span]:
    for holds, form in _FORMS:
        if holds in text:
            for match in form.finditer(text):
                group = str(match.lastgroup)
                if group != "key" or not _READS_AS_WORDS.fullmatch(match[group]):
                    yield match.span(group)
    if "-" in text or "_" in text:
        yield from _prefixed(text)


def _prefixed(text: str) -> Iterator[Span]:
    """Yield the keys with a prefix, and those that are cut off by an ellipsis."""
    after = 0
    for dash in _DASH.finditer(text):
        prefix = _PREFIX.search(text, max(after, dash.end() - _PREFIX_CHARS), dash.end())
        if prefix is not None:
            end = _TOKEN.match(text, dash.end()).end()  # type: ignore[union-attr] # it matches any text
            if end - dash.end() >= _FORM_CHARS or text.startswith(_ELLIPSES, end):
                if prefix[0].startswith("sk") or not _READS_AS_WORDS.fullmatch(text[dash.end() : end]):
                    yield prefix.start(), end
                after = end


#: What is not seen in a text: escapes of a terminal, and characters without a width. Between the letters of a key they hide it.
#: None of them is printable, and to ask a text for that is much faster than to search it.
_UNSEEN = re.compile("(\x1b\\[[0-?]*[ -/]*[@-~]|[\u00ad\u200b-\u200f\u2060\ufeff])")

# -- masks -------------------------------------------------------------------------------------------------------------


def mask(text: str, *, stale: bool = False) -> str:
    """Return a text with all keys masked; if ``stale``, with the keys that were known a moment ago."""
    if len(text) < KEY_CHARS:
        return text
    literals = KNOWN.literals(stale=stale)
    if not text.isprintable() and _UNSEEN.search(text):
        parts = _UNSEEN.split(text)
        parts[::2] = _without(parts[::2], _merged(_spans("".join(parts[::2]), literals)))
        text = "".join(parts)
    spans = _merged(_spans(text, literals))
    return _without([text], spans)[0] if spans else text


def holds_key(text: str) -> bool:
    """Return whether a text holds a key."""
    return mask(text) != text if _UNSEEN.search(text) else next(_spans(text, KNOWN.literals()), None) is not None


def mask_pieces(pieces: Sequence[str]) -> list[str]:
    """Return the pieces of a text with keys masked. Of a key in several pieces, the first gets the mask."""
    merged = _merged(_spans("".join(pieces), KNOWN.literals()))
    return _without(pieces, merged) if merged else list(pieces)


def masked(value: Any) -> Any:
    """Return plain data with the keys in its texts masked; the value itself if there are none."""
    # One search of all texts is faster than one of each, and nearly always finds nothing.
    return _masked(value) if holds_key("\n".join(_texts(value))) else value


def _texts(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            left += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple):
            left += each


def _masked(value: Any) -> Any:
    match value:
        case str():
            return mask(value, stale=True)
        case list():
            return [_masked(item) for item in value]
        case tuple():
            return tuple(_masked(item) for item in value)
        case Mapping():
            return {_masked(key): _masked(item) for key, item in value.items()}
    return value


def _spans(text: str, literals: Iterable[_Literal]) -> Iterator[Span]:
    for literal in literals:
        if literal.begin in text:
            yield from literal.spans(text)
    yield from _form_spans(text)


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _without(pieces: Iterable[str], spans: Sequence[Span]) -> list[str]:
    """Return the pieces of a text without these spans of the whole text, with a mask at the start of each span."""
    shown = []
    begin = number = 0
    for piece in pieces:
        end, at, kept = begin + len(piece), 0, list[str]()
        while number < len(spans) and spans[number][0] < end:
            start, stop = spans[number]
            if start >= begin:
                kept += [piece[at : start - begin], MASK]
            at = stop - begin
            if stop > end:
                break  # it continues in the next piece
            number += 1
        shown.append("".join([*kept, piece[at:]]))
        begin = end
    return shown


class StreamMask:
    """Masks keys in a text that arrives in pieces, so that no part of a key is shown before the whole is known.

    Up to three characters of a key may be shown: fewer than that are the beginning of too many words.
    """

    def __init__(self) -> None:
        #: What was shown last, as it was; a key may begin there.
        self._shown = ""
        self._held = ""
        #: Whether the last piece ended in a key, of which more may follow.
        self._in_key = False

    def feed(self, piece: str) -> str:
        """Return what may be shown now: this piece and what was held, without what may be the beginning of a key."""
        if self._in_key:
            more = _TOKEN.match(piece)[0]  # type: ignore[index] # it matches any text
            self._shown, piece = self._shown + more, piece[len(more) :]
            self._in_key = not piece
        text = self._shown + self._held + piece
        literals = KNOWN.literals(stale=True)
        spans = _merged(_spans(text, literals))
        known = min([len(text), *(literal.begins_at(text) for literal in literals if literal.begin in text)])
        end = min(known, _open_form(text))
        for start, stop in spans:
            token = stop == len(text) == known and _TOKEN.fullmatch(text, start) is not None
            if token and any(_prefixed(text[max(0, start - _CONTEXT) :])):
                self._in_key, end = True, len(text)
            elif start < end < stop:
                end = start
        return self._show(text, spans, end)

    def flush(self) -> str:
        """Return what is held: no more will arrive."""
        text = self._shown + self._held
        self._in_key = False
        return self._show(text, _merged(_spans(text, KNOWN.literals(stale=True))), len(text))

    def _show(self, text: str, spans: Sequence[Span], end: int) -> str:
        before = len(self._shown)
        end = max(end, before)
        whole = [(max(start, before), stop) for start, stop in spans if stop > before and stop <= end]
        shown = _without([text[:end]], whole)[0][before:]
        # A border of a form is looked for in what was shown, a beginning of a key that is too short to be held, and in a key
        # with a prefix, of which more may follow, also another key.
        context = _MOST_CONTEXT if self._in_key else _CONTEXT
        self._shown, self._held = text[max(0, end - context) : end], text[end:]
        return shown


#: Characters that are kept of what was shown: a border of a form has up to six. After a key there may be the rest of another.
_CONTEXT: Final = 8
_MOST_CONTEXT: Final = 256


def _open_form(text: str) -> int:
    """Return where a text at the end may be the beginning of a key with a prefix, or the text's length."""
    at = len(text)
    while at and text[at - 1].isascii() and (text[at - 1].isalnum() or text[at - 1] in "-_."):
        at -= 1
    found = _OPEN_FORM.search(text, at)
    return found.start() if found is not None else len(text)
