"""The effect of a tool's options on a run: limits, retries, irreversible calls, and one call shared by several."""

import asyncio
import threading

import pytest

from asyncfc_jupyter.agent import Agent, Conversation
from asyncfc_jupyter.core.events import CallFinished, CallRetried, CallSkipped, CallStarted, ResultDiscarded
from asyncfc_jupyter.errors import ToolSkipped, UsageError
from asyncfc_jupyter.models.base import Finish
from asyncfc_jupyter.retry_policy import FIRST_TOOL_PAUSE_S
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import TOOLS, interrupted, new_answers, play, slow, times
from tests.skipping import skip_s

MODES = ["sequential", "batch", "eager", "async"]
DONE = [Says("done")]


async def fetch(host: str, seconds: float = 1.0) -> float:
    """Fetch."""
    await asyncio.sleep(seconds)
    return seconds


async def send(text: str) -> str:
    """Send a letter."""
    return f"sent {text}"


async def breaks(after_s: float = 0.0) -> None:
    """Break."""
    await asyncio.sleep(after_s)
    raise ConnectionError("no line")


SEND = make_tool(send, writes="post", irreversible=True)
BREAKS = make_tool(breaks, pure=True)
SLOW = TOOLS[0]


def started(run):
    return {s.event.future: s.at_s for s in run.trace if isinstance(s.event, CallStarted)}


# -- limit -----------------------------------------------------------------------------------------------------------


def test_a_limit_on_a_tool_bounds_its_calls_at_a_time() -> None:
    calls = [Calls("fetch", {"host": str(n)}) for n in range(5)]
    run, _ = play(calls, DONE, DONE, tools=[make_tool(fetch, pure=True, limit=2)])
    assert list(started(run).values()) == [0, 0, 1, 1, 2]
    assert run.why("f3") == "f3 (fetch) waited 1.0 s: limit 2 on fetch"


def test_each_run_of_a_conversation_has_its_own_limit_of_parallel_calls() -> None:
    calls = [Calls("fetch", {"host": str(n)}) for n in range(3)]
    fetches = [make_tool(fetch, pure=True)]

    async def both():
        conversation = Conversation()
        agents = [Agent(ScriptedModel(calls, DONE, DONE), tools=fetches, limit=limit) for limit in (1, 3)]
        return [await agent.run("go", conversation=conversation) for agent in agents]

    one, two = run_virtually(both())
    assert list(started(one).values()) == [0, 1, 2]
    assert one.why("f2") == "f2 (fetch) waited 1.0 s: limit 1 on the run"
    assert len(set(started(two).values())) == 1
    with pytest.raises(UsageError, match="limit is 0; give a number of calls of at least 1"):
        play(calls, DONE, tools=fetches, limit=0)


def test_tools_share_a_limit_by_path_and_each_value_counts_separately() -> None:
    async def post(host: str) -> None:
        """Post."""
        await asyncio.sleep(1)

    tools = [make_tool(function, reads="net", limit={"api/{host}": 1}) for function in (fetch, post)]
    names = ["fetch", "post", "fetch", "post"]
    calls = [Calls(name, {"host": host}) for name, host in zip(names, ["a", "a", "b", "a"], strict=True)]
    run, _ = play(calls, DONE, DONE, tools=tools)
    assert started(run) == {"f1": 0, "f2": 1, "f3": 0, "f4": 2}
    assert "limit 1 on api/a" in run.why("f2")


# -- time-outs and retries -------------------------------------------------------------------------------------------


def test_a_timed_out_call_fails_and_reports_its_timeout_to_the_model() -> None:
    run, model = play(
        [Calls("fetch", {"host": "a", "seconds": 9}), Thinks(3)], DONE, tools=[make_tool(fetch, pure=True, timeout_s=2)]
    )
    assert times(run, CallStarted) == [0]
    assert new_answers(model, 1)["s1"] == {
        "future": "f1",
        "tool": "fetch",
        "status": "timeout",
        "error": "fetch took longer than 2 s.",
    }


