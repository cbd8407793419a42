"""Models with one bad habit each: the run ends well, with a bounded number of requests."""

import asyncio
import json

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.errors import WentInCircles
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import TOOLS

#: Requests before the test fails: far above the number that any of these runs may take.
PLENTY = 45


async def order(item: str) -> dict:
    """Order an item."""
    return {"order_id": f"ord-{item}"}


async def ship(order_id: str) -> str:
    """Ship an order."""
    if not order_id.startswith("ord-"):
        raise ValueError(f"there is no order {order_id!r}")
    return f"shipped {order_id}"


OFFICE = [*TOOLS, make_tool(order, pure=True), make_tool(ship, pure=True)]


def last(request):
    """The content of the newest message, decoded."""
    return json.loads(request.messages[-1]["content"])


def objects(request):
    """Every object of every tool message, deliveries included."""
    for message in request.messages:
        if message["role"] == "tool":
            content = json.loads(message["content"])
            for report in content if isinstance(content, list) else [content]:
                yield report
                yield from report.get("delivered", ())


def value_of(request, future):
    return next(
        (report["value"] for report in objects(request) if report.get("future") == future and report.get("value")), None
    )


def converse(policy, *, tools=OFFICE, mode="async", **options):
    """Run a model that reads its messages; return the run when it has ended, and the model."""
    model = ScriptedModel(*[policy] * PLENTY)

    async def main():
        run = Agent(model, tools=tools, mode=mode, **options).start("go")
        await run.ended()
        return run

    return run_virtually(main()), model


SLOW_ORDER = Calls("slow", {"seconds": 5, "answer": "ord-7"})


def test_a_placeholder_that_is_used_as_the_result_is_refused() -> None:
    """A reference, which is the right form, then leads to the answer."""

    def policy(request):
        if request.messages[-1]["role"] == "user":
            return [SLOW_ORDER]
        report = last(request)
        if isinstance(report, dict) and report["future"] == "f1":
            return [Calls("ship", {"order_id": "pending"}), Calls("ship", {"order_id": json.dumps(report)})]
        if isinstance(report, dict) and report["status"] == "failed":
            return [Calls("ship", {"order_id": "$f1.answer"})]
        return [Says(value_of(request, "f4") or "waiting")]

    run, model = converse(policy)
    assert (run.outcome, run.answer) == ("answered", "shipped ord-7")
    assert len(model.requests) <= 5


def test_an_invented_value_fails_and_the_answer_waits_for_the_true_one() -> None:
    """The tool itself rejects the invented value, and no answer counts before the true one is delivered."""

    def policy(request):
        if request.messages[-1]["role"] == "user":
            return [SLOW_ORDER]
        if len(list(objects(request))) == 1:
            return [Calls("ship", {"order_id": "A-123"})]
        if value_of(request, "f1") and not value_of(request, "f3"):
            return [Calls("ship", {"order_id": value_of(request, "f1")["answer"]})]
        return [Says(value_of(request, "f3") or "It is order A-123.")]

    run, model = converse(policy)
    assert run.answer == "shipped ord-7"
    assert len(model.requests) <= 5


def test_a_future_without_the_dollar_is_refused_with_the_right_form() -> None:
    def policy(request):
        if request.messages[-1]["role"] == "user":
            return [SLOW_ORDER, Calls("ship", {"order_id": "f1.answer"})]
        report = last(request)
        if isinstance(report, dict) and report["status"] == "failed":
            form = report["error"].partition("write ")[2].partition(".answer")[0].strip('"')
            return [Calls("ship", {"order_id": f"{form}.answer"})]
        return [Says(value_of(request, "f3") or "waiting")]

    run, model = converse(policy)
    assert run.answer == "shipped ord-7"
    assert len(model.requests) <= 4


def test_repeating_a_pending_call_in_every_reply_stops_the_run() -> None:
    """The error names the call that was repeated."""
    run, model = converse(lambda request: [Calls("slow", {"seconds": 59})])
    assert isinstance(run.error, WentInCircles)
    assert 'slow("seconds": 59)' in str(run.error)
    assert len(model.requests) <= 6


@pytest.mark.parametrize("arguments", [{"futures": ["f1"], "timeout_s": 0.01}, {"timeout_s": 0.01}, {"futures": "f1"}])
def test_polling_costs_a_few_requests_and_leads_to_the_result(arguments) -> None:
    def policy(request):
        if request.messages[-1]["role"] == "user":
            return [SLOW_ORDER]
        return [Says("got it")] if value_of(request, "f1") else [Calls("await_future", arguments)]

    run, model = converse(policy)
    assert run.answer == "got it"
    assert run.metrics.makespan_s == pytest.approx(5, abs=0.1)
    assert len(model.requests) <= 5


def test_awaiting_everything_always_is_slow_and_right() -> None:
    def policy(request):
        made = sum(report.get("tool") == "order" for report in objects(request)) // 2
        if made == 3:
            return [Says("ordered")]
        return [Calls("order", {"item": str(made)}), Calls("await_future", {"futures": [f"f{made + 1}"]})]

    run, model = converse(policy)
    assert run.answer == "ordered"
    assert len(model.requests) == 4


