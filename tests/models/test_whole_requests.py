"""Whole requests as they leave the process: of each API, with each option and history, and for each profile of a server."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.anthropic.messages import ClaudeMessages
from asyncfc_jupyter.models.base import ChatRequest
from asyncfc_jupyter.models.catalog import Where, address_of, open_model
from asyncfc_jupyter.models.openai.async_tools import OpenAINative, native_items
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from asyncfc_jupyter.models.openai.responses_items import kept_item
from asyncfc_jupyter.models.profiles import ANY, PROFILES, profile_named
from asyncfc_jupyter.models.registry import APIS
from tests.servers.message_script import message, text_block
from tests.servers.response_script import response, text_item
from tests.servers.scripted_server import HttpError, ScriptedServer, Stream, reply, text_chunks
from tests.suite.expected import Compare

KEY = "sk-very-secret-0123456789"
MODELS = {"chat": OpenAIChat, "responses": OpenAIResponses, "native": OpenAINative, "messages": ClaudeMessages}
TOOLS = [
    {"type": "function", "function": {"name": "get", "description": "Get.", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "put", "parameters": {"type": "object"}, "strict": True}},
    {"type": "function", "function": {"name": "await_future", "parameters": {"type": "object"}}},
]
GO = {"role": "user", "content": "go é"}


def call(call_id: str, name: str = "get") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": '{"x": 1}'}}


def asked(*calls: dict[str, Any], content: str | None = None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


def answer_to(call_id: str, content: Any) -> dict[str, Any]:
    return {
        "role": "tool",
        "tool_call_id": call_id,
        "content": content if isinstance(content, str) else json.dumps(content),
    }


def pending(name: str, **more: Any) -> dict[str, Any]:
    return {"future": name, "tool": "get", "status": "pending", "value": None, "note": "Not the result.", **more}


def done(name: str, **more: Any) -> dict[str, Any]:
    return {"future": name, "tool": "get", "status": "done", "value": f"value of {name}", **more}


def delivery(*results: Any) -> dict[str, Any]:
    return {"role": "user", "content": json.dumps({"delivered": results, "note": "From the tools"})}


def kept(model: str = "m", **more: Any) -> dict[str, Any]:
    return {"model": model, **more}


def marked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A history whose calls the server marked as asynchronous."""

    def mark(message: dict[str, Any]) -> dict[str, Any]:
        made = [{"type": "function_call", "call_id": each["id"]} for each in message.get("tool_calls", ())]
        replay = message.get("replay") or (kept(items=[{"type": "message"}, *made]) if made else {})
        items = [
            {**item, "async": True} if item["type"] == "function_call" else item for item in replay.get("items", ())
        ]
        return {**message, "replay": {**replay, "items": items}} if items else message

    return [mark(message) for message in messages]


REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
ITEMS = [
    REASONING,
    {"type": "message"},
    {**REASONING, "id": "rs_2"},
    {"type": "function_call", "call_id": "a"},
    {**REASONING, "id": "rs_3"},
    {"type": "function_call", "call_id": "nobody's"},
    {"type": "message"},
    {"type": "function_call", "call_id": "b"},
    {**REASONING, "id": "rs_4"},
]

