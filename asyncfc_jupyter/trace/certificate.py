"""Which calls overlapped and why they were allowed to, and which went one after the other and by what.

The certificate is made from the facts of the log alone: when each function ran, what its arguments took, and what it was
declared to touch. It asks the rule anew for each pair, from its definition, and trusts nothing that the scheduler concluded:
two calls that overlapped although they conflict would stand in it as a violation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
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
from asyncfc_jupyter.trace.trace import Trace

#: Lines of each list that the text shows; the lists themselves are whole.
_MOST_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two calls, in the order in which the model made them, and what is said of them."""

    earlier: FutureName
    later: FutureName
    reason: str

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
    #: Calls it was held for without a conflict in the end: a path was not known yet.
    held_for: dict[FutureName, str] = field(default_factory=dict)

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
    overlapped: list[Pair] = []
    ordered: list[Pair] = []
    violations: list[Pair] = []
    for one, other in _overlapping(calls):
        reason = _demanded(one, other)
        (violations if reason else overlapped).append(
            Pair(earlier=one.future, later=other.future, reason=reason or _why_allowed(one, other))
        )
    for one, other in _related(calls):
        demanded = _demanded(one, other)
        reason = demanded or other.held_for.get(one.future, "")
        if not reason or one.overlaps(other):
            continue
        (violations if demanded and other.before(one) else ordered).append(
            Pair(earlier=one.future, later=other.future, reason=reason)
        )
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
                calls[name].held_for.update(dict.fromkeys(wait.on, f"{wait}, as far as the arguments were known"))
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
    touching = [n for n, call in enumerate(calls) if not call.effects.pure or call.irreversible]
    found = set(itertools.combinations(touching, 2))
    for number, call in enumerate(calls):
        named = [*call.needs, *call.held_for, *([call.same_as] if call.same_as else [])]
        found.update((place[name], number) for name in named if name in place)
        if call.irreversible:
            found.update((earlier, number) for earlier in range(number))
    for one, other in sorted(found):
        yield calls[one], calls[other]


def _demanded(earlier: _Call, later: _Call) -> str:
    """Return by what the later call had to wait for the earlier, or nothing."""
    if later.same_as == earlier.future:
        return f"{later.future} is the same call and shares its outcome"
    if earlier.future in later.needs:
        own = [text for text in later.references if _names(text, earlier.future)]
        return f"{later.future} takes {', '.join(own) or '$' + earlier.future}"
    if earlier.started is None or later.started is None:
        return ""
    found = hazards(earlier.effects, later.effects)
    if found:
        return _conflict(earlier, later, found)
    return f"{later.future} is irreversible and waits for every call before it" if later.irreversible else ""


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
