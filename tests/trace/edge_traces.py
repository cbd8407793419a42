"""Logs of made-up runs with cases that are rare in real runs: narrow bars, long texts, wide letters, hours, many calls."""

from __future__ import annotations

from asyncfc_jupyter.core.effects import UNDECLARED, Effects, Hazard
from asyncfc_jupyter.core.events import (
    ApprovalAsked,
    ApprovalGiven,
    ArgumentsResolved,
    AwaitOpened,
    CallCancelled,
    CallFinished,
    CallIssued,
    CallPrinted,
    CallProgressed,
    CallRetried,
    CallSkipped,
    CallStarted,
    ReasoningStreamed,
    RequestRetried,
    ResultDiscarded,
    RunEnded,
    RunStarted,
    Stamped,
)
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.trace.trace import Trace
from tests.trace.sample_traces import Log, needs

LONG = "a result that goes on and on, so that no bar of this picture has the room to show the whole of it at once"


def bars() -> Trace:
    """Return a run whose bars and texts have every length, in a mode in which dependencies are unknown."""
    log = Log()
    prompt = "Ask every office on the way for its opening hours, its prices and the name of whoever is there on 航空"
    log.add(0.0, RunStarted(prompt=prompt, model="gpt-6-luna", mode="batch"))
    log.turn(1, 0.0, 0.2, 2.0, calls=14)
    outcomes = [
        # Name, tool, start, end, summary, failed.
        ("f1", "nothing", 1.0, 1.0, "", False),
        ("f2", "blink", 1.0, 1.1, "too narrow for a sign", True),
        ("f3", "blink", 1.0, 1.3, "just wide enough", True),
        ("f4", "look_up_the_opening_hours_of_the_office", 1.1, 9.6, LONG, False),
        ("f5", "find", 1.2, 5.0, "a short one", False),
        ("f6", "find", 7.4, 9.0, LONG, False),
        ("f7", "查询航班信息", 3.0, 5.5, "三个航班都在早上", False),
        ("f8", "find", 9.7, 9.9, "late and long enough to go to the left", False),
        ("f9", "find", 2.0, 2.6, "seen soon", False),
        ("f10", "find", 4.0, 8.0, "seen before it ended", False),
    ]
    for index, (name, tool, start, end, summary, failed) in enumerate(outcomes):
        opened = 0.2 + 0.05 * index
        log.call(name, tool, turn=1, opened=opened, closed=opened + 0.05, city=f"no. {index}")
        log.run(name, start, end, summary, failed=failed)
    log.wait(0.6, "f6", needs("$f5"))
    log.wait(0.6, "f8", Wait(kind="limit", detail="limit 1 on the run"))
    log.call("f11", "stop", turn=1, opened=1.0, closed=1.05)
    log.add(1.1, CallStarted(future=FutureName("f11")))
    log.add(6.0, CallCancelled(future=FutureName("f11")))
    log.call("f12", "later", turn=1, opened=1.1, closed=1.2, of="$f11")
    log.wait(1.2, "f12", needs("$f11"))
    log.add(9.98, CallSkipped(future=FutureName("f12"), because=FutureName("f11"), message="f11 was cancelled"))
    log.call("f13", "again", turn=1, opened=1.2, closed=1.3, times=4)
    log.add(1.3, CallStarted(future=FutureName("f13")))
    for attempt, at_s in enumerate((2.0, 2.05, 3.0, 7.9), start=1):
        log.add(at_s, CallRetried(future=FutureName("f13"), attempt=attempt, message="busy", pause_s=0.1))
    log.add(8.0, CallFinished(future=FutureName("f13"), summary="after four more"))
    log.call("f14", "queue", turn=1, opened=1.3, closed=1.4)
    log.turn(2, 9.0, 9.5, 10.0, text="Done.")
    log.shown(2.7, 1, "f9")
    log.shown(9.0, 2, "f5", "f10", "f3")
    log.add(10.0, RunEnded(outcome="stopped", detail="no more turns"))
    return log.trace()


