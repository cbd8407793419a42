"""A random program through the package's public path: an `Agent` with a scripted model, in virtual time."""

import asyncio
import dataclasses
import itertools
import json
import traceback
from collections.abc import Mapping

from asyncfc_jupyter import Agent
from asyncfc_jupyter.agent import Conversation
from asyncfc_jupyter.agent.persistence import fork, from_json, to_json
from asyncfc_jupyter.core.events import RequestRetracted, ResultShown
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE
from asyncfc_jupyter.models.base import CallDelta, Finish, TextDelta
from asyncfc_jupyter.testing import run_virtually
from tests.programs.one_by_one import Outcome, one_by_one, raised
from tests.programs.program import Await, Cancel, Pause, Ref, draw_program
from tests.programs.shapes import shape
from tests.programs.time import Time, nap


class Model:
    """Gives the replies of one run, and answers after the last one. What a retracted request has not had is given again."""

    name = "scripted"

    def __init__(self, played, run):
        self._played, self._replies = played, list(run.replies)

    async def stream(self, request):
        if not self._replies:
            yield TextDelta(text="done")
            yield Finish(reason="stop")
            return
        reply = self._replies.pop(0)
        calls, left, made = itertools.count(), list(reply.actions), False
        retracted = self._played.retracted
        try:
            while left:
                match left[0]:
                    case Pause(seconds=seconds):
                        await asyncio.sleep(seconds if self._played.program.kind.in_virtual_time else 0)
                    case Cancel(future=future):
                        self._played.cancel(future)
                    case action:
                        if self._played.retracted != retracted:
                            await (
                                asyncio.Event().wait()
                            )  # its request is about to be closed: what it writes is not read
                        made = made or not isinstance(action, Await)
                        for delta in reply.quirk(next(calls), *self._played.next_call(action)):
                            yield CallDelta(**delta)
                left.pop(0)
            yield Finish(reason="length" if reply.cut_off else "tool_calls")
        except (asyncio.CancelledError, GeneratorExit):
            if not made:
                self._replies.insert(0, dataclasses.replace(reply, actions=left))
            raise


class Played:
    """One program while its runs are made."""

    def __init__(self, program):
        self.program, self.run = program, None
        self.calls, self.shown = [], set()
        self.conversation = Conversation()
        #: Futures that the user cancelled.
        self.cancelled = set()
        #: The outcomes of calls that a file holds.
        self.saved = {}
        #: How many requests were retracted.
        self.retracted = 0
        self._ids = 0

    async def play(self):
        Time.loop = asyncio.get_running_loop()
        for run in self.program.runs:
            await self._begin(run.beginning)
            agent = Agent(
                Model(self, run), tools=run.tools.values(), limit=run.limit, approver=self._approve, remember="off"
            )
            self.run = agent.start(
                "go", conversation=self.conversation, observers=[*self.program.kind.observers, self._observe]
            )
            await self.run.wait()
        await self._settled()
        await self.conversation.driver.unwound(10.0)

    async def _settled(self):
        """Wait for all calls. Those that repeat a cancelled one are cancelled with it."""
        driver = self.conversation.driver
        await driver.wait(tuple(driver.calls))
        self.cancelled |= {call.name for call in driver.issued if call.same_as in self.cancelled}

    async def _begin(self, beginning):
        """Continue the conversation, or leave it for a fork of it or for what its file holds."""
        if not beginning:
            return
        # In another conversation nothing waits for a call that is pending in this one.
        await self._settled()
        if beginning == "fork":
            self.conversation = fork(self.conversation)
        else:
            # A file does not hold exceptions.
            self.saved = {call.name: outcome_of(call) for call in self.conversation.driver.issued} | self.saved
            self.conversation, _ = from_json(to_json(self.conversation))

    async def _approve(self, question):
        await nap(1.3)
        return self.program.kind.approves(question.arguments)

    def _observe(self, stamped):
        if isinstance(stamped.event, ResultShown):
            self.shown.add(stamped.event.future)
        self.retracted += isinstance(stamped.event, RequestRetracted)

    def next_call(self, action):
        """Return id, name and arguments of the next call in the reply."""
        self._ids += 1
        if isinstance(action, Await):
            return f"s{self._ids}", AWAIT_FUTURE, json.dumps({})
        action.seen_failures = frozenset(self.shown)
        self.calls.append(action)
        return f"s{self._ids}", action.tool, json.dumps({name: wire(value) for name, value in action.arguments.items()})

    def cancel(self, name):
        """Cancel a call that leaves nothing half done: it has not begun, or changes nothing."""
        future = self.run.futures.get(name)
        if future is None or future.done():
            return
        if future.state != "running" or future.tool in self.program.kind.stoppable:
            self.cancelled.add(name)
            future.cancel()


def wire(argument):
    """Return an argument as the model writes it."""
    if isinstance(argument, Ref):
        return f"${argument.text}"
    if isinstance(argument, Mapping):
        return {key: wire(value) for key, value in argument.items()}
    return [wire(each) for each in argument] if isinstance(argument, list) else argument


def outcome_of(call):
    """Return the outcome of a call of the driver. Of several reasons for not making it, time may decide which is reported."""
    if call.status == "done":
        return Outcome("done", call.value)
    if call.status == "failed" and call.exception is not None:
        # What follows there is what led to it, notes and the leaves of a group.
        own = raised(call.exception)
        said = " ".join(call.error.split()).startswith(" ".join(own.split()))
        return Outcome("failed", error=own if said else call.error)
    return Outcome("not made" if call.status in ("failed", "skipped") else call.status, error=call.error)


def check_random(kind, data):
    """Play a random program; raise unless results and final state equal those of the calls one by one."""
    check(draw_program(kind, data))


def check(program):
    """The same for a program that is given."""
    kind, played = program.kind, Played(program)
    kind.begin()
    try:
        (run_virtually if kind.in_virtual_time else asyncio.run)(played.play())
    except BaseException as error:  # noqa: BLE001
        # As text: pytest shows the values in a traceback, and those that bite would end pytest.
        ended = "".join(traceback.format_exception(error))
        raise AssertionError(f"\n{program.listing({})}\n# does not end well:\n{ended}") from None
    made = played.conversation.driver.issued
    seen = {call.name: outcome_of(call) for call in made} | played.saved
    for number, call in enumerate(played.calls, start=1):
        name = f"f{number}"
        call.cancelled = name in played.cancelled and seen[name].status == "cancelled"
    # Before the other playing begins: results may be parts of the state, and both are changed by it.
    overlapped = _shown(kind, seen)
    alone = one_by_one(kind, played.calls)
    serial = _shown(kind, alone)
    if overlapped != serial:
        notes = {
            name: f"{each}"
            + (f" -- OVERLAPPING: {seen.get(name)}" if overlapped[0].get(name) != serial[0][name] else "")
            for name, each in alone.items()
        }
        raise AssertionError(
            f"\n{program.listing(notes)}\n# state: {serial[1]}\n# OVERLAPPING: {len(made)} of {len(alone)} calls, "
            f"state: {overlapped[1]}"
        )


def _shown(kind, outcomes):
    """Return all that is compared: outcomes and state, as plain data."""
    shown = {}
    for name, each in outcomes.items():
        # The package shows the text of an exception on one line.
        error = " ".join(each.error.split()) if kind.same_errors and each.status == "failed" else ""
        # A process that has died leaves no exception of the function.
        status = "not done" if not kind.same_errors and each.status in ("failed", "not made") else each.status
        shown[name] = status, shape(each.value), error
    return shown, shape(kind.state())
