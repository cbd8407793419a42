"""A whole cassette of a conversation, and what a replay reports for each way in which the conversation can change."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asyncfc_jupyter.core.protocol import NOTHING_PENDING
from asyncfc_jupyter.errors import AgentInterrupted, CassetteDiffers, CassetteError, ServerError, ServerTimedOut
from asyncfc_jupyter.models.base import (
    CallDelta,
    ChatRequest,
    Delta,
    Finish,
    ReasoningDelta,
    ReplyItem,
    Retrying,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.cassette.cassette import Recording, Replay, recorded_model
from asyncfc_jupyter.models.cassette.diff import first_difference
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.testing import Breaks, Calls, Says, ScriptedModel, Thinks, run_virtually
from tests.models.scripted_model import Plays, ask
from tests.suite.expected import Compare

KEY = "planted-0123456789"


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "", "parameters": {"type": "object"}}}


GO = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "What is é?"}]
CALL = {"id": "s1", "type": "function", "function": {"name": "get", "arguments": '{"x": 1}'}}
THEN = [
    *GO,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {
        "role": "tool",
        "tool_call_id": "s1",
        "content": json.dumps({"future": "f1", "status": "done", "value": {"price": [3, 4]}}),
    },
]
REQUESTS = [
    ChatRequest(messages=GO, tools=[tool("get")], options={"seed": 1, "stop": ["\n"]}),
    ChatRequest(messages=THEN, tools=[tool("get")], options={}),
    ChatRequest(messages=[*THEN, {"role": "user", "content": f"My key is {KEY}."}], tools=[tool("get")], options={}),
    ChatRequest(messages=THEN, tools=[tool("get"), tool("put")], options={}),
    ChatRequest(messages=GO, tools=[tool("get")], options={"seed": 1, "stop": ["\n"]}),
    ChatRequest(messages=[], options={}),
]


class Knows(ScriptedModel):
    secrets = (Secret(KEY),)


def model() -> Knows:
    return Knows(
        [Thinks(0.5), Says("So"), Thinks(0.25), Calls("get", {"x": 1})],
        [Thinks(0.0004), Says("It "), Thinks(1 / 3), Says(f"costs {KEY[:5]}"), Says(f"{KEY[5:]} 3.")],
        [Says("\ud83d"), Says("\ude00 half")],
        [Breaks(ServerError("busy (429).", status=429, transient=True, retry_after_s=120.0))],
        [Thinks(2), Breaks(ServerTimedOut("nothing came.", transient=True))],
        [Says("The end.")],
    )


async def heard(source: Any, request: ChatRequest) -> list[Any]:
    deltas: list[Any] = []
    try:
        async for delta in source.stream(request):
            deltas.append(delta)  # noqa: PERF401 - what came before an error counts
    except (ServerError, AgentInterrupted) as error:
        deltas.append(f"{type(error).__name__}: {error}")
        error.__traceback__ = None  # its frames would hold the recording, and that the thread that writes
    return deltas


async def all_heard(source: Any) -> list[list[Any]]:
    return [await heard(source, request) for request in REQUESTS]


def record(path: Path) -> list[list[Any]]:
    return run_virtually(all_heard(Recording(model(), path)))


def test_a_conversation_makes_the_same_cassette(tmp_path: Path, expected: Compare) -> None:
    path = tmp_path / "c.jsonl"
    recorded = record(path)
    expected("cassette.jsonl", path.read_text(encoding="utf-8"))
    assert recorded_model(path) == "scripted"
    replayed = run_virtually(all_heard(Replay(path)))
    assert json.dumps(replayed, default=str).replace("***", KEY) == json.dumps(masked(recorded), default=str)


def masked(recorded: list[list[Any]]) -> list[list[Any]]:
    """What was heard, with the key of two pieces moved into the first of them."""
    second = recorded[1]
    halves = [place for place, delta in enumerate(second) if isinstance(delta, TextDelta) and "costs" in delta.text]
    at = halves[0]
    second[at : at + 2] = [TextDelta(text=f"costs {KEY}"), TextDelta(text=" 3.")]
    return recorded


def test_every_kind_of_delta_has_the_same_line(tmp_path: Path, expected: Compare) -> None:
    path = tmp_path / "c.jsonl"
    deltas: list[Delta] = [
        Retrying(attempt=1, message="busy", pause_s=0.5),
        ReasoningDelta(text="Hm", field="reasoning"),
        ReasoningDelta(text="m"),
        TextDelta(text="So\n\u2028é🙂"),
        CallDelta(index=0, call_id="a", name="get", arguments=""),
        CallDelta(arguments={"x": 1}),
        CallDelta(),
        ReplyItem(item={"type": "message"}),
        Finish(reason="stop"),
        Usage(input_tokens=3, output_tokens=4),
    ]
    run_virtually(ask(Recording(Plays(*deltas), path)))
    expected("cassette-of-every-delta.jsonl", path.read_text(encoding="utf-8"))


def test_a_reply_that_was_not_read_to_its_end_is_recorded_as_closed(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"

    async def leave() -> None:
        stream = Recording(ScriptedModel([Says("a"), Says("b")]), path).stream(ChatRequest(messages=GO))
        await anext(stream)
        await stream.aclose()

    run_virtually(leave())
    assert path.read_text().splitlines()[-2:] == ['{"at_s": 0.0, "text": "a"}', '{"at_s": 0.0, "end": "closed"}']
    text, end = run_virtually(heard(Replay(path), ChatRequest(messages=GO)))
    assert text == TextDelta(text="a")
    assert end == (
        f"AgentInterrupted: the recording {path} was interrupted here, in the reply to request 1; record it again (--record) "
        "to have the rest."
    )


# -- conversations that depart ---------------------------------------------------------------------------------------


def changed(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the value with one part changed, removed, added or of another type, for each part and with its path."""
    if isinstance(value, dict):
        yield f"{where}+", {**value, "more": 1}
        for name, item in value.items():
            yield f"{where}.{name}-", {key: each for key, each in value.items() if key != name}
            for place, other in changed(item, f"{where}.{name}"):
                yield place, {**value, name: other}
    elif isinstance(value, list):
        yield f"{where}+", [*value, "more"]
        for index, item in enumerate(value):
            yield f"{where}[{index}]-", value[:index] + value[index + 1 :]
            for place, other in changed(item, f"{where}[{index}]"):
                yield place, [*value[:index], other, *value[index + 1 :]]
    elif isinstance(value, str) and value.startswith("{"):
        yield f"{where} no JSON", f"{value}x"
        for place, other in changed(json.loads(value), f"{where}/"):
            yield place, json.dumps(other)
    else:
        yield f"{where} changed", f"{value} or so" if isinstance(value, str) else 99
        yield f"{where} null", None


