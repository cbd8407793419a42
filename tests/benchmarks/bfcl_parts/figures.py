"""From rows to tables: means over cases, with intervals by bootstrap."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import mean
from typing import Any

from tests.benchmarks.bfcl_parts.jobs import Row
from tests.benchmarks.report import Table

_RESAMPLES = 2_000
Groups = dict[tuple[str, str], list[Row]]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95% interval of the mean by bootstrap over cases; the same for the same values."""
    rng = random.Random(0)
    means = sorted(mean(rng.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    return means[int(0.025 * _RESAMPLES)], means[int(0.975 * _RESAMPLES) - 1]


def grouped(rows: Iterable[Row]) -> Groups:
    """Return rows by setup and latency, in the order in which they came."""
    groups: Groups = defaultdict(list)
    for row in rows:
        groups[row.setup, row.latency].append(row)
    return groups


def over(rows: Iterable[Row], setup: str) -> Callable[[Row], float]:
    """Return the factor by which the same conversation took longer in another setup."""
    seconds = {(row.case, row.latency): row.seconds for row in rows if row.setup == setup}
    return lambda row: seconds[row.case, row.latency] / row.seconds


def by_latency(
    caption: str, groups: Groups, setups: Sequence[str], show: Callable[[list[Row]], str], head: str = "tools take"
) -> Table:
    """Return a table with a row for each setup and a column for each latency."""
    latencies = list(dict.fromkeys(latency for _, latency in groups))
    rows = [[setup, *(show(groups[setup, latency]) for latency in latencies)] for setup in setups]
    return Table(caption, [head, *latencies], rows)


def mean_of(value: Callable[[Row], float], *, digits: int = 2) -> Callable[[list[Row]], str]:
    """Return what shows the mean of a value."""
    return lambda rows: f"{mean(map(value, rows)):.{digits}f}" if rows else "-"


def with_interval(value: Callable[[Row], float]) -> Callable[[list[Row]], str]:
    """Return what shows the mean of a value with its interval."""

    def show(rows: list[Row]) -> str:
        values = [value(row) for row in rows]
        low, high = interval(values)
        return f"{mean(values):.2f} [{low:.2f}, {high:.2f}]"

    return show


def percent_of(value: Callable[[Row], float]) -> Callable[[list[Row]], str]:
    """Return what shows the mean of a share."""
    return lambda rows: f"{mean(map(value, rows)):.1%}" if rows else "-"


def speedup(row: Row) -> float:
    """Return how many times as long calling one by one takes, modelled."""
    return row.one_by_one_s / row.seconds


def bound_share(row: Row) -> float:
    """Return what share of the speed of an ideal futures client was reached."""
    return row.bound_s / row.seconds


def paper_share(row: Row) -> float:
    """Return what share of the paper's bound was reached."""
    return speedup(row) / row.paper_bound


def overhead(row: Row) -> float:
    """Return the measured time over the modelled time of the same schedule."""
    return row.seconds / row.virtual_s


def same_schedule(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in which the layer decided as in virtual time, as far as requests show."""
    return [row for row in rows if row.requests == row.virtual_requests]


def aggregated(groups: Groups) -> list[dict[str, Any]]:
    """Return the figures of each setup and latency as JSON data."""
    return [
        {
            "setup": setup,
            "latency": latency,
            "cases": len({row.case for row in rows}),
            "conversations": len(rows),
            "speedup": mean(map(speedup, rows)),
            "speedup_95": interval([speedup(row) for row in rows]),
            "slowest": min(map(speedup, rows)),
            "share_of_release_time_bound": mean(map(bound_share, rows)),
            "share_of_paper_bound": mean(map(paper_share, rows)),
            "measured_over_modelled": mean(map(overhead, rows)),
        }
        for (setup, latency), rows in groups.items()
    ]
