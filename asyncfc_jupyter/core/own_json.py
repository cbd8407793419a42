"""What the class of a pydantic object writes as its JSON: this, and nothing else, is shown of it and found by references.

A class says with its serialization what leaves the program: computed fields are added, excluded ones left out, and a serializer
may mask a value. A model sees that JSON, so a step of a reference finds that JSON too:

* **A field is the object itself** where its JSON is what any object of its kind has: a date stays a date, a model a model.
* **A field that a serializer changes is what the serializer returned**, also for a reference: passing the original on by
  ``$f1.iban`` would send it to the server as soon as a tool repeats it. ``$f1`` passes the whole object, as it is.
* **A field that cannot be written** is not there, and the reason is shown. It is never replaced by its unmasked value.
* **A name** is the one of the JSON. A reference accepts the field's name and its alias for serialization.

The library is not imported: its serializers are found at the class. The same holds for models of pydantic 1. Iterators are not
consumed, although the JSON of a class would do that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any

from asyncfc_jupyter.foreign_code import ForeignCode, type_name

_NOTHING: Any = object()
#: Items of a container among which a pydantic object is looked for.
_MOST_LOOKED_AT = 1_000
_SCALARS = (str, int, float, bool, bytes, type(None))
#: What shows a name, and nothing of what the object holds. Through a module all of a program could be reached, and to look at
#: an object may run its code.
_SHOW_NAMES = (object.__repr__, type.__repr__, FunctionType.__repr__, ModuleType.__repr__)


class Unwritable:
    """Stands for a value that its class cannot write as JSON."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnJson:
    """An object as its class writes it."""

    #: Its fields by name; of a class whose JSON is not an object, such as a root model, any other value.
    value: Any
    #: Further names of fields, each with the one that `value` has; of a root model, the names of the whole.
    names: Mapping[str, str] = field(default_factory=dict)
    #: Names in `value` that the class hides from its repr: they can be passed on, and are not shown.
    hidden: frozenset[str] = frozenset()
    #: Names of fields that its JSON leaves out.
    left_out: frozenset[str] = frozenset()


def own_json(value: Any) -> OwnJson | None:
    """Return what the class of a pydantic object writes as JSON; None for an object of any other class."""
    version = _version(value)
    if not version:
        return None
    with ForeignCode() as ran:
        return _Written(value).own_json() if version == 2 else _of_version_1(value)
    return OwnJson(value=_unwritable(ran))


def holds_own_json(value: Any, levels: int = 4) -> bool:
    """Return whether a value holds a pydantic object, so that its repr may show what the JSON of that object masks.

    Args:
        value: Any value. Of a long container, the beginning is looked at, which is all that a repr is shown of.
        levels: Levels of attributes and items that are looked at.
    """
    if type(value) in _SCALARS:
        return False
    if _version(value) or not levels:
        return bool(levels)
    with ForeignCode():
        shown_by = next(vars(each)["__repr__"] for each in type(value).__mro__ if "__repr__" in vars(each))
        if any(shown_by is each for each in _SHOW_NAMES):
            return False
        if isinstance(value, Mapping):
            inside: Any = value.values()
        elif isinstance(value, list | tuple | set | frozenset):
            inside = value
        else:
            inside = getattr(value, "__dict__", {}).values()
        return any(holds_own_json(item, levels - 1) for item in islice(inside, _MOST_LOOKED_AT))
    return False


def _version(value: Any) -> int:
    """Return the version of pydantic that an object is of; 0 for an object of any other class."""
    with ForeignCode():
        # Looked up without code of a metaclass, which may return something for every name.
        classes = type(value).__mro__[:-1]
        if any("__pydantic_serializer__" in vars(each) for each in classes):
            return 2
        if any("__json_encoder__" in vars(each) and "__fields__" in vars(each) for each in classes):
            return 1
    return 0


def _unwritable(ran: ForeignCode) -> Unwritable:
    return Unwritable(f"writing it as JSON raised {ran.raised}")


