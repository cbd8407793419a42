"""Anything that a tool returns, raises or does, or a model writes, is the outcome of one call, not the end of the run."""

import asyncio
import contextvars
import dataclasses
import enum
import json
import math
import threading
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from asyncfc_jupyter.agent import Agent, Conversation
from asyncfc_jupyter.core.events import CallStarted
from asyncfc_jupyter.runtime import attempt as executor
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import TOOLS, new_answers, play, times


class Colour(enum.Enum):
    RED = "red"


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("not even that")


class Shapeless:
    @property
    def shape(self):
        raise OSError("gone")


class Prickly:
    def __getitem__(self, key):
        raise AttributeError("ouch")


def cyclic():
    holder = []
    holder.append(holder)
    return holder


def refuse(value):
    raise TypeError("a validator's own mistake")


OUTCOME: list[Any] = []


async def give() -> Any:
    """Return or raise the test's value."""
    value = OUTCOME[-1]()
    if isinstance(value, BaseException):
        raise value
    return value


async def touchy(x: Annotated[int, BeforeValidator(refuse)]) -> int:
    """Take what its validator chokes on."""
    return x


GIVING = [*TOOLS, make_tool(give), make_tool(touchy)]


def giving(outcome, *calls):
    OUTCOME.append(outcome)
    return play([Calls("give"), *calls], [Says("done")], [Says("done")], tools=GIVING)


@pytest.mark.parametrize(
    "outcome",
    [
        cyclic,
        Mute,
        Shapeless,
        Prickly,
        lambda: math.factorial(2000),
        lambda: [iter("ab")],
        lambda: b"\xff" * 10_000_000,
    ],
)
def test_a_strange_outcome_concerns_one_call_and_the_next_call_runs(outcome) -> None:
    run, model = giving(outcome, Calls("give"), Calls("shout", {"text": "a"}))
    assert run.answer == "done"
    assert {future.state.value for future in run.futures.values()} <= {"done", "failed"}
    assert run.futures["f3"].result() == "A"
    assert all(len(m["content"] or "") < 20_000 for m in model.requests[-1].messages)


@pytest.mark.parametrize(
    "call",
    [
        Calls("touchy", {"x": 1}),
        Calls("shout", {"text": "$f1[0]"}),
        Calls("shout", '{"text": ' + "[" * 600 + "]" * 600 + "}"),
    ],
)
def test_a_call_with_unusable_arguments_fails_alone_and_has_one_future(call) -> None:
    run, _ = giving(Prickly, call, Calls("shout", {"text": "b"}))
    assert run.futures["f2"].state.value == "failed"
    assert run.futures["f3"].result() == "B"
    assert len(run.futures) == 3
    assert run.answer == "done"


def test_an_index_beyond_any_list_is_ordinary_text() -> None:
    text = f"$f1[{'9' * 5000}]"
    run, _ = play([Calls("shout", {"text": text})], [Says("done")])
    assert run.futures["f1"].result() == text.upper()


@pytest.mark.parametrize(
    "outcome", [lambda: ["caf\udce9.txt"], lambda: FileNotFoundError("caf\udce9.txt"), lambda: {"\ud800": 1}]
)
def test_names_that_are_not_text_can_be_sent(outcome) -> None:
    _, model = giving(outcome)
    for request in model.requests:
        json.dumps(request.messages, ensure_ascii=False).encode("utf-8")


def test_an_endless_error_text_is_cut() -> None:
    run, model = giving(lambda: ValueError("SELECT " + "x" * 2_000_000))
    assert len(new_answers(model, 1)["s1"]["error"]) < 2_100
    assert len(repr(run.futures)) < 2_500


def test_each_call_of_a_long_skipped_chain_names_the_first_cause() -> None:
    calls = [Calls("fails", {"reason": "no power"})]
    calls += [Calls("shout", {"text": f"$f{number}"}) for number in range(1, 200)]
    _, model = play([*calls, Thinks(1)], [Says("done")])
    errors = [answer["error"] for answer in new_answers(model, 1).values()]
    assert set(errors[1:]) == {"f1 (fails) failed: ValueError: no power"}


