"""Calls that need the user's approval, while all others keep running."""

import asyncio
import threading

import pytest

from asyncfc_jupyter.agent import Agent, Conversation
from asyncfc_jupyter.core.events import ApprovalAsked, ApprovalGiven, CallFinished, CallStarted
from asyncfc_jupyter.errors import AgentInterrupted, ToolSkipped
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import TOOLS, new_answers, play, times


async def pay(amount: int) -> str:
    """Pay somebody."""
    return f"paid {amount}"


PAY = make_tool(pay, writes="money", approve=True)
TALK = [Calls("pay", {"amount": 5}), Thinks(9)]
DONE = [Says("done")]


def asked(approver, *, talk=TALK, **options):
    return play(talk, DONE, DONE, tools=[PAY, *TOOLS], approver=approver, **options)


def test_a_yes_starts_the_call_and_the_question_shows_the_call() -> None:
    requests = []

    async def approver(request):
        requests.append(request)
        await asyncio.sleep(3)
        return True

    run, _ = asked(approver, talk=[Calls("slow", {"seconds": 1}), Calls("pay", {"amount": "$f1.seconds"}), Thinks(9)])
    assert [str(request) for request in requests] == ["f2: pay(amount=1)"]
    assert requests[0].description == "Pay somebody."
    assert (times(run, ApprovalAsked), times(run, ApprovalGiven), times(run, CallStarted)) == ([1], [4], [0, 4])
    assert run.futures["f2"].result() == "paid 1"


def no(_request):
    return False


def breaks(_request):
    raise OSError("no terminal")


def leaves(_request):
    raise SystemExit(1)


async def never(_request):
    await asyncio.sleep(1e6)


@pytest.mark.parametrize(
    ("approver", "reason"),
    [
        (no, "not approved: the user said no"),
        (breaks, "not approved: asking failed (OSError: no terminal)"),
        (leaves, "not approved: asking failed (SystemExit: 1)"),
        (never, "not approved: no answer within 2 s"),
        (None, "not approved: pay needs the user's approval and there is no approver; pass approver="),
        *((lambda _request, answer=answer: answer, "not approved: the user said no") for answer in ("yes", 1, None)),
    ],
)
def test_any_answer_but_yes_skips_the_call_and_the_model_sees_why(approver, reason) -> None:
    run, model = asked(approver, approval_timeout_s=2)
    assert (run.futures["f1"].state, times(run, CallStarted)) == ("skipped", [])
    assert new_answers(model, 1)["s1"]["error"] == reason
    with pytest.raises(ToolSkipped, match="not approved"):
        run.futures["f1"].result()


def test_a_plain_approver_is_asked_in_a_thread_while_other_calls_run() -> None:
    finished = threading.Event()
    where = []

    def approver(_request):
        where.append(threading.current_thread())
        return finished.wait(20)

    async def main():
        agent = Agent(
            ScriptedModel([*TALK[:1], Calls("shout", {"text": "a"})], DONE, DONE),
            tools=[PAY, *TOOLS],
            approver=approver,
        )
        return await agent.run("go", observers=[lambda s: isinstance(s.event, CallFinished) and finished.set()])

    run = asyncio.run(main())
    assert where[0] is not threading.main_thread()
    assert [s.event.future for s in run.trace if isinstance(s.event, CallFinished)] == ["f2", "f1"]


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_an_interrupt_withdraws_the_question_and_the_next_run_works(kind) -> None:
    withdrawn, asked, answer = [], threading.Event(), threading.Event()

    async def wait_for_ever(_request):
        asked.set()
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            withdrawn.append(True)
            raise

    def wait_in_thread(_request):
        asked.set()
        return answer.wait(20)

    model = ScriptedModel(TALK, [Calls("shout", {"text": "a"})], DONE, DONE)
    approver = wait_for_ever if kind == "async" else wait_in_thread
    agent, conversation = Agent(model, tools=[PAY, *TOOLS], approver=approver), Conversation()

    async def main():
        first = agent.start("go", conversation=conversation)
        await asyncio.to_thread(asked.wait, 20)
        first.cancel()
        with pytest.raises(AgentInterrupted):
            await first.wait()
        answer.set()  # a yes that comes too late starts nothing
        second = await agent.run("and now?", conversation=conversation)
        return first, second, asyncio.all_tasks() - {asyncio.current_task()}

    first, second, left = asyncio.run(main())
    assert not left
    assert withdrawn == ([True] if kind == "async" else [])
    assert first.futures["f1"].state == "cancelled"
    assert not times(first, CallStarted)
    assert second.futures["f2"].result() == "A"
    conversation.check()


def test_dependents_of_a_refused_call_are_skipped_and_others_run() -> None:
    talk = [Calls("pay", {"amount": 5}), Calls("shout", {"text": "$f1"}), Calls("shout", {"text": "b"}), Thinks(1)]
    run, model = asked(no, talk=talk)
    assert [str(run.futures[name].state) for name in run.futures] == ["skipped", "skipped", "done"]
    assert new_answers(model, 1)["s2"]["error"] == "not approved: the user said no"


@pytest.mark.parametrize("mode", ["sequential", "batch", "eager", "async"])
def test_approval_works_in_every_mode(mode) -> None:
    async def yes(_request):
        return True

    assert asked(yes, mode=mode)[0].futures["f1"].result() == "paid 5"


def test_a_question_is_asked_for_each_of_two_calls_that_are_the_same() -> None:
    requests = []

    async def approver(request):
        requests.append(request.future)
        await asyncio.sleep(1)
        return request.future == "f1"

    tool = make_tool(pay, idempotent=True, writes="money", approve=True)
    run, _ = play(TALK[:1] * 2 + TALK[1:], DONE, tools=[tool], approver=approver)
    assert requests == ["f1", "f2"]
    assert [future.state.value for future in run.futures.values()] == ["done", "skipped"]


def test_a_bug_of_the_layer_in_a_call_fails_that_call_and_hangs_nothing(monkeypatch) -> None:
    async def faulty(_entry, _asked):
        raise AssertionError("ours")

    monkeypatch.setattr("asyncfc_jupyter.runtime.driver.declined", faulty)
    run = run_virtually(Agent(ScriptedModel(TALK, DONE), tools=[PAY], approver=no).run("go"))
    assert (run.futures["f1"].state, run.futures["f1"]._call.error) == ("failed", "AssertionError: ours")
