"""Six ways in which models make calls, in every mode and against an ideal futures client, in virtual time.

The rehearsal model stands for a model of 300 ms to the first token and 60 tokens a second. Virtual time is deterministic, so
the figures are exact and the same on every machine: they hold the scheduling alone, no CPU time.

The ideal client is modelled, not run. Each reply is decoded at that speed; each call starts the moment its own arguments
close and what it takes is there; a request goes out at once, unless its reply reads values, and then the moment they are
there. It never asks for a value, never guesses how long a tool takes, and never waits in vain.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.agent import Agent, Mode
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import Tool, make_tool
from tests.benchmarks.report import Report, Table, options_of, publish

TTFT_S = 0.3
TOKENS_PER_S = 60.0
LATENCIES_S = (1.0, 0.2, 0.1, 0.02)
_CHARACTERS_PER_TOKEN = 4
_TOPIC = "{name}: what the archives of the last ten years hold on it, newest first, at most twenty entries"
_ANSWER_TOKENS = 60


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


def measured_s(
    policy: Policy, mode: Mode, latency_s: float, *, model_class: type[RehearsalModel] = RehearsalModel
) -> float:
    """Return how long a run of the policy takes, in seconds of virtual time."""
    model = model_class(ttft_ms=TTFT_S * 1000, tokens_per_s=TOKENS_PER_S)
    agent = Agent(model, tools=[tool_taking(latency_s)], mode=mode)
    return run_virtually(agent.run(plan_of(policy))).metrics.makespan_s


# -- the ideal -------------------------------------------------------------------------------------------------------


def ideal_s(policy: Policy, latency_s: float) -> float:
    """Return how long an ideal futures client takes for the policy, in seconds."""
    now_s, done_s, number = 0.0, dict[str, float](), dict[str, int]()
    for reply in policy.replies:
        read = [name for part in reply if isinstance(part, Call) and part.reads for name in part.takes]
        now_s = max([now_s, *(done_s[name] for name in read)]) + TTFT_S
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


# -- the table -------------------------------------------------------------------------------------------------------

KINDS = {
    "A model that asks, in the reply that makes the calls, for the values that it must read:": RehearsalModel,
    "A model that never asks:": Reticent,
}
TEXT = f"""
Run time in seconds of virtual time, with a model of {1000 * TTFT_S:.0f} ms to the first token and {TOKENS_PER_S:.0f} tokens a
second. Virtual time is deterministic: the figures are exact, the same on every machine, and show the scheduling only. The
*ideal* futures client is modelled: each reply is decoded at that speed, each call starts the moment its own arguments close
and its inputs are ready, and a request is sent at once, or, if its reply reads values, as soon as they are ready.
"""


def rows(latencies_s: Sequence[float], model_class: type[RehearsalModel]) -> Iterator[dict[str, Any]]:
    """Yield each policy at each latency, with what it takes in each mode and ideally, in seconds."""
    for policy in POLICIES:
        for latency_s in latencies_s:
            times = {mode.value: measured_s(policy, mode, latency_s, model_class=model_class) for mode in Mode}
            yield {"policy": policy.name, "latency_s": latency_s, **times, "ideal": ideal_s(policy, latency_s)}


def table_of(caption: str, measured: Sequence[dict[str, Any]]) -> Table:
    """Return the rows as a table."""
    header = ("policy", "tools take", *Mode, "ideal", "async over ideal")
    shown = [
        [
            row["policy"],
            f"{row['latency_s']:g} s",
            *(f"{row[mode]:.2f}" for mode in (*Mode, "ideal")),
            f"{row[Mode.ASYNC] / row['ideal'] - 1:+.1%}",
        ]
        for row in measured
    ]
    return Table(caption, header, shown)


def main(words: Sequence[str]) -> int:
    """Run every policy in every mode and publish what it took."""
    options = options_of("policies", __doc__, words)
    latencies_s = LATENCIES_S[1::2] if options.quick else LATENCIES_S
    measured = {caption: list(rows(latencies_s, model_class)) for caption, model_class in KINDS.items()}
    report = Report(
        name="policies",
        title="Policies: the four modes and the ideal, in virtual time",
        text=TEXT,
        tables=[table_of(caption, found) for caption, found in measured.items()],
        figures=measured,
    )
    return publish(report, options)
