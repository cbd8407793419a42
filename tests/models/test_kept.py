"""Data that only the model's server can read: it comes back as it came, with its reply or call, to the model that wrote it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncfc_jupyter import Agent
from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.persistence import from_json, to_json
from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models.accumulator import Accumulator
from asyncfc_jupyter.models.base import ChatRequest, Finish, KeptDelta
from asyncfc_jupyter.models.cassette.file_format import mask_streams, to_delta, to_line
from asyncfc_jupyter.models.kept import joined
from asyncfc_jupyter.models.openai.chat import ChatChunks, OpenAIChat
from tests.models.scripted_chat import KEY, answer_with
from tests.models.shapes import BODIES
from tests.servers.scripted_server import HttpError, ScriptedServer, chunk, reply, text_chunks

DUMMY = {"google": {"thought_signature": "skip_thought_signature_validator"}}


def signed(signature: str) -> dict[str, Any]:
    return {"extra_content": {"google": {"thought_signature": signature}}}


def call(at: int, name: str, arguments: dict[str, Any], **extra: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"index": at, "id": f"c{at}", "type": "function", "function": function, **extra}


def kept_of(chunks: list[dict[str, Any]], finish: str | None = "stop") -> dict[str, Any]:
    """What is kept of a reply with these deltas."""
    reader, accumulator = ChatChunks(), Accumulator("made_")
    for each in [*map(chunk, chunks), *([chunk({}, finish)] if finish else [])]:
        for delta in reader.read(each):
            accumulator.feed(delta)
    return dict(accumulator.finish().replay)


def talk(replies: list[list[dict[str, Any]]], *, model: str = "m", conversation: Any = None, slow: bool = False) -> Any:
    """Hold a conversation; return each request's messages and the conversation."""
    requests: list[list[dict[str, Any]]] = []

    def post(_path: str, *, body: dict[str, Any], **_: Any) -> bytes:
        requests.append(json.loads(json.dumps(body["messages"])))
        deltas = replies[min(len(requests), len(replies)) - 1]
        calls = any("tool_calls" in delta for delta in deltas)
        sent = [*map(chunk, deltas), chunk({}, "tool_calls" if calls else "stop")]
        return BODIES["events"](sent).encode()

    async def get(x: int) -> int:
        """Get."""
        await asyncio.sleep(0.2 if slow else 0)
        return x

    with pytest.MonkeyPatch.context() as patch:
        answer_with(post, patch)
        agent = Agent(OpenAIChat(model, base_url="http://x", api_key=KEY), tools=[get])
        asyncio.run(agent.run("go", conversation=conversation) if conversation else agent.run("go"))
    return requests


def test_a_signature_comes_back_with_its_call_and_with_no_other() -> None:
    requests = talk([
        [{"tool_calls": [call(0, "get", {"x": 1}, **signed("A=")), call(1, "get", {"x": 2})]}],
        [{"content": "Done."}],
    ])  # fmt: skip
    made = next(message for message in requests[1] if message.get("tool_calls"))["tool_calls"]
    assert [each.get("extra_content") for each in made] == [signed("A=")["extra_content"], None]
    assert "replay" not in json.dumps(requests)


def test_a_call_of_the_layer_has_what_google_takes_for_a_signature() -> None:
    conversation = Conversation()
    first = {"tool_calls": [call(0, "get", {"x": 1}, **signed("A="))]}
    requests = talk([[first], [{"content": "So."}], [{"content": "1"}]], conversation=conversation, slow=True)
    made = [each for message in requests[-1] for each in message.get("tool_calls", ())]
    assert [each["extra_content"] for each in made if each["id"].startswith("asyncfc_gate")] == [DUMMY]
    held = [each for message in conversation.messages for each in message.get("tool_calls", ())]
    assert not any("extra_content" in each for each in held)


def test_a_model_that_signs_nothing_is_sent_no_signature() -> None:
    requests = talk([[{"tool_calls": [call(0, "get", {"x": 1})]}], [{"content": "So."}], [{"content": "1"}]], slow=True)
    assert "extra_content" not in json.dumps(requests)


