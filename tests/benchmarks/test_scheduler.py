"""The scheduler's cost is linear, counted in steps and in bytes: neither depends on how fast the machine is that runs it."""

import pytest

from asyncfc_jupyter.testing import run_virtually
from tests.benchmarks.scheduler import DRIVEN, SHAPES, drive, memory_bytes, played

#: Calls of the small run and of the large one.
SIZES = (200, 2_000)
#: A step count may grow by this much with ten times the calls, as runs have beginnings and ends; the square would be 10.
LINEAR = 1.5


@pytest.mark.parametrize("shape", SHAPES)
def test_a_future_costs_as_many_steps_in_a_large_run_as_in_a_small_one(shape: str) -> None:
    few, many = (played(shape, calls) for calls in SIZES)
    for count in ("commands", "looks", "story_characters"):
        small, large = (getattr(scheduler, count) / calls for scheduler, calls in zip((few, many), SIZES, strict=True))
        assert large <= LINEAR * small + 1, count


@pytest.mark.parametrize("shape", SHAPES)
def test_a_future_takes_as_much_memory_in_a_large_run_as_in_a_small_one(shape: str) -> None:
    small, large = (memory_bytes(shape, calls) for calls in SIZES)
    assert large <= LINEAR * small


@pytest.mark.parametrize("shape", DRIVEN)
def test_a_future_takes_three_kilobytes_at_most_while_it_is_pending(shape: str) -> None:
    assert memory_bytes(shape, SIZES[1]) <= 3_300


def test_the_driver_brings_every_call_of_a_long_run_to_its_end() -> None:
    driver = run_virtually(drive("driver: chain by reference", SIZES[1]))
    assert len(driver.issued) == SIZES[1]
