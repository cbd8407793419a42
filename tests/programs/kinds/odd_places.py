"""Places named by values that are equal or have one text although JSON writes them differently: true, 1, 1.0, "1", "1.0"."""

from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Optional

from asyncfc_jupyter import tool
from tests.programs.program import Kind, either, naps, one_of, result_of
from tests.programs.time import nap


class World:
    """Two stores, which find the place of a value each in its own way."""

    by_key: dict[Any, int] = {}  # noqa: RUF012 - made for each program by `begin`
    by_text: dict[str, int] = {}  # noqa: RUF012


class Level(IntEnum):
    LOW = 0
    HIGH = 1


class Word(Enum):
    ONE = "1"
    TRUE = "True"
    POINT = 1.0


def begin():
    World.by_key, World.by_text = {}, {}


def state():
    # In no order: writing two places touches nothing that they have in common.
    return sorted(World.by_key.items(), key=repr), sorted(World.by_text.items())


async def write(store, place, number, nap_s):
    """Change a place; a call that meets another one there is found out by what it saw."""
    seen = store.get(place, 0)
    await nap(nap_s)
    store[place] = (store.get(place, 0) * 3 + number + seen) % 97
    return [seen, store[place]]


async def read(store, place, nap_s):
    seen = store.get(place)
    await nap(nap_s)
    return [seen, store.get(place)]


@tool(writes="keys/{key}")
async def put(key: Any, number: int, nap_s: float) -> list:
    """Set a key of a dictionary."""
    return await write(World.by_key, key, number, nap_s)


@tool(reads="keys/{key}")
async def get(key: Any, nap_s: float) -> list:
    """Get a key of a dictionary."""
    return await read(World.by_key, key, nap_s)


@tool(writes="keys/{key}")
async def put_number(key: bool | int | float, number: int, nap_s: float) -> list:
    """Set a key of a dictionary."""
    return await write(World.by_key, key, number, nap_s)


@tool(writes="keys/{key}")
async def put_float_or_text(key: float | str, number: int, nap_s: float) -> list:
    """Set a key of a dictionary."""
    return await write(World.by_key, key, number, nap_s)


@tool(writes="keys/{key}")
async def put_decimal(key: Decimal, number: int, nap_s: float) -> list:
    """Set a key of a dictionary."""
    return await write(World.by_key, key, number, nap_s)


@tool(writes="keys/{key}")
async def put_level(key: Level | int, number: int, nap_s: float) -> list:
    """Set a key of a dictionary."""
    return await write(World.by_key, key, number, nap_s)


@tool(writes="keys/{key}")
async def put_word(key: Word, number: int, nap_s: float) -> list:
    """Set the key that a member stands for."""
    return await write(World.by_key, key.value, number, nap_s)


@tool(writes="keys/{key}")
async def put_maybe(number: int, nap_s: float, key: Optional[int] = None) -> list:  # noqa: UP045 - as users write it
    """Set a key of a dictionary."""
    return await write(World.by_key, key, number, nap_s)


@tool(writes="files/{name}.txt")
async def save(name: Any, number: int, nap_s: float) -> list:
    """Write the file of a name."""
    return await write(World.by_text, f"{name}.txt", number, nap_s)


@tool(writes="files/{name}.txt")
async def save_text(name: str | int | float, number: int, nap_s: float) -> list:
    """Write the file of a name."""
    return await write(World.by_text, f"{name}.txt", number, nap_s)


@tool(reads="files/{name}.txt")
async def load(name: int | str | bool, nap_s: float) -> list:
    """Read the file of a name."""
    return await read(World.by_text, str(name) + ".txt", nap_s)


@tool(pure=True)
async def value(value: Any, nap_s: float) -> dict:
    """Return a value for another call."""
    await nap(nap_s)
    return {"value": value}


@tool(reads=[], writes=[], idempotent=True)
async def again(value: Any, nap_s: float) -> list:
    """Return what it gets: equal values of different types are different results."""
    await nap(nap_s)
    return [value, str(value)]


SQUARE = (
    *(1, True, 1.0, "1", "1.0", "True", "true", 0, False, -0.0, "0", "", None, "None", "null", 2, 1e16, 10**16),
    *("1e+16", 1.5, "1.5", "01", " 1", "a/b", "a", "./a", "A"),
)
#: Most decisions pick from the few that are easily confused.
literal = one_of(*SQUARE[:6] * 4, *SQUARE)
place = either(literal, literal, literal, result_of("value", steps=('["value"]',), otherwise=1))
number = one_of(0, 1, 2, 3, 4)
WRITE = {"number": number, "nap_s": naps}

KIND = Kind(
    module=__name__,
    begin=begin,
    state=state,
    calls=(
        (put, {"key": place, **WRITE}),
        (save, {"name": place, **WRITE}),
        (get, {"key": place, "nap_s": naps}),
        (load, {"name": place, "nap_s": naps}),
        (put_number, {"key": place, **WRITE}),
        (put_float_or_text, {"key": place, **WRITE}),
        (put_decimal, {"key": place, **WRITE}),
        (put_level, {"key": place, **WRITE}),
        (put_word, {"key": place, **WRITE}),
        (put_maybe, {"key": place, **WRITE}),
        (save_text, {"name": place, **WRITE}),
        (value, {"value": place, "nap_s": naps}),
        (again, {"value": place, "nap_s": naps}),
        (put, {"key": place, **WRITE}),
        (save, {"name": place, **WRITE}),
    ),
    stoppable=frozenset({"get", "load", "value", "again"}),
)