def test_a_tool_changes_its_argument_for_its_own_call_only() -> None:
    """Neither the result that the argument came from nor another call sees the change."""

    async def items() -> dict:
        """Return some items."""
        return {"items": [1, 2]}

    async def spoil(box: Any) -> int:
        """Change what it was given."""
        box["items"].append(99)
        return len(box["items"])

    tools = [make_tool(items, pure=True), make_tool(spoil, pure=True)]
    run, _ = play([Calls("items"), *[Calls("spoil", {"box": "$f1"})] * 3], [Says("done")], tools=tools)
    assert run.futures["f1"].result() == {"items": [1, 2]}
    assert [run.futures[name].result() for name in ("f2", "f3", "f4")] == [3, 3, 3]


mood = contextvars.ContextVar("mood", default="clean")


def test_a_call_does_not_inherit_the_context_of_the_tool_that_let_it_start() -> None:
    async def taint() -> str:
        """Set a context variable."""
        await asyncio.sleep(1)
        mood.set("tainted")
        return "x"

    async def look(text: str = "") -> str:
        """Read it."""
        return mood.get()

    tools = [make_tool(taint, pure=True), make_tool(look, pure=True)]
    run, _ = play([Calls("taint"), Calls("look", {"text": "$f1"})], [Says("a")], [Says("b")], tools=tools)
    assert run.futures["f2"].result() == "clean"


def overlap(tool, *arguments):
    """Return the starts of calls that each take a second."""
    run, _ = play([Calls(tool.name, each) for each in arguments], [Says("a")], [Says("b")], tools=[tool])
    return times(run, CallStarted)


async def put(n: int = 7, v: int = 0) -> int:
    """Write a number's place."""
    await asyncio.sleep(1)
    return n


async def paint(colour: Colour = Colour.RED, v: int = 0) -> None:
    """Write a colour's place."""
    await asyncio.sleep(1)


async def save(path: str) -> None:
    """Write a file's place."""
    await asyncio.sleep(1)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (make_tool(put, writes="q/{n}"), [{"n": 42}, {"n": 42.0}, {"n": "042"}]),
        (make_tool(put, writes="q/{n}"), [{}, {"n": 7}, {"v": 2}]),
        (make_tool(paint, writes="q/{colour}"), [{"v": 1}, {"colour": "red"}, {}]),
        (make_tool(save, writes="files/{path}"), [{"path": "a"}, {"path": "/a/"}, {"path": "a/b"}]),
    ],
)
def test_one_place_by_several_spellings_is_one_place(tool, arguments) -> None:
    assert overlap(tool, *arguments) == [0, 1, 2]


def test_other_places_still_overlap() -> None:
    assert overlap(make_tool(save, writes="files/{path}"), {"path": "a/b"}, {"path": "a/c"}, {"path": "ab"}) == [
        0,
        0,
        0,
    ]


async def fly(city: Annotated[str, AfterValidator({"paris": "PAR"}.__getitem__)]) -> str:
    """Take a city that its validator looks up."""
    return city


def test_a_validator_that_raises_for_a_place_fails_only_its_own_call() -> None:
    calls = [Calls("fly", {"city": "rome"}), Calls("fly", {"city": "paris"})]
    run, _ = play(calls, [Says("done")], [Says("done")], tools=[make_tool(fly, writes="w/{city}")])
    assert [future.state.value for future in run.futures.values()] == ["failed", "done"]
    assert run.futures["f2"].result() == "PAR"


class Town(BaseModel):
    name: str


@dataclasses.dataclass
class Job:
    held: Colour | Prickly


async def visit(town: Annotated[Town, Field(description="Where to")]) -> str:
    """Take a model."""
    return town.name


async def work(job: Annotated[Job, Field(description="What to do")]) -> Any:
    """Take a dataclass that holds what pydantic does not know."""
    return job.held.value


@pytest.mark.parametrize(
    ("tool", "arguments", "result"),
    [
        (make_tool(visit, writes="w/{town}"), {"town": {"name": "Ulm"}}, "Ulm"),
        (make_tool(work, writes="w/{job}"), {"job": {"held": "red"}}, "red"),
    ],
)
def test_a_described_model_or_dataclass_may_name_a_place(tool, arguments, result) -> None:
    run, _ = play([Calls(tool.name, arguments)], [Says("done")], [Says("done")], tools=[tool])
    assert run.futures["f1"].result() == result


