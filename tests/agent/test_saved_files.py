"""Conversations as files and as forks, and the histories that are refused or fixed, compared as a whole."""

import json
import types

import pytest

from asyncfc_jupyter.agent import Agent, Conversation, history, persistence
from asyncfc_jupyter.agent.history import Checker, fixed
from asyncfc_jupyter.agent.persistence import fork, from_json, to_json
from asyncfc_jupyter.core.futures import State
from asyncfc_jupyter.errors import HistoryFixed, InvariantBroken, UsageError
from asyncfc_jupyter.models.base import ReasoningDelta
from asyncfc_jupyter.runtime.restore import adopt
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from tests.agent.scripted_conversation import TOOLS

DONE = [Says("done")]
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
ASKED, SAID = {"role": "user", "content": "go"}, {"role": "assistant", "content": "hm"}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ANSWERED = {"role": "tool", "tool_call_id": "c1", "content": "1"}


class Thinking(ScriptedModel):
    """Wants to see its reasoning again."""

    async def stream(self, request):
        yield ReasoningDelta(text="Hm.", field="reasoning")
        async for delta in super().stream(request):
            yield delta


def messages_text(conversation):
    return [json.dumps(message, ensure_ascii=False) for message in conversation.messages]


def test_a_conversation_is_saved_forked_and_read_as_kept(expected) -> None:
    """The conversation has a failure, a skipped call, a pending call, and values that no file can hold."""

    async def main():
        replies = [
            [
                Calls("shout", {"text": "a"}),
                Calls("fails", {"reason": "é"}),
                Calls("shout", {"text": "$f2"}),
                Calls("slow", {"seconds": 50}),
                Thinks(60),
            ],
            [Thinks(1), Calls("await_future", {"futures": ["f1"]})],
            DONE,
            DONE,
        ]
        conversation = Conversation()
        await Agent(Thinking(*replies), tools=TOOLS).run("go", conversation=conversation)
        for value in (object, float("inf"), (1,), {1: 2}, [1.5, {"a": None}], True):
            adopt(conversation.driver, tool="adopted", arguments={"n": 1}, status="done", value=value, shown=False)
        text = to_json(conversation, system="Be brief.")
        read, system = from_json(text)
        forked = fork(conversation)
        for made in (read, forked):
            assert made.call_ids == conversation.call_ids
            assert list(made.driver.calls) == list(conversation.driver.calls)
        assert forked.learned == conversation.learned
        assert forked.messages is not conversation.messages
        model = ScriptedModel(DONE, DONE, DONE, DONE)
        agent = Agent(model, tools=TOOLS)
        texts = [text, f"system {system!r}"]
        for title, made in (("read", read), ("forked", forked)):
            run = await agent.run("and now?", conversation=made)
            untold = ", ".join(entry.name for entry in made.undelivered())
            texts.append(f"== {title}, untold: {untold or 'nothing'}\n{run.futures!r}")
            texts += messages_text(made)[len(conversation.messages) :]
        return "\n".join(texts)

    expected("saved.txt", run_virtually(main()))


def pending():
    """A conversation with a call that is pending, whose run has ended."""
    conversation = Conversation()
    entry = adopt(conversation.driver, tool="slow", arguments={"n": 1}, status="done", value=1, shown=False)
    entry.state = State.PENDING
    return conversation


def test_a_pending_call_counts_as_cancelled_in_a_file_and_in_a_fork() -> None:
    futures = json.loads(to_json(pending()))["futures"]
    stays = "it was pending when the conversation was {}, and its result stays there; make the call again"
    assert futures == [
        {
            "name": "f1",
            "tool": "slow",
            "arguments": {"n": 1},
            "told": False,
            "status": "cancelled",
            "error": stays.format("saved"),
        }
    ]
    branch = fork(pending())
    entry = branch.driver.calls["f1"]
    assert (entry.status, entry.error) == ("cancelled", stays.format("forked"))
    assert branch.undelivered() == (entry,)


