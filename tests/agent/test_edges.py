"""Limits and small figures of runs: at the limit, one below and one above; and the texts of a run and of a future."""

import asyncio
import re
import sys
from types import SimpleNamespace

import pytest

from asyncfc_jupyter.agent import Agent, Budget, Conversation
from asyncfc_jupyter.agent.budget import Meter
from asyncfc_jupyter.agent.inline_wait import Foreseen, Habits, cases_s, worth_waiting_s
from asyncfc_jupyter.agent.loop_guard import WARNING, Progress
from asyncfc_jupyter.agent.tool_messages import (
    AwaitRequest,
    encodable,
    plain_content,
    read_await,
    result_object,
    tool_message,
)
from asyncfc_jupyter.agent.turn import AwaitCall, RequestedCall, Turn
from asyncfc_jupyter.core.events import TurnStarted
from asyncfc_jupyter.errors import (
    AgentInterrupted,
    BudgetSpent,
    NoSuchFuture,
    ServerError,
    ToolFailed,
    ToolSkipped,
    TurnLimitReached,
    UsageError,
    WentInCircles,
)
from asyncfc_jupyter.models.base import CallDelta, ChatRequest, ReasoningDelta, TextDelta, Usage
from asyncfc_jupyter.modes import Hedge, Mode, parse_deliver, parse_mode
from asyncfc_jupyter.runtime.restore import adopt
from asyncfc_jupyter.testing import Breaks, Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import TOOLS, new_answers, play, times

DONE = [Says("done")]

# -- patience --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rests_s", "asks", "round_trip_s", "limit_s"),
    [
        ([], 1.0, 1.0, 0.0),
        ([0.0, 0.0], 1.0, 1.0, 0.0),
        # Of two waits with the same cost, the shorter one.
        ([0.25], 0.5, 0.5, 0.0),
        ([0.25], 0.5, 0.53125, 0.25),
        ([0.25], 0.5, 0.46875, 0.0),
        # A call that returns only after the wait costs the wait and the round trip, less its own duration.
        ([0.25, 8.0], 1.0, 1.0, 0.25),
        ([0.25, 1.0], 1.0, 0.5, 0.25),
        ([0.25, 1.0], 1.0, 1.5, 1.0),
        ([0.25, 0.25, 1.0], 0.5, 1.0, 0.25),
        ([1.0, 0.25], 0.75, 2.0, 1.0),
    ],
)
def test_the_wait_with_the_smallest_loss_is_chosen(rests_s, asks, round_trip_s, limit_s) -> None:
    assert worth_waiting_s(rests_s, asks=asks, round_trip_s=round_trip_s) == limit_s


def foreseen(durations_s, elapsed_s=None):
    return Foreseen(durations_s=durations_s, elapsed_s=elapsed_s)


@pytest.mark.parametrize(
    ("pending", "ends_s"),
    [
        ([], [0.0] * 6),
        ([foreseen([], 0.0)], [0.001, 0.03, 0.1, 0.3, 1.0, 3.0]),
        ([foreseen([], 0.1)], [0.2, 0.2, 0.9, 0.9, 2.9, 2.9]),
        ([foreseen([], 3.0)], [3.0] * 6),
        ([foreseen([], None)], [0.001, 0.03, 0.1, 0.3, 1.0, 3.0]),
        # A call that is due now may take as long again.
        ([foreseen([2.0], 2.0)], [2.0] * 6),
        ([foreseen([2.0], 1.9999)], [0.001] * 6),
        ([foreseen([0.0], 0.0)], [0.001] * 6),
        ([foreseen([6, 5, 4, 3, 2, 1], 0.0)], [1, 2, 3, 4, 5, 6]),
        ([foreseen([1, 2, 3, 4, 5, 6, 7, 8, 9], 0.0)], [1, 2, 4, 5, 7, 8]),
        ([foreseen([1, 2], 0.0)], [1, 1, 1, 2, 2, 2]),
        # Running calls end with the latest; waiting calls come after it.
        ([foreseen([1], 0.0), foreseen([3], 0.5), foreseen([1], None)], [3.5] * 6),
        ([foreseen([1], None), foreseen([3], 0.0)], [3] * 6),
    ],
)
def test_what_is_pending_may_end_in_six_cases(pending, ends_s) -> None:
    assert cases_s(pending) == pytest.approx(ends_s)


