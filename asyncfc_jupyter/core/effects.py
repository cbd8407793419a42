"""What a call reads and writes, and which pairs of calls may therefore not overlap.

State is a tree of named places, as a file system is: ``orders/42`` lies below ``orders``. A path stands for the place and
all places below it, so two paths meet if one is a prefix of the other. Two calls conflict if a path of one meets a path of the
other and at least one of the two is written.

A template such as ``orders/{order_id}`` becomes a path when a call's arguments are known. While ``order_id`` is still a
future, the path ends before it: the call then stands for the whole family ``orders/*``. The path also ends before an optional
argument that was not given, or that is empty. A value such as ``src/main.py`` stands for a place below ``src``.

One place must have one path, or two calls that meet there would overlap. Two places with one path cost only time. So ``.`` and
empty segments are dropped, a backslash separates segments as a slash does, and equal numbers have one text. A value whose text
does not say which place it is ends the path, as an unknown argument does: text with ``..`` in it, or a value that is not a
single text or number, such as a list.

Source: the data hazards of Hennessy and Patterson, applied to named state instead of registers; AsyncFC's state tree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from asyncfc_jupyter.foreign_code import ForeignCode, plain_text

Path = tuple[str, ...]

#: The whole state: what a tool that declares nothing is taken to write.
ROOT: Path = ()

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
#: From this number on, one float stands for several whole numbers.
_EXACT = 2.0**53


class Hazard(StrEnum):
    """Why a later call must wait for an earlier one that touches the same state."""

    RAW = "RAW"
    WAR = "WAR"
    WAW = "WAW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The places that one call reads and writes. A pure call touches none."""

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    #: False if the tool declares none: the call is then taken to write everything.
    declared: bool = True
    #: Those of these paths that stand for a family only until an argument is known.
    widened: tuple[Path, ...] = ()

    @property
    def pure(self) -> bool:
        """Whether the call touches no state at all."""
        return not self.reads and not self.writes


PURE = Effects()
UNDECLARED = Effects(writes=(ROOT,), declared=False)


def meet(one: Path, other: Path) -> bool:
    """Return whether one path is the other or lies above it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def hazards(earlier: Effects, later: Effects) -> frozenset[Hazard]:
    """Return every hazard that orders ``later`` after ``earlier``.

    Two calls that only read a path never conflict, so an empty result means that the two may overlap in time. A path
    conflicts with itself, with every path above it and with every path below it.

    Args:
        earlier: Effects of the call that was issued first.
        later: Effects of the call that was issued second.
    """
    pairs = (
        (Hazard.RAW, earlier.writes, later.reads),
        (Hazard.WAR, earlier.reads, later.writes),
        (Hazard.WAW, earlier.writes, later.writes),
    )
    return frozenset(
        hazard for hazard, some, others in pairs if any(meet(one, other) for one in some for other in others)
    )


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A path with ``{argument}`` in it, such as ``orders/{order_id}``."""

    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> PathTemplate:
        """Split a template at its slashes.

        Raises:
            ValueError: The template is empty, has an empty segment or an unbalanced brace.
        """
        segments = tuple(text.strip().strip("/").split("/"))
        if any(not segment.strip() for segment in segments):
            raise ValueError(f"path template {text!r} has an empty segment")
        if any("{" in _PLACEHOLDER.sub("", s) or "}" in _PLACEHOLDER.sub("", s) for s in segments):
            raise ValueError(f"path template {text!r} has an unbalanced brace")
        return cls(segments)

    @property
    def arguments(self) -> frozenset[str]:
        """Names of the arguments the template mentions."""
        return frozenset(name for segment in self.segments for name in _PLACEHOLDER.findall(segment))

    def expand(self, arguments: Mapping[str, Any], unresolved: Set[str] = frozenset()) -> Path:
        """Return the path for these arguments. It ends before the first one that is not known.

        Args:
            arguments: The call's arguments by name.
            unresolved: Names of arguments that hold, or contain, a future without a value yet.
        """
        path: list[str] = []
        for segment in self.segments:
            parts = _PLACEHOLDER.split(segment)  # literal text and names of arguments in turn
            texts = [None if name in unresolved else _as_text(arguments.get(name)) for name in parts[1::2]]
            if None in texts:
                break
            parts[1::2] = texts
            places = _places("".join(parts))
            if ".." in places or (texts and not places):
                break
            path += places
        return tuple(path)

    def __str__(self) -> str:
        return "/".join(self.segments)


def _places(text: str) -> list[str]:
    return [place for place in text.replace("\\", "/").split("/") if place not in ("", ".")]


def _as_text(value: Any) -> str | None:
    """Return the text of an argument in a path, one text for equal values; None if a text would not identify the place."""
    with ForeignCode():
        text = _text_of(value.value if isinstance(value, Enum) else value)
        return None if text is None or ".." in _places(text) else plain_text(text)
    return None


def _text_of(value: Any) -> str | None:
    kind: Any = type(value)
    if isinstance(value, str | bool):
        return str(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _number(value)
    if value is None or kind.__hash__ is None or hasattr(kind, "__iter__") or kind.__str__ is object.__str__:
        return None  # its parts may be in any order, or its text is about the object and not about what it stands for
    if getattr(value, "tzinfo", None) is not None:
        return None  # one moment has as many texts as there are time zones
    return _number(float(value)) if hasattr(kind, "__float__") else str(value)


def _number(value: float) -> str | None:
    if abs(value) >= _EXACT:
        return None
    return str(int(value)) if value.is_integer() else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectTemplates:
    """What a tool declares: the templates of the paths its calls read and write."""

    reads: tuple[PathTemplate, ...] = ()
    writes: tuple[PathTemplate, ...] = ()
    declared: bool = True

    @property
    def arguments(self) -> frozenset[str]:
        """Names of the arguments the templates mention."""
        return frozenset[str]().union(*(template.arguments for template in (*self.reads, *self.writes)))

    def expand(self, arguments: Mapping[str, Any], unresolved: Set[str] = frozenset()) -> Effects:
        """Return the effects of one call with these arguments."""
        if not self.declared:
            return UNDECLARED
        if not self.reads and not self.writes:
            return PURE
        unknown = [each for each in (*self.reads, *self.writes) if each.arguments & unresolved] if unresolved else []
        return Effects(
            reads=tuple(template.expand(arguments, unresolved) for template in self.reads),
            writes=tuple(template.expand(arguments, unresolved) for template in self.writes),
            widened=tuple(template.expand(arguments, unresolved) for template in unknown),
        )


def show_path(path: Path) -> str:
    """Return a path as text; the root is ``everything``."""
    return "/".join(path) or "everything"
