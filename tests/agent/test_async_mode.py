"""The async mode, message by message: what is sent to the model, and when."""

import json

import pytest

from asyncfc_jupyter.agent import Agent, Conversation
from asyncfc_jupyter.core.events import AwaitOpened, CallStarted, ResultShown, TurnEnded, TurnStarted
from asyncfc_jupyter.errors import TurnLimitReached
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import TOOLS, new_answers, play, slow, times


def test_a_pending_call_is_answered_by_a_placeholder() -> None:
    """The placeholder cannot be taken for the result: it has no value, and its note says so."""
    _, model = play([Calls("slow", {"seconds": 5})], [Calls("shout", {"text": "a"})], [Says("done")], [Says("done")])
    placeholder = new_answers(model, 1)["s1"]
    assert placeholder["future"] == "f1"
    assert placeholder["status"] == "pending"
    assert placeholder["value"] is None
    assert "Not the result" in placeholder["note"]


def test_a_call_that_settled_during_the_reply_is_answered_by_its_value() -> None:
    _, model = play([Calls("slow", {"seconds": 1}), Thinks(2), Says("...")], [Says("done")])
    assert new_answers(model, 1)["s1"]["value"] == {"answer": "slept", "seconds": 1.0}
    assert len(model.requests) == 2


def test_a_call_starts_while_the_reply_that_holds_it_still_streams() -> None:
    run, _ = play([Calls("slow", {"seconds": 1}), Thinks(3), Says("still talking")], [Says("done")])
    assert times(run, CallStarted) == [0.0]
    assert times(run, TurnEnded)[0] == 3.0


def test_a_result_that_became_ready_is_added_to_the_next_tool_message() -> None:
    _, model = play(
        [Calls("slow", {"seconds": 1})],
        [Thinks(2), Calls("slow", {"seconds": 9, "answer": "b"})],
        [Says("done")],
        [Says("done")],
        hedge="off",
    )
    second = new_answers(model, 2)["s2"]
    assert second["status"] == "pending"
    assert [d["future"] for d in second["delivered"]] == ["f1"]
    assert second["delivered"][0]["value"]["answer"] == "slept"
    assert second["delivered"][0]["arguments"] == {"seconds": 1}
    assert "still_pending" not in second


def test_a_tool_message_names_what_is_still_pending() -> None:
    _, model = play(
        [Calls("slow", {"seconds": 60})],
        [Calls("slow", {"seconds": 50})],
        [Says("done")],
        [Says("done")],
        tools=[make_tool(slow, pure=True, timeout_s=None)],
    )
    assert new_answers(model, 2)["s2"]["still_pending"] == ["f1"]


def test_of_many_that_are_pending_the_first_are_named_and_all_are_counted() -> None:
    many = [Calls("slow", {"seconds": 100 + n}) for n in range(30)]
    _, model = play(
        many,
        [Calls("slow", {"seconds": 1})],
        [Thinks(5), Calls("slow", {"seconds": 900})],
        [Says("done")],
        [Says("done")],
    )
    last = model.requests[3].messages[-1]
    content = json.loads(last["content"])
    # Sixteen run at a time: f31 waits for a place after all of them, and f32 is the future of the message itself.
    assert content["future"] == "f32"
    assert content["still_pending"] == [f"f{number}" for number in range(1, 21)]
    assert content["still_pending_in_all"] == 31


def test_added_results_have_the_order_of_their_calls() -> None:
    """The order in which the calls settled does not count."""
    calls = [Calls("slow", {"seconds": seconds}) for seconds in (4, 3, 2, 60)]
    _, model = play(calls, [Thinks(9), Calls("slow", {"seconds": 70})], [Says("done")], [Says("done")])
    content = new_answers(model, 2)["s5"]
    assert [each["future"] for each in content["delivered"]] == ["f1", "f2", "f3"]
    assert content["still_pending"] == ["f4"]
    assert "still_pending_in_all" not in content


def test_a_reference_is_replaced_by_the_value_before_and_after_it_is_there() -> None:
    run, _ = play(
        [Calls("slow", {"seconds": 1, "answer": "hi"}), Calls("shout", {"text": "$f1.answer"})],
        [Thinks(2), Calls("shout", {"text": "$f1.answer"})],
        [Says("done")],
        hedge="off",
    )
    assert run.futures["f2"].result() == run.futures["f3"].result() == "HI"
    assert run.why("f2") == "f2 (shout) waited 1.0 s: needs $f1.answer"


