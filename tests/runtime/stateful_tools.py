"""A small real state and tools that really read and write it: each in its own way, and exactly as it declares.

A tool reads its places when it starts, sleeps, reads them again and then writes. Both readings are part of its result and of
what it writes: a call that overlapped a conflicting one cannot have the same result as alone. Whether it fails depends on its
arguments and its readings. It writes at its very end in one step, so that a stopped call has done nothing; or it writes
immediately and undoes that when it is stopped, which takes time.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from asyncfc_jupyter.tools.context import ToolContext
from asyncfc_jupyter.tools.definition import make_tool

FAMILIES, LEAVES = ("a", "b"), ("x", "y")
PLACES = (*((family, leaf) for family in FAMILIES for leaf in LEAVES), ("outbox",))
#: Seconds that a call may take, by its argument ``nap``; the last of them is longer than a call may take.
NAPS = (0.0, 1.0, 0.3, 2.6, 7.1, 100.0)
TOO_LONG = len(NAPS) - 1
#: The durations with which a call has to undo its writes.
ROLL_BACK = 1
RETRIES = 2
MODULUS = 97

Family = Literal["a", "b"]


class World:
    """State by place, and other data that the tools need."""

    def __init__(self, *, naps=NAPS, flaky=True):
        self.state = {place: number + 1 for number, place in enumerate(PLACES)}
        self.naps, self.flaky = naps, flaky
        self.attempts = {}

    def look(self, *paths):
        """Return one number that depends on every value below these paths."""
        seen = 0
        for path in paths:
            for place, value in self.state.items():
                if place[: len(path)] == path:
                    seen = (seen * 5 + value) % MODULUS
        return seen

    def write(self, path, amount, seen):
        for place, value in self.state.items():
            if place[: len(path)] == path:
                self.state[place] = (value * 3 + amount + seen) % MODULUS

    def fails_so_often(self, amount):
        """Return how many attempts at ``put`` fail before one succeeds."""
        return amount % (RETRIES + 2) if self.flaky else 0


class Here:
    """Holds the world of the tools below, which are made once, since making a tool takes longer than a program."""

    world = World()


def result(seen, again, amount):
    """Return the result of every tool: numbers and names for later calls to take."""
    value = (seen + 2 * again + amount) % MODULUS
    return {"value": value, "family": FAMILIES[value % 2], "leaf": LEAVES[value // 2 % 2], "saw": [seen, again]}


def conclude(write, amount, seen, again):
    """Write if there is something to write, and return the result, or fail."""
    if write is not None:
        Here.world.write(write, amount, again)
    if (amount + seen) % 8 == 7:
        raise ValueError(f"{amount} does not go with {seen}")
    return result(seen, again, amount)


def below(family, leaf):
    return (family,) if leaf is None else (family, leaf)


async def slowly(reads, write, amount, nap):
    seen = Here.world.look(*reads)
    await asyncio.sleep(Here.world.naps[nap])
    return conclude(write, amount, seen, Here.world.look(*reads))


async def look(family: Family, amount: int, nap: int, leaf: str | None = None) -> dict:
    """Look at a place, or at all places of a family."""
    return await slowly([below(family, leaf)], None, amount, nap)


async def add(family: Family, amount: int, nap: int, leaf: str | None = None) -> dict:
    """Change a place, or all places of a family."""
    return await slowly([below(family, leaf)], below(family, leaf), amount, nap)


async def revise(family: Family, amount: int, nap: int, leaf: str | None = None) -> dict:
    """Change a place, or all places of a family, immediately, and undo the change if cancelled."""
    here, before = below(family, leaf), dict(Here.world.state)
    seen = Here.world.look(here)
    Here.world.write(here, amount, seen)
    try:
        await asyncio.sleep(Here.world.naps[nap])
    except BaseException:
        await asyncio.sleep(Here.world.naps[ROLL_BACK])
        Here.world.state.update({place: before[place] for place in PLACES if place[: len(here)] == here})
        raise
    return conclude(None, amount, seen, seen)


async def copy(family: Family, amount: int, nap: int, leaf: str | None = None, target: Family = "b") -> dict:
    """Change one place by what another holds."""
    return await slowly([below(family, leaf), below(target, leaf)], below(target, leaf), amount, nap)


async def put(family: Family, amount: int, nap: int, context: ToolContext, leaf: str | None = None) -> dict:
    """Set a place: the same however often it is done. Its first attempts may fail."""
    await asyncio.sleep(Here.world.naps[nap])
    attempt = Here.world.attempts[context.call_id] = Here.world.attempts.get(context.call_id, 0) + 1
    if attempt <= Here.world.fails_so_often(amount):
        raise ValueError("not yet")
    for place in [p for p in PLACES if p[: len(below(family, leaf))] == below(family, leaf)]:
        Here.world.state[place] = amount % MODULUS
    return result(0, 0, amount)


async def calculate(amount: int, nap: int) -> dict:
    """Touch nothing."""
    return await slowly([], None, amount, nap)


async def shake(amount: int, nap: int) -> dict:
    """Change everything, and declare nothing."""
    return await slowly([()], (), amount, nap)


async def send(amount: int, nap: int) -> dict:
    """Send something irreversible."""
    return await slowly([("outbox",)], ("outbox",), amount, nap)


async def grant(family: Family, amount: int, nap: int, leaf: str | None = None) -> dict:
    """Change a place after the user said yes."""
    return await slowly([below(family, leaf)], below(family, leaf), amount, nap)


def look_in_thread(family: Family, amount: int, nap: int, leaf: str | None = None) -> dict:
    """Look at a place, in a thread."""
    seen = Here.world.look(below(family, leaf))
    return conclude(None, amount, seen, Here.world.look(below(family, leaf)))


def add_in_thread(family: Family, amount: int, nap: int, leaf: str | None = None) -> dict:
    """Change a place, in a thread."""
    seen = Here.world.look(below(family, leaf))
    return conclude(below(family, leaf), amount, seen, Here.world.look(below(family, leaf)))


def approves(amount):
    """Return the user's answer."""
    return amount % 3 != 0


HERE, THERE = "{family}/{leaf}", "{target}/{leaf}"
POOL = ThreadPoolExecutor(2, thread_name_prefix="shared by tests")
TOOLS = {
    tool.name: tool
    for tool in (
        make_tool(look, reads=HERE, idempotent=True, limit={"lines": 3}),
        make_tool(add, writes=HERE, limit={"lines": 2, "lines/{family}": 1}),
        make_tool(revise, writes=HERE),
        make_tool(copy, reads=HERE, writes=THERE),
        make_tool(put, writes=HERE, idempotent=True, retries=RETRIES),
        make_tool(calculate, pure=True, limit=2),
        make_tool(shake),
        make_tool(send, writes="outbox", irreversible=True),
        make_tool(grant, writes=HERE, approve=True),
        make_tool(look_in_thread, reads=HERE, run_in=POOL),
        make_tool(add_in_thread, writes=HERE),
    )
}
