"""What a reference finds inside a result: the data of objects, never their methods.

A step asks an object of any class for a field, a key or an item. The rules, in the order in which they apply:

* A **mapping** has its keys and nothing else. A key that is not text can be written as the text that the model saw for it,
  since JSON has text keys only: ``["3"]`` finds ``3`` and ``[3]`` finds ``"3"``, if only one key has this text. A reference
  never adds a key to a mapping, so a ``defaultdict`` stays as it is.
* A **table** (pandas, polars, pyarrow, a structured array, a database row) has its columns, and then its public data:
  ``.price``, ``["price"]``, ``.shape``. A row of a pandas table is ``.iloc[0]``.
* A **sequence** (list, tuple, array, Series) has items by *position*, from 0, or from -1 at the end. This holds for a pandas
  Series with an integer index too, where pandas itself would take the number for a label: a model counts what it was shown, and
  ``[-1]`` is always the last item. A label is reached by ``["label"]`` or ``.loc[7]``. A set has no positions.
* A **pydantic object** has what its own JSON has (`core.own_json`): computed fields too, excluded ones not. A field that its
  class masks is found masked.
* A **record** (dataclass, named tuple, slots, attrs, any instance) has its public data: fields, attributes and properties. What
  a class defines as callable is a method and is not data. Names that begin with ``_`` are never reached.
* **Modules, classes and Python's own machinery** (functions, generators, frames) have nothing: from there every object of the
  process could be reached.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from enum import Enum
from functools import partial
from typing import Any

from asyncfc_jupyter.core.own_json import Unwritable, own_json
from asyncfc_jupyter.errors import MissingField
from asyncfc_jupyter.foreign_code import ForeignCode, plain_text, type_name
from asyncfc_jupyter.text import count, list_names, shorten, truncate

#: An error lists up to this many names of what an object has, so that it stays one readable line.
_MOST_NAMES = 12
#: Characters shown of one name: a key may be a whole page.
_NAME_CHARACTERS = 40
#: Names among which the nearest to a wrong one is looked for: comparing costs some microseconds each.
_MOST_COMPARED = 500
#: Keys among which one with a certain text is looked for: a mapping may pretend to have no end.
_MOST_KEYS = 1_000_000
#: Fields that models name when they mean the result itself: the names under which it was shown to them.
_THE_RESULT_ITSELF = frozenset({"value", "result", "output", "data", "content", "response", "return_value"})
#: Kinds of class attributes, beside `property` and its subclasses, that are read from an instance as data.
_READ_LIKE_DATA = frozenset({"property", "cached_property", "getset_descriptor", "member_descriptor"})

_NOTHING: Any = object()


def reach_field(value: Any, name: str, where: str) -> Any:
    """Return what the step ``.name`` finds.

    Args:
        value: The object that is asked.
        name: The field's name.
        where: The path of the object, such as ``f1.items[0]``, for the error.

    Raises:
        MissingField: There is no such field, or the object's own code raised; the error says what there is.
    """
    return _reached(partial(_field, value, name), value, name, f"field {_shown(name)!r}", where)


def reach_item(value: Any, key: int | str, where: str) -> Any:
    """Return what the step ``[key]`` finds; see `reach_field`."""
    if isinstance(key, int):
        return _reached(partial(_position, value, key), value, str(key), f"item [{key}]", where)
    return _reached(partial(_field, value, key), value, key, f"key {_shown(key)!r}", where)


def _reached(find: Callable[[], Any], value: Any, name: str, step: str, where: str) -> Any:
    found = _NOTHING
    with ForeignCode() as ran:
        found = find()
    if ran.error is not None:
        raise MissingField(where, step, f"reading it raised {ran.raised}")
    if type(found) is Unwritable:
        raise MissingField(where, step, found.reason)
    if found is _NOTHING:
        raise _missing(value, name, step, where)
    return found


def field_names(value: Any) -> tuple[str, ...]:
    """Return the names of a record's public data: what its class declares, what the instance has, and properties."""
    if (own := own_json(value)) is not None:
        return tuple(own.value) if type(own.value) is dict else field_names(own.value)
    if _closed(value):
        return ()
    names = _own_names(value)
    for kind in type(value).__mro__:
        names |= dict.fromkeys(name for name, attribute in vars(kind).items() if _is_property(attribute))
    return tuple(name for name in names if isinstance(name, str) and not name.startswith("_"))


def has_field(value: Any, name: str) -> bool:
    """Return whether an object lists a key or field of this name, without reading it."""
    with ForeignCode():
        keys = _keys(value)
        return name in (keys if keys is not None else field_names(value))
    return False


def key_text(key: Any) -> str:
    """Return a key of a mapping as the text by which JSON shows it and a reference finds it."""
    if isinstance(key, Enum):
        return key_text(key.value)
    if key is None:
        return "null"
    if isinstance(key, bool):
        return str(key).lower()
    return plain_text(str(key.isoformat()) if hasattr(key, "isoformat") else str(key))


# -- each kind of object ---------------------------------------------------------------------------------------------


def _field(value: Any, name: str) -> Any:
    own = own_json(value)
    if own is not None and type(own.value) is dict:
        return own.value.get(name, own.value.get(own.names.get(name, ""), _NOTHING))
    if own is not None:
        return own.value if name in own.names else _field(own.value, name)
    found = _key(value, name)
    if found is not _NOTHING or isinstance(value, Mapping) or name.startswith("_") or _closed(value):
        return found
    listed = name in _own_names(value)
    attribute = next((vars(kind)[name] for kind in type(value).__mro__ if name in vars(kind)), _NOTHING)
    if not listed and (attribute is _NOTHING or callable(attribute)):
        return _NOTHING
    try:
        found = getattr(value, name)
    except AttributeError:  # declared, and never set
        return _NOTHING
    is_method = not listed and callable(found) and not _is_property(attribute)
    return _NOTHING if is_method else found


