"""What can be a tool: each kind of callable is one, or the error says how it becomes one."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import operator
import pickle
import types

import numpy as np
import pydantic
import pytest

from asyncfc_jupyter.errors import ToolDefinitionError
from asyncfc_jupyter.runtime.object_lock import turn_of
from asyncfc_jupyter.runtime.outcome import Returned
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import as_tool, make_tool, marked_options, tool
from tests.runtime.made import attempt_at, ended


class Desk:
    """A desk."""

    def __init__(self, place: str) -> None:
        self.place = place

    def book(self, flight: str) -> str:
        """Book a flight."""
        return f"{flight} at {self.place}"

    @tool(writes="desk/{flight}", idempotent=True)
    def cancel(self, flight: str) -> str:
        """Cancel a flight."""
        return f"no {flight} at {self.place}"

    @tool(pure=True)
    @classmethod
    def kinds(cls, flight: str) -> str:
        """List kinds."""
        return f"{flight} by {cls.__name__}"

    @classmethod
    @tool(pure=True)
    def sorts(cls, flight: str) -> str:
        """List sorts."""
        return f"{flight} by {cls.__name__}"

    @tool(pure=True)
    @staticmethod
    def fees(flight: str) -> str:
        """List fees."""
        return f"{flight} for 1"

    @staticmethod
    @tool(pure=True)
    def taxes(flight: str) -> str:
        """List taxes."""
        return f"{flight} for 2"

    first = functools.partialmethod(book, "f1")


class Called:
    """What is called."""

    def __call__(self, flight: str) -> str:
        return f"called {flight}"


class CalledLater:
    __slots__ = ()

    async def __call__(self, flight: str) -> str:
        """Call it later."""
        return f"later {flight}"


class Model(pydantic.BaseModel):
    """A model."""

    flight: str

    def __str__(self) -> str:
        return f"model {self.flight}"


@pydantic.dataclasses.dataclass
class Record:
    """A record."""

    flight: str

    def __str__(self) -> str:
        return f"record {self.flight}"


def plain(flight: str) -> str:
    """Look it up."""
    return f"plain {flight}"


@functools.wraps(plain)
def wrapper(*args, **kwargs):
    return plain(*args, **kwargs)


@functools.singledispatch
def dispatched(flight: str) -> str:
    """Look it up by type."""
    return f"dispatched {flight}"


class OtherTool:
    """A tool of another framework."""

    name, description = "search", "Search it."

    def invoke(self, given):
        return given


def outcome(made, **arguments):
    async def main():
        return await ended(attempt_at(made, **arguments))

    ran = run_virtually(main())
    assert isinstance(ran, Returned), ran
    return str(ran.value)


DESK = Desk("Rome")


@pytest.mark.parametrize(
    ("function", "name", "description", "gives"),
    [
        (DESK.book, "book", "Book a flight.", "x at Rome"),
        (DESK.cancel, "cancel", "Cancel a flight.", "no x at Rome"),
        (Desk.kinds, "kinds", "List kinds.", "x by Desk"),
        (DESK.sorts, "sorts", "List sorts.", "x by Desk"),
        (Desk.fees, "fees", "List fees.", "x for 1"),
        (Desk.taxes, "taxes", "List taxes.", "x for 2"),
        (Called(), "Called", "What is called.", "called x"),
        (CalledLater(), "CalledLater", "Call it later.", "later x"),
        (Model, "Model", "A model.", "model x"),
        (Record, "Record", "A record.", "record x"),
        (wrapper, "plain", "Look it up.", "plain x"),
        (dispatched, "dispatched", "Look it up by type.", "dispatched x"),
        (functools.lru_cache(plain), "plain", "Look it up.", "plain x"),
        (functools.partial(plain), "plain", "Look it up.", "plain x"),
        (functools.partial(DESK.book), "book", "Book a flight.", "x at Rome"),
        (pydantic.validate_call(plain), "plain", "Look it up.", "plain x"),
    ],
    ids=lambda each: each if isinstance(each, str) else None,
)
def test_each_kind_of_callable_is_a_tool_marked_or_not(function, name, description, gives) -> None:
    for given in (function, tool(writes="desk")(function)):
        made = as_tool(given)
        assert (made.name, made.description, list(made.parameters_of.names)) == (name, description, ["flight"])
        assert outcome(made, flight="x") == gives
    assert as_tool(given).effects == make_tool(plain, writes="desk").effects


def test_a_class_is_called_with_what_its_signature_says() -> None:
    class Parsed:
        """A parsed number."""

        flight: int

        def __init__(self, flight: str) -> None:
            self.flight = int(flight)

        async def __call__(self) -> None:
            """Wait."""

    made = make_tool(Parsed)
    assert (made.parameters["properties"]["flight"]["type"], made.is_async, made.run_in) == ("string", False, "thread")


def test_a_method_fixed_in_part_by_its_class_is_a_tool() -> None:
    assert outcome(as_tool(DESK.first)) == "f1 at Rome"


def test_a_marked_method_is_a_tool_of_each_object_with_its_options() -> None:
    other = Desk("Oslo")
    for desk in (DESK, other):
        made = as_tool(desk.cancel)
        assert (made.idempotent, made.options) == (True, {"writes": "desk/{flight}", "idempotent": True})
        assert outcome(made, flight="x") == f"no x at {desk.place}"
    assert marked_options(other.cancel) == made.options
    for method in (Desk.kinds, Desk.sorts, Desk.fees, Desk.taxes):
        assert as_tool(method).effects.declared
    assert DESK.cancel("x") == "no x at Rome"
    with pytest.raises(ToolDefinitionError, match=r"without its object; pass the bound method"):
        as_tool(Desk.cancel)


def test_what_is_wrong_with_options_is_said_in_the_class_already() -> None:
    with pytest.raises(ToolDefinitionError, match="there is no option 'writs'"):

        class Wrong:
            @tool(writs="x")
            def book(self, flight: str) -> str:
                """Book."""


def test_an_object_has_no_mark_from_its_class() -> None:
    @tool(pure=True)
    class Marked(Called):
        """Made by a model."""

        def __init__(self, flight: str = "") -> None:
            self.flight = flight

    assert as_tool(Marked).effects.declared
    assert not as_tool(Marked()).effects.declared
    assert outcome(as_tool(Marked()), flight="x") == "called x"


def test_what_can_hold_no_mark_is_called_as_before() -> None:
    marked = tool(writes="desk/{flight}")(DESK.book)
    assert marked("x") == "x at Rome"
    assert as_tool(marked) is as_tool(marked)
    assert pickle.loads(pickle.dumps(marked))("x") == "x at Rome"
    assert not as_tool(DESK.book).effects.declared


def test_methods_and_called_objects_take_turns_on_their_object() -> None:
    called = Called()
    assert turn_of(make_tool(DESK.book)) is turn_of(make_tool(functools.partial(DESK.book))) is not None
    assert turn_of(make_tool(called)) is turn_of(make_tool(called)) is not None
    assert turn_of(make_tool(called)) is not turn_of(make_tool(Called()))
    for function in (plain, Model, functools.lru_cache(plain)):
        assert turn_of(make_tool(function)) is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "tool 'NoneType': NoneType cannot be called; pass the function itself, without parentheses"),
        ("plain", "tool 'str': the text 'plain' cannot be called; pass the function itself, not its name"),
        (math, "tool 'math': module cannot be called; pass its functions, such as `math."),
        (types.ModuleType("empty"), "tool 'empty': module cannot be called; pass its functions, such as `empty."),
        (5, "tool 'int': int cannot be called; pass a function"),
        ([plain], "tool 'list': list cannot be called; pass each of its functions, as in tools=[*functions]"),
        ({"name": "x"}, "tool 'dict': dict cannot be called; pass the function that it describes"),
        (vars(Desk)["kinds"], "tool 'kinds': classmethod cannot be called; pass a method of the class or the object"),
        (OtherTool(), "tool 'OtherTool': OtherTool cannot be called; pass its function, such as `.invoke`"),
        (make_tool(plain), "tool 'Tool': it is a tool already; pass it as it is"),
        (lambda flight: flight, "tool '<lambda>': a lambda has no name and no types; write a function with `def`"),
        (Desk.book, "tool 'book': it is a method without its object; pass the bound method"),
        (
            math.sqrt,
            "tool 'sqrt': parameter 'x' has no annotation, so a model cannot know what to pass; write its type",
        ),
        (len, "or a function around it that has types"),
        (
            print,
            "*args cannot be described to a model; name each parameter, take one list, or write a function around it",
        ),
        (max, "tool 'max': Python does not know its signature, so a model cannot know what to pass; write a function"),
        (int, "tool 'int': Python does not know its signature"),
        (operator.itemgetter(1), "tool 'itemgetter': "),
        (np.sin, "tool 'sin': "),
        (json.dumps, "tool 'dumps': parameter 'obj' has no annotation"),
    ],
    ids=lambda each: None if isinstance(each, str) else type(each).__name__,
)
def test_what_is_no_tool_says_how_it_becomes_one(value, says) -> None:
    for make in (
        (make_tool, tool) if not isinstance(value, classmethod) and value not in (None, Desk.book) else (make_tool,)
    ):
        with pytest.raises(ToolDefinitionError) as refused:
            make(value)
        assert says in str(refused.value)


def test_a_coroutine_is_a_function_that_was_called() -> None:
    called = asyncio.sleep(0)
    with pytest.raises(ToolDefinitionError, match="without parentheses after its name"):
        make_tool(called)
    called.close()