def test_a_round_trip_costs_the_median_of_the_latest_five() -> None:
    habits = Habits()
    assert habits.round_trip_s == 0.1
    habits.note_first_token(0.05)
    assert habits.round_trip_s == 0.1
    for seconds in (9.0, 9.0, 0.2, 0.3, 0.4, 0.5, 0.6):
        habits.note_first_token(seconds)
    assert habits.round_trip_s == 0.4
    for seconds in (8.0, 8.0, 0.01, 0.02, 0.03, 0.04, 0.05):
        habits.note_placeholders()
        habits.note_reply(makes_calls=False, decode_s=seconds)
    assert habits.round_trip_s == pytest.approx(0.43)


def test_habits_move_by_a_third_with_each_reply_after_placeholders() -> None:
    """Replies that follow no placeholder teach nothing."""
    habits = Habits()
    assert habits.learned.asks == pytest.approx({True: 0.8, False: 1 / 3})
    habits.note_reply(makes_calls=True, decode_s=1.0)
    assert habits.learned.asks == pytest.approx({True: 0.8, False: 1 / 3})
    habits.note_placeholders()
    habits.note_reply(makes_calls=True, decode_s=1.0)
    habits.note_reply(makes_calls=True, decode_s=1.0)
    assert habits.learned.asks == pytest.approx({True: 0.8 * 2 / 3, False: 2 / 9})
    assert habits.round_trip_s == 0.1
    habits.note_placeholders()
    habits.note_reply(makes_calls=False, decode_s=1.0)
    assert habits.learned.asks == pytest.approx({True: 0.8 * 4 / 9 + 1 / 3, False: 4 / 27 + 1 / 3})
    assert habits.round_trip_s == 1.0


def test_a_wait_that_is_worth_it_gets_a_little_more() -> None:
    habits = Habits()
    habits.note_first_token(1.0)
    due = [foreseen([0.4], 0.0)]
    assert habits.inline_wait_s(due, several=True, hedge=Hedge.OFF) == pytest.approx(0.4 * 1.25 + 0.03)
    assert habits.inline_wait_s([foreseen([30.0], 0.0)], several=True, hedge=Hedge.OFF) == 0.0
    # After one call a reply the model is taken to ask less often.
    assert habits.inline_wait_s(due, several=False, hedge=Hedge.OFF) == 0.0


# -- guards ----------------------------------------------------------------------------------------------------------


def entry(tool="look", value=1, status="done", error="", **arguments):
    return adopt(
        Conversation().driver, tool=tool, arguments=arguments, status=status, value=value, error=error, shown=True
    )


def turn_of(*calls):
    return Turn(number=1, calls=list(calls))


def made(each, **arguments):
    return RequestedCall(call_id="c", name=each.tool, arguments=arguments or each.arguments, issued=each)


def noted(progress, *entries, statuses=None):
    shown = {each: each.status for each in entries} if statuses is None else dict(zip(entries, statuses, strict=True))
    progress.note(turn_of(*map(made, entries)), shown)


def fails(progress):
    with pytest.raises(WentInCircles) as stopped:
        progress.check()
    return str(stopped.value)


def test_a_run_that_learns_nothing_is_warned_and_stopped_on_time() -> None:
    progress = Progress()
    states = []
    for _ in range(5):
        noted(progress, entry(status="failed", error="no", item="x"))
        states.append((bool(progress.warning), progress.only_waits))
        if len(states) < 5:
            progress.check()
    assert states == [(False, False), (False, False), (True, True), (True, True), (True, True)]
    assert progress.warning == WARNING
    assert 'its last 4 replies brought nothing new, the last with look("item": "x").' in fails(progress)
    noted(progress, entry(status="failed", error="another", item="x"))
    assert (progress.warning, progress.only_waits) == ("", False)
    progress.check()


def test_a_run_that_polls_is_stopped_after_sixteen_equal_results() -> None:
    progress = Progress()
    # The value is looked at only from the second time on, so the first repetition still seems new.
    for _ in range(17):
        noted(progress, entry(item="x"))
        progress.check()
    noted(progress, entry(item="x"))
    assert "its last 16 replies" in fails(progress)


