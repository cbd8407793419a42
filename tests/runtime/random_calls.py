"""Random programs of tool calls, run through the real driver, and compared with the same calls made one by one."""

import asyncio
from dataclasses import replace

from asyncfc_jupyter.core.events import ResultShown, TurnEnded, TurnStarted
from asyncfc_jupyter.core.futures import CallId, State
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from tests.core.invariants import check
from tests.random_programs import Choices
from tests.runtime.one_by_one import Call, Serial
from tests.runtime.stateful_tools import FAMILIES, LEAVES, ROLL_BACK, TOO_LONG, TOOLS, Here, approves

#: Decisions that the longest program takes, about.
SIZE = 128
#: The cheap tools are drawn more often than those that need a thread.
NAMES = (
    "add",
    "look",
    "copy",
    "put",
    "calculate",
    "shake",
    "send",
    "grant",
    "add",
    "look",
    "copy",
    "send",
    "add",
    "look",
    "revise",
)
#: Seconds between two events; uneven numbers, like the tools' durations, so that no two ends coincide.
PAUSES = (0.0, 0.0, 0.45, 1.7, 3.9)


def a_call(choices, number, *, threads):
    """Return a random call that may take the results of earlier ones."""
    name = choices.pick((*NAMES, *(("look_in_thread", "add_in_thread") if threads else ())))
    arguments = {"amount": choices.below(12), "nap": choices.below(TOO_LONG)}
    if choices.once_in(12):
        arguments["nap"] = TOO_LONG
    if "family" in TOOLS[name].parameters_of.names:
        arguments["family"] = choices.pick(FAMILIES)
        if not choices.once_in(4):
            arguments["leaf"] = choices.pick(LEAVES)
    if name == "copy":
        arguments["target"] = choices.pick(FAMILIES)
    for _ in range(choices.below(3) if number else 0):
        which = choices.pick([each for each in ("amount", "leaf", "family") if each in arguments])
        field = choices.pick(("nothing", "leaf")) if choices.once_in(10) else {"amount": "value"}.get(which, which)
        arguments[which] = f"$f{1 + choices.below(number)}.{field}"
    return Call(name, arguments)


class Played:
    """One program while the driver runs it."""

    def __init__(self, choices, driver, *, threads=True, pauses=PAUSES):
        self.choices, self.driver, self.threads, self.pauses = choices, driver, threads, pauses
        self.calls, self.shown, self.reply = [], set(), []
        self.open = False

    async def play(self):
        for _ in range(2 + self.choices.below(14)):
            calls = (self.issue,) * 6
            step = self.choices.pick((*calls, self.pause, self.pause, self.end, self.show, self.cancel))
            await step()
            check(self.driver.scheduler)
        await self.end(good=True)
        await self.driver.wait(tuple(self.driver.calls))
        await self.driver.unwound(2 * Here.world.naps[ROLL_BACK])
        check(self.driver.scheduler)

    async def issue(self):
        if not self.open:
            self.driver.report(TurnStarted(turn=1))
            self.open = True
        again = self.calls and self.choices.once_in(5)
        call = self.choices.pick(self.calls) if again else a_call(self.choices, len(self.calls), threads=self.threads)
        call = replace(call, seen_failures=frozenset(self.shown), cut_off=False, cancelled=False)
        self.driver.issue(
            call_id=CallId(f"c{len(self.calls)}"),
            turn=1,
            name=call.tool,
            tool=TOOLS[call.tool],
            arguments=call.arguments,
        )
        self.calls.append(call)
        self.reply.append(call)

    async def pause(self):
        await asyncio.sleep(self.choices.pick(self.pauses))

    async def end(self, *, good=False):
        if not self.open:
            return
        broken = not good and self.choices.once_in(4)
        for call in self.reply:
            call.cut_off = broken
        self.driver.report(TurnEnded(turn=1, reason="cut" if broken else "stop", calls=len(self.reply)))
        self.reply, self.open = [], False

    async def show(self):
        """Show the model all settled results, as the next request does."""
        for call in self.driver.issued:
            if call.status != "pending" and call.name not in self.shown:
                self.shown.add(call.name)
                self.driver.report(ResultShown(future=call.name, turn=1))

    async def cancel(self):
        """Cancel a call that can still be stopped."""
        pending = [
            call
            for call in self.driver.pending()
            if call.function.stoppable or self.driver.scheduler.state(call.name) is not State.RUNNING
        ]
        if pending:
            self.driver.cancel(self.choices.pick(pending).name)


async def _approver(request):
    await asyncio.sleep(Here.world.naps[1])
    return approves(request.arguments["amount"])


async def overlapping(data, world, *, threads=True, pauses=PAUSES, driver=Driver):
    """Run a random program; return its calls with the events from outside, and the driver."""
    choices, Here.world = Choices(data), world
    driver = driver(limit=choices.pick((16, 1, 2, 3)))
    driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time), approver=_approver))
    played = Played(choices, driver, threads=threads, pauses=pauses)
    await played.play()
    for planned, call in zip(played.calls, driver.issued, strict=True):
        planned.cancelled = call.status == "cancelled"
    return played.calls, driver


def _status(call):
    """Return the status of a call. Of several reasons for not making it, time may decide which one is reported."""
    misfit = call.status == "failed" and call.exception is None
    return "not made" if misfit or call.status == "skipped" else call.status


def compare(planned, calls, world, reference):
    """Raise unless results and final state equal those of the calls one by one."""
    serial = Serial(reference).run(planned)
    for call in calls:
        status, value, raised = serial.outcomes[call.name]
        story = f"{call.name} of {[(each.tool, each.arguments) for each in planned]}"
        assert (_status(call), call.value) == (status, value), story
        assert raised in call.error, story
    assert world.state == reference.state
