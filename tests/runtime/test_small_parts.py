"""The small parts of a call, each by itself: what it returns, and what it does at its limits."""

import asyncio
import functools
import logging
import pickle
import sys
import threading
import traceback
from concurrent.futures import CancelledError, Future

import pytest

from asyncfc_jupyter.core.effects import PURE
from asyncfc_jupyter.core.events import (
    CallCancelled,
    CallFailed,
    CallFinished,
    CallSkipped,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId, FutureName, State, state_of
from asyncfc_jupyter.errors import CallError, InvariantBroken
from asyncfc_jupyter.runtime import binding
from asyncfc_jupyter.runtime.approval import APPROVAL_TIMEOUT_S, declined, question
from asyncfc_jupyter.runtime.attempt import (
    Attempt,
    Raised,
    Returned,
    ask_in_thread,
    call_far_away,
    show_exception,
    still_running,
)
from asyncfc_jupyter.runtime.call import Approval, Lease, ToolCall
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.durations import Durations
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.runtime.object_lock import turn_of
from asyncfc_jupyter.runtime.output_buffer import Kept
from asyncfc_jupyter.runtime.pools import THREADS, Noting
from asyncfc_jupyter.runtime.restore import adopt
from asyncfc_jupyter.runtime.settling import end_of, settled, why_skipped
from asyncfc_jupyter.runtime.tracebacks import note_traceback, own_frames
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.tools.registry import ToolRegistry
from tests.runtime.outcomes import ended


def pay(euros: int, to: str = "Ada") -> str:
    """Pay somebody."""
    return f"{euros} to {to}"


def give_back(value) -> object:
    """Give it back."""
    return value


give_back.__annotations__["value"] = object
PAY, GIVE_BACK = make_tool(pay), make_tool(give_back)


def entry_of(number=1, tool="pay", *, log=None, status="pending", **fields):
    lease = fields.pop("lease", None) or Lease(
        log=log or EventLog(lambda: 0.0), approver=None, approval_timeout_s=APPROVAL_TIMEOUT_S
    )
    return ToolCall(
        name=FutureName(f"f{number}"),
        call_id=CallId("c"),
        tool=tool,
        arguments=fields.pop("arguments", {}),
        lease=lease,
        state=state_of(status),
        timed_out=status == "timeout",
        **fields,
    )


# -- entries ---------------------------------------------------------------------------------------------------------


def test_a_future_knows_its_place_and_whether_it_is_detached() -> None:
    assert [entry_of(number).order for number in (1, 12)] == [1, 12]
    assert entry_of().detached is False
    assert entry_of(function=PAY).detached is False
    assert entry_of(function=make_tool(pay, detached=True)).detached is True


def test_a_future_knows_how_long_it_has_been_running() -> None:
    now = [100.0]
    entry = entry_of(log=EventLog(lambda: now[0]))
    assert entry.elapsed_s is None
    entry.started_s = 2.0
    now[0] = 105.0
    assert entry.elapsed_s == 3.0


def test_a_settled_future_drops_the_data_that_only_a_call_needs() -> None:
    class Opened:
        closed = 0
        errors = ()

        def close(self):
            self.closed += 1

        def raised(self, error):
            self.errors = (*self.errors, error)

    context, printed = Opened(), Opened()
    entry = entry_of(share_key="pay {}", context=context, printed=printed, bound=object(), attempt=object())
    error = ValueError("no")
    entry.settle(State.FAILED, error="ValueError: no", exception=error)
    assert (context.closed, printed.closed, printed.errors) == (1, 1, (error,))
    assert (entry.bound, entry.attempt, entry.share_key) == (None, None, "")
    assert (entry.status, entry.error, entry.exception) == ("failed", "ValueError: no", error)
    other = entry_of()
    other.settle(State.DONE, value=7)
    assert (other.status, other.value) == ("done", 7)


# -- approvals -------------------------------------------------------------------------------------------------------


def asking(approver, timeout_s=5.0):
    return Lease(log=EventLog(lambda: 0.0), approver=approver, approval_timeout_s=timeout_s)


def bound_entry(tool=PAY, arguments=None, **fields):
    entry = entry_of(3, tool.name, function=tool, arguments=arguments or {"euros": 5}, **fields)
    entry.bound = tool.parameters_of.bind(entry.arguments)
    return entry


def test_a_question_names_future_tool_and_arguments() -> None:
    asked = question(bound_entry(arguments={"euros": 5, "to": "Zoë"}))
    assert str(asked) == 'f3: pay(euros=5, to="Zoë")'
    assert asked == Approval(
        future=FutureName("f3"),
        tool="pay",
        arguments={"euros": 5, "to": "Zoë"},
        shown='euros=5, to="Zoë"',
        description="Pay somebody.",
    )


@pytest.mark.parametrize(("length", "cut"), [(3_992, False), (3_993, True)])
def test_a_question_has_at_most_four_thousand_characters(length, cut) -> None:
    shown = question(bound_entry(GIVE_BACK, {"value": "v" * length})).shown
    assert len(shown) == 4_000
    assert shown.endswith("…") is cut


@pytest.mark.parametrize("fields", [{"function": PAY}, {"bound": object()}])
def test_no_question_is_asked_before_the_arguments_are_known(fields) -> None:
    with pytest.raises(AssertionError, match="approved when its arguments are known"):
        question(entry_of(**fields))


def answering(answer):
    async def asked(_approval):
        return answer

    return asked


async def hesitating(_approval):
    await asyncio.sleep(9)
    return True


async def failing(_approval):
    raise OSError("no terminal")


async def leaving(_approval):
    raise SystemExit(2)


@pytest.mark.parametrize(
    ("approver", "why"),
    [
        (answering(True), None),
        (lambda _: True, None),
        (lambda _: answering(True)(None), None),
        (answering(False), "not approved: the user said no"),
        (answering(1), "not approved: the user said no"),
        (answering("yes"), "not approved: the user said no"),
        (answering(None), "not approved: the user said no"),
        (hesitating, "not approved: no answer within 5 s"),
        (failing, "not approved: asking failed (OSError: no terminal)"),
        (leaving, "not approved: asking failed (SystemExit: 2)"),
        (None, "not approved: pay needs the user's approval and there is no approver; pass approver="),
    ],
)
def test_only_a_plain_yes_in_time_counts(approver, why) -> None:
    entry = bound_entry(lease=asking(approver))
    assert run_virtually(declined(entry, question(entry))) == why


def test_a_question_waits_for_five_minutes() -> None:
    driver = Driver()
    driver.lend(EventLog(lambda: 0.0))
    assert driver.lease.approval_timeout_s == 300.0


# -- durations -------------------------------------------------------------------------------------------------------


def test_the_latest_nine_calls_of_a_tool_count_or_else_those_of_all() -> None:
    durations = Durations()
    assert list(durations.recent_s("a")) == []
    for seconds in range(10):
        durations.note("a", seconds)
    assert list(durations.recent_s("a")) == list(range(1, 10))
    durations.note("b", 99)
    assert list(durations.recent_s("a")) == list(range(1, 10))
    assert list(durations.recent_s("b")) == [99]
    assert list(durations.recent_s("c")) == [*range(2, 10), 99]


# -- endings ---------------------------------------------------------------------------------------------------------


def test_a_skipped_call_names_the_first_cause_only() -> None:
    failed = entry_of(1, "find", status="failed", error="ValueError: no")
    assert why_skipped(failed) == "f1 (find) failed: ValueError: no"
    assert why_skipped(entry_of(2, status="skipped", error=why_skipped(failed))) == "f1 (find) failed: ValueError: no"
    assert why_skipped(None).startswith("the reply that holds it was cut off, and it cannot be undone; make the call")


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("done", CallFinished(future=FutureName("f2"), summary="1 item")),
        ("failed", CallFailed(future=FutureName("f2"), kind="error", message="why")),
        ("timeout", CallFailed(future=FutureName("f2"), kind="timeout", message="why")),
        ("cancelled", CallCancelled(future=FutureName("f2"))),
        ("skipped", CallSkipped(future=FutureName("f2"), because=FutureName("f1"), message="why")),
    ],
)
def test_the_event_for_the_end_of_a_call_has_its_outcome(status, event) -> None:
    assert end_of(entry_of(2, status=status, value=[1], error="why"), because=FutureName("f1")) == event