@pytest.mark.parametrize("text", ["All done, your order is A-123.", "I am still waiting, come back later.", ""])
def test_an_answer_without_the_results_is_requested_again_with_them(text) -> None:
    """The first answer may say anything."""

    def policy(request):
        if request.messages[-1]["role"] == "user":
            return [SLOW_ORDER]
        return (
            [Says(str(value_of(request, "f1")["answer"]))] if value_of(request, "f1") else [Says(text)] if text else []
        )

    run, model = converse(policy)
    assert run.answer == "ord-7"
    assert len(model.requests) == 3


def test_invented_futures_are_refused_with_the_existing_ones() -> None:
    def policy(request):
        if request.messages[-1]["role"] == "user":
            return [
                Calls("order", {"item": "x"}),
                Calls("ship", {"order_id": "$f9"}),
                Calls("await_future", {"futures": ["f7"]}),
            ]
        errors = [report["error"] for report in objects(request) if "error" in report]
        assert all("known: f1" in error for error in errors)
        return [Says("sorry")] if len(errors) == 2 else []

    run, model = converse(policy)
    assert run.answer == "sorry"
    assert len(model.requests) == 2


@pytest.mark.parametrize("mode", ["async", "eager", "batch", "sequential"])
@pytest.mark.parametrize(
    "call", [Calls("fails", {"reason": "no"}), Calls("shuot", {"text": "a"}), Calls("shout", {"txt": 1})], ids=str
)
def test_the_same_failing_call_for_ever_is_stopped_after_a_few_replies(mode, call) -> None:
    run, model = converse(lambda request: [Says("Let me try once more."), call], mode=mode)
    assert isinstance(run.error, WentInCircles)
    assert run.outcome == "stopped"
    assert call.tool in str(run.error)
    assert len(model.requests) == 5
    run.conversation.check()


@pytest.mark.parametrize("arguments", [{}, {"futures": ["f1"]}, {"futures": ["f9"]}, {"futures": 3}])
def test_repeating_the_same_await_stops_the_run_and_keeps_its_results(arguments) -> None:
    """The run stops after a few replies."""

    def policy(request):
        first = request.messages[-1]["role"] == "user"
        return [Calls("order", {"item": "x"}) if first else Calls("await_future", arguments)]

    run, model = converse(policy)
    assert isinstance(run.error, WentInCircles)
    assert "await_future" in str(run.error)
    assert run.futures["f1"].result() == {"order_id": "ord-x"}
    assert len(model.requests) <= 6


def test_two_failing_calls_in_turn_are_a_loop_too() -> None:
    calls = [Calls("fails", {"reason": "a"}), Calls("fails", {"reason": "b"})]
    run, model = converse(lambda request: [calls[len(request.messages) % 4 // 2]])
    assert isinstance(run.error, WentInCircles)
    assert len(model.requests) == 6


def test_the_model_is_warned_before_it_is_stopped_and_may_improve() -> None:
    def policy(request):
        report = last(request) if request.messages[-1]["role"] == "tool" else {}
        return [Says("I see")] if "Do not repeat" in report.get("warning", "") else [Calls("fails", {"reason": "no"})]

    run, model = converse(policy)
    assert run.answer == "I see"
    assert len(model.requests) == 4


def test_asking_a_tool_whether_a_job_is_done_is_not_a_loop() -> None:
    asked = []

    async def job_done() -> bool:
        """Look whether the job is done."""
        asked.append(1)
        return len(asked) > 12

    def policy(request):
        return [Says("done")] if value_of(request, "f13") else [Calls("job_done")]

    run, _ = converse(policy, tools=[make_tool(job_done)])
    assert run.answer == "done"


def test_a_tool_with_the_same_answer_is_not_called_for_ever() -> None:
    run, model = converse(lambda request: [Calls("shout", {"text": "a"})])
    assert isinstance(run.error, WentInCircles)
    assert len(model.requests) <= 18


def test_a_repeated_pending_call_runs_once_and_its_value_is_the_answer() -> None:
    made = []

    async def quote(part: str) -> int:
        """Ask for a price."""
        made.append(part)
        await asyncio.sleep(5)
        return 12

    def policy(request):
        if len(request.messages) < 6:
            return [Calls("quote", {"part": "x"})]
        return [Says(str(value_of(request, "f2")))]

    run, model = converse(policy, tools=[make_tool(quote, pure=True)])
    assert (run.answer, made) == ("12", ["x"])
    assert len(model.requests) == 4
    assert any(report.get("same_call_as") == "f1" for report in objects(model.requests[2]))


def test_a_detached_call_is_neither_polled_for_nor_waited_for() -> None:
    async def backup() -> str:
        """Take long."""
        await asyncio.sleep(50)
        return "kept"

    def policy(request):
        if request.messages[-1]["role"] == "user":
            return [Calls("backup"), Calls("await_future")]
        return [Says(last(request)[0]["note"])]

    run, model = converse(policy, tools=[make_tool(backup, pure=True, detached=True)])
    assert "Nothing is pending" in run.answer
    assert len(model.requests) == 2
