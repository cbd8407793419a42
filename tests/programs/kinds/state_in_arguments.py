"""Arguments whose checks, defaults and copies look at the state: validators, default factories, coercions."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from asyncfc_jupyter import tool
from tests.programs.program import Kind, either, naps, one_of, result_of
from tests.programs.time import nap


class World:
    """What the tools of this file touch."""

    count = 0
    names: dict[str, str] = {}  # noqa: RUF012 - made for each program by `begin`
    log: list[str] = []  # noqa: RUF012
    places: dict[str, int] = {}  # noqa: RUF012


def begin():
    World.count, World.names, World.log, World.places = 0, {"a": "a"}, [], {}


def state():
    return World.count, sorted(World.names.items()), World.log, sorted(World.places.items())


def known(name):
    """Refuse a name that is not there."""
    if name not in World.names:
        raise ValueError(f"{name} is not there")
    return name


def meant(name):
    """Return what a name stands for at this moment."""
    return World.names.get(name, name)


def at_least(number):
    if number < World.count:
        raise LookupError(f"{number} is below {World.count}")  # not a ValueError, so not an error of the check
    return number


@tool
async def bump(by: int, nap_s: float) -> int:
    """Count up in two steps, and declare nothing."""
    World.count += by
    await nap(nap_s)
    World.count += 1
    if by == 3:
        raise ValueError(f"{by} is too much")
    return World.count


@tool(writes="count")
async def count_up(nap_s: float) -> int:
    """Count up, declared."""
    seen = World.count
    await nap(nap_s)
    World.count = seen + 1
    return World.count


@tool(writes="names/{name}")
async def call_it(name: str, other: str, nap_s: float) -> str:
    """Give a name another meaning."""
    await nap(nap_s)
    World.names[name] = other
    return other


@tool(writes="names")
async def forget(name: str, nap_s: float) -> str:
    """Remove a name."""
    await nap(nap_s)
    World.names.pop(name, None)
    return name


@tool
async def look(plus: int, n: int = Field(default_factory=lambda: World.count)) -> int:
    """Return a number, by default the count, and some more."""
    return n + plus


@tool(reads="count")
async def look_declared(nap_s: float, n: int = Field(default_factory=lambda: World.count)) -> list:
    """Return a number, by default the count, and the count."""
    await nap(nap_s)
    return [n, World.count]


@tool(reads="names")
async def find(name: Annotated[str, AfterValidator(known)], nap_s: float) -> str:
    """Return the meaning of a name that is there."""
    await nap(nap_s)
    return World.names[name]


@tool(reads="names", writes="log")
async def write_down(name: Annotated[str, BeforeValidator(meant)], nap_s: float) -> str:
    """Log the meaning of a name."""
    World.log.append(name)
    await nap(nap_s)
    World.log.append(name)
    return name


@tool(reads="names", writes="places/{name}")
async def write_at(name: Annotated[str, BeforeValidator(meant)], nap_s: float) -> list:
    """Write at the place that a name stands for: which one, the state decides."""
    seen = World.places.get(name, 0)
    await nap(nap_s)
    World.places[name] = World.places.get(name, 0) * 3 + seen + 1
    return [name, seen]


@tool
async def limit(number: Annotated[int, AfterValidator(at_least)]) -> int:
    """Return a number that is not below the count."""
    return number


@tool(pure=True)
async def pick(name: str, number: int, nap_s: float) -> dict:
    """Return values for other calls."""
    await nap(nap_s)
    return {"name": name, "number": number}


text = one_of("a", "b", "c")
number = one_of(0, 1, 2, 3)
name = either(text, text, result_of("pick", steps=('["name"]',), otherwise="a"))
some_number = either(number, number, result_of("pick", steps=('["number"]',), otherwise=0))

KIND = Kind(
    module=__name__,
    begin=begin,
    state=state,
    calls=(
        (bump, {"by": some_number, "nap_s": naps}),
        (count_up, {"nap_s": naps}),
        (call_it, {"name": name, "other": text, "nap_s": naps}),
        (forget, {"name": name, "nap_s": naps}),
        (look, {"plus": number}),
        (look_declared, {"nap_s": naps}),
        (find, {"name": name, "nap_s": naps}),
        (write_down, {"name": name, "nap_s": naps}),
        (write_at, {"name": name, "nap_s": naps}),
        (limit, {"number": some_number}),
        (pick, {"name": text, "number": number, "nap_s": naps}),
    ),
    stoppable=frozenset({"look", "look_declared", "find", "limit", "pick"}),
)
