"""A budget of tokens inside one reply: the server is sent a limit, and the stream is closed whatever the server does."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.agent import Agent, Budget, Run
from asyncfc_jupyter.core.events import CallFinished
from asyncfc_jupyter.errors import BudgetSpent
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, Delta, ReasoningDelta, TextDelta
from asyncfc_jupyter.testing.virtual_time import run_virtually
from tests.servers.response_script import response, text_item
from tests.servers.scripted_server import (
    Gate,
    ScriptedServer,
    Stream,
    call_chunks,
    chunk,
    finish_chunk,
    reply,
    text_chunks,
    usage_chunk,
)

KEY = "sk-very-secret-0123456789"
MODES = ("async", "eager", "batch", "sequential")
WORDS = "What a long story, and no end of it is in sight. "


def add(a: int, b: int = 0) -> int:
    """Add."""
    return a + b


def endless(piece: dict[str, Any]) -> Stream:
    """A reply of 12,000 characters at least, which ends only when the client closes it."""
    return Stream((*itertools.repeat(piece, 400), Gate()))


async def run_of(server: ScriptedServer, **options: Any) -> Run:
    agent = Agent("m", base_url=server.base_url, api_key=KEY, **{"api": "chat", "tools": [add], **options})
    run = agent.start("go")
    await run.ended()
    return run


def valid(run: Run) -> None:
    run.conversation.check()
    assert run.conversation.messages[-1]["role"] != "user"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_a_reply_without_end_is_closed_where_the_budget_ends(mode: str, field: str) -> None:
    """Reasoning counts as text does."""
    with ScriptedServer([endless(chunk({field: WORDS}))]) as server:
        run = asyncio.run(run_of(server, mode=mode, budget=Budget(tokens=40)))
        server.requests[0].wait_disconnected()
    assert server.requests[0].body["max_tokens"] == 40
    assert run.outcome == "stopped"
    assert isinstance(run.error, BudgetSpent)
    assert (run.error.budget, run.error.limit) == ("tokens", 40)
    assert run.error.used > 40
    said = sum(len(stamped.event.text) for stamped in run.trace if hasattr(stamped.event, "text"))
    assert 160 < said <= 160 + len(WORDS)
    if field == "content":
        assert run.conversation.messages[-1]["content"] == WORDS * 4
    valid(run)


@pytest.mark.parametrize("mode", MODES)
def test_a_call_without_end_is_closed_and_one_before_it_keeps_its_result(mode: str) -> None:
    gate, half = Gate(), {"name": "add", "arguments": '{"a": '}
    endless_call = [
        chunk({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": half}]}),
        *itertools.repeat(chunk({"tool_calls": [{"index": 1, "function": {"arguments": "1234567890"}}]}), 400),
    ]
    steps = (*call_chunks(0, "a", "add", {"a": 1, "b": 2}), gate, *endless_call, Gate())
    starts = mode in {"async", "eager"}
    if not starts:
        gate.open()
    with ScriptedServer([Stream(steps)]) as server:

        async def main() -> Run:
            agent = Agent("m", base_url=server.base_url, api="chat", tools=[add], mode=mode, budget=Budget(tokens=40))
            run = agent.start("go", observers=[lambda at: gate.open() if isinstance(at.event, CallFinished) else None])
            await run.ended()
            return run

        run = asyncio.run(main())
        server.requests[0].wait_disconnected()
    assert isinstance(run.error, BudgetSpent)
    if starts:
        assert run.futures["f1"].result() == 3
        assert json.loads(run.conversation.messages[2]["content"])["value"] == 3
    valid(run)


@pytest.mark.parametrize("counts", [True, False])
def test_a_reply_that_the_server_cuts_at_what_is_left_spends_the_budget(counts: bool) -> None:
    usage = [usage_chunk(9, 40)] if counts else []
    cut = Stream((*text_chunks(WORDS * 2), finish_chunk("length"), *usage, "data: [DONE]\n\n"))
    with ScriptedServer([cut]) as server:
        run = asyncio.run(run_of(server, budget=Budget(tokens=40), tools=[]))
    assert isinstance(run.error, BudgetSpent)
    assert run.error.used == (49 if counts else 40)
    assert run.conversation.messages[-1]["content"] == WORDS * 2


def test_what_is_left_becomes_less_with_each_request() -> None:
    def asks(number: int) -> Stream:
        steps = call_chunks(0, str(number), "add", {"a": number})
        return Stream((*steps, finish_chunk("tool_calls"), usage_chunk(100 * number, 10), "data: [DONE]\n\n"))

    with ScriptedServer([asks(1), asks(2), reply(text_chunks("3"))]) as server:
        run = asyncio.run(run_of(server, mode="batch", budget=Budget(tokens=1000)))
    assert run.answer == "3"
    assert [request.body["max_tokens"] for request in server.requests] == [1000, 890, 680]


def test_a_smaller_limit_of_the_user_is_sent_and_its_answer_has_a_note() -> None:
    cut = Stream((*text_chunks("So"), finish_chunk("length"), usage_chunk(9, 2), "data: [DONE]\n\n"))
    with ScriptedServer([cut]) as server:
        run = asyncio.run(run_of(server, budget=Budget(tokens=1000), model_options={"max_tokens": 2}))
    assert server.requests[0].body["max_tokens"] == 2
    assert (run.outcome, run.answer) == ("answered", "So")
    assert run.note == "the server cut the answer off at its limit of tokens"


@pytest.mark.parametrize("obeys", [True, False])
def test_an_answer_that_is_cut_at_the_limit_of_one_reply_says_so(obeys: bool) -> None:
    """It does not pass as an answer, whether the server or the layer cut it."""
    counted = Stream((*text_chunks(WORDS), finish_chunk("length"), usage_chunk(9, 12), "data: [DONE]\n\n"))
    with ScriptedServer([counted if obeys else endless(chunk({"content": WORDS}))]) as server:
        run = asyncio.run(run_of(server, budget=Budget(reply_tokens=12)))
    assert server.requests[0].body["max_tokens"] == 12
    assert (run.outcome, run.answer) == ("answered", WORDS)
    assert run.note == "the answer was cut off at its limit of 12 tokens; raise --max-reply-tokens"
    valid(run)


def test_a_reply_cut_inside_a_call_is_followed_by_another() -> None:
    endless_call = call_chunks(0, "a", "add", '{"a": ' + "1" * 4000, pieces=100)
    with ScriptedServer([Stream((*endless_call, Gate())), reply(text_chunks("so be it"))]) as server:
        run = asyncio.run(run_of(server, budget=Budget(reply_tokens=12)))
    assert (run.answer, run.note) == ("so be it", "")
    assert "write the call again" in str(server.requests[1].messages)
    valid(run)


@pytest.mark.parametrize("api", ["responses", "native"])
def test_the_responses_api_gets_its_own_limit(api: str) -> None:
    with ScriptedServer([response(text_item("Done."))]) as server:
        run = asyncio.run(run_of(server, api=api, budget=Budget(tokens=5)))
    assert server.requests[0].body["max_output_tokens"] == 16
    assert run.answer == "Done."


def test_usage_that_a_server_sends_while_it_writes_counts() -> None:
    """A server that counts more tokens than follow from the characters is closed earlier."""
    steps = [step for number in range(400) for step in (chunk({"content": "x"}), usage_chunk(9, number + 1))]
    with ScriptedServer([Stream((*steps, Gate()))]) as server:
        run = asyncio.run(run_of(server, budget=Budget(tokens=40), tools=[]))
    assert isinstance(run.error, BudgetSpent)
    assert len(run.conversation.messages[-1]["content"]) == 41
    assert run.error.used == 9 + 41


class Endless:
    """A model that writes these pieces again and again, until it is closed."""

    name = "endless"

    def __init__(self, pieces: list[Delta]) -> None:
        self._pieces, self.characters, self.closed = pieces, [0], 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        try:
            for piece in itertools.cycle(self._pieces):
                written = [getattr(piece, name, None) or "" for name in ("text", "name", "arguments")]
                self.characters.append(self.characters[-1] + sum(map(len, written)))
                yield piece
        finally:
            self.closed += 1


TEXTS = st.text(min_size=1, max_size=30)
PIECES = st.one_of(
    st.builds(TextDelta, text=TEXTS),
    st.builds(ReasoningDelta, text=TEXTS, field=st.sampled_from(["", "reasoning"])),
    st.builds(CallDelta, index=st.integers(0, 2), call_id=st.sampled_from("abc"), name=st.just("add"), arguments=TEXTS),
    st.builds(CallDelta, index=st.integers(0, 2), arguments=TEXTS),
)


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(PIECES, min_size=1, max_size=12), tokens=st.integers(1, 60), mode=st.sampled_from(MODES))
def test_whatever_a_model_writes_without_end_is_closed_at_the_budget(
    pieces: list[Delta], tokens: int, mode: str
) -> None:
    model = Endless(pieces)

    async def main() -> Run:
        run = Agent(model, tools=[add], mode=mode, budget=Budget(tokens=tokens)).start("go")
        await run.ended()
        return run

    run = run_virtually(main())
    assert isinstance(run.error, BudgetSpent)
    assert model.closed == 1
    assert model.characters[-2] <= 4 * tokens < model.characters[-1]
    valid(run)
