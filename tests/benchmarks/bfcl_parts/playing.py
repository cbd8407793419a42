"""Plays a case through the layer, in any mode, and records the outcome."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.run import Run
from asyncfc_jupyter.core.events import RequestRetracted
from asyncfc_jupyter.models.base import CallDelta, ChatModel, ChatRequest, Delta, Finish, TextDelta
from asyncfc_jupyter.testing import run_virtually
from tests.benchmarks.bfcl_parts.cases import Case, Effects, effects
from tests.benchmarks.bfcl_parts.oracle import TOKENS_PER_S, TTFT_S, Style, pieces_of, reply_to
from tests.benchmarks.bfcl_parts.world import Latency, Ran, World, as_text, enter, fingerprint, tools_of


class OracleModel:
    """The oracle in this process: the protocol of the layer, without a server.

    Args:
        ttft_s: Seconds from the request to the first token.
    """

    name = "oracle"

    def __init__(self, ttft_s: float = TTFT_S) -> None:
        self._ttft_s = ttft_s

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """Stream the next reply, each piece when its token is out."""
        loop = asyncio.get_running_loop()
        first_s = loop.time() + self._ttft_s
        # As a server would see it: text, which does not change afterwards.
        messages = json.loads(json.dumps(list(request.messages)))
        reply = reply_to(messages, futures=any(tool["function"]["name"] == "await_future" for tool in request.tools))
        for piece in pieces_of(reply, fine=False):
            await asyncio.sleep(first_s + piece.token / TOKENS_PER_S - loop.time())
            if piece.call is None:
                yield TextDelta(text=piece.text)
            else:
                call_id = f"call_{len(messages)}_{piece.call}" if piece.name else None
                yield CallDelta(index=piece.call, call_id=call_id, name=piece.name, arguments=piece.text)
        yield Finish(reason="tool_calls" if reply.calls else "stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The outcome of one conversation."""

    case: Case
    mode: str
    style: Style
    #: How long all user turns took, in seconds of the tools' and the model's clock.
    seconds: float
    requests: int
    #: Requests of these whose replies were not used.
    unused: int
    #: Each call's outcome: its value, or its status and its error.
    results: tuple[Any, ...]
    answers: tuple[str, ...]
    ran: tuple[Ran, ...]
    state: Any
    objects: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        """The results, as the package writes them."""
        return [as_text(result) for result in self.results]


async def play(
    case: Case,
    *,
    mode: str,
    style: Style,
    latency: Latency,
    model: ChatModel | None = None,
    table: Effects | None = None,
    **options: Any,
) -> Played:
    """Hold a conversation.

    Args:
        case: What is said and called.
        mode: The mode of the agent.
        style: How the model plays the plan.
        latency: How long the tools take.
        model: The oracle; the one in this process by default.
        table: What the tools declare to read and write: the true table by default, an empty one for nothing at all.
        options: What else the agent is made with; it remembers nothing from other conversations by default.
    """
    options.setdefault("remember", "off")
    world = World(case, latency)
    enter(world)
    declared = effects() if table is None else table or None

    def agent(*, detached: bool) -> Agent:
        tools = tools_of(case, table=declared, detached=detached)
        return Agent(model or OracleModel(), tools=tools, mode=mode, max_turns=200, **options)

    last, earlier = agent(detached=False), agent(detached=style.pending and mode == "async")
    conversation = Conversation()
    runs, seconds = await _talk(case, style, [*[earlier] * (len(case.turns) - 1), last], conversation)
    issued = conversation.driver.issued
    return Played(
        case=case,
        mode=mode,
        style=style,
        seconds=seconds,
        requests=sum(run.turns for run in runs),
        unused=sum(isinstance(stamped.event, RequestRetracted) for run in runs for stamped in run.trace),
        results=tuple(each.value if each.status == "done" else (each.status, each.error) for each in issued),
        answers=tuple(run.answer for run in runs),
        ran=tuple(world.ran),
        state=fingerprint(world.objects),
        objects=world.objects,
    )


async def _talk(
    case: Case, style: Style, agents: Sequence[Agent], conversation: Conversation
) -> tuple[list[Run], float]:
    """Let an agent take each user turn; return the runs, and how long they took."""
    loop, runs, seconds = asyncio.get_running_loop(), [], 0.0
    for turn, agent in enumerate(agents):
        begun_s = loop.time()
        runs.append(await agent.run(style.prompt(case, turn), conversation=conversation))
        seconds += loop.time() - begun_s
    return runs, seconds


def play_virtually(case: Case, **how: Any) -> Played:
    """Hold a conversation in virtual time, where nothing takes time but the model and the tools."""
    return run_virtually(play(case, **how))


def wrong_in(played: Played, expected: Played, *, answers: Sequence[int] | None = None) -> list[str]:
    """Return what differs from another conversation on the same case: results, state, and what the model saw.

    Args:
        played: The conversation.
        expected: The same, call by call.
        answers: The user turns whose answers count; all by default.
    """
    wrong = [
        f"{call.name} gave {text[:80]} and not {meant[:80]}"
        for call, text, meant in zip(played.case.calls, played.texts, expected.texts, strict=False)
        if text != meant
    ]
    if len(played.results) != len(expected.results):
        wrong.append(f"{len(played.results)} calls were made, not {len(expected.results)}")
    if played.state != expected.state:
        wrong.append("the final state differs")
    turns = range(len(played.answers)) if answers is None else answers
    differ = [turn for turn in turns if played.answers[turn] != expected.answers[turn]]
    wrong += [f"the answer of user turn {turn} differs" for turn in differ]
    return [f"{played.case.name}, {played.mode}: {each}" for each in wrong]
