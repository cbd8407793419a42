"""What a future costs the scheduler, in runs of a thousand and of ten thousand: time, memory, and how often it is looked at."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from asyncfc_jupyter.core.call_record import Record
from asyncfc_jupyter.core.commands import Command, ResolveArguments, StartCall
from asyncfc_jupyter.core.effects import PURE, UNDECLARED, Effects
from asyncfc_jupyter.core.events import (
    ArgumentsResolved,
    CallFailed,
    CallFinished,
    CallIssued,
    Event,
    Limit,
    ResultShown,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId, future_name
from asyncfc_jupyter.core.scheduler import Scheduler
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.tools.definition import make_tool
from tests.benchmarks.report import Report, Table, options_of, publish
from tests.benchmarks.revisions import figures_of, package_of
from tests.virtual_environments import REPOSITORY

#: A quick run holds a whole group of every shape, and two.
SIZES, QUICK_SIZES = (1_000, 10_000), (100, 200)
#: Runs of which the least time counts; small ones are short, and so noisier.
REPEATS, QUICK_REPEATS = 3, 1
TEXT = """
Each shape of run is played through the scheduler alone, without tools, and some through the real driver with async tools that
return at once. All calls of a run are issued before the first one ends. That is the worst case, since waiting calls are what
costs. Times are processor time, the least of several runs, including the creation of the events. Memory is the peak of what was
allocated. The ratio of the larger run to the smaller, per future, shows whether the cost is linear.
"""
#: Calls in one reply: what a busy model writes.
_A_REPLY = 10
#: Calls that fan out from one and in to one.
_FAN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a run, as the scheduler sees it."""

    #: Numbers of the calls whose values it takes, from 1.
    needs: tuple[int, ...] = ()
    effects: Effects = PURE
    #: What it touches once its arguments are known; the same when nothing is said.
    exact: Effects | None = None
    limits: tuple[Limit, ...] = ()
    irreversible: bool = False
    fails: bool = False


def _fan(number: int) -> Call:
    """Return a call of a row of groups: one source, many that take its value, one that takes all of theirs."""
    place, source = (number - 1) % _FAN, number - (number - 1) % _FAN
    if place == _FAN - 1:
        return Call(needs=tuple(range(source + 1, number)))
    return Call(needs=(source,) if place else ())


def _mixed(number: int) -> Call:  # noqa: PLR0911 - a case each
    """Return a call of a run that has some of everything."""
    place = ("orders", str(number % 40))
    match number % 10:
        case 1 | 2 | 3:
            return Call(limits=(Limit(name="search", places=4),))
        case 4 | 5:
            return Call(effects=Effects(reads=(place,)))
        case 6:
            return Call(effects=Effects(writes=(place,)))
        case 7:
            widened = Effects(reads=(("orders",),), writes=(("customers",),))
            exact = Effects(reads=(place,), writes=(("customers", place[1]),))
            return Call(needs=(number - 1,), effects=widened, exact=exact)
        case 8:
            return Call(needs=(number - 1, number - 2))
        case 9:
            return Call(effects=UNDECLARED if number % 100 == 9 else PURE, fails=number % 50 == 9)
    return Call(effects=Effects(writes=(("outbox",),)), irreversible=True)


#: Shapes of runs, each a function from the number of a call, from 1, to the call.
SHAPES: dict[str, Callable[[int], Call]] = {
    "independent": lambda number: Call(),
    "chain by reference": lambda number: Call(needs=(number - 1,) if number > 1 else ()),
    "chain that declares nothing": lambda number: Call(effects=UNDECLARED),
    f"fan-out and fan-in of {_FAN - 2}": _fan,
    "all under one limit": lambda number: Call(limits=(Limit(name="search", places=1),)),
    "100 limits": lambda number: Call(limits=(Limit(name=f"host {number % 100}", places=2),)),
    "irreversible chain": lambda number: Call(effects=Effects(writes=(("outbox",),)), irreversible=True),
    "mixed": _mixed,
}


# -- the scheduler alone -----------------------------------------------------------------------------------------------


