"""The same program, one call after another: what overlapping must come to as well.

Nothing of the package is used here but the time that a call may take. The reference is told what came from outside: which calls
the person took back, which failures the model had heard of before it wrote each call, and which replies were cut off.
"""

import re
from dataclasses import dataclass, field

from asyncfc_jupyter.defaults import DEFAULT_TIMEOUT_S
from tests.runtime.stateful_tools import FAMILIES, LEAVES, PLACES, World, approves, below, result

IN_THREADS = ("look_in_thread", "add_in_thread")


@dataclass
class Call:
    """One call of a random program, with what came from outside."""

    tool: str
    arguments: dict
    #: Futures whose failure the model had been told of before it wrote the call.
    told: frozenset = frozenset()
    #: The reply that held it was cut off.
    cut_off: bool = False
    #: The person took it back before it was over.
    taken_back: bool = False


@dataclass
class Serial:
    """Runs calls one by one."""

    world: World
    #: By future's name: status, value, and what it raised.
    outcomes: dict = field(default_factory=dict)

    def run(self, calls):
        for number, call in enumerate(calls, start=1):
            self.outcomes[f"f{number}"] = self.outcome(call)
        return self

    def outcome(self, call):
        """Return what becomes of one call: its status, its value, and the text of what its function raised."""
        if call.taken_back:
            return "cancelled", None, ""
        if self.lost(call):
            return "not made", None, ""
        try:
            arguments = {name: self.argument(name, text) for name, text in call.arguments.items()}
        except (LookupError, TypeError):
            return "not made", None, ""
        return self.made(call.tool, arguments)

    def made(self, tool, arguments):
        """Return what becomes of a call whose arguments are there."""
        if tool == "grant" and not approves(arguments["amount"]):
            return "not made", None, ""
        if self.world.naps[arguments["nap"]] > DEFAULT_TIMEOUT_S and tool not in IN_THREADS:
            return "timeout", None, ""
        try:
            return "done", self.act(tool, **arguments), ""
        except ValueError as error:
            return "failed", None, str(error)

    def lost(self, call):
        for text in call.arguments.values():
            if (name := named(text)) and self.outcomes[name][0] != "done":
                return True
        unheard = (name for name, outcome in self.outcomes.items() if outcome[0] != "done" and name not in call.told)
        return call.tool == "send" and (call.cut_off or next(unheard, None) is not None)

    def argument(self, name, text):
        """Return what a reference stands for, if it is there and fits."""
        if named(text) is None:
            return text
        value = self.outcomes[named(text)][1][text.partition(".")[2]]
        fits = {
            "amount": lambda: type(value) is int,
            "family": lambda: value in FAMILIES,
            "leaf": lambda: value in LEAVES,
        }
        if not fits[name]():
            raise TypeError(f"{value} does not fit {name}")
        return value

    def act(self, tool, *, amount, nap, family=None, leaf=None, target="b"):
        here, there = below(family, leaf), below(target, leaf)
        world = self.world
        if tool == "put":
            if world.fails_so_often(amount) > 2:
                raise ValueError("not yet")
            world.state.update({place: amount % 97 for place in PLACES if place[: len(here)] == here})
            return result(0, 0, amount)
        reads, write = {
            "look": ([here], None),
            "look_in_thread": ([here], None),
            "copy": ([here, there], there),
            "calculate": ([], None),
            "shake": ([()], ()),
            "send": ([("outbox",)], ("outbox",)),
        }.get(tool, ([here], here))
        seen = world.look(*reads)
        if write is not None:
            world.write(write, amount, seen)
        if (amount + seen) % 8 == 7:
            raise ValueError(f"{amount} does not go with {seen}")
        return result(seen, seen, amount)


def named(text):
    """Return the future that an argument refers to, or None."""
    found = re.match(r"\$(f\d+)", text) if isinstance(text, str) else None
    return found.group(1) if found else None
