"""How long to hold the next request back for calls that are about to return: the inline wait.

At the end of a reply that left calls running the layer may send placeholders at once, or wait for the values. Either can be
wrong. A model that goes on with other calls loses whatever was waited. A model that needs the values next loses a round trip
to ask for them, less what the tools still take anyway. So the loss of each choice is a sum over what may happen, and
`worth_waiting_s` picks the wait with the smallest. What may happen is learned: how long each tool took lately, with its
spread; what a round trip costs with this model; and how often this model asks next for what it was not given.

Refused: one fixed wait. With 300 ms to the first token, waiting 200 ms for a lookup whose value is read next saves 100 ms or
more, and the same wait in front of each of eight independent calls throws 1.6 s away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

#: What a call may take while none has ended yet, in seconds: a computation, a lookup, a query, a request, a slow job.
UNKNOWN_S = (0.001, 0.03, 0.1, 0.3, 1.0, 3.0)
#: No call returns before the loop has had its turn, in seconds.
_SHORTEST_S = 0.001
#: However fast a server is, a round trip is also paid in tokens: as much as this wait, in seconds.
_CHEAPEST_TRIP_S = 0.1
#: Cases that a tool's recent durations are boiled down to, from its fastest to its slowest.
_CASES = 6
#: A call that came due is given a little more than it took before: a hop to a thread and back takes its time, too.
_SLACK, _SLACK_S = 1.25, 0.03
#: Round trips that the cost of one is taken from: recent enough to follow a server that gets busy.
_RECENT = 5
#: How far one observation moves what is believed of a model: a habit shows within a few replies.
_LEARNING = 1 / 3
#: A model that makes several calls in a reply makes all it can before it stops, as it is told to: then it wants to read.
_ASKS_AFTER_SEVERAL = 0.8
#: One call a reply is how some models make independent calls, and others read each result: it tells little.
_ASKS_AFTER_ONE = 1 / 3


def worth_waiting_s(rests_s: Sequence[float], *, asks: float, round_trip_s: float) -> float:
    """Return for how long to wait for calls, at most: the choice with the smallest expected loss; 0 is not at all.

    Args:
        rests_s: What they may still take, in seconds; each case is as likely as any other.
        asks: How likely it is, from 0 to 1, that the model asks for them next.
        round_trip_s: What asking costs, in seconds.
    """

    def loss(limit_s: float) -> float:
        waited = (1 - asks) * sum(min(rest_s, limit_s) for rest_s in rests_s)
        late = asks * sum(max(0.0, limit_s + round_trip_s - rest_s) for rest_s in rests_s if rest_s > limit_s)
        return waited + late

    return min((0.0, *sorted(rests_s)), key=loss)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A pending call, as far as its end can be foreseen."""

    #: What its tool's latest calls took, in seconds, or where it was never called those of others; nothing when none has ended.
    durations_s: Sequence[float]
    #: For how long it has been running, in seconds; None when it has not started.
    elapsed_s: float | None


def cases_s(pending: Iterable[Foreseen]) -> list[float]:
    """Return what all these calls together may still take, in seconds, from the best case to the worst.

    A call that has not started waits for earlier ones, as far as one can tell for all of them.
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
    # One that runs for longer than any before it may well run for as long again.
    left = sorted([d - elapsed for d in call.durations_s or UNKNOWN_S if d > elapsed]) or [elapsed]
    many = len(left)
    return [max(_SHORTEST_S, left[case * many // _CASES]) for case in range(_CASES)]


class Habits:
    """What is known of a model: the price of a round trip, and whether it asks for what it was not given."""

    def __init__(self) -> None:
        self._first_token_s: deque[float] = deque(maxlen=_RECENT)
        self._asking_s: deque[float] = deque(maxlen=_RECENT)
        #: How likely it is that it asks next, after a reply with several calls and after one with a single call.
        self._asks = {True: _ASKS_AFTER_SEVERAL, False: _ASKS_AFTER_ONE}
        #: Whether the last reply asked for nothing and got placeholders.
        self._left_pending = False

    @property
    def round_trip_s(self) -> float:
        """What it costs, in seconds, to let the model ask: the time to its first token, and that of the asking itself."""
        first_token_s = median(self._first_token_s) if self._first_token_s else 0.0
        return max(_CHEAPEST_TRIP_S, first_token_s + (median(self._asking_s) if self._asking_s else 0.0))

    def note_first_token(self, seconds: float) -> None:
        """Note how long the first token of a reply took."""
        self._first_token_s.append(seconds)

    def note_reply(self, *, makes_calls: bool, decode_s: float) -> None:
        """Note what the model did with the reply before: went on with calls, or asked for results, or gave its answer."""
        if not self._left_pending:
            return
        self._left_pending = False
        asked = 0.0 if makes_calls else 1.0
        self._asks = {several: asks + _LEARNING * (asked - asks) for several, asks in self._asks.items()}
        if not makes_calls:
            self._asking_s.append(decode_s)

    def note_placeholders(self) -> None:
        """Note that the calls of this reply, which asked for nothing, are not all answered by their values."""
        self._left_pending = True

    def inline_wait_s(self, pending: Iterable[Foreseen], *, several: bool) -> float:
        """Return how long the values of a reply's calls are worth waiting for, in seconds; 0 for not at all.

        Args:
            pending: All calls that are pending, in the order in which they were made.
            several: Whether the reply made more than one call.
        """
        limit_s = worth_waiting_s(cases_s(pending), asks=self._asks[several], round_trip_s=self.round_trip_s)
        return limit_s * _SLACK + _SLACK_S if limit_s else 0.0
