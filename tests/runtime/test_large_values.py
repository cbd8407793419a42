"""Large results and arguments: copied, checked and freed off the event loop, with the outcomes of small ones."""

import asyncio
import pickle
import threading
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.runtime import outcome as outcomes
from asyncfc_jupyter.runtime import packing
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.tools import by_steps as stepping
from asyncfc_jupyter.tools.by_steps import by_steps
from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.values import snapshot as snapshots
from asyncfc_jupyter.values.snapshot import MOST_ON_LOOP
from tests.values.test_large_values import VALUES, places

ROWS = MOST_ON_LOOP + 1
PLACES = ("loop", "thread")


def rows(count: int = ROWS) -> list:
    """Return rows."""
    return [{"id": row, "tags": [row]} for row in range(count)]


async def issued(*calls):
    """Issue calls, each a tool with its arguments, and return the driver when all have settled."""
    driver = Driver()
    driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
    for number, (tool, arguments) in enumerate(calls):
        driver.issue(call_id=CallId(f"c{number}"), turn=1, name=tool.name, tool=tool, arguments=arguments)
    await driver.wait(tuple(driver.calls), timeout_s=60)
    return driver


def values(*calls):
    """Return the values of calls, or why there are none."""
    driver = asyncio.run(issued(*calls))
    return [call.value if call.status == "done" else call.error for call in driver.issued]


@pytest.mark.parametrize("run_in", PLACES)
def test_a_result_stays_as_it_was_although_its_tool_changes_it_later(run_in) -> None:
    state = rows()

    def read() -> list:
        """Return the live state."""
        return state

    def write() -> int:
        """Change all of it."""
        for row in state:
            row["tags"].append("changed")
        return len(state)

    read_tool = make_tool(read, reads="state", run_in=run_in)
    write_tool = make_tool(write, writes="state", run_in=run_in)
    first, _, last = values((read_tool, {}), (write_tool, {}), (read_tool, {}))
    assert first == rows()
    assert last == state != first


def drain(value: list) -> int:
    """Take all of a list, and of what its items hold."""
    count = len(value)
    for row in value:
        row["tags"].clear()
        row.clear()
    value.clear()
    return count


def drain_checked(value: list[dict[str, Any]]) -> int:
    """Take all of a list whose items are checked."""
    return drain(value)


@pytest.mark.parametrize("run_in", PLACES)
@pytest.mark.parametrize("take", [drain, drain_checked])
def test_what_a_tool_does_to_a_large_argument_reaches_no_other(take, run_in) -> None:
    make, use = make_tool(rows, pure=True, run_in=run_in), make_tool(take, pure=True, run_in=run_in)
    assert values((make, {}), (use, {"value": "$f1"}), (use, {"value": "$f1"})) == [rows(), ROWS, ROWS]


@pytest.mark.parametrize("run_in", PLACES)
def test_each_attempt_has_large_arguments_of_its_own(run_in) -> None:
    seen = []

    def use(value: list) -> int:
        """Take all, and fail once."""
        seen.append(drain(value))
        if len(seen) == 1:
            raise OSError("once")
        return seen[-1]

    used = values(
        (make_tool(rows, pure=True), {}), (make_tool(use, pure=True, retries=1, run_in=run_in), {"value": "$f1"})
    )
    assert used == [rows(), ROWS]
    assert seen == [ROWS, ROWS]


@pytest.mark.parametrize(("count", "on_the_loop"), [(2, True), (ROWS, False)])
def test_large_values_are_copied_in_threads_and_small_ones_at_once(monkeypatch, count, on_the_loop) -> None:
    where = []
    keep = outcomes.keep

    def noting(value, most=None, **options):
        kept = keep(value, most, **options)
        where.append(threading.current_thread() is threading.main_thread())
        return kept

    monkeypatch.setattr(outcomes, "keep", noting)
    assert values((make_tool(rows, pure=True, run_in="loop"), {"count": count})) == [rows(count)]
    assert where == [on_the_loop]


class Slow:
    """Copying a value takes until this is let go."""

    def __init__(self, monkeypatch):
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._keep = outcomes.keep
        monkeypatch.setattr(outcomes, "keep", self)

    def __call__(self, value, most=None, **options):
        kept = self._keep(value, most, **options)
        if threading.current_thread() is not threading.main_thread():
            self.begun.set()
            assert self.go_on.wait(20)
        return kept


