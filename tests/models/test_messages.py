"""The Messages API, over Anthropic's own library and a scripted server, byte for byte."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from asyncfc_jupyter.agent import Agent, Run
from asyncfc_jupyter.core.events import CallStarted, RequestRetried, TurnEnded
from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models.accumulator import Accumulator
from asyncfc_jupyter.models.anthropic.library import ANTHROPIC_PYTHON
from asyncfc_jupyter.models.anthropic.messages import MOST_TOKENS, ClaudeMessages, MessageEvents
from asyncfc_jupyter.models.base import (
    CallDelta,
    ChatRequest,
    Delta,
    Finish,
    ReasoningDelta,
    ReplyItem,
    Retrying,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.catalog import Where, address_of, open_model
from asyncfc_jupyter.models.connection.clients import client_for
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.models.profiles import ANTHROPIC, PROFILES, profile_named
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.tools.definition import Tool, make_tool
from tests.models.scripted_chat import AT_ONCE, TOOL, ask
from tests.servers.message_rules import broken_rules
from tests.servers.message_script import (
    block,
    call_block,
    message,
    message_start,
    redacted_block,
    text_block,
    thinking_block,
)
from tests.servers.scripted_server import CUT, Answer, Gate, HttpError, ScriptedServer, Stream

KEY = "sk-ant-very-secret-0123456789"
THOUGHT = {"type": "thinking", "thinking": "Hm, so", "signature": "c2lnbmVk"}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = [profile.key_variable for profile in PROFILES.values()]
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", *variables):
        monkeypatch.delenv(name, raising=False)


def claude(server: ScriptedServer, **more: Any) -> ClaudeMessages:
    return ClaudeMessages("m", base_url=server.base_url, api_key=KEY, **more)


def talk(answers: Sequence[Answer], *, options: Any = None, **request: Any) -> tuple[list[Delta], ScriptedServer]:
    with ScriptedServer(answers) as server:
        deltas = asyncio.run(ask(claude(server, options=options), **request))
    return deltas, server


def failure(answer: Answer, times: int = 1) -> ServerError:
    with pytest.raises(ServerError) as caught:
        talk([answer] * times)
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert "private words" not in shown
    return caught.value


def refused(status: int, kind: str, words: str, **headers: str) -> HttpError:
    error = {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_1"}
    return HttpError(status=status, body=json.dumps(error), headers=headers)


# -- what a reply becomes --------------------------------------------------------------------------------------------


def test_every_block_comes_as_deltas_in_stream_order() -> None:
    script = message(
        thinking_block("Hm, so"), text_block("Look"), call_block("toolu_1", "get", {"x": 1}, 2), redacted_block("ZGF0")
    )
    deltas, server = talk([script])
    assert deltas == [
        ReasoningDelta(text="Hm,"),
        ReasoningDelta(text=" so"),
        ReplyItem(item=THOUGHT),
        TextDelta(text="Look"),
        ReplyItem(item={"type": "text", "chars": 4}),
        CallDelta(index=2, call_id="toolu_1", name="get"),
        CallDelta(index=2, arguments='{"x"'),
        CallDelta(index=2, arguments=": 1}"),
        ReplyItem(item={"type": "tool_use", "call_id": "toolu_1"}),
        ReplyItem(item={"type": "redacted_thinking", "data": "ZGF0"}),
        Finish(reason="tool_use"),
        Usage(input_tokens=325, output_tokens=7),
    ]
    assert server.requests[0].path == "/v1/messages"


@pytest.mark.parametrize(
    ("reason", "ends"),
    [
        ("end_turn", "end_turn"),
        ("stop_sequence", "stop_sequence"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "content_filter"),
    ],
)
def test_a_reply_that_is_not_whole_ends_as_cut_off(reason: str, ends: str) -> None:
    deltas, _ = talk([message(text_block("So"), stop=reason)])
    assert [delta.reason for delta in deltas if isinstance(delta, Finish)] == [ends]


def test_a_refusal_without_a_text_says_why() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "This may do harm."}
    deltas, _ = talk([message(stop="refusal", stop_details=details)])
    assert deltas[:2] == [TextDelta(text="This may do harm."), Finish(reason="content_filter")]
    deltas, _ = talk([message(text_block("So"), stop="refusal", stop_details=details)])
    assert [delta.text for delta in deltas if isinstance(delta, TextDelta)] == ["So"]


def test_a_message_that_stops_without_a_reason_is_whole() -> None:
    deltas, _ = talk([message(text_block("So"), stop=None)])
    assert Finish(reason="stop") in deltas


def test_a_whole_message_in_place_of_a_stream_is_read() -> None:
    blocks = [
        THOUGHT,
        {"type": "text", "text": "So"},
        {"type": "tool_use", "id": "a", "name": "get", "input": {"x": 1}},
    ]
    whole = {**message_start()["message"], "content": blocks, "stop_reason": "tool_use"}
    deltas, _ = talk([Stream((json.dumps(whole, indent=1),))])
    assert deltas == [
        ReasoningDelta(text="Hm, so"),
        ReplyItem(item=THOUGHT),
        TextDelta(text="So"),
        ReplyItem(item={"type": "text", "chars": 2}),
        CallDelta(index=2, call_id="a", name="get"),
        CallDelta(index=2, arguments={"x": 1}, whole=True),
        ReplyItem(item={"type": "tool_use", "call_id": "a"}),
        Finish(reason="tool_use"),
        Usage(input_tokens=325, output_tokens=1),
    ]


def test_a_stream_that_ends_before_the_message_does_is_an_error() -> None:
    error = failure(Stream((message_start(), *text_block("So"))))
    assert "ended before the message did" in str(error)
    assert error.transient


#: What a call without arguments looks like: with an empty piece, without any, with an empty object.
EMPTY = {
    "an empty piece": call_block("a", "get", {}),
    "no piece": block({"type": "tool_use", "id": "a", "name": "get", "input": {}}),
    "an empty object": call_block("a", "get", "{}"),
}


@pytest.mark.parametrize("first", EMPTY.values(), ids=EMPTY)
def test_a_call_without_arguments_closes_when_the_next_block_begins(first: list[Any]) -> None:
    accumulator, closed = Accumulator("c", tools={"get": True}), list[str]()
    events = [
        {**step, "index": at} for at, steps in enumerate([first, call_block("b", "get", {"x": 1})]) for step in steps
    ]
    reader = MessageEvents()
    for event in events:
        for delta in reader.read(event):
            closed += [type(part).__name__ for part in accumulator.feed(delta)]
        if event["type"] == "content_block_start" and event["index"] == 1:
            assert "CallClosedPart" in closed
    assert closed.count("CallClosedPart") == 2


@pytest.mark.parametrize("first", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize(("reason", "runs"), [("tool_use", True), ("max_tokens", False)])
def test_a_last_call_without_arguments_runs_unless_it_may_be_cut(first: list[Any], reason: str, runs: bool) -> None:
    """The limit of tokens may have come before the arguments."""
    deltas, _ = talk([message(text_block("So"), first, stop=reason)])
    accumulator = Accumulator("c", tools={"get": True})
    parts = [part for delta in deltas for part in accumulator.feed(delta)]
    assert not any(type(part).__name__ == "CallClosedPart" for part in parts)
    assert (type(accumulator.finish().parts[-1]).__name__ == "CallClosedPart") is runs


def test_a_call_whose_arguments_come_with_its_beginning_is_whole() -> None:
    start = {"type": "tool_use", "id": "a", "name": "get", "input": {"x": 1}}
    deltas, _ = talk([message(block(start))])
    assert CallDelta(index=0, arguments={"x": 1}, whole=True) in deltas


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": None},
        {"type": "content_block_start"},
        {"type": "message", "content": "x"},
        {"type": "content_block_start", "index": "x", "content_block": 3},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": 1}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "citations_delta"}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": 3}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": None}},
        {"type": "content_block_stop", "index": 7},
        {"type": "message_delta", "delta": None, "usage": "many"},
        {"type": "message_start", "message": []},
    ],
    ids=str,
)
def test_an_event_that_says_nothing_yields_nothing(event: Any) -> None:
    assert list(MessageEvents().read(event)) == []


# -- errors ----------------------------------------------------------------------------------------------------------


def test_a_refusal_gives_the_words_of_the_server() -> None:
    error = failure(refused(400, "invalid_request_error", f"top_k: too large; your key {KEY}"))
    assert (error.status, error.transient) == (400, False)
    assert "refuses the request (400): top_k: too large; your key ***" in str(error)


def test_an_unknown_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with ScriptedServer([refused(401, "authentication_error", "invalid x-api-key")]) as server:
        monkeypatch.setitem(PROFILES, "anthropic", _at(server.base_url))
        with pytest.raises(ServerError, match="set ANTHROPIC_API_KEY to a valid one"):
            asyncio.run(ask(open_model("m", where=Where(server="claude"), options={})))


@pytest.mark.parametrize(
    "answer",
    [
        refused(529, "overloaded_error", "Overloaded", **AT_ONCE),
        refused(429, "rate_limit_error", "Slow down", **AT_ONCE),
        refused(500, "api_error", "Internal", **AT_ONCE),
    ],
    ids=lambda answer: answer.status,
)
def test_an_overloaded_server_is_asked_again_after_its_pause(answer: HttpError) -> None:
    deltas, server = talk([answer, message(text_block("So"))])
    assert isinstance(deltas[0], Retrying)
    assert json.loads(answer.body or "")["error"]["message"] in deltas[0].message
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("kind", "transient"), [("overloaded_error", True), ("api_error", True), ("invalid_request_error", False)]
)
def test_an_error_event_in_a_reply_ends_it_with_the_words_of_the_server(kind: str, transient: bool) -> None:
    event = {"type": "error", "error": {"type": kind, "message": f"No more for {KEY}"}}
    error = failure(Stream((message_start(), {**text_block("So")[0], "index": 0}, event)))
    assert "ended the reply with an error: No more for ***" in str(error)
    assert error.transient is transient


def test_fields_that_a_server_does_not_know_are_left_out_without_a_word() -> None:
    def policy(body: dict[str, Any]) -> Answer:
        for name in ("eager_input_streaming", "cache_control"):
            if name in json.dumps(body):
                return refused(400, "invalid_request_error", f"tools.0.custom.{name}: Extra inputs are not permitted")
        return message(text_block("So"))

    with ScriptedServer(policy) as server:
        model = claude(server)
        for _ in range(2):
            asyncio.run(ask(model, tools=[TOOL]))
    assert len(server.requests) == 4  # each field is refused once


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-haiku",
        "input length and `max_tokens` exceed context limit: 190000 + 32000 > 204698",
        "This model's maximum context length is 8192 tokens and your request has 20 input tokens",
    ],
)
def test_a_server_that_refuses_the_usual_limit_gets_a_smaller_one(words: str) -> None:
    def policy(body: dict[str, Any]) -> Answer:
        return refused(400, "invalid_request_error", words) if body["max_tokens"] > 8192 else message(text_block("So"))

    with ScriptedServer(policy) as server:
        model = claude(server)
        for _ in range(2):
            asyncio.run(ask(model))
        with pytest.raises(ServerError) as caught:  # a limit of the user's is never changed
            asyncio.run(ask(claude(server), options={"max_tokens": 32_001}))
    assert caught.value.status == 400
    assert [request.body["max_tokens"] for request in server.requests] == [32_000, 4096, 4096, 32_001]


def test_an_option_for_thinking_that_the_layer_cannot_keep_is_left_out() -> None:
    """With a budget of its own, thinking must come first in the last reply, which may be the layer's."""
    words = "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is "
    words += "enabled, a final `assistant` message must start with a thinking block."

    def policy(body: dict[str, Any]) -> Answer:
        return refused(400, "invalid_request_error", words) if "thinking" in body else message(text_block("So"))

    with ScriptedServer(policy) as server:
        model = claude(server, options={"thinking": {"type": "enabled", "budget_tokens": 1024}})
        with pytest.warns(UserWarning, match="refuses the option 'thinking'"):
            asyncio.run(ask(model))
        asyncio.run(ask(model))
    assert [request.body["max_tokens"] for request in server.requests] == [MOST_TOKENS + 1024, MOST_TOKENS, MOST_TOKENS]