class Counting(Scheduler):
    """Counts what does not depend on how fast it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.commands = self.looks = 0

    def handle(self, event: Event) -> tuple[Command, ...]:
        """Count what is ordered."""
        commands = super().handle(event)
        self.commands += len(commands)
        return commands

    def _check(self, record: Record) -> Iterator[Command]:
        self.looks += 1
        return super()._check(record)

    @property
    def story_characters(self) -> int:
        """How long the stories are that the scheduler keeps for a bug report."""
        return sum(len(record.story) for record in self.records())


def play(scheduler: Scheduler, shape: Callable[[int], Call], calls: int) -> None:
    """Issue so many calls of a shape in replies of some, then end them as they started, and see that all have ended."""
    plan = [shape(number) for number in range(1, calls + 1)]
    running = deque[int]()

    def feed(event: Event) -> None:
        todo = deque([scheduler.handle(event)])
        while todo:
            for command in todo.popleft():
                number = int(command.future[1:])
                if isinstance(command, StartCall):
                    running.append(number)
                elif isinstance(command, ResolveArguments) and not scheduler.state(command.future).settled:
                    todo.append(scheduler.handle(_resolved(plan[number - 1], number)))

    for number, call in enumerate(plan, start=1):
        if number % _A_REPLY == 1:
            feed(TurnStarted(turn=number // _A_REPLY + 1))
        feed(_issued(call, number))
        if number % _A_REPLY == 0 or number == calls:
            feed(TurnEnded(turn=(number - 1) // _A_REPLY + 1, reason="tool_calls", calls=_A_REPLY))
    while running:
        number = running.popleft()
        name = future_name(number)
        failed = plan[number - 1].fails
        feed(CallFailed(future=name, kind="error", message="no") if failed else CallFinished(future=name))
        feed(ResultShown(future=name, turn=1))
    assert all(record.state.settled for record in scheduler.records())


def _issued(call: Call, number: int) -> CallIssued:
    needs = tuple(map(future_name, call.needs))
    return CallIssued(
        future=future_name(number),
        call=CallId(f"call_{number}"),
        turn=1,
        tool="tool",
        arguments="{}",
        needs=needs,
        references=tuple(f"${name}.value" for name in needs),
        effects=call.effects,
        irreversible=call.irreversible,
    )


def _resolved(call: Call, number: int) -> ArgumentsResolved:
    return ArgumentsResolved(future=future_name(number), effects=call.exact or call.effects, limits=call.limits)


# -- through the driver ----------------------------------------------------------------------------------------------


async def instant(value: Any = None) -> dict[str, int]:
    """Return at once."""
    return {"value": 1}


#: What is driven: the tool, and the arguments of a call by its number.
DRIVEN: dict[str, tuple[Any, Callable[[int], dict[str, Any]]]] = {
    "driver: independent": (make_tool(instant, pure=True), lambda number: {"value": number}),
    "driver: chain by reference": (
        make_tool(instant, pure=True),
        lambda number: {"value": f"$f{number - 1}.value"} if number > 1 else {},
    ),
    "driver: chain that declares nothing": (make_tool(instant), lambda number: {"value": number}),
}


async def drive(name: str, calls: int) -> Driver:
    """Issue so many calls through a driver and wait for all of them."""
    tool, arguments = DRIVEN[name]
    driver = Driver()
    driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
    for number in range(1, calls + 1):
        call = CallId(f"call_{number}")
        driver.issue(call_id=call, turn=1, name=tool.name, tool=tool, arguments=arguments(number))
    await driver.wait(tuple(driver.calls))
    assert all(entry.status == "done" for entry in driver.issued)
    return driver


# -- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one shape of run costs, per future, in the smaller and in the larger run."""

    shape: str
    calls: tuple[int, int]
    #: Microseconds of processor time.
    time_us: tuple[float, float]
    #: The most that was allocated at a time, in bytes.
    memory_bytes: tuple[float, float]

    @property
    def cells(self) -> list[str]:
        """The row as text."""
        (few, many), (little, much) = self.time_us, self.memory_bytes
        figures = (
            f"{few:.0f}",
            f"{many:.0f}",
            f"{many / few:.2f}",
            f"{little:.0f}",
            f"{much:.0f}",
            f"{much / little:.2f}",
        )
        return [self.shape, *figures]


def played(shape: str, calls: int) -> Counting:
    """Play a shape of run through a scheduler of its own and return that."""
    scheduler = Counting()
    play(scheduler, SHAPES[shape], calls)
    return scheduler


