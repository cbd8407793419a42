"""Cassettes: a recording is replayed at any speed, and a conversation that departs is refused with the place."""

import asyncio
import json

import pytest

from asyncfc_jupyter.agent import Agent, Conversation
from asyncfc_jupyter.agent.budget import Budget
from asyncfc_jupyter.errors import (
    CassetteDiffers,
    CassetteError,
    RunStopped,
    ServerError,
    ServerTimedOut,
    UsageError,
)
from asyncfc_jupyter.models.aliases import set_alias
from asyncfc_jupyter.models.base import (
    CallDelta,
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
from asyncfc_jupyter.tools.definition import make_tool
from tests.models.scripted_model import Plays, ask

ALL_KINDS = [
    Retrying(attempt=1, message="busy", pause_s=0.5),
    ReasoningDelta(text="Hm", field="reasoning"),
    ReasoningDelta(text="m"),
    TextDelta(text="So\n\u2028é🙂"),
    CallDelta(index=0, call_id="a", name="get", arguments=""),
    CallDelta(index=0, arguments='{"x": 1}'),
    CallDelta(arguments={"x": 1}),
    ReplyItem(item={"type": "message"}),
    Finish(reason="stop"),
    Usage(input_tokens=3, output_tokens=4),
]


async def price(item: str) -> dict:
    """Return the price."""
    await asyncio.sleep(1)
    return {"price": len(item)}


def script():
    return ScriptedModel(
        [Thinks(0.5), Calls("price", {"item": "tea"}), Thinks(2.0), Says("Looking.")],
        [Thinks(0.5), Says("It costs 3.")],
    )


def play(model, tool=price, **options):
    agent = Agent(model, tools=[make_tool(tool, pure=True)], **options)
    return run_virtually(agent.run("What is the price?"))


def test_every_kind_of_delta_comes_back_as_it_was(tmp_path) -> None:
    path = tmp_path / "c.jsonl"
    assert run_virtually(ask(Recording(Plays(*ALL_KINDS), path))) == ALL_KINDS
    assert run_virtually(ask(Replay(path))) == ALL_KINDS
    assert recorded_model(path) == "plays"


def test_a_run_is_recorded_and_replayed_by_the_change_of_one_word(tmp_path) -> None:
    path = tmp_path / "c.jsonl"
    first = play(script(), record=path)
    again = play("scripted", replay=path)
    assert (again.answer, again.model) == (first.answer, "scripted")
    assert again.answer == "It costs 3."
    assert again.futures["f1"].result() == {"price": 3}
    assert again.metrics.makespan_s == pytest.approx(first.metrics.makespan_s, abs=0.01)


@pytest.mark.parametrize(("speed", "seconds"), [(1, 0.5), ("2", 0.25), ("instant", 0)])
def test_a_cassette_is_played_at_the_speed_that_is_asked_for(tmp_path, speed, seconds) -> None:
    path = tmp_path / "c.jsonl"
    run_virtually(ask(Recording(ScriptedModel([Thinks(0.5), Says("x")]), path)))

    async def takes():
        await ask(Replay(path, speed=speed))
        return asyncio.get_running_loop().time()

    assert run_virtually(takes()) == pytest.approx(seconds)


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf", None])
def test_a_speed_that_is_not_a_number_above_zero_is_refused(tmp_path, speed) -> None:
    with pytest.raises(CassetteError, match="it is a number above 0, such as 4, or instant"):
        Replay(tmp_path, speed=speed)


def test_a_cassette_holds_a_fact_a_line_and_each_message_once(tmp_path) -> None:
    path = tmp_path / "c.jsonl"
    play(script(), record=path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"cassette": 1, "model": "scripted"}
    assert [line for line in lines if "request" in line] == [
        {"request": 1, "continues": 0},
        {"request": 2, "continues": 1},
    ]
    assert [line["message"]["role"] for line in lines if "message" in line] == ["system", "user", "assistant", "tool"]
    assert [line["tool"]["function"]["name"] for line in lines if "tool" in line] == ["price", "await_future"]
    assert {"at_s": 0.5, "call": {"index": 1, "call_id": "s1", "name": "price", "arguments": ""}} in lines
    assert lines[-1] == {"at_s": 0.5, "end": "complete"}


def test_recording_twice_gives_the_same_file(tmp_path) -> None:
    for name in ("a", "b"):
        play(script(), record=tmp_path / name)
    play(script(), record=tmp_path / "b")  # replaced, not appended to
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()


@pytest.mark.parametrize("speed", [1, 7, "instant"])
@pytest.mark.parametrize(("then_s", "now_s"), [(5, 0), (0, 5), (1, 1), (1, 6)])
def test_a_replay_keeps_the_recorded_pace_however_fast_its_tools_are_now(tmp_path, then_s, now_s, speed) -> None:
    took_s = then_s

    async def fetch(page: int) -> int:
        """Fetch a page."""
        await asyncio.sleep(took_s * page)
        return 100 * page

    calls = [Calls("fetch", {"page": page}) for page in (1, 2, 3)]
    model = ScriptedModel(
        [calls[0], Thinks(1), calls[1]],
        [Says("meanwhile"), Thinks(2), Calls("fetch", {"page": 9})],
        [Thinks(3), calls[2]],
        [Calls("await_future", {"futures": ["f2"]})],
        [Says("so far")],
        [Says("all there")],
    )
    tools = [make_tool(fetch, reads="pages")]
    recorded = run_virtually(Agent(model, tools=tools, record=tmp_path / "t.jsonl").run("go"))
    took_s = now_s
    replayed = run_virtually(Agent("scripted", tools=tools, replay=tmp_path / "t.jsonl", speed=speed).run("go"))
    assert replayed.conversation.messages == recorded.conversation.messages
    assert replayed.answer == recorded.answer


@pytest.mark.parametrize("speed", [1, "instant"])
@pytest.mark.parametrize("deliver", ["tool", "user"])
def test_a_replay_keeps_the_pace_wherever_results_are_delivered(tmp_path, deliver, speed) -> None:
    """It keeps it even when a key in the results was masked."""
    path = tmp_path / "c.jsonl"

    async def env() -> str:
        """Show the environment."""
        return "KEY=planted-0123456789"

    class Knows(ScriptedModel):
        secrets = (Secret("planted-0123456789"),)

    async def slow() -> str:
        """Take a while."""
        await asyncio.sleep(5)
        return "there"

    tools = [make_tool(function, pure=True) for function in (env, slow)]
    model = Knows(
        [Calls("env", {})], [Calls("slow", {})], [Thinks(9), Calls("env", {})], [Says("so far")], [Says("all there")]
    )
    options = {"tools": tools, "deliver": deliver}
    recorded = run_virtually(Agent(model, record=path, **options).run("go"))
    assert "planted" not in path.read_text()
    replayed = run_virtually(Agent("scripted", replay=path, speed=speed, **options).run("go"))
    assert replayed.conversation.messages == recorded.conversation.messages


def test_an_alias_replays_what_was_recorded_under_it(tmp_path) -> None:
    path = tmp_path / "c.jsonl"
    set_alias("short", "plays/reasons")

    class Reasons(ScriptedModel):
        name = "plays/reasons"

        async def stream(self, request):
            yield ReasoningDelta(text="Hm", field="reasoning")
            async for delta in super().stream(request):
                yield delta

    for play_it in (
        lambda: play(Reasons([Calls("price", {"item": "tea"})], [Says("3.")]), record=path, mode="batch"),
        lambda: play("short", replay=path, mode="batch"),
        lambda: play("plays/reasons", replay=path, mode="batch"),
    ):
        run = play_it()
        assert (run.answer, run.model) == ("3.", "plays/reasons")


def test_a_replay_that_differs_reports_the_path_of_the_first_difference(tmp_path) -> None:
    path = tmp_path / "c.jsonl"
    play(script(), record=path)

    async def dearer(item: str) -> dict:
        """Return the price."""
        await asyncio.sleep(1)
        return {"price": 4}

    dearer.__name__ = "price"
    with pytest.raises(CassetteDiffers) as caught:
        play("scripted", dearer, replay=path)
    error = caught.value
    assert (error.request, error.where) == (2, "messages[3].content.value.price")
    assert (error.recorded, error.now) == ("3", "4")
    assert "run to run" in str(error)
    with pytest.raises(
        CassetteDiffers, match=r"messages\[0\].content was \"go\" when it was recorded and is \"stop\" now"
    ):
        run_virtually(_ask_differently(tmp_path))


async def _ask_differently(tmp_path):
    await ask(Recording(Plays(TextDelta(text="x")), tmp_path / "d.jsonl"))
    await ask(Replay(tmp_path / "d.jsonl"), "stop")


def test_one_request_more_than_was_recorded_is_refused(tmp_path) -> None:
    path = tmp_path / "c.jsonl"

    async def twice():
        await ask(Recording(Plays(TextDelta(text="x")), path))
        model = Replay(path)
        await ask(model)
        await ask(model)

    with pytest.raises(CassetteDiffers, match="at request 2: it has no such request"):
        run_virtually(twice())


def test_requests_at_the_same_time_find_their_own_takes(tmp_path) -> None:
    path = tmp_path / "c.jsonl"

    def answers(request):
        text = request.messages[0]["content"]
        return [Thinks(2.0 if text == "slow" else 1.0), Says(f"{text}!")]

    async def both(model):
        return await asyncio.gather(ask(model, "slow"), ask(model, "quick"))

    recorded = run_virtually(both(Recording(ScriptedModel(answers, answers), path)))
    assert run_virtually(both(Replay(path))) == recorded
    assert recorded[1][0] == TextDelta(text="quick!")


def test_a_server_error_is_recorded_and_raised_again(tmp_path) -> None:
    path = tmp_path / "c.jsonl"
    broken = Breaks(ServerError("gone (503).", status=503, transient=True))
    for make in (lambda: Recording(ScriptedModel([Says("x"), broken]), path), lambda: Replay(path)):
        with pytest.raises(ServerError, match=r"gone \(503\)") as caught:
            run_virtually(ask(make()))
        assert (caught.value.status, caught.value.transient) == (503, True)


@pytest.mark.parametrize(
    "error",
    [
        ServerError("busy (429).", status=429, transient=True, retry_after_s=120.0),
        ServerTimedOut("nothing came.", transient=True),
    ],
)
def test_a_server_error_is_replayed_as_it_was_with_the_pause_it_asks_for(tmp_path, error) -> None:
    path = tmp_path / "c.jsonl"
    seen = []
    for make in (lambda: Recording(ScriptedModel([Breaks(error)]), path), lambda: Replay(path)):
        with pytest.raises(ServerError) as caught:
            run_virtually(ask(make()))
        seen.append((type(caught.value), str(caught.value), vars(caught.value)))
    assert seen[0] == seen[1]


def test_a_replay_does_not_answer_with_a_reply_that_was_cut_off(tmp_path) -> None:
    path = tmp_path / "c.jsonl"
    model = ScriptedModel([Says("It is not "), Thinks(9), Says("good.")], [Says("Bad.")])

    async def twice(agent, error):
        conversation = Conversation()
        with pytest.raises(RunStopped, match=error):
            await agent.run("go", conversation=conversation)
        return await agent.run("Well?", conversation=conversation)

    recording = Agent(model, record=path, budget=Budget(seconds=2))
    recorded = run_virtually(twice(recording, "has not answered within 2 seconds"))
    interrupted = "c.jsonl was interrupted here, in the reply to request 1; record it again"
    replayed = run_virtually(twice(Agent("scripted", replay=path), interrupted))
    assert replayed.answer == recorded.answer == "Bad."
    assert replayed.conversation.messages == recorded.conversation.messages


def test_a_character_whose_halves_come_one_by_one_is_whole_again(tmp_path) -> None:
    path = tmp_path / "c.jsonl"
    deltas = [TextDelta(text="é\ud83d"), TextDelta(text="\ude00"), CallDelta(arguments="\udcff")]
    run_virtually(ask(Recording(Plays(*deltas), path)))
    assert run_virtually(ask(Replay(path))) == deltas


def test_recording_and_replaying_exclude_each_other(tmp_path) -> None:
    with pytest.raises(UsageError, match="recorded or replayed, not both"):
        Agent("m", record=tmp_path / "a", replay=tmp_path / "b")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a cassette: line 1"),
        ("{}", "is not a cassette: line 1"),
        ('{"cassette": 9, "model": "m"}', "of form 9; this version reads 1"),
        ('{"cassette": 1, "model": "m"}\n{"at_s": 0, "text": "x"}', "is not a cassette: line 2"),
        ('{"cassette": 1, "model": "m"}\n{"request": 1, "continues": 0}\n{"at_s": 0, "odd": 1}', "line 3"),
        ('{"cassette": 1, "model": "m"}\n{"request": 1, "continues": 7}', "line 2"),
    ],
)
def test_the_error_of_a_file_without_a_cassette_names_file_and_line(tmp_path, text, says) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(text)
    with pytest.raises(CassetteError, match=says):
        Replay(path)