def test_polls_of_which_one_fails_are_stopped_like_failures() -> None:
    progress = Progress()
    broken = entry(status="failed", error="no")
    noted(progress, broken)
    noted(progress, entry(item="x"))
    noted(progress, entry(item="x"))
    for _ in range(3):
        noted(progress, entry(item="x"))
    noted(progress, broken)
    assert "its last 4 replies" in fails(progress)


def test_another_value_argument_or_status_is_progress() -> None:
    progress = Progress()
    steps = (entry(), entry(value=2), entry(value=3), entry(item="y"), entry("other"))
    for each in steps:
        noted(progress, each)
        noted(progress, each)
    assert not progress.only_waits
    for status in ("pending", "done"):
        noted(progress, entry("third"), statuses=[status])
        assert not progress.only_waits


def test_what_is_repeated_is_named_once_and_cut() -> None:
    progress = Progress()
    each, long = entry(item="x"), entry(item="y" * 200)
    waits = [AwaitRequest(futures=["f1", "f2"]), AwaitRequest(futures=[f"f{number}" for number in range(99)]), "wrong"]
    calls = [made(each), made(each), made(long), *(AwaitCall(call_id="w", request=request) for request in waits)]
    for _ in range(7):
        progress.note(turn_of(*calls), {})
    whole_error = fails(progress)
    assert whole_error.count('look("item": "x")') == 1
    assert "await_future(f1, f2), await_future(f0, f1," in whole_error
    assert "…), await_future()" in whole_error
    lengths = [len(inside) for inside in re.findall(r"\(([^()]*…)\)", whole_error)]
    assert lengths == [80, 80]


# -- budgets ---------------------------------------------------------------------------------------------------------


def spent(meter):
    try:
        meter.admit()
    except BudgetSpent as error:
        return f"{error.budget} {error.used:g} of {error.limit:g}"
    return ""


def test_turns_and_requests_are_counted_to_the_last() -> None:
    meter = Meter(Budget(requests=3), max_turns=2)
    replied = Turn(number=1, usage=Usage(input_tokens=0, output_tokens=0))
    assert spent(meter) == ""
    meter.count(replied, completed=True)
    assert spent(meter) == ""
    meter.count(replied, completed=False)
    assert spent(meter) == ""
    assert spent(meter) == "requests 3 of 3"
    meter.count(replied, completed=True)
    with pytest.raises(TurnLimitReached):
        meter.admit()


@pytest.mark.parametrize(("tokens", "says"), [(9, ""), (10, "tokens 10 of 10"), (11, "tokens 11 of 10")])
def test_tokens_are_spent_when_their_number_is_reached(tokens, says) -> None:
    meter = Meter(Budget(tokens=10), max_turns=9)
    usage = Usage(input_tokens=4, output_tokens=tokens - 4)
    meter.count(Turn(number=1, usage=usage), completed=True)
    assert spent(meter) == says


def test_tokens_are_estimated_at_four_characters_each_and_rounded_up() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
    tools = [{"type": "function"}]
    asked = [{"role": "user", "content": "12345"}]
    again = [*asked, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "content": "é1"}]
    meter = Meter(Budget(tokens=1), max_turns=9)

    def replied(messages, delta):
        turn = Turn(number=1, request=ChatRequest(messages=messages, tools=tools))
        turn.length.add(delta)
        meter.count(turn, completed=True)
        return meter._tokens

    assert (
        replied(asked, CallDelta(name="look", arguments={"a": 1})) == 7 + 3
    )  # 22 of tools, 5 of the prompt; 12 of the call
    assert replied(again, TextDelta(text="123")) == 10 + 10 + 1  # 11 of the call and 2 of its answer more: 40
    assert replied(again, ReasoningDelta(text="12345")) == 21 + 10 + 2


@pytest.mark.parametrize("name", ["requests", "tokens", "seconds"])
def test_a_budget_is_above_zero(name) -> None:
    for limit in (0, -1, float("nan")):
        with pytest.raises(UsageError, match=f"the budget of {name} is {limit}; give a number above 0, or None"):
            Budget(**{name: limit})
    assert getattr(Budget(**{name: 1}), name) == 1
    assert (Budget().requests, Budget().tokens, Budget().seconds) == (None, None, None)