def test_a_word_that_a_parameter_lists_is_never_taken_for_a_future() -> None:
    async def score(metric: Literal["accuracy", "f1"]) -> str:
        """Score."""
        return metric

    tools = [make_tool(score, pure=True)]
    run, _ = play([Calls("score", {"metric": "f1"})] * 2, [Says("done")], tools=tools)
    assert run.futures["f2"].result() == "f1"


def test_a_tool_cancelled_from_outside_settles_and_the_run_continues() -> None:
    async def suicidal() -> None:
        """Cancel its own task."""
        asyncio.current_task().cancel()
        await asyncio.sleep(1)

    run, _ = play([Calls("suicidal")], [Says("x")], [Says("done")], tools=[make_tool(suicidal, pure=True)])
    assert run.futures["f1"].state == "cancelled"


def test_cancelling_agent_run_leaves_no_task_and_frees_the_conversation() -> None:
    conversation = Conversation()
    model = ScriptedModel([Calls("slow", {"seconds": 50})], [Thinks(60)], [Says("again")])
    agent = Agent(model, tools=TOOLS)

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(agent.run("go", conversation=conversation), 5)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return await agent.run("again", conversation=conversation)

    assert run_virtually(main()).answer == "again"


def test_stopping_starts_no_call_that_waited_for_a_place() -> None:
    began = []

    def block() -> None:
        """Say that it began."""
        began.append(threading.current_thread().name)

    calls = [*[Calls("slow", {"seconds": 50 + number}) for number in range(16)], Calls("block")]
    model = ScriptedModel(calls, [Thinks(60)])

    async def main():
        run = Agent(model, tools=[*TOOLS, make_tool(block, pure=True)]).start("go")
        await asyncio.sleep(5)
        run.cancel()
        await run.ended()
        return run

    run = run_virtually(main())
    assert len(times(run, CallStarted)) == 16
    assert not began
    assert "thread" not in str(run.error)


def test_an_interrupt_in_mid_reply_keeps_the_users_message() -> None:
    conversation = Conversation()
    model = ScriptedModel([Says("Let me"), Thinks(60)], [Says("go on")])
    agent = Agent(model, tools=TOOLS)

    async def main():
        run = agent.start("remember 42", conversation=conversation)
        await asyncio.sleep(5)
        run.cancel()
        await run.ended()
        await agent.run("and?", conversation=conversation)

    run_virtually(main())
    roles = [(m["role"], m["content"]) for m in model.requests[1].messages[1:]]
    assert roles == [("user", "remember 42"), ("assistant", "Let me"), ("user", "and?")]


def test_an_answer_that_the_server_cut_off_says_so() -> None:
    class Cut(ScriptedModel):
        async def stream(self, request):
            from asyncfc_jupyter.models.base import Finish

            async for delta in super().stream(request):
                yield Finish(reason="length") if isinstance(delta, Finish) else delta

    run = run_virtually(Agent(Cut([Says("half an ans")])).run("go"))
    assert (run.answer, run.note) == ("half an ans", "the server cut the answer off at its limit of tokens")
    assert run_virtually(Agent(ScriptedModel([], [])).run("go")).note == "the model answered without a text"


def test_an_error_before_the_first_request_fails_the_run() -> None:
    """The run reports that very error, and no interrupt."""

    async def main():
        run = Agent(ScriptedModel(), system=3).start("go")
        await run.ended()
        return run

    run = run_virtually(main())
    assert (run.outcome, type(run.error)) == ("failed", TypeError)


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """Return the clock that measures steps, standing still: on a busy machine any step may take long."""
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr(executor, "time", SimpleNamespace(perf_counter=lambda: clock.now_s))
    return clock


def test_a_tool_that_blocks_the_event_loop_is_named_with_the_remedy(clock) -> None:
    async def blocks() -> int:
        """Block."""
        await asyncio.sleep(0)
        clock.now_s += 0.25  # the mistake itself
        return 1

    run, _ = play(
        [Calls("blocks"), Calls("shout", {"text": "a"})], [Says("done")], tools=[*TOOLS, make_tool(blocks, pure=True)]
    )
    assert run.note.startswith("blocks kept the event loop, and decoding with it, waiting for ")
    assert "write it as a plain def" in run.note
    assert "shout" not in run.note


def test_a_tool_that_waits_long_but_blocks_nothing_is_not_named(clock) -> None:
    run, _ = play([Calls("slow", {"seconds": 50})], [Says("x")], [Says("done")])
    assert run.note == ""
