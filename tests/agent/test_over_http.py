"""The whole agent over real HTTP: calls start in mid-stream, placeholders arrive at the server, and bad servers end well."""

import asyncio
import json

import pytest

from asyncfc_jupyter.agent import Agent, Conversation
from asyncfc_jupyter.agent.budget import Budget
from asyncfc_jupyter.errors import AgentInterrupted, BudgetSpent, ServerError
from asyncfc_jupyter.tools.definition import make_tool
from tests.servers.scripted_server import CUT, Gate, HttpError, ScriptedServer, call_chunks, reply, text_chunks

KEY = "sk-planted-secret-0123456789"
#: The end of a test that hangs, in seconds: the first request of a process also loads the client, slowly on a busy machine.
PATIENCE_S = 60.0


class Bell:
    """A tool that signals its start and returns when the test allows it."""

    def __init__(self):
        self.began, self.may_return = asyncio.Event(), asyncio.Event()

    async def ring(self, times: int) -> dict:
        """Ring the bell."""
        self.began.set()
        await self.may_return.wait()
        return {"rang": times}


def echo(text: str) -> str:
    """Return the text."""
    return text


def agent_for(server, *tools, **options):
    return Agent(
        "any-model", base_url=server.base_url, api_key=KEY, tools=[make_tool(t, pure=True) for t in tools], **options
    )


def test_a_call_runs_during_the_stream_and_the_next_request_has_its_value() -> None:
    rest = Gate()
    script = [
        reply(call_chunks(0, "a", "ring", {"times": 3}), rest, call_chunks(1, "b", "echo", {"text": "$f1.rang"})),
        reply(text_chunks("Rang thrice.", pieces=3)),
    ]

    async def main(server):
        bell = Bell()
        run = agent_for(server, bell.ring, echo).start("ring")
        await asyncio.wait_for(
            bell.began.wait(), PATIENCE_S
        )  # the server is still held at the gate: the reply has not ended
        bell.may_return.set()
        rest.open()
        return await run.wait()

    with ScriptedServer(script) as server:
        run = asyncio.run(main(server))
        tool_messages = [m for m in server.requests[1].messages if m["role"] == "tool"]
    assert run.answer == "Rang thrice."
    assert [m["tool_call_id"] for m in tool_messages] == ["a", "b"]
    assert json.loads(tool_messages[0]["content"])["value"] == {"rang": 3}


def test_a_text_parameter_refuses_other_values_and_the_model_sees_why() -> None:
    script = [
        reply(call_chunks(0, "a", "echo", {"text": "x"}), call_chunks(1, "b", "echo", {"text": ["$f1"]})),
        reply(text_chunks("Sorry.")),
        reply(text_chunks("Sorry.")),  # asked for where the first call returns late, on a busy machine
    ]
    with ScriptedServer(script) as server:
        run = asyncio.run(agent_for(server, echo).run("go"))
        seen = [message["content"] for message in server.requests[-1].messages if message["role"] == "tool"]
    # With its call, or, where the first one returned late, with the answer of the layer's own that the model waits for.
    assert sum("'text': input should be a valid string, not a list" in content for content in seen) == 1
    assert "failed" in repr(run.futures["f2"])
    assert run.answer == "Sorry."


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (HttpError(status=401, message="bad key"), "key"),
        (HttpError(status=429, message="slow down", headers={"Retry-After": "0"}), "429"),
    ],
)
def test_a_refusal_of_the_server_is_one_line_without_the_key(answer, says) -> None:
    """The conversation can continue: its next run gets an answer."""
    conversation = Conversation()

    async def main(server):
        agent = agent_for(server, echo)
        with pytest.raises(ServerError) as caught:
            await agent.run("go", conversation=conversation)
        return caught.value, await agent.run("again", conversation=conversation)

    refusals = 1 if answer.status == 401 else 3  # the client tries twice more after a 429
    with ScriptedServer([*[answer] * refusals, reply(text_chunks("Hello."))]) as server:
        error, run = asyncio.run(main(server))
    assert says in str(error)
    assert "\n" not in str(error)
    assert KEY not in str(error) + repr(error) + run.trace.to_json()
    assert run.answer == "Hello."


def test_a_retry_after_a_lost_connection_repeats_no_call() -> None:
    """The connection is lost in the middle of the stream."""
    script = [reply(call_chunks(0, "a", "echo", {"text": "kept"}), CUT), reply(text_chunks("Back."))]
    with ScriptedServer(script) as server:
        run = asyncio.run(agent_for(server, echo).run("go"))
        ids = [m.get("tool_call_id") for m in server.requests[1].messages if m["role"] == "tool"]
    assert (run.answer, ids, len(run.futures)) == ("Back.", ["a"], 1)


def test_cancelling_a_run_closes_its_stream_at_the_server() -> None:
    never = Gate()

    async def main(server):
        run = agent_for(server, echo).start("go")
        await never.reached()
        run.cancel()
        with pytest.raises(AgentInterrupted):
            await run.wait()
        await asyncio.to_thread(server.requests[0].wait_disconnected)

    with ScriptedServer([reply(text_chunks("Once upon a time"), never)]) as server:
        asyncio.run(main(server))
        assert server.requests[0].disconnected


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_every_attempt_of_a_refused_request_counts_against_the_budget(limit) -> None:
    """The server refuses the request for a moment only."""
    busy = HttpError(status=503, headers={"retry-after-ms": "1"})
    conversation = Conversation()
    with ScriptedServer([busy, busy, reply(text_chunks("hi"))]) as server:
        going = agent_for(server, budget=Budget(requests=limit)).run("go", conversation=conversation)
        if limit == 3:
            assert asyncio.run(going).answer == "hi"
        else:
            with pytest.raises(BudgetSpent, match=rf"within {limit} requests \({limit} used\)"):
                asyncio.run(going)
        assert len(server.requests) == limit
    assert [message["role"] for message in conversation.messages] == ["user", "assistant"]
