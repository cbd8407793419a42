"""Hedged requests: what is done when values come while the model still reads their placeholders.

A reply that ends with running calls is answered with placeholders. Where their values come before the next reply shows a tool
call, those placeholders have cost more than they saved: a model that wanted to read the values asks for them or answers too
early, and both take another request. Therefore the request is *retracted*: it is abandoned, the values replace the placeholders
in the last tool messages, and the model is asked again. Nothing is appended, and nothing that the model has
answered to changes. So no conversation takes longer than one call at a time, but for the time that a server needs for a
connection.

A reply that shows a tool call is never retracted: the model continued without the values, which is what futures are for. Until
then it may show nothing, text, or an ``await_future``.

In a *race* the second request is sent while the first one streams. The first of the two that opens a tool call is used; one
that opens an ``await_future``, or ends without a call, loses against the other. A model that continues with other calls loses
no time then, and the price is one request more. On a server that runs one request at a time the second waits for the first, so
that a race costs more than it saves.

Known as hedged and tied requests: Dean and Barroso, "The Tail at Scale", Communications of the ACM 56 (2), 2013.

Refused: to append an ``await_future`` in place of the model. It leaves a call in the history that the model did not make, and
helps in a twentieth of the conversations in which a retraction does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

from asyncfc_jupyter.agent.budget import Meter
from asyncfc_jupyter.agent.inline_wait import Habits
from asyncfc_jupyter.agent.reply import ReplyAnswers, Written
from asyncfc_jupyter.agent.run_context import RunContext
from asyncfc_jupyter.agent.turn import Turn, Turns
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE
from asyncfc_jupyter.models.base import ChatModel, ForetellingModel, MarkingModel
from asyncfc_jupyter.models.side_by_side import races
from asyncfc_jupyter.modes import Hedge, Mode


async def resolved(hedge: Hedge, mode: Mode, model: ChatModel) -> Hedge:
    """Return what a run does: nothing in the modes without placeholders, and in a replay, which follows its recording."""
    if not mode.futures or isinstance(model, ForetellingModel):
        return Hedge.OFF
    if hedge is Hedge.AUTO:
        return Hedge.RACE if await races(model) else Hedge.RETRACT
    return hedge


class HedgedRequests:
    """Asks a model for one reply after another, with a hedged request beside one that holds placeholders."""

    def __init__(
        self, context: RunContext, *, turns: Turns, answers: ReplyAnswers, habits: Habits, meter: Meter
    ) -> None:
        self.hedge, self.driver, self._model = context.hedge, context.run.conversation.driver, context.model
        self.turns, self.answers, self.habits, self.meter = turns, answers, habits, meter

    async def ask(self) -> Turn:
        """Send the conversation, and read the reply that is used.

        Raises:
            ServerError: The server refused the request or broke the reply off; `Turns.current` holds what had arrived.
            BudgetSpent: A retry is needed, and the budget does not allow it.
        """
        await self._show_what_came()
        turn = self.begin()
        pending = [call.name for call in self.driver.pending() if not (call.detached or call.same_as)]
        placeholders = self.answers.rewritable()
        if self.hedge is Hedge.OFF or not pending or placeholders is None:
            return await self.read(turn)
        pair = _Pair(self, turn, placeholders)
        watching = asyncio.create_task(pair.watch(pending), name="asyncfc values of placeholders")
        try:
            return await pair.read()
        finally:
            watching.cancel()
            await pair.close()

    def begin(self, instead_of: Turn | None = None) -> Turn:
        """Begin a turn within the budget."""
        return self.turns.begin(self.meter.reply_limit(), instead_of)

    async def _show_what_came(self) -> None:
        """Before the retry of a request that broke off, write its placeholders again with the values that came since."""
        broken, placeholders = self.turns.current, self.answers.rewritable()
        if self.hedge is Hedge.OFF or broken is None or placeholders is None:
            return
        pending = [call for call, status in placeholders.statuses.items() if status == "pending"]
        if any(call.settled for call in pending):
            self.answers.rewrite(placeholders)
            if all(call.settled or call.detached for call in pending):
                self.habits.note_retracted(asked=False)
            await self._mark_unused(broken)

    async def note_unused(self, turn: Turn) -> None:
        """Count a request that was retracted, and its reply as far as it has arrived."""
        self.meter.count(turn, completed=False)
        await self._mark_unused(turn)

    async def _mark_unused(self, turn: Turn) -> None:
        if isinstance(self._model, MarkingModel):
            await self._model.mark_unused(turn.request)

    async def read(self, turn: Turn) -> Turn:
        """Read a reply to its end."""
        try:
            await self.turns.read(turn)
        finally:
            self.turns.end(turn)
        return turn


@dataclass(slots=True, kw_only=True)
class _Second:
    """The second request of a race."""

    turn: Turn
    #: The answers that its request holds: with the values.
    answers: Written
    #: Reads its reply; what that raised is here in place of the task's own error, which would be the loop's to report.
    reading: asyncio.Task[None] | None = None
    error: BaseException | None = None


class _Pair:
    """A request that holds placeholders, and the one that takes its place if their values come in time.

    The task of the run reads the first reply, and the second one after it. In a race a task of its own reads the second.
    """

    def __init__(self, parts: HedgedRequests, first: Turn, placeholders: Written) -> None:
        self._parts, self._first, self._placeholders = parts, first, placeholders
        #: None until both stream.
        self._second: _Second | None = None
        #: Ends the reading of the first reply.
        self._cut = asyncio.timeout(None)

    async def watch(self, pending: list[FutureName]) -> None:
        """Hedge the first request when all these futures have settled, if its reply shows no tool call by then."""
        await self._parts.driver.wait(pending)
        first = self._first
        # What has arrived of a name may be the beginning of a longer one.
        goes_on = any(not AWAIT_FUTURE.startswith(name) for name in first.reader.names)
        # A server that refuses requests for now is not asked sooner than it said.
        refused = first.retried and not first.arrived
        if goes_on or refused or first.reader.accumulator.has_ended or not self._parts.meter.admit_optional(first):
            return
        if self._parts.hedge is not Hedge.RACE:
            self._parts.turns.retract(first, by=first.number + 1)
            self._cut.reschedule(asyncio.get_running_loop().time())
            return
        answers = self._parts.answers.rewrite(self._placeholders)
        second = self._second = _Second(turn=self._parts.begin(instead_of=first), answers=answers)
        for turn in (first, second.turn):
            turn.opened = partial(self._opened, second, turn)
        second.reading = asyncio.create_task(self._read_second(second), name="asyncfc hedged request")

    async def read(self) -> Turn:
        """Read both replies as far as needed, and return the turn whose reply is used."""
        try:
            await self._read_first()
        finally:
            self._parts.turns.end(self._first)
        if not self._first.retracted:
            return self._first
        await self._parts.note_unused(self._first)
        second = self._second
        if second is None or second.reading is None:
            self._parts.habits.note_retracted(asked=bool(self._first.reader.names))
            self._parts.answers.rewrite(self._placeholders)
            return await self._parts.read(self._parts.begin(instead_of=self._first))
        try:
            await asyncio.wait([second.reading])
        finally:
            await self._stop(second)
            self._parts.turns.end(second.turn)
        if second.error is not None:
            raise second.error
        return second.turn

    async def close(self) -> None:
        """Stop reading the second reply, and end its turn if the first one is used."""
        second = self._second
        if second is None or self._first.retracted:
            return
        if self._races(second):  # the run was stopped during the race
            self._parts.turns.retract(second.turn, by=self._first.number)
        await self._stop(second)
        self._parts.turns.end(second.turn)
        await self._parts.note_unused(second.turn)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _read_first(self) -> None:
        try:
            async with self._cut:
                await self._parts.turns.read(self._first)
        except Exception:
            if not self._first.retracted and not self._races(self._second):
                raise
        if self._races(self._second):
            self._use(self._second, asked=self._first.reader.accumulator.has_ended)

    async def _read_second(self, second: _Second) -> None:
        try:
            await self._parts.turns.read(second.turn)
        except BaseException as error:  # noqa: BLE001 - the task of the run raises it, if this reply is used
            second.error = error
        if not self._races(second):
            return
        if issubclass(type(second.error), Exception):  # an optional request ends no run
            self._use_first(second)
            return
        self._use(second)
        self._cut.reschedule(asyncio.get_running_loop().time())

    async def _stop(self, second: _Second) -> None:
        if second.reading is not None:
            if not second.reading.cancelling():  # a second time would break its cleanup off
                second.reading.cancel()
            await asyncio.wait([second.reading])

    # -- the race ----------------------------------------------------------------------------------------------------

    def _races(self, second: _Second | None) -> TypeGuard[_Second]:
        """Return whether both requests were made, and neither reply is used yet."""
        return second is not None and not (self._first.retracted or second.turn.retracted)

    def _opened(self, second: _Second, turn: Turn, name: str) -> None:
        if not self._races(second):
            return
        if turn is second.turn and name != AWAIT_FUTURE:
            self._use(second)
            self._cut.reschedule(asyncio.get_running_loop().time())
        elif turn is self._first and name == AWAIT_FUTURE:
            self._use(second, asked=True)
        elif turn is self._first:
            self._use_first(second)

    def _use(self, second: _Second, *, asked: bool = False) -> None:
        self._parts.turns.retract(self._first, by=second.turn.number)
        self._parts.habits.note_retracted(asked=asked)
        self._parts.turns.use(second.turn)

    def _use_first(self, second: _Second) -> None:
        self._parts.turns.retract(second.turn, by=self._first.number)
        self._parts.answers.restore(self._placeholders, second.answers)
        if second.reading is not None and second.error is None:
            second.reading.cancel()  # its server should not write what is not read
