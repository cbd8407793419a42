"""BFCL's multi-turn cases, played by an oracle: how much faster futures are, what is possible, and whether all stays right.

::

    python -m tests.benchmarks bfcl [--quick] [--json FILE]

The tool classes and the official state checker come from the package ``bfcl-eval``, fetched at a pinned hash on first use.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

from tests.benchmarks.bfcl_parts import figures, jobs
from tests.benchmarks.bfcl_parts.cases import CATEGORIES, cases
from tests.benchmarks.bfcl_parts.jobs import OVER_HTTP, VIRTUALLY, Row
from tests.benchmarks.bfcl_parts.mutants import Verdict, mutants
from tests.benchmarks.bfcl_parts.oracle import Style
from tests.benchmarks.bfcl_parts.world import Latency
from tests.benchmarks.report import Report, Table, options_of, publish

#: Processes that play side by side: over HTTP each waits for nine tenths of the time.
WORKERS = 2
_CONSTANT = tuple(Latency(mean_s) for mean_s in (0.1, 0.5, 1.0, 2.0, 5.0))
_MOST_SHOWN = 20
_TEXT = """\
The multi-turn cases of the Berkeley Function Calling Leaderboard (`bfcl-eval` 2026.3.23), on live objects of its own tool
classes. The model is an oracle that knows the ground truth and reads the layer's messages. It passes values that it has
seen, and references to pending ones; it awaits only what it must read before it can write the next call; each
answer is a digest of all values that it has seen. It takes 300 ms to its first token and speaks 60 tokens/s; an answer has 40
tokens, a call as many as its JSON (37 on average), a text that only says that results are pending has 4. A call takes the same
time in every mode.

*Over HTTP*: the oracle is an OpenAI-compatible server in a process of its own, openai-python is the client, and the clock of
both runs ten times as fast as real time, so what processing costs weighs ten times as much. Cases drawn by seed: {http};
{workers} processes side by side. Measured over modelled time compares with the same conversation in virtual time, where the
layer made the same number of requests ({same} of {all} conversations). One setup leaves HTTP out: the layer alone.

*In virtual time*: the same layer, tools and oracle without a server; nothing takes time but the model and the tools. Cases:
{virtual}. Those of `miss_func` and `miss_param` are the same as in `base`, with one more user turn without calls.

*Pending across turns*: tools are `detached`, so a user turn may end while their results are pending; the last turn waits for
all of them. The *release-time bound* is the time of an ideal futures client: no call starts before it is decoded, what it
takes is there, and every earlier call that it conflicts with has returned. The paper's R leaves the first of these out and
cannot be reached here.

An oracle does not show how well a real model uses futures. The cases are short, and most user turns have one call.
Each case begins without knowledge of its tools and the model. A request that holds placeholders is retracted when their values
come before its reply shows a tool call, as by default; `hedge` compares that with doing nothing and with a race."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is played: numbers of cases by category, base first, and of seeds."""

    http: tuple[int, int, int, int]
    http_latencies: tuple[Latency, ...]
    virtual: tuple[int, int, int, int]
    virtual_latencies: tuple[Latency, ...]
    checked: tuple[int, int, int, int]
    seeds: int
    #: Of how many mutants of the table of effects one is judged.
    mutants: int


FULL = Size(
    http=(10, 2, 1, 1),
    http_latencies=(*_CONSTANT, Latency(1.0, 1.0, 0)),
    virtual=(140, 35, 35, 35),
    virtual_latencies=(*_CONSTANT, *(Latency(1.0, 1.0, seed) for seed in range(3))),
    checked=(140, 140, 140, 140),
    seeds=20,
    mutants=1,
)
QUICK = Size(
    http=(1, 1, 0, 0),  # one for each process
    http_latencies=(Latency(1.0),),
    virtual=(2, 1, 1, 1),
    virtual_latencies=(Latency(0.1), Latency(1.0), Latency(1.0, 1.0, 0)),
    checked=(10, 6, 2, 2),  # what finds a fault most cheaply
    seeds=3,
    mutants=8,
)
#: Where the widest overlap is allowed, and a user's default.
_CHECKED_STYLES = (Style(several=True, pending=True), Style())


def sample(counts: Sequence[int]) -> list[str]:
    """Return so many cases of each category, drawn by seed, those of several categories mixed."""
    drawn = []
    for category, count in zip(CATEGORIES, counts, strict=True):
        names = [name for name, case in cases().items() if case.category == category]
        drawn += random.Random(category).sample(names, count)
    random.Random(0).shuffle(drawn)
    return drawn


# -- playing ---------------------------------------------------------------------------------------------------------


