"""Answers the calls of a reply in the async mode: values, placeholders, awaited results, and results that settled meanwhile.

No turn waits for a tool, with two exceptions: calls whose values are worth a short wait (`inline_wait`), because it is cheaper
than the round trip it saves, and ``await_future``, by which the model asks to wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

from asyncfc_jupyter.agent import tool_messages
from asyncfc_jupyter.agent.inline_wait import Foreseen, Habits
from asyncfc_jupyter.agent.loop_guard import Progress
from asyncfc_jupyter.agent.run_context import RunContext
from asyncfc_jupyter.agent.turn import AwaitCall, Turn
from asyncfc_jupyter.core.events import AwaitAnswered, AwaitOpened
from asyncfc_jupyter.core.futures import CallId, FutureName, Status
from asyncfc_jupyter.core.protocol import DELIVERED, NOTHING_PENDING, STILL_PENDING
from asyncfc_jupyter.errors import UnknownFuture
from asyncfc_jupyter.models.base import ForetellingModel
from asyncfc_jupyter.runtime.call import ToolCall

#: Pending futures that a tool message names: it goes into every later request.
_MOST_NAMES = 20
#: Pending calls by which a wait is judged: with more of them it is long in any case, and looking at each would cost time.
_MOST_FORESEEN = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The messages that answer a reply, and what is needed to write them again."""

    turn: Turn
    #: The futures that each ``await_future`` asks for.
    awaited: dict[CallId, tuple[FutureName, ...]]
    messages: list[dict[str, Any]]
    #: The calls that they show, each with the status that they give it.
    statuses: dict[ToolCall, Status]

    @property
    def shown(self) -> list[ToolCall]:
        """The calls whose outcomes they show."""
        return [call for call, status in self.statuses.items() if status != "pending"]


