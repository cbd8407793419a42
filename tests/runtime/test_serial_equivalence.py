"""Results and final state equal those of one call after another: random programs, in virtual time and on the real clock."""

import asyncio

from hypothesis import given

from asyncfc_jupyter.testing import run_virtually
from tests.random_programs import programs, share
from tests.runtime.random_calls import SIZE, compare, overlapping
from tests.runtime.stateful_tools import World


@share(40)
@given(programs(SIZE))
def test_overlapping_calls_have_the_results_of_serial_ones(data) -> None:
    world = World()
    calls, driver = run_virtually(overlapping(data, world, threads=False))
    compare(calls, driver.issued, world, World())


@share(5)
@given(programs(SIZE))
def test_calls_in_threads_have_the_results_of_serial_ones(data) -> None:
    world = World()
    calls, driver = run_virtually(overlapping(data, world))
    compare(calls, driver.issued, world, World())


@share(1)
@given(programs(SIZE))
def test_calls_on_the_real_clock_have_the_results_of_serial_ones(data) -> None:
    quick = {"naps": (0.0, 0.002, 0.001, 0.003, 0.004, 0.0), "flaky": False}
    world = World(**quick)
    calls, driver = asyncio.run(overlapping(data, world, pauses=(0.0, 0.001, 0.002)))
    compare(calls, driver.issued, world, World(**quick))
