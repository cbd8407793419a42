"""Software engineering as in SWE-bench with SWE-agent: an oracle fixes a real repository with real tools, in every mode.

::

    python -m tests.benchmarks swe [--quick] [--json FILE]

First in real time: files, grep, git and pytest as they are, a model over HTTP in its own process. Then in virtual
time, with the times that the tools took in the first part, as they were and scaled; the tools still run, and only the
outcome of tests of the very same files is kept.
"""

from __future__ import annotations

import asyncio
import functools
import json
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any

from asyncfc_jupyter.agent import Mode, Run
from asyncfc_jupyter.core.events import CallFinished, CallStarted
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import ToolOptions
from tests.benchmarks.programming_tasks import TASKS, Task
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
    plan_of,
    play,
    problems_of,
    tool_of,
)
from tests.benchmarks.report import Report, Table, options_of, publish
from tests.benchmarks.repository import Repository
from tests.servers.rehearsal_server import RehearsalServer

#: How many times as long as measured the tools take in virtual time; real repositories have tests of minutes.
SCALES, QUICK_SCALES = (1, 3, 10), (1,)
#: With one call a reply `batch` and `eager` are `sequential` in all but name: in real time only the ends are played then.
REAL_MODES: Mapping[Habit, tuple[Mode, ...]] = {"one": (Mode.SEQUENTIAL, Mode.ASYNC), "all": MODES}
#: What real threads can get wrong is wrong where calls overlap; the other run is there to learn from how long tools take.
QUICK_REAL_MODES: Mapping[Habit, tuple[Mode, ...]] = {"one": (Mode.ASYNC,), "all": (Mode.SEQUENTIAL, Mode.ASYNC)}
#: How many times as fast as in virtual time the model is via HTTP: a quick run waits for the tools.
QUICK_SPEED = 10.0
#: The speed-up over synchronous calling that AsyncFC (arXiv 2605.15077) reports at scaled latencies.
PAPER = "1.44"

#: Outcomes of test runs by what was tested.
Known = MutableMapping[str, dict[str, Any]]


@dataclass(slots=True)
class Durations:
    """How long tools take, in seconds, as measured: by tool and arguments, or else by tool."""

    measured: dict[str, list[float]] = field(default_factory=dict)

    def learn(self, run: Run) -> None:
        """Take in what each call of a run took."""
        started: dict[str, float] = {}
        for stamped in run.trace:
            match stamped.event:
                case CallStarted(future=name):
                    started[name] = stamped.at_s
                case CallFinished(future=name):
                    future = run.futures[name]
                    for key in (future.tool, self._key(future.tool, future.arguments)):
                        self.measured.setdefault(key, []).append(stamped.at_s - started[name])

    def of(self, tool: str, arguments: Mapping[str, Any], scale: float = 1.0) -> float:
        """Return how long a call takes, in seconds."""
        given = {name: value for name, value in arguments.items() if value != ""}
        return scale * mean(self.measured.get(self._key(tool, given)) or self.measured[tool])

    @staticmethod
    def _key(tool: str, arguments: Mapping[str, Any]) -> str:
        return f"{tool} {json.dumps(dict(arguments), sort_keys=True)}"


async def work_on(
    task: Task,
    habit: Habit,
    mode: Mode,
    *,
    base_url: str | None = None,
    latency_s: Any = None,
    known: Known | None = None,
    declared: Mapping[str, ToolOptions] | None = None,
    hedge: str = "auto",
) -> Played:
    """Play a task in a repository of its own.

    Args:
        task: The task.
        habit: How many calls a reply makes.
        mode: The mode.
        base_url: Where the model is served; by default it is in this process.
        latency_s: How long a call takes, from tool and arguments; by default what it takes.
        known: Outcomes of tests that need not be run again.
        declared: What tools declare in the place of the truth, to see that it is noticed.
        hedge: What is done with a request whose values come.
    """
    with tempfile.TemporaryDirectory(prefix="asyncfc-swe-") as folder:
        repository, witness = Repository(Path(folder), task.bug, known), Witness()
        jobs = repository.jobs()
        jobs |= {name: replace(jobs[name], declares=says) for name, says in (declared or {}).items()}
        model = RehearsalModel(ttft_ms=TTFT_S * 1000, tokens_per_s=TOKENS_PER_S) if base_url is None else "rehearsed"
        return await play(
            plan_of(task.steps, task.answer, habit),
            mode,
            model=model,
            tools=[tool_of(job, witness, latency_s) for job in jobs.values()],
            witness=witness,
            state=repository.state,
            base_url=base_url,
            hedge=hedge,
        )