@pytest.mark.parametrize("run_in", PLACES)
def test_the_time_of_a_call_is_not_up_while_its_result_is_copied(monkeypatch, run_in) -> None:
    slow = Slow(monkeypatch)

    async def main():
        threading.Timer(0.7, slow.go_on.set).start()
        return (await issued((make_tool(rows, pure=True, run_in=run_in, timeout_s=0.5), {}))).issued[0]

    call = asyncio.run(main())
    assert (call.status, call.value) == ("done", rows())


@pytest.mark.parametrize("run_in", PLACES)
def test_a_call_that_is_cancelled_while_its_result_is_copied_is_done(monkeypatch, run_in) -> None:
    slow = Slow(monkeypatch)

    async def main():
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        tool = make_tool(rows, pure=True, run_in=run_in)
        call = driver.issue(call_id=CallId("c"), turn=1, name=tool.name, tool=tool, arguments={})
        await asyncio.to_thread(slow.begun.wait, 20)
        driver.cancel(call.name)
        assert (call.settled, driver.lingering()) == (True, ())
        slow.go_on.set()
        return call

    call = asyncio.run(main())
    assert (call.status, call.value) == ("done", rows())


def where_checked(run_in: str, check) -> list[bool]:
    """Return whether a validator ran on the loop, for each time that it ran."""
    seen = []

    def validate(value):
        seen.append(threading.current_thread() is threading.main_thread())
        return check(value)

    def use(value) -> int:
        """Count."""
        return len(value)

    use.__annotations__["value"] = Annotated[list, AfterValidator(validate)]
    make = make_tool(rows, pure=True)
    assert values((make, {}), (make_tool(use, pure=True, run_in=run_in), {"value": "$f1"})) == [rows(), ROWS]
    return seen


def test_a_validator_of_a_large_argument_runs_where_its_function_runs() -> None:
    assert where_checked("loop", lambda value: value) == [True]
    assert where_checked("thread", lambda value: value) == [False]


class Row(BaseModel):
    """A row."""

    id: int


@pytest.mark.parametrize("run_in", PLACES)
def test_a_large_argument_that_does_not_fit_is_refused_by_its_first_misfit(run_in) -> None:
    def use(value: list[Row]) -> int:
        """Count."""
        return len(value)

    def wrong() -> list:
        """Return rows, some of them wrong."""
        return [{"id": row if row < 7 else f"n{row}"} for row in range(ROWS)]

    make = make_tool(wrong, pure=True)
    _, error = values((make, {}), (make_tool(use, pure=True, run_in=run_in), {"value": "$f1"}))
    assert "'value.7.id'" in error
    assert "value.8" not in error


def test_a_missing_part_of_a_large_result_fails_its_call_alone() -> None:
    make, use = make_tool(rows, pure=True), make_tool(drain, pure=True)
    _, error, count = values((make, {}), (use, {"value": f"$f1[{ROWS}]"}), (use, {"value": "$f1"}))
    assert f"f1 has no item [{ROWS}]" in error
    assert count == ROWS


def test_a_call_is_cancelled_while_its_large_arguments_are_copied(monkeypatch) -> None:
    ran = []

    def use(value: list) -> int:
        """Count."""
        ran.append(len(value))
        return len(value)

    async def main():
        driver = Driver()
        driver.lend(Lease(log=EventLog(asyncio.get_running_loop().time)))
        for tool, arguments in ((make_tool(rows, pure=True), {}), (make_tool(use, pure=True), {"value": "$f1"})):
            driver.issue(call_id=CallId("c"), turn=1, name=tool.name, tool=tool, arguments=arguments)
        make, take = driver.issued
        await driver.wait([make.name])
        assert (take.bound, take.task is None) == (None, False)
        driver.cancel(take.name)
        await driver.unwound(1)
        await asyncio.sleep(0.05)
        return take

    take = asyncio.run(main())
    assert (take.status, ran) == ("cancelled", [])


