"""Which calls overlapped and why they were allowed to, and which went one after the other and by what.

The certificate is made from the facts of the log alone: when each function ran, what its arguments took, and what it was
declared to touch. It asks the rule anew for each pair, from its definition, and trusts nothing that the scheduler concluded:
two calls that overlapped although they conflict would stand in it as a violation.

Calls that touch the same are ordered pair by pair: two thousand of them are two million pairs. So a pair is judged by as
little as decides it, and what is said of it is put into words when somebody reads it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from asyncfc_jupyter.core.effects import PURE, Effects, Hazard, hazards, meet, show_path
from asyncfc_jupyter.core.events import (
    ArgumentsResolved,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallHeld,
    CallIssued,
    CallRetried,
    CallStarted,
    Event,
    ResultDiscarded,
)
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.trace.trace import Trace

#: Lines of each list that the text shows; the lists themselves are whole.
_MOST_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two calls, in the order in which the model made them, and what is said of them."""

    earlier: FutureName
    later: FutureName
    #: Says why, of these two.
    explain: Callable[[FutureName, FutureName], str] = field(repr=False, compare=False)

    @property
    def reason(self) -> str:
        """What ordered the two, or why they may overlap."""
        return self.explain(self.earlier, self.later)

    def __str__(self) -> str:
        return f"{self.earlier}, {self.later}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a run's trace says about the guarantee. Made by ``run.certificate()``.

    Attributes:
        overlapped: Pairs whose functions ran at the same time, each with why that changes nothing.
        ordered: Pairs that had to go one after the other, each with by what.
        violations: Pairs that ran at the same time, or the wrong way round, although they had to be ordered: a bug of this
            package.
        notes: What the guarantee does not cover in this run, such as a function that went on after its time was up.
    """

    overlapped: tuple[Pair, ...]
    ordered: tuple[Pair, ...]
    violations: tuple[Pair, ...]
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every pair that had to be ordered was, so that overlapping changed no result."""
        return not self.violations

    def __str__(self) -> str:
        verdict = (
            "Serial equivalence holds, given true declarations: every pair below that had to be ordered was."
            if self.holds
            else "Serial equivalence does NOT hold; this is a bug in asyncfc_jupyter, please report it."
        )
        parts = [
            _listed("Violations", self.violations) if self.violations else "",
            _listed("Overlapped", self.overlapped),
            _listed("Ordered", self.ordered),
            _listed("Not covered", self.notes) if self.notes else "",
        ]
        return "\n\n".join([verdict, *filter(None, parts)])

    __repr__ = __str__


def _listed(title: str, items: tuple[object, ...]) -> str:
    shown = [f"  {item}" for item in items[:_MOST_LINES]] or ["  none"]
    more = [f"  ... and {len(items) - _MOST_LINES} more"] if len(items) > _MOST_LINES else []
    return "\n".join([f"{title} ({len(items)})", *shown, *more])


@dataclass(slots=True, kw_only=True)
class _Call:
    future: FutureName
    needs: tuple[FutureName, ...] = ()
    references: tuple[str, ...] = ()
    irreversible: bool = False
    same_as: FutureName | None = None
    effects: Effects = PURE
    started: int | None = None
    ended: int | None = None
    #: Calls it was held for, perhaps without a conflict in the end: a path was not known yet.
    held_for: dict[FutureName, Wait] = field(default_factory=dict)

    def overlaps(self, other: _Call) -> bool:
        """Return whether both functions ran at some moment; by order of the facts, since two may share an instant."""
        if self.started is None or other.started is None:
            return False
        return (other.ended is None or self.started < other.ended) and (
            self.ended is None or other.started < self.ended
        )

    def before(self, other: _Call) -> bool:
        return self.ended is not None and other.started is not None and self.ended < other.started


def certify(trace: Trace) -> Certificate:
    """Return what a trace says about every pair of its calls.

    The time it takes grows with the square of the number of calls that touch any state.
    """
    calls, notes = _fold(trace)
    why = _Reasons({call.future: call for call in calls})
    overlapped: list[Pair] = []
    ordered: list[Pair] = []
    violations: list[Pair] = []
    for one, other in _overlapping(calls):
        if _must_wait(one, other):
            violations.append(Pair(earlier=one.future, later=other.future, explain=why.ordered))
        else:
            overlapped.append(Pair(earlier=one.future, later=other.future, explain=why.allowed))
    for one, other in _related(calls):
        if one.overlaps(other):
            continue
        if _must_wait(one, other):
            wrong = other.before(one)
            (violations if wrong else ordered).append(Pair(earlier=one.future, later=other.future, explain=why.ordered))
        elif one.future in other.held_for and one.before(other):
            ordered.append(Pair(earlier=one.future, later=other.future, explain=why.held))
    return Certificate(
        overlapped=tuple(overlapped),
        ordered=tuple(ordered),
        violations=tuple(violations),
        notes=tuple(notes),
    )


def _fold(trace: Trace) -> tuple[list[_Call], list[str]]:
    calls: dict[FutureName, _Call] = {}
    notes: list[str] = []
    for stamped in trace.events:
        event: Event = stamped.event
        match event:
            case CallIssued():
                calls[event.future] = _Call(
                    future=event.future,
                    needs=event.needs,
                    references=event.references,
                    irreversible=event.irreversible,
                    same_as=event.same_as,
                )
            case ArgumentsResolved(future=name, effects=effects) if name in calls:
                calls[name].effects = effects
            case CallHeld(future=name, wait=wait) if name in calls and wait.kind == "hazard":
                calls[name].held_for.update(dict.fromkeys(wait.on, wait))
            case CallStarted(future=name) if name in calls:
                calls[name].started = stamped.seq
            case CallFinished(future=name) | CallFailed(future=name) | CallCancelled(future=name) if name in calls:
                calls[name].ended = stamped.seq
                if not isinstance(event, CallFinished) and event.still_running:
                    end = "was cancelled" if isinstance(event, CallCancelled) else "ran out of time"
                    notes.append(f"{name} {end} and its function went on; what it did then is not ordered")
            case CallRetried(future=name, attempt=attempt, still_running=True):
                notes.append(
                    f"{name} ran out of time in attempt {attempt}, which went on; what it did then is not ordered"
                )
            case ResultDiscarded(future=name):
                notes.append(f"{name} was given up and its function went on until {stamped.at_s:.1f} s")
    return list(calls.values()), notes


