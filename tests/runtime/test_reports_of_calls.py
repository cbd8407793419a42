"""What the driver reports of calls, and returns: retries, time-outs, cancellations and prints, with their times."""

import asyncio
import threading

import pytest

from asyncfc_jupyter import ToolContext
from asyncfc_jupyter.core.events import (
    ApprovalAsked,
    CallCancelled,
    CallFailed,
    CallFinished,
    CallPrinted,
    CallProgressed,
    CallRetried,
    CallSkipped,
    CallStarted,
    ResultDiscarded,
)
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.runtime.abandoned import CLEAN_UP_S
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import UNWIND_S, Driver
from asyncfc_jupyter.runtime.durations import Measured
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.runtime.printed import LOGGED_CHARACTERS, NOTE_INTERVAL_S, Printed
from asyncfc_jupyter.runtime.running_call import RunningCall, context_of, current_sink
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.context import ToolContext as Context
from asyncfc_jupyter.tools.definition import make_tool


class Desk:
    """A driver with a log, and functions that show its reports."""

    def __init__(self, **lent):
        self.driver, self.log = Driver(), EventLog(asyncio.get_running_loop().time)
        self.driver.lend(Lease(log=self.log, **lent))

    def issue(self, tool, **arguments):
        call_id = CallId(f"c{len(self.driver.issued)}")
        return self.driver.issue(call_id=call_id, turn=1, name=tool.name, tool=tool, arguments=arguments)

    async def settled(self):
        await self.driver.wait(tuple(self.driver.calls))
        return self

    def events(self, *kinds):
        return [(round(each.at_s, 3), each.event) for each in self.log.events if isinstance(each.event, kinds)]


F1, F2, F3 = map(FutureName, ("f1", "f2", "f3"))


async def nap(seconds: float, fails: bool = False) -> float:
    """Sleep."""
    await asyncio.sleep(seconds)
    if fails:
        raise LookupError("gone")
    return seconds


NAP = make_tool(nap, pure=True, idempotent=False)


# -- retries ---------------------------------------------------------------------------------------------------------


def test_pauses_between_retries_double_up_to_ten_seconds(monkeypatch) -> None:
    """A random part of at most a fifth of a second is added, so that many calls are not retried at the same time."""
    monkeypatch.setattr("tenacity.wait.random.random", lambda: 1.0)

    async def main():
        desk = Desk()
        desk.issue(make_tool(nap, pure=True, retries=8), seconds=0, fails=True)
        return await desk.settled()

    desk = run_virtually(main())
    retried = [event for _, event in desk.events(CallRetried)]
    assert [event.pause_s for event in retried] == [0.4, 0.6, 1.0, 1.8, 3.4, 6.6, 10.2, 10.2]
    assert [event.attempt for event in retried] == list(range(1, 9))
    assert {(event.future, event.message, event.still_running) for event in retried} == {
        (F1, "LookupError: gone", False)
    }
    at_s, failed = desk.events(CallFailed)[0]
    assert at_s == pytest.approx(34.2)
    assert failed == CallFailed(future=F1, kind="error", message="LookupError: gone")
    assert isinstance(desk.driver.issued[0].exception, LookupError)


@pytest.mark.parametrize(("retries", "made"), [(0, 1), (1, 2), (2, 3), (3, 3)])
def test_a_call_has_one_attempt_more_than_retries_until_it_succeeds(retries, made) -> None:
    attempts = []

    async def stumble(basket: list[int]) -> int:
        """Succeed the third time."""
        attempts.append(list(basket))
        basket.append(1)
        if len(attempts) < 3:
            raise LookupError("not yet")
        return len(attempts)

    async def main():
        desk = Desk()
        call = desk.issue(make_tool(stumble, pure=True, retries=retries), basket=[0])
        await desk.settled()
        return call

    call = run_virtually(main())
    assert attempts == [[0]] * made, "each attempt gets its arguments as they were"
    assert (call.status, call.value) == (("done", 3) if made == 3 else ("failed", None))


def test_each_attempt_has_its_own_context_and_the_last_is_abandoned() -> None:
    seen = []

    async def report(context: ToolContext) -> None:
        """Report."""
        seen.append(context)
        context.progress(0.5, f"attempt {len(seen)}")
        await asyncio.sleep(9)

    async def main():
        desk = Desk()
        desk.issue(make_tool(report, pure=True, retries=1, timeout_s=2))
        await desk.settled()
        seen[0].progress(1)
        return desk

    desk = run_virtually(main())
    assert [each.cancelled for each in seen] == [True, True]
    assert seen[0] is not seen[1]
    assert {(each.call_id, each.future, each.tool) for each in seen} == {("c0", "f1", "report")}
    assert [event.text for _, event in desk.events(CallProgressed)] == ["attempt 1", "attempt 2"]
    assert desk.driver.issued[0].status == "timeout"
    assert desk.driver.issued[0].error == "report took longer than 2 s."