def shared() -> Trace:
    """Return a run in which calls share state in every way; one is detached and keeps running after the end."""
    log = Log()
    log.add(0.0, RunStarted(prompt="Move the stock", model="gpt-6-luna", mode="async"))
    log.add(0.1, RequestRetried(turn=1, attempt=1, message="overloaded", pause_s=0.1))
    log.turn(1, 0.0, 0.3, 1.4, calls=9)
    log.add(0.3, ReasoningStreamed(turn=1, text="hm"))
    places = {
        "f1": Effects(reads=(("stock",),)),
        "f2": Effects(writes=(("stock", "bolts"),)),
        "f3": Effects(reads=(("stock", "bolts", "m6"),)),
        "f4": Effects(writes=(("orders",),)),
        "f5": UNDECLARED,
        "f6": Effects(reads=(("stock",),), writes=(("orders", "7"),)),
        "f7": Effects(),
        "f8": Effects(reads=(("stock", "nuts"),)),
        "f9": Effects(),
    }
    for index, (name, effects) in enumerate(places.items()):
        at_s = round(0.4 + 0.1 * index, 1)
        closed = round(at_s + 0.1, 1)
        log.call(name, "move", turn=1, opened=at_s, closed=closed, effects=effects, part=index)
        log.add(closed, ArgumentsResolved(future=FutureName(name), effects=effects))
    log.wait(0.6, "f2", Wait(kind="hazard", on=(FutureName("f1"),), hazard=Hazard.WAR, path=("stock",)))
    log.run("f1", 0.5, 1.5, "read")
    log.run("f2", 1.5, 2.5, "moved")
    log.wait(0.7, "f3", Wait(kind="hazard", on=(FutureName("f2"),), hazard=Hazard.RAW, path=("stock", "bolts")))
    log.run("f3", 2.5, 3.0, "12")
    log.run("f4", 0.8, 3.2, "ordered")
    undeclared = Wait(kind="hazard", on=(FutureName("f4"),), hazard=Hazard.WAW, declared=False)
    log.wait(0.9, "f5", undeclared)
    log.run("f5", 3.2, 3.6, "nobody knows")
    log.wait(
        1.0, "f6", Wait(kind="hazard", on=(FutureName("f4"), FutureName("f5")), hazard=Hazard.WAW, path=("orders", "7"))
    )
    log.run("f6", 3.6, 4.0, "noted", failed=True)
    log.run("f7", 1.1, 1.2, "nothing touched")
    wide = Wait(kind="hazard", on=(FutureName("f2"),), hazard=Hazard.RAW, path=("stock",), widened=True)
    log.wait(1.2, "f8", wide)
    log.wait(2.5, "f8", Wait(kind="hazard", on=(FutureName("f5"),), hazard=Hazard.RAW, declared=False))
    log.run("f8", 3.6, 3.9, "8")
    log.run("f9", 1.3, 5.5, "counted")
    log.add(1.4, AwaitOpened(turn=1, call=CallId("asyncfc_gate_1"), futures=(FutureName("f6"),), by_layer=True))
    log.turn(2, 4.0, 4.2, 4.5, text="Moved.")
    log.shown(4.0, 2, *(f"f{number}" for number in range(1, 9)))
    log.add(4.5, RunEnded(outcome="failed", detail="one call failed"))
    log.add(9.0, CallFinished(future=FutureName("f10"), summary="never heard of"))
    return log.trace()


def chain(calls: int, *, step_s: float = 1.0, tool: str = "step") -> Trace:
    """Return a run in which every call takes the value of the one before it."""
    log = Log()
    log.add(0.0, RunStarted(prompt="Step by step", model="gpt-6-luna", mode="async"))
    log.turn(1, 0.0, 0.1 * step_s, step_s, calls=calls)
    for number in range(1, calls + 1):
        name = f"f{number}"
        opened = step_s * (0.1 + 0.8 * (number - 1) / calls)
        closed = step_s * (0.1 + 0.8 * number / calls)
        before = {"of": f"$f{number - 1}"} if number > 1 else {}
        log.call(name, tool, turn=1, opened=opened, closed=closed, **before)
        if number > 1:
            wait = Wait(kind="data", on=(FutureName(f"f{number - 1}"),), detail=f"$f{number - 1}")
            log.wait(closed, name, wait)
        log.run(name, number * step_s, (number + 1) * step_s, "ok")
    log.turn(2, (calls + 1) * step_s, (calls + 1.1) * step_s, (calls + 2) * step_s, text="There.")
    log.add((calls + 2) * step_s, RunEnded(outcome="answered"))
    return log.trace()


