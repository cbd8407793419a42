"""Schedulers with one planted fault each: the search for a program that goes wrong must find every one."""

from dataclasses import replace

from asyncfc_jupyter.core.call_record import Gate
from asyncfc_jupyter.core.effects import Effects
from asyncfc_jupyter.core.events import BindingDelayed, CallFinished, EffectsResolved
from asyncfc_jupyter.core.futures import State
from asyncfc_jupyter.core.limits import Places
from asyncfc_jupyter.core.path_index import Accesses
from asyncfc_jupyter.core.scheduler import Scheduler


class _BlindToReads(Accesses):
    def latest_before(self, order, effects):
        return (
            super().latest_before(order, Effects(reads=effects.reads + effects.writes))
            if effects.writes
            else (super().latest_before(order, effects))
        )


class DropsWriteAfterRead(Scheduler):
    """A write does not wait for earlier reads."""

    def __init__(self, **options):
        super().__init__(**options)
        self._accesses = _BlindToReads()


class _BlindToWritesOfWriters(Accesses):
    def latest_before(self, order, effects):
        reads = super().latest_before(order, Effects(reads=effects.reads))
        found = super().latest_before(order, effects)
        return reads if found is not None and found.hazard.value == "WAW" else found


class DropsWriteAfterWrite(Scheduler):
    """A write does not wait for earlier writes."""

    def __init__(self, **options):
        super().__init__(**options)
        self._accesses = _BlindToWritesOfWriters()


class ForgetsWidening(Scheduler):
    """A call has no effects until its arguments are known."""

    def _issued(self, event):
        yield from super()._issued(event)
        record = self._records[event.future]
        if record.gate is Gate.DATA and not record.state.settled:
            self._accesses.remove(record.order, record.effects)
            record.effects = Effects()


class NeverLooksAgainAfterNarrowing(Scheduler):
    """The watchers of a call are not woken when its arguments become known."""

    def _wake_watchers(self, record):
        if record.state.settled:
            yield from super()._wake_watchers(record)


class LosesAWakeUp(Scheduler):
    """Of several calls that watch one, the last is forgotten."""

    def _wake_watchers(self, record):
        if len(self._watchers[record.future]) > 1:
            self._watchers[record.future].pop()
        yield from super()._wake_watchers(record)


class StartsIrreversibleBesideOthers(Scheduler):
    """An irreversible call does not wait for earlier ones to settle."""

    def _unsafe(self, record):
        found = super()._unsafe(record)
        return (None, None) if found[0] is not None else found


class StartsIrreversibleInAnOpenReply(Scheduler):
    """An irreversible call does not wait for its reply to end."""

    def _unsafe(self, record):
        found = super()._unsafe(record)
        return found if found[0] is not None else (None, None)


class ForgetsFailuresBeforeIrreversible(Scheduler):
    """An irreversible call is made although the model has not seen the failure of an earlier call."""

    def _leave(self, record, state):
        super()._leave(record, state)
        self._unseen_failures.clear()


class ForgetsDependents(Scheduler):
    """Calls that need a failed call are left waiting."""

    def _follow(self, record):
        for other, command, outcome in super()._follow(record):
            if outcome is not State.SKIPPED:
                yield other, command, outcome


class TakesAPlaceBeyondTheLimit(Scheduler):
    """Each limit has one place too many."""

    def __init__(self, **options):
        super().__init__(**options)
        self._places = _Generous()


class _Generous(Places):
    def full(self, limits):
        return next((limit for limit in limits if self._taken.get(limit.name, 0) > limit.places), None)


class _LastComeFirst(Places):
    def arrive(self, order, limits):
        super().arrive(-order, limits)

    def withdraw(self, order):
        super().withdraw(-order)

    def grant(self):
        for order, full in super().grant():
            yield -order, full


class HandsOutPlacesAgainstTheOrder(Scheduler):
    """Of the calls that wait for a place, the latest gets it first."""

    def __init__(self, **options):
        super().__init__(**options)
        self._places = _LastComeFirst()


class SharesAcrossConflicts(Scheduler):
    """A repeat takes a pending call's outcome although a call in between changes what they read."""

    def may_share(self, earlier, effects):
        return not self._records[earlier].state.settled


class BindsArgumentsTooEarly(Scheduler):
    """Arguments are bound before the earlier calls have ended that may still change them."""

    def _resolved(self, event):
        if isinstance(event, EffectsResolved):
            record = self._find(event)
            self._answered(record)
            yield self._resolve(record, Gate.BINDING)
        else:
            yield from super()._resolved(event)


class KeepsPlacesWhileBindingIsDelayed(Scheduler):
    """No call starts while arguments wait for a clean-up."""

    def _react(self, event):
        commands = super()._react(event)
        if isinstance(event, BindingDelayed):
            record = self._find(event)
            record.resolving = True
            self._resolving += 1
        return commands


class SharesObjects(Scheduler):
    """A repeat takes an outcome that cannot be shared."""

    def _react(self, event):
        return super()._react(replace(event, shareable=True) if isinstance(event, CallFinished) else event)


class ForgetsThePlacesOfARepeat(Scheduler):
    """A repeat has no effects until it has to run."""

    def _repeat(self, record, primary):
        self._accesses.remove(record.order, record.effects)
        record.effects = Effects()
        return super()._repeat(record, primary)


class IgnoresApproval(Scheduler):
    """A call that needs approval starts before the user has answered."""

    def _check(self, record):
        yield from super()._check(record)
        if record.gate is Gate.APPROVAL:
            self._arrive(record)


class SettlesARepeatTooEarly(Scheduler):
    """A repeat is done before the call that it repeats."""

    def _repeat(self, record, primary):
        yield from super()._repeat(record, primary)
        if not record.state.settled:
            yield from self._settle(record, State.DONE)


MUTANTS = (
    DropsWriteAfterRead,
    DropsWriteAfterWrite,
    ForgetsWidening,
    NeverLooksAgainAfterNarrowing,
    LosesAWakeUp,
    StartsIrreversibleBesideOthers,
    StartsIrreversibleInAnOpenReply,
    ForgetsFailuresBeforeIrreversible,
    ForgetsDependents,
    TakesAPlaceBeyondTheLimit,
    HandsOutPlacesAgainstTheOrder,
    SharesAcrossConflicts,
    BindsArgumentsTooEarly,
    KeepsPlacesWhileBindingIsDelayed,
    SharesObjects,
    ForgetsThePlacesOfARepeat,
    IgnoresApproval,
    SettlesARepeatTooEarly,
)