def test_retries_follow_growing_pauses_and_each_failure_is_logged() -> None:
    attempts = []

    async def flaky(items: list[int]) -> int:
        """Fail three times."""
        attempts.append(list(items))
        items.append(0)
        if len(attempts) <= 3:
            raise ConnectionError(f"no line {len(attempts)}")
        return len(attempts)

    run, _ = play([Calls("flaky", {"items": [7]})], DONE, DONE, tools=[make_tool(flaky, pure=True, retries=3)])
    assert run.futures["f1"].result() == 4
    assert attempts == [[7]] * 4, "an attempt does not find what the one before did to its arguments"
    retried = [s.event for s in run.trace if isinstance(s.event, CallRetried)]
    assert [(event.attempt, event.message) for event in retried] == [
        (n, f"ConnectionError: no line {n}") for n in (1, 2, 3)
    ]
    pauses = [event.pause_s for event in retried]
    over = [pause / FIRST_TOOL_PAUSE_S - least for pause, least in zip(pauses, (1, 2, 4), strict=True)]
    assert all(-0.01 <= part <= 1.01 for part in over), f"each pause, and at most the first one twice: {pauses}"
    assert times(run, CallFinished)[0] == pytest.approx(sum(pauses), abs=0.01)
    assert len(times(run, CallStarted)) == 1, "it is one call all the while"


def test_when_every_attempt_fails_the_last_error_is_the_outcome() -> None:
    run, model = play(
        [Calls("breaks", {"after_s": 0}), Thinks(5)], DONE, tools=[make_tool(breaks, pure=True, retries=2)]
    )
    assert len(times(run, CallRetried)) == 2
    assert new_answers(model, 1)["s1"]["error"] == "ConnectionError: no line"


def test_each_attempt_has_its_own_context_that_says_when_it_is_cancelled() -> None:
    seen = []

    async def stuck(context: ToolContext) -> str:
        """Hang, once."""
        seen.append(context)
        if len(seen) == 1:
            await asyncio.sleep(99)
        return f"{len({id(each) for each in seen})} {seen[0].cancelled} {context.cancelled}"

    run, _ = play([Calls("stuck")], DONE, DONE, tools=[make_tool(stuck, pure=True, retries=1, timeout_s=2)])
    assert run.futures["f1"].result() == "2 True False"


def test_cancelling_in_a_pause_between_attempts_leaves_nothing_running() -> None:
    agent = Agent(
        ScriptedModel([Calls("breaks", {"after_s": 0}), Thinks(9)]), tools=[make_tool(breaks, pure=True, retries=9)]
    )

    async def main():
        run = await interrupted(agent, after_s=FIRST_TOOL_PAUSE_S / 2)
        await asyncio.sleep(60)
        return run, asyncio.all_tasks() - {asyncio.current_task()}

    run, left = run_virtually(main())
    assert not left
    assert (run.futures["f1"].state, len(times(run, CallRetried))) == ("cancelled", 1)


# -- irreversible ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_an_irreversible_call_waits_for_all_earlier_calls(mode) -> None:
    """It waits for them whatever their effects."""
    calls = [Calls("slow", {"seconds": 3}), Calls("send", {"text": "a"}), Thinks(1)]
    run, _ = play(calls, DONE, DONE, mode=mode, tools=[SLOW, SEND])
    assert started(run)["f2"] == {"sequential": 4, "batch": 4}.get(mode, 3)


@pytest.mark.parametrize("mode", ["eager", "async"])
def test_an_irreversible_call_never_starts_before_its_reply_has_ended(mode) -> None:
    run, _ = play([Calls("send", {"text": "a"}), Thinks(5)], DONE, DONE, mode=mode, tools=[SEND])
    assert started(run) == {"f1": 5}
    assert run.why("f1") == "f1 (send) waited 5.0 s: held: irreversible, the reply may still be cut off"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("after_s", [0.0, 2.0])
def test_an_irreversible_call_is_skipped_when_an_earlier_call_fails(mode, after_s) -> None:
    """The model sees why."""
    calls = [Calls("breaks", {"after_s": after_s}), Calls("send", {"text": "a"}), Thinks(3)]
    run, model = play(calls, DONE, DONE, mode=mode, tools=[BREAKS, SEND])
    assert run.futures["f2"].state == "skipped"
    assert "f2" not in started(run)
    assert new_answers(model, 1)["s2"]["error"] == "f1 (breaks) failed: ConnectionError: no line"