def test_each_change_of_a_conversation_is_reported_by_its_first_difference(tmp_path: Path, expected: Compare) -> None:
    path = tmp_path / "c.jsonl"
    record(path)
    second = dataclasses.asdict(REQUESTS[2])
    lines = []

    async def departs(request: ChatRequest) -> str:
        replay = Replay(path, speed="instant")
        for before in REQUESTS[:2]:
            await heard(replay, before)
        try:
            await heard(replay, request)
        except CassetteDiffers as error:
            return f"request {error.request}, {error.where}: {error.recorded} | {error.now}"
        return "the same"

    for where, other in changed(copy.deepcopy(second)):
        fields = {name: other.get(name, type(default)()) for name, default in second.items()}
        lines.append(f"{where}: {run_virtually(departs(ChatRequest(**fields)))}")
    expected("cassette-differences.txt", "\n".join(lines).replace(str(path), "PATH"))


def test_what_a_departure_says_is_one_line_with_the_way_out(tmp_path: Path, expected: Compare) -> None:
    path = tmp_path / "c.jsonl"
    run_virtually(ask(Recording(Plays(TextDelta(text="x")), path)))

    async def messages() -> list[str]:
        errors = []
        for before, text in (([], "stop"), (["go"], "go")):
            replay = Replay(path)
            for each in before:
                await ask(replay, each)
            with pytest.raises(CassetteDiffers) as caught:
                await ask(replay, text)
            errors.append(f"{caught.value}, {caught.value.path == str(path)}, {caught.value.request}")
        return errors

    expected("cassette-departures.txt", "\n".join(run_virtually(messages())).replace(str(path), "PATH"))


@pytest.mark.parametrize(
    ("recorded", "now", "difference"),
    [
        (1, 1, None),
        (1, 1.0, ("", "1", "1.0")),
        (1, True, ("", "1", "true")),
        (None, 0, ("", "null", "0")),
        ([1, 2], [1, 3], ("[1]", "2", "3")),
        ([1], [1, 2], ("[1]", "absent", "2")),
        ([1, 2], [1], ("[1]", "2", "absent")),
        ([], [], None),
        ({}, [], ("", "{}", "[]")),
        ([[1], [2]], [[1], [3]], ("[1][0]", "2", "3")),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None),
        ({"a": 1, "b": 2}, {"b": 3}, ("a", "1", "absent")),
        ({"b": 2}, {"a": 1, "b": 3}, ("b", "2", "3")),
        ({"a": {"b": 1}}, {"a": {}}, ("a.b", "1", "absent")),
        ("a", "b", ("", '"a"', '"b"')),
        ("[1]", "[2]", ("[0]", "1", "2")),
        ("[1]", "1", ("", '"[1]"', '"1"')),
        ('{"a": 1}', "{", ("", '"{\\"a\\": 1}"', '"{"')),
        ("1", "2", ("", '"1"', '"2"')),
        ("[1]", "[ 1 ]", None),
        ("a*** b", "a\nX\n b", None),
        ("a***", "b", ("", '"a***"', '"b"')),
        ("***.", "X,", ("", '"***."', '"X,"')),
        ("x", "***", ("", '"x"', '"***"')),
        ("a" * 78, "b", ("", '"' + "a" * 78 + '"', '"b"')),
        ("a" * 79, "b", ("", '"' + "a" * 78 + "…", '"b"')),
        ("é", "e", ("", '"é"', '"e"')),
    ],
)
def test_a_difference_is_the_first_and_shown_in_eighty_characters(recorded, now, difference) -> None:
    assert first_difference(recorded, now) == difference
    if difference is not None:
        path = f"messages{'.' if difference[0][:1].isalpha() else ''}{difference[0]}"
        found = first_difference(recorded, now, "messages")
        assert found is not None
        assert found == (path, *difference[1:])