def wrong_in(name: str, task: Task, played: Sequence[Played]) -> list[str]:
    """Return the errors in the runs of a task: besides the rules for every plan, the tests must be fixed."""
    found = problems_of(name, played)
    for each in played:
        tests = [
            future.result() for future in each.run.futures.values() if future.tool == "run_tests" and future.done()
        ]
        if tuple(tests[0]["failed"]) != task.bug.fails:
            found.append(f"{name}, {each.mode}: at first {tests[0]['failed']} failed, not {list(task.bug.fails)}")
        if tests[-1]["failed"] or not tests[-1]["passed"]:
            found.append(f"{name}, {each.mode}: in the end {tests[-1]['failed']} fail, {tests[-1]['passed']} pass")
    return found


# -- measuring -------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Findings:
    """What was measured."""

    #: How many times as fast as in virtual time the model was via HTTP.
    speed: float = 1.0
    #: By habit, with the tasks for groups.
    real: dict[Habit, Tally] = field(default_factory=lambda: {habit: Tally() for habit in HABITS})
    #: By scale and habit.
    scaled: dict[tuple[int, Habit], Tally] = field(default_factory=dict)
    durations: Durations = field(default_factory=Durations)
    wrong: list[str] = field(default_factory=list)


def measure(tasks: Sequence[Task], scales: Sequence[int], *, quick: bool = False) -> Findings:
    """Play tasks in real time and at these scales in virtual time.

    Args:
        tasks: The tasks.
        scales: How many times as long as measured the tools take in virtual time.
        quick: Whether in real time the model is faster, and few modes are played.
    """
    speed, modes = (QUICK_SPEED, QUICK_REAL_MODES) if quick else (1.0, REAL_MODES)
    found = Findings(speed=speed)
    with RehearsalServer(ttft_ms=TTFT_S * 1000 / speed, tokens_per_s=TOKENS_PER_S * speed) as server:
        asyncio.run(_in_real_time(found, tasks, modes, server.base_url))
    known: Known = {}
    for scale in scales:
        latency_s = functools.partial(found.durations.of, scale=scale)
        for habit in HABITS:
            tally = found.scaled[scale, habit] = Tally()
            for task in tasks:
                played = [run_virtually(work_on(task, habit, mode, latency_s=latency_s, known=known)) for mode in MODES]
                tally.add(task.name, played)
                found.wrong += wrong_in(f"{task.name}, tools times {scale} ({habit})", task, played)
    return found


async def _in_real_time(
    found: Findings, tasks: Sequence[Task], modes: Mapping[Habit, Sequence[Mode]], base_url: str
) -> None:
    # What is loaded and connected at the first request is not part of any run.
    await work_on(replace(tasks[0], steps=(), answer="Ready."), "all", Mode.ASYNC, base_url=base_url)
    for habit in HABITS:
        for task in tasks:
            played = [await work_on(task, habit, mode, base_url=base_url) for mode in modes[habit]]
            for each in played:
                if each.mode is Mode.SEQUENTIAL:
                    found.durations.learn(each.run)
            found.real[habit].add(task.name, played)
            found.wrong += wrong_in(f"{task.name} ({habit})", task, played)


# -- the report ------------------------------------------------------------------------------------------------------


def report_on(found: Findings) -> Report:
    """Return the report on what was measured."""
    real = [row for habit in HABITS for row in _real_rows(found.real[habit], habit)]
    scaled = [_scaled_row(tally, *key) for key, tally in found.scaled.items()]
    took = {tool: mean(times) for tool, times in found.durations.measured.items() if " " not in tool}
    return Report(
        name="swe",
        title="Software engineering",
        text=_text(took, found),
        tables=[
            Table(
                "In real time, over HTTP: seconds of each run (and of its tools, added up), and the speed-up of `async`.",
                ("task, calls a reply", *MODES, "over sequential", "over batch", "share of release-time bound"),
                [row[0] for row in real],
            ),
            Table(
                "The same tasks in virtual time, all together, with tools that take as long as measured, or a multiple of it.",
                (
                    "tools, calls a reply",
                    "over sequential",
                    "over batch",
                    "over eager",
                    "R",
                    "share of R",
                    "share of release-time bound",
                    "paper",
                ),
                [row[0] for row in scaled],
            ),
        ],
        figures={"real": [row[1] for row in real], "scaled": [row[1] for row in scaled], "tools_s": took},
        wrong=found.wrong,
    )


