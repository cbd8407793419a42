"""What a model would write for a value: the whole JSON form of which it was shown a part or all.

A result may be passed by reference to a parameter of another type: a path, which the model saw as text, to a text; a record,
which it saw as an object, to a mapping. The object itself is tried first. If it does not fit, its written form is, so that a
reference gives what the same value written out would give.

Beside what is shown as JSON, a record of attrs is written as an object, and an array or a column as a list. One whose items
have texts as labels, such as a row of a table, may be meant as an object too. A masked field is written as its mask, which is
what was shown. What has no such form, such as a table or an open file, is passed as the object that it is or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.values.describe import has_attributes, shape_of
from asyncfc_jupyter.values.summarize import json_form

#: Characters and items that are written at most: far more than a model would write, and a fraction of a second.
_MOST_WRITTEN = 10_000_000
_SINGLE = (str, bool, int, type(None))


def written_out(value: Any) -> Iterator[Any]:
    """Yield each JSON form of a value, the likelier first; nothing if it has none, or is written so already."""
    if _is_json(value):
        return
    arrays: list[Any] = []
    form = _form(value, arrays, labelled=False)
    if form is not None:
        yield form[0]
    if any(map(_labels, arrays)) and (form := _form(value, [], labelled=True)):
        yield form[0]


def _form(value: Any, arrays: list[Any], *, labelled: bool) -> tuple[Any] | None:
    """Return a value's JSON form in a tuple, or None.

    Args:
        value: The value.
        arrays: Takes the arrays that the value holds.
        labelled: Whether an array with a text for each item is written as an object.
    """

    def opened(part: Any) -> Any:
        if has_attributes(type(part), "__attrs_attrs__"):
            # A field with a repr of its own hides what it holds.
            return {each.name: getattr(part, each.name) for each in part.__attrs_attrs__ if each.repr is True}
        if not has_attributes(part, "tolist") or math.prod(shape_of(part) or (math.inf,)) > _MOST_WRITTEN:
            return part
        arrays.append(part)
        labels = _labels(part) if labelled else []
        return dict(zip(labels, part.tolist(), strict=True)) if labels else part.tolist()

    with ForeignCode():  # also where it has no such form
        return (json_form(value, [_MOST_WRITTEN], opened=opened),)
    return None


def _labels(array: Any) -> list[str]:
    """Return the texts that name the items of an array, each another; none if there are no such texts."""
    with ForeignCode():
        if has_attributes(array, "index", "tolist") and has_attributes(array.index, "tolist"):
            labels = array.index.tolist()
            if all(isinstance(label, str) for label in labels) and len(set(labels)) == len(labels):
                return list(labels)
    return []


def _is_json(value: Any) -> bool:
    """Return whether a value is what a parser of JSON returns."""
    inside, seen = [value], set[int]()
    while inside:
        each = inside.pop()
        kind = type(each)
        if kind in _SINGLE or id(each) in seen:
            continue
        seen.add(id(each))
        if kind is dict and all(type(key) is str for key in each):
            inside += each.values()
        elif kind is list:
            inside += each
        elif kind is not float or not math.isfinite(each):
            return False
    return True
