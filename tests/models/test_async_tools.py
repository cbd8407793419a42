"""Asynchronous tools of the Responses API: calls stay open, outputs follow, a refusal ends in placeholders."""

import asyncio
import json

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.models.base import ChatRequest, ReplyItem
from asyncfc_jupyter.models.openai.async_tools import OpenAINative, native_items
from asyncfc_jupyter.tools.definition import make_tool
from tests.servers.response_script import call_item, response, text_item
from tests.servers.scripted_server import HttpError, ScriptedServer, Stream

PENDING = {"future": "f1", "tool": "slow", "status": "pending", "value": None, "note": "Not the result."}


def async_call(call_id, name, arguments):
    """A call that the server marks as asynchronous."""
    return call_item(call_id, name, arguments, **{"async": True})


class Door:
    """A tool that returns when the test allows it."""

    def __init__(self):
        self.open = asyncio.Event()

    async def slow(self) -> dict:
        """Take a while."""
        await self.open.wait()
        return {"price": 12}

    async def slower(self) -> dict:
        """Take a while, too."""
        await self.open.wait()
        return {"price": 13}

    async def ready(self) -> str:
        """Take no time."""
        return "at once"

    async def quick(self, price: int) -> str:
        """Take no time."""
        self.open.set()
        return f"paid {price}"


def play(answers, *, names=("slow",), **options):
    """Run the script; the door opens with the second request."""

    async def main(server):
        door = Door()
        model = OpenAINative("m", base_url=server.base_url, api_key="k")
        tools = [make_tool(getattr(door, name), pure=True) for name in names]

        def watch(stamped):
            if type(stamped.event).__name__ == "TurnStarted" and stamped.event.turn == 2:
                door.open.set()

        agent = Agent(model, tools=tools, **{"hedge": "off", **options})
        return await agent.run("go", observers=[watch]), model

    with ScriptedServer(answers) as server:
        run, model = asyncio.run(main(server))
    return run, model, server


def test_a_pending_call_stays_open_until_its_value_is_delivered() -> None:
    """Its output follows instead of the delivery."""
    script = [
        response(call_item("a", "slow", {}, **{"async": True})),
        response(text_item("Waiting.")),
        response(text_item("It costs 12.")),
    ]
    run, model, server = play(script)
    assert run.answer == "It costs 12."
    assert model.is_native
    tools = {tool["name"]: tool.get("async") for tool in server.requests[0].body["tools"]}
    assert tools == {"slow": True, "await_future": None}
    second, third = (request.messages for request in server.requests[1:])
    assert second[-1] == {"type": "function_call", "call_id": "a", "name": "slow", "arguments": "{}", "async": True}
    assert third[: len(second)] == second  # sent messages never change
    assert [item["type"] for item in third[len(second) :]] == ["message", "function_call_output"]
    assert third[-1]["call_id"] == "a"
    assert json.loads(third[-1]["output"])["value"] == {"price": 12}
    assert "asyncfc_gate_" not in json.dumps(third)


@pytest.mark.parametrize(
    "message",
    ["Unknown parameter: 'tools[0].async'.", "Model m does not support asynchronous function tools."],
)
def test_a_server_that_refuses_asynchronous_tools_is_sent_placeholders(message) -> None:
    """This begins with the refusal."""
    script = [
        HttpError(status=400, message=message),
        response(call_item("a", "slow", {})),
        response(text_item("Waiting.")),
        response(text_item("It costs 12.")),
    ]
    with pytest.warns(UserWarning, match="refuses the option 'async'"):
        run, model, server = play(script)
    assert run.answer == "It costs 12."
    assert not model.is_native
    assert '"async"' not in json.dumps([request.body for request in server.requests[1:]])
    placeholder = server.requests[2].messages[-1]
    assert placeholder["type"] == "function_call_output"
    assert json.loads(placeholder["output"])["status"] == "pending"