HISTORIES: dict[str, list[dict[str, Any]]] = {
    "a question": [{"role": "system", "content": "Be kind."}, GO],
    "calls and their values": [
        GO,
        asked(call("a"), call("b", "put")),
        answer_to("a", "1"),
        answer_to("b", {"x": 2}),
        GO,
    ],
    "text with calls": [GO, asked(call("a"), content="So"), answer_to("a", "1")],
    "text alone": [GO, {"role": "assistant", "content": "So"}, GO],
    "reasoning as text, with calls": [
        GO,
        asked(call("a"), replay=kept(field="reasoning", text="Hm")),
        answer_to("a", "1"),
    ],
    "reasoning as text, without calls": [
        GO,
        {"role": "assistant", "content": "So", "replay": kept(field="reasoning", text="Hm")},
    ],
    "reasoning as text, of another model": [
        GO,
        asked(call("a"), replay=kept("n", field="reasoning", text="Hm")),
        answer_to("a", "1"),
    ],
    "reasoning as items": [
        GO,
        asked(call("a"), call("b"), call("c"), content="So", replay=kept(items=ITEMS)),
        answer_to("a", "1"),
    ],
    "reasoning as items, of another model": [GO, asked(call("a"), replay=kept("n", items=ITEMS)), answer_to("a", "1")],
    "items without text": [GO, asked(call("a"), replay=kept(items=ITEMS)), answer_to("a", "1")],
    "an empty replay": [GO, asked(call("a"), replay={}), answer_to("a", "1")],
    "a placeholder, open": [GO, asked(call("a")), answer_to("a", pending("f1"))],
    "delivered with another": [
        GO,
        asked(call("a")),
        answer_to("a", pending("f1")),
        asked(call("b")),
        answer_to("b", done("f2", delivered=[done("f1", arguments={"x": 1})], still_pending=[])),
    ],
    "delivered with a placeholder": [
        GO,
        asked(call("a")),
        answer_to("a", pending("f1")),
        asked(call("b")),
        answer_to("b", pending("f2", delivered=[done("f1")], still_pending=["f2"])),
    ],
    "awaited": [
        GO,
        asked(call("a")),
        answer_to("a", pending("f1")),
        asked(call("w", "await_future")),
        answer_to("w", [done("f1")]),
    ],
    "awaited in vain": [
        GO,
        asked(call("a")),
        answer_to("a", pending("f1")),
        asked(call("w", "await_future")),
        answer_to("w", [pending("f1")]),
    ],
    "the gate": [
        GO,
        asked(call("a")),
        answer_to("a", pending("f1")),
        asked(call("asyncfc_gate_1", "await_future"), content="So"),
        answer_to("asyncfc_gate_1", [done("f1")]),
    ],
    "delivered in the user's place": [GO, asked(call("a")), answer_to("a", pending("f1")), delivery(done("f1"))],
    "delivered in the user's place, one unknown": [
        GO,
        asked(call("a")),
        answer_to("a", pending("f1")),
        delivery(done("f1"), done("f2")),
    ],
    "delivered in the user's place, nothing": [GO, asked(call("a")), answer_to("a", pending("f1")), delivery()],
    "failed": [
        GO,
        asked(call("a")),
        answer_to("a", {"future": "f1", "tool": "get", "status": "failed", "error": "broke"}),
    ],
    "a tool's own words": [
        GO,
        asked(call("a")),
        answer_to("a", {"future": "f1", "tool": "put", "status": "pending", "value": 1}),
        asked(call("b")),
        answer_to("b", pending("f2", note="Nothing.")),
        asked(call("c")),
        answer_to("c", "not JSON"),
        asked(call("d")),
        answer_to("d", {"future": "f0", "tool": "get", "status": "done", "value": 1, "delivered": []}),
        asked(call("e")),
        answer_to("e", {"future": "f1", "tool": "get", "status": "done", "delivered": []}),
    ],
    "the user in the form of a delivery": [GO, {"role": "user", "content": '{"delivered": '}],
}

OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "many": {"temperature": 0, "seed": 1, "stop": None, "tool_choice": "required", "reasoning_effort": "low"},
    "its own": {"store": True, "include": [], "stream_options": {"include_usage": True}},
}


def ends(body: dict[str, Any]) -> Stream:
    if "max_tokens" in body:  # here only the Messages API has it, which requires it
        return message(text_block("a"))
    return reply(text_chunks("a")) if "messages" in body else response(text_item("a"))


