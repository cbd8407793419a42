"""Six ways in which models make calls, played by other clients and frameworks and by this one, side by side in one run.

Each contender is a driver in ``peers/``, a process of its own in an environment of its own, whose releases are pinned beside
it. One server plays the model for all of them (`tests.servers.rehearsal_server`), and every tool really sleeps.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncfc_jupyter.agent import Mode
from tests.benchmarks.policies import POLICIES, TOKENS_PER_S, TTFT_S, Policy, answer_of, ideal_s, plan_of
from tests.benchmarks.report import Report, Table, options_of, publish
from tests.servers.rehearsal_server import RehearsalServer
from tests.virtual_environments import NotBuilt, environment, is_built

DRIVERS = Path(__file__).with_suffix("")
LATENCIES_S, QUICK_LATENCIES_S = (1.0, 0.2, 0.02), (0.2,)
QUICK_POLICIES = POLICIES[:1]
REPEATS = 3
#: Contenders that play at a time. A run sleeps for all but a few percent of its time, so that they do not get into each
#: other's way on two cores, and the whole takes a fifth of the time.
AT_ONCE = 5
#: Played first and not timed, for imports, connections and caches.
WARM_UP = '"ready"'
#: How much slower than another a contender may be and count as equal: some milliseconds in runs of seconds.
EQUAL = 1.01
#: What the project is held to, over the ideal futures client.
TARGET = 1.03

TEXT = f"""
The model is a server that plays each policy from the messages alone, over HTTP and SSE, {1000 * TTFT_S:.0f} ms to the first
token and {TOKENS_PER_S:.0f} tokens a second by an absolute schedule. To a client without futures it writes values, as it has
them; to one with futures it writes references of the same length. The tools sleep. Time is taken in the client's process,
around a whole run, after one that is not counted; contenders are interleaved in random order, {AT_ONCE} at a time. The figures
are medians of {REPEATS}, in seconds. The *ideal* is not a program; it is the shortest schedule of the same tokens and calls, in
which only decoding, tools and waiting for the first token cost time (`tests/benchmarks/policies.py`).

A scripted model writes what its policy says in either case, so this compares clients and does not show how well a real
model uses futures. Frameworks are used as in the first example of their documentation, without tuning, except
openai-python's own runner, whose calls are declared independent, sixteen at once.

*CodeMode* is of pydantic-ai-harness: the model writes Python that makes the calls. Here each reply is a snippet, as in the
examples of its documentation: calls that take nothing of each other are gathered, results stay in variables. *Speculating*
starts calls whose arguments are literals while the snippet streams. *One snippet* writes the whole policy in one reply, which
spares requests: that is what CodeMode is for, and another policy, so it is not compared with the ideal of this one.

