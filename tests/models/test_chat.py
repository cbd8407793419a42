"""The adapter for Chat Completions against a real HTTP server: its requests, and how it reads the replies."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest

from asyncfc_jupyter.errors import ServerError
from asyncfc_jupyter.models.base import (
    CallDelta,
    ChatModel,
    ChatRequest,
    Delta,
    Finish,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.connection import clients
from asyncfc_jupyter.models.openai import chat
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.library import OPENAI_PYTHON
from asyncfc_jupyter.models.secret import Secret
from tests.models.scripted_chat import KEY, MESSAGES, TOOL, answer_with, ask, talk
from tests.servers.scripted_server import (
    Gate,
    HttpError,
    ScriptedServer,
    call_chunks,
    chunk,
    encoded,
    reply,
    text_chunks,
    usage_chunk,
)


def test_the_package_loads_without_openai() -> None:
    code = "import sys, asyncfc_jupyter.models.openai.chat, asyncfc_jupyter.models.catalog; assert 'openai' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=Path(__file__).parents[2], check=True)


def test_only_what_the_user_set_is_sent_and_messages_arrive_as_they_are() -> None:
    _, server = talk([reply(text_chunks("Hi"))], tools=[TOOL])
    assert server.requests[0].body == {"model": "m", "messages": MESSAGES, "stream": True, "tools": [TOOL]}
    _, server = talk([reply(text_chunks("Hi"))], options={"temperature": 0, "top_k": 3, "stop": None})
    assert server.requests[0].body == {
        "model": "m", "messages": MESSAGES, "stream": True, "temperature": 0, "top_k": 3, "stop": None,
    }  # fmt: skip


def test_requests_and_events_bypass_the_objects_of_the_client_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are sent and received unchanged."""
    sent: dict[str, Any] = {}

    def post(path: str, **parameters: Any) -> bytes:
        sent.update(parameters, path=path)
        return b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}'

    closed = answer_with(post, monkeypatch)
    assert asyncio.run(ask(OpenAIChat("m", api_key=KEY))) == [TextDelta(text="a"), Finish(reason="stop")]
    assert sent.pop("options")["timeout"].connect == 5
    assert sent.pop("stream_cls") is not None
    body = {"model": "m", "stream": True, "messages": MESSAGES}
    assert sent == {"path": "/chat/completions", "body": body, "cast_to": object, "stream": True}
    assert closed == [True]
    assert sent["body"]["messages"][0] is MESSAGES[0]


def test_an_error_among_the_events_ends_the_reply_and_closes_the_response(monkeypatch: pytest.MonkeyPatch) -> None:
    begin, said, end = (
        {"choices": [{"delta": {"content": "a"}}]},
        {"error": {"message": "out of memory"}},
        {"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]},
    )
    closed = answer_with(lambda *_, **__: b"".join(map(encoded, (begin, said, end))), monkeypatch)
    with pytest.raises(ServerError, match="out of memory"):
        asyncio.run(ask(OpenAIChat("m", api_key=KEY)))
    assert closed == [True]


def test_the_options_of_a_request_override_those_of_the_model() -> None:
    with ScriptedServer([reply(text_chunks("Hi"))]) as server:
        model = OpenAIChat("m", base_url=server.base_url, api_key=KEY, options={"temperature": 0, "seed": 1})
        asyncio.run(ask(model, options={"temperature": 1}))
    assert (server.requests[0].body["temperature"], server.requests[0].body["seed"]) == (1, 1)


def test_text_calls_reason_and_usage_come_as_deltas_in_stream_order() -> None:
    script = reply(text_chunks("So"), call_chunks(0, "a", "get", {"x": 1}, pieces=2), finish=None)
    script = reply(*script.steps[:-1], chunk({}, "tool_calls"), usage_chunk(12, 7), finish=None)
    deltas, _ = talk([script])
    assert deltas == [
        TextDelta(text="So"),
        CallDelta(index=0, call_id="a", name="get", arguments=""),
        CallDelta(index=0, arguments='{"x"'),
        CallDelta(index=0, arguments=": 1}"),
        Finish(reason="tool_calls"),
        Usage(input_tokens=12, output_tokens=7),
    ]


def test_loose_chunks_pass_through_the_library_unharmed() -> None:
    loose = [
        {"choices": [{"delta": {"content": None, "tool_calls": None}}]},
        {"choices": [{"delta": {"tool_calls": [{"id": 7, "function": {"name": "get", "arguments": {"x": 1}}}]}}]},
        {"choices": [{"index": 0, "delta": {"refusal": "No."}, "finish_reason": "stop"}]},
        {"choices": None},
        {"choices": [], "usage": {"prompt_tokens": None, "completion_tokens": 2}},
    ]
    assert talk([reply(loose, finish=None)])[0] == [
        CallDelta(call_id="7", name="get", arguments={"x": 1}),
        TextDelta(text="No."),
        Finish(reason="stop"),
        Usage(input_tokens=0, output_tokens=2),
    ]


def test_a_chunk_may_hold_text_a_call_and_the_end_of_the_reply() -> None:
    function = {"name": "get", "arguments": "{}"}
    delta = {"content": "x", "tool_calls": [{"index": 0, "id": "a", "function": function}]}
    piece = {"choices": [{"delta": delta, "finish_reason": "stop"}], "usage": None}
    assert list(chat.ChatChunks().read(piece)) == [
        TextDelta(text="x"),
        CallDelta(index=0, call_id="a", name="get", arguments="{}"),
        Finish(reason="stop"),
    ]


def test_deltas_arrive_while_the_server_still_writes() -> None:
    gate = Gate()

    async def first_of(model: OpenAIChat) -> list[Delta]:
        deltas = model.stream(ChatRequest(messages=MESSAGES))
        first = await anext(deltas)
        gate.open()
        return [first, *[delta async for delta in deltas]]

    with ScriptedServer([reply(text_chunks("a"), gate, text_chunks("b"))]) as server:
        deltas = asyncio.run(first_of(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))
    assert deltas == [TextDelta(text="a"), TextDelta(text="b"), Finish(reason="stop")]


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_closing_or_cancelling_the_stream_hangs_up(how: str) -> None:
    gate = Gate()

    async def leave(server: ScriptedServer, model: OpenAIChat) -> None:
        deltas = model.stream(ChatRequest(messages=MESSAGES))
        await anext(deltas)
        if how == "close":
            await deltas.aclose()
        else:
            waiting = asyncio.ensure_future(anext(deltas))
            await gate.reached()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await asyncio.to_thread(server.requests[0].wait_disconnected)
        assert await ask(model) == [TextDelta(text="c"), Finish(reason="stop")]

    with ScriptedServer([reply(text_chunks("a"), gate, text_chunks("b")), reply(text_chunks("c"))]) as server:
        asyncio.run(leave(server, OpenAIChat("m", base_url=server.base_url, api_key=KEY)))
        assert not server.requests[0].finished
        assert server.requests[1].finished


def test_requests_of_a_loop_share_a_connection_and_the_loop_closes_it() -> None:
    with ScriptedServer([reply(text_chunks("a"))] * 3) as server:

        async def twice() -> None:
            await asyncio.gather(*(clients.client_for(OPENAI_PYTHON, server.base_url, Secret(KEY)) for _ in range(3)))
            assert len(clients._clients[asyncio.get_running_loop()].kept) == 1
            for _ in range(2):  # two models, one server and key
                await ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY))

        asyncio.run(twice())
        if not openai.VERSION.startswith("2."):  # that version leaves the end of a reply unread, and so hangs up
            assert [request.connection for request in server.requests] == [0, 0]
        assert not any(each.kept for each in clients._clients.values())
        asyncio.run(ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))
        assert server.requests[2].connection > server.requests[1].connection
    gc.collect()  # an open socket would warn here, and warnings are errors