# -- abandoned calls -------------------------------------------------------------------------------------------------


async def swallow(seconds: float, fails: bool = False) -> str:
    """Ignore cancellation."""
    try:
        await asyncio.sleep(99)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)
        if fails:
            raise LookupError("too late") from None
    return "late"


@pytest.mark.parametrize(
    ("fails", "discarded"),
    [
        (False, ResultDiscarded(future=F1, summary="late", raised=False)),
        (True, ResultDiscarded(future=F1, summary="LookupError: too late", raised=True)),
    ],
)
@pytest.mark.parametrize("ending", ["timeout", "cancel"])
def test_a_late_result_is_reported_once_and_the_call_lingers_until_then(ending, fails, discarded) -> None:
    async def main():
        desk = Desk()
        call = desk.issue(make_tool(swallow, pure=True, timeout_s=2), seconds=3, fails=fails)
        await asyncio.sleep(1)
        assert desk.driver.lingering() == ()
        if ending == "cancel":
            await asyncio.sleep(0.5)
            desk.driver.cancel(call.name)
        await asyncio.sleep(1.5)
        assert desk.driver.lingering() == (call,)
        await asyncio.sleep(4)
        assert desk.driver.lingering() == ()
        return desk, call

    desk, call = run_virtually(main())
    ended = {"cancel": ("cancelled", "cancelled"), "timeout": ("timeout", "swallow took longer than 2 s.")}
    assert (call.status, call.error) == ended[ending]
    assert desk.events(ResultDiscarded) == [(4.5 if ending == "cancel" else 5, discarded)]


def test_a_run_waits_a_moment_for_clean_ups_and_then_continues() -> None:
    async def main(seconds, **given):
        desk, loop = Desk(), asyncio.get_running_loop()
        await desk.driver.unwound()
        assert loop.time() == 0
        desk.issue(make_tool(swallow, pure=True), seconds=seconds)
        desk.issue(NAP, seconds=50)
        await asyncio.sleep(1)
        desk.driver.cancel(F1)
        await desk.driver.unwound(**given)
        return loop.time() - 1

    assert run_virtually(main(9)) == pytest.approx(UNWIND_S) == pytest.approx(0.05)
    assert run_virtually(main(0.01)) == pytest.approx(0.01)
    assert run_virtually(main(9, timeout_s=2)) == pytest.approx(2)


def test_a_call_of_the_same_place_waits_five_seconds_for_a_clean_up() -> None:
    async def main():
        desk = Desk()
        desk.issue(make_tool(swallow, writes="a"), seconds=20)
        await asyncio.sleep(1)
        desk.driver.cancel(F1)
        desk.issue(make_tool(nap, writes="a"), seconds=1)
        desk.issue(make_tool(nap, writes="b"), seconds=1)
        await desk.settled()
        return desk

    assert [at_s for at_s, _ in run_virtually(main()).events(CallFinished)] == [2, 2 + CLEAN_UP_S]
    assert CLEAN_UP_S == 5


# -- taking back -----------------------------------------------------------------------------------------------------


def test_all_pending_calls_are_cancelled_except_running_detached_ones() -> None:
    async def main():
        desk = Desk()
        detached = make_tool(nap, pure=True, detached=True)
        done = desk.issue(NAP, seconds=1)
        running = desk.issue(NAP, seconds=9)
        goes_on = desk.issue(detached, seconds=8)
        waits = desk.issue(detached, seconds="$f2")
        await asyncio.sleep(2)
        assert desk.driver.cancel_pending() == (running, waits)
        assert list(desk.driver.pending()) == [goes_on]
        assert desk.driver.cancel_pending() == ()
        await desk.settled()
        return desk, [each.status for each in (done, running, goes_on, waits)]

    desk, statuses = run_virtually(main())
    assert statuses == ["done", "cancelled", "done", "cancelled"]
    assert [event.future for _, event in desk.events(CallCancelled)] == ["f4", "f2"], "what has not begun comes first"
    assert [event.future for _, event in desk.events(CallStarted)] == [F1, F2, F3]


