"""Replies that break off are continued; budgets end a run cleanly."""

import asyncio
import json
import re

import pytest

from asyncfc_jupyter.agent import Agent, Budget, Conversation
from asyncfc_jupyter.core.events import CallStarted, RequestRetried
from asyncfc_jupyter.errors import BudgetSpent, ServerError, ServerTimedOut, UsageError
from asyncfc_jupyter.models.base import Finish, Retrying, Usage
from asyncfc_jupyter.testing import Breaks, Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import TOOLS, new_answers, play, times

LOST = Breaks(ServerError("the line broke", transient=True))
CALL = Calls("shout", {"text": "a"})


def stopped(model, mode="async", prompt="go", **options):
    """Run to a stop, then run again in the same conversation; return the run."""
    conversation = Conversation()

    async def main():
        run = Agent(model, tools=TOOLS, mode=mode, **options).start(prompt, conversation=conversation)
        await run.ended()
        conversation.check()
        return run

    return run_virtually(main())


@pytest.mark.parametrize("mode", ["async", "eager"])
def test_after_a_break_a_started_call_is_not_started_again(mode) -> None:
    """The model continues from it: the next request holds the text, the call and its value."""
    run, model = play([Says("Look: "), CALL, Thinks(1), LOST], [Says("done")], mode=mode)
    assert run.answer == "done"
    assert len(times(run, CallStarted)) == 1
    assistant = model.requests[1].messages[-2]
    assert (assistant["content"], len(assistant["tool_calls"])) == ("Look: ", 1)
    assert "A" in model.requests[1].messages[-1]["content"]


@pytest.mark.parametrize("mode", ["batch", "sequential"])
def test_a_break_before_any_call_starts_retries_the_same_request(mode) -> None:
    run, model = play([CALL, Thinks(1), LOST], [CALL], [Says("done")], mode=mode)
    assert model.requests[1].messages == model.requests[0].messages
    assert len(times(run, CallStarted)) == 1


def test_after_a_break_in_the_text_the_whole_answer_is_given_again() -> None:
    run, model = play([Says("Half an "), LOST], [Says("Half an answer, whole.")])
    assert run.answer == "Half an answer, whole."
    assert model.requests[1].messages == model.requests[0].messages


def test_a_call_cut_in_the_middle_neither_runs_nor_enters_the_history() -> None:
    run, model = play([CALL, Calls("shout", '{"text": "b'), LOST], [Says("done")])
    assert len(run.futures) == 1
    assert [call["id"] for call in model.requests[1].messages[-2]["tool_calls"]] == ["s1"]


def test_a_pending_call_survives_a_break_and_its_value_reaches_the_model() -> None:
    run, model = play(
        [Calls("slow", {"seconds": 9}), Thinks(1), LOST], [Calls("await_future")], [Says("done")], [Says("x")]
    )
    assert new_answers(model, 1)["s1"]["status"] == "pending"
    assert new_answers(model, 2)["s2"][0]["value"]["seconds"] == 9
    assert run.metrics.makespan_s == 9.0


def test_an_irreversible_call_of_a_broken_reply_is_skipped() -> None:
    """The model may repeat the call in its next reply."""
    sent = []

    async def send(text: str) -> str:
        """Send a mail."""
        sent.append(text)
        return "sent"

    mail = Calls("send", {"text": "hello"})
    run, model = play(
        [CALL, mail, Thinks(1), LOST], [mail], [Says("done")], tools=[*TOOLS, make_tool(send, irreversible=True)]
    )
    answers = new_answers(model, 1)
    assert (answers["s1"]["status"], answers["s2"]["status"]) == ("done", "skipped")
    assert "cut off" in answers["s2"]["error"]
    assert (run.answer, sent) == ("done", ["hello"])


def test_each_break_is_reported_with_its_pause_and_pauses_grow() -> None:
    run, _ = play(*[[Says("x"), LOST]] * 3, [Says("done")])
    retried = [stamped.event for stamped in run.trace if isinstance(stamped.event, RequestRetried)]
    assert [event.attempt for event in retried] == [1, 2, 3]
    assert retried[0].message == "the line broke"
    assert 0.25 <= retried[0].pause_s <= 0.5 <= retried[1].pause_s <= 1.0 <= retried[2].pause_s <= 2.0


def test_the_pause_that_a_server_asks_for_is_kept() -> None:
    run, _ = play([Says("x"), Breaks(ServerError("busy", transient=True, retry_after_s=7))], [Says("done")])
    assert run.metrics.makespan_s == 7.0


@pytest.mark.parametrize(
    "reply",
    [
        [Breaks(ServerTimedOut("nothing came", transient=True))],
        [Says("x"), Breaks(ServerError("bad key", status=401))],
        [Says("x"), Breaks(ServerError("come back tomorrow", transient=True, retry_after_s=86_400))],
    ],
    ids=["waited long already", "for good", "too long a pause"],
)
def test_an_error_that_will_not_pass_soon_is_not_retried(reply) -> None:
    run = stopped(ScriptedModel(reply))
    assert isinstance(run.error, ServerError)
    assert run.trace.end_s == 0.0


def test_a_request_without_any_reply_is_retried_unless_the_adapter_did_so() -> None:
    class Retried(ScriptedModel):
        async def stream(self, request):
            yield Retrying(attempt=1, message="the line broke", pause_s=1)
            async for delta in super().stream(request):
                yield delta

    assert stopped(ScriptedModel([LOST], [Says("done")])).answer == "done"
    assert isinstance(stopped(Retried([LOST], [Says("done")])).error, ServerError)