def test_a_refusal_of_an_open_call_is_a_refusal_too() -> None:
    script = [
        response(async_call("a", "slow", {})),
        HttpError(status=400, message="No tool output found for function call a."),
        response(text_item("Waiting.")),
        response(text_item("It costs 12.")),
    ]
    with pytest.warns(UserWarning, match="refuses the option 'async'"):
        run, _, server = play(script)
    assert run.answer == "It costs 12."
    assert json.loads(server.requests[2].messages[-1]["output"])["status"] == "pending"


@pytest.mark.parametrize("wait", [{"futures": ["f1", "f2"], "mode": "any"}, {"futures": ["f2"], "timeout_s": 0.05}])
def test_a_wait_that_ends_before_a_call_of_its_reply_leaves_the_call_open(wait) -> None:
    calls = (async_call("a", "ready", {}), async_call("b", "slow", {}), call_item("w", "await_future", wait))
    script = [response(*calls), response(text_item("Waiting.")), response(text_item("It costs 12."))]
    _, _, server = play(script, names=("ready", "slow"))
    second, third = (request.messages for request in server.requests[1:])
    assert [item["call_id"] for item in second if item["type"] == "function_call_output"] == ["a", "w"]
    (late,) = (item for item in third[len(second) :] if item["type"] == "function_call_output")
    assert late["call_id"] == "b"
    assert json.loads(late["output"])["value"] == {"price": 12}


