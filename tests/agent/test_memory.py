"""What is remembered from conversation to conversation, in the process and in a file of figures."""

import asyncio
import json
import os
import threading
import time

import pytest

from asyncfc_jupyter.agent import Agent, Conversation, memory
from asyncfc_jupyter.agent.inline_wait import Learned
from asyncfc_jupyter.agent.memory import DiskMemory, Memory, memory_file, memory_of
from asyncfc_jupyter.core.events import TurnStarted
from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.models.cassette.cassette import Recording
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from asyncfc_jupyter.modes import Remember
from asyncfc_jupyter.runtime.durations import MOST_TOOLS, Measured
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import times

THINK = Thinks(0.3)


async def look(city: str) -> str:
    """Look around."""
    await asyncio.sleep(0.2)
    return city


async def ponder(city: str) -> str:
    """Think about it."""
    await asyncio.sleep(5)
    return city


LOOK, PONDER = make_tool(look, pure=True), make_tool(ponder, pure=True)


class Served(ScriptedModel):
    """A scripted model of a server."""

    def __init__(self, *replies, address="http://127.0.0.1:1/v1", name="m"):
        super().__init__(*replies)
        self.address, self._name = address, name

    @property
    def name(self):
        return self._name


def visits(tool="look"):
    """A conversation: two calls, whose values the answer waits for."""
    return Served(
        [THINK, Calls(tool, {"city": "a"}), Calls(tool, {"city": "b"})], [THINK, Says("x")], [THINK, Says("y")]
    )


def play(*, model=None, tools=(LOOK, PONDER), conversation=None, **options):
    agent = Agent(model or visits(), tools=tools, **options)
    return run_virtually(agent.run("go", conversation=conversation))


def play_twice(own):
    assert all(play(remember=own).answer for _ in range(2))


def on_disk(path):
    """The memory of a kernel that has just started."""
    return DiskMemory(lambda: path)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cache" / "memory-1.json"


def kept(path):
    return json.loads(path.read_text())


# -- what it is for --------------------------------------------------------------------------------------------------


def test_a_first_conversation_waits_at_once_for_what_is_known_to_be_short(file) -> None:
    """It then needs two requests, one for the calls and one for the answer, as if the tools had taken no time."""
    cold = times(play(remember="off", hedge="off"), TurnStarted)
    play(remember=on_disk(file), hedge="off")
    warm = times(play(remember=on_disk(file), hedge="off"), TurnStarted)
    assert warm == pytest.approx([0.0, 0.5])
    assert len(cold) > len(warm)


def test_what_the_author_expects_is_as_good_as_a_memory() -> None:
    expected = make_tool(look, pure=True, expected_s=0.2)
    assert times(play(tools=[expected], remember="off", hedge="off"), TurnStarted) == pytest.approx([0.0, 0.5])


def test_a_long_call_is_never_waited_for_because_it_is_remembered(file) -> None:
    play(model=visits("ponder"), remember=on_disk(file))
    run = play(model=visits("ponder"), remember=on_disk(file), hedge="off")
    assert times(run, TurnStarted)[1] == pytest.approx(0.3)


# -- for how long ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("remember", "calls"), [("off", 0), ("kernel", 4), ("disk", 4)])
def test_figures_outlive_a_conversation_unless_that_is_off(remember, calls) -> None:
    conversation = Conversation()
    play(remember=remember)
    play(remember=remember, conversation=conversation)
    shared = memory_of(remember)
    assert (shared.durations.of(LOOK).calls if shared else 0) == calls
    assert conversation.durations.of(LOOK).calls == (0 if calls else 2)
    assert set(conversation.learned) == (set() if calls else {"m"})


def test_an_unknown_way_to_remember_is_refused() -> None:
    with pytest.raises(UsageError, match="remember is 'yes'; it can be: off, kernel, disk"):
        Agent(visits(), remember="yes")


def test_each_word_has_a_memory_of_its_own_and_only_one_has_a_file() -> None:
    assert memory_of("off") is None
    assert memory_of("kernel") is not memory_of("disk")
    own = Memory()
    assert memory_of(own) is own


def test_a_memory_that_agents_share_is_theirs_alone() -> None:
    own = Memory()
    play(remember=own)
    assert own.durations.of(LOOK).calls == 2
    assert memory_of("disk").durations.of(LOOK).calls == 0


