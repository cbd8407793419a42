"""Says why a value is no function, and how it becomes a tool."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from asyncfc_jupyter.foreign_code import type_name
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.values.describe import has_attributes

#: Attributes under which tools of other frameworks keep their function, the likeliest first.
_FUNCTION_OF_A_TOOL = ("func", "fn", "function", "forward", "_run", "run", "invoke")


def why_no_function(value: Any) -> tuple[str, str]:
    """Return what is wrong with a value that cannot be called, and the way out."""
    kind = type_name(value)
    problem, remedy = f"{kind} cannot be called", "pass a function"
    if value is None or inspect.iscoroutine(value):
        remedy = "pass the function itself, without parentheses after its name"
    elif isinstance(value, str):
        problem, remedy = f"the text {shorten(value)!r} cannot be called", "pass the function itself, not its name"
    elif isinstance(value, ModuleType):
        public = (name for name, each in vars(value).items() if callable(each) and not name.startswith("_"))
        remedy = f"pass its functions, such as `{value.__name__}.{next(public, 'search')}`"
    elif isinstance(value, classmethod | property):
        remedy = "pass a method of the class or the object, such as `desk.book`"
    elif isinstance(value, Mapping):
        remedy = "pass the function that it describes: its schema is made from the signature"
    elif isinstance(value, list | tuple | set | frozenset):
        remedy = "pass each of its functions, as in tools=[*functions]"
    elif kept := [name for name in _FUNCTION_OF_A_TOOL if has_attributes(value, name)]:
        remedy = f"pass its function, such as `.{kept[0]}`, or a function of your own that calls it"
    return problem, remedy
