"""From histories to the messages of the Messages API: whatever the history, the request keeps the API's rules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.agent.history import Checker, fixed
from asyncfc_jupyter.models.anthropic.blocks import tool_block, tool_choice, turns
from asyncfc_jupyter.models.anthropic.messages import MOST_TOKENS, ClaudeMessages
from asyncfc_jupyter.models.base import ChatRequest
from tests.models.test_whole_requests import GO, HISTORIES, TOOLS, answer_to, asked, call, kept
from tests.servers.message_rules import broken_rules

THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
HIDDEN = {"type": "redacted_thinking", "data": "ZGF0YQ"}


def model(**more: Any) -> ClaudeMessages:
    return ClaudeMessages("m", api_key="sk-ant-0123456789", **more)


def body(messages: Any, *, refused: frozenset[str] = frozenset(), options: Any = None, **more: Any) -> dict[str, Any]:
    return model()._body(ChatRequest(messages=messages, **more), options or {}, refused)


def used(item_id: str) -> dict[str, Any]:
    return {"type": "tool_use", "call_id": item_id}


def said(chars: int) -> dict[str, Any]:
    return {"type": "text", "chars": chars}


def types_of(history: list[dict[str, Any]]) -> list[str]:
    return [
        block.get("thinking") or block.get("data") or block.get("text") or block.get("id")
        for message in turns(history, "m")
        if message["role"] == "assistant"
        for block in message["content"]
    ]


#: All but the one of which calls are unanswered.
WHOLE = [name for name in HISTORIES if name != "reasoning as items"]


@pytest.mark.parametrize("history", WHOLE)
def test_every_history_becomes_a_request_that_keeps_the_rules(history: str) -> None:
    messages = HISTORIES[history]
    messages = messages if messages[-1]["role"] != "assistant" else [*messages, GO]
    assert broken_rules(body(messages, tools=TOOLS)) == []


@pytest.mark.parametrize("history", HISTORIES)
def test_more_messages_only_append_blocks(history: str) -> None:
    messages = HISTORIES[history]

    def flat(length: int) -> list[Any]:
        return [(turn["role"], block) for turn in turns(messages[:length], "m") for block in turn["content"]]

    for length in range(len(messages)):
        assert flat(len(messages))[: len(flat(length))] == flat(length)


def test_thinking_returns_in_its_order_among_text_and_calls() -> None:
    items = [THOUGHT, said(2), HIDDEN, used("a"), {**THOUGHT, "thinking": "Again"}, said(4), used("b")]
    reply = asked(call("a"), call("b"), content="So then", replay=kept(items=items))
    assert types_of([GO, reply]) == ["Hm", "So then", "ZGF0YQ", "a", "Again", "b"]  # 2 and 4 are not 7 characters
    items[1], items[5] = said(3), said(4)
    assert types_of([GO, reply]) == ["Hm", "So ", "ZGF0YQ", "a", "Again", "then", "b"]


def test_thinking_returns_only_to_the_model_that_wrote_it() -> None:
    reply = asked(call("a"), content="So", replay=kept("another", items=[THOUGHT, said(2), used("a")]))
    assert types_of([GO, reply]) == ["So", "a"]


def test_thinking_that_nothing_follows_is_left_out() -> None:
    reply = {"role": "assistant", "content": "So", "replay": kept(items=[THOUGHT, said(2), HIDDEN])}
    assert types_of([GO, reply]) == ["Hm", "So"]
    assert types_of([GO, {"role": "assistant", "content": "", "replay": kept(items=[THOUGHT])}]) == []


def test_thinking_stays_before_a_call_in_the_text_or_one_cut_off() -> None:
    in_text = asked(call("call_1_1"), replay=kept(items=[THOUGHT, said(20)]))
    assert types_of([GO, in_text]) == ["Hm", "call_1_1"]
    cut = asked(call("a"), call("b"), replay=kept(items=[THOUGHT, used("a"), HIDDEN]))
    assert types_of([GO, cut]) == ["Hm", "a", "ZGF0YQ", "b"]


def test_a_call_of_the_layer_itself_follows_what_the_model_said() -> None:
    reply = asked(call("asyncfc_gate_1"), content="So", replay=kept(items=[THOUGHT, said(2)]))
    assert types_of([GO, reply]) == ["Hm", "So", "asyncfc_gate_1"]


def test_results_of_one_reply_and_the_text_after_them_are_one_message() -> None:
    history = [GO, asked(call("a"), call("b")), answer_to("a", "1"), answer_to("b", ""), GO]
    assert turns(history, "m")[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "1"},
            {"type": "tool_result", "tool_use_id": "b"},
            {"type": "text", "text": "go é"},
        ],
    }


def test_ids_of_other_servers_become_valid_and_stay_different() -> None:
    ids = ["functions.get:0", "functions_get_0", "functions.get_0", "é", "call_1"]
    history = [GO, asked(*map(call, ids)), *(answer_to(each, "1") for each in ids), GO]
    made = types_of(history)
    assert len(set(made)) == len(ids)
    assert (made[1], made[4]) == ("functions_get_0", "call_1")
    assert broken_rules(body(history)) == []


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"x": 1.50, "y": {"z": []}}', {"x": 1.5, "y": {"z": []}}),
        ('{"x": "\\ud83d"}', {"x": "?"}),
        ('{"x": "\\ud83d\\ude00"}', {"x": "😀"}),
        ('{"x": 1e999, "y": -1e999}', {"x": "1e999", "y": "-1e999"}),
    ],
)
def test_arguments_are_sent_as_an_object_that_a_request_can_hold(arguments: str, sent: Any) -> None:
    made = call("a")
    made["function"]["arguments"] = arguments
    history = [GO, asked(made), answer_to("a", "1")]
    assert turns(history, "m")[1]["content"][0]["input"] == sent
    assert broken_rules(body(history)) == []


@pytest.mark.parametrize(
    ("given_choice", "sent"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("any", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "get"}}, {"type": "tool", "name": "get"}),
        ({"type": "tool", "name": "get"}, {"type": "tool", "name": "get"}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
def test_a_choice_of_tools_is_taken_in_the_form_of_either_api(given_choice: Any, sent: Any) -> None:
    assert tool_choice(given_choice) == sent
    assert body([GO], options={"tool_choice": given_choice}, tools=TOOLS)["tool_choice"] == sent
    assert "tool_choice" not in body([GO], options={"tool_choice": given_choice})


def test_the_schema_of_a_tool_is_that_of_an_object_and_other_fields_stay() -> None:
    assert tool_block({"type": "function", "function": {"name": "a", "strict": True}}) == {
        "name": "a",
        "strict": True,
        "input_schema": {"type": "object"},
    }


def test_what_the_next_request_repeats_is_marked_for_the_cache() -> None:
    system = {"role": "system", "content": "Be kind."}
    history = [system, GO, asked(call("a")), answer_to("a", "1"), {"role": "assistant", "content": "So"}, GO]
    request = body(history, tools=TOOLS)
    marked = [
        block.get("name") or block.get("text") or block.get("tool_use_id")
        for block in [*request["tools"], *request["system"], *(b for m in request["messages"] for b in m["content"])]
        if "cache_control" in block
    ]
    assert marked == ["await_future", "Be kind.", "a", "go é"]
    for without in (
        body(history, tools=TOOLS, refused=frozenset({"cache_control"})),
        body(history, tools=TOOLS, options={"cache_control": {"type": "ephemeral", "ttl": "1h"}}),
    ):
        assert json.dumps(without).count('"ephemeral"') == ("cache_control" in without)


@pytest.mark.parametrize(("own", "marks"), [(1, 4), (2, 4), (3, 4), (4, 4), (5, 5)])
def test_marks_of_the_user_on_tools_leave_room_for_fewer(own: int, marks: int) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    tools = [{"type": "function", "function": {"name": f"t{at}", "parameters": {}, **mark}} for at in range(own)]
    history = [{"role": "system", "content": "Be kind."}, GO, {"role": "assistant", "content": "So"}, GO]
    request = body(history, tools=tools)
    assert json.dumps(request).count('"ephemeral"') == marks
    assert ("cache_control" in request["messages"][-1]["content"][-1]) is (own < 4)


def test_every_tool_streams_its_arguments_at_once_unless_that_is_refused() -> None:
    assert [tool["eager_input_streaming"] for tool in body([GO], tools=TOOLS)["tools"]] == [True] * 3
    refused = frozenset({"eager_input_streaming"})
    assert "eager" not in json.dumps(body([GO], tools=TOOLS, refused=refused))


@pytest.mark.parametrize(
    ("options", "most_tokens", "sent"),
    [
        ({}, None, MOST_TOKENS),
        ({"max_tokens": 100}, None, 100),
        ({"max_tokens": 100}, 40, 40),
        ({"max_tokens": 100}, 400, 100),
        ({}, 40, 40),
        ({"thinking": {"type": "enabled", "budget_tokens": 40_000}}, None, MOST_TOKENS + 40_000),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, 40, 2001),
        ({"thinking": {"type": "adaptive"}}, 40, 40),
    ],
)
def test_a_request_always_limits_its_reply(options: Any, most_tokens: int | None, sent: int) -> None:
    assert body([GO], options=options, most_tokens=most_tokens)["max_tokens"] == sent


WORDS = st.text(st.sampled_from("aé \n😀"), max_size=4)
IDS = st.text(st.sampled_from("ab.:_é"), min_size=1, max_size=3)
CALLS = st.builds(
    lambda call_id, name, arguments: {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
    },
    IDS,
    st.sampled_from(["get", "await_future", "put"]),
    st.dictionaries(WORDS, st.one_of(WORDS, st.integers(), st.floats(allow_nan=False)), max_size=2),
)
ITEMS = st.lists(
    st.one_of(
        st.just(THOUGHT),
        st.just(HIDDEN),
        st.builds(said, st.integers(0, 4)),
        st.builds(used, IDS),
        st.sampled_from([{"type": "reasoning", "summary": []}, {"type": "message"}, {"type": "text"}]),
    ),
    max_size=5,
)
REPLAYS = st.builds(lambda by, items: kept(by, items=items), st.sampled_from(["m", "n"]), ITEMS)
REPLIES = st.builds(
    lambda words, calls, replay: {
        "role": "assistant",
        "content": words,
        **({"tool_calls": calls} if calls else {}),
        **({"replay": replay} if replay else {}),
    },
    st.one_of(st.none(), WORDS),
    st.lists(CALLS, max_size=3),
    st.one_of(st.none(), REPLAYS),
)
MESSAGES = st.one_of(
    REPLIES,
    st.builds(lambda words: {"role": "user", "content": words}, WORDS),
    st.builds(answer_to, IDS, WORDS),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(MESSAGES, max_size=12), st.sampled_from(["", " ", "Be kind."]))
def test_whatever_history_the_layer_allows_becomes_a_valid_request(drawn: list[Any], system: str) -> None:
    history = fixed([*drawn, *([GO] if not drawn or drawn[-1]["role"] == "assistant" else [])])
    Checker().check(history)
    if history and history[-1]["role"] == "assistant":
        history.append(GO)
    if history:
        assert broken_rules(body([{"role": "system", "content": system}, *history], tools=TOOLS)) == []
