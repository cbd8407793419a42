"""What the layer costs, where it can be counted: steps and bytes that do not grow with the run, and what loading imports."""

from __future__ import annotations

import asyncio

import pytest

from asyncfc_jupyter.agent import Conversation
from tests.benchmarks.growth import flooded, growth
from tests.benchmarks.overhead import BARE, PLAIN, Rounds, loaded, over_bare
from tests.benchmarks.peers import ASYNC, Driver
from tests.servers.rehearsal_server import RehearsalServer


def test_a_future_takes_no_more_memory_in_a_large_run_than_in_a_small_one() -> None:
    few, many = growth(100), growth(1_000)
    assert many["bytes"] <= 1.5 * few["bytes"]


def test_a_turn_looks_at_what_is_new_and_not_at_all_that_is_pending(monkeypatch) -> None:
    """Counted and not timed: the number of calls that are yielded as undelivered."""
    looks = 0
    ready = Conversation.ready

    def counted(self):
        nonlocal looks
        found = ready(self)
        looks += len(found)
        return found

    monkeypatch.setattr(Conversation, "ready", counted)
    for calls in (100, 1_000):
        looks = 0
        asyncio.run(flooded(calls))
        assert looks <= 2 * calls


@pytest.mark.parametrize(
    ("before", "action", "imports"), [("pass", "import openai", True), ("pass", "import asyncfc_jupyter", False)]
)
def test_loading_is_timed_in_a_fresh_process_and_an_import_of_openai_shows(before, action, imports) -> None:
    found = loaded(before, action, 1)
    assert found["openai"] is imports
    assert found["cpu_s"] > 0
    assert found["wall_s"] > 0


def test_the_cost_above_a_loop_is_the_median_of_differences_in_a_round() -> None:
    rounds = Rounds()
    # The machine slows down from round to round; the difference does not.
    for slow_s in (1.0, 2.0, 4.0):
        rounds.note(BARE, slow_s)
        rounds.note(ASYNC, slow_s + 0.5)
    assert rounds.over(BARE, ASYNC) == pytest.approx(0.5e6)
    assert rounds.median(BARE) == pytest.approx(2e6)
    assert rounds.spread(ASYNC) == pytest.approx(0)


def test_every_client_is_measured_in_every_round_but_the_first() -> None:
    with RehearsalServer(ttft_ms=0, tokens_per_s=1e9) as server:
        found = asyncio.run(over_bare((PLAIN, BARE, ASYNC), 2, (12,), server.base_url))
    assert [*found] == ["a token of text", "a call", "a turn with a call", "a turn after 12 messages"]
    assert all(len(rounds.us[contender.name]) == 2 for rounds in found.values() for contender in (PLAIN, BARE, ASYNC))


@pytest.mark.parametrize("contender", [PLAIN, BARE, ASYNC], ids=lambda contender: contender.name)
def test_a_driver_continues_a_history(contender) -> None:
    async def play() -> dict[str, object]:
        async with Driver(contender, server.base_url) as driver:
            return await driver.play('c = look(topic="x")\n\n"done"', 0.0, history=8)

    with RehearsalServer(ttft_ms=0, tokens_per_s=1e9) as server:
        assert asyncio.run(play())["answer"] == "done"
