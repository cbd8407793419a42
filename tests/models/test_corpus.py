"""A corpus of streams, odd and malformed, as servers send them: whole, cut at every point, and byte by byte over HTTP.

The first line of each file in ``corpus/`` says what it is and its expected outcome; each further line is a chunk or event.
"""

import asyncio
import json
from pathlib import Path

import pytest

from asyncfc_jupyter.errors import ServerError
from asyncfc_jupyter.models.accumulator import Accumulator, CallClosedPart, CallMalformedPart, ReasoningPart
from asyncfc_jupyter.models.anthropic.messages import ClaudeMessages, MessageEvents
from asyncfc_jupyter.models.base import ChatRequest, Retrying
from asyncfc_jupyter.models.connection.lenient import get
from asyncfc_jupyter.models.openai.chat import ChatChunks, OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses, ResponseEvents
from tests.servers.message_script import call_block, message
from tests.servers.response_script import call_item, response
from tests.servers.scripted_server import HttpError, ScriptedServer, Stream, call_chunks, encoded, reply

FILES = sorted((Path(__file__).parent / "corpus").glob("*.jsonl"))
MODELS = {"chat": OpenAIChat, "responses": OpenAIResponses, "messages": ClaudeMessages}
READERS = {"chat": ChatChunks, "responses": ResponseEvents, "messages": MessageEvents}
#: The fields of a delta of the Messages API that come in pieces.
TEXTS = ("text", "partial_json", "thinking", "signature")


def load(path):
    head, *chunks = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return head, chunks


def outcome(deltas):
    """The outcome of a stream of deltas, in the terms of the corpus."""
    accumulator, parts = Accumulator("call_"), []
    for delta in deltas:
        parts += accumulator.feed(delta)
    answer = accumulator.finish()
    parts += answer.parts
    return {
        "calls": [[part.call_id, part.name, part.arguments] for part in parts if isinstance(part, CallClosedPart)],
        "text": answer.text,
        "reason": answer.finish_reason,
        "problems": [part.problem for part in parts if isinstance(part, CallMalformedPart)],
        "reasoning": "".join(part.text for part in parts if isinstance(part, ReasoningPart)),
    }


def agrees(found, expected):
    wanted = {name: value for name, value in expected.items() if name != "error"}
    problems = list(zip(found.pop("problems"), wanted.pop("problems"), strict=True))
    assert found == wanted
    for problem, part in problems:
        assert part in problem


def parse(api, chunks):
    """The deltas of chunks, without a server; up to the server's own error, if there is one."""
    reader = READERS[api]()
    for chunk in chunks:
        if get(chunk, "error") or get(chunk, "type") in ("error", "response.failed"):
            return
        yield from reader.read(chunk)


