"""The same program, one call after another: the reference result for overlapping calls.

Nothing of the package is used here but the time that a call may take. The reference gets the events from outside: which calls
the user cancelled, which failures the model had seen before it wrote each call, and which replies were cut off.
"""

import re
from dataclasses import dataclass, field

from asyncfc_jupyter.defaults import DEFAULT_TIMEOUT_S
from tests.runtime.stateful_tools import FAMILIES, LEAVES, PLACES, World, approves, below, result

IN_THREADS = ("look_in_thread", "add_in_thread")


@dataclass
class Call:
    """One call of a random program, with the events from outside."""

    tool: str
    arguments: dict
    #: Futures whose failure the model had seen before it wrote the call.
    seen_failures: frozenset = frozenset()
    #: Its reply was cut off.
    cut_off: bool = False
    #: The user cancelled it before it ended.
    cancelled: bool = False


@dataclass
class Serial:
    """Runs calls one by one."""

    world: World
    #: By the future's name: status, value, and exception.
    outcomes: dict = field(default_factory=dict)

    def run(self, calls):
        for number, call in enumerate(calls, start=1):
            self.outcomes[f"f{number}"] = self.outcome(call)
        return self

    def outcome(self, call):
        """Return the outcome of one call: its status, its value, and the text of its exception."""
        if call.cancelled:
            return "cancelled", None, ""
        if self.lost(call):
            return "not made", None, ""
        try:
            arguments = {name: self.argument(name, text) for name, text in call.arguments.items()}
        except (LookupError, TypeError):
            return "not made", None, ""
        return self.made(call.tool, arguments)

    def made(self, tool, arguments):
        """Return the outcome of a call whose arguments are known."""
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
        unseen = (
            name for name, outcome in self.outcomes.items() if outcome[0] != "done" and name not in call.seen_failures
        )
        return call.tool == "send" and (call.cut_off or next(unseen, None) is not None)

    def argument(self, name, text):
        """Return the value of a reference, if it exists and fits."""
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