# -- what a replay knows in advance ----------------------------------------------------------------------------------


def outcome(name: str, status: str = "done", **more: Any) -> dict[str, Any]:
    return {"future": name, "tool": "get", "status": status, "value": 1, **more}


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (outcome("f1"), {"f1"}),
        (outcome("f1", "pending"), set()),
        (outcome("f1", "failed"), {"f1"}),
        ([outcome("f1"), outcome("f2", "pending"), outcome("f3")], {"f1", "f3"}),
        (outcome("f1", "pending", delivered=[outcome("f2"), 3, {"no": "future"}]), {"f2"}),
        (outcome("f1", delivered={"future": "f2", "status": "done"}), {"f1"}),
        ({"delivered": [outcome("f1"), outcome("f2")]}, {"f1", "f2"}),
        ({"future": "f1"}, set()),
        ("text", set()),
        (3, set()),
        ([3], set()),
    ],
)
@pytest.mark.parametrize("role", ["tool", "user", "assistant"])
def test_a_replay_knows_the_outcomes_that_its_next_request_shows(
    tmp_path: Path, content: Any, names: set[str], role: str
) -> None:
    path = tmp_path / "c.jsonl"
    later = [*GO, {"role": role, "content": json.dumps(content)}, {"role": "tool", "content": "{broken"}]

    async def both() -> Replay:
        recording = Recording(ScriptedModel([Says("a")], [Says("b")]), path)
        for messages in (GO, later):
            await heard(recording, ChatRequest(messages=messages))
        replay = Replay(path)
        await heard(replay, ChatRequest(messages=GO))
        return replay

    replay = run_virtually(both())
    question = GO[1:]  # a history holds no system message
    assert replay.foretold(question) == (names if role != "assistant" else set())
    assert replay.foretold([{"role": "user", "content": "else"}]) is None
    assert replay.foretold(later[1:]) is None
    run_virtually(heard(replay, ChatRequest(messages=later)))
    assert replay.foretold(question) is None


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ([outcome("f3"), outcome("f1", "pending"), outcome("f2")], ("f3", "f1", "f2")),
        ([NOTHING_PENDING, outcome("f2")], ()),
        ([outcome("f1"), {"warning": "again"}], ("f1",)),
        ([], ()),
        ("broken", ()),
    ],
)
def test_a_replay_knows_what_a_wait_for_all_waited_for(tmp_path: Path, content: Any, names: tuple[str, ...]) -> None:
    path = tmp_path / "c.jsonl"
    answers = [
        {"role": "tool", "tool_call_id": call_id, "content": json.dumps(text)}
        for call_id, text in (("other", [outcome("f9")]), ("wait", content))
    ]
    run_virtually(heard(Recording(ScriptedModel([Says("a")]), path), ChatRequest(messages=[*GO, *answers])))
    replay = Replay(path)
    assert replay.foretold_wait(GO[1:], "wait") == names
    assert replay.foretold_wait(GO[1:], "none") is None
    assert replay.foretold_wait(answers, "wait") is None


# -- files -----------------------------------------------------------------------------------------------------------


