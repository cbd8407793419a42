"""The scheduler against a brute-force oracle: random programs, random interleavings, every rule checked after every event."""

from hypothesis import given

from tests.core.scheduler_and_oracle import SIZE, play
from tests.random_programs import programs, share


@share(60)
@given(programs(SIZE))
def test_each_call_starts_as_soon_as_it_may_and_never_before(data) -> None:
    play(data)
