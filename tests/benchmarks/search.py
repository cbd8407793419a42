"""Multi-hop search as in web-search and HotpotQA benchmarks: an oracle's plans over an invented encyclopedia, in every mode.

::

    python -m tests.benchmarks search [--quick] [--json FILE]

The figures are of virtual time, which is exact: the rehearsal model decodes through the streaming protocol, and the tools,
which really search, take times drawn for each tool and arguments, the same in every mode. Some of the questions are played
again in real time, over HTTP from a server in a process of its own, several at once, and compared with those figures.
"""

from __future__ import annotations

import asyncio
import functools
import json
import math
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from asyncfc_jupyter.agent import Mode
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import ToolOptions
from tests.benchmarks.encyclopedia import Desk, Encyclopedia
from tests.benchmarks.fast_clock import SPEED, run_faster
from tests.benchmarks.questions import FAMILIES, Question, questions
from tests.benchmarks.replay import (
    HABIT_NAMES,
    HABITS,
    MODES,
    TOKENS_PER_S,
    TTFT_S,
    Habit,
    Played,
    Tally,
    Witness,
    gathered,
    plan_of,
    play,
    problems_of,
    tool_of,
)
from tests.benchmarks.report import Report, Table, options_of, publish
from tests.servers.rehearsal_server import RehearsalServer

SEED = 20260514
#: Mean latency in seconds and sigma of its logarithm; the notes are a local matter.
LATENCIES: Mapping[str, tuple[float, float]] = {
    "search": (1.0, 0.6),
    "fetch": (0.7, 0.6),
    "note": (0.02, 0.2),
    "review": (0.02, 0.2),
}
#: Questions of each family: in virtual time, and of those over HTTP.
COUNTS, QUICK_COUNTS = (40, 3), (2, 1)
#: Runs over HTTP at a time: enough to be done soon, few enough to keep two cores mostly idle.
AT_ONCE = 10
#: Shares of the families in a mix, guessed: four of five HotpotQA questions are bridges, and the rest comparisons.
MIXES: Mapping[str, Mapping[str, float]] = {
    "like HotpotQA": {
        "comparison": 0.2,
        "bridge by reference": 0.2,
        "bridge, read once": 0.3,
        "bridge, each result read": 0.3,
    },
    "like web search": {
        "fan-out": 0.3,
        "comparison": 0.2,
        "bridge by reference": 0.1,
        "bridge, read once": 0.2,
        "bridge, each result read": 0.2,
    },
}
#: Speed-ups over synchronous calling that AsyncFC (arXiv 2605.15077) reports for real models.
PAPER: Mapping[str, str] = {"like HotpotQA": "1.24", "like web search": "1.26"}


def latency_s(tool: str, arguments: Mapping[str, Any]) -> float:
    """Return how long a call takes, in seconds: lognormal, and the same for the same tool and arguments."""
    mean_s, sigma = LATENCIES[tool]
    draw = random.Random(f"{SEED} {tool} {json.dumps(dict(arguments), sort_keys=True)}")
    return draw.lognormvariate(math.log(mean_s) - sigma**2 / 2, sigma)


@functools.cache
def encyclopedia() -> Encyclopedia:
    """Return the one that all runs search."""
    return Encyclopedia(SEED)


async def ask(
    question: Question,
    habit: Habit,
    mode: Mode,
    base_url: str | None = None,
    *,
    declared: Mapping[str, ToolOptions] | None = None,
    hedge: str = "auto",
) -> Played:
    """Play a question.

    Args:
        question: The question.
        habit: How many calls a reply makes.
        mode: The mode.
        base_url: Where the model is served; by default it is in this process.
        declared: What tools declare in the place of the truth, to see that it is noticed.
        hedge: What is done with a request whose values come.
    """
    desk, witness = Desk(encyclopedia()), Witness()
    jobs = desk.jobs() | {name: replace(desk.jobs()[name], declares=says) for name, says in (declared or {}).items()}
    model = RehearsalModel(ttft_ms=TTFT_S * 1000, tokens_per_s=TOKENS_PER_S) if base_url is None else "rehearsed"
    return await play(
        plan_of(question.steps, question.answer, habit),
        mode,
        model=model,
        tools=[tool_of(job, witness, latency_s) for job in jobs.values()],
        witness=witness,
        state=lambda: desk.notes,
        base_url=base_url,
        hedge=hedge,
    )