def test_data_of_one_model_is_not_sent_to_another() -> None:
    conversation = Conversation()
    first = {
        "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "S"}],
        "extra_content": {"google": {}},
    }
    talk(
        [[first, {"tool_calls": [call(0, "get", {"x": 1}, **signed("A="))]}], [{"content": "1"}]],
        conversation=conversation,
    )
    sent = talk([[{"content": "2"}]], model="another", conversation=conversation)[0]
    assert all(set(message) <= {"role", "content", "tool_calls", "tool_call_id"} for message in sent)
    assert not any(word in json.dumps(sent) for word in ("extra_content", "thinking_blocks", "A="))
    back = talk([[{"content": "3"}]], conversation=conversation)[0]
    assert back[2]["thinking_blocks"] == first["thinking_blocks"]
    assert back[2]["tool_calls"][0]["extra_content"] == signed("A=")["extra_content"]


#: Pieces as servers stream them, and what is sent back.
STREAMS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "LiteLLM's blocks": (
        [
            {"thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": None}]},
            {"thinking_blocks": [{"type": "thinking", "thinking": "m.", "signature": ""}]},
            {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "S1"}]},
            {"thinking_blocks": [{"type": "redacted_thinking", "data": "R1"}]},
            {"thinking_blocks": [{"type": "redacted_thinking", "data": "R2"}]},
            {"thinking_blocks": [{"type": "thinking", "thinking": "So"}]},
            {"thinking_blocks": [{"type": "thinking", "signature": "S2"}]},
        ],
        {
            "thinking_blocks": [
                {"type": "thinking", "thinking": "Hmm.", "signature": "S1"},
                {"type": "redacted_thinking", "data": "R1"},
                {"type": "redacted_thinking", "data": "R2"},
                {"type": "thinking", "thinking": "So", "signature": "S2"},
            ]
        },
    ),
    "OpenRouter's details": (
        [
            {"reasoning_details": [{"type": "reasoning.text", "text": "Hm", "format": "f", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "A", "index": 1}]},
            {"reasoning_details": [{"type": "reasoning.text", "text": "m.", "format": "f", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.text", "signature": "S", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "B", "index": 1}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "D", "id": "rs_1", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "id": "rs_2", "index": 0}]},
        ],
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "Hmm.", "format": "f", "index": 0, "signature": "S"},
                {"type": "reasoning.summary", "summary": "AB", "index": 1},
                {"type": "reasoning.encrypted", "data": "D", "id": "rs_1", "index": 0},
                {"type": "reasoning.encrypted", "data": "E", "id": "rs_2", "index": 0},
            ]
        },
    ),
    "Mistral's parts": (
        [
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]},
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m."}], "closed": True}]},
            {"content": "So."},
        ],
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hmm."}], "closed": True}]},
    ),
    "Google's, of a message": ([{"content": "So.", **signed("A=")}], signed("A=")),
}


@pytest.mark.parametrize(("deltas", "fields"), STREAMS.values(), ids=STREAMS)
def test_pieces_are_joined_as_their_server_joins_them(deltas, fields) -> None:
    assert kept_of(deltas)["fields"] == fields


@pytest.mark.parametrize(("deltas", "fields"), STREAMS.values(), ids=STREAMS)
def test_a_whole_message_after_its_pieces_doubles_nothing(deltas, fields) -> None:
    reader, accumulator = ChatChunks(), Accumulator("made_")
    last = {"choices": [{"message": {"content": "So.", **fields}, "finish_reason": "stop"}]}
    for each in [*map(chunk, deltas), last]:
        for delta in reader.read(each):
            accumulator.feed(delta)
    assert accumulator.finish().replay["fields"] == fields


@pytest.mark.parametrize("finish", ["length", None])
def test_of_a_reply_that_was_cut_off_only_the_data_of_calls_is_kept(finish) -> None:
    deltas = [STREAMS["LiteLLM's blocks"][0][0], {"tool_calls": [call(0, "get", {"x": 1}, **signed("A="))]}]
    assert kept_of(deltas, finish) == {"calls": {"c0": signed("A=")}}


def test_parts_that_think_are_sent_before_the_text() -> None:
    conversation = Conversation()
    talk([STREAMS["Mistral's parts"][0]], conversation=conversation)
    sent = talk([[{"content": "2"}]], conversation=conversation)[0]
    thoughts = STREAMS["Mistral's parts"][1]["content"]
    assert [m["content"] for m in sent if m["role"] == "assistant"] == [[*thoughts, {"type": "text", "text": "So."}]]


