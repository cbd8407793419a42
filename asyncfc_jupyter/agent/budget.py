"""What a run may spend: turns, requests, tokens and seconds. A run whose budget is spent ends cleanly and keeps its results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.agent.turn import Turn
from asyncfc_jupyter.errors import BudgetSpent, TurnLimitReached, UsageError

#: Characters of a token where the server does not count: English text and JSON with the common tokenizers.
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one run, beside its turns; None for no limit.

    Attributes:
        requests: Requests to the model, retries after a refusal or a lost connection included.
        tokens: Tokens in and out over all requests, as the server counts them, else estimated at four characters each. It is
            checked before each request, so the last reply may exceed it.
        seconds: Seconds from the start of the run. Calls that are running then are cancelled.

    Raises:
        UsageError: A limit is not above 0.
    """

    requests: int | None = None
    tokens: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("requests", "tokens", "seconds"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise UsageError(f"the budget of {name} is {limit!r}; give a number above 0, or None for no limit.")


class Meter:
    """Counts what a run spends."""

    def __init__(self, budget: Budget, *, max_turns: int) -> None:
        self._budget, self._max_turns = budget, max_turns
        self._turns = self._requests = self._tokens = 0
        #: Messages whose characters have been counted, and those characters, with those of the tools.
        self._measured = self._characters = 0

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

    def count(self, turn: Turn, *, completed: bool) -> None:
        """Count a reply, or the part of it that arrived.

        Args:
            turn: The reply. Its request is the one before it in this run, with more messages appended.
            completed: Whether the whole reply arrived.
        """
        self._turns += completed
        if turn.tokens is not None:
            self._tokens += turn.tokens
            return
        messages, tools = turn.request.messages, turn.request.tools
        if not self._measured and tools:
            self._characters = len(json.dumps(tools, ensure_ascii=False))
        self._characters += sum(map(_characters, messages[self._measured :]))
        self._measured = len(messages)
        written = _characters({"content": turn.text, "tool_calls": turn.messages})
        self._tokens += -(-(self._characters + written) // _CHARACTERS_PER_TOKEN)


def _characters(message: Mapping[str, Any]) -> int:
    functions = [call["function"] for call in message.get("tool_calls", ())]
    return len(message.get("content") or "") + sum(len(each["name"]) + len(each["arguments"]) for each in functions)