@pytest.mark.parametrize("seconds", [None, 5.0])
def test_a_time_out_of_something_else_is_not_the_budgets(seconds) -> None:
    async def main():
        async with Meter(Budget(seconds=seconds), max_turns=1).within_time():
            raise TimeoutError("another")

    with pytest.raises(TimeoutError, match="another"):
        run_virtually(main())


# -- an agent --------------------------------------------------------------------------------------------------------


def test_an_agent_takes_one_turn_and_one_place_and_no_fewer() -> None:
    agent = Agent(ScriptedModel())
    assert (agent.max_turns, agent.limit, agent.approval_timeout_s) == (50, 16, 300)
    assert (agent.mode, agent.deliver, agent.system, agent.budget) == (Mode.ASYNC, "tool", None, Budget())
    assert (Agent(ScriptedModel(), max_turns=1).max_turns, Agent(ScriptedModel(), limit=1).limit) == (1, 1)
    with pytest.raises(UsageError, match="max_turns is 0; a run needs at least 1"):
        Agent(ScriptedModel(), max_turns=0)
    with pytest.raises(UsageError, match="limit is 0; give a number of calls of at least 1"):
        Agent(ScriptedModel(), limit=0)
    with pytest.raises(UsageError, match=r"tools is a int, not a list; write tools=\[search_flights\]"):
        Agent(ScriptedModel(), tools=3)


def test_modes_and_deliveries_are_read_by_their_names() -> None:
    assert [parse_mode(mode.value) for mode in Mode] == list(Mode)
    assert [(mode.futures, mode.starts_while_streaming) for mode in Mode] == [(False, False)] * 2 + [
        (False, True),
        (True, True),
    ]
    assert (parse_deliver("tool"), parse_deliver("user")) == ("tool", "user")
    with pytest.raises(UsageError, match="there is no mode 'x'; the modes are: sequential, batch, eager, async"):
        parse_mode("x")
    with pytest.raises(UsageError, match="deliver is 'x'; it can be: tool, user"):
        parse_deliver("x")


@pytest.mark.parametrize(("limit", "starts"), [(1, [0, 5, 10]), (2, [0, 0, 5]), (3, [0, 0, 0])])
def test_as_many_calls_run_at_a_time_as_the_limit_says(limit, starts) -> None:
    run, _ = play(
        [Calls("slow", {"seconds": 5, "answer": str(number)}) for number in range(3)], DONE, DONE, limit=limit
    )
    assert [stamped.at_s for stamped in run.trace if type(stamped.event).__name__ == "CallStarted"] == starts


def test_observers_get_each_event_as_it_happens() -> None:
    seen = []
    run = run_virtually(Agent(ScriptedModel(DONE)).run("go", observers=[seen.append]))
    assert tuple(seen) == run.trace.events
    assert [type(stamped.event).__name__ for stamped in seen][-2:] == ["TurnEnded", "RunEnded"]


def test_cancelling_the_task_of_agent_run_cancels_the_run() -> None:
    """This holds for `Agent.run`; cancelling a waiter of a run that was started leaves the run."""

    async def main():
        agent, conversation = Agent(ScriptedModel([Thinks(9)], [Thinks(9), *DONE])), Conversation()
        waiting = asyncio.create_task(agent.run("go", conversation=conversation))
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not conversation.busy
        run = agent.start("go on", conversation=conversation)
        assert conversation.busy
        waiting = asyncio.create_task(run.wait())
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (run.outcome, run.done(), run.loop) == ("running", False, asyncio.get_running_loop())
        assert run.elapsed_s == 1.0
        assert repr(run) == "<Run running in 1.0 s: 0 futures, model scripted, mode async>"
        assert (await run).answer == "done"
        return run

    run = run_virtually(main())
    assert (run.done(), run.elapsed_s, run.outcome, run.error) == (True, 9.0, "answered", None)


