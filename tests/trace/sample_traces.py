"""Logs of made-up runs for the tests that fold and draw them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from asyncfc_jupyter.core.effects import PURE, Effects, Hazard
from asyncfc_jupyter.core.events import (
    ApprovalAsked,
    ApprovalGiven,
    ArgumentsResolved,
    AwaitAnswered,
    AwaitOpened,
    CallCancelled,
    CallClosed,
    CallFailed,
    CallFinished,
    CallHeld,
    CallIssued,
    CallOpened,
    CallPrinted,
    CallProgressed,
    CallRetried,
    CallSkipped,
    CallStarted,
    Event,
    FirstTokenArrived,
    ReasoningStreamed,
    RequestRetried,
    ResultDiscarded,
    ResultShown,
    RunEnded,
    RunStarted,
    Stamped,
    TextStreamed,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.trace.trace import Trace

PROMPT = "Book the cheaper flight and a room, charge the card, and tell me the weather\nBe brief."


class Log:
    """Collects events in any order of time and stamps them in order."""

    def __init__(self) -> None:
        self._events: list[tuple[float, Event]] = []

    def add(self, at_s: float, event: Event) -> None:
        self._events.append((at_s, event))

    def turn(self, number: int, start: float, first: float, end: float, *, calls: int = 0, text: str = "") -> None:
        self.add(start, TurnStarted(turn=number))
        self.add(first, FirstTokenArrived(turn=number))
        for index, word in enumerate(text.split(" ") if text else ()):
            words = len(text.split(" "))
            self.add(first + (end - first) * index / words, TextStreamed(turn=number, text=word + " "))
        self.add(end, TurnEnded(turn=number, reason="tool_calls" if calls else "stop", calls=calls))

    def call(
        self,
        name: str,
        tool: str,
        *,
        turn: int,
        opened: float,
        closed: float,
        effects: Effects = PURE,
        **arguments: object,
    ) -> None:
        call = CallId(f"call_{name}")
        self.add(opened, CallOpened(turn=turn, call=call, tool=tool))
        self.add(closed, CallClosed(turn=turn, call=call))
        if tool == "await_future":
            return
        references = tuple(value for value in arguments.values() if isinstance(value, str) and value.startswith("$f"))
        self.add(
            closed,
            CallIssued(
                future=FutureName(name),
                call=call,
                turn=turn,
                tool=tool,
                arguments=json.dumps(arguments),
                needs=tuple(FutureName(reference[1:3]) for reference in references),
                references=references,
                effects=effects,
            ),
        )

    def wait(self, at_s: float, name: str, wait: Wait) -> None:
        self.add(at_s, CallHeld(future=FutureName(name), wait=wait))

    def run(self, name: str, start: float, end: float, summary: str, *, failed: bool = False) -> None:
        future = FutureName(name)
        self.add(start, CallStarted(future=future))
        if failed:
            self.add(end, CallFailed(future=future, kind="error", message=summary))
        else:
            self.add(end, CallFinished(future=future, summary=summary))

    def shown(self, at_s: float, turn: int, *names: str) -> None:
        for name in names:
            self.add(at_s, ResultShown(future=FutureName(name), turn=turn))

    def trace(self) -> Trace:
        ordered = sorted(self._events, key=lambda pair: pair[0])
        return Trace(tuple(Stamped(seq=seq, at_s=at_s, event=event) for seq, (at_s, event) in enumerate(ordered)))


def needs(*references: str) -> Wait:
    return Wait(kind="data", on=tuple(FutureName(item[1:3]) for item in references), detail=", ".join(references))


def travel() -> Trace:
    """Return a run with every kind of wait, a failure, a skip, an end held by the layer, and all results seen."""
    log = Log()
    log.add(0.0, RunStarted(prompt=PROMPT, model="gpt-6-luna", mode="async"))
    log.turn(1, 0.0, 0.31, 1.5, calls=3)
    log.call("f1", "search_flights", turn=1, opened=0.31, closed=0.72, city="LIS")
    log.call("f2", "search_flights", turn=1, opened=0.74, closed=1.14, city="OPO")
    log.call("f3", "get_weather", turn=1, opened=1.16, closed=1.48, city="LIS")
    log.run("f1", 0.72, 3.1, "3 flights")
    log.run("f2", 1.14, 2.6, "5 flights")
    log.run("f3", 1.48, 1.83, "sunny, 24 degrees")
    log.turn(2, 1.52, 1.9, 3.05, calls=3)
    log.call("f4", "rank", turn=2, opened=1.9, closed=2.43, flights="$f1", others="$f2")
    log.wait(2.43, "f4", needs("$f1", "$f2"))
    log.wait(2.6, "f4", needs("$f1"))
    log.add(3.1, ArgumentsResolved(future=FutureName("f4"), effects=PURE))
    log.run("f4", 3.1, 4.2, "LIS, 82 EUR")
    orders = Effects(writes=(("orders", "42"),))
    log.call("f5", "hold_seat", turn=2, opened=2.45, closed=2.8, effects=orders, order=42)
    log.run("f5", 2.8, 4.9, "held until 18:00")
    log.call("f6", "charge_card", turn=2, opened=2.82, closed=3.04, effects=orders, order=42, amount="$f4.price")
    log.wait(3.04, "f6", needs("$f4.price"))
    log.add(4.2, ArgumentsResolved(future=FutureName("f6"), effects=orders))
    hazard = Wait(kind="hazard", on=(FutureName("f5"),), hazard=Hazard.WAW, path=("orders", "42"))
    log.wait(4.2, "f6", hazard)
    log.run("f6", 4.9, 6.1, "charged 82 EUR")
    log.turn(3, 3.08, 3.4, 4.4, calls=2)
    log.shown(3.08, 3, "f2", "f3")
    log.call("f7", "find_room", turn=3, opened=3.4, closed=3.86, city="LIS")
    log.wait(3.86, "f7", Wait(kind="limit", detail="limit 2 on search"))
    log.run("f7", 4.3, 5.2, "ConnectionError: rooms.example.org refused the connection", failed=True)
    log.call("f8", "book_room", turn=3, opened=3.9, closed=4.38, room="$f7.id")
    log.wait(4.38, "f8", needs("$f7.id"))
    log.add(5.2, CallSkipped(future=FutureName("f8"), because=FutureName("f7"), message="f7 failed: ConnectionError"))
    log.turn(4, 4.42, 4.7, 5.0, text="All under way.")
    log.shown(4.42, 4, "f1", "f4")
    awaited = tuple(FutureName(name) for name in ("f5", "f6", "f7", "f8"))
    log.add(5.0, AwaitOpened(turn=4, call=CallId("asyncfc_gate_1"), futures=awaited, by_layer=True))
    log.add(6.1, AwaitAnswered(call=CallId("asyncfc_gate_1")))
    log.turn(
        5, 6.12, 6.45, 8.3, text="Flying to Lisbon for 82 EUR, seat held and paid; sunny. No room could be booked."
    )
    log.shown(6.12, 5, "f5", "f6", "f7", "f8")
    log.add(8.3, RunEnded(outcome="answered"))
    return log.trace()


def fan_out(calls: int, *, running_s: float = 1.0) -> Trace:
    """Return a run that makes ``calls`` independent calls in one reply and then answers."""
    log = Log()
    log.add(0.0, RunStarted(prompt=f"Do {calls} things", model="gpt-6-luna", mode="async"))
    decoded = 0.3 + 0.05 * calls
    log.turn(1, 0.0, 0.3, decoded, calls=calls)
    for index in range(calls):
        closed = 0.3 + 0.05 * (index + 1)
        log.call(f"f{index + 1}", "work", turn=1, opened=closed - 0.05, closed=closed, item=index)
        log.run(f"f{index + 1}", closed, closed + running_s, "ok")
    log.turn(2, decoded + running_s, decoded + running_s + 0.3, decoded + running_s + 0.5, text="Done.")
    log.shown(decoded + running_s, 2, *(f"f{index + 1}" for index in range(calls)))
    log.add(decoded + running_s + 0.5, RunEnded(outcome="answered"))
    return log.trace()


def interrupted() -> Trace:
    """Return a run that the user stopped while one function ran in a thread and another call waited."""
    log = Log()
    log.add(0.0, RunStarted(prompt="Slow work", model="gpt-6-luna", mode="async"))
    log.turn(1, 0.0, 0.2, 1.0, calls=2)
    log.call("f1", "crunch", turn=1, opened=0.2, closed=0.5, size=9)
    log.add(0.5, CallStarted(future=FutureName("f1")))
    log.call("f2", "report", turn=1, opened=0.5, closed=0.9, data="$f1")
    log.wait(0.9, "f2", needs("$f1"))
    log.add(2.0, CallCancelled(future=FutureName("f1"), still_running=True))
    log.add(2.0, CallCancelled(future=FutureName("f2")))
    log.add(2.0, RunEnded(outcome="interrupted"))
    return log.trace()


def everything() -> Trace:
    """Return a run with everything that a timeline can show: every wait, retries, progress, prints, approval, late results."""
    log = Log()
    log.add(0.0, RunStarted(prompt="Close the month and pay what is due", model="gpt-6-luna", mode="async"))
    log.add(0.3, RequestRetried(turn=1, attempt=1, message="503 overloaded", pause_s=0.4))
    log.turn(1, 0.0, 0.9, 3.0, calls=5)
    log.add(0.9, ReasoningStreamed(turn=1, text="First the ledger."))
    log.call("f1", "read_ledger", turn=1, opened=1.3, closed=1.6, month="May")
    log.run("f1", 1.6, 4.4, "128 entries")
    for share in range(1, 10):
        log.add(
            1.6 + 0.28 * share, CallProgressed(future=FutureName("f1"), fraction=share / 10, text=f"page {share} of 10")
        )
    log.add(2.0, CallPrinted(future=FutureName("f1"), text="opening ledger\n128 entries\n"))
    ledger = Effects(writes=(("ledger",),))
    log.call("f2", "correct", turn=1, opened=1.65, closed=1.9, effects=ledger, entry=7)
    log.wait(1.9, "f2", Wait(kind="hazard", on=(FutureName("f1"),), hazard=Hazard.WAR, path=("ledger",)))
    log.run("f2", 4.4, 5.3, "corrected")
    log.call("f3", "fetch_rates", turn=1, opened=1.95, closed=2.2, day="31")
    log.add(2.2, CallStarted(future=FutureName("f3")))
    log.add(2.8, CallRetried(future=FutureName("f3"), attempt=1, message="timed out", pause_s=0.2))
    log.add(3.9, CallFinished(future=FutureName("f3"), summary="12 rates"))
    log.call("f4", "fetch_rates", turn=1, opened=2.25, closed=2.45, day="31")
    log.wait(2.45, "f4", Wait(kind="same", on=(FutureName("f3"),)))
    log.add(3.9, CallFinished(future=FutureName("f4"), summary="12 rates"))
    log.call("f5", "audit", turn=1, opened=2.5, closed=2.9, depth="full")
    log.add(2.9, CallStarted(future=FutureName("f5")))
    log.add(5.0, CallFailed(future=FutureName("f5"), kind="timeout", message="no result within 2.1 s"))
    log.add(8.6, ResultDiscarded(future=FutureName("f5"), summary="3 findings"))
    log.turn(2, 3.1, 3.5, 5.2, calls=4)
    log.call("f6", "pay", turn=2, opened=3.5, closed=3.9, amount=1200)
    log.wait(3.9, "f6", Wait(kind="irreversible", on=(FutureName("f2"),)))
    log.wait(5.3, "f6", Wait(kind="approval"))
    log.add(5.3, ApprovalAsked(future=FutureName("f6")))
    log.add(6.4, ApprovalGiven(future=FutureName("f6")))
    log.run("f6", 6.4, 7.1, "paid")
    log.call("f7", "report", turn=2, opened=4.0, closed=4.3, data="$f2")
    log.wait(4.3, "f7", needs("$f2"))
    log.add(5.3, ArgumentsResolved(future=FutureName("f7"), effects=Effects(reads=(("ledger",),))))
    log.wait(5.3, "f7", Wait(kind="hazard", on=(FutureName("f2"),), hazard=Hazard.RAW, path=("ledger",)))
    log.run("f7", 5.5, 6.6, "7 pages")
    log.call("f8", "archive", turn=2, opened=4.4, closed=4.7, where="cold")
    log.wait(4.7, "f8", Wait(kind="limit", detail="limit 4 on the run"))
    log.run("f8", 5.3, 9.9, "archived")
    log.call("f9", "notify", turn=2, opened=4.8, closed=5.1, who="board")
    log.wait(5.1, "f9", Wait(kind="approval"))
    log.add(5.1, ApprovalAsked(future=FutureName("f9")))
    log.add(6.0, CallSkipped(future=FutureName("f9"), because=None, message="not approved"))
    awaited = tuple(FutureName(name) for name in ("f6", "f7", "f9"))
    log.add(5.2, AwaitOpened(turn=2, call=CallId("asyncfc_gate_1"), futures=awaited, by_layer=True))
    log.add(7.1, AwaitAnswered(call=CallId("asyncfc_gate_1")))
    log.turn(3, 7.15, 7.4, 8.2, text="The month is closed and paid; the board was not told.")
    log.shown(7.15, 3, "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f9")
    log.add(8.2, RunEnded(outcome="answered"))
    return log.trace()


def until(events: Iterable[Stamped], at_s: float) -> Trace:
    """Return the events up to that time."""
    return Trace(tuple(stamped for stamped in events if stamped.at_s <= at_s))
