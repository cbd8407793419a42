"""Every policy is played to its end over HTTP, in every mode and through both APIs, in as many requests as it has replies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from asyncfc_jupyter.agent import Agent, Mode, Run
from asyncfc_jupyter.core.events import CallIssued, Stamped
from asyncfc_jupyter.models.base import CallDelta, Finish
from asyncfc_jupyter.tools.definition import Tool, make_tool
from tests.benchmarks.peers import (
    ASYNC,
    DRIVERS,
    OURS,
    PEERS,
    Contender,
    Driver,
    Results,
    main,
    measured,
    report_of,
)
from tests.benchmarks.policies import POLICIES, Policy, answer_of, plan_of, tool_taking
from tests.servers.rehearsal_server import RehearsalServer
from tests.servers.response_events import ResponseEvents

HAND_WRITTEN = [peer for peer in PEERS if peer.driver == "hand_written"]
#: A tool that is there before the reply ends.
FAST_S = 0.0


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    with RehearsalServer(ttft_ms=1, tokens_per_s=20_000) as started:
        yield started


def run(
    server: RehearsalServer, policy: Policy, mode: Mode, tool: Tool, api: str = "chat", **options
) -> tuple[Run, int]:
    before = server.requests
    agent = Agent("any", base_url=server.base_url, api=api, api_key="k", tools=[tool], mode=mode)
    run = asyncio.run(agent.run(plan_of(policy), **options))
    return run, server.requests - before


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_policy_is_played_to_its_end(server: RehearsalServer, policy: Policy, mode: Mode, api: str) -> None:
    played, requests = run(server, policy, mode, tool_taking(FAST_S), api)
    assert played.answer == answer_of(policy)
    # Its replies and its answer, and in the async mode one more where values had to be asked for.
    least = len(policy.replies) + 1
    assert least <= requests <= least + (mode is Mode.ASYNC)
    assert requests == played.turns


def test_a_client_is_sent_references_with_futures_and_values_without(server: RehearsalServer) -> None:
    chain = POLICIES[2]
    # No result is there before the last call is made, however long a busy machine takes for the replies before.
    issued, all_made = 0, asyncio.Event()

    async def look(topic: str, basis: list[str] | None = None) -> dict[str, Any]:
        """Look something up, once all calls are made."""
        await all_made.wait()
        return {"id": topic, "entries": 20}

    def count(stamped: Stamped) -> None:
        nonlocal issued
        issued += isinstance(stamped.event, CallIssued)
        if issued == 5:
            all_made.set()

    with_futures, _ = run(server, chain, Mode.ASYNC, make_tool(look, pure=True), observers=[count])
    without, _ = run(server, chain, Mode.BATCH, tool_taking(FAST_S))
    assert [entry.arguments.get("basis") for entry in with_futures.futures.values()] == [
        None, ["$f1.id"], ["$f2.id"], ["$f3.id"], ["$f4.id"],
    ]  # fmt: skip
    assert [entry.arguments.get("basis") for entry in without.futures.values()] == [
        None, ["#0000a"], ["#0000b"], ["#0000c"], ["#0000d"],
    ]  # fmt: skip


@pytest.mark.parametrize("create", ["chat", "responses"])
def test_a_reply_is_the_same_whole_as_streamed(server: RehearsalServer, create: str) -> None:
    client = openai.OpenAI(base_url=server.base_url, api_key="k")
    plan = plan_of(POLICIES[4])
    parameters = {"type": "object", "properties": {"topic": {"type": "string"}, "basis": {"type": "array"}}}
    look = {"name": "look", "parameters": parameters}
    if create == "chat":
        ask = {"model": "m", "messages": [{"role": "user", "content": plan}]}
        ask["tools"] = [{"type": "function", "function": look}]
        whole = client.chat.completions.create(**ask).choices[0].message
        with client.chat.completions.stream(**ask) as stream:
            streamed = stream.get_final_completion().choices[0].message
        assert [call.function.arguments for call in whole.tool_calls or ()] == [
            call.function.arguments for call in streamed.tool_calls or ()
        ]
        assert whole.content == streamed.content
        assert len(whole.tool_calls or ()) == 3
    else:
        tools = [{"type": "function", "strict": False, **look}]
        whole = client.responses.create(model="m", input=plan, tools=tools)
        with client.responses.stream(model="m", input=plan, tools=tools) as stream:
            streamed = stream.get_final_response()
        kinds = [item.type for item in whole.output]
        assert kinds == [item.type for item in streamed.output] == ["function_call"] * 3 + ["message"]
        assert [getattr(item, "arguments", None) for item in whole.output] == [
            getattr(item, "arguments", None) for item in streamed.output
        ]
    client.close()


def test_a_call_of_the_responses_api_is_done_with_the_piece_that_closes_it() -> None:
    events = ResponseEvents("m")
    events.events(CallDelta(index=0, call_id="call_1", name="look", arguments=None))
    assert [event["type"] for event in events.events(CallDelta(index=0, arguments='{"topic": "}'))] == [
        "response.function_call_arguments.delta"
    ]
    closing = [event["type"] for event in events.events(CallDelta(index=0, arguments='"}'))]
    assert closing[-1] == "response.output_item.done"
    assert events.events(Finish(reason="tool_calls")) == []


def test_a_plan_that_cannot_be_played_is_refused(server: RehearsalServer) -> None:
    client = openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0)
    with pytest.raises(openai.BadRequestError, match="import os"):
        client.responses.create(model="m", input="import os")
    client.close()


@pytest.mark.parametrize("contender", [*HAND_WRITTEN, *OURS], ids=lambda contender: contender.name)
def test_a_driver_plays_and_says_how_long_it_took(server: RehearsalServer, contender: Contender) -> None:
    async def play() -> dict[str, object]:
        async with Driver(contender, server.base_url) as driver:
            return await driver.play(plan_of(POLICIES[3]), 0.01)

    played = asyncio.run(play())
    assert played["answer"] == answer_of(POLICIES[3])
    # Three calls in a row at least, each of a hundredth of a second.
    assert 0.03 <= float(str(played["seconds"])) < 20


def test_a_driver_that_fails_reports_it_and_continues(server: RehearsalServer) -> None:
    command = [sys.executable, str(DRIVERS / "hand_written.py"), server.base_url]
    asked = [
        {"plan": "import os", "latency_s": 0, "gathers": True},
        {"plan": '"ready"', "latency_s": 0, "gathers": True},
    ]
    lines = "".join(json.dumps(each) + "\n" for each in asked)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60, check=True)
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["error"].startswith("BadRequestError")
    assert second["answer"] == "ready"


def test_every_policy_is_played_by_every_contender_as_often_as_asked(server: RehearsalServer) -> None:
    contenders = (HAND_WRITTEN[1], ASYNC)
    policies, latencies_s = POLICIES[2:4], (0.02, 0.0)
    results = asyncio.run(measured(contenders, policies, latencies_s, 2, server.base_url))
    assert results.wrong == []
    assert {key: len(times) for key, times in results.seconds.items()} == {
        (contender.name, policy.name, latency_s): 2
        for contender in contenders
        for policy in policies
        for latency_s in latencies_s
    }
    report = report_of(results, contenders, policies, latencies_s)
    assert [row["best_peer"] for row in report.figures["verdicts"]] == [HAND_WRITTEN[1].name] * 4
    assert len(report.tables) == len(latencies_s) + 2


def test_a_run_that_did_not_read_every_result_is_wrong() -> None:
    results, policy = Results(), POLICIES[3]
    right = {"answer": answer_of(policy), "seconds": 1.0, "cpu_s": 0.1}
    key = (ASYNC.name, policy.name, 1.0)
    results.note(key, policy, right)
    results.note(key, policy, {**right, "answer": right["answer"].replace("#0000d", "<d pending>")})
    results.note(key, policy, {"error": "its process ended"})
    assert results.seconds[key] == [1.0]
    assert len(results.wrong) == 2
    assert "<d pending>" in results.wrong[0]
    assert "its process ended" in results.wrong[1]


def test_a_miss_of_the_target_shows_and_is_not_wrong(capsys) -> None:
    results = Results()
    policy, peer = POLICIES[0], HAND_WRITTEN[1]
    results.seconds[ASYNC.name, policy.name, 1.0] = [9.0]
    results.seconds[peer.name, policy.name, 1.0] = [6.3]
    report = report_of(results, (peer, ASYNC), (policy,), (1.0,))
    (row,) = report.tables[-2].rows
    assert row[1].startswith("**")
    assert row[3].startswith("**")
    assert report.wrong == []


def test_every_peers_releases_are_pinned() -> None:
    for peer in PEERS:
        if peer.pinned:
            assert all("==" in requirement for requirement in peer.requirements)
            assert (DRIVERS / f"{peer.driver}.py").exists()


def test_the_command_says_what_it_takes(capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "--quick" in capsys.readouterr().out
