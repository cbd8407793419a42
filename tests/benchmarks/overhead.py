"""What the layer itself costs: processor time over a bare loop, growth with the run, memory, and the time to load it."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, Finish, TextDelta
from asyncfc_jupyter.tools.definition import make_tool
from tests.benchmarks.peers import ASYNC, BY_MODE, PEERS, Contender, Driver
from tests.benchmarks.report import Report, Table, options_of, publish
from tests.servers.rehearsal_server import RehearsalServer
from tests.virtual_environments import REPOSITORY

PLAIN = next(peer for peer in PEERS if peer.options.get("gathers"))
BARE = Contender("frugal bare loop", "hand_written", {"gathers": True, "frugal": True})
REPEATS, QUICK_REPEATS = 25, 2
#: Calls in one reply, and replies of one call: enough to separate one call's cost from that of a run.
CALLS = 40
#: Tokens of a text: as many events of the stream.
TOKENS = 400
HISTORIES, QUICK_HISTORIES = (12, 100, 1_000), (12,)
FUTURES, QUICK_FUTURES = (1, 10, 100, 1_000, 10_000), (1, 10, 100)
#: Calls in each reply of the runs that grow: what a busy model writes.
_A_REPLY = 10
#: Fresh processes whose median counts.
STARTS, QUICK_STARTS = 9, 1
#: What the project is held to: microseconds over the bare loop, seconds to load the extension.
TARGET_US, TARGET_LOAD_S = 150, 0.15

TEXT = f"""
The first two tables compare with a loop written by hand with openai-python, which gathers the calls of a reply
(`tests/benchmarks/peers/hand_written.py`), over HTTP, with tools that return at once and the server in another process. The
*plain* loop gives its messages to the library, as is usual, and the library rebuilds each of them at every request; the
*frugal* loop avoids that. Both get an object of each event from the library, where this package takes the dictionary. A
negative difference is that saving less the layer's own cost, which the third table shows alone. Figures are processor time
of the client's process, all threads, in microseconds: medians over {REPEATS} interleaved rounds; a difference is the median
of the differences within a round, and the spread is that of their middle half. A token of text is one event of the stream.
A call's cost is what {CALLS} calls in one reply cost more than one, that of a turn with a call the same of {CALLS} replies
of one call each. Both include reading the call's events; a turn also includes encoding the history.

The third table is of the layer alone: a model in the same process, replies of {_A_REPLY} calls, tools that return at once.
Memory is the most that was allocated at a time. The last is of fresh processes, the median of {STARTS}.
"""

PLANS = {
    "a token of text": ('""', json.dumps("x" * 4 * TOKENS), TOKENS),
    "a call": (
        'c1 = look(topic="1")\n\n"done"',
        "\n".join(f'c{n} = look(topic="{n}")' for n in range(1, CALLS + 1)) + '\n\n"done"',
        CALLS - 1,
    ),
    "a turn with a call": (
        'c1 = look(topic="1")\n\n"done"',
        "\n\n".join(f'c{n} = look(topic="{n}")' for n in range(1, CALLS + 1)) + '\n\n"done"',
        CALLS - 1,
    ),
}
#: Replies of one call after a history.
_TURNS = 10
_SHORT = "\n\n".join(f'c{n} = look(topic="{n}")' for n in range(1, _TURNS)) + '\n\n"done"'


# -- over a bare loop ------------------------------------------------------------------------------------------------


class Rounds:
    """Costs of one thing by contender, a figure for each round, in microseconds."""

    def __init__(self) -> None:
        self.us: dict[str, list[float]] = {}

    def note(self, contender: Contender, seconds: float) -> None:
        """Keep a contender's figure of this round."""
        self.us.setdefault(contender.name, []).append(seconds * 1e6)

    def median(self, contender: Contender) -> float:
        """Return the median."""
        return statistics.median(self.us[contender.name])

    def over(self, loop: Contender, contender: Contender) -> float:
        """Return what it costs more than a loop, within a round."""
        pairs = zip(self.us[contender.name], self.us[loop.name], strict=True)
        return statistics.median(ours - bare for ours, bare in pairs)

    def spread(self, contender: Contender) -> float:
        """Return how far the middle half of the differences lies apart."""
        pairs = zip(self.us[contender.name], self.us[BARE.name], strict=True)
        quarters = statistics.quantiles((ours - bare for ours, bare in pairs), n=4)
        return quarters[2] - quarters[0]


