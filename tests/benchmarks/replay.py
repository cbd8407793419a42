"""Plans replayed in every mode: how they are written, what is noted of a run, and how runs are compared.

A plan is a list of steps, each a thought and a call, as an agent writes them. It is played in two habits, since how many calls
a model makes in a reply decides what any mode can gain:

* ``one``: each call in a reply of its own, with its thought. What agents of the thought-action kind do.
* ``all``: in a reply every call that can be written without reading a result; the first one's thought stands for all.

Nothing here trusts the scheduler. The functions themselves report to a `Witness` what they touch while they touch it, from
a table that is not the tools' declaration; results and final state are compared with those of the other modes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import inspect
import json
import random
import re
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from asyncfc_jupyter.agent import Agent, Mode, Run
from asyncfc_jupyter.core.events import RunEnded, TextStreamed
from asyncfc_jupyter.errors import ToolFailed, ToolSkipped
from asyncfc_jupyter.models.base import ChatModel
from asyncfc_jupyter.tools.definition import Tool, ToolOptions, make_tool
from tests.benchmarks.release_time_bound import released_s

TTFT_S, TOKENS_PER_S = 0.3, 60.0
MODES: tuple[Mode, ...] = (Mode.SEQUENTIAL, Mode.BATCH, Mode.EAGER, Mode.ASYNC)
Habit = Literal["one", "all"]
HABITS: tuple[Habit, ...] = ("one", "all")
HABIT_NAMES: Mapping[Habit, str] = {"one": "one call a reply", "all": "all calls it can in a reply"}

#: Paths that a call reads, and paths that it writes.
Touches = tuple[Sequence[str], Sequence[str]]
#: So many draws that the ends of a 95% interval move by no more than a few units of the third decimal.
RESAMPLES = 1_000
#: How the rehearsal model shows a value that it cannot have.
_UNREAD = re.compile(r"<[^<>]* (?:has no|pending|failed|skipped)[^<>]*>")


# -- plans -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """A thought and the call that follows from it."""

    thought: str
    #: Such as ``page = fetch(page=hits[0].id)``.
    call: str
    #: Whether the thought, or a text in the call, takes values that the model must have read.
    reads: bool = False


def plan_of(steps: Sequence[Step], answer: str, habit: Habit) -> str:
    """Return the plan in the language of the rehearsal model.

    Args:
        steps: The steps; ``{page.title}`` in the thought of one that reads takes a value.
        answer: The answer's text, with values in it.
        habit: How many calls a reply makes.
    """
    blocks: list[list[str]] = []
    for step in steps:
        if habit == "one" or step.reads or not blocks:
            blocks.append([_text(step.thought, step.reads)])
        blocks[-1].append(step.call)
    return "\n\n".join(["\n".join(block) for block in blocks] + [_text(answer, holes=True)])


def _text(text: str, holes: bool) -> str:
    return ("f" if holes else "") + json.dumps(text, ensure_ascii=False)


# -- what the functions really touch ---------------------------------------------------------------------------------


class Witness:
    """Gets reports of what each function touches, and notes every conflict between two that run at the same time."""

    def __init__(self) -> None:
        self.conflicts: list[str] = []
        #: The most calls that ran at the same time.
        self.most = 0
        self._lock = threading.Lock()
        self._running: dict[object, tuple[str, Touches]] = {}

    @contextlib.contextmanager
    def touching(self, name: str, touches: Touches) -> Iterator[None]:
        """Hold while a function runs."""
        token = object()
        with self._lock:
            for other, touched in self._running.values():
                if path := _conflict(touches, touched):
                    self.conflicts.append(f"{name} ran while {other} did, and one of the two writes {path}")
            self._running[token] = (name, touches)
            self.most = max(self.most, len(self._running))
        try:
            yield
        finally:
            with self._lock:
                del self._running[token]


def _conflict(one: Touches, other: Touches) -> str:
    for written, touched in ((one[1], (*other[0], *other[1])), (other[1], one[0])):
        for path in written:
            if any(_within(path, place) or _within(place, path) for place in touched):
                return path or "everything"
    return ""


def _within(path: str, place: str) -> bool:
    return not place or path == place or path.startswith(f"{place}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A function that becomes a tool, with its declared effects and, separately, its real ones."""

    function: Callable[..., Any]
    declares: ToolOptions
    #: From the arguments by name to what the function touches with them.
    touches: Callable[[Mapping[str, Any]], Touches]