@pytest.mark.parametrize(
    ("mode", "timeout_s", "until_s"),
    [("all", None, 3), ("any", None, 1), ("all", 2, 2), ("any", 0.5, 0.5), ("all", 3.5, 3)],
)
def test_waiting_ends_with_the_last_future_the_first_or_the_time(mode, timeout_s, until_s) -> None:
    async def main():
        loop = asyncio.get_running_loop()
        entries = [entry_of(number) for number in (1, 2, 3)]
        for number, entry in enumerate(entries, 1):
            loop.call_later(number, entry.settle, State.DONE)
        await settled(entries, mode=mode, timeout_s=timeout_s)
        until = loop.time()
        left = [len(entry.waiters) for entry in entries]
        await asyncio.sleep(9)
        return until, left

    assert run_virtually(main()) == (until_s, [0, 0, 0])


@pytest.mark.parametrize(
    ("statuses", "mode", "waits"),
    [
        ([], "all", False),
        ([], "any", False),
        (["done", "failed"], "all", False),
        (["done", "pending"], "any", False),
        (["done", "pending"], "all", True),
        (["pending", "pending"], "any", True),
    ],
)
def test_a_settled_future_is_not_waited_for(statuses, mode, waits) -> None:
    async def main():
        await settled([entry_of(n, status=s) for n, s in enumerate(statuses, 1)], mode=mode, timeout_s=7)
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == (7 if waits else 0)


