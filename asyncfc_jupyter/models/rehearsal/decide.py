"""Decides what the rehearsal model replies next: a step through the plan, given what the model has seen.

A reply carries out statements up to a blank line. It ends earlier where a result must be seen first: at an ``await``, at a
text that shows a value, and, without futures, at a call that takes the result of a call in the same reply. A reply
without calls would end the run, so a block without calls is joined to the next block.

With futures, an argument that takes a result is a literal if its value was seen, else a reference. The reply before asks
for what must be read next, so that waiting costs no round trip. It names no futures if it means all pending ones, so that
asking costs few tokens. A call that takes a value from a failed result is not made, with or without futures, and its own
name counts as skipped: so the same plan gives the same answer in every mode.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from asyncfc_jupyter.core.futures import FutureName, future_name
from asyncfc_jupyter.core.malformed_references import Situation, reject_malformed_references
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE
from asyncfc_jupyter.core.references import TEXT, Reference, is_escaped, parse_reference
from asyncfc_jupyter.errors import InvariantBroken, MalformedReference
from asyncfc_jupyter.models.rehearsal.memory import SKIPPED, Binding, Memory, PastCall, Result, follow
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
)

#: The answer of a plan that has none.
_NO_ANSWER = "Done."

#: Texts that the layer might mistake for a reference, or for a model's guess at one. Such a value is passed by reference even
#: if it was seen: then it arrives unchanged, whatever it says and whatever results there are by then.
_SUSPECT = re.compile(r"\s*[$<{]|\s*f[1-9]\d*(?!\w)|pending\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Text of the reply."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """A tool call of the reply, possibly of ``await_future``."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The plan of one user message, and the means to carry it out."""

    plan: Plan
    #: The tools on offer.
    parameters: Parameters
    #: Whether results may be passed by reference and awaited.
    with_futures: bool
    #: The number of futures in the conversation when the message came. The answer concerns later ones only.
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a reply does with one statement, or at its end."""

    #: Index of the plan's next statement.
    cursor: int
    #: None for a call that cannot be made, and for an await of results that were seen.
    part: Say | Make | None = None
    #: What the statement's name stands for from here on.
    bound: Mapping[str, Binding] = field(default_factory=dict)
    #: The references that the call takes.
    inputs: Mapping[FutureName, tuple[Reference, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model says and calls in one turn."""

    #: Index of the plan's next statement before this reply.
    cursor: int
    steps: tuple[Step, ...]

    @property
    def parts(self) -> tuple[Say | Make, ...]:
        """The texts and calls, in order."""
        return tuple(step.part for step in self.steps if step.part is not None)

    @property
    def calls(self) -> tuple[Make, ...]:
        """The calls alone."""
        return tuple(part for part in self.parts if isinstance(part, Make))

    def apply(self, memory: Memory, actual: tuple[PastCall, ...]) -> int:
        """Write into the memory what this reply decided, and return the index of the plan's next statement.

        If the reply was cut short, the conversation contains fewer calls than were decided. The plan then continues after
        the last call that it contains.

        Args:
            memory: What was seen before this reply.
            actual: The calls that the conversation contains for it.
        """
        agreed = valid = 0
        for number, step in enumerate(self.steps, 1):
            if isinstance(step.part, Make):
                if agreed == len(actual) or actual[agreed].tool != step.part.tool:
                    break
                agreed += 1
                valid = number
        else:
            valid = len(self.steps)
        for step in self.steps[:valid]:
            memory.names.update(step.bound)
            memory.inputs.update(step.inputs)
        return self.steps[valid - 1].cursor if valid else self.cursor


def decide(job: Job, cursor: int, memory: Memory) -> Reply:
    """Return the next reply.

    Args:
        job: The plan that is carried out.
        cursor: The index of the plan's next statement.
        memory: What was seen so far; it is not changed.
    """
    return _Draft(job, cursor, memory).reply()


