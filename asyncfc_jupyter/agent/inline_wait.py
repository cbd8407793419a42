"""How long to hold the next request back for calls that are about to return: the inline wait.

At the end of a reply with running calls, the layer can send placeholders or wait for the values. Either can be wrong. A model
that continues with other calls loses the time of the wait. A model that needs the values next loses a round trip to ask for
them, less the time that the tools still take anyway. The loss of each choice is therefore a sum over the possible cases, and
`worth_waiting_s` picks the wait with the smallest. The cases are learned: how long each tool took lately, with its spread; what
a round trip costs with this model; and how often this model next asks for results that it was not given.

Refused: one fixed wait. With 300 ms to the first token, waiting 200 ms for a lookup whose value is read next saves 100 ms or
more, and the same wait before each of eight independent calls wastes 1.6 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from asyncfc_jupyter.modes import Hedge

#: What a call may take, in seconds, while none has ended yet: a computation, a lookup, a query, a request, a slow job.
UNKNOWN_S = (0.001, 0.03, 0.1, 0.3, 1.0, 3.0)
#: No call returns in less than one turn of the event loop, in seconds.
_SHORTEST_S = 0.001
#: However fast a server is, a round trip also costs tokens: as much as this wait, in seconds.
_CHEAPEST_TRIP_S = 0.1
#: What a request is taken to cost whose reply is not used, in seconds: one that is retracted, and one that loses a race on a
#: server where requests cost nothing.
_RETRACTED_S, _RACED_S = 0.1, 0.01
#: Cases to which a tool's recent durations are reduced, from the fastest to the slowest.
_CASES = 6
#: A wait gets a little more than the chosen case: a call also hops to a thread and back.
_SLACK, _SLACK_S = 1.25, 0.03
#: Round trips from which the cost of one is taken: recent enough to follow a server that gets busy.
_RECENT = 5
#: How far one observation moves an estimate of a model's habit: it shows within a few replies.
_LEARNING = 1 / 3
#: After several calls in a reply a model probably asks: it makes all the calls it can, as instructed, and then wants to read.
_ASKS_AFTER_SEVERAL = 0.8
#: After one call it may not: some models make independent calls one a reply, and others read each result.
_ASKS_AFTER_ONE = 1 / 3


def worth_waiting_s(
    rests_s: Sequence[float],
    *,
    asks: float,
    round_trip_s: float,
    first_token_s: float = 0.0,
    hedge: Hedge = Hedge.OFF,
) -> float:
    """Return how long to wait for calls, at most, in seconds: the choice with the smallest expected loss; 0 for no wait.

    Args:
        rests_s: What they may still take, in seconds; each case is as likely as any other.
        asks: How likely it is, from 0 to 1, that the model asks for them next.
        round_trip_s: What asking costs, in seconds.
        first_token_s: How long a request takes to the first token of its reply, in seconds.
        hedge: What is done when the values come after the request.
    """

    def late_s(left_s: float) -> float:
        """The loss if the values come so long after a request that holds their placeholders."""
        if hedge is Hedge.OFF:
            return asks * max(0.0, round_trip_s - left_s)
        if left_s >= max(first_token_s, _CHEAPEST_TRIP_S):
            return 0.0  # a model that asks has begun to, and that request is retracted
        return _RACED_S if hedge is Hedge.RACE else (1 - asks) * left_s + _RETRACTED_S

    def loss_s(limit_s: float) -> float:
        waited_s = (1 - asks) * sum(min(rest_s, limit_s) for rest_s in rests_s)
        return waited_s + sum(late_s(rest_s - limit_s) for rest_s in rests_s if rest_s > limit_s)

    return min((0.0, *sorted(rests_s)), key=loss_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A pending call, as far as its end can be foreseen."""

    #: What its tool's latest calls took, in seconds; those of all tools if it has none; empty when no call has ended.
    durations_s: Sequence[float]
    #: For how long it has been running, in seconds; None when it has not started.
    elapsed_s: float | None


def cases_s(pending: Iterable[Foreseen]) -> list[float]:
    """Return what all these calls together may still take, in seconds, from the best case to the worst.

    A call that has not started is taken to wait for all earlier ones.
    """
    ends = [0.0] * _CASES
    for call in pending:
        rests = _rests_s(call)
        if call.elapsed_s is None:
            ends = [end + rest for end, rest in zip(ends, rests, strict=True)]
        else:
            ends = [max(end, rest) for end, rest in zip(ends, rests, strict=True)]
    return ends


