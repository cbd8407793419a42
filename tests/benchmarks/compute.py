"""Tools that compute: whether the claimed speed-up is the measured one, and for how long the event loop stalls."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from asyncfc_jupyter.agent import Agent, Run
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, Finish, TextDelta
from asyncfc_jupyter.tools.definition import Tool, make_tool
from tests.benchmarks.report import Report, Table, options_of, publish

#: Seconds of one call's work, calls at once, and rounds.
WORK_S, QUICK_WORK_S = 0.5, 0.15
AT_ONCE, QUICK_AT_ONCE = (1, 2, 4, 8, 16), (1, 4)
REPEATS, QUICK_REPEATS = 3, 1
#: Seconds between two looks at whether the event loop is awake.
_TICK_S = 0.005
#: Steps of a loop between two looks at the clock.
_STEPS = 1_000

TEXT = f"""
Calls of {WORK_S} s each, all in one reply of a model that takes no time. A tool that *computes* runs Python code for so much
processor time; one that *sleeps* waits; *both* is first the one and then the other, half of the time each. In threads Python's
lock lets one compute at a time; in processes as many as the machine has cores. Measured is the time of the same calls in the
`sequential` mode over that in the `async` mode; claimed is what the async run says of itself (`run.metrics.speedup`), without
having seen the other. A stall is how much later than asked for the event loop does something; shown is the longest. Medians of
{REPEATS} rounds, after processes have been started. The claim is of a machine that is free: if other programs use its cores
meanwhile, less is claimed than is measured.
"""


def compute(seconds: float) -> None:
    """Use so much processor time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        for _ in range(_STEPS):
            pass


def computing(number: int, work_s: float) -> int:
    """Compute."""
    compute(work_s)
    return number


def sleeping(number: int, work_s: float) -> int:
    """Sleep."""
    time.sleep(work_s)
    return number


def both(number: int, work_s: float) -> int:
    """Compute and sleep."""
    compute(work_s / 2)
    time.sleep(work_s / 2)
    return number


WORKS: dict[str, Callable[[int, float], int]] = {"computes": computing, "sleeps": sleeping, "both": both}
Place = Literal["thread", "process"]
PLACES: tuple[Place, ...] = ("thread", "process")


class OneReply:
    """A model that makes all calls in one reply, and then answers."""

    name = "one reply"

    def __init__(self, tool: str, calls: int, work_s: float) -> None:
        self._calls = [json.dumps({"number": number, "work_s": work_s}) for number in range(calls)]
        self._tool = tool

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Stream the next reply."""
        calls, self._calls = self._calls, []
        for index, arguments in enumerate(calls):
            yield CallDelta(index=index, call_id=f"call_{index}", name=self._tool, arguments="")
            yield CallDelta(index=index, arguments=arguments)
        if not calls:
            yield TextDelta(text="done")
        yield Finish(reason="tool_calls" if calls else "stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured of some calls, in seconds."""

    work: str
    place: Place
    calls: int
    sequential_s: float
    async_s: float
    claimed: float
    stall_s: float

    @property
    def measured(self) -> float:
        """The measured speed-up."""
        return self.sequential_s / self.async_s


async def timed(tool: Tool, calls: int, work_s: float, mode: str) -> tuple[Run, float, float]:
    """Return a run of so many calls at once, its time, and the longest stall of the event loop, in seconds."""
    agent = Agent(OneReply(tool.name, calls, work_s), tools=[tool], mode=mode, remember="off")
    longest_s = 0.0

    async def watch() -> None:
        nonlocal longest_s
        while True:
            due = time.perf_counter() + _TICK_S
            await asyncio.sleep(_TICK_S)
            longest_s = max(longest_s, time.perf_counter() - due)

    watching = asyncio.create_task(watch())
    began = time.perf_counter()
    run = await agent.run("go")
    took_s = time.perf_counter() - began
    watching.cancel()
    return run, took_s, longest_s


def row_of(work: str, place: Place, calls: int, work_s: float) -> Row:
    """Measure some calls once, in both modes.

    Raises:
        AssertionError: A result is wrong.
    """
    tool = make_tool(WORKS[work], pure=True, run_in=place)
    one, sequential_s, _ = asyncio.run(timed(tool, calls, work_s, "sequential"))
    run, async_s, stall_s = asyncio.run(timed(tool, calls, work_s, "async"))
    for each in (one, run):
        assert [future.result() for future in each.futures.values()] == list(range(calls))
    return Row(
        work=work,
        place=place,
        calls=calls,
        sequential_s=sequential_s,
        async_s=async_s,
        claimed=run.metrics.speedup,
        stall_s=stall_s,
    )


def rows(at_once: Sequence[int], work_s: float) -> Iterator[Row]:
    """Measure everything once."""
    for place in PLACES:
        if place == "process":
            row_of("sleeps", place, max(at_once), 0.1)  # starts them: those of the round before have ended, being idle
        for work in WORKS:
            for calls in at_once:
                yield row_of(work, place, calls, work_s)


def table(rounds: Sequence[Sequence[Row]]) -> Table:
    """Return the medians of some rounds."""

    def median(rows: Sequence[Row], figure: Callable[[Row], float]) -> float:
        return statistics.median(figure(row) for row in rows)

    cells = [
        [
            f"{rows[0].work}, {rows[0].place}",
            str(rows[0].calls),
            f"{median(rows, lambda row: row.sequential_s):.2f}",
            f"{median(rows, lambda row: row.async_s):.2f}",
            f"{median(rows, lambda row: row.measured):.2f}x",
            f"{median(rows, lambda row: row.claimed):.2f}x",
            f"{median(rows, lambda row: row.claimed / row.measured):.2f}",
            f"{1000 * median(rows, lambda row: row.stall_s):.0f}",
        ]
        for rows in zip(*rounds, strict=True)
    ]
    header = ("tool", "at once", "sequential s", "async s", "measured", "claimed", "claimed/measured", "stall ms")
    return Table("Wanted: claimed over measured 0.9 to 1.1, and no stall above 80 ms:", header, cells)


def main(words: Sequence[str]) -> int:
    """Measure everything and publish it."""
    options = options_of("compute", __doc__, words)
    work_s, repeats = (QUICK_WORK_S, QUICK_REPEATS) if options.quick else (WORK_S, REPEATS)
    at_once = QUICK_AT_ONCE if options.quick else AT_ONCE
    rounds: list[list[Row]] = [[*rows(at_once, work_s)] for _ in range(repeats)]
    figures: list[dict[str, Any]] = [asdict(row) for rows in rounds for row in rows]
    report = Report(
        name="compute",
        title="Tools that compute: what is claimed beside what is measured",
        text=TEXT,
        tables=[table(rounds)],
        figures=figures,
    )
    return publish(report, options)