def test_a_conversation_that_is_used_is_neither_forked_nor_saved() -> None:
    conversation = Conversation()
    conversation.busy = True
    with pytest.raises(UsageError, match="a run is using the conversation; wait for it or cancel it, then fork"):
        fork(conversation)
    with pytest.raises(UsageError, match="a run is using the conversation; wait for it or cancel it, then export"):
        to_json(conversation)


def futures_in(*contents):
    """The futures of a conversation read from a list of messages with these answers."""
    messages = [ASKED]
    for number, content in enumerate(contents):
        call = {**CALL, "id": f"c{number}"}
        messages += [{**CALLED, "tool_calls": [call]}, {**ANSWERED, "tool_call_id": f"c{number}", "content": content}]
    conversation, _ = from_json(json.dumps([*messages, SAID]))
    return [(entry.name, entry.tool) for entry in conversation.driver.issued]


@pytest.mark.parametrize(
    ("contents", "futures"),
    [
        (["text", "17", "[]", "{}", '{"future": 1}', '{"future": "f0"}', '{"future": "f01"}', '{"future": "xf1"}'], []),
        (['{"future": "f1", "tool": "a"}'], [("f1", "a")]),
        (['{"future": "f1"}'], [("f1", "unknown")]),
        (['{"future": "f3", "tool": "c"}'], [("f1", "unknown"), ("f2", "unknown"), ("f3", "c")]),
        (['[{"future": "f1", "tool": "a"}, 3, {"future": "f2", "tool": "b"}]'], [("f1", "a"), ("f2", "b")]),
        (['{"x": 1, "delivered": [{"future": "f1", "tool": "a"}, "x"]}'], [("f1", "a")]),
        (['{"delivered": 3}', '{"future": "f1", "tool": "a"}'], [("f1", "a")]),
        (['{"future": "f1", "tool": "a"}', '{"future": "f2", "tool": "b"}'], [("f1", "a"), ("f2", "b")]),
        (['{"future": "f100001"}', '{"future": "f999999"}', '{"future": "f1000000"}'], []),
    ],
)
def test_the_futures_of_a_list_of_messages_are_those_it_names(contents, futures) -> None:
    assert futures_in(*contents) == futures


def test_a_number_in_a_file_takes_memory_up_to_a_bound() -> None:
    made = list(history_futures('{"future": "f100000"}'))
    assert (len(made), made[-1].name, made[-1].lost) == (100_000, "f100000", "it is in no message as a whole")
    assert list(history_futures('{"future": "f100001"}')) == []


def history_futures(content):
    message = persistence._Message(role="tool", content=content, tool_call_id="c")
    return persistence._lost_futures([message])


REFUSED = {
    "two systems": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}],
    "nobody answered": [ASKED],
    "no name": [ASKED, {**CALLED, "tool_calls": [{**CALL, "function": {"name": "a b", "arguments": "{}"}}]}, ANSWERED],
    "NaN": [
        ASKED,
        {**CALLED, "tool_calls": [{**CALL, "function": {"name": "a", "arguments": '{"x":NaN}'}}]},
        ANSWERED,
        SAID,
    ],
    "half": [
        ASKED,
        {**CALLED, "tool_calls": [{**CALL, "function": {"name": "a", "arguments": '{"x":'}}]},
        ANSWERED,
        SAID,
    ],
    "a number": 3,
    "no format": {"messages": []},
    "another format": {"format": "asyncfc_jupyter conversation 2", "messages": []},
    "system": {"format": "asyncfc_jupyter conversation 1", "system": 3, "messages": []},
    "status": {
        "format": "asyncfc_jupyter conversation 1",
        "messages": [],
        "futures": [{"name": "f1", "tool": "t", "status": "pending"}],
    },
    "order": {
        "format": "asyncfc_jupyter conversation 1",
        "messages": [],
        "futures": [{"name": f"f{number}", "tool": "t", "status": "done"} for number in (2, 1)],
    },
    "unanswered": [ASKED, CALLED],
    "replay without a model": [ASKED, {**SAID, "replay": {"text": "a", "field": "reasoning"}}],
    "replay of a role": [ASKED, {**SAID, "replay": {"model": "m", "text": "a", "field": "content"}}],
    "replay of no text": [ASKED, {**SAID, "replay": {"model": "m", "text": 3, "field": "reasoning"}}],
    "replay of an unknown item": [ASKED, {**SAID, "replay": {"model": "m", "items": [{"type": "image"}]}}],
    "replay of a call": [ASKED, {**SAID, "replay": {"model": "m", "items": [{"type": "message", "call_id": 3}]}}],
}


