"""What the scheduler must do, written from the definition alone: no watching, no indexes, no queues, no gates.

The oracle has the list of all calls. After each event it says which calls are lost, which fail, for which the user is asked
and which run: it looks at all of them again until nothing changes.
"""

from dataclasses import dataclass, field

from asyncfc_jupyter.core.effects import PURE, Effects, hazards
from asyncfc_jupyter.core.events import Limit

LOST = ("failed", "cancelled", "skipped")


@dataclass
class Planned:
    """A call of a random program: what it needs, and what it touches.

    That becomes known in three steps: as it is issued, when all that it needs is there, and when its arguments are bound.
    """

    needs: tuple[int, ...] = ()
    wide: Effects = PURE
    known: Effects = PURE
    exact: Effects = PURE
    #: Its arguments are bound only when nothing before it can affect them.
    late: bool = False
    #: And then only when the driver says so.
    delayed: bool = False
    irreversible: bool = False
    approve: bool = False
    misfit: bool = False
    limits: tuple[Limit, ...] = ()
    same_as: int | None = None


@dataclass
class Oracle:
    """Every call, in order, with its state."""

    limit: int
    calls: list[Planned] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    #: For each call: the failures that the model had seen before it wrote the call, and the call's reply.
    known_failures: list[frozenset[int]] = field(default_factory=list)
    replies: list[int] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)
    approved: set[int] = field(default_factory=set)
    #: Calls whose arguments are bound late, and those for which the driver is waited for.
    bound: set[int] = field(default_factory=set)
    awaited: set[int] = field(default_factory=set)
    shown: set[int] = field(default_factory=set)
    #: The end of each reply, or that it is open. Before the first one no reply is open, and nothing was cut off.
    ends: list[str] = field(default_factory=lambda: ["good"])

    def issue(self, call):
        self.calls.append(call)
        self.states.append("pending")
        self.known_failures.append(frozenset(self.shown))
        self.replies.append(len(self.ends) - 1)
        self.spread()

    def settle(self, number, state, *, shareable=True):
        self.states[number] = state
        for call in self.calls if not shareable else ():
            if call.same_as == number:
                call.same_as = None
        self.spread()

    def bind(self, number):
        self.bound.add(number)
        self.spread()

    def approve(self, number):
        self.approved.add(number)
        self.spread()

    def begin_reply(self):
        self.ends.append("open")

    def end_reply(self, end):
        self.ends[-1] = end
        self.spread()

    def pending(self):
        return [number for number, state in enumerate(self.states) if state == "pending"]

    def spread(self):
        """Settle and bind the calls that can be, then ask for approvals, then give places in order of emission."""
        while any(map(self.settles_itself, self.pending())) or any(map(self.binds_itself, self.pending())):
            pass
        for number in self.pending():
            if self.clear(number) and self.is_bound(number) and self.calls[number].approve:
                self.asked.add(number)
        for number in self.pending():
            if self.may_start(number):
                self.states[number] = "running"

    def settles_itself(self, number):
        call = self.calls[number]
        if call.same_as is not None:
            new = self.states[call.same_as] if self.states[call.same_as] not in ("pending", "running") else None
        elif any(self.states[n] in LOST for n in call.needs) or self.forbidden(number):
            new = "skipped"
        elif call.misfit and self.known(number) and self.is_bound(number):
            new = "failed"
        else:
            new = None
        if new is not None:
            self.states[number] = new
        return new is not None

    def binds_itself(self, number):
        if self.is_bound(number) or not self.clear(number):
            return False
        if self.calls[number].delayed:
            self.awaited.add(number)
            return False
        self.bound.add(number)
        return True

    def is_bound(self, number):
        return not self.calls[number].late or number in self.bound

    def forbidden(self, number):
        if not self.calls[number].irreversible:
            return False
        unseen = any(self.states[n] in LOST and n not in self.known_failures[number] for n in range(number))
        return unseen or self.ends[self.replies[number]] == "broken"

    def known(self, number):
        return all(self.states[n] == "done" for n in self.calls[number].needs)

    def clear(self, number):
        """Whether only its arguments, the user or a limit may hold the call."""
        call = self.calls[number]
        earlier = [n for n in range(number) if self.states[n] in ("pending", "running")]
        safe = not call.irreversible or (not earlier and self.ends[self.replies[number]] != "open")
        return (
            call.same_as is None
            and self.known(number)
            and safe
            and not any(hazards(self.effects(n), self.effects(number)) for n in earlier)
        )

    def may_start(self, number):
        call = self.calls[number]
        return (
            self.clear(number)
            and self.is_bound(number)
            and (not call.approve or number in self.approved)
            and not any(self.full(limit) for limit in self.limits(number))
        )

    def limits(self, number):
        return (Limit(name="the run", places=self.limit), *self.calls[number].limits)

    def full(self, limit):
        running = [n for n, state in enumerate(self.states) if state == "running"]
        return sum(any(each.name == limit.name for each in self.limits(n)) for n in running) >= limit.places

    def effects(self, number):
        call = self.calls[number]
        if call.same_as is not None or not self.known(number):
            return call.wide
        return call.exact if self.is_bound(number) else call.known

    def may_share(self, earlier, call):
        """Whether a call made now would read what the earlier one reads, with pending calls in between."""
        return self.states[earlier] in ("pending", "running") and not any(
            hazards(self.effects(n), call.exact)
            for n in range(earlier + 1, len(self.calls))
            if n in self.alive() and self.calls[n].same_as != earlier
        )

    def alive(self):
        return [number for number, state in enumerate(self.states) if state in ("pending", "running")]
