"""Annotations for pydantic, changed where it would give a function something else than the annotation means.

Only the annotation of a parameter is changed, with the containers and alternatives in it. The fields of a model belong to the
model, whose class already holds their check.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Final, Literal, NotRequired, Required, Union, get_args, get_origin

from annotated_types import DocInfo
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, to_jsonable_python
from typing_extensions import Doc, ReadOnly

#: After one of these, what is checked is not the type alone any more.
_VALIDATORS = (AfterValidator, BeforeValidator, PlainValidator, WrapValidator)
#: Values of JSON and of tools that are in memory as a whole and can be iterated more than once.
_HELD = (list, tuple, set, frozenset, dict, str)
#: What may stand around the type of a field, and is no type.
QUALIFIERS = (NotRequired, Required, ReadOnly, Final, ClassVar)
#: Types that JSON has itself: pydantic takes their values in the form in which a schema lists them.
_AS_LISTED = (str, int, float, NoneType)


def fitted(hint: Any) -> Any:
    """Return an annotation under which a function gets what it means.

    An `Iterable` of what is in memory as a whole becomes a list, each item checked before the call. By itself pydantic gives an
    iterator that checks while it is consumed: a second pass and a second attempt find nothing in it, it cannot be shown, and it
    cannot be sent to another process.

    An enum or a `Literal` takes each value in the form in which its schema lists it. By itself pydantic lists a date as text, a
    tuple as a list and a member as its value, and refuses exactly these.

    A text in `Annotated` describes what stands beside it. By itself pydantic reads a `Field` only.
    """
    base, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    inside, text = _fitted_inside(base), text_beside(hint)
    if text and not any(isinstance(each, FieldInfo) and each.description for each in metadata):
        metadata.append(Field(description=text))
        hint = Annotated[(base, *metadata)]
    check: Any = None
    if (get_origin(inside) or inside) is Iterable:
        check = WrapValidator(_as_list)
    elif forms := _forms(inside):
        check = BeforeValidator(lambda value: _meant(value, forms))
    if check is not None:
        # After the limits of the type itself, which stand in its schema, and before the validators of others.
        at = next((n for n, each in enumerate(metadata) if isinstance(each, _VALIDATORS)), len(metadata))
        metadata.insert(at, check)
    elif inside is base:
        return hint
    return Annotated[(inside, *metadata)] if metadata else inside


def unqualified(hint: Any) -> Any:
    """Return what stands inside of `NotRequired` and the like, and what an alias stands for."""
    while get_origin(hint) in QUALIFIERS or (get_origin(hint) is None and hasattr(hint, "__value__")):
        hint = get_args(hint)[0] if get_origin(hint) else hint.__value__
    return hint


def bare(hint: Any) -> Any:
    """Return the type in an annotation, without what stands around it or beside it."""
    while get_origin(hint := unqualified(hint)) is Annotated:
        hint = get_args(hint)[0]
    return hint


def text_beside(hint: Any) -> str:
    """Return the text that an annotation has beside its type; empty without one.

    That is the description of a `Field`, else the texts and the `Doc` in `Annotated`. The text on the one alternative of an
    optional value is the value's. A text in an alias (``type City = Annotated[str, "a code"]``) describes what has this type.
    """
    hint = unqualified(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        others = [each for each in args if each is not NoneType]
        return text_beside(others[0]) if len(others) < len(args) and len(others) == 1 else ""
    if origin is not Annotated:
        return ""
    said = [each.description for each in args[1:] if isinstance(each, FieldInfo) and each.description]
    texts = [each.documentation if isinstance(each, Doc | DocInfo) else each for each in args[1:]]
    texts = [inspect.cleandoc(each) for each in texts if isinstance(each, str) and each.strip()]
    return said[-1] if said else "\n".join(texts) or text_beside(args[0])


def _fitted_inside(hint: Any) -> Any:
    """Return a hint with the annotations in it fitted: of items, and of alternatives."""
    origin, args = get_origin(hint), get_args(hint)
    is_union = origin in (Union, UnionType)
    if not is_union and not (isinstance(origin, type) and issubclass(origin, Iterable)):
        return hint
    fit = tuple(map(fitted, args))
    if all(new is old for new, old in zip(fit, args, strict=True)):
        return hint
    if is_union:
        return Union[fit]  # noqa: UP007 - of any number of alternatives
    return hint.copy_with(fit) if hasattr(hint, "copy_with") else origin[fit]


def _as_list(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    checked = check(value)
    return list(checked) if isinstance(value, _HELD) else checked


def _forms(hint: Any) -> list[tuple[Any, Any]]:
    """Return the forms in which a schema lists values and pydantic refuses them, each with the value that it stands for."""
    is_enum = isinstance(hint, type) and issubclass(hint, Enum)
    if not is_enum and get_origin(hint) is not Literal:
        return []
    refused: list[tuple[Any, Any]] = []
    taken: list[Any] = []
    for value in list(hint) if is_enum else get_args(hint):
        plain = value.value if isinstance(value, Enum) else value
        # An enum's values are looked up. Those of a Literal are compared, and most members equal neither a text nor a number.
        if isinstance(plain if is_enum else value, _AS_LISTED):
            taken.append(plain)
        else:
            refused.append((plain, value))
    try:
        shown = [(to_jsonable_python(plain), value) for plain, value in refused]
    except (PydanticSerializationError, ValueError):
        return []  # no schema can list it
    return [(form, value) for form, value in shown if form not in taken]


def _meant(value: Any, forms: Iterable[tuple[Any, Any]]) -> Any:
    """Return the value that this form stands for; anything else as it is."""
    with contextlib.suppress(Exception):  # the code of objects that a list may hold
        return next((meant for form, meant in forms if type(value) is type(form) and value == form), value)
    return value
