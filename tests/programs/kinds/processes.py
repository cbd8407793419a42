"""Tools in other processes, some of which die: on the real clock, so of these few are played."""

import os

from asyncfc_jupyter import tool
from tests.programs.program import Kind, either, one_of, result_of
from tests.programs.time import Time


@tool(pure=True, run_in="process")
def count(size: int) -> int:
    """Take some milliseconds."""
    return sum(range(size * 20_000))


@tool(pure=True, run_in="process")
def die(size: int) -> int:
    """End the process after some milliseconds, or fail where the process is the test's own."""
    sum(range(size * 20_000))
    if Time.passes:
        os._exit(3)
    raise RuntimeError("this would be the end")


@tool(writes="places/{place}", idempotent=True, run_in="process")
def put(place: str, size: int) -> list:
    """Do what may be done twice."""
    return [place, sum(range(size * 20_000))]


@tool(pure=True)
async def here(size: int) -> int:
    """Run in this process."""
    return size


size = either(one_of(1, 2, 3), result_of("here", otherwise=1))

KIND = Kind(
    module=__name__,
    begin=lambda: None,
    state=lambda: None,
    calls=(
        (count, {"size": size}),
        (die, {"size": size}),
        (count, {"size": size}),
        (count, {"size": size}),
        (put, {"place": one_of("a", "b"), "size": size}),
        (count, {"size": size}),
        (here, {"size": one_of(1, 2)}),
    ),
    # How a dead process is reported is not how a function reports its exception.
    same_errors=False,
    in_virtual_time=False,
)
