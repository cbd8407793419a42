"""A scripted conversation in virtual time with three tools, and functions that show what was sent to the model."""

import asyncio
import json

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.errors import AgentInterrupted
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.strict_server import StrictModel


async def slow(seconds: float, answer: str = "slept") -> dict:
    """Sleep, then answer."""
    await asyncio.sleep(seconds)
    return {"answer": answer, "seconds": seconds}


async def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


async def fails(reason: str) -> str:
    """Fail."""
    raise ValueError(reason)


TOOLS = tuple(make_tool(function, pure=True) for function in (slow, shout, fails))


def play(*replies, prompt="go", mode="async", tools=TOOLS, **options):
    """Run a script to its end in virtual time with the strictest server's rules for each request; return run and model."""
    model = StrictModel(*replies)
    agent = Agent(model, tools=tools, mode=mode, **options)
    return run_virtually(agent.run(prompt)), model


def new_answers(model, request):
    """The tool messages that a request adds to the one before, decoded, by call id."""
    before = len(model.requests[request - 1].messages) if request else 0
    new = model.requests[request].messages[before:]
    return {m["tool_call_id"]: json.loads(m["content"]) for m in new if m["role"] == "tool"}


def times(run, kind):
    return [stamped.at_s for stamped in run.trace if isinstance(stamped.event, kind)]


async def interrupted(agent, *, after_s, conversation=None):
    """Start a run, interrupt it after a time (zero: before its first step), and return it when it has ended."""
    run = agent.start("go", conversation=conversation)
    if after_s is not None:
        await asyncio.sleep(after_s)
    run.cancel()
    with pytest.raises(AgentInterrupted):
        await run.wait()
    return run