@pytest.mark.parametrize("mode", MODES)
def test_an_irreversible_call_runs_if_the_model_knew_of_the_failure(mode) -> None:
    run, _ = play(
        [Calls("breaks"), Thinks(1)], [Calls("send", {"text": "a"})], DONE, DONE, mode=mode, tools=[BREAKS, SEND]
    )
    assert run.futures["f2"].result() == "sent a"


@pytest.mark.parametrize("mode", MODES)
def test_an_irreversible_call_of_a_reply_that_was_cut_off_is_skipped(mode) -> None:

    class CutOff(ScriptedModel):
        async def stream(self, request):
            async for delta in super().stream(request):
                last = isinstance(delta, Finish) and len(self.requests) == 1
                yield Finish(reason="length") if last else delta

    model = CutOff([Calls("send", {"text": "a"}), Thinks(1)], DONE, DONE)
    run = run_virtually(Agent(model, tools=[SEND], mode=mode).run("go"))
    assert run.futures["f1"].state == "skipped"
    with pytest.raises(ToolSkipped, match="the reply that holds it was cut off, and it cannot be undone"):
        run.futures["f1"].result()


def test_an_irreversible_call_ignores_what_an_earlier_interrupt_cancelled() -> None:
    """The model knows by then what was cancelled."""
    model = ScriptedModel([Calls("slow", {"seconds": 9}), Thinks(60)], [Calls("send", {"text": "a"})], DONE, DONE)
    agent, conversation = Agent(model, tools=[SLOW, SEND]), Conversation()

    async def main():
        await interrupted(agent, after_s=1, conversation=conversation)
        return await agent.run("send it all the same", conversation=conversation)

    assert run_virtually(main()).futures["f2"].result() == "sent a"


# -- one call for several --------------------------------------------------------------------------------------------


def test_a_repeated_pending_call_shares_the_outcome_under_its_own_name() -> None:
    calls = [Calls("slow", {"seconds": 2}), Calls("slow", {"seconds": 2}), Calls("slow", {"seconds": 3}), Thinks(4)]
    run, model = play(calls, DONE)
    assert list(started(run)) == ["f1", "f3"]
    assert run.futures["f2"].result() == run.futures["f1"].result()
    answer = new_answers(model, 1)["s2"]
    assert (answer["future"], answer["same_call_as"], answer["status"]) == ("f2", "f1", "done")
    assert run.why("f2") == "f2 (slow) waited 2.0 s: the same call as f1"


@pytest.mark.parametrize(("between", "shares"), [("stock", False), ("weather", True)])
def test_a_repeated_call_is_not_shared_across_a_conflicting_call(between, shares) -> None:
    stock = [0]

    async def restock() -> int:
        """Set."""
        await asyncio.sleep(1)
        stock[0] += 1
        return stock[0]

    async def count() -> int:
        """Count."""
        await asyncio.sleep(1)
        return stock[0]

    tools = [make_tool(restock, writes=between), make_tool(count, reads="stock", idempotent=True)]
    run, _ = play([Calls("count"), Calls("restock"), Calls("count"), Thinks(9)], DONE, tools=tools)
    assert ("f3" not in started(run)) is shares
    if not shares:
        assert [run.futures[name].result() for name in ("f1", "f3")] == [0, 1]


def test_a_repeated_call_with_effects_is_made_twice() -> None:
    run, _ = play([Calls("slow", {"seconds": 1})] * 2, DONE, DONE, tools=[make_tool(slow, writes="log")])
    assert started(run) == {"f1": 0, "f2": 1}


def test_a_failure_is_shared_too() -> None:
    run, model = play([Calls("breaks", {"after_s": 1})] * 2 + [Thinks(2)], DONE, tools=[BREAKS])
    assert new_answers(model, 1)["s2"] == new_answers(model, 1)["s1"] | {"future": "f2", "same_call_as": "f1"}
    assert not times(run, CallSkipped)


# -- detached --------------------------------------------------------------------------------------------------------


