"""Which calls overlapped and why they were allowed to, and which ran one after the other and why.

The certificate uses only the facts of the log: when each function ran, what its arguments took, and what it was
declared to touch. It applies the rule to each pair from its definition, and trusts nothing that the scheduler concluded:
two calls that overlapped although they conflict would be listed as a violation.

Calls that touch the same state are ordered pair by pair: two thousand of them are two million pairs. So a pair is judged by
as few facts as decide it, and the reason is put into words when it is read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from asyncfc_jupyter.core.call_record import future_of
from asyncfc_jupyter.core.effects import PURE, Effects, hazards, meet, show_path
from asyncfc_jupyter.core.events import (
    ArgumentsResolved,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallHeld,
    CallIssued,
    CallRetried,
    CallStarted,
    EffectsResolved,
    Event,
    ResultDiscarded,
)
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.trace.trace import Trace

#: Lines of each list that the text shows; the lists themselves are whole.
_MOST_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two calls, in the order in which the model made them, and the reason why they overlapped or did not."""

    earlier: FutureName
    later: FutureName
    #: Returns the reason in words.
    explain: Callable[[FutureName, FutureName], str] = field(repr=False, compare=False)

    @property
    def reason(self) -> str:
        """What ordered the two, or why they may overlap."""
        return mask(self.explain(self.earlier, self.later))

    def __str__(self) -> str:
        return f"{self.earlier}, {self.later}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a run's trace says about the guarantee. Made by ``run.certificate()``.

    Attributes:
        overlapped: Pairs whose functions ran at the same time, each with why that changes nothing.
        ordered: Pairs that had to run one after the other, each with the reason.
        violations: Pairs that ran at the same time, or the wrong way round, although they had to be ordered: a bug of this
            package.
        notes: What the guarantee does not cover in this run, such as a function that ran on after its time was up.
    """

    overlapped: tuple[Pair, ...]
    ordered: tuple[Pair, ...]
    violations: tuple[Pair, ...]
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every pair that had to be ordered was ordered, so that overlapping changed no result."""
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
        return mask("\n\n".join([verdict, *filter(None, parts)]))

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
    #: Calls it was held for. There may be no conflict with them: a path was not known yet.
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
    calls, notes = _calls_of(trace)
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
        overlapped=tuple(overlapped), ordered=tuple(ordered), violations=tuple(violations), notes=tuple(notes)
    )


def _calls_of(trace: Trace) -> tuple[list[_Call], list[str]]:
    """Return the calls in order of issue, and notes on what is not covered."""
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
            case EffectsResolved() | ArgumentsResolved() if event.future in calls:
                calls[event.future].effects = event.effects
            case CallHeld(future=name, wait=wait) if name in calls and wait.kind == "hazard":
                calls[name].held_for.update(dict.fromkeys(wait.on, wait))
            case CallStarted(future=name) if name in calls:
                calls[name].started = stamped.seq
            case CallFinished(future=name) | CallFailed(future=name) | CallCancelled(future=name) if name in calls:
                calls[name].ended = stamped.seq
                if not isinstance(event, CallFinished) and event.still_running:
                    end = "was cancelled" if isinstance(event, CallCancelled) else "ran out of time"
                    notes.append(f"{name} {end} and its function ran on; what it did then is not ordered")
            case CallRetried(future=name, attempt=attempt, still_running=True):
                notes.append(
                    f"{name} ran out of time in attempt {attempt}, which ran on; what it did then is not ordered"
                )
            case ResultDiscarded(future=name):
                notes.append(f"{name} was abandoned and its function ran on until {stamped.at_s:.1f} s")
    return list(calls.values()), notes


def _overlapping(calls: list[_Call]) -> list[tuple[_Call, _Call]]:
    """Return the pairs that ran at the same time, in order of emission: a sweep over the starts."""
    position = {call.future: number for number, call in enumerate(calls)}
    pairs: list[tuple[int, int]] = []
    running: list[_Call] = []
    for call in sorted((call for call in calls if call.started is not None), key=lambda call: call.started or 0):
        running = [other for other in running if other.overlaps(call)]
        own = position[call.future]
        pairs += [(min(own, position[other.future]), max(own, position[other.future])) for other in running]
        running.append(call)
    return [(calls[earlier], calls[later]) for earlier, later in sorted(pairs)]


def _related(calls: list[_Call]) -> Iterator[tuple[_Call, _Call]]:
    """Yield the pairs that something may order, in order of emission: of pure calls, only those that share a value."""
    place = {call.future: number for number, call in enumerate(calls)}
    touching = [number for number, call in enumerate(calls) if not call.effects.pure or call.irreversible]
    irreversible = [number for number, call in enumerate(calls) if call.irreversible]
    #: The later calls that name the earlier one, beside those that touch the same state.
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
    if later.irreversible:
        return True
    if not (earlier.effects.declared and later.effects.declared):
        return not (earlier.effects.pure or later.effects.pure)
    return bool(hazards(earlier.effects, later.effects))


@dataclass(frozen=True, slots=True)
class _Reasons:
    """Puts into words why two calls were ordered or overlapped."""

    calls: Mapping[FutureName, _Call]

    def ordered(self, earlier: FutureName, later: FutureName) -> str:
        """Return why the later call had to wait for the earlier."""
        one, other = self.calls[earlier], self.calls[later]
        if other.same_as == earlier:
            shares = "shares its outcome" if other.started is None else "waited to share its outcome"
            return f"{later} is the same call and {shares}"
        if earlier in other.needs:
            taken = [text for text in other.references if future_of(text) == earlier]
            return f"{later} takes {', '.join(taken) or '$' + earlier}"
        found = hazards(one.effects, other.effects)
        if not found:
            return f"{later} is irreversible and waits for every call before it"
        kinds = ", ".join(sorted(found))
        silent = [call.future for call in (one, other) if not call.effects.declared]
        if silent:
            return f"{' and '.join(silent)} declare{'s' if len(silent) == 1 else ''} no effects ({kinds})"
        shared = next(
            max(path, other_path, key=len)
            for path in (*one.effects.reads, *one.effects.writes)
            for other_path in (*other.effects.reads, *other.effects.writes)
            if meet(path, other_path) and (path in one.effects.writes or other_path in other.effects.writes)
        )
        return f"both touch {show_path(shared)} ({kinds})"

    def held(self, earlier: FutureName, later: FutureName) -> str:
        """Return why the later call waited for the earlier although the two do not conflict."""
        wait = self.calls[later].held_for[earlier]
        return f"{wait}, as far as the arguments were known" if not wait.widened else f"{later} waited: {wait}"

    def allowed(self, earlier: FutureName, later: FutureName) -> str:
        """Return why two calls that overlapped were allowed to."""
        one, other = self.calls[earlier], self.calls[later]
        pure = [call.future for call in (one, other) if call.effects.pure]
        if len(pure) == 2:
            return "neither touches any state"
        if pure:
            return f"{pure[0]} touches no state"
        if not one.effects.writes and not other.effects.writes:
            return "both only read"
        touched = []
        for call in (one, other):
            paths = (("reads", call.effects.reads), ("writes", call.effects.writes))
            verbs = [f"{verb} {', '.join(map(show_path, places))}" for verb, places in paths if places]
            touched.append(f"{call.future} {' and '.join(verbs)}")
        return f"{', '.join(touched)}: neither writes what the other touches"