def test_files_that_are_refused_say_why(expected) -> None:
    lines = []
    for what, content in REFUSED.items():
        with pytest.raises(UsageError) as refused:
            from_json(json.dumps(content))
        lines.append(f"{what}: {refused.value}")
    with pytest.raises(UsageError, match="is not a conversation: it cannot be read as JSON: Expecting value"):
        from_json("nothing")
    expected("refused_files.txt", "\n".join(lines))


@pytest.mark.parametrize(
    "kept",
    [
        {"model": "m", "text": "a", "field": "reasoning"},
        {"model": "m", "items": []},
        {
            "model": "m",
            "items": [{"type": "reasoning"}, {"type": "message"}, {"type": "function_call", "call_id": None}],
        },
        {},
        None,
    ],
)
def test_what_a_model_wants_to_see_again_is_read(kept) -> None:
    conversation, system = from_json(json.dumps([ASKED, {**SAID, "replay": kept}]))
    assert conversation.messages == [ASKED, {**SAID, "replay": kept} if kept else SAID]
    assert system is None


def test_the_system_text_of_a_list_is_its_first_message() -> None:
    conversation, system = from_json(json.dumps([{"role": "system", "content": "Be brief."}, ASKED, SAID]))
    assert (conversation.messages, system) == ([ASKED, SAID], "Be brief.")
    assert from_json("[]")[0].messages == []
    with pytest.raises(UsageError, match=r"is not a conversation: messages\.0: "):
        from_json("[3]")


def test_a_conversation_file_is_indented_and_ends_with_a_line_break() -> None:
    text = to_json(Conversation())
    assert text == (
        '{\n "format": "asyncfc_jupyter conversation 1",\n "system": null,\n "messages": [],\n "futures": []\n}\n'
    )


# -- histories -------------------------------------------------------------------------------------------------------


def with_calls(*calls, **more):
    return {**CALLED, "tool_calls": list(calls), **more}


BAD_NAME = {**CALL, "id": "c2", "function": {"name": "a b", "arguments": "{}"}}
LONG_NAME = {**CALL, "function": {"name": "n" * 65, "arguments": "{}"}}
NO_ID = {**CALL, "id": ""}
NO_OBJECT = {**CALL, "id": "c3", "function": {"name": "look", "arguments": "[]"}}
SECOND = {**CALL, "id": "c2"}
ANSWERED_2 = {**ANSWERED, "tool_call_id": "c2"}
HISTORIES = {
    "fine": [ASKED, CALLED, ANSWERED, SAID, ASKED],
    "two calls": [ASKED, with_calls(CALL, SECOND), ANSWERED, ANSWERED_2, SAID],
    "two calls, the other way": [ASKED, with_calls(CALL, SECOND), ANSWERED_2, ANSWERED],
    "the name is as long as may be": [
        ASKED,
        with_calls({**CALL, "function": {"name": "n" * 64, "arguments": "{}"}}),
        ANSWERED,
    ],
    "the name is too long": [ASKED, with_calls(LONG_NAME), ANSWERED],
    "no id": [ASKED, with_calls(NO_ID), {**ANSWERED, "tool_call_id": ""}],
    "one call cannot stand": [ASKED, with_calls(BAD_NAME, CALL, NO_OBJECT), ANSWERED, SAID],
    "no call can stand": [ASKED, with_calls(BAD_NAME), ANSWERED_2, ASKED],
    "no call can stand, and it is the last": [ASKED, with_calls(BAD_NAME), ANSWERED_2],
    "one answer is missing": [ASKED, with_calls(CALL, SECOND), ANSWERED_2],
    "unanswered": [ASKED, CALLED],
    "an answer too many": [ASKED, CALLED, ANSWERED, ANSWERED, SAID],
    "an answer to nobody": [ASKED, ANSWERED, SAID],
    "an answer at the beginning": [ANSWERED],
    "a call twice": [ASKED, CALLED, ANSWERED, CALLED, ANSWERED],
    "a call twice in a reply": [ASKED, with_calls(CALL, CALL), ANSWERED],
    "twice the person": [ASKED, ASKED, SAID],
    "twice the model": [ASKED, SAID, SAID, ASKED],
    "calls and then a reply": [ASKED, CALLED, SAID],
    "no text": [ASKED, {"role": "assistant", "content": None}, ASKED],
    "a person without a text": [{"role": "user", "content": None}, SAID],
    "another role": [{"role": "system", "content": "a"}, ASKED, SAID],
    "nothing": [],
}