def _spread(pool: ProcessPoolExecutor, job: Callable[..., Any], work: Sequence[Any], *rest: Any) -> Iterator[Any]:
    """Deal work out to the processes and yield what each hands back."""
    dealt = [pool.submit(job, work[n::WORKERS], *rest) for n in range(WORKERS)]
    return (each.result() for each in dealt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything that was played."""

    http: list[Row]
    virtual: list[Row]
    #: Conversations with drawn latencies.
    checked: int
    verdicts: list[Verdict]
    wrong: list[str]


def played(size: Size) -> Found:
    """Play everything."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=spawn) as pool:

        def stage(title: str, job: Callable[..., Any], work: Sequence[Any], *rest: Any) -> list[Any]:
            begun = time.monotonic()
            parts = list(_spread(pool, job, work, *rest))
            print(f"{title}: {time.monotonic() - begun:.0f} s", flush=True)
            return parts

        http = stage("over HTTP", jobs.http_rows, sample(size.http), size.http_latencies, OVER_HTTP)
        virtual = stage("in virtual time", jobs.virtual_rows, sample(size.virtual), size.virtual_latencies, VIRTUALLY)
        checks = stage("checked", jobs.checked, sample(size.checked), range(size.seeds), _CHECKED_STYLES)
        verdicts = stage("mutants", jobs.verdicts, range(0, len(list(mutants())), size.mutants))
    http, virtual, verdicts = (list(itertools.chain(*parts)) for parts in (http, virtual, verdicts))
    wrong = [problem for row in (*http, *virtual) for problem in row.wrong]
    wrong += [problem for _, problems in checks for problem in problems]
    wrong += [f"the checks do not notice a table without {v.mutant}" for v in verdicts if v.noticed is False]
    return Found(http=http, virtual=virtual, checked=sum(count for count, _ in checks), verdicts=verdicts, wrong=wrong)


# -- reporting -------------------------------------------------------------------------------------------------------


def tables_of(found: Found) -> Iterator[Table]:
    """Yield the tables of the report."""
    http, virtual = figures.grouped(found.http), figures.grouped(found.virtual)
    faster = [setup.label for setup in OVER_HTTP[1:] if setup.server]
    for setup in OVER_HTTP[:2]:
        yield figures.by_latency(
            f"Over HTTP: how many times as fast as {setup.label}, mean over {_count(found.http)} cases, 95% interval:",
            http,
            [label for label in faster if label != setup.label],
            figures.with_interval(figures.over(found.http, setup.label)),
        )
    labels = [setup.label for setup in OVER_HTTP]
    yield figures.by_latency(
        "Measured over modelled time of the same schedule:",
        http,
        labels,
        lambda rows: figures.mean_of(figures.overhead, digits=3)(figures.same_schedule(rows)),
    )
    labels = [setup.label for setup in VIRTUALLY]
    count = _count(found.virtual)
    for caption, show in (
        ("how many times as fast as one call at a time, mean", figures.mean_of(figures.speedup)),
        ("the slowest case, as many times as fast as one call at a time", _least),
        ("share of the paper's bound R, mean", figures.percent_of(figures.paper_share)),
        ("share of the release-time bound, mean", figures.percent_of(figures.bound_share)),
        (
            "share of the release-time bound, cases in which the model must read no result within a turn",
            lambda rows: figures.percent_of(figures.bound_share)([row for row in rows if not row.reads]),
        ),
    ):
        yield figures.by_latency(f"In virtual time, {count} cases: {caption}:", virtual, labels, show)
    yield _by_category(found)
    yield _checks(found)


def _least(rows: list[Row]) -> str:
    return f"{min(map(figures.speedup, rows)):.2f}"


def _count(rows: Sequence[Row]) -> int:
    return len({row.case for row in rows})


def _by_category(found: Found) -> Table:
    one_second = str(Latency(1.0))
    mine = {name: [r for r in found.virtual if (r.category, r.latency) == (name, one_second)] for name in CATEGORIES}
    rows = []
    for setup in VIRTUALLY:
        groups = [[row for row in mine[name] if row.setup == setup.label] for name in CATEGORIES]
        rows.append([setup.label, *map(figures.mean_of(figures.speedup), groups)])
    header = ["", *(f"{name} ({_count(mine[name])})" for name in CATEGORIES)]
    return Table(
        "In virtual time, tools of 1 s: how many times as fast as one call at a time, by category:", header, rows
    )


def _checks(found: Found) -> Table:
    verdicts = Counter((verdict.noticed, verdict.made_up) for verdict in found.verdicts)
    harmed = sum(verdict.harmed for verdict in found.verdicts)
    conversations = found.checked + len(found.virtual) + len(found.http)
    rows = [
        ["conversations checked", str(conversations)],
        ["of them in real time, also by the official checkers", str(len(found.http))],
        ["of them in virtual time with drawn latencies, also by the official checkers", str(found.checked)],
        ["wrong results, states, answers or orders", str(len(found.wrong))],
        [
            "wrong tables of effects noticed, in a case",
            f"{verdicts[True, False]}, {harmed} of them by results or state",
        ],
        ["wrong tables of effects noticed, in two calls put together", str(verdicts[True, True])],
        ["wrong tables of effects not noticed", str(verdicts[False, False] + verdicts[False, True])],
        ["wrong in a path that keeps no two calls of the cases apart", str(verdicts[None, True])],
    ]
    return Table("Checks:", ["what", "how many"], rows)


def text_of(found: Found, size: Size) -> str:
    """Return what was measured, how, and what it cannot show."""
    return _TEXT.format(
        http=_listed(size.http),
        virtual=_listed(size.virtual),
        workers=WORKERS,
        same=len(figures.same_schedule(found.http)),
        all=len(found.http),
    )


def _listed(counts: Sequence[int]) -> str:
    return ", ".join(f"{count} of `{name}`" for name, count in zip(CATEGORIES, counts, strict=True))


def main(words: Sequence[str]) -> int:
    """Play, and publish what was found."""
    options = options_of("bfcl", __doc__, words)
    size = QUICK if options.quick else FULL
    found = played(size)
    names = [field.name for field in fields(Row) if field.name != "wrong"]
    report = Report(
        name="bfcl",
        title="Multi-turn function calling (BFCL)",
        text=text_of(found, size),
        tables=list(tables_of(found)),
        figures={
            "over_http": figures.aggregated(figures.grouped(found.http)),
            "in_virtual_time": figures.aggregated(figures.grouped(found.virtual)),
            "conversations_over_http": {"columns": names, "rows": [astuple(row)[: len(names)] for row in found.http]},
            "checked": found.checked,
            "mutants": [asdict(verdict) for verdict in found.verdicts],
        },
        wrong=found.wrong[:_MOST_SHOWN],
    )
    return publish(report, options)
