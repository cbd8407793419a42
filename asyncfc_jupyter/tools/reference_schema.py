"""A tool's JSON schema with references accepted in place of values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncfc_jupyter.core.references import REFERENCE_SCHEMA

#: Keywords that describe a value and do not limit it: they stay outside when alternatives are added.
DESCRIPTIVE = ("description", "default", "title", "examples", "deprecated")
#: Keywords that may keep a text from being a reference.
_LIMITS_TEXT = frozenset({"enum", "const", "format", "minLength", "maxLength", "contentEncoding"})


def widened(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's schema that accepts a reference wherever a value stands, at any depth.

    It accepts what the original accepts. Where any text is accepted already, nothing is added.
    """
    result: dict[str, Any] = _with_widened_parts(schema)
    return result


def _widened_value(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    inner = _with_widened_parts(schema)
    if _takes_any_text(schema):
        return inner
    about = {key: inner.pop(key) for key in DESCRIPTIVE if key in inner}
    options = inner.pop("anyOf") if set(inner) == {"anyOf"} else [inner]
    return {**about, "anyOf": [*options, dict(REFERENCE_SCHEMA)]}


def _with_widened_parts(schema: Any) -> Any:
    """Return a schema in which the parts of the value are widened, and the value itself is not."""
    if not isinstance(schema, Mapping):
        return schema
    changed = dict(schema)
    for key, part in schema.items():
        match key, part:
            case "items" | "additionalProperties", Mapping():
                changed[key] = _widened_value(part)
            case "prefixItems", list():
                changed[key] = [_widened_value(each) for each in part]
            case "properties" | "patternProperties", Mapping():
                changed[key] = {name: _widened_value(each) for name, each in part.items()}
            case "$defs", Mapping():
                changed[key] = {name: _with_widened_parts(each) for name, each in part.items()}
            case "anyOf" | "oneOf" | "allOf", list():
                changed[key] = [_with_widened_parts(each) for each in part]
    if "oneOf" in changed:  # of widened alternatives more than one may fit
        changed["anyOf"] = changed.pop("oneOf")
        changed.pop("discriminator", None)
    return changed


def _takes_any_text(schema: Mapping[str, Any]) -> bool:
    if not schema.keys() - DESCRIPTIVE:
        return True  # without limits it takes everything
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return any(_takes_any_text(option) for option in schema[key])
    return (
        schema.get("type") == "string"
        and not _LIMITS_TEXT.intersection(schema)
        and schema.get("pattern") in (None, REFERENCE_SCHEMA["pattern"])
    )