def test_the_client_of_a_rudely_closed_loop_is_forgotten_with_the_next() -> None:
    with ScriptedServer([reply(text_chunks("a"))] * 2) as server:
        model = OpenAIChat("m", base_url=server.base_url, api_key=KEY)
        rude = asyncio.new_event_loop()
        rude.run_until_complete(ask(model))
        (kept,) = clients._clients[rude].kept.values()
        rude.run_until_complete(kept.client.close())
        rude.run_until_complete(rude.shutdown_asyncgens())  # the client library's own, which would complain on 3.13
        rude.close()
        asyncio.run(ask(model))
        assert rude not in clients._clients


def test_reasoning_has_its_own_deltas_and_goes_back_only_with_calls() -> None:
    thought = [chunk({"reasoning_content": "Hm"}), chunk({"reasoning_content": "m."})]
    deltas, _ = talk([reply(thought, text_chunks("a"))])
    field = "reasoning_content"
    assert deltas[:2] == [ReasoningDelta(text="Hm", field=field), ReasoningDelta(text="m.", field=field)]
    kept = {"model": "m", "field": field, "text": "Hmm."}
    call = {"id": "c", "type": "function", "function": {"name": "get", "arguments": "{}"}}
    history = [
        {"role": "assistant", "content": "x", "replay": kept},
        {"role": "assistant", "content": None, "tool_calls": [call], "replay": kept},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "assistant", "content": None, "tool_calls": [call], "replay": {**kept, "model": "another"}},
    ]
    refuses = HttpError(status=422, message="messages.1.reasoning_content: Extra inputs are not permitted")
    with ScriptedServer([reply(text_chunks("a")), refuses, reply(text_chunks("a"))]) as server:
        model = OpenAIChat("m", base_url=server.base_url, api_key=KEY)

        async def twice() -> None:
            for _ in range(2):
                assert [d async for d in model.stream(ChatRequest(messages=history))]

        asyncio.run(twice())
    sent = [[message.get(field) for message in request.messages] for request in server.requests]
    assert sent == [[None, "Hmm.", None, None]] * 2 + [[None] * 4]
    assert not any("replay" in message for request in server.requests for message in request.messages)
    assert "replay" in history[1]


def test_reasoning_that_a_server_sends_under_two_names_is_read_once() -> None:
    deltas, _ = talk([reply(chunk({"reasoning": "Hm", "reasoning_content": "Hm"}), text_chunks("a"))])
    assert deltas[0] == ReasoningDelta(text="Hm", field="reasoning")
    assert deltas[1] == TextDelta(text="a")


def test_an_adapter_is_a_chat_model_with_a_name() -> None:
    model = OpenAIChat("some-model", api_key=KEY)
    assert isinstance(model, ChatModel)
    assert model.name == "some-model"
