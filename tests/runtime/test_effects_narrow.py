"""The paths that are known early lead to those that are known when the arguments are bound, whatever parameters and values."""

import functools
import random
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field

from asyncfc_jupyter.core.references import parse_reference
from asyncfc_jupyter.errors import CallError, ToolDefinitionError
from asyncfc_jupyter.runtime import binding
from asyncfc_jupyter.tools.definition import make_tool
from tests.runtime.made import call_of
from tests.runtime.test_values_of_one_place import ANNOTATIONS, WRITTEN


class Kind(Enum):
    A = "a"
    TWO = 2


HINTS = (
    *(*ANNOTATIONS, Path, int | None, Kind, list[int], Annotated[str, AfterValidator(str.lower)]),
    *(Annotated[int, Field(alias="k2")], Annotated[str, Field(validation_alias=AliasChoices("p", "q"))]),
    *(Annotated[str, Field(default_factory=lambda: "Z")], Annotated[int, Field(default="5", validate_default=True)]),
)
DEFAULTS = (
    *(None, 1, "5", "A", True, Kind.A, Path("x"), [1], Field(7), Field("a", alias="al")),
    *(Field(default_factory=lambda: "Q"), Field("5", validate_default=True)),
)
VALUES = (*WRITTEN, None, "a", "$$f1", "$text:q", {"a": None}, [1, 2], "$f1", "$f1.n", "$f2")
NAMES = ("key", "other", "k2", "p", "q", "al")
RESULTS = {"f1": {"n": 7, "name": "Ada"}, "f2": object()}


CALLS = {name: call_of(int(name[1:]), status="done", value=value) for name, value in RESULTS.items()}
PENDING = {name: call_of(int(name[1:])) for name in RESULTS}
#: Enough for each of the faults that were tried here to be found several times.
TOOLS, CALLS_OF_EACH = 300, 12


def tool_of(choices):
    def write(key, other):
        """Write."""

    write.__annotations__ = {"key": choices.choice(HINTS), "other": choices.choice(HINTS)}
    write.__defaults__ = tuple(choices.choices(DEFAULTS, k=choices.randrange(3)))
    fixed = functools.partial(write, other=choices.choice(("P", 3, [1])))
    function = fixed if choices.randrange(5) == 0 else write
    return make_tool(function, writes="k/{key}/{other}", reads="x/{other}-{key}/z")


def lead_to(before, after):
    """Return whether each path begins with one of those before."""
    return all(any(path[: len(start)] == start for start in before) for path in after)


def test_a_path_only_grows_longer_from_issue_to_binding() -> None:
    choices, bound = random.Random(7), 0
    for _ in range(TOOLS):
        with suppress(ToolDefinitionError):  # no such default for such a type
            tool = tool_of(choices)
            for _ in range(CALLS_OF_EACH):
                names = choices.sample(NAMES, choices.randrange(4))
                bound += narrows(tool, {name: choices.choice(VALUES) for name in names})
    assert bound > TOOLS


def narrows(tool, arguments):
    """Check one call, and return whether its arguments fit."""
    found = tuple(filter(None, (parse_reference(each) for each in arguments.values() if isinstance(each, str))))
    try:
        call = call_of(3, function=tool, arguments=arguments, found=found)
        late = binding.bind(call, binding.Values(CALLS), None)[1]
    except (CallError, TypeError):
        return False
    for known in (CALLS, PENDING):
        early = binding.effects_of(tool, arguments, found, binding.Values(known))
        assert lead_to(early.reads, late.reads), (tool.signature, arguments)
        assert lead_to(early.writes, late.writes), (tool.signature, arguments)
    return True


def test_an_argument_with_an_alias_is_known_at_once() -> None:
    def turn(on: bool = Field(False, alias="power")) -> None:
        """Turn a switch."""

    tool = make_tool(turn, writes="switch/{on}")
    for arguments in ({}, {"power": "off"}, {"power": "yes"}, {"power": True}):
        late = binding.bind(call_of(function=tool, arguments=arguments), binding.Values({}), None)[1]
        assert binding.effects_of(tool, arguments, (), binding.Values({})) == late
