"""What a call reads and writes, and which pairs of calls may therefore not overlap.

State is a tree of named places, as a file system is: ``orders/42`` lies below ``orders``. A path stands for the place and
all places below it, so two paths meet if one is a prefix of the other. Two calls conflict if a path of one meets a path of the
other and at least one of the two is written.

A template such as ``orders/{order_id}`` becomes a path when a call's arguments are known. While ``order_id`` is still a
future, the path ends before it: the call then stands for the whole family ``orders/*``. The path also ends before an optional
argument that was not given, or that is empty. A value such as ``src/main.py`` stands for a place below ``src``.

Calls that use one place must have paths that meet, or they would overlap there. Two places with one path cost only time. So a
call has a path for every text that a function may make of an argument (`values.place_texts`). Spellings that some functions or
file systems take for one have one path: upper and lower case, composed and decomposed characters, a slash and a backslash, with
and without spaces around a segment and dots after it. ``.`` and empty segments are dropped. An argument whose text does not say
which place it is ends the path, as an unknown one does: text with ``..`` in it, or a value without a text, such as a list.

Source: the data hazards of Hennessy and Patterson, applied to named state instead of registers; AsyncFC's state tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from math import prod
from unicodedata import normalize

Path = tuple[str, ...]

#: The whole state: what a tool that declares nothing is taken to write.
ROOT: Path = ()
#: The one place of all results that are passed as the objects they are: any of them may be a part of any other. A call that is
#: given one reads it. Only calls that may write everything write it.
SHARED_OBJECTS: Path = ("shared objects",)

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
#: What some file systems ignore at the end of a name, and some functions at both ends.
_ENDING = re.compile(r"[\s.]+\Z")
#: Paths that one template may give. A path is kept in an index for as long as its call is pending; five arguments with two
#: texts each are more than any template has.
_MOST_PATHS = 32


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

    def with_shared_objects(self) -> Effects:
        """Return the same, and that the call reads an object that it is given. One that writes everything does so anyway."""
        if ROOT in self.writes:
            return self
        if self.pure:
            return _SHARED_ONLY
        return Effects(reads=(*self.reads, SHARED_OBJECTS), writes=self.writes, widened=self.widened)


PURE = Effects()
UNDECLARED = Effects(writes=(ROOT,), declared=False)
_SHARED_ONLY = Effects(reads=(SHARED_OBJECTS,))


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

    def expand(self, texts: Mapping[str, Sequence[str]]) -> tuple[Path, ...]:
        """Return the paths for these arguments. They end before the first argument without a text.

        Args:
            texts: By argument, every text that may stand for its value. Arguments that are not known are left out.
        """
        paths: tuple[Path, ...] = (ROOT,)
        for segment in self.segments:
            choices = _choices(segment, texts)
            if len(paths) * prod(map(len, choices)) not in range(1, _MOST_PATHS + 1):
                break
            ends = [_places("".join(chosen)) for chosen in product(*choices)]
            if None in ends or (len(choices) > 1 and () in ends):
                break
            paths = tuple(dict.fromkeys(path + end for path in paths for end in ends if end is not None))
        return paths

    def __str__(self) -> str:
        return "/".join(self.segments)


def _choices(segment: str, texts: Mapping[str, Sequence[str]]) -> list[Sequence[str]]:
    """Return the texts that each part of a segment may have; none for an argument that is unknown or may lead anywhere."""
    choices = list[Sequence[str]]()
    for number, part in enumerate(_PLACEHOLDER.split(segment)):  # literal text and names of arguments in turn
        if number % 2 == 0:
            choices.append((part,))
            continue
        given = texts.get(part, ())
        places = ["/".join(place) for text in given if (place := _places(text)) is not None]
        # Each text counts as it is, and as the place that it names by itself.
        choices.append(tuple(dict.fromkeys([*given, *places])) if len(places) == len(given) else ())
    return choices


def _places(text: str) -> Path | None:
    """Return the segments of a text; None if one of them may lead anywhere, as ``..`` does."""
    places = list[str]()
    for segment in text.replace("\\", "/").split("/"):
        if segment not in ("", "."):
            # One text for all that differ only in case, or in how a character is composed.
            folded = normalize("NFC", normalize("NFD", segment).casefold())
            places.append(_ENDING.sub("", folded).lstrip())
    return None if "" in places else tuple(places)


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

    def expand(self, texts: Mapping[str, Sequence[str]], unresolved: Set[str] = frozenset()) -> Effects:
        """Return the effects of one call with these arguments.

        Args:
            texts: By argument, every text that may stand for its value. Arguments that are not known are left out.
            unresolved: Names of those that hold, or contain, a future without a value yet.
        """
        if not self.declared:
            return UNDECLARED
        if not self.reads and not self.writes:
            return PURE
        unknown = [each for each in (*self.reads, *self.writes) if each.arguments & unresolved] if unresolved else []
        return Effects(
            reads=_expanded(self.reads, texts),
            writes=_expanded(self.writes, texts),
            widened=_expanded(unknown, texts),
        )


def _expanded(templates: Iterable[PathTemplate], texts: Mapping[str, Sequence[str]]) -> tuple[Path, ...]:
    return tuple(path for template in templates for path in template.expand(texts))


def show_path(path: Path) -> str:
    """Return a path as text; the root is ``everything``."""
    return "/".join(path) or "everything"
