"""Whatever a server does to the bytes of a reply, each call that the model meant runs exactly once, in every mode."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from typing import Any

import pytest
from tenacity import wait_none

from asyncfc_jupyter import retry_policy
from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from asyncfc_jupyter.tools.definition import make_tool
from tests.models import gateways
from tests.models.gateways import Gateway
from tests.servers.response_script import call_item, response, text_item
from tests.servers.scripted_server import (
    CUT,
    HttpError,
    ScriptedServer,
    Stream,
    call_chunks,
    chunk,
    encoded,
    finish_chunk,
    reply,
    text_chunks,
)

MODES = ["sequential", "batch", "eager", "async"]
ONCE = call_chunks(0, "call_7", "pay", {"euros": 5})
TWICE = [*ONCE, *call_chunks(1, "call_8", "pay", {"euros": 7})]
DONE = reply(text_chunks("Done."))
BUSY = HttpError(status=503, message="busy", headers={"retry-after-ms": "1"})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause before a reply that broke off is asked for again: it is real time here."""
    monkeypatch.setattr(retry_policy, "REPLIES", dataclasses.replace(retry_policy.REPLIES, wait=wait_none()))


def other_choice(step: dict[str, Any]) -> dict[str, Any]:
    """A chunk of a second choice, for which the request did not ask."""
    return {**step, "choices": [{**step["choices"][0], "index": 1}]}


def whole(call_id: str, index: int, euros: int) -> dict[str, Any]:
    function = {"name": "pay", "arguments": json.dumps({"euros": euros})}
    return chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})


#: Scripts up to the answer, each with the amounts that the model meant to pay.
SCRIPTS: dict[str, tuple[list[Any], list[int]]] = {
    "the call again on the next index": ([reply(ONCE, whole("call_7", 1, 5))], [5]),
    "the call again in the last chunk": (
        [Stream((*TWICE, {**whole("call_8", 1, 7), "choices": [
            {**whole("call_8", 1, 7)["choices"][0], "finish_reason": "tool_calls"}]}, "data: [DONE]\n\n"))], [5, 7],
    ),
    "all calls so far in each chunk": (
        [reply([chunk({"tool_calls": [call["choices"][0]["delta"]["tool_calls"][0] for call in calls]}) for calls in (
            [whole("a", 0, 5)], [whole("a", 0, 5), whole("b", 1, 7)], [whole("a", 0, 5), whole("b", 1, 7)])])], [5, 7],
    ),
    "the same without ids and indexes": (
        [reply([chunk({"tool_calls": [{"function": whole("", 0, each)["choices"][0]["delta"]["tool_calls"][0]["function"]}
                                      for each in so_far]}) for so_far in ((5,), (5, 7), (5, 7))])], [5, 7],
    ),
    "equal calls in one list, without ids and indexes": (
        [reply(chunk({"tool_calls": [{"function": {"name": "pay", "arguments": '{"euros": 5}'}}] * 2}))], [5, 5],
    ),
    "the body twice": ([Stream((*TWICE, finish_chunk("tool_calls"), *TWICE, finish_chunk("tool_calls")))], [5, 7]),
    "the body twice, each with its end": ([Stream((*reply(TWICE).steps, *reply(TWICE).steps))], [5, 7]),
    "the end mark twice": ([Stream((*reply(TWICE).steps, "data: [DONE]\n\n"))], [5, 7]),
    "two choices": (
        [reply([each for step in TWICE for each in (step, other_choice(step))], other_choice(finish_chunk("stop")))], [5, 7],
    ),
    "two choices in each chunk": (
        [reply([{**step, "choices": [*step["choices"], {**step["choices"][0], "index": 1}]} for step in TWICE])], [5, 7],
    ),
    "equal calls with two ids": ([reply(whole("a", 0, 5), whole("b", 1, 5))], [5, 5]),
    "a request that fails first": ([BUSY, reply(TWICE)], [5, 7]),
    "a cut before the call": ([Stream((*text_chunks("So"), CUT)), reply(TWICE)], [5, 7]),
    "a cut in the arguments": ([Stream((*ONCE[:-1], CUT)), reply(TWICE)], [5, 7]),
    "a cut after the call, which comes again": ([Stream((*ONCE, CUT)), reply(ONCE)], [5]),
    "a cut after the call, which comes again with another": ([Stream((*ONCE, CUT)), reply(TWICE)], [5, 7]),
    "two cuts after the call": ([Stream((*ONCE, CUT)), Stream((*TWICE, CUT)), reply(TWICE)], [5, 7]),
    "one id in each reply": ([reply(whole("call_0", 0, euros)) for euros in (5, 7, 5)], [5, 7, 5]),
}  # fmt: skip


def play(
    script: list[Any], mode: str, kind: type = OpenAIChat, **options: Any
) -> tuple[list[int], ScriptedServer, Any]:
    """Run a script and then answers; return what was paid."""
    paid: list[int] = []

    def pay(euros: int) -> str:
        """Pay."""
        paid.append(euros)
        return f"paid {euros}"

    answers = [response(text_item("Done."))] if kind is OpenAIResponses else [DONE]
    with ScriptedServer([*script, *answers * 4]) as server:
        model = kind("m", base_url=server.base_url, api_key="k")
        run = asyncio.run(Agent(model, tools=[make_tool(pay, writes="money")], mode=mode, **options).run("go"))
    assert run.answer == "Done."
    return paid, server, run


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_each_call_that_the_model_meant_runs_exactly_once(script: str, mode: str) -> None:
    answers, meant = SCRIPTS[script]
    assert play(answers, mode)[0] == meant