def test_a_tool_that_blocks_the_loop_is_reported_beside_the_answer(monkeypatch) -> None:
    async def hog() -> str:
        """Keep the loop."""
        return "x"

    conversation = Conversation()
    lend = conversation.driver.lend

    def lent(*args, **more):
        lend(*args, **more)
        conversation.driver.blocked_s = {"hog": 1.26, "pig": 0.5}

    monkeypatch.setattr(conversation.driver, "lend", lent)
    run = run_virtually(
        Agent(ScriptedModel([], []), tools=[make_tool(hog, pure=True)]).run("go", conversation=conversation)
    )
    first, *rest = run.note.split("; ")
    advice = "write it as a plain def, which runs in a thread, or await what takes long"
    assert first == "the model answered without a text"
    assert [part.partition(",")[0] for part in rest] == [
        "hog kept the event loop",
        "pig kept the event loop",
    ]
    assert "waiting for 1.3 s, which the figures count twice: " + advice in run.note
    assert run.note == run.trace.events[-1].event.detail


# -- what a run and its futures say ----------------------------------------------------------------------------------


async def chatty(text: str) -> str:
    """Print and return."""
    print(text)
    print("and", file=sys.stderr)
    return text * 400


def test_a_future_shows_its_state_while_it_runs_and_after() -> None:
    seen = []

    async def main():
        agent = Agent(ScriptedModel([Calls("slow", {"seconds": 5, "answer": "$$f9"}), Thinks(9)], DONE), tools=TOOLS)
        run = agent.start("go")
        await asyncio.sleep(1)
        future = run.futures["f1"]
        seen.extend((future.name, future.tool, dict(future.arguments), str(future.state), future.done(), repr(future)))
        seen.append(future.why())
        with pytest.raises(UsageError, match=r"f1 \(slow\) has no result yet; write `await` before the future"):
            future.result()
        assert await future == {"answer": "$f9", "seconds": 5.0}
        assert run.elapsed_s == 5.0
        await run
        return run

    run = run_virtually(main())
    assert seen[:6] == ["f1", "slow", {"seconds": 5, "answer": "$$f9"}, "running", False, "<Future f1 slow: running>"]
    assert run.futures["f1"].done()
    assert repr(run.futures["f1"]) == "<Future f1 slow: done: answer: $f9, seconds: 5.0>"
    assert run.futures["f1"].why() == run.why("f1") == run.why("$f1")
    run.futures["f1"].arguments["answer"] = "changed"
    assert run.futures["f1"].arguments["answer"] == "$$f9"
    assert run.futures["f1"].printed == ""


def test_what_a_function_prints_is_kept_with_its_future() -> None:
    class Sink:
        def write(self, text, stream):
            pass

        def close(self):
            pass

    async def main():
        agent = Agent(ScriptedModel([Calls("chatty", {"text": "hello"})], DONE), tools=[make_tool(chatty, pure=True)])
        run = agent.start("go", capture=lambda _future, _tool: Sink())
        return await run

    run = run_virtually(main())
    assert run.futures["f1"].printed == "hello\nand\n"
    assert repr(run.futures["f1"]).startswith("<Future f1 chatty: done: hellohello")


def test_a_futures_outcome_is_cut_in_its_repr() -> None:
    run, _ = play([Calls("fails", {"reason": "x" * 900})], DONE)
    outcome = repr(run.futures["f1"]).removeprefix("<Future f1 fails: failed: ").removesuffix(">")
    assert len(outcome) == 300


def test_a_future_without_a_value_raises_its_outcome() -> None:
    run, _ = play([Calls("fails", {"reason": "no"}), Calls("shout", {"text": "$f1"})], DONE)
    failed, skipped = run.futures.values()
    with pytest.raises(ToolFailed, match=r"f1 \(fails\) failed: ValueError: no") as raised:
        failed.result()
    assert isinstance(raised.value.__cause__, ValueError)
    with pytest.raises(ToolSkipped, match=r"f2 \(shout\): f1 \(fails\) failed: ValueError: no"):
        skipped.result()
    assert (failed.done(), skipped.done()) == (True, True)


def test_the_futures_of_a_run_are_a_mapping_by_name() -> None:
    run, _ = play([Calls("shout", {"text": "a"}), Calls("shout", {"text": "b"})], DONE)
    assert (list(run.futures), len(run.futures), "f2" in run.futures) == (["f1", "f2"], 2, True)
    assert run.futures["$f2"].result() == "B"
    assert repr(run.futures) == "<Future f1 shout: done: A>\n<Future f2 shout: done: B>"
    with pytest.raises(NoSuchFuture, match="there is no future 'f3'; there are: f1, f2"):
        run.futures["f3"]
    empty, _ = play(DONE)
    assert repr(empty.futures) == "no futures yet"
    with pytest.raises(NoSuchFuture, match="none yet"):
        empty.futures["f1"]