# -- adopting --------------------------------------------------------------------------------------------------------


async def find(city: object) -> dict:
    """Find."""
    return {"id": city}


FIND, SEND = make_tool(find, pure=True), make_tool(find, irreversible=True, name="send")


def begun():
    driver = Driver()
    driver.lend(EventLog(asyncio.get_running_loop().time))
    return driver


def issue(driver, tool, **arguments):
    call = CallId(f"c{len(driver.issued)}")
    return driver.issue(call_id=call, turn=1, name=tool.name, tool=tool, arguments=arguments)


def test_a_restored_future_can_be_referred_to() -> None:
    async def main():
        driver = begun()
        error = ValueError("no")
        one = adopt(
            driver, tool="find", arguments={"city": "LIS"}, status="done", value={"id": 4}, function=FIND, shown=True
        )
        two = adopt(driver, tool="find", arguments={}, status="failed", error="no", exception=error, shown=True)
        assert driver.issued == [one, two] == list(driver.calls.values())
        assert (one.name, two.name) == ("f1", "f2")
        assert (one.tool, one.arguments, one.value, one.function) == ("find", {"city": "LIS"}, {"id": 4}, FIND)
        assert (two.status, two.error, two.exception, two.call_id) == ("failed", "no", error, "")
        assert one.elapsed_s is None
        assert one.lease.log.events == []
        assert (one.lease.approver, one.lease.approval_timeout_s) == (None, APPROVAL_TIMEOUT_S)
        assert len(one.lease.context) == 0
        issue(driver, FIND, city="$f1.id")
        issue(driver, FIND, city="$f2.id")
        assert list(driver.pending()) == driver.issued[2:3]
        await driver.wait(tuple(driver.calls))
        return driver

    driver = run_virtually(main())
    assert [(entry.name, entry.status) for entry in driver.issued[2:]] == [("f3", "done"), ("f4", "skipped")]
    assert driver.issued[2].value == {"id": 4}


@pytest.mark.parametrize("status", ["failed", "timeout", "cancelled", "skipped"])
@pytest.mark.parametrize("shown", [True, False])
def test_an_irreversible_call_is_held_by_a_restored_failure_not_yet_shown(status, shown) -> None:
    async def main():
        driver = begun()
        adopt(driver, tool="find", arguments={}, status=status, error="no", shown=shown)
        driver.report(TurnStarted(turn=1))
        entry = issue(driver, SEND, city="LIS")
        driver.report(TurnEnded(turn=1, reason="stop", calls=1))
        await driver.wait([entry.name], timeout_s=9)
        return entry.status

    assert run_virtually(main()) == ("done" if shown else "skipped")


