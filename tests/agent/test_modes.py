"""The plain modes, and that all four give the same answer."""

import asyncio
import json

import pytest

from asyncfc_jupyter.agent import Agent, Conversation
from asyncfc_jupyter.core.events import CallStarted, TurnStarted
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import interrupted, times


async def slow(seconds: float) -> float:
    """Sleep."""
    await asyncio.sleep(seconds)
    return seconds


async def echo(text: str) -> str:
    """Return the text."""
    return text


TOOLS = [make_tool(slow, pure=True), make_tool(echo, pure=True)]
TWO_CALLS = [Calls("slow", {"seconds": 1}), Thinks(1), Calls("slow", {"seconds": 2}), Thinks(1)]


def play(mode, *replies):
    model = ScriptedModel(*replies)
    return run_virtually(Agent(model, tools=TOOLS, mode=mode).run("go")), model


@pytest.mark.parametrize(
    ("mode", "starts", "second_turn"),
    [("sequential", [2, 3], 5), ("batch", [2, 2], 4), ("eager", [0, 1], 3), ("async", [0, 1], 2)],
)
def test_each_mode_starts_its_calls_and_its_next_turn_when_it_says(mode, starts, second_turn) -> None:
    run, _ = play(mode, TWO_CALLS, [Says("done")], [Says("done")])
    assert times(run, CallStarted) == starts
    assert times(run, TurnStarted)[1] == second_turn


@pytest.mark.parametrize("mode", ["sequential", "batch", "eager"])
def test_a_plain_mode_offers_no_futures_and_answers_with_the_value_alone(mode) -> None:
    _, model = play(mode, [Calls("slow", {"seconds": 1})], [Says("done")])
    assert [t["function"]["name"] for t in model.requests[0].tools] == ["slow", "echo"]
    assert model.requests[0].tools[0]["function"]["parameters"]["properties"]["seconds"] == {"type": "number"}
    assert model.requests[0].messages[0]["role"] == "user"
    assert json.loads(model.requests[1].messages[-1]["content"]) == 1.0


@pytest.mark.parametrize("mode", ["sequential", "batch", "eager"])
def test_in_a_plain_mode_a_reference_is_ordinary_text(mode) -> None:
    run, _ = play(
        mode,
        [Calls("echo", {"text": "a"}), Calls("echo", {"text": "$f1"}), Calls("echo", {"text": "$$f1"})],
        [Says("done")],
    )
    assert [run.futures[name].result() for name in ("f2", "f3")] == ["$f1", "$$f1"]


@pytest.mark.parametrize("mode", ["sequential", "batch", "eager"])
def test_in_a_plain_mode_an_error_is_sent_as_an_error(mode) -> None:
    _, model = play(mode, [Calls("slow", {"seconds": "soon"})], [Says("done")])
    assert "'seconds'" in json.loads(model.requests[1].messages[-1]["content"])["error"]


def test_the_async_mode_offers_await_future_and_explains_itself_once() -> None:
    _, model = play("async", [Says("done")])
    assert [t["function"]["name"] for t in model.requests[0].tools] == ["slow", "echo", "await_future"]
    assert [m["role"] for m in model.requests[0].messages] == ["system", "user"]
    assert "f1, f2, f3" in model.requests[0].messages[0]["content"]


def test_a_mode_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UsageError, match="no mode 'fast'; the modes are: sequential, batch, eager, async"):
        Agent(ScriptedModel(), mode="fast")


def test_a_function_as_the_list_of_tools_is_refused_with_the_right_form() -> None:
    with pytest.raises(UsageError, match=r"tools is a function, not a list; write tools=\[search_flights\]"):
        Agent(ScriptedModel(), tools=echo)


def test_an_empty_prompt_and_a_busy_conversation_are_refused() -> None:
    async def main():
        agent = Agent(ScriptedModel([Thinks(5), Says("x")]))
        with pytest.raises(UsageError, match="the prompt is empty"):
            agent.start("  \n")
        run = agent.start("go")
        with pytest.raises(UsageError, match="another run is using this conversation"):
            agent.start("too", conversation=run.conversation)
        await run.wait()

    run_virtually(main())


@pytest.mark.parametrize("mode", ["sequential", "batch"])
def test_a_call_that_is_not_started_when_the_run_stops_never_starts(mode) -> None:
    """It still gets its name: its future has failed, and the model sees why."""
    model = ScriptedModel([Calls("echo", {"text": "a"}), Thinks(60)], [Says("as you like")])
    conversation = Conversation()
    agent = Agent(model, tools=TOOLS, mode=mode)

    async def main():
        run = await interrupted(agent, after_s=5, conversation=conversation)
        await agent.run("and now?", conversation=conversation)
        return run

    run = run_virtually(main())
    assert run.futures["f1"].state == "failed"
    assert not times(run, CallStarted)
    assert "stopped before this call began" in model.requests[1].messages[-3]["content"]
