"""What distinguishes tools from each other across cells and kernels, so that what was measured of a function is found again.

The same cell that is run again, or the same module in another kernel, defines the same tool. An edited function is another one,
of which nothing is known yet: the code that Python has compiled of it differs. So is one that another function has made with
other numbers, such as a number of pages. Not seen are changes of what the function calls, and of other values from outside that
it uses, which may be keys: the durations of the next calls show them.

Refused: the source text. Python reads it from a file that may have been edited since the function was loaded, and a function
that other code has made has no file.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import CellType, CodeType, MethodType
from typing import Any

from asyncfc_jupyter.foreign_code import ForeignCode, plain_text
from asyncfc_jupyter.masking import mask

#: Characters of a function's name in an identity, and of the hash: 64 bits, far more than the tools of a user need.
_NAME_CHARS, _HASH_CHARS = 100, 16
#: Decorators that are looked through: an object's own code may give it another one at each look.
_MOST_LAYERS = 20
#: Types of the values in a function that another function has made which make it another one.
_NUMBERS = frozenset({int, float, bool})


def identity_of(function: Callable[..., Any], facts: str) -> str:
    """Return a text that is equal for equal functions: the module and the name, and a hash of code and facts.

    Args:
        function: The function of a tool, or another object that can be called.
        facts: What else makes it another tool, such as its signature.
    """
    digest, name = hashlib.sha256(facts.encode(errors="replace")), "unknown"
    with ForeignCode():  # an object that can be called may have any attributes
        layers = list(_layers(function))
        name = plain_text(f"{layers[-1].__module__}.{layers[-1].__qualname__}")
        for layer in layers:
            held = [each.cell_contents for each in getattr(layer, "__closure__", None) or () if each != CellType()]
            digest.update(repr([each for each in held if type(each) in _NUMBERS]).encode())
            code = getattr(layer, "__code__", None)
            digest.update(_written(code).encode(errors="replace") if isinstance(code, CodeType) else b"compiled")
    return f"{mask(name)[:_NAME_CHARS]}#{digest.hexdigest()[:_HASH_CHARS]}"


def _layers(function: Any) -> Iterator[Any]:
    """Yield the functions that a call runs, from the outermost to the one that the user wrote."""
    for _ in range(_MOST_LAYERS):
        if isinstance(function, partial):
            function = function.func
        elif isinstance(function, MethodType):
            function = function.__func__
        elif isinstance(function, type):
            function = getattr(function, "__init__")  # noqa: B009 - mypy warns of subclasses, and this is the class that is called
        elif not inspect.isroutine(function):
            function = type(function).__call__
        else:
            yield function
            if (function := getattr(function, "__wrapped__", None)) is None:
                return


def _written(code: CodeType) -> str:
    """Return what compiled code does, as a text that is the same in each process; not where it stands in its file."""
    constants = [
        # The order of a set differs from process to process.
        _written(each)
        if isinstance(each, CodeType)
        else sorted(map(repr, each))
        if isinstance(each, frozenset)
        else each
        for each in code.co_consts
    ]
    return repr((code.co_code, code.co_names, code.co_exceptiontable, constants))
