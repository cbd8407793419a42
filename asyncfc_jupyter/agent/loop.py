"""The loop of a run: turn after turn, until the model answers and has been given all results.

In the async mode the *end gate* holds an answer back while results are undelivered: the layer waits for them, appends an
``await_future`` call of its own to that same reply, and asks again.

A reply that breaks off does not end the run. If its calls have started, they keep running, the history holds what arrived, and
the model continues from there. If nothing has started, the request is retried; where requests are hedged, with the values that
came since. So it is, once, after a reply that holds nothing at all, which some models give by chance; the second one is the
answer, with a note.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asyncfc_jupyter import retry_policy
from asyncfc_jupyter.agent import tool_messages
from asyncfc_jupyter.agent.budget import Meter
from asyncfc_jupyter.agent.hedging import HedgedRequests
from asyncfc_jupyter.agent.inline_wait import Habits, Learned
from asyncfc_jupyter.agent.loop_guard import Progress
from asyncfc_jupyter.agent.reply import ReplyAnswers
from asyncfc_jupyter.agent.run_context import RunContext
from asyncfc_jupyter.agent.turn import AwaitCall, Turn, Turns
from asyncfc_jupyter.core.events import AwaitAnswered, AwaitOpened, RequestRetried
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.errors import CallError, RunStopped, ServerError, ServerTimedOut
from asyncfc_jupyter.models.in_text.calls import calls_at_end
from asyncfc_jupyter.models.in_text.formats import unread_note
from asyncfc_jupyter.modes import Mode


class Loop:
    """Drives one run of a conversation to its answer."""

    def __init__(self, context: RunContext, meter: Meter) -> None:
        self._conversation, self._driver = context.run.conversation, context.run.conversation.driver
        self._mode, self._deliver, self._log, self._meter = context.mode, context.deliver, context.log, meter
        learned = None if context.memory is None else context.memory.learned_of(context.model)
        self._habits = Habits(learned or self._conversation.learned.setdefault(context.model.name, Learned()))
        self._progress = Progress()
        self._turns = Turns(context, admit_retry=meter.admit_retry)
        self._answers = ReplyAnswers(context, habits=self._habits, progress=self._progress)
        self._requests = HedgedRequests(
            context, turns=self._turns, answers=self._answers, habits=self._habits, meter=meter
        )
        self._server = context.server
        #: What the user should know of the answer; empty when all is well.
        self.note = ""
        #: Replies in a row that broke off.
        self._breaks = 0
        #: Whether the request is the retry after a reply that held nothing.
        self._was_empty = False

    async def run(self) -> str:
        """Ask until the model answers; return the text of its last reply.

        Whatever ends the run, the history it leaves is one that the next request can continue from.

        Raises:
            RunStopped: A budget is spent, or the model goes in circles.
            ServerError: The server refused, or broke off too often.
        """
        try:
            async with self._meter.within_time():
                while True:
                    turn = await self._ask()
                    if turn.calls:
                        await (self._answers.append(turn) if self._mode.futures else self._answer_plainly(turn))
                    elif self._mode.futures and self._conversation.awaited_by_end():
                        await self._gate(turn)
                    else:
                        self._conversation.append_reply(turn.text, [])
                        self._turns.current = None
                        unread = calls_at_end(turn.text, self._turns.offered)
                        self.note = turn.note or unread_note(*unread, server=self._server)
                        return turn.text
                    self._turns.current = None
                    self._progress.check()
        except BaseException as error:
            self._cut_short(refused=not issubclass(type(error), RunStopped | asyncio.CancelledError))
            raise
        finally:
            await self._driver.unwound()

    async def _ask(self) -> Turn:
        """Return the next reply; if it broke off after calls had started, the part that arrived."""
        while True:
            self._meter.admit()
            try:
                turn = await self._requests.ask()
            except ServerError as error:
                broken = self._turns.current
                pause_s = None if broken is None else self._pause_s(broken, error)
                if broken is None or pause_s is None:
                    raise
                self._log.record(
                    RequestRetried(turn=broken.number, attempt=self._breaks, message=str(error), pause_s=pause_s)
                )
                await asyncio.sleep(pause_s)
                if broken.calls and self._mode.starts_while_streaming:
                    return broken
                continue
            self._breaks = 0
            again = turn.is_empty and not (self._was_empty or self._conversation.awaited_by_end())
            self._meter.count(turn, completed=not again)
            self._meter.check(turn)
            self._was_empty = again
            if again:
                message = "the reply holds neither a text nor calls"
                self._log.record(RequestRetried(turn=turn.number, attempt=1, message=message, pause_s=0.0))
                continue
            if turn.arrived and not turn.retried:
                self._habits.note_first_token(turn.first_token_s - turn.sent_s)
            self._habits.note_reply(makes_calls=bool(turn.requested), decode_s=turn.ended_s - turn.first_token_s)
            return turn

    def _pause_s(self, broken: Turn, error: ServerError) -> float | None:
        """Count a reply that broke off; return the seconds before the next request, or None to end the run."""
        self._meter.count(broken, completed=False)
        self._breaks += 1
        if not broken.arrived and (broken.retried or isinstance(error, ServerTimedOut)):
            return None  # the adapter has retried or waited long already
        return retry_policy.REPLIES.pause_s(self._breaks, error)

    async def _answer_plainly(self, turn: Turn) -> None:
        """Answer the calls of a reply in the modes without futures: wait for all, give their values."""
        calls = {}
        for each in turn.requested:
            call = calls[each.call_id] = each.issued or self._turns.issue(turn, each)
            if self._mode is Mode.SEQUENTIAL:
                await self._driver.wait([call.name])
        await self._driver.wait([call.name for call in calls.values()])
        answers = [
            tool_messages.tool_message(call_id, tool_messages.plain_content(call)) for call_id, call in calls.items()
        ]
        self._conversation.append_reply(turn.text, turn.messages, answers)
        self._progress.note(turn, {call: call.status for call in calls.values()})
        self._conversation.mark_shown(calls.values())

    async def _gate(self, turn: Turn) -> None:
        """Wait for the undelivered results, and give them to the model before its answer counts."""
        undelivered = self._conversation.awaited_by_end()
        names = tuple(call.name for call in undelivered)
        gate = self._conversation.gate_call(names)
        self._log.record(AwaitOpened(turn=turn.number, call=CallId(gate["id"]), futures=names, by_layer=True))
        await self._driver.wait(names)
        self._log.record(AwaitAnswered(call=CallId(gate["id"])))
        if self._deliver == "user":
            self._conversation.append_reply(turn.text, [])
            self._conversation.messages.append(tool_messages.delivery_message(undelivered))
        else:
            answer = tool_messages.tool_message(gate["id"], tool_messages.results(undelivered))
            self._conversation.append_reply(turn.text, [gate], [answer])
        self._progress.note(turn, {call: call.status for call in undelivered})
        self._conversation.mark_shown(undelivered)

    def _cut_short(self, *, refused: bool) -> None:
        """Cancel what is pending and leave a history that the next request can continue from.

        Args:
            refused: Whether the model or its server ended the run, rather than the user or a budget.
        """
        self._driver.cancel_pending()
        turn, text = self._turns.current, ""
        if turn is not None and turn.messages:
            answers = []
            for call in turn.calls:
                content: Any = [{"status": "cancelled", "error": "the run was stopped"}]
                if not isinstance(call, AwaitCall):
                    if call.issued is None:
                        # It takes its name all the same, since the model counts; with a problem, it never starts.
                        call.problem = call.problem or CallError("the run was stopped before this call began.")
                    content = tool_messages.result_object(call.issued or self._turns.issue(turn, call))
                answers.append(tool_messages.tool_message(call.call_id, content))
            self._conversation.append_reply(turn.text, turn.messages, answers)
            self._conversation.mark_shown(each.issued for each in turn.requested if each.issued)
        elif turn is not None and turn.text:
            text = turn.text
        elif refused and (turn is None or (turn.number == 1 and not turn.arrived)):
            self._conversation.remove_prompt()  # the server refused the first request, so no model has seen the prompt
        self._conversation.close(text)