def test_thinking_that_a_server_refuses_is_not_sent_again() -> None:
    replay = {"model": "m", "items": [THOUGHT, {"type": "text", "chars": 2}]}
    history = [{"role": "user", "content": "go"}, {"role": "assistant", "content": "So", "replay": replay}]

    def policy(body: dict[str, Any]) -> Answer:
        if "c2lnbmVk" in json.dumps(body):
            return refused(
                400, "invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block"
            )
        return message(text_block("So"))

    async def twice(model: ClaudeMessages) -> None:
        for _ in range(2):
            request = ChatRequest(messages=[*history, {"role": "user", "content": "on"}])
            async for _ in model.stream(request):
                pass

    with ScriptedServer(policy) as server:
        asyncio.run(twice(claude(server)))
    assert len(server.requests) == 3
    assert [block["type"] for block in server.requests[-1].messages[1]["content"]] == ["text"]


# -- keys and addresses ----------------------------------------------------------------------------------------------


def _at(address: str) -> Any:
    import dataclasses

    return dataclasses.replace(ANTHROPIC, base_url=address)


@pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/", "/prefix", "/v1?a=b"])
def test_an_address_is_taken_with_its_version_or_without(base: str) -> None:
    with ScriptedServer([message(text_block("So"))]) as server:
        address = server.base_url.removesuffix("/v1") + base
        asyncio.run(ask(ClaudeMessages("m", base_url=address, api_key=KEY)))
    path, _, query = base.partition("?")
    prefix = path.rstrip("/").removesuffix("/v1")
    assert server.requests[0].path == f"{prefix}/v1/messages" + (f"?{query}" if query else "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_takes_the_key_to_another_server(status: int) -> None:
    with ScriptedServer([message(text_block("So"))], models=["m"]) as second:
        moved = HttpError(status=status, headers={"location": f"{second.base_url}/messages"})
        with ScriptedServer([moved], models=moved) as first:
            model = ClaudeMessages("m", base_url=first.base_url, api_key=KEY)
            with pytest.raises(ServerError, match="redirects the request to"):
                asyncio.run(ask(model))
            with pytest.raises(ServerError):
                asyncio.run(model.list_models())
    assert KEY in str(dict(first.requests[0].headers))
    assert not second.requests


def test_the_environment_for_anthropic_never_reaches_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer([message(text_block("So"))] * 3) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-anthropic-0123456789")
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-anthropic-0123456789")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9/elsewhere")
        monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Team: team-of-anthropic")
        for where in (
            Where(base_url=server.base_url, api="messages"),
            Where(server="anthropic", base_url=server.base_url),
            Where(server="ollama", base_url=server.base_url, api="messages"),
        ):
            asyncio.run(ask(open_model("m", where=where, options={})))
    assert "anthropic-0123456789" not in str([request.headers for request in server.requests])
    assert "team-of-anthropic" not in str([request.headers for request in server.requests])


