"""What a class says about its fields: in a model, a dataclass or a `TypedDict` that is a parameter, or part of one.

A text in `Annotated` describes a field, else the docstring of the class, read as that of a function is. The description of a
`Field` overrides both, and so does a docstring below the field, where the class has pydantic's ``use_attribute_docstrings``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.tools.annotations import bare, text_beside
from asyncfc_jupyter.tools.docstrings import Docstring, read_docstring, shortened
from asyncfc_jupyter.tools.signature_text import type_text


def describe_fields(kind: type, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a class with the descriptions that its fields lack.

    Args:
        kind: The class.
        schema: As pydantic makes it: only a `Field` describes a field there, and the whole docstring describes the class.
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    hints: dict[str, Any] = {}
    with ForeignCode():  # an annotation may be evaluated; without hints, the docstring still describes
        hints = get_type_hints(kind, include_extras=True)
    texts: dict[str, str] = {}
    for each, parts in _docstrings(kind, hints):
        texts = {**parts.about, **texts}
        whole = inspect.cleandoc(each.__doc__ or "")
        if each is kind and schema.get("description") == whole:
            schema = {**schema, "description": shortened(parts.text)}
    fields: Any = vars(kind).get("__pydantic_fields__", {})
    described = dict(properties)
    for name, hint in hints.items():
        shown = getattr(fields.get(name), "validation_alias", None) if name not in properties else name
        if isinstance(shown, str) and shown in properties:
            described[shown] = _described(properties[shown], hint, texts.get(name, ""))
    if not schema.get("description"):
        schema = {key: value for key, value in schema.items() if key != "description"}
    return {**schema, "properties": described}


def _described(schema: dict[str, Any], hint: Any, text: str) -> dict[str, Any]:
    """Return the schema of a field with a text, unless its annotation says another, and with the texts of its items."""
    text = schema.get("description") or text_beside(hint) or shortened(text)
    made = {**schema, "description": text} if text else schema
    inside = get_args(bare(hint))
    for key, at in (("items", 0), ("additionalProperties", 1)):
        if isinstance(made.get(key), dict) and len(inside) == at + 1:
            made = {**made, key: _described(made[key], inside[at], "")}
    return made


def _docstrings(kind: type, hints: dict[str, Any]) -> Iterator[tuple[type, Docstring]]:
    """Yield a class and those that it inherits from, each with its docstring in its parts."""
    known = {name: f"{name}: {type_text(hint)}" for name, hint in hints.items()}
    for each in getattr(kind, "__mro__", (kind,)):
        text = vars(each).get("__doc__")
        if isinstance(text, str) and each.__module__.partition(".")[0] not in {"pydantic", "builtins", "typing"}:
            yield each, read_docstring(inspect.cleandoc(text), known)
