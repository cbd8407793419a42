"""References: how a model's arguments name a result that may not exist yet.

A reference is a JSON string that is, whole, ``$f1`` followed by any number of steps: ``.order_id``, ``[0]``, ``["a key"]``.
It is replaced by the object it names, with its type; nothing is turned into text. ``$$f1`` is the literal text ``$f1``. Text
that merely contains a reference is left alone. Only a model's arguments are searched, never a tool's result, so what a tool
returns cannot make the layer pass on something else.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.core.errors import LookAlike, MissingField
from asyncfc_jupyter.core.futures import FutureName

_STEP = r"""(?:\.[^\W\d]\w*|\[-?\d{1,9}\]|\["(?:[^"\\]|\\.)*"\]|\['(?:[^'\\]|\\.)*'\])"""
_REFERENCE = re.compile(rf"\$(f[1-9]\d*)({_STEP}*)", re.DOTALL)
_ESCAPED = re.compile(rf"\$+{_REFERENCE.pattern}", re.DOTALL)
_STEPS = re.compile(
    r"""\.(?P<field>[^\W\d]\w*)|\[(?P<index>-?\d+)\]|\[(?P<quote>["'])(?P<key>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\]""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
#: ``f1``, ``<f1.id>``, ``{f1}``, ``{{f1}}``, ``${f1}``: what models write when they mean ``$f1``.
_LOOK_ALIKE = re.compile(rf"[$<{{\s]*(f[1-9]\d*)({_STEP}*)[>}}\s]*", re.DOTALL)

#: Names of what an object has are listed in an error up to this many, so that it stays one readable line.
_MOST_NAMES = 12


@dataclass(frozen=True, slots=True)
class Field:
    """The step ``.order_id``: a key of a mapping or a field of a record."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclass(frozen=True, slots=True)
class Item:
    """The step ``[0]`` or ``["a key"]``."""

    key: int | str

    def __str__(self) -> str:
        if isinstance(self.key, int):
            return f"[{self.key}]"
        escaped = self.key.replace("\\", "\\\\").replace('"', '\\"')
        return f'["{escaped}"]'


@dataclass(frozen=True, slots=True)
class Reference:
    """A future's name and the way from its result to the value that is meant."""

    future: FutureName
    steps: tuple[Field | Item, ...] = ()

    def __str__(self) -> str:
        return f"${self.future}" + "".join(map(str, self.steps))

    def resolve(self, result: Any) -> Any:
        """Follow the steps from the future's result.

        Raises:
            MissingField: A step leads nowhere; the error lists what there is.
        """
        value, where = result, str(self.future)
        for step in self.steps:
            value = _follow(value, step, where)
            where += str(step)
        return value


def parse_reference(text: str) -> Reference | None:
    """Return the reference that ``text`` is, or None when it is ordinary text."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    return Reference(FutureName(match.group(1)), tuple(_steps(match.group(2))))


def _steps(text: str) -> Iterator[Field | Item]:
    for match in _STEPS.finditer(text):
        if match["field"] is not None:
            yield Field(match["field"])
        elif match["index"] is not None:
            yield Item(int(match["index"]))
        else:
            yield Item(_ESCAPE.sub(r"\1", match["key"]))


def find_references(argument: Any) -> Iterator[Reference]:
    """Yield every reference in a JSON value, nested positions included, in order of appearance."""
    if isinstance(argument, str):
        reference = parse_reference(argument) if argument.startswith("$") else None
        if reference is not None:
            yield reference
    elif isinstance(argument, Mapping):
        for value in argument.values():
            yield from find_references(value)
    elif isinstance(argument, list):
        for value in argument:
            yield from find_references(value)


def substitute(argument: Any, value_of: Callable[[Reference], Any]) -> Any:
    """Return a JSON value with every reference replaced by its value and every ``$$f1`` by ``$f1``.

    Raises:
        MissingField: A reference leads nowhere.
    """
    if isinstance(argument, str):
        if not argument.startswith("$"):
            return argument
        reference = parse_reference(argument)
        if reference is not None:
            return value_of(reference)
        return argument[1:] if _ESCAPED.fullmatch(argument) else argument
    if isinstance(argument, Mapping):
        return {key: substitute(value, value_of) for key, value in argument.items()}
    if isinstance(argument, list):
        return [substitute(value, value_of) for value in argument]
    return argument


def reject_look_alikes(arguments: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse strings that name a known future but are not references, such as ``f1`` or ``<f1.id>``.

    Args:
        arguments: The model's arguments by name.
        known: Names of the futures there are: the text ``f9`` is ordinary while no future has that name.

    Raises:
        LookAlike: Says which argument it is and how to write what is meant.
    """
    for name, argument in arguments.items():
        for text in _strings(argument):
            match = _LOOK_ALIKE.fullmatch(text)
            if match is None or match.group(1) not in known or _REFERENCE.fullmatch(text) or _ESCAPED.fullmatch(text):
                continue
            raise LookAlike(name, text, f'"${match.group(1)}{match.group(2)}"')


def nested_deeper_than(levels: int, argument: Any) -> bool:
    """Return whether a JSON value holds lists and mappings within each other beyond so many levels."""
    inside = [argument]
    for _ in range(levels + 1):
        inside = [
            item
            for holder in inside
            if isinstance(holder, Mapping | list)
            for item in (holder.values() if isinstance(holder, Mapping) else holder)
        ]
        if not inside:
            return False
    return True


def _strings(argument: Any) -> Iterator[str]:
    if isinstance(argument, str):
        yield argument
    elif isinstance(argument, Mapping):
        for value in argument.values():
            yield from _strings(value)
    elif isinstance(argument, list):
        for value in argument:
            yield from _strings(value)


def _follow(value: Any, step: Field | Item, where: str) -> Any:
    if isinstance(step, Field):
        return _field(value, step, where)
    try:
        if isinstance(step.key, str) and not hasattr(value, "__getitem__"):
            return _field(value, Field(step.key), where)
        return value[step.key]
    except Exception:  # noqa: BLE001 - the object's own code decides what it raises where there is nothing
        raise MissingField(where, _step_name(step), _what_it_has(value)) from None


def _field(value: Any, step: Field, where: str) -> Any:
    if isinstance(value, Mapping) or _keys(value):
        if step.name in _keys(value):
            return value[step.name]
    elif not step.name.startswith("_") and step.name in field_names(value):
        return getattr(value, step.name)
    raise MissingField(where, _step_name(step), _what_it_has(value))


def field_names(value: Any) -> tuple[str, ...]:
    """Return the names a reference may ask a record for: its public data, never its methods."""
    if dataclasses.is_dataclass(value):
        return tuple(field.name for field in dataclasses.fields(value))
    for declared in ("model_fields", "_fields"):
        names = getattr(type(value), declared, None)
        if isinstance(names, Mapping | tuple):
            return tuple(names)
    return tuple(name for name in getattr(value, "__dict__", {}) if not name.startswith("_"))


def _keys(value: Any) -> Sequence[Any]:
    """Return the keys of a mapping or of what behaves like one, such as the columns of a DataFrame."""
    keys = getattr(value, "keys", None)
    try:
        return list(keys()) if callable(keys) and hasattr(value, "__getitem__") else ()
    except Exception:  # noqa: BLE001 - a method that happens to be called so
        return ()


def _step_name(step: Field | Item) -> str:
    if isinstance(step, Field):
        return f"field {step.name!r}"
    return f"index {step.key}" if isinstance(step.key, int) else f"key {step.key!r}"


def _what_it_has(value: Any) -> str:
    keys = _keys(value)
    if keys:
        names: Sequence[str] = [str(key) for key in keys]
    elif isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return f"{len(value)} items" if value else "no items"
    else:
        names = field_names(value)
    if not names:
        return f"nothing to refer to (it is a {type(value).__name__})"
    more = f", ... ({len(names)} in all)" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
