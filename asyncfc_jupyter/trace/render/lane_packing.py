"""Many futures in few lanes: each takes the lowest lane that is free when it begins.

``frontend/lanes.js`` does the same for the interactive picture; a test holds the two together.
"""

from __future__ import annotations

import heapq
import math

from asyncfc_jupyter.trace.view.wire_format import RowView

#: Seconds for which a call that never ran takes room all the same: for its sign.
_LEAST_S = 1e-6


def pack(rows: list[RowView]) -> list[list[RowView]]:
    """Return the futures by lanes, each lane in order of time; those of which nothing is known are left out."""
    lanes: list[list[RowView]] = []
    taken: list[tuple[float, int]] = []
    free: list[int] = []
    for row in sorted((row for row in rows if row["segments"]), key=lambda row: row["segments"][0]["start"]):
        start, end = row["segments"][0]["start"], row["segments"][-1]["end"]
        while taken and taken[0][0] <= start:
            heapq.heappush(free, heapq.heappop(taken)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            lane = len(lanes)
            lanes.append([])
        lanes[lane].append(row)
        heapq.heappush(taken, (max(math.inf if end is None else end, start + _LEAST_S), lane))
    return lanes
