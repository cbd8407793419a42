"""A value that lies about its length, its class, its items or its texts concerns its own call and nothing else."""

import enum
import itertools
import sys
import types
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from asyncfc_jupyter.testing import Calls, Says, run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.agent.scripted_conversation import play
from tests.agent.test_foreign_code import VALUE, lived


class Length(list):
    """A list that says that it has a certain length."""

    def __init__(self, length):
        super().__init__([1])
        self._length = length

    def __len__(self):
        return self._length


class Endless(Mapping):
    def __len__(self):
        return 3

    def __iter__(self):
        return itertools.count()

    def __getitem__(self, key):
        return key


class EndlessSet(Set):
    __contains__ = Endless.__contains__
    __iter__ = Endless.__iter__

    def __len__(self):
        return 2


class Changes(dict):
    """A mapping that has other items each time."""

    def items(self):
        self["n"] = self.get("n", 0) + 1
        return [(str(self["n"]), self["n"])]

    def __len__(self):
        return len(self.items()) + self["n"]


class Liar:
    """An object that says that it is of another class."""

    def __init__(self, kind):
        self._kind = kind

    __class__ = property(lambda self: self._kind)


class Text(str):
    """A text whose methods return something else than a text has."""

    __slots__ = ()

    def __len__(self):
        return -1  # noqa: PLE0303 - that is the lie

    def __getitem__(self, _):
        return 7

    def __str__(self):
        return self

    def __format__(self, _):
        return self

    def split(self, *_):
        return 7

    encode = strip = split


class Speaks:
    """An object whose texts are of another class, or are no texts."""

    def __init__(self, text):
        self._text = text

    def __repr__(self):
        return self._text

    __str__ = __repr__


class Same:
    """An object whose comparisons return an array."""

    def __eq__(self, _):
        return np.array([1, 2])

    __hash__ = object.__hash__


class Selfish(enum.Enum):
    ONE = 1


Selfish.ONE._value_ = Selfish.ONE


class Named(tuple):
    """A tuple with names for more items than it has."""

    __slots__ = ()
    _fields = ("a", "b", "c")
    _make = classmethod(lambda cls, items: cls(items))


def nested(levels):
    value = []
    for _ in range(levels):
        value = [{"a": value}]
    return value


def holding_itself():
    holder: dict[str, Any] = {}
    holder["field"] = [holder]
    return holder


LIES = [
    *map(Length, (-1, 2**80, 10**9)), Endless(), EndlessSet(), Changes(), Same(), [Same(), Same()], Selfish.ONE, Named((1,)),
    *map(Liar, (dict, list, str, int, type, Exception, BaseModel, Sequence)), Text("text"), {Text("key"): Text("value")},
    Speaks(Text("text")), Speaks(7), holding_itself(), *map(nested, (90, 110, 140, 200, 245, 5_000)), 10**5_000, -(10**5_000),
    "\ud800", float("nan"), {1: 1, "1": 2, None: 3}, (each for each in ()), sys, BaseExceptionGroup("g", [KeyboardInterrupt()]),
]  # fmt: skip


@pytest.mark.parametrize("value", LIES, ids=lambda value: type(value).__name__)
def test_a_value_that_lies_about_itself_has_an_outcome(value) -> None:
    VALUE[0] = value
    run_virtually(lived())


class AwaitableOnce:
    """An object that says that it can be awaited when it is asked for the first time."""

    def __init__(self):
        self._asked = 0

    @property
    def __class__(self):
        self._asked += 1
        return types.CoroutineType if self._asked == 1 else AwaitableOnce


def test_an_object_that_can_be_awaited_once_is_returned() -> None:
    def give() -> Any:
        """Return it."""
        return AwaitableOnce()

    run, _ = play([Calls("give")], [Says("done")], tools=[make_tool(give)])
    assert type(run.futures["f1"].result()) is AwaitableOnce