def test_the_key_of_anthropic_goes_to_its_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9/elsewhere")
    for model in (
        ClaudeMessages("m"),
        open_model("m", where=Where(server="anthropic"), options={}),
        open_model("m", where=Where(base_url="https://api.anthropic.com", api="messages"), options={}),
    ):
        assert isinstance(model, ClaudeMessages)
        assert [key.reveal() for key in model.secrets] == [KEY]
        assert str(model._base_url).startswith("https://api.anthropic.com")
    assert address_of(Where(server="Claude")) == "https://api.anthropic.com/v1"
    assert profile_named("claude") is PROFILES["anthropic"]
    with pytest.raises(UsageError, match="needs a key that is named for this address"):
        open_model("m", where=Where(server="anthropic", base_url="https://gateway.example/v1"), options={})


def test_a_client_has_the_key_and_nothing_else_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-anthropic-0123456789")

    async def made() -> Any:
        return await client_for(ANTHROPIC_PYTHON, "http://127.0.0.1:1", Secret(KEY))

    client = asyncio.run(made())
    assert (client.api_key, client.auth_token, client.max_retries) == (KEY, None, 0)


def test_a_missing_key_says_which_variable_to_set() -> None:
    with pytest.raises(UsageError, match="set ANTHROPIC_API_KEY, pass api_key, or keep it as anthropic in the keyring"):
        open_model("m", where=Where(server="anthropic"), options={})


