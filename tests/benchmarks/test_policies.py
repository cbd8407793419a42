"""The habits of models that policies are played with: each plays every policy to its end, and does what it is named for."""

import pytest

from asyncfc_jupyter.agent import Mode
from tests.benchmarks.model_server import JITTER, ONE_SLOT
from tests.benchmarks.policies import HABITS, HEDGES, IN_TIME, NEVER, POLICIES, TOKENS_PER_S, ideal_s, measured

READS = POLICIES[-1]
NAMES, TEXT_FIRST, THINKS_FIRST = HABITS[2:]


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.name)
def test_a_model_of_every_habit_gets_every_result(habit) -> None:
    for policy in POLICIES:
        for hedge in HEDGES:
            assert measured(policy, Mode.ASYNC, 0.1, habit, hedge=hedge).wrong == ""


def test_results_are_right_on_every_kind_of_server() -> None:
    for conditions in (JITTER, ONE_SLOT):
        for hedge in HEDGES:
            assert measured(READS, Mode.ASYNC, 0.1, NEVER, conditions, hedge=hedge).wrong == ""


def test_a_model_that_names_what_it_asks_for_takes_longer_to_ask() -> None:
    brief, wordy = (measured(READS, Mode.ASYNC, 1.5, habit, hedge="off") for habit in (NEVER, NAMES))
    assert brief.requests == wordy.requests > len(READS.replies) + 1
    assert wordy.characters > brief.characters


@pytest.mark.parametrize("habit", [TEXT_FIRST, THINKS_FIRST], ids=lambda habit: habit.name)
def test_what_comes_before_the_calls_takes_as_long_in_the_ideal(habit) -> None:
    for policy in POLICIES:
        plain, before = (measured(policy, Mode.SEQUENTIAL, 0.1, each) for each in (NEVER, habit))
        longer_s = ideal_s(policy, 0.1, before=habit.before) - ideal_s(policy, 0.1)
        assert before.seconds - plain.seconds == pytest.approx(len(policy.replies) * habit.before / TOKENS_PER_S)
        assert 0 < longer_s <= before.seconds - plain.seconds + 1e-9


def test_no_mode_beats_the_ideal() -> None:
    for policy in POLICIES:
        for mode in Mode:
            assert measured(policy, mode, 0.2, IN_TIME).seconds >= ideal_s(policy, 0.2) - 1e-9