def pieces(api, chunk, at):
    """A chunk as two, its piece of arguments or text cut at a position; None if it has no piece that long."""
    if not isinstance(chunk, dict):
        return None
    halves = [json.loads(json.dumps(chunk)) for _ in range(2)]
    if api != "chat":
        holders, names = ([chunk, *halves], ["delta"]) if api == "responses" else ([], TEXTS)
        holders = holders or [get(each, "delta") for each in (chunk, *halves)]
        name = next((name for name in names if isinstance(get(holders[0], name), str)), None)
        if name is None or at > len(holders[0][name]):
            return None
        holders[1][name], holders[2][name] = holders[0][name][:at], holders[0][name][at:]
        return halves
    delta = ((chunk.get("choices") or [{}])[0].get("delta")) or {}
    calls = delta.get("tool_calls") or []
    if isinstance(calls, dict) or len(calls) > 1:
        return None  # in these odd forms a server sends a call whole
    text = (calls[0].get("function") or {}).get("arguments") if calls else delta.get("content")
    if not isinstance(text, str) or at > len(text):
        return None
    for half, part in zip(halves, (text[:at], text[at:]), strict=True):
        place = half["choices"][0]["delta"]
        if calls:
            place["tool_calls"][0]["function"]["arguments"] = part
        else:
            place["content"] = part
    if calls:  # as servers do: id and name come with the first piece
        second = halves[1]["choices"][0]["delta"]["tool_calls"][0]
        second.pop("id", None)
        second["function"].pop("name", None)
    return halves


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_stream_of_the_corpus_means_what_it_says(path) -> None:
    head, chunks = load(path)
    agrees(outcome(parse(head["api"], chunks)), head["expect"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_means_the_same_with_any_chunk_cut_at_any_point(path) -> None:
    head, chunks = load(path)
    for place, chunk in enumerate(chunks):
        at = 0
        while halves := pieces(head["api"], chunk, at):
            agrees(outcome(parse(head["api"], [*chunks[:place], *halves, *chunks[place + 1 :]])), head["expect"])
            at += 1


def over_http(api, stream):
    """The outcome over a real connection, and the end of the stream."""

    async def listen(base_url):
        deltas, error = [], None
        model = MODELS[api]("m", base_url=base_url, api_key="k")
        try:
            async for delta in model.stream(ChatRequest(messages=[{"role": "user", "content": "go"}])):
                deltas.append(delta)  # noqa: PERF401 - what came before an error counts
        except ServerError as caught:
            error = str(caught)
        return outcome(deltas), error

    with ScriptedServer([stream]) as server:
        return asyncio.run(listen(server.base_url))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
def test_it_means_the_same_over_http_whole_and_byte_by_byte(path, bytewise) -> None:
    head, chunks = load(path)
    marked = head["api"] == "chat" and head["expect"]["reason"] != "cut"
    end = b"data: [DONE]\n\n" if marked else b""
    data = b"".join(encoded(chunk or "data: null\n\n") for chunk in chunks) + end
    steps = [data[at : at + 1] for at in range(len(data))] if bytewise else [data]
    found, error = over_http(head["api"], Stream(tuple(steps)))
    agrees(found, head["expect"])
    assert (error is None) == ("error" not in head["expect"])
    assert head["expect"].get("error", "") in (error or "")


@pytest.mark.parametrize("api", MODELS)
def test_arguments_of_five_megabytes_are_read_whole(api) -> None:
    arguments = {"text": 'a "quoted" } brace \\ ' * 230_000}
    whole = {
        "chat": lambda: reply(call_chunks(0, "a", "get", arguments, pieces=1000)),
        "responses": lambda: response(call_item("a", "get", arguments, pieces=1000)),
        "messages": lambda: message(call_block("a", "get", arguments, pieces=1000)),
    }
    found, error = over_http(api, whole[api]())
    assert error is None
    assert len(json.dumps(found["calls"][0][2])) > 5_000_000
    assert found["calls"] == [["a", "get", arguments]]


@pytest.mark.parametrize("api", MODELS)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 418, 422, 451])
def test_a_refusal_of_any_class_is_one_line_with_its_status(api, status) -> None:
    with ScriptedServer([HttpError(status=status, message="no\nthanks")]) as server:

        async def ask():
            model = MODELS[api]("m", base_url=server.base_url, api_key="k")
            return [d async for d in model.stream(ChatRequest(messages=[{"role": "user", "content": "go"}]))]

        with pytest.raises(ServerError) as caught:
            asyncio.run(ask())
    assert f"({status})" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.status == status
    assert not caught.value.transient


@pytest.mark.parametrize("api", MODELS)
@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_transient_refusal_is_retried_and_each_retry_is_reported(api, status) -> None:
    refusal = HttpError(status=status, message="later", headers={"retry-after-ms": "1"})
    with ScriptedServer([refusal] * 3) as server:
        seen = []

        async def ask():
            model = MODELS[api]("m", base_url=server.base_url, api_key="k")
            async for delta in model.stream(ChatRequest(messages=[{"role": "user", "content": "go"}])):
                seen.append(delta)  # noqa: PERF401 - what came before an error counts

        with pytest.raises(ServerError, match=r"asked 3 times") as caught:
            asyncio.run(ask())
        assert len(server.requests) == 3
    assert [(type(delta), delta.attempt, delta.pause_s) for delta in seen] == [
        (Retrying, 1, 0.001),
        (Retrying, 2, 0.001),
    ]
    assert (caught.value.status, caught.value.transient) == (status, True)
