"""The states of a future: what may follow each of them, and the words for them in messages and files.

`TRANSITIONS` is the only place that says which state may follow which: the scheduler obeys it and the documentation draws it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NewType, get_args

#: ``f1``, ``f2``, ... in order of emission, numbered per conversation.
FutureName = NewType("FutureName", str)
#: The id the model's server gave a tool call.
CallId = NewType("CallId", str)


class State(StrEnum):
    """The state of a future."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def settled(self) -> bool:
        """Whether the state is final."""
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


SettledStatus = Literal["done", "failed", "timeout", "cancelled", "skipped"]
#: The word for a state in messages to the model and in saved conversations. A running call is ``pending`` too: the model waits
#: for it in the same way. A call that failed because its time was up is a ``timeout``.
Status = Literal["pending", SettledStatus]
STATUSES: tuple[Status, ...] = get_args(Status)


def status_of(state: State, *, timed_out: bool) -> Status:
    """Return the word for a state; ``timed_out`` says whether a failed call failed because its time was up."""
    match state:
        case State.DONE:
            return "done"
        case State.FAILED:
            return "timeout" if timed_out else "failed"
        case State.CANCELLED:
            return "cancelled"
        case State.SKIPPED:
            return "skipped"
    return "pending"


def state_of(status: Status) -> State:
    """Return the state that a word stands for."""
    return State.FAILED if status == "timeout" else State(status)


def future_name(number: int) -> FutureName:
    """Return the name of the ``number``-th future of a conversation, counted from 1."""
    return FutureName(f"f{number}")


def future_number(name: str) -> int:
    """Return the number in the name of a future."""
    return int(name[1:])
