"""Retries: how often, after which pauses, and after which failures.

Three things are retried, each by a loop of its own: the attempts of a tool call (`runtime.retry`), a request whose reply has
not begun (`models.connection.adapter`) and a reply that broke off (`agent.loop`). Each loop asks its policy for the next pause,
reports the retry, and sleeps.

Pauses grow, so that a dead server is not hammered, and are random in part, so that many clients do not return together.

Refused: tenacity's own loop. It cannot yield a delta into the stream of a reply before it sleeps, and a reply whose calls have
started is continued and not repeated. Its wait strategies are used here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState
from tenacity.wait import wait_base, wait_exponential, wait_random, wait_random_exponential

from asyncfc_jupyter.errors import ServerError, ServerLoading, ServerTimedOut

#: A server that asks for a longer pause than this, in seconds, is not asked again: the user decides.
LONGEST_SERVER_PAUSE_S = 60.0
#: The first pause before a tool is called again, and the longest, in seconds. The random part is at most the first pause.
FIRST_TOOL_PAUSE_S, LONGEST_TOOL_PAUSE_S = 0.2, 10.0

#: The first pause before a request is sent again, in seconds. It doubles with each failure.
FIRST_SERVER_PAUSE_S = 0.5

#: One half of each pause is fixed, the other is drawn at random between nothing and the whole of it.
_SERVER_WAIT = wait_exponential(multiplier=FIRST_SERVER_PAUSE_S / 2) + wait_random_exponential(
    multiplier=FIRST_SERVER_PAUSE_S / 2
)
_TOOL_WAIT = wait_exponential(multiplier=FIRST_TOOL_PAUSE_S, max=LONGEST_TOOL_PAUSE_S) + wait_random(
    0, FIRST_TOOL_PAUSE_S
)
#: Wait strategies take a state of tenacity's loop. Those above read the number of failures and nothing else.
_NO_LOOP = AsyncRetrying()


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a failure is followed by a retry, and after which pause."""

    #: Retries after the first attempt.
    retries: int
    wait: wait_base
    #: Whether a retry can help after this failure.
    retryable: Callable[[BaseException | None], bool]
    #: The longest time that all pauses take together, in seconds.
    limit_s: float = math.inf

    def pause_s(self, failures: int, error: BaseException | None, waited_s: float = 0.0) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there must be no retry.

        Args:
            failures: Failed attempts so far, the latest included.
            error: The latest failure; None when it was no exception. The pause that a server asks for replaces our own.
            waited_s: What the pauses before took together.
        """
        if failures > self.retries or not self.retryable(error):
            return None
        if isinstance(error, ServerError) and error.retry_after_s is not None:
            longest_s = min(LONGEST_SERVER_PAUSE_S, self.limit_s - waited_s)
            return error.retry_after_s if error.retry_after_s <= longest_s else None
        state = RetryCallState(_NO_LOOP, fn=None, args=(), kwargs={})
        state.attempt_number = failures
        pause_s = self.wait(state)
        return pause_s if waited_s + pause_s <= self.limit_s else None


#: Requests whose reply has not begun. Two retries: enough for a moment's trouble, and a dead server is reported within seconds.
#: A time-out has taken minutes already.
REQUESTS = RetryPolicy(
    retries=2,
    wait=_SERVER_WAIT,
    retryable=lambda error: (
        isinstance(error, ServerError) and error.transient and not isinstance(error, ServerTimedOut)
    ),
)
#: Seconds for which a server that loads its model is waited for: a model of 100 GB from a slow disk takes this long.
LONGEST_LOAD_S = 900.0
#: Seconds for which a server is waited for that answered before and does not now: a restart takes no longer. The model that it
#: then loads has its own time.
LONGEST_RESTART_S = 60.0
#: Requests to a server that is not there yet. The limit is the time. The pause grows to some seconds, so that few requests are
#: in vain and little time is lost after the server is ready.
LOADING = RetryPolicy(
    retries=1000,
    wait=wait_exponential(multiplier=1, max=10),
    retryable=lambda error: isinstance(error, ServerLoading),
    limit_s=LONGEST_LOAD_S,
)
RESTART = RetryPolicy(
    retries=1000,
    wait=wait_exponential(multiplier=FIRST_SERVER_PAUSE_S, max=5),
    retryable=REQUESTS.retryable,
    limit_s=LONGEST_RESTART_S,
)
#: Replies in a row that broke off. Each may have made progress, so there is one retry more.
REPLIES = RetryPolicy(
    retries=3, wait=_SERVER_WAIT, retryable=lambda error: isinstance(error, ServerError) and error.transient
)


def tool_attempts(retries: int) -> RetryPolicy:
    """Return the policy for the calls of a tool that may be retried so often: after whatever it raises, and time-outs."""
    return RetryPolicy(retries=retries, wait=_TOOL_WAIT, retryable=lambda _error: True)
