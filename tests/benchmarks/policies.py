"""Six ways in which models make calls, in every mode and against an ideal futures client, in virtual time.

The rehearsal model stands for a model of 300 ms to the first token and 60 tokens a second. Virtual time is deterministic, so
the figures are exact and the same on every machine: they hold the scheduling alone, no CPU time.

The ideal client is modelled, not run. Each reply is decoded at that speed; each call starts the moment its own arguments
close and what it takes is there; a request goes out at once, unless its reply reads values, and then the moment they are
there. It never asks for a value, never guesses how long a tool takes, and never waits in vain.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from asyncfc_jupyter.agent import Agent, Mode
from asyncfc_jupyter.agent.memory import Memory
from asyncfc_jupyter.core.events import RequestRetracted
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, ReasoningDelta, TextDelta
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from asyncfc_jupyter.models.rehearsal.resume import next_reply
from asyncfc_jupyter.modes import Hedge
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import Tool, make_tool
from tests.benchmarks.model_server import JITTER, ONE_SLOT, STEADY, Conditions, ModelServer
from tests.benchmarks.report import Report, Table, options_of, publish

TTFT_S = 0.3
TOKENS_PER_S = 60.0
LATENCIES_S = (1.0, 0.2, 0.1, 0.02)
ALL_LATENCIES_S = (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02)
_CHARACTERS_PER_TOKEN = 4
_TOPIC = "{name}: what the archives of the last ten years hold on it, newest first, at most twenty entries"
_ANSWER_TOKENS = 60
#: What a model says or thinks before it makes calls, if it does so.
FIRST_TOKENS = 10


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the policy: its name, and the calls whose results it takes."""

    name: str
    takes: tuple[str, ...] = ()
    #: Whether it takes them into a text, so that the model must have read them.
    reads: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """Text spoken along the way."""

    tokens: int