@pytest.mark.parametrize("text", ["my notes\n", "[]", '{"cassett', "\n"])
def test_a_file_without_a_cassette_is_kept_and_nothing_is_asked(tmp_path, text) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(CassetteError, match="holds something else than a cassette; name another file or remove it"):
        play(script(), record=path)
    assert path.read_text() == text


@pytest.mark.parametrize("text", [None, "", '{"cassette": 9, "model": "m"}'])
def test_a_recording_replaces_an_empty_file_and_an_earlier_cassette(tmp_path, text) -> None:
    path = tmp_path / "c.jsonl"
    if text is not None:
        path.write_text(text)
    run = play(script(), record=path)
    assert play("scripted", replay=path).answer == run.answer


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path) -> None:
    with pytest.raises(CassetteError, match="No such file or directory; record one first"):
        Replay(tmp_path / "none.jsonl")
    with pytest.raises(CassetteError, match="cannot be written: Is a directory"):
        run_virtually(ask(Recording(Plays(), tmp_path)))


@pytest.mark.parametrize(
    ("recorded", "now", "difference"),
    [
        ({"a": [1, 2]}, {"a": [1, 2]}, None),
        ({"a": [1, 2]}, {"a": [1]}, ("a[1]", "2", "absent")),
        ({"a": 1}, {"a": 1, "b": 2}, ("b", "absent", "2")),
        ({"a": 1}, {}, ("a", "1", "absent")),
        ({"a": True}, {"a": 1}, ("a", "true", "1")),
        ({"a": '{"x": {"y": 1}}'}, {"a": '{"x": {"y": 2}}'}, ("a.x.y", "1", "2")),
        ({"a": '{"x": 1}'}, {"a": '{"x":1}'}, None),
        ({"a": "key ***, end"}, {"a": "key sk-1, end"}, None),
        ({"a": "key ***"}, {"a": "no key"}, ("a", '"key ***"', '"no key"')),
    ],
)
def test_the_first_difference_is_found_also_inside_text_that_is_json(recorded, now, difference) -> None:
    assert first_difference(recorded, now) == difference