def test_await_future_waits_without_a_request_and_answers_with_a_list() -> None:
    run, model = play(
        [Calls("slow", {"seconds": 5})],
        [Calls("await_future", {"futures": ["$f1"]})],
        [Says("done")],
    )
    (answer,) = new_answers(model, 2)["s2"]
    assert answer["status"] == "done"
    assert answer["value"]["seconds"] == 5
    assert len(model.requests) == 3
    assert times(run, TurnStarted)[-1] == 5.0


def test_await_future_returns_pending_at_its_timeout() -> None:
    _, model = play(
        [Calls("slow", {"seconds": 50})],
        [Calls("await_future", {"futures": "f1", "timeout_s": 1})],
        [Says("done")],
        [Says("done")],
    )
    assert new_answers(model, 2)["s2"][0]["status"] == "pending"


def test_await_future_any_returns_with_the_first() -> None:
    run, _ = play(
        [Calls("slow", {"seconds": 9}), Calls("slow", {"seconds": 2})],
        [Calls("await_future", {"futures": ["f1", "f2"], "mode": "any"})],
        [Says("done")],
        [Says("done")],
    )
    assert times(run, TurnStarted)[2] == 2.0


@pytest.mark.parametrize(
    "arguments", [{"futures": [7]}, {"futures": ["f9"]}, {"futures": ["f1"], "mode": "some"}, "{nonsense"]
)
def test_an_invalid_await_is_an_error_for_the_model_and_the_run_continues(arguments) -> None:
    run, model = play([Calls("shout", {"text": "a"}), Calls("await_future", arguments)], [Says("done")])
    assert new_answers(model, 1)["s2"][0]["status"] == "failed"
    assert run.answer == "done"


def test_await_future_without_names_waits_for_every_pending_call() -> None:
    """It repeats no value that another message of the reply holds, and says when nothing is pending."""
    run, model = play(
        [Calls("slow", {"seconds": 5}), Calls("slow", {"seconds": 9})],
        [Calls("slow", {"seconds": 2}), Calls("await_future")],
        [Calls("await_future", {"futures": []})],
        [Says("done")],
    )
    answers = new_answers(model, 2)
    assert answers["s3"]["value"]["seconds"] == 2
    assert [(o["future"], o.get("status")) for o in answers["s4"]] == [("f1", "done"), ("f2", "done"), ("f3", None)]
    assert "Nothing is pending" in new_answers(model, 3)["s5"][0]["note"]
    assert times(run, TurnStarted)[2] == 9.0 + times(run, TurnStarted)[0]


@pytest.mark.parametrize("wait", [{"futures": ["f1", "f2"], "mode": "any"}, {"futures": ["f1", "f2"], "timeout_s": 1}])
def test_await_future_reports_no_outcome_of_a_call_that_is_still_running(wait) -> None:
    """Both calls are of its own reply, and only of the settled one it says that another message has the outcome."""
    _, model = play(
        [Calls("shout", {"text": "a"}), Calls("slow", {"seconds": 9}), Calls("await_future", wait)],
        [Says("done")],
        [Says("done")],
    )
    over, running = new_answers(model, 1)["s3"]
    assert over == {"future": "f1", "tool": "shout", "note": "Its outcome is in another tool message of this reply."}
    assert (running["future"], running["status"]) == ("f2", "pending")
    assert "still running" in running["note"]
    assert new_answers(model, 1)["s2"]["status"] == "pending"


def test_an_answer_is_held_back_until_every_result_was_delivered() -> None:
    run, model = play([Calls("slow", {"seconds": 5})], [Says("premature")], [Says("informed")])
    assert run.answer == "informed"
    assistant = model.requests[2].messages[-2]
    assert assistant["content"] == "premature"
    assert assistant["tool_calls"][0]["function"]["name"] == "await_future"
    (delivered,) = json.loads(model.requests[2].messages[-1]["content"])
    assert delivered["value"]["seconds"] == 5
    assert [s.event.by_layer for s in run.trace if isinstance(s.event, AwaitOpened)] == [True]


def test_the_model_sees_each_result_once_and_the_trace_says_when() -> None:
    run, _ = play([Calls("slow", {"seconds": 5})], [Says("premature")], [Says("informed")])
    assert [(s.event.future, s.event.turn) for s in run.trace if isinstance(s.event, ResultShown)] == [("f1", 3)]


