"""References: how a model's arguments name a result that may not exist yet.

A reference is a JSON string that is, whole, ``$f1`` followed by any number of steps: ``.order_id``, ``[0]``, ``["a
key"]``. It is replaced by the object it names, with its type; nothing is turned into text. Text that merely contains a
reference is left alone, and so are the keys of objects. Only a model's arguments are searched, never a tool's result,
so what a tool returns cannot make the layer pass on something else.

Two ways lead to text that would otherwise be taken for something else: ``$$f1`` is the text ``$f1``, and ``$text:`` in
front of any text is that text, also where it merely looks like a reference (`reject_malformed_references`).

What the steps find inside an object is said in `asyncfc_jupyter.core.field_access`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.core.field_access import reach_field, reach_item
from asyncfc_jupyter.core.futures import FutureName

#: Digits of an index: far beyond any key, and below the length at which Python refuses to read a number.
_MOST_DIGITS = 600

_NAME = r"[^\W\d]\w*"
_STEP = rf"""(?:\.{_NAME}|\[-?[0-9]{{1,{_MOST_DIGITS}}}\]|\["(?:[^"\\]|\\.)*"\]|\['(?:[^'\\]|\\.)*'\])"""
#: A reference without its dollar: the future's name and the steps. Every repetition begins with a character that cannot
#: end the one before, so matching takes time in proportion to the text.
BARE = rf"(?P<future>f[1-9][0-9]*)(?P<steps>{_STEP}*)"
_REFERENCE = re.compile(rf"\${BARE}", re.DOTALL)
_ESCAPED = re.compile(rf"\$+{BARE}", re.DOTALL)
_STEPS = re.compile(
    rf"""\.(?P<field>{_NAME})|\[(?P<index>-?[0-9]+)\]|\[(?P<quote>["'])(?P<key>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\]""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

#: What holds JSON values. The first two are told from a text at once, the last one slowly.
_HOLDERS = (dict, list, Mapping)
#: In front of a text: the text is meant as it stands.
TEXT = "$text:"

#: What a reference looks like, for a model's eyes and for a server that holds the model to schemas; the layer itself parses the
#: whole grammar. Such a server makes a grammar of the pattern, for the JSON as it is written. llama.cpp, and what is built on
#: it, refuses a whole request over a pattern without ^ and $, or with ``\d``. And nothing in the pattern may stand for a quote
#: without its backslash: past a ``.*`` models leave the text and write what is no JSON.
REFERENCE_SCHEMA: Mapping[str, Any] = {"type": "string", "pattern": r'^\$f[0-9]+([.\[]([^"\\\n]|\\")*)?$'}


@dataclass(frozen=True, slots=True)
class Field:
    """The step ``.order_id``: a key of a mapping or a field of a record.

    Raises:
        ValueError: The name cannot be written behind a dot; a key of any text is an `Item`.
    """

    name: str

    def __post_init__(self) -> None:
        if re.fullmatch(_NAME, self.name) is None:
            raise ValueError(f"{self.name!r} cannot be written behind a dot; use Item for a key of any text")

    def __str__(self) -> str:
        return f".{self.name}"

    def reach(self, value: Any, where: str) -> Any:
        """Return what the step finds in a value that stands at ``where``."""
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
        """Return what the step finds in a value that stands at ``where``."""
        return reach_item(value, self.key, where)


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
            value = step.reach(value, where)
            where += str(step)
        return value


def parse_reference(text: str) -> Reference | None:
    """Return the reference that ``text`` is, or None when it is ordinary text."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    return Reference(FutureName(match["future"]), tuple(_steps(match["steps"])))


def _steps(text: str) -> Iterator[Field | Item]:
    for match in _STEPS.finditer(text):
        if match["field"] is not None:
            yield Field(match["field"])
        elif match["index"] is not None:
            yield Item(int(match["index"]))
        else:
            yield Item(_ESCAPE.sub(r"\1", match["key"]))


def is_escaped(text: str) -> bool:
    """Return whether a text says of itself that it is text: ``$$f1``, or anything behind ``$text:``."""
    return text.startswith(TEXT) or (text.startswith("$$") and _ESCAPED.fullmatch(text) is not None)


def find_references(argument: Any) -> Iterator[Reference]:
    """Yield every reference in a JSON value, nested positions included, in order of appearance."""
    if isinstance(argument, str):
        reference = parse_reference(argument) if argument.startswith("$") else None
        if reference is not None:
            yield reference
    elif isinstance(argument, _HOLDERS):
        for value in argument if isinstance(argument, list) else argument.values():
            yield from find_references(value)


def substitute(argument: Any, value_of: Callable[[Reference], Any]) -> Any:
    """Return a JSON value with every reference replaced by its value, and text that was escaped as it is meant.

    Raises:
        MissingField: A reference leads nowhere.
    """
    if isinstance(argument, str):
        return _substituted(argument, value_of) if argument.startswith("$") else argument
    if not isinstance(argument, _HOLDERS):
        return argument
    if isinstance(argument, list):
        return [substitute(value, value_of) for value in argument]
    return {key: substitute(value, value_of) for key, value in argument.items()}


def _substituted(text: str, value_of: Callable[[Reference], Any]) -> Any:
    reference = parse_reference(text)
    if reference is not None:
        return value_of(reference)
    if text.startswith(TEXT):
        return text.removeprefix(TEXT)
    return text[1:] if is_escaped(text) else text


def nested_deeper_than(levels: int, argument: Any) -> bool:
    """Return whether a JSON value holds lists and mappings within each other beyond so many levels."""
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
