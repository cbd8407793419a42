"""Logs of made-up runs with requests that were retracted, alone or in a race."""

from __future__ import annotations

from asyncfc_jupyter.core.events import (
    CallClosed,
    CallIssued,
    CallOpened,
    FirstTokenArrived,
    RequestRetracted,
    RequestRetried,
    RunEnded,
    RunStarted,
    TextStreamed,
    TokensCounted,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.trace.trace import Trace
from tests.trace.sample_traces import Log

PROMPT = "Which of my three orders has not left yet, and why?"
ANSWER = "Order 7 is still here: its label failed twice. It leaves tomorrow."


def _begun() -> Log:
    """Return the beginning of each run: two calls run while the model is asked with placeholders."""
    log = Log()
    log.add(0.0, RunStarted(prompt=PROMPT, model="gpt-6-luna", mode="async"))
    log.turn(1, 0.0, 0.3, 1.0, calls=2)
    log.call("f1", "find_orders", turn=1, opened=0.3, closed=0.6, customer=3)
    log.call("f2", "get_stock", turn=1, opened=0.65, closed=0.95, place="east")
    log.run("f1", 0.6, 0.98, "3 orders")
    log.run("f2", 0.95, 1.7, "41 parts")
    log.add(1.0, TurnStarted(turn=2))
    log.shown(1.0, 2, "f1")
    log.add(1.35, FirstTokenArrived(turn=2))
    log.add(1.35, TextStreamed(turn=2, text="I have the orders, "))
    return log


def _calls(log: Log, turn: int, opened: float, end: float) -> None:
    """Add the rest of a reply that makes one call, and the turn with the answer."""
    log.call("f3", "trace_parcel", turn=turn, opened=opened, closed=end, order=7)
    log.add(end, TurnEnded(turn=turn, reason="tool_calls", calls=1))
    log.run("f3", end, end + 0.5, "label failed twice")
    last = turn + 1 if turn > 2 else 4
    log.turn(last, end + 0.5, end + 0.8, end + 1.4, text=ANSWER)
    log.shown(end + 0.5, last, "f3")
    log.add(end + 1.4, RunEnded(outcome="answered"))


def retracted() -> Trace:
    """Return a run that abandons a request when its values come, and asks again with them."""
    log = _begun()
    log.add(1.7, TokensCounted(turn=2, input_tokens=90, output_tokens=6))
    log.add(1.7, RequestRetracted(turn=2, by=3))
    log.shown(1.7, 3, "f1", "f2")
    log.add(1.7, TurnStarted(turn=3, instead_of=2))
    log.add(2.0, FirstTokenArrived(turn=3))
    _calls(log, 3, 2.0, 2.4)
    return log.trace()


def _raced() -> Log:
    log = _begun()
    log.add(1.7, TurnStarted(turn=3, instead_of=2))
    log.add(1.9, TextStreamed(turn=2, text="and the stock is coming. "))
    log.add(2.0, FirstTokenArrived(turn=3))
    log.add(2.0, TextStreamed(turn=3, text="One order is left. "))
    return log


def overtaken() -> Trace:
    """Return a run in which the second request wins the race: the first one only asks to wait."""
    log = _raced()
    waits = CallId("call_wait")
    log.add(2.2, CallOpened(turn=2, call=waits, tool="await_future"))
    log.add(2.3, CallClosed(turn=2, call=waits))
    log.add(2.3, RequestRetracted(turn=2, by=3))
    log.shown(2.3, 3, "f1", "f2")
    _calls(log, 3, 2.5, 2.8)
    return log.trace()


def defended() -> Trace:
    """Return a run in which the first request wins the race with a call."""
    log = _raced()
    log.add(2.2, RequestRetracted(turn=3, by=2))
    _calls(log, 2, 2.2, 2.6)
    return log.trace()


def undecided() -> Trace:
    """Return a run that the user stops in the middle of a race."""
    log = _raced()
    log.add(2.2, RunEnded(outcome="interrupted"))
    return log.trace()


def failed_beside() -> Trace:
    """Return a run whose second request fails in the race, and in which a call of the first is open when that ends."""
    log = _raced()
    call = CallId("call_f3")
    log.add(2.05, RequestRetried(turn=3, attempt=1, message="529 overloaded", pause_s=0.2))
    log.add(2.1, CallOpened(turn=2, call=call, tool="trace_parcel"))
    log.add(2.25, RequestRetracted(turn=3, by=2))
    log.add(2.5, CallClosed(turn=2, call=call))
    log.add(2.5, CallIssued(future="f3", call=call, turn=2, tool="trace_parcel", arguments='{"order": 7}'))
    log.add(2.5, TurnEnded(turn=2, reason="tool_calls", calls=1))
    log.run("f3", 2.5, 3.0, "label failed twice")
    log.turn(4, 3.0, 3.3, 3.9, text=ANSWER)
    log.shown(3.0, 4, "f3")
    log.add(3.9, RunEnded(outcome="answered"))
    return log.trace()
