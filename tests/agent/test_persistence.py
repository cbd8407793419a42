"""Conversations that are forks of another one, or are read from a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from asyncfc_jupyter import Agent, Conversation, Run, tool
from asyncfc_jupyter.agent.persistence import fork, from_json, to_json
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.testing import run_virtually

MODEL = {"ttft_ms": 20, "tokens_per_s": 2000}


@tool(pure=True)
async def quick(x: int) -> int:
    """Return x."""
    return x


@tool(pure=True)
async def thing(x: int) -> object:
    """Return what JSON cannot hold."""
    return {x}


@tool(pure=True, detached=True, timeout_s=None)
async def slow(x: int) -> int:
    """Return x after an hour."""
    await asyncio.sleep(3600)
    return x


async def ask(plan: str, conversation: Conversation | None = None) -> Run:
    agent = Agent("rehearsal", tools=[quick, thing, slow], model_options=MODEL)
    return await agent.run(plan, conversation=conversation)


def virtually(main: Callable[[], Awaitable[None]]) -> None:
    run_virtually(main())


def test_a_fork_continues_alone_with_the_values_and_names_so_far() -> None:
    async def main() -> None:
        first = await ask("a = quick(x=5)\n\nf'{a}'")
        branch = fork(first.conversation)
        second = await ask("b = quick(x='$f1')\n\nf'{b}'", branch)
        assert (second.answer, list(second.futures)) == ("5", ["f1", "f2"])
        assert list(first.futures) == ["f1"]
        assert len(first.conversation.messages) < len(branch.messages)

    virtually(main)


def test_a_pending_future_is_not_in_the_fork_and_the_model_is_informed() -> None:
    async def main() -> None:
        first = await ask("a = slow(x=1)\n\n'later'")
        branch = fork(first.conversation)
        second = await ask("b = quick(x=1)\n\n'done'", branch)
        assert second.futures["f1"].state.value == "cancelled"
        assert not first.futures["f1"].done()
        messages = [message["content"] for message in branch.messages if message["role"] == "tool"]
        assert any("its result stays there; make the call again" in content for content in messages)
        first.futures["f1"].cancel()

    virtually(main)


def test_a_conversation_in_use_is_neither_forked_nor_written() -> None:
    async def main() -> None:
        run = Agent("rehearsal", tools=[quick], model_options=MODEL).start("'x'")
        for refused in (fork, to_json):
            with pytest.raises(UsageError, match="a run is using the conversation"):
                refused(run.conversation)
        await run.wait()

    virtually(main)


def test_a_file_restores_messages_plain_values_and_names() -> None:
    """The conversation says which values are lost."""

    async def main() -> None:
        run = await ask("a = quick(x=5)\nb = thing(x=1)\n\n'ok'")
        loaded, system = from_json(to_json(run.conversation, system="be brief"))
        assert system == "be brief"
        assert loaded.messages == run.conversation.messages
        again = await ask("c = quick(x='$f1')\n\nf'{c}'", loaded)
        assert (again.answer, list(again.futures)) == ("5", ["f1", "f2", "f3"])
        assert "its value (1 item) could not be saved" in repr(again.futures["f2"])

    virtually(main)


def test_a_list_of_messages_is_read_and_names_continue_after_its_own() -> None:
    async def main() -> None:
        run = await ask("a = quick(x=5)\n\n'ok'")
        messages = [{"role": "system", "content": "be brief"}, *run.conversation.messages]
        loaded, system = from_json(json.dumps(messages))
        assert system == "be brief"
        again = await ask("c = quick(x=7)\n\nf'{c}'", loaded)
        assert (again.answer, list(again.futures)) == ("7", ["f1", "f2"])

    virtually(main)


CALL = {"id": "c1", "type": "function", "function": {"name": "quick", "arguments": "{}"}}


def called(arguments: str = "{}", **more: object) -> str:
    """A list of messages with one call."""
    call = {**CALL, "function": {"name": "quick", "arguments": arguments}}
    return json.dumps(
        [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": None, "tool_calls": [call], **more},
            {"role": "tool", "tool_call_id": "c1", "content": "5"},
            {"role": "assistant", "content": "5"},
        ]
    )


def test_blanks_around_the_arguments_of_a_call_are_accepted_and_removed() -> None:
    loaded, _ = from_json(called(' \n{"x": 5}\t'))
    assert loaded.messages[1]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "quick", "arguments": '{"x": 5}'}}
    ]


@pytest.mark.parametrize(
    "kept",
    [
        {"model": "m", "field": "reasoning", "text": "Hm"},
        {"model": "m", "items": [{"type": "reasoning", "content": []}, {"type": "function_call", "call_id": "c1"}]},
    ],
)
def test_what_a_model_wants_to_see_again_comes_back_as_it_was(kept: dict[str, object]) -> None:
    loaded, _ = from_json(called(replay=kept))
    assert loaded.messages[1]["replay"] == kept
    assert from_json(to_json(loaded))[0].messages == loaded.messages


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (called("{oops"), "message 1 calls quick with arguments that are not JSON: Expecting property name"),
        (called('{"x": NaN}'), "message 1 calls quick with arguments that are not JSON: NaN is not a JSON value"),
        (called('{"x": 1} {}'), "message 1 calls quick with arguments that are not JSON: Extra data"),
        (called('{"x": ' + "[" * 100_000), "message 1 calls quick with arguments that are not JSON"),
        (called(" "), "arguments are a JSON object"),
        (called("[]"), "arguments are a JSON object"),
        (called(replay={"field": "reasoning", "text": "Hm"}), "messages.1.replay: does not name the model"),
        (called(replay={"model": "m", "field": "reasoning"}), "holds neither items of a reply nor the text of a field"),
        (called(replay={"model": "m", "field": "role", "text": "system"}), "holds neither items of a reply nor"),
        (called(replay={"model": "m", "items": {}}), "holds neither items of a reply nor"),
        (called(replay={"model": "m", "items": [3]}), "holds neither items of a reply nor"),
        (called(replay={"model": "m", "items": [{"type": []}]}), "holds neither items of a reply nor"),
        (called(replay={"model": "m", "items": [{"type": "function_call", "call_id": []}]}), "holds neither items"),
        ("not json", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("3", "is not a conversation: the file: "),
        ('{"messages": []}', "is not a conversation: format: Field required"),
        (json.dumps([{"role": "robot"}]), "messages.0.role: Input should be 'system', 'user'"),
        (json.dumps([{"role": "user", "content": 3}]), "messages.0.content: Input should be a valid string"),
        (json.dumps([{"role": "user", "content": "x"}]), "ends with a message of the user"),
        (
            json.dumps([{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [CALL]}]),
            "holds a history that servers refuse: every tool call is answered before the next request",
        ),
        (
            json.dumps([{"role": "user", "content": "x"}, {"role": "system", "content": "obey"}]),
            "a message's role is user, assistant or tool",
        ),
        (
            json.dumps(
                {
                    "format": "asyncfc_jupyter conversation 1",
                    "messages": [],
                    "futures": [{"name": "f2", "tool": "t", "status": "done"}],
                }
            ),
            "futures: their names are not f1, f2, ... in this order",
        ),
    ],
)
def test_a_file_without_a_conversation_is_refused_in_one_clear_line(content: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_json(content)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_a_surrogate_pair_is_saved_and_read_as_it_was() -> None:
    conversation, _ = from_json(
        json.dumps([{"role": "user", "content": "the file caf\udc80 é 😀"}, {"role": "assistant", "content": "yes"}])
    )
    text = to_json(conversation, system="\ud800")
    text.encode("utf-8")
    assert "é 😀" in text
    again, system = from_json(text)
    assert (again.messages[0]["content"], system) == ("the file caf\udc80 é 😀", "\ud800")
