"""Hedged requests: is a conversation ever slower than one call at a time, and how many requests does that cost?

::

    python -m tests.benchmarks hedge [--quick] [--json FILE]

Cases of BFCL's multi-turn categories in virtual time (`bfcl`), with short tools and long ones, on servers of three kinds.
"""

from __future__ import annotations

import itertools
import multiprocessing
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from statistics import mean
from typing import Any

from asyncfc_jupyter.agent.memory import Memory
from asyncfc_jupyter.modes import Hedge
from asyncfc_jupyter.testing import run_virtually
from tests.benchmarks.bfcl import WORKERS, sample
from tests.benchmarks.bfcl_parts.cases import cases
from tests.benchmarks.bfcl_parts.checks import all_wrong
from tests.benchmarks.bfcl_parts.oracle import Style
from tests.benchmarks.bfcl_parts.playing import OracleModel, Played, play
from tests.benchmarks.bfcl_parts.world import Latency
from tests.benchmarks.model_server import JITTER, LEAST_S, MOST_S, ONE_SLOT, STEADY, Conditions, ModelServer
from tests.benchmarks.report import Report, Table, options_of, publish

HEDGES = (Hedge.OFF, Hedge.RETRACT, Hedge.RACE)
CONDITIONS = (STEADY, JITTER, ONE_SLOT)
#: Where series are warm too. A slot does not depend on what is known.
WARM_TOO = (STEADY, JITTER)
STYLES = (Style(), Style(several=True))
LATENCIES = (
    *(Latency(mean_s) for mean_s in (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02)),
    *(Latency(mean_s, 1.0) for mean_s in (1.0, 0.3, 0.1)),
)
QUICK_LATENCIES = (Latency(0.1),)
#: Cases by category.
CASES, QUICK_CASES = (28, 7, 7, 7), (2, 0, 0, 0)
#: Cases that a warm series has had before it begins.
TRAINING = 6
#: A conversation below this share of the speed of one call at a time counts as slower: half a thousandth is rounding.
SLOWER = 0.9995
_MOST_SHOWN = 20
_TEXT = """\
The multi-turn cases of `bfcl`, {cases} of them, with ten kinds of tools and a model that makes one call a reply or all that it
can, in virtual time: {conversations} conversations in each row. A request that holds placeholders is *hedged* when their values
come before its reply shows a tool call: it is retracted and sent again with the values, or raced by a second one that has them.

*Against sequential*: a conversation's time when the same model makes one call a reply and waits for each, over its time
here; *slower* counts those under {slower}. *Requests*, *unused* ones of them (nothing of their replies was used) and
*characters* (all messages and tools that were sent, as JSON) are means over conversations.

First tokens come after 300 ms. *With jitter* they are drawn from a log-normal distribution of that median, between
{least:.0f} and {most:.0f} ms, by what a request says: the same request takes the same time in every mode and at every moment,
so conversations are compared on the same draws. A server with *one slot* begins a reply when the one before it has ended or was
closed.

A *warm* series remembers how long tools took and what the model did with futures from conversation to conversation, and has had
{training} of the cases before it begins. The other rows are cold: each conversation begins without knowledge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """One conversation."""

    case: str
    conditions: str
    hedge: str
    #: Whether earlier conversations had shown how long the tools take and what the model does with futures.
    warm: bool
    several: bool
    latency: str
    seconds: float
    #: The same with one call a reply, each waited for.
    sequential_s: float
    requests: int
    unused: int
    characters: int
    wrong: tuple[str, ...]

    @property
    def speedup(self) -> float:
        """How many times as fast as one call at a time."""
        return self.sequential_s / self.seconds


# -- playing ---------------------------------------------------------------------------------------------------------


def _played(case: str, conditions: Conditions, latency: Latency, **how: Any) -> tuple[Played, ModelServer]:
    async def talk() -> tuple[Played, ModelServer]:
        server = ModelServer(OracleModel(ttft_s=0.0), conditions, case)
        return await play(cases()[case], latency=latency, model=server, **how), server

    return run_virtually(talk())


@cache
def _sequential_s(case: str, conditions: Conditions, latency: Latency) -> float:
    return _played(case, conditions, latency, mode="sequential", style=Style())[0].seconds


def talks(conditions: Conditions, latency: Latency, names: Sequence[str]) -> list[Talk]:
    """Hold all conversations on one kind of server with one kind of tools."""
    return [
        talk
        for hedge, warm, style in itertools.product(HEDGES, _temperatures(conditions), STYLES)
        for talk in series(conditions, latency, style, hedge, names, warm=warm)
    ]


def _temperatures(conditions: Conditions) -> tuple[bool, ...]:
    return (False, True) if conditions in WARM_TOO else (False,)


def series(
    conditions: Conditions, latency: Latency, style: Style, hedge: Hedge, names: Sequence[str], *, warm: bool
) -> Iterator[Talk]:
    """Hold conversations one after another; warm ones remember those before them, of which the first do not count."""
    options: dict[str, Any] = {"mode": "async", "style": style, "hedge": hedge, "remember": "off"}
    if warm:
        options["remember"] = Memory()
        for case in names[:TRAINING]:
            _played(case, conditions, latency, **options)
    for case in names:
        played, server = _played(case, conditions, latency, **options)
        yield Talk(
            case=case,
            conditions=conditions.label,
            hedge=hedge,
            warm=warm,
            several=style.several,
            latency=str(latency),
            seconds=played.seconds,
            sequential_s=_sequential_s(case, conditions, latency),
            requests=server.requests,
            unused=played.unused,
            characters=server.characters,
            wrong=tuple(all_wrong(played, official=False)),
        )


def all_talks(latencies: Sequence[Latency], names: Sequence[str]) -> list[Talk]:
    """Hold all conversations, in some processes."""
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        ways = itertools.product(CONDITIONS, latencies)
        parts = [pool.submit(talks, conditions, latency, names) for conditions, latency in ways]
        return [talk for part in parts for talk in part.result()]


# -- reporting -------------------------------------------------------------------------------------------------------


def tables_of(found: Sequence[Talk]) -> Iterator[Table]:
    """Yield the tables of the report."""
    header = ("", "slowest", "slower", "mean", "requests", "unused", "thousand characters")
    for conditions in CONDITIONS:
        mine = [talk for talk in found if talk.conditions == conditions.label]
        rows = [
            [f"{hedge}{', warm' if warm else ''}", *_cells([t for t in mine if (t.hedge, t.warm) == (hedge, warm)])]
            for warm, hedge in itertools.product(_temperatures(conditions), HEDGES)
        ]
        yield Table(f"A server with {conditions.label}, against sequential:", header, rows)
    for several, replies in ((False, "one call a reply"), (True, "several calls a reply")):
        for conditions in CONDITIONS:
            ways = (conditions.label, several, False)
            mine = [talk for talk in found if (talk.conditions, talk.several, talk.warm) == ways]
            yield _by_latency(f"Against sequential, {replies}, {conditions.label}: mean (slowest):", mine)
    wrong = sum(map(bool, (talk.wrong for talk in found)))
    checks = [["conversations", str(len(found))], ["with a wrong result, state, answer or order", str(wrong)]]
    yield Table("Checks:", ("what", "how many"), checks)


def _cells(group: Sequence[Talk]) -> list[str]:
    speedups = [talk.speedup for talk in group]
    return [
        f"{min(speedups):.4f}",
        str(sum(each < SLOWER for each in speedups)),
        f"{mean(speedups):.4f}",
        f"{mean(talk.requests for talk in group):.2f}",
        f"{mean(talk.unused for talk in group):.2f}",
        f"{mean(talk.characters for talk in group) / 1000:.0f}",
    ]


def _by_latency(caption: str, found: Sequence[Talk]) -> Table:
    latencies = list(dict.fromkeys(talk.latency for talk in found))
    rows = []
    for hedge in HEDGES:
        groups = ([t.speedup for t in found if (t.hedge, t.latency) == (hedge, latency)] for latency in latencies)
        rows.append([hedge, *(f"{mean(group):.3f} ({min(group):.2f})" for group in groups)])
    return Table(caption, ["tools take", *latencies], rows)


def aggregated(found: Sequence[Talk]) -> Iterator[dict[str, Any]]:
    """Yield the figures of each series as JSON data."""
    groups: dict[tuple[str, str, bool, bool, str], list[Talk]] = defaultdict(list)
    for talk in found:
        groups[talk.conditions, talk.hedge, talk.warm, talk.several, talk.latency].append(talk)
    for (conditions, hedge, warm, several, latency), mine in groups.items():
        speedups = [talk.speedup for talk in mine]
        yield {
            "conditions": conditions,
            "hedge": hedge,
            "warm": warm,
            "several": several,
            "latency": latency,
            "conversations": len(mine),
            "slowest": min(speedups),
            "slower": sum(each < SLOWER for each in speedups),
            "mean": mean(speedups),
            "requests": mean(talk.requests for talk in mine),
            "unused": mean(talk.unused for talk in mine),
            "characters": mean(talk.characters for talk in mine),
        }


def main(words: Sequence[str]) -> int:
    """Hold the conversations, and publish how fast they were."""
    options = options_of("hedge", __doc__, words)
    latencies, counts = (QUICK_LATENCIES, QUICK_CASES) if options.quick else (LATENCIES, CASES)
    names = sample(counts)
    found = all_talks(latencies, names)
    report = Report(
        name="hedge",
        title="Hedged requests: never slower than one call at a time?",
        text=_TEXT.format(
            cases=len(names),
            conversations=len(names) * len(latencies) * len(STYLES),
            slower=SLOWER,
            training=TRAINING,
            least=1000 * LEAST_S,
            most=1000 * MOST_S,
        ),
        tables=list(tables_of(found)),
        figures={
            "slower": [{**asdict(talk), "speedup": talk.speedup} for talk in found if talk.speedup < SLOWER],
            "series": list(aggregated(found)),
        },
        wrong=[problem for talk in found for problem in talk.wrong][:_MOST_SHOWN],
    )
    return publish(report, options)
