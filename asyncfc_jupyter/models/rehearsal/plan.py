"""What a rehearsal plan says, as values, and the check that it can be carried out.

``reading`` turns the text into these; ``deciding`` carries them out, a reply at a time.
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
    """A value taken from the result that a name stands for, such as ``flights[0].id``."""

    name: str
    steps: tuple[Field | Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """A list, or a tuple, which JSON does not tell from a list."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A dictionary with text keys."""

    pairs: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A place in a text that takes a value, such as ``{total:.2f}``."""

    take: Take
    #: ``s``, ``r``, ``a``, or nothing.
    conversion: str = ""
    spec: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text with holes (an f-string), or without any (the answer and spoken text)."""

    parts: tuple[str | Hole, ...]


Value = Constant | Take | Array | Table | Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a plan."""

    #: From 1, in the person's text.
    line: int
    #: That line, for showing.
    source: str
    #: Statements that no blank line parts have the same number.
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTool(Statement):
    """``target = tool(...)``, or without the target."""

    target: str | None
    tool: str
    positional: tuple[Value, ...]
    named: tuple[tuple[str, Value], ...]

    def arguments(self, parameters: Parameters) -> tuple[tuple[str, Value], ...]:
        """Return the arguments by name: positional ones take the tool's parameters in order."""
        return (*zip(parameters.get(self.tool, ()), self.positional, strict=False), *self.named)

    @property
    def values(self) -> tuple[Value, ...]:
        """All the arguments, without their names."""
        return (*self.positional, *(value for _, value in self.named))


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitNames(Statement):
    """``await x, y``."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak(Statement):
    """A text that is said before the plan is through."""

    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole plan."""

    statements: tuple[CallTool | AwaitNames | Speak, ...]
    #: The last text, with the line it begins on; None when the plan has no answer.
    answer: Speak | None


def takes_in(value: Value) -> Iterator[tuple[Take, bool]]:
    """Yield every value that ``value`` takes, and whether it is taken into a text, in order of appearance."""
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
    """Refuse a plan that calls a tool there is not, or takes a value from a name that nothing was assigned to.

    Args:
        plan: The plan of the newest message.
        parameters: The tools on offer.
        names: The names that earlier plans of the conversation assigned.

    Raises:
        PlanError: Says which line and what there is.
    """
    known = set(names)
    ending = () if plan.answer is None else (plan.answer,)
    for statement in (*plan.statements, *ending):
        match statement:
            case CallTool():
                _check_call(statement, parameters)
                used = [take.name for value in statement.values for take, _ in takes_in(value)]
            case AwaitNames(names=awaited):
                used = list(awaited)
            case Speak(text=text):
                used = [take.name for take, _ in takes_in(text)]
        for name in used:
            if name not in known:
                raise PlanError(
                    statement.line,
                    statement.source,
                    f"nothing was assigned to {name!r}",
                    _way_out(name, known, "names"),
                )
        if isinstance(statement, CallTool) and statement.target is not None:
            known.add(statement.target)


def _check_call(call: CallTool, parameters: Parameters) -> None:
    if call.tool == AWAIT_FUTURE:
        raise PlanError(call.line, call.source, f"{AWAIT_FUTURE} is not called by name", "write 'await x' instead")
    if call.tool not in parameters:
        problem = f"there is no tool {call.tool!r}"
        raise PlanError(call.line, call.source, problem, _way_out(call.tool, parameters, "tools"))
    accepted = parameters[call.tool]
    if len(call.positional) > len(accepted):
        problem = f"{call.tool} takes {len(accepted)} arguments, not {len(call.positional)}"
        raise PlanError(call.line, call.source, problem, f"its parameters are: {', '.join(accepted) or 'none'}")
    twice = set(accepted[: len(call.positional)]) & {name for name, _ in call.named}
    if twice:
        problem = f"{call.tool} is given {min(twice)!r} twice"
        raise PlanError(call.line, call.source, problem, "give it by position or by name, not both")


def _way_out(word: str, known: Iterable[str], kind: str) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{meant}the {kind} are: {', '.join(names) or 'none yet'}"