def _overlapping(calls: Iterable[_Call]) -> Iterator[tuple[_Call, _Call]]:
    """Yield the pairs that ran at the same time, in order of emission: a sweep over the starts."""
    position = {call.future: number for number, call in enumerate(calls)}
    pairs: list[tuple[_Call, _Call]] = []
    running: list[_Call] = []
    for call in sorted((c for c in calls if c.started is not None), key=lambda c: c.started or 0):
        running = [other for other in running if other.overlaps(call)]
        pairs += [
            (other, call) if position[other.future] < position[call.future] else (call, other) for other in running
        ]
        running.append(call)
    yield from sorted(pairs, key=lambda pair: (position[pair[0].future], position[pair[1].future]))


def _related(calls: list[_Call]) -> Iterator[tuple[_Call, _Call]]:
    """Yield the pairs that something may order, in order of emission: of pure calls, only those that share a value."""
    place = {call.future: number for number, call in enumerate(calls)}
    touching = [number for number, call in enumerate(calls) if not call.effects.pure or call.irreversible]
    irreversible = [number for number, call in enumerate(calls) if call.irreversible]
    #: Pairs beside those of two calls that touch something: the later ones by the earlier one.
    named: dict[int, set[int]] = {}
    for number, call in enumerate(calls):
        for name in (*call.needs, *call.held_for, *([call.same_as] if call.same_as else [])):
            if name in place:
                named.setdefault(place[name], set()).add(number)
    for number, call in enumerate(calls):
        both = touching if not call.effects.pure or call.irreversible else irreversible
        later = both[bisect_right(both, number) :]
        if number in named:
            later = sorted(named[number].union(later))
        for other in later:
            yield call, calls[other]


def _must_wait(earlier: _Call, later: _Call) -> bool:
    """Return whether the later call had to wait for the earlier."""
    if later.same_as == earlier.future or earlier.future in later.needs:
        return True
    if earlier.started is None or later.started is None:
        return False
    return later.irreversible or _conflicting(earlier.effects, later.effects)


def _conflicting(earlier: Effects, later: Effects) -> bool:
    if not (earlier.declared and later.declared):
        return not (earlier.pure or later.pure)
    return bool(hazards(earlier, later))


@dataclass(frozen=True, slots=True)
class _Reasons:
    """Puts into words what was found of a pair."""

    calls: Mapping[FutureName, _Call]

    def ordered(self, earlier: FutureName, later: FutureName) -> str:
        """Return by what the later call had to wait for the earlier."""
        one, other = self.calls[earlier], self.calls[later]
        if other.same_as == earlier:
            return f"{later} is the same call and shares its outcome"
        if earlier in other.needs:
            own = [text for text in other.references if _names(text, earlier)]
            return f"{later} takes {', '.join(own) or '$' + earlier}"
        found = hazards(one.effects, other.effects)
        return _conflict(one, other, found) if found else f"{later} is irreversible and waits for every call before it"

    def held(self, earlier: FutureName, later: FutureName) -> str:
        """Return why the later call waited for the earlier without a conflict in the end."""
        wait = self.calls[later].held_for[earlier]
        return f"{wait}, as far as the arguments were known" if not wait.widened else f"{later} waited: {wait}"

    def allowed(self, earlier: FutureName, later: FutureName) -> str:
        """Return why two calls that overlapped were allowed to."""
        return _why_allowed(self.calls[earlier], self.calls[later])


def _conflict(earlier: _Call, later: _Call, found: frozenset[Hazard]) -> str:
    kinds = ", ".join(sorted(found))
    silent = [call.future for call in (earlier, later) if not call.effects.declared]
    if silent:
        return f"{' and '.join(silent)} declare{'s' if len(silent) == 1 else ''} no effects ({kinds})"
    first = [*earlier.effects.reads, *earlier.effects.writes]
    second = [*later.effects.reads, *later.effects.writes]
    shared = next(
        max(one, two, key=len)
        for one in first
        for two in second
        if meet(one, two) and _written(one, two, earlier, later)
    )
    return f"both touch {show_path(shared)} ({kinds})"


def _written(one: tuple[str, ...], two: tuple[str, ...], earlier: _Call, later: _Call) -> bool:
    return one in earlier.effects.writes or two in later.effects.writes


def _why_allowed(one: _Call, other: _Call) -> str:
    pure = [call.future for call in (one, other) if call.effects.pure]
    if len(pure) == 2:
        return "neither touches any state"
    if pure:
        return f"{pure[0]} touches no state"
    if not one.effects.writes and not other.effects.writes:
        return "both only read"
    return f"{_touches(one)}, {_touches(other)}: nothing that one writes does the other touch"


def _touches(call: _Call) -> str:
    parts = [("reads", call.effects.reads), ("writes", call.effects.writes)]
    said = " and ".join(f"{verb} {', '.join(map(show_path, paths))}" for verb, paths in parts if paths)
    return f"{call.future} {said}"


def _names(reference: str, future: FutureName) -> bool:
    head = f"${future}"
    return reference.startswith(head) and not reference[len(head) : len(head) + 1].isdigit()
