"""How long the event loop stands still while tools return and take a million rows of plain data."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.testing.scripted import Calls, Says, ScriptedModel
from asyncfc_jupyter.tools.definition import Tool, make_tool
from tests.benchmarks.report import Report, Table, options_of, publish

ROWS, QUICK_ROWS = (100_000, 1_000_000), (10_000,)
#: What the project is held to, in milliseconds.
TARGET_MS = 50
#: Seconds between two beats of the loop.
_BEAT_S = 0.001

TEXT = """
In each run one tool returns a value, a second one takes all of it, and a third one takes a row or a column of it by reference.
The tools do nothing else: the value exists before the run, but in another process, which makes it. The second tool's
annotation has the value checked row by row. A task on the event loop sleeps for a millisecond again and again; the *stall* is
the most processor time that the process used in one such sleep, so that what else the machine does does not count. Passes of
Python's garbage collector, in which nothing else runs, are counted apart: the second figure is without them, and the longest
pass is the third. A pass takes long if the process holds many lists, whatever causes it. The first row is of a run without a
large value.
"""


# -- values ----------------------------------------------------------------------------------------------------------


def dicts(rows: int) -> list[dict[str, Any]]:
    """Return rows as mappings."""
    return [{"id": row, "name": f"n{row}", "price": row * 0.5} for row in range(rows)]


def lists(rows: int) -> list[list[Any]]:
    """Return rows as lists."""
    return [[row, f"n{row}", row * 0.5] for row in range(rows)]


def columns(rows: int) -> dict[str, list[Any]]:
    """Return columns."""
    return {
        "id": [*range(rows)],
        "name": [f"n{row}" for row in range(rows)],
        "price": [row * 0.5 for row in range(rows)],
    }


def nested(rows: int) -> dict[str, Any]:
    """Return rows that hold other containers."""
    return {"rows": [{"id": row, "tags": [f"n{row}", "all"], "at": {"x": row * 0.5}} for row in range(rows)]}


def use_dicts(value: list[dict[str, Any]]) -> int:
    """Count rows."""
    return len(value)


def use_lists(value: list[list[Any]]) -> int:
    """Count rows."""
    return len(value)


def use_columns(value: dict[str, list[Any]]) -> int:
    """Count rows."""
    return len(value["id"])


def use_nested(value: dict[str, list[dict[str, Any]]]) -> int:
    """Count rows."""
    return len(value["rows"])


def look(part: Any) -> str:
    """Name the type of a part."""
    return type(part).__name__


#: By shape: what makes a value, what uses it, and the steps of a reference to a part.
SHAPES: Mapping[str, tuple[Callable[[int], Any], Callable[..., int], str]] = {
    "list of dicts": (dicts, use_dicts, "[0]"),
    "list of lists": (lists, use_lists, "[0]"),
    "dict of lists": (columns, use_columns, ".price"),
    "nested": (nested, use_nested, ".rows"),
}
WHERE = ("loop", "thread", "process")


def _tools(shape: str, where: str, rows: int) -> tuple[Tool, ...]:
    """Return the three tools of a run."""
    make, use, _ = SHAPES[shape]
    options: Any = {"pure": True, "run_in": where}
    if where == "process":
        return (
            make_tool(make, name="make", **options),
            make_tool(use, name="use", **options),
            make_tool(look, **options),
        )
    value = make(rows)

    def made(rows: int) -> Any:
        """Return the value."""
        return value

    return make_tool(made, name="make", **options), make_tool(use, name="use", **options), make_tool(look, **options)


# -- stalls ----------------------------------------------------------------------------------------------------------


class Beats:
    """Notes how late the event loop is, and how long the passes of the garbage collector take, in seconds."""

    def __init__(self) -> None:
        self.stall_s = self.apart_s = self.pass_s = 0.0
        self._passes_s = self._begun = 0.0

    def __call__(self, phase: str, _: Mapping[str, int]) -> None:
        """Note the begin or the end of a pass."""
        if phase == "start":
            self._begun = time.process_time()
            return
        took_s = time.process_time() - self._begun
        self._passes_s += took_s
        self.pass_s = max(self.pass_s, took_s)

    async def beat(self) -> None:
        """Note how late the loop is, until cancelled."""
        while True:
            begun, passes_s = time.process_time(), self._passes_s
            await asyncio.sleep(_BEAT_S)
            late_s = time.process_time() - begun
            self.stall_s = max(self.stall_s, late_s)
            self.apart_s = max(self.apart_s, late_s - (self._passes_s - passes_s))


async def stalls(tools: Sequence[Tool], rows: int, part: str) -> dict[str, float]:
    """Run the three calls and return the stalls in milliseconds, and the whole time in seconds."""
    model = ScriptedModel(
        [Calls("make", {"rows": rows})],
        [Calls("use", {"value": "$f1"}), Calls("look", {"part": f"$f1{part}"})],
        *[[Says("done")]] * 3,
    )
    beats = Beats()
    gc.collect()
    gc.callbacks.append(beats)
    beating = asyncio.create_task(beats.beat())
    try:
        await asyncio.sleep(0.1)
        begun = time.perf_counter()
        run = await Agent(model, tools=list(tools)).run("go")
        took_s = time.perf_counter() - begun
        used = [future.result() for future in run.futures.values()]
        assert used[1] == rows, used[1]
        await asyncio.sleep(0.5)  # what is freed afterwards counts too
    finally:
        gc.callbacks.remove(beats)
        beating.cancel()
    return {"stall": beats.stall_s * 1e3, "apart": beats.apart_s * 1e3, "pass": beats.pass_s * 1e3, "s": took_s}


def measured(shape: str, where: str, rows: int) -> dict[str, Any]:
    """Return the figures of one run."""
    tools = _tools(shape, where, rows)
    asyncio.run(stalls(_tools("list of dicts", where, 1), 1, "[0]"))  # a process is started, modules are loaded
    return {"shape": shape, "where": where, "rows": rows, **asyncio.run(stalls(tools, rows, SHAPES[shape][2]))}


def table(figures: Sequence[Mapping[str, Any]]) -> Table:
    """Return the figures as a table."""
    header = ("value", "rows", "tools run in", "stall, ms", "without the collector", "longest pass", "whole run, s")
    rows = [
        [
            each["shape"],
            f"{each['rows']:,}",
            each["where"],
            *(f"{each[name]:.0f}" for name in ("stall", "apart", "pass")),
            f"{each['s']:.1f}",
        ]
        for each in figures
    ]
    return Table(f"(target: {TARGET_MS} ms at most)", header, rows)


def main(words: Sequence[str]) -> int:
    """Measure everything and publish it."""
    options = options_of("large_values", __doc__, words)
    figures = [measured("list of dicts", "thread", 1)]
    figures += [
        measured(shape, where, rows)
        for rows in (QUICK_ROWS if options.quick else ROWS)
        for shape in SHAPES
        for where in WHERE
    ]
    report = Report(
        name="large_values",
        title="Large values: how long the event loop stands still",
        text=TEXT,
        tables=[table(figures)],
        figures=figures,
    )
    return publish(report, options)
