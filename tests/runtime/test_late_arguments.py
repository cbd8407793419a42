"""Arguments that depend on when they are read: objects that calls change, and checks that look at the world."""

import asyncio
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, Field

from asyncfc_jupyter.core.events import ApprovalAsked, CallStarted
from asyncfc_jupyter.core.futures import FutureName
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import issue


class Table:
    """An object that is passed as it is."""

    def __init__(self) -> None:
        self.rows = [1, 2]
        self.name = "first"


async def load() -> object:
    """Load a table."""
    await asyncio.sleep(1)
    return Table()


async def load_rows() -> list[int]:
    """Load plain rows."""
    await asyncio.sleep(1)
    return [1, 2]


async def scale(table: object) -> None:
    """Multiply a table in place."""
    assert isinstance(table, Table)
    await asyncio.sleep(1)
    table.rows = [10 * row for row in table.rows]
    table.name = "second"


async def total(rows: object) -> int:
    """Add up rows, or those of a table."""
    assert isinstance(rows, list | Table)
    before = sum(rows.rows if isinstance(rows, Table) else rows)
    await asyncio.sleep(1)
    return before + sum(rows.rows if isinstance(rows, Table) else rows)


LOAD, ROWS, TOTAL = make_tool(load, pure=True), make_tool(load_rows, pure=True), make_tool(total, pure=True)
SCALE, TOTAL_UNDECLARED = make_tool(scale), make_tool(total)


class Ran:
    """Calls that were issued at the same time and have settled."""

    def __init__(self, driver: Driver, log: EventLog) -> None:
        self.calls, self.events = driver.issued, log.events
        self.values = [call.value for call in driver.issued]
        self.states = [call.state.value for call in driver.issued]
        self.starts = {each.event.future: each.at_s for each in log.events if isinstance(each.event, CallStarted)}


def run(*calls: tuple[Any, dict[str, Any]], limit: int = 16, approver: Any = None) -> Ran:
    async def main() -> Ran:
        driver, log = Driver(limit=limit), EventLog(asyncio.get_running_loop().time)
        driver.lend(Lease(log=log, approver=approver))
        for tool, arguments in calls:
            issue(driver, tool, **arguments)
        await driver.wait(tuple(driver.calls))
        return Ran(driver, log)

    return run_virtually(main())


# -- shared objects --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", [TOTAL_UNDECLARED, TOTAL], ids=["undeclared", "pure"])
@pytest.mark.parametrize("reference", ["$f1", "$f1.rows"])
def test_an_object_is_read_after_the_calls_before_have_changed_it(tool, reference) -> None:
    ran = run((LOAD, {}), (SCALE, {"table": "$f1"}), (tool, {"rows": reference}))
    assert ran.values[2] == 60


@pytest.mark.parametrize("reference", ["$f1", "$f1.rows"])
def test_an_object_is_not_changed_before_the_calls_before_have_read_it(reference) -> None:
    ran = run((LOAD, {}), (TOTAL, {"rows": reference}), (SCALE, {"table": "$f1"}))
    assert ran.values[1] == 6
    assert ran.starts["f3"] == 2


def test_a_part_that_another_call_returned_is_read_as_the_object_is() -> None:
    async def keep(table: object) -> list[object]:
        """Put a table in a list."""
        return [table]

    ran = run(
        (LOAD, {}),
        (make_tool(keep, pure=True), {"table": "$f1"}),
        (SCALE, {"table": "$f1"}),
        (TOTAL, {"rows": "$f2[0]"}),
    )
    assert ran.values[3] == 60


def test_the_model_sees_an_object_as_it_was_when_its_call_ended() -> None:
    async def load_bytes() -> bytearray:
        """Load bytes."""
        return bytearray(b"old")

    async def fill(data: object) -> None:
        """Change bytes in place."""
        assert isinstance(data, bytearray)
        data[:] = b"new"

    ran = run((make_tool(load_bytes, pure=True), {}), (make_tool(fill), {"data": "$f1"}))
    assert ran.values[0] == b"new"
    assert ran.calls[0].shown["value"] == "bytearray, 3 in all\nbegins: b'old'"


