"""The adapter's behaviour and errors when a server refuses, breaks off, stalls or is missing."""

from __future__ import annotations

import asyncio
import socket
import traceback
from typing import Any

import pytest

from asyncfc_jupyter.errors import ServerError, ServerTimedOut, UsageError
from asyncfc_jupyter.models.base import ChatRequest, Delta, Finish, Retrying, TextDelta
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from tests.models.scripted_chat import AT_ONCE, KEY, MESSAGES, ask, failure, talk
from tests.servers.scripted_server import CUT, Answer, Gate, HttpError, ScriptedServer, reply, text_chunks
from tests.skipping import skip_s


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
def test_an_option_unknown_to_the_server_is_left_out_with_one_warning(refusal: HttpError) -> None:
    """It is left out of every later request too."""
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
def test_a_field_that_the_adapter_decides_is_refused_as_an_option(name: str) -> None:
    with pytest.raises(UsageError, match=f"the model option '{name}' cannot be set"):
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


def test_a_server_that_redirects_to_itself_is_not_taken_for_a_dead_one() -> None:
    error = failure(HttpError(status=307, headers={"location": "/v1/chat/completions"}), times=100)
    assert str(error).endswith(" redirects without end; set the address it is really at with base_url (--base-url).")


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
def test_the_error_of_a_refusal_names_the_remedy_and_has_the_status(status: int, parts: tuple[str, ...]) -> None:
    answer = HttpError(status=status, message=f"no\ngood {KEY} here", headers=AT_ONCE)
    error = failure(answer, times=3 if status in {429, 503} else 1)
    assert error.status == status
    assert str(error).startswith("http://127.0.0.1:")
    for part in parts:
        assert part in str(error)


def test_a_page_instead_of_an_error_is_not_shown() -> None:
    assert "html" not in str(failure(HttpError(status=404, body="<html><body>lost</body></html>")))
    long = str(failure(HttpError(status=400, message="x" * 5000)))
    assert len(long) < 500


def test_after_a_rate_limit_the_pause_of_the_server_is_kept() -> None:
    limited = HttpError(status=429, headers={"retry-after": "0.25"})

    async def measure(model: OpenAIChat) -> float:
        start = asyncio.get_running_loop().time()
        retrying, text, _ = await ask(model)
        assert isinstance(retrying, Retrying)
        assert (retrying.attempt, retrying.pause_s) == (1, 0.25)
        assert "(429)" in retrying.message
        assert text == TextDelta(text="a")
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
        (f'{{"error": {{"message": "gone {KEY}"}}}}\n\n', "ended the reply with an error: gone"),
        ({"choices": [{"error": {"message": "no provider"}}]}, "ended the reply with an error: no provider"),
        (f"data: upstream gone {KEY}\n\n", r"ended without a finish reason.* The last text was: upstream gone \*\*\*"),
        (": nothing more\n\n", "ended without a finish reason"),
        ({"error": {"message": f"out of memory {KEY}"}}, "ended the reply with an error: out of memory"),
        ('event: error\ndata: {"error": "gone"}\n\n', "ended the reply with an error: gone"),
    ],
)
def test_a_stream_that_breaks_gives_its_deltas_and_then_one_clear_error(end: Any, message: str) -> None:
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
        with pytest.raises(ServerError, match=r"sent nothing for 0\.1 s"):
            asyncio.run(ask(model))


def test_a_stalled_stream_gives_its_deltas_and_a_transient_error() -> None:
    got: list[Delta] = []

    async def time_flies() -> None:
        while not got:  # noqa: ASYNC110 - nothing signals the arrival of the next piece
            await asyncio.sleep(0.01)
        # As often as it takes: the wait for the next piece may begin after a jump.
        while True:
            skip_s(20)
            await asyncio.sleep(0.01)

    async def collect(model: OpenAIChat) -> None:
        flying = asyncio.ensure_future(time_flies())
        try:
            async for delta in model.stream(ChatRequest(messages=MESSAGES)):
                got.append(delta)  # noqa: PERF401 - what came before the error counts
        finally:
            flying.cancel()

    with ScriptedServer([reply(text_chunks("a"), Gate())]) as server:
        model = OpenAIChat("m", base_url=server.base_url, api_key=KEY, timeout_s=20)
        with pytest.raises(ServerTimedOut, match=r"sent nothing for 20 s") as caught:
            asyncio.run(collect(model))
        assert len(server.requests) == 1  # not retried: its calls may have started
    assert got == [TextDelta(text="a")]
    assert caught.value.transient


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "90"}, 90),
        ({"retry-after-ms": "61000"}, 61),
        ({"retry-after": "Wed, 01 Jan 2200 00:00:00 GMT"}, None),
    ],
)
def test_a_server_that_asks_for_a_long_pause_is_not_waited_for(headers, seconds) -> None:
    """The error says how long the pause is."""
    error = failure(HttpError(status=429, headers=headers))
    assert error.transient
    assert error.retry_after_s is not None
    assert error.retry_after_s == seconds if seconds else error.retry_after_s > 1e9


@pytest.mark.parametrize(
    ("answer", "transient"),
    [
        (HttpError(status=400), False),
        (HttpError(status=401), False),
        (HttpError(status=404), False),
        (HttpError(status=429, fields={"code": "insufficient_quota"}), False),
        (HttpError(status=503, headers={"x-should-retry": "false"}), False),
        (HttpError(status=503, headers=AT_ONCE), True),
        (HttpError(status=408, headers=AT_ONCE), True),
        (reply(text_chunks("a"), CUT), True),
        (reply(text_chunks("a"), {"error": {"message": "busy", "code": "server_error"}}), True),
        (reply(text_chunks("a"), {"error": {"message": "long", "code": "context_length_exceeded"}}), False),
        (reply(text_chunks("a"), {"error": {"message": "no", "code": 400}}), False),
        (reply(text_chunks("a"), {"error": {"message": "slow down", "code": 429}}), True),
        (reply(text_chunks("a"), finish=None, done=False), True),
    ],
)
def test_an_error_says_whether_the_same_request_may_succeed_later(answer: Answer, transient: bool) -> None:
    times = 3 if transient and isinstance(answer, HttpError) else 1
    error = failure(answer, times=times)
    assert error.transient is transient
    assert error.status == (
        answer.status if isinstance(answer, HttpError) else None
    )  # and not that of one request more
