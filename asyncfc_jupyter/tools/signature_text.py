"""A function's signature as users read it: the types by their names, without what else stands in `Annotated`.

Python's own text of a signature holds the repr of every annotation and default. That of a `Field` is longer than the signature,
that of an object has its address, and that of a model has the values that its JSON masks.
"""

from __future__ import annotations

import inspect
import types
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from asyncfc_jupyter.foreign_code import ForeignCode, plain_text, type_name
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.values.plain import is_constant, is_plain

#: Characters shown of a default or of one value of a `Literal`.
_VALUE_CHARACTERS = 60


class _Text:
    """Has a text as its repr: `inspect.Signature` shows reprs."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


#: In a signature, the default of a parameter whose `Field` has a factory: it is made for each call.
EACH_TIME: Any = _Text("...")


def signature_text(signature: inspect.Signature) -> str:
    """Return a signature with short types and defaults."""
    returned = signature.return_annotation
    returned = returned if returned is signature.empty else _Text(type_text(returned))
    parameters = list(map(_with_texts, signature.parameters.values()))
    return str(signature.replace(parameters=parameters, return_annotation=returned))


def parameter_text(parameter: inspect.Parameter) -> str:
    """Return a parameter with a short type and default, such as ``limit: int = 3``."""
    return str(_with_texts(parameter))


def _with_texts(parameter: inspect.Parameter) -> inspect.Parameter:
    annotation, default = parameter.annotation, parameter.default
    return parameter.replace(
        annotation=annotation if annotation is parameter.empty else _Text(type_text(annotation)),
        default=default if default is parameter.empty else _Text(value_text(default)),
    )


def type_text(hint: Any) -> str:
    """Return a type as it is written in source, by the names of its classes alone."""
    with ForeignCode():  # of a metaclass, or of an object that only stands for a type
        return _type_text(hint)
    return type_name(hint)


def _type_text(hint: Any) -> str:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_text(args[0])
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_text, args))
    if isinstance(hint, str):
        return plain_text(hint)
    if hint is types.NoneType:
        return "None"
    name = getattr(hint if origin is None else origin, "__name__", None) or getattr(hint, "__forward_arg__", None)
    if not isinstance(name, str):
        return shorten(repr(hint).removeprefix("typing."), _VALUE_CHARACTERS)
    shown = []
    for each in args:
        parts = ", ".join(map(type_text, each)) if isinstance(each, list) else ""  # the parameters of a `Callable`
        text = value_text if origin is Literal else type_text
        shown.append(f"[{parts}]" if isinstance(each, list) else "..." if each is ... else text(each))
    return f"{name}[{', '.join(shown)}]" if shown else plain_text(name)


def value_text(value: Any) -> str:
    """Return a default as in source if it is plain data; of any other object, the name of its class."""
    with ForeignCode():
        if isinstance(value, Enum):
            return f"{type_name(value)}.{plain_text(value.name)}"
        if isinstance(value, type):
            return type_text(value)
        if type(value) is _Text or is_constant(value) or is_plain(value):
            return shorten(repr(value), _VALUE_CHARACTERS)
    return f"<{type_name(value)}>"