def lines_of(body: dict[str, Any]) -> list[str]:
    """A body with one line for each field and for each item of a list."""
    lines: list[str] = []
    for name, value in body.items():
        if isinstance(value, list):
            lines += [f"  {name}:", *(f"    {json.dumps(item)}" for item in value)]
        else:
            lines.append(f"  {name}: {json.dumps(value)}")
    return lines


async def ask(model: Any, *, options: Any = None, messages: Any = (GO,), tools: Any = ()) -> None:
    async for _ in model.stream(ChatRequest(messages=messages, tools=tools, options=options or {})):
        pass


@pytest.mark.parametrize("api", MODELS)
def test_every_request_leaves_the_process_as_expected(api: str, expected: Compare) -> None:
    async def each(base_url: str) -> list[str]:
        model = MODELS[api]("m", base_url=base_url, api_key=KEY)
        for unmarked in HISTORIES.values():
            messages = marked(unmarked) if api == "native" else unmarked
            await ask(model, messages=messages)
        for options in OPTIONS.values():
            await ask(model, options=options, tools=TOOLS)
        await ask(
            MODELS[api]("m", base_url=base_url, api_key=KEY, options={"seed": 1, "temperature": 0}), options={"seed": 2}
        )
        return [*HISTORIES, *(f"options: {name}" for name in OPTIONS), "options of both"]

    with ScriptedServer(ends) as server:
        names = asyncio.run(each(server.base_url))
    shown = [
        [name, f"  POST {request.path}", *lines_of(request.body)]
        for name, request in zip(names, server.requests, strict=True)
    ]
    expected(f"requests-{api}.txt", "\n".join(line for lines in shown for line in lines))


@pytest.mark.parametrize("api", MODELS)
def test_every_request_to_a_server_that_refuses_a_field_is_as_expected(api: str, expected: Compare) -> None:
    """Each field is refused once by its name, and stays out; the user is warned of fields that were asked for."""
    refusable = (
        "eager_input_streaming",
        "cache_control",
        "store",
        "include",
        "top_k",
        "reasoning",
        "async",
        "stream_options",
    )

    def policy(body: dict[str, Any]) -> Any:
        for name in refusable:
            if f'"{name}":' in json.dumps(body):
                return HttpError(status=400, message=f"Unknown parameter: '{name}'.", fields={"param": name})
        return ends(body)

    async def each(base_url: str) -> None:
        model = MODELS[api]("m", base_url=base_url, api_key=KEY, options={"top_k": 3})
        for history in ("reasoning as text, with calls", "a placeholder, open"):
            messages = marked(HISTORIES[history]) if api == "native" else HISTORIES[history]
            await ask(model, messages=messages, options={"stream_options": {}}, tools=TOOLS)

    with ScriptedServer(policy) as server, warnings.catch_warnings(record=True) as warned:
        asyncio.run(each(server.base_url))
    lines = [line for request in server.requests for line in ("request", *lines_of(request.body))]
    lines += [str(one.message).replace(server.base_url, "ADDRESS") for one in warned]
    expected(f"requests-refused-{api}.txt", "\n".join(lines))


def test_every_profile_of_a_server_reaches_the_same_place_by_each_api(expected: Compare, monkeypatch) -> None:
    for name in ("OPENAI_BASE_URL", *(profile.key_variable for profile in PROFILES.values())):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
    lines = []
    for profile in (*PROFILES.values(), ANY):
        lines += [str(profile)]
        for api in (None, *APIS):
            where = Where(
                server=profile.name if profile is not ANY else None,
                api=api,
                base_url="http://gpu:1/v1" if profile is ANY else None,
                api_key=KEY,
            )
            model = open_model("m", where=where, options={"seed": 1})
            key = model.secrets[0]
            lines.append(
                f"  {api}: {type(model).__name__} {model.name} at {model._base_url} ({address_of(where)}), {key.variable} "
                f"{key.reveal()}, {model._options}, {model._timeout_s} s, {model._policy.retries} retries"
            )
    for spelled in ("llama.cpp", "LLAMA-CPP", " lm-studio ", "LM Studio", "Ollama"):
        lines.append(f"{spelled!r} is {profile_named(spelled).name}")
    expected("profiles.txt", "\n".join(lines))


