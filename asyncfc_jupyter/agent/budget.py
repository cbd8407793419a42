"""What a run may spend: turns, requests, tokens and seconds. A run whose budget is spent ends cleanly and keeps its results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from asyncfc_jupyter.agent.reply_limit import CHARACTERS_PER_TOKEN, ReplyLimit
from asyncfc_jupyter.agent.turn import Turn
from asyncfc_jupyter.errors import BudgetSpent, TurnLimitReached, UsageError
from asyncfc_jupyter.models.base import ChatRequest, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one run, beside its turns; None for no limit.

    Attributes:
        requests: Requests to the model, retries after a refusal or a lost connection included.
        tokens: Tokens in and out over all requests, as the server counts them, else estimated at four characters each. What is
            left when a request is sent is the limit of its reply: it is sent to the server, and a reply that exceeds it all the
            same is closed. So the budget is exceeded by the last request at most, which counts when it is answered.
        seconds: Seconds from the start of the run. Calls that are running then are cancelled.
        reply_tokens: Tokens of one reply, its reasoning included. A reply that reaches it is cut off, and the run continues; if
            it was the answer, ``Run.note`` says that it was cut.

    Raises:
        UsageError: A limit is not above 0.
    """

    requests: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    reply_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("requests", "tokens", "seconds", "reply_tokens"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise UsageError(f"the budget of {name} is {limit!r}; give a number above 0, or None for no limit.")


class Meter:
    """Counts what a run spends."""

    def __init__(self, budget: Budget, *, max_turns: int) -> None:
        self._budget, self._max_turns = budget, max_turns
        self._turns = self._requests = self._tokens = 0
        #: The tokens of the latest request and its reply.
        self._latest = 0
        #: The messages of the latest request without the server's count, each with its characters; and those of the tools.
        self._measured: list[tuple[Message, int]] = []
        self._characters = 0

    @asynccontextmanager
    async def within_time(self) -> AsyncIterator[None]:
        """Limit the block to the budget of seconds.

        Raises:
            BudgetSpent: The time was up.
        """
        seconds = self._budget.seconds
        try:
            async with asyncio.timeout(seconds) as limit:
                yield
        except TimeoutError:
            if seconds is None or not limit.expired():
                raise
            raise BudgetSpent("seconds", limit=seconds, used=seconds) from None

    def admit(self) -> None:
        """Count the next request, if the budget allows it.

        Raises:
            TurnLimitReached: The model has used all its turns.
            BudgetSpent: Another budget is spent.
        """
        if self._turns >= self._max_turns:
            raise TurnLimitReached(self._max_turns)
        self.admit_retry()

    def admit_retry(self) -> None:
        """Count the retry of a request whose reply had not begun, if the budget allows it.

        Raises:
            BudgetSpent: A budget is spent.
        """
        for name, used in (("requests", self._requests), ("tokens", self._tokens)):
            limit = getattr(self._budget, name)
            if limit is not None and used >= limit:
                raise BudgetSpent(name, limit=limit, used=used)
        self._requests += 1

    def admit_optional(self, streaming: Turn) -> bool:
        """Count a request that the run does not need, if the budgets allow it; return whether they do.

        They do if what the run needs next still fits: an optional request ends no run.

        Args:
            streaming: The request that it replaces, with its reply as far as it has arrived.
        """
        requests, tokens = self._budget.requests, self._budget.tokens
        allowed = requests is None or self._requests + 2 <= requests
        if tokens is not None:
            each = max(self._latest, self._estimated(streaming))
            # The optional request, the one that it replaces, and the next.
            allowed = allowed and self._tokens + 3 * each <= tokens
        self._requests += allowed
        return allowed

    def reply_limit(self) -> ReplyLimit | None:
        """Return the limit of the next reply; None where no budget limits it.

        Raises:
            BudgetSpent: Nothing is left for a reply: the request that this one replaces took more than was estimated.
        """
        most, reply_tokens = self._budget.tokens, self._budget.reply_tokens
        left = None if most is None else most - self._tokens
        if most is not None and self._tokens >= most:
            raise BudgetSpent("tokens", limit=most, used=self._tokens)
        if reply_tokens is not None and (left is None or reply_tokens < left):
            return ReplyLimit(tokens=reply_tokens, ends_run=False)
        return None if left is None else ReplyLimit(tokens=left, ends_run=True)

    def count(self, turn: Turn, *, completed: bool) -> None:
        """Count a reply, or the part of it that arrived.

        Args:
            turn: The reply. Its request is the one before it in this run, with other or more messages at its end.
            completed: Whether the whole reply arrived.
        """
        self._turns += completed
        if turn.usage is not None:
            # Of a reply that was closed here, the server has counted a part at most.
            written = max(turn.usage.output_tokens, turn.length.tokens if turn.is_cut_by_limit else 0)
            self._latest = turn.usage.input_tokens + written
        else:
            self._latest = self._estimated(turn)
        self._tokens += self._latest

    def _estimated(self, turn: Turn) -> int:
        return -(-(self._measure(turn.request) + turn.length.characters) // CHARACTERS_PER_TOKEN)

    def _measure(self, request: ChatRequest) -> int:
        messages, measured = request.messages, self._measured
        if not measured and request.tools:
            self._characters = len(json.dumps(request.tools, ensure_ascii=False))
        while measured and (len(measured) > len(messages) or measured[-1][0] is not messages[len(measured) - 1]):
            self._characters -= measured.pop()[1]
        new = [(message, _characters(message)) for message in messages[len(measured) :]]
        self._characters += sum(characters for _, characters in new)
        measured += new
        return self._characters

    def check(self, turn: Turn) -> None:
        """End the run after a reply that reached what was left of the budget.

        Raises:
            BudgetSpent: It did.
        """
        most = self._budget.tokens
        if most is not None and turn.limit is not None and turn.limit.ends_run and turn.is_cut_by_limit:
            raise BudgetSpent("tokens", limit=most, used=max(self._tokens, most))


def _characters(message: Message) -> int:
    functions = [call["function"] for call in message.get("tool_calls", ())]
    return len(message.get("content") or "") + sum(len(each["name"]) + len(each["arguments"]) for each in functions)