def test_an_unknown_result_may_turn_out_to_be_an_object_of_anyone() -> None:
    """The third call starts only when it is known that the second reads plain data."""
    table = Table()

    async def give() -> object:
        """Return an object that another tool holds, too."""
        await asyncio.sleep(1)
        return table

    async def change() -> None:
        """Change the object."""
        table.rows = [100]

    ran = run((make_tool(give, pure=True), {}), (TOTAL, {"rows": "$f1"}), (make_tool(change), {}))
    assert (ran.values[1], ran.starts["f3"]) == (6, 2)
    plain = run((ROWS, {}), (TOTAL, {"rows": "$f1"}), (make_tool(change), {}))
    assert (plain.values[1], plain.starts["f3"]) == (6, 1)


def test_plain_data_is_read_at_once_beside_a_call_that_declares_nothing() -> None:
    ran = run(
        (ROWS, {}), (LOAD, {}), (SCALE, {"table": "$f2"}), (TOTAL, {"rows": "$f1"}), (TOTAL, {"rows": ["$f1[1]"]})
    )
    assert ran.values[3:] == [6, 4]
    assert [ran.starts[name] for name in ("f3", "f4", "f5")] == [1, 1, 1]


def test_a_path_stands_for_its_family_until_an_object_may_be_read() -> None:
    async def save(name: str) -> str:
        """Write a file."""
        await asyncio.sleep(1)
        return name

    saves, looks = make_tool(save, writes="files/{name}"), make_tool(save, reads="files/{name}", name="look")
    calls = ((LOAD, {}), (SCALE, {"table": "$f1"}), (saves, {"name": "$f1.name"}))
    ran = run(*calls, (looks, {"name": "first"}), (looks, {"name": "second"}))
    assert ran.values[2] == "second"
    assert [ran.starts[name] for name in ("f3", "f4", "f5")] == [2, 2, 3]


def test_a_limit_counts_what_an_object_holds_when_it_may_be_read() -> None:
    async def fetch(host: str) -> str:
        """Ask a host."""
        await asyncio.sleep(1)
        return host

    tool = make_tool(fetch, pure=True, limit={"api/{host}": 1})
    ran = run(
        (LOAD, {}), (SCALE, {"table": "$f1"}), *[(tool, {"host": host}) for host in ("$f1.name", "second", "first")]
    )
    assert ran.values[2:] == ["second", "second", "first"]
    assert [ran.starts[name] for name in ("f3", "f4", "f5")] == [2, 0, 0]


# -- checks and defaults that look at the world ----------------------------------------------------------------------


class World:
    """What the tools below change, and what the checks of their arguments look at."""

    def __init__(self) -> None:
        self.files: set[str] = set()

    def known(self, name: str) -> str:
        """Check that a file exists."""
        if name not in self.files:
            raise ValueError(f"there is no file {name}")
        return name.upper()

    def tools(self, **options: Any) -> tuple[Any, Any]:
        """Return a tool that writes a file, and one that takes an existing one."""

        async def write(name: str) -> None:
            """Write a file."""
            await asyncio.sleep(1)
            self.files.add(name)

        async def read(
            name: Annotated[str, AfterValidator(self.known)],
            count: int = Field(default_factory=lambda: len(self.files)),
        ) -> list[Any]:
            """Read a file."""
            await asyncio.sleep(1)
            return [name, count]

        writes = {"writes": "files/{name}"} if options else {}
        return make_tool(write, **writes), make_tool(read, **options)


@pytest.mark.parametrize("options", [{}, {"reads": "files/{name}"}], ids=["undeclared", "declared"])
def test_a_check_and_a_default_see_what_the_calls_before_have_done(options) -> None:
    write, read = World().tools(**options)
    ran = run(
        (write, {"name": "a"}),
        (write, {"name": "b"}),
        (read, {"name": "a"}),
        (read, {"name": "c"}),
        (write, {"name": "c"}),
    )
    assert ran.values[2] == ["A", 2]
    assert ran.states == ["done", "done", "done", "failed", "done"]
    assert "there is no file c" in ran.calls[3].error


