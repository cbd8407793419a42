"""What worker processes do: play cases and hand back rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from asyncfc_jupyter.models.openai.chat import OpenAIChat
from tests.benchmarks.bfcl_parts.cases import Case, cases
from tests.benchmarks.bfcl_parts.checks import all_wrong
from tests.benchmarks.bfcl_parts.ideal import one_by_one_s, paper_bound, release_time_bound_s
from tests.benchmarks.bfcl_parts.mutants import Verdict, judged, mutants
from tests.benchmarks.bfcl_parts.oracle import Style
from tests.benchmarks.bfcl_parts.playing import Played, play, play_virtually
from tests.benchmarks.bfcl_parts.server import oracle_server
from tests.benchmarks.bfcl_parts.world import Latency
from tests.benchmarks.fast_clock import run_faster


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A way to play: the mode, the model's style, whether the tools say what they touch, and where the model is."""

    label: str
    mode: str
    style: Style = field(default_factory=Style)
    declared: bool = True
    #: Whether the oracle is asked over HTTP where time is real; else it is in the same process.
    server: bool = True


ONE_BY_ONE = Setup(label="sequential, one call a reply", mode="sequential")
BATCH = Setup(label="batch, several calls a reply", mode="batch", style=Style(several=True))
EAGER = Setup(label="eager, several calls a reply", mode="eager", style=Style(several=True))
ASYNC_ONE = Setup(label="async, one call a reply", mode="async")
ASYNC_SEVERAL = Setup(label="async, several calls a reply", mode="async", style=Style(several=True))
PENDING_ONE = Setup(label="async, one, pending across turns", mode="async", style=Style(pending=True))
PENDING_SEVERAL = Setup(
    label="async, several, pending across turns", mode="async", style=Style(several=True, pending=True)
)
BARE_ONE = Setup(label="async, one, nothing declared", mode="async", declared=False)
BARE_SEVERAL = Setup(label="async, several, nothing declared", mode="async", style=Style(several=True), declared=False)

WITHOUT_HTTP = Setup(label="async, one call a reply, without HTTP", mode="async", server=False)

OVER_HTTP = (ONE_BY_ONE, BATCH, ASYNC_ONE, ASYNC_SEVERAL, PENDING_ONE, WITHOUT_HTTP)
VIRTUALLY = (
    BATCH,
    EAGER,
    ASYNC_ONE,
    ASYNC_SEVERAL,
    PENDING_ONE,
    PENDING_SEVERAL,
    BARE_ONE,
    BARE_SEVERAL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one conversation took, and what it could have taken, in seconds of its clock."""

    case: str
    category: str
    setup: str
    latency: str
    seconds: float
    #: The same through the layer in virtual time, without a server; equal to ``seconds`` where that is how it was played.
    virtual_s: float
    requests: int
    virtual_requests: int
    #: Modelled: one call a reply, each waited for.
    one_by_one_s: float
    #: Modelled: the shortest that is possible.
    bound_s: float
    #: R of the paper.
    paper_bound: float
    #: Whether the model had to read a result within a turn.
    reads: bool
    wrong: tuple[str, ...] = ()


def _row(case: Case, setup: Setup, latency: Latency, played: Played, virtual: Played, wrong: Sequence[str]) -> Row:  # noqa: PLR0917
    def latency_of(number: int) -> float:
        return latency.of(case.name, number)

    return Row(
        case=case.name,
        category=case.category,
        setup=setup.label,
        latency=str(latency),
        seconds=played.seconds,
        virtual_s=virtual.seconds,
        requests=played.requests,
        virtual_requests=virtual.requests,
        one_by_one_s=one_by_one_s(case, latency_of),
        bound_s=release_time_bound_s(case, latency_of, setup.style),
        paper_bound=paper_bound(case, latency_of, setup.style),
        reads=case.reads_results,
        wrong=tuple(wrong),
    )


def _virtual(case: Case, setup: Setup, latency: Latency) -> Played:
    return play_virtually(
        case, mode=setup.mode, style=setup.style, latency=latency, table=None if setup.declared else {}
    )


def virtual_rows(names: Sequence[str], latencies: Sequence[Latency], setups: Sequence[Setup]) -> list[Row]:
    """Play cases in virtual time."""
    rows = []
    for case in map(cases().__getitem__, names):
        for setup in setups:
            for latency in latencies:
                played = _virtual(case, setup, latency)
                rows.append(_row(case, setup, latency, played, played, all_wrong(played, official=False)))
    return rows


def http_rows(names: Sequence[str], latencies: Sequence[Latency], setups: Sequence[Setup]) -> list[Row]:
    """Play cases on the faster clock, over HTTP unless a setup says otherwise, and again in virtual time to compare."""

    async def measured(url: str) -> list[tuple[Case, Setup, Latency, Played]]:
        model = OpenAIChat("oracle", base_url=url, api_key="unused")
        first = cases()[names[0]]
        # The client is imported and connects at the first request.
        await play(first, mode="sequential", style=Style(), latency=Latency(0.0), model=model)
        found = []
        for case in map(cases().__getitem__, names):
            for latency in latencies:
                for setup in setups:
                    asked = model if setup.server else None
                    played = await play(case, mode=setup.mode, style=setup.style, latency=latency, model=asked)
                    found.append((case, setup, latency, played))
        return found

    with oracle_server() as url:
        found = run_faster(measured(url))
    return [
        _row(case, setup, latency, played, _virtual(case, setup, latency), all_wrong(played))
        for case, setup, latency, played in found
    ]


def checked(names: Sequence[str], seeds: Sequence[int], styles: Sequence[Style]) -> tuple[int, list[str]]:
    """Play cases in virtual time with drawn latencies; return how many conversations, and all that was wrong."""
    count, wrong = 0, []
    for case in map(cases().__getitem__, names):
        for style in styles:
            for seed in seeds:
                played = play_virtually(case, mode="async", style=style, latency=Latency(1.0, 1.0, seed))
                wrong += all_wrong(played)
                count += 1
    return count, wrong


def verdicts(places: Sequence[int]) -> list[Verdict]:
    """Judge mutants of the table of effects, by their places."""
    wanted = set(places)
    return [judged(mutant) for place, mutant in enumerate(mutants()) if place in wanted]