def test_every_field_that_an_adapter_decides_is_refused_as_an_option(expected: Compare) -> None:
    names = sorted({name for kind in MODELS.values() for name in kind.reserved} | {"seed"})
    lines = []
    for api, kind in MODELS.items():
        for name in names:
            try:
                kind("m", api_key=KEY, options={"zzz": 1, name: 1})
            except UsageError as error:
                lines.append(f"{api} {name}: {error}")
            else:
                lines.append(f"{api} {name}: taken")
    expected("reserved-options.txt", "\n".join(lines))


def test_an_option_that_the_adapter_decides_is_refused_in_a_request_too() -> None:
    with pytest.raises(UsageError, match="the model option 'stream' cannot be set"):
        asyncio.run(ask(OpenAIChat("m", api_key=KEY), options={"stream": False}))


@pytest.mark.parametrize(
    ("item", "keeps"),
    [
        (
            {"type": "reasoning", "id": "r", "encrypted_content": "g", "status": "x"},
            {"type": "reasoning", "summary": [], "id": "r", "encrypted_content": "g"},
        ),
        (
            {"type": "reasoning", "content": ["c"], "summary": ["s"]},
            {"type": "reasoning", "summary": ["s"], "content": ["c"]},
        ),
        ({"type": "reasoning", "id": "r", "summary": ["s"]}, None),
        ({"type": "reasoning", "id": "r", "encrypted_content": "", "content": []}, None),
        ({"type": "message", "content": ["x"]}, {"type": "message"}),
        ({"type": "function_call", "call_id": 7, "name": "get"}, {"type": "function_call", "call_id": "7"}),
        ({"type": "function_call"}, {"type": "function_call", "call_id": None}),
        (
            {"type": "function_call", "call_id": "a", "async": True},
            {"type": "function_call", "call_id": "a", "async": True},
        ),
        ({"type": "function_call", "call_id": "a", "async": "yes"}, {"type": "function_call", "call_id": "a"}),
        ({"type": "web_search_call"}, None),
        ({}, None),
    ],
)
def test_the_fields_of_an_item_that_can_be_sent_back_are_kept(
    item: dict[str, Any], keeps: dict[str, Any] | None
) -> None:
    assert kept_item(item) == keeps


@pytest.mark.parametrize("prepared", [list, marked], ids=["unmarked", "marked"])
@pytest.mark.parametrize("history", HISTORIES)
def test_more_messages_change_no_item_that_was_sent_before(
    history: str, prepared: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> None:
    messages = prepared(HISTORIES[history])
    items = list(native_items(messages, "m"))
    for length in range(len(messages)):
        part = list(native_items(messages[:length], "m"))
        assert items[: len(part)] == part


@pytest.mark.parametrize(("api", "native"), [("native", True), ("responses", False)])
def test_calls_that_the_server_marks_as_asynchronous_are_counted(api: str, native: bool) -> None:
    item = {"type": "function_call", "name": "get", "arguments": "{}"}
    marks = [{"async": True}, {"async": True}, {"async": False}, {}, {"async": "true"}]
    events = [
        {"type": "response.output_item.done", "output_index": place, "item": {**item, "call_id": f"c{place}", **mark}}
        for place, mark in enumerate(marks)
    ]
    stream = Stream((*events, {"type": "response.completed", "response": {"status": "completed"}}))

    async def twice(base_url: str) -> int:
        model = MODELS[api]("m", base_url=base_url, api_key=KEY)
        assert model.async_calls == 0
        for _ in range(2):
            await ask(model)
        assert getattr(model, "is_native", False) is native
        return model.async_calls

    with ScriptedServer([stream, stream]) as server:
        assert asyncio.run(twice(server.base_url)) == 4
