"""What a call reads and writes, and which pairs of calls may therefore not overlap.

State is a tree of named places, as a file system is: ``orders/42`` lies below ``orders``. A path stands for the place and
all that lies below it, so two paths meet when one is a prefix of the other. Two calls conflict when their paths meet and one
of the two is written.

A template such as ``orders/{order_id}`` becomes a path when a call's arguments are known. While ``order_id`` is still a
future, the path is cut in front of it: the call then stands for the whole family ``orders/*``. An optional argument that was
not given, or is empty, cuts it there too. A value such as ``src/main.py`` stands for a place below ``src``.

Source: the data hazards of Hennessy and Patterson, applied to named state instead of registers; AsyncFC's state tree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

Path = tuple[str, ...]

#: The whole state: what a tool that declares nothing is taken to write.
ROOT: Path = ()

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Hazard(StrEnum):
    """Why a later call must wait for an earlier one that touches the same state."""

    RAW = "RAW"
    WAR = "WAR"
    WAW = "WAW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The places one call reads and writes. Nothing at all is a pure call."""

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    #: False when nobody declared them: the call is then taken to write everything.
    declared: bool = True

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
    found = set()
    if _any_meet(earlier.writes, later.reads):
        found.add(Hazard.RAW)
    if _any_meet(earlier.reads, later.writes):
        found.add(Hazard.WAR)
    if _any_meet(earlier.writes, later.writes):
        found.add(Hazard.WAW)
    return frozenset(found)


def _any_meet(some: tuple[Path, ...], others: tuple[Path, ...]) -> bool:
    return any(meet(one, other) for one in some for other in others)


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
        """Return the path for these arguments, cut in front of the first one that is not known.

        Args:
            arguments: The call's arguments by name.
            unresolved: Names of arguments that hold, or contain, a future without a value yet.
        """
        path: list[str] = []
        for segment in self.segments:
            names = _PLACEHOLDER.findall(segment)
            if any(name in unresolved or arguments.get(name) is None for name in names):
                break
            text = _PLACEHOLDER.sub(lambda match: _as_text(arguments[match.group(1)]), segment)
            places = [place for place in text.split("/") if place]
            if not places:
                break
            path += places
        return tuple(path)

    def __str__(self) -> str:
        return "/".join(self.segments)


def _as_text(value: Any) -> str:
    return str(value.value if isinstance(value, Enum) else value)


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
        return Effects(
            reads=tuple(template.expand(arguments, unresolved) for template in self.reads),
            writes=tuple(template.expand(arguments, unresolved) for template in self.writes),
        )


def show_path(path: Path) -> str:
    """Return a path as people write it; the root is ``everything``."""
    return "/".join(path) or "everything"
