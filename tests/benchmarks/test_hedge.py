"""The benchmark of hedged requests: what is compared is compared fairly, and what is slower or wrong shows."""

import itertools
import os

import pytest

from asyncfc_jupyter.modes import Hedge
from tests.benchmarks import hedge
from tests.benchmarks.bfcl_parts import fetching
from tests.benchmarks.bfcl_parts.cases import cases
from tests.benchmarks.bfcl_parts.ideal import one_by_one_s
from tests.benchmarks.bfcl_parts.oracle import Style
from tests.benchmarks.bfcl_parts.world import Latency, module
from tests.benchmarks.model_server import JITTER, ONE_SLOT, STEADY

CASE = "multi_turn_base_61"


@pytest.fixture(autouse=True, scope="module")
def _the_package_is_there():
    try:
        module("")
    except fetching.BfclUnavailableError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


def test_what_conversations_are_compared_with_is_one_call_at_a_time() -> None:
    for talk in hedge.talks(STEADY, Latency(0.5), [CASE]):
        assert talk.sequential_s == pytest.approx(one_by_one_s(cases()[CASE], lambda _: 0.5))
        assert talk.wrong == ()


def test_every_way_to_hedge_and_both_styles_are_played_on_every_server() -> None:
    for conditions in (JITTER, ONE_SLOT):
        found = hedge.talks(conditions, Latency(0.2), [CASE])
        warm = (False, True) if conditions is JITTER else (False,)
        ways = itertools.product(hedge.HEDGES, warm, (False, True))
        assert [(talk.hedge, talk.warm, talk.several) for talk in found] == [*ways]
        assert {talk.conditions for talk in found} == {conditions.label}


def test_a_slower_conversation_is_counted_and_kept() -> None:
    talk = hedge.Talk(
        case=CASE, conditions=STEADY.label, hedge=Hedge.OFF, warm=False, several=False, latency="0.1 s",
        seconds=10.0, sequential_s=9.99, requests=5, unused=1, characters=3_000, wrong=("a",),
    )  # fmt: skip
    assert hedge._cells([talk]) == ["0.9990", "1", "0.9990", "5.00", "1.00", "3"]


def test_a_warm_series_knows_the_tools_and_a_cold_one_does_not(monkeypatch) -> None:
    remembered = []
    played = hedge._played

    def noted(case, *args, **options):
        remembered.append(options.get("remember"))
        return played(case, *args, **options)

    monkeypatch.setattr(hedge, "_played", noted)
    names = [CASE, "multi_turn_base_5"]
    cold = [*hedge.series(STEADY, Latency(0.1), Style(), Hedge.OFF, names, warm=False)]
    assert {each for each in remembered if each} == {"off"}
    remembered.clear()
    warm = [*hedge.series(STEADY, Latency(0.1), Style(), Hedge.OFF, names, warm=True)]
    (memory,) = {each for each in remembered if each}
    assert len(remembered) == 4  # both twice; what they are compared with is kept
    assert memory.models
    assert memory.durations.by_tool
    assert sum(talk.seconds for talk in warm) < sum(talk.seconds for talk in cold)
