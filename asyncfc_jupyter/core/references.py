"""References: how a model's arguments name a result that may not exist yet.

A reference is a whole JSON string of the form ``$f1`` and any number of steps: ``.order_id``, ``[0]``, ``["a key"]``. It is
replaced with the object that it names; the object is not turned into text. Text that only contains a reference is not changed,
nor are the keys of objects. Only a model's arguments are searched, never a tool's result, so what a tool returns cannot make
the layer pass on something else.

Two forms escape literal text: ``$$f1`` is the text ``$f1``, and ``$text:`` before any text is that text, even if it would be
refused as a malformed reference (`reject_malformed_references`).

What the steps find inside an object is documented in `asyncfc_jupyter.core.field_access`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from asyncfc_jupyter.core.field_access import reach_field, reach_item
from asyncfc_jupyter.core.futures import FutureName

#: Up to this length, texts are kept with the references that they are: longer than nearly every reference, and short enough for
#: all that are kept to take little memory.
_USUAL_CHARACTERS = 100
#: Digits of an index: far beyond any key, and below the length at which Python refuses to read a number.
_MOST_DIGITS = 600

_NAME = r"[^\W\d]\w*"
_STEP = rf"""(?:\.{_NAME}|\[-?[0-9]{{1,{_MOST_DIGITS}}}\]|\["(?:[^"\\]|\\.)*"\]|\['(?:[^'\\]|\\.)*'\])"""
#: A reference without its dollar: the future's name and the steps. Every repetition begins with a character that cannot end
#: the one before, so matching takes linear time.
BARE = rf"(?P<future>f[1-9][0-9]*)(?P<steps>{_STEP}*)"
_REFERENCE = re.compile(rf"\${BARE}", re.DOTALL)
_ESCAPED = re.compile(rf"\$+{BARE}", re.DOTALL)
_STEPS = re.compile(
    rf"""\.(?P<field>{_NAME})|\[(?P<index>-?[0-9]+)\]|\[(?P<quote>["'])(?P<key>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\]""",
    re.DOTALL,
)
_NAME_ALONE = re.compile(_NAME)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

#: The types that hold JSON values. The check for the first two is fast, the one for the last is slow.
_HOLDERS = (dict, list, Mapping)
#: Before a text: the text is literal.
TEXT = "$text:"

#: The schema of a reference, for the model and for servers that constrain the model to schemas. The layer itself parses the
#: whole grammar. Such a server turns the pattern into a grammar of the JSON as it is written. llama.cpp, and servers built on
#: it, refuse a whole request if a pattern has no ^ and $, or has a ``\d``. And nothing in the pattern may match a quote without
#: its backslash: after a ``.*`` models end the text there and continue with invalid JSON.
REFERENCE_SCHEMA: Mapping[str, Any] = {"type": "string", "pattern": r'^\$f[0-9]+([.\[]([^"\\\n]|\\")*)?$'}


@dataclass(frozen=True, slots=True)
class Field:
    """The step ``.order_id``: a key of a mapping or a field of a record.

    Raises:
        ValueError: The name cannot be written after a dot; a key of any text is an `Item`.
    """

    name: str

    def __post_init__(self) -> None:
        if _NAME_ALONE.fullmatch(self.name) is None:
            raise ValueError(f"{self.name!r} cannot be written after a dot; use Item for a key of any text")

    def __str__(self) -> str:
        return f".{self.name}"

    def reach(self, value: Any, where: str) -> Any:
        """Return what the step finds in a value; ``where`` is the value's path, for the error."""
        return reach_field(value, self.name, where)


@dataclass(frozen=True, slots=True)
class Item:
    """The step ``[0]`` or ``["a key"]``.

    Raises:
        ValueError: The number has more than 600 digits.
    """

    key: int | str

    def __post_init__(self) -> None:
        if isinstance(self.key, int) and abs(self.key) >= 10**_MOST_DIGITS:
            raise ValueError(f"an index of more than {_MOST_DIGITS} digits cannot be written")

    def __str__(self) -> str:
        if isinstance(self.key, int):
            return f"[{self.key}]"
        escaped = self.key.replace("\\", "\\\\").replace('"', '\\"')
        return f'["{escaped}"]'

    def reach(self, value: Any, where: str) -> Any:
        """Return what the step finds in a value; ``where`` is the value's path, for the error."""
        return reach_item(value, self.key, where)


@dataclass(frozen=True, slots=True)
class Reference:
    """A future's name and the steps from its result to the value that is meant."""

    future: FutureName
    steps: tuple[Field | Item, ...] = ()

    def __str__(self) -> str:
        return f"${self.future}" + "".join(map(str, self.steps))

    def resolve(self, result: Any) -> Any:
        """Follow the steps from the future's result.

        Raises:
            MissingField: A step finds nothing; the error lists what there is.
        """
        value, where = result, str(self.future)
        for step in self.steps:
            value = step.reach(value, where)
            where += str(step)
        return value


def parse_reference(text: str) -> Reference | None:
    """Return the reference that ``text`` is, or None when it is ordinary text."""
    return _parsed(text) if len(text) <= _USUAL_CHARACTERS else _parsed.__wrapped__(text)


@lru_cache(512)
def _parsed(text: str) -> Reference | None:
    """Return the same. A call's references are parsed when it is issued, when they are judged and when it is bound."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    steps: list[Field | Item] = []
    for step in _STEPS.finditer(match["steps"]):
        if step["field"] is not None:
            steps.append(Field(step["field"]))
        elif step["index"] is not None:
            steps.append(Item(int(step["index"])))
        else:
            steps.append(Item(_ESCAPE.sub(r"\1", step["key"])))
    return Reference(FutureName(match["future"]), tuple(steps))


def is_escaped(text: str) -> bool:
    """Return whether a text is marked as literal: ``$$f1``, or any text after ``$text:``."""
    return text.startswith(TEXT) or (text.startswith("$$") and _ESCAPED.fullmatch(text) is not None)


def find_references(argument: Any) -> Iterator[Reference]:
    """Yield every reference in a JSON value, at any depth, in order of appearance."""
    if isinstance(argument, str):
        reference = parse_reference(argument) if argument.startswith("$") else None
        if reference is not None:
            yield reference
    elif isinstance(argument, _HOLDERS):
        for value in argument if isinstance(argument, list) else argument.values():
            yield from find_references(value)


def substitute(argument: Any, value_of: Callable[[Reference], Any]) -> Any:
    """Return a JSON value with every reference replaced with its value, and escaped text with the literal text.

    Raises:
        MissingField: A step of a reference finds nothing.
    """
    if isinstance(argument, str):
        return _substitute_text(argument, value_of) if argument.startswith("$") else argument
    if not isinstance(argument, _HOLDERS):
        return argument
    if isinstance(argument, list):
        return [substitute(value, value_of) for value in argument]
    return {key: substitute(value, value_of) for key, value in argument.items()}


def _substitute_text(text: str, value_of: Callable[[Reference], Any]) -> Any:
    reference = parse_reference(text)
    if reference is not None:
        return value_of(reference)
    if text.startswith(TEXT):
        return text.removeprefix(TEXT)
    return text[1:] if is_escaped(text) else text


def nested_deeper_than(levels: int, argument: Any) -> bool:
    """Return whether a JSON value nests lists and mappings more than so many levels deep."""
    inside = [argument]
    for _ in range(levels + 1):
        inside = [
            item
            for holder in inside
            if not isinstance(holder, str) and isinstance(holder, _HOLDERS)
            for item in (holder if isinstance(holder, list) else holder.values())
        ]
        if not inside:
            return False
    return True
