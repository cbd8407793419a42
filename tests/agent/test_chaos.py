"""Hundreds of conversations with a server on which everything goes wrong: each ends well, and no resource leaks.

Client and server talk over real sockets, but on one loop in virtual time: pauses and stalls cost nothing, and however slow a
machine is, no request runs out of time before its answer could come.
"""

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import random
import sys
import threading
import time
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asyncfc_jupyter.agent import Agent, Conversation, Run
from asyncfc_jupyter.core.events import CallFinished
from asyncfc_jupyter.errors import ModelError
from asyncfc_jupyter.models.anthropic.messages import ClaudeMessages
from asyncfc_jupyter.models.connection.adapter import Adapter
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.strict_server import refusals
from tests.core.invariants import check
from tests.servers.faulty_server import FAULTS, ORDERS, Faults
from tests.servers.scripted_server import ScriptedServer
from tests.suite.long_form import is_long

#: What this process has open, where the system shows it.
DESCRIPTORS = Path("/proc/self/fd")
#: Conversations at a time: enough to disturb each other, few enough for a client that searches all its connections.
AT_ONCE = 100
#: The seeds, and the API through which each share of the conversations goes.
SEEDS: dict[int, type[Adapter]] = {0: OpenAIChat, 1: OpenAIResponses, 2: ClaudeMessages}
#: How many conversations: the short form meets every fault some times.
EACH = 1000 if is_long() else 60
#: Seconds without a byte that the client puts up with: far below a stall.
PATIENCE_S = 5.0
#: A conversation that takes longer than this hangs, in seconds.
HANGS_S = 240.0
#: Runs after which a conversation must have come to its answer.
MOST_RUNS = 12


@dataclass
class Office:
    """One conversation's tools: they remember what they did."""

    number: int
    rng: random.Random = field(default_factory=random.Random)

    async def order(self, number: int) -> str:
        """Make an order."""
        await asyncio.sleep(self.rng.choice([0, 0.001, 0.05]))
        return f"order-{number}-of-{self.number}"

    def label(self, number: int, order: str) -> str:
        """Print a label, in a thread."""
        time.sleep(0.001)
        assert order == f"order-{number}-of-{self.number}"
        return f"label-{number}-of-{self.number}"


async def converse(number: int, model: Adapter, runs: list[Run]) -> None:
    """Hold one conversation to its answer, however many runs it takes, and note each of them."""
    office, conversation = Office(number), Conversation()
    office.rng.seed(number)
    agent = Agent(model, tools=[make_tool(office.order, pure=True), make_tool(office.label, pure=True)])
    finished: list[str] = []
    for _ in range(MOST_RUNS):
        run = agent.start(f"conversation {number}", conversation=conversation)
        runs.append(run)
        await run.ended()
        assert run.outcome == "answered" or isinstance(run.error, ModelError), repr(run.error)
        assert not conversation.busy
        assert not conversation.driver.pending()
        check(conversation.driver.scheduler)
        assert conversation.messages == [] or refusals([*conversation.messages, {"role": "user", "content": "?"}]) == []
        finished += [s.event.future for s in run.trace if isinstance(s.event, CallFinished)]
        kept = [run.futures[name].result() for name in finished]
        history = str(conversation.messages)
        assert all(value in history for value in kept), "a finished result is not in the history"
        assert len(kept) == len(set(kept)), f"a call that succeeded was repeated: {kept}"
        if run.outcome == "answered":
            break
    expected = {f"{what}-{n}-of-{number}" for what in ("order", "label") for n in range(1, ORDERS + 1)}
    assert expected <= set(run.answer.split()), run.answer


def open_sockets() -> int:
    links = []
    for path in DESCRIPTORS.iterdir():
        with contextlib.suppress(OSError):  # the folder's own is gone by now
            links.append(str(path.readlink()))
    return sum(link.startswith("socket:") for link in links)


@contextlib.contextmanager
def nothing_unseen():
    """Fail for what would only be printed: warnings, exceptions in finalizers, and those that asyncio only logs."""
    printed = []

    class Told(logging.Handler):
        def emit(self, record):
            printed.append(self.format(record))

    logging.getLogger("asyncio").addHandler(Told(logging.ERROR))
    sys.unraisablehook = printed.append
    warnings.simplefilter("error")
    warnings.showwarning = lambda notice, *_, **__: printed.append(notice)
    yield
    gc.collect()
    assert printed == []


def hold(numbers: range, seed: int, kind: type[Adapter]) -> Counter[str]:
    """Hold these conversations in this process and check that no resource of theirs is left; return the faults they met."""
    faults = Faults(seed)

    async def main() -> None:
        async with ScriptedServer(faults) as server:
            await talk(kind("any", base_url=server.base_url, api_key="k", timeout_s=PATIENCE_S))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def talk(model: Adapter) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            runs: list[Run] = []
            try:
                async with places, asyncio.timeout(HANGS_S):
                    await converse(number, model, runs)
            except TimeoutError:
                last = "\n".join(map(str, [*runs[-1].trace][-10:]))
                raise AssertionError(f"conversation {number} hangs in run {len(runs)}, after\n{last}") from None

        async with asyncio.TaskGroup() as group:
            for number in numbers:
                group.create_task(one(number))

    with nothing_unseen():
        gc.collect()
        sockets, threads = open_sockets(), set(threading.enumerate())
        run_virtually(main())
        gc.collect()
        assert set(threading.enumerate()) <= threads
        assert open_sockets() == sockets
    return faults.injected


@pytest.mark.long
@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="sockets are counted through /proc")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SEEDS)
def test_conversations_reach_their_answers_despite_faults(seed) -> None:
    """Every kind of fault is injected, in a process that has no other threads or sockets, and none are left."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        numbers = range(seed * EACH, (seed + 1) * EACH)
        met = process.submit(hold, numbers, seed, SEEDS[seed]).result()
    assert set(met) == set(FAULTS)