def test_a_cancelled_call_in_a_thread_is_reported_as_still_running() -> None:
    began, release = threading.Event(), threading.Event()

    def stuck() -> None:
        """Wait."""
        began.set()
        release.wait(20)

    async def main():
        desk = Desk()
        call = desk.issue(make_tool(stuck, pure=True))
        await asyncio.to_thread(began.wait, 20)
        desk.driver.cancel(call.name)
        desk.driver.cancel(call.name)
        lingering = desk.driver.lingering()
        release.set()
        while desk.driver.lingering():  # noqa: ASYNC110 - until its thread has returned
            await asyncio.sleep(0.01)
        return desk, call, lingering

    try:
        desk, call, lingering = asyncio.run(main())
    finally:
        release.set()
    assert call.error == "cancelled. It still runs in its thread; the result will be discarded."
    assert [event for _, event in desk.events(CallCancelled)] == [CallCancelled(future=F1, still_running=True)]
    assert lingering == (call,)


def test_a_call_that_waits_for_approval_can_be_cancelled() -> None:
    answers = []

    async def ask(approval):
        await asyncio.sleep(3)
        answers.append(approval.future)
        return True

    async def main():
        desk = Desk(approver=ask)
        desk.issue(make_tool(nap, approve=True), seconds=1)
        desk.issue(make_tool(nap, approve=True, pure=True), seconds=1)
        await asyncio.sleep(1)
        names = {task.get_name() for task in asyncio.all_tasks()}
        desk.driver.cancel(F1)
        await desk.settled()
        return desk, names

    desk, names = run_virtually(main())
    assert {"asyncfc f1 nap", "asyncfc f2 nap"} <= names
    assert [call.status for call in desk.driver.issued] == ["cancelled", "done"]
    assert answers == ["f2"]
    assert desk.events(ApprovalAsked)[0] == (0, ApprovalAsked(future=F1, arguments="seconds=1.0"))


def test_a_call_that_is_not_approved_is_skipped_with_the_reason() -> None:
    async def main():
        desk = Desk(approval_timeout_s=2)
        desk.issue(make_tool(nap, approve=True), seconds=1)
        return await desk.settled()

    desk = run_virtually(main())
    why = "not approved: nap needs the user's approval and there is no approver; pass approver="
    assert [event for _, event in desk.events(CallSkipped)] == [CallSkipped(future=F1, because=None, message=why)]
    assert (desk.driver.issued[0].status, desk.driver.issued[0].error) == ("skipped", why)


def test_durations_are_noted_for_finished_calls_only() -> None:
    async def main():
        desk = Desk()
        desk.issue(NAP, seconds=2)
        desk.issue(NAP, seconds=3, fails=True)
        desk.issue(NAP, seconds=99)
        desk.issue(NAP, seconds="many")
        await asyncio.sleep(5)
        desk.driver.cancel(F3)
        return await desk.settled()

    desk = run_virtually(main())
    assert desk.driver.lease.durations.of(NAP) == Measured((2, 3), 2)
    assert [call.status for call in desk.driver.issued] == ["done", "failed", "cancelled", "failed"]
    assert desk.driver.issued[3].error.startswith("nap cannot take these arguments: 'seconds': ")
    assert [call.started_s for call in desk.driver.issued] == [0, 0, 0, None]


def test_a_driver_without_a_log_is_not_used() -> None:
    with pytest.raises(AssertionError, match="lent a log"):
        Driver().lease  # noqa: B018 - a property that raises


def test_a_call_with_too_deep_arguments_fails_and_keeps_none_of_them() -> None:
    deep: list = []
    for _ in range(100):
        deep = [deep]

    async def main():
        desk = Desk()
        return desk.issue(NAP, seconds=deep)

    call = run_virtually(main())
    assert (call.status, call.arguments) == ("failed", {})
    assert call.error == "the arguments are nested deeper than 64 levels; pass less."


# -- prints ----------------------------------------------------------------------------------------------------------


class Sink:
    """Takes printed text, if it is set to."""

    def __init__(self, *, takes):
        self.takes, self.got = takes, []

    def write(self, text, stream):
        self.got.append((stream, text))
        return self.takes

    def raised(self, error):
        self.got.append(("raised", error))


def listened():
    """Return the capture of a call, and its reports with their times."""
    reports = []
    loop = asyncio.get_running_loop()
    return Printed(lambda text, stream: reports.append((round(loop.time(), 3), stream, text))), reports