async def report(seconds: float = 50.0, stubborn: bool = False) -> str:
    """Write a long report."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if not stubborn:
            raise
    return "a report"


REPORT = make_tool(report, pure=True, detached=True)


def test_a_run_ends_without_its_detached_calls_and_they_keep_running() -> None:
    agent = Agent(ScriptedModel([Calls("report")], DONE), tools=[REPORT])

    async def main():
        run = await agent.run("go")
        ended_s, facts = run.elapsed_s, len(run.trace)
        value = await run.futures["f1"]
        return run, ended_s, facts, value

    run, ended_s, facts, value = run_virtually(main())
    assert (run.outcome, ended_s, value) == ("answered", 0.0, "a report")
    late = run.trace.events[facts:]
    assert [type(stamped.event) for stamped in late] == [CallFinished]
    assert late[0].at_s == 50


def test_the_next_run_can_use_a_detached_future() -> None:
    """The events of the call stay with the run that issued it."""
    model = ScriptedModel([Calls("report")], DONE, [Calls("shout", {"text": "$f1"})], DONE, DONE)
    agent, conversation = Agent(model, tools=[REPORT, *TOOLS]), Conversation()

    async def main():
        first = await agent.run("go", conversation=conversation)
        return first, await agent.run("and now?", conversation=conversation)

    first, second = run_virtually(main())
    assert second.futures["f2"].result() == "A REPORT"
    assert [s.event.future for s in first.trace if isinstance(s.event, CallFinished)] == ["f1"]
    assert [s.event.future for s in second.trace if isinstance(s.event, CallFinished)] == ["f2"]


def test_an_interrupt_leaves_a_detached_call_running_for_the_next_run() -> None:
    """The next run reports its value to the model."""
    model = ScriptedModel(
        [Calls("report", {"seconds": 50}), Calls("shout", {"text": "z"}), Calls("slow", {"seconds": 99}), Thinks(60)],
        [Thinks(60), Calls("shout", {"text": "a"})],
        DONE,
    )
    agent, conversation = Agent(model, tools=[REPORT, *TOOLS]), Conversation()

    async def main():
        run = await interrupted(agent, after_s=1, conversation=conversation)
        states = [run.futures[name].state for name in ("f1", "f3")]
        return states, await agent.run("and now?", conversation=conversation)

    states, second = run_virtually(main())
    assert states == ["running", "cancelled"]
    (answer,) = [each for each in new_answers(model, 2).values() if each["future"] == "f4"]
    assert [(each["future"], each["value"]) for each in answer["delivered"]] == [("f1", "a report")]
    assert second.futures["f1"].result() == "a report"


@pytest.mark.parametrize("stubborn", [False, True])
def test_the_end_of_the_program_ends_a_detached_call(stubborn) -> None:
    model = ScriptedModel([Calls("report", {"stubborn": stubborn})], DONE)
    run = run_virtually(Agent(model, tools=[REPORT]).run("go"))
    assert run.futures["f1"].done()
    assert run.futures["f1"].state in ({"cancelled", "done"} if stubborn else {"cancelled"})


# -- late results ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["timeout", "cancel"])
def test_the_late_result_of_a_thread_is_logged_as_discarded_and_not_used(ending) -> None:
    began, release = threading.Event(), threading.Event()

    def work() -> str:
        """Work in a thread."""
        began.set()
        release.wait(20)
        return "too late"

    tool = make_tool(work, pure=True, timeout_s=60 if ending == "timeout" else None)
    model = ScriptedModel([Calls("work"), Thinks(0.01)], DONE, DONE)

    async def main():
        discarded = asyncio.Event()
        run = Agent(model, tools=[tool]).start(
            "go", observers=[lambda s: isinstance(s.event, ResultDiscarded) and discarded.set()]
        )
        await asyncio.to_thread(began.wait, 20)
        if ending == "cancel":
            run.futures["f1"].cancel()
        else:
            skip_s(60)
        await run.wait()
        release.set()
        await asyncio.wait_for(discarded.wait(), 20)
        return run, asyncio.all_tasks() - {asyncio.current_task()}

    run, left = asyncio.run(main())
    assert not left
    assert [s.event.summary for s in run.trace if isinstance(s.event, ResultDiscarded)] == ["too late"]
    assert run.futures["f1"].state == ("failed" if ending == "timeout" else "cancelled")
    assert "too late" not in str(model.requests)
    assert run.futures["f1"]._call.value is None
