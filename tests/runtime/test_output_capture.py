"""Output of tools: captured for the call that printed it, and still written to its stream."""

import asyncio
import contextlib
import gc
import io
import logging
import sys
import threading

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.core.events import CallCancelled, CallPrinted
from asyncfc_jupyter.runtime.output_buffer import Kept
from asyncfc_jupyter.runtime.printed import LOGGED_CHARACTERS
from asyncfc_jupyter.testing import Calls, Says, ScriptedModel, Thinks, run_virtually
from asyncfc_jupyter.tools.definition import make_tool

DONE = [Says("done")]


def tools(*functions):
    return [make_tool(function, pure=True) for function in functions]


def run_of(*functions, observers=(), think_s=9):
    calls = [*(Calls(function.__name__) for function in functions), Thinks(think_s)]
    return run_virtually(Agent(ScriptedModel(calls, DONE), tools=tools(*functions)).run("go", observers=observers))


def printed(run, future="f1"):
    return [
        (s.event.stream, s.event.text)
        for s in run.trace
        if isinstance(s.event, CallPrinted) and s.event.future == future
    ]


async def greet() -> None:
    """Print on the loop."""
    print("hello")
    await asyncio.sleep(1)
    print("goodbye")


def test_prints_are_captured_immediately_and_still_reach_their_stream(capsys) -> None:
    run = run_of(greet)
    assert printed(run) == [("stdout", "hello\n"), ("stdout", "goodbye\n")]
    assert run.futures["f1"].printed == "hello\ngoodbye\n"
    assert capsys.readouterr().out == "hello\ngoodbye\n"


class Loud:
    """Holds itself, and prints when the garbage collector frees it."""

    def __init__(self):
        self._itself = self

    def __del__(self):
        print("freed")


@pytest.mark.parametrize("run_in", ["loop", "thread"])
def test_a_finalizer_that_prints_while_a_text_is_noted_hangs_nothing(monkeypatch, capsys, run_in) -> None:
    add = Kept.add

    def collecting(kept, text, stream):
        gc.collect()
        add(kept, text, stream)

    def talk() -> None:
        """Print."""
        Loud()
        monkeypatch.setattr(Kept, "add", collecting)
        print("hello")

    tool = make_tool(talk, pure=True, run_in=run_in)
    run = run_virtually(Agent(ScriptedModel([Calls("talk"), Thinks(9)], DONE), tools=[tool]).run("go"))
    assert run.futures["f1"].printed == "hello\n"
    assert sorted(capsys.readouterr().out.split()) == ["freed", "hello"]


def test_two_tools_that_print_at_once_from_threads_are_kept_apart() -> None:
    barrier = threading.Barrier(2, timeout=20)

    def one() -> None:
        """Print ones."""
        for number in range(50):
            barrier.wait()
            print("one", number)

    def two() -> None:
        """Print twos."""
        for number in range(50):
            barrier.wait()
            print("two", number)

    run = run_of(one, two)
    assert run.futures["f1"].printed == "".join(f"one {n}\n" for n in range(50))
    assert run.futures["f2"].printed == "".join(f"two {n}\n" for n in range(50))


def test_a_handler_that_holds_the_earlier_stream_is_captured_as_stderr(capsys) -> None:
    logger = logging.getLogger("asyncfc_test_prints")
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    logger.propagate = False

    async def complain() -> None:
        """Complain."""
        logger.warning("careful")
        print("mind the gap", file=sys.stderr)
        print("so much")

    try:
        run = run_of(complain)
    finally:
        logger.removeHandler(handler)
    text = run.futures["f1"].printed
    assert [stream for stream, _ in printed(run)] == ["stderr", "stdout"]
    assert text.startswith("careful\n")
    assert "mind the gap" in text
    assert text.endswith("so much\n")


def test_a_flood_of_output_is_cut_in_the_log_and_kept_whole_elsewhere() -> None:
    """A note says how much is cut, the future keeps the whole, and the flood makes few events."""

    def flood() -> None:
        """Print a hundred thousand lines."""
        for number in range(100_000):
            print(number)

    with contextlib.redirect_stdout(io.StringIO()) as out:
        run = run_of(flood)
    pieces = printed(run)
    text = "".join(text for _, text in pieces)
    whole = out.getvalue()
    assert len(whole) == 588_890, "all of it went where it went before"
    assert text == whole[:LOGGED_CHARACTERS] + "\n[568,890 more characters were printed and are not in the log]\n"
    assert run.futures["f1"].printed == whole
    assert len(pieces) < 20


def test_prints_after_a_cancellation_are_not_captured(capsys) -> None:
    began, release, ended = threading.Event(), threading.Event(), threading.Event()

    def stubborn() -> None:
        """Go on."""
        print("before")
        began.set()
        release.wait(20)
        print("after")
        ended.set()

    async def main():
        run = Agent(ScriptedModel([Calls("stubborn")], DONE, DONE), tools=tools(stubborn)).start("go")
        await asyncio.to_thread(began.wait, 20)
        run.futures["f1"].cancel()
        release.set()
        await run.wait()
        await asyncio.to_thread(ended.wait, 20)
        return run

    run = asyncio.run(main())
    assert run.futures["f1"].printed == "before\n"
    kinds = [type(s.event) for s in run.trace if isinstance(s.event, CallPrinted | CallCancelled)]
    assert kinds[-1] is CallCancelled
    assert kinds.count(CallCancelled) == 1
    assert capsys.readouterr().out == "before\nafter\n"


def test_observers_that_print_are_not_taken_for_the_tool() -> None:
    run = run_of(greet, observers=[lambda stamped: print(stamped.seq)])
    assert run.futures["f1"].printed == "hello\ngoodbye\n"


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_the_streams_are_restored_when_no_call_runs(name, capsys) -> None:
    seen = []

    def look() -> None:
        """Look at the stream."""
        stream = getattr(sys, name)
        seen.append((stream, stream.isatty(), stream.encoding, "write" in vars(stream)))

    before = getattr(sys, name)
    run_of(look)
    assert seen == [(before, before.isatty(), before.encoding, True)]
    assert getattr(sys, name) is before
    assert "write" not in vars(before)


def test_a_tool_that_redirects_its_output_gets_it_for_itself() -> None:
    def redirected() -> str:
        """Redirect."""
        with contextlib.redirect_stdout(io.StringIO()) as out:
            print("for me")
        print("for all")
        return out.getvalue()

    run = run_of(redirected)
    assert run.futures["f1"].result() == "for me\n"
    assert run.futures["f1"].printed == "for all\n"


def test_a_stream_that_cannot_be_captured_loses_nothing() -> None:
    class Fixed:
        __slots__ = ("texts",)

        def __init__(self) -> None:
            self.texts = []

        def write(self, text: str) -> int:
            self.texts.append(text)
            return len(text)

    fixed = Fixed()
    with contextlib.redirect_stdout(fixed):
        run = run_of(greet)
    assert "".join(fixed.texts) == "hello\ngoodbye\n"
    assert run.futures["f1"].printed == ""


def test_a_process_without_streams_does_not_fail(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert str(run_of(greet).futures["f1"].state) == "done"