def written(message):
    return json.dumps(message, sort_keys=True)


def test_histories_are_accepted_refused_and_fixed_as_kept(expected) -> None:
    lines = []
    for what, messages in HISTORIES.items():
        try:
            Checker().check(messages)
        except InvariantBroken as broken:
            lines.append(f"{what}: {broken.rule}. {broken.story}")
            result = fixed(messages)
            Checker().check(result)
            lines += [f"    {json.dumps(message)}" for message in result]
        else:
            lines.append(f"{what}: fine")
            assert sorted(map(written, fixed(messages))) == sorted(map(written, messages))
    expected("histories.txt", "\n".join(lines))


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, [0]), (1, [0, 1]), (5, [0, 1, 2, 3, 4, 5]), (6, [1, 2, 3, 4, 5, 6]), (8, [3, 4, 5, 6, 7, 8])],
)
def test_the_story_has_six_messages_up_to_the_one_that_breaks(number, shown) -> None:
    messages = [{"role": "user", "content": f"m{each}" + "x" * 400} for each in range(9)]
    story = history._story(messages, number)
    assert story.startswith(f"message {number} of 9: ")
    pieces = story.partition(": ")[2].split("; ")
    assert [piece.partition(" ")[0] for piece in pieces] == [f"[{each}]" for each in shown]
    assert {len(piece.partition(" ")[2]) for piece in pieces} == {300}


def test_what_was_sent_is_never_changed_nor_shortened() -> None:
    checker, messages = Checker(), [ASKED, SAID]
    checker.check(messages)
    checker.check([*messages, ASKED])
    for changed in ([ASKED, SAID, SAID], [ASKED, SAID], []):
        with pytest.raises(InvariantBroken, match="messages that were sent never change") as broken:
            checker.check(changed)
        assert broken.value.story.startswith(f"message {min(2, len(changed))} of {len(changed)}: ")
    checker.forget()
    checker.check(messages)


def test_the_ids_of_calls_differ_from_those_that_were_sent() -> None:
    checker = Checker()
    messages = [ASKED, CALLED, ANSWERED]
    checker.check(messages)
    with pytest.raises(InvariantBroken, match="the ids of tool calls differ"):
        checker.check([*messages, CALLED])
    checker.forget()
    checker.check([*messages, SAID])


def test_a_broken_history_is_fixed_with_a_notice() -> None:
    conversation = Conversation()
    conversation.messages = [ASKED, ASKED]
    with pytest.raises(InvariantBroken):
        conversation.check()
    with pytest.warns(HistoryFixed) as shown:
        conversation.make_valid()
    assert len(shown) == 1
    assert conversation.messages == [ASKED, {"role": "assistant", "content": "(stopped)"}, ASKED]


# -- a conversation --------------------------------------------------------------------------------------------------


