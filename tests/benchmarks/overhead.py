"""What the layer itself costs: processor time over a bare loop, growth with the run, memory, and the time to load it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from typing import Any

from tests.benchmarks.growth import A_REPLY, growth
from tests.benchmarks.peers import ASYNC, BY_MODE, PEERS, Contender, Driver
from tests.benchmarks.report import Report, Table, options_of, publish
from tests.benchmarks.revisions import figures_of, package_of
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

The third table is of the layer alone: a model in the same process, replies of {A_REPLY} calls, tools that return at once.
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


def before_tables(
    before: Contender,
    found: Mapping[str, Rounds],
    there: Sequence[Mapping[str, float]],
    here: Sequence[Mapping[str, float]],
) -> Iterator[Table]:
    """Yield the tables of the async mode before and now."""
    yield Table(
        f"The async mode before ({before.name}) and now, in the same rounds:",
        ("microseconds for", "before", "now", "now less before"),
        [
            [
                thing,
                f"{rounds.median(before):.0f}",
                f"{rounds.median(ASYNC):.0f}",
                f"{rounds.over(before, ASYNC):+.0f}",
            ]
            for thing, rounds in found.items()
        ],
    )
    header = ("futures", "us before", "us now", "ratio", "bytes before", "bytes now", "ratio")
    rows = []
    for old, new in zip(there, here, strict=True):
        cells = [f"{new['futures']:,.0f}"]
        for unit in ("us", "bytes"):
            cells += [f"{old[unit]:,.0f}", f"{new[unit]:,.0f}", f"{new[unit] / old[unit]:.2f}"]
        rows.append(cells)
    yield Table("As a run grows, before and now, by turns in fresh processes:", header, rows)


def main(words: Sequence[str]) -> int:
    """Measure everything and publish it."""
    options = options_of("overhead", __doc__, words, compares=True)
    histories, futures = (QUICK_HISTORIES, QUICK_FUTURES) if options.quick else (HISTORIES, FUTURES)
    contenders = (PLAIN, BARE, *((ASYNC,) if options.quick else BY_MODE))
    beside: list[Table] = []
    with RehearsalServer(ttft_ms=0, tokens_per_s=1e9) as server, ExitStack() as stack:
        repeats = QUICK_REPEATS if options.quick else REPEATS
        if options.against:
            package = stack.enter_context(package_of(options.against))
            before = replace(ASYNC, name=f"as of `{options.against}`", package=package)
            found = asyncio.run(over_bare((*contenders, before), repeats, histories, server.base_url))
            pairs = [[figures_of(each, "growth.growth", n) for each in (package, REPOSITORY)] for n in futures]
            growing = [now for _, now in pairs]
            beside = list(before_tables(before, found, [was for was, _ in pairs], growing))
        else:
            found = asyncio.run(over_bare(contenders, repeats, histories, server.base_url))
            growing = [growth(count) for count in futures]
    loading = {what: loaded(*how, QUICK_STARTS if options.quick else STARTS) for what, how in _LOADING.items()}
    report = Report(
        name="overhead",
        title="Overhead: what the layer costs by itself",
        text=TEXT,
        tables=[*bare_tables(found, contenders), growth_table(growing), loading_table(loading), *beside],
        figures={"us": {thing: rounds.us for thing, rounds in found.items()}, "growth": growing, "loading": loading},
        wrong=[f"{what} imports openai" for what, row in loading.items() if row["openai"]],
    )
    return publish(report, options)
