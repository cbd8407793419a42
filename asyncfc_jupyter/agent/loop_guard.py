"""A guard against models that go in circles, by what happens and not by what they say.

A reply makes progress when it shows the model something that it has not been shown: a call it had not made, an outcome it had
not seen. Whatever it does otherwise, it does again: the same failing call, a tool that does not exist, a wait for what was
given already. Text is no progress, since a model in a loop talks, too.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping

from asyncfc_jupyter.agent.turn import Awaited, Made, Turn
from asyncfc_jupyter.core.futures import Status
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE
from asyncfc_jupyter.errors import WentInCircles
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.values.summarize import value_fields

#: Replies in a row without progress before the run is stopped: enough to take a hint, and to stumble once more.
_MOST_FRUITLESS = 4
#: The same while a call succeeds each time, with the same result: it may be asking whether a job is done.
_MOST_POLLS = 16
#: From the second such reply on the model is told.
_WARNED_AFTER = 2
#: From the third wait in a row on, a time limit that only brings the model back to ask again is not kept.
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
    """What the model has been shown in one run, and for how many replies nothing of it was new."""

    def __init__(self) -> None:
        self._seen: set[Hashable] = set()
        self._fruitless = self._polls = 0
        self._repeated = ""

    @property
    def only_waits(self) -> bool:
        """Whether the model does nothing any more but ask for what is still pending."""
        return self._fruitless >= _PATIENCE

    @property
    def warning(self) -> str:
        """What the model is to be told with this reply's answers; empty when all is well."""
        return WARNING if self._fruitless >= _WARNED_AFTER else ""

    def note(self, turn: Turn, shown: Mapping[ToolCall, Status]) -> None:
        """Note what the answers to a reply show: futures, each with the status that the model is told."""
        keys = {key for entry, status in shown.items() for key in _keys(entry, status, self._seen)}
        if not keys <= self._seen:
            self._seen |= keys
            self._fruitless = self._polls = 0
            return
        self._fruitless += 1
        self._polls += any(made.entry is not None and shown.get(made.entry) == "done" for made in turn.made)
        self._repeated = ", ".join(dict.fromkeys(_shown(call) for call in turn.calls))

    def check(self) -> None:
        """Stop a run that makes none.

        Raises:
            WentInCircles: Says what the model repeats.
        """
        most = _MOST_POLLS if self._polls == self._fruitless else _MOST_FRUITLESS
        if self._fruitless >= most:
            raise WentInCircles(self._repeated, replies=self._fruitless)


def _keys(entry: ToolCall, status: Status, seen: set[Hashable]) -> Iterator[Hashable]:
    """Yield what tells an outcome from others. A value is only looked at when the same call succeeded before."""
    call = (entry.tool, _SORTED.encode(dict(entry.arguments)), status)
    if status == "done" and call in seen:
        yield (*call, json.dumps(value_fields(entry.value, entry.name).get("value"), default=str))
    yield (*call, entry.error) if status not in {"pending", "done"} else call


def _shown(call: Awaited | Made) -> str:
    if isinstance(call, Made):
        return f"{call.name}({shorten(json.dumps(dict(call.arguments), default=str)[1:-1], _SHOWN)})"
    names = "" if isinstance(call.request, str) else ", ".join(call.request.futures)
    return f"{AWAIT_FUTURE}({shorten(names, _SHOWN)})"