# -- runs ------------------------------------------------------------------------------------------------------------


def office(made: list[str], begun: asyncio.Event | None = None) -> list[Tool]:
    async def order(city: str = "Porto", days: int = 1) -> dict[str, Any]:
        """Order a trip."""
        made.append(f"order {city} {days}")
        if begun is not None:
            begun.set()
        return {"order_id": len(made), "city": city}

    async def label(order_id: int) -> str:
        """Print a label."""
        made.append(f"label {order_id}")
        return f"label of {order_id}"

    return [make_tool(order), make_tool(label)]


CALLS = message(
    thinking_block("Hm, so"),
    text_block("I book. "),
    call_block("toolu_1", "order", {"city": "Faro", "days": 2}),
    call_block("toolu_2", "label", {"order_id": "$f1.order_id"}),
    call_block("toolu_3", "order", {}),
)


def run_with(answers: Sequence[Answer], made: list[str], **more: Any) -> tuple[Run, ScriptedServer]:
    # The last answer comes twice where results were still missing when the model answered.
    with ScriptedServer([*answers, answers[-1]]) as server:
        run = asyncio.run(Agent(claude(server), tools=office(made), **more).run("go"))
    return run, server


@pytest.mark.parametrize("mode", ["async", "eager", "batch", "sequential"])
def test_a_run_in_each_mode_makes_each_call_once(mode: str) -> None:
    made: list[str] = []
    values = message(call_block("toolu_1", "order", {"city": "Faro", "days": 2}), call_block("toolu_3", "order", {}))
    run, server = run_with([CALLS if mode == "async" else values, message(text_block("Done."))], made, mode=mode)
    expected = ["order Faro 2", "order Porto 1"]
    assert sorted(made) == (["label 1", *expected] if mode == "async" else expected)
    assert (run.answer, run.outcome) == ("Done.", "answered")
    for request in server.requests:
        assert broken_rules(request.body) == []


