"""The release-time bound: how soon a run could have ended, had each of its calls started the moment it could.

R of AsyncFC takes decoding and functions for two piles of work that could lie side by side. But no call starts before its own
arguments are decoded, and no reply begins before what it reads is there. This bound takes a run's replies as they were decoded
and its functions as long as they took, and places each as early as that allows. Replies that only waited are left out, and so
are retracted requests: the one that is used in their stead reads the values that they lacked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from asyncfc_jupyter.core.effects import PURE, Effects, hazards
from asyncfc_jupyter.core.events import (
    ArgumentsResolved,
    AwaitOpened,
    CallClosed,
    CallFailed,
    CallFinished,
    CallIssued,
    CallStarted,
    RequestRetracted,
    ResultShown,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.trace.trace import Trace


@dataclass(slots=True, kw_only=True)
class _Call:
    """A call; times in seconds."""

    future: FutureName
    #: From its reply's request to the end of its arguments.
    closed_s: float
    needs: tuple[FutureName, ...]
    effects: Effects = PURE
    started_s: float = 0.0
    took_s: float = 0.0


@dataclass(slots=True)
class _Reply:
    """A reply; times in seconds."""

    began_s: float
    took_s: float = 0.0
    calls: list[_Call] = field(default_factory=list)
    #: What it asks for, which the next reply reads.
    asks: set[FutureName] = field(default_factory=set)
    #: The turn whose request it repeats with values, and the results in its own request.
    instead_of: int | None = None
    reads: set[FutureName] = field(default_factory=set)
    closed_s: dict[CallId, float] = field(default_factory=dict)

    @property
    def only_waits(self) -> bool:
        return bool(self.asks) and not self.calls


def released_s(trace: Trace) -> float:
    """Return the release-time bound of an async run, in seconds."""
    *replies, answer = _replies(trace)
    now, asked = 0.0, set[FutureName]()
    done: dict[FutureName, float] = {}
    before: list[_Call] = []
    for reply in replies:
        if not reply.only_waits:
            now = max([now, *(done[name] for name in asked | reply.reads)])
            for call in reply.calls:
                held = [done[name] for name in call.needs]
                held += [done[other.future] for other in before if hazards(other.effects, call.effects)]
                done[call.future] = max([now + call.closed_s, *held]) + call.took_s
                before.append(call)
            now += reply.took_s
            asked = set()
        asked |= reply.asks
    return max([now, *done.values()]) + answer.took_s


def _replies(trace: Trace) -> Iterator[_Reply]:
    replies: dict[int, _Reply] = {}
    shown: dict[int, set[FutureName]] = {}
    calls: dict[FutureName, _Call] = {}
    for stamped in trace:
        at = stamped.at_s
        match stamped.event:
            case TurnStarted(turn=turn, instead_of=other):
                replies[turn] = _Reply(at, instead_of=other)
            case RequestRetracted(turn=turn):
                replies.pop(turn)
            case ResultShown(future=name, turn=turn):
                shown.setdefault(turn, set()).add(name)
            case TurnEnded(turn=turn):
                replies[turn].took_s = at - replies[turn].began_s
            case CallClosed(turn=turn, call=call_id):
                replies[turn].closed_s[call_id] = at - replies[turn].began_s
            case AwaitOpened(turn=turn, futures=futures):
                replies[turn].asks.update(futures)
            case CallIssued(future=name, call=call_id, turn=turn, needs=needs, effects=effects):
                reply = replies[turn]
                call = _Call(future=name, closed_s=reply.closed_s[call_id], needs=needs, effects=effects)
                calls[name] = call
                reply.calls.append(call)
            case ArgumentsResolved() | CallStarted() | CallFinished() | CallFailed():
                _tell(calls, stamped.event, at)
    for turn, reply in replies.items():
        reply.reads = shown.get(turn, set()) if reply.instead_of is not None else set()
    return iter(replies.values())


def _tell(calls: Mapping[FutureName, _Call], event: object, at: float) -> None:
    match event:
        case ArgumentsResolved(future=name, effects=effects):
            calls[name].effects = effects
        case CallStarted(future=name):
            calls[name].started_s = at
        case CallFinished(future=name) | CallFailed(future=name):
            calls[name].took_s = at - calls[name].started_s
