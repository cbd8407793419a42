"""What the scheduler knows of one call, and the gates that a call passes before it starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache

from asyncfc_jupyter.core.effects import Effects, Hazard, meet
from asyncfc_jupyter.core.events import CallIssued, Limit
from asyncfc_jupyter.core.futures import TRANSITIONS, FutureName, State
from asyncfc_jupyter.core.limits import Limits
from asyncfc_jupyter.core.path_index import Conflict
from asyncfc_jupyter.core.waits import Wait
from asyncfc_jupyter.errors import InvariantBroken

_FUTURE = re.compile(r"\$(f\d+)")


class Gate(Enum):
    """The gate that a pending call waits at."""

    DATA = auto()
    ARGUMENTS = auto()
    HAZARD = auto()
    IRREVERSIBLE = auto()
    BINDING = auto()
    APPROVAL = auto()
    LIMIT = auto()
    OPEN = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class Record:
    """What the scheduler knows of one call. It stays for as long as the conversation lasts."""

    issued: CallIssued
    #: Number in the order of emission, from 0.
    order: int
    effects: Effects
    #: Its reply has not ended yet.
    in_open_reply: bool
    #: The call whose outcome it waits to take; None for a call that runs.
    same_as: FutureName | None = None
    limits: Limits = ()
    state: State = State.PENDING
    gate: Gate = Gate.DATA
    #: Whether its arguments are bound: the values that its function will get.
    bound: bool = False
    #: Whether the driver is resolving its arguments.
    resolving: bool = False
    #: How many of the values that it needs are missing.
    missing: int = 0
    #: How many values were missing when the reason to wait was last reported.
    reported: int = 0
    #: Whether it is among the watchers of another.
    watches: bool = False
    #: What happened to the call, in order, for bug reports; a reason to wait is no text before one is needed.
    steps: list[str | Wait] = field(default_factory=lambda: ["issued"])

    @property
    def future(self) -> FutureName:
        """The name of its future."""
        return self.issued.future

    @property
    def story(self) -> str:
        """All that happened to the call, in order, on one line."""
        steps = [f"held: {step}" if isinstance(step, Wait) else step for step in self.steps]
        return f"{self.future} ({self.issued.tool}), {self.state}: " + ", then ".join(steps)

    def move(self, state: State) -> None:
        """Change the state.

        Raises:
            InvariantBroken: The new state never follows the present one.
        """
        if state not in TRANSITIONS[self.state]:
            raise InvariantBroken(f"{self.state} is never followed by {state}", self.story)
        self.state = state
        self.steps.append(state.value)


def hazard_wait(conflict: Conflict, blocker: Record, held: Record) -> Wait:
    """Return why an earlier call holds a later one, with the path of the earlier one if that is still widened."""
    effects = blocker.effects
    touched = effects.reads if conflict.hazard is Hazard.WAR else effects.writes
    meeting = [path for path in touched if meet(path, conflict.path)] if effects.widened else []
    widened = bool(meeting) and all(path in effects.widened for path in meeting)
    return Wait(
        kind="hazard",
        on=(blocker.future,),
        hazard=conflict.hazard,
        path=meeting[0] if widened else conflict.path,
        declared=effects.declared and held.effects.declared,
        widened=widened,
    )


@lru_cache(256)
def limit_wait(full: Limit) -> Wait:
    """Return that a limit has no free place. Thousands of calls may wait for one limit: it is made once."""
    return Wait(kind="limit", detail=str(full))


def future_of(reference: str) -> str:
    """Return the name of the future in a reference as it is written, or an empty text for any other text."""
    match = _FUTURE.match(reference)
    return match.group(1) if match else ""