The async mode retracts a request that holds placeholders when their values come first (`--hedge auto`: the server is not known
to run two requests side by side); *hedge race* asks with the values beside it, *hedge off* does neither.
"""

Key = tuple[str, str, float]


@dataclass(frozen=True, slots=True)
class Contender:
    """A client, as one driver with its options."""

    name: str
    driver: str
    options: Mapping[str, Any] = field(default_factory=dict)
    #: The file of what its environment holds; empty for one that needs nothing but the package's own requirements.
    pinned: str = ""
    #: Whether its model makes the replies of the policy, and not all calls in one; else it is not compared with the ideal.
    plays_policy: bool = True
    #: The folder that holds this project's package, if it is not this one.
    package: Path = DRIVERS.parents[2]

    @property
    def requirements(self) -> list[str]:
        """What its environment holds."""
        return (DRIVERS / f"requirements-{self.pinned}.txt").read_text(encoding="utf-8").split()

    @property
    def ours(self) -> bool:
        """Whether it is this project."""
        return self.driver == "asyncfc"

    def python(self) -> Path:
        """Return its interpreter, building the environment if need be."""
        return environment(f"peer-{self.pinned}", self.requirements) if self.pinned else Path(sys.executable)

    def is_ready(self) -> bool:
        """Return whether its environment is there."""
        return not self.pinned or is_built(f"peer-{self.pinned}", self.requirements)


PEERS = (
    Contender("hand-written loop, one by one", "hand_written", {"gathers": False}),
    Contender("hand-written loop, gathering", "hand_written", {"gathers": True}),
    Contender("openai-agents", "openai_agents", pinned="openai-agents"),
    Contender("pydantic-ai", "pydantic_ai_agent", pinned="pydantic-ai"),
    Contender("LangGraph", "langgraph_agent", pinned="langgraph"),
    Contender("chatlas", "chatlas_chat", pinned="chatlas"),
    Contender("eager-tools-openai", "eager_tools_loop", pinned="eager-tools"),
    Contender("openai-python's runner, eager", "tool_runner", pinned="tool-runner"),
    *(
        Contender(
            f"CodeMode{how}{replies}",
            "code_mode",
            {"eager": how == ", eager", "speculates": how == ", speculating", "at_once": bool(replies)},
            pinned="code-mode",
            plays_policy=not replies,
        )
        for replies in ("", ", one snippet")
        for how in ("", ", eager", ", speculating")
    ),
)
BY_MODE = tuple(Contender(f"asyncfc_jupyter, {mode}", "asyncfc", {"mode": mode.value}) for mode in Mode)
ASYNC = BY_MODE[-1]
RACE = Contender("asyncfc_jupyter, async, hedge race", "asyncfc", {"mode": ASYNC.options["mode"], "hedge": "race"})
OFF = Contender("asyncfc_jupyter, async, hedge off", "asyncfc", {"mode": ASYNC.options["mode"], "hedge": "off"})
OURS = (*BY_MODE, RACE, OFF)


class Driver:
    """A contender's process; an asynchronous context manager."""

    def __init__(self, contender: Contender, base_url: str) -> None:
        self.contender, self._base_url = contender, base_url

    async def __aenter__(self) -> Driver:
        python = str(await asyncio.to_thread(self.contender.python))
        script = str(DRIVERS / f"{self.contender.driver}.py")
        path = {"PYTHONPATH": str(self.contender.package)} if self.contender.ours else {}
        self._process = await asyncio.create_subprocess_exec(
            *(python, script, self._base_url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PATH": "", **path},
        )
        await self.play(WARM_UP, 0.0)
        return self

    async def play(self, plan: str, latency_s: float, **more: Any) -> dict[str, Any]:
        """Return the answer, the seconds and the processor time of a run, or its error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"plan": plan, "latency_s": latency_s, **self.contender.options, **more}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        line = await self._process.stdout.readline()
        return dict(json.loads(line)) if line else {"error": "its process ended"}

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


@dataclass(slots=True)
class Results:
    """What the runs took, by contender, policy and latency."""

    seconds: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_s: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)

    def note(self, key: Key, policy: Policy, played: Mapping[str, Any]) -> None:
        """Keep a run's figures if its answer holds what every call returned."""
        if "error" in played or played["answer"] != answer_of(policy):
            self.wrong.append(f"{key}: {played.get('error') or 'another answer: ' + played['answer'][:80]}")
            return
        self.seconds[key].append(played["seconds"])
        self.cpu_s[key].append(played["cpu_s"])


async def measured(
    contenders: Sequence[Contender],
    policies: Sequence[Policy],
    latencies_s: Sequence[float],
    repeats: int,
    base_url: str,
) -> Results:
    """Play every policy at every latency with every contender, some at a time, in random order."""
    results = Results()
    order = random.Random(1)
    todo: list[tuple[Contender, Policy, float]] = []
    for _ in range(repeats):
        again = [(c, policy, latency_s) for c in contenders for policy in policies for latency_s in latencies_s]
        order.shuffle(again)
        todo += again
    total, free = len(todo), asyncio.Condition()
    async with AsyncExitStack() as stack:
        drivers = {c.name: await stack.enter_async_context(Driver(c, base_url)) for c in contenders}
        idle = set(drivers)

        async def play() -> None:
            while todo:
                async with free:
                    await free.wait_for(lambda: not todo or any(c.name in idle for c, _, _ in todo))
                    at = next((n for n, (c, _, _) in enumerate(todo) if c.name in idle), None)
                    if at is None:
                        continue
                    contender, policy, latency_s = todo.pop(at)
                    idle.remove(contender.name)
                played = await drivers[contender.name].play(plan_of(policy), latency_s)
                results.note((contender.name, policy.name, latency_s), policy, played)
                async with free:
                    idle.add(contender.name)
                    free.notify_all()
                    if len(todo) % 50 == 0:
                        print(f"{total - len(todo)} of {total} runs begun", file=sys.stderr, flush=True)

        await asyncio.gather(*(play() for _ in range(AT_ONCE)))
    return results


# -- the report ------------------------------------------------------------------------------------------------------


def times_table(
    results: Results, contenders: Sequence[Contender], policies: Sequence[Policy], latency_s: float
) -> Table:
    """Return what every contender took at one latency."""
    rows = [["*ideal futures client*", *(f"{ideal_s(policy, latency_s):.2f}" for policy in policies)]]
    for contender in contenders:
        medians = (median(results.seconds, contender, policy, latency_s) for policy in policies)
        rows.append([contender.name, *(f"{each:.2f}" if each else "failed" for each in medians)])
    return Table(f"Tools of {latency_s:g} s:", ("client", *(policy.name for policy in policies)), rows)


def median(
    figures: Mapping[Key, Sequence[float]], contender: Contender, policy: Policy, latency_s: float
) -> float | None:
    """Return the median of a contender's figures for a policy, or None when every run failed."""
    values = figures.get((contender.name, policy.name, latency_s))
    return statistics.median(values) if values else None


def spread(results: Results, name: str, policy: Policy, latency_s: float) -> float:
    """Return how far a contender's runs lie apart, over their median."""
    values = results.seconds[name, policy.name, latency_s]
    return (max(values) - min(values)) / statistics.median(values)


def verdicts(
    results: Results,
    own: Contender,
    peers: Sequence[Contender],
    policies: Sequence[Policy],
    latencies_s: Sequence[float],
) -> Iterator[dict[str, Any]]:
    """Yield, for every policy and latency, one of ours against the ideal client and against the best peer."""
    for policy in policies:
        for latency_s in latencies_s:
            ours = median(results.seconds, own, policy, latency_s)
            times = {peer.name: median(results.seconds, peer, policy, latency_s) for peer in peers}
            ran = {name: seconds for name, seconds in times.items() if seconds}
            if ours is None or not ran:
                continue
            best = min(ran, key=ran.__getitem__)
            yield {
                "client": own.name,
                "policy": policy.name,
                "latency_s": latency_s,
                "seconds": ours,
                "over_ideal": ours / ideal_s(policy, latency_s),
                "best_peer": best,
                "over_best_peer": ours / ran[best],
                "spread": spread(results, own.name, policy, latency_s),
                "best_peers_spread": spread(results, best, policy, latency_s),
            }


def verdict_table(own: Contender, found: Sequence[Mapping[str, Any]]) -> Table:
    """Return the standing of one of ours; what misses a target is in bold."""
    rows = []
    for each in found:
        over_ideal, over_peer = f"{each['over_ideal']:.3f}", f"{each['over_best_peer']:.3f}"
        rows.append(
            [
                f"{each['policy']}, {each['latency_s']:g} s",
                f"**{over_ideal}**" if each["over_ideal"] > TARGET else over_ideal,
                f"{each['spread']:.1%}",
                f"**{over_peer}**" if each["over_best_peer"] > EQUAL else over_peer,
                each["best_peer"],
                f"{each['best_peers_spread']:.1%}",
            ]
        )
    header = ("policy, tools of", "over ideal", "spread", "over best peer", "best peer", "its spread")
    return Table(
        f"{own.name}, over the ideal client (target: {TARGET} at most) and over the best peer that makes the same replies "
        f"(never slower; {EQUAL} counts as equal). The spread is the largest time less the smallest, over the median. Misses "
        "are in bold:",
        header,
        rows,
    )


def cpu_table(results: Results, contenders: Sequence[Contender]) -> Table:
    """Return the processor time of a run in each client's process, over all policies and latencies."""
    rows = []
    for contender in contenders:
        values = [1000 * value for key, many in results.cpu_s.items() if key[0] == contender.name for value in many]
        how = " ".join(contender.requirements) if contender.pinned else "as installed"
        rows.append([contender.name, f"{statistics.mean(values):.0f}" if values else "failed", how])
    caption = (
        "Processor time of a run in the client's process, in milliseconds: the mean over all policies. A client that "
        "does not stream reads one object a reply and saves the cost of about a hundred events, but shows nothing meanwhile."
    )
    return Table(caption, ("client", "ms", "release"), rows)


def report_of(
    results: Results, contenders: Sequence[Contender], policies: Sequence[Policy], latencies_s: Sequence[float]
) -> Report:
    """Return the report."""
    peers = [contender for contender in contenders if contender.plays_policy and not contender.ours]
    own = [contender for contender in (ASYNC, RACE) if contender in contenders]
    found = [list(verdicts(results, contender, peers, policies, latencies_s)) for contender in own]
    runs = [
        {"client": name, "policy": policy, "latency_s": latency_s, "seconds": seconds}
        for (name, policy, latency_s), seconds in sorted(results.seconds.items())
    ]
    return Report(
        name="peers",
        title="Peers: the same policies, other clients",
        text=TEXT,
        tables=[
            *(times_table(results, contenders, policies, latency_s) for latency_s in latencies_s),
            *map(verdict_table, own, found),
            cpu_table(results, contenders),
        ],
        figures={"verdicts": list(itertools.chain(*found)), "runs": runs},
        wrong=results.wrong,
    )


def contenders_of(options: argparse.Namespace) -> tuple[Contender, ...]:
    """Return who takes part: everybody whose environment can be built.

    In a quick run, those whose environment is there, and of this project the async mode alone.
    """
    able = []
    for peer in PEERS:
        if options.quick and not peer.is_ready():
            print(f"{peer.name} is left out: its environment is built by a full run", file=sys.stderr)
            continue
        try:
            peer.python()
        except NotBuilt as error:
            print(f"{peer.name} is left out: {error}", file=sys.stderr)
            continue
        able.append(peer)
    return (*able, ASYNC) if options.quick else (*able, *OURS)


def main(words: Sequence[str]) -> int:
    """Play everything and publish what it took."""
    options = options_of("peers", __doc__, words)
    policies, latencies_s = (QUICK_POLICIES, QUICK_LATENCIES_S) if options.quick else (POLICIES, LATENCIES_S)
    contenders = contenders_of(options)
    with RehearsalServer(ttft_ms=1000 * TTFT_S, tokens_per_s=TOKENS_PER_S) as server:
        repeats = 1 if options.quick else REPEATS
        results = asyncio.run(measured(contenders, policies, latencies_s, repeats, server.base_url))
    return publish(report_of(results, contenders, policies, latencies_s), options)
