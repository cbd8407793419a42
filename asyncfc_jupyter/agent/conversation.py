"""A conversation: the messages so far, the futures so far, and which of them the model has seen.

Messages are only appended, but for the last tool messages: where the request that held them was retracted or broke off, they
may be written again. Between two requests the history is always valid: every tool call has exactly one tool message. `history`
holds the rules, which are checked before each request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from asyncfc_jupyter.agent import history, tool_messages
from asyncfc_jupyter.agent.inline_wait import Learned
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE, GATE_ID
from asyncfc_jupyter.errors import HistoryFixed, InvariantBroken
from asyncfc_jupyter.models.base import REPLAY
from asyncfc_jupyter.notices import notify
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.durations import Durations


class Conversation:
    """The messages between a user and a model, with the futures of the tool calls.

    Pass the same one to several runs to let each continue the one before. One run at a time.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.driver = Driver()
        #: Futures whose outcome is not in the messages, of the first `_noted` that were issued.
        self._undelivered: dict[FutureName, ToolCall] = {}
        #: Those of them that have settled.
        self._ready: dict[FutureName, ToolCall] = {}
        self._noted = 0
        #: Futures whose outcome is in messages that no request has held yet, also those of a run that was cut short.
        self.newly_shown: list[ToolCall] = []
        self.call_ids: set[str] = set()
        #: How long its calls took, for runs that remember nothing else.
        self.durations = Durations()
        #: What was learned of each model that took part, by its name.
        self.learned: dict[str, Learned] = {}
        #: Whether a run is using the conversation.
        self.busy = False
        #: What the model wants to see again with the reply that is appended next.
        self._replay: dict[str, Any] = {}
        self._gates = 0
        self._checker = history.Checker()

    def undelivered(self) -> tuple[ToolCall, ...]:
        """Return the futures whose outcome the model has not been given, in order."""
        return tuple(self._note_issued().values())

    def ready(self) -> list[ToolCall]:
        """Return those of them that have settled, in order."""
        self._note_issued()
        return sorted(self._ready.values(), key=lambda call: call.order)

    def awaited_by_end(self) -> tuple[ToolCall, ...]:
        """Return the undelivered futures that the end of a run waits for: all but detached ones."""
        return tuple(call for call in self.undelivered() if not call.detached)

    def _note_issued(self) -> dict[FutureName, ToolCall]:
        # Only new calls are looked at: a run of ten thousand turns asks ten thousand times.
        for call in self.driver.issued[self._noted :]:
            self._undelivered[call.name] = call
            if not call.settled:
                call.when_settled(partial(self._ready.__setitem__, call.name, call))
            else:
                self._ready[call.name] = call
        self._noted = len(self.driver.issued)
        return self._undelivered

    def append_prompt(self, prompt: str) -> None:
        """Append a message of the user."""
        self.messages.append({"role": "user", "content": tool_messages.encodable(prompt)})

    def remove_prompt(self) -> None:
        """Remove the user's last message, if it is the last of all: the server refused it, so no model has seen it."""
        if self.messages and self.messages[-1]["role"] == "user":
            self.messages.pop()
            self._checker.forget()

    def keep(self, replay: Mapping[str, Any], model: str) -> None:
        """Keep what this model, and no other, wants to see again with its reply: the next that is appended."""
        self._replay = {"model": model, **replay} if replay else {}

    def append_reply(
        self, text: str, calls: Sequence[Mapping[str, Any]], answers: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """Append a model's reply together with the tool messages that answer its calls."""
        replay, self._replay = self._replay, {}
        self.messages.append(tool_messages.assistant_message(text, calls) | ({REPLAY: replay} if replay else {}))
        self.messages.extend(dict(answer) for answer in answers)
        self.call_ids.update(call["id"] for call in calls)

    def gate_call(self, names: Sequence[FutureName]) -> dict[str, Any]:
        """Return a new ``await_future`` call of the layer's own."""
        self._gates += 1
        while f"{GATE_ID}{self._gates}" in self.call_ids:
            self._gates += 1
        return tool_messages.call_message(f"{GATE_ID}{self._gates}", AWAIT_FUTURE, json.dumps({"futures": list(names)}))

    def mark_shown(self, calls: Iterable[ToolCall]) -> None:
        """Note that the outcomes of those that have settled are in the messages, and so in the next request."""
        undelivered = self._note_issued()
        for call in calls:
            if call.settled:
                undelivered.pop(call.name, None)
                self._ready.pop(call.name, None)
                self.newly_shown.append(call)

    def retract(self, start: int, shown: Iterable[ToolCall]) -> None:
        """Remove the last messages, from this number on, which show these outcomes: they are written again."""
        del self.messages[start:]
        self._checker.retract(start)
        undelivered = self._note_issued()
        for call in shown:
            undelivered[call.name] = self._ready[call.name] = call
        self._undelivered = dict(sorted(undelivered.items(), key=lambda item: item[1].order))
        self.newly_shown = []

    def close(self, text: str = "") -> None:
        """Append all outcomes that the model has not seen, so that the next request is valid and complete.

        For the end of a run that was cut short: by then every future has settled, but for detached ones.

        Args:
            text: The part of the model's reply that had arrived.
        """
        settled = [call for call in self.undelivered() if call.settled]
        if settled:
            gate = self.gate_call([call.name for call in settled])
            self.append_reply(text, [gate], [tool_messages.tool_message(gate["id"], tool_messages.results(settled))])
            self.mark_shown(settled)
        # Some servers refuse a message of the user right after another one, or after a tool's.
        elif self.messages and (text or self.messages[-1]["role"] != "assistant"):
            self.append_reply(text or "(stopped)", [])

    def check(self) -> None:
        """Check the history against the rules of `history`.

        Raises:
            InvariantBroken: A rule does not hold.
        """
        self._checker.check(self.messages)

    def make_valid(self) -> None:
        """Check the history before a request; fix it, with a notice, if one of our rules does not hold.

        Raises:
            InvariantBroken: The history cannot be fixed.
        """
        try:
            self.check()
        except InvariantBroken as broken:
            notify(str(broken), HistoryFixed)
            self.messages = history.fixed(self.messages)
            self._checker.forget()
            self.check()
