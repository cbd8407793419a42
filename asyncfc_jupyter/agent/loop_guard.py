"""Stops models that go in circles, judged by what happens and not by what they say.

A reply makes progress if its answers show the model something new: a call with a new name, arguments or status, or a new
outcome. A reply without progress repeats something: a failing call, a call of a tool that does not exist, a wait for a result
that the model has. Text does not count as progress, since a model in a loop talks, too.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping

from asyncfc_jupyter.agent.turn import RequestedCall, Turn
from asyncfc_jupyter.core.futures import Status
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE
from asyncfc_jupyter.errors import WentInCircles
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.text import shorten

#: Replies in a row without progress before the run is stopped: enough for two warnings, and one more mistake.
_MOST_FRUITLESS = 4
#: The same while a call succeeds each time, with the same result: the model may be polling a job.
_MOST_POLLS = 16
#: From this many replies without progress on, the model is warned.
_WARNED_AFTER = 2
#: From this many waits in a row on, a wait's time limit is ignored: the model would only come back and ask again.
_PATIENCE = 2
#: Made once: `json.dumps` makes an encoder for each text.
_SORTED = json.JSONEncoder(sort_keys=True, default=str)
#: Characters of a repeated call that an error shows.
_SHOWN = 80

WARNING = (
    "Your last replies brought nothing new. Do not repeat a call whose outcome you know: use it, change the arguments, "
    "call another tool, or answer."
)


class Progress:
    """What the model has been shown in one run, and how many replies in a row showed nothing new."""

    def __init__(self) -> None:
        self._seen: set[Hashable] = set()
        self._fruitless = self._polls = 0
        self._repeated = ""
        #: What `undo` needs: the facts that the last note added, and the counts before it.
        self._before: tuple[set[Hashable], int, int, str] = set(), 0, 0, ""

    @property
    def only_waits(self) -> bool:
        """Whether the model does nothing but ask for what is still pending."""
        return self._fruitless >= _PATIENCE

    @property
    def warning(self) -> str:
        """The warning to send with this reply's answers; empty while the model makes progress."""
        return WARNING if self._fruitless >= _WARNED_AFTER else ""

    def note(self, turn: Turn, shown: Mapping[ToolCall, Status]) -> None:
        """Note what the answers to a reply show: calls, each with the status that the messages give it."""
        facts: set[Hashable] = set()
        for call, status in shown.items():
            fact = (call.tool, _SORTED.encode(dict(call.arguments)), status)
            facts.add(fact if status in {"pending", "done"} else (*fact, call.error))
            if status == "done" and fact in self._seen:  # else it is new, and encoding a large value is not worth it
                facts.add((*fact, json.dumps(call.shown.get("value"), default=str)))
        new = facts - self._seen
        self._before = new, self._fruitless, self._polls, self._repeated
        if new:
            self._seen |= new
            self._fruitless = self._polls = 0
            return
        self._fruitless += 1
        self._polls += any(each.issued is not None and shown.get(each.issued) == "done" for each in turn.requested)
        repeated = []
        for each in turn.calls:
            if isinstance(each, RequestedCall):
                inside = json.dumps(dict(each.arguments), default=str)[1:-1]
                repeated.append(f"{each.name}({shorten(inside, _SHOWN)})")
            else:
                names = "" if isinstance(each.request, str) else ", ".join(each.request.futures)
                repeated.append(f"{AWAIT_FUTURE}({shorten(names, _SHOWN)})")
        self._repeated = ", ".join(dict.fromkeys(repeated))

    def undo(self) -> None:
        """Forget the last reply that was noted: its answers are written again."""
        new, self._fruitless, self._polls, self._repeated = self._before
        self._seen -= new

    def check(self) -> None:
        """Stop a run without progress.

        Raises:
            WentInCircles: Names the calls that the model repeats.
        """
        most = _MOST_POLLS if self._polls == self._fruitless else _MOST_FRUITLESS
        if self._fruitless >= most:
            raise WentInCircles(self._repeated, replies=self._fruitless)
