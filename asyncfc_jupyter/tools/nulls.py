"""The nulls that models send for parameters that they leave out.

Many models were trained on schemas in which every parameter is required, and null stands for "not given". Such a null is left
out where the parameter is optional and the function's own schema has no null there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncfc_jupyter.tools.reference_schema import DESCRIPTIVE

_NULL = {"type": "null"}


def may_hold_nulls(schema: Any) -> bool:
    """Return whether the parts of a value may be nulls that stand for "not given": where a schema has properties."""
    if isinstance(schema, list):
        return any(map(may_hold_nulls, schema))
    if not isinstance(schema, Mapping):
        return False
    return "properties" in schema or "$ref" in schema or any(map(may_hold_nulls, schema.values()))


def without_nulls(value: Any, schema: Any, root: Mapping[str, Any]) -> Any:
    """Return a JSON value without the nulls that stand for "not given": of optional properties that cannot be null.

    Args:
        value: What a model sent; anything but plain dictionaries and lists is returned as it is.
        schema: The schema of the value, without references accepted.
        root: The schema that holds the definitions.
    """
    while isinstance(schema, Mapping) and ("$ref" in schema or "anyOf" in schema):
        options = [_definition(schema, root)] if "$ref" in schema else [o for o in schema["anyOf"] if o != _NULL]
        if len(options) != 1:
            break
        schema = options[0]
    if not isinstance(schema, Mapping):
        return value
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


def _may_be_null(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    if not schema.keys() - DESCRIPTIVE:
        return True
    schema = _definition(schema, root) if "$ref" in schema else schema
    if any(_may_be_null(option, root) for key in ("anyOf", "oneOf") for option in schema.get(key, ())):
        return True
    nothing = object()
    return schema.get("type") == "null" or None in schema.get("enum", ()) or schema.get("const", nothing) is None


def _definition(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = root.get("$defs", {}).get(schema["$ref"].removeprefix("#/$defs/"), {})
    return found
