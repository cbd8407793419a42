"""The comparison with calls made one by one finds each fault planted in the driver, and nothing without a fault."""

import asyncio

import pytest

from asyncfc_jupyter.core.effects import PURE
from asyncfc_jupyter.core.events import ApprovalGiven, CallFailed, CallFinished
from asyncfc_jupyter.runtime.abandoned import Abandoned
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.outcome import Returned
from asyncfc_jupyter.testing import run_virtually
from tests.random_programs import goes_wrong
from tests.runtime.random_calls import SIZE, compare, overlapping
from tests.runtime.stateful_tools import World


class ResolvesNoEffects(Driver):
    """The effects of a call are forgotten when its arguments become known."""

    def _bind(self, call):
        event = super()._bind(call)
        return event if isinstance(event, CallFailed) else type(event)(future=event.future, effects=PURE, limits=())


class SharesAcrossWrites(Driver):
    """A repeat takes a pending call's outcome although a call in between changes what it reads."""

    def __init__(self, **options):
        super().__init__(**options)
        self.scheduler.may_share = lambda *_: True


class PassesOtherValues(Driver):
    """A reference is replaced by the first result instead of the one that it names."""

    def __init__(self, **options):
        super().__init__(**options)
        self._values.find = self._first

    def _first(self, reference):
        first = next(call for call in self.issued if call.status == "done")
        return reference.resolve(first.value)


class HidesFailures(Driver):
    """A failed call is reported to the scheduler as finished: what must not happen after a failure happens."""

    def _feed(self, event):
        super()._feed(CallFinished(future=event.future, summary="") if isinstance(event, CallFailed) else event)


class NeverAsks(Driver):
    """Every question is answered with yes."""

    async def _ask(self, call, asked):
        self._feed(ApprovalGiven(future=call.name))


class LosesAWakeUp(Driver):
    """Of two waiters for a future only the first is woken."""

    def _settle(self, call, status, **how):
        call.waiters = call.waiters[:1] if len(self.issued) % 2 else ()
        super()._settle(call, status, **how)


class TakesAnOutcomeTooEarly(Driver):
    """A call counts as done before its function has returned."""

    def __init__(self, **options):
        super().__init__(**options)
        self._runner.start = self._conclude_soon

    def _conclude_soon(self, call):
        asyncio.get_running_loop().call_soon(self._conclude, call, Returned(value=None, mixed=frozenset()))


class _NoCleanUps(Abandoned):
    def clean_ups_before(self, call):
        return {}


class StartsDuringACleanUp(Driver):
    """The next call begins while an abandoned one still undoes its changes."""

    def __init__(self, **options):
        super().__init__(**options)
        self._runner.abandoned = _NoCleanUps()


MUTANTS = (
    ResolvesNoEffects,
    SharesAcrossWrites,
    PassesOtherValues,
    HidesFailures,
    NeverAsks,
    LosesAWakeUp,
    TakesAnOutcomeTooEarly,
    StartsDuringACleanUp,
)


def _play(data, driver):
    world = World()
    calls, played = run_virtually(overlapping(data, world, threads=False, driver=driver))
    compare(calls, played.issued, world, World())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_program_that_shows_the_fault_is_found(mutant) -> None:
    assert goes_wrong(lambda data: _play(data, mutant), SIZE)


def test_the_same_search_finds_nothing_without_a_fault() -> None:
    assert not goes_wrong(lambda data: _play(data, Driver), SIZE)
