"""Rewriting a tool's JSON schema for those who read it: a model that may write references, and servers with a strict mode.

Both take the schema that the function's signature gives and leave it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from asyncfc_jupyter.core.references import REFERENCE_SCHEMA

#: Keywords that hold one schema, a list of them, or schemas by name; in those of the second row each is a value of its own.
_ONE, _LIST, _NAMED = ("items", "additionalProperties"), ("prefixItems",), ("properties", "patternProperties")
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
#: What describes a value rather than limiting it: it stays outside when alternatives are added.
_ABOUT = ("description", "default", "title", "examples", "deprecated")
#: Keywords that may keep a text from being a reference.
_LIMITS_TEXT = frozenset({"enum", "const", "format", "minLength", "maxLength", "contentEncoding"})

#: All that a strict mode is sure to take: OpenAI's structured outputs, which others follow.
_STRICT = frozenset(
    {"type", "description", "enum", "const", "anyOf", "$ref", "$defs", "properties", "required", "additionalProperties"}
    | {"items", "pattern", "format", "minItems", "maxItems", "multipleOf"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
)
_STRICT_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})


def widened(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's schema with a reference accepted wherever a value stands that may not be any text already.

    It accepts what the original accepts, and the same with references in place of values at any depth.
    """
    result: dict[str, Any] = _inside(schema, _widened_value)
    return result


def _widened_value(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    inner = _inside(schema, _widened_value)
    if _takes_any_text(schema):
        return inner
    about = {key: inner.pop(key) for key in _ABOUT if key in inner}
    options = inner.pop("anyOf") if set(inner) == {"anyOf"} else [inner]
    return {**about, "anyOf": [*options, dict(REFERENCE_SCHEMA)]}


def _inside(schema: Any, value: Callable[[Any], Any]) -> Any:
    """Return a schema with ``value`` applied to each schema of a part of the value it describes."""
    if not isinstance(schema, Mapping):
        return schema
    changed = dict(schema)
    changed |= {key: value(schema[key]) for key in _ONE if isinstance(schema.get(key), Mapping)}
    changed |= {key: [value(each) for each in schema[key]] for key in _LIST if key in schema}
    for key in _NAMED:
        if key in schema:
            changed[key] = {name: value(each) for name, each in schema[key].items()}
    if "$defs" in schema:
        changed["$defs"] = {name: _inside(each, value) for name, each in schema["$defs"].items()}
    for key in _ALTERNATIVES:
        if key in schema:
            changed[key] = [_inside(each, value) for each in schema[key]]
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


def strict(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a schema under the rules of strict mode, or None where they cannot express it.

    Every property is required, so one with a default becomes nullable, and null stands for "not given"; the default is told in
    the description. Limits that strict mode does not know are left out: the arguments are checked against the function
    anyway. An object with free keys, and a value of any kind, cannot be expressed.
    """
    try:
        return _strict(schema)
    except _Inexpressible:
        return None


class _Inexpressible(Exception):
    """Strict mode has no way to say this."""


def _strict(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or not set(schema) - set(_ABOUT):
        raise _Inexpressible
    if "prefixItems" in schema:
        schema = _as_array(schema)
    changed = {key: value for key, value in schema.items() if key in _STRICT}
    for key in ("oneOf", "allOf"):
        if key in schema:
            changed["anyOf"] = schema[key]
    if "anyOf" in changed:
        changed["anyOf"] = [_strict(option) for option in changed["anyOf"]]
    if "$defs" in changed:
        changed["$defs"] = {name: _strict(each) for name, each in changed["$defs"].items()}
    if changed.get("format") not in _STRICT_FORMATS:
        changed.pop("format", None)
    if changed.get("type") == "array":
        changed["items"] = _strict(changed.get("items"))
    return _strict_object(schema, changed) if schema.get("type") == "object" else changed


def _strict_object(schema: Mapping[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    if schema.get("additionalProperties", "properties" not in schema) is not False and (
        "additionalProperties" in schema or "properties" not in schema
    ):
        raise _Inexpressible
    required = set(schema.get("required", ()))
    properties = schema.get("properties", {})
    changed["properties"] = {
        name: _strict(each) if name in required else _nullable(_strict(each), each) for name, each in properties.items()
    }
    return changed | {"required": list(properties), "additionalProperties": False}


def _nullable(changed: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    words = [changed.pop("description", "")]
    if schema.get("default") is not None:
        words.append(f"Default: {schema['default']!r}.")
    about = {"description": " ".join(filter(None, words))} if any(words) else {}
    options = changed["anyOf"] if set(changed) == {"anyOf"} else [changed]
    null = [] if {"type": "null"} in options else [{"type": "null"}]
    return {**about, "anyOf": [*options, *null]}


def _as_array(schema: Mapping[str, Any]) -> dict[str, Any]:
    kinds: list[Any] = []
    for each in schema["prefixItems"]:
        if each not in kinds:
            kinds.append(each)
    return {**schema, "items": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}


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
