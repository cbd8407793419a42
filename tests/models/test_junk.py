"""Junk in every place of every stream of the corpus: the adapter keeps its promises and never crashes.

Each value in each chunk is replaced in turn by values of every other type, and removed. Allowed are deltas of the
right types, a reply whose history is valid, and input items that can be sent again.
"""

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from asyncfc_jupyter.errors import ServerError
from asyncfc_jupyter.models.accumulator import Accumulator
from asyncfc_jupyter.models.anthropic.blocks import turns
from asyncfc_jupyter.models.base import REPLAY, CallDelta, ChatRequest, Delta, Usage
from asyncfc_jupyter.models.connection.lenient import number, several, text
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses_items import input_items
from tests.models.test_corpus import FILES, load, parse
from tests.servers.scripted_server import HttpError, ScriptedServer, reply, text_chunks

JUNK = [None, True, -1, 10**30, "x", [[]], [None, 5], {"a": 1}]


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Every path into a value but the empty one."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def spoiled(chunk: Any, path: tuple) -> Iterator[Any]:
    """The chunk with one value replaced by junk of every kind, and removed."""
    for junk in [*JUNK, "left out"]:
        copied = copy.deepcopy(chunk)
        holder = copied
        for key in path[:-1]:
            holder = holder[key]
        if junk == "left out":
            del holder[path[-1]]
        else:
            holder[path[-1]] = junk
        yield copied


def check(deltas: list[Delta]) -> None:
    """Check the adapter's promises for its deltas, and the reply that the layer makes of them."""
    accumulator = Accumulator("call_")
    for delta in deltas:
        if isinstance(delta, CallDelta):
            assert delta.index is None or type(delta.index) is int
            assert delta.call_id is None or isinstance(delta.call_id, str)
            assert delta.name is None or isinstance(delta.name, str)
        if isinstance(delta, Usage):
            assert (type(delta.input_tokens), type(delta.output_tokens)) == (int, int)
            assert min(delta.input_tokens, delta.output_tokens) >= 0
        accumulator.feed(delta)
    answer = accumulator.finish()
    assert isinstance(answer.finish_reason, str)
    calls = [
        {"id": c.call_id, "type": "function", "function": {"name": c.name, "arguments": c.arguments_json}}
        for c in answer.calls
    ]
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
    kept = {REPLAY: {"model": "m", **answer.replay}} if answer.replay else {}
    message = {"role": "assistant", "content": answer.text or None, "tool_calls": calls, **kept}
    json.dumps(input_items([message], "m"))
    json.dumps(turns([message], "m"), allow_nan=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_junk_in_any_place_of_a_stream_is_survived(path) -> None:
    head, chunks = load(path)
    for at, chunk in enumerate(chunks):
        for place in places(chunk):
            for bad in spoiled(chunk, place):
                check(list(parse(head["api"], [*chunks[:at], bad, *chunks[at + 1 :]])))


@pytest.mark.parametrize("junk", ["null", "[]", "5", '"x"', "true", "{}", '{"choices": {"a": 1}}', '{"choices": "x"}'])
def test_a_chunk_that_is_not_an_object_changes_nothing_of_the_reply(junk) -> None:
    async def ask(base_url: str) -> list[Delta]:
        model = OpenAIChat("m", base_url=base_url, api_key="k")
        return [d async for d in model.stream(ChatRequest(messages=[{"role": "user", "content": "go"}]))]

    with ScriptedServer([reply(text_chunks("a"), f"data: {junk}\n\n", text_chunks("b"))]) as server:
        deltas = asyncio.run(ask(server.base_url))
    assert [getattr(delta, "text", None) for delta in deltas] == ["a", "b", None]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<html>Log in</html>", "answers with a web page that is no reply: Log in; look whether base_url"),
        ("<!doctype html><title>ACME\nlogin</title>x", "answers with a web page that is no reply: ACME login; look"),
        ("no healthy upstream", "answers with text that is no reply: no healthy upstream; look"),
        ('{"choices": []}', 'answers with JSON that is no reply: {"choices": []}; look'),
        ('{"code": 401, "msg": "sk-very-secret-0123456789"}', 'no reply: {"code": 401, "msg": "***"}; look'),
        ('[{"error": {"message": "no"}}]', "ended the reply with an error: no; run it again"),
        ('{"error": {"message": "no"}}', "ended the reply with an error: no; run it again"),
        ('{"choices": [{"message": {"content": "abc', "does not speak the Chat Completions API. The last text was: "),
        ("", "does not speak the Chat Completions API"),
    ],
)
def test_a_good_status_without_a_stream_is_one_line_with_the_way_out(body, said) -> None:
    with ScriptedServer([HttpError(status=200, body=body)]) as server:

        async def ask() -> None:
            model = OpenAIChat("m", base_url=server.base_url, api_key="k")
            async for _ in model.stream(ChatRequest(messages=[{"role": "user", "content": "go"}])):
                pass

        with pytest.raises(ServerError) as caught:
            asyncio.run(ask())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_fields_are_read_for_what_they_can_mean() -> None:
    assert [number(value) for value in (3, "3", 3.0, 0, "", "x", -1, 2.5, True, None, [3], float("nan"), float("inf"))] == [
        3, 3, 3, 0, *[None] * 9,
    ]  # fmt: skip
    assert [text(value) for value in ("a", 7, "", True, None, 1.5, ["a"], {})] == ["a", "7", "", *[None] * 5]
    assert text(10**20 + 1) != text(10**20 + 2)  # some servers count ids in such numbers
    assert [list(several(value)) for value in ([1], (1,), {"a": 1}, None, "ab", 5)] == [
        [1],
        [1],
        [{"a": 1}],
        [],
        [],
        [],
    ]
