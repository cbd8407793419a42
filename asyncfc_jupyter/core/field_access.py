"""What a reference finds inside a result: the data of objects, never their methods.

A step asks an object of unknown make for a field, a key or an item. The rules, in the order in which they apply:

* A **mapping** has its keys and nothing else. A key that is not text answers to the text a model was shown for it,
  since JSON has text keys only: ``["3"]`` finds ``3`` and ``[3]`` finds ``"3"``, when just one key reads so. Nothing is
  ever added to a mapping by being asked, so a ``defaultdict`` stays as it is.
* A **table** (pandas, polars, pyarrow, a structured array, a database row) has its columns, and then its public data:
  ``.price``, ``["price"]``, ``.shape``. A row of a pandas table is ``.iloc[0]``.
* A **sequence** (list, tuple, array, Series) has items by *position*, from 0, or from -1 at the end. That goes for a
  pandas Series with an integer index too, where pandas itself would take the number for a label: a model counts what it
  was shown, and ``[-1]`` is the last item of everything. A label is reached by ``["label"]`` or ``.loc[7]``. A set has
  no positions.
* A **record** (dataclass, pydantic model, named tuple, slots, attrs, any instance) has its public data: fields,
  attributes and properties. What a class defines as callable is a method and is not data. Nothing that begins with
  ``_`` is reached.
* **Modules, classes and Python's own machinery** (functions, generators, frames) have nothing: from there a way leads
  to everything in the process.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from enum import Enum
from typing import Any

from asyncfc_jupyter.errors import MissingField
from asyncfc_jupyter.text import list_names, shorten, truncate

#: Names of what an object has are listed in an error up to this many, so that it stays one readable line.
_MOST_NAMES = 12
#: Characters shown of one name: a key may be a whole page.
_NAME_CHARACTERS = 40
#: Names among which the nearest to a wrong one is looked for: comparing costs some microseconds each.
_MOST_COMPARED = 500
#: What models ask a future for when they mean its result: the names under which they were shown it.
_THE_RESULT_ITSELF = frozenset({"value", "result", "output", "data", "content", "response", "return_value"})

#: Kinds of class attributes, beside `property` and its subclasses, that are there to be read from an instance.
_READ_LIKE_DATA = frozenset({"property", "cached_property", "getset_descriptor", "member_descriptor"})

_NOTHING: Any = object()


def reach_field(value: Any, name: str, where: str) -> Any:
    """Return what the step ``.name`` finds.

    Args:
        value: The object that is asked.
        name: The field's name.
        where: The way to the object, such as ``f1.items[0]``, for the error.

    Raises:
        MissingField: There is no such field, or the object's own code raised; the error says what there is.
    """
    found = _field(value, name, where)
    if found is _NOTHING:
        raise _missing(value, name, f"field {_quoted(name)}", where)
    return found


def reach_item(value: Any, key: int | str, where: str) -> Any:
    """Return what the step ``[key]`` finds; see `reach_field`."""
    found = _position(value, key) if isinstance(key, int) else _key(value, key)
    if found is _NOTHING and isinstance(key, str):
        found = _field(value, key, where)
    if found is _NOTHING:
        step = f"item [{key}]" if isinstance(key, int) else f"key {_quoted(key)}"
        raise _missing(value, str(key), step, where)
    return found


def field_names(value: Any) -> tuple[str, ...]:
    """Return the names of a record's public data: what its class declares, what the instance has, and properties."""
    if _closed(value):
        return ()
    names = dict.fromkeys((*_declared(value), *_slots(value), *getattr(value, "__dict__", ())))
    for kind in type(value).__mro__:
        names |= dict.fromkeys(name for name, attribute in vars(kind).items() if _is_property(attribute))
    return tuple(name for name in names if isinstance(name, str) and not name.startswith("_"))


def has_field(value: Any, name: str) -> bool:
    """Return whether an object lists a key or field of this name, without asking for it."""
    try:
        keys = _keys(value)
        return name in keys if keys is not None else name in field_names(value)
    except Exception:  # noqa: BLE001 - the object's own code
        return False


def key_text(key: Any) -> str:
    """Return a key of a mapping as the text by which JSON shows it and a reference finds it."""
    if isinstance(key, Enum):
        return key_text(key.value)
    if key is None:
        return "null"
    if isinstance(key, bool):
        return str(key).lower()
    return str(key.isoformat()) if hasattr(key, "isoformat") else str(key)


# -- how each kind of object is asked --------------------------------------------------------------------------------


def _field(value: Any, name: str, where: str) -> Any:
    found = _key(value, name)
    if found is not _NOTHING or isinstance(value, Mapping) or name.startswith("_") or _closed(value):
        return found
    listed = name in _declared(value) or name in _slots(value) or name in getattr(value, "__dict__", ())
    attribute = _of_class(value, name)
    if not listed and (attribute is _NOTHING or callable(attribute)):
        return _NOTHING
    try:
        found = getattr(value, name)
    except AttributeError:  # declared, and never set
        return _NOTHING
    except Exception as error:  # noqa: BLE001 - a property is the object's own code
        raise MissingField(where, f"field {_quoted(name)}", f"reading it raised {type(error).__name__}") from None
    bound = not listed and callable(found) and not _is_property(attribute)
    return _NOTHING if bound else found


