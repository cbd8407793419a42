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
    """A call of a random program: what it needs, and what it touches before and after its arguments are known."""

    needs: tuple[int, ...] = ()
    wide: Effects = PURE
    exact: Effects = PURE
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
    shown: set[int] = field(default_factory=set)
    #: The end of each reply, or that it is open. Before the first one no reply is open, and nothing was cut off.
    ends: list[str] = field(default_factory=lambda: ["good"])

    def issue(self, call):
        self.calls.append(call)
        self.states.append("pending")
        self.known_failures.append(frozenset(self.shown))
        self.replies.append(len(self.ends) - 1)
        self.spread()

    def settle(self, number, state):
        self.states[number] = state
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
        """Settle the calls that settle by themselves, then ask for approvals, then give places in order of emission."""
        while any(self.settles_itself(number) for number in self.pending()):
            pass
        for number in self.pending():
            if self.clear(number) and self.calls[number].approve:
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
        elif call.misfit and self.known(number):
            new = "failed"
        else:
            new = None
        if new is not None:
            self.states[number] = new
        return new is not None

    def forbidden(self, number):
        if not self.calls[number].irreversible:
            return False
        unseen = any(self.states[n] in LOST and n not in self.known_failures[number] for n in range(number))
        return unseen or self.ends[self.replies[number]] == "broken"

    def known(self, number):
        return all(self.states[n] == "done" for n in self.calls[number].needs)

    def clear(self, number):
        """Whether only the user or a limit may hold the call."""
        call = self.calls[number]
        earlier = [n for n in range(number) if self.states[n] in ("pending", "running")]
        safe = not call.irreversible or (not earlier and self.ends[self.replies[number]] != "open")
        return (
            call.same_as is None
            and self.known(number)
            and safe
            and not any(hazards(self.effects(n), call.exact) for n in earlier)
        )

    def may_start(self, number):
        call = self.calls[number]
        return (
            self.clear(number)
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
        if call.same_as is not None:
            return PURE
        return call.exact if self.known(number) else call.wide

    def may_share(self, earlier, call):
        """Whether a call made now would read what the earlier one reads, with pending calls in between."""
        return self.states[earlier] in ("pending", "running") and not any(
            hazards(self.effects(n), call.exact) for n in range(earlier + 1, len(self.calls)) if n in self.alive()
        )

    def alive(self):
        return [number for number, state in enumerate(self.states) if state in ("pending", "running")]
