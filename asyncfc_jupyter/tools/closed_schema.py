"""Which checks of arguments are closed: of plain data they give the same value or the same error, whenever they run.

A function that validates may ask a file, a clock or a table of its own, and so may a function that makes a default. The result
then depends on when the check runs. So a check counts as closed only if every part of it is known here. An unknown part costs
time at most: the argument is read when its call may start.
"""

from __future__ import annotations

import enum
import inspect
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

from asyncfc_jupyter.tools.annotations import fitted
from asyncfc_jupyter.values.plain import is_constant

#: Types of pydantic's core schemas whose checks look at nothing but the value. What they hold is looked at, too.
_KNOWN = frozenset(
    {
        *("any", "none", "bool", "int", "float", "complex", "decimal", "str", "bytes", "uuid", "literal", "enum"),
        *("date", "time", "datetime", "timedelta", "is-instance", "json", "generator"),
        *("list", "tuple", "set", "frozenset", "dict", "nullable", "union", "tagged-union", "chain", "custom-error"),
        *("lax-or-strict", "json-or-python", "default", "definitions", "definition-ref"),
        *("typed-dict", "typed-dict-field", "model", "model-fields", "model-field"),
        *("dataclass", "dataclass-args", "dataclass-field"),
        *("function-before", "function-after", "function-wrap", "url", "multi-host-url"),
    }
)
#: Keys under which these hold other schemas: alone, in a list, by name, or in a pair with a label.
_HOLDING = (
    *("schema", "items_schema", "keys_schema", "values_schema", "choices", "steps", "definitions", "fields"),
    *("lax_schema", "strict_schema", "json_schema", "python_schema", "extras_schema", "extras_keys_schema"),
)
#: Pydantic's own functions that look at nothing but the value. If a version names them otherwise, they count as unknown.
_KNOWN_FUNCTIONS = frozenset(
    {
        "GenerateSchema._path_schema.<locals>.path_validator",
        "_BaseUrl.__get_pydantic_core_schema__.<locals>.wrap_val",
        "_BaseMultiHostUrl.__get_pydantic_core_schema__.<locals>.wrap_val",
        "sequence_validator",
    }
)
#: Keys of a schema that are set where a check asks the clock or calls code of a class, or checks a default for each call.
_OWN_CODE = ("now_op", "custom_init", "post_init", "validate_default")
#: What the enums of Python do with a value that none of their members has.
_NOTHING_MISSING = tuple(inspect.getattr_static(each, "_missing_") for each in (enum.Enum, enum.Flag))
_KNOWN_FACTORIES = (list, dict, set, frozenset, tuple, str, int, float, bool)


def is_closed(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    """Return whether the check that a core schema describes is closed.

    Args:
        schema: The core schema, as pydantic makes it.
        definitions: The schemas that it may refer to, by the names under which it does.
    """
    inside, seen = [schema], set[str]()
    while inside:
        part = inside.pop()
        if not _is_known(part):
            return False
        if part["type"] == "definition-ref" and part["schema_ref"] not in seen:
            seen.add(part["schema_ref"])
            inside.append(definitions[part["schema_ref"]])
        for key in _HOLDING:
            inside += _schemas_in(part.get(key))
    return True


def _schemas_in(held: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(held, Mapping) and isinstance(held.get("type"), str):
        yield held
    elif isinstance(held, Mapping | list | tuple):
        for each in held.values() if isinstance(held, Mapping) else held:
            yield from _schemas_in(each)


def _is_known(schema: Mapping[str, Any]) -> bool:
    kind = schema["type"]
    known = kind in _KNOWN and not any(map(schema.get, _OWN_CODE))
    if known and kind == "enum":
        known = inspect.getattr_static(schema["cls"], "_missing_") in _NOTHING_MISSING
    elif known and kind == "tagged-union":
        known = not callable(schema["discriminator"])
    elif known and kind == "is-instance":
        # Neither a class's own metaclass nor its hooks decide.
        known = type(schema["cls"]) is type or schema["cls"].__module__.partition(".")[0] in sys.stdlib_module_names
    elif known and kind.startswith("function-"):
        function = schema["function"]["function"]
        known = isinstance(function, FunctionType) and (
            function.__module__ == fitted.__module__
            or (function.__module__.startswith("pydantic.") and function.__qualname__ in _KNOWN_FUNCTIONS)
        )
    elif known and kind == "default":
        makes = schema.get("default_factory")
        known = any(makes is each for each in _KNOWN_FACTORIES) if makes else is_constant(schema["default"])
    return known