def _key(value: Any, key: str) -> Any:
    keys = _keys(value)
    if keys is None:
        return _NOTHING
    try:
        if key in keys:
            return value[key]
        if not isinstance(value, Mapping):
            return _NOTHING
        alike = [each for each in keys if not isinstance(each, str) and key_text(each) == key]
        return value[alike[0]] if len(alike) == 1 else _NOTHING
    except Exception:  # noqa: BLE001 - the object's own code decides what it raises where there is nothing
        return _NOTHING


def _position(value: Any, position: int) -> Any:
    try:
        if isinstance(value, Mapping):
            return value[position] if position in value else _key(value, str(position))
        if getattr(value, "ndim", None) == 1 and hasattr(value, "iloc"):
            value = value.iloc
        return _NOTHING if isinstance(value, Set) else value[position]
    except Exception:  # noqa: BLE001 - as above
        return _NOTHING


def _keys(value: Any) -> Any:
    """Return the keys of a mapping or the columns of a table, to be searched; None where there are none."""
    if isinstance(value, Mapping):
        return value.keys()
    if _closed(value) or not hasattr(type(value), "__getitem__"):
        return None
    try:
        return _columns(value)
    except Exception:  # noqa: BLE001 - a method that happens to be called so
        return None


def _columns(value: Any) -> Any:
    names = getattr(getattr(value, "dtype", None), "names", None)
    if isinstance(names, tuple):
        return names
    if callable(getattr(value, "keys", None)):
        return value.keys()
    lists = (getattr(value, columns, None) for columns in ("column_names", "columns"))
    return next((names for names in lists if isinstance(names, Sequence)), None)


def _closed(value: Any) -> bool:
    """Return whether an object has no fields for a reference, whatever Python would find in it."""
    return isinstance(value, type) or (type(value).__module__ == "builtins" and not isinstance(value, BaseException))


def _declared(value: Any) -> Iterable[str]:
    if dataclasses.is_dataclass(value):
        return tuple(field.name for field in dataclasses.fields(value))
    kind = type(value)
    for declared in ("model_fields", "_fields", "__struct_fields__"):
        names = getattr(kind, declared, None)
        if isinstance(names, Mapping | tuple):
            extra = getattr(value, "model_extra", None) if declared == "model_fields" else None
            return (*names, *(extra or ()))
    return ()


def _slots(value: Any) -> Iterator[str]:
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


def _of_class(value: Any, name: str) -> Any:
    return next((vars(kind)[name] for kind in type(value).__mro__ if name in vars(kind)), _NOTHING)


def _is_property(attribute: Any) -> bool:
    return isinstance(attribute, property) or type(attribute).__name__ in _READ_LIKE_DATA


# -- what the error says ---------------------------------------------------------------------------------------------


def _missing(value: Any, name: str, step: str, where: str) -> MissingField:
    has = _what_it_has(value, name)
    if name in _THE_RESULT_ITSELF and where.isalnum():
        has += f'; the result itself is "${where}"'
    if step.startswith("item") and hasattr(value, "iloc") and getattr(value, "ndim", None) == 2:
        has += f'; a row is "${where}.iloc[{name}]"'
    return MissingField(where, step, has)


def _what_it_has(value: Any, wanted: str) -> str:
    if isinstance(value, str | bytes | bytearray):
        return f"it is text of {len(value)} characters" if isinstance(value, str) else f"it is {len(value)} bytes"
    try:
        keys = _keys(value)
        if keys is not None and (len(keys) or isinstance(value, Mapping)):
            return f"it has: {_listing(keys, len(keys), wanted)}" if len(keys) else "it is empty"
        names = () if getattr(value, "shape", None) == () else field_names(value)
        if names and (hasattr(value, "_fields") or not _counts(value)):
            return f"it has: {_listing(names, len(names), wanted)}"
        if _counts(value):
            return _items(len(value))
    except Exception:  # noqa: BLE001 - an object that cannot even say what it has
        return f"it is a {type(value).__name__}"
    unordered = ", whose items have no order" if isinstance(value, Set) else ""
    return f"it has nothing to refer to (it is a {type(value).__name__}{unordered})"


def _counts(value: Any) -> bool:
    return (
        hasattr(type(value), "__getitem__") and hasattr(type(value), "__len__") and getattr(value, "shape", None) != ()
    )


def _items(count: int) -> str:
    if count == 0:
        return "it is empty"
    return f"it has {count} items (0 to {count - 1})" if count > 1 else "it has 1 item (0)"


def _listing(names: Iterable[Any], count: int, wanted: str) -> str:
    """Return the names in one line, those nearest to what was wanted first."""
    texts = [key_text(name) for _, name in zip(range(_MOST_COMPARED), names, strict=False)]
    by_lower = {text.lower(): text for text in reversed(texts)}
    nearest = [by_lower[each] for each in difflib.get_close_matches(wanted.lower(), by_lower)]
    return list_names(map(_cut, dict.fromkeys((*nearest, *texts))), _MOST_NAMES, count)


def _cut(name: str) -> str:
    return shorten(name, _NAME_CHARACTERS) or truncate(repr(name), _NAME_CHARACTERS)


def _quoted(name: str) -> str:
    return repr(_cut(name))
