"""The benchmark of tools that compute: it runs both modes, compares what they say, and finds a wrong result."""

import pytest

from tests.benchmarks import compute
from tests.benchmarks.compute import Row, row_of, table


@pytest.mark.parametrize("work", compute.WORKS)
def test_the_calls_of_each_kind_are_run_in_both_modes(work) -> None:
    row = row_of(work, "thread", 2, 0.02)
    assert (row.work, row.place, row.calls) == (work, "thread", 2)
    assert row.measured == row.sequential_s / row.async_s
    assert row.sequential_s >= 0.04
    assert row.claimed > 0


def test_a_wrong_result_stops_the_benchmark(monkeypatch) -> None:
    def wrong(number: int, work_s: float) -> int:
        """Return what it should not."""
        return number + (number == 1)

    monkeypatch.setitem(compute.WORKS, "computes", wrong)
    with pytest.raises(AssertionError):
        row_of("computes", "thread", 2, 0.0)


def test_the_table_holds_medians_and_sets_the_claim_beside_the_measure() -> None:
    rounds = [
        [Row(work="both", place="thread", calls=8, sequential_s=8.0, async_s=2.0, claimed=claimed, stall_s=stall_s)]
        for claimed, stall_s in ((3.0, 0.5), (5.0, 0.02), (4.4, 0.03))
    ]
    assert table(rounds).rows == [["both, thread", "8", "8.00", "2.00", "4.00x", "4.40x", "1.10", "30"]]