def _run(shape: str, calls: int) -> object:
    if shape in DRIVEN:
        return asyncio.run(drive(shape, calls))
    scheduler = Scheduler()
    play(scheduler, SHAPES[shape], calls)
    return scheduler


def time_us(shape: str, calls: int, repeats: int) -> float:
    """Return the least processor time of a run for each future, in microseconds."""

    def once() -> float:
        gc.collect()
        begun = time.process_time()
        _run(shape, calls)
        return (time.process_time() - begun) * 1e6 / calls

    return min(once() for _ in range(repeats))


def memory_bytes(shape: str, calls: int) -> float:
    """Return the most that a run allocates at a time for each future, in bytes."""
    _run(shape, 10)  # imports and caches of the first use are not counted
    gc.collect()
    tracemalloc.start()
    try:
        _run(shape, calls)
        return tracemalloc.get_traced_memory()[1] / calls
    finally:
        tracemalloc.stop()


def rows(sizes: tuple[int, int], repeats: int) -> Iterator[Row]:
    """Measure every shape of run at both sizes."""
    few, many = sizes
    for shape in (*SHAPES, *DRIVEN):
        yield Row(
            shape=shape,
            calls=sizes,
            time_us=(time_us(shape, few, 2 * repeats), time_us(shape, many, repeats)),
            memory_bytes=(memory_bytes(shape, few), memory_bytes(shape, many)),
        )


def figures(sizes: tuple[int, int], repeats: int) -> list[dict[str, Any]]:
    """Measure every shape of run; return the rows as JSON data."""
    return [asdict(row) for row in rows(sizes, repeats)]


def compared(before: Path, sizes: tuple[int, int], repeats: int) -> tuple[list[Row], list[Row]]:
    """Measure every shape of run with the package in a folder and with this one, by turns, each time in a fresh process.

    Returns:
        The rows of both. The least of several times counts, as within a process.
    """
    found: dict[Path, list[list[Row]]] = {before: [], REPOSITORY: []}
    for _ in range(repeats):
        for package, many in found.items():
            measured = figures_of(package, "scheduler.figures", sizes, 1)
            many.append([Row(**{name: _pair(value) for name, value in row.items()}) for row in measured])
    there, here = ([_least(rows) for rows in zip(*many, strict=True)] for many in found.values())
    return there, here


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _least(measured: Sequence[Row]) -> Row:
    """Return a row with the least figures of several of the same shape."""
    few, many = (min(row.time_us[place] for row in measured) for place in (0, 1))
    little, much = (min(row.memory_bytes[place] for row in measured) for place in (0, 1))
    return replace(measured[0], time_us=(few, many), memory_bytes=(little, much))


def comparison(revision: str, there: Sequence[Row], here: Sequence[Row]) -> Table:
    """Return the larger run of both packages side by side."""
    header = ("shape of the run", "us before", "us now", "ratio", "bytes before", "bytes now", "ratio")
    shown = []
    for old, new in zip(there, here, strict=True):
        cells = [new.shape]
        for was, now in ((old.time_us[1], new.time_us[1]), (old.memory_bytes[1], new.memory_bytes[1])):
            cells += [f"{was:.0f}", f"{now:.0f}", f"{now / was:.2f}"]
        shown.append(cells)
    caption = f"Per future in the larger run, before (as of `{revision}`) and now, measured by turns in one run:"
    return Table(caption, header, shown)


def main(words: Sequence[str]) -> int:
    """Measure every shape of run and publish the tables."""
    options = options_of("scheduler", __doc__, words, compares=True)
    sizes, repeats = (QUICK_SIZES, QUICK_REPEATS) if options.quick else (SIZES, REPEATS)
    few, many = (f"{size:,}" for size in sizes)
    beside = []
    if options.against:
        with package_of(options.against) as before:
            there, measured = compared(before, sizes, repeats)
        beside = [comparison(options.against, there, measured)]
    else:
        measured = list(rows(sizes, repeats))
    header = ("shape of the run", *(f"{unit} at {size}" for unit in ("us", "bytes") for size in (few, many, "")))
    header = tuple("ratio" if cell.endswith(" at ") else cell for cell in header)
    report = Report(
        name="scheduler",
        title="Scheduler: what a future costs the scheduler",
        text=TEXT,
        tables=[Table("Per future:", header, [row.cells for row in measured]), *beside],
        figures=[asdict(row) for row in measured],
    )
    return publish(report, options)
