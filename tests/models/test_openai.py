"""The adapter against a real HTTP server: what it sends, what it makes of what comes, what it says when all breaks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import subprocess
import sys
import traceback
import types
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import openai
import pytest

from asyncfc_jupyter.core.errors import ServerError, UsageError
from asyncfc_jupyter.models import openai as adapter
from asyncfc_jupyter.models.base import CallDelta, ChatModel, ChatRequest, Delta, Finish, TextDelta, Usage
from asyncfc_jupyter.models.openai import OpenAIChat
from tests.servers.scripted_server import (
    CUT,
    Answer,
    Gate,
    HttpError,
    ScriptedServer,
    call_chunks,
    chunk,
    reply,
    text_chunks,
    usage_chunk,
)

KEY = "sk-very-secret-0123456789"
MESSAGES = [{"role": "user", "content": "private words"}]
TOOL = {"type": "function", "function": {"name": "get", "description": "", "parameters": {"type": "object"}}}
#: Makes the library ask again at once: its own pauses are for real servers.
AT_ONCE = {"retry-after-ms": "1"}


async def ask(model: ChatModel, **request: Any) -> list[Delta]:
    return [delta async for delta in model.stream(ChatRequest(messages=MESSAGES, **request))]


def talk(
    answers: Sequence[Answer], *, asks: int = 1, options: Any = None, **request: Any
) -> tuple[list[Delta], ScriptedServer]:
    """The deltas of the last of several requests of one model, and the server that has seen them."""

    async def requests(model: ChatModel) -> list[Delta]:
        for _ in range(asks - 1):
            await ask(model, **request)
        return await ask(model, **request)

    with ScriptedServer(answers) as server:
        deltas = asyncio.run(requests(OpenAIChat("m", base_url=server.base_url, api_key=KEY, options=options)))
    return deltas, server


def failure(answer: Answer, times: int = 1) -> ServerError:
    with pytest.raises(ServerError) as caught:
        talk([answer] * times)
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert "private words" not in shown
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_package_loads_without_openai() -> None:
    code = (
        "import sys, asyncfc_jupyter.models.openai, asyncfc_jupyter.models.catalog; assert 'openai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=Path(__file__).parents[2], check=True)


def test_only_what_the_user_set_is_sent_and_messages_arrive_as_they_are() -> None:
    _, server = talk([reply(text_chunks("Hi"))], tools=[TOOL])
    assert server.requests[0].body == {"model": "m", "messages": MESSAGES, "stream": True, "tools": [TOOL]}
    _, server = talk([reply(text_chunks("Hi"))], options={"temperature": 0, "top_k": 3, "stop": None})
    assert server.requests[0].body == {
        "model": "m", "messages": MESSAGES, "stream": True, "temperature": 0, "top_k": 3, "stop": None,
    }  # fmt: skip


def test_messages_go_around_the_librarys_own_parameter_which_would_rebuild_each_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: dict[str, Any] = {}

    class Chunks:
        """Any asynchronous iterable with a ``close`` does for a response."""

        async def __aiter__(self) -> AsyncIterator[Any]:
            yield {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}

        async def close(self) -> None:
            sent["closed"] = True

    async def create(**parameters: Any) -> Chunks:
        sent.update(parameters)
        return Chunks()

    async def client(*_: Any) -> Any:
        return types.SimpleNamespace(chat=types.SimpleNamespace(completions=types.SimpleNamespace(create=create)))

    monkeypatch.setattr(adapter, "_client", client)
    assert asyncio.run(ask(OpenAIChat("m", api_key=KEY))) == [TextDelta(text="a"), Finish(reason="stop")]
    assert sent == {
        "model": "m", "messages": [], "stream": True, "extra_body": {"messages": MESSAGES}, "closed": True,
    }  # fmt: skip


def test_the_options_of_a_request_go_before_those_of_the_model() -> None:
    with ScriptedServer([reply(text_chunks("Hi"))]) as server:
        model = OpenAIChat("m", base_url=server.base_url, api_key=KEY, options={"temperature": 0, "seed": 1})
        asyncio.run(ask(model, options={"temperature": 1}))
    assert (server.requests[0].body["temperature"], server.requests[0].body["seed"]) == (1, 1)


def test_text_calls_reason_and_usage_come_as_deltas_in_the_order_of_the_stream() -> None:
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


@pytest.mark.parametrize("form", [dict, types.SimpleNamespace])
def test_a_chunk_may_be_a_dict_or_any_object(form: Any) -> None:
    function = form(name="get", arguments="{}")
    delta = form(content="x", tool_calls=[form(index=0, id="a", function=function)])
    piece = form(choices=[form(delta=delta, finish_reason="stop")], usage=None)
    assert list(adapter._deltas(piece)) == [
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


def test_requests_of_one_loop_share_a_connection_and_each_loop_closes_its_own() -> None:
    with ScriptedServer([reply(text_chunks("a"))] * 3) as server:

        async def twice() -> None:
            await asyncio.gather(*(adapter._client(server.base_url, KEY) for _ in range(3)))
            assert len(adapter._clients[asyncio.get_running_loop()]) == 1
            for _ in range(2):  # two models, one server and key
                await ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY))

        asyncio.run(twice())
        if not openai.VERSION.startswith("2."):  # that version leaves the end of a reply unread, and so hangs up
            assert [request.connection for request in server.requests] == [0, 0]
        assert not any(adapter._clients.values())
        asyncio.run(ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))
        assert server.requests[2].connection > server.requests[1].connection
    gc.collect()  # a socket left open would warn here, and warnings are errors


def test_the_client_of_a_loop_closed_rudely_is_forgotten_with_the_next_loop() -> None:
    with ScriptedServer([reply(text_chunks("a"))] * 2) as server:
        model = OpenAIChat("m", base_url=server.base_url, api_key=KEY)
        rude = asyncio.new_event_loop()
        rude.run_until_complete(ask(model))
        client, _ = adapter._clients[rude][server.base_url, KEY]
        rude.run_until_complete(client.close())
        rude.run_until_complete(rude.shutdown_asyncgens())  # the client library's own, which would complain on 3.13
        rude.close()
        asyncio.run(ask(model))
        assert rude not in adapter._clients


# -- refused options -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        HttpError(
            status=400, message="Unsupported parameter", fields={"param": "top_k", "code": "unsupported_parameter"}
        ),
        HttpError(status=400, message="Unrecognized request argument supplied: top_k"),
        HttpError(status=422, body='{"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}]}'),
    ],
)
def test_an_option_the_server_does_not_know_is_left_out_from_then_on_with_one_warning(refusal: HttpError) -> None:
    good = reply(text_chunks("a"))
    with pytest.warns(UserWarning, match="refuses the option 'top_k'") as warned:
        deltas, server = talk([refusal, good, good], asks=2, options={"top_k": 3, "temperature": 0})
    assert len(warned) == 1
    assert deltas == [TextDelta(text="a"), Finish(reason="stop")]
    assert ["top_k" in request.body for request in server.requests] == [True, False, False]
    assert all(request.body["temperature"] == 0 for request in server.requests)


@pytest.mark.parametrize(
    ("message", "options"),
    [("temperature must be at most 2", {"temperature": 9}), ("Unsupported parameter: tools", {"temperature": 0})],
)
def test_a_value_out_of_range_or_anything_the_user_did_not_set_is_an_error(message: str, options: Any) -> None:
    with pytest.raises(ServerError, match=message):
        talk([HttpError(status=400, message=message)], options=options)


@pytest.mark.parametrize("name", ["messages", "model", "n", "stream", "tools"])
def test_what_the_adapter_decides_is_no_option(name: str) -> None:
    with pytest.raises(UsageError, match=f"model option '{name}' is not yours to set"):
        OpenAIChat("m", api_key=KEY, options={name: 1})


# -- what can go wrong -----------------------------------------------------------------------------------------------


def test_a_dead_server_is_named_with_the_way_out() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening: nothing else can take the port
        url = f"http://user:password@127.0.0.1:{held.getsockname()[1]}/v1?secret=1"
        with pytest.raises(ServerError) as caught:
            asyncio.run(ask(OpenAIChat("m", base_url=url, api_key=KEY)))
        port = held.getsockname()[1]
    assert str(caught.value) == (
        f"no server answers at http://127.0.0.1:{port}/v1; start it, or set another with base_url (--base-url)."
    )
    assert caught.value.status is None


@pytest.mark.parametrize(
    ("status", "parts"),
    [
        (400, ("refuses the request (400): no good", "tools' parameters")),
        (401, ("does not accept the key (401)", "OPENAI_API_KEY")),
        (403, ("does not let this key use 'm' (403): no good", "OPENAI_API_KEY")),
        (404, ("does not know the model 'm' (404): no good", "--model", "/v1")),
        (429, ("limits requests (429)", "no good", "wait")),
        (503, ("failed (503)", "no good", "later")),
    ],
)
def test_a_refused_request_says_what_to_do_and_keeps_the_status(status: int, parts: tuple[str, ...]) -> None:
    answer = HttpError(status=status, message=f"no\ngood {KEY} here", headers=AT_ONCE)
    error = failure(answer, times=3 if status in {429, 503} else 1)
    assert error.status == status
    assert str(error).startswith("http://127.0.0.1:")
    for part in parts:
        assert part in str(error)


def test_a_page_in_the_place_of_an_error_is_not_shown() -> None:
    assert "html" not in str(failure(HttpError(status=404, body="<html><body>lost</body></html>")))
    long = str(failure(HttpError(status=400, message="x" * 5000)))
    assert len(long) < 500


def test_a_rate_limit_is_waited_out_for_as_long_as_the_server_says() -> None:
    limited = HttpError(status=429, headers={"retry-after": "0.25"})

    async def measure(model: OpenAIChat) -> float:
        start = asyncio.get_running_loop().time()
        assert (await ask(model))[0] == TextDelta(text="a")
        return asyncio.get_running_loop().time() - start

    with ScriptedServer([limited, reply(text_chunks("a"))]) as server:
        took_s = asyncio.run(measure(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))
        assert len(server.requests) == 2
    assert took_s >= 0.25


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (CUT, "broke off in the middle of the reply"),
        ("data: {not json}\n\n", "broke off in the middle of the reply"),
        ("data: [DONE]\n\n", "ended without a finish reason"),
        (": nothing more\n\n", "ended without a finish reason"),
        ({"error": {"message": f"out of memory {KEY}"}}, "ended the reply with an error: out of memory"),
        ('event: error\ndata: {"error": "gone"}\n\n', "ended the reply with an error: gone"),
    ],
)
def test_a_stream_that_breaks_gives_what_came_and_then_one_clear_error(end: Any, message: str) -> None:
    got: list[Delta] = []

    async def collect(model: OpenAIChat) -> None:
        async for delta in model.stream(ChatRequest(messages=MESSAGES)):
            got.append(delta)  # noqa: PERF401 - what came before the error counts

    script = reply(text_chunks("a"), end, finish=None, done=False)
    with ScriptedServer([script]) as server, pytest.raises(ServerError, match=message) as caught:
        asyncio.run(collect(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert got == [TextDelta(text="a")]


def test_a_server_that_never_answers_runs_into_the_time_limit() -> None:
    with ScriptedServer([reply(Gate())]) as server:
        model = OpenAIChat("m", base_url=server.base_url, api_key=KEY, timeout_s=0.1)
        with pytest.raises(ServerError, match="did not answer in time"):
            asyncio.run(ask(model))


def test_an_adapter_is_a_chat_model_with_a_name() -> None:
    model = OpenAIChat("some-model", api_key=KEY)
    assert isinstance(model, ChatModel)
    assert model.name == "some-model"


# -- the server itself -----------------------------------------------------------------------------------------------


def test_a_script_that_runs_out_fails_the_test() -> None:
    def ask_once_too_often() -> None:
        with ScriptedServer([]) as server, contextlib.suppress(ServerError):
            asyncio.run(ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))

    with pytest.raises(AssertionError, match="no answer for request 1"):
        ask_once_too_often()


def test_a_policy_answers_what_was_asked() -> None:
    def echo(body: dict[str, Any]) -> Answer:
        return reply(text_chunks(body["messages"][-1]["content"], pieces=3))

    with ScriptedServer(echo) as server:
        deltas = asyncio.run(ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == "private words"
    assert len(deltas) == 4
