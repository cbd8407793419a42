"""What the scheduler knows of one call, and the gates that a call passes before it starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto

from asyncfc_jupyter.core.effects import Effects, Hazard, Path, meet
from asyncfc_jupyter.core.events import CallIssued
from asyncfc_jupyter.core.futures import FutureName, State
from asyncfc_jupyter.core.limits import Limits
from asyncfc_jupyter.core.path_index import Conflict
from asyncfc_jupyter.core.waits import Wait


class Gate(Enum):
    """Which gate a pending call stands before."""

    DATA = auto()
    ARGUMENTS = auto()
    HAZARD = auto()
    IRREVERSIBLE = auto()
    APPROVAL = auto()
    LIMIT = auto()
    OPEN = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class Record:
    """What the scheduler knows of one call."""

    issued: CallIssued
    #: Place in the order of emission, from 0.
    order: int
    effects: Effects
    #: Its reply has not ended yet.
    in_open_reply: bool
    limits: Limits = ()
    state: State = State.PENDING
    gate: Gate = Gate.DATA
    #: Futures whose values are still missing.
    missing: set[FutureName] = field(default_factory=set)
    #: How many of them there were when the reason to wait was last told.
    told: int = 0
    #: Calls that take this one's value.
    dependents: list[Record] = field(default_factory=list)
    #: Calls that repeat this one.
    repeats: list[Record] = field(default_factory=list)
    #: Calls that look again when this one settles or narrows.
    watchers: list[Record] = field(default_factory=list)
    #: Whether it is among the watchers of another.
    watches: bool = False
    story: list[str] = field(default_factory=lambda: ["issued"])

    @property
    def future(self) -> FutureName:
        """The name of its future."""
        return self.issued.future


def hazard_wait(conflict: Conflict, blocker: Record, held: Record) -> Wait:
    """Return what to say of a call that is held by an earlier one, and no more of that one than is known."""
    effects = blocker.effects
    meeting: list[Path] = []
    if effects.widened:
        touched = effects.reads if conflict.hazard is Hazard.WAR else effects.writes
        meeting = [path for path in touched if meet(path, conflict.path)]
    widened = bool(meeting) and all(path in effects.widened for path in meeting)
    return Wait(
        kind="hazard",
        on=(blocker.future,),
        hazard=conflict.hazard,
        path=meeting[0] if widened else conflict.path,
        declared=effects.declared and held.effects.declared,
        widened=widened,
    )


_FUTURE = re.compile(r"\$(f\d+)")


def future_of(reference: str) -> str:
    """Return the name of the future in a reference as it is written; nothing where there is none."""
    match = _FUTURE.match(reference)
    return match.group(1) if match else ""
