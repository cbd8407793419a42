"""The search is worth something: it finds a program that goes wrong for each planted fault, and none without one."""

import pytest

from asyncfc_jupyter.core.machine import Machine
from tests.choices import goes_wrong
from tests.core.mutants import MUTANTS
from tests.core.pairs import SIZE, play


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_program_that_shows_the_fault_is_found(mutant) -> None:
    assert goes_wrong(lambda data: play(data, mutant), SIZE)


def test_the_same_search_finds_nothing_without_a_fault() -> None:
    assert not goes_wrong(lambda data: play(data, Machine), SIZE)
