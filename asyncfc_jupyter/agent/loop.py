"""The loop of a run: turn after turn, until the model answers and has been given everything it asked for.

In the async mode no turn waits for a tool, with three exceptions, each cheaper than the round trip it saves or asked for by
the model: a call that is expected to return in less time than another turn costs, while nothing else is pending; an
``await_future``; and the end gate. The gate holds an answer back while results are undelivered: the layer waits for them,
attaches an ``await_future`` call of its own to that same reply, and asks once more.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asyncfc_jupyter.agent import wire
from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.modes import Mode
from asyncfc_jupyter.agent.turn import Awaited, Made, Turn, Turns
from asyncfc_jupyter.core.errors import CallError, TurnLimitReached, UnknownFuture
from asyncfc_jupyter.core.events import AwaitAnswered, AwaitOpened, ResultShown
from asyncfc_jupyter.core.futures import CallId, FutureName
from asyncfc_jupyter.runtime.driver import Entry
from asyncfc_jupyter.runtime.log import EventLog

#: About what a round trip to a fast model costs before its first token: waiting less than this is never slower.
INLINE_WAIT_S = 0.15


#: Pending futures that a tool message names: it goes into every later request.
_MOST_NAMES = 20
#: Ends of a last reply after which its text is not the whole answer.
_NOTES = {
    "length": "the server cut the answer off at its limit of tokens",
    "content_filter": "the server's content filter cut the answer off",
}


class Loop:
    """Drives one run of a conversation to its answer."""

    def __init__(self, *, turns: Turns, conversation: Conversation, mode: Mode, log: EventLog, max_turns: int) -> None:
        self._turns, self._conversation, self._mode, self._log = turns, conversation, mode, log
        self._driver = conversation.driver
        self._max_turns = max_turns
        #: What the person should know of the answer; nothing when all is well.
        self.note = ""
        #: Futures whose outcome the next request holds for the first time.
        self._news: list[Entry] = []

    async def answer(self) -> str:
        """Ask until the model answers; return the text of its last reply.

        Raises:
            TurnLimitReached: It did not answer within the turns it has.
            ServerError: Its server refused or broke off.
        """
        for _ in range(self._max_turns):
            turn = await self._ask()
            if turn.calls:
                await (self._answer_with_futures(turn) if self._mode.futures else self._answer_plainly(turn))
            elif self._mode.futures and self._conversation.undelivered():
                await self._gate(turn)
            else:
                self._conversation.append_reply(turn.text, [])
                self._turns.current = None
                self.note = _NOTES.get(turn.reason, "" if turn.text else "the model answered without a text")
                return turn.text
            self._turns.current = None
        raise TurnLimitReached(self._max_turns)

    async def _ask(self) -> Turn:
        news, self._news = self._news, []
        for entry in news:
            self._log.record(ResultShown(future=entry.name, turn=self._turns.count + 1))
        return await self._turns.ask()

    def _show(self, entries: list[Entry]) -> None:
        self._news += [entry for entry in entries if entry.status != "pending"]
        self._conversation.mark_shown(entries)

    # -- the plain modes ---------------------------------------------------------------------------------------------

    async def _answer_plainly(self, turn: Turn) -> None:
        for made in turn.made:
            entry = made.entry or self._turns.issue(turn, made)
            if self._mode is Mode.SEQUENTIAL:
                await self._driver.wait([entry.name])
        entries = {made.call: made.entry for made in turn.made if made.entry}
        await self._driver.wait([entry.name for entry in entries.values()])
        answers = [wire.tool_message(call, wire.plain_content(entry)) for call, entry in entries.items()]
        self._conversation.append_reply(turn.text, turn.messages, answers)
        self._show(list(entries.values()))

    # -- the async mode ----------------------------------------------------------------------------------------------

    async def _answer_with_futures(self, turn: Turn) -> None:
        awaited = turn.awaits
        if awaited:
            await asyncio.gather(*(self._await(turn, each) for each in awaited))
        else:
            await self._wait_inline([made.entry for made in turn.made if made.entry])
        shown = {made.entry.name: made.entry for made in turn.made if made.entry}
        answers: list[tuple[CallId, Any]] = []
        for call in turn.calls:
            if isinstance(call, Made) and call.entry:
                answers.append((call.call, wire.result_object(call.entry)))
            elif isinstance(call, Awaited):
                answers.append((call.call, self._await_answer(call, shown)))
        self._deliver(answers, shown)
        self._conversation.append_reply(
            turn.text, turn.messages, [wire.tool_message(c, content) for c, content in answers]
        )
        self._show(list(shown.values()))

    async def _wait_inline(self, entries: list[Entry]) -> None:
        pending = [entry for entry in entries if entry.status == "pending"]
        if not pending or len(self._driver.pending()) > len(pending):
            return
        rests = [self._driver.expected_rest_s(entry) for entry in pending]
        if all(rest is None or rest < INLINE_WAIT_S for rest in rests):
            await self._driver.wait([entry.name for entry in pending], timeout_s=INLINE_WAIT_S)

    async def _await(self, turn: Turn, awaited: Awaited) -> None:
        if isinstance(awaited.request, str):
            return
        names = tuple(FutureName(n) for n in awaited.request.futures if n in self._driver.entries)
        self._log.record(AwaitOpened(turn=turn.number, call=awaited.call, futures=names))
        await self._driver.wait(names, mode=awaited.request.mode, timeout_s=awaited.request.timeout_s)
        self._log.record(AwaitAnswered(call=awaited.call))

    def _await_answer(self, awaited: Awaited, shown: dict[FutureName, Entry]) -> list[dict[str, Any]]:
        if isinstance(awaited.request, str):
            return [{"status": "failed", "error": awaited.request}]
        answer = []
        for name in dict.fromkeys(awaited.request.futures):
            entry = self._driver.entries.get(FutureName(name))
            if entry is None:
                problem = str(UnknownFuture(name, known=tuple(self._driver.entries)))
                answer.append({"future": name, "status": "failed", "error": problem})
                continue
            shown[entry.name] = entry
            answer.append(wire.result_object(entry, with_arguments=True))
        return answer

    def _deliver(self, answers: list[tuple[CallId, Any]], shown: dict[FutureName, Entry]) -> None:
        """Let results that became ready meanwhile ride along with the last of the tool messages."""
        ready = [e for e in self._conversation.undelivered() if e.status != "pending" and e.name not in shown]
        delivered = [wire.result_object(entry, with_arguments=True) for entry in ready]
        content = answers[-1][1]
        if isinstance(content, list):
            content.extend(delivered)
        else:
            if delivered:
                content["delivered"] = delivered
            others = [e.name for e in self._driver.pending() if e.name not in shown]
            if others:
                content["still_pending"] = others[:_MOST_NAMES]
            if len(others) > _MOST_NAMES:
                content["still_pending_in_all"] = len(others)
        shown.update((entry.name, entry) for entry in ready)

    async def _gate(self, turn: Turn) -> None:
        undelivered = list(self._conversation.undelivered())
        call = self._conversation.gate_call([entry.name for entry in undelivered])
        waited = CallId(call["id"])
        names = tuple(entry.name for entry in undelivered)
        self._log.record(AwaitOpened(turn=turn.number, call=waited, futures=names, by_layer=True))
        await self._driver.wait(names)
        self._log.record(AwaitAnswered(call=waited))
        content = [wire.result_object(entry, with_arguments=True) for entry in undelivered]
        self._conversation.append_reply(turn.text, [call], [wire.tool_message(call["id"], content)])
        self._show(undelivered)

    # -- a run that is cut short -------------------------------------------------------------------------------------

    def give_up(self, *, refused: bool = False) -> None:
        """Take back what is pending and leave a history that the next request can go on from.

        Args:
            refused: Whether the model or its server, rather than the person, ended the run.
        """
        self._driver.cancel_pending()
        turn, text = self._turns.current, ""
        if turn is not None and turn.messages:
            answers = [wire.tool_message(call.call, self._cut_answer(turn, call)) for call in turn.calls]
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
        return wire.result_object(call.entry)