def test_a_run_shows_its_state() -> None:
    run, model = play([Calls("shout", {"text": "a"})], [Thinks(2), *DONE])
    assert (run.prompt, run.model, run.mode, run.outcome, run.turns) == ("go", "scripted", "async", "answered", 2)
    assert repr(run) == "<Run answered in 2.0 s: 1 future, model scripted, mode async>"
    assert run.request.messages == model.requests[-1].messages
    assert run.request.tools[-1]["function"]["name"] == "await_future"
    assert (run.refused, run.elapsed_s, run.note) == (False, 2.0, "")
    assert run.metrics.makespan_s == 2.0
    assert run.certificate() is not None
    assert run.timeline() is not None


@pytest.mark.parametrize(("reply", "refused"), [([], True), ([Says("a")], False), ([Thinks(1)], True)])
def test_a_run_is_refused_if_it_failed_before_any_reply(reply, refused) -> None:
    async def main():
        run = Agent(ScriptedModel([*reply, Breaks(ServerError("no"))])).start("go")
        assert (run.request, run.turns) == (None, 0)
        await run.ended()
        return run

    run = run_virtually(main())
    assert (run.refused, run.outcome, run.done()) == (refused, "failed", True)


def test_an_answer_that_was_cut_or_is_empty_has_a_note() -> None:
    for reason, note in (
        ("length", "the server cut the answer off at its limit of tokens"),
        ("content_filter", "the server's content filter cut the answer off"),
        ("stop", ""),
    ):

        class Ends(ScriptedModel):
            async def stream(self, request, reason=reason):
                async for delta in super().stream(request):
                    yield type(delta)(reason=reason) if hasattr(delta, "reason") else delta

        run = run_virtually(Agent(Ends([Says("text")])).run("go"))
        assert run.note == note
    assert play([], [])[0].note == "the model answered without a text"


def test_an_interrupt_names_what_still_runs_and_cannot_be_stopped() -> None:
    async def stubborn() -> str:
        """Ignore being cancelled."""
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
        return "late"

    async def main():
        replies = [Calls("stubborn"), Calls("stubborn"), Thinks(9)]
        run = Agent(ScriptedModel(replies), tools=[make_tool(stubborn, writes="a")]).start("go")
        await asyncio.sleep(1)
        run.cancel()
        with pytest.raises(AgentInterrupted) as stopped:
            await run
        await asyncio.sleep(20)
        return str(stopped.value)

    assert run_virtually(main()) == (
        "the run was interrupted; finished results are kept in its futures; "
        "ignores being cancelled; the result will be discarded: f1 (stubborn)."
    )


# -- what the messages say -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [18, 19, 20, 21])
def test_of_many_pending_futures_twenty_are_named_and_all_are_counted(count) -> None:
    many = [Calls("slow", {"seconds": 40, "answer": str(number)}) for number in range(count)]
    _, model = play(many, [Calls("shout", {"text": "a"})], DONE, DONE, limit=99)
    last = list(new_answers(model, 2).values())[-1]
    assert last["still_pending"] == [f"f{number}" for number in range(1, min(count, 20) + 1)]
    assert last.get("still_pending_in_all") == (count if count > 20 else None)


def test_only_the_last_message_of_a_reply_names_what_is_pending() -> None:
    _, model = play(
        [Calls("slow", {"seconds": 40})], [Calls("shout", {"text": "a"}), Calls("shout", {"text": "b"})], DONE, DONE
    )
    answers = list(new_answers(model, 2).values())
    assert [answer.get("still_pending") for answer in answers] == [None, ["f1"]]
    _, model = play([Calls("slow", {"seconds": 40})], DONE, DONE)
    assert "still_pending" not in new_answers(model, 1)["s1"]


class KnowsItsNextRequest(ScriptedModel):
    """Knows the outcomes in its next request, as a replayed conversation does."""

    def __init__(self, *replies, shows):
        super().__init__(*replies)
        self.shows = shows

    def foretold(self, messages):
        return self.shows(messages)

    def foretold_wait(self, messages, call_id):
        return None


