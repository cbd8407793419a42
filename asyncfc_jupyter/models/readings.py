"""Which call a delta belongs to: the table of all combinations.

Servers disagree on how a delta names its call. The *known* call is the one at its index, unless its id belongs to another;
for a delta without index and name it is the call before. A delta without a known call begins one. For any other delta three
marks are compared with those of the known call, and the state of its arguments is looked at. `READINGS` says the rest.

An index and an id that agree are the strongest sign: such a delta continues its call. A call that has an id keeps it, so a
delta without one counts as having the same. A call that has none may get one late, so an id then says nothing. A call has one
name, so another name begins a call, also under an id that is in use. A name and an id that both are new begin a call, too.

A call that *repeats* another is held until its arguments are complete. If they equal those of the other, some gateway sent
the call twice, and it is dropped. If they differ it is a call of its own. If the other has none, they are its arguments.

What cannot be distinguished is read so that no call runs twice: on one index, without ids, an equal call is a repetition.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Mark(Enum):
    """An index, an id or a name, compared with that of the known call."""

    SAME = "same"
    NEW = "new"
    MISSING = "missing"


class State(Enum):
    """The arguments of the known call."""

    #: None came, or only whitespace and empty objects, which may stand for arguments that follow.
    UNBEGUN = "unbegun"
    #: Text came that does not make an object yet.
    OPEN = "open"
    #: They are complete.
    CLOSED = "closed"


class Reading(Enum):
    """What a delta is."""

    CONTINUES = "continues the known call"
    BEGINS = "begins a call"
    REPEATS = "begins a call that may repeat the known one"


_SAME, _NEW, _MISSING = Mark.SAME, Mark.NEW, Mark.MISSING
_CONTINUES, _BEGINS, _REPEATS = Reading.CONTINUES, Reading.BEGINS, Reading.REPEATS

#: By index, id and name: the readings where the arguments of the known call are unbegun, open and closed. A new name differs
#: from the call's and is no piece of it, which only the beginning of arguments, or the names of the request's tools, can show.
_ROWS: Mapping[tuple[Mark, Mark, Mark], tuple[Reading, Reading, Reading]] = {
    (_SAME, _SAME, _MISSING): (_CONTINUES, _CONTINUES, _CONTINUES),
    (_SAME, _SAME, _SAME): (_CONTINUES, _CONTINUES, _CONTINUES),
    (_SAME, _SAME, _NEW): (_BEGINS, _BEGINS, _BEGINS),
    # Some gateways make an id for each delta. A nameless call may still get its name.
    (_SAME, _NEW, _MISSING): (_CONTINUES, _CONTINUES, _REPEATS),
    (_SAME, _NEW, _SAME): (_BEGINS, _CONTINUES, _BEGINS),
    (_SAME, _NEW, _NEW): (_BEGINS, _BEGINS, _BEGINS),
    # Servers without ids, which put every call at index 0 or name the call in every delta.
    (_SAME, _MISSING, _MISSING): (_CONTINUES, _CONTINUES, _CONTINUES),
    (_SAME, _MISSING, _SAME): (_CONTINUES, _CONTINUES, _REPEATS),
    (_SAME, _MISSING, _NEW): (_BEGINS, _BEGINS, _BEGINS),
    # The arguments come on the next index, or the whole call does again. Or each call has the same id.
    (_NEW, _SAME, _MISSING): (_CONTINUES, _CONTINUES, _CONTINUES),
    (_NEW, _SAME, _SAME): (_REPEATS, _REPEATS, _REPEATS),
    (_NEW, _SAME, _NEW): (_BEGINS, _BEGINS, _BEGINS),
    (_MISSING, _SAME, _MISSING): (_CONTINUES, _CONTINUES, _CONTINUES),
    (_MISSING, _SAME, _SAME): (_CONTINUES, _CONTINUES, _CONTINUES),
    (_MISSING, _SAME, _NEW): (_BEGINS, _BEGINS, _BEGINS),
    (_MISSING, _NEW, _MISSING): (_CONTINUES, _CONTINUES, _REPEATS),
    (_MISSING, _NEW, _SAME): (_BEGINS, _BEGINS, _BEGINS),
    (_MISSING, _NEW, _NEW): (_BEGINS, _BEGINS, _BEGINS),
    (_MISSING, _MISSING, _MISSING): (_CONTINUES, _CONTINUES, _CONTINUES),
    (_MISSING, _MISSING, _SAME): (_CONTINUES, _CONTINUES, _REPEATS),
    (_MISSING, _MISSING, _NEW): (_BEGINS, _BEGINS, _BEGINS),
}
READINGS: Mapping[tuple[Mark, Mark, Mark, State], Reading] = {
    (*marks, state): reading for marks, row in _ROWS.items() for state, reading in zip(State, row, strict=True)
}
