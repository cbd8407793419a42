"""What could be reached: the release-time bound, the paper's bound, and calling one by one, all modelled from the plan.

The release-time bound is the time of an ideal futures client. It decodes at the model's speed; each call starts at the moment
that it is decoded, that what it takes is there, and that every earlier call it conflicts with has returned; it asks for no
value, waits for one only where the next call cannot be written without it, and answers as soon as the last result is there. No
call starts before it is decoded, so no schedule is shorter: ``T >= max(release + longest path from there) + answer``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from tests.benchmarks.bfcl_parts.cases import Call, Case, cases
from tests.benchmarks.bfcl_parts.oracle import ANSWER_TOKENS, TOKENS_PER_S, TTFT_S, Style
from tests.benchmarks.bfcl_parts.world import conflict, touched

LatencyOf = Callable[[int], float]
_ANSWER_S = TTFT_S + ANSWER_TOKENS / TOKENS_PER_S


def decode_s(call: Call) -> float:
    """Return how long the model takes over a call in a reply of its own."""
    return TTFT_S + call.tokens / TOKENS_PER_S


def predecessors(case: Case) -> dict[int, tuple[int, ...]]:
    """Return, for each call, the earlier ones that must have returned: what it takes, and what it conflicts with."""
    return _predecessors(case.name)


@cache
def _predecessors(name: str) -> dict[int, tuple[int, ...]]:
    calls = cases()[name].calls
    effects = [touched(call.owner, call.name, call.arguments) for call in calls]
    found = {}
    for call in calls:
        ordered = [n for n in range(call.number) if conflict(effects[n], effects[call.number])]
        found[call.number] = tuple({*ordered, *(each.source for each in call.takes)})
    return found


def one_by_one_s(case: Case, latency_of: LatencyOf) -> float:
    """Return how long a model takes that makes one call a reply and waits for each."""
    return model_s(case) + sum(latency_of(call.number) for call in case.calls)


def model_s(case: Case) -> float:
    """Return how long the model decodes when it makes one call a reply: the paper's T_LLM."""
    return sum(map(decode_s, case.calls)) + len(case.turns) * _ANSWER_S


def paper_bound(case: Case, latency_of: LatencyOf, style: Style) -> float:
    """Return R of the paper: ``(T_LLM + T_tool) / max(T_LLM, T_cp)``.

    The critical path ends with each user turn, unless results may stay pending beyond it.
    """
    before, ends = predecessors(case), dict[int, float]()
    begun, path_s = 0.0, 0.0
    for turn in case.turns:
        begun = begun if style.pending else path_s
        for call in turn:
            waits = [ends[number] for number in (*before[call.number], *call.sees)]
            ends[call.number] = max([begun, *waits]) + latency_of(call.number)
        path_s = max([path_s, *(ends[call.number] for call in turn)])
    return one_by_one_s(case, latency_of) / max(model_s(case), path_s)


@dataclass(slots=True)
class _Client:
    """The ideal client on its way."""

    latency_of: LatencyOf
    before: dict[int, tuple[int, ...]]
    now_s: float = 0.0
    ends: dict[int, float] = field(default_factory=dict)

    def reply(self, calls: Sequence[Call]) -> None:
        """Decode a reply of these calls, as soon as what they must have read is there."""
        self.now_s = max([self.now_s, *(self.ends[n] for call in calls for n in call.sees)]) + TTFT_S
        for call in calls:
            self.now_s += call.tokens / TOKENS_PER_S
            begun_s = max([self.now_s, *(self.ends[n] for n in self.before[call.number])])
            self.ends[call.number] = begun_s + self.latency_of(call.number)

    def reply_length(self, calls: Sequence[Call]) -> int:
        """Return how many calls the next reply can hold: up to one that must have read what is not there."""
        start_s = max([self.now_s, *(self.ends[n] for n in calls[0].sees)])
        for place, call in enumerate(calls[1:], 1):
            if any(n not in self.ends or self.ends[n] > start_s for n in call.sees):
                return place
        return len(calls)


def release_time_bound_s(case: Case, latency_of: LatencyOf, style: Style) -> float:
    """Return how long an ideal futures client takes over a case."""
    client = _Client(latency_of, predecessors(case))
    for place, turn in enumerate(case.turns):
        rest = list(turn)
        while rest:
            length = client.reply_length(rest) if style.several else 1
            client.reply(rest[:length])
            rest = rest[length:]
        settled = case.calls if place + 1 == len(case.turns) else turn
        if not style.pending or place + 1 == len(case.turns):
            client.now_s = max([client.now_s, *(client.ends[call.number] for call in settled)])
        client.now_s += _ANSWER_S
    return client.now_s