def asked() -> Trace:
    """Return an unfinished run that asks the user, repeats a call and holds an irreversible one."""
    log = Log()
    log.add(0.0, RunStarted(prompt="  \n# Plan\nask(1)", model="rehearsal", mode="sequential"))
    log.turn(1, 0.0, 0.2, 1.0, calls=5)
    log.call("f1", "ask", turn=1, opened=0.2, closed=0.3, euros=5)
    log.wait(0.3, "f1", Wait(kind="approval"))
    log.add(0.3, ApprovalAsked(future=FutureName("f1"), arguments='{"euros": 5, "whose": "yours"}'))
    log.call("f2", "ask", turn=1, opened=0.3, closed=0.4, euros=5)
    log.wait(0.4, "f2", Wait(kind="same", on=(FutureName("f1"),)))
    log.call("f3", "send", turn=1, opened=0.4, closed=0.5)
    log.wait(0.5, "f3", Wait(kind="irreversible"))
    log.call("f4", "send", turn=1, opened=0.5, closed=0.6)
    log.wait(0.6, "f4", Wait(kind="approval"))
    log.add(0.6, ApprovalAsked(future=FutureName("f4")))
    log.add(0.9, ApprovalGiven(future=FutureName("f4")))
    log.call("f5", "count", turn=1, opened=0.6, closed=0.8, to=10)
    log.add(0.8, CallStarted(future=FutureName("f5")))
    log.add(1.2, CallProgressed(future=FutureName("f5"), fraction=0.12345, text="page 1"))
    log.add(1.3, CallPrinted(future=FutureName("f5"), text="one\n\ttwo\n"))
    log.add(1.5, CallCancelled(future=FutureName("f5"), still_running=True))
    log.add(1.9, ResultDiscarded(future=FutureName("f5"), summary="ValueError: 3", raised=True))
    log.add(2.0, CallStarted(future=FutureName("f4")))
    return log.trace()


def long_texts() -> Trace:
    """Return a run in which every text is too long for any picture."""
    long = "x" * 5000
    events = (
        RunStarted(prompt=long, model=long, mode=long),
        CallIssued(
            future=FutureName("f1"), call=CallId("c"), turn=1, tool=long, arguments=f'{{"a": "{long}"}}', approve=True
        ),
        CallIssued(
            future=FutureName("f2"),
            call=CallId("d"),
            turn=1,
            tool="t",
            arguments="{}",
            irreversible=True,
            approve=True,
            detached=True,
        ),
        Wait(kind="limit", detail=long),
        ApprovalAsked(future=FutureName("f1"), arguments=f'{{"b": "{long}"}}'),
        CallStarted(future=FutureName("f2")),
        CallProgressed(future=FutureName("f2"), fraction=0.5, text=long),
        CallPrinted(future=FutureName("f2"), text=long),
        CallRetried(future=FutureName("f2"), attempt=1, message=long, pause_s=0.1),
        CallFinished(future=FutureName("f2"), summary=long),
        RunEnded(outcome="failed", detail=long),
    )
    log = Log()
    for second, event in enumerate(events):
        if isinstance(event, Wait):
            log.wait(float(second), "f1", event)
        else:
            log.add(float(second), event)
    return log.trace()


def stretched(trace: Trace, factor: float) -> Trace:
    """Return the same run, slower or quicker."""
    return Trace(tuple(Stamped(seq=each.seq, at_s=each.at_s * factor, event=each.event) for each in trace))