def test_repeated_breaks_fail_the_run_and_keep_its_results() -> None:
    replies = [[Calls("shout", {"text": str(number)}), Thinks(1), LOST] for number in range(9)]
    model = ScriptedModel(*replies)
    run = stopped(model)
    assert (run.outcome, len(model.requests)) == ("failed", 4)
    assert [future.result() for future in run.futures.values()] == ["0", "1", "2", "3"]


def test_an_interrupt_in_the_pause_leaves_a_valid_history() -> None:
    conversation = Conversation()
    model = ScriptedModel([CALL, Thinks(1), LOST], [Says("on")])

    async def main():
        broke = asyncio.Event()
        observe = lambda stamped: isinstance(stamped.event, RequestRetried) and broke.set()  # noqa: E731
        run = Agent(model, tools=TOOLS).start("go", conversation=conversation, observers=[observe])
        await broke.wait()
        run.cancel()
        await run.ended()
        return await Agent(model, tools=TOOLS).run("on", conversation=conversation)

    assert run_virtually(main()).answer == "on"


# -- budgets ---------------------------------------------------------------------------------------------------------


def calls_for_ever(count=20):
    return [[Thinks(1), Calls("slow", {"seconds": 0.5, "answer": str(number)})] for number in range(count)]


@pytest.mark.parametrize("mode", ["async", "batch"])
@pytest.mark.parametrize(
    ("budget", "options", "says"),
    [
        (
            "requests",
            {"budget": Budget(requests=3)},
            r"within 3 requests \(3 used\).*Budget\(requests=...\) \(--max-requests\)",
        ),
        (
            "tokens",
            {"budget": Budget(tokens=2500)},
            r"within 2500 tokens \(\d+ used\).*Budget\(tokens=...\) \(--max-tokens\)",
        ),
        ("seconds", {"budget": Budget(seconds=3.2)}, r"within 3.2 seconds \(3.2 used\).*\(--max-seconds\)"),
        ("turns", {"max_turns": 3}, r"within 3 turns \(3 used\).*max_turns \(--max-turns\)"),
    ],
)
def test_a_spent_budget_stops_the_run_and_keeps_its_results(mode, budget, options, says) -> None:
    """The error names the budget."""
    run = stopped(ScriptedModel(*calls_for_ever()), mode=mode, **options)
    assert run.outcome == "stopped"
    assert isinstance(run.error, BudgetSpent)
    assert run.error.budget == budget
    assert re.search(says, str(run.error)), str(run.error)
    assert run.futures["f1"].result()["answer"] == "0"


def test_the_servers_own_count_of_tokens_overrides_the_estimate() -> None:
    class Counting(ScriptedModel):
        async def stream(self, request):
            async for delta in super().stream(request):
                yield delta
                if isinstance(delta, Finish):
                    yield Usage(input_tokens=900, output_tokens=100)

    model = Counting(*calls_for_ever())
    run = stopped(model, budget=Budget(tokens=2500))
    assert (run.error.used, len(model.requests)) == (3000, 3)


def test_the_estimate_counts_all_that_each_request_sends() -> None:
    """What an earlier request sent counts again, since each one sends it again."""
    model = ScriptedModel(*calls_for_ever())
    run = stopped(model, mode="batch", system="s" * 2000, prompt="p" * 2000, budget=Budget(tokens=3000))
    tools = len(json.dumps(model.requests[0].tools)) // 4
    assert tools > 100
    assert len(model.requests) == 3
    assert 3 * (1000 + tools) < run.error.used < 3 * (1000 + tools + 100)


def test_retried_requests_count_and_broken_turns_do_not() -> None:
    replies = [[Says("x"), LOST], [Says("y"), LOST], [Says("done")]]
    assert stopped(ScriptedModel(*replies), max_turns=1).answer == "done"
    assert stopped(ScriptedModel(*replies), budget=Budget(requests=2)).error.budget == "requests"


@pytest.mark.parametrize("limits", [{"requests": 0}, {"tokens": -1}, {"seconds": 0}, {"seconds": float("nan")}])
def test_a_budget_of_zero_is_refused(limits) -> None:
    with pytest.raises(UsageError, match="give a number above 0"):
        Budget(**limits)


# -- deliver ---------------------------------------------------------------------------------------------------------


def test_results_can_be_delivered_in_the_users_place() -> None:
    run, model = play(
        [Calls("slow", {"seconds": 1})],
        [Thinks(2), Calls("slow", {"seconds": 9})],
        [Says("premature")],
        [Says("done")],
        deliver="user",
        hedge="off",
    )
    first, second = (json.loads(model.requests[n].messages[-1]["content"]) for n in (2, 3))
    assert [m["role"] for m in model.requests[3].messages[-3:]] == ["user", "assistant", "user"]
    assert [d["future"] for d in first["delivered"]] == ["f1"]
    assert [d["value"]["seconds"] for d in second["delivered"]] == [9]
    assert run.answer == "done"


def test_the_rehearsal_model_reads_results_in_either_place() -> None:
    plan = 'a = slow(seconds=2)\n\nb = slow(seconds=1)\n\nc = shout(text="x")\n\nf"{a.answer} {b.seconds} {c}"'
    answers = [
        run_virtually(Agent("rehearsal", tools=TOOLS, deliver=deliver).run(plan)).answer for deliver in ("tool", "user")
    ]
    assert answers == ["slept 1.0 X"] * 2


def test_another_place_is_refused() -> None:
    with pytest.raises(UsageError, match="deliver is 'system'; it can be: tool, user"):
        Agent(ScriptedModel(), deliver="system")
