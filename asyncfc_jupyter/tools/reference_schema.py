"""A tool's JSON schema with references accepted, and the nulls that models send for parameters they leave out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncfc_jupyter.core.references import REFERENCE_SCHEMA

#: Keywords that hold one schema, a list of them, or schemas by name; in those of the second row each is a value of its own.
_ONE, _LIST, _NAMED = ("items", "additionalProperties"), ("prefixItems",), ("properties", "patternProperties")
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
#: What describes a value rather than limiting it: it stays outside when alternatives are added.
_ABOUT = ("description", "default", "title", "examples", "deprecated")
#: Keywords that may keep a text from being a reference.
_LIMITS_TEXT = frozenset({"enum", "const", "format", "minLength", "maxLength", "contentEncoding"})


def widened(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's schema with a reference accepted wherever a value stands that may not be any text already.

    It accepts what the original accepts, and the same with references in place of values at any depth.
    """
    result: dict[str, Any] = _inside(schema)
    return result


def _widened_value(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    inner = _inside(schema)
    if _takes_any_text(schema):
        return inner
    about = {key: inner.pop(key) for key in _ABOUT if key in inner}
    options = inner.pop("anyOf") if set(inner) == {"anyOf"} else [inner]
    return {**about, "anyOf": [*options, dict(REFERENCE_SCHEMA)]}


def _inside(schema: Any) -> Any:
    """Return a schema with the schema of each part of the value widened."""
    if not isinstance(schema, Mapping):
        return schema
    changed = dict(schema)
    changed |= {key: _widened_value(schema[key]) for key in _ONE if isinstance(schema.get(key), Mapping)}
    changed |= {key: [_widened_value(each) for each in schema[key]] for key in _LIST if key in schema}
    for key in _NAMED:
        if key in schema:
            changed[key] = {name: _widened_value(each) for name, each in schema[key].items()}
    if "$defs" in schema:
        changed["$defs"] = {name: _inside(each) for name, each in schema["$defs"].items()}
    for key in _ALTERNATIVES:
        if key in schema:
            changed[key] = [_inside(each) for each in schema[key]]
    if "oneOf" in changed:  # of widened alternatives more than one may fit
        changed["anyOf"] = changed.pop("oneOf")
        changed.pop("discriminator", None)
    return changed


def _takes_any_text(schema: Mapping[str, Any]) -> bool:
    if not set(schema) - set(_ABOUT):
        return True  # it says nothing, so it takes everything
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return any(_takes_any_text(option) for option in schema[key])
    return (
        schema.get("type") == "string"
        and not _LIMITS_TEXT.intersection(schema)
        and schema.get("pattern") in (None, REFERENCE_SCHEMA["pattern"])
    )


def may_hold_nulls(schema: Any) -> bool:
    """Return whether a value may hold, further in, a null that stands for "not given": where a schema has properties."""
    inside = [schema]
    while inside:
        part = inside.pop()
        if isinstance(part, Mapping):
            if "properties" in part or "$ref" in part:
                return True
            inside += part.values()
        elif isinstance(part, list):
            inside += part
    return False


def without_nulls(value: Any, schema: Any, root: Mapping[str, Any]) -> Any:
    """Return a JSON value without the nulls that stand for "not given": of optional properties that cannot be null.

    Args:
        value: What a model sent; anything but plain dictionaries and lists is returned as it is.
        schema: The original schema of the value.
        root: The schema that holds the definitions.
    """
    schema = _resolved(schema, root)
    if type(value) is list and isinstance(schema.get("items"), Mapping):
        return [without_nulls(item, schema["items"], root) for item in value]
    if type(value) is not dict or "properties" not in schema:
        return value
    properties, required = schema["properties"], schema.get("required", ())
    return {
        key: without_nulls(item, properties.get(key, {}), root)
        for key, item in value.items()
        if not (item is None and key in properties and key not in required and not _may_be_null(properties[key], root))
    }


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of what a value is when it is there, as far as there is just one."""
    while isinstance(schema, Mapping):
        if "$ref" in schema:
            schema = root.get("$defs", {}).get(schema["$ref"].removeprefix("#/$defs/"), {})
            continue
        options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
        if len(options) != 1:
            return schema
        schema = options[0]
    return {}


def _may_be_null(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    if not set(schema) - set(_ABOUT):
        return True
    if "$ref" in schema:
        schema = root.get("$defs", {}).get(schema["$ref"].removeprefix("#/$defs/"), {})
    if any(_may_be_null(option, root) for key in ("anyOf", "oneOf") for option in schema.get(key, ())):
        return True
    return (
        schema.get("type") == "null"
        or None in schema.get("enum", ())
        or ("const" in schema and schema["const"] is None)
    )