def test_a_redefined_tool_begins_with_nothing(file) -> None:
    async def look(city: str) -> str:
        """Look around."""
        await asyncio.sleep(3)
        return city

    play(remember=on_disk(file))
    redefined = make_tool(look, pure=True)
    again = on_disk(file)
    play(remember=again, tools=[redefined])
    assert again.durations.of(LOOK).recent_s == pytest.approx((0.2, 0.2))
    assert again.durations.of(redefined).recent_s == pytest.approx((3, 3))


# -- models ----------------------------------------------------------------------------------------------------------


def test_habits_belong_to_a_model_at_a_server() -> None:
    own = Memory()
    for address, name in (("http://a/v1", "m"), ("http://b/v1", "m"), ("http://a/v1", "n")):
        model = Served([THINK, Says("x")], address=address, name=name)
        play(model=model, remember=own)
    assert list(own.models) == ["m at http://a/v1", "m at http://b/v1", "n at http://a/v1"]
    assert [each.first_token_s for each in own.models.values()] == [pytest.approx((0.3,))] * 3


def test_models_that_play_a_plan_or_a_file_have_no_habits(tmp_path) -> None:
    own, conversation = Memory(), Conversation()
    cassette = tmp_path / "c.jsonl"
    play(model=Recording(ScriptedModel([THINK, Says("x")]), cassette), remember=own)
    run_virtually(Agent(RehearsalModel(), remember=own).run("'x'", conversation=conversation))
    run_virtually(Agent("scripted", replay=cassette, tools=[LOOK, PONDER], remember=own).run("go"))
    assert own.models == {}
    assert list(conversation.learned) == ["rehearsal"]


def test_a_recorded_model_is_the_model_that_answers(tmp_path) -> None:
    own = Memory()
    play(model=Recording(Served([THINK, Says("x")]), tmp_path / "c.jsonl"), remember=own)
    assert list(own.models) == ["m at http://127.0.0.1:1/v1"]