def _key(value: Any, key: str) -> Any:
    keys = _keys(value)
    if keys is None:
        return _NOTHING
    with ForeignCode():  # the object's own code decides what it raises for a missing key
        if key in keys:
            return value[key]
        if not isinstance(value, Mapping):
            return _NOTHING
        others = (each for each in itertools.islice(keys, _MOST_KEYS) if not isinstance(each, str))
        same_text = [each for each in others if key_text(each) == key]
        return value[same_text[0]] if len(same_text) == 1 else _NOTHING
    return _NOTHING


def _position(value: Any, position: int) -> Any:
    if (own := own_json(value)) is not None:
        return _position(own.value, position)
    with ForeignCode():  # as above
        if isinstance(value, Mapping):
            return value[position] if position in value else _key(value, str(position))
        if getattr(value, "ndim", None) == 1 and hasattr(value, "iloc"):
            value = value.iloc
        return _NOTHING if isinstance(value, Set) else value[position]
    return _NOTHING


def _keys(value: Any) -> Any:
    """Return the keys of a mapping or the columns of a table; None for any other object."""
    if isinstance(value, Mapping):
        return value.keys()
    if _closed(value) or not hasattr(type(value), "__getitem__"):
        return None
    with ForeignCode():  # a method that happens to have this name
        names = getattr(getattr(value, "dtype", None), "names", None)
        if isinstance(names, tuple):
            return names
        if callable(getattr(value, "keys", None)):
            return value.keys()
        lists = (getattr(value, columns, None) for columns in ("column_names", "columns"))
        return next((names for names in lists if isinstance(names, Sequence)), None)
    return None


def _closed(value: Any) -> bool:
    """Return whether a reference finds no fields in an object, whatever Python would find in it."""
    return isinstance(value, type) or (type(value).__module__ == "builtins" and not isinstance(value, BaseException))


def _own_names(value: Any) -> dict[Any, None]:
    """Return the names that an object's class declares as fields or slots, and those of the instance, in this order."""
    names: dict[Any, None] = {}
    if dataclasses.is_dataclass(value):
        names |= dict.fromkeys(field.name for field in dataclasses.fields(value))
    else:
        for attribute in ("_fields", "__struct_fields__"):
            declared = getattr(type(value), attribute, None)
            if isinstance(declared, tuple):
                names |= dict.fromkeys(declared)
                break
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        names |= dict.fromkeys((slots,) if isinstance(slots, str) else slots)
    return names | dict.fromkeys(getattr(value, "__dict__", ()))


def _is_property(attribute: Any) -> bool:
    return isinstance(attribute, property) or type(attribute).__name__ in _READ_LIKE_DATA


# -- what the error says ---------------------------------------------------------------------------------------------


def _missing(value: Any, name: str, step: str, where: str) -> MissingField:
    own = own_json(value)
    has = _what_it_has(value if own is None else own.value, name)
    if own is not None and name in own.left_out:
        has += f'; its class leaves {name!r} out of its JSON, and only "${where}" as a whole holds it'
    if name in _THE_RESULT_ITSELF and where.isalnum():
        has += f'; the result itself is "${where}"'
    with ForeignCode():
        if step.startswith("item") and hasattr(value, "iloc") and getattr(value, "ndim", None) == 2:
            has += f'; a row is "${where}.iloc[{name}]"'
    return MissingField(where, step, has)


def _what_it_has(value: Any, wanted: str) -> str:
    kind = type(value)
    with ForeignCode():
        if isinstance(value, str | bytes | bytearray):
            return f"it is text of {len(value)} characters" if isinstance(value, str) else f"it is {len(value)} bytes"
        keys = _keys(value)
        if keys is not None and (len(keys) or isinstance(value, Mapping)):
            return f"it has: {_listing(keys, wanted)}" if len(keys) else "it is empty"
        scalar = getattr(value, "shape", None) == ()
        counted = hasattr(kind, "__getitem__") and hasattr(kind, "__len__") and not scalar
        names = () if scalar else field_names(value)
        if names and (hasattr(value, "_fields") or not counted):
            return f"it has: {_listing(names, wanted)}"
        if counted:
            last = len(value) - 1
            positions = f"0 to {last}" if last else "0"
            return f"it has {count(last + 1, 'item')} ({positions})" if last >= 0 else "it is empty"
        unordered = ", whose items have no order" if isinstance(value, Set) else ""
        return f"it has nothing to refer to (it is a {type_name(value)}{unordered})"
    return f"it is a {type_name(value)}"


def _listing(names: Collection[Any], wanted: str) -> str:
    """Return the names on one line, those nearest to the wanted one first."""
    texts = [key_text(name) for name in itertools.islice(names, _MOST_COMPARED)]
    by_lower = {text.lower(): text for text in reversed(texts)}
    nearest = [by_lower[each] for each in difflib.get_close_matches(wanted.lower(), by_lower)]
    return list_names(map(_shown, dict.fromkeys((*nearest, *texts))), _MOST_NAMES, len(names))


def _shown(name: str) -> str:
    return shorten(name, _NAME_CHARACTERS) or truncate(repr(name), _NAME_CHARACTERS)