class ReplyAnswers:
    """Waits for what a reply asks for, and writes the tool messages that answer its calls."""

    def __init__(self, context: RunContext, *, habits: Habits, progress: Progress) -> None:
        self._conversation, self._driver = context.run.conversation, context.run.conversation.driver
        self._deliver_as, self._log = context.deliver, context.log
        #: The model of a conversation that is replayed. To ask a model for that takes as long as to issue a call.
        self._foretelling = context.model if isinstance(context.model, ForetellingModel) else None
        self._habits, self._progress, self._hedge = habits, progress, context.hedge
        #: Of a conversation that is replayed, the futures whose outcomes the next request shows; else None.
        self._foretold: frozenset[str] | None = None
        #: What stands at the end of the history, and at which number it begins.
        self._last: Written | None = None
        self._start = 0

    async def append(self, turn: Turn) -> None:
        """Append a reply and the answers to all its calls to the history."""
        written = self._write(turn, await self._wait(turn))
        self._conversation.append_reply(turn.text, turn.messages)
        self._start = len(self._conversation.messages)
        self._append(written)

    def rewritable(self) -> Written | None:
        """Return the answers at the end of the history, if they may be written again."""
        last, messages = self._last, self._conversation.messages
        replayed = self._foretold is not None
        return last if last is not None and not replayed and messages[self._start :] == last.messages else None

    def rewrite(self, before: Written) -> Written:
        """Write these answers again, now that values have come."""
        self._remove(before)
        return self._append(self._write(before.turn, before.awaited))

    def restore(self, before: Written, now: Written) -> None:
        """Put answers back that were written again."""
        self._remove(now)
        self._progress.note(before.turn, before.statuses)
        self._append(before)
        self._conversation.newly_shown = []  # a request has shown them

    def _append(self, written: Written) -> Written:
        self._last = written
        self._conversation.messages.extend(written.messages)
        self._conversation.mark_shown(written.shown)
        return written

    def _remove(self, written: Written) -> None:
        self._conversation.retract(self._start, written.shown)
        self._progress.undo()

    def _write(self, turn: Turn, awaited: dict[CallId, tuple[FutureName, ...]]) -> Written:
        shown = {each.issued.name: each.issued for each in turn.requested if each.issued}
        answers: list[tuple[CallId, Any]] = []
        for call in turn.calls:
            if isinstance(call, AwaitCall):
                answers.append((call.call_id, list(self._await_answer(call, awaited.get(call.call_id, ()), shown))))
            elif call.issued:
                withheld = self._withheld(call.issued)
                answers.append((call.call_id, tool_messages.result_object(call.issued, withheld=withheld)))
        last = answers[-1][1]
        ready = self._deliver(last, shown)
        statuses: dict[ToolCall, Status] = {c: "pending" if self._withheld(c) else c.status for c in shown.values()}
        self._progress.note(turn, statuses)
        if self._progress.warning and isinstance(last, list):
            last.append({"warning": self._progress.warning})
        elif self._progress.warning:
            last["warning"] = self._progress.warning
        messages = [dict(tool_messages.tool_message(call_id, content)) for call_id, content in answers]
        if ready and self._deliver_as == "user":
            messages.append(tool_messages.delivery_message(ready))
        return Written(turn=turn, awaited=awaited, messages=messages, statuses=statuses)

    def _withheld(self, call: ToolCall) -> bool:
        """Return whether a replayed conversation showed this future as pending at this point."""
        return self._foretold is not None and call.name not in self._foretold

    async def _wait(self, turn: Turn) -> dict[CallId, tuple[FutureName, ...]]:
        """Wait as long as the reply asks for or is worth it; return the futures that each ``await_future`` asks for."""
        asked: dict[CallId, tuple[FutureName, ...]] = {}
        waits: list[tuple[CallId, tool_messages.AwaitRequest, tuple[FutureName, ...]]] = []
        replay, history = self._foretelling, self._conversation.messages
        if replay is not None:  # it keeps the pace at which results came when it was recorded
            self._foretold = replay.foretold(history)
            await self._driver.wait([name for name in self._driver.calls if name in (self._foretold or ())])
        for each in turn.awaits:
            if isinstance(each.request, str):
                continue
            names: Sequence[str] = each.request.futures
            if not names:
                recorded = None if replay is None else replay.foretold_wait(history, each.call_id)
                pending = (call.name for call in self._driver.pending() if not call.detached)
                names = tuple(pending) if recorded is None else recorded
            asked[each.call_id] = tuple(dict.fromkeys(map(FutureName, names)))
            known = tuple(name for name in asked[each.call_id] if name in self._driver.calls)
            if known:
                waits.append((each.call_id, each.request, known))
        if not waits and self._foretold is None:
            await self._wait_inline(turn)
        await asyncio.gather(*(self._await(turn, *wait) for wait in waits))
        return asked

    async def _wait_inline(self, turn: Turn) -> None:
        issued = [each.issued for each in turn.requested]
        own = [call for call in issued if call and not (call.settled or call.detached)]
        if not own:
            return
        # A call that repeats another ends with it, and no run waits for a detached one.
        pending = (call for call in self._driver.pending() if not (call.detached or call.same_as))
        foreseen = [
            Foreseen(durations_s=self._driver.expected_s(call), elapsed_s=call.elapsed_s)
            for call in islice(pending, _MOST_FORESEEN)
        ]
        limit_s = self._habits.inline_wait_s(foreseen, several=len(issued) > 1, hedge=self._hedge)
        if limit_s:
            await self._driver.wait([call.name for call in own], timeout_s=limit_s)
        if any(not call.settled for call in own):
            self._habits.note_placeholders()

    async def _await(
        self, turn: Turn, call_id: CallId, request: tool_messages.AwaitRequest, names: tuple[FutureName, ...]
    ) -> None:
        self._log.record(AwaitOpened(turn=turn.number, call=call_id, futures=names))
        mode, timeout_s = request.mode, request.timeout_s
        if timeout_s is not None and self._progress.only_waits:
            mode, timeout_s = "any", None  # an answer without a result would only bring the same question again
        await self._driver.wait(names, mode=mode, timeout_s=timeout_s)
        self._log.record(AwaitAnswered(call=call_id))

    def _await_answer(
        self, call: AwaitCall, names: tuple[FutureName, ...], shown: dict[FutureName, ToolCall]
    ) -> Iterator[dict[str, Any]]:
        """Yield the objects that answer an ``await_future``; a future that the reply's messages show is not repeated."""
        if isinstance(call.request, str):
            yield {"status": "failed", "error": call.request}
            return
        if not names:
            yield NOTHING_PENDING
        for name in names:
            future = self._driver.calls.get(name)
            if future is None:
                problem = str(UnknownFuture(name, known=tuple(self._driver.calls)))
                yield {"future": name, "status": "failed", "error": problem}
            elif name in shown:
                yield tool_messages.shown_already(future, withheld=self._withheld(future))
            else:
                shown[name] = future
                yield tool_messages.result_object(future, with_arguments=True, withheld=self._withheld(future))

    def _deliver(self, last: Any, shown: dict[FutureName, ToolCall]) -> list[ToolCall]:
        """Add to the content of the last message the results that settled meanwhile, and the names of what is pending.

        Returns:
            The calls whose results are delivered here, or go into a message in the user's place.
        """
        settled = [call for call in self._conversation.ready() if call.name not in shown]
        ready = [call for call in settled if not self._withheld(call)]
        if self._deliver_as == "tool":
            if isinstance(last, list):
                last.extend(tool_messages.results(ready))
            elif ready:
                last[DELIVERED] = tool_messages.results(ready)
        if not isinstance(last, list):
            pending, withheld = self._driver.pending(), [call for call in settled if self._withheld(call)]
            many = len(pending) + len(withheld) - sum(not call.settled for call in shown.values())
            others = (c.name for c in merge(withheld, pending, key=lambda call: call.order) if c.name not in shown)
            if many:
                last[STILL_PENDING] = list(islice(others, _MOST_NAMES))  # of ten thousand, only the first are looked at
            if many > _MOST_NAMES:
                last[f"{STILL_PENDING}_in_all"] = many
        shown.update((call.name, call) for call in ready)
        return ready