async def over_bare(
    contenders: Sequence[Contender], repeats: int, histories: Sequence[int], base_url: str
) -> dict[str, Rounds]:
    """Return what each thing costs each contender."""
    things = [*PLANS, *(f"a turn after {history} messages" for history in histories)]
    found = {thing: Rounds() for thing in things}
    order = random.Random(1)
    async with AsyncExitStack() as stack:
        drivers = [await stack.enter_async_context(Driver(contender, base_url)) for contender in contenders]
        for repeat in range(repeats + 1):
            order.shuffle(drivers)
            for thing in things:
                for driver in drivers:
                    cost_s = await _cost_s(driver, thing)
                    if repeat:  # the first round fills caches
                        found[thing].note(driver.contender, cost_s)
    return found


async def _cost_s(driver: Driver, thing: str) -> float:
    if thing not in PLANS:
        history = int(thing.split()[3])
        return await _cpu_s(driver, _SHORT, history=history) / _TURNS
    little, much, times = PLANS[thing]
    return (await _cpu_s(driver, much) - await _cpu_s(driver, little)) / times


async def _cpu_s(driver: Driver, plan: str, **options: Any) -> float:
    played = await driver.play(plan, 0.0, **options)
    if "error" in played:
        raise RuntimeError(f"{driver.contender.name}: {played['error']}")
    return float(played["cpu_s"])


def bare_tables(found: Mapping[str, Rounds], contenders: Sequence[Contender]) -> Iterator[Table]:
    """Yield the tables of the cost above the bare loop."""
    ours = [contender for contender in contenders if contender.ours]
    modes = (f"{contender.options['mode']}, over frugal" for contender in ours)
    header = ("microseconds for", "plain loop", "frugal loop", *modes, "spread (async)", "async over plain")
    for caption, wanted in (("By what happens:", True), ("By the length of the history:", False)):
        rows = [
            [
                thing,
                *(f"{rounds.median(contender):.0f}" for contender in (PLAIN, BARE)),
                *(f"{rounds.over(BARE, contender):+.0f}" for contender in ours),
                f"{rounds.spread(ASYNC):.0f}",
                f"{rounds.over(PLAIN, ASYNC):+.0f}",
            ]
            for thing, rounds in found.items()
            if (thing in PLANS) is wanted
        ]
        yield Table(f"{caption} (target: {TARGET_US} over the plain loop at most)", header, rows)


# -- as a run grows --------------------------------------------------------------------------------------------------