def test_pieces_are_reported_immediately_then_20_times_a_second() -> None:
    async def main():
        printed, reports = listened()
        for moment, text in ((0, "a"), (0.01, "b"), (0.03, "c"), (0.07, "d"), (0.2, "e")):
            await asyncio.sleep(moment - asyncio.get_running_loop().time())
            printed.note(text, "stdout")
        printed.note("f", "stderr")
        await asyncio.sleep(0)
        assert asyncio.get_running_loop().time() == 0.2
        await asyncio.sleep(1)
        printed.note("g", "stdout")
        printed.close()
        printed.note("h", "stdout")
        printed.close()
        await asyncio.sleep(1)
        return printed.noted.text, reports

    text, reports = run_virtually(main())
    assert text == "abcdefg"
    assert reports == [
        (0, "stdout", "a"),
        (0.05, "stdout", "bc"),
        (0.1, "stdout", "d"),
        (0.2, "stdout", "e"),
        (0.2, "stderr", "f"),
        (1.2, "stdout", "g"),
    ]
    assert NOTE_INTERVAL_S == 0.05


@pytest.mark.parametrize(
    ("lengths", "logged", "cut"),
    [
        ([20_000], 20_000, ""),
        ([19_999, 1], 20_000, ""),
        ([20_001], 20_000, "1"),
        ([19_999, 3, 5_000], 20_000, "5,002"),
    ],
)
def test_a_log_holds_twenty_thousand_characters_and_says_what_is_cut(lengths, logged, cut) -> None:
    async def main():
        printed, reports = listened()
        for length in lengths:
            printed.note("x" * length, "stderr")
        printed.close()
        return reports

    reports = run_virtually(main())
    assert "".join(text for _, stream, text in reports if stream == "stderr") == "x" * logged
    assert [text for _, stream, text in reports if stream == "stdout"] == (
        [f"\n[{cut} more characters were printed and are not in the log]\n"] if cut else []
    )
    assert LOGGED_CHARACTERS == 20_000


@pytest.mark.parametrize("takes", [True, False])
def test_a_sink_decides_whether_it_takes_prints_also_after_the_end(takes) -> None:
    async def main():
        sink = Sink(takes=takes)
        printed = Printed(lambda *_: None, sink)
        assert printed.note("a", "stdout") is takes
        error = LookupError("no")
        printed.raised(error)
        printed.raised(None)
        printed.close()
        assert printed.note("b", "stderr") is takes
        assert sink.got == [("stdout", "a"), ("raised", error), ("stderr", "b")]
        return printed.noted.text

    assert run_virtually(main()) == ("ab" if takes else "a")


def test_without_a_sink_prints_reach_their_stream() -> None:
    async def main():
        printed, _ = listened()
        assert printed.note("a", "stdout") is False
        printed.raised(LookupError("no"))
        assert context_of(RunningCall("f1 a", printed)).run(current_sink) is None
        assert context_of(None).run(current_sink) is None
        assert current_sink() is None
        sink = Sink(takes=True)
        assert context_of(RunningCall("f1 a", Printed(lambda *_: None, sink))).run(current_sink) is sink
        assert current_sink() is None

    run_virtually(main())


def test_a_sink_replaces_the_stream_and_is_notified_of_the_failure(capsys) -> None:
    sinks = {}

    def capture(future, tool):
        return sinks.setdefault((future, tool), Sink(takes=True))

    async def speak() -> None:
        """Speak, and fail."""
        print("hello")
        raise LookupError("no")

    async def main():
        desk = Desk(capture=capture)
        desk.issue(make_tool(speak))
        return await desk.settled()

    desk = run_virtually(main())
    assert capsys.readouterr().out == ""
    assert [what for what, _ in sinks["f1", "speak"].got] == ["stdout", "stdout", "raised"]
    assert sinks["f1", "speak"].got[-1][1] is desk.driver.issued[0].exception
    assert [event for _, event in desk.events(CallPrinted)] == [CallPrinted(future=F1, text="hello\n", stream="stdout")]


# -- progress --------------------------------------------------------------------------------------------------------


def test_reports_pass_20_times_a_second_with_the_latest() -> None:
    async def main():
        loop, reports = asyncio.get_running_loop(), []
        context = Context(report=lambda fraction, text: reports.append((round(loop.time(), 3), fraction, text)))
        for moment, fraction in ((0, 0), (0.01, 0.1), (0.03, 0.2), (0.07, 0.3), (0.3, 1)):
            await asyncio.sleep(moment - loop.time())
            context.progress(fraction)
        await asyncio.sleep(1)
        context.progress(None, "x" * 200)
        context.progress(None, "x" * 201)
        context.close()
        context.progress(1)
        await asyncio.sleep(1)
        return reports

    assert run_virtually(main()) == [
        (0, 0.0, ""),
        (0.05, 0.2, ""),
        (0.1, 0.3, ""),
        (0.3, 1.0, ""),
        (1.3, None, "x" * 199 + "…"),
    ]
