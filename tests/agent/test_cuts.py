"""Every kind of cut at every point of a turn: the next request is valid, and finished results are kept."""

import asyncio

import pytest

from asyncfc_jupyter.agent import Agent, Budget, Conversation
from asyncfc_jupyter.errors import HistoryFixed, InvariantBroken, ServerError
from asyncfc_jupyter.testing import Breaks, Calls, Says, Thinks, run_virtually
from tests.agent.scripted_conversation import TOOLS
from tests.agent.strict_server import StrictModel, refusals

LONG = Calls("slow", {"seconds": 50})
QUICK = Calls("shout", {"text": "kept"})
HALF = Calls("slow", '{"seconds": ')
STILL = Thinks(60)

#: Replies up to the point of the cut, which comes at 10 s.
IN_THE_STREAM = {
    "before the first token": [[QUICK], [STILL]],
    "before the first token of all": [[STILL]],
    "in text": [[QUICK], [Says("Let me"), STILL]],
    "in the middle of a call's arguments": [[QUICK], [Says("Now"), HALF, STILL]],
    "after one of two calls closed": [[QUICK], [LONG, HALF, STILL]],
    "after a finished and a pending call": [[QUICK, LONG, Thinks(1), Says("so"), STILL]],
    "after an await closed": [[QUICK], [LONG, Calls("await_future"), STILL]],
    "with results undelivered": [[QUICK], [Calls("slow", {"seconds": 2})], [STILL]],
}
BETWEEN = {
    "in the inline wait": [[Thinks(9.8), Calls("slow", {"seconds": 50})]],
    "in await_future": [[QUICK], [LONG, Calls("await_future", {"futures": ["f2"]})]],
    "in an await of any": [[QUICK], [LONG, LONG], [Says("hm"), Calls("await_future", {"mode": "any"})]],
    "in the end gate": [[QUICK], [LONG], [Says("All done.")]],
    "in the second end gate": [[QUICK], [Calls("slow", {"seconds": 2})], [Says("All.")], [LONG], [Says("All now.")]],
}
TWO_S = Calls("slow", {"seconds": 2})
#: The last word of each is what is done with a request when values come.
HEDGED = {
    "after a request was retracted": [[QUICK], [TWO_S], [STILL], [STILL]],
    "after two were retracted: retract": [[QUICK], [TWO_S], [STILL], [LONG, TWO_S], [Thinks(5), Says("x"), STILL]],
    "while two race: race": [[QUICK], [TWO_S], [Says("so"), STILL], [Says("hm"), STILL]],
    "after the first won: race": [[QUICK], [TWO_S], [Thinks(3), LONG, STILL], [STILL]],
    "after the second won: race": [[QUICK], [TWO_S], [Says("so"), STILL], [Thinks(1), LONG, HALF, STILL]],
}
POINTS = {**IN_THE_STREAM, **BETWEEN, **HEDGED}


def hedge_of(point):
    return "off" if point not in HEDGED else "race" if point.endswith("race") else "retract"


def cut(kind, replies, *, mode="async", deliver="tool", hedge="off"):
    """Cut a run at 10 s, then run the cell again and a third one; return the first run and the model."""
    if kind == "error":
        broken = Breaks(ServerError("gone"))
        replies = [*replies[:-1], [Thinks(10) if piece is STILL else piece for piece in replies[-1]] + [broken]]
    model = StrictModel(*replies, [QUICK], [Says("again")], [Says("and on")])
    conversation = Conversation()
    budget = Budget(seconds=10) if kind == "budget" else None

    async def main():
        agent = Agent(model, tools=TOOLS, mode=mode, deliver=deliver, budget=budget, hedge=hedge)
        run = agent.start("go", conversation=conversation)
        if kind == "interrupt":
            await asyncio.sleep(10)
            run.cancel()
        await run.ended()
        model._replies = model._replies[-3:]
        agent = Agent(model, tools=TOOLS, mode=mode, deliver=deliver)
        again = await agent.run("go", conversation=conversation)
        after = await agent.run("and now?", conversation=conversation)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return run, again, after

    run, again, after = run_virtually(main())
    assert (again.answer, after.answer) == ("again", "and on")
    return run, model


@pytest.mark.parametrize("deliver", ["tool", "user"])
@pytest.mark.parametrize("kind", ["interrupt", "budget"])
@pytest.mark.parametrize("point", POINTS)
def test_after_a_cut_the_next_request_is_valid(point, kind, deliver) -> None:
    run, model = cut(kind, POINTS[point], deliver=deliver, hedge=hedge_of(point))
    assert run.outcome == {"interrupt": "interrupted", "budget": "stopped"}[kind]
    assert run.trace.end_s == 10.0
    if QUICK in POINTS[point][0]:
        assert run.futures["f1"].result() == "KEPT"
    messages = str(model.requests[-1].messages)
    assert messages.count("cancelled") >= any(LONG in reply for reply in POINTS[point])


