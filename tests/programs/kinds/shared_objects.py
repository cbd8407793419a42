"""Objects that calls share: results that alias each other, references that step into them, tools that change them slowly."""

from asyncfc_jupyter import tool
from tests.programs.program import Kind, naps, one_of, result_of
from tests.programs.time import nap


class World:
    """Objects by name."""

    kept: dict[str, object] = {}  # noqa: RUF012 - made for each program by `begin`


def begin():
    World.kept = {}


class Part:
    """A part of a table, which may belong to several."""

    def __init__(self, number):
        self.number = number

    def __repr__(self):
        return f"Part({self.number})"


class Rows(list):
    """A list of a class of its own, so it is shared and not copied."""


class Table:
    """An object with plain and other data in it."""

    def __init__(self, size):
        self.rows = list(range(size))
        self.kept = Rows(self.rows)
        self.cells = {"a": size}
        self.part = Part(size)

    @property
    def total(self):
        return sum(self.rows) + sum(self.kept) + self.part.number

    def __repr__(self):
        return f"Table({self.rows}, {self.kept}, {self.cells}, {self.part})"


class Store(dict):
    """A mapping of a class of its own."""


@tool(pure=True)
async def make(size: int) -> object:
    """Make a table."""
    return Table(size)


@tool(pure=True)
async def store(size: int, nap_s: float) -> object:
    """Make a mapping that holds a table and plain data."""
    await nap(nap_s)
    return Store(table=Table(size), size=size, names=["a"])


@tool(pure=True)
async def same(value: object, nap_s: float) -> object:
    """Return what it is given, so that two results are one object."""
    await nap(nap_s)
    return value


@tool(pure=True)
async def both(value: object, other: object) -> dict:
    """Return two values in plain data."""
    return {"value": value, "other": [other, value]}


def change(value, by):
    """Change an object in place, whatever it is."""
    if isinstance(value, Table):
        value.rows.append(by)
        value.cells["a"] = value.cells.get("a", 0) * 3 + by
        value.part.number = value.part.number * 3 + by
        value.kept.append(by)
    elif isinstance(value, Part):
        value.number = value.number * 3 + by
    elif isinstance(value, Rows):
        value.append(by)
    elif isinstance(value, Store):
        value["size"] = value["size"] * 3 + by
        value["late"] = by
        change(value["table"], by)


def look(value):
    """Return plain data that depends on every part of an object."""
    if isinstance(value, Table):
        return [*value.rows, *value.kept, value.part.number, *value.cells.values()]
    if isinstance(value, Part):
        return value.number
    if isinstance(value, Store):
        return [value["size"], value.get("late"), look(value["table"])]
    return [look(each) for each in value] if isinstance(value, list | tuple) else value


@tool
async def stir(value: object, by: int, nap_s: float) -> object:
    """Change an object in two steps with time between them, and declare nothing."""
    change(value, by)
    await nap(nap_s)
    change(value, by + 1)
    if by == 3:
        raise ValueError(f"{by} does not go")
    return value


@tool(writes="kept/{name}")
async def keep(name: str, value: object, nap_s: float) -> object:
    """Keep an object under a name, and return what was there."""
    before = World.kept.get(name)
    await nap(nap_s)
    World.kept[name] = value
    return before


@tool(reads="kept/{name}")
async def kept(name: str, nap_s: float) -> object:
    """Return the object that is kept under a name, which may be the result of other calls, too."""
    await nap(nap_s)
    return World.kept.get(name)


@tool(reads="objects")
async def see(value: object, nap_s: float) -> list:
    """Look twice at an object."""
    first = look(value)
    await nap(nap_s)
    return [first, look(value)]


@tool
async def see_undeclared(value: object) -> object:
    """Look at an object, and declare nothing."""
    return look(value)


@tool(pure=True)
async def note(value: object) -> object:
    """Return plain data that is made of the argument alone."""
    return look(value)


@tool(pure=True)
async def add(numbers: list[int], nap_s: float) -> int:
    """Add numbers: the layer reads them, since it checks each."""
    await nap(nap_s)
    return sum(numbers)


@tool(writes="objects")
async def stir_declared(value: object, by: int, nap_s: float) -> str:
    """Change an object in two steps, and declare the place that all tools declare that take one."""
    change(value, by)
    await nap(nap_s)
    change(value, by + 1)
    return "stirred"


@tool(reads="objects", idempotent=True)
async def note_declared(value: object, nap_s: float) -> object:
    """Return plain data that is made of the argument alone."""
    await nap(nap_s)
    return look(value)


@tool(reads="objects")
async def hand_on(value: object, nap_s: float) -> dict:
    """Return an object in plain data."""
    await nap(nap_s)
    return {"value": value, "other": [value, value]}


TABLES = ("make", "stir", "same", "store", "both", "kept", "keep", "hand_on")
#: From the result itself to parts of it. Those that a result does not have are errors one by one, too.
OBJECTS = ("", "", ".part", ".kept", '["table"]', '["value"]', '["other"][0]', '["table"].part')
DATA = (
    *(".total", ".rows", ".rows[0]", ".rows[-1]", ".cells", '.cells["a"]', ".part.number", ".kept[-1]"),
    *('["size"]', '["late"]', '["table"].total', '["value"].total', '["other"][1].part.number'),
)

an_object = result_of(*TABLES, steps=OBJECTS)
data = result_of(*TABLES, steps=DATA)
sizes = one_of(0, 1, 2, 3)
names = one_of("a", "b")

KIND = Kind(
    module=__name__,
    begin=begin,
    state=lambda: sorted(World.kept.items()),
    calls=(
        (make, {"size": sizes}),
        (stir, {"value": an_object, "by": sizes, "nap_s": naps}),
        (note, {"value": data}),
        (keep, {"name": names, "value": an_object, "nap_s": naps}),
        (kept, {"name": names, "nap_s": naps}),
        (see, {"value": an_object, "nap_s": naps}),
        (see_undeclared, {"value": an_object}),
        (note, {"value": data}),
        (same, {"value": an_object, "nap_s": naps}),
        (both, {"value": an_object, "other": an_object}),
        (store, {"size": sizes, "nap_s": naps}),
        (add, {"numbers": result_of(*TABLES, steps=(".rows", '["table"].rows', ".kept")), "nap_s": naps}),
        (make, {"size": sizes}),
        (stir, {"value": an_object, "by": sizes, "nap_s": naps}),
    ),
    stoppable=frozenset({"make", "store", "same", "both", "kept", "see", "see_undeclared", "note", "add"}),
    beginnings=("", "", "fork"),
)


#: Nothing is undeclared here: each tool that changes or reads an object declares one place.
DECLARED = Kind(
    module=__name__,
    begin=begin,
    state=lambda: None,
    calls=(
        (make, {"size": sizes}),
        (stir_declared, {"value": an_object, "by": sizes, "nap_s": naps}),
        (note_declared, {"value": data, "nap_s": naps}),
        (see, {"value": an_object, "nap_s": naps}),
        (hand_on, {"value": an_object, "nap_s": naps}),
    ),
    stoppable=frozenset({"make", "note_declared", "see", "hand_on"}),
    beginnings=("", "", "fork"),
)