def tool_of(job: Job, witness: Witness, latency_s: Callable[[str, Mapping[str, Any]], float] | None = None) -> Tool:
    """Return the tool, watched by a witness.

    Args:
        job: The function.
        witness: Gets a report of each call while it runs.
        latency_s: From the tool's name and arguments to how long a call takes, in seconds; the function's own work then counts
            for nothing, in virtual time. Without it the call takes what it takes, in a thread.
    """
    function, name = job.function, job.function.__name__
    signature = inspect.signature(function)

    def told(args: Any, kwargs: Any) -> Mapping[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    @functools.wraps(function)
    def plainly(*args: Any, **kwargs: Any) -> Any:
        with witness.touching(name, job.touches(told(args, kwargs))):
            return function(*args, **kwargs)

    @functools.wraps(function)
    async def modelled(*args: Any, **kwargs: Any) -> Any:
        assert latency_s is not None
        arguments = told(args, kwargs)
        with witness.touching(name, job.touches(arguments)):
            await asyncio.sleep(latency_s(name, arguments))
            return function(*args, **kwargs)

    return make_tool(plainly if latency_s is None else modelled, **job.declares)


# -- runs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A plan in one mode, and its outcome."""

    mode: Mode
    answer: str
    #: From the start of the run to its end, in seconds.
    seconds: float
    #: The seconds of one-by-one calling with this run's replies and functions, and the least that R of AsyncFC leaves of them.
    one_by_one_s: float
    bound_s: float
    #: The release-time bound, which only the trace of an async run shows: elsewhere values pass unseen.
    released_s: float
    #: Digest of every call's outcome in the order of emission, and of the state afterwards.
    results: str
    state: str
    replies: int
    #: Conflicts that the witness saw, and pairs that the certificate calls violations.
    conflicts: tuple[str, ...]
    #: What the model said instead of a value that it could not read: the plan is wrong, or a message.
    unread: tuple[str, ...]
    run: Run


async def play(
    plan: str,
    mode: Mode,
    *,
    model: ChatModel | str,
    tools: Sequence[Tool],
    witness: Witness,
    state: Callable[[], object],
    base_url: str | None = None,
    hedge: str = "auto",
) -> Played:
    """Play a plan in a mode and note the outcome.

    Args:
        plan: The plan.
        mode: The mode.
        model: A model, or the name of one at the server.
        tools: The tools, with state of their own for this run.
        witness: The one that watches them.
        state: Gives the state that they leave, as JSON data.
        base_url: The server's address, where the model is a name.
        hedge: What is done with a request whose values come.
    """
    options: dict[str, Any] = {"remember": "off", "hedge": hedge}
    options |= {} if base_url is None else {"base_url": base_url, "api_key": "none"}
    run = await Agent(model, tools=tools, mode=mode, **options).run(plan)
    figures, violations = run.metrics, run.certificate().violations
    one_by_one_s = figures.speedup * figures.makespan_s
    return Played(
        mode=mode,
        answer=run.answer,
        seconds=figures.makespan_s,
        one_by_one_s=one_by_one_s,
        bound_s=one_by_one_s / figures.bound,
        released_s=released_s(run.trace) if mode is Mode.ASYNC else 0.0,
        results=digest([_outcome(future) for future in run.futures.values()]),
        state=digest(state()),
        replies=run.turns,
        conflicts=(*witness.conflicts, *map(str, violations)),
        unread=tuple(_UNREAD.findall(_said(run))),
        run=run,
    )


def _said(run: Run) -> str:
    return "".join(stamped.event.text for stamped in run.trace if isinstance(stamped.event, TextStreamed))


def _outcome(future: Any) -> object:
    try:
        return [future.tool, future.result()]
    except (ToolFailed, ToolSkipped) as error:
        return [future.tool, str(error)]


def digest(data: object) -> str:
    """Return a short name for JSON data: equal data have equal names."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def problems_of(name: str, played: Sequence[Played], *, answer: str | None = None) -> list[str]:
    """Return what is wrong with the runs of one plan: they differ, conflict, or give another answer than the right one."""
    first = played[0]
    found = []
    for each in played:
        found += [f"{name}, {each.mode}: {conflict}" for conflict in each.conflicts]
        found += [f"{name}, {each.mode}: the model read {text}" for text in each.unread]
        for what in ("answer", "results", "state"):
            if getattr(each, what) != getattr(first, what):
                found.append(f"{name}: the {what} of {each.mode} and of {first.mode} differ")
        if answer is not None and each.answer != answer:
            found.append(f"{name}, {each.mode}: the answer is {each.answer!r}, not {answer!r}")
        if not any(isinstance(stamped.event, RunEnded) for stamped in each.run.trace):
            found.append(f"{name}, {each.mode}: the run has no end")
    return found


# -- ratios ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio of total times with a 95% bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


#: The times above and below the line, a pair for each plan, in groups of plans.
Pairs = Mapping[str, Sequence[tuple[float, float]]]


def ratio(pairs: Pairs, weights: Mapping[str, float], seed: int = 0) -> Ratio:
    """Return the ratio of the weighted mean times, with a percentile interval; plans are resampled within their group.

    Args:
        pairs: Times in seconds, by group.
        weights: The groups that count, and how much.
        seed: Of the draws.
    """
    draw = random.Random(seed)
    groups = {name: pairs[name] for name in weights}
    values = sorted(
        _ratio({name: draw.choices(group, k=len(group)) for name, group in groups.items()}, weights)
        for _ in range(RESAMPLES)
    )
    cut = RESAMPLES // 40
    return Ratio(value=_ratio(groups, weights), low=values[cut], high=values[-cut - 1])


def _ratio(groups: Pairs, weights: Mapping[str, float]) -> float:
    above = sum(weights[name] * sum(a for a, _ in group) / len(group) for name, group in groups.items())
    below = sum(weights[name] * sum(b for _, b in group) / len(group) for name, group in groups.items())
    return above / below


@dataclass(slots=True)
class Tally:
    """The times of many plans in every mode, by group."""

    groups: dict[str, list[Mapping[Mode, Played]]] = field(default_factory=dict)

    def add(self, group: str, played: Sequence[Played]) -> None:
        """Take in one plan's runs."""
        self.groups.setdefault(group, []).append({each.mode: each for each in played})

    def seconds(self) -> dict[str, list[dict[str, float]]]:
        """Return what each plan took in each mode, by group."""
        return {
            name: [{mode.value: played.seconds for mode, played in plan.items()} for plan in plans]
            for name, plans in self.groups.items()
        }

    def speedup(self, weights: Mapping[str, float], over: Mode, of: Mode = Mode.ASYNC) -> Ratio:
        """Return how many times as long one mode takes as the other."""
        return ratio(self._pairs(weights, lambda plan: (plan[over].seconds, plan[of].seconds)), weights)

    def bound(self, weights: Mapping[str, float]) -> float:
        """Return R of AsyncFC for these plans, from what the async runs decoded and called."""
        return _ratio(self._pairs(weights, lambda p: (p[Mode.ASYNC].one_by_one_s, p[Mode.ASYNC].bound_s)), weights)

    def share(self, weights: Mapping[str, float]) -> float:
        """Return which part of R the async runs reach: the time that R leaves over the time they took."""
        return _ratio(self._pairs(weights, lambda p: (p[Mode.ASYNC].bound_s, p[Mode.ASYNC].seconds)), weights)

    def released(self, weights: Mapping[str, float]) -> float:
        """Return which part of the release-time bound the async runs reach: the time that it leaves over what they took."""
        return _ratio(self._pairs(weights, lambda p: (p[Mode.ASYNC].released_s, p[Mode.ASYNC].seconds)), weights)

    def _pairs(
        self, weights: Mapping[str, float], times: Callable[[Mapping[Mode, Played]], tuple[float, float]]
    ) -> Pairs:
        return {name: [times(plan) for plan in self.groups[name]] for name in weights}


async def gathered(work: Sequence[Callable[[], Awaitable[Any]]], at_once: int) -> list[Any]:
    """Do pieces of work, so many at a time, and return what each gives, in order."""
    places = asyncio.Semaphore(at_once)

    async def one(piece: Callable[[], Awaitable[Any]]) -> Any:
        async with places:
            return await piece()

    return await asyncio.gather(*(one(piece) for piece in work))