def test_a_path_stands_for_its_family_until_its_argument_is_checked() -> None:
    write, read = World().tools(reads="files/{name}")
    ran = run((write, {"name": "a"}), (read, {"name": "a"}), (write, {"name": "A"}), (write, {"name": "b"}))
    assert ran.values[1] == ["A", 1]
    assert [ran.starts[name] for name in ("f1", "f2", "f3", "f4")] == [0, 1, 2, 1]


def test_a_call_whose_late_arguments_do_not_fit_never_starts() -> None:
    write, read = World().tools()
    ran = run((write, {"name": "a"}), (read, {"name": "b"}), (read, {"name": "a"}), (write, {"name": "c"}), limit=1)
    assert ran.states == ["done", "failed", "done", "done"]
    assert list(ran.starts) == ["f1", "f3", "f4"]


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_user_is_asked_about_what_the_function_will_get_or_not_at_all(name) -> None:
    asked = []

    def approve(question):
        asked.append(str(question))
        return True

    write, read = World().tools(approve=True)
    ran = run((write, {"name": "a"}), (read, {"name": name}), approver=approve)
    assert asked == (['f2: read(name="A", count=1)'] if name == "a" else [])
    assert [each.at_s for each in ran.events if isinstance(each.event, ApprovalAsked)] == [1] * len(asked)
    assert ran.states[1] == ("done" if name == "a" else "failed")


def test_arguments_that_never_fit_are_refused_at_once() -> None:
    """Values that never change are checked beside the calls before, and so are the names of all others."""
    write, read = World().tools()

    async def main():
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        issue(driver, write, name="a")
        misfits = [issue(driver, write, name=[1]), issue(driver, read), issue(driver, read, name="a", size=1)]
        errors = [call.error for call in misfits]
        late = [issue(driver, read, name="a", count=None), issue(driver, read, name="b")]
        assert [call.settled for call in late] == [False, False]
        await driver.wait(tuple(driver.calls))
        return errors, [call.state.value for call in late]

    errors, states = run_virtually(main())
    assert "'name': input should be a valid string, not a list" in errors[0]
    assert "'name' is missing" in errors[1]
    assert "there is no parameter 'size' (there are: name, count)" in errors[2]
    assert states == ["done", "failed"]


def test_arguments_are_read_after_the_clean_up_of_an_abandoned_call() -> None:
    """Calls without a conflict do not wait for it, not even under the same limit."""
    world = World()
    _, read = world.tools(reads="files")

    async def undo() -> None:
        """Write a file and undo it, slowly, when cancelled."""
        world.files.add("a")
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(2)
            world.files.discard("a")

    async def main():
        driver, log = Driver(limit=2), EventLog(asyncio.get_running_loop().time)
        driver.lend(Lease(log=log))
        issue(driver, make_tool(undo, writes="files"))
        issue(driver, read, name="a")
        await asyncio.sleep(1)
        driver.cancel(FutureName("f1"))
        issue(driver, ROWS)
        await driver.wait(tuple(driver.calls))
        return Ran(driver, log)

    ran = run_virtually(main())
    assert ran.states == ["cancelled", "failed", "done"]
    assert (ran.starts["f3"], "f2" in ran.starts) == (1, False)


def test_a_call_that_is_cancelled_while_its_arguments_wait_is_never_read() -> None:
    world, read_at = World(), []
    world.known = lambda name: read_at.append(name) or name
    _, read = world.tools(reads="files")

    async def undo() -> None:
        """Undo, slowly, when cancelled."""
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(2)

    async def main():
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        issue(driver, make_tool(undo, writes="files"))
        issue(driver, read, name="a")
        await asyncio.sleep(1)
        driver.cancel(FutureName("f1"))
        await asyncio.sleep(1)
        driver.cancel(FutureName("f2"))
        issue(driver, read, name="b")
        await driver.wait(tuple(driver.calls))
        return [call.state.value for call in driver.issued]

    assert run_virtually(main()) == ["cancelled", "cancelled", "done"]
    assert read_at == ["b"]