def test_thinking_returns_with_the_calls_that_it_led_to() -> None:
    run, server = run_with([CALLS, message(text_block("Done."))], [])
    assert run.futures["f2"].result() == "label of 1"
    reply = server.requests[1].messages[1]["content"]
    assert reply[:2] == [THOUGHT, {"type": "text", "text": "I book. "}]
    assert [each["id"] for each in reply[2:]] == ["toolu_1", "toolu_2", "toolu_3"]
    assert [each["tool_use_id"] for each in server.requests[1].messages[2]["content"]] == [
        "toolu_1",
        "toolu_2",
        "toolu_3",
    ]


@pytest.mark.parametrize("said", ["", "I book. "])
def test_thinking_before_a_call_in_the_text_returns_as_it_came(said: str) -> None:
    written = text_block(said + '<tool_call>{"name": "order", "arguments": {"city": "Faro"}}</tool_call>')
    thought = message(thinking_block("Hm, so"), written)
    made: list[str] = []
    _, server = run_with([thought, message(text_block("Done."))], made, mode="eager", calls_in_text=True)
    assert made == ["order Faro 1"]
    first, *others = server.requests[1].messages[1]["content"]
    assert first == THOUGHT
    assert [each["type"] for each in others] == [*(["text"] if said else []), "tool_use"]


