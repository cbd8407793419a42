"""The texts that stand for a value in a path, such as ``42`` in ``orders/42``.

Two calls may overlap only if their paths do not meet (`core.effects`). So two values that a function may take for one must have
a text in common: values that are equal, such as ``True`` and ``1``; a value and the text that ``str``, an f-string or JSON
makes of it; a number and a text that a function may read as that number. A value has several texts where one is not enough.

Equality is known of a few types only. A value of any other type has no text, and stands for every place: an object with its own
idea of equality, a secret, a container.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from numbers import Integral
from pathlib import PurePath
from typing import Any
from uuid import UUID

from asyncfc_jupyter.foreign_code import ForeignCode, plain_text

#: Types whose values are equal exactly if their texts say the same.
_KNOWN: tuple[Any, ...] = (str, int, float, Decimal, datetime, date, time, UUID, PurePath)
#: From this number on, one float stands for several whole numbers.
_EXACT = 2.0**53
#: Truth values are equal to numbers.
_TRUTH = {"true": "1", "false": "0"}


def place_texts(value: Any) -> tuple[str, ...]:
    """Return every text that a function may use for a value, the plainest first; none if no text says which value it is."""
    with ForeignCode():
        texts = [plain_text(text) for text in _texts(value)]
        return tuple(dict.fromkeys([*texts, *filter(None, map(_number, texts))]))
    return ()


def _texts(value: Any) -> list[str]:
    kind: Any = type(value)
    if isinstance(value, Enum):
        inside = _texts(value.value)
        known = inside and kind.__eq__ in (object.__eq__, type(value.value).__eq__)
        return [*inside, str(value), format(value), value.name] if known else []
    if isinstance(value, Integral) and not isinstance(value, int):  # of numpy, say
        return [str(int(value))]
    base = next((each for each in _KNOWN if isinstance(value, each)), None)
    if base is None or kind.__eq__ is not base.__eq__ or getattr(value, "tzinfo", None) is not None:
        return []  # equal by a rule of its own; and one moment has as many texts as there are time zones
    if base in (float, Decimal) and not abs(value) < _EXACT:
        return []
    # A class of the user's own may be equal to the plain value, and have another text.
    plain: Any = {str: str.__str__, int: int.__repr__, float: float.__repr__}.get(base, str)
    texts = [plain(value), str(value), format(value)]
    return [*texts, value.isoformat()] if isinstance(value, date | time) else texts


def _number(text: str) -> str:
    """Return the number that a text stands for, in one form for equal numbers, or an empty text."""
    with suppress(ValueError):
        return str(int(_TRUTH.get(text.strip().lower(), text)))
    with suppress(ValueError):
        number = float(text)
        return str(int(number)) if number.is_integer() else str(number)
    return ""