def _real_rows(tally: Tally, habit: Habit) -> Iterator[tuple[list[str], dict[str, Any]]]:
    for name in (*tally.groups, "all tasks"):
        groups = tally.groups if name == "all tasks" else {name: tally.groups[name]}
        plans = [plan for each in groups.values() for plan in each]
        seconds = {mode: sum(plan[mode].seconds for plan in plans) for mode in plans[0]}
        tools_s = {mode: sum(plan[mode].run.metrics.tool_s for plan in plans) for mode in plans[0]}
        cells = [f"{seconds[mode]:.2f} ({tools_s[mode]:.2f})" if mode in seconds else "" for mode in MODES]
        over = [
            f"{seconds[m] / seconds[Mode.ASYNC]:.2f}" if m in seconds else "" for m in (Mode.SEQUENTIAL, Mode.BATCH)
        ]
        released = tally.released(dict.fromkeys(groups, 1.0))
        figures = {
            "task": name,
            "habit": habit,
            "seconds": seconds,
            "tools_s": tools_s,
            "share of release-time bound": released,
        }
        yield [f"{name}, {habit}", *cells, *over, f"{released:.1%}"], figures


def _scaled_row(tally: Tally, scale: int, habit: Habit) -> tuple[list[str], dict[str, Any]]:
    weights = dict.fromkeys(tally.groups, 1.0)
    over = {mode: tally.speedup(weights, mode).value for mode in MODES if mode is not Mode.ASYNC}
    bound, share = tally.bound(weights), tally.share(weights)
    released = tally.released(weights)
    name = "as measured" if scale == 1 else f"times {scale}"
    paper = PAPER if scale > 1 and habit == "one" else ""
    cells = [*(f"{each:.2f}" for each in over.values()), f"{bound:.2f}", f"{share:.0%}", f"{released:.1%}", paper]
    figures = {"scale": scale, "habit": habit, **{f"over {mode}": value for mode, value in over.items()}}
    figures |= {"bound": bound, "share of the bound": share, "share of release-time bound": released}
    return [f"{name}, {habit}", *cells], figures


def _text(took: Mapping[str, float], found: Findings) -> str:
    faster = "" if found.speed == 1.0 else f" ({found.speed:g} times as fast in real time)"
    slow = ", ".join(f"`{tool}` {1000 * seconds:.0f} ms" for tool, seconds in sorted(took.items(), key=lambda i: -i[1]))
    checked = (
        f"Checks that failed: {len(found.wrong)}; they are listed below."
        if found.wrong
        else """In every run the planted bug failed its tests at first and all tests passed in the end; answers, results of all
calls and the hashes of the final commit and tree were the same in all modes, and no two conflicting calls ran at the same
time; the functions themselves record this."""
    )
    return f"""An oracle's plans fix a small generated repository with a history of five commits, the last of which broke
something: search, read, look at history and blame, edit, run the tests before and after, commit. All tools really run. Two
habits: {HABIT_NAMES["one"]}, as SWE-agent does (`one`), and {HABIT_NAMES["all"]} (`all`). Model: {TTFT_S * 1000:.0f} ms to
the first token, {TOKENS_PER_S:.0f} tokens a second{faster}. Tools declare `repo/{{path}}` and `git`, and took on average
{slow}.

{checked}

Only the tests take long, and most later steps must see their outcome; only reading can overlap with them.
In `dates` almost nothing overlaps, and the cost of asking remains: a few tokens for each value that must be read. In real
time the duration of the tests varies, as the brackets show; the share of the release-time bound does not
depend on that.
The paper reports {PAPER} for SWE-bench Lite with SWE-agent at scaled latencies, by a factor that is not known here. The value
is given beside the scaled rows for orientation and is not a target. An oracle's row cannot show accuracy, nor whether a real
model would read on while tests run, how much it thinks, how often it errs and starts again."""


def main(words: Sequence[str]) -> int:
    """Measure and publish."""
    options = options_of("swe", __doc__, words)
    tasks = list(TASKS.values())
    found = measure(tasks[:1], QUICK_SCALES, quick=True) if options.quick else measure(tasks, SCALES)
    return publish(report_on(found), options)