def test_calls_start_while_the_reply_streams() -> None:
    gate, made = Gate(), list[str]()
    end = message(text_block("."), stop="tool_use").steps[1:]
    first = call_block("toolu_1", "order", {"city": "Faro"})
    steps = [{**step, "index": 0} for step in first]
    script = Stream((message_start(), *steps, gate, *end))

    async def watched(server: ScriptedServer) -> Run:
        begun = asyncio.Event()
        run = Agent(claude(server), tools=office(made, begun)).start("go")
        await asyncio.wait_for(begun.wait(), 30)
        gate.open()
        await run.ended()
        return run

    with ScriptedServer([script, message(text_block("Done."))]) as server:
        run = asyncio.run(watched(server))
    order = [type(each.event) for each in run.trace.events if isinstance(each.event, CallStarted | TurnEnded)]
    assert order[0] is CallStarted


def test_leaving_a_reply_closes_its_connection() -> None:
    gate = Gate()
    begun = [{**step, "index": 0} for step in text_block("So")[:2]]

    async def leave(server: ScriptedServer) -> None:
        stream = claude(server).stream(ChatRequest(messages=[{"role": "user", "content": "go"}]))
        assert await anext(stream) == TextDelta(text="So")
        await stream.aclose()
        await asyncio.to_thread(server.requests[0].wait_disconnected)

    with ScriptedServer([Stream((message_start(), *begun, gate))]) as server:
        asyncio.run(leave(server))
        assert not server.requests[0].finished


def test_a_reply_that_overload_ends_continues_and_repeats_nothing() -> None:
    broken = [step for step in CALLS.steps if not isinstance(step, dict) or step["type"] != "message_delta"]
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    for end in (error, CUT):
        made: list[str] = []
        run, server = run_with([Stream((*broken[:-1], end)), message(text_block("Done."))], made)
        assert (run.answer, sorted(made)) == ("Done.", ["label 1", "order Faro 2"])  # the last call may be cut off
        assert sum(isinstance(each.event, RequestRetried) for each in run.trace.events) == 1
        assert all(broken_rules(request.body) == [] for request in server.requests)


def test_a_recorded_run_is_replayed_without_a_server(tmp_path: Path) -> None:
    tape = tmp_path / "talk.jsonl"
    run, _ = run_with([CALLS, message(text_block("Done."))], [], record=tape)
    assert KEY not in tape.read_text()
    made: list[str] = []
    again = asyncio.run(Agent("m", tools=office(made), replay=tape, speed="instant").run("go"))
    assert (again.answer, len(made)) == (run.answer, 3)


def test_a_saved_conversation_keeps_the_thinking() -> None:
    from asyncfc_jupyter.agent.persistence import from_json, to_json

    with ScriptedServer([CALLS, *[message(text_block("Done."))] * 4]) as server:
        agent = Agent(claude(server), tools=office([]))
        run = asyncio.run(agent.run("go"))
        kept, _ = from_json(to_json(run.conversation))
        asyncio.run(Agent(claude(server), tools=office([])).run("more", conversation=kept))
    assert server.requests[-1].messages[1]["content"][0] == THOUGHT
    assert broken_rules(server.requests[-1].body) == []


def test_the_doctor_asks_for_this_api_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    calls = message(call_block("a", "get_weather", {"city": "Lisbon"}), call_block("b", "get_time", {"city": "Lisbon"}))
    with ScriptedServer([calls, *[message(text_block("I wait."))] * 7]) as server:
        monkeypatch.setitem(PROFILES, "anthropic", _at(server.base_url))
        report = asyncio.run(examine("m", where=Where(server="anthropic"), fresh=True))
    assert {request.path for request in server.requests} == {"/v1/messages"}
    assert server.requests[1].body["max_tokens"] == 16
    assert (report.api, report.mode, list(report.seen), dict(report.refused)) == ("messages", "async", ["messages"], {})
    assert report.seen["messages"].calls == 2
    assert all(broken_rules(request.body) == [] for request in server.requests)


@pytest.mark.parametrize("server_name", [name for name in PROFILES if name not in {"anthropic", "azure", "bedrock"}])
def test_the_doctor_asks_no_other_server_for_this_api(server_name: str) -> None:
    from asyncfc_jupyter.models.catalog import apis_of

    assert "messages" not in apis_of(Where(server=server_name))
    assert apis_of(Where(server="anthropic")) == ("messages",)