def test_data_beside_reasoning_as_text_stands_for_it() -> None:
    conversation = Conversation()
    thought = {"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0}]}
    talk([[thought, {"tool_calls": [call(0, "get", {"x": 1})]}], [{"content": "1"}]], conversation=conversation)
    sent = talk([[{"content": "2"}]], conversation=conversation)[0]
    made = next(message for message in sent if message.get("tool_calls"))
    assert (made["reasoning_details"], "reasoning" in made) == (thought["reasoning_details"], False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "thinking", "S"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "index", "id", "text", "signature", "data", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=6))
def test_any_pieces_are_joined_to_json_and_stay_as_they_are(pieces) -> None:
    before, value = json.dumps(pieces), None
    for piece in pieces:
        value = joined(value, piece)
    assert json.loads(json.dumps(value)) == value
    assert json.dumps(pieces) == before


def test_an_exported_conversation_holds_the_data_and_reads_it_back() -> None:
    conversation = Conversation()
    deltas = [*STREAMS["OpenRouter's details"][0], {"tool_calls": [call(0, "get", {"x": 1}, **signed("A="))]}]
    talk([deltas, [{"content": "1"}]], conversation=conversation)
    again, _ = from_json(to_json(conversation))
    assert again.messages == conversation.messages
    assert again.messages[1]["replay"]["calls"] == {"c0": signed("A=")}


def test_data_that_a_mask_would_alter_is_left_out_of_a_file() -> None:
    conversation = Conversation()
    block = {"type": "thinking", "thinking": "the key is sk-very-secret-0123456789", "signature": "S"}
    talk([[{"thinking_blocks": [block]}, {"content": "So."}]], conversation=conversation)
    text = to_json(conversation)
    assert "thinking_blocks" not in text
    assert from_json(text)[0].messages[-1]["content"] == "So."
    assert conversation.messages[-1]["replay"]["fields"]


@pytest.mark.parametrize(
    "replay",
    [
        {"model": "m", "fields": {"role": "system"}},
        {"model": "m", "fields": {"tool_calls": []}},
        {"model": "m", "fields": {"content": "x"}},
        {"model": "m", "fields": []},
        {"model": "m", "calls": {"c": 1}},
        {"model": "m", "calls": {"c": {"function": {"name": "rm"}}}},
        {"model": "m", "calls": []},
    ],
)
def test_a_file_whose_data_would_replace_a_message_is_refused(replay) -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "replay": replay}]
    with pytest.raises(UsageError, match="is not a conversation: messages"):
        from_json(json.dumps(messages))


def test_data_is_recorded_and_a_key_in_its_pieces_is_masked() -> None:
    deltas = [
        KeptDelta(field="thinking_blocks", value=[{"type": "thinking", "thinking": part}])
        for part in (KEY[:9], KEY[9:])
    ]
    lines = [to_line(delta) for delta in deltas]
    assert [to_delta(line) for line in lines] == deltas
    mask_streams(lines)
    shown = json.dumps(lines)
    assert KEY[:9] not in shown
    assert KEY[9:] not in shown


# -- refusals --------------------------------------------------------------------------------------------------------

#: What was sent back, the status, and the message.
WORDINGS = [
    (what, int(status), message)
    for line in (Path(__file__).parent / "refusals_of_replies.txt").read_text().splitlines()
    if not line.startswith("#")
    for what, status, message in [line.split(" ", 2)]
]


def history(what: str) -> list[dict[str, Any]]:
    """A history whose reply kept data of this name."""
    data: dict[str, Any] = {
        "reasoning_details": {"fields": {what: [{"type": "reasoning.text", "text": "Hm"}]}},
        "thinking_blocks": {"fields": {what: [{"type": "thinking", "thinking": "Hm", "signature": "S"}]}},
        "extra_content": {"calls": {"c0": {"extra_content": {"vendor": "x"}}}},
        "content": {"fields": {what: [{"type": "thinking", "thinking": "Hm"}]}},
    }.get(what, {"field": what, "text": "Hm"})
    made = {key: value for key, value in call(0, "get", {}).items() if key != "index"}
    return [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": None, "tool_calls": [made], "replay": {"model": "m", **data}},
        {"role": "tool", "tool_call_id": "c0", "content": "1"},
    ]


