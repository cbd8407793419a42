"""The rehearsal model at its edges: how often it yields to the loop, how long an error is, what odd messages mean."""

from __future__ import annotations

import asyncio
import types
from typing import Any

import pytest

from asyncfc_jupyter.core.references import Field, Item
from asyncfc_jupyter.errors import PlanError
from asyncfc_jupyter.models.base import ChatRequest
from asyncfc_jupyter.models.rehearsal import RehearsalModel, model
from asyncfc_jupyter.models.rehearsal.memory import (
    SKIPPED,
    Memory,
    PastCall,
    Result,
    calls_in,
    follow,
    speaks_of_futures,
)
from asyncfc_jupyter.models.rehearsal.plan import Take
from asyncfc_jupyter.models.rehearsal.resume import next_reply, parameters_of
from asyncfc_jupyter.testing import run_virtually
from tests.models.rehearsal_conversation import Talk, done, failed, pending


def pauses_of(monkeypatch: pytest.MonkeyPatch, tokens: int, **speed: float) -> list[float]:
    """The pauses of a model that streams so many tokens, on a clock that stands still unless it sleeps."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 9))
        await asyncio.sleep(seconds)

    monkeypatch.setattr(model, "asyncio", types.SimpleNamespace(sleep=sleep, get_running_loop=asyncio.get_running_loop))

    async def listen() -> None:
        await asyncio.sleep(1)  # added to one second, the time of the fastest model's token is lost in rounding
        request = ChatRequest(messages=[{"role": "user", "content": f'"{"x" * 4 * tokens}"'}])
        async for _ in RehearsalModel(**speed).stream(request):
            pass

    run_virtually(listen())
    return slept


def test_a_late_model_yields_to_the_loop_at_every_eighth_token(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses_of(monkeypatch, 23, ttft_ms=0, tokens_per_s=float(2**1000)) == [0, 0, 0]
    assert pauses_of(monkeypatch, 24, ttft_ms=0, tokens_per_s=float(2**1000)) == [0, 0, 0, 0]


def test_a_model_on_time_sleeps_from_token_to_token(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses_of(monkeypatch, 3, ttft_ms=500, tokens_per_s=4) == [0.5, 0.25, 0.25, 0.25]


def test_calls_of_odd_messages_are_read_for_what_they_are() -> None:
    listed = [{"id": "a", "function": {"name": "get"}}, {"id": 7, "function": "get"}, "junk", {}]
    expects = (
        PastCall(call_id="a", tool="get"),
        PastCall(call_id="7", tool="None"),
        PastCall(call_id="None", tool="None"),
    )
    assert calls_in({"tool_calls": listed}) == calls_in({"tool_calls": tuple(listed)}) == expects
    assert calls_in({"tool_calls": "junk"}) == calls_in({}) == ()


@pytest.mark.parametrize(
    ("content", "speaks"),
    [
        ('{"future": "f1", "status": "done"}', True),
        ('[{"future": "f1", "status": "pending"}]', True),
        ('[3, {"delivered": [{"future": "f1", "status": "skipped"}]}]', True),
        ('{"future": 1, "status": "done"}', False),
        ('{"future": "f1", "status": "open"}', False),
        ('{"future": "f1"}', False),
        ('{"delivered": {"future": "f1", "status": "done"}}', False),
        ('{"delivered": ["f1"]}', False),
        ("[]", False),
        ("text", False),
        ("[" * 100_000, False),
    ],
)
def test_a_message_speaks_of_futures_if_it_reports_the_status_of_one(content: str, speaks: bool) -> None:
    assert speaks_of_futures({"role": "tool", "content": content}) is speaks


def results_after(*contents: Any, futures: bool) -> dict[str, Result]:
    """The results in the memory after these answers to the calls ``a`` and ``b``."""
    memory = Memory()
    memory.number((PastCall(call_id="a", tool="get"), PastCall(call_id="b", tool="get")))
    for call_id, content in zip("ab", contents, strict=False):
        memory.read({"role": "tool", "tool_call_id": call_id, "content": content}, with_futures=futures)
    return {str(name): result for name, result in memory.results.items()}


@pytest.mark.parametrize(
    ("content", "result"),
    [
        ("7", Result(outcome="done", value=7)),
        ("text", Result(outcome="done", value="text")),
        ('{"error": "broke\\n  here"}', Result(outcome="failed", error="broke here")),
        ('{"error": "skipped: why"}', SKIPPED),
        ('{"error": "broke", "more": 1}', Result(outcome="done", value={"error": "broke", "more": 1})),
        ('{"error": 7}', Result(outcome="done", value={"error": 7})),
        (
            '{"tool": "get", "status": "cancelled", "error": "stopped"}',
            Result(outcome="failed", error="stopped"),
        ),
        (
            '{"tool": "get", "status": "cancelled", "error": "stopped", "future": "f1"}',
            Result(outcome="failed", error="stopped"),
        ),
        (
            '{"tool": "get", "status": "cancelled", "error": "s", "x": 1}',
            Result(outcome="done", value={"tool": "get", "status": "cancelled", "error": "s", "x": 1}),
        ),
        ('{"summarized": true, "value": "v"}', Result(outcome="done", value="v", summarized=True)),
        ('{"summarized": false, "value": "v"}', Result(outcome="done", value={"summarized": False, "value": "v"})),
    ],
)
def test_a_bare_answer_means_what_it_is(content: str, result: Result) -> None:
    assert results_after(content, futures=False) == {"f1": result}


def test_an_answer_with_futures_is_believed_in_its_form_alone() -> None:
    odd = [
        '{"future": "f01", "status": "done", "value": 1}',
        '{"future": "f0", "status": "done", "value": 1}',
        '{"future": "f1", "status": "open", "value": 1}',
        '{"future": ["f1"], "status": "done"}',
        '{"future": "f1", "status": ["done"]}',
        '{"future": "f1", "status": "pending"}',
    ]
    for content in odd:
        assert results_after(content, futures=True) == {}
    assert results_after('{"future": "f12", "status": "done", "value": 1, "summarized": 1}', futures=True) == {
        "f12": Result(outcome="done", value=1)
    }
    assert results_after('{"future": "f1", "status": "failed"}', futures=True) == {
        "f1": Result(outcome="failed", error="failed")
    }
    assert results_after('{"future": "f1", "status": "timeout", "error": "a\\nb"}', futures=True) == {
        "f1": Result(outcome="failed", error="a b")
    }


def test_a_missing_field_is_named_with_its_path() -> None:
    value = {"a": [{"b": 1}]}
    assert follow(Take(name="x", steps=(Field("a"), Item(0), Item("b"))), value) == (1, "")
    assert follow(Take(name="x"), value) == (value, "")
    assert follow(Take(name="x", steps=(Field("a"), Item(1))), value) == (None, "x.a has no index 1")
    assert follow(Take(name="x", steps=(Field("a"), Item(0), Field("c"))), value) == (None, "x.a[0] has no field c")
    assert follow(Take(name="x", steps=(Item("c"), Field("d"))), value) == (None, "x has no field c")


def test_a_conversation_without_a_plan_is_refused() -> None:
    for messages in ([], [{"role": "system", "content": "s"}], [{"role": "user", "content": '{"delivered": []}'}]):
        with pytest.raises(PlanError) as caught:
            next_reply(ChatRequest(messages=messages))
        assert str(caught.value) == (
            "plan, line 1: the conversation holds no plan: ''; send the plan as the user's message."
        )


def test_parameters_are_read_of_any_schema() -> None:
    functions = [
        {"name": "a", "parameters": {"properties": {"x": {}, "b": {}}}},
        {"name": "b"},
        {"name": "c", "parameters": None},
        {"name": "d", "parameters": {"properties": None}},
    ]
    assert parameters_of([{"function": each} for each in functions]) == {"a": ("x", "b"), "b": (), "c": (), "d": ()}


def cut(talk: Talk, calls: int) -> None:
    """Keep only so many calls of the last reply, as an interrupt does."""
    talk.messages[-1]["tool_calls"] = talk.messages[-1]["tool_calls"][:calls]
    talk.ids = talk.ids[:calls]


def test_a_reply_that_was_cut_short_continues_after_its_last_call() -> None:
    plan = 'x = search("A")\ny = search("B")\n\nz = book(x)\nw = book(y, note=z)\n\nf"{w}"'
    for calls, again in ((1, "search"), (2, "book")):
        talk = Talk()
        talk.say(plan)
        cut(talk, calls)
        answers = [done(f"f{n + 1}", n) for n in range(calls)]
        (name, arguments), *_ = talk.answer(*answers)
        assert (name, arguments) == ((again, {"city": "B"}) if calls == 1 else (again, {"flight": 0}))


def test_a_reference_of_a_call_that_was_not_made_is_not_remembered() -> None:
    talk = Talk()
    assert talk.say('x = search("A")\ny = book(x.a)\nz = book(x.b)\n\nf"{y} {z}"')[1:] == [
        ("book", {"flight": "$f1.a"}),
        ("book", {"flight": "$f1.b"}),
    ]
    cut(talk, 2)
    assert talk.answer(pending("f1"), pending("f2")) == [("book", {"flight": "$f1.b"}), ("await_future", {})]
    talk.answer(
        pending("f3"), [done("f1", {}), failed("f2", "f1 has no field 'a'"), failed("f3", "f1 has no field 'b'; has")]
    )
    assert talk.text == "<y skipped> <z skipped>"


def test_a_failure_whose_text_resembles_a_missing_field_stays_a_failure() -> None:
    talk = Talk()
    talk.say('x = search("A")\ny = book(x.a)\n\nf"{y}"')
    talk.answer(pending("f1"), pending("f2"))
    talk.answer([done("f1", {"a": 1}), failed("f2", "the shop has no seat")])
    assert talk.text == "<y failed: the shop has no seat>"