def test_a_pending_future_cannot_be_restored() -> None:
    async def main():
        adopt(begun(), tool="find", arguments={}, status="pending", shown=False)

    with pytest.raises(InvariantBroken, match="f1 is pending"):
        run_virtually(main())


# -- arguments -------------------------------------------------------------------------------------------------------


def lists(levels):
    value = "x"
    for _ in range(levels):
        value = [value]
    return value


def test_arguments_may_be_nested_sixty_four_levels_deep() -> None:
    deepest = next(n for n in range(1, 200) if binding.check_depth({"a": lists(n)}) is not None)
    assert deepest == 64
    problem = binding.check_depth({"a": lists(deepest)})
    assert isinstance(problem, CallError)
    assert str(problem) == "the arguments are nested deeper than 64 levels; pass less."


def test_a_log_shows_four_hundred_characters_of_arguments() -> None:
    def shown(text):
        return binding.issued(entry_of(arguments={"a": text}), 1, (), PURE).arguments

    assert shown("é\n") == '{"a": "é\\n"}'
    assert shown("x" * 391) == '{"a": "' + "x" * 391 + '"}'
    assert shown("x" * 392) == '{"a": "' + "x" * 392 + "…"


def test_two_calls_are_the_same_whatever_the_order_of_their_arguments() -> None:
    repeatable = make_tool(pay, pure=True)
    same = binding.share_key(repeatable, {"to": "Ada", "euros": 5})
    assert same == 'pay {"euros": 5, "to": "Ada"}' == binding.share_key(repeatable, {"euros": 5, "to": "Ada"})
    assert binding.share_key(PAY, {"to": "Ada", "euros": 5}) == ""


@pytest.mark.parametrize(
    ("fields", "message"),
    [({}, "there is no tool 'pay'"), ({"problem": CallError("broken"), "function": PAY}, "broken")],
)
def test_a_call_that_cannot_be_made_says_why(fields, message) -> None:
    with pytest.raises(CallError, match=message):
        binding.resolve(entry_of(**fields), lambda _: None, None)


def test_limits_are_those_of_the_tool_and_those_of_its_arguments() -> None:
    def limits(**options):
        entry = bound_entry(make_tool(pay, **options), {"euros": 5, "to": None})
        return [(each.name, each.places) for each in binding.resolve(entry, lambda _: None, None)[2]]

    assert limits() == []
    assert limits(limit=2) == [("pay", 2)]
    assert limits(limit={"to/{to}": 3, "all": 4}) == [("to/Ada", 3), ("all", 4)]


# -- exclusive -------------------------------------------------------------------------------------------------------


class Desk:
    def book(self, day: int) -> int:
        """Book."""
        return day

    @classmethod
    def open(cls) -> None:
        """Open."""


def test_only_undeclared_methods_of_one_object_take_turns() -> None:
    desk, other = Desk(), Desk()
    one = turn_of(make_tool(desk.book))
    assert one is not None
    assert turn_of(make_tool(desk.book)) is one
    assert turn_of(make_tool(functools.partial(functools.partial(desk.book), day=1), name="book")) is one
    assert turn_of(make_tool(other.book)) not in (None, one)
    assert turn_of(make_tool(desk.book, pure=True)) is None
    assert turn_of(PAY) is None
    assert isinstance(math_like.__self__, type(sys))
    assert turn_of(make_tool(math_like)) is None


class _OfAModule:
    """A function whose owner is its module, as those of extensions have it."""

    __self__ = sys
    __name__ = "of_a_module"

    def __call__(self, a: int) -> int:
        """Give it back."""
        return a


math_like = _OfAModule()


# -- pools -----------------------------------------------------------------------------------------------------------


def test_a_thread_of_the_package_has_a_name_and_ends_with_the_program() -> None:
    def seen(*args, **kwargs):
        return threading.current_thread().name, threading.current_thread().daemon, args, kwargs

    assert THREADS.submit(seen, 1, b=2).result(20) == ("asyncfc-tool", True, (1,), {"b": 2})


