"""The comparison with plain Python finds each fault planted in the package: one at least for each kind of program."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest

from asyncfc_jupyter.core.effects import Effects
from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.models.accumulator import Accumulator
from asyncfc_jupyter.runtime import binding
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.process_state import PROCESS
from asyncfc_jupyter.tools.definition import Tool
from asyncfc_jupyter.values import place_texts
from tests.programs.kinds import (
    biting_values,
    odd_places,
    redefinitions,
    shared_objects,
    state_in_arguments,
    streams,
)
from tests.programs.overlapping import check_random
from tests.programs.program import SIZE, Kind
from tests.random_programs import goes_wrong


@dataclass(frozen=True)
class Fault:
    """A fault, and the kind of program that must find it."""

    #: The effect that a user would see.
    name: str
    kind: Kind
    #: Plants it for the duration of a ``with`` block.
    planted: Callable[[], Any]


def _share_by_name(tool, arguments, *, references):
    return None if tool is None or not tool.repeatable else (tool.name, str(arguments))


def _repeatable(tool):
    return tool.idempotent or (tool.effects.declared and not (tool.effects.reads or tool.effects.writes))


def _texts_of_truth(value):
    return ("True",) if value is True else place_texts.place_texts(value)


def _keep_exceptions_only(guard, kind, error, traceback):
    guard.error = error
    return error is not None and issubclass(kind, Exception)


_begin = Accumulator._begin


def _begin_without_a_doubt(accumulator, delta, *, repeats=None, name=""):
    return _begin(accumulator, delta, name=name)


FAULTS = (
    Fault(
        "a reference steps into an object that an earlier call still changes",
        shared_objects.KIND,
        lambda: patch.object(binding, "is_known", lambda *_: True),
    ),
    Fault(
        "a validator looks at the world before earlier calls have changed it",
        state_in_arguments.KIND,
        lambda: patch.object(binding, "is_known", lambda *_: True),
    ),
    Fault(
        "a pure tool reads an object while an undeclared one changes it",
        shared_objects.KIND,
        lambda: patch.object(Effects, "with_shared_objects", lambda effects: effects),
    ),
    Fault(
        "two calls that each make an object have one",
        shared_objects.KIND,
        lambda: patch.object(ToolCall, "shareable", property(lambda _: True)),
    ),
    Fault(
        "a call that a gateway repeats is made twice",
        redefinitions.KIND,
        lambda: patch.object(Accumulator, "_begin", _begin_without_a_doubt),
    ),
    Fault(
        "a call takes the outcome of another tool that had its name",
        redefinitions.KIND,
        lambda: patch.object(binding, "share_key", _share_by_name),
    ),
    Fault(
        "of two letters that touch no declared state one is sent",
        redefinitions.KIND,
        lambda: patch.object(Tool, "repeatable", property(_repeatable)),
    ),
    Fault(
        "true and 1 are two places",
        odd_places.KIND,
        lambda: patch.object(binding, "place_texts", _texts_of_truth),
    ),
    Fault(
        "1.0 and the text 1.0 are two places",
        odd_places.KIND,
        lambda: patch.object(place_texts, "_number", lambda text: text.removesuffix(".0") if text == "1.0" else text),
    ),
    Fault(
        "a call that redirects its output gets that of another",
        streams.KIND,
        lambda: patch.object(PROCESS, "_parts", PROCESS._parts[1:]),
    ),
    Fault(
        "code of a value ends the run by what is not an Exception",
        biting_values.KIND,
        lambda: patch.object(ForeignCode, "__exit__", _keep_exceptions_only),
    ),
)


def _play(data, fault):
    with fault.planted():
        check_random(fault.kind, data)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_program_that_shows_the_fault_is_found(fault) -> None:
    assert goes_wrong(lambda data: _play(data, fault), SIZE)
