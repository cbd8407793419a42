"""What a model is shown of a result: itself when it is plain data and short, else a summary that says how to use it whole.

Plain data is what JSON can hold: numbers, text, lists, mappings, and what has one obvious form there (dates, enums, paths,
dataclasses, pydantic models, named tuples, sets). It is shown as JSON if that takes up to 8 kB. Everything else stays
where it is and passes by reference; what stands in its place is text of at most 8 kB: what it is, how much of it there is, and
its beginning. Lists and mappings with such objects inside are shown with a few words in their place.

A result is never turned into text as a whole to find out that it is too long, an iterator is not used up by being looked at,
and an object whose own code raises is shown by its type. Fields that their class keeps out of its repr or its JSON are not
shown: that is how a secret is marked.

The texts of keys are those by which a reference finds them (`asyncfc_jupyter.core.field_access`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from decimal import Decimal
from enum import Enum
from numbers import Number
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from asyncfc_jupyter.core.field_access import key_text
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.text import count
from asyncfc_jupyter.values.describe import Look, look_at, named_step
from asyncfc_jupyter.values.snapshot import plain_scalar

#: A result up to this many bytes of JSON is shown whole; beyond it the model sees a summary of no more than that.
RESULT_BYTES = 8_000
#: Bytes of it that the note and the names of the fields may take.
_NOTE_BYTES = 500
#: Characters of a sketch of plain data: some 600 tokens, which go into every later request.
_SKETCH_CHARACTERS = 2_000
#: Characters shown of the beginning of a long text, and of its end, where a log or an error says how it ended. Together they
#: fit in 8 kB whatever they are written in: four bytes each.
_HEAD_CHARACTERS, _TAIL_CHARACTERS = 1_400, 400
#: Levels of lists and mappings within each other that are shown: some servers refuse more.
_DEEPEST = 60
#: A sketch gives each item of a container a share of its room, but no less than this many characters.
_LEAST_SHARE = 40
#: Items among which a sketch divides its room, so that one long item does not hide the others.
_SHARERS = 8
#: Items of a set that are put in order before they are shown: of every set that is shown whole.
_MOST_SORTED = RESULT_BYTES
#: Characters of a key within the example in a note.
_PART_CHARACTERS = 60

#: Made once: `json.dumps` makes an encoder for each text.
_ENCODER = json.JSONEncoder(ensure_ascii=False)
#: JSON has no such numbers, and servers refuse a request that holds one. As text they say more than null would.
_NO_JSON_NUMBER = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
#: What has one obvious form in JSON.
_AS_JSON = (dt.date, dt.time, dt.timedelta, Decimal, UUID, PurePath, Enum)


def value_fields(value: Any, name: FutureName) -> dict[str, Any]:
    """Return the fields of a tool message that show a result, of at most 8 kB of JSON in UTF-8.

    Args:
        value: Whatever a tool has returned.
        name: The future's name, for the note on how to pass it on.

    Returns:
        ``{"value": ...}`` where the value is shown whole; else ``value`` is a text, with ``"summarized": True`` and a ``note``.
    """
    try:
        plain = _plain(value, [RESULT_BYTES], ())
        if _json_bytes(plain) <= RESULT_BYTES:
            return {"value": plain}
    except Exception:  # noqa: BLE001, S110 - not plain, too long, or the object's own code raised: it is summarized
        pass
    try:
        look = _look(value)
    except Exception:  # noqa: BLE001 - a container whose own code raises
        look = look_at(value)
    return {"value": _clipped(look.text), "summarized": True, "note": _note(name, look.part)}


def value_text(value: Any) -> str:
    """Return a value as it stands in a prompt: text and single values as they are, all else as a model sees a result.

    Text is not cut, however long: who writes it into a prompt means it. All else takes 8 kB at most.
    """
    single = plain_scalar(value)
    single = single.value if isinstance(single, Enum) else single
    if single is None or isinstance(single, (str, Number, *_AS_JSON)):
        return str(single)
    # The note on passing it on is left out: it has no future's name.
    shown = value_fields(value, FutureName("f0"))["value"]
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def _note(name: FutureName, part: str) -> str:
    example = f', or a part of it, such as "{_in_json(f"${name}{part}")}"' if 0 < len(part) <= _PART_CHARACTERS else ""
    return f'Too big or not plain data: pass "${name}" on to use it whole{example}.'


def _json_bytes(value: Any) -> int:
    return len(_ENCODER.encode(value).encode("utf-8", "replace"))


def _clipped(text: str) -> str:
    """Return as much of a text as fits: bytes are what counts, and a control character takes six."""
    text = text[:RESULT_BYTES]
    while (size := _json_bytes(text)) > RESULT_BYTES - _NOTE_BYTES:
        text = text[: len(text) * (RESULT_BYTES - _NOTE_BYTES) // size - 1] + "…"
    return text


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


# -- plain data ------------------------------------------------------------------------------------------------------


class _NotPlain(Exception):
    """The value is not plain data, or more of it than can be shown."""


def _plain(value: Any, budget: list[int], inside: tuple[int, ...]) -> Any:
    """Return a value as JSON has it.

    Args:
        value: Any value.
        budget: Characters and items that may still be shown; it is used up.
        inside: Identities of the containers that the value stands in.

    Raises:
        _NotPlain: It is not plain data, or the budget is exceeded.
    """
    scalar = _scalar(value)
    budget[0] -= 1 + (len(scalar) if isinstance(scalar, str) else 0)
    budget[0] -= scalar.bit_length() // 4 if isinstance(scalar, int) else 0
    if budget[0] < 0:
        raise _NotPlain
    if scalar is not _NO_SCALAR:
        return scalar
    inside = (*inside, id(value))
    if len(inside) > _DEEPEST or inside.index(id(value)) < len(inside) - 1:
        raise _NotPlain
    pairs = _pairs(value)
    if pairs is not None:
        shown = {}
        for key, item in pairs:
            text = key_text(key)
            if text in shown:
                raise _NotPlain  # two keys that read alike, and JSON has room for one
            budget[0] -= len(text)
            shown[text] = _plain(item, budget, inside)
        return shown
    if _is_list(value):
        return [_plain(item, budget, inside) for item in _items(value)]
    raise _NotPlain


_NO_SCALAR: Any = object()


def _scalar(value: Any) -> Any:
    """Return a single value as JSON has it, or `_NO_SCALAR`."""
    if value is None or type(value) in {str, bool}:
        return value
    value = plain_scalar(value)
    if isinstance(value, Enum):
        return _scalar(value.value)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return _number(value)
    return _as_json(value) if isinstance(value, _AS_JSON) else _NO_SCALAR


def _as_json(value: Any) -> Any:
    try:
        return to_jsonable_python(value)
    except Exception:  # noqa: BLE001 - such as pandas' "not a time", which is a date by its class alone
        return str(value)


def _number(value: float) -> Any:
    if isinstance(value, int):
        return int(value) if value.bit_length() <= RESULT_BYTES else _NO_SCALAR
    return float(value) if math.isfinite(value) else _NO_JSON_NUMBER[str(float(value))]


def _pairs(value: Any) -> Collection[tuple[Any, Any]] | None:
    """Return the keys or names, with values, of what is shown as a mapping."""
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, BaseModel):
        hidden = _hidden(value)
        return [(name, item) for name, item in value if name not in hidden]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hidden = _hidden(value)
        shown = [field.name for field in dataclasses.fields(value) if field.repr and field.name not in hidden]
        return [(name, getattr(value, name)) for name in shown]
    names = getattr(type(value), "_fields", None) if isinstance(value, tuple) else None
    return None if names is None else list(zip(names, value, strict=True))


def _hidden(value: Any) -> Set[str]:
    """Return the names of the fields that a pydantic model or dataclass keeps out of its JSON or its repr."""
    fields = getattr(type(value), "__pydantic_fields__", None)
    return {name for name, field in (fields or {}).items() if field.exclude or field.repr is False}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | Set) and not isinstance(value, str | bytes | bytearray | memoryview)


def _items(value: Collection[Any]) -> Iterable[Any]:
    """Return the items of a list or a set; those of a set in an order that is the same in every run."""
    if not isinstance(value, Set) or len(value) > _MOST_SORTED:
        return value
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=lambda item: (type(item).__name__, str(item)))


# -- summaries -------------------------------------------------------------------------------------------------------


def _look(value: Any) -> Look:
    if isinstance(value, str):
        cut = len(value) - _HEAD_CHARACTERS - _TAIL_CHARACTERS
        head, tail = value[:_HEAD_CHARACTERS], value[-_TAIL_CHARACTERS:]
        shown = f"{head}\n[... {cut} characters cut ...]\n{tail}" if cut > 0 else value
        return Look(title=f"text of {len(value)} characters:", lines=(str(shown),))
    pairs = _pairs(value)
    if pairs is None and not _is_list(value):
        return look_at(value)
    kind, lines = type(value).__name__, (_sketch(value, _SKETCH_CHARACTERS, ()),)
    if pairs is not None:
        word = "key" if isinstance(value, Mapping) else "field"
        return Look(title=f"{kind} with {count(len(pairs), word)}:", lines=lines, part=_first_step(pairs))
    if isinstance(value, Set):
        return Look(title=f"{kind} of {count(len(value), 'item')} without an order:", lines=lines)
    return Look(title=f"{kind} of {count(len(value), 'item')}:", lines=lines, part="[0]" if len(value) else "")


def _first_step(pairs: Iterable[tuple[Any, Any]]) -> str:
    return next((named_step(key_text(key)) for key, _ in pairs), "")


def _sketch(value: Any, room: int, inside: tuple[int, ...]) -> str:
    """Return the beginning of a value in about as many characters, as JSON with a few words for what has no form there."""
    try:
        return _sketched(value, room, inside)
    except Exception:  # noqa: BLE001 - the object's own code
        return f"<{type(value).__name__}>"


def _sketched(value: Any, room: int, inside: tuple[int, ...]) -> str:
    scalar = _scalar(value)
    if isinstance(scalar, str):
        cut = "" if len(scalar) <= room else f"… ({len(scalar)} characters)"
        return json.dumps(scalar[:room], ensure_ascii=False) + cut
    if scalar is not _NO_SCALAR:
        return json.dumps(scalar)
    if _pairs(value) is not None or _is_list(value):
        return _sketched_inside(value, room, inside)
    line = look_at(value).line
    return f"<{line if len(line) <= room else line[:room] + '…'}>"


def _sketched_inside(value: Any, room: int, inside: tuple[int, ...]) -> str:
    if id(value) in inside:
        return "<itself>"
    if len(inside) == _DEEPEST:
        return "<deeper>"
    inside, pairs = (*inside, id(value)), _pairs(value)
    count = len(value) if pairs is None else len(pairs)
    share = max(_LEAST_SHARE, room // max(1, min(count, _SHARERS)))
    if pairs is None:
        return f"[{_joined((_sketch(item, share, inside) for item in _items(value)), count, room)}]"
    parts = (f"{_sketch(key_text(key), share, ())}: {_sketch(item, share, inside)}" for key, item in pairs)
    return f"{{{_joined(parts, count, room)}}}"


def _joined(parts: Iterable[str], count: int, room: int) -> str:
    """Return as many of the parts as there is room for, and how many more there are; none is made that is not shown."""
    shown: list[str] = []
    for part in parts:
        shown.append(part)
        room -= len(part) + 2
        if room <= 0:
            break
    more = [f"... {count - len(shown)} more"] if count > len(shown) else []
    return ", ".join((*shown, *more))
