"""One place written in several ways: the second call waits for the first, as it does for equal texts."""

import asyncio
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, AliasChoices, Field

from asyncfc_jupyter.core.events import CallStarted
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.runtime import binding
from asyncfc_jupyter.runtime.call import Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import call_of

#: Pydantic warns so about a parameter's alias when it checks the parameter by itself.


async def save(path: str) -> str:
    """Write a file."""
    await asyncio.sleep(1)
    return path


async def save_all(paths: list[str]) -> None:
    """Write some files."""
    await asyncio.sleep(1)


async def keep(key: dict[str, int] | int | float) -> None:
    """Write under a key."""
    await asyncio.sleep(1)


async def keep_anything(key: Any) -> None:
    """Write under a key of any type."""
    await asyncio.sleep(1)


async def greet(name: Annotated[str, Field(alias="city")] = "rome", n: int = 0) -> None:
    """Write a city's place."""
    await asyncio.sleep(1)


async def meet(name: Annotated[str, Field(validation_alias=AliasChoices("city", "town"))] = "rome") -> None:
    """Write the place of a city that has two spellings."""
    await asyncio.sleep(1)


async def turn(on: bool = Field(False, alias="power")) -> None:
    """Write the place of a switch."""
    await asyncio.sleep(1)


async def fetch(host: str = "a", n: int = 0) -> None:
    """Ask a host."""
    await asyncio.sleep(1)


def starts(tool, *calls):
    """Return the start of each of these calls, all issued at the same time."""

    async def main():
        driver, log = Driver(), EventLog(asyncio.get_running_loop().time)
        driver.lend(Lease(log=log))
        for number, arguments in enumerate(calls):
            driver.issue(call_id=CallId(f"c{number}"), turn=1, name=tool.name, tool=tool, arguments=arguments)
        await driver.wait(tuple(driver.calls))
        assert {call.status for call in driver.issued} == {"done"}
        return [stamped.at_s for stamped in log.events if isinstance(stamped.event, CallStarted)]

    return run_virtually(main())


@pytest.mark.parametrize(
    ("tool", "one", "other"),
    [
        (make_tool(save, writes="files/{path}"), {"path": "notes.txt"}, {"path": "./notes.txt"}),
        (make_tool(save, writes="files/{path}"), {"path": "notes.txt"}, {"path": "old/../notes.txt"}),
        (make_tool(save_all, writes="files/{paths}"), {"paths": ["a", "b"]}, {"paths": ["a"]}),
        (make_tool(keep, writes="k/{key}"), {"key": {"a": 1, "b": 2}}, {"key": {"b": 2, "a": 1}}),
        (make_tool(keep, writes="k/{key}"), {"key": 1}, {"key": 1.0}),
        (make_tool(keep_anything, writes="k/{key}"), {"key": 1}, {"key": 1.0}),
        (make_tool(keep_anything, writes="k/{key}"), {"key": True}, {"key": 1}),
        (make_tool(keep_anything, writes="k/{key}"), {"key": True}, {"key": "true"}),
        (make_tool(keep_anything, writes="k/{key}"), {"key": 1.0}, {"key": "1.0"}),
        (make_tool(keep_anything, writes="k/x-{key}"), {"key": "01"}, {"key": 1}),
        (make_tool(save, writes="files/{path}"), {"path": "Notes.txt"}, {"path": "notes.TXT"}),
        (make_tool(greet, writes="w/{name}"), {"city": "paris"}, {"city": "./paris"}),
        (make_tool(greet, writes="w/{name}"), {"city": "rome"}, {"n": 1}),
        (make_tool(turn, writes="w/{on}"), {"power": "yes"}, {"power": True}),
        (make_tool(turn, writes="w/{on}"), {"power": "off"}, {}),
        (make_tool(meet, writes="w/{name}"), {"city": "paris"}, {"town": "paris"}),
    ],
)
def test_the_second_of_two_ways_to_write_a_place_waits(tool, one, other) -> None:
    assert starts(tool, one, other) == [0, 1]


def test_an_argument_that_has_another_name_for_the_model_names_its_place() -> None:
    tool = make_tool(greet, writes="w/{name}")
    assert starts(tool, {"city": "paris"}, {"city": "rome"}, {"n": 1}) == [0, 0, 1]
    assert starts(tool, {"city": "paris"}, {"n": 1}) == [0, 0]


def test_an_unknown_argument_of_another_name_stands_for_every_place() -> None:
    writes = make_tool(greet, writes="w/{name}")
    saves = make_tool(save, pure=True)

    async def main():
        driver, log = Driver(), EventLog(asyncio.get_running_loop().time)
        driver.lend(Lease(log=log))
        calls = ((saves, {"path": "paris"}), (writes, {"city": "$f1"}), (writes, {"city": "paris"}))
        for number, (tool, arguments) in enumerate(calls):
            driver.issue(call_id=CallId(f"c{number}"), turn=1, name=tool.name, tool=tool, arguments=arguments)
        await driver.wait(tuple(driver.calls))
        return [stamped.at_s for stamped in log.events if isinstance(stamped.event, CallStarted)]

    assert run_virtually(main()) == [0, 1, 2]


def test_two_texts_of_one_place_count_under_one_limit() -> None:
    tool = make_tool(keep_anything, pure=True, limit={"api/{key}": 1})
    assert starts(tool, {"key": True}, {"key": 1}, {"key": "true"}, {"key": "TRUE "}, {"key": 2}) == [0, 0, 1, 2, 3]


def test_a_default_names_the_place_that_the_function_gets() -> None:
    """No validator changes a default: the function gets it as it is written."""

    def keep_under(key: Annotated[str, AfterValidator(lambda text: f"own-{text}")] = "a") -> None:
        """Write under a key."""

    tool = make_tool(keep_under, writes="k/{key}")

    def writes(**arguments):
        return binding.bind(call_of(function=tool, arguments=arguments), binding.Values({}), None)[1].writes

    assert (writes(), writes(key="a")) == ((("k", "a"),), (("k", "own-a"),))


def test_a_limit_counts_an_explicit_null_as_the_default_that_it_stands_for() -> None:
    tool = make_tool(fetch, pure=True, limit={"api/{host}": 1})
    assert starts(tool, {"host": None}, {"n": 1}, {"host": "a", "n": 2}, {"host": "b"}) == [0, 0, 1, 2]