@pytest.mark.parametrize("mode", MODES)
def test_it_runs_once_also_if_every_byte_comes_alone(mode: str) -> None:
    data = b"".join(map(encoded, reply(TWICE, whole("call_7", 2, 5), whole("call_8", 3, 7)).steps))
    assert play([Stream(tuple(data[at : at + 1] for at in range(len(data))))], mode)[0] == [5, 7]


@pytest.mark.parametrize("mode", MODES)
def test_each_call_runs_once_through_gateways_of_all_habits(mode: str) -> None:
    for seed in range(40):
        chance = random.Random(f"{mode} {seed}")
        amounts = chance.choices(range(1, 4), k=chance.randint(1, 3))
        calls = [("pay", {"euros": euros}) for euros in amounts]
        gateway = Gateway(
            ids=chance.choice(gateways.IDS), index=chance.choice(gateways.INDEXES), name=chance.choice(gateways.NAMES),
            form=chance.choice(gateways.FORMS), repeats=chance.choice(gateways.REPEATS), interleaved=chance.random() < 0.5,
        )  # fmt: skip
        if gateway.leaves_open([("put", arguments) for _, arguments in calls]):
            continue
        chunks = [
            chunk(
                {
                    "tool_calls": [
                        {"index": d.index, "id": d.call_id, "function": {"name": d.name, "arguments": d.arguments}}
                    ]
                }
            )
            for d in gateway.deltas(calls, chance)
        ]
        assert play([reply(chunks)], mode)[0] == amounts, gateway


def test_a_call_that_comes_again_after_a_cut_is_referred_to_its_result() -> None:
    _, server, run = play([Stream((*ONCE, CUT)), reply(ONCE)], "async")
    first, second = (message for message in server.requests[-1].messages if message["role"] == "tool")
    assert json.loads(first["content"])["value"] == "paid 5"
    assert "did not run a second time; its result is in the messages above" in json.loads(second["content"])["error"]
    assert first["tool_call_id"] != second["tool_call_id"]
    assert [future.state for future in run.futures.values()] == ["done", "failed"]


def test_a_call_with_the_id_of_one_before_the_cut_runs_if_it_is_another() -> None:
    assert play([Stream((*ONCE, CUT)), reply(whole("call_7", 0, 6))], "async")[0] == [5, 6]
    answered = reply(whole("call_9", 0, 6))
    assert play([Stream((*ONCE, CUT)), answered, reply(ONCE)], "async")[0] == [5, 6, 5], "the model may mean it later"


@pytest.mark.parametrize("mode", MODES)
def test_ids_that_each_reply_repeats_are_made_unique_in_the_history(mode: str, tmp_path: Any) -> None:
    """A recording of it replays the same."""
    replies = [reply(whole("call_0", 0, euros)) for euros in (5, 7)]
    cassette = tmp_path / "ids.jsonl"
    paid, server, run = play(replies, mode, record=cassette)
    sent = [call["id"] for message in server.requests[-1].messages for call in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in server.requests[-1].messages if message["role"] == "tool"]
    assert paid == [5, 7]
    assert sent[0] == "call_0"
    assert len(set(sent)) == len(sent)
    assert sorted(sent) == sorted(answered)
    again: list[int] = []

    def pay(euros: int) -> str:
        """Pay."""
        again.append(euros)
        return f"paid {euros}"

    agent = Agent("m", tools=[make_tool(pay, writes="money")], mode=mode, replay=cassette, speed="instant")
    replayed = asyncio.run(agent.run("go"))
    assert (again, replayed.answer) == (paid, run.answer)
    assert replayed.conversation.messages == run.conversation.messages


@pytest.mark.parametrize("mode", MODES)
def test_calls_of_responses_run_once_whatever_events_repeat_them(mode: str) -> None:
    first, second = call_item("a", "pay", {"euros": 5}), call_item("b", "pay", {"euros": 7})
    items = [{**first[-1]["item"], "arguments": '{"euros":5}'}, {**second[-1]["item"], "id": "other"}]  # type: ignore[index]
    script = [
        response(first, first, second, [step for step in second for _ in range(2) if "delta" not in step["type"]]),  # type: ignore[index]
        response(call_item("a", "pay", {"euros": 9}), output=items[:0]),
    ]
    ended = script[0].steps[-1]
    script[0] = Stream((*script[0].steps[:-1], {**ended, "response": {**ended["response"], "output": items}}))  # type: ignore[index,dict-item]
    paid, server, _ = play(script, mode, OpenAIResponses)
    assert paid == [5, 7, 9]
    outputs = [item["call_id"] for item in server.requests[-1].messages if item["type"] == "function_call_output"]
    assert len(set(outputs)) == len(outputs) >= 3