HEAD = '{"cassette": 1, "model": "m"}\n'
REQUEST = HEAD + '{"request": 1, "continues": 0}\n'
#: The outcome for each of these files.
OUTCOMES = {
    "": "line 1: it is not JSON (Expecting value: line 1 column 1 (char 0))",
    "{}": "line 1: it should be a valid integer, and is None",
    "[]": "line 1: it should be a valid dictionary, and is []",
    "null": "line 1: it should be a valid dictionary, and is None",
    "{": "line 1: it is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))",
    '{"cassette": 1}': "line 1: it should be a valid string, and is None",
    '{"cassette": 2, "model": "m"}': "PATH is a cassette of form 2; this version reads 1.",
    '{"cassette": 1, "model": "m"}': "good: m",
    '{"cassette": 1, "model": 7}': "line 1: it should be a valid string, and is 7",
    HEAD + "{": "line 2: it is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))",
    HEAD + "7": "line 2: it is not an object",
    HEAD + '{"at_s": 0, "text": "x"}': "line 2: the lines of a cassette begin with a request",
    HEAD + '{"tool": {}}': "line 2: the lines of a cassette begin with a request",
    HEAD + '{"request": 1, "continues": 7}': "line 2: there is no request 7 before it",
    HEAD + '{"request": 1}': "line 2: .continues: this field is missing",
    HEAD + '{"request": [], "continues": 0}': "line 2: .request: it should be a valid integer, and is []",
    HEAD + "\n": "line 2: it is not JSON (Expecting value: line 1 column 1 (char 0))",
    HEAD + '{"unused": 1}': "line 2: there is no request 1 before it",
    REQUEST + '{"unused": 2}': "line 3: there is no request 2 before it",
    REQUEST + '{"unused": []}': "line 3: it should be a valid integer, and is []",
    REQUEST + '{"unused": 1}': "good: m",
    REQUEST + '{"at_s": 0, "odd": 1}': "line 3: it is no part of a reply",
    REQUEST + '{"at_s": 0, "text": 7}': "line 3: it should be a valid string, and is 7",
    REQUEST + '{"at_s": 0, "call": {"index": []}}': "line 3: .index: it should be a valid integer, and is []",
    REQUEST
    + '{"at_s": "soon", "text": "x"}': "line 3: it should be a valid number, unable to parse string as a number, "
    "and is 'soon'",
    REQUEST + '{"at_s": 1e999, "text": "x"}': "line 3: it should be a number from 0 to 1,000,000,000,000, and is inf",
    REQUEST + '{"at_s": NaN, "text": "x"}': "line 3: it should be a number from 0 to 1,000,000,000,000, and is nan",
    REQUEST + '{"at_s": 0, "end": {"error": "x"}}': "line 3: ._End.status: this field is missing",
    REQUEST + '{"odd": 1}': "line 3: it is neither a part of a request nor of a reply",
    REQUEST + '{"option": "seed"}': "line 3: it is neither a part of a request nor of a reply",
    REQUEST + '{"message": {"role": []}}': "line 3: it is neither a part of a request nor of a reply",
}


@pytest.mark.parametrize("text", OUTCOMES)
def test_the_error_of_a_broken_cassette_names_its_first_broken_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(text)
    try:
        outcome = f"good: {recorded_model(path)}"
    except CassetteError as error:
        outcome = str(error).replace(str(path), "PATH")
        outcome = outcome.removeprefix("PATH is not a cassette: ").removesuffix("; record it again (--record).")
    assert outcome == OUTCOMES[text]


def test_requests_are_written_in_the_order_in_which_they_end(tmp_path: Path) -> None:
    """They are read in the order in which they were made."""
    path = tmp_path / "c.jsonl"

    def answer(request: ChatRequest) -> list[Any]:
        return [Thinks(2 if request.messages[0]["content"] == "one" else 1), Says("x")]

    recording = Recording(ScriptedModel(answer, answer), path)

    async def both() -> None:
        await asyncio.gather(ask(recording, "one"), ask(recording, "two"))

    run_virtually(both())
    numbers = [json.loads(line)["request"] for line in path.read_text().splitlines() if '"request"' in line]
    assert numbers == [2, 1]
    assert [exchange.number for exchange in Replay(path)._exchanges] == [1, 2]


def test_the_name_of_a_replay_is_the_recorded_one_unless_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    run_virtually(ask(Recording(Plays(), path)))
    assert (Replay(path).name, Replay(path, model="mine").name) == ("plays", "mine")
    assert Recording(Plays(), path).name == "plays"


def test_every_speed_is_a_number_above_zero_or_instant(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(HEAD)
    assert [Replay(path, speed=speed)._speed for speed in (1, "2.5", 1e-9, "instant")] == [1.0, 2.5, 1e-9, float("inf")]
    for speed in (0, -1, "inf", float("inf"), float("nan"), "", "quick", [1]):
        with pytest.raises(CassetteError, match="it is a number above 0, such as 4, or instant"):
            Replay(path, speed=speed)


def test_a_pause_that_has_passed_already_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    run_virtually(ask(Recording(ScriptedModel([Thinks(1), Says("a"), Thinks(1), Says("b")]), path)))

    async def lingers() -> list[float]:
        clock, times = asyncio.get_running_loop().time, []
        async for _ in Replay(path).stream(ChatRequest(messages=[{"role": "user", "content": "go"}])):
            times.append(clock())
            await asyncio.sleep(0.75 if len(times) == 1 else 0)
        return times

    assert run_virtually(lingers()) == pytest.approx([1.0, 2.0, 2.0])
