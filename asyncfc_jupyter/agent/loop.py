"""The loop of a run: turn after turn, until the model answers and has been given everything it asked for.

In the async mode the *end gate* holds an answer back while results are undelivered: the layer waits for them, attaches an
``await_future`` call of its own to that same reply, and asks once more.

A reply that breaks off in the middle is no reason to lose a run. Were calls started, they stay as they are, the history holds
what arrived, and the model goes on from there; was nothing started, the same request is made once more.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asyncfc_jupyter import retry_policy
from asyncfc_jupyter.agent import tool_messages
from asyncfc_jupyter.agent.budget import Meter
from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.inline_wait import Habits
from asyncfc_jupyter.agent.loop_guard import Progress
from asyncfc_jupyter.agent.modes import Deliver, Mode
from asyncfc_jupyter.agent.reply import Answers
from asyncfc_jupyter.agent.turn import Awaited, Made, Turn, Turns
from asyncfc_jupyter.core.events import AwaitAnswered, AwaitOpened, RequestRetried, ResultShown
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.errors import CallError, ServerError, ServerTimedOut
from asyncfc_jupyter.runtime.event_log import EventLog

#: Ends of a last reply after which its text is not the whole answer.
_NOTES = {
    "length": "the server cut the answer off at its limit of tokens",
    "content_filter": "the server's content filter cut the answer off",
}


class Loop:
    """Drives one run of a conversation to its answer."""

    def __init__(
        self,
        *,
        turns: Turns,
        conversation: Conversation,
        mode: Mode,
        deliver: Deliver,
        habits: Habits,
        meter: Meter,
        log: EventLog,
    ) -> None:
        self._turns, self._conversation, self._mode, self._log = turns, conversation, mode, log
        self._deliver, self._habits, self._meter, self._driver = deliver, habits, meter, conversation.driver
        self._progress = Progress()
        self._answers = Answers(
            conversation=conversation,
            model=turns.model,
            habits=habits,
            progress=self._progress,
            deliver=deliver,
            log=log,
        )
        #: What the person should know of the answer; nothing when all is well.
        self.note = ""
        self._breaks = 0

    async def answer(self) -> str:
        """Ask until the model answers; return the text of its last reply.

        Raises:
            RunStopped: A budget is spent, or the model goes in circles.
            ServerError: Its server refused, or broke off again and again.
        """
        async with self._meter.within_time():
            while True:
                turn = await self._ask()
                if turn.calls:
                    await (self._answer_with_futures(turn) if self._mode.futures else self._answer_plainly(turn))
                elif self._mode.futures and self._conversation.holding():
                    await self._gate(turn)
                else:
                    self._conversation.append_reply(turn.text, [])
                    self._turns.current = None
                    self.note = _NOTES.get(turn.reason, "" if turn.text else "the model answered without a text")
                    return turn.text
                self._turns.current = None
                self._progress.check()

    async def _ask(self) -> Turn:
        """Return the next reply; of one that broke off after calls had started, what arrived of it."""
        while True:
            self._meter.admit()
            news, self._conversation.news = self._conversation.news, []
            for entry in news:
                self._driver.report(ResultShown(future=entry.name, turn=self._turns.count + 1))
            try:
                turn = await self._turns.ask()
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
                    return broken  # its calls run: the model is told so, and goes on from there
                continue  # nothing came of it: the same request once more
            self._breaks = 0
            self._meter.count(turn, completed=True)
            if turn.heard:
                self._habits.note_first_token(turn.heard_s - turn.asked_s)
            self._habits.note_reply(makes_calls=bool(turn.made), decode_s=turn.ended_s - turn.heard_s)
            return turn

    def _pause_s(self, broken: Turn, error: ServerError) -> float | None:
        """Count a reply that broke off; return the seconds before the next request, or None when there is none."""
        self._meter.count(broken, completed=False)
        self._breaks += 1
        if not broken.heard and (broken.retried or isinstance(error, ServerTimedOut)):
            return None  # nothing had arrived, and the adapter has retried or waited long already
        return retry_policy.REPLIES.pause_s(self._breaks, error)

    # -- the plain modes ---------------------------------------------------------------------------------------------

    async def _answer_plainly(self, turn: Turn) -> None:
        for made in turn.made:
            entry = made.entry or self._turns.issue(turn, made)
            if self._mode is Mode.SEQUENTIAL:
                await self._driver.wait([entry.name])
        entries = {made.call: made.entry for made in turn.made if made.entry}
        await self._driver.wait([entry.name for entry in entries.values()])
        answers = [
            tool_messages.tool_message(call, tool_messages.plain_content(entry)) for call, entry in entries.items()
        ]
        self._conversation.append_reply(turn.text, turn.messages, answers)
        self._progress.note(turn, {entry: entry.status for entry in entries.values()})
        self._conversation.mark_shown(entries.values())

    # -- the async mode ----------------------------------------------------------------------------------------------

    async def _answer_with_futures(self, turn: Turn) -> None:
        self._conversation.mark_shown(await self._answers.to(turn))

    async def _gate(self, turn: Turn) -> None:
        undelivered = list(self._conversation.holding())
        call = self._conversation.gate_call([entry.name for entry in undelivered])
        waited = CallId(call["id"])
        names = tuple(entry.name for entry in undelivered)
        self._log.record(AwaitOpened(turn=turn.number, call=waited, futures=names, by_layer=True))
        await self._driver.wait(names)
        self._log.record(AwaitAnswered(call=waited))
        if self._deliver == "user":
            self._conversation.append_reply(turn.text, [])
            self._conversation.messages.append(tool_messages.delivery_message(undelivered))
        else:
            content = [tool_messages.result_object(entry, with_arguments=True) for entry in undelivered]
            self._conversation.append_reply(turn.text, [call], [tool_messages.tool_message(call["id"], content)])
        self._progress.note(turn, {entry: entry.status for entry in undelivered})
        self._conversation.mark_shown(undelivered)

    # -- a run that is cut short -------------------------------------------------------------------------------------

    def give_up(self, *, refused: bool = False) -> None:
        """Take back what is pending and leave a history that the next request can go on from.

        Args:
            refused: Whether the model or its server, rather than the person, ended the run.
        """
        self._driver.cancel_pending()
        turn, text = self._turns.current, ""
        if turn is not None and turn.messages:
            answers = [tool_messages.tool_message(call.call, self._cut_answer(turn, call)) for call in turn.calls]
            self._conversation.append_reply(turn.text, turn.messages, answers)
            self._conversation.mark_shown(made.entry for made in turn.made if made.entry)
        elif turn is not None and turn.text:
            text = turn.text
        elif refused and (turn is None or (turn.number == 1 and not turn.heard)):
            self._conversation.unsay()  # the first request was refused: as if it had never been said
        self._conversation.close(text)

    def _cut_answer(self, turn: Turn, call: Awaited | Made) -> Any:
        if isinstance(call, Awaited):
            return [{"status": "cancelled", "error": "the run was stopped"}]
        if call.entry is None:
            # It takes its name all the same, for a model that counts; with a problem, it is never started.
            call.problem = call.problem or CallError("the run was stopped before this call began.")
            call.entry = self._turns.issue(turn, call)
        return tool_messages.result_object(call.entry)