def settled(conversation, **options):
    return adopt(
        conversation.driver,
        **{"tool": "look", "arguments": {}, "status": "done", "value": 1, "shown": False, **options},
    )


def test_results_that_the_model_did_not_get_are_sent_once_and_in_order() -> None:
    conversation = Conversation()
    one, two = settled(conversation), settled(conversation, value=2)
    assert conversation.undelivered() == (one, two)
    assert conversation.ready() == [one, two]
    assert conversation.awaited_by_end() == (one, two)
    conversation.mark_shown([one])
    assert (conversation.undelivered(), conversation.ready(), conversation.newly_shown) == ((two,), [two], [one])
    three = settled(conversation)
    assert conversation.ready() == [two, three]
    three.function = types.SimpleNamespace(detached=True)
    assert conversation.awaited_by_end() == (two,)
    two.state = State.PENDING
    conversation.mark_shown([two])
    assert conversation.undelivered() == (two, three)
    assert conversation.newly_shown == [one]


def test_a_gate_takes_an_id_that_no_call_has() -> None:
    conversation = Conversation()
    conversation.call_ids = {"asyncfc_gate_1", "asyncfc_gate_2"}
    call = conversation.gate_call(["f1", "f2"])
    assert call == {
        "id": "asyncfc_gate_3",
        "type": "function",
        "function": {"name": "await_future", "arguments": '{"futures": ["f1", "f2"]}'},
    }
    assert conversation.gate_call([])["id"] == "asyncfc_gate_4"


def test_a_prompt_without_a_reply_is_removed_and_replies_are_kept() -> None:
    conversation = Conversation()
    conversation.remove_prompt()
    conversation.append_prompt("go\ud800")
    conversation.check()
    assert conversation.messages == [{"role": "user", "content": "go?"}]
    conversation.remove_prompt()
    assert conversation.messages == []
    conversation.check()
    conversation.messages = [ASKED, SAID]
    conversation.remove_prompt()
    assert conversation.messages == [ASKED, SAID]


@pytest.mark.parametrize(
    ("messages", "text", "added"),
    [
        ([], "", []),
        ([], "text", []),
        ([ASKED], "", ["(stopped)"]),
        ([ASKED], "text", ["text"]),
        ([ASKED, SAID], "", []),
        ([ASKED, CALLED, ANSWERED], "", ["(stopped)"]),
    ],
)
def test_a_run_that_was_cut_ends_with_a_reply(messages, text, added) -> None:
    conversation = Conversation()
    conversation.messages = list(messages)
    conversation.close(text)
    assert [message["content"] for message in conversation.messages[len(messages) :]] == added


def test_a_run_that_was_cut_reports_the_outcomes_of_its_calls() -> None:
    conversation = Conversation()
    conversation.messages = [ASKED]
    entry, late = settled(conversation), settled(conversation)
    late.state = State.PENDING
    conversation.close("so")
    assert [message["role"] for message in conversation.messages] == ["user", "assistant", "tool"]
    assert json.loads(conversation.messages[-1]["content"]) == [
        {"future": "f1", "tool": "look", "arguments": {}, "status": "done", "value": 1}
    ]
    assert (conversation.messages[1]["content"], conversation.newly_shown) == ("so", [entry])
    assert conversation.undelivered() == (late,)


def test_data_for_replay_belongs_to_its_own_reply_only() -> None:
    conversation = Conversation()
    conversation.keep({"text": "Hm"}, "m")
    conversation.append_reply("a", [CALL], [ANSWERED])
    conversation.append_reply("", [])
    assert conversation.messages == [
        {"role": "assistant", "content": "a", "tool_calls": [CALL], "replay": {"model": "m", "text": "Hm"}},
        ANSWERED,
        {"role": "assistant", "content": ""},
    ]
    assert conversation.call_ids == {"c1"}
    conversation.keep({"text": "Hm"}, "m")
    conversation.keep({}, "m")
    conversation.append_reply("b", [])
    assert conversation.messages[-1] == {"role": "assistant", "content": "b"}