@pytest.mark.parametrize(
    ("shows", "statuses", "pending"),
    [
        (frozenset(), ["pending", "pending"], ["f1"]),
        (frozenset({"f1"}), ["done", "pending"], None),
        (frozenset({"f2", "f9"}), ["pending", "done"], ["f1"]),
        (frozenset({"f1", "f2"}), ["done", "done"], None),
        (None, ["done", "done"], None),
    ],
)
def test_a_replayed_conversation_shows_the_recorded_outcomes_and_no_more(shows, statuses, pending) -> None:
    """It waits for results that had arrived by then, and withholds those that arrive earlier than they did."""
    model = KnowsItsNextRequest(
        [Calls("slow", {"seconds": 2}), Thinks(3) if shows is None else Thinks(0)],
        [Calls("slow", {"seconds": 1, "answer": "b"}), Thinks(5)],
        DONE,
        DONE,
        shows=lambda messages: frozenset() if len(messages) == 1 and shows is not None else shows,
    )
    run = run_virtually(Agent(model, tools=TOOLS).run("go"))
    first, second = new_answers(model, 1)["s1"], new_answers(model, 2)["s2"]
    delivered = [each["future"] for each in second.get("delivered", ())]
    assert [first["status"], second["status"]] == ["done" if shows is None else "pending", statuses[1]]
    assert delivered == (["f1"] if statuses[0] == "done" and shows is not None else [])
    assert second.get("still_pending") == pending
    assert run.outcome == "answered"


def test_a_replayed_conversation_waits_for_recorded_results_only() -> None:
    model = KnowsItsNextRequest(
        [Calls("slow", {"seconds": 2}), Calls("slow", {"seconds": 9})], DONE, DONE, shows=lambda _: frozenset({"f1"})
    )
    run = run_virtually(Agent(model, tools=TOOLS).run("go"))
    assert [answer["status"] for answer in new_answers(model, 1).values()] == ["done", "pending"]
    assert times(run, TurnStarted) == [0.0, 2.0, 9.0]


# -- the wire --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ({}, ([], "all", None)),
        ({"futures": "f1"}, (["f1"], "all", None)),
        ({"futures": [" $f1 ", "f2"], "mode": "any", "timeout_s": 2, "else": 1}, (["f1", "f2"], "any", 2.0)),
        ({"timeout_s": None}, ([], "all", None)),
        ({"futures": None, "mode": None, "timeout_s": None}, ([], "all", None)),
        ({"timeout_s": 0.01}, ([], "all", 0.01)),
        ({"timeout_s": 0}, "await_future cannot take these arguments: timeout_s: Input should be greater than 0"),
        ({"futures": [1]}, "await_future cannot take these arguments: futures.0: Input should be a valid string"),
        ({"mode": "x"}, "await_future cannot take these arguments: mode: Input should be 'all' or 'any'"),
    ],
)
def test_await_future_is_read_generously_and_refused_in_one_line(arguments, read) -> None:
    request = read_await(arguments)
    if isinstance(read, str):
        assert request == read + '; write {"futures": ["f1"]}.'
    else:
        assert (request.futures, request.mode, request.timeout_s) == read


def test_an_outcome_is_sent_as_a_json_object() -> None:
    done, failed = entry(item="x"), entry(status="failed", error="no")
    assert result_object(done) == {"future": "f1", "tool": "look", "status": "done", "value": 1}
    assert result_object(done, with_arguments=True)["arguments"] == {"item": "x"}
    assert result_object(failed) == {"future": "f1", "tool": "look", "status": "failed", "error": "no"}
    withheld = result_object(done, withheld=True)
    assert (withheld["status"], withheld["value"]) == ("pending", None)
    assert withheld["note"].startswith("Not the result.")
    assert "$f1" in withheld["note"]
    assert (plain_content(done), plain_content(failed)) == ("1", '{"error": "no"}')
    assert plain_content(entry(value="é\udc80")) == '"é?"'
    assert plain_content(entry(value=SimpleNamespace)).startswith('{"summarized": true, "value": ')
    assert tool_message("c", "text")["content"] == "text"
    assert tool_message("c", [1, "é"]) == {"role": "tool", "tool_call_id": "c", "content": '[1, "é"]'}
    assert encodable("a\ud800é") == "a?é"
