"""The Responses API against a real HTTP server: requests, replies, and how reasoning is sent back."""

import asyncio
import json

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.core.events import ReasoningStreamed, RequestRetried, TokensCounted
from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models.accumulator import Accumulator, CallClosedPart
from asyncfc_jupyter.models.base import (
    CallDelta,
    ChatRequest,
    Finish,
    ReasoningDelta,
    ReplyItem,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.openai.responses import OpenAIResponses, ResponseEvents
from asyncfc_jupyter.tools.definition import make_tool
from tests.servers.response_script import call_item, reasoning_item, response, text_item
from tests.servers.scripted_server import CUT, Gate, HttpError, ScriptedServer, Stream

KEY = "sk-very-secret-0123456789"
MESSAGES = [{"role": "user", "content": "private words"}]
TOOL = {"type": "function", "function": {"name": "get", "description": "", "parameters": {"type": "object"}}}


def talk(answers, messages=MESSAGES, **request):
    async def ask(base_url):
        model = OpenAIResponses("m", base_url=base_url, api_key=KEY)
        return [delta async for delta in model.stream(ChatRequest(messages=messages, **request))]

    with ScriptedServer(answers) as server:
        deltas = asyncio.run(ask(server.base_url))
    return deltas, server


def get(x: int = 0) -> dict:
    """Get it."""
    return {"x": x}


def run_agent(answers, **options):
    with ScriptedServer(answers) as server:
        model = OpenAIResponses("m", base_url=server.base_url, api_key=KEY)
        run = asyncio.run(Agent(model, tools=[make_tool(get, pure=True)], **options).run("go"))
    return run, server


def test_the_request_holds_input_items_flat_tools_and_asks_for_no_state() -> None:
    _, server = talk([response(text_item("Hi"))], tools=[TOOL])
    assert server.requests[0].path == "/v1/responses"
    assert server.requests[0].body == {
        "model": "m",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [{"type": "message", "role": "user", "content": "private words"}],
        "tools": [
            {"type": "function", "strict": False, "name": "get", "description": "", "parameters": {"type": "object"}}
        ],
    }


def test_text_calls_reasoning_and_usage_come_as_deltas_in_stream_order() -> None:
    """So does the reason why the reply ends."""
    deltas, _ = talk([response(reasoning_item("rs_1", "Hm"), text_item("So"), call_item("a", "get", {"x": 1}, 2))])
    assert deltas == [
        ReasoningDelta(text="Hm"),
        ReplyItem(
            item={
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "Hm"}],
                "id": "rs_1",
                "encrypted_content": "gAAA",
            }
        ),
        TextDelta(text="So"),
        ReplyItem(item={"type": "message"}),
        CallDelta(index=2, call_id="a", name="get"),
        CallDelta(index=2, arguments='{"x"'),
        CallDelta(index=2, arguments=": 1}"),
        ReplyItem(item={"type": "function_call", "call_id": "a"}),
        Finish(reason="tool_calls"),
        Usage(input_tokens=12, output_tokens=7),
    ]


def test_the_last_call_of_a_response_closes_before_the_next_text_ends() -> None:
    gate = Gate()

    async def closes(base_url):
        accumulator = Accumulator("call_")
        deltas = OpenAIResponses("m", base_url=base_url, api_key=KEY).stream(ChatRequest(messages=MESSAGES))
        async for delta in deltas:
            if any(isinstance(part, CallClosedPart) for part in accumulator.feed(delta)):
                gate.open()  # only now does the server continue
        return accumulator.finish()

    events = call_item("a", "get", {"x": 1})
    script = response([*events[:-2], gate, *events[-2:]], text_item("done"))
    with ScriptedServer([script]) as server:
        reply = asyncio.run(closes(server.base_url))
    assert (reply.text, reply.calls[0].arguments_json) == ("done", '{"x": 1}')


def without(script, *kinds):
    return Stream(tuple(s for s in script.steps if not (isinstance(s, dict) and s["type"].endswith(kinds))))


@pytest.mark.parametrize(
    "missing",
    [
        (),
        ("arguments.delta", "text.delta"),
        ("arguments.delta", "arguments.done", "text.delta"),
        ("item.added", "arguments.done", "text.delta"),
        ("arguments.done", "item.done"),
    ],
)
def test_a_response_means_the_same_whichever_events_the_server_omits(missing) -> None:
    if "item.added" in missing:
        missing = (*missing, "arguments.delta")
    whole = response(text_item("So", 2), call_item("a", "get", {"x": 1}), call_item("b", "get", {}))
    accumulator = Accumulator("call_")
    for delta in talk([without(whole, *missing)])[0]:
        accumulator.feed(delta)
    reply = accumulator.finish()
    assert reply.text == "So"
    assert [(c.call_id, c.arguments_json) for c in reply.calls] == [("a", '{"x": 1}'), ("b", "{}")]
    assert reply.finish_reason == "tool_calls"


def test_items_that_only_stand_in_the_last_event_are_read_there() -> None:
    item = {"type": "function_call", "call_id": "a", "name": "get", "arguments": {"x": 1}}
    text = {"type": "message", "content": [{"type": "output_text", "text": "So"}]}
    events = ResponseEvents()
    ended = {"type": "response.completed", "response": {"status": "completed", "output": [text, item]}}
    deltas = list(events.read(ended))
    assert deltas[0] == TextDelta(text="So")
    assert CallDelta(index=1, arguments={"x": 1}, whole=True) in deltas
    assert deltas[-1] == Finish(reason="tool_calls")


