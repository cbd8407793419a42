"""The nulls that models send for parameters that they leave out.

Many models were trained on schemas in which every parameter is required, and null stands for "not given". Such a null is left
out where the property is optional and its schema has no null, at any depth.

Where a value may be of several kinds, the kinds that it cannot be are passed over first: those without a property that it has,
those that need one that it lacks, those that list other values. Of the kinds that are left, one that takes the null keeps it.
The value is not validated for that: a validator of the user's own runs once for each call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from asyncfc_jupyter.tools.reference_schema import DESCRIPTIVE

#: Types of a schema that a JSON value may have, by its Python type. A text may be read as any single value, and a number as
#: a date, so that only objects and lists differ from everything else.
_SINGLE = frozenset({"string", "number", "integer", "boolean"})
_CAN_BE: Mapping[type, frozenset[str]] = {
    dict: frozenset({"object"}),
    list: frozenset({"array"}),
    type(None): frozenset({"null"}),
    **dict.fromkeys((str, int, float, bool), _SINGLE),
}
#: The schema of any value.
_ANYTHING: Mapping[str, Any] = {}
#: Keywords under which a schema lists alternatives, or parts that hold together.
_SEVERAL = ("anyOf", "oneOf", "allOf")


class OptionalNulls:
    """Leaves out the nulls that stand for "not given" in the values of one schema.

    Args:
        root: The schema that holds the definitions, without references to futures accepted.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._definitions: Mapping[str, Any] = root.get("$defs", {})
        self._root = root
        #: By the identity of a schema, its kinds: it is asked for those of one schema for each item of a list.
        self._kinds: dict[int, tuple[Mapping[str, Any], ...]] = {}

    def without(self, value: Any, schema: Any = None) -> Any:
        """Return a JSON value without these nulls; anything but plain dictionaries and lists as it is.

        Args:
            value: What a model sent, with references replaced by values.
            schema: The schema of the value; the whole one by default.
        """
        return self._without(value, self._kinds_of(self._root if schema is None else schema), {})

    def may_be_inside(self, schema: Any) -> bool:
        """Return whether the parts of a value may be such nulls: whether an object with properties may be in it."""
        inside, seen = [schema], set[int]()
        while inside:
            part = inside.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            if isinstance(part, list):
                inside += part
            elif isinstance(part, Mapping):
                if "properties" in part or (
                    "prefixItems" in part and part.get("minItems", 0) < len(part["prefixItems"])
                ):
                    return True
                inside += [*part.values(), *self._kinds_of(part)]
        return False

    def _without(self, value: Any, kinds: Sequence[Mapping[str, Any]], found: dict[tuple[int, int], bool]) -> Any:
        if len(kinds) > 1:
            kinds = [kind for kind in kinds if self._can_be(value, kind, found)] or kinds
        if type(value) is list:
            kept = len(value)
            # A null at the end of a named tuple; before its end there is no way to leave one out.
            while kept and value[kept - 1] is None and self._is_left_out(kept - 1, kinds):
                kept -= 1
            parts = ((n, self._kinds_of_part(n, kinds)) for n in range(kept))
            return [self._without(value[n], inside, found) if inside else value[n] for n, inside in parts]
        if type(value) is not dict:
            return value
        return {
            key: self._without(item, self._kinds_of_part(key, kinds), found)
            for key, item in value.items()
            if item is not None or not self._is_left_out(key, kinds)
        }

    def _is_left_out(self, key: Any, kinds: Iterable[Mapping[str, Any]]) -> bool:
        """Return whether a null means "not given": to each kind that knows the property, and to one at least."""
        meant = [self._means_nothing(key, kind) for kind in kinds if any(True for _ in _parts(key, kind))]
        return bool(meant) and all(meant)

    def _means_nothing(self, key: Any, kind: Mapping[str, Any]) -> bool:
        """Return whether a kind lets a property, or an item by its position, be missing and not be null."""
        optional = key in kind.get("properties", ()) and key not in kind.get("required", ())
        if isinstance(key, int):
            optional = kind.get("minItems", 0) <= key < len(kind.get("prefixItems", ()))
        return optional and not any(map(_takes_null, self._kinds_of_part(key, (kind,))))

    def _can_be(self, value: Any, kind: Mapping[str, Any], found: dict[tuple[int, int], bool]) -> bool:
        """Return whether a value may be of a kind, as far as JSON says; the user's own validators may refuse it still.

        Args:
            value: The value.
            kind: The kind.
            found: By their identities, what has been found of others: else the time for a tree of two kinds of nodes would
                double with each level.
        """
        if type(value) not in _CAN_BE:
            return True
        listed = [kind["const"]] if "const" in kind else kind.get("enum")
        types = kind.get("type", ())
        types = {types} if isinstance(types, str) else set(types)
        if listed is not None or (types and not types & _CAN_BE[type(value)]):
            return listed is not None and value in listed
        if (id(value), id(kind)) not in found:
            found[id(value), id(kind)] = True  # within itself
            parts = self._parts_of(value, kind)
            known = ((item, self._kinds_of_part(key, (kind,))) for key, item in (parts or {}).items())
            found[id(value), id(kind)] = parts is not None and all(
                not inside or any(self._can_be(item, each, found) for each in inside) for item, inside in known
            )
        return found[id(value), id(kind)]

    def _parts_of(self, value: Any, kind: Mapping[str, Any]) -> Mapping[Any, Any] | None:
        """Return the parts of an object or a list without meaningless nulls; None if a kind lacks or needs another key."""
        if type(value) is not dict:
            return dict(enumerate(value)) if type(value) is list else {}
        if kind.get("additionalProperties") is False and not value.keys() <= kind.get("properties", {}).keys():
            return None
        parts = {key: item for key, item in value.items() if item is not None or not self._means_nothing(key, kind)}
        return parts if parts.keys() >= set(kind.get("required", ())) else None

    def _kinds_of_part(self, key: Any, kinds: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
        found = (inside for kind in kinds for part in _parts(key, kind) for inside in self._kinds_of(part))
        return tuple({id(each): each for each in found}.values())  # of two kinds, a part may be of the same ones

    def _kinds_of(self, schema: Any) -> tuple[Mapping[str, Any], ...]:
        """Return the alternatives of a schema, with definitions looked up: mappings that hold no further ones."""
        if not isinstance(schema, Mapping):
            return (_ANYTHING,) if schema is True else ()
        if id(schema) not in self._kinds:
            self._kinds[id(schema)] = ()  # while its own are looked up, which may lead back to it
            found: list[Mapping[str, Any]] = []
            if "$ref" in schema:
                found += self._kinds_of(self._definitions.get(schema["$ref"].removeprefix("#/$defs/")))
            for part in (part for keyword in _SEVERAL for part in schema.get(keyword, ())):
                found += self._kinds_of(part)
            if not schema.keys() & {"$ref", *_SEVERAL}:
                found.append(schema)
            self._kinds[id(schema)] = tuple(found)
        return self._kinds[id(schema)]


def _takes_null(kind: Mapping[str, Any]) -> bool:
    if "const" in kind or "enum" in kind:
        return None in [kind.get("const", ...), *kind.get("enum", ())]
    return not kind.keys() - DESCRIPTIVE or "null" in (kind.get("type"), *kind.get("type", ()))


def _parts(key: Any, kind: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the schema that a kind of object has for a key, or a kind of list for a position."""
    if isinstance(key, str):
        if key in kind.get("properties", ()):
            yield kind["properties"][key]
        elif "patternProperties" in kind:
            yield from kind["patternProperties"].values()
        elif "additionalProperties" in kind and kind["additionalProperties"] is not False:
            yield kind["additionalProperties"]
    elif isinstance(key, int):
        ahead = kind.get("prefixItems", ())
        if key < len(ahead):
            yield ahead[key]
        elif "items" in kind:
            yield kind["items"]
