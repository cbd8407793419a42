"""The first place in which two requests differ, by its path: it shows the user why a replay stopped."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

from asyncfc_jupyter.core.protocol import decode
from asyncfc_jupyter.masking import MASK
from asyncfc_jupyter.text import truncate

#: Characters of a value that are shown.
_SHOWN_CHARS = 80
#: The value of a field that one of the two requests does not have.
_ABSENT = object()
Difference = tuple[str, str, str]


def first_difference(recorded: Any, now: Any, where: str = "") -> Difference | None:
    """Return path, recorded value and present value of the first difference, or None if there is no difference.

    Text that is JSON, such as the content of a tool message, is compared as JSON. A mask in a recorded text stands for any
    text.
    """
    match recorded, now:
        case Mapping(), Mapping():
            names = dict.fromkeys([*recorded, *now])
            pairs = [
                (f".{name}" if where else str(name), recorded.get(name, _ABSENT), now.get(name, _ABSENT))
                for name in names
            ]
        case list(), list():
            both = itertools.zip_longest(recorded, now, fillvalue=_ABSENT)
            pairs = [(f"[{index}]", old, new) for index, (old, new) in enumerate(both)]
        case str(), str():
            if recorded == now:
                return None
            if MASK in recorded and re.fullmatch(".*".join(map(re.escape, recorded.split(MASK))), now, re.DOTALL):
                return None
            old, new = decode(recorded), decode(now)
            if isinstance(old, dict | list) and isinstance(new, dict | list):
                return first_difference(old, new, where)
            return where, _shown(recorded), _shown(now)
        case _:
            same = recorded == now and type(recorded) is type(now)
            return None if same else (where, _shown(recorded), _shown(now))
    found = (first_difference(old, new, f"{where}{step}") for step, old, new in pairs)
    return next(filter(None, found), None)


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    return truncate(json.dumps(value, ensure_ascii=False, default=str), _SHOWN_CHARS)
