"""What the calls of a reply are answered in the async mode: values, placeholders, awaited results, and what became ready.

No turn waits for a tool, with two exceptions here, each cheaper than the round trip it saves or asked for by the model: calls
whose values are worth a short wait (`patience`), and ``await_future``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import Any

from asyncfc_jupyter.agent import tool_messages
from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.inline_wait import Foreseen, Habits
from asyncfc_jupyter.agent.loop_guard import Progress
from asyncfc_jupyter.agent.modes import Deliver
from asyncfc_jupyter.agent.turn import Awaited, Turn
from asyncfc_jupyter.core.events import AwaitAnswered, AwaitOpened
from asyncfc_jupyter.core.futures import CallId, FutureName, Status
from asyncfc_jupyter.core.protocol import DELIVERED, STILL_PENDING
from asyncfc_jupyter.errors import UnknownFuture
from asyncfc_jupyter.models.base import ChatModel, ForetellingModel
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.event_log import EventLog

#: Pending futures that a tool message names: it goes into every later request.
_MOST_NAMES = 20
#: Pending calls that a wait is judged by: with more of them it is long in any case, and looking at each would cost time.
_MOST_FORESEEN = 64


class Answers:
    """Waits for what a reply asks for, and writes the tool messages that answer its calls."""

    def __init__(
        self,
        *,
        conversation: Conversation,
        model: ChatModel,
        habits: Habits,
        progress: Progress,
        deliver: Deliver,
        log: EventLog,
    ) -> None:
        self._conversation, self._habits, self._log = conversation, habits, log
        self._progress, self._deliver_as = progress, deliver
        self._driver = conversation.driver
        self._model = model
        #: Of a conversation that is played back, the futures whose outcomes the next request shows; else None.
        self._foretold: frozenset[str] | None = None

    async def to(self, turn: Turn) -> list[ToolCall]:
        """Answer every call of a reply and append both to the history; return the futures that the messages show."""
        awaited = await self._wait(turn)
        shown = {made.entry.name: made.entry for made in turn.made if made.entry}
        answers: list[tuple[CallId, Any]] = []
        for call in turn.calls:
            if isinstance(call, Awaited):
                answers.append((call.call, list(self._await_answer(call, awaited.get(call.call, ()), shown))))
            elif call.entry:
                answers.append((call.call, self._object(call.entry)))
        ready = self._deliver(answers, shown)
        told: dict[ToolCall, Status] = {e: "pending" if self._withheld(e) else e.status for e in shown.values()}
        self._progress.note(turn, told)
        if self._progress.warning:
            _add(answers[-1][1], "warning", self._progress.warning)
        messages = [tool_messages.tool_message(call, content) for call, content in answers]
        self._conversation.append_reply(turn.text, turn.messages, messages)
        if ready and self._deliver_as == "user":
            self._conversation.messages.append(tool_messages.delivery_message(ready))
        return [entry for entry, status in told.items() if status != "pending"]

    def _withheld(self, entry: ToolCall) -> bool:
        return self._foretold is not None and entry.name not in self._foretold

    def _object(self, entry: ToolCall, *, with_arguments: bool = False) -> dict[str, Any]:
        return tool_messages.result_object(entry, with_arguments=with_arguments, withheld=self._withheld(entry))

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def _wait(self, turn: Turn) -> dict[CallId, tuple[FutureName, ...]]:
        """Wait as long as the reply asks for or is worth it; return the futures that each ``await_future`` is about."""
        asked = {each.call: self._asked_for(each.request) for each in turn.awaits if not isinstance(each.request, str)}
        known = {call: [name for name in names if name in self._driver.calls] for call, names in asked.items()}
        waits = [each for each in turn.awaits if known.get(each.call)]
        await self._keep_pace()
        if not waits and self._foretold is None:
            await self._wait_inline(turn)
        await asyncio.gather(*(self._await(turn, each, tuple(known[each.call])) for each in waits))
        return asked

    async def _keep_pace(self) -> None:
        """Of a conversation that is played back, wait for what had returned when it was recorded."""
        if isinstance(self._model, ForetellingModel):
            self._foretold = self._model.foretold(self._conversation.messages)
            await self._driver.wait([name for name in self._driver.calls if name in (self._foretold or ())])

    async def _wait_inline(self, turn: Turn) -> None:
        entries = [e for e in (made.entry for made in turn.made) if e and not e.settled and not e.detached]
        if not entries:
            return
        # A call that repeats another ends with it, and nobody waits for a detached one.
        pending = (entry for entry in self._driver.pending() if not (entry.detached or entry.same_as))
        several = len(turn.made) > 1
        foreseen = [
            Foreseen(durations_s=self._driver.durations.recent_s(entry.tool), elapsed_s=entry.elapsed_s)
            for entry in islice(pending, _MOST_FORESEEN)
        ]
        limit_s = self._habits.inline_wait_s(foreseen, several=several)
        if limit_s:
            await self._driver.wait([entry.name for entry in entries], timeout_s=limit_s)
        if any(not entry.settled for entry in entries):
            self._habits.note_placeholders()

    def _asked_for(self, request: tool_messages.AwaitRequest) -> tuple[FutureName, ...]:
        if not request.futures:
            return tuple(entry.name for entry in self._driver.pending() if not entry.detached)
        return tuple(dict.fromkeys(FutureName(name) for name in request.futures))

    async def _await(self, turn: Turn, awaited: Awaited, names: tuple[FutureName, ...]) -> None:
        if isinstance(awaited.request, str):
            return
        self._log.record(AwaitOpened(turn=turn.number, call=awaited.call, futures=names))
        mode, timeout_s = awaited.request.mode, awaited.request.timeout_s
        if timeout_s is not None and self._progress.only_waits:
            mode, timeout_s = "any", None  # coming back with nothing would only bring the same question again
        await self._driver.wait(names, mode=mode, timeout_s=timeout_s)
        self._log.record(AwaitAnswered(call=awaited.call))

    # -- what the messages say ---------------------------------------------------------------------------------------

    def _await_answer(
        self, awaited: Awaited, names: tuple[FutureName, ...], shown: dict[FutureName, ToolCall]
    ) -> Iterator[dict[str, Any]]:
        """Yield the objects that answer an ``await_future``; what another message of the same reply shows is not repeated."""
        if isinstance(awaited.request, str):
            yield {"status": "failed", "error": awaited.request}
            return
        if not names:
            yield tool_messages.NOTHING_PENDING
        for name in names:
            entry = self._driver.calls.get(name)
            if entry is None:
                problem = str(UnknownFuture(name, known=tuple(self._driver.calls)))
                yield {"future": name, "status": "failed", "error": problem}
            elif entry.name in shown:
                yield tool_messages.shown_already(entry, withheld=self._withheld(entry))
            else:
                shown[entry.name] = entry
                yield self._object(entry, with_arguments=True)

    def _deliver(self, answers: list[tuple[CallId, Any]], shown: dict[FutureName, ToolCall]) -> list[ToolCall]:
        """Let results that became ready meanwhile ride along with the last of the tool messages, and return them."""
        settled = [e for e in self._conversation.ready() if e.name not in shown]
        ready = [e for e in settled if not self._withheld(e)]
        content = answers[-1][1]
        if self._deliver_as == "tool":
            delivered = [tool_messages.result_object(entry, with_arguments=True) for entry in ready]
            if isinstance(content, list):
                content.extend(delivered)
            elif delivered:
                content[DELIVERED] = delivered
        if not isinstance(content, list):
            content.update(self._still_pending([e for e in settled if self._withheld(e)], shown))
        shown.update((entry.name, entry) for entry in ready)
        return ready

    def _still_pending(self, withheld: list[ToolCall], shown: dict[FutureName, ToolCall]) -> dict[str, Any]:
        """Return what is told of the futures that no message shows; of ten thousand only the first are looked at."""
        pending = self._driver.pending()
        many = len(pending) + len(withheld) - sum(not entry.settled for entry in shown.values())
        others = (e.name for e in merge(withheld, pending, key=lambda entry: entry.order) if e.name not in shown)
        names = {STILL_PENDING: list(islice(others, _MOST_NAMES))} if many else {}
        return {**names, f"{STILL_PENDING}_in_all": many} if many > _MOST_NAMES else names


def _add(content: Any, key: str, text: str) -> None:
    if isinstance(content, list):
        content.append({key: text})
    else:
        content[key] = text
