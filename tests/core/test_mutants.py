"""The search finds a program that goes wrong for each planted fault, and none without a fault."""

import pytest

from asyncfc_jupyter.core.scheduler import Scheduler
from tests.core.faulty_schedulers import MUTANTS
from tests.core.scheduler_and_oracle import SIZE, play
from tests.random_programs import goes_wrong


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_program_that_shows_the_fault_is_found(mutant) -> None:
    assert goes_wrong(lambda data: play(data, mutant), SIZE)


def test_the_same_search_finds_nothing_without_a_fault() -> None:
    assert not goes_wrong(lambda data: play(data, Scheduler), SIZE)