def test_work_is_passed_on_and_its_future_is_notified() -> None:
    notified = []
    future = Noting(THREADS, notified.append).submit(divmod, 7, 2)
    assert notified == [future]
    assert isinstance(future, Future)
    assert future.result(20) == (3, 1)


# -- log -------------------------------------------------------------------------------------------------------------


def test_a_log_stamps_each_event_and_drops_an_observer_that_raises(caplog) -> None:
    now, heard = [100.0], []

    def rude(stamped):
        heard.append(("rude", stamped.seq))
        raise ValueError("no")

    log = EventLog(lambda: now[0], [rude, lambda stamped: heard.append(("kind", stamped.seq))])
    event = CallCancelled(future=FutureName("f1"))
    with caplog.at_level(logging.ERROR, logger="asyncfc_jupyter"):
        for now[0] in (100.0, 102.5):
            assert log.record(event) is log.events[-1]
    assert [(stamped.seq, stamped.at_s, stamped.event) for stamped in log.events] == [(0, 0.0, event), (1, 2.5, event)]
    assert heard == [("rude", 0), ("kind", 0), ("kind", 1)]
    assert [record.getMessage() for record in caplog.records] == [
        f"observer {rude!r} raised and is dropped from this run"
    ]
    assert log.now_s() == 2.5


# -- registry --------------------------------------------------------------------------------------------------------


def named(*names):
    return [make_tool(pay, name=name) for name in names]


def test_a_place_replaces_its_own_tools_and_those_of_the_same_name() -> None:
    registry = ToolRegistry()
    registry.replace("one", named("a", "b"))
    registry.replace("two", named("c"))
    assert [tool.name for tool in registry.tools()] == ["a", "b", "c"]
    registry.replace("one", named("d"), more=True)
    assert list(registry.by_name()) == ["a", "b", "c", "d"]
    new = named("c")
    registry.replace("one", new)
    assert list(registry.by_name().items()) == [("c", new[0])]
    registry.replace("one", [])
    assert registry.tools() == ()


# -- tracebacks ------------------------------------------------------------------------------------------------------


def fails(value: object = None) -> None:
    """Fail."""
    raise LookupError("no")


def caught(function, *args):
    try:
        function(*args)
    except LookupError as error:
        return error
    except AssertionError as error:
        return error
    raise AssertionError("it was to fail")


