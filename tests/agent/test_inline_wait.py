"""The inline wait: its value, how it is learned, and that the async mode is never slower than another."""

import asyncio

import pytest

from asyncfc_jupyter.agent import Agent, Conversation
from asyncfc_jupyter.agent.inline_wait import Foreseen, Habits, Learned, cases_s, worth_waiting_s
from asyncfc_jupyter.core.events import TurnStarted
from asyncfc_jupyter.models.base import Retrying
from asyncfc_jupyter.modes import Hedge, Mode
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import TOOLS, interrupted, new_answers, play, times
from tests.benchmarks.policies import LATENCIES_S, POLICIES, TOKENS_PER_S, Reticent, ideal_s, measured_s

THINK = Thinks(0.3)


@pytest.mark.parametrize(
    ("rests_s", "asks", "wait_s"),
    [
        ([0.1] * 6, 1.0, 0.1),  # the model asks next: a round trip is saved
        ([0.1] * 6, 0.0, 0.0),  # it never does: every wait is lost
        ([0.4] * 6, 1.0, 0.0),  # asking takes no longer than the tool does anyway
        ([0.1] * 6, 0.5, 0.1),
        ([0.2] * 6, 0.5, 0.0),
        ([0.01, 0.01, 0.01, 0.01, 5.0, 5.0], 0.8, 0.01),  # a cache that misses at times: the misses are not waited for
    ],
)
def test_a_wait_is_worth_what_it_saves_on_average(rests_s, asks, wait_s) -> None:
    assert worth_waiting_s(rests_s, asks=asks, round_trip_s=0.3) == wait_s


def test_the_forecast_puts_waiting_calls_last_and_doubles_overdue_ones() -> None:
    """A waiting call comes after those it waits for, and an overdue one may take as long again as it has run."""
    running, waiting = Foreseen(durations_s=[0.2], elapsed_s=0.1), Foreseen(durations_s=[0.3], elapsed_s=None)
    assert cases_s([running, waiting]) == pytest.approx([0.4] * 6)
    assert cases_s([Foreseen(durations_s=[0.2], elapsed_s=0.5)]) == pytest.approx([0.5] * 6)


def test_habits_are_learned_from_what_a_model_does_with_placeholders() -> None:
    reads, goes_on = Habits(), Habits()
    for habits, makes_calls in ((reads, False), (goes_on, True)):
        habits.note_first_token(0.3)
        for _ in range(3):
            habits.note_placeholders()
            habits.note_reply(makes_calls=makes_calls, decode_s=0.1)
    due = [Foreseen(durations_s=[0.2], elapsed_s=0.0)]
    assert reads.inline_wait_s(due, several=False, hedge=Hedge.OFF) > 0.2
    assert goes_on.inline_wait_s(due, several=True, hedge=Hedge.OFF) == 0.0
    assert (reads.round_trip_s, goes_on.round_trip_s) == pytest.approx((0.4, 0.3))


def test_a_short_call_of_a_known_tool_is_waited_for_and_a_long_one_is_not() -> None:
    run, model = play(
        [THINK, Calls("slow", {"seconds": 0.1}), Calls("slow", {"seconds": 0.1}), Thinks(1)],
        [THINK, Calls("slow", {"seconds": 0.1}), Calls("slow", {"seconds": 0.1})],
        [Says("done")],
    )
    assert [answer["status"] for answer in new_answers(model, 2).values()] == ["done", "done"]
    assert times(run, TurnStarted) == pytest.approx([0.0, 1.3, 1.7])


def test_a_tool_never_called_is_expected_to_take_as_long_as_the_others() -> None:
    async def other() -> str:
        """Take a moment."""
        await asyncio.sleep(2.0)
        return "done"

    run, _ = play(
        [THINK, Calls("slow", {"seconds": 2.0}), Thinks(3)],
        [THINK, Calls("other")],
        [THINK, Calls("other")],
        [Says("x")],
        [Says("y")],
        tools=[*TOOLS, make_tool(other, pure=True)],
    )
    assert times(run, TurnStarted)[1:3] == pytest.approx([3.3, 3.6])  # it is not waited for, although it might be quick


