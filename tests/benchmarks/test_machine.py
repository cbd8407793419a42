"""The scheduler's cost is linear, counted in steps and in bytes: neither depends on how fast the machine is that runs it."""

import pytest

from asyncfc_jupyter.testing import run_virtually
from tests.benchmarks.machine import QUICK_SIZES, SHAPES, drive, memory_bytes, played

#: A step count may grow by this much with ten times the calls, as runs have beginnings and ends; the square would be 10.
LINEAR = 1.5


@pytest.mark.parametrize("shape", SHAPES)
def test_a_future_costs_as_many_steps_in_a_large_run_as_in_a_small_one(shape: str) -> None:
    few, many = (played(shape, calls) for calls in QUICK_SIZES)
    for count in ("commands", "looks", "story_characters"):
        small, large = (
            getattr(machine, count) / calls for machine, calls in zip((few, many), QUICK_SIZES, strict=True)
        )
        assert large <= LINEAR * small + 1, count


@pytest.mark.parametrize("shape", SHAPES)
def test_a_future_takes_as_much_memory_in_a_large_run_as_in_a_small_one(shape: str) -> None:
    small, large = (memory_bytes(shape, calls) for calls in QUICK_SIZES)
    assert large <= LINEAR * small


def test_the_driver_brings_every_call_of_a_long_run_to_its_end() -> None:
    driver = run_virtually(drive("driver: chain by reference", QUICK_SIZES[1]))
    assert len(driver.issued) == QUICK_SIZES[1]
