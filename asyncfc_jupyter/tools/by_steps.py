"""Checks of large arguments that let other threads run meanwhile.

Pydantic checks a list of a million rows in one call into compiled code, a second or more in which no other thread runs, and the
event loop stands still. A function of Python that is called for each row ends that, and costs a tenth more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function

from asyncfc_jupyter.values.pauses import PARTS, Pauses

#: Types of schemas of values that hold nothing: a million of them are checked within some 20 ms.
_SINGLE = frozenset({"any", "none", "bool", "int", "float", "str", "bytes"})
#: Keys under which a list or a mapping has the check of what it holds.
_HELD = ("items_schema", "values_schema")


def by_steps(check: CoreSchema) -> CoreSchema:
    """Return a check of the same values, which stops at the first misfit in a list and calls a function for each item."""
    stepped: CoreSchema = _by_steps(check, _step())
    return stepped


def _by_steps(part: Any, step: Callable[[Any], Any]) -> Any:
    if isinstance(part, list):
        return [_by_steps(each, step) for each in part]
    if not isinstance(part, dict):
        return part
    made = {
        key: _by_steps(each, step) if key not in {"metadata", "serialization"} else each for key, each in part.items()
    }
    for key in _HELD:
        if isinstance(made.get(key), dict) and made[key]["type"] not in _SINGLE:
            made[key] = no_info_before_validator_function(step, made[key])
    if made.get("type") in {"list", "set", "frozenset"}:
        made["fail_fast"] = True
    return made


def _step() -> Callable[[Any], Any]:
    pauses, rows = Pauses(), 0

    def step(value: Any) -> Any:
        nonlocal rows
        rows += 1
        if not rows % PARTS:
            pauses.pause()
        return value

    return step