def call(call_id, name="slow"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def made_by(*calls, content=None, marked=None, model="m"):
    """A reply whose calls the server marked as asynchronous; with ``marked``, only those of these ids."""
    items = [
        {"type": "function_call", "call_id": made["id"], "async": marked is None or made["id"] in marked}
        for made in calls
    ]
    replay = {"model": model, "items": items}
    return {"role": "assistant", "content": content, "tool_calls": list(calls), "replay": replay}


def test_an_output_comes_once_whether_it_is_awaited_delivered_or_at_once() -> None:
    done = {"future": "f1", "tool": "slow", "arguments": {}, "status": "done", "value": 1}
    history = [
        {"role": "user", "content": "go"},
        made_by(call("a")),
        {"role": "tool", "tool_call_id": "a", "content": json.dumps(PENDING)},
        made_by(call("early", "await_future")),
        {"role": "tool", "tool_call_id": "early", "content": json.dumps([PENDING])},
        made_by(call("b"), content="So"),
        {
            "role": "tool",
            "tool_call_id": "b",
            "content": json.dumps(
                {"future": "f2", "tool": "slow", "status": "done", "value": 2, "delivered": [done], "still_pending": []}
            ),
        },
        made_by(call("w", "await_future")),
        {"role": "tool", "tool_call_id": "w", "content": json.dumps([done])},
    ]
    whole = list(native_items(history, "m"))
    outputs = [
        (item["call_id"], json.loads(item["output"])) for item in whole if item["type"] == "function_call_output"
    ]
    assert outputs == [
        ("early", [PENDING]),
        ("b", {"future": "f2", "tool": "slow", "status": "done", "value": 2}),
        ("a", {"future": "f1", "tool": "slow", "status": "done", "value": 1}),
        ("w", [done]),
    ]
    for length in range(len(history)):
        part = list(native_items(history[:length], "m"))
        assert whole[: len(part)] == part


def test_results_delivered_as_the_user_become_the_outputs_of_open_calls() -> None:
    script = [
        response(async_call("a", "slow", {})),
        response(text_item("Waiting.")),
        response(text_item("It costs 12.")),
    ]
    _, _, server = play(script, deliver="user")
    second, third = (request.messages for request in server.requests[1:])
    assert third[: len(second)] == second
    assert [item["type"] for item in third[len(second) :]] == ["message", "function_call_output"]
    assert (third[-1]["call_id"], json.loads(third[-1]["output"])["value"]) == ("a", {"price": 12})


def test_results_that_close_no_call_stay_in_the_users_message() -> None:
    def delivery(*results):
        return {"role": "user", "content": json.dumps({"delivered": results, "note": "From the tools"})}

    first = {"future": "f1", "tool": "slow", "arguments": {}, "status": "done", "value": 1}
    stranger = first | {"future": "f2"}
    history = [
        {"role": "user", "content": "go"},
        made_by(call("a")),
        {"role": "tool", "tool_call_id": "a", "content": json.dumps(PENDING)},
    ]
    for content in (delivery(), delivery({"future": "f1"}), delivery(3), {"role": "user", "content": '{"delivered": '}):
        assert list(native_items([*history, content], "m"))[2:] == [{"type": "message", **content}]
    both = delivery(first, stranger)
    output, said = list(native_items([*history, both], "m"))[2:]
    assert (output["call_id"], said) == ("a", {"type": "message", **both})


@pytest.mark.parametrize(
    "value",
    [
        {"future": "ESZ5", "status": "pending", "delivered": 3},
        {"future": "f1", "status": "open", "delivered": 3},
        {"future": "f1", "status": "done", "delivered": []},
        {"future": "f1", "tool": "slow", "status": "done", "value": 1, "delivered": 3},
        {"future": "f1", "tool": "slow", "status": "pending", "delivered": [3, {"future": ["f1"]}]},
        {"future": ["f1"], "status": ["pending"]},
        {**PENDING, "tool": "another"},
        [{"future": "f1"}],
    ],
)
def test_a_tools_own_value_is_not_taken_for_a_message_of_the_layer(value) -> None:
    history = [
        made_by(call("a")),
        {"role": "tool", "tool_call_id": "a", "content": json.dumps(value)},
    ]
    *_, output = native_items(history, "m")
    assert (output["type"], json.loads(output["output"])) == ("function_call_output", value)


def plan_of_three(asked):
    """The answer to a request of a model that makes three calls, and makes those again that it has no output of.

    It behaves as a server does that takes ``async`` and knows nothing of it.
    """
    items = asked["input"]
    answered = {item["call_id"] for item in items if item["type"] == "function_call_output"}
    made = [item["call_id"] for item in items if item["type"] == "function_call"]
    missing = [
        number for number in range(3) if not any(each.startswith(f"c{number}") and each in answered for each in made)
    ]
    if missing:
        return response(*[call_item(f"c{number}_{len(items)}", "count", {"number": number}) for number in missing])
    return response(text_item("Done."))


@pytest.mark.parametrize("deliver", ["tool", "user"])
def test_a_server_that_ignores_async_is_sent_placeholders(deliver) -> None:
    ran = []

    async def main(base_url):
        gate = asyncio.Event()

        async def count(number: int) -> int:
            """Count."""
            ran.append(number)
            await gate.wait()
            return number

        def watch(stamped):
            if type(stamped.event).__name__ == "TurnStarted" and stamped.event.turn == 2:
                gate.set()

        model = OpenAINative("m", base_url=base_url, api_key="k")
        agent = Agent(model, tools=[make_tool(count, reads="numbers")], deliver=deliver)
        first = await agent.run("go", observers=[watch])
        return first, await agent.run("again", conversation=first.conversation), model

    with ScriptedServer(plan_of_three) as server, pytest.warns(UserWarning, match="makes ordinary calls") as warned:
        first, second, model = asyncio.run(main(server.base_url))
    assert ran == [0, 1, 2], "each tool ran once"
    assert (first.answer, second.answer) == ("Done.", "Done.")
    (warning,) = {str(each.message) for each in warned}
    assert server.base_url.removesuffix("/v1") in warning, "it names the server"
    assert "--api responses" in warning, "and the way out"
    assert not model.is_native
    sent = [request.body for request in server.requests]
    assert [any(tool.get("async") for tool in body["tools"]) for body in sent] == [True, *[False] * (len(sent) - 1)]
    outputs = [item for item in sent[1]["input"] if item["type"] == "function_call_output"]
    assert [json.loads(item["output"])["status"] for item in outputs] == ["pending"] * 3
    assert '"async"' not in json.dumps(sent[1:])
    last = json.dumps(sent[-1])
    assert all(f'\\"value\\": {number}' in last or f'\\"value\\":{number}' in last for number in range(3)), (
        "no value is lost"
    )


def test_only_the_calls_that_a_server_marks_stay_open() -> None:
    """The others are answered by a placeholder, and their values by the layer's own call."""
    script = [
        response(async_call("a", "slow", {}), call_item("b", "slower", {})),
        response(text_item("Waiting.")),
        response(text_item("It costs 12.")),
    ]
    run, model, server = play(script, names=("slow", "slower"))
    assert run.answer == "It costs 12."
    assert model.is_native
    second, third = (request.messages for request in server.requests[1:])
    (placeholder,) = [item for item in second if item["type"] == "function_call_output"]
    assert (placeholder["call_id"], json.loads(placeholder["output"])["status"]) == ("b", "pending")
    assert [(item["call_id"], item.get("async")) for item in second if item["type"] == "function_call"] == [
        ("a", True),
        ("b", None),
    ]
    assert third[: len(second)] == second, "what was sent does not change"
    new = third[len(second) :]
    assert [item["type"] for item in new] == [
        "message",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    gate, own = [item for item in new if item["type"] == "function_call_output"]
    assert [each["future"] for each in json.loads(gate["output"])] == ["f2"]
    assert (own["call_id"], json.loads(own["output"])["value"]) == ("a", {"price": 12})


def test_what_a_message_says_of_calls_that_are_not_open_stays_in_it() -> None:

    def answer(content):
        return {"role": "tool", "tool_call_id": "c", "content": json.dumps(content)}

    late = {"future": "f1", "tool": "slow", "arguments": {}, "status": "done", "value": 1}
    own = {"future": "f3", "tool": "ready", "status": "done", "value": 3}
    history = [
        made_by(call("a"), call("b"), marked={"b"}),
        {"role": "tool", "tool_call_id": "a", "content": json.dumps(PENDING)},
        {"role": "tool", "tool_call_id": "b", "content": json.dumps(PENDING | {"future": "f2"})},
        made_by(call("c", "ready")),
        answer(own | {"delivered": [late], "still_pending": ["f2", "f9"]}),
    ]
    *_, output = native_items(history, "m")
    assert json.loads(output["output"]) == own | {"delivered": [late], "still_pending": ["f9"]}
    history[-1] = answer(PENDING | {"tool": "ready", "future": "f3", "delivered": [late]})
    *_, output = native_items(history, "m")
    assert json.loads(output["output"])["delivered"] == [late], "a pending call is answered where a value would be lost"


def test_a_call_that_another_model_made_is_not_open() -> None:
    history = [made_by(call("a"), model="n"), {"role": "tool", "tool_call_id": "a", "content": json.dumps(PENDING)}]
    made, output = native_items(history, "m")
    assert "async" not in made
    assert json.loads(output["output"])["status"] == "pending"


@pytest.mark.parametrize("missing", ["item.added", "item.done"])
def test_the_mark_of_a_call_is_read_from_whichever_event_has_it(missing) -> None:
    whole = response(async_call("a", "slow", {"x": 1}))
    steps = [step for step in whole.steps if not step["type"].endswith(missing)]
    if missing == "item.done":
        output = [{"type": "function_call", "call_id": "a", "name": "slow", "arguments": '{"x": 1}', "async": True}]
        steps[-1] = {**steps[-1], "response": {**steps[-1]["response"], "output": output}}

    async def ask(base_url):
        model = OpenAINative("m", base_url=base_url, api_key="k")
        tools = [{"type": "function", "function": {"name": "slow", "parameters": {"type": "object"}}}]
        return [
            d async for d in model.stream(ChatRequest(messages=[{"role": "user", "content": "go"}], tools=tools))
        ], model

    with ScriptedServer([Stream(tuple(steps))]) as server:
        deltas, model = asyncio.run(ask(server.base_url))
    assert model.is_native
    assert model.async_calls == 1
    assert ReplyItem(item={"type": "function_call", "call_id": "a", "async": True}) in deltas