def test_an_address_is_kept_without_its_password_and_its_query(monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    model = OpenAIChat(
        "m", base_url="https://me:hunter22hunter22@models.example/v1?api-key=0123456789abcdef", api_key="k"
    )
    assert model.address == "https://models.example/v1"
    assert OpenAIChat("m", api_key="k").address == ""


class Odd(ScriptedModel):
    """A model whose address raises."""

    @property
    def address(self):
        raise SystemExit


@pytest.mark.parametrize("model", [Odd([Says("x")]), Served([Says("x")], address=7), Served([Says("x")], address="")])
def test_a_model_with_an_odd_address_runs_and_is_not_remembered(model) -> None:
    own = Memory()
    assert play(model=model, remember=own).answer == "x"
    assert own.models == {}


def test_models_used_last_are_kept() -> None:
    own = Memory()
    models = [Served(name=f"m{number}") for number in range(101)]
    for model in (*models[:100], models[0], models[100]):
        own.learned_of(model)
    assert len(own.models) == 100
    assert [f"m{n} at http://127.0.0.1:1/v1" in own.models for n in (0, 1, 2, 100)] == [True, False, True, True]


def test_runs_at_the_same_time_share_figures_and_not_their_state() -> None:
    """One run's placeholders are not taken for those of the other."""
    own = Memory()

    async def main():
        left = Served([Calls("ponder", {"city": "a"})], [Thinks(9), Says("x")], [Says("x")])
        right = Served([Thinks(1), Says("hello")])
        agents = [Agent(model, tools=[PONDER], remember=own, hedge="off") for model in (left, right)]
        runs = [agent.start("go") for agent in agents]
        await runs[1].wait()
        asked = dict(own.models["m at http://127.0.0.1:1/v1"].asks)
        await runs[0].wait()
        return asked

    assert run_virtually(main()) == Learned().asks


# -- the file --------------------------------------------------------------------------------------------------------


def test_the_file_holds_figures_and_names_and_nothing_that_was_said(file) -> None:
    model = Served(
        [THINK, Says("a secret thought"), Calls("look", {"city": "Atlantis"})],
        [THINK, Says("the answer")],
        [Says("more")],
    )
    play(model=model, remember=on_disk(file))
    assert kept(file)["tools"] == {LOOK.identity: {"recent_s": [pytest.approx(0.2)], "calls": 1}}
    (figures,) = kept(file)["models"].values()
    assert set(figures) == {"first_token_s", "asking_s", "asks_after_several", "asks_after_one"}
    text = file.read_text()
    assert not [word for word in ("secret", "Atlantis", "answer", 'go"') if word in text]
    if os.name == "posix":
        assert file.stat().st_mode & 0o077 == 0


def test_a_key_in_a_models_name_is_not_in_the_file(file) -> None:
    model = Served([Says("x")], name="sk-0123456789abcdefghijklmnop")
    play(model=model, remember=on_disk(file))
    assert "0123456789" not in file.read_text()


def test_nothing_is_written_by_a_run_that_has_learned_nothing(file) -> None:
    play(model=ScriptedModel([Says("x")]), remember=on_disk(file))
    assert not file.exists()
    own = on_disk(file)
    play(remember=own)
    before = file.stat()
    own.save()
    assert file.stat().st_mtime_ns == before.st_mtime_ns


def test_two_kernels_keep_each_others_tools_and_add_their_calls(file) -> None:
    one, two = on_disk(file), on_disk(file)
    one.load()
    two.load()
    play(remember=one)
    play(remember=two)
    play(model=visits("ponder"), remember=two)
    play(remember=one)
    third = on_disk(file)
    third.load()
    assert third.durations.of(LOOK).calls == 6
    assert third.durations.of(PONDER).calls == 2


def test_the_file_keeps_the_tools_and_models_used_last(file) -> None:
    own = on_disk(file)
    own.load()
    for number in range(MOST_TOOLS):
        own.durations.note(make_tool(look, name=f"look_{number}"), 1)
    own.save()
    other = on_disk(file)
    play(remember=other)
    assert len(kept(file)["tools"]) == MOST_TOOLS
    assert list(kept(file)["tools"])[-1] == LOOK.identity
    assert file.stat().st_size < 200_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "\x00",
        '{"tools": {"a": {"recent_s": [-1], "calls": 1}}, "models": {}}',
        '{"tools": {"a": {"recent_s": [NaN], "calls": 1}}, "models": {}}',
        '{"tools": {"a": {"recent_s": ["x"], "calls": 1}}, "models": {}}',
        '{"tools": {"a": {"recent_s": [1], "calls": 1e400}}, "models": {}}',
        '{"tools": {"a": {"recent_s": [1], "calls": 1, "more": 1}}, "models": {}}',
        '{"tools": [], "models": {}}',
        '{"models": {"m": {"first_token_s": [], "asking_s": [], "asks_after_several": 2, "asks_after_one": 0}}}',
        '{"models": {"m": {"first_token_s": [], "asking_s": []}}}',
        "[" * 100_000,
        "{}" + " " * 2_000_001,
    ],
)
def test_a_damaged_file_is_reported_once_and_replaced(file, text) -> None:
    file.parent.mkdir()
    file.write_text(text)
    own = on_disk(file)
    with pytest.warns(
        UserWarning, match="what was learned of tools and models cannot be read and is replaced"
    ) as shown:
        play_twice(own)
    assert len(shown) == 1
    assert str(file) in str(shown[0].message)
    assert 'remember = "kernel"' in str(shown[0].message)
    assert kept(file)["tools"][LOOK.identity]["calls"] == 4


def test_a_file_that_is_not_text_is_reported_and_replaced(file) -> None:
    file.parent.mkdir()
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.warns(UserWarning, match="cannot be read and is replaced"):
        assert play(remember=on_disk(file)).answer


def test_long_lists_of_a_stranger_are_cut(file) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"tools": {LOOK.identity: {"recent_s": [9.0] * 50_000, "calls": 3}}}))
    own = on_disk(file)
    own.load()
    assert own.durations.of(LOOK) == Measured((9.0,) * 9, 3)


