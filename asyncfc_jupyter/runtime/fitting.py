"""Annotations as pydantic is to read them, where by itself it would give a function something else than the annotation means.

Only the annotation of a parameter is looked through, with the containers and alternatives in it: the fields of a model are the
model's own, whose class already holds their check.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, PlainValidator, ValidatorFunctionWrapHandler, WrapValidator

#: Where one of these stands, what is checked is no longer what the type alone describes.
_VALIDATORS = (AfterValidator, BeforeValidator, PlainValidator, WrapValidator)
#: What JSON gives, and what tools return, that can be gone through more than once and is in memory as a whole.
_HELD = (list, tuple, set, frozenset, dict)


def fitted(hint: Any) -> Any:
    """Return an annotation under which a function gets what it means.

    An `Iterable` of what is there as a whole is a list, each item checked before the call. By itself pydantic gives an iterator
    that checks as it goes: a second pass and a second attempt find nothing in it, nobody can look at it, and no other process
    can be sent it.
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
    return WrapValidator(_listed) if (get_origin(hint) or hint) is Iterable else None


def _listed(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    checked = check(value)
    return list(checked) if isinstance(value, _HELD) else checked
