"""Interrupted, odd and wrong conversations with the rehearsal model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from asyncfc_jupyter.errors import PlanError, UsageError
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from tests.models.rehearsal_conversation import BOTH, Talk, failed


@BOTH
def test_after_an_interrupt_the_next_message_is_a_new_plan(futures: bool) -> None:
    talk = Talk(futures=futures)
    talk.say('x = search("A")\ny = search("B")\n\nz = search("C")')
    cancelled = {"tool": "search", "status": "cancelled", "error": "the run was stopped"}
    for call_id, name in zip(talk.ids, ["f1", "f2"], strict=True):
        content = json.dumps({"future": name, **cancelled})
        talk.messages.append({"role": "tool", "tool_call_id": call_id, "content": content})
    assert talk.say('f"{x}"') == []
    assert talk.text == "<x failed: the run was stopped>"
    with pytest.raises(PlanError, match="nothing was assigned to 'z'"):
        talk.say('f"{z}"')


def test_a_run_without_futures_keeps_its_results_after_an_interrupt() -> None:
    talk = Talk(futures=False)
    talk.say('x = search("A")\n\ny = search("B")')
    talk.settle("a")
    cancelled = {"future": "f2", "tool": "search", "status": "cancelled", "error": "the run was stopped"}
    talk.messages.append({"role": "tool", "tool_call_id": talk.ids[0], "content": json.dumps(cancelled)})
    assert talk.say('book(x)\n\nf"{y}"') == [("book", {"flight": "a"})]
    talk.settle(1)
    assert talk.text == "<y failed: the run was stopped>"


@BOTH
def test_a_name_whose_call_was_cut_off_stands_for_nothing(futures: bool) -> None:
    talk = Talk(futures=futures)
    talk.say('x = search("A")\ny = search("B")')
    del talk.messages[-1]["tool_calls"][1:]
    with pytest.raises(PlanError, match="nothing was assigned to 'y'"):
        talk.say("book(y)")


@BOTH
def test_a_plan_continues_after_the_last_call_of_a_reply_cut_short(futures: bool) -> None:
    talk = Talk(futures=futures)
    assert len(talk.say('x = search("A")\ny = search("B")\nz = search("C")\n\nf"{x}{y}{z}"')) == 3
    del talk.messages[-1]["tool_calls"][1:]
    del talk.ids[1:]
    assert talk.settle("a") == [("search", {"city": "B"}), ("search", {"city": "C"})]


def test_a_reply_cut_before_its_calls_is_given_again() -> None:
    talk = Talk()
    calls = talk.say('"I look."\nsearch("A")\n"Done."')
    talk.messages[-1] = {"role": "assistant", "content": "I lo"}
    assert talk.ask() == calls
    assert talk.text == "I look."


def test_calls_that_the_plan_did_not_make_only_count() -> None:
    talk = Talk()
    other = {"id": "other", "type": "function", "function": {"name": "unknown", "arguments": "{"}}
    talk.messages += [
        {"role": "user", "content": "Something else"},
        {"role": "assistant", "content": None, "tool_calls": [other]},
        {"role": "tool", "tool_call_id": "other", "content": json.dumps(failed("f1", "no such tool"))},
    ]
    assert talk.say('x = search("A")\nbook(x)\n"Done."')[1] == ("book", {"flight": "$f2"})


@BOTH
@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "assistant"}, {"role": "tool"}, {"role": "user"}, {"role": "assistant", "tool_calls": None}],
        [{"role": "user", "content": None}, {"role": "assistant", "tool_calls": [None, {}, {"function": None}]}],
        [{"role": "user", "content": "search('A')"}, {"role": "tool", "tool_call_id": "unknown", "content": "{"}],
        [{"role": "user", "content": [{"type": "text", "text": "search('A')"}, {"type": "image_url"}, None]}],
        [{"role": "user", "content": "x = search('A')"}, {"role": "assistant", "content": "no"}, {"role": "developer"}],
        [{"role": "tool", "tool_call_id": "a", "content": content} for content in ("[" * 9999, "[1]", '{"future": 3}')],
        [
            {"role": "tool", "content": '{"future": "f9", "status": []}'},
            {"role": "tool", "content": '[{"delivered": 3}]'},
        ],
    ],
)
def test_an_odd_history_does_not_keep_the_next_plan_from_running(messages: list[dict[str, Any]], futures: bool) -> None:
    talk = Talk(futures=futures, messages=[{"role": "user", "content": "Hello"}, *messages])
    assert talk.say('search("B")') == [("search", {"city": "B"})]


def test_without_futures_a_lost_answer_fails_the_dependent_calls() -> None:
    """The history has lost the answer to the call that they need."""
    talk = Talk(futures=False)
    talk.say('x = search("A")\n\ny = book(x)\nf"{y}"')
    assert talk.ask() == []
    assert talk.text == "<y skipped>"


def test_a_prompt_in_parts_is_one_plan() -> None:
    talk = Talk(messages=[])
    talk.messages.append({"role": "user", "content": [{"type": "text", "text": "search("}, {"text": '"A")'}]})
    assert talk.ask() == [("search", {"city": "A"})]


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "line", "problem"),
    [
        ("", 1, "the plan is empty"),
        ("What is the weather?", 1, "this is not Python"),
        ("search('A')\nserach('B')", 2, "there is no tool 'serach'"),
        ("book(x)", 1, "nothing was assigned to 'x'"),
        ("\nsearch(1, 2, 3)", 2, "search takes 2 arguments, not 3"),
    ],
)
def test_a_plan_that_cannot_run_is_an_error_before_anything_streams(plan: str, line: int, problem: str) -> None:
    """The error has the line of the plan."""
    with pytest.raises(PlanError, match=problem) as caught:
        Talk().say(plan)
    assert caught.value.line == line


def test_a_conversation_without_a_plan_is_an_error() -> None:
    with pytest.raises(PlanError, match="holds no plan"):
        Talk(messages=[{"role": "system", "content": "s"}]).ask()


@pytest.mark.parametrize("options", [{"ttft_ms": -1}, {"ttft_ms": float("nan")}, {"tokens_per_s": 0}])
def test_a_speed_out_of_range_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        RehearsalModel(**options)
