"""Deciding what the rehearsal model replies next: one step through the plan, given what it has seen.

A reply takes on statements up to a blank line, and ends early where something must be seen first: at an ``await``, at
a text that takes a value, and, without futures, at a call that takes the result of a call in the same reply. A reply
without calls would end the run, so a block that makes none is joined to the next one.

With futures, an argument that takes a result is a literal when its value was seen, else a reference. What must be read next
is asked for in the reply before, so that waiting costs no round trip, and without naming it where all that is pending is
meant, so that asking costs no more than it must. A call that takes a value from
a result known to have failed is not made, in either case, and its own name counts as skipped: so the same plan gives
the same answer in every mode.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from asyncfc_jupyter.core.futures import FutureName, future_name
from asyncfc_jupyter.core.malformed_references import Situation, reject_look_alikes
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE
from asyncfc_jupyter.core.references import TEXT, Field, Item, Reference, is_escaped, parse_reference
from asyncfc_jupyter.errors import InvariantBroken, LookAlike
from asyncfc_jupyter.models.rehearsal.memory import SKIPPED, Asked, Binding, Memory, Result, follow
from asyncfc_jupyter.models.rehearsal.plan import (
    Array,
    AwaitNames,
    CallTool,
    Constant,
    Hole,
    Parameters,
    Plan,
    Speak,
    Table,
    Take,
    Text,
    Value,
    takes_in,
)

#: What a plan without an answer ends with.
_NO_ANSWER = "Done."

_NO_RESULT = Result(outcome="failed", error="no result came back")

#: Texts that the layer might take for a reference, or for a model's guess at one. Such a value is passed by reference,
#: even when it was seen: it then arrives as it is, whatever it says, and whatever results there are by then.
_SUSPECT = re.compile(r"\s*[$<{]|\s*f[1-9]\d*(?!\w)|pending\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Text of the reply."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """A tool call of the reply; ``await_future`` is one too."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What is asked of the model: one message of the person and the means to answer it."""

    plan: Plan
    #: The tools on offer.
    parameters: Parameters
    #: Whether results may be passed on by reference and awaited.
    futures: bool
    #: How many futures the conversation had when the message came: later ones are the answer's business.
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a reply had got at some point of it."""

    #: Index of the plan's next statement.
    cursor: int
    #: How many of the reply's ``bound`` and ``taken`` were decided by then.
    bound: int
    taken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model says and calls in one turn."""

    parts: tuple[Say | Make, ...]
    #: What names stand for, in the order in which that was decided.
    bound: tuple[tuple[str, Binding], ...]
    #: The references each call takes.
    taken: tuple[tuple[FutureName, tuple[Reference, ...]], ...]
    #: Where the plan stands before any call, and after each one.
    marks: tuple[Mark, ...]
    end: Mark

    @property
    def calls(self) -> tuple[Make, ...]:
        """The calls alone."""
        return tuple(part for part in self.parts if isinstance(part, Make))

    def apply(self, memory: Memory, actual: tuple[Asked, ...]) -> int:
        """Write into the memory what this reply decided, and return the index of the plan's next statement.

        A reply that was cut short has fewer calls in the conversation than were decided; the plan then goes on behind
        the last one that is there.

        Args:
            memory: What was seen before this reply.
            actual: The calls that the conversation holds for it.
        """
        decided = self.calls
        agreed = 0
        while agreed < min(len(decided), len(actual)) and decided[agreed].tool == actual[agreed].tool:
            agreed += 1
        mark = self.end if agreed == len(decided) else self.marks[agreed]
        memory.names.update(self.bound[: mark.bound])
        memory.inputs.update(self.taken[: mark.taken])
        return mark.cursor


def decide(assignment: Assignment, cursor: int, memory: Memory) -> Reply:
    """Return the next reply.

    Args:
        assignment: What is being answered.
        cursor: The index of the plan's first statement that was not carried out.
        memory: What was seen so far; it is not changed.
    """
    return _Draft(assignment, cursor, memory).reply()


