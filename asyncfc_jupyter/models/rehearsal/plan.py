"""A rehearsal plan as values, and the check that it can be carried out.

`parser` turns text into these values; `decide` carries them out, one reply at a time.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from asyncfc_jupyter.core.protocol import AWAIT_FUTURE
from asyncfc_jupyter.core.references import Field, Item
from asyncfc_jupyter.errors import PlanError

#: The names of each tool's parameters, in the order of its schema.
Parameters = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A text, number, truth value or None, as written."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A value taken from the result of a name, such as ``flights[0].id``."""

    name: str
    steps: tuple[Field | Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """A list, or a tuple, which is a list in JSON."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A dictionary with text keys."""

    pairs: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A part of a text that shows a value, such as ``{total:.2f}``."""

    take: Take
    #: ``s``, ``r``, ``a`` or empty.
    conversion: str = ""
    spec: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text with holes (an f-string) or without."""

    parts: tuple[str | Hole, ...]


Value = Constant | Take | Array | Table | Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a plan."""

    #: Number of its first line in the user's text, from 1.
    line: int
    #: That line, for error messages.
    source: str
    #: A blank line begins a new block.
    block: int

    def refuse(self, problem: str, remedy: str) -> PlanError:
        """Return the error that refuses this statement."""
        return PlanError(self.line, self.source, problem, remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTool(Statement):
    """``target = tool(...)``, or without the target."""

    target: str | None
    tool: str
    positional: tuple[Value, ...]
    named: tuple[tuple[str, Value], ...]

    def arguments(self, parameters: Parameters) -> tuple[tuple[str, Value], ...]:
        """Return the arguments by name. Positional arguments get the names of the tool's parameters, in order."""
        return (*zip(parameters.get(self.tool, ()), self.positional, strict=False), *self.named)

    @property
    def takes(self) -> tuple[tuple[Take, bool], ...]:
        """Every value that an argument takes, and whether it becomes part of a text, in order of appearance."""
        values = (*self.positional, *(value for _, value in self.named))
        return tuple(found for value in values for found in takes_in(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitNames(Statement):
    """``await x, y``."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak(Statement):
    """A text that the model says: the answer, or a text before it."""

    text: Text

    @property
    def takes(self) -> tuple[tuple[Take, bool], ...]:
        """Every value that the text shows, and True for each."""
        return tuple(takes_in(self.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole plan."""

    statements: tuple[CallTool | AwaitNames | Speak, ...]
    #: The last text; None when the plan does not end in a text.
    answer: Speak | None


def takes_in(value: Value) -> Iterator[tuple[Take, bool]]:
    """Yield every value that ``value`` takes, and whether it becomes part of a text, in order of appearance."""
    match value:
        case Take():
            yield value, False
        case Array(items=items):
            for item in items:
                yield from takes_in(item)
        case Table(pairs=pairs):
            for _, item in pairs:
                yield from takes_in(item)
        case Text(parts=parts):
            yield from ((part.take, True) for part in parts if isinstance(part, Hole))
        case Constant():
            pass


def check_plan(plan: Plan, parameters: Parameters, names: Iterable[str]) -> None:
    """Refuse a plan that calls an unknown tool, or takes a value from a name to which nothing was assigned.

    Args:
        plan: The plan of the newest message.
        parameters: The tools on offer.
        names: The names that earlier plans of the conversation assigned.

    Raises:
        PlanError: A statement cannot be carried out; the error names its line and what there is.
    """
    known = set(names)
    for statement in (*plan.statements, *([plan.answer] if plan.answer else [])):
        if isinstance(statement, CallTool):
            _check_call(statement, parameters)
        taken = [take.name for take, _ in statement.takes] if not isinstance(statement, AwaitNames) else statement.names
        for name in taken:
            if name not in known:
                raise statement.refuse(f"nothing was assigned to {name!r}", _suggest(name, known, "names"))
        if isinstance(statement, CallTool) and statement.target is not None:
            known.add(statement.target)


def _check_call(call: CallTool, parameters: Parameters) -> None:
    if call.tool == AWAIT_FUTURE:
        raise call.refuse(f"{AWAIT_FUTURE} is not called by name", "write 'await x' instead")
    if call.tool not in parameters:
        raise call.refuse(f"there is no tool {call.tool!r}", _suggest(call.tool, parameters, "tools"))
    accepted, given = parameters[call.tool], len(call.positional)
    if given > len(accepted):
        problem = f"{call.tool} takes {len(accepted)} arguments, not {given}"
        raise call.refuse(problem, f"its parameters are: {', '.join(accepted) or 'none'}")
    twice = set(accepted[:given]) & {name for name, _ in call.named}
    if twice:
        raise call.refuse(f"{call.tool} is given {min(twice)!r} twice", "give it by position or by name, not both")


def _suggest(word: str, known: Iterable[str], kind: str) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{meant}the {kind} are: {', '.join(names) or 'none yet'}"
