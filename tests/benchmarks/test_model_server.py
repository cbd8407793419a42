"""A model behind a server: first tokens are drawn by what a request says, and a slot is taken until its reply ends."""

import asyncio
import json

import pytest

from asyncfc_jupyter.models.base import ChatRequest, Finish, TextDelta
from asyncfc_jupyter.testing import Says, ScriptedModel, Thinks, run_virtually
from tests.benchmarks.model_server import JITTER, LEAST_S, MOST_S, ONE_SLOT, STEADY, ModelServer

TOOL = {"type": "function", "function": {"name": "await_future", "parameters": {}}}


def asked(*results, futures=True):
    """Return a request after some calls, with what is known of each."""
    calls = [{"id": f"c{n}", "function": {"name": "look", "arguments": "{}"}} for n in range(len(results))]
    tools = [TOOL] if futures else []
    messages = [{"role": "user", "content": "go"}, {"role": "assistant", "tool_calls": calls}]
    for number, result in enumerate(results):
        report = {"future": f"f{number + 1}", "status": "pending" if result is None else "done", "value": result}
        content = json.dumps(report if futures else result)
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": content})
    return ChatRequest(messages=messages, tools=tools)


def first_token_s(request, conditions=JITTER, seed="a"):
    """Return when the first token of the reply comes, in seconds."""

    async def run():
        server = ModelServer(ScriptedModel([Says("hello")]), conditions, seed)
        await anext(server.stream(request))
        return asyncio.get_running_loop().time()

    return run_virtually(run())


def test_jitter_is_the_same_for_the_same_request_in_every_mode() -> None:
    assert first_token_s(asked(1, 2)) == first_token_s(asked(1, 2)) == first_token_s(asked(1, 2, futures=False))


def test_jitter_differs_with_what_is_known_and_by_conversation() -> None:
    drawn = [first_token_s(asked(1, 2)), first_token_s(asked(1, None)), first_token_s(asked(1, 2), seed="b")]
    assert len(set(drawn)) == 3


def test_jitter_stays_within_its_bounds_about_the_steady_time() -> None:
    drawn = sorted(first_token_s(asked(1), seed=str(number)) for number in range(300))
    assert LEAST_S <= drawn[0] < 0.2
    assert 0.6 < drawn[-1] <= MOST_S
    assert drawn[150] == pytest.approx(0.3, rel=0.1)
    assert first_token_s(asked(1), STEADY) == pytest.approx(0.3)


@pytest.mark.parametrize(("conditions", "second_s"), [(STEADY, 0.3), (ONE_SLOT, 1.6)])
def test_one_slot_makes_a_request_wait_for_the_reply_before(conditions, second_s) -> None:
    times = []

    async def read(server):
        async for delta in server.stream(asked(1)):
            if isinstance(delta, TextDelta):
                times.append(asyncio.get_running_loop().time())
            assert isinstance(delta, TextDelta | Finish)

    async def run():
        server = ModelServer(ScriptedModel([Says("one"), Thinks(1.0)], [Says("two")]), conditions, "a")
        await asyncio.gather(read(server), read(server))
        return server

    server = run_virtually(run())
    assert times == pytest.approx([0.3, second_s])
    assert (server.requests, server.characters) == (2, 2 * len(json.dumps([*asked(1).messages, TOOL])))


def test_a_slot_is_free_once_a_reply_is_closed() -> None:
    async def run():
        server = ModelServer(ScriptedModel([Says("one"), Thinks(9)], [Says("two")]), ONE_SLOT, "a")
        first = server.stream(asked(1))
        await anext(first)
        await first.aclose()
        await anext(server.stream(asked(1)))
        return asyncio.get_running_loop().time()

    assert run_virtually(run()) == pytest.approx(0.6)
