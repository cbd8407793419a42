"""A conversation: the messages so far, the futures so far, and which of them the model has seen.

History is append-only, and between two requests it is always valid: every tool call has exactly one tool message. `history`
holds the rules, which are checked before each request.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from asyncfc_jupyter.agent import history, tool_messages
from asyncfc_jupyter.agent.inline_wait import Habits
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE, GATE_ID
from asyncfc_jupyter.errors import HistoryMended, InvariantBroken
from asyncfc_jupyter.models.base import REPLAY
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.driver import Driver


class Conversation:
    """What a model and a person have said to each other, with the futures that came of it.

    Pass one to several runs to let them go on from each other. One run at a time.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.driver = Driver()
        #: Futures whose value or error is not in the messages, of the first `_noted` that were issued.
        self._undelivered: dict[FutureName, ToolCall] = {}
        #: Those of them that have settled.
        self._ready: dict[FutureName, ToolCall] = {}
        self._noted = 0
        #: Futures whose outcome is in messages that no request has held yet, those of a run that was cut short included.
        self.news: list[ToolCall] = []
        self.call_ids: set[str] = set()
        #: What was learned of each model that took part, by its name.
        self.habits: dict[str, Habits] = {}
        #: The run that is using the conversation now, if any.
        self.busy = False
        #: What the model wants to see again with the reply that is appended next.
        self._kept: dict[str, Any] = {}
        self._gates = 0
        self._checker = history.Checker()

    def undelivered(self) -> tuple[ToolCall, ...]:
        """Return the futures that the model has not been given the outcome of, in order."""
        return tuple(self._note_issued().values())

    def ready(self) -> list[ToolCall]:
        """Return those of them that have settled, in order."""
        self._note_issued()
        return sorted(self._ready.values(), key=lambda entry: entry.order)

    def holding(self) -> tuple[ToolCall, ...]:
        """Return those of them that a run's end waits for: all but detached ones."""
        return tuple(entry for entry in self.undelivered() if not entry.detached)

    def _note_issued(self) -> dict[FutureName, ToolCall]:
        # Only what is new is looked at: a run of ten thousand turns asks ten thousand times.
        for entry in self.driver.issued[self._noted :]:
            self._undelivered[entry.name] = entry
            if not entry.settled:
                entry.when_settled(partial(self._ready.__setitem__, entry.name, entry))
            else:
                self._ready[entry.name] = entry
        self._noted = len(self.driver.issued)
        return self._undelivered

    def say(self, prompt: str) -> None:
        """Append what the person says."""
        self.messages.append({"role": "user", "content": tool_messages.encodable(prompt)})

    def unsay(self) -> None:
        """Take back the person's last message: the server refused it, so it was never said."""
        if self.messages and self.messages[-1]["role"] == "user":
            self.messages.pop()
            self._checker.forget()

    def keep(self, replay: Mapping[str, Any], model: str) -> None:
        """Note what this model, and no other, wants to see again with its reply: the next that is appended."""
        self._kept = {"model": model, **replay} if replay else {}

    def append_reply(
        self, text: str, calls: Sequence[Mapping[str, Any]], answers: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """Append a model's reply together with the tool messages that answer its calls."""
        kept, self._kept = self._kept, {}
        self.messages.append(tool_messages.assistant_message(text, calls) | ({REPLAY: kept} if kept else {}))
        self.messages.extend(dict(answer) for answer in answers)
        self.call_ids.update(call["id"] for call in calls)

    def gate_call(self, names: Sequence[FutureName]) -> dict[str, Any]:
        """Return an ``await_future`` call of the layer's own, with an id of its own."""
        self._gates += 1
        while f"{GATE_ID}{self._gates}" in self.call_ids:
            self._gates += 1
        arguments = '{"futures": [' + ", ".join(f'"{name}"' for name in names) + "]}"
        return tool_messages.call_message(f"{GATE_ID}{self._gates}", AWAIT_FUTURE, arguments)

    def mark_shown(self, entries: Iterable[ToolCall]) -> None:
        """Note that the outcomes of those that have settled are in the messages, and so in the next request."""
        undelivered = self._note_issued()
        for entry in entries:
            if entry.settled:
                undelivered.pop(entry.name, None)
                self._ready.pop(entry.name, None)
                self.news.append(entry)

    def close(self, text: str = "") -> None:
        """Tell the model what became of everything it has not seen, so that the next request is valid and complete.

        For the end of a run that was cut short: every future has settled by then, but for detached ones.
        """
        undelivered = [entry for entry in self.undelivered() if entry.settled]
        if not undelivered:
            # Some servers refuse a person's message behind another, or behind a tool's.
            if self.messages and (text or self.messages[-1]["role"] != "assistant"):
                self.append_reply(text or "(stopped)", [])
            return
        call = self.gate_call([entry.name for entry in undelivered])
        answer = tool_messages.tool_message(
            call["id"], [tool_messages.result_object(e, with_arguments=True) for e in undelivered]
        )
        self.append_reply(text, [call], [answer])
        self.mark_shown(undelivered)

    def check(self) -> None:
        """Check that the history is one that a server accepts: see `history`.

        Raises:
            InvariantBroken: A rule does not hold.
        """
        self._checker.check(self.messages)

    def make_valid(self) -> None:
        """Check the history before a request; mend it, with a warning, where a rule of ours does not hold.

        Where warnings are errors, as in tests, the broken rule itself is raised: there nobody is helped by going on.

        Raises:
            InvariantBroken: See above; also when it cannot be mended.
        """
        try:
            self.check()
        except InvariantBroken as broken:
            try:
                warnings.warn(HistoryMended(str(broken)), stacklevel=2)
            except HistoryMended:
                raise broken from None
            self.messages = history.mended(self.messages)
            self._checker.forget()
            self.check()
