"""A reply without a text and without calls: retried once, or named; never at the cost of a budget or of results."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from asyncfc_jupyter.agent import Agent, Budget
from asyncfc_jupyter.core.events import RequestRetried
from asyncfc_jupyter.errors import BudgetSpent
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, Finish, ReasoningDelta, TextDelta
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.testing import run_virtually

STOP = Finish(reason="stop")


class Replies:
    """A model that gives these replies, and the last one for ever."""

    name = "replies"

    def __init__(self, *replies: list[Delta]) -> None:
        self._replies = replies
        self.requests: list[list[Any]] = []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Give the next reply."""
        reply = self._replies[min(len(self.requests), len(self._replies) - 1)]
        self.requests.append(list(request.messages))
        for delta in reply:
            yield delta


def play(model: Replies, **options: Any) -> tuple[Any, list[RequestRetried]]:
    run = run_virtually(Agent(model, **options).run("go"))
    return run, [stamped.event for stamped in run.trace if isinstance(stamped.event, RequestRetried)]


@pytest.mark.parametrize("before", ["", "x" * 85])
def test_the_servers_reason_in_a_note_shows_no_key(before: str) -> None:
    key = Secret("sk-the-key-of-this-server-0123456789")
    run, _ = play(Replies([Finish(reason=before + key.reveal())]))
    assert run.note.startswith(f"the model answered without a text ({before}")
    assert "sk-the" not in run.note
    assert "sk-the" not in repr(run.trace)


def test_an_empty_reply_is_asked_for_once_more_and_the_retry_is_shown() -> None:
    model = Replies([STOP], [TextDelta(text="42"), STOP])
    run, retries = play(model)
    assert (run.answer, run.note) == ("42", "")
    assert model.requests[0] == model.requests[1]
    assert [(each.attempt, each.message) for each in retries] == [(1, "the reply holds neither a text nor calls")]
    assert [message["role"] for message in run.conversation.messages] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("empty", "requests", "note"),
    [
        ([STOP], 2, "the model answered without a text"),
        ([TextDelta(text=" \n"), STOP], 2, "the model answered without a text"),
        ([Finish(reason="MALFORMED_FUNCTION_CALL")], 2, "the model answered without a text (MALFORMED_FUNCTION_CALL)"),
        ([ReasoningDelta(text="Hm"), STOP], 1, "the model reasoned and gave no answer"),
        ([Finish(reason="length")], 1, "the server cut the answer off at its limit of tokens"),
        (
            [ReasoningDelta(text="Hm"), Finish(reason="length")],
            1,
            "the server cut the answer off at its limit of tokens",
        ),
        ([Finish(reason="content_filter")], 1, "the server's content filter cut the answer off"),
    ],
)
def test_a_reply_that_stays_empty_is_named_and_not_asked_for_again(empty, requests, note) -> None:
    model = Replies(empty)
    run, _ = play(model)
    assert (run.answer.strip(), run.note) == ("", note)
    assert len(model.requests) == requests


def test_an_empty_reply_spends_a_request_and_no_turn() -> None:
    run, _ = play(Replies([STOP], [TextDelta(text="42"), STOP]), max_turns=1)
    assert run.answer == "42"
    with pytest.raises(BudgetSpent, match="requests"):
        play(Replies([STOP], [TextDelta(text="42"), STOP]), budget=Budget(requests=1))


def test_an_empty_reply_after_calls_waits_for_their_results_first() -> None:
    async def get(x: int) -> int:
        """Get."""
        await asyncio.sleep(60)
        return x

    calls = [CallDelta(index=0, call_id="a", name="get", arguments='{"x": 1}'), Finish(reason="tool_calls")]
    model = Replies(calls, [STOP], [TextDelta(text="1"), STOP])
    run, retries = play(model, tools=[get])
    assert (run.answer, retries) == ("1", [])
    assert len(model.requests) == 3


def test_an_empty_answer_to_results_is_retried_whatever_was_empty_before() -> None:
    async def get(x: int) -> int:
        """Get."""
        await asyncio.sleep(60)
        return x

    calls = [CallDelta(index=0, call_id="a", name="get", arguments='{"x": 1}'), Finish(reason="tool_calls")]
    run, retries = play(Replies(calls, [STOP], [STOP], [TextDelta(text="1"), STOP]), tools=[get])
    assert (run.answer, run.note, len(retries)) == ("1", "", 1)
