"""The rehearsal model for clients that run Python: snippets make the calls of a policy, and the answer shows every result."""

import ast
import asyncio
import inspect
import json

import pytest

from asyncfc_jupyter.models.base import CallDelta, ChatRequest, TextDelta
from asyncfc_jupyter.testing import run_virtually
from tests.benchmarks.policies import POLICIES, answer_of, plan_of
from tests.servers.code_rehearsal import RUN_CODE, CodeRehearsal, snippet

MODEL = CodeRehearsal(ttft_ms=300, tokens_per_s=60)
TOOL = {"type": "function", "function": {"name": RUN_CODE, "parameters": {}}}


async def talk(plan):
    """Run each snippet of a plan as a client would; return the answer and, for each reply, the topics of its calls."""
    made, names = [], {}

    async def look(topic, basis=()):
        made[-1].append((topic[:1], list(basis)))
        await asyncio.sleep(0.2)
        return {"id": f"#{topic[:1]:0>5}"}

    names["look"] = look
    messages = [{"role": "user", "content": plan}]
    while True:
        text, code = "", ""
        async for delta in MODEL.stream(ChatRequest(messages=messages, tools=[TOOL])):
            if isinstance(delta, TextDelta):
                text += delta.text
            if isinstance(delta, CallDelta):
                code += delta.arguments or ""
        if not code:
            return text, made
        made.append([])
        shown = await run(json.loads(code)["code"], names)
        messages += [{"role": "assistant", "content": text}, {"role": "tool", "content": json.dumps(shown)}]


async def run(code, names):
    """Run a snippet whose last line is an expression, and return its value."""
    *body, last = code.splitlines()
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    started = eval(compile("\n".join(body), "snippet", "exec", flags), names)
    if inspect.isawaitable(started):
        await started
    return eval(last, names)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_snippets_make_the_calls_of_each_reply_and_show_what_they_return(policy) -> None:
    answer, made = run_virtually(talk(plan_of(policy)))
    assert answer == answer_of(policy)
    calls = [[part for part in reply if hasattr(part, "takes")] for reply in policy.replies]
    assert [[topic for topic, _ in reply] for reply in made] == [[call.name for call in reply] for reply in calls]
    given = [basis for reply in made for _, basis in reply]
    taken = [[f"#{name:0>5}" for name in call.takes if not call.reads] for reply in calls for call in reply]
    assert given == taken


def test_calls_are_gathered_up_to_one_that_takes_a_result() -> None:
    lines = ['a = look(topic="1")', 'b = look(topic="2")', "c = look(basis=[a.id])"]
    assert snippet(lines) == (
        'import asyncio\na, b = await asyncio.gather(\n    look(topic="1"),\n    look(topic="2"),\n)\n'
        "c = await look(basis=[a['id']])\n[a, b, c]"
    )


def test_a_reply_without_calls_is_the_answer() -> None:
    assert run_virtually(talk('"ready"')) == ("ready", [])
