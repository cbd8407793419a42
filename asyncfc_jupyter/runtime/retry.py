"""Making a call: once, or again where that is harmless and the tool says so; what comes too late is told and thrown away."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable

from asyncfc_jupyter.core.events import CallPrinted, CallRetried, ResultDiscarded
from asyncfc_jupyter.retry_policy import tool_attempts
from asyncfc_jupyter.runtime.abandoned import GivenUp
from asyncfc_jupyter.runtime.attempt import Attempt, Outcome, Raised, Returned, raised
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.output_buffer import Stream
from asyncfc_jupyter.runtime.output_capture import Printed
from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.values.snapshot import describe, snapshot


def begin_printing(entry: ToolCall) -> Printed:
    """Return what hears a call that starts: it goes into the run's log, and to the run's sink if it has one."""
    capture, log = entry.lease.capture, entry.lease.log

    def tell(text: str, stream: Stream) -> None:
        log.record(CallPrinted(future=entry.name, text=text, stream=stream))

    return Printed(tell, None if capture is None else capture(entry.name, entry.tool))


def note_error(entry: ToolCall, error: BaseException | None) -> None:
    """Keep the exception that a call failed with, if it was one, for the person to look at."""
    entry.exception = error
    if entry.printed is not None:
        entry.printed.raised(error)


def begin_call(entry: ToolCall, given_up: GivenUp, tell: Callable[[Outcome | None], None]) -> None:
    """Begin a call that is made once, and tell what came of it: without a task that does nothing but wait for another.

    Args:
        entry: The call; its attempt is kept in it.
        given_up: Told of the attempt if it is given up, which may go on for a while.
        tell: Told of the outcome; None when the call was cancelled from outside, such as by the end of the event loop.
    """
    context = entry.lease.context.copy()
    attempt = context.run(_attempted, entry)

    def reached() -> None:
        if attempt.given_up:
            return  # taken back, and told: its time has no meaning any more
        try:
            tell(_outcome(entry, attempt, given_up))
        except asyncio.CancelledError:
            tell(None)
        except Exception as error:
            if entry.status != "pending":
                raise
            tell(raised(error))  # a fault of ours must not leave the run waiting for ever

    attempt.when_reached(reached, context)


async def make_call(entry: ToolCall, given_up: GivenUp) -> Outcome:
    """Make a call, again if need be and its tool says so, and return what came of it, as a value in every case.

    Args:
        entry: The call; its current attempt is kept in it.
        given_up: Told of each attempt that is given up, which may go on for a while. Each attempt begins when none of those
            that it conflicts with is cleaning up.
    """
    tool = entry.function
    if tool is None:
        raise AssertionError("a call starts with its tool")
    policy = tool_attempts(tool.retries)
    for attempt in itertools.count(1):
        outcome = await _attempt(entry, given_up)
        pause_s = policy.pause_s(attempt, outcome.error) if isinstance(outcome, Raised) else None
        if pause_s is None or isinstance(outcome, Returned):
            return outcome
        entry.lease.log.record(
            CallRetried(
                future=entry.name,
                attempt=attempt,
                message=outcome.message,
                pause_s=round(pause_s, 3),
                still_running=outcome.still_running,
            )
        )
        await asyncio.sleep(pause_s)
    raise AssertionError("a loop without an end has ended")


async def _attempt(entry: ToolCall, given_up: GivenUp) -> Outcome:
    try:
        await given_up.out_of_the_way(entry)
        attempt = _attempted(entry)
        await attempt.reached()
        return _outcome(entry, attempt, given_up)
    except asyncio.CancelledError:
        give_up(entry, given_up)
        raise


def _attempted(entry: ToolCall) -> Attempt:
    if entry.function is None or entry.bound is None:
        raise AssertionError("a call starts with its tool and its arguments")
    bound = _renewed(entry, entry.bound) if entry.function.retries else entry.bound
    entry.attempt = Attempt(entry.function, bound, entry.printed)
    return entry.attempt


def _outcome(entry: ToolCall, attempt: Attempt, given_up: GivenUp) -> Outcome:
    outcome = attempt.result()
    if not attempt.over:
        _discard_late(entry, attempt, given_up)
        _tell_given_up(entry)
    return _kept(outcome)


def _renewed(entry: ToolCall, bound: inspect.BoundArguments) -> inspect.BoundArguments:
    """Return the arguments for one more attempt: the last one may have changed them, and may still use its context."""
    if entry.context is not None:
        entry.given_up = threading.Event()
        entry.context = entry.context.renewed(entry.given_up)
    given = {n: entry.context if isinstance(v, ToolContext) else snapshot(v) for n, v in bound.arguments.items()}
    return inspect.BoundArguments(bound.signature, OrderedDict(given))


def came_to(entry: ToolCall) -> Outcome | None:
    """Return what a call that is under way has come to this very moment, or None: nobody may have been told yet."""
    outcome = None if entry.attempt is None else entry.attempt.came_to()
    if outcome is None or (isinstance(outcome, Raised) and entry.function is not None and entry.function.retries):
        return None
    return _kept(outcome)


def give_up(entry: ToolCall, given_up: GivenUp) -> bool:
    """Stop a call that is under way, as far as it can be stopped; what it still comes to is discarded.

    Returns:
        Whether its function goes on all the same.
    """
    _tell_given_up(entry)
    attempt, entry.attempt = entry.attempt, None
    if attempt is None or attempt.over:
        return False
    if not attempt.given_up:  # else its time was up, and the call was to be made again
        _discard_late(entry, attempt, given_up)
    return attempt.give_up()


def _tell_given_up(entry: ToolCall) -> None:
    if entry.given_up is not None:
        entry.given_up.set()


def _discard_late(entry: ToolCall, attempt: Attempt, given_up: GivenUp) -> None:
    def tell(outcome: Outcome) -> None:
        raised = isinstance(outcome, Raised)
        summary = outcome.message if isinstance(outcome, Raised) else describe(outcome.value)
        entry.lease.log.record(ResultDiscarded(future=entry.name, summary=summary, raised=raised))

    given_up.note(entry, attempt)
    attempt.when_late(tell)


def _kept(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Returned):
        return outcome
    try:
        return Returned(value=snapshot(outcome.value), blocked_s=outcome.blocked_s)
    except RecursionError as error:
        message = "RecursionError: the result holds itself, or is nested too deeply, to be kept as it is now"
        return Raised(kind="error", message=message, error=error)
