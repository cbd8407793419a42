"""The first place in which two requests differ, by its path: what a person needs to see why a replay stopped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from asyncfc_jupyter.models.secret import MASK

#: Characters of a value that are shown.
_SHOWN_CHARS = 80
Difference = tuple[str, str, str]


def first_difference(recorded: Any, now: Any, where: str = "") -> Difference | None:
    """Return path, recorded value and present value of the first difference; None where there is none.

    Text that is JSON, as the content of a tool message, is looked into. A mask in what was recorded stands for any text.
    """
    if isinstance(recorded, Mapping) and isinstance(now, Mapping):
        return _in_objects(recorded, now, where)
    if isinstance(recorded, list) and isinstance(now, list):
        return _in_lists(recorded, now, where)
    if recorded == now and type(recorded) is type(now):
        return None
    if isinstance(recorded, str) and isinstance(now, str):
        return _in_texts(recorded, now, where)
    return where, _shown(recorded), _shown(now)


def _in_objects(recorded: Mapping[str, Any], now: Mapping[str, Any], where: str) -> Difference | None:
    for name in dict.fromkeys([*recorded, *now]):
        path = f"{where}.{name}" if where else str(name)
        if name not in now:
            return path, _shown(recorded[name]), "absent"
        if name not in recorded:
            return path, "absent", _shown(now[name])
        if difference := first_difference(recorded[name], now[name], path):
            return difference
    return None


def _in_lists(recorded: list[Any], now: list[Any], where: str) -> Difference | None:
    for index, (old, new) in enumerate(zip(recorded, now, strict=False)):
        if difference := first_difference(old, new, f"{where}[{index}]"):
            return difference
    if len(recorded) == len(now):
        return None
    at = min(len(recorded), len(now))
    if len(recorded) > at:
        return f"{where}[{at}]", _shown(recorded[at]), "absent"
    return f"{where}[{at}]", "absent", _shown(now[at])


def _in_texts(recorded: str, now: str, where: str) -> Difference | None:
    if MASK in recorded and re.fullmatch(".*".join(map(re.escape, recorded.split(MASK))), now, re.DOTALL):
        return None
    old, new = _decoded(recorded), _decoded(now)
    if isinstance(old, (dict, list)) and isinstance(new, (dict, list)):
        return first_difference(old, new, where)
    return where, _shown(recorded), _shown(now)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