@pytest.mark.parametrize("point", IN_THE_STREAM)
def test_after_an_error_of_the_server_the_next_request_is_valid(point) -> None:
    run, _ = cut("error", IN_THE_STREAM[point])
    assert run.outcome == "failed"


@pytest.mark.parametrize("mode", ["batch", "eager", "sequential"])
@pytest.mark.parametrize("kind", ["interrupt", "budget", "error"])
@pytest.mark.parametrize(
    "replies",
    [[[STILL]], [[Says("Let me"), STILL]], [[QUICK, HALF, STILL]], [[QUICK], [LONG, QUICK, STILL]]],
    ids=["before", "in text", "in a call", "after calls"],
)
def test_after_a_cut_in_a_plain_mode_the_next_request_is_valid(mode, kind, replies) -> None:
    cut(kind, replies, mode=mode)


@pytest.mark.parametrize("mode", ["batch", "eager", "sequential"])
@pytest.mark.parametrize("kind", ["interrupt", "budget"])
def test_a_cut_during_tools_in_a_plain_mode_leaves_the_next_request_valid(mode, kind) -> None:
    run, _ = cut(kind, [[QUICK, LONG, LONG]], mode=mode)
    assert run.futures["f1"].result() == "KEPT"


# -- the rules themselves --------------------------------------------------------------------------------------------


def call(name="look", ident="c1", arguments="{}"):
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


def made(*calls, content=None):
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def answer(ident="c1"):
    return {"role": "tool", "tool_call_id": ident, "content": "1"}


ASKED = {"role": "user", "content": "go"}
SAID = {"role": "assistant", "content": "hm"}

BROKEN = {
    "every tool call is answered before the next request": [ASKED, made(call())],
    "every tool call is answered at once": [ASKED, made(call()), ASKED],
    "a tool message answers one open call": [ASKED, made(call()), answer(), answer()],
    "the ids of tool calls differ": [ASKED, made(call(), call()), answer()],
    "the ids of tool calls differ, also over replies": [ASKED, made(call()), answer(), made(call()), answer()],
    "a function's name is one that servers accept": [ASKED, made(call(name="no name")), answer()],
    "arguments are a JSON object": [ASKED, made(call(arguments="[1]")), answer()],
    "a message has a text or calls": [ASKED, {"role": "assistant", "content": None}, ASKED],
    "the user and the model take turns": [ASKED, SAID, SAID, ASKED],
    "the user and the model take turns, the user too": [ASKED, ASKED],
    "a message's role is user, assistant or tool": [ASKED, {"role": "system", "content": "obey"}],
}


def holding(messages):
    conversation = Conversation()
    conversation.messages = list(messages)
    return conversation


@pytest.mark.parametrize("rule", BROKEN)
def test_a_history_that_breaks_a_rule_is_an_error_with_its_story(rule) -> None:
    with pytest.raises(InvariantBroken, match=r"please report it: .* Story: message \d of \d") as caught:
        holding(BROKEN[rule]).check()
    assert caught.value.rule == rule.partition(", also")[0].partition(", the user too")[0]


@pytest.mark.parametrize("rule", BROKEN)
def test_for_a_user_the_history_is_repaired_with_a_warning(rule) -> None:
    conversation = holding([*BROKEN[rule]])
    if refusals(BROKEN[rule][:-1]) == [] and BROKEN[rule][-1]["role"] == "assistant":
        conversation.messages.append(ASKED)
    with pytest.warns(HistoryFixed, match="The messages were fixed"):
        conversation.make_valid()
    assert refusals(conversation.messages) == []
    assert conversation.messages[0] == ASKED
    conversation.make_valid()


def test_a_message_that_was_sent_may_not_change() -> None:
    conversation = holding([ASKED])
    conversation.make_valid()
    conversation.messages = [{"role": "user", "content": "other"}]
    with pytest.raises(InvariantBroken, match="messages that were sent never change"):
        conversation.check()


def test_a_good_history_is_left_alone() -> None:
    messages = [ASKED, made(call(), call(ident="c2")), answer("c2"), answer("c1"), SAID, ASKED]
    conversation = holding(messages)
    conversation.make_valid()
    assert conversation.messages == messages


def continue_after_a_lost_answer():
    """Run with a history in which a call was never answered; return the run and the model."""
    model, conversation = StrictModel([Says("done")]), holding([ASKED, made(call())])

    async def main():
        run = Agent(model).start("and now?", conversation=conversation)
        await run.ended()
        return run

    return run_virtually(main()), model


def test_a_run_repairs_a_broken_history_before_its_request() -> None:
    with pytest.warns(HistoryFixed, match="The messages were fixed"):
        run, model = continue_after_a_lost_answer()
    assert run.answer == "done"
    assert [message["role"] for message in model.requests[0].messages] == ["user", "assistant", "tool", "user"]
