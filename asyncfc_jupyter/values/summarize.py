"""What the model is shown of a result: the result itself if it is short plain data, else a summary of it.

Plain data is data that JSON can hold: numbers, text, lists, mappings, and objects with one obvious form in JSON (dates, enums,
paths, dataclasses, pydantic models, named tuples, sets). It is shown as JSON if that takes up to 8 kB. Any other value is
passed by reference only, and the model gets a text of at most 8 kB: what the value is, how large it is, and its beginning. If
such a value is an item of a list or a mapping, a few words stand for it.

A result is never turned into text as a whole to find that it is too long, an iterator is not used up, and an object whose own
code raises is shown by its type. Fields that their class keeps out of its repr or its JSON are not shown: that is how a secret
is marked.

The texts of keys are those by which a reference finds them (`asyncfc_jupyter.core.field_access`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import itertools
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from decimal import Decimal
from enum import Enum
from numbers import Number
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python

from asyncfc_jupyter.core.field_access import key_text
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.own_json import own_json
from asyncfc_jupyter.foreign_code import ForeignCode, plain_text, type_name
from asyncfc_jupyter.text import count, truncate
from asyncfc_jupyter.values.describe import Description, describe, named_step, plain_scalar

#: A result of up to this many bytes of JSON is shown whole. A summary of a larger one has no more than that either.
RESULT_BYTES = 8_000
#: Bytes of it for the note and the names of the fields.
_NOTE_BYTES = 500
#: Characters of a sketch of plain data: about 600 tokens, which are part of every later request.
_SKETCH_CHARACTERS = 2_000
#: Characters shown of the beginning of a long text, and of its end, where a log or an error says how it ended. Together they
#: fit in 8 kB in any script: a character takes up to four bytes.
_HEAD_CHARACTERS, _TAIL_CHARACTERS = 1_400, 400
#: Levels of nested lists and mappings that are shown: some servers refuse more.
_DEEPEST = 60
#: A sketch gives each item of a container a share of its characters, but no less than this many.
_LEAST_SHARE = 40
#: Items among which a sketch divides its characters, so that one long item does not hide the others.
_SHARERS = 8
#: Sets of up to this many items are sorted before they are shown: every set that is shown whole.
_MOST_SORTED = RESULT_BYTES
#: Characters of a key in the example of a note.
_PART_CHARACTERS = 60

#: `json.dumps` would make an encoder for each text.
_ENCODER = json.JSONEncoder(ensure_ascii=False)
#: JSON has no such numbers, and servers refuse a request that holds one. As text they say more than null does.
_NO_JSON_NUMBER = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
#: Types with one obvious form in JSON.
_AS_JSON = (
    *(dt.date, dt.time, dt.timedelta, Decimal, UUID, PurePath, Enum),
    *(ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network),
)
_NO_SCALAR: Any = object()


def value_fields(value: Any, name: FutureName) -> dict[str, Any]:
    """Return the fields of a tool message that show a result, of at most 8 kB of JSON in UTF-8.

    Args:
        value: The result of a tool.
        name: The future's name, for the note on how to pass the result on.

    Returns:
        ``{"value": ...}`` if the result is shown whole; else ``value`` is a text, with ``"summarized": True`` and a ``note``.
    """
    with ForeignCode():  # if it is not plain or too long, or its own code raises, it is summarized
        plain = json_form(value, [RESULT_BYTES])
        if _json_bytes(plain) <= RESULT_BYTES:
            return {"value": plain}
    summary = None
    with ForeignCode():  # a container's own code may raise
        summary = _summary(value)
    summary = describe(value) if summary is None else summary
    text = summary.text[:RESULT_BYTES]
    # The limit is in bytes, and a control character takes six of them.
    while (size := _json_bytes(text)) > RESULT_BYTES - _NOTE_BYTES:
        text = text[: len(text) * (RESULT_BYTES - _NOTE_BYTES) // size - 1] + "…"
    example = ""
    if 0 < len(summary.part) <= _PART_CHARACTERS:
        reference = json.dumps(f"${name}{summary.part}", ensure_ascii=False)
        example = f", or a part of it, such as {reference}"
    note = f'Too big or not plain data: pass "${name}" on to use it whole{example}.'
    return {"value": text, "summarized": True, "note": note}


def value_text(value: Any) -> str:
    """Return a value as text in a prompt: text and single values as they are, any other value as a model sees a result.

    Text is not cut, however long: the user who writes it into a prompt means it. Any other value takes 8 kB at most.
    """
    single = plain_scalar(value)
    single = single.value if isinstance(single, Enum) else single
    if single is None or isinstance(single, (str, Number, *_AS_JSON)):
        return str(single)
    # The note on passing it on is left out: the value is not a future's.
    shown = value_fields(value, FutureName("f0"))["value"]
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def _json_bytes(value: Any) -> int:
    return len(_ENCODER.encode(value).encode("utf-8", "replace"))


# -- plain data ------------------------------------------------------------------------------------------------------


class NotPlain(Exception):
    """The value is not plain data, or is too large to be shown whole."""


def json_form(
    value: Any, budget: list[int], inside: tuple[int, ...] = (), opened: Callable[[Any], Any] | None = None
) -> Any:
    """Return a value as JSON holds it.

    Args:
        value: Any value.
        budget: Characters and items that may still be shown; reduced by what the value takes.
        inside: Identities of the containers around the value.
        opened: Returns what a value that is not plain is written as, such as the list of an array; else the value itself.

    Raises:
        NotPlain: It is not plain data, or the budget is exceeded. The value's own code may raise anything else.
    """
    scalar = _scalar(value)
    budget[0] -= 1 + (len(scalar) if isinstance(scalar, str) else 0)
    budget[0] -= scalar.bit_length() // 4 if isinstance(scalar, int) else 0
    if budget[0] < 0:
        raise NotPlain
    if scalar is not _NO_SCALAR:
        return scalar
    inside = (*inside, id(value))
    if len(inside) > _DEEPEST or inside.index(id(value)) < len(inside) - 1:
        raise NotPlain
    shown_as, pairs = _opened(value)
    if pairs is not None:
        shown = {}
        for key, item in pairs:
            text = key_text(key)
            if text in shown:
                raise NotPlain  # two keys with one text, and JSON has room for one
            budget[0] -= len(text)
            shown[text] = json_form(item, budget, inside, opened)
        return shown
    if shown_as is value and opened is not None and not _is_list(value):
        shown_as = opened(value)
    if shown_as is not value:
        return json_form(shown_as, budget, inside, opened)
    if _is_list(value):
        return [json_form(item, budget, inside, opened) for item in _items(value)]
    raise NotPlain


def _scalar(value: Any) -> Any:
    """Return a single value as JSON holds it, or `_NO_SCALAR`."""
    value = plain_scalar(value)
    for _ in range(_DEEPEST):  # a member may have itself as its value
        if not isinstance(value, Enum):
            break
        value = plain_scalar(value.value)
    # By the methods of Python's own classes: those of a class derived from them may do anything.
    if value is None or isinstance(value, bool | str):
        return plain_text(value) if isinstance(value, str) else value
    if isinstance(value, float):
        value = float.__float__(value)
        return value if math.isfinite(value) else _NO_JSON_NUMBER[str(value)]
    if isinstance(value, int):
        value = int.__int__(value)
        return value if value.bit_length() <= RESULT_BYTES else _NO_SCALAR
    if not isinstance(value, _AS_JSON):
        return _NO_SCALAR
    with ForeignCode():
        return to_jsonable_python(value)
    return plain_text(str(value))  # such as pandas' "not a time", which is a date only by its class


def _opened(value: Any) -> tuple[Any, Collection[tuple[Any, Any]] | None]:
    """Return what an object is shown as, and its keys or field names with their values if that is a mapping."""
    if isinstance(value, Mapping):
        return value, value.items()
    own = own_json(value)
    if own is not None:
        if type(own.value) is not dict:
            return own.value, None
        return value, [(name, item) for name, item in own.value.items() if name not in own.hidden]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = [field.name for field in dataclasses.fields(value) if field.repr]
        return value, [(name, getattr(value, name)) for name in shown]
    names = getattr(type(value), "_fields", None) if isinstance(value, tuple) else None
    return value, None if names is None else list(zip(names, value, strict=True))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | Set) and not isinstance(value, str | bytes | bytearray | memoryview)


def _items(value: Collection[Any]) -> Iterable[Any]:
    """Return the items of a list or a set; those of a set in an order that is the same in every run."""
    if not isinstance(value, Set) or len(value) > _MOST_SORTED:
        return value
    items = list(itertools.islice(value, _MOST_SORTED))  # its length may be a lie
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=lambda item: (type_name(item), str(item)))


# -- summaries -------------------------------------------------------------------------------------------------------


def _summary(value: Any) -> Description:
    if isinstance(value, str):
        cut = len(value) - _HEAD_CHARACTERS - _TAIL_CHARACTERS
        head, tail = value[:_HEAD_CHARACTERS], value[-_TAIL_CHARACTERS:]
        shown = f"{head}\n[... {cut} characters cut ...]\n{tail}" if cut > 0 else value
        return Description(title=f"text of {len(value)} characters:", lines=(str(shown),))
    shown_as, pairs = _opened(value)
    if shown_as is not value:
        return _summary(shown_as)
    if pairs is None and not _is_list(value):
        return describe(value)
    kind, lines = type_name(value), (_sketch(value, _SKETCH_CHARACTERS, ()),)
    if pairs is not None:
        size = count(len(pairs), "key" if isinstance(value, Mapping) else "field")
        part = next((named_step(key_text(key)) for key, _ in pairs), "")
        return Description(title=f"{kind} with {size}:", lines=lines, part=part)
    size = count(len(value), "item")
    if isinstance(value, Set):
        return Description(title=f"{kind} of {size} without an order:", lines=lines)
    return Description(title=f"{kind} of {size}:", lines=lines, part="[0]" if len(value) else "")


def _sketch(value: Any, room: int, inside: tuple[int, ...]) -> str:
    """Return the beginning of a value in about as many characters, as JSON with a few words for what JSON cannot hold."""
    with ForeignCode():
        scalar = _scalar(value)
        if isinstance(scalar, str):
            cut = "" if len(scalar) <= room else f"… ({len(scalar)} characters)"
            return json.dumps(scalar[:room], ensure_ascii=False) + cut
        if scalar is not _NO_SCALAR:
            return json.dumps(scalar)
        shown_as, pairs = _opened(value)
        if shown_as is not value:
            return _sketch(shown_as, room, (*inside, id(value)))
        holds = pairs is not None or _is_list(value)
        return _sketch_items(value, pairs, room, inside) if holds else f"<{truncate(describe(value).line, room + 1)}>"
    return f"<{type_name(value)}>"


def _sketch_items(value: Any, pairs: Collection[tuple[Any, Any]] | None, room: int, inside: tuple[int, ...]) -> str:
    if id(value) in inside:
        return "<itself>"
    if len(inside) == _DEEPEST:
        return "<deeper>"
    inside = (*inside, id(value))
    total = len(value if pairs is None else pairs)
    share = max(_LEAST_SHARE, room // max(1, min(total, _SHARERS)))
    parts: Iterator[str]
    if pairs is None:
        parts = (_sketch(item, share, inside) for item in _items(value))
    else:
        parts = (f"{_sketch(key_text(key), share, ())}: {_sketch(item, share, inside)}" for key, item in pairs)
    # As many parts as there is room for. The others are not made.
    shown: list[str] = []
    for part in parts:
        shown.append(part)
        room -= len(part) + 2
        if room <= 0:
            break
    if total > len(shown):
        shown.append(f"... {total - len(shown)} more")
    return f"[{', '.join(shown)}]" if pairs is None else f"{{{', '.join(shown)}}}"