def test_a_cache_that_cannot_be_used_is_reported_once_and_ends_no_run(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    own = on_disk(tmp_path / "file" / "memory-1.json")
    with pytest.warns(UserWarning, match="what was learned of tools and models cannot be") as shown:
        play_twice(own)
    assert len(shown) == 1
    assert own.durations.of(LOOK).calls == 4


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_other(file, monkeypatch) -> None:
    play(remember=on_disk(file))
    before = file.read_text()

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(memory, "replace_file", full)
    with pytest.warns(UserWarning, match="cannot be written: .*No space left on device"):
        play(remember=on_disk(file))
    assert file.read_text() == before
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_forgetting_removes_the_file_and_all_that_was_learned_before(file) -> None:
    own = on_disk(file)
    play(remember=own)
    own.forget()
    assert not file.exists()
    assert (own.durations.by_tool, own.models) == ({}, {})
    play(remember=own)
    assert kept(file)["tools"][LOOK.identity]["calls"] == 2
    on_disk(file).forget()
    assert not file.exists()


def test_forgetting_during_a_run_keeps_only_what_comes_after(file) -> None:
    own = on_disk(file)
    play(remember=own)

    async def main():
        run = Agent(visits("ponder"), tools=[LOOK, PONDER], remember=own).start("go")
        await asyncio.sleep(2)
        await asyncio.to_thread(own.forget)
        await run.wait()

    run_virtually(main())
    assert kept(file) == {"tools": {PONDER.identity: {"recent_s": [5, 5], "calls": 2}}, "models": {}}


def test_reading_and_writing_do_not_hold_the_loop(file, monkeypatch) -> None:
    """Both are in other threads, and a run is ended before its figures are written."""
    threads, here = [], threading.get_ident()
    over, ended = threading.Event(), []

    class Watched(DiskMemory):
        def _read(self):
            threads.append(threading.get_ident())
            return super()._read()

        def _write(self, kept):
            threads.append(threading.get_ident())
            ended.append(over.wait(20))
            super()._write(kept)

    own = Watched(lambda: file)

    async def main():
        await Agent(visits(), tools=[LOOK], remember=own).start("go").wait()
        over.set()

    run_virtually(main())
    assert len(threads) == 3
    assert here not in threads
    assert ended == [True]


def test_a_run_that_is_cancelled_while_the_file_is_read_has_not_begun(file) -> None:
    conversation, may_read = Conversation(), threading.Event()

    class Slow(DiskMemory):
        def _read(self):
            may_read.wait(10)
            return super()._read()

    own = Slow(lambda: file)

    async def main():
        run = Agent(visits(), tools=[LOOK], remember=own).start("go", conversation=conversation)
        await asyncio.sleep(0)
        run.cancel()
        await asyncio.sleep(0)
        may_read.set()
        await run.ended()
        return run

    run = run_virtually(main())
    assert run.outcome == "interrupted"
    assert conversation.messages == []
    assert not conversation.busy
    play(remember=own, conversation=conversation)


def test_threads_that_learn_while_another_saves_break_nothing(file) -> None:
    own = on_disk(file)
    own.load()
    stop, errors = time.monotonic() + 0.5, []
    tools = [make_tool(look, name=f"look_{number}") for number in range(50)]

    def work(act):
        try:
            act()  # at least once, however late this thread begins
            while time.monotonic() < stop:
                act()
        except Exception as error:  # noqa: BLE001 - the test shows it
            errors.append(error)

    def learn():
        for tool in tools:
            own.durations.note(tool, 0.1)
        own.learned_of(Served(name=f"m{time.monotonic_ns() % 200}"))

    workers = [threading.Thread(target=work, args=(act,)) for act in (learn, learn, own.save)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    own.save()
    assert errors == []
    assert len(kept(file)["tools"]) == 50


def test_a_tool_that_was_pushed_out_and_called_again_is_added(file) -> None:
    own = on_disk(file)
    for calls, name in ((5, "look"), *((1, f"other_{number}") for number in range(MOST_TOOLS)), (1, "look")):
        for _ in range(calls):
            own.durations.note(make_tool(look, name=name), 0.1)
        if calls == 5:
            own.save()
    file.unlink()
    own.save()
    assert all(each["calls"] >= 1 for each in kept(file)["tools"].values())
    other = on_disk(file)
    other.load()
    assert other.durations.of(make_tool(look, name="look")).calls == 1


def test_the_users_file_is_in_the_users_cache(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert memory_file().name == "memory-1.json"
    assert memory_file().parent.name == "asyncfc_jupyter"


def test_no_test_uses_the_file_of_the_user(monkeypatch) -> None:
    assert not memory_file().parent.exists()
    assert [type(each) for each in memory.SHARED.values()] == [Memory, Memory]
    assert set(memory.SHARED) == set(Remember) - {Remember.OFF}