def test_a_failed_call_is_reported_to_the_model_and_skips_its_dependents() -> None:
    _, model = play(
        [Calls("fails", {"reason": "no power"}), Calls("shout", {"text": "$f1"}), Calls("shout", {"text": "b"})],
        [Says("ok")],
    )
    answers = new_answers(model, 1)
    assert answers["s1"]["error"] == "ValueError: no power"
    assert answers["s2"]["status"] == "skipped"
    assert "f1 (fails) failed: ValueError: no power" in answers["s2"]["error"]
    assert answers["s3"]["value"] == "B"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (Calls("shuot", {"text": "a"}), "there is no tool 'shuot'; the tools are: slow, shout, fails."),
        (Calls("shout", {"txt": "a"}), "'text' is missing; there is no parameter 'txt' (there are: text)"),
        (Calls("shout", '{"text": '), "cannot be read"),
        (Calls("shout", {"text": "$f7"}), "no earlier call of this conversation produced f7 (known: f1)"),
        (Calls("slow", {"seconds": "$f1.nothing"}), "f1 has no field 'nothing'; it has: answer, seconds"),
        (Calls("shout", {"text": "f1"}), 'write "$f1"'),
        (Calls("slow", {"seconds": "soon"}), "'seconds': input should be a valid number"),
    ],
)
def test_an_invalid_call_fails_with_what_was_seen_and_the_remedy(call, error) -> None:
    run, model = play([Calls("slow", {"seconds": 0.01}), call], [Says("sorry")])
    answer = new_answers(model, 1)["s2"]
    assert (answer["future"], answer["status"]) == ("f2", "failed")
    assert error in answer["error"]
    assert run.answer == "sorry"


def test_a_call_that_takes_too_long_is_a_timeout_for_the_model() -> None:
    tool = make_tool(slow, pure=True, timeout_s=3)
    run, model = play([Calls("slow", {"seconds": 9})], [Says("x")], [Says("done")], tools=[tool])
    (delivered,) = json.loads(model.requests[2].messages[-1]["content"])
    assert delivered["status"] == "timeout"
    assert run.metrics.makespan_s == 3.0


def test_text_that_merely_contains_a_reference_and_the_escape_stay_text() -> None:
    run, _ = play([Calls("shout", {"text": "a $f1 b"}), Calls("shout", {"text": "$$f1"})], [Says("done")])
    assert run.futures["f1"].result() == "A $F1 B"
    assert run.futures["f2"].result() == "$F1"


def test_a_reference_inside_a_result_is_not_followed() -> None:
    async def tricky() -> str:
        """Return text that looks like a reference."""
        return "$f1"

    tools = [*TOOLS, make_tool(tricky, pure=True)]
    run, _ = play(
        [Calls("shout", {"text": "x"}), Calls("tricky"), Calls("shout", {"text": "$f2"})], [Says("done")], tools=tools
    )
    assert run.futures["f3"].result() == "$F1"


def test_the_turn_limit_stops_a_run_and_keeps_its_results() -> None:
    """The model calls a tool in each turn and never answers."""
    model = ScriptedModel(*[[Calls("shout", {"text": "again"})]] * 3)
    conversation = Conversation()
    agent = Agent(model, tools=TOOLS, max_turns=3)

    async def main():
        run = agent.start("go", conversation=conversation)
        with pytest.raises(TurnLimitReached, match="has not answered within 3 turns"):
            await run.wait()
        return run

    run = run_virtually(main())
    assert run.outcome == "stopped"
    assert run.futures["f3"].result() == "AGAIN"
    conversation.check()


def test_names_are_counted_on_in_the_next_run_of_a_conversation() -> None:
    model = ScriptedModel([Calls("shout", {"text": "a"})], [Says("1")], [Calls("shout", {"text": "$f1"})], [Says("2")])
    conversation = Conversation()
    agent = Agent(model, tools=TOOLS)

    async def main():
        await agent.run("go", conversation=conversation)
        return await agent.run("on", conversation=conversation)

    run = run_virtually(main())
    assert run.futures["f2"].result() == "A"


def test_an_observer_that_raises_is_dropped_and_the_run_continues(caplog) -> None:
    model = ScriptedModel([Says("hello")])
    seen, before_it_broke = [], []

    def broken(stamped):
        before_it_broke.append(stamped)
        raise RuntimeError("bad listener")

    run = run_virtually(Agent(model).run("go", observers=[broken, seen.append]))
    assert run.answer == "hello"
    assert [s.seq for s in seen] == list(range(len(run.trace)))
    assert "broken" in caplog.text
    assert len(before_it_broke) == 1