Reply = tuple[Call | Text, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """The replies that a model makes before its answer, which reads every result."""

    name: str
    replies: tuple[Reply, ...]


def _calls(text: str) -> Reply:
    """Return calls written as ``a b<a c<a,b d=a``: a name, ``<`` and what it takes, or ``=`` and what it reads."""
    calls = []
    for word in text.split():
        name, _, read = word.partition("=")
        name, _, taken = name.partition("<")
        calls.append(Call(name, tuple(filter(None, (read or taken).split(","))), reads=bool(read)))
    return tuple(calls)


POLICIES = (
    Policy("eight calls in one reply", (_calls("a b c d e g h i"),)),
    Policy("eight calls, one a reply", tuple(map(_calls, ["a", "b", "c", "d", "e", "g", "h", "i"]))),
    Policy("chain of five", tuple(map(_calls, ["a", "b<a", "c<b", "d<c", "e<d"]))),
    Policy("diamond", tuple(map(_calls, ("a", "b<a c<a", "d<b,c")))),
    Policy("long text after three calls", ((*_calls("a b c"), Text(200)),)),
    Policy("each result read before the next call", tuple(map(_calls, ("a", "b=a", "c=b", "d=c")))),
)


# -- the policy as a plan for the rehearsal model --------------------------------------------------------------------


def plan_of(policy: Policy) -> str:
    """Return the policy in the language of the rehearsal model."""
    blocks = ["\n".join(_statement(part) for part in reply) for reply in policy.replies]
    return "\n\n".join([*blocks, f'f"{_answer([f"{{{name}.id}}" for name in _names(policy)])}"'])


def answer_of(policy: Policy) -> str:
    """Return the answer of a run in which the model got every result."""
    return _answer([_id(name) for name in _names(policy)])


def _names(policy: Policy) -> list[str]:
    return [part.name for reply in policy.replies for part in reply if isinstance(part, Call)]


def _answer(ids: Sequence[str]) -> str:
    return f"{' '.join(ids)} {'x' * max(0, _ANSWER_TOKENS * _CHARACTERS_PER_TOKEN - 7 * len(ids))}"


def _statement(part: Call | Text) -> str:
    if isinstance(part, Text):
        return json.dumps("x" * part.tokens * _CHARACTERS_PER_TOKEN)
    if part.reads:
        return f'{part.name} = look(topic=f"{_topic(part)} {{{part.takes[0]}.id}}")'
    taken = f", basis=[{', '.join(f'{name}.id' for name in part.takes)}]" if part.takes else ""
    return f'{part.name} = look(topic="{_topic(part)}"{taken})'


def _topic(call: Call) -> str:
    return _TOPIC.format(name=call.name)


def tool_taking(latency_s: float) -> Tool:
    """Return the one tool, whose every call takes this long."""

    async def look(topic: str, basis: list[str] | None = None) -> dict[str, Any]:
        """Look something up.

        Args:
            topic: What to look up.
            basis: Where to begin.
        """
        await asyncio.sleep(latency_s)
        return {"id": _id(topic[:1]), "entries": 20}

    return make_tool(look, pure=True)


def _id(name: str) -> str:
    # As long as a reference to it, so that a model writes as much whether it knows the value or not.
    return f"#{name:0>5}"


# -- habits of models ------------------------------------------------------------------------------------------------


class Reticent(RehearsalModel):
    """A model that never asks for values in the reply that makes the calls, as most do: it looks first what it was given."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Stream the reply without an ``await_future`` after other calls."""
        left_out = None
        async for delta in super().stream(request):
            if isinstance(delta, CallDelta):
                left_out = delta.index if delta.name == AWAIT_FUTURE and delta.index else left_out
                if delta.index == left_out:
                    continue
            yield delta


class Wordy(Reticent):
    """A model that, when it asks, names what it asks for, in 5 to 20 tokens."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Stream the reply with an ``await_future`` that has arguments."""
        async for delta in super().stream(request):
            if not (isinstance(delta, CallDelta) and delta.name == AWAIT_FUTURE and delta.arguments):
                yield delta
                continue
            # Only a call that means all pending futures comes whole, in one token, and it is the last of its reply.
            _, memory = next_reply(request)
            pending = [f"f{n}" for n in range(1, memory.count + 1) if f"f{n}" not in memory.results]
            yield CallDelta(index=delta.index, call_id=delta.call_id, name=delta.name)
            arguments = json.dumps({"futures": pending})
            for start in range(0, len(arguments), _CHARACTERS_PER_TOKEN):
                await asyncio.sleep(1 / TOKENS_PER_S)
                yield CallDelta(index=delta.index, arguments=arguments[start : start + _CHARACTERS_PER_TOKEN])
            await asyncio.sleep(1 / TOKENS_PER_S)


class Chatty(Reticent):
    """A model that says a sentence before the calls of a reply."""

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Stream the sentence, and then the reply."""
        if next_reply(request)[0].calls:
            for _ in range(FIRST_TOKENS):
                yield self._token()
                await asyncio.sleep(1 / TOKENS_PER_S)
        async for delta in super().stream(request):
            yield delta

    def _token(self) -> Delta:
        return TextDelta(text="well, ")


class Thoughtful(Chatty):
    """A model that reasons before the calls of a reply."""

    def _token(self) -> Delta:
        return ReasoningDelta(text="hmm, ")


@dataclass(frozen=True, slots=True)
class Habit:
    """What a model does beside its policy."""

    name: str
    model_class: type[RehearsalModel]
    #: Tokens before the first call of a reply.
    before: int = 0


IN_TIME = Habit("asks in the reply that makes the calls", RehearsalModel)
NEVER = Habit("never asks in time", Reticent)
HABITS = (
    IN_TIME,
    NEVER,
    Habit("never asks in time, and names what it asks for", Wordy),
    Habit("never asks in time, text first", Chatty, FIRST_TOKENS),
    Habit("never asks in time, reasoning first", Thoughtful, FIRST_TOKENS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of a policy."""

    seconds: float
    requests: int
    #: Requests of these whose replies were not used.
    unused: int
    characters: int
    #: The answer, if it does not hold every result; else empty.
    wrong: str


def measured(
    policy: Policy,
    mode: Mode,
    latency_s: float,
    habit: Habit = IN_TIME,
    conditions: Conditions = STEADY,
    **options: Any,
) -> Measured:
    """Run a policy in virtual time.

    Args:
        policy: What the model does.
        mode: The mode of the agent.
        latency_s: What each call takes, in seconds.
        habit: How the model does it.
        conditions: What its server is like.
        options: What else the agent is made with; it remembers nothing from other conversations by default.
    """
    options.setdefault("remember", "off")

    async def run() -> Measured:
        model = habit.model_class(ttft_ms=0.0, tokens_per_s=TOKENS_PER_S)
        server = ModelServer(model, conditions, policy.name)
        played = await Agent(server, tools=[tool_taking(latency_s)], mode=mode, **options).run(plan_of(policy))
        return Measured(
            seconds=played.metrics.makespan_s,
            requests=server.requests,
            unused=sum(isinstance(stamped.event, RequestRetracted) for stamped in played.trace),
            characters=server.characters,
            wrong="" if played.answer == answer_of(policy) else played.answer,
        )

    return run_virtually(run())


def measured_s(
    policy: Policy, mode: Mode, latency_s: float, *, model_class: type[RehearsalModel] = RehearsalModel, **options: Any
) -> float:
    """Return how long a run of the policy takes, in seconds of virtual time."""
    return measured(policy, mode, latency_s, Habit("", model_class), **options).seconds


# -- the ideal -------------------------------------------------------------------------------------------------------


def ideal_s(policy: Policy, latency_s: float, *, before: int = 0) -> float:
    """Return how long an ideal futures client takes for the policy, in seconds.

    Args:
        policy: What the model does.
        latency_s: What each call takes, in seconds.
        before: Tokens before the first call of a reply.
    """
    now_s, done_s, number = 0.0, dict[str, float](), dict[str, int]()
    for reply in policy.replies:
        read = [name for part in reply if isinstance(part, Call) and part.reads for name in part.takes]
        now_s = max([now_s, *(done_s[name] for name in read)]) + TTFT_S + before / TOKENS_PER_S
        for part in reply:
            tokens = _tokens(part, number)
            if isinstance(part, Call):
                # A call closes with its last token, which arrives one token's time before the next could.
                closed_s = now_s + (tokens - 1) / TOKENS_PER_S
                done_s[part.name] = max([closed_s, *(done_s[name] for name in part.takes)]) + latency_s
                number[part.name] = len(number) + 1
            now_s += tokens / TOKENS_PER_S
    return max([now_s, *done_s.values()]) + TTFT_S + _answer_tokens(len(number)) / TOKENS_PER_S


def _tokens(part: Call | Text, number: dict[str, int]) -> int:
    if isinstance(part, Text):
        return part.tokens
    arguments: dict[str, Any] = {"topic": _topic(part)}
    if part.reads:
        arguments["topic"] += " #0000a"
    elif part.takes:
        arguments["basis"] = [f"$f{number[name]}.id" for name in part.takes]
    return 1 + _pieces(json.dumps(arguments))


def _answer_tokens(calls: int) -> int:
    return _pieces(" " * (7 * calls + max(0, _ANSWER_TOKENS * _CHARACTERS_PER_TOKEN - 7 * calls)))


def _pieces(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


# -- the tables ------------------------------------------------------------------------------------------------------

HEDGES = (Hedge.OFF, Hedge.RETRACT, Hedge.RACE)
#: Servers, and whether runs are warm.
KINDS = ((STEADY, False), (STEADY, True), (JITTER, False), (ONE_SLOT, False))
#: The columns of a row: the modes, the async one with each way to hedge.
WAYS: tuple[tuple[str, Mode, dict[str, Any]], ...] = (
    *((mode.value, mode, {}) for mode in Mode if not mode.futures),
    *((hedge.value, Mode.ASYNC, {"hedge": hedge.value}) for hedge in HEDGES),
)
TEXT = f"""
Run time in seconds of virtual time, with a model of {1000 * TTFT_S:.0f} ms to the first token and {TOKENS_PER_S:.0f} tokens a
second. Virtual time is deterministic: the figures are exact, the same on every machine, and show the scheduling only. The
*ideal* futures client is modelled: each reply is decoded at that speed, each call starts the moment its own arguments close
and its inputs are ready, and a request is sent at once, or, if its reply reads values, as soon as they are ready. *Off*,
*retract* and *race* are the async mode: what is done with a request that holds placeholders when their values come before its
reply shows a tool call. Nothing is known of tools and model when a run begins, but in *warm* runs: a run of each policy with
the same tools, habit and way to hedge came before them.

The tables by habit are of all policies and all these latencies: {", ".join(f"{each:g}" for each in ALL_LATENCIES_S)} s.
First tokens that *jitter* and servers with *one slot* are those of `hedge`. With jitter there is no ideal to compare with.
A model that says or thinks something first has {FIRST_TOKENS} tokens of it before the calls of a reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A policy at a latency, in every mode."""

    conditions: str
    habit: str
    policy: str
    latency_s: float
    ideal_s: float
    #: By the names of `WAYS`.
    runs: dict[str, Measured]

    def seconds(self, way: str) -> float:
        """Return how long it took in a way."""
        return self.runs[way].seconds


def rows(conditions: Conditions, habit: Habit, latencies_s: Sequence[float], *, warm: bool = False) -> Iterator[Row]:
    """Yield each policy at each latency, in every mode; a warm run remembers one of each policy before it."""
    for latency_s in latencies_s:
        ways = {way: (mode, dict(options)) for way, mode, options in WAYS}
        for mode, options in ways.values():
            if warm:
                options["remember"] = Memory()
                for policy in POLICIES:
                    measured(policy, mode, latency_s, habit, conditions, **options)
        for policy in POLICIES:
            yield Row(
                conditions=f"{conditions.label}, warm" if warm else conditions.label,
                habit=habit.name,
                policy=policy.name,
                latency_s=latency_s,
                ideal_s=ideal_s(policy, latency_s, before=habit.before),
                runs={
                    way: measured(policy, mode, latency_s, habit, conditions, **options)
                    for way, (mode, options) in ways.items()
                },
            )


def table_of(habit: Habit, found: Sequence[Row]) -> Table:
    """Return the rows of a habit as a table."""
    ways = [way for way, _, _ in WAYS]
    header = ("policy", "tools take", *ways, "ideal", *(f"{hedge} over ideal" for hedge in HEDGES))
    shown = [
        [
            row.policy,
            f"{row.latency_s:g} s",
            *(f"{row.seconds(way):.2f}" for way in ways),
            f"{row.ideal_s:.2f}",
            *(f"{row.seconds(hedge) / row.ideal_s - 1:+.1%}" for hedge in HEDGES),
        ]
        for policy in POLICIES
        for row in found
        if row.policy == policy.name and row.latency_s in LATENCIES_S
    ]
    return Table(f"A model that {habit.name}:", header, shown)


def by_habit(found: Sequence[Row], *, has_ideal: bool) -> Table:
    """Return what each habit takes over all policies."""
    latencies_s = [each for each in (0.3, 0.2, 0.1, 0.05) if any(row.latency_s == each for row in found)]
    header = (
        *("a model that", "hedge", *(f"mean, {latency_s:g} s" for latency_s in latencies_s)),
        *("slowest", "against batch", "most over ideal", "requests", "unused", "thousand characters"),
    )
    shown = []
    for habit, hedge in itertools.product(HABITS, HEDGES):
        mine = [row for row in found if row.habit == habit.name]
        runs = [row.runs[hedge] for row in mine]
        speedups = {
            latency_s: [_gain(row, hedge) for row in mine if row.latency_s == latency_s] for latency_s in latencies_s
        }
        over = max(row.seconds(hedge) / row.ideal_s for row in mine)
        shown.append(
            [
                *(habit.name, hedge, *(f"{mean(speedups[latency_s]):.3f}" for latency_s in latencies_s)),
                f"{min(_gain(row, hedge) for row in mine):.3f}",
                f"{min(_gain(row, hedge, Mode.BATCH) for row in mine):.3f}",
                f"{over:.3f}" if has_ideal else "-",
                f"{mean(run.requests for run in runs):.2f}",
                f"{mean(run.unused for run in runs):.2f}",
                f"{mean(run.characters for run in runs) / 1000:.1f}",
            ]
        )
    return Table(f"How many times as fast as sequential, {found[0].conditions}:", header, shown)


def _gain(row: Row, way: str, than: str = Mode.SEQUENTIAL) -> float:
    return row.seconds(than) / row.seconds(way)


def main(words: Sequence[str]) -> int:
    """Run every policy in every mode and publish what it took."""
    options = options_of("policies", __doc__, words)
    latencies_s = LATENCIES_S[1::2] if options.quick else ALL_LATENCIES_S
    kinds = KINDS[:1] if options.quick else KINDS
    found = [[row for habit in HABITS for row in rows(each, habit, latencies_s, warm=warm)] for each, warm in kinds]
    every = list(itertools.chain(*found))
    steady = {habit: [row for row in found[0] if row.habit == habit.name] for habit in (IN_TIME, NEVER)}
    report = Report(
        name="policies",
        title="Policies: the modes and the ideal, in virtual time",
        text=TEXT,
        tables=[
            *(table_of(habit, mine) for habit, mine in steady.items()),
            *(by_habit(mine, has_ideal=not each.jitters) for (each, _), mine in zip(kinds, found, strict=True)),
        ],
        figures=[asdict(row) for row in every],
        wrong=[
            f"{row.policy}, {row.habit}, {row.conditions}, {row.latency_s:g} s, {way}: another answer: {run.wrong[:80]}"
            for row in every
            for way, run in row.runs.items()
            if run.wrong
        ],
    )
    return publish(report, options)