def test_items_that_stand_in_the_last_event_too_are_kept_once() -> None:
    item = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "g"}
    events = ResponseEvents()
    ended = {"type": "response.completed", "response": {"status": "completed", "output": [item]}}
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    deltas = [delta for event in (done, ended) for delta in events.read(event)]
    assert deltas == [ReplyItem(item=item), Finish(reason="stop")]


@pytest.mark.parametrize(
    ("why", "reason"), [("max_output_tokens", "length"), ("content_filter", "content_filter"), (None, "length")]
)
def test_an_incomplete_response_says_why_in_words_of_chat_completions(why, reason) -> None:
    details = {"incomplete_details": {"reason": why} if why else None}
    deltas, _ = talk([response(text_item("So"), status="incomplete", **details)])
    assert Finish(reason=reason) in deltas


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (CUT, "broke off in the middle"),
        ({"type": "error", "code": "server_error", "message": f"gone {KEY}"}, "ended the reply with an error: gone"),
        (
            {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "gone"}}},
            "ended the reply with an error: gone",
        ),
        ("data: {not json}\n\n", "broke off in the middle"),
        (": nothing\n\n", "ended before the response did"),
    ],
)
def test_a_response_that_breaks_is_one_clear_error_that_may_pass(end, says) -> None:
    with pytest.raises(ServerError, match=says) as caught:
        talk([Stream((*text_item("So")[:-1], end))])
    assert KEY not in repr(caught.value) + repr(vars(caught.value))
    assert caught.value.transient


def test_stateless_options_unknown_to_the_server_are_left_out_silently() -> None:
    """They are store and include, which keep the API stateless."""
    refusals = [
        HttpError(status=400, message="Unknown parameter: 'store'.", fields={"param": "store"}),
        HttpError(status=422, message="include: Extra inputs are not permitted"),
    ]
    _, server = talk([*refusals, response(text_item("Hi"))])
    assert not {"store", "include"} & server.requests[-1].body.keys()


@pytest.mark.parametrize("name", ["input", "previous_response_id", "tools"])
def test_a_field_that_the_adapter_decides_is_refused_as_an_option(name) -> None:
    with pytest.raises(UsageError, match=f"'{name}' cannot be set"):
        OpenAIResponses("m", api_key=KEY, options={name: 1})


def test_reasoning_goes_back_in_its_place_and_is_logged() -> None:
    """The log has the tokens and the retries too."""
    thinks = response(
        reasoning_item("rs_1", "First"), call_item("a", "get", {"x": 1}),
        reasoning_item("rs_2", "Then"), call_item("b", "get", {"x": 2}),
        reasoning_item("rs_3", "Not given", encrypted=None),
    )  # fmt: skip
    busy = HttpError(status=503, headers={"retry-after-ms": "1"})
    run, server = run_agent([busy, thinks, response(text_item("Done."))], mode="eager")
    assert run.answer == "Done."
    sent = server.requests[-1].messages
    assert [(item["type"], item.get("id") or item.get("call_id")) for item in sent if item["type"] != "message"] == [
        ("reasoning", "rs_1"), ("function_call", "a"), ("reasoning", "rs_2"), ("function_call", "b"),
        ("function_call_output", "a"), ("function_call_output", "b"),
    ]  # fmt: skip
    assert sent[1]["encrypted_content"] == "gAAA"
    assert json.loads(sent[-1]["output"]) == {"x": 2}
    events = [stamped.event for stamped in run.trace]
    assert [e.text for e in events if isinstance(e, ReasoningStreamed)] == ["First", "Then", "Not given"]
    assert TokensCounted(turn=1, input_tokens=12, output_tokens=7) in events
    (retried,) = [e for e in events if isinstance(e, RequestRetried)]
    assert (retried.turn, retried.attempt, retried.pause_s) == (1, 1, 0.001)


def test_reasoning_before_a_call_that_stood_in_the_text_goes_back() -> None:
    written = text_item('<tool_call>{"name": "get", "arguments": {"x": 1}}</tool_call>')
    answers = [response(reasoning_item("rs_1", "First"), written), response(text_item("Done."))]
    _, server = run_agent(answers, mode="eager", calls_in_text=True)
    types = [item["type"] for item in server.requests[-1].messages]
    assert types == ["message", "reasoning", "function_call", "function_call_output"]
    assert "call_id" not in server.requests[-1].messages[1]


def test_the_reasoning_of_one_model_is_not_sent_to_another() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "get", "arguments": "{}"}}
    items = [{"type": "reasoning", "id": "rs", "summary": []}, {"type": "function_call", "call_id": "a"}]
    history = [
        *MESSAGES,
        {"role": "assistant", "content": None, "tool_calls": [call], "replay": {"model": "n", "items": items}},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]
    _, server = talk([response(text_item("Hi"))], messages=history)
    assert [item["type"] for item in server.requests[0].messages] == [
        "message", "function_call", "function_call_output",
    ]  # fmt: skip
