"""The scheduler's rules, checked by brute force. Tests do so after every event.

Nothing here uses the indexes, queues and watchers that make the scheduler fast: each rule is stated from its definition.
"""

from __future__ import annotations

from asyncfc_jupyter.core.call_record import Gate, Record
from asyncfc_jupyter.core.effects import hazards
from asyncfc_jupyter.core.futures import State
from asyncfc_jupyter.core.scheduler import Scheduler
from asyncfc_jupyter.errors import InvariantBroken


def check(scheduler: Scheduler) -> None:
    """Check every rule.

    Raises:
        InvariantBroken: A rule does not hold; the error has the story of the call that it concerns.
    """
    alive = [record for record in scheduler.records() if not record.state.settled]
    running = [record for record in alive if record.state is State.RUNNING]
    for name in {limit.name for record in running for limit in record.limits}:
        holders = [record for record in running if any(limit.name == name for limit in record.limits)]
        # Tools may give one name different numbers. A call obeys its own, so the largest is never exceeded.
        most = max(limit.places for record in holders for limit in record.limits if limit.name == name)
        if len(holders) > most:
            raise InvariantBroken(f"at most {most} run under {name}", holders[-1].story)
    for record in alive:
        _check_gate(scheduler, record, alive, running)


def _check_gate(scheduler: Scheduler, record: Record, alive: list[Record], running: list[Record]) -> None:
    earlier = [other for other in alive if other.order < record.order]
    if record.same_as is not None:
        if scheduler.state(record.same_as).settled:
            raise InvariantBroken("a call settles with the one it repeats", record.story)
        return
    missing = any(not scheduler.state(name).settled for name in record.issued.needs)
    blocked = any(hazards(other.effects, record.effects) for other in earlier)
    unsafe = record.issued.irreversible and (bool(earlier) or record.in_open_reply)
    full = any(
        sum(any(held.name == limit.name for held in other.limits) for other in running) >= limit.places
        for limit in record.limits
    )
    clear = not missing and not blocked and not unsafe
    rule = {
        Gate.DATA: missing,
        Gate.ARGUMENTS: not missing,
        Gate.HAZARD: not missing and blocked,
        Gate.IRREVERSIBLE: not missing and not blocked and unsafe,
        Gate.BINDING: clear and not record.bound,
        Gate.APPROVAL: clear and record.bound and record.issued.approve,
        Gate.LIMIT: clear and record.bound and (full or scheduler.resolving),
        Gate.OPEN: clear and record.bound and record.state is State.RUNNING,
    }
    if not rule[record.gate]:
        raise InvariantBroken(f"a call waits at the right gate, not {record.gate}", record.story)