@dataclass(slots=True, kw_only=True)
class Findings:
    """What was measured."""

    asked: Mapping[str, Sequence[Question]]
    #: How many times as fast as real time the clock of the runs over HTTP was.
    speed: float = 1.0
    exact: dict[Habit, Tally] = field(default_factory=lambda: {habit: Tally() for habit in HABITS})
    real: dict[Habit, Tally] = field(default_factory=lambda: {habit: Tally() for habit in HABITS})
    wrong: list[str] = field(default_factory=list)


def measure(counts: tuple[int, int], *, faster: bool = False) -> Findings:
    """Play questions of each family in virtual time, and some of those over HTTP.

    Args:
        counts: How many of each family, and how many of those over HTTP.
        faster: Whether the clock of the runs over HTTP is that of `faster`, which saves waiting and not work.
    """
    found = Findings(
        asked={family: tuple(questions(encyclopedia(), family, counts[0], SEED)) for family in FAMILIES},
        speed=SPEED if faster else 1.0,
    )
    for habit in HABITS:
        for family, asked in found.asked.items():
            for number, question in enumerate(asked):
                played = [run_virtually(ask(question, habit, mode)) for mode in MODES]
                _note(found, found.exact[habit], f"{family} {number} ({habit})", question, played)
    with RehearsalServer(ttft_ms=TTFT_S * 1000 / found.speed, tokens_per_s=TOKENS_PER_S * found.speed) as server:
        (run_faster if faster else asyncio.run)(_over_http(found, counts[1], server.base_url))
    return found


async def _over_http(found: Findings, count: int, base_url: str) -> None:
    # What is loaded and connected at the first request is not part of any run.
    await ask(found.asked["comparison"][0], "all", Mode.ASYNC, base_url)
    plans = [(habit, asked[n]) for habit in HABITS for asked in found.asked.values() for n in range(count)]
    work = [functools.partial(ask, question, habit, mode, base_url) for habit, question in plans for mode in MODES]
    played = await gathered(work, AT_ONCE)
    for number, (habit, question) in enumerate(plans):
        runs = played[number * len(MODES) : (number + 1) * len(MODES)]
        _note(found, found.real[habit], f"{question.family} over HTTP ({habit})", question, runs)


def _note(found: Findings, tally: Tally, name: str, question: Question, played: Sequence[Played]) -> None:
    tally.add(question.family, played)
    found.wrong += problems_of(name, played, answer=question.right)


# -- the report ------------------------------------------------------------------------------------------------------


def report_on(found: Findings, counts: tuple[int, int]) -> Report:
    """Return the report on what was measured."""
    rows = [row for habit in HABITS for row in _rows(found.exact[habit], habit)]
    return Report(
        name="search",
        title="Multi-hop search",
        text=_text(counts, found),
        tables=_tables([row[0] for row in rows], [_real_row(found, habit) for habit in HABITS]),
        figures={
            "rows": [row[1] for row in rows],
            "real_s": {habit: found.real[habit].seconds() for habit in HABITS},
            "questions": counts,
            "latencies": LATENCIES,
            "mixes": MIXES,
        },
        wrong=found.wrong,
    )


def _tables(exact: Sequence[Sequence[str]], real: Sequence[Sequence[str]]) -> list[Table]:
    return [
        Table(
            "Speed-up of `async`: total time of the other mode over its own, with 95% bootstrap intervals over questions; "
            "R is AsyncFC's bound.",
            (
                "questions, calls a reply",
                "over sequential",
                "over batch",
                "over eager",
                "R",
                "share of R",
                "share of release-time bound",
                "paper",
            ),
            exact,
        ),
        Table(
            "The same questions in real time, over HTTP on loopback; time over exact time is the median over runs.",
            (
                "calls a reply",
                "questions",
                "over sequential, real",
                "exact",
                "share of release-time bound",
                "time over exact time",
            ),
            real,
        ),
    ]


