"""The same reply in every shape: exactly this text, this reasoning and these calls are read, with one request."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter import Agent
from asyncfc_jupyter.errors import ServerError
from asyncfc_jupyter.models.accumulator import Accumulator, CallClosedPart, CallMalformedPart, ReasoningPart
from asyncfc_jupyter.models.base import ChatRequest
from asyncfc_jupyter.models.connection.body import Body
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from tests.models.scripted_chat import KEY, MESSAGES, answer_with
from tests.models.shapes import BODIES, CHAT, RESPONSES, UNMARKED, Said
from tests.servers.faulty_server import ORDERS, OrderingModel
from tests.servers.faulty_server import _messages as messages_of

MODELS = {"chat": OpenAIChat, "responses": OpenAIResponses}
SHAPES = [("chat", shape) for shape in CHAT] + [("responses", shape) for shape in RESPONSES]
REPLIES = {
    "a text": Said(text=" So it is: 42.\n"),
    "a short text": Said(text="é🙂"),
    "a call": Said(calls=(("get", {"x": 1}),)),
    "equal calls": Said(text="Both.", calls=(("get", {"x": 1}), ("get", {"x": 1}), ("put", {"y": 'a } " b'}))),
    "all": Said(text="Let me see.", reasoning="Hm, 6 by 7.", calls=(("get", {"x": 1}), ("put", {"z": {}}))),
    "thoughts": Said(text="42", reasoning="6 by 7"),
}


def can_hold(shape: str, said: Said) -> bool:
    """Whether a reply can be sent in a shape at all."""
    if shape == "a function_call":
        return len(said.calls) <= 1
    if shape == "a text":
        return not (said.calls or said.reasoning)
    return not (shape == "only whole texts" and not said.text)


def marks_its_end(shape: str) -> bool:
    return shape not in {"no finish reason", "a message without a finish reason", "a text", "no last event"}


def read(api: str, body: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Said, str]:
    """What a body means, and why its reply ended."""
    asked: list[str] = []
    answer_with(lambda path, **_: (asked.append(path), body.encode())[1], monkeypatch)

    async def ask() -> list[Any]:
        model = MODELS[api]("m", base_url="http://x", api_key=KEY)
        return [delta async for delta in model.stream(ChatRequest(messages=MESSAGES))]

    accumulator = Accumulator("made_", tools={"get": True, "put": True})
    parts = [part for delta in asyncio.run(ask()) for part in accumulator.feed(delta)]
    reply = accumulator.finish()
    parts += reply.parts
    assert not [part for part in parts if isinstance(part, CallMalformedPart)]
    assert len(asked) == 1
    calls = tuple((part.name, part.arguments) for part in parts if isinstance(part, CallClosedPart))
    thought = "".join(part.text for part in parts if isinstance(part, ReasoningPart))
    return Said(text=reply.text, reasoning=thought, calls=calls), reply.finish_reason


@pytest.mark.parametrize(("api", "shape"), SHAPES)
def test_a_reply_means_the_same_in_every_shape_and_body(api, shape, monkeypatch) -> None:
    make = (CHAT if api == "chat" else RESPONSES)[shape]
    tried = 0
    for said in REPLIES.values():
        if can_hold(shape, said):
            for name, body in {**BODIES, **(UNMARKED if marks_its_end(shape) else {})}.items():
                found, _ = read(api, body(make(said)), monkeypatch)
                assert found == said, (name, body(make(said)))
                tried += 1
    assert tried


@pytest.mark.parametrize("name", [*BODIES, *UNMARKED])
def test_a_body_means_the_same_however_its_bytes_arrive(name) -> None:
    sent = CHAT["deltas"](REPLIES["all"])
    data = {**BODIES, **UNMARKED}[name](sent).encode()

    def chunks(sizes: Any) -> tuple[list[Any], bool]:
        body, found, at = Body(), [], 0
        for size in sizes:
            found += body.feed(data[at : at + size])
            at += size
        return [*found, *body.feed(data[at:]), *body.finish()], body.whole

    whole = chunks([])
    assert whole[0] == sent
    for size in range(1, 9):
        assert chunks([size] * (len(data) // size)) == whole
    for seed in range(20):
        chance = random.Random(seed)
        assert chunks([chance.randint(0, 200) for _ in range(20)]) == whole


#: What can begin, end or break a line, an event or a document.
FRAGMENTS = st.sampled_from([
    b"data:", b"data: ", b"event: error\n", b":", b"[DONE]", b"\n", b"\r", b"\r\n", b"{", b"}", b"[", b"]", b'"', b"1", b"null",
    b'{"a": 1}', b"<html>", b"x", " é".encode(), b"\xff", b"\xef\xbb\xbf",
])  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(FRAGMENTS, max_size=14), st.lists(st.integers(0, 60), max_size=8))
def test_any_bytes_at_all_are_read_the_same_in_any_pieces(fragments, cuts) -> None:
    data = b"".join(fragments)

    def read_in(pieces: list[bytes]) -> Any:
        body, found = Body(), []
        try:
            for piece in pieces:
                found += body.feed(piece)
            found += body.finish()
        except ValueError:
            return found, "broken"
        return found, (body.whole, body.marked, body.is_text, body.unread)

    ends = [0, *sorted(cuts), max(len(data), 60)]
    assert read_in([data[a:b] for a, b in itertools.pairwise(ends)]) == read_in([data])


@pytest.mark.parametrize("shape", ["no finish reason", "a text"])
def test_a_stream_that_ends_with_neither_reason_nor_mark_is_cut_off(shape, monkeypatch) -> None:
    body = UNMARKED["events, no mark"](CHAT[shape](REPLIES["a text"]))
    with pytest.raises(ServerError, match="ended without a finish reason") as caught:
        read("chat", body, monkeypatch)
    assert caught.value.transient


@pytest.mark.parametrize("said", REPLIES.values(), ids=REPLIES)
def test_json_that_is_cut_anywhere_is_no_whole_reply(said, monkeypatch) -> None:
    for indent in (None, 1):
        body = json.dumps(CHAT["a message without a finish reason"](said)[0], indent=indent)
        for at in range(0, len(body), 11):
            with pytest.raises(ServerError) as caught:
                read("chat", body[:at], monkeypatch)
            assert caught.value.transient


@pytest.mark.parametrize(("api", "shape"), [each for each in SHAPES if each[1] not in {"a function_call", "a text"}])
def test_every_conversation_is_held_in_every_shape(api, shape, monkeypatch) -> None:
    """A reply makes calls whose values the next one passes on, and the answer names all of them."""
    ran: list[str] = []

    def order(number: int) -> str:
        """Order."""
        ran.append(f"order {number}")
        return f"order-{number}"

    def label(number: int, order: str) -> str:
        """Label an order."""
        ran.append(f"label {number}")
        return f"label-{number} of {order}"

    bodies = [*BODIES.values(), *(UNMARKED.values() if marks_its_end(shape) else ())]
    make, requests = (CHAT if api == "chat" else RESPONSES)[shape], 0

    def post(_path: str, *, body: dict[str, Any], **_: Any) -> bytes:
        nonlocal requests
        requests += 1
        messages = body["messages"] if api == "chat" else list(messages_of(body["input"]))
        model = OrderingModel(random.Random(requests), messages)
        calls = tuple(model.calls())
        said = Said(text="Let me see." if calls else model.answer, calls=calls)
        return bodies[requests % len(bodies)](make(said)).encode()

    answer_with(post, monkeypatch)
    numbers = range(1, ORDERS + 1)
    for _ in range(3):
        ran.clear()
        agent = Agent(MODELS[api]("m", base_url="http://x", api_key=KEY), tools=[order, label])
        run = asyncio.run(agent.run("go"))
        values = [f"order-{n}" for n in numbers] + [f"label-{n} of order-{n}" for n in numbers]
        assert run.answer == "Values: " + " ".join(sorted(values))
        assert sorted(ran) == sorted(f"{tool} {n}" for tool in ("order", "label") for n in numbers)