def test_a_call_that_returns_at_once_is_answered_by_its_value() -> None:
    """This holds however fast the server is."""
    _, model = play([Calls("shout", {"text": "a"})], [Says("done")])
    assert new_answers(model, 1)["s1"]["value"] == "A"


def test_nothing_is_waited_for_while_something_long_is_pending() -> None:
    async def brief() -> str:
        """Take a moment."""
        await asyncio.sleep(0.1)
        return "done"

    run, model = play(
        [THINK, Calls("slow", {"seconds": 5}), Thinks(6)],
        [THINK, Calls("slow", {"seconds": 5})],
        [THINK, Calls("brief"), Calls("brief")],
        [Says("x")],
        [Says("y")],
        tools=[*TOOLS, make_tool(brief, pure=True)],
    )
    assert times(run, TurnStarted)[2:4] == pytest.approx([6.6, 6.9])
    assert new_answers(model, 3)["s3"]["status"] == "pending"


@pytest.mark.parametrize("latency_s", LATENCIES_S)
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_without_hedging_the_async_mode_is_never_slower_than_gathering(policy, latency_s) -> None:
    """It also comes close to the ideal."""
    times_s = {mode: measured_s(policy, mode, latency_s, hedge="off") for mode in Mode}
    # A model that must read each result writes a token to ask for it, which a tool of 20 ms does not quite hide.
    asking_s = 1 / TOKENS_PER_S * len(policy.replies) if policy.name.startswith("each") and latency_s < 0.1 else 0.0
    assert times_s[Mode.ASYNC] <= times_s[Mode.BATCH] + 1e-9
    assert times_s[Mode.ASYNC] <= times_s[Mode.EAGER] + asking_s + 1e-9
    assert times_s[Mode.ASYNC] <= ideal_s(policy, latency_s) * 1.03


@pytest.mark.parametrize("latency_s", LATENCIES_S)
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_retracting_is_never_slower_and_a_race_is_near_the_ideal(policy, latency_s) -> None:
    times_s = {mode: measured_s(policy, mode, latency_s) for mode in (Mode.SEQUENTIAL, Mode.BATCH)}
    assert measured_s(policy, Mode.ASYNC, latency_s, hedge="retract") <= min(times_s.values()) + 1e-9
    assert measured_s(policy, Mode.ASYNC, latency_s, hedge="race") <= ideal_s(policy, latency_s) * 1.02


@pytest.mark.parametrize("latency_s", LATENCIES_S)
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_model_that_never_asks_in_time_costs_little_over_gathering(policy, latency_s) -> None:
    """The difference is the price of learning that it never asks."""
    futures_s, gathered_s = (
        measured_s(policy, mode, latency_s, model_class=Reticent) for mode in (Mode.ASYNC, Mode.BATCH)
    )
    assert futures_s <= gathered_s * 1.05


def test_a_reply_after_an_interrupt_teaches_nothing_of_placeholders() -> None:
    """The messages in between have reported the pending calls."""
    conversation = Conversation()
    agent = Agent(ScriptedModel([Calls("slow", {"seconds": 50})], [Thinks(60)], [Says("as you like")]), tools=TOOLS)

    async def main():
        await interrupted(agent, after_s=5, conversation=conversation)
        await agent.run("and now?", conversation=conversation)

    run_virtually(main())
    assert conversation.learned["scripted"].asks == Learned().asks


def test_a_first_token_after_a_retry_is_not_taken_for_the_usual_one() -> None:
    class Busy(ScriptedModel):
        async def stream(self, request):
            yield Retrying(attempt=1, message="loading", pause_s=20.0)
            await asyncio.sleep(20)
            async for delta in super().stream(request):
                yield delta

    conversation = Conversation()
    run_virtually(Agent(Busy([THINK, Says("x")])).run("go", conversation=conversation))
    assert conversation.learned["scripted"].first_token_s == ()