class _Draft:
    """A reply in the making."""

    def __init__(self, assignment: Assignment, cursor: int, memory: Memory) -> None:
        self._plan, self._parameters = assignment.plan, assignment.parameters
        self._futures, self._since, self._before = assignment.futures, assignment.since, memory.count
        self._cursor = cursor
        #: A view of the memory that this reply's own names may be added to.
        self._memory = replace(memory, names=ChainMap({}, memory.names))
        self._parts: list[Say | Make] = []
        self._bound: list[tuple[str, Binding]] = []
        self._taken_by: list[tuple[FutureName, tuple[Reference, ...]]] = []
        self._marks = [self._mark()]
        self._block: int | None = None
        self._ended = False
        #: Names of the futures so far, of which the layer knows whether a text looks like one.
        self._known = {str(future_name(number)): None for number in range(1, memory.count + 1)}

    def reply(self) -> Reply:
        statement = self._next()
        while not self._ended and statement is not None and self._block in {None, statement.block}:
            self._take_on(statement)
            statement = self._next()
        if not self._ended and statement is None:
            self._conclude()
        elif not self._ended and self._futures:
            self._ask(self._read_first(statement))
        return Reply(
            parts=tuple(self._parts),
            bound=tuple(self._bound),
            taken=tuple(self._taken_by),
            marks=tuple(self._marks),
            end=self._mark(),
        )

    def _mark(self) -> Mark:
        return Mark(cursor=self._cursor, bound=len(self._bound), taken=len(self._taken_by))

    def _take_on(self, statement: CallTool | AwaitNames | Speak) -> None:
        """Carry out one statement and step behind it, or end the reply in front of it."""
        match statement:
            case Speak(text=text):
                if self._seen(take for take, _ in takes_in(text)):
                    self._cursor += 1
                    self._say(self._memory.render(text))
            case AwaitNames():
                self._await(statement)
            case CallTool():
                self._call(statement)

    def _await(self, statement: AwaitNames) -> None:
        names = list(statement.names)
        self._cursor += 1
        following = self._next()
        while isinstance(following, AwaitNames) and following.block == statement.block:
            names += following.names
            self._cursor += 1
            following = self._next()
        if self._futures:
            self._ask(self._unseen(names))

    def _next(self) -> CallTool | AwaitNames | Speak | None:
        return self._plan.statements[self._cursor] if self._cursor < len(self._plan.statements) else None

    def _call(self, statement: CallTool) -> None:
        takes = [found for value in statement.values for found in takes_in(value)]
        for take, into_text in takes:
            obstacle = self._obstacle(take, into_text=into_text)
            if obstacle is not None:
                self._cursor += 1
                self._bind(statement.target, obstacle)
                return
        if not self._seen(take for take, into_text in takes if into_text or not self._futures):
            return
        future = future_name(self._memory.count + 1)
        self._known[str(future)] = None
        references: list[Reference] = []
        arguments = {name: self._json(name, value, references) for name, value in statement.arguments(self._parameters)}
        self._cursor += 1
        self._memory.count += 1
        self._bind(statement.target, future)
        self._taken_by.append((future, tuple(references)))
        self._make(statement.tool, arguments, block=statement.block)

    def _read_first(self, statement: CallTool | AwaitNames | Speak | None) -> list[FutureName]:
        """Return the futures that must be read before this statement can be carried out."""
        match statement:
            case Speak(text=text):
                return self._unseen(take.name for take, _ in takes_in(text))
            case CallTool():
                found = (each for value in statement.values for each in takes_in(value))
                return self._unseen(take.name for take, into_text in found if into_text)
        return []

    def _conclude(self) -> None:
        """Give the answer, or see to it that the next reply can give it.

        A reply that makes calls just ends at first, as the layer asks of a model that has made every call: their values may
        come by themselves. Once they did not, it asks for them itself, which saves a round trip.
        """
        takes = () if self._plan.answer is None else tuple(take for take, _ in takes_in(self._plan.answer.text))
        needed = self._unseen(take.name for take in takes) if self._futures else []
        if needed:
            emitted = [future_name(number) for number in range(self._since + 1, self._memory.count + 1)]
            open_ones = [future for future in emitted if future not in self._memory.results]
            if self._block is None or self._memory.kept_waiting:
                self._ask(list(dict.fromkeys([*open_ones, *needed])))
        elif self._block is None:
            # What was to be said with calls that were not made is left out: the answer is the same whatever was made.
            answer = _NO_ANSWER if self._plan.answer is None else self._memory.render(self._plan.answer.text)
            self._parts = [Say(text=answer)]

    def _say(self, text: str) -> None:
        spoken_before = any(isinstance(part, Say) for part in self._parts)
        self._parts.append(Say(text=f"\n{text}" if spoken_before else text))

    def _make(self, tool: str, arguments: dict[str, Any], *, block: int) -> None:
        self._parts.append(Make(tool=tool, arguments=arguments))
        self._block = block
        self._marks.append(self._mark())

    def _ask(self, futures: list[FutureName]) -> None:
        """Ask for results, which ends the reply; nothing happens when there is nothing to ask for."""
        if futures:
            open_ones = [n for n in map(future_name, range(1, self._memory.count + 1)) if n not in self._memory.results]
            named = {} if futures == open_ones else {"futures": [str(future) for future in futures]}
            self._make(AWAIT_FUTURE, named, block=-1)
            self._ended = True

    def _bind(self, target: str | None, binding: Binding) -> None:
        if target is not None:
            self._bound.append((target, binding))
            self._memory.names[target] = binding

    def _unseen(self, names: Iterable[str]) -> list[FutureName]:
        """Return the futures behind these names whose results were not seen."""
        found = [self._memory.names[name] for name in names if self._fate(name) is None]
        return list(dict.fromkeys(binding for binding in found if not isinstance(binding, Result)))

    def _seen(self, takes: Iterable[Take]) -> bool:
        """Return whether these values were all seen; otherwise the reply ends here, asking for them where it can."""
        missing = self._unseen(take.name for take in takes)
        if missing and self._futures:
            self._ask(missing)
        self._ended = self._ended or bool(missing)
        return not missing

    def _fate(self, name: str) -> Result | None:
        """Return what became of a name's call, or None while that can still be learnt."""
        fate = self._memory.fate(name)
        if fate is not None or self._futures:
            return fate
        # Without futures every call of an earlier reply has been answered, unless the history has lost its answer.
        made_now = str(self._memory.names[name]).removeprefix("f")
        return None if made_now.isdigit() and int(made_now) > self._before else _NO_RESULT

    def _obstacle(self, take: Take, *, into_text: bool) -> Result | None:
        """Return what a call that takes this value counts as because it cannot be made, or None."""
        fate = self._fate(take.name)
        if fate is None:
            return None
        if fate.outcome != "done":
            return SKIPPED
        if fate.summarized and not into_text:
            problem = f"{take.name} is too large or not plain data, and can only be passed on with futures"
            return None if self._futures else Result(outcome="failed", error=problem)
        if self._futures and not into_text:
            return None
        return SKIPPED if follow(take, fate.value)[1] else None

    def _json(self, name: str, value: Value, references: list[Reference]) -> Any:
        """Return the argument of a name, or of a key in it, as JSON; what it takes by reference is added to ``references``."""
        match value:
            case Constant(value=constant):
                # A plan may spell a reference out, or the mark of a text that is none.
                return self._marked(name, constant) if isinstance(constant, str) else constant
            case Array(items=items):
                return [self._json(name, item, references) for item in items]
            case Table(pairs=pairs):
                return {key: self._json(key, item, references) for key, item in pairs}
            case Text(parts=[Hole(take=take, conversion="", spec="")]) if self._is_text(take):
                return self._taken(take, references)
            case Text():
                text = self._memory.render(value)
                misread = self._futures and (parse_reference(text) is not None or is_escaped(text))
                return f"{TEXT}{text}" if misread else self._marked(name, text)
            case Take():
                return self._taken(value, references)

    def _marked(self, name: str, text: str) -> str:
        """Return a text with the mark of one if the layer would refuse it for what it looks like."""
        return f"{TEXT}{text}" if self._futures and self._looks_alike(name, text) else text

    def _looks_alike(self, name: str, text: str) -> bool:
        results = self._memory.results
        situation = Situation(
            known=self._known,
            pending=self._known,  # for all that is known here
            results=lambda: ((future, results[future].value) for future in reversed(results)),
        )
        try:
            reject_look_alikes({name: text}, situation)
        except LookAlike:
            return True
        return False

    def _is_text(self, take: Take) -> bool:
        """Whether a value that was seen is a text: it is then passed itself, which may be by reference."""
        fate = self._memory.fate(take.name)
        return fate is not None and not fate.summarized and isinstance(follow(take, fate.value)[0], str)

    def _taken(self, take: Take, references: list[Reference]) -> Any:
        fate, binding = self._memory.fate(take.name), self._memory.names[take.name]
        if fate is not None and not fate.summarized:
            value, missing = follow(take, fate.value)
            if not self._futures or not (missing or _suspect(value)):
                return value
        if isinstance(binding, Result):
            raise InvariantBroken("a call that takes a value nobody can have is not made", repr(take))
        reference = Reference(binding, take.steps)
        references.append(reference)
        return _written(reference)


def _suspect(value: Any) -> bool:
    if isinstance(value, str):
        return _SUSPECT.match(value) is not None
    if isinstance(value, dict):
        return any(map(_suspect, value.values()))
    return isinstance(value, list) and any(map(_suspect, value))


def _written(reference: Reference) -> str:
    """Return a reference as a model writes it, with quotes inside keys escaped."""
    steps = (_step(step) for step in reference.steps)
    return f"${reference.future}" + "".join(steps)


def _step(step: Field | Item) -> str:
    if isinstance(step, Field) or isinstance(step.key, int):
        return str(step)
    quoted = step.key.replace("\\", "\\\\").replace('"', '\\"')
    return f'["{quoted}"]'
