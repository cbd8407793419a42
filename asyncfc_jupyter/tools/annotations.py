"""Annotations as pydantic is to read them, where by itself it would give a function something else than the annotation means.

Only the annotation of a parameter is looked through, with the containers and alternatives in it: the fields of a model are the
model's own, whose class already holds their check.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, PlainValidator, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticSerializationError, to_jsonable_python

#: Where one of these stands, what is checked is no longer what the type alone describes.
_VALIDATORS = (AfterValidator, BeforeValidator, PlainValidator, WrapValidator)
#: What JSON gives, and what tools return, that can be gone through more than once and is in memory as a whole.
_HELD = (list, tuple, set, frozenset, dict, str)
#: What JSON has itself: pydantic takes it as it is listed.
_AS_LISTED = (str, int, float, NoneType)


def fitted(hint: Any) -> Any:
    """Return an annotation under which a function gets what it means.

    An `Iterable` of what is there as a whole is a list, each item checked before the call. By itself pydantic gives an iterator
    that checks as it goes: a second pass and a second attempt find nothing in it, nobody can look at it, and no other process
    can be sent it.

    An enum or a `Literal` takes each value in the form in which its schema lists it. By itself pydantic lists a date as text, a
    tuple as a list and a member as its value, and refuses exactly these.
    """
    base, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    inside = _inside(base)
    check = _check(inside)
    if check is not None:
        # Behind limits, which are of the type itself and stand in its schema, and inside of what anybody else checks.
        at = next((n for n, each in enumerate(metadata) if isinstance(each, _VALIDATORS)), len(metadata))
        metadata.insert(at, check)
    elif inside is base:
        return hint
    return Annotated[(inside, *metadata)] if metadata else inside


def _inside(hint: Any) -> Any:
    """Return a hint with the annotations in it fitted: of items, and of alternatives."""
    origin, args = get_origin(hint), get_args(hint)
    is_union = origin in (Union, UnionType)
    if not is_union and not (isinstance(origin, type) and issubclass(origin, Iterable)):
        return hint
    fit = tuple(map(fitted, args))
    if all(new is old for new, old in zip(fit, args, strict=True)):
        return hint
    if is_union:
        return Union[fit]  # noqa: UP007 - of as many as there are
    return hint.copy_with(fit) if hasattr(hint, "copy_with") else origin[fit]


def _check(hint: Any) -> Any:
    """Return what else is to be done with a value of this type, or None."""
    if (get_origin(hint) or hint) is Iterable:
        return WrapValidator(_listed)
    forms = _forms(hint)
    return BeforeValidator(lambda value: _meant(value, forms)) if forms else None


def _listed(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    checked = check(value)
    return list(checked) if isinstance(value, _HELD) else checked


def _forms(hint: Any) -> list[tuple[Any, Any]]:
    """Return the forms in which a schema lists values and pydantic does not take them, each with the value that is meant."""
    is_enum = isinstance(hint, type) and issubclass(hint, Enum)
    if not is_enum and get_origin(hint) is not Literal:
        return []
    values = list(hint) if is_enum else get_args(hint)
    plain = [each.value if isinstance(each, Enum) else each for each in values]
    # An enum's values are looked up; those of a Literal are compared, and a member of most enums equals no text and no number.
    taken = [isinstance(each, _AS_LISTED) for each in (plain if is_enum else values)]
    as_they_are = [each for each, is_taken in zip(plain, taken, strict=True) if is_taken]
    try:
        shown = [
            (to_jsonable_python(each), value)
            for each, value, is_taken in zip(plain, values, taken, strict=True)
            if not is_taken
        ]
    except (PydanticSerializationError, ValueError):
        return []  # no schema can list it
    return [(form, value) for form, value in shown if form not in as_they_are]


def _meant(value: Any, forms: Iterable[tuple[Any, Any]]) -> Any:
    """Return the value that is listed in this form; anything else as it is."""
    with contextlib.suppress(Exception):  # the code of objects that a list may hold
        return next((meant for form, meant in forms if type(value) is type(form) and value == form), value)
    return value