class Flood:
    """A model that makes so many calls, some a reply, and then answers."""

    name = "flood"

    def __init__(self, calls: int) -> None:
        self._left, self._made = calls, 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Stream the next reply."""
        now, self._left = min(_A_REPLY, self._left), max(0, self._left - _A_REPLY)
        for index in range(now):
            self._made += 1
            yield CallDelta(index=index, call_id=f"call_{self._made}", name="instant", arguments="")
            yield CallDelta(index=index, arguments=json.dumps({"value": self._made}))
        if not now:
            yield TextDelta(text="done")
        yield Finish(reason="tool_calls" if now else "stop")


async def instant(value: int) -> dict[str, int]:
    """Return at once."""
    return {"value": value}


async def flooded(futures: int) -> None:
    """Run so many calls."""
    agent = Agent(Flood(futures), tools=[make_tool(instant, pure=True)], max_turns=futures + 2)
    run = await agent.run("go")
    assert len(run.futures) == futures


def growth(futures: int) -> dict[str, float]:
    """Return what a future costs in a run of so many: microseconds of processor time, and bytes."""
    repeats = max(3, 300 // futures)
    gc.collect()
    begun = time.process_time()
    for _ in range(repeats if futures < 10_000 else 1):
        asyncio.run(flooded(futures))
    took_s = (time.process_time() - begun) / (repeats if futures < 10_000 else 1)
    gc.collect()
    tracemalloc.start()
    try:
        asyncio.run(flooded(futures))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return {"futures": futures, "us": took_s * 1e6 / futures, "bytes": peak / futures}


def growth_table(rows: Sequence[Mapping[str, float]]) -> Table:
    """Return the growth as a table."""
    cells = [[f"{row['futures']:,.0f}", f"{row['us']:.0f}", f"{row['bytes']:,.0f}"] for row in rows]
    return Table("As a run grows:", ("futures", "us a future", "bytes a future"), cells)


# -- loading ---------------------------------------------------------------------------------------------------------

_IMPORT = "import asyncfc_jupyter"
#: What a kernel has loaded before a cell can load the extension.
_KERNEL = "import ipykernel.ipkernel, ipykernel.zmqshell; from IPython import get_ipython; \
from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance()"
_LOADING = {
    "`import asyncfc_jupyter`": ("pass", _IMPORT),
    "`%load_ext asyncfc_jupyter` in a fresh kernel": (_KERNEL, "shell.run_line_magic('load_ext', 'asyncfc_jupyter')"),
}
_CHILD = """
import json, sys, time
{before}
wall, cpu = time.perf_counter(), time.process_time()
{action}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({{"wall_s": wall, "cpu_s": cpu, "openai": "openai" in sys.modules}}))
"""


def loaded(before: str, action: str, starts: int) -> dict[str, Any]:
    """Return how long an action takes in fresh processes, as medians, and whether one of them imported openai."""
    child = _CHILD.format(before=before, action=action)
    figures = []
    for _ in range(starts):
        done = subprocess.run(
            [sys.executable, "-c", child],
            capture_output=True,
            check=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            text=True,
        )
        figures.append(json.loads(done.stdout.splitlines()[-1]))
    medians = {name: statistics.median(each[name] for each in figures) for name in ("wall_s", "cpu_s")}
    return {**medians, "openai": any(each["openai"] for each in figures)}


def loading_table(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the loading times as a table."""
    cells = [
        [what, f"{1000 * row['wall_s']:.0f}", f"{1000 * row['cpu_s']:.0f}", "yes" if row["openai"] else "no"]
        for what, row in rows.items()
    ]
    caption = f"To load it (target: {1000 * TARGET_LOAD_S:.0f} ms at most, openai not imported):"
    return Table(caption, ("what", "ms", "ms of processor time", "imports openai"), cells)


def main(words: Sequence[str]) -> int:
    """Measure everything and publish it."""
    options = options_of("overhead", __doc__, words)
    histories, futures = (QUICK_HISTORIES, QUICK_FUTURES) if options.quick else (HISTORIES, FUTURES)
    contenders = (PLAIN, BARE, *((ASYNC,) if options.quick else BY_MODE))
    with RehearsalServer(ttft_ms=0, tokens_per_s=1e9) as server:
        repeats = QUICK_REPEATS if options.quick else REPEATS
        found = asyncio.run(over_bare(contenders, repeats, histories, server.base_url))
    growing = [growth(count) for count in futures]
    loading = {what: loaded(*how, QUICK_STARTS if options.quick else STARTS) for what, how in _LOADING.items()}
    report = Report(
        name="overhead",
        title="Overhead: what the layer costs by itself",
        text=TEXT,
        tables=[*bare_tables(found, contenders), growth_table(growing), loading_table(loading)],
        figures={"us": {thing: rounds.us for thing, rounds in found.items()}, "growth": growing, "loading": loading},
        wrong=[f"{what} imports openai" for what, row in loading.items() if row["openai"]],
    )
    return publish(report, options)
