"""A conversation: the messages so far, the futures so far, and which of them the model has seen.

History is append-only, and between two requests it is always valid: every tool call has exactly one tool message. `check`
says so before each request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asyncfc_jupyter.agent import wire
from asyncfc_jupyter.core.errors import InvariantBroken
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.runtime.driver import Driver, Entry
from asyncfc_jupyter.runtime.tools import AWAIT_FUTURE


class Conversation:
    """What a model and a person have said to each other, with the futures that came of it.

    Pass one to several runs to let them go on from each other. One run at a time.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.driver = Driver()
        #: Futures whose value or error is not in the messages, of the first `_noted` that were issued.
        self._undelivered: dict[FutureName, Entry] = {}
        self._noted = 0
        self.call_ids: set[str] = set()
        #: The run that is using the conversation now, if any.
        self.busy = False
        self._gates = 0
        #: Messages that `check` has found in order: they never change again.
        self._checked = 0

    def undelivered(self) -> tuple[Entry, ...]:
        """Return the futures that the model has not been given the outcome of, in order."""
        return tuple(self._note_issued().values())

    def _note_issued(self) -> dict[FutureName, Entry]:
        # Only what is new is looked at: a run of ten thousand turns asks ten thousand times.
        self._undelivered.update((entry.name, entry) for entry in self.driver.issued[self._noted :])
        self._noted = len(self.driver.issued)
        return self._undelivered

    def say(self, prompt: str) -> None:
        """Append what the person says."""
        self.messages.append({"role": "user", "content": wire.encodable(prompt)})

    def unsay(self) -> None:
        """Take back the person's last message: the server refused it, so it was never said."""
        if self.messages and self.messages[-1]["role"] == "user":
            self.messages.pop()
            self._checked = min(self._checked, len(self.messages))

    def append_reply(
        self, text: str, calls: Sequence[Mapping[str, Any]], answers: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """Append a model's reply together with the tool messages that answer its calls."""
        self.messages.append(wire.assistant_message(text, calls))
        self.messages.extend(dict(answer) for answer in answers)
        self.call_ids.update(call["id"] for call in calls)

    def gate_call(self, names: Sequence[FutureName]) -> dict[str, Any]:
        """Return an ``await_future`` call of the layer's own, with an id of its own."""
        self._gates += 1
        while f"{wire.GATE_ID}{self._gates}" in self.call_ids:
            self._gates += 1
        arguments = '{"futures": [' + ", ".join(f'"{name}"' for name in names) + "]}"
        return wire.call_message(f"{wire.GATE_ID}{self._gates}", AWAIT_FUTURE, arguments)

    def mark_shown(self, entries: Iterable[Entry]) -> None:
        """Note that these entries' outcomes are in the messages."""
        undelivered = self._note_issued()
        for entry in entries:
            if entry.status != "pending":
                undelivered.pop(entry.name, None)

    def close(self, text: str = "") -> None:
        """Tell the model what became of everything it has not seen, so that the next request is valid and complete.

        For the end of a run that was cut short: every future has settled by then.
        """
        undelivered = self.undelivered()
        if not undelivered:
            # Some servers refuse a person's message behind another, or behind a tool's.
            if self.messages and (text or self.messages[-1]["role"] != "assistant"):
                self.append_reply(text or "(stopped)", [])
            return
        call = self.gate_call([entry.name for entry in undelivered])
        answer = wire.tool_message(call["id"], [wire.result_object(e, with_arguments=True) for e in undelivered])
        self.append_reply(text, [call], [answer])
        self.mark_shown(undelivered)

    def check(self) -> None:
        """Check that the history is one that a server accepts.

        Raises:
            InvariantBroken: A tool call has no tool message or more than one, or a tool message answers nothing.
        """
        open_ids: list[str] = []
        for number, message in enumerate(self.messages[self._checked :], self._checked):
            if message["role"] == "tool":
                if message["tool_call_id"] not in open_ids:
                    raise InvariantBroken("a tool message answers one open call", f"message {number}: {message}")
                open_ids.remove(message["tool_call_id"])
                continue
            if open_ids:
                raise InvariantBroken("every tool call is answered at once", f"before message {number}: {open_ids}")
            open_ids = [call["id"] for call in message.get("tool_calls", ())]
            if len(set(open_ids)) != len(open_ids):
                raise InvariantBroken("the ids of tool calls differ", f"message {number}: {open_ids}")
        if open_ids:
            raise InvariantBroken("every tool call is answered before the next request", f"{open_ids}")
        self._checked = len(self.messages)
