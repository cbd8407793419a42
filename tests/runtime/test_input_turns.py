"""Questions by ``input`` and ``getpass`` from calls that overlap: one at a time, each answer to its asker."""

import asyncio
import builtins
import getpass
import io
import sys
import threading
import time

import pytest

from asyncfc_jupyter.errors import ToolCancelled
from asyncfc_jupyter.runtime.attempt import ask_in_thread
from asyncfc_jupyter.runtime.input_turns import TURNS
from asyncfc_jupyter.runtime.process_state import PROCESS
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import attempt_at, begun, ended, issue


def until(condition):
    """Return when a condition holds, and fail if it does not soon."""
    pause, end = threading.Event(), time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, TURNS.prompts
        pause.wait(0.001)


class User:
    """Answers each question with its own words, and only when as many ask as are expected."""

    def __init__(self, askers):
        self.askers, self.asked = askers, []
        self._busy = threading.Lock()

    def __call__(self, prompt="", stream=None):
        assert self._busy.acquire(blocking=False), "two questions at the same time"
        try:
            until(lambda: len(TURNS.prompts) >= self.askers - len(self.asked))
            self.asked.append(prompt)
            return f"answer to {prompt}"
        finally:
            self._busy.release()


@pytest.fixture
def user(monkeypatch):
    """Return who answers ``input`` and ``getpass``."""
    user = User(4)
    monkeypatch.setattr(builtins, "input", user)
    monkeypatch.setattr(getpass, "getpass", user)
    yield user
    assert (builtins.input, getpass.getpass) == (user, user), "restored after the last call"
    assert TURNS.prompts == []


def by_input(question: str) -> str:
    """Ask."""
    return input(question)


def by_getpass(question: str) -> str:
    """Ask for a secret."""
    return getpass.getpass(prompt=question)


async def on_loop(question: str) -> str:
    """Ask on the loop."""
    return input(question)  # noqa: ASYNC250 - it blocks


def test_threads_and_the_loop_ask_one_at_a_time_and_get_their_own(user) -> None:
    async def main():
        asks = (by_input, by_input, by_getpass, on_loop)
        attempts = [attempt_at(make_tool(ask, pure=True), question=f"{at}?") for at, ask in enumerate(asks)]
        return [(await ended(attempt)).value for attempt in attempts]

    assert asyncio.run(main()) == [f"answer to {at}?" for at in range(4)]
    assert sorted(user.asked) == ["0?", "1?", "2?", "3?"]


def test_the_prompt_names_the_call_if_another_asks_in_the_same_words(user) -> None:
    user.askers = 3

    async def main():
        driver = begun()
        tools = [make_tool(by_input, pure=True, name=name) for name in ("ask", "ask_too", "ask_more")]
        questions = zip(tools, ("Name?", "Name?", "Town?"), strict=True)
        calls = [issue(driver, tool, question=question) for tool, question in questions]
        await driver.wait(tuple(call.name for call in calls))
        return [call.value for call in calls]

    values = asyncio.run(main())
    assert "Town?" in user.asked
    labels = {"answer to f1 ask: Name?", "answer to f2 ask_too: Name?"}
    assert set(values[:2]) < labels | {"answer to Name?"}
    assert len(set(values[:2])) == 2


def test_approvers_that_ask_by_input_take_turns_too(user) -> None:
    async def main():
        return await asyncio.gather(*(ask_in_thread(lambda at=at: input(f"{at}")) for at in range(4)))

    assert asyncio.run(main()) == [f"answer to {at}" for at in range(4)]


def test_a_call_that_is_abandoned_while_it_waits_leaves_the_queue(user) -> None:
    user.askers = 0

    async def main():
        with TURNS.turn("the one who asks"):
            attempt = attempt_at(make_tool(by_input, pure=True), question="never asked")
            late = asyncio.get_running_loop().create_future()
            attempt.when_over(late.set_result)
            await asyncio.to_thread(until, lambda: "never asked" in TURNS.prompts)
            assert attempt.abandon()
            return await late

    assert isinstance(asyncio.run(main()).error, ToolCancelled)
    assert user.asked == []


def test_a_call_reads_its_own_stream_without_a_turn(user) -> None:
    user.askers = 0

    def redirected() -> str:
        """Ask with a stream of its own."""
        sys.stdin = io.StringIO("line\n")
        try:
            return input("from the stream")
        finally:
            sys.stdin = before

    before = sys.stdin

    async def main():
        with TURNS.turn("held by another"):
            return (await ended(attempt_at(make_tool(redirected, pure=True)))).value

    assert asyncio.run(main()) == "answer to from the stream"


@pytest.mark.parametrize("asked", [(), ("",), ("Name?",)])
def test_the_functions_get_what_they_were_given(monkeypatch, asked) -> None:
    got = []
    monkeypatch.setattr(builtins, "input", lambda *args: got.append(args) or "")
    monkeypatch.setattr(getpass, "getpass", lambda *args, **options: got.append((args, options)) or "")
    PROCESS.begin()
    try:
        input(*asked)
        getpass.getpass(*asked, stream=None)
    finally:
        PROCESS.end()
    assert got == [asked, (asked, {"stream": None})]


def test_a_question_that_fails_lets_the_next_one_be_asked(monkeypatch) -> None:
    asked = []

    def interrupted(prompt=""):
        asked.append(prompt)
        raise KeyboardInterrupt if len(asked) == 1 else EOFError

    monkeypatch.setattr(builtins, "input", interrupted)

    async def main():
        first = await ended(attempt_at(make_tool(by_input, pure=True), question="first"))
        second = await ended(attempt_at(make_tool(by_input, pure=True), question="second"))
        return [type(outcome.error).__name__ for outcome in (first, second)]

    assert asyncio.run(main()) == ["KeyboardInterrupt", "EOFError"]
    assert TURNS.prompts == []
