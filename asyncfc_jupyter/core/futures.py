"""The states of a future and the table of what may follow what.

The table is the only place that says so: the scheduler obeys it and the documentation draws it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

#: ``f1``, ``f2``, ... in order of emission, numbered per conversation.
FutureName = NewType("FutureName", str)
#: The id the model's server gave a tool call.
CallId = NewType("CallId", str)


class State(StrEnum):
    """What has become of a future."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def settled(self) -> bool:
        """Whether nothing more can happen to the future."""
        return not TRANSITIONS[self]


#: From each state, the states that may follow and what brings each about.
TRANSITIONS: dict[State, dict[State, str]] = {
    State.PENDING: {
        State.RUNNING: "arguments known, hazards clear, earlier calls safe, approved, a place free",
        State.DONE: "the same call, made before, returned",
        State.FAILED: "the arguments do not fit the tool",
        State.SKIPPED: "a call it needs did not succeed, or it was not approved",
        State.CANCELLED: "cancelled",
    },
    State.RUNNING: {
        State.DONE: "returned",
        State.FAILED: "raised or timed out",
        State.CANCELLED: "cancelled",
    },
    State.DONE: {},
    State.FAILED: {},
    State.CANCELLED: {},
    State.SKIPPED: {},
}


def future_name(number: int) -> FutureName:
    """Return the name of the ``number``-th future of a conversation, counted from 1."""
    return FutureName(f"f{number}")