def _rows(tally: Tally, habit: Habit) -> Iterator[tuple[list[str], dict[str, Any]]]:
    groups = {**{family: {family: 1.0} for family in FAMILIES}, **MIXES}
    for name, weights in groups.items():
        over = {mode: tally.speedup(weights, mode) for mode in MODES if mode is not Mode.ASYNC}
        bound, share, released = tally.bound(weights), tally.share(weights), tally.released(weights)
        ratios = [*map(str, over.values()), f"{bound:.2f}", f"{share:.0%}", f"{released:.1%}"]
        figures = {f"over {mode}": [each.value, each.low, each.high] for mode, each in over.items()}
        figures |= {
            "bound": bound,
            "share of the bound": share,
            "share of release-time bound": released,
        }
        title = f"{name}, {habit}" if name in FAMILIES else f"**mix {name}**, {habit}"
        yield [title, *ratios, PAPER.get(name, "")], {"group": name, "habit": habit, **figures}


def _real_row(found: Findings, habit: Habit) -> list[str]:
    real, exact = found.real[habit], found.exact[habit]
    weights = dict.fromkeys(FAMILIES, 1.0)
    count = len(next(iter(real.groups.values())))
    same = Tally({family: plans[:count] for family, plans in exact.groups.items()})
    late = []
    for mode in MODES:
        pairs = [(family, n) for family in FAMILIES for n in range(count)]
        over = [real.groups[f][n][mode].seconds / same.groups[f][n][mode].seconds for f, n in pairs]
        late.append(f"{mode} {statistics.median(over):.3f}")
    speedups = [tally.speedup(weights, Mode.SEQUENTIAL).value for tally in (real, same)]
    ratios = [*(f"{each:.2f}" for each in speedups), f"{real.released(weights):.1%}"]
    return [HABIT_NAMES[habit], str(count * len(FAMILIES)), *ratios, ", ".join(late)]


def _text(counts: tuple[int, int], found: Findings) -> str:
    clock = "" if found.speed == 1.0 else f", on a clock {found.speed:g} times as fast"
    times = ", ".join(f"{tool} {mean:g} s" for tool, (mean, _) in LATENCIES.items())
    return f"""{counts[0]} questions of each family about an invented encyclopedia, answered by an oracle's plans in every mode
and in two habits: one call a reply with its thought (`one`), and in a reply every call that can be written without
reading (`all`). Model: {TTFT_S * 1000:.0f} ms to the first token and {TOKENS_PER_S:.0f} tokens a second. Tools:
lognormal, on average {times}, the same in every mode. In virtual time, so the
figures are exact and the same on every machine; of each family {counts[1]} were played again in real time over HTTP,
{AT_ONCE} runs at once{clock}. `fan-out` gathers facts of several towns and adds them up from notes; `comparison` needs two
independent articles; the bridges ask for a property of what another article names: by links that are passed on unread,
with one text that must be read, or with every result read before the next call.

{_checked(found.wrong)}

The column `paper` holds what AsyncFC reports for real models on BFCL v4 web search and on HotpotQA, over synchronous
calling. It is given for orientation and is not a target. Families, mixes and latencies are ours, and an oracle's
row cannot show accuracy, nor what a real model does: how many calls it puts into a reply, how long it thinks, how often
it asks for a pending result for nothing, whether it takes the first result of a search unseen. The row does show how much
of the possible saving the layer achieves, and that strictly sequential questions gain almost nothing. R does not
consider what must be read or decoded first. The release-time bound does: no call starts before it is
decoded, and no reply begins before its inputs are ready. The tokens that ask for a value count as decoding."""


def _checked(wrong: Sequence[str]) -> str:
    if wrong:
        return f"Checks that failed: {len(wrong)}; they are listed below."
    return (
        "In every run the answer was the right one; answers, results of all calls and final notes were the same in all modes, "
        "and no two conflicting\ncalls ran at the same time; the functions themselves record this."
    )


def main(words: Sequence[str]) -> int:
    """Measure and publish."""
    options = options_of("search", __doc__, words)
    counts = QUICK_COUNTS if options.quick else COUNTS
    return publish(report_on(measure(counts, faster=options.quick), counts), options)
