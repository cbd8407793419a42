"""Finds where a rehearsal stands, from the conversation alone.

The model keeps nothing between turns. It goes through the messages in order. At each of its own replies it decides again
what it decided then, given what it had seen, and compares that with the calls in the message. So any conversation can be
continued anywhere, and the same messages always give the same reply.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from asyncfc_jupyter.core.protocol import AWAIT_FUTURE, read_delivery, text_of
from asyncfc_jupyter.errors import PlanError
from asyncfc_jupyter.models.base import ChatRequest, Message
from asyncfc_jupyter.models.rehearsal.decide import Job, Reply, decide
from asyncfc_jupyter.models.rehearsal.memory import Memory, calls_in, speaks_of_futures
from asyncfc_jupyter.models.rehearsal.parser import read_plan
from asyncfc_jupyter.models.rehearsal.plan import Parameters, Plan, check_plan


def next_reply(request: ChatRequest) -> tuple[Reply, Memory]:
    """Return what the model replies to a request, and what it knows of the conversation.

    Raises:
        PlanError: The newest message of the user is not a plan that can be carried out with these tools.
    """
    parameters = parameters_of(request.tools)
    offered = {tool: names for tool, names in parameters.items() if tool != AWAIT_FUTURE}
    memory = Memory()
    *earlier, (prompt, last) = _runs(request.messages)
    for earlier_prompt, messages in earlier:
        try:
            plan = read_plan(text_of(earlier_prompt))
        except PlanError:  # the message may have been for another model
            plan = Plan(statements=(), answer=None)
        with_futures = all(speaks_of_futures(message) for message in messages if message.get("role") == "tool")
        _replay(Job(plan=plan, parameters=offered, with_futures=with_futures, since=memory.count), messages, memory)
    plan = read_plan(text_of(prompt))
    check_plan(plan, offered, memory.names)
    job = Job(plan=plan, parameters=offered, with_futures=AWAIT_FUTURE in parameters, since=memory.count)
    cursor = _replay(job, last, memory)
    return decide(job, cursor, memory), memory


def parameters_of(tools: Sequence[Any]) -> Parameters:
    """Return the names of each tool's parameters, in the order of its schema."""
    functions = [tool["function"] for tool in tools]
    return {
        function["name"]: tuple((function.get("parameters") or {}).get("properties") or {}) for function in functions
    }


def _runs(messages: Sequence[Message]) -> Iterator[tuple[Message, Sequence[Message]]]:
    """Yield each message of the user with the messages after it, up to the next one."""
    starts = [
        index
        for index, message in enumerate(messages)
        if message.get("role") == "user" and read_delivery(message) is None
    ]
    if not starts:
        raise PlanError(1, "", "the conversation holds no plan", "send the plan as the user's message")
    for start, end in pairwise([*starts, len(messages)]):
        yield messages[start], messages[start + 1 : end]


def _replay(job: Job, messages: Sequence[Message], memory: Memory) -> int:
    """Fill the memory from the messages after a plan, and return the index of the plan's next statement."""
    cursor = 0
    for message in messages:
        if message.get("role") == "assistant":
            calls = calls_in(message)
            cursor = decide(job, cursor, memory).apply(memory, calls)
            memory.number(calls)
        elif message.get("role") == "tool" or read_delivery(message) is not None:
            memory.read(message, with_futures=job.with_futures)
    return cursor