class _Draft:
    """A reply while it is being decided."""

    def __init__(self, job: Job, cursor: int, memory: Memory) -> None:
        self._job, self._with_futures, self._statements = job, job.with_futures, job.plan.statements
        self._start = self._cursor = cursor
        #: A view of the memory, to which this reply adds its own names.
        self._memory = replace(memory, names=ChainMap({}, memory.names))
        #: All futures so far, this reply's included, in order; a dictionary because it is searched often.
        self._known = {future_name(number): None for number in range(1, memory.count + 1)}
        #: Without futures every call of an earlier reply has been answered, unless the history has lost the answer.
        self._lost = frozenset() if job.with_futures else self._known.keys() - memory.results.keys()
        self._steps: list[Step] = []
        #: The block of this reply's calls; None before the first one.
        self._block: int | None = None
        self._ended = False

    def reply(self) -> Reply:
        while not self._ended and self._cursor < len(self._statements):
            statement = self._statements[self._cursor]
            if self._block in {None, statement.block}:
                self._carry_out(statement)
            else:
                self._ask(self._needs(statement))
                self._ended = True
        if not self._ended:
            self._conclude()
        return Reply(cursor=self._start, steps=tuple(self._steps))

    def _carry_out(self, statement: CallTool | AwaitNames | Speak) -> None:
        """Carry out one statement and move past it, or end the reply before it."""
        obstacle = self._obstacle(statement) if isinstance(statement, CallTool) else None
        if obstacle is None and (missing := self._needs(statement)):
            self._ask(missing)
            self._ended = True
            return
        self._cursor += 1
        match statement:
            case CallTool():
                self._call(statement, obstacle)
            case Speak(text=text):
                spoken_before = any(isinstance(step.part, Say) for step in self._steps)
                line = ("\n" if spoken_before else "") + self._memory.render(text)
                self._steps.append(Step(cursor=self._cursor, part=Say(text=line)))
            case AwaitNames(block=block, names=names):
                following = iter(self._statements[self._cursor :])
                while isinstance(another := next(following, None), AwaitNames) and another.block == block:
                    names += another.names
                    self._cursor += 1
                self._steps.append(Step(cursor=self._cursor))
                self._ask(self._unseen(names))

    def _call(self, call: CallTool, obstacle: Result | None) -> None:
        """Make a call, or give its name the result that it gets because it cannot be made."""
        bound: dict[str, Binding] = {}
        inputs: dict[FutureName, tuple[Reference, ...]] = {}
        future = future_name(len(self._known) + 1)
        if call.target is not None:
            bound[call.target] = future if obstacle is None else obstacle
        part = None
        if obstacle is None:
            self._known[future] = None
            references: list[Reference] = []
            named = call.arguments(self._job.parameters)
            part = Make(tool=call.tool, arguments={name: self._json(name, each, references) for name, each in named})
            inputs[future] = tuple(references)
            self._block = call.block
        self._memory.names.update(bound)
        self._steps.append(Step(cursor=self._cursor, part=part, bound=bound, inputs=inputs))

    def _conclude(self) -> None:
        """Give the answer, or make sure that the next reply can give it.

        A reply with calls does not ask for the answer's values at first: they may come by themselves, as the layer promises
        to a model that has made all its calls. If they ever did not, it asks for them itself, which saves a round trip.
        """
        answer = self._job.plan.answer
        needed = self._needs(answer) if answer is not None else []
        if needed:
            if self._block is None or self._memory.kept_waiting:
                unsettled = [name for name in [*self._known][self._job.since :] if name not in self._memory.results]
                self._ask([*dict.fromkeys([*unsettled, *needed])])
        elif self._block is None:
            # Texts that belong to calls that were not made are dropped: the answer is the same whatever was made.
            steps = [replace(step, part=None) for step in self._steps]
            text = _NO_ANSWER if answer is None else self._memory.render(answer.text)
            self._steps = [*steps, Step(cursor=self._cursor, part=Say(text=text))]

    def _ask(self, wanted: list[FutureName]) -> None:
        """Ask for results, which ends the reply; without futures, or if none are wanted, nothing happens."""
        if wanted and self._with_futures:
            unsettled = [name for name in self._known if name not in self._memory.results]
            arguments = {} if wanted == unsettled else {"futures": [*wanted]}
            self._steps.append(Step(cursor=self._cursor, part=Make(tool=AWAIT_FUTURE, arguments=arguments)))
            self._ended = True

    def _needs(self, statement: CallTool | AwaitNames | Speak) -> list[FutureName]:
        """Return the futures whose results must be seen before this statement can be carried out."""
        if isinstance(statement, AwaitNames):
            return []
        takes = statement.takes
        return self._unseen(take.name for take, into_text in takes if into_text or not self._with_futures)

    def _unseen(self, names: Iterable[str]) -> list[FutureName]:
        """Return the futures that these names stand for and whose results were not seen but may still be."""
        found = [self._memory.names[name] for name in names if self._memory.result_of(name) is None]
        return [name for name in dict.fromkeys(found) if not isinstance(name, Result) and name not in self._lost]

    def _obstacle(self, call: CallTool) -> Result | None:
        """Return the result that a call gets because it cannot be made, or None."""
        for take, into_text in call.takes:
            result = self._memory.result_of(take.name)
            if result is None:
                if self._memory.names[take.name] in self._lost:
                    return SKIPPED
            elif result.outcome != "done":
                return SKIPPED
            elif result.summarized and not into_text:
                if not self._with_futures:
                    problem = f"{take.name} is too large or not plain data, and can only be passed on with futures"
                    return Result.failed(problem)
            elif (into_text or not self._with_futures) and follow(take, result.value)[1]:
                return SKIPPED
        return None

    def _json(self, name: str, value: Value, references: list[Reference]) -> Any:
        """Return an argument as JSON, and add the references that it takes to ``references``.

        Args:
            name: The parameter, or the key that contains the value.
            value: The value in the plan.
            references: The references of the call so far.
        """
        match value:
            case Constant(value=constant):
                # A plan may contain a reference, or the prefix that marks literal text.
                return self._as_text(name, constant) if isinstance(constant, str) else constant
            case Array(items=items):
                return [self._json(name, item, references) for item in items]
            case Table(pairs=pairs):
                return {key: self._json(key, item, references) for key, item in pairs}
            case Text(parts=[Hole(take=take, conversion="", spec="")]) if isinstance(
                self._memory.look_up(take)[0], str
            ):
                return self._taken(take, references)
            case Text():
                text = self._memory.render(value)
                misread = self._with_futures and (parse_reference(text) is not None or is_escaped(text))
                return f"{TEXT}{text}" if misread else self._as_text(name, text)
            case Take():
                return self._taken(value, references)

    def _as_text(self, name: str, text: str) -> str:
        """Return a text, marked as literal if the layer would refuse it for what it resembles."""
        if not self._with_futures:
            return text
        results = self._memory.results
        situation = Situation(
            known=self._known,
            pending=self._known,  # for all that is known here
            results=lambda: ((future, results[future].value) for future in reversed(results)),
        )
        try:
            reject_malformed_references({name: text}, situation)
        except MalformedReference:
            return f"{TEXT}{text}"
        return text

    def _taken(self, take: Take, references: list[Reference]) -> Any:
        """Return the value that a take means, or a reference to it."""
        value, seen = self._memory.look_up(take)
        if seen and not (self._with_futures and _suspect(value)):
            return value
        binding = self._memory.names[take.name]
        if isinstance(binding, Result):
            raise InvariantBroken("a call is made although a value that it takes cannot be had", repr(take))
        references.append(Reference(binding, take.steps))
        return str(references[-1])


def _suspect(value: Any) -> bool:
    if isinstance(value, str):
        return _SUSPECT.match(value) is not None
    if isinstance(value, dict):
        return any(map(_suspect, value.values()))
    return isinstance(value, list) and any(map(_suspect, value))
