"""Runs that end before their answer: interrupted, refused, or broken off; and the next request after each."""

import asyncio

import pytest

from asyncfc_jupyter.agent import Agent, Conversation
from asyncfc_jupyter.core.events import ResultDiscarded
from asyncfc_jupyter.errors import ServerError, ToolSkipped
from asyncfc_jupyter.runtime.driver import UNWIND_S
from asyncfc_jupyter.testing import Breaks, Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import TOOLS, interrupted, new_answers


def test_the_next_run_continues_the_history_of_an_interrupted_run() -> None:
    model = ScriptedModel(
        [Calls("slow", {"seconds": 1}), Thinks(2)],
        [Calls("slow", {"seconds": 50}), Says("thinking"), Thinks(60)],
        [Says("as you like")],
    )
    conversation = Conversation()
    agent = Agent(model, tools=TOOLS)

    async def main():
        run = await interrupted(agent, after_s=5, conversation=conversation)
        return run, await agent.run("and now?", conversation=conversation)

    run, after = run_virtually(main())
    assert run.outcome == "interrupted"
    assert run.futures["f1"].result()["seconds"] == 1
    assert run.futures["f2"].state == "cancelled"
    assert new_answers(model, 2)["s2"]["status"] == "cancelled"
    assert after.answer == "as you like"


def test_a_future_pending_at_an_interrupt_is_reported_as_cancelled() -> None:
    """The next request reports it to the model."""
    model = ScriptedModel([Calls("slow", {"seconds": 50})], [Thinks(60)], [Says("as you like")])
    conversation = Conversation()
    agent = Agent(model, tools=TOOLS)

    async def main():
        await interrupted(agent, after_s=5, conversation=conversation)
        return await agent.run("and now?", conversation=conversation)

    run_virtually(main())
    (answer,) = [a for a in new_answers(model, 2).values() if isinstance(a, list)]
    assert [(o["future"], o["status"]) for o in answer] == [("f1", "cancelled")]


def test_a_refused_first_request_leaves_the_conversation_as_it_was() -> None:
    model = ScriptedModel([Breaks(ServerError("no", status=401))], [Says("hello")])
    conversation = Conversation()
    agent = Agent(model, tools=TOOLS)

    async def main():
        with pytest.raises(ServerError):
            await agent.run("go", conversation=conversation)
        await agent.run("again", conversation=conversation)

    run_virtually(main())
    assert [m["content"] for m in model.requests[1].messages if m["role"] == "user"] == ["again"]


def test_a_stream_that_breaks_keeps_its_calls_and_a_valid_history() -> None:
    model = ScriptedModel(
        [Calls("shout", {"text": "a"}), Thinks(1), Breaks(ServerError("cut off"))],
        [Says("welcome back")],
    )
    conversation = Conversation()
    agent = Agent(model, tools=TOOLS)

    async def main():
        run = agent.start("go", conversation=conversation)
        with pytest.raises(ServerError):
            await run.wait()
        return run, await agent.run("again", conversation=conversation)

    run, after = run_virtually(main())
    assert run.futures["f1"].result() == "A"
    assert new_answers(model, 1)["s1"]["value"] == "A"
    assert after.answer == "welcome back"


def test_the_stream_is_closed_when_a_run_is_cancelled() -> None:
    model = ScriptedModel([Says("a"), Thinks(100)])

    async def main():
        await interrupted(Agent(model), after_s=1)

    run_virtually(main())
    assert model.closed == 1


def test_a_run_cancelled_before_its_first_step_has_ended_all_the_same() -> None:
    model = ScriptedModel([Says("hello")])
    conversation = Conversation()

    async def main():
        agent = Agent(model)
        run = await interrupted(agent, after_s=None, conversation=conversation)
        return run, await agent.run("again", conversation=conversation)

    run, after = run_virtually(main())
    assert (run.outcome, after.answer) == ("interrupted", "hello")


def test_the_late_result_of_a_cancelled_tool_is_discarded() -> None:
    """The tool returns in spite of its cancellation."""

    async def stubborn() -> str:
        """Ignore cancellation."""
        try:
            await asyncio.sleep(50)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "late"

    model = ScriptedModel([Calls("stubborn")], [Thinks(60)])

    async def main():
        run = await interrupted(Agent(model, tools=[make_tool(stubborn, pure=True)]), after_s=5)
        ended_s = asyncio.get_running_loop().time()
        await asyncio.sleep(5)
        return run, ended_s

    run, ended_s = run_virtually(main())
    assert run.futures["f1"].state == "cancelled"
    assert ended_s == 5 + UNWIND_S, "the person waits for no tool that does not stop"
    late = [(s.at_s, s.event.summary) for s in run.trace if isinstance(s.event, ResultDiscarded)]
    assert late == [(6.0, "late")]
    with pytest.raises(ToolSkipped, match="cancelled"):
        run.futures["f1"].result()


def test_a_call_that_was_cut_in_the_middle_stays_out_of_the_history() -> None:
    model = ScriptedModel(
        [Calls("shout", {"text": "a"}), Calls("shout", '{"text": '), Breaks(ServerError("cut off"))], [Says("back")]
    )
    conversation = Conversation()
    agent = Agent(model, tools=TOOLS)

    async def main():
        with pytest.raises(ServerError):
            await agent.run("go", conversation=conversation)
        await agent.run("again", conversation=conversation)

    run_virtually(main())
    assert [len(m["tool_calls"]) for m in model.requests[1].messages if "tool_calls" in m] == [1]