def _rests_s(call: Foreseen) -> list[float]:
    elapsed = call.elapsed_s or 0.0
    # A call that has run longer than any before it is expected to take as long again.
    left = sorted([d - elapsed for d in call.durations_s or UNKNOWN_S if d > elapsed]) or [elapsed]
    many = len(left)
    return [max(_SHORTEST_S, left[case * many // _CASES]) for case in range(_CASES)]


@dataclass(slots=True, kw_only=True)
class Learned:
    """What is known of a model at a server: figures that several runs may share, and that outlive them.

    Each field is replaced and never changed, since runs on other loops read it.
    """

    #: How long the first tokens of the latest replies took, in seconds, the latest last.
    first_token_s: tuple[float, ...] = ()
    #: How long the latest replies took to write that only asked for results, in seconds.
    asking_s: tuple[float, ...] = ()
    #: How likely it is that the model asks next, after a reply with several calls (True) and after one with a single call.
    asks: dict[bool, float] = field(default_factory=lambda: {True: _ASKS_AFTER_SEVERAL, False: _ASKS_AFTER_ONE})


class Habits:
    """What one run uses, and learns, of its model: the cost of a round trip, and how often it asks for pending results.

    Args:
        learned: The figures that are used and changed; by default those of an unknown model.
    """

    def __init__(self, learned: Learned | None = None) -> None:
        self.learned = learned or Learned()
        #: Whether the last reply of this run did not ask to wait and got placeholders.
        self._left_pending = False

    @property
    def round_trip_s(self) -> float:
        """The cost, in seconds, of letting the model ask: the time to its first token, and that of its question."""
        known = self.learned
        return max(_CHEAPEST_TRIP_S, self.first_token_s + (median(known.asking_s) if known.asking_s else 0.0))

    @property
    def first_token_s(self) -> float:
        """How long the first token of a reply takes, in seconds; 0 when none has arrived."""
        return median(self.learned.first_token_s) if self.learned.first_token_s else 0.0

    def note_first_token(self, seconds: float) -> None:
        """Note how long the first token of a reply took."""
        self.learned.first_token_s = (*self.learned.first_token_s, seconds)[-_RECENT:]

    def note_reply(self, *, makes_calls: bool, decode_s: float | None = None) -> None:
        """Note how the model reacted to placeholders, if it had any: with more calls, or with a question or its answer."""
        if not self._left_pending:
            return
        self._left_pending = False
        asked = 0.0 if makes_calls else 1.0
        known = self.learned
        known.asks = {several: asks + _LEARNING * (asked - asks) for several, asks in known.asks.items()}
        if not makes_calls and decode_s is not None:
            known.asking_s = (*known.asking_s, decode_s)[-_RECENT:]

    def note_placeholders(self) -> None:
        """Note that a reply that did not ask to wait is answered with placeholders."""
        self._left_pending = True

    def note_retracted(self, *, asked: bool) -> None:
        """Note that the reply to placeholders was not read to its end.

        Args:
            asked: Whether it had begun to ask for the values. How long its question is was not seen.
        """
        if asked:
            self.note_reply(makes_calls=False)
        self._left_pending = False

    def inline_wait_s(self, pending: Iterable[Foreseen], *, several: bool, hedge: Hedge) -> float:
        """Return how long the values of a reply's calls are worth waiting for, in seconds; 0 for no wait.

        Args:
            pending: All calls that are pending, in the order in which they were made.
            several: Whether the reply made more than one call.
            hedge: What is done when the values come after the request.
        """
        calls = list(pending)
        limit_s = worth_waiting_s(
            cases_s(calls),
            asks=self.learned.asks[several],
            round_trip_s=self.round_trip_s,
            first_token_s=self.first_token_s,
            hedge=hedge,
        )
        # Of what nothing is known and what has just begun, much returns at once: that it does is worth one short look.
        if not limit_s and not any(call.durations_s or (call.elapsed_s or 0.0) > _SLACK_S for call in calls):
            limit_s = _SHORTEST_S
        return limit_s * _SLACK + _SLACK_S if limit_s else 0.0