def declared_fields(kind: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what a class of pydantic 2 declares: its fields and its computed fields, by name."""
    fields: Mapping[str, Any] = getattr(kind, "__pydantic_fields__", None) or {}
    decorated = getattr(
        kind, "__pydantic_decorators__", None
    )  # a dataclass of the library has computed fields here only
    return fields, {name: each.info for name, each in getattr(decorated, "computed_fields", {}).items()}


def json_names(kind: Any) -> dict[str, str]:
    """Return the fields of a class of pydantic 2 and the computed ones, each with its name in the JSON."""
    config = getattr(kind, "model_config", None) or getattr(kind, "__pydantic_config__", None) or {}
    return {name: alias if config.get("serialize_by_alias") else name for name, alias in _aliases(kind).items()}


def _aliases(kind: Any) -> dict[str, str]:
    fields, computed = declared_fields(kind)
    aliases = {}
    for name in (*fields, *computed):
        info = fields.get(name) or computed[name]
        aliases[name] = str(getattr(info, "serialization_alias", None) or getattr(info, "alias", None) or name)
    return aliases


class _Unknown:
    """Names objects that JSON has no form for: one object has one name."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, str]] = {}

    def __call__(self, value: Any) -> str:
        name = f"<{type_name(value)} {len(self._seen) + 1}>"
        return self._seen.setdefault(id(value), (value, name))[1]


class _Written:
    """One object of pydantic 2, while it is written."""

    def __init__(self, value: Any) -> None:
        self._value, self._kind, self._unknown = value, type(value), _Unknown()
        self._fields, self._computed = declared_fields(self._kind)
        #: Fields that hold an iterator, which writing them would consume.
        self._held = {name for name in self._fields if _holds_iterator(self._attribute(name), set())}

    def own_json(self) -> OwnJson:
        aliases, names = _aliases(self._kind), json_names(self._kind)
        others = {alias: shown for name, shown in names.items() for alias in (name, aliases[name]) if alias != shown}
        written = self._write(exclude=self._held)
        if getattr(self._kind, "__pydantic_root_model__", False):
            return OwnJson(value=self._real(self._attribute("root"), written), names={"root": ""})
        if isinstance(written, Unwritable):
            written = self._one_by_one(names)
        if type(written) is not dict:
            return OwnJson(value=written)
        fields: dict[str, str] = {alias: name for name, alias in names.items()}
        shown: dict[str, Any] = {}
        for name, item in written.items():
            shown[name] = self._real(self._attribute(fields.get(str(name), str(name))), item)
        shown |= {names[name]: self._attribute(name) for name in self._held if self._is_plain(name)}
        hidden = frozenset(names[name] for name in names if self._info(name).repr is False)
        return OwnJson(
            value=shown,
            names=others,
            hidden=hidden,
            left_out=frozenset(name for name in names if names[name] not in shown),
        )

    def _info(self, name: str) -> Any:
        return self._fields.get(name) or self._computed[name]

    def _attribute(self, name: str) -> Any:
        with ForeignCode():
            return getattr(self._value, name)
        return _NOTHING

    def _is_plain(self, name: str) -> bool:
        """Return whether a field that holds an iterator is shown as it is: its class neither excludes nor serializes it."""
        decorated, field = self._kind.__pydantic_decorators__, self._fields[name]
        serialized = {each for one in decorated.field_serializers.values() for each in one.info.fields}
        return not (decorated.model_serializers or serialized & {name, "*"} or field.exclude or field.metadata)

    def _write(self, **which: Any) -> Any:
        with ForeignCode() as ran:
            serializer: Any = self._kind.__pydantic_serializer__
            return serializer.to_python(self._value, mode="json", warnings=False, fallback=self._unknown, **which)
        return _unwritable(ran)

    def _one_by_one(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields that can be written, for a class that cannot be written as a whole."""
        written = {}
        for name, shown in names.items():
            if name not in self._held and not getattr(self._info(name), "exclude", False):
                one = self._write(include={name})
                if isinstance(one, Unwritable):
                    written[shown] = one
                elif shown in one:
                    written[shown] = one[shown]
        return written

    def _real(self, attribute: Any, written: Any) -> Any:
        """Return an attribute itself if it is written as any object of its kind is, else what its class made of it."""
        if attribute is written or attribute is _NOTHING or isinstance(written, Unwritable):
            return written
        with ForeignCode():
            kind: Any = type(self._kind.__pydantic_serializer__)
            plain = _plain_serializer(kind)
            if plain.to_python(attribute, mode="json", warnings=False, fallback=self._unknown) == written:
                return attribute
        return written


@cache
def _plain_serializer(kind: Any) -> Any:
    """Return a serializer that writes any object as its own type says."""
    return kind({"type": "any"})


def _of_version_1(value: Any) -> OwnJson:
    fields, held = type(value).__fields__, vars(value)
    written = json.loads(value.json())
    if not isinstance(written, dict):
        return OwnJson(value=written)
    shown = {}
    for name, item in written.items():
        shown[name], attribute = item, held.get(name, _NOTHING)
        with ForeignCode():
            # Encoders of other types may be the class's own, so that only such a model, and what JSON itself has, is kept.
            if (json.loads(attribute.json()) if hasattr(type(attribute), "__fields__") else attribute) == item:
                shown[name] = attribute
    hidden = frozenset(name for name, field in fields.items() if field.field_info.repr is False)
    return OwnJson(value=shown, hidden=hidden, left_out=frozenset(fields) - shown.keys())


def _holds_iterator(value: Any, seen: set[int]) -> bool:
    """Return whether a value is or holds an iterator, in containers, models and dataclasses."""
    if type(value) in _SCALARS:
        return False
    if isinstance(value, Iterator):
        return True
    if id(value) in seen:
        return False
    seen.add(id(value))
    inside: Any = ()
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, Sequence | Set) and not isinstance(value, str | bytes | bytearray | memoryview):
        inside = value
    elif hasattr(type(value), "__pydantic_serializer__") or is_dataclass(value):
        inside = vars(value).values()
    return any(_holds_iterator(item, seen) for item in inside)