def places(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_frames_of_the_package_are_left_out_of_a_traceback() -> None:
    error = caught(fails)
    assert own_frames(error) is error
    assert places(error) == ["caught", "fails"]

    async def main():
        return await ended(attempt_at(make_tool(fails)))

    outcome = run_virtually(main())
    assert places(outcome.error) == ["fails"]


def test_a_traceback_with_frames_of_the_package_only_stays_whole() -> None:
    error = caught(question, entry_of())
    error.__traceback__ = error.__traceback__.tb_next
    assert places(own_frames(error)) == ["question"]


def test_the_frames_of_a_loop_of_its_own_are_left_out() -> None:
    async def later():
        fails()

    error = caught(asyncio.run, later())
    error.__traceback__ = error.__traceback__.tb_next
    assert places(own_frames(error)) == ["later", "fails"]


def test_a_traceback_that_travels_is_written_into_the_notes() -> None:
    error = caught(fails)
    note_traceback(error)
    first, *lines = error.__notes__[0].split("\n")
    assert first == "In its own process, most recent call last:"
    assert lines[-1].strip() == 'raise LookupError("no")'
    assert len(error.__notes__) == 1
    bare = LookupError("never raised")
    note_traceback(bare)
    note_traceback(None)
    assert not hasattr(bare, "__notes__")


# -- executor --------------------------------------------------------------------------------------------------------


def test_an_exception_is_shown_on_one_line_of_two_thousand_characters() -> None:
    class Rude(Exception):
        def __str__(self):
            raise RuntimeError("no")

    assert show_exception(ValueError("a\n b")) == "ValueError: a b"
    assert show_exception(ValueError()) == "ValueError"
    assert show_exception(Rude()) == "Rude: its text raised RuntimeError"
    assert show_exception(ValueError("x" * 2_000)) == "ValueError: " + "x" * 2_000
    assert show_exception(ValueError("x" * 2_001)) == "ValueError: " + "x" * 1_999 + "…"


def test_a_call_that_cannot_be_stopped_is_reported_as_still_running() -> None:
    places = {"thread": "its thread", "process": "its process", THREADS: "its executor"}
    for run_in, place in places.items():
        said = still_running(make_tool(pay, run_in=run_in))
        assert said == f"It still runs in {place}; the result will be discarded."


class Stays(Exception):
    """Cannot be pickled."""

    def __reduce__(self):
        raise pickle.PicklingError("it stays")


def stays():
    raise Stays("here")


async def give(value):
    return value


def test_an_outcome_from_another_process_can_be_pickled() -> None:
    assert call_far_away(divmod, (7, 2), {}) == (Returned(value=(3, 1)), [])
    lost, _ = call_far_away(stays, (), {})
    assert (lost.message, lost.error, lost.kind) == ("Stays: here", None, "error")
    kept, _ = call_far_away(fails, (), {"value": 1})
    assert isinstance(kept.error, LookupError)
    assert kept.error.__notes__[0].startswith("In its own process")


def speak(times: int) -> int:
    print("out" * times)
    print("err", file=sys.stderr)
    return times


def test_prints_in_another_process_arrive_with_the_outcome(capsys) -> None:
    outcome, printed = call_far_away(speak, (2,), {}, collects=True)
    assert outcome == Returned(value=2)
    assert printed == [("outout\n", "stdout"), ("err\n", "stderr")]
    assert capsys.readouterr() == ("", "")


def test_a_function_that_is_asked_in_a_thread_raises_what_it_raises() -> None:
    async def main():
        assert await ask_in_thread(divmod, 7, 2) == (3, 1)
        with pytest.raises(LookupError, match="no"):
            await ask_in_thread(fails, 1)

    run_virtually(main())


def attempt_at(tool, **arguments):
    return Attempt(tool, tool.parameters_of.bind(arguments))


def test_an_attempt_reports_its_progress() -> None:
    async def nap(seconds: float) -> float:
        """Sleep."""
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(seconds)
            raise
        return seconds

    async def main():
        tool = make_tool(nap)
        attempt, ended = attempt_at(tool, seconds=2), []
        attempt.when_over(lambda: ended.append(asyncio.get_running_loop().time()))
        late = []
        attempt.when_late(late.append)
        await asyncio.sleep(1)
        assert (attempt.over, attempt.abandoned, attempt.stopping, attempt.outcome_now()) == (False, False, None, None)
        assert attempt.abandon() is False
        assert attempt.abandoned
        assert attempt.stopping is not None
        await asyncio.sleep(1.5)
        assert attempt.abandon() is False, "a second time does not hit the clean-up"
        await asyncio.sleep(1)
        assert (attempt.over, attempt.stopping, attempt.outcome_now()) == (True, None, None)
        assert (ended, late) == ([3.0], [])
        other = attempt_at(tool, seconds=1)
        await asyncio.sleep(1.5)
        assert other.outcome_now().value == other.result().value == 1
        assert other.stopping is None

    run_virtually(main())


@pytest.mark.parametrize(
    ("work_s", "timeout_s", "abandon_s", "notified_s"),
    [(1, None, None, [1]), (1, 2, None, [1]), (3, 2, None, [2]), (1, 2, 0.5, []), (3, 2, 2.5, [2]), (3, None, 1, [])],
)
def test_a_waiter_is_notified_once_of_the_end_or_of_the_time_out(work_s, timeout_s, abandon_s, notified_s) -> None:
    async def nap(seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    async def main():
        loop, notified = asyncio.get_running_loop(), []
        attempt = attempt_at(make_tool(nap, timeout_s=timeout_s), seconds=work_s)
        attempt.when_reached(lambda: notified.append(loop.time()))
        if abandon_s is not None:
            loop.call_later(abandon_s, attempt.abandon)
        await asyncio.sleep(9)
        return notified

    assert run_virtually(main()) == notified_s


@pytest.mark.parametrize("abandoned", [False, True])
def test_the_timer_of_ended_work_is_removed_from_the_loop(abandoned) -> None:
    async def nap() -> None:
        """Sleep."""
        await asyncio.sleep(1)

    async def main():
        attempt = attempt_at(make_tool(nap, timeout_s=1_000))
        attempt.when_reached(lambda: None)
        timer = attempt._timer
        assert timer is not None
        if abandoned:
            attempt.abandon()
        else:
            await asyncio.sleep(2)
        assert timer.cancelled()

    run_virtually(main())


def test_the_late_outcome_of_a_stubborn_coroutine_is_reported() -> None:
    async def stubborn() -> str:
        """Go on."""
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "after all"

    async def main():
        late = []
        attempt = attempt_at(make_tool(stubborn, timeout_s=2))
        outcome = await ended(attempt)
        attempt.when_late(late.append)
        assert outcome == Raised(kind="timeout", message="stubborn took longer than 2 s.")
        await asyncio.sleep(2)
        return [outcome.value for outcome in late]

    assert run_virtually(main()) == ["after all"]


def test_a_call_in_a_thread_is_cancelled_if_it_has_not_begun() -> None:
    class Queue(type(THREADS)):
        def __init__(self):
            self.futures = []

        def submit(self, function, /, *args, **kwargs):
            self.futures.append(Future())
            return self.futures[-1]

    async def main(*, begun):
        queue = Queue()
        attempt = attempt_at(make_tool(pay, run_in=queue), euros=1)
        while not queue.futures:  # noqa: ASYNC110 - the very step in which it is sent
            await asyncio.sleep(0)
        sent = queue.futures[0]
        if begun:
            assert sent.set_running_or_notify_cancel()
        assert attempt.abandon() is begun
        assert sent.cancelled() is not begun
        if begun:
            assert not attempt.over
            sent.set_result(Returned(value=1))
            assert attempt.abandon() is False, "it has ended there, and the loop does not know yet"
        await asyncio.wait([attempt._work], timeout=20)
        return attempt.over

    assert asyncio.run(main(begun=False))
    assert asyncio.run(main(begun=True))


def test_the_longest_step_on_the_loop_is_noted(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("asyncfc_jupyter.runtime.attempt.time.perf_counter", lambda: now[0])

    async def blocks(*seconds) -> None:
        for each in seconds:
            now[0] += each
            await asyncio.sleep(1)

    async def once(seconds: float) -> None:
        """Block."""
        await blocks(0.1, seconds, 0.1)

    async def main():
        return (await ended(attempt_at(make_tool(once), seconds=0.3))).blocked_s

    assert run_virtually(main()) == pytest.approx(0.3)


@pytest.mark.parametrize(("seconds", "noticed"), [(0.25, {"once": 0.25}), (0.125, {})])
def test_a_step_of_a_fifth_of_a_second_on_the_loop_is_reported(seconds, noticed, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("asyncfc_jupyter.runtime.attempt.time.perf_counter", lambda: now[0])

    async def once(seconds: float) -> None:
        """Block."""
        now[0] += seconds

    async def main():
        driver = begun()
        for each in (seconds, seconds / 2):
            issue(driver, make_tool(once), seconds=each)
        await driver.wait(tuple(driver.calls))
        seen = dict(driver.blocked_s)
        driver.lend(EventLog(lambda: 0.0))
        assert driver.blocked_s == {}
        return seen

    assert run_virtually(main()) == noticed


# -- kept ------------------------------------------------------------------------------------------------------------


def test_pieces_of_one_stream_are_joined_up_to_four_thousand_characters() -> None:
    kept = Kept(100_000)
    kept.add("a" * 4_095, "stdout")
    kept.add("b", "stdout")
    assert len(kept._head) == 1
    kept.add("c", "stdout")
    kept.add("d", "stderr")
    assert [len(text) for text, _ in kept._head] == [4_096, 1, 1]


def test_a_future_that_is_cancelled_before_it_begins_runs_nothing(monkeypatch) -> None:
    began = []

    def begin(thread):
        began.append(thread)

    monkeypatch.setattr(threading.Thread, "start", begin)
    future = THREADS.submit(fails)
    assert future.cancel()
    began[0].run()
    with pytest.raises(CancelledError):
        future.result(0)
