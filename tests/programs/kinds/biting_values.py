"""Values whose own code raises when it is run, and functions that raise what is not an `Exception`."""

import asyncio
from typing import Any

from asyncfc_jupyter import tool
from tests.programs.program import Kind, naps, one_of, result_of
from tests.programs.time import nap


class Bite(BaseException):
    """Nobody expects it."""


HOOKS = (
    *("__repr__", "__str__", "__len__", "__eq__", "__hash__", "__bool__", "__iter__", "__getitem__", "__format__"),
    *("__reduce_ex__", "__getattr__", "__getattribute__", "__float__", "__contains__", "__deepcopy__", "__copy__"),
    *("__sizeof__", "keys", "items"),
)
ERRORS = (
    ValueError,
    Bite,
    SystemExit,
    GeneratorExit,
    asyncio.CancelledError,
    StopIteration,
    RecursionError,
    MemoryError,
)


def _biting(hook, error, bases=(object,)):
    def bite(self, *arguments):
        raise error(f"{hook} bites")

    return type(f"Bites{hook.strip('_').title()}", bases, {hook: bite, "opaque": True})


#: By the number of the hook and of the error.
KINDS = [[_biting(hook, error) for error in ERRORS] for hook in HOOKS]
PLAIN_KINDS = [[_biting(hook, error, (dict,)) for error in ERRORS] for hook in HOOKS]
EXCEPTION_KINDS = [[_biting(hook, error, (error,)) for error in ERRORS] for hook in HOOKS]


def observe(stamped):
    """Raise at the first event, something else for each run: the run continues without this observer."""
    raise ERRORS[int(stamped.at_s * 10) % len(ERRORS)]("an observer bites")


@tool(reads="kinds")
async def make(hook: int, error: int, nap_s: float) -> object:
    """Make a value that bites."""
    await nap(nap_s)
    return KINDS[hook][error]()


@tool(reads="kinds")
async def hold(hook: int, error: int) -> list:
    """Return one in plain data."""
    return [1, {"inside": PLAIN_KINDS[hook][error](a=1)}]


@tool(pure=True)
async def throw(error: int, nap_s: float) -> str:
    """Raise."""
    await nap(nap_s)
    raise ERRORS[error]("thrown")


@tool(pure=True)
async def throw_biting(hook: int, error: int, nap_s: float) -> str:
    """Raise an exception that bites."""
    await nap(nap_s)
    raise EXCEPTION_KINDS[hook][error]("thrown")


@tool(pure=True)
def throw_in_thread(error: int) -> str:
    """Raise in a thread."""
    raise ERRORS[error]("thrown")


@tool(pure=True)
async def take(value: object, nap_s: float) -> str:
    """Return the name of its type."""
    await nap(nap_s)
    return type(value).__name__


@tool
async def take_undeclared(value: Any) -> object:
    """Return what it is given."""
    return value


@tool(reads="places/{value}")
async def take_at(value: Any) -> str:
    """Take it as a place."""
    return type(value).__name__


hook, error = one_of(*range(len(HOOKS))), one_of(*range(len(ERRORS)))
value = result_of("make", "hold", "take_undeclared", steps=("", "", '[1]["inside"]', "[0]", ".missing", '["missing"]'))

KIND = Kind(
    module=__name__,
    begin=lambda: None,
    state=lambda: None,
    calls=(
        (make, {"hook": hook, "error": error, "nap_s": naps}),
        (take, {"value": value, "nap_s": naps}),
        (throw, {"error": error, "nap_s": naps}),
        (throw_biting, {"hook": hook, "error": error, "nap_s": naps}),
        (throw_in_thread, {"error": error}),
        (take_undeclared, {"value": value}),
        (take_at, {"value": value}),
        (hold, {"hook": hook, "error": error}),
    ),
    observers=(observe,),
    stoppable=frozenset(
        {"make", "hold", "throw", "throw_biting", "throw_in_thread", "take", "take_undeclared", "take_at"}
    ),
)