TYPES = [
    *(list[dict[str, Any]], list[list[int]], dict[str, list[Row]], list[Row | None], list[int] | list[list[str]]),
    *(
        dict[str, dict[str, list[int]]],
        list[tuple[int, str]],
        set[frozenset[int]],
        list,
        Any,
        list[Annotated[int, "x"]],
    ),
]
CHECKED = [
    *(
        [],
        {},
        [{"a": 1}],
        [[1], [2, 3]],
        [["1"]],
        {"a": [{"id": 1}]},
        [{"id": "1"}, None],
        [1, "2"],
        [[1, "x"]],
        [["a"], ["b"]],
    ),
    *(
        {"a": {"b": [1, 2]}},
        [(1, "a")],
        {frozenset({1})},
        [None],
        None,
        "text",
        [[["deep"]]],
        [{"id": "no"}, {"id": "none"}],
    ),
]


def outcome(check, value):
    """Return what a check makes of a value, or the first misfit that it finds."""
    try:
        checked = check.validate_python(value)
    except ValidationError as error:
        return error.errors(include_url=False)[0]
    return type(checked), checked


@pytest.mark.parametrize("hint", TYPES, ids=str)
def test_a_check_by_steps_takes_and_gives_what_the_check_itself_does(hint) -> None:
    check = TypeAdapter(hint).core_schema
    whole, stepped = SchemaValidator(check), SchemaValidator(by_steps(check))
    for value in CHECKED:
        assert outcome(stepped, value) == outcome(whole, value)


def test_a_check_by_steps_pauses_every_some_thousand_rows(monkeypatch) -> None:
    pauses = []
    monkeypatch.setattr(stepping.Pauses, "pause", lambda _: pauses.append(1))
    SchemaValidator(by_steps(TypeAdapter(list[Row]).core_schema)).validate_python([{"id": 1}] * 3 * stepping.PARTS)
    assert len(pauses) == 3


#: Bytes of a frame of the library; a piece may be a little longer.
FRAME = 70_000


@pytest.mark.parametrize("pack", [packing.packed, packing.packed_by_value, packing.packed_for_a_pool])
def test_bytes_for_other_processes_are_read_frame_by_frame(monkeypatch, pack) -> None:
    sizes = []
    monkeypatch.setattr(packing.Pauses, "pause", lambda _: sizes.append(1))
    value = [rows(30_000), {"same": rows}]
    content = pack(value)
    assert packing.unpacked(content) == pickle.loads(content) == value
    assert len(sizes) >= len(content) // FRAME >= 5


@pytest.mark.parametrize("pack", [packing.packed_by_value, packing.packed_for_a_pool])
def test_bytes_for_other_processes_are_written_frame_by_frame(monkeypatch, pack) -> None:
    sizes = []
    write = packing._Written.write
    monkeypatch.setattr(packing._Written, "write", lambda file, piece: sizes.append(len(piece)) or write(file, piece))
    content = pack(rows(30_000))
    assert sum(sizes) == len(content)
    assert max(sizes) <= FRAME


@settings(max_examples=500)
@given(VALUES)
def test_what_is_sent_in_pieces_arrives_as_what_is_sent_whole(value) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (packing, snapshots):
            patch.setattr(module, "PARTS", 3)
        patch.setattr(packing, "is_large", lambda _: True)
        content = packing.packed_by_value(packing.in_pieces(value))
        received, whole = packing.unpacked(content), pickle.loads(pickle.dumps(value))
    assert received == whole == value
    assert [*places(received)] == [*places(whole)]


@pytest.mark.parametrize(
    "value",
    [rows(10_000), {"column": [*range(10_000)]}, {str(key): key for key in range(10_000)}, [{"rows": rows(10_000)}]],
    ids=["rows", "column", "mapping", "rows in a list"],
)
def test_long_lists_and_mappings_are_sent_in_pieces(monkeypatch, value) -> None:
    whole, written = len(pickle.dumps(value)), packing._written
    sizes = []
    monkeypatch.setattr(packing, "_written", lambda *args: sizes.append(len(done := written(*args))) or done)
    content = packing.packed_by_value(packing.in_pieces(value))
    assert len(sizes) == 3
    assert max(sizes) < whole / 2
    assert packing.unpacked(content) == value


ONE = [1, 2]


@pytest.mark.parametrize(
    "value",
    [[ONE] * 10_000, [ONE, *rows(10_000), ONE], [object(), *rows(10_000)]],
    ids=["a list everywhere", "a list twice", "an object"],
)
def test_what_may_hold_one_object_twice_is_sent_whole(value) -> None:
    assert packing.in_pieces(value) is value


def test_what_holds_itself_is_sent_whole() -> None:
    value = [*rows(10_000)]
    value.append(value)
    assert packing.in_pieces(value) is value
