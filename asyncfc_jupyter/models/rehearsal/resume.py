"""Finding out where a rehearsal stands, from the conversation alone.

The model keeps nothing between turns. It goes through the messages as they came: at each of its own replies it
decides again what it had decided, given what it had seen by then, and compares that with the calls that are really
there. So any conversation can be continued, whoever holds it, and the same messages always give the same reply.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from asyncfc_jupyter.core.protocol import AWAIT_FUTURE, read_delivery, text_of
from asyncfc_jupyter.errors import PlanError
from asyncfc_jupyter.models.base import ChatRequest, Message
from asyncfc_jupyter.models.rehearsal.decide import Assignment, Reply, decide
from asyncfc_jupyter.models.rehearsal.memory import Memory, calls_in, speaks_of_futures
from asyncfc_jupyter.models.rehearsal.parser import read_plan
from asyncfc_jupyter.models.rehearsal.plan import Parameters, Plan, check_plan


def next_reply(request: ChatRequest) -> tuple[Reply, Memory]:
    """Return what the model replies to a request, and what it knows of the conversation.

    Raises:
        PlanError: The newest message of the person is not a plan that can be carried out with these tools.
    """
    parameters = parameters_of(request.tools)
    futures = AWAIT_FUTURE in parameters
    offered = {tool: names for tool, names in parameters.items() if tool != AWAIT_FUTURE}
    memory = Memory()
    *earlier, (asked, last) = _runs(request.messages)
    for prompt, messages in earlier:
        told = all(speaks_of_futures(message) for message in messages if message.get("role") == "tool")
        plan = _earlier_plan(prompt)
        _replay(Assignment(plan=plan, parameters=offered, futures=told, since=memory.count), messages, memory)
    plan = read_plan(text_of(asked))
    check_plan(plan, offered, memory.names)
    assignment = Assignment(plan=plan, parameters=offered, futures=futures, since=memory.count)
    cursor = _replay(assignment, last, memory)
    return decide(assignment, cursor, memory), memory


def parameters_of(tools: Sequence[Any]) -> Parameters:
    """Return the names of each tool's parameters, in the order of its schema."""
    functions = [tool["function"] for tool in tools]
    return {
        function["name"]: tuple((function.get("parameters") or {}).get("properties") or {}) for function in functions
    }


def _runs(messages: Sequence[Message]) -> Iterator[tuple[Message, Sequence[Message]]]:
    """Yield each message of the person with the messages that follow it, up to the next one."""
    starts = [
        index
        for index, message in enumerate(messages)
        if message.get("role") == "user" and read_delivery(message) is None
    ]
    if not starts:
        raise PlanError(1, "", "the conversation holds no plan", "send the plan as the person's message")
    for start, end in pairwise([*starts, len(messages)]):
        yield messages[start], messages[start + 1 : end]


def _earlier_plan(prompt: Message) -> Plan:
    """Return an earlier message's plan, or an empty one: the message may have been for another model."""
    try:
        return read_plan(text_of(prompt))
    except PlanError:
        return Plan(statements=(), answer=None)


def _replay(assignment: Assignment, messages: Sequence[Message], memory: Memory) -> int:
    """Go through what followed a plan, filling the memory, and return the index of the plan's next statement."""
    cursor = 0
    for message in messages:
        if message.get("role") == "assistant":
            calls = calls_in(message)
            cursor = decide(assignment, cursor, memory).apply(memory, calls)
            memory.number(calls)
        elif message.get("role") == "tool" or read_delivery(message) is not None:
            memory.read(message, futures=assignment.futures)
    return cursor