def holds(body: dict[str, Any], what: str) -> bool:
    reply = body["messages"][1]
    return bool(reply["content"] if what == "content" else f'"{what}"' in json.dumps(reply))


async def ask(model: OpenAIChat, messages: list[dict[str, Any]]) -> None:
    async for _ in model.stream(ChatRequest(messages=messages)):
        pass


def test_a_refusal_of_what_was_sent_back_is_recovered_from_in_any_words(recwarn) -> None:
    now: list[Any] = []

    def policy(body: dict[str, Any]) -> Any:
        what, status, message = now[0]
        return HttpError(status=status, message=message) if holds(body, what) else reply(text_chunks("a"))

    async def each(base_url: str) -> None:
        for wording in WORDINGS:
            now[:] = [wording]
            before, model = len(server.requests), OpenAIChat("m", base_url=base_url, api_key=KEY)
            for _ in range(2):  # and it is not sent again
                await ask(model, history(wording[0]))
            sent = [holds(request.body, wording[0]) for request in server.requests[before:]]
            assert sent == [True, False, False], wording

    assert len(WORDINGS) >= 20
    with ScriptedServer(policy) as server:
        asyncio.run(each(server.base_url))
    assert not recwarn.list


@pytest.mark.parametrize(
    ("message", "requests"),
    [
        ("Missing `reasoning_content` field in the assistant message at message index 2.", 1),
        ("The reasoning_content in the thinking mode must be passed back to the API.", 1),
        ("messages.1: a final assistant message must start with a thinking block", 1),
        ("The prompt is too long.", 1),
        ("Thinking is not supported", 2),
        ("'messages.1': property 'reasoning_content' is unsupported", 2),
    ],
)
def test_a_refusal_that_stays_is_the_users_and_nothing_is_left_out(message, requests) -> None:
    refusal = HttpError(status=400, message=message)
    with ScriptedServer([refusal] * requests + [reply(text_chunks("a"))]) as server:

        async def twice() -> None:
            model = OpenAIChat("m", base_url=server.base_url, api_key=KEY)
            with pytest.raises(ServerError):
                await ask(model, history("reasoning_content"))
            await ask(model, history("reasoning_content"))

        asyncio.run(twice())
    assert [holds(request.body, "reasoning_content") for request in server.requests] == [
        True,
        *[False] * (requests - 1),
        True,
    ]


def test_an_option_named_like_the_field_is_not_taken_for_it() -> None:
    refuses = HttpError(status=400, message="property 'reasoning' of messages.1 is unsupported")
    with ScriptedServer([refuses, reply(text_chunks("a"))]) as server:
        model = OpenAIChat("m", base_url=server.base_url, api_key=KEY, options={"reasoning": {"effort": "low"}})
        asyncio.run(ask(model, history("reasoning")))
    assert [holds(request.body, "reasoning") for request in server.requests] == [True, False]
    assert all(request.body["reasoning"] == {"effort": "low"} for request in server.requests)


def test_a_server_that_misses_a_signature_is_sent_one(recwarn) -> None:
    missing = "Function call is missing a thought_signature in functionCall parts. This is required for tools to work."
    body = json.dumps([{"error": {"code": 400, "message": missing, "status": "INVALID_ARGUMENT"}}])
    messages = [{key: value for key, value in message.items() if key != "replay"} for message in history("reasoning")]
    with ScriptedServer([HttpError(status=400, body=body), reply(text_chunks("a"))]) as server:
        asyncio.run(ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY), messages))
    assert [request.messages[1]["tool_calls"][0].get("extra_content") for request in server.requests] == [None, DUMMY]
    assert not recwarn.list


def test_a_reply_is_read_the_same_with_data_beside_it() -> None:
    for deltas, _ in STREAMS.values():
        reader = ChatChunks()
        found = [delta for each in [*map(chunk, deltas), chunk({}, "stop")] for delta in reader.read(each)]
        assert found[-1] == Finish(reason="stop")
